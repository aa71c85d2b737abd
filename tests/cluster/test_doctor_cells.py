"""The doctor looks at every cell, not only at the first. The command itself: test_road.py."""

import pytest

from consent_engine.adapters.redis.cells import cell_of
from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.doctor import records
from consent_engine.doctor.findings import Level
from consent_engine.doctor.records import Wanted
from consent_engine.domain.effects import WAKE_WINDOW, Lane
from consent_engine.domain.lifecycle import State
from consent_engine.ports import Owner
from tests import needs
from tests.cluster.celled import Celled, lived_in
from tests.memory import a_store

COUNT = 4
MANY = 30
EVERYTHING = Wanted(all=True)


@pytest.fixture
def world():
    made = Celled(a_store(), COUNT)
    yield made
    made.runner.close()


def survey(world, **more):
    first, *others = ((world.wire(cell.number), cell) for cell in world.names)
    return RedisSurvey(*first, *others, **more)


def look(world, wanted=EVERYTHING):
    return list(records.records(world.engine.store, survey(world), 60_000, wanted, lambda told: None))


def troubles(world, wanted=EVERYTHING):
    return [each.what for each in look(world, wanted) if each.level is not Level.GOOD]


def waiting(world, orders):
    """An order of the last cell that waits for a reply."""
    return next(
        order for order in world.engine.lookup.load(orders)[1].values()
        if order.state is State.AWAITING_REPLY and cell_of(order.id, COUNT) == COUNT - 1
    )  # fmt: skip


def test_of_sound_cells_nothing_is_told_and_all_is_looked_at(world):
    orders = lived_in(world, MANY)
    found = look(world)
    assert [each for each in found if each.level is not Level.GOOD] == []
    assert f"looked at {len(orders)} orders" in found[0].what
    assert f"looked at {2 * len(orders)} reservations" in found[1].what
    names = {name for piece in world.engine.store.records.names(Owner.ORDER) for name in piece}
    assert names == set(orders)
    assert survey(world).unmatched(0, 1 << 62, 3) == 3


def test_what_is_missing_in_the_last_cell_is_found_and_put_back(world):
    order = waiting(world, lived_in(world, MANY))
    world.client.zrem(world.names[-1].due[Lane.TIMER], f"o:{order.id}:{WAKE_WINDOW}")
    [told] = troubles(world)
    assert "in no due-set" in told
    assert order.id in told
    troubles(world, Wanted(all=True, mend=True))
    assert troubles(world) == []
    assert world.client.zscore(world.names[-1].due[Lane.TIMER], f"o:{order.id}:{WAKE_WINDOW}")


def test_a_lost_record_of_the_last_cell_is_found(world):
    order = waiting(world, lived_in(world, MANY))
    assert troubles(world) == []
    world.client.delete(world.names[-1].order(order.id))
    assert any("gone from Redis" in told and order.id in told for told in troubles(world))


def test_a_look_at_a_few_is_a_look_at_every_cell(tmp_path):
    """On a server that scans a small set, too, in pieces as small as asked."""
    needs.server()
    with EmbeddedServer.start(tmp_path / "data", "everysec") as server:
        client = connect(server.url)
        client.config_set("zset-max-listpack-entries", 0)
        _looked_at_in_turn(Celled(client, COUNT))


def _looked_at_in_turn(world):
    lived_in(world, 2 * MANY)
    world.runner.close()
    some = survey(world, piece=2).waiting(Lane.TIMER, None)
    pieces = [next(some) for _ in range(2 * COUNT)]
    assert [{cell_of(member.split(":")[1], COUNT) for member in piece} for piece in pieces] == [{0}, {1}, {2}, {3}] * 2
