"""Operations on reviews in which a process dies: a second look that frees, a review before activation, a command."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from consent_engine.domain.call.ending import Cause, EndingState
from consent_engine.domain.call.review import AlreadyReviewed, CommandHeard, NotContested, Reviewed, SecondLook, Verdict
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.engine.first_review import AGAIN_MS, FirstReviews
from consent_engine.engine.review import Review
from consent_engine.ports.outside import Heard
from tests.crashes import calls
from tests.crashes.dying import Told
from tests.crashes.operation import ONE
from tests.crashes.town import Life, Town


def said_yes(town: Town, order: Order) -> None:
    """Let the subscriber confirm, and perform the effects that follow."""
    town.clock.forward(seconds=60)
    town.hear(town.reply("是", order, "mo-yes"))
    town.run()
    town.look()


def stays(town: Town, call: str) -> tuple[Verdict | None, bool]:
    """Return a call's verdict, and whether its number waits for a review."""
    waits = any(each.kind is Kind.REVIEW for each in town.engine.line(ONE).restrictions)  # type: ignore[arg-type]
    return town.engine.calls.show(call).verdict, waits


class _OnOnce(calls.ReviewFails):
    """One order whose service is switched on once in the end, as the BSS's own ledger says, and stays on."""

    name = ""  # no operation by itself
    ends: Mapping[str, int] = {"notified": 1}
    says = ""

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert states == self.ends
        assert [each.order_id for each in town.bss.asked] == [self.order.id], "on, once"
        assert town.bss.ended == [], "nothing was taken back"


class SecondLookFrees(_OnOnce):
    """A failed review froze the order, and a second look frees it: its activation goes on, once."""

    name, least, second = "review: a second look frees it", 6, True

    def before(self, town: Town) -> None:
        super().before(town)
        said_yes(town, self.order)

    def said(self, by: str) -> Review:
        return super().said(by) if by == "r-1" else Review(self.call.id, by, passed=True, second=True)

    def learnt(self, town: Town, life: Life) -> None:
        verdict, waits = stays(town, self.call.id)
        assert life.said("verdict") in {None, "", verdict}, "a verdict that was acknowledged stands"
        assert waits == (verdict is not Verdict.PASSED), "the verdict and what it frees are one"
        assert verdict is Verdict.PASSED or town.bss.asked == [], "switched on while it was frozen"


class ReviewedBefore(_OnOnce):
    """CONSENT_REVIEW=before: the yes is there, and the process that passes the call dies. Nothing is on before."""

    name, least, review_first = "review: before activation, it passes", 6, True

    def before(self, town: Town) -> None:
        super().before(town)
        said_yes(town, self.order)

    def said(self, by: str) -> Review:
        return Review(self.call.id, by, passed=True)

    def learnt(self, town: Town, life: Life) -> None:
        verdict, waits = stays(town, self.call.id)
        assert life.said("verdict") in {None, "", verdict}, "a verdict that was acknowledged stands"
        assert waits == (verdict is not Verdict.PASSED), "the verdict and what it frees are one"
        assert verdict is Verdict.PASSED or town.bss.asked == [], "switched on before anybody had heard the call"


class ActivatedAfterReview(ReviewedBefore):
    """The same, later: the call has passed, and the worker that switches on dies."""

    name, least = "review: before activation, it is switched on", 10

    def before(self, town: Town) -> None:
        super().before(town)
        town.engine.calls.review(self.said("r-1"))
        town.clock.forward(seconds=61)

    def act(self, engine: Engine, told: Told) -> None:
        asyncio.run(_slice(engine, Lane.ACTIVATION))
        told(done=True)

    def again(self, town: Town, life: Life) -> None:
        """Do nothing: no caller asks again."""

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert states == self.ends
        assert {each.order_id for each in town.bss.asked} == {self.order.id}
        events = [event.trigger for event in shown[self.order.id].events]
        assert events.count("service_activated") == 1


class WaitsForNothing(calls.ReviewFails):
    """CONSENT_REVIEW=before, and the first review fails: the order waits on, the failure is upheld, it was never on."""

    name, least, review_first = "review: before activation, it fails", 6, True

    def before(self, town: Town) -> None:
        super().before(town)
        said_yes(town, self.order)

    def learnt(self, town: Town, life: Life) -> None:
        verdict, waits = stays(town, self.call.id)
        assert life.said("verdict") in {None, "", verdict}, "a verdict that was acknowledged stands"
        assert waits, "it waits for the first review, and for the second"


