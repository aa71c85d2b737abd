"""The stuck list over HTTP: count its effects by cause, retry or cancel all of one cause."""

from consent_engine.api.document.operations import Operations
from consent_engine.api.http.queries import ListStuck
from consent_engine.api.schemas.forms import CancelStuck, RetryStuck
from consent_engine.api.schemas.lists import CancelledView, CauseList, RetriedView
from consent_engine.api.service.callers import OPS, OPS_OR_AUDITOR
from consent_engine.engine.engine import Engine
from consent_engine.engine.stuck import MOST_STUCK, Wanted, causes_of
from consent_engine.ports import ApiKey

operations = Operations("stuck", "/v1/stuck")


@operations.add("GET", "", OPS_OR_AUDITOR, "Count stuck effects by cause", long=True)
def list_(engine: Engine, caller: ApiKey, form: ListStuck) -> CauseList:
    """Stuck effects by cause: those that `retry` would retry with the same filter. Roles: ops, auditor."""
    return CauseList.of(causes_of(engine.stuck(MOST_STUCK, Wanted(form.lane, form.reason, form.plan))))


@operations.add("POST", "/retry", OPS, "Retry the effects stuck for one cause", long=True)
def retry(engine: Engine, caller: ApiKey, form: RetryStuck) -> RetriedView:
    """Effects stuck for one cause are due now, up to 500 at once, one event per order; the next answer to each is
    believed. Repeating the request retries the rest, and is harmless when none is left. Role: ops."""
    found = engine.stuck(MOST_STUCK, Wanted(form.lane, form.reason, form.plan))
    done = engine.retry_many(found[: form.limit], caller.name)
    return RetriedView.shown(done, left=max(0, len(found) - form.limit))


@operations.add("POST", "/cancel", OPS, "Cancel the orders stuck for one cause", long=True)
def cancel(engine: Engine, caller: ApiKey, form: CancelStuck) -> CancelledView:
    """The orders with effects stuck for one cause are cancelled, up to 500 at once, one event per order; an order whose
    activation was started stays as it is. Repeating the request cancels the rest. Role: ops."""
    found = engine.stuck(MOST_STUCK, Wanted(form.lane, form.reason, form.plan))
    done = engine.trouble.cancel(found[: form.limit], caller.name, form.why)
    return CancelledView.shown(done, left=max(0, len(found) - form.limit))
