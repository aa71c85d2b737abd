"""Orders and calls in store and archive: records that left the store are read in the archive.

Records that can change are in the store alone. An order is in both only while it moves: then the store counts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order
from consent_engine.ports import Archive, Store

T = TypeVar("T")


def pieces(records: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield records in pieces of this size, to be read one piece at a time."""
    return (records[n : n + size] for n in range(0, len(records), size))


class Lookup:
    """The reader of orders and calls: in the store, then in the archive.

    Its methods raise ArchiveUnavailable when the archive must be asked and cannot be.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.of_reports = ReportLookup(store)

    def load(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """As `Records.live`, with archived orders. The store first: an order leaving it is archived already."""
        now, found, read = self._store.records.live(orders, lines)
        return now, _completed(self._store, orders, found, lambda archive, missing: archive.orders(missing)), read

    def calls(self, calls: Sequence[str]) -> dict[str, Call]:
        """Return the calls that exist and can be read, with archived ones."""
        found = self._store.records.look(calls=calls).calls
        return _completed(self._store, calls, found, lambda archive, missing: archive.calls.calls(missing))

    def endings(self, endings: Sequence[str]) -> dict[str, Ending]:
        """Return the endings that exist and can be read, with archived ones."""
        found = self._store.records.look(endings=endings).endings
        return _completed(self._store, endings, found, lambda archive, missing: archive.records.endings(missing))

    def versions(self, orders: Sequence[str]) -> list[int]:
        """As `Records.versions`, with archived orders."""
        found = self._store.records.versions(orders)
        missing = [order for order, version in zip(orders, found, strict=True) if not version]
        archive = self._store.bound_archive() if missing else None
        archived = archive.versions(missing) if archive else {}
        return [version or archived.get(order, 0) for order, version in zip(orders, found, strict=True)]


class ReportLookup:
    """The reader of reports of calls: in the store, then in the archive.

    Its methods raise ArchiveUnavailable when the archive must be asked and cannot be.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def look(self, reports: Sequence[str]) -> tuple[Millis, dict[str, Report]]:
        """As `Reports.look`, with archived ones."""
        found = self._store.records.look(reports=reports)
        archived = _completed(
            self._store, reports, found.reports, lambda archive, missing: archive.records.reports(missing)
        )
        return found.now, archived


def _completed(
    store: Store, wanted: Sequence[str], found: Mapping[str, T], look: Callable[[Archive, list[str]], dict[str, T]]
) -> dict[str, T]:
    """Return the records found in the store, with the missing ones that the archive has."""
    missing = [record for record in wanted if record not in found]
    archive = store.bound_archive() if missing else None
    return {**found, **look(archive, missing)} if archive else dict(found)
