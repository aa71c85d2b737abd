"""Operations of workers: a slice of each lane, and an orderly end with calls in flight."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from consent_engine.domain.effects import Lane, Outcome, Rejected, Unavailable, Uncertain
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import Delivery, DeliveryReport, Reply
from consent_engine.engine.engine import Engine
from consent_engine.engine.receive import RefusalAsked
from consent_engine.ports import Activation, Sms
from tests.conftest import SENDERS
from tests.crashes.dying import Fate, Told
from tests.crashes.operation import BEST, FIBRE, ONE, PACK, TWO, Operation
from tests.crashes.town import Town
from tests.integration.promises.checks import HOURS
from workers.engine_loop import EngineLoop

# -- a lane's slice ---------------------------------------------------------------------------------------------------


class Slice(Operation):
    """A worker performs a slice of a lane, then lets its calls land."""

    lane = Lane.INBOUND
    least = 8

    def act(self, engine: Engine, told: Told) -> None:
        async def slice_() -> None:
            try:
                await engine.performer.perform(self.lane, 5)
            finally:
                await engine.performer.land(5)

        with asyncio.Runner() as runner:
            runner.run(slice_())


class Read(Slice):
    """The inbox of a line whose orders were asked."""

    plans: tuple[str, ...] = (BEST,)
    words: tuple[str, ...] = ()

    def before(self, town: Town) -> None:
        orders = town.asked(*self.plans)
        town.clock.forward(seconds=60)
        town.hear(
            *(town.reply(words.format(orders[0].doc.code), orders[0], f"mo-{n}") for n, words in enumerate(self.words))
        )


class ReadYes(Read):
    name, words, ends = "inbound: yes", ("是",), {"notified": 1}


class ReadYesAwake(ReadYes):
    """The commit of the yes leases the activation, and that of the activation the notification."""

    name, least, ends = "inbound: yes, carried on", 10, {"notified": 1}

    def act(self, engine: Engine, told: Told) -> None:
        engine.performer.awake = frozenset(Lane)
        super().act(engine, told)


class ReadYesAwakeAsked(ReadYesAwake):
    """A BSS that can be asked: after doubt it is asked, and nothing is activated again."""

    name, can_be_asked = "inbound: yes, carried on to a BSS which can be asked", True


class ReadReportAndYesAwake(ReadYesAwake):
    """The yes is read with the order and the line as the report before it left them; so are the outcomes recorded."""

    name, least = "inbound: a report and a yes, carried on", 12

    def before(self, town: Town) -> None:
        [order] = town.asked()
        town.clock.forward(seconds=60)
        ref = f"{order.id}.confirmation.1"
        town.engine.receive([DeliveryReport("test", ref, f"m-{ref}", Delivery.DELIVERED)])
        town.hear(town.reply("是", order, "mo-0"))

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        for order in shown.values():
            assert len(list(order.all(Trigger.DELIVERED))) == 1


class ReadNo(Read):
    name, words, ends = "inbound: no", ("否",), {"declined": 1}
    tells = ("declined",)


class ReadStop(Read):
    """A STOP declines every open order of that carrier; the other carrier's order goes on waiting."""

    name, words, plans, ends = "inbound: STOP", ("TD",), (BEST, PACK, FIBRE), {"declined": 2, "expired": 1}
    tells = ("opted_out",)


class ReadUnclear(Read):
    name, words, says, ends = "inbound: words that are no answer", ("嗯",), "是", {"notified": 1}
    tells = ("clarification",)


class ReadAmbiguous(Read):
    """A yes that fits two orders: none is chosen, both note it, and one SMS asks which."""

    name, words, plans, ends = "inbound: ambiguous", ("是",), (BEST, PACK), {"expired": 2}
    tells = ("clarification",)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        for order in shown.values():
            assert len(list(order.all(Trigger.UNCLEAR))) == 1, "noted once each"


class ReadWhichOne(Read):
    """The answer to "which one?": a bare code."""

    name, words, plans, ends = "inbound: which one", ("{}",), (BEST, PACK), {"notified": 1, "expired": 1}

    def before(self, town: Town) -> None:
        order = town.asked(*self.plans)[0]
        town.hear(town.reply("是", order, "mo-which"))
        town.run()
        town.clock.forward(seconds=60)
        town.hear(town.reply(order.doc.code, order, "mo-code"))


class ReadMany(Read):
    """Several messages of one line: each is read after the one before it."""

    name, least, words, ends = "inbound: several messages", 20, ("嗯", "帮助", "否", "是"), {"declined": 1}


class ReadStopThenYes(Read):
    name, words, ends = "inbound: STOP, then yes", ("TD", "是"), {"declined": 1}
    tells = ("opted_out",)


class ReadRefusal(Read):
    """A refusal by voice cancels all open orders: one message, one commit per order."""

    name, plans, ends = "inbound: a refusal of three orders", (BEST, PACK, FIBRE), {"cancelled": 3}

    def before(self, town: Town) -> None:
        super().before(town)
        town.engine.refuse(RefusalAsked(ONE, "*", "voice", "A1024"))
        town.refused(ONE, "*")


