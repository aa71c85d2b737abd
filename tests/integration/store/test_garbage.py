"""Garbage in one record, of whatever kind, stops that record only: no lane, and no post of a gateway."""

import pytest
from msgspec.structs import replace

from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.domain.effects import ACTIVATE, Lane, lane_of
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.offer.offer import Offer
from consent_engine.domain.order.order import opened
from consent_engine.domain.sms import Reply
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Change, Commit
from tests import needs
from tests.conftest import NUMBER, World

ANOTHER = "+8613900139000"
DEEP = "[" * 100_000
ODD = [
    '[0,0,0,0,0,"","","",0,[["mobile"]]]',
    '[0,0,0,0,0,"","","",0,[{}]]',
    '[0,0,0,0,0,"",{},"",0]',
    '[0,0,0,0,0,"","","",0,' + DEEP,
]
"""Garbage that the lease script takes for effects."""


def confirmed(world, *numbers):
    orders = [world.place(number) for number in numbers]
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    for number in numbers:
        world.say("是", number)
    world.run(Lane.INBOUND)
    return orders


def goes_on_without(world, broken, sound):
    world.run(Lane.ACTIVATION)
    assert [each.order_id for each in world.bss.asked] == [sound.id]
    assert [(each.id, each.effect) for each in world.engine.store.lanes.stuck(9)] == [(broken.id, ACTIVATE)]


@pytest.mark.parametrize(
    ("name", "kept"), [*((f"f:{ACTIVATE}", kept) for kept in ODD), ("doc", DEEP), ("e1", DEEP), ("who", DEEP)]
)
def test_an_effect_or_a_field_of_another_shape_stops_no_other_order(world, name, kept):
    broken, sound = confirmed(world, NUMBER, ANOTHER)
    world.client.hset(world.cell.order(broken.id), name, kept)
    goes_on_without(world, broken, sound)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    needs.server()
    with EmbeddedServer.start(tmp_path_factory.mktemp("data"), "everysec") as started:
        yield started


@pytest.fixture
def real(server):
    client = connect(server.url)
    client.flushall()
    made = World(client)
    yield made
    made.runner.close()
    client.close()


@pytest.mark.parametrize("name", ["mac", "state", "who", "doc", "e1", "p2", f"f:{ACTIVATE}", "added"])
def test_bytes_that_are_no_text_stop_no_other_order(real, name):
    broken, sound = confirmed(real, NUMBER, ANOTHER)
    key = real.cell.order(broken.id)
    told = b'[0,0,0,0,0,"","\xff","",0]' if name == f"f:{ACTIVATE}" else b"\xff\xfe"
    real.client.hset(key, name, told)
    if name == "added":
        real.run(Lane.ACTIVATION)
        assert len(real.bss.asked) == 2, "nothing reads it"
    else:
        goes_on_without(real, broken, sound)


@pytest.mark.parametrize("kept", ["x", "{}", "[]", '["1"]', DEEP])
@pytest.mark.parametrize(("words", "name"), [("TD", "mobile"), ("再打我就投诉", "suspected:mobile")])
def test_a_restriction_that_nobody_can_read_is_written_anew_and_loses_no_message(real, words, name, kept):
    real.say("你好")
    line = real.cell.line(real.engine.line(NUMBER).id)
    real.client.hset(line, f"r:{name}", kept)
    posted = [Reply("test", f"mo-{n}", Msisdn(number), "10085", words) for n, number in enumerate([NUMBER, ANOTHER])]
    assert [each.is_new for each in real.engine.receive(posted)] == [True, True]
    assert not real.engine.dial(NUMBER, "mobile").callable
    assert not real.engine.dial(ANOTHER, "mobile").callable


@pytest.mark.parametrize(
    ("effect", "kept"),
    [
        ("sms.clarification.9", '[0,0,0,0,0,"","","",0,["nope","700 x"]]'),
        ("sms.notification.1", '[0,0,0,0,0,"","","",0,["mobile","700 x"]]'),
        ("sms.help.1", "[]"),
        ("wake.archive", "[]"),
        ("wake.no_such", "[]"),
        (ACTIVATE, "[]"),
    ],
)
def test_an_effect_that_no_line_wants_is_parked_and_stops_no_other(world, effect, kept):
    broken, sound = (world.place(number) for number in (NUMBER, ANOTHER))
    lane = lane_of(effect)
    world.client.hset(world.cell.line(broken.line), f"f:{effect}", kept)
    world.client.zadd(world.cell.dues(lane)[0], {f"l:{broken.line}:{effect}": 1})
    world.run(lane)
    assert world.engine.store.lanes.stuck(9)[0].effect == effect
    world.run(Lane.SMS)
    assert [sms.to for sms in world.gateway.sent if sms.purpose != "confirmation"] == []
    assert [world.state(order) for order in (broken, sound)] == ["awaiting_reply", "awaiting_reply"]


def test_an_effect_that_no_lane_does_breaks_its_order_and_no_outcome_is_lost(world):
    broken, sound = confirmed(world, NUMBER, ANOTHER)
    world.client.hset(world.cell.order(broken.id), "f:end", "[]")
    goes_on_without(world, broken, sound)
    assert world.state(sound) == "activated"


def test_a_repeat_is_answered_though_its_line_cannot_be_read(world):
    order = world.place(key="k")
    world.client.hset(world.cell.line(order.line), "r:mobile", "x")
    assert world.place(key="k").id == order.id
    with pytest.raises(BrokenRecord):
        world.place(key="another")


def test_words_of_a_newer_program_lose_no_refusal(world):
    order = world.engine.show(world.place().id)
    newer = replace(order.doc, offer=Offer.decode(replace(order.doc.offer, words=99).encode()))
    made, fields = opened(newer, order.person, order.line, "salt")
    world.client.delete(world.cell.order(order.id))
    world.engine.store.records.commit([Commit("place", (Change.of(made, fields),))])
    assert world.engine.show(order.id).doc.offer.words == 99
    posted = [
        Reply("test", "mo-1", Msisdn(ANOTHER), "10085", "TD"),
        Reply("test", "mo-2", NUMBER, "10085", "再打我就投诉"),
    ]
    assert [each.is_new for each in world.engine.receive(posted)] == [True, True]
    assert [world.engine.dial(number, "mobile").callable for number in (NUMBER, ANOTHER)] == [False, False]
