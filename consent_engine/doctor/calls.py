"""Checks of each call: that it ends or is abandoned, and that each order finds its call."""

from collections.abc import Mapping, Sequence

from consent_engine.doctor.orders import PIECE, Looker, pieces
from consent_engine.doctor.reserved import recordings_of_calls
from consent_engine.domain.call.call import ABANDONED_AFTER_MS, Call, CallState
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.decide.decision import Put, begun
from consent_engine.domain.effects import WAKE_ABANDONED, Lane, Millis
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.line.restriction import Kind, Restriction, name_of
from consent_engine.domain.order.order import Order
from consent_engine.ports import CallChange, LineChange, Loaded, Owner

GRACE_MS = 3_600_000
"""How late a worker may be before an operator must see to it."""


def of_orders(looker: Looker, orders: Mapping[str, Order]) -> None:
    """Note orders whose call is neither in the store nor in the archive."""
    named: dict[str, list[str]] = {}
    for order in orders.values():
        named.setdefault(order.doc.call_id, []).append(order.id)
    there = looker.store.records.look(calls=list(named)).calls
    ungated(looker, [each for each in orders.values() if each.doc.call_id in there], there)
    absent = [call for call in named if call not in there]
    # A call was written to the archive before it left the store.
    archived = looker.store.archive.calls.calls(absent) if absent and looker.store.archive is not None else {}
    for call in absent:
        if call not in archived:
            looker.found["callless"] += named[call]


def ungated(looker: Looker, orders: Sequence[Order], calls: Mapping[str, Call]) -> None:
    """Note open orders whose call is up, or whose review is contested, though nothing on their line bars the
    activation; if the looker mends, bar it again. Order, call and line are read one after the other: what has changed
    since is not noted.
    """
    wants = {each.id: (each, calls[each.doc.call_id], _GATES.get(_stands(calls[each.doc.call_id]))) for each in orders}
    held = [(order, call, kind) for order, call, kind in wants.values() if kind and not _is_past(order)]
    records = looker.store.records
    lines = records.live(lines=list(dict.fromkeys(order.line for order, _, _ in held)))[2] if held else {}
    free = [
        (order, call, kind) for order, call, kind in held
        if order.line in lines and lines[order.line].named(name_of(kind, order.id)) is None
    ]  # fmt: skip
    if not free:
        return
    again = records.look([order.id for order, _, _ in free], calls=[call.id for _, call, _ in free])
    for order, call, kind in free:
        now_order, now_call, line = again.orders.get(order.id), again.calls.get(call.id), lines[order.line]
        if (now_order and now_order.version, now_call and now_call.version) != (order.version, call.version):
            continue
        looker.found["ungated"].append(order.id)
        bars = Restriction(kind, order.id, "", again.now, "doctor", call.id)
        if looker.mend:
            looker.save(LineChange(line.id, line.version, {f"r:{bars.name}": bars.encode()}), f"{order.id} {kind}")


def _stands(call: Call) -> str:
    return call.state if call.state is CallState.UP else call.verdict or ""


def _is_past(order: Order) -> bool:
    """Whether nothing can bar the order any more: it has settled, or its activation has begun."""
    return order.state.settled or begun(order) or order.last(Trigger.SERVICE_ACTIVATED) is not None


_GATES: Mapping[str, Kind] = {CallState.UP: Kind.CALL, Verdict.CONTESTED: Kind.REVIEW}


def look(looker: Looker, ids: Sequence[str]) -> Loaded:
    """Check some calls: note those that are up for too long, or that no timer would ever abandon. Return those that can
    be read.
    """
    found = looker.store.records.look(calls=ids)
    up = [call for call in found.calls.values() if call.state is CallState.UP]
    looker.looked["calls"] += len(found.calls)
    recordings_of_calls(looker, found.calls)
    for piece in pieces(up, PIECE):
        dues = looker.survey.dues([(Lane.TIMER, f"{Owner.CALL}:{call.id}:{WAKE_ABANDONED}") for call in piece])
        for call, due in zip(piece, dues, strict=True):
            if due is None or _is_late(call, found.now):
                looker.found["unended"].append(call.id)
            if due is None and looker.mend:
                _put_back(looker, call, found.now)
    return found


def _is_late(call: Call, now: Millis) -> bool:
    return call.began.registered_at < now - ABANDONED_AFTER_MS - GRACE_MS


def _put_back(looker: Looker, call: Call, now: Millis) -> None:
    due = max(now, call.began.registered_at + ABANDONED_AFTER_MS)
    looker.save(CallChange(call, call, {}, (Put(WAKE_ABANDONED, due),)), f"{call.id} {WAKE_ABANDONED}")
