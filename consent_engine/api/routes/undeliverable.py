"""Undeliverable orders over HTTP: count them by cause, ask the subscribers of one cause again."""

from consent_engine.api.document.operations import Operations
from consent_engine.api.http.queries import ListUndeliverable
from consent_engine.api.schemas.forms import AskAgain
from consent_engine.api.schemas.lists import AskedAgainView, UndeliverableList, from_address
from consent_engine.api.schemas.views import AsOf
from consent_engine.api.service.callers import OPS, OPS_OR_AUDITOR
from consent_engine.engine.engine import Engine
from consent_engine.engine.stuck import MOST_STUCK
from consent_engine.ports import ApiKey

operations = Operations("undeliverable", "/v1/undeliverable")


@operations.add("GET", "", OPS_OR_AUDITOR, "Count undeliverable orders by cause", long=True)
def list_(engine: Engine, caller: ApiKey, form: ListUndeliverable, as_of: AsOf) -> UndeliverableList:
    """Orders whose question could not be delivered, by cause, while their call is young enough to ask again
    (`CONSENT_CALL_AGE`); those asked about again are left out. Roles: ops, auditor."""
    cursor = from_address(form.cursor)
    return UndeliverableList.of(engine.undeliverable.page(form.reason, form.plan, cursor, MOST_STUCK), as_of)


@operations.add("POST", "/ask", OPS, "Ask the subscribers of one cause again", long=True)
def ask(engine: Engine, caller: ApiKey, form: AskAgain) -> AskedAgainView:
    """The subscribers of undeliverable orders of one cause are asked again, up to 500 at once: each by a new order of
    the same call, which belongs to the same agent. A new order is admitted or refused as any other; the old one stays
    as it is, and each history names the other order. Repeating the request asks the rest. Role: ops."""
    page = engine.undeliverable.page(form.reason, form.plan, from_address(form.cursor), form.limit, now=True)
    return AskedAgainView.of(engine.undeliverable.ask_again(page.orders, caller.name), page.cursor)
