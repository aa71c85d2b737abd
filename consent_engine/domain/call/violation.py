"""Violations of the rules by a call: a closed list, each decided by one function of the facts known of the call.

A permit that fits answers for what it was asked about: the registration as marketing-free, cooling off, the hour, how
often. It never answers for a refusal: a subscriber who refuses after it was given is not called any more.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct

from consent_engine.domain.call.permit import PermitResult, is_too_often
from consent_engine.domain.effects import Millis
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


class Known(Struct, frozen=True):
    """The facts known of a call when it is judged.

    at: when it began · carrier: that called · plan: offered ('' while not known) · official: whether it came from the
    carrier's one number · required: a call needs a permit · permit: the result of checking it; None: none was named ·
    permit_since: when the permit was given · standing: the restrictions on the line · quiet: whether it began in quiet
    hours · before: calls to that number earlier that day · most: how many are allowed · holder_since: since when the
    number has its holder; 0: not known · recorded: whether it was recorded, or nobody answered · since_permit: how
    many of the earlier calls began since the permit was given
    """

    at: Millis
    carrier: str
    official: bool
    plan: str = ""
    required: bool = False
    permit: PermitResult | None = None
    permit_since: Millis = 0
    standing: Sequence[Restriction] = ()
    quiet: bool = False
    before: int = 0
    most: int = 0
    holder_since: Millis = 0
    recorded: bool = True
    since_permit: int = 0

    @property
    def is_permitted(self) -> bool:
        """Whether a permit that fits answers for the call."""
        return self.permit is PermitResult.VALID

    def stood(self, kind: Kind) -> bool:
        """Whether a restriction of this kind stood against the call when it began."""
        if not self.standing:  # as for nearly all calls
            return False
        return any(
            each.kind is kind and each.since <= self.at and each.bars(self.carrier, self.plan or None)
            for each in self.standing
        )


def _too_often(known: Known) -> bool:
    """Whether there were too many calls. A permit answers for calls before it was given, not for those made with it."""
    return is_too_often(known.since_permit if known.is_permitted else known.before, known.most)


def _number_changed(known: Known) -> bool:
    """Whether the number had no holder, or went to another one between the permit and the call."""
    another = known.permit is not None and known.permit_since < known.holder_since <= known.at
    return another or known.stood(Kind.NUMBER_CHANGED)


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
        Violation.TOO_OFTEN: _too_often,
        Violation.NUMBER_CHANGED: _number_changed,
        Violation.NO_RECORDING: lambda known: not known.recorded,
    }
)
"""Each violation, and the one function that decides it."""

if undecided := set(Violation) ^ DECIDED.keys():
    raise TypeError(f"violations that nothing decides: {', '.join(sorted(undecided))}")
_IN_ORDER = tuple((violation, DECIDED[violation]) for violation in Violation)


def found(known: Known) -> tuple[Violation, ...]:
    """All violations of a call, in the order of `Violation`."""
    if known.standing or known.permit is not None or known.holder_since:
        return _decided(known)
    # As for nearly every call: then no instant, carrier or plan matters.
    return _of_an_unknown_number(
        known.official, known.required, known.quiet, is_too_often(known.before, known.most), known.recorded
    )


@lru_cache(maxsize=32)
def _of_an_unknown_number(*known: bool) -> tuple[Violation, ...]:
    official, required, quiet, often, recorded = known
    return _decided(
        Known(0, "", official, required=required, quiet=quiet, before=int(often), most=int(often), recorded=recorded)
    )


def _decided(known: Known) -> tuple[Violation, ...]:
    return tuple([violation for violation, decides in _IN_ORDER if decides(known)])
