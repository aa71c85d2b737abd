"""Leaving the store: what must still be here, and what goes with it; pure."""

from collections.abc import Mapping

from msgspec import Struct

from consent_engine.domain.effects import WAKE_LINE, WAKE_PERSON, Millis
from consent_engine.domain.line.line import NAMED_FOR_MS, STRANGER_MS, Line
from consent_engine.domain.offer.offer import LATE_MARGIN

QUIET_MS = LATE_MARGIN
"""How long a number must be silent before its last order goes: twice as long as any gateway repeats a message."""
LATER_MS = 3_600_000
"""Delay before a record that still wants something else is looked at again."""
_GOES_WITH_IT = {WAKE_PERSON}
"""The effect that a report which leaves may still have: SQL has a retention, too."""


def wants_more(effects: Mapping[str, object], effect: str) -> bool:
    """Whether a record wants anything besides the effect by which it leaves. What is parked is wanted by a person."""
    return bool(effects.keys() - _GOES_WITH_IT - {effect})


class AtRest(Struct, frozen=True):
    """A line, looked at after a silence. goes: nothing stands on it any more, the whole line may go · fields: those to
    delete where it stays · due: when it is looked at again; None: what stands on it keeps it, and whatever takes that
    away puts the timer again
    """

    goes: bool
    fields: Mapping[str, str]
    due: Millis | None


def at_rest(line: Line, now: Millis, silence: Millis, without: str = "") -> AtRest:
    """Return what may go of a line, which is idle where nothing on it is newer than `silence` (ms).

    without: an order that leaves, whose entry goes, and the counts of reports on its SMS. A line with other orders goes
    with the last of them, one with a refusal stays. The end of a restriction counts as the line's newest instant, and
    so does the end of a rewarded report's time on it: no other record shows that it was rewarded. Where the number's
    holder may have changed since a report, that one's time counts, too: no other record shows that its reporter has
    the number no longer.
    """
    idle_before = now - silence
    others = any(entry.order != without for entry in line.entries)
    is_young, is_busy = line.seen > idle_before, wants_more(line.effects, WAKE_LINE)
    ends = max((each.until for each in (*line.restrictions, *line.ended)), default=0)
    for each in line.reported:
        if newest := max(each.granted_at, each.at if line.publics else 0):
            ends = max(ends, newest + NAMED_FOR_MS)
    stays = others or any(not each.until for each in line.restrictions)
    fields = [f"r:{each.name}" for each in line.ended if each.until <= idle_before]
    if without:
        fields += [f"o:{without}", *(f"d:{sms}" for sms in line.reports if sms.startswith(f"{without}."))]
    if not (is_young or others):  # no gateway repeats itself any more
        fields += [f"m:{key}" for key in line.heard]
        fields += [f"a:{purpose}" for purpose in line.answered]
        fields += [f"c:{each.call}" for each in line.calls]
    soon = now + (LATER_MS if is_busy else 0)
    due = None if stays else max(max(line.seen, ends) + STRANGER_MS, soon) + 1
    return AtRest(not (stays or is_young or is_busy or ends > idle_before), dict.fromkeys(fields, ""), due)