class OnOnceOffOnce(calls.ReviewFails):
    """From a service that is on to one that is off: the first review, the second look, and the worker that takes it
    back, in one life. The BSS's own ledger shows on once, off once, wherever it ended.
    """

    name, least, can_be_asked = "review: fails, is upheld, and takes it back", 25, True
    ends: Mapping[str, int] = {"notified": 1}
    says = ""

    def before(self, town: Town) -> None:
        super().before(town)
        said_yes(town, self.order)

    def act(self, engine: Engine, told: Told) -> None:
        engine.calls.review(self.said("r-1"))
        told(verdict=engine.calls.review(self.said("r-2")).verdict)
        asyncio.run(_slice(engine, Lane.TIMER))
        asyncio.run(_slice(engine, Lane.ACTIVATION))

    def said(self, by: str) -> Review:
        return Review(self.call.id, by, passed=False, reasons=("price",) if by == "r-1" else (), second=by != "r-1")

    def learnt(self, town: Town, life: Life) -> None:
        verdict = town.engine.calls.show(self.call.id).verdict
        assert life.said("verdict") in {None, "", verdict}, "a verdict that was acknowledged stands"
        assert verdict is Verdict.FAILED or town.bss.ended == [], "taken back before another had looked"

    def again(self, town: Town, life: Life) -> None:
        for by in ("r-1", "r-2"):
            with suppress(AlreadyReviewed, NotContested):
                town.engine.calls.review(self.said(by))

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert states == self.ends, "a settled order was moved"
        ending = town.engine.endings.show(self.order.id)
        assert (ending.state, ending.doc.cause) == (EndingState.ENDED, Cause.REVIEW_FAILED)
        assert [each.order_id for each in town.bss.asked] == [self.order.id], "on, once"
        assert [each.ending_id for each in town.bss.ended] == [ending.id], "off, once"
        events = town.engine.calls.show(self.call.id).events
        assert sum(isinstance(each, Reviewed) for each in events) == 1
        assert sum(isinstance(each, SecondLook) for each in events) == 1


class _Command:
    """A command that gives the configured verdict on any call."""

    def __init__(self, *, passed: bool) -> None:
        self.passed = passed

    async def hear(self, told: Mapping[str, Any]) -> Heard:
        return Heard("hear", "1", self.passed, () if self.passed else ("price",))


class CommandFails(calls.ReviewFails):
    """The operator's command fails a call, and the worker that asks it dies: one verdict, and the freeze with it."""

    name, least, passed, share = "review: the command fails it", 8, False, 0.0

    def act(self, engine: Engine, told: Told) -> None:
        told(heard=_look(engine, self))

    def learnt(self, town: Town, life: Life) -> None:
        verdict, waits = stays(town, self.call.id)
        assert not life.said("heard") or verdict is Verdict.CONTESTED, "it was heard, and is not"
        assert waits == (verdict is Verdict.CONTESTED), "the verdict and the freeze are one"

    def again(self, town: Town, life: Life) -> None:
        town.clock.forward(AGAIN_MS)  # the turn of the worker that died is over
        _look(town.engine, self)
        events = town.engine.calls.show(self.call.id).events
        assert sum(isinstance(each, Reviewed) for each in events) == 1, "the command is the first reviewer, once"


class CommandKeeps(CommandFails):
    """The command passes a call that was drawn for people: that it heard the call is kept once, and is no review."""

    name, least, passed, share = "review: the command hears one of the sample", 8, True, 1.0
    ends = {"notified": 1}  # noqa: RUF012 - as in Operation

    def learnt(self, town: Town, life: Life) -> None:
        assert stays(town, self.call.id) == (Verdict.PENDING, False), (
            "people are to hear it, and nothing waits for that"
        )

    def again(self, town: Town, life: Life) -> None:
        town.clock.forward(AGAIN_MS)
        _look(town.engine, self)
        events = town.engine.calls.show(self.call.id).events
        assert sum(isinstance(each, CommandHeard) for each in events) == 1, "kept once"

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert states == self.ends
        assert [each.order_id for each in town.bss.asked] == [self.order.id]


def _look(engine: Engine, op: CommandFails) -> int:
    heard = FirstReviews(engine, _Command(passed=op.passed), op.share, "secret", "worker-1")
    return asyncio.run(heard.look())


async def _slice(engine: Engine, lane: Lane) -> None:
    await engine.performer.perform(lane, 5)
    await engine.performer.land(5)
