"""Operations on calls: begun, ended, abandoned, and orders that name one."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from consent_engine.domain.admission.call_request import CallEnd, CallStart, EndCall, StartCall
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.call import CallState
from consent_engine.domain.call.review import AlreadyReviewed, NotContested, Verdict
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.engine.review import Review
from consent_engine.ports import CallFilter
from tests.crashes.dying import Told
from tests.crashes.operation import BEST, ONE, Operation
from tests.crashes.town import Life, Town


def instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


def begins(town: Town) -> CallStart:
    body = {"from": "10085", "to": ONE, "carrier": "mobile", "agent": "A1024", "started_at": instant(town.clock())}
    return CallStart("desk", "call-1", StartCall.model_validate(body))


def ends(town: Town, call: str, outcome: str, *, recorded: bool = True, plan: str | None = None) -> CallEnd:
    recording = {"ref": "rec-9", "sha256": "9f" * 32, "seconds": 60} if recorded else None
    body = {"ended_at": instant(town.clock()), "outcome": outcome, "recording": recording, "plan": plan}
    return CallEnd("desk", call, EndCall.model_validate(body))


class CallBegins(Operation):
    """A call that began: acknowledged or asked for again, it is one call."""

    name, least = "call: begins", 12

    def before(self, town: Town) -> None:
        self.start = begins(town)

    def act(self, engine: Engine, told: Told) -> None:
        told(call=engine.calls.record(self.start).call.id)

    def learnt(self, town: Town, life: Life) -> None:
        if call := life.said("call"):
            assert town.engine.calls.show(call).state is CallState.UP, "a call that was acknowledged is there"

    def again(self, town: Town, life: Life) -> None:
        taken = town.engine.calls.record(self.start)
        if call := life.said("call"):
            assert (taken.call.id, taken.is_new) == (call, False)
        assert [each.id for each in town.engine.calls.page(CallFilter()).calls] == [taken.call.id]
        assert len(town.engine.line(taken.call.person.msisdn).calls) == 1  # type: ignore[arg-type] # a number


class CallEnds(CallBegins):
    """The subscriber refuses in a call, and has an order: no call ends so while its number can still be dialled."""

    name, least = "call: ends in a refusal", 15
    ends = {"cancelled": 1}  # noqa: RUF012 - as in Operation

    def before(self, town: Town) -> None:
        town.asked()
        self.call = town.engine.calls.record(begins(town)).call
        town.clock.forward(seconds=60)
        self.end = ends(town, self.call.id, "refused")

    def act(self, engine: Engine, told: Told) -> None:
        told(over=engine.calls.record(self.end).is_new)

    def learnt(self, town: Town, life: Life) -> None:
        call = town.engine.calls.show(self.call.id)
        dial = town.engine.dial(self.call.person.msisdn, "mobile")  # type: ignore[arg-type] # a number
        assert call.end is None or not dial.callable, "a call that ended in a refusal, and the number can be dialled"
        assert call.end is not None or not life.said("over"), "an end that was acknowledged is there"
        town.refused(ONE, "mobile", sure=not dial.callable)

    def again(self, town: Town, life: Life) -> None:
        assert town.engine.calls.record(self.end).call.state is CallState.ENDED
        town.refused(ONE, "mobile")


class OrderOfACall(Operation):
    """An order names a call that is up: it exists with its call and waits for it, or it does not exist."""

    name, least, says, ends = "call: an order names it", 25, "是", {"notified": 1}

    def before(self, town: Town) -> None:
        self.call = town.engine.calls.record(begins(town)).call
        town.clock.forward(seconds=60)
        body: dict[str, Any] = {"msisdn": ONE, "plan": BEST, "agent": "A1024", "call_id": self.call.id}
        self.wanted = Placing("desk", "key-1", PlaceOrder.read(body | {"agreed_at": instant(town.clock())}))
        self.end = ends(town, self.call.id, "agreed")

    def act(self, engine: Engine, told: Told) -> None:
        told(placed=engine.place(self.wanted).order.id)

    def learnt(self, town: Town, life: Life) -> None:
        town.look()
        for order in town.shown():
            call = town.engine.calls.show(order.doc.call_id)
            waits = [each.ref for each in town.engine.line(self.wanted.msisdn).restrictions]
            assert (call.id, waits) == (self.call.id, [self.call.id]), "an order that does not wait for its call"

    def again(self, town: Town, life: Life) -> None:
        placed = town.engine.place(self.wanted)
        assert not life.said("placed") or (placed.order.id, placed.created) == (life.said("placed"), False)
        town.engine.calls.record(self.end)


class UnlawfulCall(Operation):
    """A call ends without its recording while its order waits: the order is cancelled, wherever the worker dies."""

    name, least, ends = "call: its orders are cancelled", 8, {"cancelled": 1}

    def before(self, town: Town) -> None:
        call = town.engine.calls.record(begins(town)).call
        town.clock.forward(seconds=60)
        body = {"msisdn": ONE, "plan": BEST, "agent": "A1024", "call_id": call.id, "agreed_at": instant(town.clock())}
        town.engine.place(Placing("desk", "key-1", PlaceOrder.read(body)))
        town.engine.calls.record(ends(town, call.id, "agreed", recorded=False))
        town.look()

    def act(self, engine: Engine, told: Told) -> None:
        asyncio.run(engine.performer.perform(Lane.TIMER, 5))
        told(done=True)


class DeclinedAfterAll(Operation):
    """A subscriber confirms an order by SMS, then declines it in the same call: it is cancelled, and never activated,
    wherever the process that records the end, or the worker behind it, dies.
    """

    name, least, says, ends = "call: what it ordered is declined in it", 15, "", {"cancelled": 1}

    def before(self, town: Town) -> None:
        self.call = town.engine.calls.record(begins(town)).call
        town.clock.forward(seconds=60)
        body = {
            "msisdn": ONE, "plan": BEST, "agent": "A1024", "call_id": self.call.id, "agreed_at": instant(town.clock()),
        }  # fmt: skip
        order = town.engine.place(Placing("desk", "order-1", PlaceOrder.read(body))).order
        town.run(Lane.SMS)
        town.clock.forward(seconds=60)
        town.hear(town.reply("是", order, "mo-yes"))
        town.run(Lane.INBOUND)
        self.end = ends(town, self.call.id, "declined", plan=BEST)
        town.look()

    def act(self, engine: Engine, told: Told) -> None:
        told(over=engine.calls.record(self.end).is_new)
        asyncio.run(engine.performer.perform(Lane.TIMER, 5))

    def learnt(self, town: Town, life: Life) -> None:
        call = town.engine.calls.show(self.call.id)
        assert call.end is not None or not life.said("over"), "an end that was acknowledged is there"
        waits = [each.ref for each in town.engine.line(ONE).restrictions if each.kind is Kind.CALL]  # type: ignore[arg-type]
        open_ones = [each for each in town.shown() if not each.state.settled]
        assert bool(waits) == bool(open_ones), "what is open, and nothing bars it"

    def again(self, town: Town, life: Life) -> None:
        assert town.engine.calls.record(self.end).call.state is CallState.ENDED
        town.clock.forward(seconds=61)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        assert town.bss.asked == [], "what was declined is not switched on"


class ReviewFails(Operation):
    """A reviewer fails the call of an order that was asked: verdict and freeze are one; there is no second look."""

    name, least, says = "review: fails", 6, "是"
    ends = {"cancelled": 1}  # noqa: RUF012 - as in Operation
    second = False

    def before(self, town: Town) -> None:
        self.call = town.engine.calls.record(begins(town)).call
        town.clock.forward(seconds=60)
        body = {
            "msisdn": ONE, "plan": BEST, "agent": "A1024", "call_id": self.call.id, "agreed_at": instant(town.clock()),
        }  # fmt: skip
        self.order = town.engine.place(Placing("desk", "order-1", PlaceOrder.read(body))).order
        town.clock.forward(seconds=60)
        town.engine.calls.record(ends(town, self.call.id, "agreed"))
        town.run(Lane.SMS)
        if self.second:
            town.engine.calls.review(self.said("r-1"))

    def said(self, by: str) -> Review:
        return Review(self.call.id, by, passed=False, reasons=("price",) if by == "r-1" else (), second=by != "r-1")

    def act(self, engine: Engine, told: Told) -> None:
        told(verdict=engine.calls.review(self.said("r-2" if self.second else "r-1")).verdict)

    def learnt(self, town: Town, life: Life) -> None:
        verdict = town.engine.calls.show(self.call.id).verdict
        frozen = [each.kind for each in town.engine.line(ONE).restrictions]
        assert life.said("verdict") in {None, "", verdict}, "a verdict that was acknowledged stands"
        assert (Kind.REVIEW in frozen) == (verdict is not Verdict.PENDING), "the verdict and the freeze are one"

    def again(self, town: Town, life: Life) -> None:
        with suppress(AlreadyReviewed, NotContested):
            town.engine.calls.review(self.said("r-2" if self.second else "r-1"))

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        assert town.bss.asked == [], "nothing of a call that failed is switched on"


class SecondLookUpholds(ReviewFails):
    """The second look upholds the failure: open orders are cancelled."""

    name, second = "review: a second look upholds it", True
