"""`consent permits`, `calls`, `violations`, `reviews` and `reports`: permits to dial, calls, violations found in them,
orders that wait for a first review, subscribers' reports of calls with their probable class. Numbers called are masked.
"""

import sys
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import typer
from msgspec.structs import replace

from consent_engine.cli.opening import (
    A_DAY,
    CARRIER_NAMES,
    by,
    carrier_named,
    listing,
    one_of,
    opened,
    sound_reason,
    typed,
)
from consent_engine.cli.tables import instant, record, table, tell
from consent_engine.config.settings import Settings
from consent_engine.config.yaml_files import days_in
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.permit import Checked, Given, PermitResult
from consent_engine.domain.call.report import Report, ReportClass, ReportDoor, ReportState, Reward
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import Msisdn, hidden, mask, parse
from consent_engine.engine.engine import Engine
from consent_engine.engine.permits import MOST_NUMBERS, PermitsAsked
from consent_engine.errors import FieldError, Malformed
from consent_engine.ports import CallFilter, ReportFilter
from consent_engine.ports.queries import ANY

_HEAD = ("call", "began", "from", "number", "carrier", "agent", "state", "outcome", "recording", "violations")
_Agent = Annotated[str | None, typer.Option(help="Only calls of this agent.")]
_Day = Annotated[str | None, typer.Option(metavar="DAY", help="Only calls that began on this day, like 2025-08-01.")]
_Since = Annotated[str | None, typer.Option(metavar="DAY", help="Only calls that began on this day or later.")]
_Until = Annotated[str | None, typer.Option(metavar="DAY", help="Only calls that began on this day or earlier.")]
_Carrier = Annotated[str | None, typer.Option(help=f"Only calls of this carrier: {CARRIER_NAMES}.")]
_Limit = Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")]


def list_calls(
    *,
    agent: _Agent = None, day: _Day = None, since: _Since = None, until: _Until = None, carrier: _Carrier = None,
    limit: _Limit = 100,
    number: Annotated[
        str | None, typer.Option(metavar="MSISDN", help="Calls to this number, with their permits; no other filter.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Draw so many by --seed, from --day or --since to --until.")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="The same seed draws the same sample.")] = None,
) -> None:  # fmt: skip
    """List calls, newest first: start, number, agent, outcome, recording and violations of each."""
    wanted = _filter(agent, _Period(day, since, until), carrier)
    if (sample is None) != (seed is None):
        raise typer.BadParameter("--sample and --seed go together", param_hint="--sample")
    if number is not None:
        if any((agent, day, since, until, carrier, sample)):
            raise typer.BadParameter("cannot be combined with other filters", param_hint="--number")
        _to_number(number, limit)
    elif sample is not None:
        _draw(wanted, sample, seed or "")
    else:
        _list(wanted, limit, "no calls")


def violations(
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="Only this kind, like refused_number.")] = None,
    agent: _Agent = None, day: _Day = None, since: _Since = None, until: _Until = None, carrier: _Carrier = None,
    limit: _Limit = 100,
) -> None:  # fmt: skip
    """List calls with violations, newest first."""
    one_of(code, Violation, "CODE")
    _list(_filter(agent, _Period(day, since, until), carrier, code or ANY), limit, "no violation was found")


class _Period(NamedTuple):
    """The days named on the command line: one day, or the first and the last of a period, both included."""

    day: str | None
    since: str | None
    until: str | None


def _filter(agent: str | None, named: _Period, carrier: str | None, violation: str | None = None) -> CallFilter:

    carrier_named(carrier)
    if named.day and (named.since or named.until):
        raise typer.BadParameter("cannot be combined with --since or --until", param_hint="--day")
    first, end = _bounds(named.day or named.since, named)[0], _bounds(named.day or named.until, named)[1]
    if first is not None and end is not None and end <= first:
        raise typer.BadParameter("must not be before --since", param_hint="--until")
    return CallFilter(agent, carrier, first, end, violation)


def _bounds(day: str | None, named: _Period) -> tuple[int, int] | tuple[None, None]:
    """Return the first instants of a day and of the next day; None twice without a day. Raises BadParameter."""
    if not day:
        return None, None
    days = days_in(Settings.load().time_zone)
    with typed(next(f"--{name}" for name, value in named._asdict().items() if value == day), A_DAY):
        return days.begins(day), days.ends(day) + 1


def _to_number(number: str, limit: int) -> None:
    msisdn = parse(number)
    with opened() as engine:
        found = engine.inspector.to_number(msisdn)[:limit]
        permits = [engine.inspector.permit_of(call) for call in found]
    rows = [
        (*_cells(call), permit.request if permit else "-", instant(permit.since) if permit else "-")
        for call, permit in zip(found, permits, strict=True)
    ]
    table((*_HEAD, "permit of request", "given"), rows, "nobody called this number")


def _draw(wanted: CallFilter, count: int, seed: str) -> None:
    if wanted.since is None or wanted.until is None:
        raise typer.BadParameter("needs --day, or --since and --until", param_hint="--sample")
    if wanted.agent or wanted.carrier:
        raise typer.BadParameter("cannot be combined with --agent or --carrier", param_hint="--sample")
    with opened() as engine:
        drawn = engine.inspector.drawn(wanted.since, wanted.until, seed, count)
    table(_HEAD, [list(_cells(call)) for call in drawn.calls], "no calls")
    tell(f"drawn {len(drawn.calls)} of {drawn.of}")


def _list(wanted: CallFilter, limit: int, nothing: str) -> None:
    def page(engine: Engine, cursor: str, most: int) -> tuple[list[list[object]], str]:
        found = engine.calls.page(wanted, cursor, most)
        return [list(_cells(call)) for call in found.calls], found.cursor

    listing(_HEAD, nothing, limit, page)


