"""What is being done when a process dies: what was before, what it does, who asks again, and how it must end.

`least`: about half the points it had when this was written: there may be fewer round trips. A count below it says that
the enumeration does not see what happens any more.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping

from consent_engine.domain.effects import Accepted, Outcome
from consent_engine.domain.offer.policy import Suspects
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import Delivery, DeliveryReport
from consent_engine.engine.engine import Engine
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Activation, Deactivation, Sms
from tests.crashes.dying import Fate, Told
from tests.crashes.town import PLANS, Life, Town
from tests.integration.promises.checks import NUMBERS

ONE, TWO = NUMBERS
BEST, PACK, FIBRE = PLANS


class Operation:
    """One operation; the defaults are of one that nobody asks for again, in a world where all goes well."""

    name = ""
    least = 8
    says = ""
    """what whoever is asked in the end answers"""
    ends: Mapping[str, int] = {}
    tells: tuple[str, ...] = ()
    """Purposes of SMS of which one must have gone out in the end."""
    reports = can_be_asked = False
    """whether the gateway reports on what it took; whether the BSS can be asked"""
    reminder_after = 0
    suspects, reading_speed = Suspects.NOT_LOOKED_FOR, 0
    """what becomes of a yes that no person can have written, and who reads how fast"""
    review_first = False
    """whether nothing is activated before its call was reviewed"""
    most_times = 2
    """How often one SMS may go out: a crash is one doubt, and one doubt is asked once more."""
    survives: tuple[type[Exception], ...] = (StoreUnavailable,)
    """What it may end with when the server dies under it."""

    def before(self, town: Town) -> None:
        """What had happened."""

    def act(self, engine: Engine, told: Told) -> None:
        """What the process does that dies."""
        raise NotImplementedError

    def learnt(self, town: Town, life: Life) -> None:
        """What may have happened, and what must have."""

    def again(self, town: Town, life: Life) -> None:
        """What those do who got no answer, and what those find who got one."""

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        """How all orders stand at the end."""
        assert states == self.ends

    def logged(self) -> list[str]:
        """What the log has of the journal; the world has none, but where an operation brings it there."""
        return []

    def reported(self, town: Town) -> None:
        """The gateway reports on what it has taken."""
        if self.reports:
            refs = {sms.ref for _, sms in town.model.sent} - town.reported
            town.engine.receive([DeliveryReport("test", ref, f"m-{ref}", Delivery.DELIVERED) for ref in sorted(refs)])
            town.reported |= refs

    async def answering(self, fate: Fate) -> None:
        """How long the outside takes to answer."""
        await asyncio.sleep(0)

    def on_sms(self, sms: Sms, fate: Fate) -> Outcome:
        return Accepted(f"m-{sms.ref}")

    def on_activation(self, activation: Activation, fate: Fate) -> Outcome:
        return Accepted(f"act-{activation.order_id}", "2025-11-25")

    def on_deactivation(self, deactivation: Deactivation, fate: Fate) -> Outcome:
        return Accepted(f"off-{deactivation.ending_id}", "2025-12-01")
