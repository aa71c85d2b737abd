"""The content of the chain is checked when it is read: a record that was tampered with is never acted on."""

import hmac
from base64 import b64encode

import pytest

from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.at_rest import MARK
from consent_engine.domain.effects import ACTIVATE, Lane
from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord
from tests.at_rest import rewritten
from tests.conftest import NUMBER


def confirmed(world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("是")
    world.run(Lane.INBOUND)
    return order


def change(world, order, name, before, after):
    key = world.cell.order(order.id)
    kept = world.client.hget(key, name)
    if kept.startswith(MARK):
        rewritten(world.client, key, name, before, after)
        return
    assert before in kept
    world.client.hset(key, name, kept.replace(before, after))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("who", "+8613800138000", "+8613800138001"),
        ("p2", "是", "否"),
        ("e2", "said_yes", "said_no"),
        ("doc", "A1024", "A1025"),
        ("line", "0ce7", "0ce8"),
        ("head", "", "x"),
        ("mac", "", "x"),
        ("mac", "", "是"),
    ],
)
def test_an_order_that_somebody_changed_is_not_activated_and_stands_on_the_stuck_list(world, name, before, after):
    order = confirmed(world)
    change(world, order, name, before, after)
    world.run(Lane.ACTIVATION)
    assert world.bss.asked == []
    assert [(each.id, each.effect) for each in world.engine.store.lanes.stuck(9)] == [(order.id, ACTIVATE)]


def test_who_asks_for_an_order_that_somebody_changed_is_told_so(world):
    order = confirmed(world)
    change(world, order, "who", "+8613800138000", "+8613800138001")
    for ask in (world.engine.show, lambda order_id: world.engine.retry(order_id, "ops")):
        with pytest.raises(BrokenRecord, match="somebody changed it"):
            ask(order.id)


def test_a_person_part_that_somebody_emptied_is_no_erased_one(world):
    order = confirmed(world)
    world.client.hset(world.cell.order(order.id), "p2", "")
    with pytest.raises(BrokenRecord):
        world.engine.show(order.id)


def test_an_open_order_without_its_person_part_is_not_activated(world):
    order = confirmed(world)
    world.client.hdel(world.cell.order(order.id), "who")
    world.run(Lane.ACTIVATION)
    assert world.bss.asked == []


def test_nothing_is_sent_to_a_number_that_somebody_put_on_a_line(world):
    world.say("帮助")
    world.run(Lane.INBOUND)
    line = world.engine.line(NUMBER).id
    world.client.hset(world.cell.line(line), "msisdn", "+8613900139000")
    world.run(Lane.SMS)
    assert world.gateway.sent == []
    assert [each.id for each in world.engine.store.lanes.stuck(9)] == [line]
    with pytest.raises(BrokenRecord):
        world.engine.dial(NUMBER, "mobile")


def test_an_activation_that_nobody_confirmed_is_not_performed_whatever_the_record_says(world):
    order = world.place()
    world.run(Lane.SMS)
    world.client.hset(world.cell.order(order.id), mapping={"state": "confirmed", f"f:{ACTIVATE}": "[]"})
    world.client.zadd(Cell().due[Lane.ACTIVATION], {f"o:{order.id}:{ACTIVATE}": 1})
    world.run(Lane.ACTIVATION)
    assert world.bss.asked == []


def test_an_order_without_a_seal_is_broken(world):
    order = world.place()
    world.client.hdel(world.cell.order(order.id), "mac")
    with pytest.raises(BrokenRecord):
        world.engine.show(order.id)


def test_a_seal_of_another_secret_does_not_fit(world):
    order = world.engine.show(world.place().id)
    with pytest.raises(BrokenRecord):
        Seal("another").check(order, Seal("test-secret").of(order))


def public(order):
    return "\n".join([order.id, order.line, order.state, order.head, *order.publics]).encode()


def test_a_seal_is_the_first_half_of_an_hmac(world):
    order = world.engine.show(world.place().id)
    key = hmac.digest(b"test-secret", b"order record", "sha256")
    made = b64encode(hmac.digest(key, public(order), "sha256"))[:22].decode()
    assert world.client.hget(world.cell.order(order.id), "mac") == made
