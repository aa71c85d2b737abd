"""The longest SMS that we send: as much as people read to the end, and as much as a gateway carries whole.

A question that arrives cut off asks about less than it should, and a yes to it would count.
"""

from collections.abc import Callable

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.effects import Millis
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.texts.segments import segments
from consent_engine.domain.texts.sheet import MOST, languages, longest
from consent_engine.errors import FieldError


def limits(terms: Terms) -> Callable[[Plan], list[FieldError]]:
    """Return the check of which texts about a plan are too long under these terms."""
    policy = terms.policy
    return lambda plan: too_long(plan, policy.reply_window, terms.carried(plan.carrier), policy.free_exit)


def too_long(plan: Plan, window: Millis, carried: int, free_exit: Millis = 0) -> list[FieldError]:
    """Errors for the texts about a plan that are too long. carried: the most segments that its gateway carries"""
    wrong = []
    for language in languages(plan):
        for purpose, text in longest(plan, language, window, free_exit).items():
            needed, most = segments(text), min(MOST[purpose], carried)
            if needed > most:
                where = "" if language == "zh" else f" in {language}"
                message = f"takes {needed} segments{where}, and {most} are the most"
                wrong.append(FieldError(purpose.value, "too_long", message))
    return wrong