class ReadReport(Read):
    name, ends = "inbound: a report of failure", {"undeliverable": 1}

    def before(self, town: Town) -> None:
        [order] = town.asked()
        ref = f"{order.id}.confirmation.1"
        town.engine.receive([DeliveryReport("test", ref, f"m-{ref}", Delivery.FAILED)])


class ReadParts(Read):
    """Reports on single parts: each is counted once, and the last one makes the whole."""

    name, least, ends = "inbound: reports on parts", 20, {"expired": 1}

    def before(self, town: Town) -> None:
        [order] = town.asked()
        ref = f"{order.id}.confirmation.1"
        told = [(n, status) for status in (Delivery.ACCEPTED, Delivery.DELIVERED) for n in (1, 2)]
        town.engine.receive([DeliveryReport("test", ref, f"m-{ref}", status, n, 2, alone=True) for n, status in told])

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        for order in shown.values():
            assert [len(list(order.all(each))) for each in (Trigger.REPORTED, Trigger.DELIVERED)] == [1, 1]


class ReadEarly(Read):
    """A yes arrives before the hand-over is recorded: the worker that handed over has died."""

    name, says, ends = "inbound: an early yes", "是", {"notified": 1}

    def before(self, town: Town) -> None:
        order = town.place(ONE, BEST)
        [leased] = town.engine.store.lanes.lease(town.engine.outside.route(order.doc.carrier), 1)
        assert leased.record.effects[leased.effect].gateway
        town.look()
        town.clock.forward(seconds=5)
        town.hear(town.reply("是", order, "mo-early"))


class ReadStranger(Read):
    """A STOP from a number that was never asked: answered by an SMS that belongs to the line."""

    name, least, ends = "inbound: STOP of a stranger", 10, {}
    tells = ("opted_out",)

    def before(self, town: Town) -> None:
        town.hear(Reply("test", "mo-stranger", Msisdn(ONE), SENDERS["mobile"], "TD"))


class TwoLines(Read):
    """One lease, two lines: their commits go side by side."""

    name, least, ends = "inbound: two lines", 15, {"notified": 1, "declined": 1}

    def before(self, town: Town) -> None:
        [one], [two] = town.asked(), town.asked(number=TWO)
        town.clock.forward(seconds=60)
        town.hear(town.reply("是", one, "mo-one"), town.reply("否", two, "mo-two"))


class Ask(Slice):
    """The questions of several orders go out."""

    name, least, says, ends = "sms: confirmation", 12, "是{}", {"notified": 3}
    lane = Lane.SMS

    def before(self, town: Town) -> None:
        for number, plan in ((ONE, BEST), (ONE, FIBRE), (TWO, BEST)):
            town.place(number, plan)


class AskOne(Ask):
    name, says, ends = "sms: one confirmation", "是", {"notified": 1}

    def before(self, town: Town) -> None:
        town.place(ONE, BEST)


class AskReported(AskOne):
    """Delivery reports settle the doubt: nobody is asked twice."""

    name, reports, most_times = "sms: confirmation, reported", True, 1


class AskRejected(AskOne):
    """Refused; after an attempt that may have been taken a refusal is not believed until it is too late to ask."""

    name, ends = "sms: confirmation refused", {}

    def on_sms(self, sms: Sms, fate: Fate) -> Outcome:
        return Rejected("no such number")

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert states in ({"undeliverable": 1}, {"expired": 1})


class AskBusy(AskOne):
    """The gateway surely did not take the SMS: it is sent again later."""

    name = "sms: gateway unavailable"

    def on_sms(self, sms: Sms, fate: Fate) -> Outcome:
        return Unavailable("busy") if fate.armed else super().on_sms(sms, fate)


class AskDoubtful(AskOne):
    name = "sms: confirmation in doubt"

    def on_sms(self, sms: Sms, fate: Fate) -> Outcome:
        return Uncertain("timeout") if fate.armed else super().on_sms(sms, fate)


class AskAfterLoss(AskOne):
    """The lease of a worker that died earlier: its effect is in doubt, and not called again at once."""

    name, least = "sms: a lost lease", 6

    def before(self, town: Town) -> None:
        super().before(town)
        town.engine.store.lanes.lease(Lane.SMS, 1)
        town.clock.forward(seconds=61)


class Notify(Slice):
    name, lane, ends = "sms: notification", Lane.SMS, {"notified": 1}

    def before(self, town: Town) -> None:
        [order] = town.asked()
        town.clock.forward(seconds=60)
        town.hear(town.reply("是", order, "mo-1"))
        town.run(Lane.INBOUND)
        town.run(Lane.ACTIVATION)


class NotifyRefused(Notify):
    """A refused notification is on the stuck list, where operators see it; the service is on."""

    name, ends = "sms: notification refused", {"activated": 1}

    def on_sms(self, sms: Sms, fate: Fate) -> Outcome:
        return Rejected("no") if sms.purpose == "notification" else super().on_sms(sms, fate)


