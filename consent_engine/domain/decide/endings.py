"""Decisions about an ending: how a call to the BSS ended, people's requests, and the notice to the subscriber."""

from msgspec import Struct
from msgspec.structs import astuple

from consent_engine.domain.call.ending import (
    MOST_EVENTS,
    NO_NUMBER,
    Cause,
    Ending,
    EndingEvent,
    EndingState,
    Failed,
    GivenUp,
    Notified,
    Retried,
    SwitchedOff,
    SwitchedOffAgain,
)
from consent_engine.domain.decide.decision import PARKED, Drop, Put, parking
from consent_engine.domain.decide.on_outcome import attempted
from consent_engine.domain.effects import (
    DEACTIVATE,
    NOTIFICATION,
    UNSETTLED,
    WAKE_ARCHIVE,
    WAKE_NOTICE,
    Accepted,
    Millis,
    Pending,
    Purpose,
    sms_effect,
)
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.offer import LATE_MARGIN, Policy
from consent_engine.domain.order.facts import Ended
from consent_engine.domain.order.order import Order

LOOK_AGAIN_MS = 60_000
"""How long until the next look whether the notification, which goes first, has gone."""
TAKEN_UP_WITHIN_MS = 30 * 86_400_000
"""How long an ending that was given up can be taken up again: after that a BSS may have forgotten its key."""
_LAST_WORDS = 4
"""Events that must find room in any case: the service is off, the notice was written, a late answer."""


class EndDecision(Struct, frozen=True):
    """The consequences: events to append, effects to put and to drop."""

    events: tuple[EndingEvent, ...] = ()
    put: tuple[Put, ...] = ()
    drop: tuple[tuple[str, Drop], ...] = ()

    @property
    def is_void(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.events or self.put or self.drop)


def missing_of_ending(ending: Ending) -> bool:
    """Whether an ending that is not over has no call to make: it would stand there for ever."""
    return not ending.is_over and DEACTIVATE not in ending.effects


def switching_off(ending: Ending, now: Millis) -> Put:
    """Return the call to the BSS of a new ending, due at once; parked where the number is erased."""
    if ending.person.msisdn:
        return Put(DEACTIVATE, now)
    return parking(DEACTIVATE, Pending(last_at=now), NO_NUMBER)


def on_end_outcome(ending: Ending, ended: Ended, policy: Policy, now: Millis) -> EndDecision:
    """Decide the effects of an ended call to the BSS. Done counts for any attempt; all else for the one in hand."""
    pending, outcome = ending.effects.get(DEACTIVATE), ended.outcome
    if isinstance(outcome, Accepted):
        return _off(ending, ended, outcome, pending, now)
    if pending is None or pending.attempts != ended.token or not pending.leased_at:
        return EndDecision()
    again = attempted(ended, pending, policy, now) or parking(DEACTIVATE, pending, outcome.reason)
    # The history says that it failed already where it had no room for the retry.
    failed = again.due == PARKED and ending.state is not EndingState.ENDING_FAILED
    return EndDecision((Failed(now, ended.op, "engine", again.pending.why),) if failed else (), (again,))


def _off(ending: Ending, ended: Ended, outcome: Accepted, pending: Pending | None, now: Millis) -> EndDecision:
    if ending.off is not None:
        if ending.knows(ended.op) or outcome.ref == ending.off.ref:
            return EndDecision()
        return EndDecision((SwitchedOffAgain(now, ended.op, "bss", outcome.ref),))
    known = pending or Pending()
    off = SwitchedOff(
        now, ended.op, "bss", outcome.ref, outcome.note, known.attempts, known.doubts, outcome.settled
    )  # fmt: skip
    return EndDecision((off,), (Put(WAKE_NOTICE, now),), ((DEACTIVATE, Drop.ANYWAY),) if pending else ())


