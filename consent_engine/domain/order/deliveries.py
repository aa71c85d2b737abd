"""Delivery reports on an order's SMS: the attempt and part each is about, which SMS arrived, and which failed."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.lifecycle import WAITING, State
from consent_engine.domain.order.details import (
    AskedAgain,
    ConfirmationAccepted,
    Delivered,
    EndedLate,
    Informed,
    NotInformed,
    Reported,
    SmsAccepted,
)
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.history import all_of, asked, asks, last_of
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import Delivery

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
    kinds = ConfirmationAccepted | SmsAccepted | EndedLate
    part_ids = [e.detail.parts for e in order.events if isinstance(e.detail, kinds) and e.detail.parts]
    return {part: PartOf(parts[0], n, len(parts)) for parts in part_ids for n, part in enumerate(parts, 1)}


def was_reported(order: Order) -> bool:
    """Whether any of the order's SMS has a report yet: few reports overtake the answer to the hand-over."""
    return last_of(order, Reported) is not None


def reported(order: Order) -> Iterator[tuple[PartOf, Reported]]:
    """Yield every report with the attempt and the part that it is about, oldest first."""
    known = parts_known(order)
    for event, each in all_of(order, Reported):
        yield known.get(event.ref) or PartOf(event.ref, each.segment, each.segments), each


def unanswered(order: Order, effect: str, now: Millis) -> bool:
    """Whether the call that hands an SMS over is still under way: its answer may yet give the ids of the parts."""
    pending, accepted = order.effects.get(effect), asked(order)
    if pending is not None:
        return pending.leased_at > 0
    if not asks(effect) or accepted is None or accepted.how != "report" or accepted.may_have <= (accepted.doubts or 0):
        return False
    over = any(late.effect == effect for _, late in all_of(order, EndedLate))
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
    return any(each.effect == effect for _, each in all_of(order, Delivered))


def last_failure(order: Order) -> tuple[Event, Reported]:
    """Return the newest report of a failure; there must be one."""
    failures = (each for each in all_of(order, Reported) if each[1].status is Delivery.FAILED)
    *_, newest = failures
    return newest


def why_lost(report: Reported) -> str:
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
    accepted = [each for _, each in all_of(order, Informed) if each.purpose is Purpose.CONFIRMATION]
    refused = [each for _, each in all_of(order, NotInformed) if each.purpose is Purpose.CONFIRMATION]
    known = len(accepted) + sum(not each.believed for each in refused)  # a believed refusal followed a doubt
    if any(map(asks, order.effects)) or known < len(all_of(order, AskedAgain)):
        return None
    return sum(each.doubts + 1 for each in accepted)
