"""Queries that decisions put to an order's past, each defined once. Facts that the history states itself (states,
instants, and until when a yes counts) are properties of `Order`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from consent_engine.domain.effects import Millis, Purpose, sms_parts
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.lifecycle import ENGAGED, WAITING, State, Trigger
from consent_engine.domain.msisdn import hidden
from consent_engine.domain.order import details
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.facts import Rule
from consent_engine.domain.order.order import QUESTION, Order
from consent_engine.domain.sms import Delivery

D = TypeVar("D", bound=details.Detail)


_NAMING = frozenset({Rule.CODE, Rule.WHICH_ONE, Rule.SUB_NUMBER})


def all_of(order: Order, kind: type[D]) -> list[tuple[Event, D]]:
    """Return every event of a kind with its detail, oldest first."""
    return [(event, event.detail) for event in order.events if isinstance(event.detail, kind)]


def last_of(order: Order, kind: type[D]) -> D | None:
    """Return the detail of the newest event of a kind; None where there is none."""
    for event in reversed(order.events):
        if isinstance(event.detail, kind):
            return event.detail
    return None


# -- the question -----------------------------------------------------------------------------------------------------


def asked(order: Order) -> details.ConfirmationAccepted | None:
    """Return how the question was handed over; None while it was not."""
    return last_of(order, details.ConfirmationAccepted)


def asking_since(order: Order) -> Millis:
    """Return when asking the question began, handed over or not; 0 while it has not begun."""
    accepted = asked(order)
    if accepted is not None:
        return accepted.started
    return order.question.first_at if order.question else 0


def may_be_asked(order: Order) -> bool:
    """Whether the question was handed over, or may have left us though nothing says so."""
    if order.asked_at:
        return True
    if order.state.settled:
        return any(isinstance(e.detail, details.MayBeAsked) and e.detail.may_be_asked for e in order.events)
    return order.question is not None and order.question.last_at > 0


def clarified(order: Order, op: str = "") -> bool:
    """Whether a clarification was asked: one an order. op: the message being read, which does not count."""
    notes = (e.detail for e in order.events if e.op != op)
    return any(isinstance(note, details.Unclear | details.RepliedBefore) and note.clarified for note in notes)


def proves_reading(order: Order, rule: Rule) -> bool:
    """Whether a yes by this rule proves that the question was read.

    A sub-number does. A code does where the question contained it, and no later SMS did.
    """
    asked_elsewhere = clarified(order) or order.last(Trigger.ASKED_HELP) is not None
    return rule is Rule.SUB_NUMBER or (rule is Rule.CODE and bool(order.doc.asks_code) and not asked_elsewhere)


def early_yes(order: Order) -> details.RepliedEarly | None:
    """Return the newest yes that came before the hand-over was recorded, if it can have answered the newest attempt."""
    early = last_of(order, details.RepliedEarly)
    last = order.question.last_at if order.question else 0
    return early if early is not None and early.last == last else None


# -- which one? -------------------------------------------------------------------------------------------------------


def which_asked(order: Order, op: str, at: Millis, others: Iterable[Order] = ()) -> Keyword | None:
    """Return the answer that made us ask "which one?" about this order, before a message came at `at`; None: not asked.

    One question, one answer: it is over once any of `others` was answered by code or sub-number since.
    """
    unclear = [
        (event.at, each.clarified, each.which)
        for event, each in all_of(order, details.Unclear) if each.which and event.op != op and event.at <= at
    ]  # fmt: skip
    if not any(asks for _, asks, _ in unclear):
        return None
    since = max(at for at, asks, _ in unclear if asks)
    answers = (e.detail for other in others for e in other.events if e.at >= since and e.op != op)
    if any(_names(answer) for answer in answers):
        return None
    return Keyword(str(unclear[-1][2]))


def _names(detail: details.Detail) -> bool:
    return (
        isinstance(detail, details.Words | details.RepliedLate)
        and detail.rule in _NAMING
        and detail.keyword is not Keyword.UNKNOWN
    )


def ambiguous_before(orders: Iterable[Order], op: str) -> details.Unclear | None:
    """Return the note of an ambiguous message that was committed only in part before its reader died."""
    notes = (unclear for order in orders for event, unclear in all_of(order, details.Unclear) if event.op == op)
    return next((each for each in notes if each.rule is Rule.AMBIGUOUS), None)


# -- words that came --------------------------------------------------------------------------------------------------


def stops(order: Order) -> int:
    """Count the STOPs that this order has received."""
    return sum(
        isinstance(e.detail, details.Words | details.RepliedLate) and e.detail.keyword is Keyword.STOP
        for e in order.events
    )


def answered_late(order: Order) -> bool:
    """Whether the subscriber got an SMS saying that a yes changes nothing."""
    kinds = details.RepliedLate | details.TooLateToAsk | details.ConfirmationFailed
    return any(isinstance(e.detail, kinds) and e.detail.answered for e in order.events)


def early_in_vain(order: Order) -> bool:
    """Whether a yes came before the hand-over was known, for an order whose question was never handed over."""
    return order.state is State.AGREED and last_of(order, details.RepliedEarly) is not None


def yes_in_vain(order: Order) -> Event | None:
    """Return the newest yes that has led to nothing: no service is on, or being switched on, and that yes can no longer
    lead to one.
    """
    if order.state in ENGAGED or (order.state is State.AGREED and early_yes(order) is not None):
        return None
    return next((event for event in reversed(order.events) if _is_yes(event)), None)


def said_yes(order: Order) -> bool:
    """Whether the subscriber said yes to this very order, however it ended."""
    kinds = details.SaidYes | details.RepliedEarly | details.RepliedBarred | details.RepliedSuspect
    return any(isinstance(event.detail, kinds) for event in order.events)


def _is_yes(event: Event) -> bool:
    """Whether an event is a yes; one that a refusal outweighed is a cancellation that keeps the yes's words."""
    if isinstance(event.detail, details.Words | details.RepliedLate):
        return event.detail.keyword is Keyword.YES
    return isinstance(event.detail, details.Cancelled) and bool(event.person)


