"""Endings of activated services: on once, off once, whichever process dies at which point, and on repeated requests."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from consent_engine.domain.call.ending import Cause, EndingState, Why
from consent_engine.domain.effects import Lane, Purpose
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.engine.line_events import LineEventAsked
from tests.crashes import calls
from tests.crashes.dying import Told
from tests.crashes.operation import ONE, Operation
from tests.crashes.town import Life, Town

WITHDRAWN = Why(Cause.WITHDRAWN, "hotline", "ops-1", "wants it no more")


def on(town: Town) -> Order:
    """Return an order whose service is on, and whose subscriber was notified."""
    [order] = town.asked()
    town.clock.forward(seconds=60)
    town.hear(town.reply("是", order, "mo-yes"))
    town.run()
    town.look()
    return town.engine.show(order.id)


class _Ends(Operation):
    """One activated order that is taken back in the end."""

    ends: Mapping[str, int] = {"notified": 1}
    cause, tells = Cause.WITHDRAWN, ("ended",)

    def before(self, town: Town) -> None:
        self.order = on(town)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        ending = town.engine.endings.show(self.order.id)
        assert (ending.state, ending.doc.cause, {*ending.effects}) == (EndingState.ENDED, self.cause, {"wake.archive"})
        assert {each.order_id for each in town.bss.asked} == {self.order.id}
        offs = [each.ending_id for each in town.bss.ended]
        assert {*offs} == {ending.id}, "off, once, under one key"
        assert len(offs) == 1 or not self.can_be_asked, "it could have been asked"
        events = [type(each).__name__ for each in ending.events]
        assert (events.count("SwitchedOff"), events.count("Notified")) == (1, 1)
        refs = {sms.ref for _, sms in town.model.sent if sms.purpose is Purpose.ENDED}
        assert len(refs) == len(self.tells), "one notice, or none"
        assert town.engine.show(self.order.id).events == self.order.events, "a settled order was moved"


class EndIsAsked(_Ends):
    """The process that asks for an ending dies: acknowledged or asked again, it is one ending."""

    name, least = "ending: asked for", 6

    def act(self, engine: Engine, told: Told) -> None:
        told(ending=engine.endings.ask(engine.show(self.order.id), WITHDRAWN).ending.id)

    def again(self, town: Town, life: Life) -> None:
        taken = town.engine.endings.ask(town.engine.show(self.order.id), WITHDRAWN)
        if ending := life.said("ending"):
            assert (taken.ending.id, taken.is_new) == (ending, False), "an ending that was acknowledged is there"


class EndIsDone(_Ends):
    """A worker takes a service back and dies at any point: in the call, or before its answer is recorded."""

    name, least = "ending: switched off", 12

    def before(self, town: Town) -> None:
        super().before(town)
        town.engine.endings.ask(self.order, WITHDRAWN)

    def act(self, engine: Engine, told: Told) -> None:
        asyncio.run(_slice(engine, Lane.ACTIVATION))
        told(done=True)


class EndIsDoneAsked(EndIsDone):
    """The same, with a BSS that can be asked."""

    name, can_be_asked = "ending: switched off, the BSS can be asked", True


class EndIsTold(EndIsDone):
    """The service is off, and the worker that sends the notice to the subscriber dies."""

    name, least = "ending: the subscriber is told", 12

    def before(self, town: Town) -> None:
        super().before(town)
        town.run(Lane.ACTIVATION)

    def act(self, engine: Engine, told: Told) -> None:
        asyncio.run(_slice(engine, Lane.TIMER))
        asyncio.run(_slice(engine, Lane.SMS))
        told(done=True)


class EndsBySms(_Ends):
    """A subscriber sends 退订 with the code, and the worker that reads it dies."""

    name, least = "ending: by SMS", 8

    def before(self, town: Town) -> None:
        super().before(town)
        town.hear(town.reply(f"退订{self.order.doc.code}", self.order, "mo-quit"))

    def act(self, engine: Engine, told: Told) -> None:
        asyncio.run(_slice(engine, Lane.INBOUND))
        told(done=True)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        self.order = town.engine.show(self.order.id)  # with the message that ended it
        assert [event.trigger for event in self.order.events].count("replied_late") == 1
        super().ended(town, states, shown)


class EndsForAHolder(_Ends):
    """The number goes to another holder, and the worker that takes back the earlier holder's service dies."""

    name, least, cause, tells = "ending: another holder", 8, Cause.NUMBER_CHANGED, ()

    def before(self, town: Town) -> None:
        super().before(town)
        town.engine.line_event(LineEventAsked(Msisdn(ONE), LineEvent.ASSIGNED, town.clock(), "ops"))

    def act(self, engine: Engine, told: Told) -> None:
        asyncio.run(_slice(engine, Lane.TIMER))
        told(done=True)


class EndsForAReview(calls.ReviewFails):
    """A second look upholds a failed review of an active service, and the worker that takes it back dies."""

    name, least, second = "ending: a review that failed", 8, True
    ends = {"notified": 1}  # noqa: RUF012 - as in Operation
    tells = ("ended",)

    def before(self, town: Town) -> None:
        self.second = False
        super().before(town)
        town.clock.forward(seconds=60)
        town.hear(town.reply("是", self.order, "mo-yes"))
        town.run()
        town.look()
        town.engine.calls.review(self.said("r-1"))
        self.second = True
        town.engine.calls.review(self.said("r-2"))

    def act(self, engine: Engine, told: Told) -> None:
        asyncio.run(_slice(engine, Lane.TIMER))
        told(done=True)

    def learnt(self, town: Town, life: Life) -> None:
        """Assert nothing: the verdict stands before the worker dies."""

    def again(self, town: Town, life: Life) -> None:
        """Do nothing: the ending is not asked for by a caller."""

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert states == self.ends
        ending = town.engine.endings.show(self.order.id)
        assert (ending.state, ending.doc.cause) == (EndingState.ENDED, Cause.REVIEW_FAILED)
        assert {each.ending_id for each in town.bss.ended} == {ending.id}


async def _slice(engine: Engine, lane: Lane) -> Any:
    await engine.performer.perform(lane, 5)
    await engine.performer.land(5)
