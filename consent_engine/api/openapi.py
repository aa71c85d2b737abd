"""OpenAPI: what the routes say of themselves, completed by the bodies we read and the problems we answer."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from consent_engine.api.forms import CancelOrder, DeliveryReceipt, Dial, MobileOriginated, Refuse
from consent_engine.api.problems import MEDIA_TYPE
from consent_engine.api.views import Problem
from consent_engine.domain.admit import PlaceOrder
from consent_engine.domain.signature import HEADER

READ: Sequence[type[BaseModel]] = (
    PlaceOrder, CancelOrder, Refuse, Dial, MobileOriginated, DeliveryReceipt, Problem,
)  # fmt: skip
"""What routes read and problems answer by themselves, so that FastAPI does not know it."""
_REF = "#/components/schemas/"

ORDER: dict[str, Any] = {
    "msisdn": "+8613800138000",
    "plan": "5g-smart-199",
    "agent": "A1024",
    "call": {
        "caller_number": "10085",
        "recording_id": "rec-20250801-000123",
        "started_at": "2025-08-01T10:00:00+08:00",
        "agreed_at": "2025-08-01T10:04:31+08:00",
    },
    "metadata": {"desk": "BJ-3"},
}
EXAMPLES: dict[str, Any] = {
    "CancelOrder": {"reason": "changed his mind"},
    "Refuse": {"msisdn": "+8613800138000", "carrier": "mobile", "channel": "voice", "agent": "A1024", "call": "rec-1"},
    "Dial": {"msisdn": "+8613800138000", "carrier": "mobile"},
    "MobileOriginated": {
        "message_id": "m-1", "from": "+8613800138000", "to": "10085", "text": "是",
        "received_at": "2025-08-01T10:06:00+08:00",
    },
    "DeliveryReceipt": {
        "ref": "0ce7000000000000000000000000.confirmation.1", "message_id": "m-9", "status": "delivered",
        "segment": 1, "segments": 3, "at": "2025-08-01T10:05:02+08:00",
    },
}  # fmt: skip


def _header(name: str, description: str, example: str) -> dict[str, Any]:
    shape = {"type": "string"}
    return {
        "name": name,
        "in": "header",
        "required": True,
        "schema": shape,
        "description": description,
        "example": example,
    }


IDEMPOTENCY_KEY = _header(
    "Idempotency-Key", "1 to 128 printable ASCII characters without blanks, one a request", "BJ-3-20250801-000123"
)
SIGNATURE = _header(HEADER, 'hex HMAC-SHA256(secret, t + "." + body), at most 300 s old', f"t=1754013960,v1={'0' * 64}")

CODES = {
    400: "`idempotency_key_missing`",
    401: "`unauthenticated`",
    403: "`forbidden`",
    404: "`order_not_found`, `plan_not_found`, `gateway_not_found`",
    409: (
        "`idempotency_conflict`, `plan_not_public`, `do_not_call` (since), `duplicate_order` (order), "
        "`too_late` (state), `nothing_parked`"
    ),
    413: "`too_large`",
    415: "`unsupported_media_type`",
    422: (
        "`malformed`, or what the one thing wrong is: `invalid_msisdn`, `recording_missing`, `call_time_invalid`; all "
        "that is wrong in `errors`. `plan_unknown`, `unofficial_number` (official), `disclosure_missing` (missing)"
    ),
    503: "`store_unavailable`, `not_durable`, `not_ready` (reasons): the same request again is safe",
}
AGAIN = {"Retry-After": {"description": "seconds", "schema": {"type": "string"}}}


def answers(more: Mapping[int, type[BaseModel]], *problems: int) -> dict[int | str, dict[str, Any]]:
    """A route's other answers: models by status, and the problems it may answer with."""
    said: dict[int | str, dict[str, Any]] = {status: {"model": model} for status, model in more.items()}
    for status in problems:
        content = {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}Problem"}}}
        said[status] = {"description": f"{HTTPStatus(status).phrase}: {CODES[status]}", "content": content}
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            said[status]["headers"] = AGAIN
    # With this, FastAPI does not describe the errors of its own, which nobody ever gets.
    said["default"] = {
        "description": "Any other problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}Problem"}}},
    }
    return said


def body(form: str, *headers: dict[str, Any], example: object = None, also_list: bool = False) -> dict[str, Any]:
    """A route's body and headers that it reads by itself."""
    one: dict[str, Any] = {"$ref": _REF + form}
    schema = {"anyOf": [one, {"type": "array", "items": one}]} if also_list else one
    content = {"application/json": {"schema": schema, "example": example or EXAMPLES[form]}}
    said: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    return said | {"parameters": list(headers)} if headers else said


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        kinds: list[tuple[type[BaseModel], Literal["validation"]]] = [(form, "validation") for form in READ]
        _, extra = models_json_schema(kinds, ref_template=_REF + "{model}")
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(extra["$defs"])
        app.openapi_schema = made
    return app.openapi_schema
