"""`consent receipt`, a subscriber's record by its number."""

from typing import Annotated

import typer

from consent_engine.cli.opening import opened
from consent_engine.cli.tables import out

_NUMBER = typer.Argument(metavar="NUMBER", help="The number of the receipt, as the SMS said it.")
_DIGITS = typer.Argument(metavar="DIGITS", help="The last four digits of the number that the SMS came to.")


def receipt(number: Annotated[str, _NUMBER], digits: Annotated[str, _DIGITS]) -> None:
    """Print a receipt, as its subscriber gets it at /receipt, in JSON: the record of one order, refusal or complaint,
    with the fields of ISO/IEC TS 27560.
    """
    import msgspec

    from consent_engine.api.schemas.forms import FindReceipt, read

    asked = read(FindReceipt, {"number": number, "last_four": digits})
    with opened() as engine:
        found = engine.receipts.find(asked.number, asked.last_four)
    out(f"{msgspec.json.format(msgspec.json.encode(found)).decode()}\n")
