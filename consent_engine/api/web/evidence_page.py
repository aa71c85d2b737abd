"""The page of an order's evidence, for a judge to read and to print: made from the evidence file, and checked first."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.adapters.signed_pdf import Press
from consent_engine.api.document.operations import PUBLIC, Operations, visitor_of
from consent_engine.api.service.callers import visible
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import Session
from consent_engine.api.web.pages import behind_sign_in, signed_in
from consent_engine.api.web.rendering import KINDS, asset
from consent_engine.engine.evidence import encoded
from consent_engine.errors import OrderNotFound
from consent_engine.ports import ApiKey
from consent_engine.verify import Broken, verify

operations = Operations(whose=visitor_of)


@operations.add("GET", "/orders/{order_id}/evidence", PUBLIC)
async def evidence(request: Request, order_id: str) -> Response:
    """For auditors. It has the full number and the subscriber's words: who opened it is recorded first."""
    return (await _shown(request, order_id))[0]


@operations.add("GET", "/orders/{order_id}/evidence.pdf", PUBLIC)
async def printed(request: Request, order_id: str) -> Response:
    """The page as a PDF, signed (PAdES), with the evidence file in it. Raises OrderNotFound without a certificate."""
    press: Press | None = request.app.state.press
    if press is None and await signed_in(request) is not None:  # a stranger learns nothing of the settings
        raise OrderNotFound("no certificate is set that would sign a PDF: see CONSENT_PDF_KEY")
    page, made = await _shown(request, order_id)
    if press is None or not made:
        return page
    files = {each: (KINDS[each.rpartition(".")[2]], asset(each)) for each in ("pages.css", "icon.svg")}
    pdf = await press(bytes(page.body).decode(), files, (f"evidence-{order_id}.json", made))
    name = {"Content-Disposition": f'attachment; filename="evidence-{order_id}.pdf"', "Cache-Control": "no-store"}
    return Response(pdf, headers=name, media_type="application/pdf")


async def _shown(request: Request, order_id: str) -> tuple[Response, bytes]:
    """Return the page, and the file that it shows; none where nobody may see it."""
    made = b""

    async def shown(session: Session) -> Mapping[str, Any]:
        nonlocal made
        made = await evidence_of(request, session.caller, order_id)
        file, pdf = json.loads(made), request.app.state.press is not None
        lacks = [f"{each}  ".split(" ")[:3] for each in file["account"]["missing"]]
        return {"file": file, "account": file["account"], "broken": _broken(file), "lacks": lacks, "pdf": pdf}

    return await behind_sign_in(request, "evidence.html", shown), made


def _broken(file: Mapping[str, Any]) -> str:
    """Return the first broken link of a file, and what is wrong with it; "" for a sound one."""
    try:
        verify(file)
    except Broken as broken:
        return str(broken)
    return ""


async def evidence_of(request: Request, caller: ApiKey, order_id: str) -> bytes:
    """Return an order's evidence file, once it is recorded who asked for it. Raises OrderNotFound."""
    front = front_of(request)
    await front.ask(lambda engine: engine.evidence.note(visible(engine, order_id, caller), caller.name, caller.role))
    return await front.listed(lambda engine, _: encoded(engine.evidence.file(order_id, caller.name)), waits=True)
