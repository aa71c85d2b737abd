"""The page on which a subscriber reads and prints a receipt: Chinese first, no script, no sign-in.

Neither its number nor the digits are ever in a URL: the form is posted, and the answer is the receipt.
"""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.bodies import KIB
from consent_engine.api.schemas.forms import FindReceipt, read
from consent_engine.api.service.brakes import LooksForReceipts
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import Sessions
from consent_engine.api.web.rendering import posted_form, sheet, when
from consent_engine.api.web.words import HTML_LANG, LANGUAGES, keeping_language, language_of, words
from consent_engine.domain.line.restriction import EVERY_CARRIER
from consent_engine.domain.receipt import Receipt, ReceiptNotFound, TooManyLooks
from consent_engine.errors import ConsentError, Forbidden, Malformed, StoreUnavailable

operations = Operations()
FIELDS = ("number", "last_four")
MOST_POSTED = 4 * KIB
_MESSAGES: Mapping[type[ConsentError], tuple[str, HTTPStatus]] = {
    Malformed: ("receipt.look_at", HTTPStatus.UNPROCESSABLE_ENTITY),
    ReceiptNotFound: ("receipt.none", HTTPStatus.NOT_FOUND),
    TooManyLooks: ("receipt.too_many", HTTPStatus.TOO_MANY_REQUESTS),
    Forbidden: ("not_our_page", HTTPStatus.FORBIDDEN),
    StoreUnavailable: ("store_away", HTTPStatus.SERVICE_UNAVAILABLE),
}


@operations.add("GET", "/receipt", PUBLIC)
async def receipt(request: Request) -> Response:
    return _page(request, dict.fromkeys(FIELDS, ""))


@operations.add("POST", "/receipt", PUBLIC)
async def posted(request: Request) -> Response:
    """Show the receipt, as a page or as a file; on an error, show the form with the error."""
    fields = await posted_form(request, MOST_POSTED, 10)
    form = {name: fields.get(name, "").strip()[:40] for name in FIELDS}
    sessions: Sessions = request.app.state.sessions
    looks: LooksForReceipts = request.app.state.receipts
    try:
        sessions.same_origin(request)
        asked = read(FindReceipt, form)
        found = await looks.find(request, asked.number, asked.last_four)
    except tuple(_MESSAGES) as error:
        said, status = next(result for kind, result in _MESSAGES.items() if isinstance(error, kind))
        answer = _page(request, form, status, said)
        if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            answer.headers["Retry-After"] = "60"
        return answer
    if fields.get("as") == "json":
        named = f'attachment; filename="receipt-{found.receipt_id}.json"'
        headers = {"Content-Disposition": named, "Cache-Control": "no-store"}
        return Response(msgspec.json.format(msgspec.json.encode(found)), 200, headers, "application/json")
    return _page(request, form, found=found)


def _page(
    request: Request, form: Mapping[str, str], status: int = HTTPStatus.OK, said: str = "",
    found: Receipt | None = None,
) -> HTMLResponse:  # fmt: skip
    template, style, policy = sheet("receipt.html", "tariffs.css", "report.css", "receipt.css")
    language = language_of(request)
    t = words(language)
    html = template.render(
        t=t, lang=HTML_LANG[language], other=next(each for each in LANGUAGES if each != language),
        other_lang=HTML_LANG, style=style, problem=t[said] if said else "", form=form, receipt=found,
        every=EVERY_CARRIER, when=partial(when, front_of(request).days),
    )  # fmt: skip
    headers = {
        "Content-Security-Policy": policy, "Cache-Control": "no-store", "Vary": "Accept-Language, Cookie",
        "Content-Language": language, "Referrer-Policy": "same-origin",
    }  # fmt: skip
    return keeping_language(HTMLResponse(html, status, headers), request, language)
