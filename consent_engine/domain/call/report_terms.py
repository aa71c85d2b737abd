"""Terms of reports: when each must be answered, and whether it is rewarded. From carriers' settings, without I/O."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from consent_engine.domain.call.report import REWARDED, Report, ReportClass, ReportDoor, Reward
from consent_engine.domain.days import CHINA, Calendar, Days, later
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.reported_call import ReportedCall
from consent_engine.domain.order.retention import Retention

OWN_DAYS = 15
"""Days within which a report that came through our own doors is answered."""
FORWARDED_IN, ANSWERED_IN, TOLD_IN = 3, 15, 3
"""Working days: for 12321 to forward a report, for us to answer it, and to notify the reporter."""


class RewardTerms(Struct, frozen=True):
    """The reward of a carrier for a report that proves right. amount: in yuan, two decimals · most: for one number in
    a calendar month
    """

    amount: str
    most: int = 3


class ReportTerms(Struct, frozen=True):
    """The settings for reports. rewards: of the carriers that offer one"""

    days: Days = CHINA
    calendar: Calendar = Calendar()
    rewards: Mapping[str, RewardTerms] = field(default_factory=dict)
    keep: Retention = Retention()
    """how long a report and its person part are kept"""
    codes_an_hour: int = 1_000
    """the most codes that the public door sends in an hour, to all numbers together"""

    def answer_by(self, door: ReportDoor, received_at: Millis) -> Millis:
        """When a report must be answered: the last instant of that day."""
        day = self.days.of(received_at)
        if door is ReportDoor.CENTRE:
            return self.days.ends(self.calendar.after(day, ANSWERED_IN))
        return self.days.ends(later(day, OWN_DAYS))

    def forward_by(self, door: ReportDoor, reported_at: Millis) -> Millis:
        """By when 12321 had to forward a report made there at an instant; 0: nothing is to be forwarded."""
        if door is not ReportDoor.CENTRE or not reported_at:
            return 0
        return self.days.ends(self.calendar.after(self.days.of(reported_at), FORWARDED_IN))

    def tell_by(self, report: Report, decided_at: Millis) -> Millis:
        """The deadline for telling the reporter the decision."""
        if report.received.door is ReportDoor.CENTRE:
            return self.days.ends(self.calendar.after(self.days.of(decided_at), TOLD_IN))
        return max(report.received.answer_by, self.days.ends(self.days.of(decided_at)))

    def not_rewarded(self, report: Report, found: ReportClass, reported: Sequence[ReportedCall], now: Millis) -> str:
        """The reason why a report of this class is not rewarded; '' where it may be.

        reported: the reports of its number · now: when the reward would be granted
        """
        call = next((each.call for each in reported if each.report == report.id), report.received.call)
        return self.no_reward(report.received.carrier, found, report.id, call, report.received.called_at, reported, now)

    def no_reward(
        self, carrier: str, found: ReportClass, report: str, call: str, called_at: Millis,
        reported: Sequence[ReportedCall], now: Millis,
    ) -> str:  # fmt: skip
        """As `not_rewarded`, for a report that is not stored yet."""
        terms = self.rewards.get(carrier)
        if terms is None:
            return "not_offered"
        if found not in REWARDED:
            return "class"
        granted = [each for each in reported if each.granted_at and each.report != report and each.carrier == carrier]
        if any(_same_call(each, call, called_at) for each in granted):
            return "once_a_call"
        month = self.days.of(now)[:7]
        if sum(self.days.of(each.granted_at)[:7] == month for each in granted) >= terms.most:
            return "capped"
        return ""

    def amount(self, carrier: str, reward: Reward) -> str:
        """The amount of a carrier's reward, where one was granted or paid; else ''."""
        terms = self.rewards.get(carrier)
        return terms.amount if terms and reward in {Reward.GRANTED, Reward.PAID} else ""


NEAR_MS = 30 * 60_000


def _same_call(other: ReportedCall, call: str, called_at: Millis) -> bool:
    """Whether another report is about the same call from us, or where none is known about nearly the same instant."""
    if call and other.call:
        return call == other.call
    return abs(other.called_at - called_at) <= NEAR_MS
