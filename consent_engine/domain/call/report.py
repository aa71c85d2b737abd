"""Report: a subscriber's complaint about a call that should not have been made. A record of its own, in the cell of its
number.

As with a call, the public part is a chain of hashes: the report as received, then the decisions. The reporter's number,
the number that called and the reporter's words are the person part.
"""

from enum import StrEnum
from typing import ClassVar, cast

from msgspec import Struct

from consent_engine.domain.call.hash_chain import ChainedRecord, Form, PersonPart
from consent_engine.domain.canonical_json import Reader, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import sha256
from consent_engine.domain.line.line import keyed
from consent_engine.domain.msisdn import Msisdn, slot

_NUMBERED = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


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
    """The state of a report."""

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


class Decided(Struct, frozen=True, array_like=True, tag="decided"):
    """A person's decision on the report. op: the same for equal decisions · forwarded: the addressee of the trace ·
    tell_by: the deadline for the answer to the reporter
    """

    at: Millis
    op: str
    by: str
    found: ReportClass
    reward: Reward
    amount: str
    note: str
    forwarded: str
    tell_by: Millis


class Rewarded(Struct, frozen=True, array_like=True, tag="rewarded"):
    """A later change of the report's reward."""

    at: Millis
    op: str
    by: str
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
        """The number that the reporter is given: 8 characters that are not mistaken for others."""
        return number_of(self.id)

    @property
    def decided(self) -> Decided | None:
        """The decision; None while the report is open."""
        return next((each for each in self.events if isinstance(each, Decided)), None)

    @property
    def state(self) -> ReportState:
        """The state, from the events."""
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
    bits = int.from_bytes(sha256(f"report:{report}".encode())[:5])
    return "".join(_NUMBERED[bits >> shift & 31] for shift in range(35, -1, -5))
