"""Report: a subscriber's complaint about a call that should not have been made. A record of its own, in the cell of its
number. Its proposed class follows from the calls to the number, their permits, and restrictions against them; a person
decides.

As with a call, the public part is a chain of hashes: the report as received, then the decisions. The reporter's number,
the number that called and the reporter's words are the person part.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, cast

from msgspec import Struct, field

from consent_engine.domain.call.call import Call, OrderRefused
from consent_engine.domain.call.hash_chain import AuthoredEvent, ChainedRecord, Form, PersonPart
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.canonical_json import Reader, Rows
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import CHINA, Calendar, Days, later
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import legible
from consent_engine.domain.line.line import ReportedCall, keyed
from consent_engine.domain.line.restriction import Kind, Restriction
from consent_engine.domain.msisdn import Msisdn, slot
from consent_engine.domain.order.order import Retention


class ReportDoor(StrEnum):
    """The door that a report came through."""

    WEB = "web"
    """by the public door, its number proven by a code"""
    HOTLINE = "hotline"
    APP = "app"
    COUNTER = "counter"
    CENTRE = "12321"
    """the national centre for reports of unwanted calls and messages, which forwards them"""
    OTHER = "other"


class ReportClass(StrEnum):
    """The class of a reported call."""

    OURS_FORBIDDEN = "ours_forbidden"
    OURS_ALLOWED = "ours_allowed"
    OURS_UNRECORDED = "ours_unrecorded"
    """A carrier's sales number was shown, but no such call is known. As a decision: the call was made here."""
    OURS_SPOOFED = "ours_spoofed"
    """The same, and a person found that the call was not made here. It is never proposed."""
    CHANNEL = "channel"
    """Another party's number was shown, and one of our plans was sold."""
    NOT_OURS = "not_ours"


REWARDED = frozenset({ReportClass.OURS_FORBIDDEN, ReportClass.OURS_UNRECORDED})
"""The classes that may be rewarded."""
OF_OTHERS = frozenset({ReportClass.CHANNEL, ReportClass.NOT_OURS})
"""The classes of calls that were not made from our number."""
PASSED_ON = OF_OTHERS | {ReportClass.OURS_SPOOFED}
"""The classes of calls made elsewhere: the trace is passed on."""


class Reward(StrEnum):
    """The state of a report's reward."""

    NONE = "none"
    ELIGIBLE = "eligible"
    GRANTED = "granted"
    PAID = "paid"


class ReportState(StrEnum):
    OPEN = "open"
    DECIDED = "decided"


class ReportReceived(Struct, frozen=True, array_like=True):
    """The doc of a report: the facts when it came; written once, public: it names no person.

    received_at: by the store's clock · by: name of the API key, or `public` · person: the hash of the person part ·
    official: 1 where the number shown is the carrier's own · ref: its number at the party that forwarded it · proposed,
    reasons, call: the proposed class, the reasons, and our call that it is about · answer_by: when it must be
    answered · forward_by: by when 12321 had to forward it, 0 where there is no such duty · reward, why: as proposed,
    and the reason for none · language: of the answer to its reporter
    """

    id: str
    received_at: Millis
    by: str
    door: ReportDoor
    person: str
    carrier: str
    official: int
    called_at: Millis
    ref: str
    proposed: ReportClass
    reasons: tuple[str, ...]
    call: str
    answer_by: Millis
    forward_by: Millis
    reward: Reward
    why: str = ""
    language: str = "zh"


class ReportPerson(PersonPart, frozen=True):
    """The person part: the reporter's number and words, and the number that called, which may be a person's own."""

    msisdn: str
    caller: str
    what: str


class Decided(AuthoredEvent, frozen=True, tag="decided"):
    """A person's decision on the report. op: the same for equal decisions · forwarded: the addressee of the trace ·
    tell_by: the deadline for the answer to the reporter
    """

    found: ReportClass
    reward: Reward
    amount: str
    note: str
    forwarded: str
    tell_by: Millis


class Rewarded(AuthoredEvent, frozen=True, tag="rewarded"):
    """A later change of the report's reward."""

    reward: Reward
    amount: str


ReportEvent = Decided | Rewarded
_EVENT = Reader[ReportEvent](cast("type[ReportEvent]", ReportEvent))


