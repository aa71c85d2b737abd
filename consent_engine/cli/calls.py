"""`consent calls` and `consent violations`: what was called, and what was wrong with it. Numbers are masked."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: see commands.py

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from consent_engine.cli.opening import opened
from consent_engine.cli.tables import instant, table

if TYPE_CHECKING:
    from consent_engine.domain.call.call import Call
    from consent_engine.ports import CallFilter

_A_PAGE = 200
_HEAD = ("call", "began", "number", "carrier", "agent", "state", "outcome", "recording", "violations")
_Agent = Annotated[str | None, typer.Option(help="Only those of this agent.")]
_Day = Annotated[str | None, typer.Option(metavar="DAY", help="Only those that began on this day, like 2025-08-01.")]
_Carrier = Annotated[str | None, typer.Option(help="Only those of this carrier.")]
_Limit = Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")]


def list_calls(
    agent: _Agent = None, day: _Day = None, carrier: _Carrier = None, limit: _Limit = 100
) -> None:  # fmt: skip
    """List calls, newest first: when, to whom, by whom, how each ended, and what was wrong with it."""
    _list(_filter(agent, day, carrier), limit, "no calls")


def violations(
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="Only this one, like refused_number.")] = None,
    agent: _Agent = None, day: _Day = None, carrier: _Carrier = None, limit: _Limit = 100,
) -> None:  # fmt: skip
    """List calls with which something was wrong, newest first."""
    from consent_engine.domain.call.violation import Violation
    from consent_engine.ports.calls import ANY

    if code is not None and code not in set(Violation):
        raise typer.BadParameter(f"one of {', '.join(Violation)}", param_hint="CODE")
    _list(_filter(agent, day, carrier, code or ANY), limit, "nothing was wrong with any call")


def _filter(agent: str | None, day: str | None, carrier: str | None, violation: str | None = None) -> "CallFilter":
    from consent_engine.domain.carriers import CARRIERS
    from consent_engine.domain.days import DAY_MS, begins
    from consent_engine.ports import CallFilter

    if carrier is not None and carrier not in CARRIERS:
        raise typer.BadParameter(f"one of {', '.join(CARRIERS)}", param_hint="--carrier")
    try:
        since = begins(day) if day else None
    except ValueError:
        raise typer.BadParameter("must be a day, like 2025-08-01", param_hint="--day") from None
    return CallFilter(agent, carrier, since, since + DAY_MS if since is not None else None, violation)


def _list(wanted: "CallFilter", limit: int, nothing: str) -> None:
    rows: list[Sequence[object]] = []
    cursor = ""
    with opened() as engine:
        while len(rows) < limit:
            page = engine.calls.page(wanted, cursor, min(limit - len(rows), _A_PAGE))
            rows += [list(_cells(call)) for call in page.calls]
            cursor = page.cursor
            if not cursor:
                break
    table(_HEAD, rows, nothing)


def _cells(call: "Call") -> Iterator[object]:
    from consent_engine.domain.msisdn import hidden, mask

    began, end, recording = call.began, call.end, call.recording
    yield from (call.id, instant(began.started_at), mask(call.person.msisdn), began.carrier, hidden(began.agent))
    yield from (call.state.value, end.outcome.value if end else "-", hidden(recording.ref) if recording else "-")
    yield " ".join(call.violations) or "-"
