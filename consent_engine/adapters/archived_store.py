"""A store over a store and an archive: what has left the one is read in the other.

Whatever can change is in the store alone, so commits, leases and messages go straight to it. In both at once an order
is only while it moves: then the store counts.
"""

from collections.abc import Sequence

from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.policy import LATE_MARGIN
from consent_engine.domain.order.order import Order
from consent_engine.engine.archive import bound
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import Archive, Store


class ArchivedStore:
    """The Store with an archive behind it."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self._store = store
        self.archive: Archive | None = archive
        self._made = archive
        self._bound = False
        self.part, self.live, self.commit, self.lease = store.part, store.live, store.commit, store.lease
        self.prove, self.trim, self.age = store.prove, store.trim, store.age
        self.receive, self.claim, self.release, self.line_of = store.receive, store.claim, store.release, store.line_of
        self.unmatched, self.depths, self.stuck = store.unmatched, store.depths, store.stuck
        self.open_orders, self.restrictions, self.lift = store.open_orders, store.restrictions, store.lift
        self.funnel, self.records, self.retire, self.forget = store.funnel, store.records, store.retire, store.forget
        self.tally = store.tally
        self.placed_live, self.placed_at = store.placed_live, store.placed_at
        self.postpone, self.bind_archive = store.postpone, store.bind_archive

    @property
    def _archive(self) -> Archive:
        """The archive, once it is known to be the one these data belong to."""
        if not self._bound:
            bound(self._store, self._made.id())
            self._bound = True
        return self._made

    def load(
        self, orders: Sequence[str] = (), lines: Sequence[str] = ()
    ) -> tuple[Millis, dict[str, Order], dict[str, Line]]:
        """See Store.load. The store first: who was let go meanwhile is in the archive already."""
        now, found, read = self._store.live(orders, lines)
        if missing := [order for order in orders if order not in found]:
            found |= self._archive.orders(missing)
        return now, found, read

    def recall(self, keys: Sequence[str]) -> list[Order]:
        """See Store.recall."""
        return self._archive.recall(keys) if keys else []

    def archived_of(self, line: str, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """See Store.archived_of."""
        return self._archive.of_line(line, before, limit)

    def versions(self, orders: Sequence[str]) -> list[int]:
        """See Store.versions."""
        found = self._store.versions(orders)
        missing = [order for order, version in zip(orders, found, strict=True) if not version]
        archived = self._archive.versions(missing) if missing else {}
        return [version or archived.get(order, 0) for order, version in zip(orders, found, strict=True)]

    def placed(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """See Store.placed. The archive is asked only for what is old enough to be there."""
        live = self._store.placed(before, limit)
        since = self._store.live()[0] - LATE_MARGIN if live else 0
        young = [row for row in live if row[1] > since]
        if len(young) == limit:
            return young
        try:
            rows = dict(self._archive.placed(before, limit)) | dict(live)
        except ArchiveUnavailable:
            if young:  # nothing archived is as new as these: what comes behind them is asked for with their cursor
                return young
            raise
        return sorted(rows.items(), key=lambda row: (row[1], row[0]), reverse=True)[:limit]
