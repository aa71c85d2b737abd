"""OpenAPI: what the routes say of themselves, completed by the bodies we read and the problems we answer."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from starlette.applications import Starlette

from consent_engine import __version__
from consent_engine.api.document.codes import codes
from consent_engine.api.document.operations import KEY, Described, Operation
from consent_engine.api.http.problems import MEDIA_TYPE
from consent_engine.api.schemas import examples
from consent_engine.api.schemas.acts import CancelStuck, RevealOrder, StopOrGo
from consent_engine.api.schemas.endings import EndOrder
from consent_engine.api.schemas.forms import (
    AskPermits,
    Attest,
    CancelOrder,
    DecideHeld,
    Dial,
    GiveUp,
    Lift,
    Refuse,
    RetryStuck,
    SearchOrders,
    SearchRefusals,
)
from consent_engine.api.schemas.gateway_bodies import DeliveryReceipt, MobileOriginated
from consent_engine.api.schemas.line_forms import Register, TellLine, Unregister
from consent_engine.api.schemas.reviews import LetGoOn, LookAgain, ReviewCall
from consent_engine.api.schemas.transcripts import Transcribe
from consent_engine.api.schemas.views import Problem
from consent_engine.domain.admission.call_request import EndCall, StartCall
from consent_engine.domain.admission.report_request import AskCode, DecideReport, MakeReport
from consent_engine.domain.admission.request import PlaceOrder
from consent_engine.domain.offer.form import PlanForm
from consent_engine.domain.signature import HEADER

READ: Sequence[type[BaseModel]] = (
    PlaceOrder, StartCall, EndCall, ReviewCall, LookAgain, CancelOrder, GiveUp, SearchOrders, Refuse, SearchRefusals,
    Lift, DecideHeld, Dial, PlanForm, MobileOriginated, DeliveryReceipt, Register, RetryStuck, CancelStuck, StopOrGo,
    Unregister, AskPermits, TellLine, Problem, Attest, EndOrder, MakeReport, DecideReport, AskCode, Transcribe,
    RevealOrder, LetGoOn,
)  # fmt: skip
"""Bodies that operations take, and the problem document."""
_REF = "#/components/schemas/"
_PROBLEM = {"$ref": f"{_REF}{Problem.__name__}"}
DESCRIPTION = "SMS double opt-in for telephone sales: no consent, no service, and the proof of it afterwards."

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
STREAM: dict[int, dict[str, Any]] = {
    200: {
        "description": "The entries",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": examples.STREAM}},
    },
    204: {"description": "The order settled, and all of it was read"},
}
METRICS: dict[int, dict[str, Any]] = {
    200: {"description": "Prometheus's text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
}
GATEWAYS_OWN = {"description": "Taken, in the words of the gateway"}
CSV: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}, "example": examples.CSV}},
    }
}
CSV_OF_REPORTS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}, "example": examples.CSV_OF_REPORTS}},
    }
}
SCHEMES: dict[str, dict[str, str]] = {
    KEY: {"type": "http", "scheme": "bearer", "description": "An API key, from `consent keys add`"},
    "signature": {"type": "apiKey", "in": "header", "name": HEADER, "description": "the gateway's own proof"},
    "basic": {"type": "http", "scheme": "basic", "description": "gateways that cannot sign, like Kannel"},
}

GATEWAY_SECURITY = ("signature", "basic")

AGAIN = {"Retry-After": {"description": "seconds", "schema": {"type": "string"}}}


def body(form: str, *headers: dict[str, Any], example: object = None, also_list: bool = False) -> dict[str, Any]:
    """A route's body and headers that it reads by itself."""
    one: dict[str, Any] = {"$ref": _REF + form}
    schema = {"anyOf": [one, {"type": "array", "items": one}]} if also_list else one
    content = {"application/json": {"schema": schema, "example": example or examples.FORMS[form]}}
    said: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    return said | {"parameters": list(headers)} if headers else said


def query(form: type[BaseModel]) -> dict[str, Any]:
    """A route's query, which it reads by itself."""
    shape = form.model_json_schema(ref_template="{model}")
    defined = shape.get("$defs", {})
    return {"parameters": [_parameter(name, field, defined) for name, field in shape["properties"].items()]}


def _parameter(name: str, field: Mapping[str, Any], defined: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter, with what its field refers to in it: a query is among no components."""
    kind = next(kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null")
    kind = defined.get(kind.get("$ref"), kind)
    kept = {key: value for key, value in kind.items() if key not in {"title", "description", "examples"}}
    said = {"name": name, "in": "query", "required": False, "description": field["description"], "schema": kept}
    return said | ({"example": field["examples"][0]} if "examples" in field else {})


@lru_cache(maxsize=1)
def document(app: Starlette) -> dict[str, Any]:
    """The whole document: each described operation, and the schemas of the models that it names."""
    described = [(route, route.described) for route in app.routes if isinstance(route, Operation) and route.described]
    schemas, answers = _schemas([told for _, told in described])
    paths: dict[str, dict[str, Any]] = {}
    for route, told in described:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(told, route.param_convertors, answers)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Consent Engine", "description": DESCRIPTION, "version": __version__},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": SCHEMES},
    }


_Answers = Mapping[tuple[str, int], Mapping[str, Any]]


def _schemas(described: Sequence[Described]) -> tuple[dict[str, Any], _Answers]:
    """The components; and the schema of each answer, by the operation's id and the status."""
    views = {(each.id, status): view for each in described for status, view in each.answers.items() if _is_model(view)}
    wanted: list[tuple[Any, Literal["validation", "serialization"], TypeAdapter[Any]]] = [
        *((key, "serialization", TypeAdapter(view)) for key, view in views.items()),
        *((form, "validation", TypeAdapter(form)) for form in READ),
    ]
    made, extra = TypeAdapter.json_schemas(wanted, ref_template=_REF + "{model}")
    schemas = extra["$defs"]
    for name, example in (examples.FORMS | examples.VIEWS).items():
        schemas[name]["examples"] = [example]
    # A plan's code stands in the address.
    schemas["PlanForm"]["required"].remove("code")
    return schemas, {key: made[key, "serialization"] for key in views}


def _is_model(answer: object) -> bool:
    return not isinstance(answer, Mapping)


def _operation(told: Described, in_path: Iterable[str], answers: _Answers) -> dict[str, Any]:
    shape = {"in": "path", "required": True, "schema": {"type": "string"}}
    parameters = [*({"name": name, **shape} for name in in_path), *told.takes.get("parameters", ())]
    responses: dict[str, Any] = {
        str(status): _answer(status, answers[told.id, status]) if _is_model(answer) else answer
        for status, answer in told.answers.items()
    }
    responses |= {str(status): _problem(status) for status in told.problems}
    return {
        "tags": [told.tag],
        "summary": told.summary,
        "description": told.description,
        "operationId": told.id,
        **told.takes,
        **({"parameters": parameters} if parameters else {}),
        "responses": responses | {"default": _with("Any other problem", MEDIA_TYPE, _PROBLEM)},
        **({"security": [{scheme: []} if scheme else {} for scheme in told.security]} if told.security else {}),
    }


def _with(description: str, media_type: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _answer(status: int, schema: Mapping[str, Any]) -> dict[str, Any]:
    return _with(HTTPStatus(status).phrase, "application/json", schema)


def _problem(status: int) -> dict[str, Any]:
    said = _with(f"{HTTPStatus(status).phrase}: {codes()[status]}", MEDIA_TYPE, _PROBLEM)
    again = status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
    return said | {"headers": AGAIN} if again else said
