"""SMS that were handed over can be shown word for word, also where the order moved while the call was under way."""

from consent_engine.domain.decide.decision import OUTCOME_MS
from consent_engine.domain.decide.sms_texts import sent
from consent_engine.domain.effects import ACTIVATE, Accepted, Lane, Purpose, Rejected
from consent_engine.domain.order.facts import Ended
from consent_engine.engine.change_order import recording
from consent_engine.engine.round_trips import drive


def bubbles(world, order):
    return [(each.purpose, each.text) for _, each in sent(world.engine.show(order.id))]


def test_every_sms_of_an_order_is_shown_as_the_gateway_was_handed_it(world):
    order = world.place()
    for said in ("", "嗯", "帮助", "是", "否"):
        if said:
            world.say(said)
        world.run()
    assert len(world.gateway.sent) == 5
    *of_the_order, _ = world.gateway.sent  # the last one is the line's: its subscriber has ended nothing yet
    assert bubbles(world, order) == [(sms.purpose, sms.text) for sms in of_the_order]


def test_an_sms_that_was_written_before_the_order_moved_is_shown_as_it_was_written(world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("是")
    world.run(Lane.INBOUND)
    store = world.engine.store
    [activation] = store.lanes.lease(Lane.ACTIVATION, 1)
    world.say("TD")
    world.run(Lane.INBOUND)
    hand_over = world.gateway.send

    async def send(sms):
        """Let the BSS refuse while the gateway has the answer to the STOP."""
        if sms.purpose is Purpose.OPTED_OUT:
            refused = Ended(ACTIVATE, activation.token, Rejected("no such subscriber"))
            [result] = drive(store, [recording(order.id, refused, held=activation.held)]).results
            assert result.state == "activation_failed"
        return await hand_over(sms) or Accepted("m")

    world.gateway.send = send
    world.clock.forward(milliseconds=OUTCOME_MS)
    world.run(Lane.SMS)
    handed = [(sms.purpose, sms.text) for sms in world.gateway.sent]
    assert Purpose.OPTED_OUT in dict(handed)
    assert dict(bubbles(world, order))[Purpose.OPTED_OUT] == dict(handed)[Purpose.OPTED_OUT]
