"""A sample that can be drawn again from its seed: each call by the hash of the seed and its id."""

import hashlib


def lot(seed: str, call: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{call}".encode("utf-8", "surrogatepass")).digest()


def is_drawn(seed: str, call: str, share: float) -> bool:
    """Whether a call is drawn into a sample that is a share (0 to 1) of all calls.

    >>> sum(is_drawn("seed", f"call-{n}", 0.05) for n in range(10_000))
    501
    """
    return int.from_bytes(lot(seed, call)[:8]) < share * 2**64
