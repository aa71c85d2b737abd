"""A subscriber who declined a plan is not offered it again, for as long as the policy says."""

import pytest

from consent_engine.domain.effects import Lane
from consent_engine.domain.line.line import CALLS_KNOWN_MS
from consent_engine.domain.offer.offer import Policy
from consent_engine.errors import CoolingOff
from tests.conftest import NUMBER, World
from tests.memory import a_store

PLAN, OTHER = "5g-smart-199", "data-pack-10gb"
A_DAY = 24 * 3_600_000


def declined(world, plan=PLAN):
    order = world.place(plan=plan)
    world.run()
    world.clock.forward(seconds=5)
    world.say("不同意")
    world.run()
    assert world.state(order) == "declined"
    return order


@pytest.fixture
def for_a_day():
    made = World(a_store(), Policy(retry_base=1_000, cool_off=A_DAY))
    yield made
    made.runner.close()


def test_who_declined_a_plan_is_not_offered_it_again_and_may_be_called_about_others(world):
    order = declined(world)
    world.clock.forward(hours=24 * 365)
    with pytest.raises(CoolingOff) as refused:
        world.place(plan=PLAN)
    [said] = [event for event in world.engine.show(order.id).events if event.trigger == "said_no"]
    assert refused.value.facts["since"] == said.detail.received_at
    dials = [world.engine.dial(NUMBER, "mobile", plan) for plan in (PLAN, OTHER, None)]
    assert [(dial.callable, dial.reason) for dial in dials] == [(False, "cool_off"), (True, None), (True, None)]
    assert world.engine.dial(NUMBER, None, PLAN).callable is False
    assert world.state(world.place(plan=OTHER)) == "agreed"


def test_after_its_time_a_declined_plan_is_offered_again_and_nothing_of_it_stays(for_a_day):
    world = for_a_day
    declined(world)
    [stands] = world.engine.line(NUMBER).restrictions
    world.clock.now = stands.until - 1
    with pytest.raises(CoolingOff):
        world.place()
    world.clock.forward(1)
    assert world.engine.dial(NUMBER, "mobile", PLAN).callable
    world.place()
    world.clock.forward(CALLS_KNOWN_MS)  # as long as a call of that time may still be told
    world.place(plan=OTHER)
    fields = world.client.hkeys(world.cell.line(world.engine.line(NUMBER).id))
    assert [name for name in fields if name.startswith("r:")] == []


def test_declining_one_plan_bars_neither_a_yes_to_another_nor_its_activation(world):
    other = world.place(plan=OTHER)
    order = world.place(plan=PLAN)
    world.run()
    world.clock.forward(seconds=5)
    world.say(f"不同意{order.doc.code}")
    world.run()
    world.say(f"是{other.doc.code}")
    world.run()
    assert [world.state(each) for each in (order, other)] == ["declined", "notified"]


@pytest.mark.parametrize("words", ["TD", "嗯"])
def test_only_a_no_cools_a_plan_off(world, words):
    world.place()
    world.run()
    world.say(words)
    world.run()
    assert "cool_off" not in {each.kind for each in world.engine.line(NUMBER).restrictions}


def test_a_no_read_between_the_look_at_a_line_and_the_placing_keeps_the_order_out(world):
    declining = world.place(plan=PLAN)
    world.run()
    world.clock.forward(seconds=5)
    world.say("不同意")
    with pytest.raises(Exception, match="open"):
        world.place(plan=PLAN)
    world.run(Lane.INBOUND)
    assert world.state(declining) == "declined"
    with pytest.raises(CoolingOff):
        world.place(plan=PLAN)


def test_what_a_line_may_not_be_offered_stays_when_its_orders_leave(world):
    declined(world)
    before = world.engine.line(NUMBER).restrictions
    assert [each.name for each in before] == [f"cool_off:mobile/{PLAN}"]
    world.clock.forward(hours=24 * 40)
    world.run()
    assert world.engine.line(NUMBER).restrictions == before
