"""The hash that chains are made of, and that names what was frozen."""

import hashlib
from binascii import b2a_base64

HASH_LENGTH = 43
"""Of a SHA-256 in base64url without padding."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def digest(text: str) -> str:
    """SHA-256 of a text, base64url without padding: 43 characters."""
    hashed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return b2a_base64(hashed, newline=False).translate(_URL_SAFE)[:HASH_LENGTH].decode()
