"""`consent reviews`: orders that wait for the review of their call, and releasing them when no review is required."""

from typing import Annotated

import typer

from consent_engine.cli.opening import by, opened, paged
from consent_engine.cli.pauses import sound_reason
from consent_engine.cli.tables import instant, record, table

app = typer.Typer(help="Orders that wait for the first review of their call: list them, let them go on.")


@app.command()
def waiting(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 100,
) -> None:
    """List orders whose activation waits for the first review of their call, newest first."""
    with opened() as engine:
        rows = [(each.order, each.call, each.agent, instant(each.since)) for each in paged(engine.calls.waiting, limit)]
    table(("order", "call", "agent", "since"), rows, "no order waits for a first review")


@app.command("let-go")
def let_go(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with each call. No telephone number.")],
) -> None:
    """Let all these orders go on, once CONSENT_REVIEW is `after`; orders frozen by a failed review stay frozen."""
    why = sound_reason(reason)
    with opened() as engine:
        if engine.terms.review_first:
            raise typer.BadParameter(
                "CONSENT_REVIEW is `before`: set it to `after` first, and restart APIs and workers"
            )
        done = [engine.calls.let_go(by(), why)]
        while done[-1].cursor:
            done.append(engine.calls.let_go(by(), why, done[-1].cursor))
    record([("orders that go on", sum(each.orders for each in done)), ("calls", sum(each.calls for each in done))])
