"""Violations of the rules by a call: a closed list, each decided by one function of the facts known of the call.

A permit that fits answers for the rules checked by it: the registration as marketing-free, cooling off, the hour. It
never answers for a refusal: a subscriber who refuses after it was given is not called any more; nor for how often a
number is called in a day, which is known only once all calls of the day were reported.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct

from consent_engine.domain.call.permit import PermitResult, is_too_often
from consent_engine.domain.days import CHINA, Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.holder import had_changed
from consent_engine.domain.line.line import CallEntry, Line
from consent_engine.domain.line.restriction import Kind, Restriction


class Violation(StrEnum):
    """A violation by a call. No order may be placed for a call that has one."""

    NO_PERMIT = "no_permit"
    EXPIRED_PERMIT = "expired_permit"
    WRONG_PERMIT = "wrong_permit"
    """Made for another number, carrier or plan, given after the call began, or not made by this installation."""
    UNOFFICIAL_NUMBER = "unofficial_number"
    REFUSED_NUMBER = "refused_number"
    SUSPECTED = "suspected"
    MARKETING_FREE = "marketing_free"
    COOL_OFF = "cool_off"
    QUIET_HOURS = "quiet_hours"
    TOO_OFTEN = "too_often"
    NUMBER_CHANGED = "number_changed"
    NO_RECORDING = "no_recording"
    UNREPORTED = "unreported"
    """Dialled, as a CDR file shows, and never made known by a desk."""


def shown_by(line: Line, call: CallEntry, most: int = 0, days: Days = CHINA) -> Set[Violation]:
    """The violations of a call that the other calls to its number, and the number's events, show: a function of all
    reported, never of the order of the reports. A later report may show one, or take one back.

    most: how many calls are allowed on one of these `days`; 0: any number
    """
    found = set[Violation]()
    if most and is_too_often(sum(each.place < call.place for each in line.calls_of_day(call.at, days)), most):
        found.add(Violation.TOO_OFTEN)
    if line.history and had_changed(line.history, call.carrier, call.at, call.permitted):
        found.add(Violation.NUMBER_CHANGED)
    return found


class Known(Struct, frozen=True):
    """The facts known of a call when it is judged.

    at: when it began · carrier: that called · plan: offered ('' while not known) · official: whether it came from the
    carrier's one number · required: a call needs a permit · permit: the result of checking it; None: none was named ·
    standing: the restrictions on the line, with those that ended lately · quiet: whether it began in quiet hours ·
    line_shows: as `shown_by` returns it · recorded: whether it was recorded, or not answered · reported: by a desk
    """

    at: Millis
    carrier: str
    official: bool
    plan: str = ""
    required: bool = False
    permit: PermitResult | None = None
    standing: Sequence[Restriction] = ()
    quiet: bool = False
    line_shows: Set[Violation] = frozenset()
    recorded: bool = True
    reported: bool = True

    @property
    def is_permitted(self) -> bool:
        """Whether a permit that fits answers for the call."""
        return self.permit is PermitResult.VALID

    def stood(self, kind: Kind) -> bool:
        """Whether a restriction of this kind stood against the call when it began."""
        if not self.standing:  # as for nearly all calls
            return False
        return any(
            each.kind is kind
            and each.since <= self.at
            and not each.is_over(self.at)
            and each.bars(self.carrier, self.plan or None)
            for each in self.standing
        )


DECIDED: Mapping[Violation, Callable[[Known], bool]] = MappingProxyType(
    {
        Violation.NO_PERMIT: lambda known: known.required and known.permit is None,
        Violation.EXPIRED_PERMIT: lambda known: known.permit is PermitResult.EXPIRED,
        Violation.WRONG_PERMIT: lambda known: known.permit not in {None, PermitResult.VALID, PermitResult.EXPIRED},
        Violation.UNOFFICIAL_NUMBER: lambda known: not known.official,
        Violation.REFUSED_NUMBER: lambda known: known.stood(Kind.REFUSED),
        Violation.SUSPECTED: lambda known: known.stood(Kind.SUSPECTED),
        Violation.MARKETING_FREE: lambda known: not known.is_permitted and known.stood(Kind.MARKETING_FREE),
        Violation.COOL_OFF: lambda known: not known.is_permitted and known.stood(Kind.COOL_OFF),
        Violation.QUIET_HOURS: lambda known: not known.is_permitted and known.quiet,
        Violation.TOO_OFTEN: lambda known: Violation.TOO_OFTEN in known.line_shows,
        Violation.NUMBER_CHANGED: lambda known: Violation.NUMBER_CHANGED in known.line_shows,
        Violation.NO_RECORDING: lambda known: not known.recorded,
        Violation.UNREPORTED: lambda known: not known.reported,
    }
)
"""Each violation, and the one function that decides it."""

if undecided := set(Violation) ^ DECIDED.keys():
    raise TypeError(f"violations that nothing decides: {', '.join(sorted(undecided))}")
_IN_ORDER = tuple((violation, DECIDED[violation]) for violation in Violation)


def found(known: Known) -> tuple[Violation, ...]:
    """All violations of a call, in the order of `Violation`."""
    if known.standing or known.permit is not None or known.line_shows:
        return _decided(known)
    # As for nearly every call: then no instant, carrier or plan matters.
    return _of_an_unknown_number(known.official, known.required, known.quiet, known.recorded, known.reported)


@lru_cache(maxsize=32)
def _of_an_unknown_number(*known: bool) -> tuple[Violation, ...]:
    official, required, quiet, recorded, reported = known
    return _decided(Known(0, "", official, required=required, quiet=quiet, recorded=recorded, reported=reported))


def _decided(known: Known) -> tuple[Violation, ...]:
    return tuple([violation for violation, decides in _IN_ORDER if decides(known)])