class TellDeclined(Slice):
    name, lane, ends = "sms: declined", Lane.SMS, {"declined": 1}
    tells = ("declined",)
    words = "否"

    def before(self, town: Town) -> None:
        [order] = town.asked()
        town.clock.forward(seconds=60)
        town.hear(town.reply(self.words, order, "mo-1"))
        town.run(Lane.INBOUND)


class TellOptedOut(TellDeclined):
    name, words = "sms: opted out", "TD"
    tells = ("opted_out",)


class AskWhichOne(Slice):
    """An SMS that belongs to the line."""

    name, lane, ends = "sms: which one", Lane.SMS, {"expired": 2}
    tells = ("clarification",)

    def before(self, town: Town) -> None:
        order = town.asked(BEST, PACK)[0]
        town.hear(town.reply("是", order, "mo-1"))
        town.run(Lane.INBOUND)


class Activate(Slice):
    name, lane, ends = "activation", Lane.ACTIVATION, {"notified": 2}

    def before(self, town: Town) -> None:
        [one], [two] = town.asked(), town.asked(number=TWO)
        town.clock.forward(seconds=60)
        town.hear(town.reply("是", one, "mo-1"), town.reply("是", two, "mo-2"))
        town.run(Lane.INBOUND)


class ActivateAsked(Activate):
    """A BSS that can be asked: after doubt it is asked, and nothing is activated again."""

    name, can_be_asked = "activation, which can be asked about", True


class ActivateAskedAfterLoss(ActivateAsked):
    """The process dies in the request that asks the BSS."""

    name = "activation: asked about after a lost lease"

    def before(self, town: Town) -> None:
        super().before(town)
        town.engine.store.lanes.lease(Lane.ACTIVATION, 2)
        town.clock.forward(seconds=61)
        with asyncio.Runner() as runner:
            runner.run(town.another().performer.perform(Lane.ACTIVATION, 1))
        town.clock.forward(seconds=61)


class ActivateBarredAfterLoss(ActivateAskedAfterLoss):
    """The BSS knows nothing of the activation, and a STOP came meanwhile."""

    name, ends = "activation: a STOP after a lost lease", {"declined": 1, "notified": 1}

    def before(self, town: Town) -> None:
        super().before(town)
        town.hear(Reply("test", "mo-stop", Msisdn(ONE), SENDERS["mobile"], "TD"))


class ActivateRefused(Activate):
    """Refused for good; after doubt the activation is on the stuck list with both answers, and not believed."""

    name, ends = "activation refused", {}

    def on_activation(self, activation: Activation, fate: Fate) -> Outcome:
        return Rejected("not eligible")

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert states.total() == 2
        assert set(states) <= {"activation_failed", "confirmed"}


class ActivateDoubtful(Activate):
    name = "activation in doubt"

    def on_activation(self, activation: Activation, fate: Fate) -> Outcome:
        return Uncertain("timeout") if fate.armed else super().on_activation(activation, fate)


class WindowClosed(Slice):
    name, lane, least, ends = "timer: window closed", Lane.TIMER, 8, {"expired": 2}

    def before(self, town: Town) -> None:
        town.asked(BEST, FIBRE)
        town.clock.forward(hours=24.1)


class WindowWithUnread(WindowClosed):
    """A yes from inside the window is still unread: the timer waits for its reader."""

    name, ends = "timer: window closed, a yes unread", {"notified": 1}

    def before(self, town: Town) -> None:
        [order] = town.asked()
        town.clock.forward(hours=23.9)
        town.hear(town.reply("是", order, "mo-1"))
        town.clock.forward(hours=0.2)


class Remind(WindowClosed):
    name, least, says, ends, reminder_after = "timer: reminder", 12, "是", {"notified": 1}, 12 * HOURS
    tells = ("reminder",)

    def before(self, town: Town) -> None:
        town.asked()
        town.clock.forward(hours=12.1)


class TooLateToAsk(WindowClosed):
    name, ends = "timer: too late to ask", {"expired": 1}

    def before(self, town: Town) -> None:
        town.place(ONE, BEST)
        town.clock.forward(hours=2.1)


# -- an orderly end ---------------------------------------------------------------------------------------------------


class Shutdown(Ask):
    """A worker is asked to stop while calls are in flight: it lets them land, then gives its leases back."""

    name, least = "shutdown: calls land", 12
    takes_s, waits_s = 0.03, 5.0

    async def answering(self, fate: Fate) -> None:
        await asyncio.sleep(self.takes_s if fate.armed else 0)

    def act(self, engine: Engine, told: Told) -> None:
        loop = EngineLoop(lambda: engine)
        loop.perform(self.lane, 0.01, 60)
        told(left=loop.land(self.waits_s))
        loop.close()


class ShutdownCutShort(Shutdown):
    """Calls that take longer than the worker may wait are left in flight: their leases show it."""

    name, least = "shutdown: calls are left in flight", 6
    takes_s, waits_s = 30.0, 0.02


class ShutdownActivation(Shutdown, Activate):
    name, lane, ends, says = "shutdown: an activation lands", Lane.ACTIVATION, {"notified": 2}, ""

    def before(self, town: Town) -> None:
        Activate.before(self, town)