class Report(ChainedRecord[ReportReceived, ReportPerson, ReportEvent], frozen=True, dict=True):
    """A report as it stands at one version."""

    form: ClassVar[Form] = Form(
        "a report", Rows(ReportReceived, least=15), Reader(ReportPerson), ReportPerson("", "", ""), _EVENT, ReportState
    )

    @property
    def received(self) -> ReportReceived:
        """The doc: the facts when the report came."""
        return self.doc

    @property
    def number(self) -> str:
        """The number of its receipt, which its reporter is given."""
        return number_of(self.id)

    @property
    def decided(self) -> Decided | None:
        """The decision; None while the report is open."""
        return next((each for each in self.events if isinstance(each, Decided)), None)

    @property
    def state(self) -> ReportState:
        return ReportState.DECIDED if self.decided else ReportState.OPEN

    @property
    def found(self) -> ReportClass:
        """The class as decided, and until then as proposed."""
        return self.decided.found if self.decided else self.received.proposed

    @property
    def reward(self) -> Reward:
        return self.events[-1].reward if self.events else self.received.reward

    @property
    def over_at(self) -> Millis:
        """Since when the report is over: decided, and its reward paid or refused; 0 before."""
        return self.events[-1].at if self.events and self.reward in {Reward.NONE, Reward.PAID} else 0

    def is_overdue(self, now: Millis) -> bool:
        """Whether it is undecided past the day when it had to be answered."""
        return self.decided is None and now > self.received.answer_by


begun = Report.begun


def report_id(secret: str, msisdn: Msisdn, carrier: str, caller: str, called_at: Millis) -> str:
    """The id of a report: the same number, carrier, calling number and instant are the same report."""
    return f"{slot(msisdn):04x}{keyed(secret, 'report', msisdn, carrier, caller, str(called_at))}"


def number_of(report: str) -> str:
    """The number of a report that its reporter is given.

    >>> number_of("0ce7" + "0" * 24)
    'MMZYCG69'
    """
    return legible(f"report:{report}")


OWN_DAYS = 15
"""Days within which a report that came through our own doors is answered."""
FORWARDED_IN, ANSWERED_IN, INFORMED_IN = 3, 15, 3
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
            return self.days.ends(self.calendar.after(self.days.of(decided_at), INFORMED_IN))
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


def _same_call(other: ReportedCall, call: str, called_at: Millis) -> bool:
    """Whether another report is about the same call from us, or where none is known about nearly the same instant."""
    if call and other.call:
        return call == other.call
    return abs(other.called_at - called_at) <= NEAR_MS


NEAR_MS = 30 * 60_000
"""How far from a call's beginning the instant may be that the subscriber remembers."""
BARS_DIALLING = frozenset({Kind.REFUSED, Kind.SUSPECTED, Kind.MARKETING_FREE, Kind.COOL_OFF, Kind.NUMBER_CHANGED})


class Because(StrEnum):
    """The reasons for a proposed class, beside the violations of a call and the restrictions against it."""

    NO_CALL_KNOWN = "no_call_known"
    """Our number was shown, but none of our calls to this number is known around that time."""
    REVIEW_FAILED = "review_failed"
    PERMITTED = "permitted"
    """A permit that fits was given for the call."""
    NOTHING_AGAINST_IT = "nothing_against_it"
    NOT_OUR_NUMBER = "not_our_number"
    LOOKS_LIKE_OURS = "looks_like_ours"
    """Another number was shown, which begins or ends with a sales number."""
    OF_ANOTHER_CARRIER = "of_another_carrier"
    NAMES_US = "names_us"
    """The reporter's words name the carrier."""
    NAMES_A_PLAN = "names_a_plan"
    """The reporter's words name one of our plans."""


class Reporting(Struct, frozen=True):
    """A call as a subscriber reports it. official: whether the number shown is the carrier's own"""

    carrier: str
    caller: str
    called_at: Millis
    what: str

    @property
    def official(self) -> bool:
        """Whether the number shown is the one that the carrier calls from."""
        return self.caller == CARRIERS[self.carrier].outbound


class Proposal(Struct, frozen=True):
    """The proposed class of a report, the reasons, and our call that it is about ('' for none)."""

    found: ReportClass
    reasons: tuple[str, ...]
    call: str = ""