def late_refusal(order: Order) -> tuple[Event, details.RepliedLate] | None:
    """Return the first no or STOP that came too late to end the order."""
    words = (each for each in all_of(order, details.RepliedLate) if each[1].keyword in {Keyword.NO, Keyword.STOP})
    return next(words, None)


def revoked_late(order: Order) -> str:
    """Return why the plan was revoked while the activation was under way, or in doubt; '' where it was not."""
    return next(
        (late.reason or "" for _, late in all_of(order, details.RepliedLate) if late.door == details.OF_PLAN), ""
    )


NUMBER_CHANGED = "number_changed"
"""The reason for cancelling an order, or giving up its notification, when its number changed hands."""
MINOR = "minor"


def number_changed(order: Order) -> bool:
    """Whether the number went to another holder since the order was asked: then nothing more is sent."""
    return any(
        e.detail.door == details.OF_LINE and e.detail.reason == NUMBER_CHANGED
        for e in order.events if isinstance(e.detail, (details.Cancelled, details.RepliedLate))
    )  # fmt: skip


# -- reports ----------------------------------------------------------------------------------------------------------


def asks(effect: str) -> bool:
    """Whether an SMS is the question, first or repeated."""
    return effect.startswith(f"sms.{Purpose.CONFIRMATION}.")


# -- the service ------------------------------------------------------------------------------------------------------


def active_from(order: Order) -> str:
    """Return from when the service is on, as the BSS said; '' where it did not."""
    activated = last_of(order, details.ServiceActivated)
    return activated.note if activated is not None else ""


def failure_of(order: Order) -> str:
    """Return why the question of an order could not be delivered, without numbers; '' where it was."""
    failed = order.last(Trigger.CONFIRMATION_FAILED)
    return hidden(failed.detail.reason) if failed and isinstance(failed.detail, details.ConfirmationFailed) else ""


ANSWER_MS = 120_000
"""How long to wait for the answer to a hand-over when a report has overtaken it: longer than a call may last. If the
worker died meanwhile, the answer never comes."""


class PartOf(NamedTuple):
    """The part of an SMS that a report is about. attempt: the gateway's id of the attempt, '' where it names none"""

    attempt: str
    n: int
    of: int


def parts_known(order: Order) -> Mapping[str, PartOf]:
    """Map each id that a gateway gave a part of one of our SMS to its attempt, and to its number among the parts."""
    kinds = details.ConfirmationAccepted | details.SmsAccepted | details.EndedLate
    part_ids = [e.detail.parts for e in order.events if isinstance(e.detail, kinds) and e.detail.parts]
    return {part: PartOf(parts[0], n, len(parts)) for parts in part_ids for n, part in enumerate(parts, 1)}


