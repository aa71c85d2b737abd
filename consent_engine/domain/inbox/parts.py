"""Parts of a longer reply, as they come: put together while they may be, and never more than a fragment after that.

They wait on the line, a record for each reply that they are of, bounded in number and in time. A reply that was put
together keeps the names of its parts for a day, so that a part which is repeated is known.
"""

import json

from msgspec import Struct, to_builtins
from msgspec.json import Encoder
from msgspec.structs import replace

from consent_engine.domain.canonical_json import Reader
from consent_engine.domain.effects import Millis
from consent_engine.domain.sms import Part

PARTS_WAIT_MS = 600_000
"""How long the parts that came wait for the others."""
PARTS_KNOWN_MS = 24 * 3_600_000
"""How long a repeated part is recognised after its reply went into the inbox: gateways repeat no longer than that."""
MOST_PARTS, MOST_REPLIES = 16, 8
"""So many parts a reply, and so many replies of one line; what is beyond is a fragment at once."""


class Piece(Struct, frozen=True, array_like=True):
    """One part. key: its name · told: 1 where the part alone is a refusal and went into the inbox as one."""

    n: int
    key: str
    id: str
    text: str
    written_at: Millis | None = None
    told: int = 0


class Gathered(Struct, frozen=True, array_like=True):
    """The parts of one reply that came so far, by their numbers.

    done: since when nothing of them waits, 0 while it does · mixed: 1 where two parts came under one number: then they
    are of two replies, and no whole is sure to be one
    """

    since: Millis
    of: int
    gateway: str
    to: str
    pieces: tuple[Piece, ...]
    done: Millis = 0
    mixed: int = 0

    @property
    def whole(self) -> bool:
        """Whether every part is here."""
        return len(self.pieces) == self.of

    @property
    def untold(self) -> tuple[Piece, ...]:
        """The parts that nothing was made of yet."""
        return tuple(piece for piece in self.pieces if not piece.told)

    def knows(self, key: str) -> bool:
        """Whether a part is here, or was."""
        return any(piece.key == key for piece in self.pieces)

    def takes(self, piece: Piece) -> bool:
        """Whether a part can be of this reply: it waits, and no other part has its number."""
        return not self.done and all(each.n != piece.n for each in self.pieces)

    def doubted(self) -> "Gathered":
        """The reply once a part came that is of another one."""
        return replace(self, mixed=1)

    def with_(self, piece: Piece) -> "Gathered":
        """The reply with one part more."""
        return replace(self, pieces=tuple(sorted((*self.pieces, piece), key=lambda each: each.n)))

    def closed(self, at: Millis) -> "Gathered":
        """The reply after it went into the inbox: the names of its parts, and none of their words."""
        return replace(self, done=at, pieces=tuple(Piece(each.n, each.key, "", "") for each in self.pieces))

    def is_over(self, now: Millis) -> bool:
        """Whether its time is over: to be handed on as it is, or to be forgotten."""
        return self.due <= now

    @property
    def due(self) -> Millis:
        return self.done + PARTS_KNOWN_MS if self.done else self.since + PARTS_WAIT_MS

    def kept(self) -> str:
        try:
            return _write(self).decode()
        except UnicodeEncodeError:  # a character that was cut in two by the end of a part
            return json.dumps(to_builtins(self))

    @classmethod
    def read(cls, kept: str) -> "Gathered":
        """What `kept` wrote. Raises ValueError."""
        return _read(kept)


_write, _read = Encoder().encode, Reader(Gathered)


def can_be_joined(part: Part) -> bool:
    """Whether a part says which one it is, of so many that they can be waited for."""
    return 1 <= part.n <= part.of <= MOST_PARTS
