"""Revealing: an auditor or an admin sees a number that is masked for them, for a reason that is recorded first."""

import logging
import uuid
from collections.abc import Callable

from consent_engine.domain.order.facts import Revealed
from consent_engine.domain.order.order import Order
from consent_engine.engine.change_order import recording
from consent_engine.engine.store_requests import Step
from consent_engine.ports import Registry
from consent_engine.ports.registry import Reveal

log = logging.getLogger(__name__)
MOST_TOLD = 200


class Revealer:
    """The record of revealed numbers. run: carries out a step"""

    def __init__(self, registry: Registry, run: Callable[[Step[Order]], Order]) -> None:
        self._registry = registry
        self._run = run

    def reveal(self, order: Order, by: str, role: str, reason: str) -> Order:
        """Return the order once its reveal is recorded, proven durable: in the audit lines first, then in the order's
        own chain. Raises OrderNotFound, StoreUnavailable, and ArchiveUnavailable: nothing is shown.
        """
        name = f"reveal:{uuid.uuid4().hex[:12]}"
        self._registry.reveals.note(Reveal(self._registry.now(), order.id, by, role, reason, name))
        order = self._run(recording(order.id, Revealed(name, by, role, reason), prove=True))
        log.info("order %s: revealed to %s", order.id, by)
        return order

    def happened(self) -> list[Reveal]:
        """Return the newest reveals, newest first. Raises StoreUnavailable."""
        return self._registry.reveals.newest(MOST_TOLD)
