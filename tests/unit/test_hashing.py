"""The keyed hash: equal to the library's HMAC-SHA-256, whatever it keeps of a key."""

import hmac

import pytest

from consent_engine.domain.hashing import mac


@pytest.mark.parametrize("key", [b"", b"short", b"k" * 64, b"longer than a block of the hash: " * 4])
def test_a_keyed_hash_is_the_librarys_hmac(key: bytes) -> None:
    for message in (b"", b"one", b"m" * 5_000, b"one"):
        assert mac(key, message) == hmac.digest(key, message, "sha256")
