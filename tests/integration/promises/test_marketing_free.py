"""Marketing-free numbers: they are neither dialled nor sold to; open orders go on."""

import pytest

from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.restriction import Kind, name_of, receipt_of
from consent_engine.domain.texts.render import registered
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import DoNotCall
from consent_engine.ports import LiftResult
from tests.conftest import NUMBER


def register(world, carrier="*"):
    return world.engine.refuse(RefusalAsked(NUMBER, carrier, "hotline", "ops", kind=Kind.MARKETING_FREE))


def test_a_registered_number_is_neither_dialled_nor_sold_to(world):
    assert register(world).is_new
    assert not register(world).is_new
    with pytest.raises(DoNotCall) as refused:
        world.place()
    assert refused.value.facts["reason"] == "marketing_free"
    assert world.engine.dial(NUMBER, "mobile").reason == "marketing_free"
    assert world.engine.dial(NUMBER, None).reason == "marketing_free"
    world.run()
    assert (world.engine.refusals().rows, world.due()[Lane.INBOUND]) == ((), 0)


def test_one_carrier_is_registered_and_others_may_call(world):
    register(world, "telecom")
    assert [world.engine.dial(NUMBER, each).callable for each in ("mobile", "telecom")] == [True, False]


def test_a_registration_bars_no_yes_and_no_activation_of_what_was_open_before(world):
    order = world.place()
    world.run()
    register(world)
    world.clock.forward(seconds=5)
    world.say("是")
    world.run()
    assert world.state(order) == "notified"


def test_a_registration_holds_back_no_activation_that_waits(world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=5)
    world.say("是")
    world.run(Lane.INBOUND)
    register(world)
    world.run()
    assert world.state(order) == "notified"


def test_the_word_for_it_by_sms_refuses_and_registers(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=5)
    world.say("免营销")
    assert {each.name for each in world.engine.line(NUMBER).restrictions} == {"mobile", "marketing_free:mobile"}
    world.run()
    assert world.state(order) == "declined"
    assert [each.kind for _, each in world.engine.refusals().rows] == ["refused"]


def answered(world):
    """Return the SMS that the number was sent since the question."""
    return [(sms.purpose, sms.text) for sms in world.gateway.sent if sms.purpose != "confirmation"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_word_for_it_is_answered_once_in_the_language_of_the_question_whether_an_order_is_open_or_not(
    world, language
):
    asked = world.request().model_copy(update={"language": language})
    order = world.engine.place(Placing("desk", "in-a-language", asked)).order
    world.run()
    world.clock.forward(seconds=5)
    world.say("免营销")
    world.run()
    world.say("我要免营销")
    world.run()
    receipt = receipt_of(world.engine.line(NUMBER).id, name_of(Kind.MARKETING_FREE, "mobile"))
    assert answered(world) == [("marketing_free", registered("mobile", language, receipt))]
    assert (world.state(order), world.bss.asked) == ("declined", [])
    world.clock.forward(hours=24)
    world.say("免营销")
    world.run()
    assert answered(world)[1:] == [("marketing_free", registered("mobile", language, receipt))], (
        "nothing is open any more"
    )


def test_after_an_activation_the_word_for_it_is_answered_with_no_word_of_the_service(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=5)
    world.say("是")
    world.run()
    world.clock.forward(hours=1)
    world.say("免营销")
    world.run()
    assert world.state(order) == "notified"
    assert [purpose for purpose, _ in answered(world)] == ["notification", "marketing_free"]


def test_another_stop_registers_nothing(world):
    world.say("TD")
    assert {each.name for each in world.engine.line(NUMBER).restrictions} == {"mobile"}


def test_lifting_the_refusal_leaves_the_registration_and_the_other_way_round(world):
    world.say("免营销")
    world.run()
    world.clock.forward(seconds=5)
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", world.clock.now) is LiftResult.OK
    assert world.engine.dial(NUMBER, "mobile").reason == "marketing_free"
    assert world.engine.lift(NUMBER, "marketing_free:mobile", "admin", "form-2", world.clock.now) is LiftResult.OK
    assert world.engine.dial(NUMBER, "mobile").callable


def test_a_registration_stays_when_the_orders_of_its_number_leave(world):
    order = world.place()
    world.engine.cancel(order.id, "A1024", "no")
    register(world)
    world.clock.forward(hours=24 * 60)
    world.run()
    assert world.engine.dial(NUMBER, "mobile").reason == "marketing_free"
