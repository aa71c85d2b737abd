"""Taking a plan back: no new orders, and open ones are cancelled with a notice."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from consent_engine.domain.lifecycle import State, Trigger, allows
from consent_engine.domain.offer.versions import Sale
from consent_engine.domain.order.facts import CancelAsked
from consent_engine.domain.order.order import Order
from consent_engine.engine.catalogue import Catalogue
from consent_engine.engine.change_order import recording
from consent_engine.engine.store_requests import Step
from consent_engine.ports import Store

MOST_OPEN, PASS, MOST_PASSES = 1_000_000, 500, 10_000


def revoking(
    store: Store, catalogue: Catalogue, run: Callable[[Sequence[Step[Any]]], list[Any]], code: str, by: str
) -> int:
    """Take a plan back; return how many orders were cancelled. run: carries out steps. Raises PlanNotFound."""
    catalogue.set_sale(code, Sale.REVOKED)
    cancelled = 0
    for _ in range(MOST_PASSES):
        todo = list(islice(_open_orders_of(store, code), PASS))
        if not todo:
            break
        steps = [
            recording(order.id, CancelAsked(f"revoked:{order.id}", by, "plan revoked", revoked=True), prove=True)
            for order in todo
        ]
        cancelled += sum(isinstance(each, Order) and each.state is State.CANCELLED for each in run(steps))
    return cancelled


def _open_orders_of(store: Store, code: str) -> Iterator[Order]:
    """Yield the orders for a plan that can be cancelled, loaded a few at a time."""
    ids = iter(store.lists.open_orders(MOST_OPEN))
    while chunk := list(islice(ids, PASS)):
        for order in store.records.live(chunk)[1].values():
            waits = allows(order.state, Trigger.CANCELLED) and not order.knows(f"revoked:{order.id}")
            if order.doc.plan == code and waits:
                yield order
