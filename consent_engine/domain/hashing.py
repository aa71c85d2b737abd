"""The hash that chains are made of, and that names what was frozen; and the keyed one."""

import hashlib
import hmac
from binascii import b2a_base64
from functools import lru_cache

HASH_LENGTH = 43
"""Of a SHA-256 in base64url without padding."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def digest(text: str) -> str:
    """SHA-256 of a text, base64url without padding: 43 characters."""
    hashed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return b2a_base64(hashed, newline=False).translate(_URL_SAFE)[:HASH_LENGTH].decode()


def mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256. The key is taken in once.

    `hmac.digest` takes it in each time, and lets the other threads of the process run before it hashes: where there are
    some, as in an API or a worker, that costs more than the hash.
    """
    begun = _begun(key).copy()
    begun.update(message)
    return begun.digest()


@lru_cache(maxsize=64)
def _begun(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")
