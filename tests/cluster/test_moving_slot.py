"""A script in a slot that is moving does all or nothing: it touches no key that it has emptied. A request refused
meanwhile is answered "not now": nothing is lost by it, and nothing done twice.
"""

import os
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
from redis.exceptions import ResponseError

from benchmarks.ports import free_port
from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import Accepted, Lane
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Endpoint
from consent_engine.ports.registry import EndpointKnown, PauseEvent
from tests.conftest import World
from tests.durability.history import broken
from tests.durability.servers import server
from tests.waiting import until

SLOT = 13907
"""The slot of the tag `{0}`."""
NOBODY = "o:0000nobody:wake.nothing"
ALL = ("due:inbound", "due:activation", "due:sms:mobile", "due:sms:telecom", "due:sms:unicom", "due:timer")


@contextmanager
def nodes(folder):
    """A node that has every slot, and one that they may move to."""
    with ExitStack() as stack:
        ports = free_port(), free_port()
        here, there = (
            stack.enter_context(
                server(folder / name, "cluster-enabled yes", f"cluster-port {bus}", "appendfsync always")
            )
            for name, bus in zip("ab", ports, strict=True)
        )
        here.do("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        here.do("CLUSTER", "MEET", "127.0.0.1", there.port, ports[1])
        until("they know each other", lambda: "cluster_known_nodes:2" in str(raw(there, "INFO")))
        for node in (here, there):
            until("it is up", lambda node=node: "cluster_state:ok" in str(raw(node, "INFO")))
        yield here, there


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with nodes(tmp_path_factory.mktemp("pair")) as made:
        yield made


def raw(node, *words):
    with node.client() as client:
        client.response_callbacks.clear()
        return client.execute_command("CLUSTER", *words)


def padded(made):
    """Put a member into each key that all share: a script is refused whole unless all its keys are there."""
    for name in ALL:
        made.client.zadd(f"ce:{{0}}:{name}", {NOBODY: "+inf"})
    for name in ("unmatched", "lifted"):
        made.client.xadd(f"ce:{{0}}:{name}", {"m": "{}"})
    made.engine.registry.pauses.change(
        PauseEvent(0, "lane", "nobody", paused=True, by="ops", reason="something stands there")
    )
    made.engine.registry.know(Endpoint("gateway", "nobody"), EndpointKnown(), EndpointKnown())


@pytest.fixture
def world(pair):
    with pair[0].client() as client:
        assert client.execute_command("CLUSTER KEYSLOT", "{0}") == SLOT
        made = World(client, cell=Cell(0, alone=False))
        padded(made)
        yield made
        client.execute_command("CLUSTER", "SETSLOT", SLOT, "STABLE")
        client.flushall()
        made.runner.close()


def test_a_commit_that_empties_a_due_set_and_fills_it_again_is_done_whole(pair, world):
    order = world.place()
    world.run(Lane.SMS)
    world.clock.forward(seconds=1)
    world.say("不要")
    world.client.zrem("ce:{0}:due:timer", NOBODY)
    effects = world.engine.show(order.id).effects
    # One more is the timer of its call.
    assert world.client.zcard("ce:{0}:due:timer") == 1 + len([name for name in effects if name.startswith("wake.")])
    world.client.execute_command("CLUSTER", "SETSLOT", SLOT, "MIGRATING", raw(pair[1], "MYID"))
    world.run(Lane.INBOUND)
    assert world.state(order) == "declined"
    world.client.execute_command("CLUSTER", "SETSLOT", SLOT, "STABLE")
    for name in ALL:
        world.client.zrem(f"ce:{{0}}:{name}", NOBODY)
    assert broken(world.client) == []


def test_a_lease_of_which_an_inbox_is_elsewhere_leaves_no_trace(pair, world):
    """Otherwise each lease would count as an attempt, and an unread yes would wait for a person."""
    here, there = pair
    for n in range(2):
        world.place(person(n))
    world.run(Lane.SMS)
    for n in range(2):
        world.say("是", person(n))
    [inbox, _] = sorted(world.client.keys("ce:{0}:inbox:*"))
    kept = {key: world.client.hgetall(key) for key in world.client.keys("ce:{0}:line:*")}
    there.do("CLUSTER", "SETSLOT", SLOT, "IMPORTING", raw(here, "MYID"))
    here.do("CLUSTER", "SETSLOT", SLOT, "MIGRATING", raw(there, "MYID"))
    here.do("MIGRATE", "127.0.0.1", there.port, inbox, 0, 5_000)
    with pytest.raises(ResponseError, match="non local key"):
        world.run(Lane.INBOUND)
    assert {key: world.client.hgetall(key) for key in kept} == kept
    there.do("FLUSHALL")
    there.do("CLUSTER", "SETSLOT", SLOT, "STABLE")


BATCH = 5
"""So many requests at once are done as one group (decision 19)."""


class Strict(World):
    """A world over both nodes, whose scripts go in groups and prove what they acknowledge."""

    proves = True

    def __init__(self, pair):
        nodes = ",".join(f"127.0.0.1:{node.port}" for node in pair)
        super().__init__(connect(f"redis+cluster://{nodes}", tag="0"), cell=Cell(0, alone=False))
        self.pair = pair
        self.requests = [self.request(person(n)) for n in range(3 * BATCH)]
        self.orders = {}
        self.outcomes = Counter()
        self.bss.can_ask = True
        self.bss.answers = [self.activated] * 1_000

    def activated(self):
        """Answer for the BSS, which from now on knows the activation."""
        order = self.bss.asked[-1].order_id
        self.bss.knows[order] = Accepted(f"act-{order}", "2025-11-25")
        return self.bss.knows[order]

    def desks(self, numbers):
        """Ask for all of them at once, as desks do that were answered "not now"; note the orders that are placed."""
        wanted = [Placing("desk", f"key-{n}", self.requests[n]) for n in numbers]
        try:
            placed = self.engine.place_many(wanted)
        except StoreUnavailable:
            placed = [None] * BATCH
        ids = [getattr(getattr(each, "order", None), "id", None) for each in placed]
        for n, order in zip(numbers, ids, strict=True):
            if order is not None:
                assert self.orders.setdefault(n, order) == order
        self.outcomes["placed" if None not in ids else "not placed"] += 1

    def replies(self, numbers):
        """Let subscribers say yes, all at once."""
        said = [Reply("test", f"yes-{n}", person(n), "10085", "是") for n in numbers]
        try:
            self.engine.receive(said)
        except StoreUnavailable:
            self.outcomes["not received"] += 1
        else:
            self.outcomes["received"] += 1

    def works(self):
        """Let a worker do as much as it can."""
        try:
            self.run()
        except StoreUnavailable:
            self.outcomes["not worked"] += 1
        else:
            self.outcomes["worked"] += 1


def person(n):
    return Msisdn(f"+8613800138{n:03d}")


@pytest.fixture
def strict(tmp_path):
    with nodes(tmp_path) as made:
        world = Strict(made)
        try:
            yield world
        finally:
            world.runner.close()
            world.client.close()


def moved(pair, keys):
    """Move the slot from one node to the other, a key at a time: the caller's loop runs after each key."""
    here, there = pair
    there.do("CLUSTER", "SETSLOT", SLOT, "IMPORTING", raw(here, "MYID"))
    here.do("CLUSTER", "SETSLOT", SLOT, "MIGRATING", raw(there, "MYID"))
    while keys:
        for key in keys:
            here.do("MIGRATE", "127.0.0.1", there.port, "", 0, 5_000, "KEYS", key)
            yield key
        keys = here.do("CLUSTER", "GETKEYSINSLOT", SLOT, 10)
    for node in (there, here):
        node.do("CLUSTER", "SETSLOT", SLOT, "NODE", raw(there, "MYID"))


DEEP = bool(os.environ.get("TESTS_DEEP"))


@pytest.mark.parametrize("first", ["inbox", "due"] if DEEP else ["inbox"])
def test_what_a_moving_slot_refuses_is_not_now_and_neither_lost_nor_done_twice(strict, first):
    """Whichever keys go first: the due-sets, as operators are told to, or the inboxes."""
    padded(strict)
    asked, said, later = (range(n, n + BATCH) for n in range(0, 3 * BATCH, BATCH))
    for numbers in (asked, said):
        strict.desks(numbers)
    strict.run(Lane.SMS)
    strict.replies(said)
    keys = strict.pair[0].do("CLUSTER", "GETKEYSINSLOT", SLOT, 1_000)
    keys.sort(key=lambda key: (key.endswith(("meta", "plans")), f":{first}" not in key, key))
    for n, _ in enumerate(moved(strict.pair, keys)):
        if n % 4 and not DEEP:
            continue
        strict.desks(later)
        strict.replies(asked)
        strict.works()
    print(strict.outcomes)  # noqa: T201 - the figures are the purpose
    assert set(strict.orders) == {*asked, *said}, "an order that is new there was refused, whole"
    for numbers in ([], asked, later):
        strict.desks(later)
        strict.replies(numbers)
        strict.clock.forward(seconds=61)  # leases are over
        strict.works()
    assert {strict.engine.show(order).state for order in strict.orders.values()} == {"notified"}
    assert len(strict.orders) == 3 * BATCH
    assert Counter(each.order_id for each in strict.bss.asked) == Counter(strict.orders.values()), "each once"
    assert set(Counter(each.ref for each in strict.gateway.sent).values()) == {1}
    for name in ALL:
        strict.client.zrem(f"ce:{{0}}:{name}", NOBODY)
    assert broken(strict.client) == []
