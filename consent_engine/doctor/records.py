"""The check of stored records: the newest and those that are due, or all; in pieces, with their numbers reported."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice

from consent_engine.doctor import calls, endings, refusals, reserved
from consent_engine.doctor.findings import Finding, Level, good, named
from consent_engine.doctor.journal import LATE_MS
from consent_engine.doctor.orders import PIECE, Looker, pieces
from consent_engine.domain.effects import Lane, Millis
from consent_engine.ports import Store
from consent_engine.ports.queries import NOTHING, Position, Queries
from consent_engine.ports.survey import Kind, Survey

SAMPLE = 1_000
TELL_EVERY = 5_000
SOME_PIECES = 20
RESERVED_MS = 3_600_000
"""No request lasts this long: an older reservation without an order is of a process that died."""
MOST_CALLS = MOST_ORDERS = 10_000_000
MENDED = "put back what was missing of"
"""The beginning of the finding that tells what was mended."""
TELL_US = "keep the data, and report it: this must never happen"

BACKUP = "stop the workers, keep the data, restore a backup beside it: docs/operations.md"
STALLED = "consent show ORDER: no SMS or activation is put back by a guess; cancel the open order, and report it"
MEND = "consent doctor --mend; if it says so again: consent show ORDER, and report it"

TROUBLES: dict[str, tuple[Level, str, str]] = {
    "gone": (Level.BAD, "orders that are gone from Redis, though SQL has them as open or new", BACKUP),
    "unreadable": (Level.BAD, "records that cannot be read, or whose seal does not fit: they were changed or damaged",
                   BACKUP),
    "history": (Level.BAD, "orders whose sealed history does not lead to the record: a defect, or the secret leaked",
                BACKUP),
    "endless": (Level.BAD, "open orders without the timer that ends their wait", MEND),
    "stalled": (Level.BAD, "open orders without the question, activation or notification that is next", STALLED),
    "undecided": (Level.BAD, "suspected refusals that no timer would ever make refusals", MEND),
    "unrefused": (Level.BAD, "refusals that are gone though nobody lifted them: these numbers could be called",
                  "consent doctor --all --mend"),
    "unlogged": (Level.WARN, "refusals that the log lacks, or has as lifted (a backup is back)",
                 "consent doctor --all --mend: else nobody would miss them"),
    "unlifted": (Level.WARN, "liftings that the log lacks (an older copy of it is back)",
                 "consent doctor --all --mend: else their refusals would be put back one day"),
    "undue": (Level.BAD, "records with a pending effect that is in no due-set", MEND),
    "unread": (Level.BAD, "lines with unread messages that no worker would read", MEND),
    "unheard": (Level.BAD, "open orders that no reply can be matched with", TELL_US),
    "dangling": (Level.BAD, "lines that name an order without a record", BACKUP),
    "misnamed": (Level.BAD, "orders that a number's list names otherwise than their record: it was changed", BACKUP),
    "excess": (Level.BAD, "orders with a pending effect that their state does not allow", TELL_US),
    "unarchived": (Level.WARN, "settled orders that no timer moves to the archive", TELL_US),
    "far": (Level.WARN, "orders with an effect due later than any wait may last: did the server's clock jump?",
            "consent show ORDER; cancel it, or wait"),
    "member": (Level.WARN, "entries of due-sets that the engine did not write",
               "which program writes into this Redis?"),
    "idle": (Level.WARN, "entries of due-sets that no record wants", "nothing: each is removed when it is due"),
    "unlisted": (Level.BAD, "orders or calls that SQL lacks, though the scribe had time to write them",
                 "is a worker running, and does SQL answer? If so, keep the data, and report it"),
    "callless": (Level.BAD, "orders whose call is neither in Redis nor in the archive, or cannot be read", BACKUP),
    "ungated": (Level.BAD, "open orders that nothing bars, though their call is up or its review contested", MEND),
    "unended": (Level.BAD, "calls that have been up for more than five hours, or that no timer would abandon", MEND),
    "untaken": (Level.BAD, "orders whose ending lacks its deactivation: the service would stay on", MEND),
    "shared": (Level.BAD, "calls whose recording, by its reference or its audio, is another call's, too",
               "consent calls --json shows both; hear it, and fail the call that it is not of: POST /v1/reviews/CALL"),
    "doubled": (Level.BAD, "orders whose Idempotency-Key made another order, too",
                "consent show ORDER; cancel the one that its desk does not know, or take it back; and report it"),
    "revoked": (Level.BAD, "open orders of a plan that was revoked: the revocation was interrupted",
                "POST /v1/plans/CODE/revoke once more: it goes on"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much to check: `all` is everything. mend: put back what is surely missing · stopped: workers are, on purpose:
    whether they are heard from, and what waits for them, is not looked at

    piece: orders at a time · tell_every: the number of orders after which progress is reported
    """

    all: bool = False
    mend: bool = False
    stopped: bool = False
    sample: int = SAMPLE
    piece: int = PIECE
    tell_every: int = TELL_EVERY


