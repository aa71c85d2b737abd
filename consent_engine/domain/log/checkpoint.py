"""Checkpoints of the log, as they are signed: C2SP signed-note, tlog-checkpoint and tlog-cosignature.

How they are read and checked is in the verifier, which stands alone (`consent_engine/verify.py`). Ed25519 signs, and
nothing else does: a signature of another kind is one of an unknown key.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_engine import verify
from consent_engine.verify import (
    COSIGNS,
    FOLLOWS,
    NAME,
    SIGNS,
    Checkpoint,
    Key,
    NotSigned,
    Signature,
    cosigned,
    followed,
    of_base64,
)

__all__ = ["COSIGNS", "SIGNS", "Checkpoint", "Key", "NotSigned", "Signature", "followed"]
_PRIVATE = "PRIVATE+KEY+"


class Signer(Protocol):
    """What signs for the log: a key in a file, or a service that keeps one."""

    @property
    def key(self) -> Key:
        """The key that verifies."""

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of a message. Raises OSError where it cannot be had now."""


class PrivateKey(Signer):
    """A key in the hands of this process."""

    def __init__(self, name: str, private: Ed25519PrivateKey, kind: int = SIGNS) -> None:
        self._private = private
        self._key = Key(name, kind, private.public_key().public_bytes_raw())

    @property
    def key(self) -> Key:
        return self._key

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    @classmethod
    def made(cls, name: str) -> "PrivateKey":
        """Make a key for the log with this name. Raises NotSigned for a name that cannot be one."""
        if not re.fullmatch(NAME, name):
            raise NotSigned("a log's name has no spaces and no +, and 200 characters at most")
        return cls(name, Ed25519PrivateKey.generate())

    def __str__(self) -> str:
        """Return the text that `decode` reads, which is secret."""
        key = self._key
        kept = bytes([key.kind]) + self._private.private_bytes_raw()
        return f"{_PRIVATE}{key.name}+{key.id.hex()}+{b64encode(kept).decode()}"

    @classmethod
    def decode(cls, text: str) -> "PrivateKey":
        """Read a key. Raises NotSigned, which does not repeat it."""
        found = re.fullmatch(rf"{re.escape(_PRIVATE)}({NAME})\+([0-9a-f]{{8}})\+([A-Za-z0-9+/]{{44}})", text)
        kept = of_base64(found[3]) if found else b""
        if found is None or kept[0] not in {SIGNS, COSIGNS}:
            raise NotSigned("not an Ed25519 key of a log (PRIVATE+KEY+NAME+ID+KEY)")
        made = cls(found[1], Ed25519PrivateKey.from_private_bytes(kept[1:]), kept[0])
        if made.key.id.hex() != found[2]:
            raise NotSigned("the log's key has another id: its name or the key was changed")
        return made


class Note(verify.Note):
    """A signed note, which more may sign."""

    def signed_by(self, *signers: Signer) -> "Note":
        """Return the note with the signatures of these as well."""
        made = (Signature(each.key.name, each.key.id, each.sign(self.text.encode())) for each in signers)
        return self._replace(signatures=(*self.signatures, *made))

    def cosigned_by(self, witness: Signer, at_s: int) -> "Note":
        """Return the note with a witness' signature, made at an instant in seconds."""
        value = at_s.to_bytes(8, "big") + witness.sign(cosigned(self.text, at_s))
        return self._replace(signatures=(*self.signatures, Signature(witness.key.name, witness.key.id, value)))

    def strangers(self, known: Iterable[Key]) -> list[str]:
        """Return the names of those who signed with keys that are not known."""
        keys = {(key.name, key.id) for key in known}
        return [each.name for each in self.signatures if (each.name, each.id) not in keys]


def rotation(old: Signer, new: Signer) -> Note:
    """Return the note in which a log's old key and its new one say that the new one follows. It is no checkpoint: its
    second line is no number.
    """
    text = f"{new.key.name}\n{old.key}\n{FOLLOWS}\n{new.key}\n"
    return Note(text).signed_by(old, new)
