"""The audit from the records' side: each record of a period is in the log or on its way there, and the columns of its
row in the archive agree with the record itself.

Lists, searches, retention and the reservations of recordings go by those columns, which no seal covers.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from consent_engine.domain.effects import Millis
from consent_engine.domain.leaf import Chained, Leaf
from consent_engine.domain.offer.offer import Offer
from consent_engine.engine.lookup import Lookup
from consent_engine.errors import BrokenRecord
from consent_engine.ports import ReportFilter, Store
from consent_engine.ports.queries import Position

PIECE = 500
CELLS_APART_MS = 60_000
"""A record that is no longer than this after the log's first entry is not missed there: a log that was begun anew may
have another cell's first entry before it.
"""
UNLOGGED = "not in the log"
"""How each finding begins that is about a record, or a part of one, without an entry."""
_Page = Callable[[tuple[Millis, str] | None, int], Sequence[tuple[str, Millis]]]


class Chain(NamedTuple):
    """A chain as it is kept now: the leaf of its last event, and its links. offer: an order's"""

    last: Leaf
    publics: Sequence[str]
    offer: Offer | None = None


def chains(store: Store, wanted: Iterable[tuple[Chained, str]]) -> dict[str, Chain]:
    """Return the chains of records by kind and id, from the store or the archive; not of those that cannot be read."""
    lookup, by_kind = Lookup(store), _by_kind(wanted)
    orders = lookup.load(by_kind.get(Chained.ORDER, ()))[1]
    found = [
        *lookup.calls(by_kind.get(Chained.CALL, ())).values(),
        *lookup.endings(by_kind.get(Chained.ENDING, ())).values(),
    ]
    reports = by_kind.get(Chained.REPORT, ())
    reported = lookup.of_reports.look(reports)[1].values() if reports else ()
    made = {order.id: Chain(Leaf.of_record(order), order.publics, order.doc.offer) for order in orders.values()}
    return made | {each.id: Chain(Leaf.of_record(each), each.publics) for each in (*found, *reported)}


def unlogged(
    store: Store, known: Container[str], kept_since: Millis, between: tuple[Millis, Millis]
) -> Iterator[tuple[str, str]]:
    """Yield the records that came in a period and are neither in the log nor in the journal, and the archived ones
    whose columns differ from their record. known: the records that the log has. Those whose last event is older than
    the log have no entry, and need none. Raises StoreUnavailable and ArchiveUnavailable.
    """
    began = _began(store)
    if began is None:
        return
    for kind, page in _lists(store):
        for rows in _between(page, between):
            rest = [record for record in rows if record not in known]
            there = chains(store, ((kind, record) for record in rest))
            ahead = {
                each.last.entry: each.last for each in there.values()
                if began + CELLS_APART_MS < each.last.at < between[1]
            }  # fmt: skip
            # The journal first: an entry that leaves it meanwhile is in the log.
            waiting = store.journal.among(set(ahead)) if ahead else set()
            lacks = (last for entry, last in ahead.items() if entry not in waiting)
            for last in lacks:
                if store.log is not None and not store.log.has(last.entry):
                    yield last.record, f"{UNLOGGED}: none of its events is there"
            unread = (record for record in rest if record not in there and rows[record] >= kept_since)
            yield from ((record, "cannot be read, and nothing of it is in the log") for record in unread)
            yield from misfiled(store, ((kind, record) for record in rest))


def misfiled(store: Store, wanted: Iterable[tuple[Chained, str]]) -> Iterator[tuple[str, str]]:
    """Yield the archived records whose columns differ from their record, with the columns' names."""
    archive = store.archive
    if archive is None:
        return
    by_kind = _by_kind(wanted)
    tables = {
        Chained.ORDER: archive.misfiled, Chained.CALL: archive.calls.misfiled,
        Chained.ENDING: archive.records.misfiled, Chained.REPORT: archive.records.misfiled,
    }  # fmt: skip
    for kind, ids in by_kind.items():
        for some in (ids[n : n + PIECE] for n in range(0, len(ids), PIECE)):
            for record, columns in tables[kind](some).items():
                yield record, f"its row in the archive was changed: {', '.join(columns)}"


def _by_kind(wanted: Iterable[tuple[Chained, str]]) -> dict[Chained, list[str]]:
    found: dict[Chained, dict[str, None]] = {}
    for kind, record in wanted:
        found.setdefault(kind, {})[record] = None
    return {kind: list(ids) for kind, ids in found.items()}


def _began(store: Store) -> Millis | None:
    """Return the instant of the log's first entry; None where there is none, or it cannot be read."""
    first = store.log.entries(0, 1) if store.log is not None else []
    try:
        return Leaf.decode(first[0][1]).at if first else None
    except BrokenRecord:
        return None


def _lists(store: Store) -> Iterator[tuple[Chained, _Page]]:
    """Yield every list of records: their kind, and its pages."""
    if store.archive is not None:
        yield Chained.ORDER, _rows(store.queries.orders.listed)
        yield Chained.CALL, _rows(store.queries.calls.listed)
        yield Chained.ENDING, _rows(store.queries.endings.listed)
        yield Chained.REPORT, _rows(partial(store.queries.reports.page, ReportFilter()))


def _rows(listed: Callable[[Position | None, int], Sequence[Position]]) -> _Page:
    return lambda before, limit: [(record, at) for at, record in listed(before, limit)]


def _between(page: _Page, between: tuple[Millis, Millis]) -> Iterator[Mapping[str, Millis]]:
    """Yield the rows of a list that came in a period, newest first, a page at a time."""
    before: tuple[Millis, str] = (between[1], "")
    while rows := page(before, PIECE):
        yield {record: at for record, at in rows if at >= between[0]}
        record, at = rows[-1]
        if at < between[0]:
            return
        before = (at, record)
