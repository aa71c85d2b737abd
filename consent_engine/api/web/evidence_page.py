"""The page of an order's evidence, for a judge to read and to print: made from the evidence file, and checked first."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations, visitor_of
from consent_engine.api.service.callers import visible
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import Session
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.engine.evidence import encoded
from consent_engine.ports import ApiKey
from consent_engine.verify import Broken, verify

operations = Operations(whose=visitor_of)


@operations.add("GET", "/orders/{order_id}/evidence", PUBLIC)
async def evidence(request: Request, order_id: str) -> Response:
    """For auditors. It has the full number and the subscriber's words: who opened it is recorded first."""

    async def shown(session: Session) -> Mapping[str, Any]:
        file = json.loads(await evidence_of(request, session.caller, order_id))
        lacks = [f"{each}  ".split(" ")[:3] for each in file["account"]["missing"]]
        return {"file": file, "account": file["account"], "broken": _broken(file), "lacks": lacks}

    return await behind_sign_in(request, "evidence.html", shown)


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