def records(
    store: Store, survey: Survey, lease_ms: int, wanted: Wanted, tell: Callable[[str], None],
    plans: reserved.Plans = dict,
) -> Iterator[Finding]:  # fmt: skip
    """Check the records and yield the findings. store: without its archive and log when these cannot be asked · tell:
    reports progress · plans: returns all that were published
    """
    looker = Looker(store, survey, lease_ms, wanted.mend)
    _orders(looker, wanted, tell, plans)
    if wanted.all:
        for kind in (Kind.LINE, Kind.INBOX):
            for ids in survey.names(kind):
                looker.inboxes(ids)
    _calls(looker, wanted)
    endings.look(looker, MOST_CALLS if wanted.all else wanted.sample)
    _due(looker, None if wanted.all else wanted.sample)
    for piece in pieces(list(looker.lines), PIECE):
        looker.lines_of(piece)
    if wanted.all:
        refusals.look(looker, plans, tell)
    yield from _told(looker, wanted)
    yield from _reservations(store, survey, None if wanted.all else SOME_PIECES)


def _due(looker: Looker, limit: int | None) -> None:
    for lane in Lane:
        for members in looker.survey.waiting(lane, limit):
            for piece in pieces(members, PIECE):
                looker.members(lane, piece)


def _orders(looker: Looker, wanted: Wanted, tell: Callable[[str], None], plans: reserved.Plans) -> None:
    """Check orders: those that SQL has as present, newest first, and where all are wanted those that Redis has."""
    done, queries = 0, looker.store.queries
    for page in _present(
        queries, lambda sql: sql.orders.present, MOST_ORDERS if wanted.all else wanted.sample, wanted.piece
    ):
        looker.present.update(page)
        _looked_at(looker, page, plans)
        done += len(page)
        if done % wanted.tell_every < wanted.piece <= done:
            tell(f"looked at {done:,} orders")
    _gone(looker)
    for piece in _others(looker, Kind.ORDER, looker.seen, wanted):
        _looked_at(looker, piece, plans)
        if wanted.all and queries is not NOTHING:
            now, orders, _ = looker.store.records.live(piece)
            placed = {order_id: order.doc.placed_at for order_id, order in orders.items()}
            _unlisted(looker, queries.orders.known, placed, now)


def _calls(looker: Looker, wanted: Wanted) -> None:
    """Check calls as orders are."""
    seen, queries = set[str](), looker.store.queries
    for page in _present(queries, lambda sql: sql.calls.present, MOST_CALLS if wanted.all else wanted.sample, PIECE):
        seen.update(page)
        calls.look(looker, page)
    for piece in _others(looker, Kind.CALL, seen, wanted):
        seen.update(piece)
        there = calls.look(looker, piece)
        if wanted.all and queries is not NOTHING:
            known_at = {call.id: call.began.registered_at for call in there.calls.values()}
            _unlisted(looker, queries.calls.known, known_at, there.now)


