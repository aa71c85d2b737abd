"""Rows of the failure matrix: the BSS's answers to an activation, as seen by the order and on the handset."""

from consent_engine.domain.effects import Lane, Rejected, Unavailable, Uncertain


def confirmed(world):
    order = world.place()
    world.run(Lane.SMS)
    world.say("是")
    world.run(Lane.INBOUND)
    return order


def test_a_bss_that_refuses_ends_the_order_and_the_subscriber_is_told(world):
    order = confirmed(world)
    world.bss.answers[:] = [Rejected("no credit")]
    world.run()
    assert world.state(order) == "activation_failed"
    assert len(world.texts("failure")) == 1
    assert world.texts("notification") == []
    world.clock.forward(hours=100)
    world.say("是")
    world.run()
    assert len(world.bss.asked) == 1
    assert world.state(order) == "activation_failed"


def test_a_bss_that_is_away_is_asked_until_it_is_there_and_never_parked(world):
    order = confirmed(world)
    world.bss.answers[:] = [Unavailable("429", 1_000)] * 30
    for _ in range(40):
        world.clock.forward(seconds=700)
        world.run(Lane.ACTIVATION, Lane.SMS)
    assert world.engine.stuck() == []
    assert world.state(order) == "notified"
    assert len({activation.order_id for activation in world.bss.asked}) == 1
    assert len(world.bss.asked) == 31


def test_a_bss_in_doubt_is_asked_first_where_it_can_be_asked(world):
    order = confirmed(world)
    world.bss.answers[:] = [Uncertain("in_progress:")]
    world.run(Lane.ACTIVATION)
    world.bss.knows[order.id] = Rejected("was never begun")
    world.clock.forward(seconds=700)
    world.run(Lane.ACTIVATION)
    assert len(world.bss.asked) == 1
    assert [stuck.effect for stuck in world.engine.stuck()] == ["activate"]
    assert world.state(order) == "confirmed"
