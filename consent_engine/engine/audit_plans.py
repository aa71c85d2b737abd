"""The audit of plans: each version under which orders were placed must stand in the catalogue as it was sold.

An order's first link covers the hash of its plan, and the log covers that link. A version that nobody bought yet, the
instants from which a tariff is public, and who approved it, are in no order: nothing here would show that they changed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from consent_engine.domain.offer.offer import Offer
from consent_engine.domain.offer.versions import Version

Plans = Callable[[], Mapping[str, tuple[Version, ...]]]
"""Returns the versions of every plan in the catalogue."""


class Sold:
    """The plans that orders were placed under, each with one of these orders."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, str], str] = {}

    def note(self, offers: Iterable[tuple[str, Offer]]) -> None:
        """Take the offers of orders, by their ids."""
        for order, offer in offers:
            self._known.setdefault((offer.plan, offer.plan_version, offer.plan_hash), order)

    def wrong(self, plans: Plans) -> Iterator[tuple[str, str]]:
        """Yield the plans that do not stand as they were sold, and how they differ. Raises StoreUnavailable."""
        try:
            hashes = {(code, each.number): each.plan.hash for code, all_of in plans().items() for each in all_of}
        except (KeyError, TypeError, ValueError):
            yield "plans", "cannot be read: a record of the catalogue was changed or damaged"
            return
        for (code, number, hashed), order in self._known.items():
            stands = hashes.get((code, number))
            if stands is None:
                yield f"plan {code}", f"version {number} is gone: order {order} was placed under it"
            elif stands != hashed:
                yield f"plan {code}", f"version {number} is not as it was sold: order {order} has another hash of it"
