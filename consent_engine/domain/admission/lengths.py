"""How long a text of ours may be: what is read to its end, and what a gateway carries whole.

A question that arrives cut asks for less than it promises, and a yes to it would count.
"""

from collections.abc import Callable

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.texts.render import Subject, confirmation, write
from consent_engine.domain.texts.segments import segments
from consent_engine.errors import FieldError

MOST = {Purpose.CONFIRMATION: 6, Purpose.NOTIFICATION: 4}
"""Segments of what is said of a plan, in the words of the country."""

_CODE = "888"
_SOME_DAY = "2025-08-01 00:00"


def limits(terms: Terms) -> Callable[[Plan], list[FieldError]]:
    """What says which texts about a plan are too long under these terms."""
    return lambda plan: too_long(plan, terms.policy.reply_window, terms.carried(plan.carrier))


def too_long(plan: Plan, window: Millis, carried: int) -> list[FieldError]:
    """The texts about a plan that are longer than they may be. carried: segments that its gateway carries."""
    wrong = []
    for purpose, text in _texts(plan, window).items():
        taken, most = segments(text), min(MOST[purpose], carried)
        if taken > most:
            wrong.append(FieldError(purpose.value, "too_long", f"takes {taken} segments, and {most} are the most"))
    return wrong


def _texts(plan: Plan, window: Millis) -> dict[Purpose, str]:
    """The texts at their longest: with a code, and with an instant from which the service is on."""
    subject = Subject(plan.carrier.value, plan.name, plan.price, plan.unsubscribe, _CODE)
    return {
        Purpose.CONFIRMATION: confirmation(plan, _CODE, window),
        Purpose.NOTIFICATION: write(Purpose.NOTIFICATION, subject, needs_code=True, active_from=_SOME_DAY),
    }
