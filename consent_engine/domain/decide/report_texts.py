"""What a reporter is told by SMS: which text, and what stands in it, as the line's effect keeps it."""

from msgspec import Struct

from consent_engine.domain.call.report import OF_OTHERS, Report, ReportClass, Reward
from consent_engine.domain.days import Days
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import Millis, Pending, Purpose, sms_effect
from consent_engine.domain.texts.report_words import ALLOWED, FORBIDDEN, NOT_OURS, PAID, RECEIVED

GROUND = "拨打时您的号码未登记拒绝营销"
CENTRE = "12321"
NO_REWARD, REWARD_OPEN, REWARD_GRANTED = (
    "本次举报不设奖励",
    "本次举报的奖励正在核定",
    "本次举报奖励{}元，到账后另行短信告知",
)


class Telling(Struct, frozen=True):
    """Whom a text is written to: a carrier's reporter, on a line of a version, by what days are there."""

    carrier: str
    version: int
    days: Days
    at: Millis

    def put(self, purpose: Purpose, *about: str) -> Put:
        """The SMS, due at once."""
        return Put(sms_effect(purpose, self.version), self.at, Pending(about=(self.carrier, *about)))


def received(report: Report, to: Telling) -> Put:
    """That a report came, its number, and when it is answered."""
    told = report.received
    at, due = clock(told.received_at, to.days), day(told.answer_by, to.days)
    return to.put(Purpose.REPORT, RECEIVED, report.number, at, due)


def found(report: Report, to: Telling) -> Put:
    """What a report was found to be. Raises ValueError for one that nobody has decided."""
    decided = report.decided
    if decided is None:
        raise ValueError("nobody has decided this report")
    number, caller, at = report.number, report.person.caller, clock(report.received.called_at, to.days)
    if decided.found in OF_OTHERS:
        return to.put(Purpose.REPORT, NOT_OURS, number, caller, decided.forwarded or CENTRE)
    if decided.found is ReportClass.OURS_ALLOWED:
        return to.put(Purpose.REPORT, ALLOWED, number, at, caller, GROUND)
    return to.put(Purpose.REPORT, FORBIDDEN, number, at, caller, _reward(decided.reward, decided.amount))


def paid(report: Report, amount: str, to: Telling) -> Put:
    """That a reward was paid."""
    return to.put(Purpose.REWARD, PAID, report.number, f"{amount}元")


def _reward(reward: Reward, amount: str) -> str:
    if reward is Reward.ELIGIBLE:
        return REWARD_OPEN
    return NO_REWARD if reward is Reward.NONE else REWARD_GRANTED.format(amount)


def clock(at: Millis, days: Days) -> str:
    """An instant as people say it."""
    told = days.at(at)
    return f"{told.month}月{told.day}日{told:%H:%M}"


def day(at: Millis, days: Days) -> str:
    """A day as people say it."""
    told = days.at(at)
    return f"{told.month}月{told.day}日"
