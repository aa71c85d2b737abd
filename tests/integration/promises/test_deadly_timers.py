"""A timer that its workers die of is put on the stuck list, and costs none that was leased with it."""

from consent_engine.domain.effects import LEAVES, WAKE_WINDOW, Lane
from consent_engine.domain.msisdn import parse
from consent_engine.engine.perform import KEPT
from consent_engine.engine.round_trips import drive
from consent_engine.engine.timers import MOST_LOST, waking


def asked_long_ago(world, *numbers):
    """Return orders whose reply windows close now."""
    orders = [world.place(number) for number in numbers]
    world.run()
    world.clock.forward(hours=12)
    world.run()
    world.clock.forward(hours=36)
    return orders


def die_of(world, order, deaths):
    """Perform timers as a worker does that dies of one order's, so many times; return what else it did."""
    done = 0
    for _ in range(200):
        leased = [each for each in world.engine.store.lanes.lease(Lane.TIMER, 100) if each.effect not in LEAVES]
        if any(each.held.record == order.id for each in leased):
            world.clock.forward(seconds=61)  # with all that it had leased
            deaths -= 1
        else:
            drive(world.engine.store, [waking(each, world.engine.outside, lambda: None, KEPT) for each in leased])
            done += len(leased)
        if not deaths:
            return done
    raise AssertionError("it was not leased so often")


def test_a_timer_that_its_workers_die_of_waits_for_a_person(world):
    [order] = asked_long_ago(world, parse("13800138000"))
    die_of(world, order, MOST_LOST)
    assert world.engine.stuck() == []
    die_of(world, order, 1)
    world.run()
    [stuck] = world.engine.stuck()
    assert (stuck.id, stuck.effect, stuck.why) == (order.id, WAKE_WINDOW, "workers_lost:5")
    assert world.state(order) == "awaiting_reply"
    world.engine.retry(order.id, "ops-1")
    world.run()
    assert (world.state(order), world.engine.stuck()) == ("expired", [])


def test_timers_that_were_leased_with_a_deadly_one_are_done(world):
    orders = asked_long_ago(world, *(parse(f"1380013810{n}") for n in range(10)))
    deadly = sorted(orders, key=lambda order: order.id)[3]
    assert die_of(world, deadly, MOST_LOST + 1) >= len(orders) - 1
    world.run()
    assert [each.id for each in world.engine.stuck()] == [deadly.id]
    assert sorted(world.state(order) for order in orders) == ["awaiting_reply"] + ["expired"] * 9


def test_what_lost_its_worker_is_leased_alone_whatever_is_due_before_and_behind_it(world):
    numbers = [parse(f"1380013800{n}") for n in range(3)]
    lost, before, behind = [world.place(number).line for number in numbers]
    world.run()
    lanes = world.engine.store.lanes
    world.say("是", numbers[0])
    assert [each.record.id for each in lanes.lease(Lane.INBOUND, 9)] == [lost]
    world.say("是", numbers[1])
    world.clock.forward(seconds=61)  # its worker died
    world.say("是", numbers[2])
    leased = [[each.record.id for each in lanes.lease(Lane.INBOUND, 9)] for _ in range(3)]
    assert leased == [[before], [lost], [behind]]
