"""How long what must be kept, and no longer: by class of order, for its person parts and for the rest."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.order.order import Order


class Evidence(StrEnum):
    """What an order is evidence of."""

    SERVICE = "service"
    """A service was activated on its yes: the subscriber may dispute the bill."""
    NO_SERVICE = "no_service"
    """Nothing was activated: only the question and its answer."""

    @classmethod
    def of(cls, order: Order) -> "Evidence":
        """The class of a settled order."""
        return cls.SERVICE if order.last(Trigger.SERVICE_ACTIVATED) is not None else cls.NO_SERVICE


FIVE_MONTHS = timedelta(days=153)
"""The floor for messages with both their numbers, and for consent evidence."""
THREE_YEARS = timedelta(days=1096)
"""The floor for records of processing."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long after settling, in milliseconds. persons: by class · records: the history without its person parts."""

    service: int = int(THREE_YEARS.total_seconds() * 1000)
    no_service: int = int(FIVE_MONTHS.total_seconds() * 1000)
    records: int = int(THREE_YEARS.total_seconds() * 1000)

    def persons_before(self, evidence: Evidence, now: Millis) -> Millis:
        """Orders of this class that settled before this instant keep no person part."""
        return now - (self.service if evidence is Evidence.SERVICE else self.no_service)

    def records_before(self, now: Millis) -> Millis:
        """Orders that settled before this instant are not kept."""
        return now - max(self.records, self.service, self.no_service)
