"""The gateways' webhooks: replies (MO) and delivery reports (DLR). Acknowledged only once they are stored."""

from typing import Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.bodies import MOST_WEBHOOK, is_json, is_packed, read_body
from consent_engine.api.http.problems import GatewayNotFound, NotOurMediaType
from consent_engine.api.schemas.views import Ack
from consent_engine.api.service.service import Post, front_of
from consent_engine.errors import Malformed, Unauthenticated
from consent_engine.ports import WebhookCall


class PartOf(BaseModel):
    """The place of a part in a longer SMS: the n-th of so many, under the reference that all parts share."""

    reference: str | int
    n: int = Field(ge=1, le=255)
    of: int = Field(ge=1, le=255)


class MobileOriginated(BaseModel):
    """A subscriber's SMS (MO), as the generic gateway posts it: one, or a list."""

    message_id: str | int
    from_: str | int = Field(alias="from")
    to: str | int
    text: str
    received_at: str | None = None
    part: PartOf | None = None


class DeliveryReceipt(BaseModel):
    """A report on one of our SMS (DLR), as the generic gateway posts it: one, or a list."""

    ref: str
    message_id: str | int | None = None
    status: Literal["accepted", "delivered", "failed"]
    segment: int = 1
    segments: int = 1
    error: str | int | None = None
    at: str | None = None


operations = Operations("gateways", "/v1/gateways", security=openapi.GATEWAY_SECURITY)
PLAIN = frozenset({"text/plain", "application/octet-stream", "application/x-www-form-urlencoded"})
"""Media types of a raw message, in any charset, as Kannel sends it, and of a form."""


@operations.add(
    "POST", "/{name}/inbound", PUBLIC, "Receive replies", Ack, problems=(Unauthenticated, GatewayNotFound),
    body=MobileOriginated | list[MobileOriginated], headers=(openapi.SIGNATURE,),
)  # fmt: skip
async def inbound(request: Request, name: str) -> Response:
    """SMS from subscribers. Signed; a repeat gets the same acknowledgement."""
    return await _receive(request, name, reports=False)


@operations.add(
    "GET", "/{name}/receipts", PUBLIC, "Receive a delivery report by GET", {200: openapi.GATEWAYS_OWN},
    problems=(Unauthenticated, GatewayNotFound, Malformed),
)  # fmt: skip
async def receipt(request: Request, name: str) -> Response:
    """For gateways that report by GET, like Kannel: `ref`, `type` and `id`, with Basic credentials."""
    return await _receive(request, name, reports=True)


@operations.add(
    "POST", "/{name}/receipts", PUBLIC, "Receive delivery reports", Ack, problems=(Unauthenticated, GatewayNotFound),
    body=DeliveryReceipt | list[DeliveryReceipt], headers=(openapi.SIGNATURE,),
)  # fmt: skip
async def receipts(request: Request, name: str) -> Response:
    """Reports on our SMS. Signed; a repeat gets the same acknowledgement."""
    return await _receive(request, name, reports=True)


async def _receive(request: Request, name: str, *, reports: bool) -> Response:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.headers.raw)}
    # Some gateways send no Content-Type. Their adapter verifies and reads what they send.
    named = headers.get("content-type", "application/json")
    if not (is_json(named) or named.partition(";")[0].strip().lower() in PLAIN) or is_packed(request):
        raise NotOurMediaType("send Content-Type: application/json, in UTF-8 and not compressed")
    front = front_of(request)
    body = await read_body(request, MOST_WEBHOOK)
    query = dict(request.query_params) if request.scope["query_string"] else {}
    target = b"?".join(filter(None, (request.scope["raw_path"], request.scope["query_string"]))).decode("latin-1")
    call = WebhookCall(headers, query, body, await front.now(), target)
    said = await front.receive(Post(name, call, reports))
    return Response(said.body, said.status, media_type=said.content_type)
