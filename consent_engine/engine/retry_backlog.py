"""Present trouble: effects that wait for a retry, and why; and cancelling many stuck orders of one cause at once."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from consent_engine.domain.effects import ACTIVATE, Lane, Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.msisdn import hidden
from consent_engine.domain.order.facts import CancelAsked
from consent_engine.domain.order.order import Order
from consent_engine.engine.change_order import recording
from consent_engine.engine.round_trips import or_raised
from consent_engine.engine.store_requests import Step
from consent_engine.engine.stuck import MOST_RETRIED, StuckEffect
from consent_engine.errors import OrderNotFound, TooLate
from consent_engine.ports import Endpoint, Outside, Owner, Store
from consent_engine.ports.endpoints import BSS, GATEWAY

MOST_LOOKED_AT = 500
"""Most waiting effects of a lane that are looked at, the next due ones: where there are more, counts are 'at least'."""
_CALLS = (Lane.SMS, Lane.ACTIVATION)


class Retrying(Struct, frozen=True):
    """Effects that a gateway or the BSS did not take, and that wait for a retry, for one reason.

    since: when the one that has waited longest was first tried · more: there are more than were looked at
    """

    target: Endpoint
    reason: str
    count: int
    since: Millis
    more: bool


class Cancelling(Struct, frozen=True):
    """The result of cancelling orders. too_late: a service was begun, or they are over · gone: no order, or no longer
    stuck
    """

    cancelled: int = 0
    too_late: int = 0
    gone: int = 0


class Trouble:
    """The effects in trouble, and cancelling many orders of one cause. run: carries out steps."""

    def __init__(self, store: Store, outside: Outside, run: Callable[[Sequence[Step[Any]]], list[Any]]) -> None:
        self._store = store
        self._outside = outside
        self._run = run

    def retrying(self) -> list[Retrying]:
        """Return the effects that wait for a retry, by reason, the most frequent first. Raises StoreUnavailable."""
        found: list[Retrying] = []
        for lane in _CALLS:
            due = self._store.lanes.next(lane, MOST_LOOKED_AT)
            ids = {owner: list(dict.fromkeys(each.id for each in due if each.owner is owner)) for owner in Owner}
            looked = self._store.records.look(ids[Owner.ORDER], ids[Owner.LINE])
            known: dict[str, Order | Line] = {**looked.orders, **looked.lines}
            alike: dict[tuple[Endpoint, str], list[Millis]] = {}
            for each in due:
                record = known.get(each.id)
                pending = record.effects.get(each.effect) if record else None
                if record is None or pending is None or not pending.why or pending.parked:
                    continue
                target = self._target(record, each.effect)
                alike.setdefault((target, hidden(pending.why)), []).append(pending.first_at or pending.last_at)
            found += [
                Retrying(*of, len(some), min((at for at in some if at), default=0), more=len(due) == MOST_LOOKED_AT)
                for of, some in alike.items()
            ]
        return sorted(found, key=lambda each: (-each.count, each.target, each.reason))

    def _target(self, record: Order | Line, effect: str) -> Endpoint:
        if effect == ACTIVATE:
            return Endpoint(BSS, self._outside.bss.name if self._outside.bss else "")
        about = [record.doc.carrier] if isinstance(record, Order) else record.effects[effect].about
        carrier = next(iter(about), "")
        return Endpoint(GATEWAY, self._outside.routes.get(carrier, ""))

    def cancel(self, found: Sequence[StuckEffect], by: str, reason: str) -> Cancelling:
        """Cancel the orders of these stuck effects, up to MOST_RETRIED; an event per order. Proven before this returns.

        Raises any error but TooLate and OrderNotFound.
        """
        some = found[:MOST_RETRIED]
        ids = list(dict.fromkeys(each.id for each in some if each.owner is Owner.ORDER))
        words = [or_raised(each) for each in self._run([_cancelling(order, by, reason) for order in ids])]
        others = len({each.id for each in some if each.owner is not Owner.ORDER})
        return Cancelling(words.count("cancelled"), words.count("too_late"), words.count("gone") + others)


def _cancelling(order: str, by: str, reason: str) -> Step[str]:
    fact = CancelAsked(f"cancel:{uuid.uuid4().hex[:12]}", by, reason)
    try:
        yield from recording(order, fact, prove=True)
    except TooLate:
        return "too_late"
    except OrderNotFound:
        return "gone"
    return "cancelled"
