"""How an order and its call affect each other: an order waits for the end of its call, and is cancelled where that
was unlawful.
"""

import logging

from consent_engine.domain.call.call import (
    Call,
    CallMismatch,
    CallNotFound,
    CallNotPermitted,
    CallOutcome,
    CallState,
    CallTooOld,
    RecordingReused,
)
from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.call.review import SecondLook, Verdict
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.decide.decision import Drop, Put, parking
from consent_engine.domain.effects import READ, WAKE_ACTIVATE, Millis
from consent_engine.domain.forms import SKEW_MS
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import OF_A_MINOR, OF_ORDERS, Kind, Restriction, name_of
from consent_engine.domain.order.details import OF_CALL, WithCall
from consent_engine.domain.order.facts import Barred, CancelAsked, Woke
from consent_engine.domain.order.order import Order
from consent_engine.engine.change_order import recording
from consent_engine.engine.endings import AGAIN_MS, ending_all
from consent_engine.engine.recall import at_hand
from consent_engine.engine.round_trips import Step, load, load_of, prove, save
from consent_engine.errors import (
    ArchiveUnavailable,
    BrokenRecord,
    CoolingOff,
    DoNotCall,
    OrderNotFound,
    OtherNetwork,
    Refused,
    UnofficialNumber,
)
from consent_engine.ports import Change, Commit, CommitResult, Leased

log = logging.getLogger(__name__)
BECAUSE_OF_THE_CALL: tuple[type[Refused], ...] = (
    UnofficialNumber, DoNotCall, CoolingOff, CallNotPermitted, CallTooOld, CallMismatch, RecordingReused,
    OtherNetwork,
)  # fmt: skip
"""Refusals of an order that are due to its call, or to its number."""


def waiting(order: str, call: Call, now: Millis, *, review_first: bool = False) -> dict[str, str]:
    """Return the restrictions under which an order's activation waits: for the end of its call while that is up, and
    for its review where nothing is activated before that.
    """
    if call.state is not CallState.UP and not review_first:  # as for most orders
        return {}
    kinds = [Kind.CALL] * (call.state is CallState.UP)
    kinds += [Kind.REVIEW] * (review_first and call.verdict is not Verdict.PASSED)
    found = (Restriction(kind, order, "", now, "call", call.id) for kind in kinds)
    return {f"r:{each.name}": each.encode() for each in found}


def waiting_for(line: Line, call: str) -> list[Restriction]:
    """Return the restrictions under which orders wait for a call to end."""
    return [each for each in line.restrictions if each.kind is Kind.CALL and each.ref == call]


def open_of(line: Line, call: str) -> Step[list[str]]:
    found = yield from load_of(line, [entry.order for entry in line.entries if entry.is_open])
    return [order.id for order in found.values() if order.doc.call_id == call]


def gated(line: Line, call: Call, now: Millis) -> Step[tuple[dict[str, str], bool]]:
    """Return the line's fields by the state of a call for its orders, and whether any of these is to be cancelled: with
    violations all that are open are barred until then; for a call that ended without one nothing waits any longer,
    except orders that its end disowns, until its timer has cancelled them.
    """
    if call.violations:
        known = [each.carrier for each in waiting_for(line, call.id)]
        of_call = yield from open_of(line, call.id)
        bars = [Restriction(Kind.CALL, order, "", now, "call", call.id) for order in of_call if order not in known]
        return {f"r:{each.name}": each.encode() for each in bars}, True
    if call.state is CallState.UP:
        return {}, False
    disowned = yield from disowned_by(line, call)
    freed = (each for each in waiting_for(line, call.id) if each.carrier not in disowned)
    return {f"r:{each.name}": "" for each in freed}, bool(disowned)


def disowned_by(line: Line, call: Call) -> Step[dict[str, WithCall]]:
    """Return those waiting orders that were not agreed in the call, as its end says, each with the reason: all, where
    no person answered; those whose very plan was declined after they were placed; and those agreed to after it ended.
    """
    end, waits = call.end, [each.carrier for each in waiting_for(line, call.id)]
    if end is None or not waits:
        return {}
    if end.outcome is CallOutcome.NO_ANSWER:
        return dict.fromkeys(waits, WithCall.NOT_ANSWERED)
    orders = (yield from load_of(line, waits)).values()
    late = {order.id: WithCall.AGREED_LATE for order in orders if order.doc.call.agreed_at > end.ended_at + SKEW_MS}
    declined = end.plan if end.outcome is CallOutcome.DECLINED else ""
    return late | {
        entry.order: WithCall.DECLINED for entry in line.entries if entry.order in waits and entry.plan == declined
    }


