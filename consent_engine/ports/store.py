"""The store: all that is kept of orders and lines, by what can be done with it."""

from dataclasses import dataclass, field

from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports.archive import Archive, Retirement
from consent_engine.ports.inbox import Inbox
from consent_engine.ports.lanes import Lanes
from consent_engine.ports.lists import Lists
from consent_engine.ports.records import Records
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
    archive: Archive | None = None
    """where settled orders go, whichever it is; None: they stay"""
    _bound: bool = field(default=False, repr=False)

    def ours(self) -> Archive | None:
        """The archive, once it is known to be the one that these data belong to: the first one becomes it.

        Raises ArchiveUnavailable when they belong to another one, or it cannot be asked.
        """
        if self.archive is not None and not self._bound:
            archive = self.archive.id()
            if self.retirement.bind_archive(archive) != archive:
                raise ArchiveUnavailable(
                    "this is another archive than the one these data belong to: see CONSENT_ARCHIVE_URL"
                )
            self._bound = True
        return self.archive