def belongs(order: Order, effect: str, attempt: str) -> bool:
    """Whether a report is on one of our SMS, by its attempt: any is, where it names none ('' or our own ref), and as
    long as an attempt at such an SMS may have been taken without an answer.
    """
    purpose, n = sms_parts(effect)
    asked_by = all_of(order, details.ConfirmationAccepted) if purpose is Purpose.CONFIRMATION else ()
    waits = effect in order.effects and not (effect == QUESTION and asked_by)  # it goes with what records the answer
    if waits or attempt in {"", f"{order.id}.{purpose}.{n}"}:
        return True
    told = [(event, each) for event, each in all_of(order, details.SmsAccepted) if each.purpose is purpose]
    sure = [event.ref for event, each in asked_by if each.how == "gateway" and each.may_have == 1]
    sure += [event.ref for event, each in told if each.text and not each.doubts]  # no text: only a report says so
    return not sure or len(sure) < len(asked_by) + len(told) or attempt in sure


def was_reported(order: Order) -> bool:
    """Whether any of the order's SMS has a report yet: few reports overtake the answer to the hand-over."""
    return last_of(order, details.Reported) is not None


def reported(order: Order) -> Iterator[tuple[PartOf, details.Reported]]:
    """Yield every report that belongs to an SMS, with the attempt and the part that it is about, oldest first."""
    known = parts_known(order)
    for event, each in all_of(order, details.Reported):
        about = known.get(event.ref) or PartOf(event.ref, each.segment, each.segments)
        if belongs(order, each.effect, about.attempt):
            yield about, each


def unanswered(order: Order, effect: str, now: Millis) -> bool:
    """Whether the call that hands an SMS over is still under way: its answer may yet give the ids of the parts."""
    pending, accepted = order.effects.get(effect), asked(order)
    if pending is not None:
        return pending.leased_at > 0
    if not asks(effect) or accepted is None or accepted.how != "report" or accepted.may_have <= (accepted.doubts or 0):
        return False
    over = any(late.effect == effect for _, late in all_of(order, details.EndedLate))
    return not over and now < accepted.last + ANSWER_MS


def all_failed(order: Order, may_have: int) -> bool:
    """Whether as many different attempts failed as may have been taken; delivered beats failed.

    Where more ids were reported than attempts were made, each part has an id of its own, and none stands for the whole.
    """
    reports = [(of, each) for of, each in reported(order) if asks(each.effect)]
    failed = {of.attempt for of, each in reports if each.status is Delivery.FAILED and of.attempt}
    if len(failed) < may_have:
        return False
    in_parts = len({of.attempt for of, _ in reports if of.attempt}) > may_have
    return in_parts or not any(delivered(order, effect) for effect in {each.effect for _, each in reports})


def delivered(order: Order, effect: str) -> bool:
    """Whether every segment of some attempt at this SMS was delivered."""
    if noted_delivered(order, effect):
        return True
    segments: dict[str, set[int]] = {}
    for part, report in reported(order):
        if report.effect == effect and report.status is Delivery.DELIVERED:
            arrived = segments.setdefault(part.attempt, set())
            arrived.add(part.n)
            if len(arrived) >= part.of:
                return True
    return False


def noted_delivered(order: Order, effect: str) -> bool:
    """Whether the history records that all of an SMS is on the handset."""
    return any(each.effect == effect for _, each in all_of(order, details.Delivered))


def last_failure(order: Order) -> tuple[Event, details.Reported]:
    """Return the newest report of a failure; there must be one."""
    failures = (each for each in all_of(order, details.Reported) if each[1].status is Delivery.FAILED)
    *_, newest = failures
    return newest


def why_lost(report: details.Reported) -> str:
    """Return the reason that a failure report gives, and the part it is about."""
    why = report.error or Hitch.NOT_DELIVERED.of()
    return why if report.segments == 1 else Hitch.PART.of(report.segment, report.segments, why)


def reached_nobody(order: Order) -> bool:
    """Whether as many message ids failed as attempts may have been taken, and the question is not asked again."""
    accepted, pending = asked(order), order.question
    if order.state in WAITING and accepted is not None:
        again = _copies_again(order)
        return again is not None and all_failed(order, accepted.may_have + again)
    if order.state is State.AGREED and pending and pending.doubts and not pending.leased_at:
        return all_failed(order, pending.doubts)
    return False


def _copies_again(order: Order) -> int | None:
    """Return how many copies of the repeated question may have been taken; None while it is asked, or where the end of
    one is not known: a subscriber whose words may be a refusal is asked no more, whatever is in flight.
    """
    accepted = [each for _, each in all_of(order, details.Informed) if each.purpose is Purpose.CONFIRMATION]
    refused = [each for _, each in all_of(order, details.NotInformed) if each.purpose is Purpose.CONFIRMATION]
    known = len(accepted) + sum(not each.believed for each in refused)  # a believed refusal followed a doubt
    if any(map(asks, order.effects)) or known < len(all_of(order, details.AskedAgain)):
        return None
    return sum(each.doubts + 1 for each in accepted)
