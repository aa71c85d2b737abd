"""Decisions are saved many at once: each as it would be alone, or not at all."""

import shutil
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis.exceptions import ResponseError

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.commits import MOST
from consent_engine.adapters.redis.embedded.server import connect_or_start
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import FRESH, WAKE_TOO_LATE, Lane
from consent_engine.domain.line.restriction import Kind, Restriction
from consent_engine.domain.order.details import Parked
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.order import QUESTION, sealed
from consent_engine.domain.seal import Chained, Seal, changed_by
from consent_engine.ports import Change, Commit, CommitResult, Owner
from tests import needs
from tests.conftest import NUMBER, OTHER, World
from tests.written_out import listed

THIRD = "13700137000"


@pytest.fixture(scope="module")
def server():
    needs.server()
    folder = Path(tempfile.mkdtemp(prefix="mc-"))
    with connect_or_start(folder / "data", "strict") as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def world(server):
    client = connect(server.url)
    client.flushdb()
    made = World(client)
    wire, seal = Wire(client, proves=True, replicas=0), Seal("test-secret")
    store = redis_store(wire, lease_ms=60_000, clock=made.clock, seal=seal)
    made.engine.store = listed(store, client, seal=seal)
    yield made
    made.runner.close()
    client.close()


@pytest.fixture
def orders(world):
    """Place three orders of three numbers; their subscribers are not asked yet."""
    wanted = [
        Placing("desk", f"k-{n}", world.request(number, recording_id=f"rec-{n}"))
        for n, number in enumerate((NUMBER, OTHER, THIRD))
    ]
    return [world.engine.show(each.order.id) for each in world.engine.place_many(wanted)]


def noted(order, op, put=(), drop=(), *, stamped=True):
    """Return a commit that notes something, and the order as it is afterwards."""
    event = Event.of(Parked(effect="/é", reason="\u2028"), 1, op)
    after, fields = sealed(order.moved(event), (event,), iter(["salt"]))
    change = Change.of(after, fields, put, drop)
    line = (Change(Owner.LINE, order.line, fields={"seen": "1795000000000"}),) if stamped else ()
    return Commit(op, (change, *line)), replace(after, version=order.version + 1)


def words(world, commits):
    return world.engine.store.records.commit(commits, prove=True)


def everything(client):
    """Return everything in the cell, of whatever type."""
    read = {"hash": client.hgetall, "list": lambda key: client.lrange(key, 0, -1),
            "zset": lambda key: client.zrange(key, 0, -1, withscores=True), "stream": client.xrange}  # fmt: skip
    return {key: read[client.type(key)](key) for key in client.keys("ce:{0}:*")}


def put_back(client, kept):
    client.flushdb()
    for key, value in kept.items():
        if isinstance(value, dict):
            client.hset(key, mapping=value)
        elif value and isinstance(value[0], tuple):
            client.zadd(key, dict(value))
        else:
            client.rpush(key, *value)


def due(world, lane=Lane.TIMER):
    [key] = world.cell.dues(lane)
    return dict(world.client.zrange(key, 0, -1, withscores=True))


def test_decisions_that_are_saved_together_leave_what_each_leaves_alone(world, orders):
    commits = [noted(order, "op", (Put(WAKE_TOO_LATE, 9),), ((QUESTION, Drop.ANYWAY),))[0] for order in orders]
    was = everything(world.client)
    assert [words(world, [commit]) for commit in commits] == [[CommitResult.OK]] * 3
    alone = everything(world.client)
    put_back(world.client, was)
    assert words(world, commits) == [CommitResult.OK] * 3
    assert everything(world.client) == alone
    assert len(world.client.lrange(world.cell.journal, 0, -1)) == len(was[world.cell.journal]) + 3


def test_each_is_decided_on_what_those_before_it_left(world, orders):
    first, after = noted(orders[0], "first")
    second, _ = noted(after, "second")
    assert words(world, [first, noted(orders[0], "other")[0], first, second]) == [
        CommitResult.OK, CommitResult.STALE, CommitResult.SAME, CommitResult.OK,
    ]  # fmt: skip
    assert world.engine.show(orders[0].id).version == orders[0].version + 2


