"""`consent retry --all` and `consent ask-again`: counted by cause, then done again batch by batch."""

from typing import TYPE_CHECKING, Annotated

import typer

from consent_engine.cli.opening import by, lists, one_of, opened
from consent_engine.cli.tables import instant, record, table, tell
from consent_engine.domain.effects import Lane

if TYPE_CHECKING:
    from consent_engine.domain.order.order import Order
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


def ask_again(
    *,
    every: Annotated[bool, typer.Option("--all", help="All of them, or those the other options name.")] = False,
    reason: Annotated[str | None, typer.Option(help="Only for this reason, as --dry-run shows it.")] = None,
    plan: Annotated[str | None, typer.Option(help="Only orders for this plan.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 10_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them, by plan and reason.")] = False,
) -> None:
    """Ask subscribers again whose question could not be delivered, while their call is young enough.

    Each is asked by a new order of the same call, which the door admits or refuses as any other.

    Look at --dry-run first: it counts the orders by cause.
    """
    from consent_engine.engine.undeliverable import AskedAgain, unreached_of

    if not (every or dry_run):
        raise typer.BadParameter("count them with --dry-run, then use --all", param_hint="--all")
    found: list[Order] = []
    done, looked, cursor = AskedAgain(), 0, ""
    with (lists if dry_run else opened)() as engine:
        while looked < limit:
            page = engine.undeliverable.page_to_ask(reason, plan, cursor, min(_AT_ONCE, limit - looked))
            looked, cursor = looked + len(page.orders), page.cursor
            if dry_run:
                found += page.orders
            else:
                done += engine.undeliverable.ask_again(page.orders, by())
                tell(f"{looked} looked at")
            if not cursor:
                break
    if dry_run:
        rows = [(c.count, c.plan, instant(c.since), c.reason) for c in unreached_of(found)]
        table(("count", "plan", "since", "reason"), rows, "no such order is undeliverable")
        return
    record([("asked", done.asked), *((f"refused {code}", n) for code, n in sorted(done.refused.items()))])
