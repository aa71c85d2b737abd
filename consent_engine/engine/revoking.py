"""Taking a plan back: no new orders, and open ones are cancelled with a notice."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from consent_engine.domain.lifecycle import State, Trigger, allows
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.versions import Listed, Sale
from consent_engine.domain.order.facts import CancelAsked
from consent_engine.domain.order.order import Order
from consent_engine.engine.catalogue import Catalogue
from consent_engine.engine.change_order import recording
from consent_engine.engine.round_trips import Step, load_of
from consent_engine.engine.scribe import as_of_now
from consent_engine.ports import Only, Owner, Store

PIECE, MOST_PIECES = 500, 20_000


def revoking(
    store: Store,
    catalogue: Catalogue,
    run: Callable[[Sequence[Step[Any]]], list[Any]],
    code: str,
    by: str,
    piece: int = PIECE,
) -> int:
    """Take a plan back; return how many orders were cancelled. run: carries out steps · piece: orders at a time

    Raises PlanNotFound; StoreUnavailable and ArchiveUnavailable where not all are cancelled: repeating it goes on.
    """
    plans = {code: catalogue.set_sale(code, Sale.REVOKED)}  # from here on no order of it is saved
    places, cancelled, before = as_of_now(store).places, 0, None
    for _ in range(MOST_PIECES):
        rows = places(Owner.ORDER, Only.PRESENT, before, piece, code)
        orders = store.records.look({Order: [order for _, order in rows]}).of(Order).values() if rows else ()
        steps = [_cancelling(order, by) for order in orders if awaits_revocation(order, plans)]
        cancelled += sum(isinstance(each, Order) and each.state is State.CANCELLED for each in run(steps))
        if len(rows) < piece:
            break
        before = rows[-1]
    return cancelled


def revoked_on(line: Line, plans: Mapping[str, Listed]) -> Step[None]:
    """Cancel the open orders of a line whose plan was revoked, before anything is decided about them: who revoked
    it may have died before they were found.
    """
    revoked = [code for code in {each.plan for each in line.entries} if code in plans and plans[code].is_revoked(0)]
    gone = [each.order for each in line.entries if each.is_open and each.plan in revoked]
    for order in (yield from load_of(line, gone)).values():
        if awaits_revocation(order, plans):
            yield from _cancelling(order, "engine")


def awaits_revocation(order: Order, plans: Mapping[str, Listed]) -> bool:
    """Whether an order's plan was revoked since it was sold, and the order is to be cancelled and was not yet."""
    listed = plans.get(order.doc.plan)
    if listed is None or not listed.is_revoked(order.doc.offer.plan_version):
        return False
    return allows(order.state, Trigger.CANCELLED) and not order.knows(_op(order))


def _cancelling(order: Order, by: str) -> Step[Order]:
    return recording(order.id, CancelAsked(_op(order), by, "plan_revoked", revoked=True), prove=True)


def _op(order: Order) -> str:
    return f"revoked:{order.id}"
