"""The change of holder of a number with open orders: one commit, whenever the process dies."""

from collections import Counter
from collections.abc import Mapping

from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine
from consent_engine.engine.line_events import LineEventAsked
from tests.crashes.dying import Told
from tests.crashes.operation import BEST, FIBRE, ONE, PACK, Operation
from tests.crashes.town import Life, Town


class NumberChanges(Operation):
    """A yes is unread, two questions are open: all three orders end, or none of them yet."""

    name, least = "line: another holder", 8

    def before(self, town: Town) -> None:
        orders = town.asked(BEST, PACK, FIBRE)
        town.clock.forward(seconds=60)
        town.hear(town.reply(f"是{orders[0].doc.code}", orders[0], "mo-dead"))
        self.asked = LineEventAsked(Msisdn(ONE), LineEvent.ASSIGNED, town.clock(), "ops")

    def act(self, engine: Engine, told: Told) -> None:
        told(line=engine.line_event(self.asked).happened.ended)

    def ended(self, town: Town, states: Counter[str], shown: Mapping[str, Order]) -> None:
        """A yes that was read before the number changed hands came from the earlier holder."""
        assert states == ({"cancelled": 3} if self.dead == 3 else {"cancelled": 2, "notified": 1})

    def learnt(self, town: Town, life: Life) -> None:
        line = town.engine.line(Msisdn(ONE))
        states = {order.state.settled for order in town.shown() if order.line == line.id}
        assert states == {bool(line.history)}, "the event and the ends of its orders are one commit"
        assert not life.said("line") or line.history, "an event that was acknowledged is there"

    def again(self, town: Town, life: Life) -> None:
        known = life.said("line")
        taken = town.engine.line_event(self.asked)
        self.dead = taken.happened.ended
        assert known is None or (known, taken.is_new) == (3, False)
        assert len(town.engine.line(Msisdn(ONE)).history) == 1
