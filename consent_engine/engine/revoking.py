"""Taking a plan back: no new orders, and open ones are cancelled with a notice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from consent_engine.domain.lifecycle import State, Trigger, allows
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.versions import Listed, Sale
from consent_engine.domain.order.facts import CancelAsked
from consent_engine.domain.order.order import Order
from consent_engine.engine.catalogue import Catalogue
from consent_engine.engine.change_order import recording
from consent_engine.engine.round_trips import load_of
from consent_engine.engine.store_requests import Step
from consent_engine.ports import Store

MOST_OPEN, PASS, MOST_PASSES = 1_000_000, 500, 10_000


def revoking(
    store: Store, catalogue: Catalogue, run: Callable[[Sequence[Step[Any]]], list[Any]], code: str, by: str
) -> int:
    """Take a plan back; return how many orders were cancelled. run: carries out steps. Raises PlanNotFound."""
    plans = {code: catalogue.set_sale(code, Sale.REVOKED)}  # from here on no order of it is saved
    cancelled = 0
    for _ in range(MOST_PASSES):
        todo = list(islice(_open_orders_of(store, plans), PASS))
        if not todo:
            break
        steps = [_cancelling(order, by) for order in todo]
        cancelled += sum(isinstance(each, Order) and each.state is State.CANCELLED for each in run(steps))
    return cancelled


def revoked_on(line: Line, plans: Mapping[str, Listed]) -> Step[None]:
    """Cancel the open orders of a line whose plan was revoked, before anything is decided about them: whoever revoked
    it may have died before they were found.
    """
    revoked = [code for code in {each.plan for each in line.entries} if code in plans and plans[code].is_revoked(0)]
    gone = [each.order for each in line.entries if each.is_open and each.plan in revoked]
    for order in (yield from load_of(line, gone)).values():
        if is_taken_back(order, plans):
            yield from _cancelling(order, "engine")


def is_taken_back(order: Order, plans: Mapping[str, Listed]) -> bool:
    """Whether an order's plan was revoked since it was sold, and the order is to be cancelled and was not yet."""
    listed = plans.get(order.doc.plan)
    if listed is None or not listed.is_revoked(order.doc.offer.plan_version):
        return False
    return allows(order.state, Trigger.CANCELLED) and not order.knows(_op(order))


def _open_orders_of(store: Store, plans: Mapping[str, Listed]) -> Iterator[Order]:
    """Yield the orders for revoked plans that can be cancelled, loaded a few at a time."""
    ids = iter(store.lists.open_orders(MOST_OPEN))
    while chunk := list(islice(ids, PASS)):
        yield from (order for order in store.records.live(chunk)[1].values() if is_taken_back(order, plans))


def _cancelling(order: Order, by: str) -> Step[Order]:
    return recording(order.id, CancelAsked(_op(order), by, "plan revoked", revoked=True), prove=True)


def _op(order: Order) -> str:
    return f"revoked:{order.id}"