def proposed(
    about: Reporting, calls: Sequence[Call], standing: Sequence[Restriction], plans: Collection[str]
) -> Proposal:
    """Propose the class of a report. calls: to its number · standing: the restrictions on its line · plans: the names
    and codes of those that the carrier sells
    """
    call = _meant(about, calls)
    if call is not None:
        wrong = _wrong_with(call, standing)
        if wrong:
            return Proposal(ReportClass.OURS_FORBIDDEN, wrong, call.id)
        why = Because.PERMITTED if call.began.permit else Because.NOTHING_AGAINST_IT
        return Proposal(ReportClass.OURS_ALLOWED, (why.value,), call.id)
    if about.official:
        stood = _stood(standing, about.carrier, None, about.called_at)
        return Proposal(ReportClass.OURS_UNRECORDED, (Because.NO_CALL_KNOWN.value, *stood))
    named = tuple(why.value for why in Because if why in _ASKED and _ASKED[why](about, plans))
    selling = {Because.NAMES_US.value, Because.NAMES_A_PLAN.value}.intersection(named)
    found = ReportClass.CHANNEL if selling else ReportClass.NOT_OURS
    return Proposal(found, (Because.NOT_OUR_NUMBER.value, *named))


def _meant(about: Reporting, calls: Sequence[Call]) -> Call | None:
    """The call that was reported: from the number shown, for the carrier, the nearest to the instant."""
    near = [
        call for call in calls
        if call.carrier == about.carrier and _from(call, about) and _apart(call, about.called_at) <= NEAR_MS
        and not _never_made(call)
    ]  # fmt: skip
    return min(near, key=lambda call: (_apart(call, about.called_at), call.id), default=None)


def _from(call: Call, about: Reporting) -> bool:
    """Whether the call came from the number shown. With its person part erased, only the carrier's number can."""
    return bool(call.began.official) if about.official else call.person.caller == about.caller


def _apart(call: Call, at: Millis) -> Millis:
    """How far an instant lies from a call: 0 within it, else from its beginning."""
    if call.end is not None and call.began.started_at <= at <= call.end.ended_at:
        return 0
    return abs(call.began.started_at - at)


def _never_made(call: Call) -> bool:
    """Whether the call is recorded only for orders that were refused, whose bodies may be untrue."""
    return bool(call.events) and all(isinstance(each, OrderRefused) for each in call.events)


def _wrong_with(call: Call, standing: Sequence[Restriction]) -> tuple[str, ...]:
    """The reasons against our call: its violations, the restrictions against it as known now, a failed review."""
    found = [violation.value for violation in call.violations]
    plan = call.end.plan if call.end else None
    stood = [each for each in _stood(standing, call.carrier, plan, call.began.started_at) if each not in found]
    if Kind.REFUSED.value in stood and "refused_number" in found:
        stood.remove(Kind.REFUSED.value)
    failed = [Because.REVIEW_FAILED.value] if call.verdict is Verdict.FAILED else []
    return (*found, *stood, *failed)


def _stood(standing: Sequence[Restriction], carrier: str, plan: str | None, at: Millis) -> tuple[str, ...]:
    """The kinds of restrictions on the number against a carrier's call about a plan at an instant."""
    kinds = {
        each.kind for each in standing
        if each.kind in BARS_DIALLING and each.since <= at and each.bars(carrier, plan or None)
    }  # fmt: skip
    return tuple(kind.value for kind in Kind if kind in kinds)


def _resembles_own_number(about: Reporting, _plans: Collection[str]) -> bool:
    own = CARRIERS[about.carrier].outbound
    return about.caller.endswith(own) or about.caller.startswith(own)


def _of_another_carrier(about: Reporting, _plans: Collection[str]) -> bool:
    return any(about.caller == profile.outbound for profile in CARRIERS.values())


def _names_us(about: Reporting, _plans: Collection[str]) -> bool:
    profile, words = CARRIERS[about.carrier], about.what.casefold()
    return any(name.casefold() in words for name in (profile.name, profile.english, f"{profile.name[2:]}公司"))


def _names_a_plan(about: Reporting, plans: Collection[str]) -> bool:
    words = about.what.casefold()
    return any(plan.casefold() in words for plan in plans if plan)


_ASKED: Mapping[Because, Callable[[Reporting, Collection[str]], bool]] = MappingProxyType(
    {
        Because.LOOKS_LIKE_OURS: _resembles_own_number,
        Because.OF_ANOTHER_CARRIER: _of_another_carrier,
        Because.NAMES_US: _names_us,
        Because.NAMES_A_PLAN: _names_a_plan,
    }
)
"""The reasons of a call that was not made from our number, each with the function that decides it."""
