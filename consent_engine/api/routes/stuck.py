"""The stuck list over HTTP: counted by cause, and what has one cause done again at once."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations
from consent_engine.api.http.bodies import read_json
from consent_engine.api.http.queries import ListStuck, read_query
from consent_engine.api.schemas.acts import CancelStuck
from consent_engine.api.schemas.forms import RetryStuck, read
from consent_engine.api.schemas.lists import CancelledView, CauseList, RetriedView
from consent_engine.api.service.callers import OPS, OPS_OR_AUDITOR
from consent_engine.api.service.service import front_of
from consent_engine.engine.engine import Engine
from consent_engine.engine.stuck import MOST_STUCK, Wanted, causes_of
from consent_engine.ports import ApiKey

operations = Operations("stuck", "/v1/stuck")


@operations.add(
    "GET",
    "",
    OPS_OR_AUDITOR,
    "Count what is stuck",
    answers={200: CauseList},
    problems=(401, 403, 422, 503),
    takes=openapi.query(ListStuck),
)
async def list_(request: Request, caller: ApiKey) -> Response:
    """What waits for a person, by its cause: what `retry` with the same filter would do. Roles: ops, auditor."""
    form = read_query(ListStuck, request)
    wanted = Wanted(form.lane, form.reason, form.plan)
    found = await front_of(request).ask_long(lambda engine: engine.stuck(MOST_STUCK, wanted))
    return Response(CauseList.of(causes_of(found)).json_bytes(), media_type="application/json")


@operations.add(
    "POST",
    "/retry",
    OPS,
    "Retry all of one cause",
    answers={200: RetriedView},
    problems=(401, 403, 413, 415, 422, 503),
    takes=openapi.body("RetryStuck"),
)
async def retry(request: Request, caller: ApiKey) -> Response:
    """What is stuck for one cause is due now, up to 500 at once, an event an order; its next answer is believed. The
    same request again does what is left, and is harmless when nothing is. Role: ops."""
    form = read(RetryStuck, await read_json(request))
    wanted = Wanted(form.lane, form.reason, form.plan)

    def retried(engine: Engine) -> RetriedView:
        found = engine.stuck(MOST_STUCK, wanted)
        done = engine.retry_many(found[: form.limit], caller.name)
        return RetriedView.of(done, max(0, len(found) - form.limit))

    return Response((await front_of(request).ask_long(retried)).json_bytes(), media_type="application/json")


@operations.add(
    "POST",
    "/cancel",
    OPS,
    "Cancel all orders of one cause",
    answers={200: CancelledView},
    problems=(401, 403, 413, 415, 422, 503),
    takes=openapi.body("CancelStuck"),
)
async def cancel(request: Request, caller: ApiKey) -> Response:
    """The orders of what is stuck for one cause are cancelled, up to 500 at once, an event an order; one whose service
    was begun stays as it is. The same request again does what is left. Role: ops."""
    form = read(CancelStuck, await read_json(request))
    wanted = Wanted(form.lane, form.reason, form.plan)

    def cancelled(engine: Engine) -> CancelledView:
        found = engine.stuck(MOST_STUCK, wanted)
        done = engine.trouble.cancel(found[: form.limit], caller.name, form.why)
        return CancelledView.of(done, max(0, len(found) - form.limit))

    return Response((await front_of(request).ask_long(cancelled)).json_bytes(), media_type="application/json")
