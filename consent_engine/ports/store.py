"""The store: all that is kept of orders and lines, by what can be done with it."""

from dataclasses import dataclass, field

from consent_engine.errors import NotOurArchive
from consent_engine.ports.archive import Archive, Retirement
from consent_engine.ports.inbox import Inbox
from consent_engine.ports.journal import Journal, Log
from consent_engine.ports.lanes import Lanes
from consent_engine.ports.lists import Lists
from consent_engine.ports.permits import Permits
from consent_engine.ports.records import Records
from consent_engine.ports.reports import Reports
from consent_engine.ports.reservations import Reservations


@dataclass(slots=True)
class Store:
    """Keeps orders, lines, events and effects.

    Every method of its parts raises StoreUnavailable when the store cannot be reached or refuses writes; `prove` asks
    that what was written is on disk (and on as many replicas as set) before the method returns, else NotDurable.
    """

    records: Records
    lanes: Lanes
    inbox: Inbox
    reservations: Reservations
    lists: Lists
    retirement: Retirement
    permits: Permits
    journal: Journal
    reports: Reports
    archive: Archive | None = None
    """where settled orders go, whichever it is; None: they stay"""
    log: Log | None = None
    """where the journal is sealed, in the archive's database; None: it grows"""
    _bound: bool = field(default=False, repr=False)

    def ours(self) -> Archive | None:
        """The archive, once both sides say that they belong to each other: the first one becomes it.

        Raises NotOurArchive when the data belong to another one, or it belongs to others, and ArchiveUnavailable when
        it cannot be asked.
        """
        if self.archive is not None and not self._bound:
            bound = self.expect_archive()
            archive = self.archive.id()
            if bound in {"", archive}:
                claim(self.archive, self.retirement, known=bool(bound))  # first: refused, the data are not bound to it
                bound = self.retirement.bind_archive(archive)
            if bound != archive:
                raise NotOurArchive(
                    "this is another archive than the one these data belong to: see CONSENT_ARCHIVE_URL"
                )
            self._bound = True
        return self.archive

    def expect_archive(self) -> str:
        """The id of the archive that the data name as theirs, '' for none yet: from now on it is not made anew."""
        bound = self.retirement.archive_bound()
        if self.archive is not None:
            self.archive.must_stand = bool(bound)
        return bound


def claim(archive: Archive, data: Retirement, *, known: bool, instead_of: str = "") -> None:
    """Have an archive belong to an installation's data (`Archive.claim`). Raises NotOurArchive when it is another's."""
    installation = data.installation()
    owner = archive.claim(installation, known=known, instead_of=instead_of)
    if owner != installation:
        raise NotOurArchive(
            f"this archive belongs to another installation ({owner or 'of an earlier release'}): give each one of its "
            "own (CONSENT_ARCHIVE_URL). Have the data on Redis been lost, restore them; is that installation gone for "
            f"good: consent archive --adopt{f' --from {owner}' if owner else ''}"
        )