def _cells(call: Call) -> Iterator[object]:
    began, end, recording = call.began, call.end, call.recording
    yield from (call.id, instant(began.started_at), call.person.caller, mask(call.person.msisdn))
    yield from (began.carrier, hidden(began.agent))
    yield from (call.state.value, end.outcome.value if end else "-", hidden(recording.ref) if recording else "-")
    yield " ".join(call.violations) or "-"


reviews = typer.Typer(help="Orders that wait for the first review of their call: list them, let them go on.")


@reviews.command()
def waiting(limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 100) -> None:
    """List orders whose activation waits for the first review of their call, newest first."""

    def page(engine: Engine, cursor: str, most: int) -> tuple[list[tuple[str, ...]], str]:
        found, cursor = engine.calls.waiting(cursor, most)
        return [(each.order, each.call, each.agent, instant(each.since)) for each in found], cursor

    listing(("order", "call", "agent", "since"), "no order waits for a first review", limit, page)


@reviews.command("let-go")
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


_REPORT_HEAD = (
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
    wanted = ReportFilter(
        one_of(state, ReportState, "--state"), one_of(door, ReportDoor, "--door"),
        one_of(found, ReportClass, "--class"), carrier_named(carrier), reward=one_of(reward, Reward, "--reward"),
    )  # fmt: skip

    def page(engine: Engine, cursor: str, most: int) -> tuple[list[list[object]], str]:
        of = replace(wanted, overdue_at=engine.registry.now()) if overdue else wanted
        some = engine.reports.page(of, cursor, most)
        return [list(_cells_of(report, some.now)) for report in some.reports], some.cursor

    listing(_REPORT_HEAD, "no reports", limit, page)


def _cells_of(report: Report, now: Millis) -> Iterator[object]:
    case = report.received
    yield from (report.id, report.number, instant(case.received_at), case.door.value, mask(report.person.msisdn))
    yield from (case.carrier, instant(case.called_at), report.found.value, " ".join(case.reasons), case.call or "-")
    yield from (report.reward.value, instant(case.answer_by))
    yield "overdue" if report.is_overdue(now) else report.state.value


def permits(
    msisdns: Annotated[
        list[str] | None,
        typer.Argument(metavar="MSISDN...", help="Chinese mobile numbers; default: standard input, one a line."),
    ] = None,
    carrier: Annotated[str | None, typer.Option(help=f"the carrier that wants to call: {CARRIER_NAMES}")] = None,
    plan: Annotated[str | None, typer.Option(help="about this plan: a declined plan is not offered again")] = None,
    check: Annotated[
        str | None,
        typer.Option(
            metavar="PERMIT", help="Tell whether a permit is valid now: for MSISDN, if given. Exit status 1: it is not."
        ),
    ] = None,
) -> int:
    """Give permits to dial up to 10000 numbers, in their order: each with its end, or since when and why denied."""
    if check is not None:
        if carrier or plan or len(msisdns or ()) > 1:
            raise typer.BadParameter("takes one MSISDN at most, and no other option", param_hint="--check")
        return _check(check, _numbers(msisdns or [])[0] if msisdns else None)
    _give(_numbers(msisdns or _lines()), carrier, plan)
    return 0


def _lines() -> list[str]:
    return [text for line in sys.stdin if (text := line.strip())]


def _numbers(texts: list[str]) -> list[Msisdn]:
    """Parse the numbers. Raises Malformed, which names invalid ones by position and quotes none of them."""
    numbers: list[Msisdn] = []
    wrong: list[FieldError] = []
    for n, text in enumerate(texts, 1):
        try:
            numbers.append(parse(text))
        except Malformed as error:
            wrong += [FieldError(f"number {n}", each.code, each.message) for each in error.errors]
    if wrong:
        raise Malformed(wrong[:10])
    return numbers


def _give(numbers: list[Msisdn], carrier: str | None, plan: str | None) -> None:

    if not carrier_named(carrier) and not plan:
        raise typer.BadParameter("must be given, unless --plan is", param_hint="--carrier")
    if not 0 < len(numbers) <= MOST_NUMBERS:
        raise typer.BadParameter(f"1 to {MOST_NUMBERS} at once", param_hint="MSISDN...")
    with opened() as engine:
        named = engine.catalogue.carrier_of(plan, carrier) if plan else carrier or ""
        given = engine.dialler.permits(PermitsAsked(numbers, named, plan, by()))
    rows = [
        (mask(number), token or "-", instant(given.until)) if token else
        (mask(number), f"denied: {dial.reason}", instant(dial.since or 0))
        for number, (dial, token) in zip(numbers, given.answers, strict=True)
    ]  # fmt: skip
    table(("number", "permit", "until or since"), rows)


def _check(token: str, number: Msisdn | None) -> int:
    """Print whether a permit is valid, and for what; return 0 for a valid one, else 1."""
    with opened() as engine:
        checked, given = engine.dialler.check(token.strip(), number, engine.registry.now())
    record(_facts(checked, given))
    return int(checked.word is not PermitResult.VALID)


def _facts(checked: Checked, given: list[Given]) -> Iterator[tuple[object, ...]]:
    yield "permit", checked.word.value
    if checked.permit is None:
        return
    yield "carrier", checked.permit.carrier
    yield "since", instant(checked.permit.since)
    yield "until", instant(checked.permit.until)
    yield "request", checked.permit.request
    for each in given:
        yield "asked by", hidden(each.by), *[each.plan] * bool(each.plan)
        denied = [f"{count} {reason}" for reason, count in each.denied.items()]
        yield "answered", f"{each.permits} permits", *denied
