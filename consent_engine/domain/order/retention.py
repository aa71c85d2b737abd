"""Retention periods, by class of order: how long its person parts and the rest are kept, and no longer."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.order.order import Order


class Evidence(StrEnum):
    """The class of an order: the fact that it is evidence of."""

    SERVICE = "service"
    """A service was activated on its yes: the subscriber may dispute the bill."""
    NO_SERVICE = "no_service"
    """Nothing was activated: there is only the question and its answer."""

    @classmethod
    def of(cls, order: Order) -> "Evidence":
        """Return the class of a settled order."""
        return cls.SERVICE if order.last(Trigger.SERVICE_ACTIVATED) is not None else cls.NO_SERVICE


FIVE_MONTHS = timedelta(days=153)
"""The minimum for messages with both their numbers, and for consent evidence."""
THREE_YEARS = timedelta(days=1096)
"""The minimum for records of processing."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long data are kept after settling, in ms. service, no_service: person parts, by class · records: the rest."""

    service: int = int(THREE_YEARS.total_seconds() * 1000)
    no_service: int = int(FIVE_MONTHS.total_seconds() * 1000)
    records: int = int(THREE_YEARS.total_seconds() * 1000)

    def persons_before(self, evidence: Evidence, now: Millis) -> Millis:
        """Return an instant: orders of this class that settled before it keep no person part."""
        return now - (self.service if evidence is Evidence.SERVICE else self.no_service)

    def records_before(self, now: Millis) -> Millis:
        """Return an instant: orders that settled before it are not kept."""
        return now - max(self.records, self.service, self.no_service)
