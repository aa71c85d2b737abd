"""An SMS that is handed over part by part: what its parts have in common, and what came of the whole."""

from collections.abc import Mapping, Sequence
from zlib import crc32

from consent_engine.domain.effects import OF_ORDERS, Accepted, Outcome, Purpose, Unavailable, Uncertain
from consent_engine.domain.texts.segments import MOST_SEGMENTS
from consent_engine.errors import SettingsError


def carried(prefix: str, raw: Mapping[str, str]) -> int:
    """The setting SEGMENTS: so many segments a gateway carries of one text; all that can be counted without it.

    Raises SettingsError.
    """
    value = raw.get("SEGMENTS", "").strip() or str(MOST_SEGMENTS)
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MOST_SEGMENTS):
        raise SettingsError(f"{prefix}SEGMENTS must be a whole number from 1 to {MOST_SEGMENTS}")
    return int(value)


def reference(ref: str) -> int:
    """What the parts of an SMS have in common.

    The same at every attempt, so that a part which is sent again is a repeat; another one for whatever else the same
    order sends in these hours. 8 bits of it count.
    """
    owner, purpose, n = ref.split(".")
    return crc32(owner.encode()) + 16 * _PLACES.get(Purpose(purpose), _OF_A_LINE) + int(n)


_PLACES = {purpose: n for n, purpose in enumerate(OF_ORDERS)}
_OF_A_LINE = 15
"""What a line sends of its own shares one place: its numbers are the line's versions."""


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """What came of the whole: what came of every part, or doubt where only some were taken or may have been."""
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
    return max(later, key=lambda each: each.after, default=missing[0])
