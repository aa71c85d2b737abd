"""The proposed class of a reported call: from the calls to the number, their permits, and restrictions against them.

A person decides; the functions here propose, with reasons.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from consent_engine.domain.call.call import Call, OrderRefused
from consent_engine.domain.call.report import ReportClass
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import Kind, Restriction

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
