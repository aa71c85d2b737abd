"""The OpenAPI document: the routes' descriptions, completed by the bodies we read and the problems we answer."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Literal, get_args

from pydantic import BaseModel, TypeAdapter
from starlette.applications import Starlette

from consent_engine import __version__
from consent_engine.api.document.operations import KEY, Described, Operation
from consent_engine.api.http.problems import MEDIA_TYPE, NAMED_BY_THE_DOOR, status_for
from consent_engine.api.schemas import examples
from consent_engine.api.schemas.examples import example_of
from consent_engine.api.schemas.forms import ApprovePlan
from consent_engine.api.schemas.views import Problem
from consent_engine.domain.hashing import HEADER
from consent_engine.errors import ConsentError

FACTS: Mapping[str, str] = {
    "plan_not_public": "channel, why",
    "do_not_call": "since, reason",
    "cool_off": "since",
    "duplicate_order": "order",
    "too_late": "state",
    "not_waiting": "state",
    "call_not_permitted": "violations",
    "not_activated": "state",
    "already_decided": "found",
    "reward_not_due": "reason",
    "other_network": "network, carrier",
    "unofficial_number": "official",
    "disclosure_missing": "missing",
    "confirmation_too_long": "segments, carried",
    "backdated": "field",
    "proposal_replaced": "by, hash",
    "not_ready": "reasons",
    "still_open": "open",
    "busy": "while too many orders wait to be asked in time",
}
"""Further facts of a problem, by its code."""
FORMS = (
    "; every error is in `errors`, and where all of them have one of these codes, it is the problem's, too: "
    + ", ".join(f"`{code}`" for code in sorted(NAMED_BY_THE_DOOR))
)
MAY_REPEAT = ": the same request again is safe"


def codes_by_status(kinds: Iterable[type[ConsentError]]) -> dict[int, str]:
    """Return the codes of these errors, with their further facts, by the status that each is answered with.

    >>> from consent_engine.errors import DuplicateOrder, OrderNotFound
    >>> codes_by_status([DuplicateOrder, OrderNotFound])
    {404: '`order_not_found`', 409: '`duplicate_order` (order)'}
    """
    found: dict[int, list[str]] = {}
    for kind in kinds:
        facts = f" ({FACTS[kind.code]})" if kind.code in FACTS else ""
        found.setdefault(int(status_for(kind)), []).append(f"`{kind.code}`{facts}")
    again = HTTPStatus.SERVICE_UNAVAILABLE
    return {status: ", ".join(found[status]) + (MAY_REPEAT if status == again else "") for status in sorted(found)}


_REF = "#/components/schemas/"
_PROBLEM = {"$ref": f"{_REF}{Problem.__name__}"}
DESCRIPTION = "SMS double opt-in for telephone sales: no consent, no service, and the proof of it afterwards."

ORDER = examples.ORDER


def _header(name: str, description: str, example: str, *, required: bool = True) -> dict[str, Any]:
    said = {"name": name, "in": "header", "required": required, "schema": {"type": "string"}}
    return said | {"description": description, "example": example}


IDEMPOTENCY_KEY = _header(
    "Idempotency-Key",
    "1 to 128 printable ASCII characters without blanks; a new key for each new request",
    "BJ-3-20250801-000123",
)
SIGNATURE = _header(HEADER, 'hex HMAC-SHA256(secret, t + "." + body), at most 300 s old', f"t=1754013960,v1={'0' * 64}")
REPLACES = _header(
    "X-Consent-Replaces",
    "the hash of the proposal that the plan may replace though it was proposed and replaced before",
    "0" * 64,
    required=False,
)
LAST_EVENT_ID = _header("Last-Event-ID", "the number of the last entry received", "3", required=False)
STREAM: dict[int, dict[str, Any]] = {
    200: {
        "description": "The timeline entries, as server-sent events",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": examples.STREAM}},
    },
    204: {"description": "The order has settled, and all its entries were received"},
}
METRICS: dict[int, dict[str, Any]] = {
    200: {"description": "Prometheus's text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
}
GATEWAYS_OWN = {"description": "Accepted; the body is the one that the gateway expects"}


def _csv(example: str) -> dict[str, Any]:
    return {
        "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}, "example": example}}}
    }


CSV, CSV_OF_REPORTS = _csv(examples.CSV), _csv(examples.CSV_OF_REPORTS)
APPROVAL = {
    "requestBody": {
        "required": False,
        "content": {"application/json": {"schema": ApprovePlan.model_json_schema(), "example": {"hash": "9f" * 32}}},
    }
}
SCHEMES: dict[str, dict[str, str]] = {
    KEY: {"type": "http", "scheme": "bearer", "description": "An API key, from `consent keys add`"},
    "signature": {"type": "apiKey", "in": "header", "name": HEADER, "description": "the signature of a gateway"},
    "basic": {"type": "http", "scheme": "basic", "description": "for gateways that cannot sign, such as Kannel"},
}

GATEWAY_SECURITY = ("signature", "basic")

AGAIN = {"Retry-After": {"description": "seconds to wait before the next try", "schema": {"type": "string"}}}


def _query(form: type[BaseModel]) -> dict[str, Any]:
    """The parameters that a form reads from a query."""
    shape = form.model_json_schema(ref_template="{model}")
    defined = shape.get("$defs", {})
    needed = shape.get("required", ())
    fields = shape["properties"].items()
    return {"parameters": [_parameter(name, field, defined) | {"required": name in needed} for name, field in fields]}


def _parameter(name: str, field: Mapping[str, Any], defined: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter, with the definitions that its field refers to written out: queries are not among the components."""
    kind = next(kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null")
    kind = defined.get(kind.get("$ref"), kind)
    kept = {key: value for key, value in kind.items() if key not in {"title", "description", "examples"}}
    said = {"name": name, "in": "query", "description": field["description"], "schema": kept}
    return said | ({"example": field["examples"][0]} if "examples" in field else {})


def _described(app: Starlette) -> list[tuple[Operation, Described]]:
    return [(route, route.described) for route in app.routes if isinstance(route, Operation) and route.described]


def forms(app: Starlette) -> set[type[BaseModel]]:
    """Return the form classes of the bodies that operations take, and the class of a problem."""
    bodies = (
        described.body for route, described in _described(app) if route.method != "GET" and _is_model(described.body)
    )
    return {Problem, *(_models_of(each)[0] for each in bodies)}


def _models_of(said: Any) -> list[type[BaseModel]]:  # noqa: ANN401 - a type
    """The models that a body or an answer is, or is one of, beside lists of them."""
    return [each for each in (said, *get_args(said)) if isinstance(each, type) and issubclass(each, BaseModel)]


@lru_cache(maxsize=1)
def document(app: Starlette) -> dict[str, Any]:
    """Build the whole document: each described operation, and the schemas of the models that it names."""
    described = _described(app)
    schemas, made = _schemas(described, forms(app))
    paths: dict[str, dict[str, Any]] = {}
    for route, operation in described:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(operation, route, made)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Consent Engine", "description": DESCRIPTION, "version": __version__},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": SCHEMES},
    }


