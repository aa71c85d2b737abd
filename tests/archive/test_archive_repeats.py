"""A request repeated while its order moves to the archive: it is that order, and no proof makes another."""

import threading

from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.order import Order
from consent_engine.errors import ConsentError
from tests.archive.house import LONG, gone

RACES = 1_000


def records(town):
    """The orders whose records the store holds, whole or not."""
    return [name for name in town.names("order:") if town.client.type(name) == "hash"]


def test_a_repeat_whose_order_leaves_between_the_look_and_the_proof_is_that_order_and_makes_none(town):
    order = town.settled(key="mine")
    town.clock.forward(hours=LONG)
    desk = town.another()
    look, todo = desk.store.records.look, [True]

    def looked(wanted, *, prove=False):
        found = look(wanted, prove=prove)
        if todo and order.id in found.of(Order):
            todo.pop()
            town.run(Lane.TIMER)
        return found

    desk.store.records.look = looked
    again = desk.place(Placing("desk", "mine", town.request()))
    assert not todo, "it left after the look"
    assert (again.order.id, again.order.head, again.created) == (order.id, order.head, False)
    assert records(town) == []
    assert town.engine.show(order.id).events == order.events


class Repeater:
    """A desk that sends its requests again and again, all of them at once."""

    def __init__(self, engine, asked, placed):
        self.desk, self.asked, self.placed = engine, asked, placed
        self.repeats, self.wrong = 0, []

    def repeat(self, until):
        while not until.is_set():
            for again, order in zip(self.desk.place_many(self.asked), self.placed, strict=True):
                self.repeats += 1
                if isinstance(again, ConsentError) or again.created or again.order.id != order.id:
                    self.wrong.append(again)


def test_a_thousand_orders_that_leave_while_their_requests_are_repeated_leave_nothing_behind(real):
    asked = [Placing("desk", f"race-{n}", real.request(parse(f"1380013{n:04}"))) for n in range(RACES)]
    placed = [taken.order for taken in real.engine.place_many(asked)]
    for order in placed:
        real.engine.cancel(order.id, "desk", "asked")
    real.clock.forward(hours=LONG)
    repeaters = [Repeater(real.another(), asked[n::3], placed[n::3]) for n in range(3)]
    over = threading.Event()
    threads = [threading.Thread(target=each.repeat, args=(over,)) for each in repeaters]
    for thread in threads:
        thread.start()
    real.run(Lane.TIMER)
    over.set()
    for thread in threads:
        thread.join()
    assert ([each.wrong for each in repeaters], records(real)) == ([[], [], []], [])
    assert all(each.repeats for each in repeaters)
    assert len(gone(real.archive, Order, *[order.id for order in placed])) == RACES
