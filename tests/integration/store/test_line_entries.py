"""A line's list of orders is under no seal: whatever was changed in it, no message means an order by it alone."""

import pytest

from consent_engine.domain.effects import Lane
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.line.line import Entry, Line
from consent_engine.domain.order.order import Order
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.round_trips import drive, load
from tests.conftest import NUMBER, OTHER


def asked_of_both(world):
    """An order of one number, and one of another that is named on the first one's line, too."""
    order, of_another = world.place(), world.place(OTHER)
    world.run()
    name_on(world, order.line, of_another)
    world.clock.forward(seconds=60)
    return order, of_another


def name_on(world, line, order, **changed):
    entry = Entry.of(world.engine.show(order.id))
    rows = [entry.carrier, entry.plan, entry.code, entry.sub, entry.until]
    named = dict(zip(("carrier", "plan", "code", "sub", "until"), rows, strict=True)) | changed
    kept = Entry(order.id, **named).encode()
    world.client.hset(world.cell.line(line), f"o:{order.id}", kept)


def test_a_yes_with_the_code_of_one_order_never_activates_another_though_their_codes_were_changed(world):
    first, second = world.two_asked()
    name_on(world, first.line, first, code=second.doc.code)
    name_on(world, first.line, second, code=first.doc.code)
    world.clock.forward(seconds=60)
    world.say(f"是{first.doc.code}")
    world.run()
    assert (world.state(first), world.state(second)) == ("notified", "awaiting_reply")
    world.say(f"否{second.doc.code}")
    world.run()
    assert world.state(second) == "declined"


@pytest.mark.parametrize("text", ["是{code}", "否{code}", "{code}", "TD", "别再打了", "退订{code}", "我要投诉"])
def test_no_message_of_one_number_moves_an_order_of_another_that_its_line_names(world, text):
    _, of_another = asked_of_both(world)
    was = world.engine.show(of_another.id)
    world.say(text.format(code=of_another.doc.code), NUMBER)
    world.run()
    now = world.engine.show(of_another.id)
    assert (now.state, now.head) == (was.state, was.head)
    world.say(f"是{of_another.doc.code}", OTHER)
    world.run()
    assert world.state(of_another) == "notified"


def test_a_service_of_another_number_is_not_ended_though_the_line_names_it(world):
    _, of_another = asked_of_both(world)
    world.say("是", OTHER)
    world.run()
    name_on(world, world.engine.line(NUMBER).id, of_another)
    world.say(f"退订{of_another.doc.code}", NUMBER)
    world.run()
    assert world.bss.ended == []


def test_neither_a_refusal_nor_another_holder_ends_an_order_of_another_number(world):
    order, of_another = asked_of_both(world)
    world.engine.receive([RefusalAsked(NUMBER, "*", "voice", "ops")])
    world.run(Lane.INBOUND)
    assert (world.state(order), world.state(of_another)) == ("cancelled", "awaiting_reply")
    world.clock.forward(seconds=1)
    world.engine.line_event(LineEventAsked(NUMBER, LineEvent.ASSIGNED, world.clock.now, "ops"))
    world.run(Lane.TIMER, Lane.ACTIVATION)
    assert world.state(of_another) == "awaiting_reply"


def test_a_step_is_given_only_the_records_that_it_named_though_others_are_loaded_with_them(world):
    orders = [world.place(), world.place(OTHER)]

    def looks(order):
        return (yield from load({Order: [order.id], Line: [order.line]}))

    found = drive(world.engine.store, [looks(each) for each in orders]).results
    assert [([*each.of(Order)], [*each.of(Line)]) for each in found] == [([each.id], [each.line]) for each in orders]
