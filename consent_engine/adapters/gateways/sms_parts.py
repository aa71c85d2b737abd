"""An SMS in parts: charsets, the user data header, the parts' common reference, and the outcome of the whole."""

from collections.abc import Sequence
from zlib import crc32

from consent_engine.domain.effects import OF_ORDERS, Accepted, Outcome, Purpose, Unavailable, Uncertain


def reference(ref: str) -> int:
    """Return the reference that the parts of an SMS have in common.

    It is the same at every attempt, so that a part sent again counts as a repeat; other SMS of the same order in these
    hours have another one. Only its lowest 8 bits are used.
    """
    owner, purpose, n = ref.split(".")
    return crc32(owner.encode()) + 16 * _PLACES.get(Purpose(purpose), _OF_A_LINE) + int(n)


_PLACES = {purpose: n for n, purpose in enumerate(OF_ORDERS)}
_OF_A_LINE = 15
"""The one place that all SMS of a line share, for these are numbered by the line's versions."""


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of the whole: that of its parts, or doubt where only some were taken, or may have been."""
    missing = [outcome for outcome in outcomes if not isinstance(outcome, Accepted)]
    if not missing:
        return next((each for each in outcomes if isinstance(each, Accepted) and each.note), outcomes[0])
    doubtful = next((each for each in missing if isinstance(each, Uncertain)), None)
    if len(missing) < len(outcomes):
        why = (doubtful or missing[0]).reason
        return Uncertain(f"{len(missing)} of {len(outcomes)} parts not taken: {why}")
    if doubtful is not None:
        return doubtful
    later = [each for each in missing if isinstance(each, Unavailable)]
    return max(later, key=lambda each: (each.refusing, each.after), default=missing[0])
