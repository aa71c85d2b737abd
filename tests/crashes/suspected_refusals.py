"""Operations on words that may be a refusal: they arrive, are read, are decided by a person, or by nobody in time."""

from collections import Counter
from collections.abc import Mapping

from consent_engine.domain.effects import Lane
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.offer.offer import Suspects
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.engine.held_replies import BY_ENGINE
from tests.crashes import at_the_door, in_the_lanes
from tests.crashes.dying import Told
from tests.crashes.operation import BEST, FIBRE, ONE, PACK, TWO, Operation
from tests.crashes.town import Life, Town

COMPLAINT = "我要投诉"


class ReceiveHold(at_the_door.Receive):
    """A received HOLD bars the line; nobody decides it, and the order's window ends first."""

    name, words, ends = "receive: a HOLD", (COMPLAINT,), {"expired": 1}
    tells = ("held",)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        assert kinds(town, ONE) == [Kind.REFUSED], "undecided for a day it is a refusal"


class ReceiveHoldAfterYes(ReceiveHold):
    """A yes and a HOLD in one request: nothing is activated, unless only the yes was stored, unacknowledged."""

    name, words, ends = "receive: a yes and a HOLD", ("是", COMPLAINT), {"cancelled": 1}
    tells = ()

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        assert states == ({"notified": 1} if town.bss.asked else self.ends)
        assert kinds(town, ONE) == [Kind.REFUSED]


class ReadHold(in_the_lanes.Read):
    """Every open order of the carrier waits; the other carrier's order goes on."""

    name, words, plans, ends = "inbound: HOLD", (COMPLAINT,), (BEST, FIBRE), {"expired": 2}
    tells = ("held",)


class ReadYesOnHold(in_the_lanes.Read):
    """A yes that was sent while a suspicion stood does not count."""

    name, words, ends = "inbound: HOLD, then yes", (COMPLAINT, "是"), {"expired": 1}
    tells = ("held",)


class ReadHoldAfterYes(in_the_lanes.Read):
    """An order confirmed before the HOLD waits, its activation unbegun, until the HOLD is a refusal."""

    name, words, ends = "inbound: yes, then HOLD", ("是", COMPLAINT), {"cancelled": 1}
    tells = ("held",)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        assert town.bss.asked == []


class ReadUnlikelyYes(in_the_lanes.Read):
    """A yes that no person can have written, with its code: every open order of the carrier waits for a person."""

    name, words, plans, ends = "inbound: a yes that no person wrote", ("是{0}",), (BEST, PACK), {"expired": 2}
    tells = ("held",)
    suspects, reading_speed = Suspects.CODE, 1

    def learnt(self, town: Town, life: Life) -> None:
        super().learnt(town, life)
        town.unsure_suspicions.append((ONE, "mobile"))  # its words do not show it: it stands once the yes was read

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        assert town.bss.asked == []
        assert kinds(town, ONE) == [Kind.REFUSED], "undecided for a day it is a refusal"


def confirmed(town: Town, *numbers: str) -> list[Order]:
    """Return orders whose activations wait for a worker."""
    orders = [town.asked(number=number)[0] for number in numbers]
    town.clock.forward(seconds=60)
    town.hear(*(town.reply("是", order, f"mo-yes-{order.id}") for order in orders))
    town.run(Lane.INBOUND)
    return orders


def complains(town: Town, *orders: Order) -> None:
    """Send words that may be a refusal, and let a worker read them."""
    town.clock.forward(seconds=1)
    town.hear(*(town.reply(COMPLAINT, order, f"mo-hold-{order.id}") for order in orders))
    town.run(Lane.INBOUND)


def kinds(town: Town, number: str) -> list[Kind]:
    return [each.kind for each in town.engine.line(number).restrictions]


class ActivateOnHold(in_the_lanes.Slice):
    """Of two due activations one is barred: that one is not begun, and the other is."""

    name, lane, ends = "activation: one on hold", Lane.ACTIVATION, {"notified": 1, "cancelled": 1}

    def before(self, town: Town) -> None:
        one, _ = confirmed(town, ONE, TWO)
        complains(town, one)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        assert {shown[each.order_id].person.msisdn for each in town.bss.asked} == {TWO}


class Undecided(in_the_lanes.Slice):
    """A suspicion that was not decided within a day becomes a refusal, and ends the waiting orders."""

    name, lane, least, ends = "timer: undecided for a day", Lane.TIMER, 8, {"cancelled": 1}

    def before(self, town: Town) -> None:
        complains(town, *confirmed(town, ONE))
        town.clock.forward(hours=24)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        [order] = shown.values()
        assert (order.events[-1].by, town.bss.asked) == (BY_ENGINE, [])
        assert kinds(town, ONE) == [Kind.REFUSED]
        assert not town.engine.line(ONE).effects


class Decide(Operation):
    """An operator decides on the messages of two numbers, as they were shown to the operator."""

    name, least, ends = "held: decided a refusal", 10, {"cancelled": 2}
    refusal = True

    def before(self, town: Town) -> None:
        complains(town, *confirmed(town, ONE, TWO))
        town.run()
        self.ids = [each.id for each in town.engine.held()[0]]

    def decide(self, engine: Engine) -> tuple[int, int]:
        done = engine.decide_held(self.ids, refusal=self.refusal, by="ops-1", reason="" if self.refusal else "asks why")
        return done.decided, done.gone

    def act(self, engine: Engine, told: Told) -> None:
        told(decided=self.decide(engine))

    def learnt(self, town: Town, life: Life) -> None:
        sure = life.said("decided") == [2, 0]
        assert sure or life.said("decided") is None
        for number in (ONE, TWO):
            town.decided(number, "mobile", refusal=self.refusal, sure=sure)

    def again(self, town: Town, life: Life) -> None:
        decided, gone = self.decide(town.engine)
        assert (decided, gone) == (0, 2) if life.said("decided") else decided + gone == 2
        for number in (ONE, TWO):
            town.decided(number, "mobile", refusal=self.refusal)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        super().ended(town, states, shown)
        assert kinds(town, ONE) == kinds(town, TWO) == [Kind.REFUSED] * self.refusal, "a decision stands"
        lifted = 0 if self.refusal else 2
        assert town.client.xlen("ce:{0}:lifted") == lifted, "why it was none is kept, once"


class DecideNone(Decide):
    """The decision is that it was no refusal: orders confirmed before go on."""

    name, refusal, ends = "held: decided none", False, {"notified": 2}


class ReadDecided(in_the_lanes.Slice):
    """The inbox of a line about which a person has decided."""

    name, ends = "inbound: a HOLD that is a refusal", {"cancelled": 1}
    refusal = True

    def before(self, town: Town) -> None:
        [order] = town.asked()
        town.clock.forward(seconds=60)
        complains(town, order)
        town.run()
        ids = [each.id for each in town.engine.held()[0]]
        town.engine.decide_held(ids, refusal=self.refusal, by="ops-1", reason="asks why")
        town.decided(ONE, "mobile", refusal=self.refusal)


class ReadResumed(ReadDecided):
    """The subscriber is asked anew, once, and answers with the code."""

    name, refusal, says, ends = "inbound: a HOLD that is none", False, "是{}", {"notified": 1}
    tells = ("resumed",)
