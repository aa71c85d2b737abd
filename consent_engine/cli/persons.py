"""`consent evidence`, the proof of one order as a file, `receipt`, a subscriber's record, `erase`, and `rekey`."""

import sys
from typing import Annotated

import msgspec
import typer

from consent_engine.api.schemas.forms import EraseNumber, FindReceipt, read
from consent_engine.cli.opening import by, opened
from consent_engine.cli.tables import instant, out, record, tell
from consent_engine.domain.msisdn import mask, parse
from consent_engine.engine.erasing import ERASED
from consent_engine.engine.evidence import encoded
from consent_engine.engine.rekeying import rekey as encrypted_anew
from consent_engine.engine.scribe import as_of_now

_NUMBER = typer.Argument(metavar="NUMBER", help="The number of the receipt, as the SMS said it.")
_DIGITS = typer.Argument(metavar="DIGITS", help="The last four digits of the number that the SMS came to.")


def receipt(
    number: Annotated[str, _NUMBER], digits: Annotated[str, _DIGITS],
    *, every: Annotated[bool, typer.Option("--all", help="All receipts of that number.")] = False,
) -> None:  # fmt: skip
    """Print a receipt, as its subscriber gets it at /receipt, in JSON: the record of one order, refusal or complaint,
    with the fields of ISO/IEC TS 27560.
    """
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


def rekey() -> int:
    """Encrypt all persons in Redis and SQL under the first key of CONSENT_PERSON_KEYS, while the engine works. If it
    dies, type it again. Exit status 1: something was under a former key, or still is: type it again a minute later.
    """
    with opened() as engine:
        done, left = encrypted_anew(engine.store, engine.registry)
    record([("encrypted anew", done), ("under a former key", left)])
    if done or left:
        tell("type it again in a minute: an unread message keeps its key, and what was just read may come back")
        return 1
    tell("take the former keys out of CONSENT_PERSON_KEYS; keep them for backups, and messages that answered nothing")
    return 0


_ORDER = typer.Argument(metavar="ORDER", help="The order's id.")


def evidence(order: Annotated[str, _ORDER]) -> None:
    """Write the evidence of an order to standard output: consent evidence ORDER > FILE. It has the subscriber's number
    and words: that it was made, and by whom, is recorded first, as when a number is revealed.
    """
    with opened() as engine:
        engine.evidence.note(engine.show(order), by(), "cli")
        as_of_now(engine.store)
        made = encoded(engine.evidence.file(order, by()))
    sys.stdout.flush()
    sys.stdout.buffer.write(made + b"\n")
    tell("has the subscriber's number and words: keep it where nobody reads it who need not")
