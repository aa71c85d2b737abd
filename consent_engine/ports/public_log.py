"""The ports to those who follow the log outside: to what is published of it (tiles, checkpoints, what witnesses said of
them), and to the feeds of customers' systems.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from consent_engine.domain.effects import Millis
from consent_engine.domain.feed import Feed
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.log.checkpoint import Checkpoint, Note
from consent_engine.domain.log.merkle import Place, Tile


class Signed(NamedTuple):
    """A checkpoint as it is kept. at: when it was made · cosigned: how many witnesses signed the note, too · token: the
    answer of a time stamp authority (RFC 3161, DER), where there is one
    """

    checkpoint: Checkpoint
    at: Millis
    note: Note
    cosigned: int = 0
    token: bytes | None = None


class Misgiving(NamedTuple):
    """A witness' refusal of a checkpoint, kept for ever: it may show two histories. status: of HTTP · size: what the
    witness had, where it said so · note: what it was sent
    """

    witness: str
    at: Millis
    status: int
    size: int
    note: str


Post = Callable[[str, bytes, str], Awaitable[tuple[int, bytes]]]
"""Posts a body of a media type to the address of a witness or a time stamp authority; returns the status and the body
of the answer. Raises OSError where none came in time, or it cannot be read."""
Stamp = Callable[[bytes], Awaitable[bytes]]
"""Returns the answer of a time stamp authority (RFC 3161, DER) for some bytes. Raises OSError where there is none."""


class Folder(Protocol):
    """The log as static files, which anything may serve; apart from SQL, so that an older copy of that is noticed.
    Raises OSError where it cannot be read or written.
    """

    def kept(self) -> Note | None:
        """Return the checkpoint that was written last; None where there is none. Raises BrokenRecord."""

    def write(self, note: Note, files: Callable[[int], Iterable[tuple[Place, bytes]]]) -> None:
        """Write the files that come after those of the checkpoint that is kept, then this one; nothing where that one
        has more entries, or another process writes. Whatever dies in between, the same again completes it.

        files: those of a log since it had so many entries
        """


class Published(Protocol):
    """The tree of the log. Each method raises ArchiveUnavailable as the Archive does, and BrokenRecord for what cannot
    be read.
    """

    def size(self) -> int:
        """Return how many entries the tiles cover."""

    def tile(self, level: int, number: int) -> bytes:
        """Return the hashes of a tile, as many as there are. Raises LookupError where there is none."""

    def entries(self, first: int, most: int) -> list[bytes]:
        """Return what is published of entries from a number on; fewer where there are no more. Raises BrokenRecord
        where one of them is gone.
        """


class Publishing(Published, Protocol):
    """A transaction of the one that publishes."""

    def grow(self, tiles: Mapping[Tile, bytes], size: int) -> None:
        """Keep tiles that changed, and how many entries they cover now."""


class PublicLog(Published, Protocol):
    """What is published of the log. Its methods raise as those of its tree do."""

    def publishing(self) -> AbstractContextManager[Publishing]:
        """Open a transaction of the one that publishes: no other one does meanwhile; an error undoes it."""

    def number_of(self, published: bytes) -> int | None:
        """Return the number of an entry by what is published of it."""

    def named(self, name: str = "", *, anew: bool = False) -> str:
        """Return the name under which the log is signed; `name` from now on, if it had none. anew: in place of it"""

    def keep(self, signed: Signed) -> None:
        """Keep a checkpoint; one of this size stays, with what was added to it."""

    def add(self, signed: Signed) -> None:
        """Keep what was added to a checkpoint: cosignatures, a token."""

    def newest(self, cosigned: int = 0) -> Signed | None:
        """Return the newest checkpoint of the log under its name that so many witnesses signed."""

    def covering(self, number: int, cosigned: int = 0) -> Signed | None:
        """Return the earliest checkpoint, under any name, that covers an entry and that so many witnesses signed."""

    def checkpoints(self, after: int, most: int) -> Sequence[Signed]:
        """Return checkpoints under the log's name, by size, of more than `after` entries."""

    def thin(self, before: Millis, each_ms: Millis) -> int:
        """Delete the checkpoints made before an instant, but for the first of each span; return how many."""

    def rotations(self) -> Sequence[Note]:
        """Return the notes by which one key follows another, in their order."""

    def rotate(self, note: Note) -> None:
        """Keep such a note."""

    def misgivings(self, most: int = 100) -> Sequence[Misgiving]:
        """Return the refusals of witnesses, newest first."""

    def refused(self, misgiving: Misgiving) -> bool:
        """Keep a refusal; False where the same one is kept."""


class Answered(NamedTuple):
    """The answer to a post. status: of HTTP; 0 where none came · after: when it wants the next one (ms), 0: whenever ·
    why: what went wrong where none came
    """

    status: int
    after: Millis = 0
    why: str = ""

    @property
    def taken(self) -> bool:
        """Whether the other side has it."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's

    @property
    def hitch(self) -> str:
        """Why it has it not, as `Hitch` keeps a reason."""
        return Hitch.ANSWERED.of(self.status) if self.status else self.why


class PostEvent(Protocol):
    """Sends events to the system of a customer."""

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Post a body once, and follow no redirect."""


class Feeds(Protocol):
    """The feeds. Each method raises ArchiveUnavailable as the Archive does."""

    def all(self) -> Sequence[Feed]:
        """Return the feeds by name, removed ones too. Raises BrokenRecord for one that cannot be read."""

    def swap(self, was: Feed | None, new: Feed) -> bool:
        """Keep a feed in the place of `was`, which has its name; None: there is none. False, and nothing is kept, where
        another stands there.
        """
