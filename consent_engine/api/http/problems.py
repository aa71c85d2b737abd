"""Problems: every error as RFC 9457 `application/problem+json` with a stable code. No answer repeats the request."""

import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from consent_engine import errors
from consent_engine.api.schemas.views import instant
from consent_engine.domain.admission.call_request import AgentMismatch
from consent_engine.domain.call.call import CallNotFound, ReportNotFound
from consent_engine.domain.line.proof_code import CodeWrong, TooManyCodes
from consent_engine.domain.receipt import TooManyLooks

log = logging.getLogger(__name__)
Handlers = Mapping[Any, Callable[[Request, Any], Awaitable[Response]]]
"""Error handlers by the error's class."""
MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 100
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
RETRY_AFTER_S = "1"
_AGAIN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
NAMED_BY_THE_DOOR = frozenset(
    {
        "invalid_msisdn", "recording_missing", "call_time_invalid", "contains_number", "report_time_invalid",
        "invalid_caller",
    }
)  # fmt: skip
"""Form errors whose codes are part of the contract: if all errors have one of them, it is the problem's code, too."""


class IdempotencyKeyMissing(errors.ConsentError, code="idempotency_key_missing"):
    """There is no Idempotency-Key, or more than one, or its value is not valid."""


class TooLarge(errors.ConsentError, code="too_large"):
    """The body is larger than this request allows."""


class NotOurMediaType(errors.ConsentError, code="unsupported_media_type"):
    """The body is not of the media type asked for, in UTF-8, or is compressed."""


class TooSlow(errors.ConsentError, code="too_slow"):
    """The body did not arrive in time."""


class GatewayNotFound(errors.Refused, code="gateway_not_found"):
    """No gateway in use has this name."""


class RefusalNotFound(errors.Refused, code="refusal_not_found"):
    """There is no such refusal."""


class RefusalDamaged(errors.Refused, code="refusal_damaged"):
    """The record of the restriction cannot be read: it stands until it is written anew, and is lifted after that."""


class RegistrationNotFound(errors.Refused, code="registration_not_found"):
    """There is no such registration."""


class NotInLog(errors.Refused, code="not_in_log"):
    """The public log has no such entry, tile or checkpoint, or not yet."""


class NotReady(errors.StoreUnavailable, code="not_ready"):
    """A requirement for serving is missing; `reasons` say which."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("not ready to serve")
        self.reasons = reasons


_STATUS: Mapping[HTTPStatus, tuple[type[errors.ConsentError], ...]] = {
    HTTPStatus.BAD_REQUEST: (IdempotencyKeyMissing,),
    HTTPStatus.UNAUTHORIZED: (errors.Unauthenticated,),
    HTTPStatus.FORBIDDEN: (errors.Forbidden,),
    HTTPStatus.NOT_FOUND: (
        GatewayNotFound, errors.KeyNotFound, errors.OrderNotFound, CallNotFound, errors.PlanNotFound, ReportNotFound,
        RefusalNotFound, RegistrationNotFound, NotInLog,
    ),
    HTTPStatus.REQUEST_TIMEOUT: (TooSlow,),
    HTTPStatus.CONFLICT: (errors.Refused,),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (TooLarge,),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (NotOurMediaType,),
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        errors.Malformed, errors.PlanUnknown, errors.UnofficialNumber, AgentMismatch, errors.DisclosureMissing,
        errors.ConfirmationTooLong, errors.Backdated, errors.LanguageUnavailable, CodeWrong,
    ),
    HTTPStatus.TOO_MANY_REQUESTS: (errors.TooManyResends, TooManyCodes, TooManyLooks),
    HTTPStatus.INTERNAL_SERVER_ERROR: (errors.ConsentError,),  # broken records and the like: not the caller's fault
    HTTPStatus.SERVICE_UNAVAILABLE: (errors.StoreUnavailable,),
}  # fmt: skip
STATUS = {kind: status for status, kinds in _STATUS.items() for kind in kinds}


def status_of(error: errors.ConsentError) -> HTTPStatus:
    return status_for(type(error))


def status_for(kind: type[errors.ConsentError]) -> HTTPStatus:
    """Return the status of a class of errors, else that of its nearest base class."""
    return next(STATUS[each] for each in kind.__mro__ if each in STATUS)


def problem(
    status: int,
    code: str,
    detail: str,
    more: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Make a problem document."""
    said: dict[str, object] = {
        "type": f"urn:consent-engine:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
        **(more or {}),
    }
    sent = {"Retry-After": RETRY_AFTER_S} if status in _AGAIN else {}
    body = json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, {**sent, **(headers or {})}, MEDIA_TYPE)


