"""How long a text of ours may be: what is read to its end, and what a gateway carries whole.

A question that arrives cut asks for less than it promises, and a yes to it would count.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.effects import OF_ORDERS, Millis, Purpose
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.texts.render import Subject, confirmation, write
from consent_engine.domain.texts.segments import segments
from consent_engine.domain.texts.templates import LANGUAGES
from consent_engine.errors import FieldError

MOST = {Purpose.CONFIRMATION: 6, Purpose.NOTIFICATION: 4}
"""Segments of what is said of a plan, in the words of the country."""

_CODE = "888"
_SOME_DAY = "2025-08-01 00:00"
_SOME_INSTANT: Millis = 1_754_013_871_000


def limits(terms: Terms) -> Callable[[Plan], list[FieldError]]:
    """What says which texts about a plan are too long under these terms."""
    return lambda plan: too_long(plan, terms.policy.reply_window, terms.carried(plan.carrier))


class PlanText(NamedTuple):
    """A text about a plan, at its longest. most: segments that it may take, 0 where there is no bound of its own."""

    purpose: Purpose
    language: str
    text: str
    segments: int
    most: int


def too_long(plan: Plan, window: Millis, carried: int) -> list[FieldError]:
    """The texts about a plan that are longer than they may be. carried: segments that its gateway carries."""
    wrong = []
    for each in _texts(plan, window, "zh", MOST):
        most = min(each.most, carried)
        if each.segments > most:
            message = f"takes {each.segments} segments, and {most} are the most"
            wrong.append(FieldError(each.purpose.value, "too_long", message))
    return wrong


def texts(plan: Plan, window: Millis) -> list[PlanText]:
    """Every text that names a plan, in every language, as its subscribers would read it."""
    return [text for language in LANGUAGES for text in _texts(plan, window, language, OF_ORDERS)]


def _texts(plan: Plan, window: Millis, language: str, purposes: Iterable[Purpose]) -> Iterator[PlanText]:
    """Texts with a code, and with an instant from which the service is on."""
    subject = Subject(plan.carrier.value, plan.name, plan.price, plan.unsubscribe, _CODE)
    edition = LANGUAGES[language]
    for purpose in purposes:
        if purpose is Purpose.CONFIRMATION:
            text = confirmation(plan, _CODE, window, edition)
        else:
            text = write(purpose, subject, needs_code=True, active_from=_SOME_DAY, until=_SOME_INSTANT, edition=edition)
        yield PlanText(purpose, language, text, segments(text), MOST.get(purpose, 0))
