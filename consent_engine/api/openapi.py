"""OpenAPI: what the routes say of themselves, completed by the bodies we read and the problems we answer."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from consent_engine.api import examples
from consent_engine.api.forms import (
    CancelOrder,
    DecideHeld,
    DeliveryReceipt,
    Dial,
    Lift,
    MobileOriginated,
    Refuse,
    SearchOrders,
)
from consent_engine.api.problems import MEDIA_TYPE
from consent_engine.api.views import Problem
from consent_engine.domain.admit import PlaceOrder
from consent_engine.domain.plan import Plan
from consent_engine.domain.signature import HEADER

READ: Sequence[type[BaseModel]] = (
    PlaceOrder, CancelOrder, SearchOrders, Refuse, Lift, DecideHeld, Dial, Plan, MobileOriginated, DeliveryReceipt,
    Problem,
)  # fmt: skip
"""What routes read and problems answer by themselves, so that FastAPI does not know it."""
_REF = "#/components/schemas/"

ORDER = examples.ORDER


def _header(name: str, description: str, example: str, *, required: bool = True) -> dict[str, Any]:
    shape = {"type": "string"}
    return {
        "name": name,
        "in": "header",
        "required": required,
        "schema": shape,
        "description": description,
        "example": example,
    }


IDEMPOTENCY_KEY = _header(
    "Idempotency-Key", "1 to 128 printable ASCII characters without blanks, one a request", "BJ-3-20250801-000123"
)
SIGNATURE = _header(HEADER, 'hex HMAC-SHA256(secret, t + "." + body), at most 300 s old', f"t=1754013960,v1={'0' * 64}")
LAST_EVENT_ID = _header("Last-Event-ID", "the number of the last entry that was read", "3", required=False)
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The entries",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": examples.STREAM}},
    },
    204: {"description": "The order settled, and all of it was read"},
}
METRICS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus's text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
}
CSV: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}, "example": examples.CSV}},
    }
}
GATEWAY_SECURITY: dict[str, dict[str, str]] = {
    "signature": {"type": "apiKey", "in": "header", "name": HEADER, "description": "the gateway's own proof"},
    "basic": {"type": "http", "scheme": "basic", "description": "gateways that cannot sign, like Kannel"},
}

CODES = {
    400: "`idempotency_key_missing`",
    401: "`unauthenticated`",
    403: "`forbidden`",
    404: "`order_not_found`, `plan_not_found`, `refusal_not_found`, `gateway_not_found`",
    409: (
        "`idempotency_conflict`, `plan_not_public`, `do_not_call` (since, reason), `duplicate_order` (order), "
        "`too_late` (state), `nothing_parked`, `not_waiting`"
    ),
    413: "`too_large`",
    415: "`unsupported_media_type`",
    422: (
        "`malformed`, or what the one thing wrong is: `invalid_msisdn`, `recording_missing`, `call_time_invalid`, "
        "`contains_number`; all that is wrong in `errors`. `plan_unknown`, `unofficial_number` (official), "
        "`disclosure_missing` (missing)"
    ),
    429: "`too_many_resends`",
    503: (
        "`store_unavailable`, `not_durable`, `not_ready` (reasons), `busy` (to orders: as many wait as can be asked in "
        "time): the same request again is safe"
    ),
}
AGAIN = {"Retry-After": {"description": "seconds", "schema": {"type": "string"}}}


def answers(more: Mapping[int, type[BaseModel]], *problems: int) -> dict[int | str, dict[str, Any]]:
    """A route's other answers: models by status, and the problems it may answer with."""
    said: dict[int | str, dict[str, Any]] = {status: {"model": model} for status, model in more.items()}
    for status in problems:
        content = {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}Problem"}}}
        said[status] = {"description": f"{HTTPStatus(status).phrase}: {CODES[status]}", "content": content}
        if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
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
    content = {"application/json": {"schema": schema, "example": example or examples.FORMS[form]}}
    said: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    return said | {"parameters": list(headers)} if headers else said


def query(form: type[BaseModel]) -> dict[str, Any]:
    """A route's query, which it reads by itself."""
    fields = form.model_json_schema(ref_template=_REF + "{model}")["properties"]
    return {"parameters": [_parameter(name, field) for name, field in fields.items()]}


def _parameter(name: str, field: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    kept = {key: value for key, value in kinds[0].items() if key not in {"title", "description", "examples"}}
    said = {"name": name, "in": "query", "required": False, "description": field["description"], "schema": kept}
    return said | ({"example": field["examples"][0]} if "examples" in field else {})


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        kinds: list[tuple[type[BaseModel], Literal["validation"]]] = [(form, "validation") for form in READ]
        _, extra = models_json_schema(kinds, ref_template=_REF + "{model}")
        parts = made.setdefault("components", {})
        schemas = parts.setdefault("schemas", {})
        schemas.update(extra["$defs"])
        for name, example in (examples.FORMS | examples.VIEWS).items():
            schemas[name]["examples"] = [example]
        # A plan's version is counted here, and its code stands in the address.
        del schemas["Plan"]["properties"]["version"]
        schemas["Plan"]["required"].remove("code")
        parts.setdefault("securitySchemes", {}).update(GATEWAY_SECURITY)
        for path, methods in made["paths"].items():
            if path.startswith("/v1/gateways/"):
                for operation in methods.values():
                    operation["security"] = [{name: []} for name in GATEWAY_SECURITY]
        app.openapi_schema = made
    return app.openapi_schema
