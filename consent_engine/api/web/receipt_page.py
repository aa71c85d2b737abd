"""The page on which a subscriber reads and prints a receipt: Chinese first, no script, no sign-in.

Neither its number nor the digits are ever in a URL: the form is posted, and the answer is the receipt.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.bodies import KIB
from consent_engine.api.schemas.forms import FindReceipt, read
from consent_engine.api.service.brakes import LooksForReceipts
from consent_engine.api.service.sessions import Sessions
from consent_engine.api.web.rendering import WRONG, form_page, posted_form, wrong
from consent_engine.api.web.words import language_of
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.line.restriction import EVERY_CARRIER
from consent_engine.domain.receipt import Receipt

operations = Operations()
FIELDS = ("number", "last_four", "code", "ticket")
MOST_POSTED = 4 * KIB


@operations.add("GET", "/receipt", PUBLIC)
async def receipt(request: Request) -> Response:
    return _page(request, dict.fromkeys(FIELDS, ""))


@operations.add("POST", "/receipt", PUBLIC)
async def posted(request: Request) -> Response:
    """Show the receipt, as a page or as a file; or send a code, and show all of the number. On an error, show the form
    with the error.
    """
    fields = await posted_form(request, MOST_POSTED, 10)
    form, step = {name: fields.get(name, "").strip()[:64] for name in FIELDS}, fields.get("as", "")
    sessions: Sessions = request.app.state.sessions
    try:
        sessions.same_origin(request)
        if step == "code":
            form["ticket"] = await _sent(request, form)
            return _page(request, form, step=step)
        found = await _found(request, form, step)
    except tuple(WRONG) as error:
        said, status = wrong(error)
        return _page(request, form, status, said, step="all" if step == "all" else "")
    if step == "json":
        named = f'attachment; filename="receipt-{found[0].receipt_id}.json"'
        headers = {"Content-Disposition": named, "Cache-Control": "no-store"}
        return Response(msgspec.json.format(msgspec.json.encode(found[0])), 200, headers, "application/json")
    return _page(request, form, found=found, step=step)


def _asked(form: Mapping[str, str]) -> FindReceipt:
    """Read the form. Raises Malformed."""
    return read(FindReceipt, {name: form[name] for name in ("number", "last_four")})


async def _sent(request: Request, form: Mapping[str, str]) -> str:
    """Send a code to the receipt's number; return the ticket."""
    looks: LooksForReceipts = request.app.state.receipts
    asked = _asked(form)
    return await looks.send_code(request, asked.number, asked.last_four, language_of(request))


async def _found(request: Request, form: Mapping[str, str], step: str) -> list[Receipt]:
    looks: LooksForReceipts = request.app.state.receipts
    asked = _asked(form)
    if step == "all":
        return await looks.whole(request, asked.number, asked.last_four, form["code"], form["ticket"])
    return [await looks.find(request, asked.number, asked.last_four)]


def _page(
    request: Request, form: Mapping[str, str], status: int = HTTPStatus.OK, said: str = "",
    found: Sequence[Receipt] = (), step: str = "",
) -> HTMLResponse:  # fmt: skip
    """Return the page. step: `code`, one was sent just now; `all`, it is about all of the number"""
    hotlines = " / ".join(each.hotline for each in CARRIERS.values())
    return form_page(
        request, "receipt.html", ("tariffs.css", "report.css", "receipt.css"), status, said, hotlines, form=form,
        receipts=found, step=step, every=EVERY_CARRIER,
    )  # fmt: skip
