"""The store: the ports to all records in one object, and the binding of an archive to the data."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consent_engine.errors import NotOurArchive
from consent_engine.ports.archive import Archive, Retirement
from consent_engine.ports.inbox import Inbox
from consent_engine.ports.journal import Journal, Log
from consent_engine.ports.lanes import Lanes
from consent_engine.ports.permits import Permits
from consent_engine.ports.queries import NOTHING, Queries
from consent_engine.ports.records import Records
from consent_engine.ports.reservations import Reservations


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
        bound = self.retirement.archive_bound()
        if self.archive is not None:
            self.archive.must_stand = bool(bound)
        return bound


def claim(archive: Archive, data: Retirement) -> None:
    """Claim an archive for an installation's data (`Archive.claim`). Raises NotOurArchive when it is another's."""
    installation = data.installation()
    owner = archive.claim(installation)
    if owner != installation:
        raise NotOurArchive(
            f"this archive belongs to another installation ({owner}): give each one of its own (CONSENT_ARCHIVE_URL). "
            "Have the data on Redis been lost: consent rebuild; is that installation gone for good: name an empty one"
        )


def lost(cells: Sequence[int]) -> NotOurArchive:
    """Return the error for cells that are not bound to the archive of the data: their data are not complete."""
    named = "these data are" if cells == [0] else f"the data of cells {', '.join(map(str, cells))} are"
    return NotOurArchive(f"{named} not bound to their archive: Redis lost them; stop APIs and workers: consent rebuild")
