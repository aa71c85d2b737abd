"""What a line is answered of its own, and the gateway refuses for good: a person sees it; a code is void by then."""

import pytest

from consent_engine.domain.effects import Accepted, Lane, Purpose, Rejected
from consent_engine.domain.line.proof_code import CodeAsked
from consent_engine.domain.msisdn import Msisdn
from tests.conftest import NUMBER

ANSWERS = {
    "TD": Purpose.OPTED_OUT, "免营销": Purpose.MARKETING_FREE, "HELP": Purpose.HELP, "烦死了": Purpose.HELD,
}  # fmt: skip


@pytest.mark.parametrize(("text", "purpose"), ANSWERS.items(), ids=ANSWERS.values())
def test_an_answer_that_the_gateway_refuses_waits_for_a_person(world, text, purpose):
    world.gateway.answers = [Rejected("route closed")]
    world.say(text)
    world.run(Lane.INBOUND, Lane.SMS)
    [stuck] = world.engine.stuck()
    assert (stuck.effect.split(".")[1], stuck.why) == (purpose, "route closed")
    world.gateway.answers = [Accepted("m-1")]
    world.engine.retry_other(stuck.id, "ops-1")
    world.run(Lane.SMS)
    assert world.engine.stuck() == []
    assert [sms.purpose for sms in world.gateway.sent] == [purpose] * 2


def test_a_second_refusal_of_an_answer_is_believed(world):
    world.gateway.answers = [Rejected("route closed"), Rejected("no such number")]
    world.say("TD")
    world.run(Lane.INBOUND, Lane.SMS)
    [stuck] = world.engine.stuck()
    world.engine.retry_other(stuck.id, "ops-1")
    world.run(Lane.SMS)
    assert world.engine.stuck() == []
    assert not world.engine.dial(NUMBER, "mobile").callable


def test_a_code_that_the_gateway_refuses_is_void_before_a_person_could_send_it(world):
    world.gateway.answers = [Rejected("no such number")]
    world.engine.reports.send_code(CodeAsked(Msisdn(NUMBER), "mobile"))
    world.run(Lane.SMS)
    assert [sms.purpose for sms in world.gateway.sent] == [Purpose.CODE]
    assert world.engine.stuck() == []