def test_nothing_of_a_decision_that_was_refused_is_in_any_list(world, orders):
    commits = [noted(order, "op", (Put(WAKE_TOO_LATE, 9),))[0] for order in orders]
    before = everything(world.client)
    refused = replace(commits[1], records=(replace(commits[1].records[0], read=77), commits[1].records[1]))
    assert words(world, [commits[0], refused, commits[2]]) == [CommitResult.OK, CommitResult.STALE, CommitResult.OK]
    assert due(world)[f"o:{orders[1].id}:{WAKE_TOO_LATE}"] != 9
    entries = world.client.lrange(world.cell.journal, len(before[world.cell.journal]), -1)
    assert [changed_by(entry) for entry in entries] == [(Chained.ORDER, orders[n].id) for n in (0, 2)]


def test_what_one_takes_off_and_one_behind_it_puts_again_is_due(world, orders):
    off, after = noted(orders[0], "off", (), ((WAKE_TOO_LATE, Drop.ANYWAY),))
    on, _ = noted(after, "on", (Put(WAKE_TOO_LATE, 7, FRESH),))
    assert words(world, [off, on]) == [CommitResult.OK, CommitResult.OK]
    assert due(world)[f"o:{orders[0].id}:{WAKE_TOO_LATE}"] == 7
    assert words(world, [noted(world.engine.show(orders[1].id), "off", (), ((WAKE_TOO_LATE, Drop.ANYWAY),))[0]])
    assert f"o:{orders[1].id}:{WAKE_TOO_LATE}" not in due(world)


def test_a_record_that_cannot_be_read_stops_no_other(world, orders):
    commits = [noted(order, "op", (Put(WAKE_TOO_LATE, 9),))[0] for order in orders]
    world.client.delete(world.cell.order(orders[1].id))
    world.client.rpush(world.cell.order(orders[1].id), "damaged")
    with pytest.raises(ResponseError):
        words(world, commits)
    assert [due(world)[f"o:{orders[n].id}:{WAKE_TOO_LATE}"] for n in (0, 2)] == [9, 9]
    assert [world.engine.show(orders[n].id).version for n in (0, 2)] == [orders[n].version + 1 for n in (0, 2)]


def test_more_than_one_script_takes_are_answered_in_their_order(world, orders):
    commits, order = [], orders[0]
    for n in range(MOST + 2):
        commit, order = noted(order, f"op-{n}", stamped=False)
        commits.append(commit)
    again = [*commits, noted(orders[1], "late")[0]]
    assert words(world, again) == [CommitResult.OK] * (MOST + 3)
    assert words(world, again[-2:]) == [CommitResult.SAME, CommitResult.SAME]


def test_all_orders_of_a_call_that_wait_for_its_review_are_listed_and_let_go(world, orders):
    line, store = orders[0].line, world.engine.store
    waits = [Restriction(Kind.REVIEW, name, "", n, "review", "call") for n, name in enumerate(("one", "two"))]
    frozen = Change(Owner.LINE, line, fields={f"r:{each.name}": each.encode() for each in waits})
    assert words(world, [Commit("", (frozen,))]) == [CommitResult.OK]
    assert [row.restriction for row in store.queries.restrictions.page(Kind.REVIEW, None, 9).rows] == waits[::-1]
    freed = Change(Owner.LINE, line, fields={f"r:{each.name}": "" for each in waits})
    assert words(world, [Commit("", (freed,))]) == [CommitResult.OK]
    assert store.queries.restrictions.tally(Kind.REVIEW).count == 0


def test_nothing_is_written_of_a_decision_that_stamps_a_line_whose_instant_cannot_be_read(world, orders):
    commits = [noted(order, "op", (Put(WAKE_TOO_LATE, 9),))[0] for order in orders]
    world.client.hset(world.cell.line(orders[1].line), "seen", "damaged")
    for _ in range(2):
        with pytest.raises(ResponseError):
            words(world, commits)
    assert world.engine.show(orders[1].id).version == orders[1].version
    assert [due(world)[f"o:{each.id}:{WAKE_TOO_LATE}"] == 9 for each in orders] == [True, False, True]
