"""Violations: what was wrong with a call. A closed list, each decided by one function of what is known of the call.

A permit that fits answers for what it was asked about: the registration as marketing-free, the hour, how often. It
never answers for a refusal: who refuses after it was given is not called any more.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct

from consent_engine.domain.call.permit import Word, is_too_often
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import Kind, Restriction


class Violation(StrEnum):
    """What was wrong with a call. No order comes of a call that has one."""

    NO_PERMIT = "no_permit"
    EXPIRED_PERMIT = "expired_permit"
    WRONG_PERMIT = "wrong_permit"
    """Made for another number, carrier or plan, given after the call began, or by nobody here."""
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
    """What is known of a call when it is judged.

    at: when it began · carrier, plan: who called, about what ('' while nobody has said) · official: whether from the
    carrier's one number · required: a call needs a permit · permit: what became of checking it; None: none was named ·
    permit_since: when that was given · standing: what stands on the line · quiet: whether nobody is called at that
    hour · before: calls to that number earlier that day · most: how many there may be · holder_since: since when the
    number is its holder's; 0: not known · recorded: whether it was recorded, or nobody answered · since_permit: how
    many of the earlier calls began since the permit was given
    """

    at: Millis
    carrier: str
    official: bool
    plan: str = ""
    required: bool = False
    permit: Word | None = None
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
        return self.permit is Word.VALID

    def stood(self, kind: Kind) -> bool:
        """Whether a restriction of this kind stood against the call when it began."""
        if not self.standing:  # as for nearly all
            return False
        return any(
            each.kind is kind and each.since <= self.at and each.bars(self.carrier, self.plan or None)
            for each in self.standing
        )


def _too_often(known: Known) -> bool:
    """A permit answers for the calls of before it was given, and not for as many as anybody makes with it."""
    return is_too_often(known.since_permit if known.is_permitted else known.before, known.most)


def _number_changed(known: Known) -> bool:
    """The number had no holder, or went to another one between the permit and the call."""
    another = known.permit is not None and known.permit_since < known.holder_since <= known.at
    return another or known.stood(Kind.NUMBER_CHANGED)


DECIDED: Mapping[Violation, Callable[[Known], bool]] = MappingProxyType(
    {
        Violation.NO_PERMIT: lambda known: known.required and known.permit is None,
        Violation.EXPIRED_PERMIT: lambda known: known.permit is Word.EXPIRED,
        Violation.WRONG_PERMIT: lambda known: known.permit not in {None, Word.VALID, Word.EXPIRED},
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
    """All that is wrong with a call, in the order of the list."""
    if known.standing or known.permit is not None or known.holder_since:
        return _decided(known)
    # As of nearly every call: then no instant, carrier or plan decides anything.
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
