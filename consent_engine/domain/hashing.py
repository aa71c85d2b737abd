"""The hash (SHA-256) of chains, and of frozen records as their names; the keyed hash (HMAC); the signature of a
webhook.
"""

import hashlib
import hmac
import re
from binascii import b2a_base64
from functools import lru_cache

from consent_engine.domain.canonical_json import compact
from consent_engine.errors import Unauthenticated

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


_LEGIBLE = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: without I, L, O and U
RECEIPT = re.compile(f"[{_LEGIBLE}]{{8}}")
"""What `legible` makes."""
_PAIRS = [one + other for one in _LEGIBLE for other in _LEGIBLE]


def legible(text: str) -> str:
    """The number that a person is given of a record: 40 bits of a hash, in 8 characters that are not mistaken for
    others.
    """
    bits = int.from_bytes(sha256(text.encode())[:5])
    return "".join([_PAIRS[bits >> shift & 1023] for shift in (30, 20, 10, 0)])


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


HEADER = "X-Consent-Signature"
TOLERANCE_S = 300

# Exactly two parts in this order, so neither can be given twice; 11 digits of seconds last for 3000 years.
_PATTERN = re.compile(r"t=([0-9]{1,11}),v1=([0-9a-fA-F]{64})")


def sign(secret: str, body: bytes, at_s: int) -> str:
    """The header's value for a body sent at `at_s`, in unix seconds."""
    return f"t={at_s},v1={_digest(secret, str(at_s), body)}"


def check(
    secret: str, header: str | None, body: bytes, now_ms: int, tolerance_s: int = TOLERANCE_S, *, old: str = ""
) -> None:
    """Return if `header` signs `body` with `secret` or `old`, within the tolerance either way; else raise
    Unauthenticated; `genuine` if only the instant is wrong.

    The error's message is the same for every fault: it helps no one to guess. An empty secret fits no signature.
    """
    match = _PATTERN.fullmatch(header or "")
    # Without a match the digest is computed all the same, so that the time taken reveals as little as the message.
    at_s, theirs = (match[1], match[2].lower()) if match else ("0", "")
    fits = [bool(each) & hmac.compare_digest(_digest(each, at_s, body), theirs) for each in (secret, old)]
    genuine, recent = match is not None and any(fits), abs(now_ms - int(at_s) * 1000) <= tolerance_s * 1000
    if not (genuine and recent):
        error = Unauthenticated("the signature does not fit")
        error.genuine = genuine
        raise error


def _digest(secret: str, at_s: str, body: bytes) -> str:
    return mac(secret.encode(), at_s.encode() + b"." + body).hex()


def fingerprint(parts: object) -> str:
    """Return a hash that equal requests share: 32 hex digits."""
    return sha256(compact(parts).encode("utf-8", "surrogatepass")).hex()[:32]
