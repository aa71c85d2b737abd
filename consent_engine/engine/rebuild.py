"""Rebuilding: an emptied Redis, or the emptied cells of a cluster, are filled from SQL, which has every record whole.

A cell names the archive that it belongs to; one that lost its data does not, so no engine starts on it, and the scribe
brings nothing from it. That name comes last. Until then the same command goes on where it was ended: a record that is
there is left alone. So is what came since the loss: a message, or a refusal, that an engine took before it was stopped.

Numbers come first, with all that stands on them; then the records; what is due follows from their pending effects.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from consent_engine.domain.call.call import Call, keys_held
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.decide.put_again import put_again
from consent_engine.domain.decide.wanted_effects import missing_of
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Entry, Line, request_key
from consent_engine.domain.line.restriction import OF_ORDERS, Restriction
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import cipher_of
from consent_engine.engine.recall import back
from consent_engine.errors import BrokenRecord, StoreUnavailable
from consent_engine.ports import Change, Commit, CommitResult, Kept, LineKept, Owner, R, Store
from consent_engine.ports.journal import Whole

RAISED = 1_000
"""So much is a version above the one in SQL: a worker that still holds a decision from before has read none so high."""
_RESTRICTION = "r:"
Tell = Callable[[str], None]


class Rebuilt(Struct):
    """The result. filled: cells that had lost their data · now: the store's instant · until: the instant of the
    newest change that SQL has · counts: how many there are of each kind · broken: ids of those that cannot be read
    """

    filled: list[int]
    now: Millis
    until: Millis
    counts: Counter[str]
    broken: list[str]


def rebuild(store: Store, whole: Whole, owner: str, archive: str, tell: Tell) -> Rebuilt:
    """Fill the cells that are not bound to their archive. owner: the installation that the archive belongs to. Raises
    StoreUnavailable and ArchiveUnavailable; the same again goes on.
    """
    now = store.records.look({}).now
    done = Rebuilt(store.retirement.emptied(archive), now, whole.until() or now, Counter(), [])
    _lines(store, whole, done, tell)
    for kind in _NOUNS:
        for piece in whole.records(kind):
            _records(store, [each for each in piece if store.records.part(each.id) in done.filled], done)
            tell(f"{', '.join(f'{n:,} {name}' for name, n in done.counts.items())}")
    if 0 in done.filled:
        plans = whole.plans().plans
        store.retirement.restore(plans, owner, archive)
        done.counts["plans"] = len(plans)
    for cell in done.filled:
        store.retirement.fill(cell, archive)  # last: from now on engines start
    return done


def _lines(store: Store, whole: Whole, done: Rebuilt, tell: Tell) -> None:
    for piece in whole.lines():
        lines = _without_gone(
            {line: kept for line, kept in piece.items() if store.records.part(line) in done.filled}, whole
        )
        # First: a line that is there has its messages.
        store.inbox.put_back({line: kept.unread for line, kept in lines.items() if kept.unread})
        _put_back(store, lines, whole, done)
        done.counts["numbers"] += len(lines)
        done.counts["restrictions"] += sum(name[:2] == _RESTRICTION for kept in lines.values() for name in kept.fields)
        tell(f"{done.counts['numbers']:,} numbers")


def _without_gone(lines: Mapping[str, LineKept], whole: Whole) -> dict[str, LineKept]:
    """Return lines without what names an order that SQL has no more as open: it left the store, or was placed, in the
    moments before the loss, and its line was written out sooner or later than it.
    """
    named = {line: {name: order for name in kept.fields if (order := _order_of(name))} for line, kept in lines.items()}
    stand = whole.standing(list({order for names in named.values() for order in names.values()}))
    return {
        line: LineKept(
            {n: value for n, value in kept.fields.items() if named[line].get(n, "") in {"", *stand}}, kept.unread
        )
        for line, kept in lines.items()
    }


def _order_of(field: str) -> str:
    """Return the order that a field of a line is about; "" for none."""
    if field.startswith("o:"):
        return field[2:]
    kind, _, scope = field.removeprefix(_RESTRICTION).partition(":")
    return scope if field.startswith(_RESTRICTION) and kind in OF_ORDERS else ""


def _put_back(store: Store, lines: Mapping[str, LineKept], whole: Whole, done: Rebuilt) -> None:
    """Write lines. Raises StoreUnavailable where another process changed one meanwhile."""
    there = store.journal.lines(list(lines)) if lines else {}
    changes = [each for line, kept in lines.items() for each in _line(line, kept, there[line], whole, done)]
    if changes and CommitResult.STALE in store.records.commit([Commit("", (each,)) for each in changes], prove=True):
        raise StoreUnavailable("engines write to these numbers: stop APIs and workers, and run the command again")


def _line(line: str, kept: LineKept, there: LineKept, whole: Whole, done: Rebuilt) -> list[Change]:
    """Return the change that brings a line back, beside what came since; none where nothing of it is missing. One that
    cannot be read comes back as it was: what stands on it bars.
    """
    missing = {
        name: value for name, value in kept.fields.items()
        if name != "v" and there.fields.get(name) != value and not _stands_longer(name, value, there)
    }  # fmt: skip
    if not missing:
        return []
    read = int(there.fields.get("v", 0))
    written = {name: value for name, value in missing.items() if name[:2] != "f:"}
    written["v"] = str(max(read, int(kept.fields["v"]) + RAISED))
    try:
        record = Line.decode(line, cipher_of(whole.seal).opened(line, kept.fields), done.now)
    except BrokenRecord:
        done.broken.append(line)
        return [Change(Owner.LINE, line, read, written)]
    wanted = [*put_again(record, done.now, done.until), *missing_of(record, len(kept.unread), done.now)]
    puts = [put for put in wanted if f"f:{put.effect}" not in there.fields]
    return [Change(Owner.LINE, line, read, written, tuple(puts))]


def _stands_longer(name: str, value: str, there: LineKept) -> bool:
    """Whether what came since stands in the place of a restriction that has an end."""
    if name[:2] != _RESTRICTION or name not in there.fields:
        return False
    try:
        return Restriction.decode(name[2:], value).until != 0
    except ValueError:  # a damaged one
        return True


def _records(store: Store, piece: Sequence[Kept[R]], done: Rebuilt) -> None:
    orders = [each.record for each in piece if isinstance(each.record, Order)]
    lines = store.records.look({Line: list({order.line for order in orders})}).of(Line) if orders else {}
    commits = [Commit("", (each,)) for each in _entries(orders, lines)]
    for each in piece:
        if each.record is None:
            done.broken.append(each.id)
            continue
        puts = put_again(each.record, done.now, done.until, lines.get(each.record.line))
        commits.append(Commit("", (back(each.record, each.fields, RAISED, puts),)))
        done.counts[_NOUNS[type(each.record)]] += 1
    _reserve(store, piece)
    # What is there already was written by the same command before, or since the loss.
    store.records.commit(commits, prove=True)


def _entries(orders: Iterable[Order], lines: Mapping[str, Line]) -> Iterator[Change]:
    """Yield the lines whose entries are not as their orders are: these were written out a moment later."""
    fields = defaultdict[str, dict[str, str]](dict)
    for order in orders:
        line, entry = lines.get(order.line), Entry.of(order)
        if line is not None and line.version and entry not in line.entries:
            fields[line.id][f"o:{order.id}"] = entry.encode()
    yield from (Change(Owner.LINE, line, None, entries) for line, entries in fields.items())


_NOUNS: Mapping[type[Any], str] = {Call: "calls", Order: "orders", Ending: "endings", Report: "reports"}


def _reserve(store: Store, piece: Iterable[Kept[R]]) -> None:
    """Reserve the Idempotency-Keys and recordings of records again: no other has them until they leave the store."""
    claims = []
    for each in piece:
        if isinstance(each.record, Order):
            claims.append((request_key(each.id), each.record.doc.request, each.id, "", ""))
        elif isinstance(each.record, Call):
            if not each.record.began.ordered:
                claims.append((request_key(each.id), each.record.began.request, each.id, "", ""))
            claims += [(key, "", each.id, "", "") for key in keys_held(each.id, each.fields)]
    if claims:
        store.reservations.claim(claims)
