"""What waits for a person, over HTTP: stuck effects and undeliverable orders, counted by cause, and retried, cancelled
or asked about again; lanes and gateways that a person stops, and lets continue.
"""

from starlette.responses import Response

from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.http.queries import ListStuck, ListUndeliverable
from consent_engine.api.schemas import lists
from consent_engine.api.schemas.forms import AskAgain, CancelStuck, RetryStuck, StopOrGo
from consent_engine.api.schemas.views import AsOf
from consent_engine.api.service.callers import OPS, OPS_OR_AUDITOR
from consent_engine.engine.engine import Engine
from consent_engine.engine.pausing import NothingSo, NotPaused
from consent_engine.engine.stuck import MOST_STUCK, Wanted, causes_of
from consent_engine.ports import ApiKey, Endpoint

stuck = Operations("stuck", "/v1/stuck")


@stuck.add("GET", "", OPS_OR_AUDITOR, "Count stuck effects by cause", long=True)
def stuck_list(engine: Engine, caller: ApiKey, form: ListStuck) -> lists.CauseList:
    """Stuck effects by cause: those that `retry` would retry with the same filter. Roles: ops, auditor."""
    return lists.CauseList.of(causes_of(engine.stuck(MOST_STUCK, Wanted(form.lane, form.reason, form.plan))))


@stuck.add("POST", "/retry", OPS, "Retry the effects stuck for one cause", long=True)
def retry(engine: Engine, caller: ApiKey, form: RetryStuck) -> lists.RetriedView:
    """Effects stuck for one cause are due now, up to 500 at once, one event per order; the next answer to each is
    believed. Repeating the request retries the rest, and is harmless when none is left. Role: ops."""
    found = engine.stuck(MOST_STUCK, Wanted(form.lane, form.reason, form.plan))
    done = engine.retry_many(found[: form.limit], caller.name)
    return lists.RetriedView.shown(done, left=max(0, len(found) - form.limit))


@stuck.add("POST", "/cancel", OPS, "Cancel the orders stuck for one cause", long=True)
def cancel(engine: Engine, caller: ApiKey, form: CancelStuck) -> lists.CancelledView:
    """The orders with effects stuck for one cause are cancelled, up to 500 at once, one event per order; an order whose
    activation was started stays as it is. Repeating the request cancels the rest. Role: ops."""
    found = engine.stuck(MOST_STUCK, Wanted(form.lane, form.reason, form.plan))
    done = engine.trouble.cancel(found[: form.limit], caller.name, form.why)
    return lists.CancelledView.shown(done, left=max(0, len(found) - form.limit))


undeliverable = Operations("undeliverable", "/v1/undeliverable")


@undeliverable.add("GET", "", OPS_OR_AUDITOR, "Count undeliverable orders by cause", long=True)
def undeliverable_list(engine: Engine, caller: ApiKey, form: ListUndeliverable, as_of: AsOf) -> lists.UndeliverableList:
    """Orders whose question could not be delivered, by cause, while their call is young enough to ask again
    (`CONSENT_CALL_AGE`); those asked about again are left out. Roles: ops, auditor."""
    cursor = lists.from_address(form.cursor)
    return lists.UndeliverableList.of(engine.undeliverable.page(form.reason, form.plan, cursor, MOST_STUCK), as_of)


@undeliverable.add("POST", "/ask", OPS, "Ask the subscribers of one cause again", long=True)
def ask(engine: Engine, caller: ApiKey, form: AskAgain) -> lists.AskedAgainView:
    """The subscribers of undeliverable orders of one cause are asked again, up to 500 at once: each by a new order of
    the same call, which belongs to the same agent. A new order is admitted or refused as any other; the old one stays
    as it is, and each history names the other order. Repeating the request asks the rest. Role: ops."""
    page = engine.undeliverable.page(form.reason, form.plan, lists.from_address(form.cursor), form.limit, now=True)
    return lists.AskedAgainView.shown(engine.undeliverable.ask_again(page.orders, caller.name), page)


pauses = Operations("pauses", "/v1/pauses")


def _listed(engine: Engine) -> lists.PauseList:
    return lists.PauseList.of(engine.pauses.standing(), engine.pauses.happened())


@pauses.add("GET", "", OPS_OR_AUDITOR, "List stopped lanes and gateways")
def pauses_list(engine: Engine, caller: ApiKey) -> lists.PauseList:
    """Lanes and gateways that are paused, and the latest pauses and resumptions. Roles: ops, auditor."""
    return _listed(engine)


@pauses.add(
    "POST", "", OPS, "Stop a lane or a gateway", {201: lists.PauseList, 200: lists.PauseList}, problems=(NothingSo,)
)
def pause(engine: Engine, caller: ApiKey, form: StopOrGo) -> Response:
    """Within a second it starts nothing new; calls under way finish, nothing is lost, and deadlines keep running. 200:
    it was paused already, and that pause stays as it is; 409 `nothing_so`. Role: ops."""
    is_new = engine.pauses.pause(Endpoint(form.to, form.name), caller.name, form.reason)
    return answered(_listed(engine), 201 if is_new else 200)


@pauses.add("POST", "/resume", OPS, "Resume a lane or a gateway", problems=(NotPaused,))
def resume(engine: Engine, caller: ApiKey, form: StopOrGo) -> lists.PauseList:
    """Waiting work continues within a second; 409 `not_paused`. Role: ops."""
    engine.pauses.resume(Endpoint(form.to, form.name), caller.name, form.reason)
    return _listed(engine)
