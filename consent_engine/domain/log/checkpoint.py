"""Checkpoints of the log, as they are signed: C2SP signed-note, tlog-checkpoint and tlog-cosignature; and the requests
to witnesses and their answers: C2SP tlog-witness, add-checkpoint.

How they are read and checked is in the verifier, which stands alone (`consent_engine/verify.py`). Ed25519 signs, and
nothing else does: a signature of another kind is one of an unknown key. A witness remembers the last checkpoint that it
saw of a log, and signs only one that begins with that.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

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


ADD = "/add-checkpoint"


class Witness(NamedTuple):
    """A witness as the settings name it. url: the prefix of its address, without a slash at its end"""

    url: str
    key: Key

    @classmethod
    def decode(cls, text: str) -> "Witness":
        """Read `URL vkey`. Raises NotSigned for anything else, and for a key that does not cosign.

        >>> Witness.decode("http://w.example/ w.example+00000000+AAAA")
        Traceback (most recent call last):
        ...
        consent_engine.verify.NotSigned: not an Ed25519 key as a verifier has it (NAME+ID+KEY)
        """
        url, _, key = text.strip().partition(" ")
        if not re.fullmatch(r"https?://[!-~]+", url):
            raise NotSigned("a witness is named by its address and its key, like https://w.example w.example+ID+KEY")
        decoded = Key.decode(key.strip())
        if decoded.kind != COSIGNS:
            raise NotSigned(f"the key of {decoded.name} signs no cosignatures: a witness' key is another one")
        return cls(url.rstrip("/"), decoded)


def quorum(witnesses: Sequence[Witness]) -> int:
    """Return how many of these witnesses must sign a checkpoint: more than half, so that two histories need a liar."""
    return len(witnesses) // 2 + 1 if witnesses else 0


def asking(old: int, proof: Sequence[bytes], note: Note) -> bytes:
    """Return the body that asks for a cosignature. old: the size that the witness saw last · proof: that the log of
    this checkpoint begins with that one
    """
    lines = "".join(f"{b64encode(each).decode()}\n" for each in proof)
    return f"old {old}\n{lines}\n{note}".encode()


def with_cosignature(note: Note, answer: bytes, witness: Key) -> Note:
    """Return the note with the cosignature in an answer. Raises NotSigned where the witness did not sign this note."""
    try:
        said = Note.decode(f"{note.text}\n{answer.decode()}")
    except UnicodeDecodeError:
        raise NotSigned("the answer of the witness cannot be read") from None
    made = tuple(each for each in said.signatures if (each.name, each.id) == (witness.name, witness.id))[:1]
    if not said._replace(signatures=made).signers([witness]):
        raise NotSigned(f"{witness.name} did not sign it")
    others = tuple(each for each in note.signatures if (each.name, each.id) != (witness.name, witness.id))
    return Note(note.text, (*others, *made))


def size_in(answer: bytes) -> int | None:
    """Return the size in the answer to an old size that the witness does not have; None where it cannot be read."""
    found = re.fullmatch(rb"(0|[1-9][0-9]{0,17})\n?", answer)
    return int(found[1]) if found else None
