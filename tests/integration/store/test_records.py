"""A commit of any number of records of one cell: all of them are written, or none is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_engine.adapters.redis.cells import Cells
from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.sharded_store import ShardedRecords
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.decide.decision import PARKED, Drop, Put
from consent_engine.domain.effects import Lane, Pending
from consent_engine.ports import Change, Commit, CommitResult, Held, How, Owner
from tests.memory import a_store, given_back

CALL, ENDING, LINE, OTHER = "0ce7call", "0ce7end", "0ce7line", "0ce7other"
CELL = Cell()
AGAIN, LATER, WAITS = "activate", "wake.archive", "wake.line"
NOW = 1_764_000_000_000
HELD = Pending(attempts=3, leased_at=5)
OK = CommitResult.OK


def opened():
    client = a_store()
    return client, redis_store(Wire(client, proves=False, replicas=0), lease_ms=60_000, clock=lambda: 1_000)


def all_of(client):
    kinds = {"hash": "hgetall", "zset": "zrange", "list": "lrange", "stream": "xrange"}
    found = {}
    for key in client.keys("*"):
        kind = client.type(key)
        more = {"zset": (0, -1), "list": (0, -1)}.get(kind, ())
        found[key] = str(getattr(client, kinds[kind])(key, *more, **({"withscores": True} if kind == "zset" else {})))
    return found


def one(store, *records, op="op", **more):
    return store.records.commit([Commit(op, records, **more)])[0]


def event(op):
    return f'["told",1,"{op}"]'


def test_a_call_and_an_ending_are_written_with_an_order_of_nobody_and_their_line():
    client, store = opened()
    ending = Change(Owner.ENDING, ENDING, 0, {"e1": event("op")}, (Put(AGAIN, 7), Put(LATER, PARKED)))
    call = Change(Owner.CALL, CALL, 0, {"e1": event("op"), "up": "1"}, (Put(LATER, 9),))
    assert one(store, call, ending, Change(Owner.LINE, LINE, fields={"seen": "5000"})) == OK
    assert client.hgetall(f"ce:{{0}}:call:{CALL}") == {"v": "1", "e1": event("op"), "up": "1", f"f:{LATER}": "[]"}
    assert client.hgetall(f"ce:{{0}}:end:{ENDING}")["v"] == "1"
    assert client.hget(CELL.line(LINE), "seen") == "5000"
    assert client.zrange(CELL.due[Lane.ACTIVATION], 0, -1, withscores=True) == [(f"e:{ENDING}:{AGAIN}", 7)]
    timers = client.zrange(CELL.due[Lane.TIMER], 0, -1, withscores=True)
    assert timers == [(f"c:{CALL}:{LATER}", 9), (f"e:{ENDING}:{LATER}", float("inf"))]


def test_the_same_records_made_again_are_recognised_and_another_change_of_them_names_what_moved():
    client, store = opened()
    call = Change(Owner.CALL, CALL, 0, {"e1": event("op")})
    assert [one(store, call), one(store, call)] == [OK, CommitResult.SAME]
    ended = Change(Owner.CALL, CALL, 1, {"e2": event("ended")})
    line = Change(Owner.LINE, LINE, 0, {"seen": "1"})
    assert one(store, ended, line, op="ended") == OK
    assert one(store, ended, line, op="ended") == CommitResult.SAME
    assert one(store, ended, line, op="another") == CommitResult.STALE
    assert one(store, Change(Owner.CALL, CALL, 2), line, op="ended") == CommitResult.STALE
    assert client.hget(CELL.record(Owner.CALL, CALL), "v") == "2"


@pytest.mark.parametrize("read", [1, None])
def test_a_record_that_is_not_called_new_is_not_made(read):
    client, store = opened()
    assert one(store, Change(Owner.CALL, CALL, read, {"e1": "[]"})) == CommitResult.STALE
    assert client.keys("*") == []


def test_a_record_that_is_looked_at_stays_as_it_is_and_stops_everything_once_it_moved():
    client, store = opened()
    call = Change(Owner.CALL, CALL, 0, {"e1": event("op")})
    assert one(store, call) == OK
    was = all_of(client)
    ending = Change(Owner.ENDING, ENDING, 0, {"e1": "[]"})
    assert one(store, ending, Change(Owner.CALL, CALL, 2, how=How.LOOK)) == CommitResult.STALE
    assert all_of(client) == was
    assert (
        one(store, ending, Change(Owner.CALL, CALL, 1, how=How.LOOK), Change(Owner.LINE, LINE, 0, how=How.LOOK)) == OK
    )
    assert client.hgetall(CELL.record(Owner.CALL, CALL)) == {"v": "1", "e1": event("op")}
    assert not client.exists(CELL.line(LINE))


def test_records_of_several_cells_are_never_saved_together():
    client, store = opened()
    cells = ShardedRecords(Cells([store, store]))
    apart = (Change(Owner.LINE, "0ce7line"), Change(Owner.LINE, "3fffline"))
    with pytest.raises(ValueError, match="several cells"):
        cells.commit([Commit("", apart)])
    assert client.keys("*") == []


def test_a_careful_drop_of_a_second_record_stops_the_first_too():
    client, store = opened()
    call = Change(Owner.CALL, CALL, 0)
    assert one(store, call, Change(Owner.LINE, LINE, put=(Put(LATER, 9, HELD),))) == OK
    was = all_of(client)
    drop = ((LATER, Drop.NOT_IN_FLIGHT),)
    assert one(store, Change(Owner.CALL, CALL, 1), Change(Owner.LINE, LINE, drop=drop)) == CommitResult.STALE
    assert all_of(client) == was


# -- all or nothing, whatever the records ----------------------------------------------------------------------------

KINDS = {CALL: Owner.CALL, ENDING: Owner.ENDING, LINE: Owner.LINE, OTHER: Owner.LINE}
there = st.fixed_dictionaries({
    "version": st.sampled_from([0, 1, 2, 2, 2]),
    "effect": st.sampled_from([None, Pending(), Pending(1, doubts=1), Pending(1, doubts=1, first_at=1), HELD]),
})  # fmt: skip
asked = st.fixed_dictionaries({
    "behind": st.sampled_from([*[0] * 9, 1]), "how": st.sampled_from([*["write"] * 5, "look", "look"]),
    "drop": st.sampled_from([None, None, *Drop]), "put": st.booleans(), "holds": st.sampled_from([*[0] * 9, 3, 4]),
})  # fmt: skip


def stands(client, record, was):
    """Write a record as it was before, if it existed."""
    fields = {"v": str(was["version"])} if was["version"] else {}
    fields |= {f"f:{LATER}": was["effect"].encode()} if was["effect"] else {}
    if fields:
        client.hset(CELL.record(KINDS[record], record), mapping=fields)
    if was["effect"]:
        client.zadd(CELL.due[Lane.TIMER], {f"{KINDS[record]}:{record}:{LATER}": 50})


def change(record, was, wanted):
    owner, read = KINDS[record], was["version"] + wanted["behind"]
    if wanted["how"] == "look":
        return Change(owner, record, read, how=How.LOOK)
    put = (Put(AGAIN, 7, Pending(why="x")),) if wanted["put"] else ()
    drop = () if wanted["drop"] is None else ((LATER, wanted["drop"]),)
    seen = {"seen": str(NOW)} if owner is Owner.LINE else {}
    return Change(owner, record, read, {"e9": "written", **seen}, put, drop)


def begun(change, was):
    """Whether an effect that this record was to drop with care is leased, or in doubt."""
    effect = was["effect"] or Pending()
    return any((kind and effect.leased_at) or (kind is Drop.NOT_BEGUN and effect.in_doubt) for _, kind in change.drop)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(list(KINDS)), there, asked), min_size=1, unique_by=lambda row: row[0]))
@given_back()
def test_a_commit_of_any_records_writes_all_of_it_or_nothing(rows):
    client, store = opened()
    for record, was, _ in rows:
        stands(client, record, was)
    before = all_of(client)
    changes = tuple(change(*row) for row in rows)
    holder = next(((record, was, wanted["holds"]) for record, was, wanted in rows if wanted["holds"]), None)
    held = Held(holder[0], LATER, holder[2], HELD.leased_at) if holder else None
    each_was = [(each, was) for each, (_, was, _) in zip(changes, rows, strict=True)]
    lost = [holder[0]] if holder and not (holder[1]["effect"] == HELD and holder[2] == HELD.attempts) else []
    saved = one(store, *changes, op="", held=held)
    for word, refused in (  # the gravest first
        (CommitResult.STALE, [each.id for each, was in each_was if each.read != was["version"]]),
        (CommitResult.LOST, lost),
        (CommitResult.STALE, [each.id for each, was in each_was if begun(each, was)]),
    ):
        if refused:
            assert saved is word
            assert all_of(client) == before
            return
    assert saved == OK
    timers = dict(client.zrange(CELL.due[Lane.TIMER], 0, -1, withscores=True))
    for each, (record, was, wanted) in zip(changes, rows, strict=True):
        key, owner = CELL.record(KINDS[record], record), KINDS[record]
        fields = client.hgetall(key)
        if each.how is How.LOOK:
            assert str(fields) == before.get(key, "{}")
            continue
        assert fields["e9"] == "written"
        assert was["version"] < int(fields["v"])
        assert (was["version"] == 0 and owner is Owner.LINE) or int(fields["v"]) == was["version"] + 1
        wants = wanted["put"]
        assert (fields.get(f"f:{AGAIN}"), client.zscore(CELL.due[Lane.ACTIVATION], f"{owner}:{record}:{AGAIN}")) == (
            (Pending(why="x").encode(), 7) if wants else (None, None)
        )
        stays = was["effect"] is not None and wanted["drop"] is None
        assert (f"f:{LATER}" in fields, f"{owner}:{record}:{LATER}" in timers) == (stays, stays)
