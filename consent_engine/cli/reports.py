"""`consent reports`: subscribers' reports of calls, their probable class, and when each is due. Numbers are masked."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from consent_engine.cli.opening import CARRIER_NAMES, lists, one_of, paged, shown
from consent_engine.cli.tables import instant
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import mask

if TYPE_CHECKING:
    from consent_engine.domain.call.report import Report

_HEAD = (
    "report", "number", "came", "door", "from", "carrier", "called", "class", "because", "call", "reward", "answer by",
    "state",
)  # fmt: skip


def reports(
    state: Annotated[str | None, typer.Option(help="open or decided.")] = None,
    door: Annotated[str | None, typer.Option(help="How it came: web, hotline, app, counter, 12321, other.")] = None,
    found: Annotated[str | None, typer.Option("--class", metavar="CLASS", help="One, like ours_forbidden.")] = None,
    carrier: Annotated[str | None, typer.Option(help=f"Only reports about this carrier: {CARRIER_NAMES}.")] = None,
    reward: Annotated[str | None, typer.Option(help="none, eligible, granted or paid.")] = None,
    *,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only reports whose answer is overdue.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 100,
) -> None:
    """List reports of unsolicited calls, newest first: probable class, reasons, and when each answer is due."""
    from consent_engine.domain.call.report import ReportClass, ReportDoor, ReportState, Reward
    from consent_engine.ports import ReportFilter

    kinds = {"--state": (state, ReportState), "--door": (door, ReportDoor), "--class": (found, ReportClass)}
    for hint, (value, kind) in {**kinds, "--carrier": (carrier, Carrier), "--reward": (reward, Reward)}.items():
        one_of(value, kind, hint)
    with shown(_HEAD, "no reports") as rows, lists() as engine:
        wanted = ReportFilter(
            ReportState(state) if state else None, ReportDoor(door) if door else None,
            ReportClass(found) if found else None, carrier, overdue_at=engine.registry.now() if overdue else None,
            reward=Reward(reward) if reward else None,
        )  # fmt: skip

        def page(cursor: str, most: int) -> "tuple[list[list[object]], str]":
            found = engine.reports.page(wanted, cursor, most)
            return [list(_cells(report, found.now)) for report in found.reports], found.cursor

        for row in paged(page, limit):
            rows.append(row)


def _cells(report: "Report", now: "Millis") -> Iterator[object]:
    case = report.received
    yield from (report.id, report.number, instant(case.received_at), case.door.value, mask(report.person.msisdn))
    yield from (case.carrier, instant(case.called_at), report.found.value, " ".join(case.reasons), case.call or "-")
    yield from (report.reward.value, instant(case.answer_by))
    yield "overdue" if report.is_overdue(now) else report.state.value
