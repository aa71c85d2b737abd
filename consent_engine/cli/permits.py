"""`consent permits`: asks for permits to dial numbers, and checks a permit."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from consent_engine.cli.opening import CARRIER_NAMES, by, carrier_named, opened
from consent_engine.cli.tables import instant, record, table
from consent_engine.domain.msisdn import Msisdn, hidden, mask, parse
from consent_engine.errors import FieldError, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consent_engine.domain.call.permit import Checked, Given


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


def _numbers(texts: list[str]) -> list["Msisdn"]:
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


def _give(numbers: list["Msisdn"], carrier: str | None, plan: str | None) -> None:
    from consent_engine.engine.permits import MOST_NUMBERS, PermitsAsked

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


def _check(token: str, number: "Msisdn | None") -> int:
    """Print whether a permit is valid, and for what; return 0 for a valid one, else 1."""
    from consent_engine.domain.call.permit import PermitResult

    with opened() as engine:
        checked, given = engine.dialler.check(token.strip(), number, engine.registry.now())
    record(_facts(checked, given))
    return int(checked.word is not PermitResult.VALID)


def _facts(checked: "Checked", given: list["Given"]) -> "Iterator[tuple[object, ...]]":
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
