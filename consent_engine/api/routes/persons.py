"""What a person may ask of the data about them, over HTTP: their receipt, and to be erased."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations, answered
from consent_engine.api.schemas.forms import EraseNumber, FindReceipt, ProveReceipt
from consent_engine.api.schemas.reports import CodeSent
from consent_engine.api.schemas.views import ErasureView
from consent_engine.api.service.brakes import LooksForReceipts
from consent_engine.api.service.callers import ADMIN
from consent_engine.domain.line.proof_code import MINUTES, CodesUsedUp, CodeWrong, TooManyCodes
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.receipt import ReceiptNotFound, TooManyLooks
from consent_engine.engine.engine import Engine
from consent_engine.engine.erasing import StillOpen
from consent_engine.ports import ApiKey

operations = Operations("persons", "/v1")
RECEIPT = {
    200: {
        "description": "The receipt, with the fields of ISO/IEC TS 27560 and terms of the Data Privacy Vocabulary",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@operations.add("POST", "/receipts", PUBLIC, "Get a receipt", RECEIPT, problems=(ReceiptNotFound, TooManyLooks))
async def receipt(request: Request, form: FindReceipt) -> Response:
    """A subscriber's own record of an order, a refusal or a complaint, of the last 24 months: as on /receipt. The
    number stands in the SMS about it; it opens this one matter alone, and only with the last four digits of the number
    that the SMS came to. Ten looks in ten minutes from an address, and eight an hour for a number, in each process.
    Needs no key."""
    looks: LooksForReceipts = request.app.state.receipts
    return answered(msgspec.json.encode(await looks.find(request, form.number, form.last_four)))


@operations.add(
    "POST", "/receipts/code", PUBLIC, "Send a code to a receipt's number", {202: CodeSent},
    problems=(ReceiptNotFound, TooManyLooks, TooManyCodes, CodesUsedUp),
)  # fmt: skip
async def code(request: Request, form: FindReceipt) -> Response:
    """Send a code to the number that a receipt is about, where it still has the same holder: with it all records of it
    are shown. Limits as of receipts, and of codes for reports. Needs no key."""
    looks: LooksForReceipts = request.app.state.receipts
    return answered(CodeSent(minutes=MINUTES, ticket=await looks.send_code(request, form.number, form.last_four)), 202)


RECEIPTS = {
    200: {
        "description": "The receipts, newest first; what bars the number last",
        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
    }
}


@operations.add(
    "POST", "/receipts/all", PUBLIC, "Get all receipts of a number", RECEIPTS,
    problems=(ReceiptNotFound, TooManyLooks, CodeWrong),
)  # fmt: skip
async def every(request: Request, form: ProveReceipt) -> Response:
    """All receipts of the last 24 months of the number that a receipt is about, by the code that was sent to it: its
    orders, complaints and refusals since it has its holder. Needs no key."""
    looks: LooksForReceipts = request.app.state.receipts
    found = await looks.whole(request, form.number, form.last_four, form.code, form.ticket)
    return answered(msgspec.json.encode(found))


@operations.add("POST", "/erasures", ADMIN, "Erase a person", problems=(StillOpen,), long=True)
def erase(engine: Engine, caller: ApiKey, form: EraseNumber) -> ErasureView:
    """Erase the person who has a number: the person parts of all records, the number on its line, its unmatched
    messages and receipts. What stays, and why, is in the answer, and the backups that still have the person. While
    anything of the number is not over: 409 `still_open`, and nothing was erased. May be repeated. Role: admin."""
    return ErasureView.of(engine.eraser.erase(Msisdn(form.msisdn), form.ground, caller.name))
