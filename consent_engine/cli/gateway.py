"""`consent gateway`: checks with a handset of your own that a gateway delivers a long text whole."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from consent_engine.cli.opening import opened
from consent_engine.cli.tables import table, tell
from consent_engine.domain.hitch import in_words
from consent_engine.domain.msisdn import Msisdn
from consent_engine.errors import Malformed

if TYPE_CHECKING:
    from consent_engine.engine.engine import Engine
    from consent_engine.engine.gateway_check import CheckProgress

PARTS = 4
LOOK_S = 0.5

app = typer.Typer(help="Gateways: check that a long text arrives whole.")


@app.callback()
def gateways() -> None:
    """Gateways: check that a long text arrives whole."""


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in CONSENT_GATEWAY: `kannel`, or `kannel:box`.")],
    to: Annotated[str, typer.Option(metavar="MSISDN", help="A handset of your own: it gets an SMS of four parts.")],
    wait: Annotated[str, typer.Option(help="How long to wait for the reports, like 90s or 5m.")] = "2m",
) -> int:
    """Send an SMS of four parts to your own handset and show each part's report. Exit status 1: not all arrived.

    It is sent like every SMS, so workers and the API must run. Once after every change at the gateway is enough.
    """
    from consent_engine.config.values import duration
    from consent_engine.domain import msisdn

    try:
        number, seconds = msisdn.parse(to), duration(wait).total_seconds()
    except Malformed:
        raise typer.BadParameter("a Chinese mobile number", param_hint="--to") from None
    except ValueError:
        raise typer.BadParameter("a duration like 90s or 5m", param_hint="--wait") from None
    with opened() as engine:
        carrier = next((each for each, served in engine.outside.routes.items() if served == name), None)
        if carrier is None:
            raise typer.BadParameter(f"one of {', '.join(sorted(engine.outside.gateways))}", param_hint="NAME")
        last = _checked(engine, number, carrier, seconds)
    table(("part", "what came"), list(_rows(last)))
    if last.pending is not None:
        tell(_hand_over(last))
    return int(not last.whole)


def _checked(engine: "Engine", number: str, carrier: str, seconds: float) -> "CheckProgress":
    from consent_engine.engine.gateway_check import CheckProgress, checking, forgetting, standing, watched

    end, last = time.monotonic() + seconds, CheckProgress(None, ())

    def pause() -> bool:
        time.sleep(LOOK_S)
        return time.monotonic() < end

    under_way = engine.run(checking(engine.line(Msisdn(number)).id, Msisdn(number), carrier))
    try:
        for last in watched(lambda: standing(engine.store.records, under_way), pause):
            tell(f"{_hand_over(last)}; {_reported(last)}")
    finally:
        engine.run(forgetting(under_way))
    return last


def _hand_over(now: "CheckProgress") -> str:
    if now.pending is None:
        return "handed over"
    if now.pending.parked:
        return f"not handed over: {in_words(now.pending.why)}"
    if now.pending.why:
        return f"not handed over yet: {in_words(now.pending.why)}"
    return "being handed over" if now.pending.attempts else "waits for a worker: `consent serve`"


def _reported(now: "CheckProgress") -> str:
    best = max(now.attempts, key=lambda each: len(each.here), default=None)
    if best is None:
        return "no report yet"
    return f"{len(best.here)} of {best.of} arrived" + (f", {len(best.lost)} lost" if best.lost else "")


def _rows(last: "CheckProgress") -> Iterator[tuple[int, str]]:
    """Yield one row for each part: the best result that any attempt reported for it."""
    of = max((each.of for each in last.attempts), default=PARTS)
    reported = {
        "delivered": {n for each in last.attempts for n in each.here},
        "failed": {n for each in last.attempts for n in each.lost},
        "accepted": {n for each in last.attempts for n in each.accepted},
    }
    for n in range(1, of + 1):
        yield n, next((word for word, parts in reported.items() if n in parts), "nothing heard")
