"""The longest SMS that we send: as much as people read to the end, and as much as a gateway carries whole.

A question that arrives cut off asks about less than it should, and a yes to it would count.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.effects import OF_ORDERS, Millis, Purpose
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.texts.confirmation_fields import price_of, unsubscribe_of
from consent_engine.domain.texts.render import Subject, confirmation, edition_of, write
from consent_engine.domain.texts.segments import segments
from consent_engine.errors import FieldError

MOST = {Purpose.CONFIRMATION: 6, Purpose.NOTIFICATION: 4}
"""The most segments of the texts about a plan, in each language that the plan has texts in."""

_CODE = "888"
_LONGEST_INSTANT: Millis = 1_766_851_199_000
"""27 December, 23:59 in China: no instant of a year takes more characters."""
_SOME_DAY = "2025-12-27 23:59"
_RECEIPT = "00000000"


def limits(terms: Terms) -> Callable[[Plan], list[FieldError]]:
    """Return the check of which texts about a plan are too long under these terms."""
    policy = terms.policy
    return lambda plan: too_long(plan, policy.reply_window, terms.carried(plan.carrier), policy.free_exit)


class PlanText(NamedTuple):
    """A text about a plan, at its longest. most: segments that it may take, 0 where it has no bound of its own."""

    purpose: Purpose
    language: str
    text: str
    segments: int
    most: int


def too_long(plan: Plan, window: Millis, carried: int, free_exit: Millis = 0) -> list[FieldError]:
    """Errors for the texts about a plan that are too long. carried: the most segments that its gateway carries"""
    wrong = []
    for each in (text for language in languages(plan) for text in _texts(plan, window, language, MOST, free_exit)):
        most = min(each.most, carried)
        if each.segments > most:
            where = "" if each.language == "zh" else f" in {each.language}"
            message = f"takes {each.segments} segments{where}, and {most} are the most"
            wrong.append(FieldError(each.purpose.value, "too_long", message))
    return wrong


def texts(plan: Plan, window: Millis) -> list[PlanText]:
    """Every text that names a plan, in every language, as its subscribers would read it."""
    return [text for language in languages(plan) for text in _texts(plan, window, language, OF_ORDERS)]


def languages(plan: Plan) -> list[str]:
    """The languages that a plan has texts in."""
    return ["zh", "en"] if plan.tariff is not None and plan.tariff.english is not None else ["zh"]


def _texts(
    plan: Plan, window: Millis, language: str, purposes: Iterable[Purpose], free_exit: Millis = 0
) -> Iterator[PlanText]:
    """The texts about a plan, each with a code and with an instant from which the service is on."""
    at = _LONGEST_INSTANT
    subject = Subject(
        plan.carrier.value, plan.name, price_of(plan), unsubscribe_of(plan), _CODE, tariff=plan.tariff, call_at=at,
        reply_at=at, receipt=_RECEIPT, free_exit=free_exit,
    )  # fmt: skip
    edition = edition_of(plan, language)
    for purpose in purposes:
        if purpose is Purpose.CONFIRMATION:
            text = confirmation(plan, _CODE, window, edition, at)
        else:
            text = write(purpose, subject, needs_code=True, active_from=_SOME_DAY, until=at, edition=edition)
        yield PlanText(purpose, language, text, segments(text), MOST.get(purpose, 0))