def _present(
    queries: Queries, of: Callable[[Queries], Callable[[Position | None, int], list[Position]]], limit: int, piece: int
) -> Iterator[list[str]]:
    """Yield the records that SQL has as present in Redis, newest first; none where it cannot be asked."""
    if queries is NOTHING:
        return
    present, before, left = of(queries), None, limit
    while left > 0 and (page := present(before, min(piece, left))):
        yield [record for _, record in page]
        before, left = page[-1], left - len(page)


def _others(looker: Looker, kind: Kind, seen: Set[str], wanted: Wanted) -> Iterator[Sequence[str]]:
    """Yield records that SQL has not as present: all that Redis has; or some, up to the sample, where the scribe is
    behind or SQL cannot be asked.
    """
    if wanted.all or looker.store.queries is NOTHING or looker.store.journal.waiting().count > 0:
        for ids in looker.survey.names(kind, None if wanted.all else SOME_PIECES):
            if not wanted.all and len(seen) >= wanted.sample:
                return
            yield from pieces([record for record in dict.fromkeys(ids) if record not in seen], PIECE)


def _looked_at(looker: Looker, ids: Sequence[str], plans: reserved.Plans) -> None:
    orders = looker.orders(ids)
    calls.of_orders(looker, orders)
    reserved.keys_of_orders(looker, orders)
    reserved.of_revoked_plans(looker, orders, plans)


def _gone(looker: Looker) -> None:
    """Note orders that are lost. One that has left for good meanwhile is present no more."""
    if looker.lost:
        left = looker.store.archive.versions(looker.lost) if looker.store.archive is not None else {}
        looker.found["gone"] += [each for each in looker.lost if each not in left]


def _unlisted(
    looker: Looker, known: Callable[[Sequence[str]], set[str]], came: Mapping[str, Millis], now: Millis
) -> None:
    """Note records that SQL lacks though the scribe had time to write them. came: the instant of each"""
    lacks = came.keys() - known(list(came))
    looker.found["unlisted"] += [each for each in lacks if now - came[each] > LATE_MS]


def _told(looker: Looker, wanted: Wanted) -> Iterator[Finding]:
    looked = looker.looked
    rest = "" if wanted.all or looked["orders"] < wanted.sample else "; --all looks at everything"
    seen = f"{looked['orders']:,} orders, {looked['lines']:,} lines, {looked['due']:,} due-set entries"
    mended = [f"{record}" for record in looker.mended]
    if mended:
        yield good(f"{MENDED} {named(mended)}")
    sound = True
    for trouble, (level, what, do) in TROUBLES.items():
        if looker.found[trouble]:
            sound = False
            yield Finding(level, f"{what}: {named(looker.found[trouble])}", do)
    yield good(f"looked at {seen}{rest}{': all of it holds together' if sound else ''}")


def _reservations(store: Store, survey: Survey, limit: int | None) -> Iterator[Finding]:
    """Find keys whose request died between reserving and placing: harmless, the same request again takes them over."""
    looked, idle, now = 0, [], store.records.live()[0]
    for keys in islice(survey.names(Kind.RESERVATION), limit):
        kept = [(order, at) for order, at in survey.reservations(keys) if order]
        looked += len(kept)
        there = store.records.versions([order for order, _ in kept])
        gone = [order for (order, at), v in zip(kept, there, strict=True) if not v and now - at > RESERVED_MS]
        known: set[str] = {*store.records.look(calls=gone).calls}
        if store.archive is not None:
            known |= {*store.archive.versions(gone), *store.archive.calls.calls(gone)}
        idle += [record for record in gone if record not in known]
    died = f": of requests that died before they placed an order; the same request again takes them over: {named(idle)}"
    yield good(f"looked at {looked:,} reservations, {len(idle)} without an order or a call{died if idle else ''}")
