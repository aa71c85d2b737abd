"""The graphs of /ops for the last hour and day: calls of each lane, gateway and the BSS, and their latencies."""

import json

from starlette.requests import Request

from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.document.operations import Operations, visitor_of
from consent_engine.api.schemas.views import instant
from consent_engine.api.service.service import front_of
from consent_engine.api.web.rendering import MAY_OPEN
from consent_engine.engine.engine import Engine
from consent_engine.engine.metrics import SPANS, Series, flow_of, targets_of
from consent_engine.errors import FieldError, Malformed
from consent_engine.ports import ApiKey

operations = Operations(whose=visitor_of)
LOOKED_S = 5.0
"""A span is looked up at most once in this many seconds, however many people view it."""


@operations.add("GET", "/ops/flow/{span}", MAY_OPEN["/ops"])
async def flow(request: Request, _caller: ApiKey, span: str) -> bytes:
    """Return the series of a span. Roles: ops, auditor. Raises Malformed for a span other than hour or day."""
    if span not in SPANS:
        raise Malformed([FieldError("span", "unknown", "must be hour or day")])
    looked: Recent[bytes] = request.app.state.flow
    return await looked.of(span, lambda: front_of(request).ask(lambda engine: look(engine, span)))


def look(engine: Engine, span: str) -> bytes:
    found = flow_of(engine.registry, span, targets_of(engine.outside), engine.call_ms)
    values = {
        "since": instant(found.since),
        "step_ms": found.step,
        "series": [_shown(each) for each in found.series],
    }
    return json.dumps(values, separators=(",", ":")).encode()


def _shown(each: Series) -> dict[str, object]:
    return {
        "to": each.target.to, "name": each.target.name, "calls": each.calls, "failed": each.failed, "p50": each.p50,
        "p95": each.p95, "all_p50": each.all_p50, "all_p95": each.all_p95,
    }  # fmt: skip
