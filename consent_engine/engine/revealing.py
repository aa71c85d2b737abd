"""Revealing: an auditor or an admin sees a number that is masked for them, for a reason that is kept first."""

import logging

from consent_engine.domain.order.order import Order
from consent_engine.ports import Registry
from consent_engine.ports.reveals import Reveal

log = logging.getLogger(__name__)
MOST_TOLD = 200


class Revealer:
    """Keeps what was revealed, and tells it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def reveal(self, order: Order, by: str, role: str, reason: str) -> Order:
        """The order, once it is kept, proven durable, that it was shown. Raises StoreUnavailable: nothing is shown."""
        self._registry.reveals.note(Reveal(self._registry.now(), order.id, by, role, reason))
        log.info("order %s: revealed to %s", order.id, by)
        return order

    def happened(self, most: int = MOST_TOLD) -> list[Reveal]:
        """The newest ones, newest first. Raises StoreUnavailable."""
        return self._registry.reveals.newest(most)