def _held_by(line: Line, call: Call) -> Step[dict[str, WithCall]]:
    """Return the orders barred by anything about a call; if the call was in order, those that its end disowns. Each
    with the reason for which it is cancelled.
    """
    if call.state is CallState.ENDED and not call.violations and call.verdict is not Verdict.FAILED:
        return (yield from disowned_by(line, call))
    unrecorded = call.state is CallState.ABANDONED or Violation.NO_RECORDING in call.violations
    why = WithCall.UNLAWFUL if unrecorded else WithCall.VIOLATED
    why = WithCall.REVIEW_FAILED if call.verdict is Verdict.FAILED else why
    return {each.carrier: why for each in line.restrictions if each.kind in OF_ORDERS and each.ref == call.id}


def _services_ended(call: Call, line: Line) -> Step[bool]:
    """Have the activated orders of a call that failed its review taken back; False where one may still be activated."""
    upheld = next((each for each in call.events if isinstance(each, SecondLook)), None)
    if call.verdict is not Verdict.FAILED or upheld is None:
        return True
    why = Why(Cause.REVIEW_FAILED, "other", upheld.by)
    return (yield from ending_all(line, why, lambda order: order.doc.call_id == call.id))


def cancelling_orders(leased: Leased) -> Step[str]:
    """Cancel the open orders of a call that was abandoned, violated rules, or failed its review, and those to which
    nobody agreed in it, as its end says; after a failed review activated orders are taken back, too.

    Raises BrokenRecord for a timer of another record, and for an order that cannot be read, once all else is done.
    """
    call = leased.of(Call)
    line, broken = (yield from load({Line: [call.line]})).line(call.line), False
    for order, why in (yield from _held_by(line, call)).items():
        try:
            yield from recording(order, _unlawful(call, why))
        except OrderNotFound:
            log.warning("call %s: one of its orders was not found", call.id)
            broken = broken or (yield from prove(order))
    over = yield from _services_ended(call, line)
    if over and broken:
        raise BrokenRecord("an order of this call cannot be read: see consent doctor")
    put = () if over else (Put(leased.effect, leased.at + AGAIN_MS),)
    change = Change.of(call, None, put, ((leased.effect, Drop.ANYWAY),) if over else ())
    yield from save(Commit("", (change,), leased.held))
    return "performed"


def activating_again(leased: Leased) -> Step[str]:
    """Try an activation again that a restriction barred. The order ends where its number has another holder, where a
    refusal still bars it and no message is left to be read, or where its call is over, and was unlawful or disowns it.

    Raises BrokenRecord for an effect of another record.
    """
    order = leased.of(Order)
    fact = Woke(leased.effect, leased.token)
    after = yield from recording(order.id, fact, order=order, now=leased.at, held=leased.held)
    if WAKE_ACTIVATE not in after.effects:
        return "performed"
    try:
        yield from _ended(order)
    except BrokenRecord as error:  # it would be tried each minute, for ever
        log.error("%s of %s cannot be done: %s", WAKE_ACTIVATE, order.id, error)
        return (yield from _waits_for_a_person(after))
    return "performed"


def _ended(order: Order) -> Step[None]:
    """End an order whose activation will never be allowed. Raises BrokenRecord where that cannot be known."""
    loaded = yield from load({Line: [order.line]})
    line = loaded.line(order.line)
    refusal = line.refusal(order.doc.carrier, order.doc.plan) if READ not in line.effects else None
    if ends := line.named(name_of(Kind.STALE_HOLDER, order.id)) or line.named(OF_A_MINOR) or refusal:
        yield from recording(order.id, Barred((ends.name,), loaded.now))
    elif waits := line.named(name_of(Kind.CALL, order.id)):
        yield from _cancelled_with(order.id, waits.ref, line)


def _waits_for_a_person(order: Order) -> Step[str]:
    """Put the trial of an order's activation on the stuck list; where the order has changed, it is tried once more."""
    change = Change.of(order, put=(parking(WAKE_ACTIVATE, order.effects[WAKE_ACTIVATE], Hitch.UNREADABLE.of()),))
    word = yield from save(Commit("", (change,)))
    return "parked" if word is CommitResult.OK else "performed"


def _cancelled_with(order: str, of: str, line: Line) -> Step[None]:
    """Cancel an order that waits for the end of a call which is over, where that is a reason. Raises BrokenRecord for a
    call that cannot be read, or that neither the store nor the archive has.
    """
    try:
        call, _ = yield from at_hand(Call, of, 0)
    except ArchiveUnavailable:
        return  # it is asked again with the next trial
    except CallNotFound:
        raise BrokenRecord("the call of this order cannot be read, or is nowhere: see consent doctor") from None
    if call.state is not CallState.UP:
        why = (yield from _held_by(line, call)).get(order)
        if why is not None:
            yield from recording(order, _unlawful(call, why))


def _unlawful(call: Call, why: WithCall) -> CancelAsked:
    """Return the fact that an order is cancelled because of its call."""
    return CancelAsked(f"unlawful:{call.id}", "engine", why.value, door=OF_CALL, ref=call.id)
