"""Checkpoints of the log, and who signed them: C2SP signed-note, tlog-checkpoint and tlog-cosignature.

It imports the standard library and `cryptography`, and nothing of the product, so that a verifier stands alone.
Ed25519 signs, and nothing else does: a signature of another kind is one of an unknown key.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from consent_engine.domain.log.merkle import HASH_BYTES

SIGNS, COSIGNS = 0x01, 0x04
"""The kinds of keys: a log's, and a witness', whose signature has an instant."""
MOST_SIGNATURES = 64
MOST_CHARACTERS = 100_000
_ID_BYTES = 4
_PRIVATE = "PRIVATE+KEY+"
_DASH = "\N{EM DASH} "
_NAME = r"[^\s+]{1,200}"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NotSigned(ValueError):
    """The text is no signed note, no checkpoint or no key; or a key that is known did not sign it as it says."""


class Key(NamedTuple):
    """A key that verifies. name: of the log or the witness · kind: SIGNS or COSIGNS · public: the Ed25519 key"""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature names the key."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """Return the text that `decode` reads: a vkey."""
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def decode(cls, text: str) -> "Key":
        """Read a vkey. Raises NotSigned.

        >>> Key.decode("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").id.hex()
        '530d903a'
        """
        found = re.fullmatch(rf"({_NAME})\+([0-9a-f]{{8}})\+([A-Za-z0-9+/]{{44}})", text)
        kept = _bytes(found[3]) if found else b""
        if found is None or kept[0] not in {SIGNS, COSIGNS}:
            raise NotSigned("not an Ed25519 key as a verifier has it (NAME+ID+KEY)")
        key = cls(found[1], kept[0], kept[1:])
        if key.id.hex() != found[2]:
            raise NotSigned("the key has another id: its name or the key was changed")
        return key


class Signature(NamedTuple):
    """A line of a note. id: the key's"""

    name: str
    id: bytes
    value: bytes

    def __str__(self) -> str:
        """Return the line, with its end."""
        return f"{_DASH}{self.name} {b64encode(self.id + self.value).decode()}\n"


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
        if not re.fullmatch(_NAME, name):
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
        found = re.fullmatch(rf"{re.escape(_PRIVATE)}({_NAME})\+([0-9a-f]{{8}})\+([A-Za-z0-9+/]{{44}})", text)
        kept = _bytes(found[3]) if found else b""
        if found is None or kept[0] not in {SIGNS, COSIGNS}:
            raise NotSigned("not an Ed25519 key of a log (PRIVATE+KEY+NAME+ID+KEY)")
        made = cls(found[1], Ed25519PrivateKey.from_private_bytes(kept[1:]), kept[0])
        if made.key.id.hex() != found[2]:
            raise NotSigned("the log's key has another id: its name or the key was changed")
        return made


class Note(NamedTuple):
    """A signed note. text: what is signed, its last line with its end"""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        """Return the text that `decode` reads."""
        return "\n".join((self.text, "".join(map(str, self.signatures))))

    @classmethod
    def decode(cls, text: str) -> "Note":
        """Read a note, and check no signature. Raises NotSigned."""
        body, blank, signed = text.rpartition("\n\n")
        lines = signed.splitlines(keepends=True) if len(text) <= MOST_CHARACTERS else []
        if not blank or not lines or len(lines) > MOST_SIGNATURES or _CONTROL.search(text):
            raise NotSigned("not a signed note")
        return cls(f"{body}\n", tuple(map(_signature, lines)))

    def signed_by(self, *signers: Signer) -> "Note":
        """Return the note with the signatures of these as well."""
        made = (Signature(each.key.name, each.key.id, each.sign(self.text.encode())) for each in signers)
        return self._replace(signatures=(*self.signatures, *made))

    def cosigned_by(self, witness: Signer, at_s: int) -> "Note":
        """Return the note with a witness' signature, made at an instant in seconds."""
        value = at_s.to_bytes(8, "big") + witness.sign(_cosigned(self.text, at_s))
        return self._replace(signatures=(*self.signatures, Signature(witness.key.name, witness.key.id, value)))

    def signers(self, known: Iterable[Key]) -> Mapping[Key, int]:
        """Return which of the known keys signed the note, each with the instant of its signature in seconds; 0 for a
        log's, which has none. Signatures of other keys are passed over. Raises NotSigned where one of these is false.
        """
        keys, found = {(key.name, key.id): key for key in known}, dict[Key, int]()
        for signature in self.signatures:
            if (key := keys.get((signature.name, signature.id))) is not None:
                found[key] = _checked(self.text, key, signature)
        return found

    def strangers(self, known: Iterable[Key]) -> list[str]:
        """Return the names of those who signed with keys that are not known."""
        keys = {(key.name, key.id) for key in known}
        return [each.name for each in self.signatures if (each.name, each.id) not in keys]


def _signature(line: str) -> Signature:
    found = re.fullmatch(rf"{_DASH}({_NAME}) ([A-Za-z0-9+/]+={{0,2}})\n", line)
    kept = _bytes(found[2]) if found else b""
    if found is None or len(kept) <= _ID_BYTES:
        raise NotSigned("a line of signatures cannot be read")
    return Signature(found[1], kept[:_ID_BYTES], kept[_ID_BYTES:])


def _checked(text: str, key: Key, signature: Signature) -> int:
    """Return the instant of a signature; 0 for none. Raises NotSigned for a false one."""
    at_s, value, message = 0, signature.value, text.encode()
    if key.kind == COSIGNS:
        at_s, value = int.from_bytes(value[:8], "big"), value[8:]
        message = _cosigned(text, at_s)
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(value, message)
    except (InvalidSignature, ValueError):
        raise NotSigned(f"the signature of {key.name} is false") from None
    return at_s


def _cosigned(text: str, at_s: int) -> bytes:
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except Error:
        raise NotSigned("a key, a hash or a signature is not in base64") from None


class Checkpoint(NamedTuple):
    """How many entries a log had, and the hash that covers them. origin: the log's name"""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """Return the text that is signed, which `decode` reads."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def decode(cls, text: str) -> "Checkpoint":
        """Read the text of a note. Raises NotSigned."""
        found = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n(?:[^\n]+\n)*", text, re.ASCII)
        hashed = _bytes(found[3]) if found else b""
        if found is None or len(hashed) != HASH_BYTES:
            raise NotSigned("not a checkpoint of a log")
        return cls(found[1], int(found[2]), hashed)


# -- another key -------------------------------------------------------------------------------------------------------

_FOLLOWS = "is followed by"


def rotation(old: Signer, new: Signer) -> Note:
    """Return the note in which a log's old key and its new one say that the new one follows. It is no checkpoint: its
    second line is no number.
    """
    text = f"{new.key.name}\n{old.key}\n{_FOLLOWS}\n{new.key}\n"
    return Note(text).signed_by(old, new)


def followed(trusted: Iterable[Key], rotations: Iterable[Note]) -> set[Key]:
    """Return the keys that are trusted, and those that follow one of them by a note which both signed; notes are in the
    order of their making. Raises NotSigned for one that is no such note, or whose signature is false.
    """
    found = set(trusted)
    for note in rotations:
        named = re.fullmatch(rf"[^\n]+\n([^\n]+)\n{_FOLLOWS}\n([^\n]+)\n", note.text)
        if named is None:
            raise NotSigned("not a note of one key that follows another")
        old, new = Key.decode(named[1]), Key.decode(named[2])
        if old in found and note.signers((old, new)).keys() == {old, new}:
            found.add(new)
    return found
