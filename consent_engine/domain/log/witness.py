"""What a log asks of a witness, and what the witness answers: C2SP tlog-witness, add-checkpoint.

A witness remembers the last checkpoint that it saw of a log, and signs only one that begins with that.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

from consent_engine.domain.log.checkpoint import COSIGNS, Key, Note, NotSigned

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


def cosigned(note: Note, answer: bytes, witness: Key) -> Note:
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
