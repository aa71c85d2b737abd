"""Every text as it is read, at its longest: for people who judge the wording, and for checks of the whole of it."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import astuple

from consent_engine.domain.effects import UNSETTLED, Millis, Purpose, Restored, Settlement
from consent_engine.domain.lifecycle import State
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.sms import segments
from consent_engine.domain.texts import render
from consent_engine.domain.texts.confirmation_fields import elements, has_early_fee, leaving
from consent_engine.domain.texts.words import (
    ALLOWED,
    CHINESE,
    CODE,
    ENGLISH,
    FORBIDDEN,
    NOT_OURS,
    OVER,
    PAID,
    RECEIVED,
    REVERSAL,
    SPOOFED,
    WITHDRAWAL,
    Because,
)

MOST: Mapping[str, int] = {Purpose.CONFIRMATION: 6, Purpose.NOTIFICATION: 4}
"""The most segments of the texts about a plan, in each language that the plan has texts in."""
MOST_OF_OTHERS = 3
"""As many as the other texts should take: a plan with a long name is not refused for it."""

_CODE, _RECEIPT, _SOME_DAY = "888", "7QK2M9RT", "2025-12-27 23:59"
_AT: Millis = 1_766_851_199_000
"""27 December, 23:59 in China: no instant of a year takes more characters."""
_DAYS: Millis = 90 * 86_400_000
_SETTLED = Settlement("960.00", "199.00", "2025-12-31", Restored.YES)

EXAMPLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "zh": {
        RECEIVED: ("7K3M9Q2P", "12月31日16:00", "12月31日24时"),
        FORBIDDEN: ("7K3M9Q2P", "12月31日10:00", "10085", render.REWARD_GRANTED["zh"].format("200")),
        ALLOWED: ("7K3M9Q2P", "12月31日10:00", "10085", render.GROUND["zh"]),
        NOT_OURS: ("7K3M9Q2P", "+8613800138000", "12321"),
        SPOOFED: ("7K3M9Q2P", "12月31日10:00", "10085", "12321"),
        PAID: ("7K3M9Q2P", render.AMOUNT["zh"].format("200")),
        CODE: ("482913", "10"),
    },
    "en": {
        RECEIVED: ("7K3M9Q2P", "31 Dec 16:00", "31 Dec"),
        FORBIDDEN: ("7K3M9Q2P", "31 Dec 10:00", "10085", render.REWARD_GRANTED["en"].format("200")),
        ALLOWED: ("7K3M9Q2P", "31 Dec 10:00", "10085", render.GROUND["en"]),
        NOT_OURS: ("7K3M9Q2P", "+8613800138000", "12321"),
        SPOOFED: ("7K3M9Q2P", "31 Dec 10:00", "10085", "12321"),
        PAID: ("7K3M9Q2P", render.AMOUNT["en"].format("200")),
        CODE: ("482913", "10"),
    },
}  # fmt: skip
"""Each text filled with values as long as they get, except for numbers that are never shown: for readers to judge."""


class Shown(NamedTuple):
    """A text. name: of its purpose, and of the case where it has several · most: segments that it may take"""

    name: str
    language: str
    text: str
    most: int = MOST_OF_OTHERS

    @property
    def segments(self) -> int:
        """How many segments it takes."""
        return segments(self.text)


def languages(plan: Plan) -> list[str]:
    return [CHINESE, ENGLISH] if plan.tariff.english is not None else [CHINESE]


def longest(plan: Plan, language: str, window: Millis, free_exit: Millis = 0) -> dict[Purpose, str]:
    """Return the texts about a plan that have a bound of their own, with a code, and an instant when it begins."""
    subject = _subject(plan, language, State.ACTIVATED, free_exit=free_exit)
    note = render.write(Purpose.NOTIFICATION, subject, needs_code=True, active_from=_SOME_DAY, language=language)
    return {Purpose.CONFIRMATION: render.confirmation(plan, _CODE, window, language, _AT), Purpose.NOTIFICATION: note}


def of_plan(plan: Plan, window: Millis, free_exit: Millis = 0) -> Iterator[Shown]:
    """Yield every text that names a plan, in every language that it has words in."""
    for language in languages(plan):
        for purpose, text in longest(plan, language, window, free_exit).items():
            yield Shown(purpose.value, language, text, MOST[purpose])
        for name, text in {**_of_order(plan, language), **_of_ending(plan, language)}.items():
            yield Shown(name, language, text, MOST.get(_purpose_of(name), MOST_OF_OTHERS))


def of_carrier(carrier: str) -> Iterator[Shown]:
    """Yield every text that names no plan, in both languages."""
    for language in (CHINESE, ENGLISH):
        yield Shown("opted_out, no order", language, render.stopped(carrier, language, _RECEIPT))
        yield Shown("held, no order", language, render.held(carrier, language, _AT))
        yield Shown("help, no order", language, render.helped(carrier, language))
        yield Shown("marketing_free", language, render.registered(carrier, language, _RECEIPT))
        for name, values in EXAMPLES[language].items():
            yield Shown(name, language, render.of_report(carrier, (render.named(name, language), *values)))


def which_ones(plans: list[Plan]) -> Iterator[Shown]:
    """Yield the question which of a carrier's plans was meant, in each language in which two of them have words."""
    for language in (CHINESE, ENGLISH):
        spoken = [plan for plan in plans if language in languages(plan)]
        if len(spoken) > 1:
            first, other = (elements(e.carrier, render.tariff_in(e, language), language).name for e in spoken[:2])
            choices = (f"{_CODE} {first}", f"999 {other}")
            yield Shown("which_one", language, render.which_one(spoken[0].carrier, language, choices))


