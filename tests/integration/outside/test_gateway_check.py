"""Whether a long text arrives whole is tested on an operator's own handset, by the path of every SMS."""

import pytest

from consent_engine.domain.decide.wanted_effects import follows
from consent_engine.domain.effects import Accepted, Lane, Purpose, Rejected, Unavailable, Uncertain
from consent_engine.domain.hitch import in_words
from consent_engine.domain.line.line import Line
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Delivery, DeliveryReport, split
from consent_engine.domain.texts.render import proof
from consent_engine.engine.gateway_check import checking, forgetting, standing, watched
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import DoNotCall
from tests.conftest import NUMBER

PARTS = 4


@pytest.fixture
def check(world):
    line = world.engine.line(Msisdn(NUMBER))
    return world.engine.run(checking(line.id, Msisdn(NUMBER), "mobile"))


def stands(world, check):
    return standing(world.engine.store.records, check)


def part(world, check, n, status=Delivery.DELIVERED, of=PARTS, message_id="m1"):
    ref = f"{check.line}.{check.effect.removeprefix('sms.')}"
    world.engine.receive([DeliveryReport("test", ref, message_id, status, n, of, alone=of > 1)])


def kept(world, check):
    return [name for name in world.client.hkeys(f"ce:{{0}}:line:{check.line}") if name.startswith(("d:", "f:sms."))]


def test_four_parts_go_out_by_the_lane_of_every_sms_and_each_says_which_it_is(world, check):
    assert world.queue.woken == [Lane.SMS]
    [line] = world.engine.store.records.look({Line: [check.line]}).of(Line).values()
    assert all(follows(effect, line) for effect in line.effects)
    world.run()
    [sms] = world.gateway.sent
    assert (sms.purpose, sms.to, sms.sender) == (Purpose.PROVE, NUMBER, "10085")
    parts = split(sms.text)
    assert len(parts) == PARTS
    for n, text in enumerate(parts, 1):
        assert f"第{n}段，共4段" in text


@pytest.mark.parametrize("carrier", ["mobile", "telecom", "unicom", None])
def test_it_is_four_segments_whoever_signs_it(carrier):
    assert [len(text) for text in split(proof(carrier))] == [67, 67, 67, 67]


def test_it_is_whole_once_every_part_has_arrived_and_nothing_of_it_stays(world, check):
    world.run()
    for n in (3, 1, 4):
        part(world, check, n)
    part(world, check, 2, Delivery.ACCEPTED)
    world.run()
    now = stands(world, check)
    assert (now.whole, now.over, now.attempts[0].here, now.attempts[0].accepted) == (False, False, (1, 3, 4), (2,))
    part(world, check, 2)
    world.run()
    assert (stands(world, check).whole, stands(world, check).over) == (True, True)
    assert world.client.xlen("ce:{0}:unmatched") == 0
    world.engine.run(forgetting(check))
    assert kept(world, check) == []


def test_a_part_that_is_lost_ends_it(world, check):
    world.run()
    part(world, check, 2, Delivery.FAILED)
    world.run()
    assert (stands(world, check).over, stands(world, check).whole) == (True, False)


def test_reports_before_the_answer_and_on_the_whole_count_too(world):
    def call(sms):
        part(world, check, 1, of=1)
        return Accepted("m1")

    world.gateway.answers = [call]
    check = world.engine.run(checking(world.engine.line(Msisdn(NUMBER)).id, Msisdn(NUMBER), "mobile"))
    world.run()
    assert stands(world, check).whole


@pytest.mark.parametrize("early", [(), (2,), (3, 1), (4, 2, 1, 3)])
def test_parts_with_ids_of_their_own_are_parts_of_one_attempt_whenever_the_answer_comes(world, early):
    seen = []

    def call(sms):
        for n in early:
            part(world, check, n=1, of=1, message_id=f"m{n}")
        world.read_now()
        seen.append(stands(world, check).whole)
        return Accepted("m1", parts=("m1", "m2", "m3", "m4"))

    world.gateway.answers = [call]
    check = world.engine.run(checking(world.engine.line(Msisdn(NUMBER)).id, Msisdn(NUMBER), "mobile"))
    world.run()
    for n in sorted({1, 2, 3, 4} - set(early)):
        seen.append(stands(world, check).whole)
        part(world, check, n=1, of=1, message_id=f"m{n}")
        world.run()
    assert not any(seen)
    now = stands(world, check)
    assert (now.whole, [each.here for each in now.attempts]) == (True, [(1, 2, 3, 4)])


@pytest.mark.parametrize("answers", [[Rejected("no route")], [Uncertain("timeout"), Uncertain("timeout")]])
def test_what_is_refused_or_stays_in_doubt_says_why_and_waits_for_nobody(world, check, answers):
    world.gateway.answers = answers
    world.run()
    world.clock.forward(seconds=601)
    world.run()
    now = stands(world, check)
    assert now.over
    assert not now.whole
    assert in_words(now.pending.why).startswith(("no route", "timeout"))
    world.engine.run(forgetting(check))
    assert (kept(world, check), world.engine.stuck()) == ([], [])


def test_nothing_goes_out_once_nobody_waits(world, check):
    world.engine.run(forgetting(check))
    world.run()
    assert world.gateway.sent == []


def test_a_number_that_refused_is_no_handset_to_check_with(world):
    world.engine.refuse(RefusalAsked(Msisdn(NUMBER), "*", "voice", "A1024"))
    with pytest.raises(DoNotCall):
        world.engine.run(checking(world.engine.line(Msisdn(NUMBER)).id, Msisdn(NUMBER), "mobile"))


def test_a_check_beside_an_order_leaves_it_alone(world):
    order = world.place()
    world.run()
    check = world.engine.run(checking(order.line, Msisdn(NUMBER), "mobile"))
    world.run()
    part(world, check, 1, Delivery.FAILED)
    world.run()
    world.engine.run(forgetting(check))
    world.clock.forward(seconds=5)
    world.say("是")
    world.run()
    assert world.state(order) == "notified"


def test_whoever_watches_hears_of_changes_only_and_no_longer_than_wanted(world, check):
    world.gateway.answers = [Unavailable("busy"), Accepted("m1")]
    steps = [lambda: None, world.run, lambda: None]

    def pause():
        steps.pop(0)()
        return bool(steps)

    seen = list(watched(lambda: stands(world, check), pause))
    assert [each.pending.attempts if each.pending else None for each in seen] in ([0, 1], [0, None])