def on_retry(ending: Ending, op: str, by: str, now: Millis) -> EndDecision:
    """Retry the parked effects; void where there are none."""
    parked = {effect: each for effect, each in ending.effects.items() if each.parked}
    put = tuple(Put(effect, now, each.once_more(by)) for effect, each in parked.items())
    failed = ending.state is EndingState.ENDING_FAILED and DEACTIVATE in parked
    room = len(ending.events) < MOST_EVENTS - _LAST_WORDS
    return EndDecision((Retried(now, op, by),) if failed and room else (), put)


def on_reopen(ending: Ending, op: str, by: str, now: Millis) -> EndDecision:
    """Ask the BSS again for an ending that was given up, under the same key, as one more attempt; void where it was not
    given up, or its history is full.
    """
    if ending.state is not EndingState.GIVEN_UP or len(ending.events) >= MOST_EVENTS - _LAST_WORDS:
        return EndDecision()
    kept = ending.effects.get(WAKE_ARCHIVE, Pending())
    again = Pending(attempts=_tried(ending), doubts=kept.doubts, first_at=kept.first_at, last_at=kept.last_at)
    return EndDecision((Retried(now, op, by),), (Put(DEACTIVATE, now, again),), ((WAKE_ARCHIVE, Drop.ANYWAY),))


def _tried(ending: Ending) -> int:
    """Return the last attempt before it was given up. No later one may have its number: that is its fencing token."""
    ops = [each.op for each in ending.events if isinstance(each, Failed)]
    return max((int(token) for _, _, token in (op.rpartition("#") for op in ops) if token.isdecimal()), default=0)


def on_give_up(ending: Ending, op: str, by: str, reason: str, now: Millis) -> EndDecision:
    """Give up the parked effect, and keep the reason; void where there is none. Its subscriber gets no SMS about it."""
    pending = ending.effects.get(DEACTIVATE)
    if ending.state is not EndingState.ENDING_FAILED or pending is None or not pending.parked:
        return EndDecision()
    doubt = Pending(doubts=pending.doubts, first_at=pending.first_at, last_at=pending.last_at)  # if it is taken up
    stays = Put(WAKE_ARCHIVE, now + TAKEN_UP_WITHIN_MS, doubt)
    return EndDecision((GivenUp(now, op, by, reason),), (stays,), ((DEACTIVATE, Drop.ANYWAY),))


def on_notice(ending: Ending, order: Order | None, line: Line, op: str, now: Millis) -> tuple[EndDecision, Put | None]:
    """Decide on the notice: return the SMS of the line's own that it is, or None where nothing is written (yet).

    order: where it is not archived. The notification of the activation goes first, unless a person must see to it. A
    later holder of the number is not notified.
    """
    over = ((WAKE_NOTICE, Drop.ANYWAY),)
    if not ending.person.msisdn:
        return EndDecision((Notified(now, op, "engine", "", "number_erased"),), (expiring(now),), over), None
    if ending.doc.cause is Cause.NUMBER_CHANGED or line.holder_since(ending.doc.carrier) > ending.doc.called_at:
        return EndDecision((Notified(now, op, "engine", "", "number_changed"),), (expiring(now),), over), None
    first = order.effects.get(NOTIFICATION) if order is not None and order.state is State.ACTIVATED else None
    if first is not None and not first.parked:
        return EndDecision(put=(Put(WAKE_NOTICE, now + LOOK_AGAIN_MS),)), None
    put = Put(sms_effect(Purpose.ENDED, line.version), now, Pending(about=about(ending)))
    return EndDecision((Notified(now, op, "engine", put.effect),), (expiring(now),), over), put


def expiring(now: Millis) -> Put:
    """Return the timer that moves an ending to the archive, once its notice can have been reported on."""
    return Put(WAKE_ARCHIVE, now + LATE_MARGIN)


def about(ending: Ending) -> tuple[str, ...]:
    """Return the contents of the notice: carrier and language, the cause, and the values it names."""
    doc, off = ending.doc, ending.off
    settled = astuple(off.settled if off else UNSETTLED)
    return doc.carrier, doc.language, doc.cause, doc.name, off.stops if off else "", doc.receipt, *settled
