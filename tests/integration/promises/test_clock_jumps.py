"""A store's clock that jumps: the instants of a line order what is known about it, and nothing is due by them."""

import pytest

from consent_engine.domain.effects import Lane
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.sms import Part
from tests.conftest import NUMBER

TWO_DAYS, AN_HOUR = 48, 3_600_000


def jumped(world, do, hours=TWO_DAYS):
    """Do something while the store's clock stands far ahead; afterwards it is right again."""
    world.clock.forward(hours=hours)
    do()
    world.clock.forward(hours=-hours)


def waits(world):
    """Return when effects are due, in hours from now, by the end of their member's name."""
    found = {}
    for lane in Lane:
        for member, due in world.client.zrange(f"ce:{{0}}:due:{lane.value}", 0, -1, withscores=True):
            found[member.split(":", 2)[2]] = (due - world.clock.now) / AN_HOUR
    return found


@pytest.fixture
def ahead(world):
    """Let the line of a number hear a message two days ahead."""
    jumped(world, lambda: (world.say("你好"), world.run()))
    return world


@pytest.mark.parametrize("hours", [0.5, TWO_DAYS])
def test_the_next_order_after_a_jump_of_the_stores_clock_is_asked_at_once_and_its_times_are_right(world, hours):
    world.policy = Policy(reminder_after=12 * AN_HOUR)
    world.engine = world.another()
    jumped(world, lambda: (world.say("你好"), world.run()), hours)
    order = world.place()
    world.run()
    assert len(world.texts("confirmation")) == 1
    shown = world.engine.show(order.id)
    assert (shown.state, abs(shown.doc.placed_at - world.clock.now) < 60_000) == ("awaiting_reply", True)
    assert abs(shown.reply_by - world.clock.now - 24 * AN_HOUR) < 60_000
    assert waits(world).pop("wake.reminder") == pytest.approx(12, abs=0.1)
    world.clock.forward(hours=12.1)
    world.run()
    assert len(world.texts("reminder")) == 1
    world.clock.forward(hours=12.1)
    world.run()
    assert world.state(order) == "expired"


@pytest.mark.parametrize("stamped", [False, True])
def test_a_yes_after_a_jump_of_the_stores_clock_counts_and_is_in_time_by_when_it_came(ahead, stamped):
    world, order = ahead, ahead.place()
    world.run()
    world.clock.forward(seconds=5)
    came = world.clock.now
    world.say("是", written_at=came if stamped else None)
    world.run()
    assert world.state(order) == "notified"
    said = next(event for event in world.engine.show(order.id).events if event.trigger == "said_yes")
    assert said.detail.received_at == came


@pytest.mark.parametrize(("hours", "ends"), [(23.9, "said_yes"), (24.1, "replied_late")])
def test_a_yes_after_the_window_is_not_in_time_for_the_instant_that_orders_it(ahead, hours, ends):
    world, order = ahead, ahead.place()
    world.run(Lane.SMS)
    world.clock.forward(hours=hours)
    world.say("是")
    world.run(Lane.INBOUND)
    assert world.triggers(order)[-1] == ends


def test_a_yes_that_is_in_time_is_read_before_its_window_closes_though_the_line_has_heard_of_later(ahead):
    world, order = ahead, ahead.place()
    world.run()
    world.clock.forward(hours=23.9)
    world.say("是")
    world.clock.forward(hours=1)
    world.run(Lane.TIMER)
    assert world.state(order) == "awaiting_reply"
    world.run()
    assert world.state(order) == "notified"


def test_a_yes_from_a_jump_that_is_read_after_a_later_question_does_not_count(world):
    jumped(world, lambda: world.say("是"))
    order = world.place()
    world.clock.forward(1)
    world.run(Lane.SMS)
    world.run(Lane.INBOUND)
    assert world.state(order) == "awaiting_reply"
    world.run()
    world.clock.forward(seconds=5)
    world.say("是")
    world.run()
    assert world.state(order) == "notified"


def test_a_yes_that_came_before_the_question_after_a_jump_does_not_count(ahead):
    world, order = ahead, ahead.place()
    world.clock.forward(1)
    world.say("是")
    world.clock.forward(1)
    world.run(Lane.SMS)
    world.run()
    assert (world.state(order), world.bss.asked) == ("awaiting_reply", [])


def test_a_suspicion_after_a_jump_waits_a_day_and_no_longer(ahead):
    world = ahead
    world.say("不是本人")
    [standing] = world.engine.line(NUMBER).restrictions
    assert standing.since == world.clock.now
    assert waits(world)["wake.undecided"] == 24
    world.clock.forward(hours=24.1)
    world.run()
    [standing] = world.engine.line(NUMBER).restrictions
    assert standing.kind == "refused"


def test_a_stop_after_a_jump_is_answered_and_is_of_when_it_came(ahead):
    world = ahead
    world.say("TD")
    world.run()
    assert len(world.texts("opted_out")) == 1
    assert abs(world.engine.line(NUMBER).restrictions[0].since - world.clock.now) < 1_000


def test_parts_of_a_reply_wait_no_longer_after_a_jump(ahead):
    world = ahead
    world.say("是", part=Part("7", 1, 2))
    assert waits(world)["wake.parts"] == pytest.approx(1 / 6)
