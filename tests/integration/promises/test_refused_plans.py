"""Refusals of one plan, and refusals for a time: they bar only what they are about, for as long as they stand."""

import pytest

from consent_engine.domain.effects import ACTIVATE, Lane
from consent_engine.domain.line.restriction import Kind, name_of
from consent_engine.domain.order.facts import Barred
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import DoNotCall
from consent_engine.ports import LiftResult
from tests.conftest import NUMBER

PLAN, OTHER = "5g-smart-199", "data-pack-10gb"
A_DAY = 24 * 3_600_000


def refuse(world, plan="", until=0, carrier="mobile"):
    return world.engine.refuse(RefusalAsked(NUMBER, carrier, "voice", "A1024", "call-1", plan, until))


def confirmed(world, plan=PLAN):
    order = world.place(plan=plan)
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("是")
    world.run(Lane.INBOUND)
    assert world.state(order) == "confirmed"
    world.clock.forward(seconds=1)
    return order


def test_a_refusal_of_one_plan_bars_dialling_and_orders_about_it_and_nothing_else(world):
    assert refuse(world, PLAN).is_new
    assert not refuse(world, PLAN).is_new
    with pytest.raises(DoNotCall):
        world.place(plan=PLAN)
    dials = [world.engine.dial(NUMBER, "mobile", plan) for plan in (PLAN, OTHER, None)]
    assert [(dial.callable, dial.reason) for dial in dials] == [(False, "refused"), (True, None), (True, None)]
    assert world.state(world.place(plan=OTHER)) == "agreed"


def test_a_refusal_of_one_plan_cancels_what_is_open_about_it_alone(world):
    order, other = world.place(plan=PLAN), world.place(plan=OTHER)
    refuse(world, PLAN)
    world.run()
    assert [world.state(each) for each in (order, other)] == ["cancelled", "awaiting_reply"]
    shown = world.engine.show(order.id)
    assert shown.events[-1].as_json()["limited"] == 1
    assert not shown.refused_at, "nobody misses a refusal of everything"


def test_a_refusal_of_one_plan_bars_its_activation_before_anybody_reads_it(world):
    order = confirmed(world)
    refuse(world, PLAN)
    for _ in range(3):
        world.run(Lane.ACTIVATION)
        world.clock.forward(seconds=2)
    assert (world.bss.asked, world.engine.show(order.id).effects[ACTIVATE].attempts) == ([], 0)
    world.run()
    assert (world.state(order), world.bss.asked) == ("cancelled", [])


def test_a_refusal_of_one_plan_takes_its_activation_back_though_no_message_of_it_is_known(world):
    order = confirmed(world)
    key = world.cell.line(world.engine.line(NUMBER).id)
    world.client.hset(key, f"r:{name_of(Kind.REFUSED, 'mobile', PLAN)}", '[1,"voice","m"]')
    world.run(Lane.ACTIVATION)
    assert (world.bss.asked, world.state(order)) == ([], "cancelled")


def test_a_refusal_of_another_plan_bars_no_activation(world):
    order = confirmed(world)
    refuse(world, OTHER)
    world.run()
    assert world.state(order) == "notified"


def test_a_yes_that_is_read_after_a_refusal_of_its_plan_activates_nothing(world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("是")
    refuse(world, PLAN)
    world.run()
    assert (world.state(order), world.bss.asked) == ("cancelled", [])


def test_the_gate_ends_an_order_whose_plan_was_refused_though_the_message_is_lost(world):
    order = confirmed(world)
    refuse(world, PLAN)
    world.client.delete(world.cell.inbox(order.line))
    world.client.hdel(world.cell.line(order.line), "f:read")
    world.run(Lane.ACTIVATION)
    assert (world.state(order), world.bss.asked) == ("cancelled", [])
    assert world.engine.show(order.id).events[-1].as_json()["limited"] == 1
    assert Barred((f"mobile/{PLAN}",), 0).names == (f"mobile/{PLAN}",)


def test_what_waited_under_a_refusal_whose_time_is_over_goes_on(world):
    order = confirmed(world)
    refuse(world, until=world.clock.now + A_DAY)
    world.client.delete(world.cell.inbox(order.line))
    world.client.hdel(world.cell.line(order.line), "f:read")
    world.clock.forward(A_DAY)
    world.run(Lane.ACTIVATION)
    assert world.state(order) == "activated"


def test_a_refusal_for_a_time_bars_until_then_and_not_a_moment_longer(world):
    until = world.clock.now + A_DAY
    refuse(world, until=until)
    world.run()
    world.clock.now = until - 1
    with pytest.raises(DoNotCall):
        world.place()
    assert not world.engine.dial(NUMBER, "mobile").callable
    world.clock.now = until
    assert world.engine.dial(NUMBER, "mobile").callable
    order = confirmed(world)
    world.run()
    assert world.state(order) == "notified"
    assert world.engine.refusals().rows == ()


def test_a_refusal_that_is_said_again_for_longer_stands_for_longer_and_never_for_less(world):
    now = world.clock.now
    for until, stands in [
        (now + A_DAY, now + A_DAY),
        (now + 9, now + A_DAY),
        (now + 2 * A_DAY, now + 2 * A_DAY),
        (0, 0),
    ]:
        refuse(world, until=until)
        assert [each.until for each in world.engine.line(NUMBER).restrictions] == [stands]
    refuse(world, until=now + 9)
    assert [each.until for each in world.engine.line(NUMBER).restrictions] == [0]


def test_a_refusal_whose_time_was_over_is_new_when_it_is_said_again(world):
    refuse(world, until=world.clock.now + 1_000)
    world.run()
    world.clock.forward(seconds=60)
    order = world.place()
    assert refuse(world).is_new
    world.run()
    assert world.state(order) == "cancelled"
    assert [each.since for each in world.engine.line(NUMBER).restrictions] != []


def test_a_refusal_of_one_plan_is_lifted_by_its_own_name(world):
    refuse(world, PLAN)
    world.clock.forward(seconds=1)
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", world.clock.now) is LiftResult.NONE
    assert world.engine.lift(NUMBER, f"mobile/{PLAN}", "admin", "form", world.clock.now) is LiftResult.OK
    assert world.engine.dial(NUMBER, "mobile", PLAN).callable
