"""The store: the ports to all records in one object, and the binding of an archive to the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.call.permit import Given
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.errors import NotOurArchive
from consent_engine.ports.archive import Archive, Retirement
from consent_engine.ports.journal import Journal, Log
from consent_engine.ports.lanes import Lanes
from consent_engine.ports.queries import NOTHING, Queries
from consent_engine.ports.records import Records


class Permits(Protocol):
    """The basis of dialling permits, and the record of the answers given."""

    def standing(self, lines: Mapping[str, str]) -> tuple[Millis, Mapping[str, Line | None]]:
        """Return the server's instant and, of these lines (line -> its number), those with a restriction or a call:
        these two alone are read.

        None for a line that cannot be read, or has another number. In one round trip, however many lines there are.
        """

    def keep(self, given: Sequence[tuple[str, Given]]) -> None:
        """Keep answers, each once, proven durable; each comes with a line of the part of the store that it is about."""

    def find(self, request: str, at: Millis) -> list[Given]:
        """Return the answers to a request made around an instant, one row for each part of the store."""


class Claim(Struct, frozen=True):
    """The answer to reserving an Idempotency-Key. now: the server's instant · held_by: where another request has the
    key, that request's fingerprint, order and instant · seen: that reservation as kept, to name when taking it over"""

    now: Millis
    held_by: tuple[str, str, Millis] | None
    seen: str = ""


class Reservations(Protocol):
    """The Idempotency-Keys and recordings that are reserved, by their hashes."""

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        """Reserve keys, each: (key hash, fingerprint, id of the record, claimant, reservation to take over or '')."""

    def release(self, keys: Sequence[tuple[str, str, str]]) -> None:
        """Delete reservations that are of this record, or of this claimant, each: (key hash, id of the record or '',
        claimant or '').
        """


class Posted(Struct, frozen=True, omit_defaults=True):
    """A message for a line's inbox.

    makes: names of the restrictions it makes, with their door and ref, and for a suspicion reason and words ·
    once: not stored when these restrictions are in force already · barring: names of the restrictions that void a
    consent in it · decides: name of the suspicion that it decides · decided: the newest act the decision considered ·
    lifting: the record to keep of the decision when it is no refusal · repeated: the reason under which its first
    repeat is kept as unmatched, '' if it is not kept · same_for: for how long after a message (ms) another one with
    its key is its repeat; None: for ever · until: when its restrictions end; 0: never · came: its arrival; 0: now
    """

    line: str
    msisdn: str
    key: str
    body: str
    makes: Sequence[str] = ()
    door: str = ""
    ref: str = ""
    once: bool = False
    reason: str = ""
    words: str = ""
    barring: Sequence[str] = ()
    decides: str = ""
    decided: Millis = 0
    lifting: str = ""
    repeated: str = ""
    same_for: Millis | None = None
    until: Millis = 0
    came: Millis = 0


class Stored(Struct, frozen=True):
    """Whether a message is new, and when it (first) reached us. gone: the suspicion it decides has changed or ended."""

    is_new: bool
    at: Millis
    gone: bool = False


class Inbox(Protocol):
    """The lines' unread messages, read in the order they came, and the unmatched messages, which belong to no order."""

    def receive(self, messages: Sequence[Posted], *, prove: bool = True) -> list[Stored]:
        """Put messages into their lines' inboxes, each once. A message that makes a restriction not in force is stored
        even where its key came before, unless its `same_for` is None.
        """

    def put_back(self, unread: Mapping[str, Sequence[str]]) -> None:
        """Put unread messages, as the store had them, into the inboxes of their lines, before those that came since;
        one that is there stays where it is.
        """

    def unmatched(self, entries: Sequence[str], *, prove: bool = True) -> None:
        """Keep unmatched messages as evidence."""

    def forget(self, line: str, number: str) -> int:
        """Delete the unmatched messages of a line, or with this number in them. Returns how many there were."""

    def trim(self) -> int:
        """Delete unmatched messages and evidence of liftings and permits past their retention, and the oldest of more
        than a million. Returns how many were deleted."""


@dataclass(slots=True)
class Store:
    """The store of orders, lines, events and effects, one part for each port.

    Every method of its parts raises StoreUnavailable when the store cannot be reached or refuses writes; with `prove`
    a write is on disk (and on as many replicas as set) before the method returns, else it raises NotDurable.
    """

    records: Records
    lanes: Lanes
    inbox: Inbox
    reservations: Reservations
    retirement: Retirement
    permits: Permits
    journal: Journal
    archive: Archive | None = None
    """the archive that settled orders are moved to, bound yet or not; None: they stay in the store"""
    queries: Queries = NOTHING
    """lists and sums of all records, as the scribe wrote them"""
    log: Log | None = None
    """the log in the archive's database that the journal is moved to; None: the journal grows"""
    plans: str = field(default="", repr=False)
    """the mark of the catalogue as it was last brought to SQL"""
    _bound: bool = field(default=False, repr=False)

    def bound_archive(self) -> Archive | None:
        """Return the archive once the data and the archive name each other; data without an archive are bound to this
        one. Raises NotOurArchive when the data belong to another archive, or the archive to another installation, or
        where a cell lost its data, and ArchiveUnavailable when it cannot be asked.
        """
        if self.archive is not None and not self._bound:
            bound = self.expect_archive()
            archive = self.archive.id()
            if bound in {"", archive}:
                claim(self.archive, self.retirement)  # first: refused, the data are not bound to it
            bound = bound or self.retirement.bind_archive(archive)
            if bound != archive:
                raise NotOurArchive(
                    "this is another archive than the one these data belong to: see CONSENT_ARCHIVE_URL"
                )
            if cells := self.retirement.emptied(archive):
                raise lost(cells)
            self._bound = True
        return self.archive

    def expect_archive(self) -> str:
        """Return the id of the archive that the data name, '' for none; from then on a named one is not made anew."""
        bound = self.retirement.named().archive
        if self.archive is not None:
            self.archive.must_stand = bool(bound)
        return bound


def claim(archive: Archive, data: Retirement) -> None:
    """Claim an archive for an installation's data (`Archive.claim`). Raises NotOurArchive when it is another's; data
    without a name stay so.
    """
    owner = archive.owner()
    installation = data.named(make=not owner).installation
    owner = owner or archive.claim(installation)
    if owner != installation:
        raise NotOurArchive(
            f"this archive belongs to another installation ({owner}): give each one of its own (CONSENT_ARCHIVE_URL). "
            "Have the data on Redis been lost: consent rebuild; is that installation gone for good: name an empty one"
        )


def lost(cells: Sequence[int]) -> NotOurArchive:
    """Return the error for cells that are not bound to the archive of the data: their data are not complete."""
    named = "these data are" if cells == [0] else f"the data of cells {', '.join(map(str, cells))} are"
    return NotOurArchive(f"{named} not bound to their archive: Redis lost them; stop APIs and workers: consent rebuild")


def schema_of(number: str, *, shadow: bool) -> str:
    """Return the mark that data of a schema carry. A shadow's is another one from their first write on: what was only
    written down never becomes a real order, and no real order stays undone.
    """
    return f"{number} shadow" if shadow else number


def other_mode(what: str, *, shadow: bool) -> str:
    """Return the line on data of the other mode than CONSENT_SHADOW says. what: the data"""
    if shadow:
        return f"CONSENT_SHADOW=true: {what} is of real orders: leave it out, or name new data for the shadow"
    return (
        f"CONSENT_SHADOW: {what} is a shadow's, and nothing in it was sent or switched on: set CONSENT_SHADOW=true; to "
        "go live name new data, and bring the refusals: docs/shadow.md"
    )
