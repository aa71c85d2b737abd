"""The hash (SHA-256) of chains, and of frozen records as their names; and the keyed hash (HMAC)."""

import hashlib
from binascii import b2a_base64
from functools import lru_cache

HASH_LENGTH = 43
"""Characters of a SHA-256 in base64url without padding."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


_SHA256 = hashlib.sha256()
"""Created once: a copy costs half as much as a new hash object."""


def digest(text: str) -> str:
    """SHA-256 of a text, base64url without padding: 43 characters."""
    hashed = _SHA256.copy()
    hashed.update(text.encode("utf-8", "surrogatepass"))
    return b2a_base64(hashed.digest(), newline=False).translate(_URL_SAFE)[:HASH_LENGTH].decode()


def sha256(message: bytes) -> bytes:
    """SHA-256: 32 bytes."""
    hashed = _SHA256.copy()
    hashed.update(message)
    return hashed.digest()


def mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256 (RFC 2104). The key is hashed once.

    `hmac` hashes the key each time, or costs a third more where its object is copied; and `hmac.digest` lets the other
    threads of the process run before it hashes: where there are some, as in an API or a worker, that costs more than
    the hash.
    """
    begun_inner, begun_outer = _begun(key)
    inner, outer = begun_inner.copy(), begun_outer.copy()
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=64)
def _begun(key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """The inner and the outer SHA-256, each with the key hashed into it."""
    whole = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in whole)), hashlib.sha256(bytes(byte ^ 0x5C for byte in whole))


_BLOCK = hashlib.sha256().block_size