_Made = Mapping[tuple[str, int], Mapping[str, Any]]
_BODY = 0
"""Stands in the place of a status for the body that an operation takes."""


def _schemas(
    described: Sequence[tuple[Operation, Described]], read: Iterable[type[BaseModel]]
) -> tuple[dict[str, Any], _Made]:
    """The components; and the schemas of the answers and bodies, by the operation's id and the status (or _BODY)."""
    views: dict[tuple[str, int], Any] = {
        (each.id, status): view for _, each in described for status, view in each.answers.items() if _is_model(view)
    }
    bodies: dict[tuple[str, int], Any] = {
        (each.id, _BODY): each.body for route, each in described if route.method != "GET" and _is_model(each.body)
    }
    wanted: list[tuple[Any, Literal["validation", "serialization"], TypeAdapter[Any]]] = [
        *((key, "serialization", TypeAdapter(view)) for key, view in views.items()),
        *((key, "validation", TypeAdapter(body)) for key, body in bodies.items()),
        *((form, "validation", TypeAdapter(form)) for form in read),
    ]
    made, extra = TypeAdapter.json_schemas(wanted, ref_template=_REF + "{model}")
    schemas = extra["$defs"]
    for kind in {*read, *(kind for said in views.values() for kind in _models_of(said))}:
        schemas[kind.__name__]["examples"] = [example_of(kind)]
    # The code of a plan is in the address, so that the body may omit it.
    schemas["PlanForm"]["required"].remove("code")
    found = {key: made[key, "serialization"] for key in views} | {key: made[key, "validation"] for key in bodies}
    return schemas, found


def _is_model(said: Any) -> bool:  # noqa: ANN401 - types
    return said is not None and not isinstance(said, Mapping)


def _operation(described: Described, route: Operation, made: _Made) -> dict[str, Any]:
    shape = {"in": "path", "required": True, "schema": {"type": "string"}}
    request = _request_of(described, route.method, made)
    in_path = ({"name": name, **shape} for name in route.param_convertors)
    parameters = [*in_path, *request.get("parameters", ()), *described.headers]
    responses: dict[str, Any] = {
        str(status): _answer(status, made[described.id, status]) if _is_model(answer) else answer
        for status, answer in described.answers.items()
    }
    codes = codes_by_status(described.problems)
    if "requestBody" in request:
        codes[HTTPStatus.UNPROCESSABLE_ENTITY] += FORMS
    responses |= {str(status): _problem(status, said) for status, said in codes.items()}
    return {
        "tags": [described.tag],
        "summary": described.summary,
        "description": described.description,
        "operationId": described.id,
        **request,
        **({"parameters": parameters} if parameters else {}),
        "responses": responses | {"default": _with("Any other problem", MEDIA_TYPE, _PROBLEM)},
        **(
            {"security": [{scheme: []} if scheme else {} for scheme in described.security]}
            if described.security
            else {}
        ),
    }


def _request_of(described: Described, method: str, made: _Made) -> Mapping[str, Any]:
    """The description of the body or the query."""
    if not _is_model(described.body):
        return described.body or {}
    if method == "GET":
        return _query(described.body)
    example = example_of(_models_of(described.body)[0])
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": made[described.id, _BODY], "example": example}},
        }
    }


def _with(description: str, media_type: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _answer(status: int, schema: Mapping[str, Any]) -> dict[str, Any]:
    return _with(HTTPStatus(status).phrase, "application/json", schema)


def _problem(status: int, codes: str) -> dict[str, Any]:
    said = _with(f"{HTTPStatus(status).phrase}: {codes}", MEDIA_TYPE, _PROBLEM)
    again = status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
    return said | {"headers": AGAIN} if again else said
