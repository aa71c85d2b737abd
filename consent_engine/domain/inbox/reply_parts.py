"""Parts of a longer reply, as they come: joined while they may be, and only ever a fragment after that.

They wait on the line, in one record a reply, bounded in number and in time. A joined reply keeps the names of its parts
for a day, so that a repeated part is recognised.
"""

import json

from msgspec import Struct, to_builtins
from msgspec.json import Encoder
from msgspec.structs import replace

from consent_engine.domain.canonical_json import Reader
from consent_engine.domain.effects import Millis
from consent_engine.domain.sms import Part

PARTS_WAIT_MS = 600_000
"""How long the parts of a reply wait for the missing ones."""
PARTS_KNOWN_MS = 24 * 3_600_000
"""How long a repeated part is recognised after its reply went into the inbox: gateways repeat no longer than that."""
MOST_PARTS, MOST_REPLIES = 16, 8
"""The most parts of a reply, and the most replies of one line; anything beyond is a fragment at once."""


class Piece(Struct, frozen=True, array_like=True):
    """One part. key: its name · handed_on: 1 where the part alone is a refusal and went into the inbox as one."""

    n: int
    key: str
    id: str
    text: str
    written_at: Millis | None = None
    handed_on: int = 0


class Gathered(Struct, frozen=True, array_like=True):
    """The parts of one reply that came so far, by their numbers.

    done: since when none of them waits, 0 while they do · mixed: 1 where two parts came under one number: they are of
    two replies, and no joined text is sure to be one reply · refused: 1 where they are done, and what was handed on
    refuses
    """

    since: Millis
    of: int
    gateway: str
    to: str
    pieces: tuple[Piece, ...]
    done: Millis = 0
    mixed: int = 0
    refused: int = 0

    @property
    def whole(self) -> bool:
        """Whether every part is here."""
        return len(self.pieces) == self.of

    @property
    def withheld(self) -> tuple[Piece, ...]:
        """The parts that have not been handed on alone."""
        return tuple(piece for piece in self.pieces if not piece.handed_on)

    def knows(self, key: str) -> bool:
        """Whether the part of this name is here, or was."""
        return any(piece.key == key for piece in self.pieces)

    def accepts(self, piece: Piece) -> bool:
        """Whether a part can belong to this reply: the reply waits, and no other part has that number."""
        return not self.done and all(each.n != piece.n for each in self.pieces)

    def doubted(self) -> "Gathered":
        """Return the reply, marked because a part of another reply came."""
        return replace(self, mixed=1)

    def with_(self, piece: Piece) -> "Gathered":
        """Return the reply with one more part."""
        return replace(self, pieces=tuple(sorted((*self.pieces, piece), key=lambda each: each.n)))

    def closed(self, at: Millis, *, refuses: bool) -> "Gathered":
        """Return the reply after it went into the inbox: the names of its parts, and none of their words. refuses:
        whether their joint text does
        """
        refused = int(refuses or any(each.handed_on for each in self.pieces))
        names = tuple(Piece(each.n, each.key, "", "") for each in self.pieces)
        return replace(self, done=at, pieces=names, refused=refused)

    def is_over(self, now: Millis) -> bool:
        """Whether its time is over: then it is handed on as it is, or forgotten."""
        return self.due <= now

    @property
    def due(self) -> Millis:
        return self.done + PARTS_KNOWN_MS if self.done else self.since + PARTS_WAIT_MS

    def encode(self) -> str:
        try:
            return _write(self).decode()
        except UnicodeEncodeError:  # a character that was cut in two by the end of a part
            return json.dumps(to_builtins(self))

    @classmethod
    def decode(cls, kept: str) -> "Gathered":
        """Read the form that `encode` wrote. Raises ValueError."""
        return _read(kept)


_write, _read = Encoder().encode, Reader(Gathered)


def can_be_joined(part: Part) -> bool:
    """Whether a part says which one it is, of no more parts than can be waited for."""
    return 1 <= part.n <= part.of <= MOST_PARTS
