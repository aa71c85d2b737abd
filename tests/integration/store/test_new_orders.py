"""New orders are saved many at once: each as it would be saved alone, or not at all."""

import pytest

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.codec import Offers
from consent_engine.adapters.redis.commits import Commits
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.call import Call
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Seal
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import CommitResult
from tests.conftest import NUMBER, OTHER, SECOND, World
from tests.memory import a_store

THIRD = "13700137000"
SEAL = Seal("test-secret")


@pytest.fixture
def world():
    made = World(a_store())
    made.engine.store = fresh(made)
    yield made
    made.runner.close()
    made.client.close()


@pytest.fixture
def store(world):
    return world.engine.store


def wanted(world, numbers, *, plan="5g-smart-199"):
    """Return requests to place, each with a call of its own."""
    return [
        Placing("desk", f"{plan}-{n}", world.request(number, plan, recording_id=f"rec-{plan}-{n}"))
        for n, number in enumerate(numbers)
    ]


def made_of(world, placings):
    """Return the commits that would place these; nothing is saved."""
    records, found = world.engine.store.records, []
    commit = records.commit

    def kept(commits, **more):
        found.extend(commits)
        raise StoreUnavailable("not now")

    records.commit = kept
    try:
        world.engine.place_many(placings)
    except StoreUnavailable:
        pass
    finally:
        records.commit = commit
    return found


def words(store, commits):
    return store.records.commit(commits)


def everything(client):
    """Return everything in the cell, of whatever type."""
    read = {"hash": client.hgetall, "list": lambda key: client.lrange(key, 0, -1),
            "zset": lambda key: client.zrange(key, 0, -1, withscores=True), "stream": client.xrange}  # fmt: skip
    return {key: read[client.type(key)](key) for key in client.keys("ce:{0}:*")}


def one_by_one(world, commits):
    """Save commits one by one."""
    calls = Calls()
    for commit in commits:
        alone = Commits(world.cell, SEAL, Offers(Wire(world.client, proves=False, replicas=0), world.cell))
        alone.add(commit)
        calls.script("commit", *alone.asked(world.clock()))
    Wire(world.client, proves=False, replicas=0).send(calls)


def emptied(world):
    """Empty the store; return one on it."""
    world.client.delete(*world.client.keys("ce:{0}:*"))
    return fresh(world)


def fresh(world):
    return redis_store(Wire(world.client, proves=False, replicas=0), lease_ms=60_000, clock=world.clock, seal=SEAL)


def test_in_one_go_everything_is_written_that_is_written_one_by_one(world, store):
    commits = made_of(world, wanted(world, [NUMBER, OTHER, THIRD]))
    assert words(store, commits) == [CommitResult.OK] * 3
    together = everything(world.client)
    emptied(world)
    one_by_one(world, commits)
    assert len(together) > 9, "records and lists"
    assert together == everything(world.client)


def test_of_two_orders_of_one_number_the_second_is_admitted_again_and_leaves_no_trace(world, store):
    [first], [second] = (made_of(world, [each]) for each in wanted(world, [NUMBER, NUMBER]))  # of two processes
    assert words(store, [first]) == [CommitResult.OK]
    alone = everything(world.client)
    saved = emptied(world).records.commit([first, second])
    assert saved == [CommitResult.OK, CommitResult.STALE]
    assert everything(world.client) == alone


def test_what_was_saved_is_recognised_and_is_not_counted_again(world, store):
    commits = made_of(world, wanted(world, [NUMBER, OTHER]))
    assert words(store, commits) == [CommitResult.OK] * 2
    was = everything(world.client)
    assert words(store, commits) == [CommitResult.SAME] * 2
    assert everything(world.client) == was


@pytest.mark.parametrize("which", [1, 2])
def test_a_call_or_a_line_that_came_meanwhile_stops_that_order_alone(world, store, which):
    commits = made_of(world, wanted(world, [NUMBER, OTHER]))
    record = commits[0].records[which].id
    world.client.hset(world.cell.line(record) if which == 2 else f"ce:{{0}}:call:{record}", "v", "7")
    saved = store.records.commit(commits)
    assert saved == [CommitResult.STALE, CommitResult.OK]
    assert not world.client.exists(world.cell.order(commits[0].records[0].id))


def test_an_offer_that_is_not_there_is_said_once_more_and_both_orders_are_saved(world, store):
    commits = made_of(world, wanted(world, [NUMBER, OTHER, THIRD]))
    assert words(store, commits[:1]) == [CommitResult.OK]
    assert store.records.look({Order: [commits[0].records[0].id]}).of(Order), "from now on it is believed to be there"
    world.client.delete("ce:{0}:offers")
    assert words(store, commits[1:]) == [CommitResult.OK] * 2
    assert world.client.hlen("ce:{0}:offers") == 1


def test_the_instants_of_a_line_do_not_go_back(world, store):
    world.place(NUMBER)
    [commit] = made_of(world, wanted(world, [NUMBER], plan=SECOND))
    line = commit.records[-1].id
    later = str(world.clock.now + 50_000)
    world.client.hset(world.cell.line(line), "seen", later)
    assert words(store, [commit]) == [CommitResult.OK]
    assert world.client.hget(world.cell.line(line), "seen") == later


def test_of_a_number_that_nobody_knows_the_line_alone_is_looked_at_and_an_order_without_its_line_is_found(world, store):
    looked, look = [], store.records.look

    def seen(wanted, *, prove=False):
        looked.append([kind for kind, ids in wanted.items() if ids])
        return look(wanted, prove=prove)

    store.records.look = seen
    [one] = wanted(world, [NUMBER])
    order = world.engine.place(one).order
    assert looked == [[Line]]
    world.client.delete(world.cell.line(order.line))  # the store was damaged
    again = world.engine.place(one)
    assert (again.created, again.order.head) == (False, order.head)
    assert looked[1:] == [[Line], [Order, Line, Call], [Order]], (
        "as of a new one, then all of it, then whether it stands"
    )
