"""`consent retry --all`: stuck effects, counted by cause, then retried batch by batch."""

from typing import TYPE_CHECKING

from consent_engine.cli.opening import by, one_of, opened
from consent_engine.cli.tables import instant, record, table, tell
from consent_engine.domain.effects import Lane

if TYPE_CHECKING:
    from consent_engine.engine.stuck import Wanted

_AT_ONCE = 200


def wanted_of(lane: str | None, reason: str | None, plan: str | None) -> "Wanted":
    """Build the filter from the options. Raises BadParameter for an unknown lane."""
    from consent_engine.engine.stuck import Wanted

    one_of(lane, Lane, "--lane")
    return Wanted(Lane(lane) if lane else None, reason, plan)


def retry_all(wanted: "Wanted", limit: int, *, dry_run: bool) -> None:
    """Count the chosen effects by cause (dry_run), or retry up to `limit` of them and report the progress."""
    from consent_engine.engine.stuck import MOST_STUCK, Retried, causes_of

    with opened() as engine:
        found = engine.stuck(MOST_STUCK, wanted)
        if dry_run:
            rows = [(c.count, c.lane.value, c.plan or "-", instant(c.since), c.reason) for c in causes_of(found)]
            table(("count", "lane", "plan", "since", "reason"), rows, "no such effect is stuck")
            return
        chosen, done = found[:limit], Retried()
        for start in range(0, len(chosen), _AT_ONCE):
            done += engine.retry_many(chosen[start : start + _AT_ONCE], by())
            tell(f"{min(start + _AT_ONCE, len(chosen))} of {len(chosen)}")
    left = len(found) - len(chosen)
    record([("retried", done.retried), ("gone", done.gone), ("unreadable", done.unreadable), ("left", left)])
