"""Silent lanes: those with effects due in which no worker has leased for some ticks."""

from collections.abc import Mapping

from consent_engine.domain.effects import Lane
from consent_engine.ports import LaneDepth

SILENT_TICKS = 3
_SAME_MS = 50
"""Tolerance for taking the oldest effect for the same one: leases take it first, so it is later by the time passed."""


class Silence:
    """The search for silent lanes, once a tick."""

    def __init__(self, tick_ms: int) -> None:
        self._tick_ms = tick_ms
        self._late: dict[Lane, int] = {}
        self._unmoved: dict[Lane, int] = {}

    def look(self, depths: Mapping[Lane, LaneDepth], passed_ms: int) -> list[Lane]:
        """Return the silent lanes. passed_ms: time since the last look."""
        for lane, depth in depths.items():
            before = self._late.get(lane)
            unmoved = depth.due and before is not None and depth.late >= before + passed_ms - _SAME_MS
            self._unmoved[lane] = self._unmoved.get(lane, 0) + 1 if unmoved else 0
            if depth.due:
                self._late[lane] = depth.late
            else:
                self._late.pop(lane, None)
        return [lane for lane, depth in depths.items() if self._silent(lane, depth)]

    def _silent(self, lane: Lane, depth: LaneDepth) -> bool:
        return self._unmoved[lane] >= SILENT_TICKS and depth.late > SILENT_TICKS * self._tick_ms