def of_error(error: errors.ConsentError, *, challenge: str = "Bearer") -> Response:
    """Make the problem document of one of our errors. challenge: the WWW-Authenticate header's value, for 401."""
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, errors.StoreUnavailable):
        return problem(status, error.code, "internal error: it was logged")
    headers = {"WWW-Authenticate": challenge} if status == HTTPStatus.UNAUTHORIZED else {}
    kept = {"refusals_kept": error.refusals_kept} if error.refusals_kept else {}
    return problem(status, _code(error), _detail(error), {**_more(error), **kept}, headers)


def _code(error: errors.ConsentError) -> str:
    kinds = {each.code for each in error.errors} if isinstance(error, errors.Malformed) else set()
    return kinds.pop() if len(kinds) == 1 and kinds <= NAMED_BY_THE_DOOR else error.code


def _detail(error: errors.ConsentError) -> str:
    return "the request is not valid: see errors" if isinstance(error, errors.Malformed) else str(error)


def _more(error: errors.ConsentError) -> dict[str, object]:
    if isinstance(error, errors.Malformed):
        found = error.errors[:MOST_ERRORS]
        return {"errors": [{"field": e.field, "code": e.code, "message": e.message} for e in found]}
    if isinstance(error, NotReady):
        return {"reasons": error.reasons}
    facts = error.facts if isinstance(error, errors.Refused) else {}
    return {name: instant(fact) if name == "since" and isinstance(fact, int) else fact for name, fact in facts.items()}


_CODES = {
    HTTPStatus.NOT_FOUND: ("not_found", "there is nothing at this address"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "this address does not accept this method"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (TooLarge.code, "the body is too large"),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (NotOurMediaType.code, "send JSON in UTF-8"),
}


def of_http(error: HTTPException, allowed: str = "") -> Response:
    """Make the problem for an error of the framework, without its message. allowed: the methods, for a 405."""
    code, detail = _CODES.get(HTTPStatus(error.status_code), ("http_error", "the request cannot be served"))
    headers = {"Allow": allowed} if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else {}
    return problem(error.status_code, code, detail, headers=headers)


def allowed_at(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """List the methods that an address takes. The framework's own answer names those of its first route only."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        if not isinstance(route, Route) or route.matches(scope)[0] is Match.NONE:
            continue
        methods.setdefault(route.path, set()).update(route.methods or ())
    # An exact path (/v1/orders/search) takes precedence over a template (/v1/orders/{order_id}).
    template = min(methods, key=lambda path: path.count("{"), default="")
    return ", ".join(sorted(methods.get(template, ())))


def of_defect() -> Response:
    """Make the problem for an unforeseen error."""
    detail = "internal error: it was logged"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail)


def route_of(scope: Scope) -> tuple[str, str]:
    """Return a request's method and template, for logs and metrics: never its path."""
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    return method, getattr(scope.get("route"), "path", "-")


def tell_defect(error: Exception, scope: Scope) -> None:
    """Log an unforeseen error: its type, file and line, and the route. Its message may hold personal data."""
    method, route = route_of(scope)
    about = {"request": scope.get("request_id", ""), "route": route, "method": method}
    log.error("a request failed: %s, %s %s", errors.place_of(error), method, route, extra={"about": about})


def handlers(defects: Counter[str]) -> dict[Any, Any]:
    """Make handlers that answer errors as problems. defects: counts errors that should never be raised, by type."""

    async def of_the_engine(request: Request, error: errors.ConsentError) -> Response:
        if status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
            defects[type(error).__name__] += 1
            tell_defect(error, request.scope)
        signed = request.url.path.startswith("/v1/gateways/")
        return of_error(error, challenge="Signature" if signed else "Bearer")

    async def of_the_framework(request: Request, error: HTTPException) -> Response:
        return of_http(error, allowed_at(request.app.routes, request.scope))

    return {errors.ConsentError: of_the_engine, HTTPException: of_the_framework}
