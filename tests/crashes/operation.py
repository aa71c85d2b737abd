"""The base of the operations in which a process dies: the state before, the act, who asks again, and how it must end.

`least`: about half the points an operation had when it was written: there may be fewer round trips. A count below it
says that the enumeration no longer sees what happens.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping

from consent_engine.domain.effects import Accepted, Outcome
from consent_engine.domain.offer.offer import Suspects
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
    """One operation; the defaults are those of one that nobody asks for again, in a world where everything works."""

    name = ""
    least = 8
    says = ""
    """the answer that every subscriber asked in the end gives"""
    ends: Mapping[str, int] = {}
    tells: tuple[str, ...] = ()
    """Purposes of SMS: of each, one must have gone out in the end."""
    reports = can_be_asked = False
    """whether the gateway reports on the SMS it took; whether the BSS can be asked"""
    reminder_after = 0
    suspects, reading_speed = Suspects.NOT_LOOKED_FOR, 0
    """the treatment of a yes that no person can have written; the fastest reading speed that is believed"""
    review_first = False
    """whether an activation waits until its call was reviewed"""
    most_times = 2
    """How often one SMS may go out: a crash is one doubt, and after one doubt it is sent once more."""
    survives: tuple[type[Exception], ...] = (StoreUnavailable,)
    """Exceptions it may end with when the server dies under it."""

    def before(self, town: Town) -> None:
        """Prepare the state before the operation."""

    def act(self, engine: Engine, told: Told) -> None:
        """Perform the act during which the process dies."""
        raise NotImplementedError

    def learnt(self, town: Town, life: Life) -> None:
        """Assert the effects that must be there, and learn those that may be."""

    def again(self, town: Town, life: Life) -> None:
        """Repeat requests that got no answer, and check the answers to repeats of those that got one."""

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        """Assert how all orders stand at the end."""
        assert states == self.ends

    def logged(self) -> list[str]:
        """The journal entries the log has; empty, unless an operation brings the journal there."""
        return []

    def reported(self, town: Town) -> None:
        """Let the gateway report on the SMS it has taken."""
        if self.reports:
            refs = {sms.ref for _, sms in town.model.sent} - town.reported
            town.engine.receive([DeliveryReport("test", ref, f"m-{ref}", Delivery.DELIVERED) for ref in sorted(refs)])
            town.reported |= refs

    async def answering(self, fate: Fate) -> None:
        """Wait as long as the gateway or the BSS takes to answer."""
        await asyncio.sleep(0)

    def on_sms(self, sms: Sms, fate: Fate) -> Outcome:
        return Accepted(f"m-{sms.ref}")

    def on_activation(self, activation: Activation, fate: Fate) -> Outcome:
        return Accepted(f"act-{activation.order_id}", "2025-11-25")

    def on_deactivation(self, deactivation: Deactivation, fate: Fate) -> Outcome:
        return Accepted(f"off-{deactivation.ending_id}", "2025-12-01")
