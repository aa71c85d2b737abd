"""`consent receipt`, a subscriber's record by its number, and `consent erase`."""

from typing import Annotated

import typer

from consent_engine.cli.opening import by, opened
from consent_engine.cli.tables import instant, out, record
from consent_engine.domain.msisdn import mask, parse

_NUMBER = typer.Argument(metavar="NUMBER", help="The number of the receipt, as the SMS said it.")
_DIGITS = typer.Argument(metavar="DIGITS", help="The last four digits of the number that the SMS came to.")


def receipt(
    number: Annotated[str, _NUMBER], digits: Annotated[str, _DIGITS],
    *, every: Annotated[bool, typer.Option("--all", help="All receipts of that number.")] = False,
) -> None:  # fmt: skip
    """Print a receipt, as its subscriber gets it at /receipt, in JSON: the record of one order, refusal or complaint,
    with the fields of ISO/IEC TS 27560.
    """
    import msgspec

    from consent_engine.api.schemas.forms import FindReceipt, read

    asked = read(FindReceipt, {"number": number, "last_four": digits})
    with opened() as engine:
        receipts = engine.receipts
        found: object = receipts.find(asked.number, asked.last_four)
        if every:
            found = receipts.of_number(receipts.code_for(asked.number, asked.last_four).msisdn)
    out(f"{msgspec.json.format(msgspec.json.encode(found)).decode()}\n")


_MSISDN = typer.Argument(metavar="MSISDN", help="A Chinese mobile number.")
_GROUND = typer.Option(metavar="TEXT", help="Why: the person's own request, an order of a court. Without a number.")


def erase(msisdn: Annotated[str, _MSISDN], ground: Annotated[str, _GROUND]) -> None:
    """Erase the person who has a number, once nothing of it is open; say what stays, and why, and which backups still
    have the person. May be repeated.
    """
    from consent_engine.api.schemas.forms import EraseNumber, read
    from consent_engine.engine.erasing import ERASED

    asked, number = read(EraseNumber, {"msisdn": msisdn, "ground": ground}), parse(msisdn)
    with opened() as engine:
        done = engine.eraser.erase(number, asked.ground, by())
    record([
        ("erased", mask(number), instant(done.at), done.by, done.ground),
        *((f"erased {ERASED[owner]}", count) for owner, count in done.erased.items()),
        ("erased messages", done.messages),
        ("append-only file", done.file or "written anew"),
        *((f"still in backup {n}", instant(each.at), each.place) for n, each in enumerate(done.backups, 1)),
        *((f"stays: {what}", why) for what, why in done.stays.items()),
    ])  # fmt: skip
