"""Effects that a record always wants in its state, and those that it never does.

The decisions put these effects; this module states, once, which must be there whatever was decided. `doctor` and the
tests go by it.
"""

from collections.abc import Iterator, Mapping, Set
from enum import StrEnum
from typing import NamedTuple

from consent_engine.domain.call.call import Call, CallState
from consent_engine.domain.call.ending import Ending, EndingState
from consent_engine.domain.call.report import Report, ReportState
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.decide.decision import Put, archiving, closing, giving_up
from consent_engine.domain.effects import (
    ACTIVATE,
    DEACTIVATE,
    FRESH,
    NOTIFICATION,
    READ,
    WAKE_ABANDONED,
    WAKE_ACTIVATE,
    WAKE_ARCHIVE,
    WAKE_ASIDE,
    WAKE_ENDINGS,
    WAKE_FAILED,
    WAKE_LINE,
    WAKE_NOTICE,
    WAKE_PARTS,
    WAKE_PERSON,
    WAKE_REMINDER,
    WAKE_SECOND_LOOK,
    WAKE_TOO_LATE,
    WAKE_UNDECIDED,
    WAKE_UNLAWFUL,
    WAKE_WINDOW,
    WAKE_WITHDRAWN,
    Millis,
    Purpose,
    is_sms,
)
from consent_engine.domain.lifecycle import ANSWERABLE, ASKING, SETTLED, WAITING, State, Trigger, sources
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS, Kind, Restriction
from consent_engine.domain.order.details import SaidNo
from consent_engine.domain.order.order import QUESTION, Order

_ASKING = tuple(
    f"sms.{each}." for each in (Purpose.CONFIRMATION, Purpose.REMINDER, Purpose.CLARIFICATION, Purpose.PROVE)
)
_ACTIVATING, _NOTIFYING = sources(Trigger.SERVICE_ACTIVATED), sources(Trigger.NOTIFICATION_ACCEPTED)
_OF_STATE = {
    QUESTION: ASKING,
    WAKE_TOO_LATE: ASKING,
    WAKE_REMINDER: WAITING,
    WAKE_WINDOW: WAITING,
    WAKE_FAILED: ASKING | WAITING,
    ACTIVATE: _ACTIVATING,
    WAKE_ACTIVATE: _ACTIVATING,
    NOTIFICATION: _NOTIFYING,
    WAKE_ARCHIVE: SETTLED,
}
"""Effects of orders that belong to certain states only."""
_OF_OTHERS: Mapping[type, Mapping[str, Set[StrEnum]]] = {
    Call: {
        WAKE_ABANDONED: {CallState.UP},
        WAKE_UNLAWFUL: {*CallState},
        WAKE_ARCHIVE: {CallState.ENDED, CallState.ABANDONED},
        WAKE_SECOND_LOOK: {CallState.ENDED},
    },
    Ending: {
        DEACTIVATE: {EndingState.ENDING, EndingState.ENDING_FAILED},
        WAKE_NOTICE: {EndingState.ENDED},
        WAKE_ARCHIVE: {EndingState.ENDED, EndingState.GIVEN_UP},
    },
    Report: {WAKE_ARCHIVE: {ReportState.DECIDED}, WAKE_PERSON: {ReportState.DECIDED}},
}
"""Effects of other records, by the states in which they can be wanted."""
_OF_LINES = {READ, WAKE_UNDECIDED, WAKE_LINE, WAKE_PARTS, WAKE_ENDINGS, WAKE_WITHDRAWN, WAKE_ASIDE}
_OWN = (
    Purpose.OPTED_OUT, Purpose.HELP, Purpose.HELD, Purpose.CLARIFICATION, Purpose.PROVE, Purpose.MARKETING_FREE,
    Purpose.ENDED, Purpose.WITHDRAW_ASK,
    Purpose.REPORT, Purpose.REWARD, Purpose.CODE,
)  # fmt: skip
_ANSWERING = tuple(f"sms.{each}." for each in _OWN)
_CARRIERS = {(carrier,) for carrier in CARRIERS}


class Want(NamedTuple):
    """Effects of which one is wanted.

    back: the effect to put where none is there; None for an SMS or an activation, which must not be guessed.
    """

    one_of: tuple[str, ...]
    back: Put | None = None


def _wants(order: Order) -> Iterator[Want]:
    if order.state in ASKING:
        yield Want((QUESTION,))
        yield Want((WAKE_TOO_LATE,), giving_up(order))
    if order.state in WAITING:  # the reminder puts the end of the window
        yield Want((WAKE_REMINDER, WAKE_WINDOW), closing(order.reply_by))
    if order.state in _ACTIVATING:
        yield Want((ACTIVATE, WAKE_ACTIVATE))
    if order.state in _NOTIFYING:
        yield Want((NOTIFICATION,))
    if order.state in SETTLED:
        yield Want((WAKE_ARCHIVE,), archiving(order))


def cooling_off(order: Order) -> Restriction | None:
    """Return the restriction that bars offering a plan again after a no; None where the order ended otherwise."""
    said = order.last(Trigger.SAID_NO) if order.state is State.DECLINED else None
    if said is None or not isinstance(said.detail, SaidNo):
        return None
    doc, since = order.doc, said.detail.received_at
    until = since + doc.policy.cool_off if doc.policy.cool_off else 0
    return Restriction(Kind.COOL_OFF, doc.carrier, doc.plan, since, "sms", said.ref, until=until)


def missing(order: Order) -> list[Want]:
    """Return the effects that an order wants and lacks: without them it would stand there for ever."""
    return [want for want in _wants(order) if order.effects.keys().isdisjoint(want.one_of)]


def excess(order: Order) -> list[str]:
    """Return the effects that an order may not have: a question after the answer, an activation without a yes."""
    return [effect for effect in order.effects if not follows(effect, order)]


def follows(effect: str, record: Order | Line | Call | Ending | Report) -> bool:
    """Whether a record can want this effect in its state: records are sealed, effects are not."""
    match record:
        case Order():
            return _follows_order(effect, record)
        case Line():  # a timer, or an SMS that it answers with, for a carrier
            own = effect.startswith(_ANSWERING) and is_sms(effect)
            return effect in _OF_LINES or (own and record.effects[effect].about[:1] in _CARRIERS)
        case _:
            return record.state in _OF_OTHERS[type(record)].get(effect, ())


def _follows_order(effect: str, order: Order) -> bool:
    """`about`, which the gate checks, must name the order's own carrier."""
    about = order.effects[effect].about
    if about and about not in ((order.doc.carrier,), (order.doc.carrier, order.doc.plan)):
        return False
    if effect in _OF_STATE:
        return order.state in _OF_STATE[effect]
    return order.state in ANSWERABLE or not effect.startswith(_ASKING)


def missing_of(line: Line, unread: int, now: Millis) -> list[Put]:
    """Return the effects that a line wants and lacks, as they are put back. unread: its number of unread messages."""
    wants = []
    if unread:
        wants.append(Put(READ, now, FRESH))
    suspected = [each.since for each in line.restrictions if each.kind is Kind.SUSPECTED]
    if suspected:
        wants.append(Put(WAKE_UNDECIDED, min(suspected) + SUSPICION_LASTS_MS, FRESH))
    return [put for put in wants if put.effect not in line.effects]
