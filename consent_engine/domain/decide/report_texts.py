"""SMS to the reporter of a call: the text, and the values in it, as the line's effect keeps them."""

from decimal import Decimal

from msgspec import Struct

from consent_engine.domain.call.report import OF_OTHERS, Report, ReportClass, Reward
from consent_engine.domain.days import Days
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import Millis, Pending, Purpose, sms_effect
from consent_engine.domain.texts.confirmation_fields import plain
from consent_engine.domain.texts.render import AMOUNT, GROUND, NO_REWARD, REWARD_GRANTED, REWARD_OPEN, named
from consent_engine.domain.texts.words import ALLOWED, FORBIDDEN, NOT_OURS, PAID, RECEIVED, SPOOFED, by_end_of, clock_of

CENTRE = "12321"


class Telling(Struct, frozen=True):
    """The addressee of a text: a carrier's reporter, on a line of a version, with the calendar days used there."""

    carrier: str
    version: int
    days: Days
    at: Millis

    def clock(self, at: Millis, language: str) -> str:
        """Return an instant as people say it."""
        return clock_of(at // 60_000, language, self.days)

    def put(self, purpose: Purpose, text: str, language: str, *about: str) -> Put:
        """Return the SMS, due at once."""
        kept = (self.carrier, named(text, language), *about)
        return Put(sms_effect(purpose, self.version), self.at, Pending(about=kept))


def received(report: Report, to: Telling) -> Put:
    """Return the SMS that a report came, with its number and when it will be answered."""
    complaint, language = report.received, report.received.language
    at, due = to.clock(complaint.received_at, language), by_end_of(to.days.at(complaint.answer_by), language)
    return to.put(Purpose.REPORT, RECEIVED, language, report.number, at, due)


def found(report: Report, to: Telling) -> Put:
    """Return the SMS with the finding on a report. Raises ValueError for a report without a decision."""
    decided = report.decided
    if decided is None:
        raise ValueError("nobody has decided this report")
    complaint, language = report.received, report.received.language
    number, caller, at = report.number, report.person.caller, to.clock(complaint.called_at, language)
    if decided.found in OF_OTHERS:
        return to.put(Purpose.REPORT, NOT_OURS, language, number, caller, decided.forwarded or CENTRE)
    if decided.found is ReportClass.OURS_SPOOFED:
        return to.put(Purpose.REPORT, SPOOFED, language, number, at, caller, decided.forwarded or CENTRE)
    if decided.found is ReportClass.OURS_ALLOWED:
        return to.put(Purpose.REPORT, ALLOWED, language, number, at, caller, GROUND[language])
    reward = _reward(decided.reward, decided.amount, language)
    return to.put(Purpose.REPORT, FORBIDDEN, language, number, at, caller, reward)


def paid(report: Report, amount: str, to: Telling) -> Put:
    language = report.received.language
    return to.put(Purpose.REWARD, PAID, language, report.number, AMOUNT[language].format(plain(Decimal(amount))))


def _reward(reward: Reward, amount: str, language: str) -> str:
    if reward is Reward.ELIGIBLE:
        return REWARD_OPEN[language]
    return NO_REWARD[language] if reward is Reward.NONE else REWARD_GRANTED[language].format(plain(Decimal(amount)))