def _purpose_of(name: str) -> str:
    return name.partition(",")[0]


def _subject(
    plan: Plan,
    language: str,
    state: State,
    because: Because = Because.STAFF,
    cool_off: Millis = 0,
    free_exit: Millis = 0,
    *,
    doubtful: bool = False,
) -> render.Subject:
    return render.Subject(
        plan.carrier.value,
        render.tariff_in(plan, language),
        _CODE,
        state,
        because,
        _AT,
        _AT,
        _RECEIPT,
        cool_off,
        free_exit,
        doubtful,
    )


def _of_order(plan: Plan, language: str) -> Mapping[str, str]:
    """Return the other texts of an order, by name and case."""

    def text_for(
        purpose: Purpose, state: State = State.AWAITING_REPLY, because: Because = Because.STAFF, **more: int
    ) -> str:
        since = _SOME_DAY if more.pop("since", 1) else ""
        doubtful = bool(more.pop("doubtful", 0))
        subject = _subject(plan, language, state, because, more.pop("cool_off", 0), doubtful=doubtful)
        return render.write(purpose, subject, needs_code=True, active_from=since, until=_AT, language=language, **more)

    asking = (Purpose.REMINDER, Purpose.CLARIFICATION, Purpose.PROVE, Purpose.HELD, Purpose.RESUMED, Purpose.FAILURE)
    over = {
        f"{state.value}, {because.value}" if state is State.CANCELLED else state.value: (state, because)
        for state in OVER[language] for because in (Because if state is State.CANCELLED else (Because.STAFF,))
    }  # fmt: skip
    return {
        **{purpose.value: text_for(purpose) for purpose in asking},
        "held, doubtful": text_for(Purpose.HELD, doubtful=1),
        "help, waiting": text_for(Purpose.HELP),
        "help, active": text_for(Purpose.HELP, State.NOTIFIED, at=_AT + 60_000),
        "help, to be active": text_for(Purpose.HELP, State.NOTIFIED),
        "help, confirmed": text_for(Purpose.HELP, State.CONFIRMED, since=0),
        **{f"help, {name}": text_for(Purpose.HELP, *case) for name, case in over.items()},
        **{f"late, {name}": text_for(Purpose.LATE, *case) for name, case in over.items()},
        "declined, for good": text_for(Purpose.DECLINED, State.DECLINED),
        "declined, for days": text_for(Purpose.DECLINED, State.DECLINED, cool_off=_DAYS),
        "opted_out": text_for(Purpose.OPTED_OUT, State.DECLINED),
        "opted_out, active": text_for(Purpose.OPTED_OUT, State.NOTIFIED),
        **{f"cancelled, {each.value}": text_for(Purpose.CANCELLED, State.CANCELLED, each) for each in Because},
        "notification, no instant": text_for(Purpose.NOTIFICATION, State.ACTIVATED, since=0),
    }


def _of_ending(plan: Plan, language: str) -> Mapping[str, str]:
    """Return the texts about the end of a service, by name and case."""
    tariff, carrier = render.tariff_in(plan, language), plan.carrier.value
    name = elements(carrier, tariff, language).name
    cost = {"": leaving(tariff, language)}
    if has_early_fee(tariff):
        cost[", free so far"] = leaving(tariff, language, _AT)
    about = {
        "answered": (_SOME_DAY, _RECEIPT, *astuple(_SETTLED)),
        "no answer": ("", _RECEIPT, *astuple(UNSETTLED)),
        "no fee": (_SOME_DAY, _RECEIPT, "0.00", "", "", ""),
    }
    found = {
        f"withdraw_ask{case}{also}": render.withdraw_ask((carrier, language, _CODE, name, words, refused))
        for case, words in cost.items() for also, refused in ((", refused", "refused"), ("", ""))
    }  # fmt: skip
    for cause in (WITHDRAWAL, REVERSAL):
        for case, settlement in about.items():
            found[f"ended, {cause}, {case}"] = render.ended((carrier, language, cause, name, *settlement))
    again = render.asked_again((carrier, language, WITHDRAWAL, name, *about["no answer"]))
    return found | {"ended, asked again": render.ended(again)}
