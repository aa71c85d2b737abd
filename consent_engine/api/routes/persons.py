"""What a person may ask of the data about them, over HTTP: their receipt."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations, answered
from consent_engine.api.schemas.forms import FindReceipt
from consent_engine.api.service.brakes import LooksForReceipts
from consent_engine.domain.receipt import ReceiptNotFound, TooManyLooks

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
    that the SMS came to. Ten looks in ten minutes from an address, and five an hour for a number, in each process.
    Needs no key."""
    looks: LooksForReceipts = request.app.state.receipts
    return answered(msgspec.json.encode(await looks.find(request, form.number, form.last_four)))
