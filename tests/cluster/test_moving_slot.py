"""A script in a slot that is moving does all or nothing: no key that it has emptied is touched by it again."""

from contextlib import ExitStack

import pytest

from benchmarks.ports import free_port
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import Lane
from consent_engine.ports import Target
from consent_engine.ports.pauses import Pause
from tests.acceptance.house import until
from tests.conftest import World
from tests.durability.history import broken
from tests.durability.servers import server

SLOT = 13907
"""Of the tag `{0}`."""
ALL = ("due:inbound", "due:activation", "due:sms", "due:timer", "refusals", "held", "reviewing")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A node that has every slot, and one that they may move to."""
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        ports = free_port(), free_port()
        here, there = (
            stack.enter_context(server(folder / name, "cluster-enabled yes", f"cluster-port {bus}", "appendfsync no"))
            for name, bus in zip("ab", ports, strict=True)
        )
        here.do("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        here.do("CLUSTER", "MEET", "127.0.0.1", there.port, ports[1])
        until("they know each other", lambda: "cluster_known_nodes:2" in str(raw(there, "INFO")))
        until("it is up", lambda: "cluster_state:ok" in str(raw(here, "INFO")))
        yield here, there


def raw(node, *words):
    with node.client() as client:
        client.response_callbacks.clear()
        return client.execute_command("CLUSTER", *words)


@pytest.fixture
def world(pair):
    with pair[0].client() as client:
        assert client.execute_command("CLUSTER KEYSLOT", "{0}") == SLOT
        made = World(client, cell=Cell(0, alone=False))
        for name in ALL:  # a script whose keys are not all there is refused whole
            client.zadd(f"ce:{{0}}:{name}", {"o:0000nobody:wake.nothing": "+inf"})
        for name in ("unmatched", "lifted"):
            client.xadd(f"ce:{{0}}:{name}", {"m": "{}"})
        client.hset(made.cell.sold(CHINA.of(made.clock())), "placed|nothing|nobody", 1)
        made.engine.registry.pauses.pause(Target("lane", "nobody"), Pause(0, "ops", "something stands there"))
        yield made
        client.execute_command("CLUSTER", "SETSLOT", SLOT, "STABLE")
        client.flushall()
        made.runner.close()


def test_a_commit_that_empties_a_due_set_and_fills_it_again_is_done_whole(pair, world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("不要")
    world.client.zrem("ce:{0}:due:timer", "o:0000nobody:wake.nothing")
    effects = world.engine.show(order.id).effects
    # One more is the timer of its call.
    assert world.client.zcard("ce:{0}:due:timer") == 1 + len([name for name in effects if name.startswith("wake.")])
    world.client.execute_command("CLUSTER", "SETSLOT", SLOT, "MIGRATING", raw(pair[1], "MYID"))
    world.run(Lane.INBOUND)
    assert world.state(order) == "declined"
    world.client.execute_command("CLUSTER", "SETSLOT", SLOT, "STABLE")
    for name in ALL:
        world.client.zrem(f"ce:{{0}}:{name}", "o:0000nobody:wake.nothing")
    assert broken(world.client) == []
