"""Moving to another number of cells: nothing is lost, wherever it dies, and no process works meanwhile."""

import os

import pytest
from msgspec.structs import replace

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.reshard.move import cells_of, stay
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.domain.call.ended_soon import ENDED_SOON
from consent_engine.domain.clocks import Heard, Lag
from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.proof_code import shares
from consent_engine.domain.offer.policy import Suspects
from consent_engine.domain.offer.versions import Proposal
from consent_engine.domain.order.pressure import Sold
from consent_engine.errors import BrokenRecord, SettingsError
from tests.archive.house import LONG
from tests.cluster.celled import lived_in, person, seen
from tests.cluster.moves import (
    WORLDS,
    Died,
    Quiet,
    aside,
    dead_on_the_way,
    dying,
    fake,
    moved,
    restore,
    snapshot,
    target,
)

DEEP = os.environ.get("TESTS_DEEP", "0") != "0"


@pytest.fixture(autouse=True)
def closed():
    yield
    while WORLDS:
        WORLDS.pop().runner.close()


def granted(world):
    """The answers to requests for permits, in whichever cells they are kept."""
    rows = [row["m"] for key in world.client.keys("*:permits") for _, row in world.client.xrange(key)]
    return sorted(rows)


@pytest.mark.parametrize("alone", [True, False])
def test_a_plan_that_waits_for_a_second_admin_moves_along_and_clocks_are_measured_anew(alone):
    old = fake(1, alone=alone)
    old.engine.registry.check("test-secret", strict=False, cells=1)
    plan = old.engine.plan("5g-smart-199").plan
    old.engine.registry.propose(Proposal(plan, ("first",), 1))
    old.engine.registry.note_lags([Heard("test", 1, Lag(5_000, 1_000))])
    assert old.client.keys("*:clocks")
    new = target(2, old.clock)
    moved(old, new)
    assert new.engine.registry.proposals() == old.engine.registry.proposals() != {}


@pytest.mark.parametrize("alone", [True, False])
def test_a_rhythm_of_yeses_and_the_codes_of_an_hour_stop_no_move_and_begin_anew(alone):
    old = fake(1, alone=alone)
    old.policy = replace(old.policy, suspects=int(Suspects.CODE), cadence=5)
    old.engine = old.another()
    old.engine.registry.check("test-secret", strict=False, cells=1)
    order = old.place()
    old.run(Lane.SMS)
    old.clock.forward(seconds=30)
    old.say("是")
    old.run()
    old.engine.registry.count_code("a network", shares(9))
    assert len([*old.client.keys("*:rhythm:*"), *old.client.keys("*:codes:*")]) == 2
    new = target(2, old.clock)
    moved(old, new)
    assert new.state(order) == old.state(order)
    assert [*new.client.keys("*:rhythm:*"), *new.client.keys("*:codes:*")] == []


def test_how_many_services_ended_within_a_week_moves_along():
    old = fake(3)
    old.engine.registry.check("test-secret", strict=False, cells=3)
    day = CHINA.of(old.clock())
    for n in range(4):
        key = old.names[n % 3].sold(day)
        for count in (f"{Sold.ENDED_SOON}|5g-smart-199|A1024", ENDED_SOON):
            old.client.hincrby(key, count, 1)
    new = target(2, old.clock)
    moved(old, new)
    assert new.engine.lists.ended_soon([day]) == old.engine.lists.ended_soon([day]) == 4


@pytest.mark.parametrize(("before", "after"), [(1, 8), (3, 8), (8, 3), (4, 4)])
def test_everything_is_as_it_was_and_goes_on(before, after):
    old = fake(before, alone=before == 1)
    orders = lived_in(old)
    was = seen(old, orders)
    old.client.pexpire(old.client.keys("*:key:*")[0], 3_600_000)
    new = target(after, old.clock)
    account = moved(old, new)
    lives = sorted(new.client.pttl(key) for key in new.client.keys("*:key:*"))
    assert set(lives[:-1]) == {-1}
    assert 3_500_000 < lives[-1] <= 3_600_000, "what expires goes on expiring"
    assert account.counts["order"] == len(orders)
    assert seen(new, orders) == was
    assert new.client.hget("ce:{0}:meta", "cells") == str(after)
    assert aside(new) == aside(old) != []
    assert sum(new.client.xlen(key) for key in new.client.keys("*:lifted")) == 1
    assert granted(new) == granted(old) != []
    assert new.place(person(0), key="key-of-0").id == orders[0], "the same request is the same order"
    new.engine.registry.check("test-secret", strict=False, cells=after)
    new.engine.retry(orders[-2], "ops")
    for _ in range(3):  # a slow machine's outcomes are dated ahead of this clock
        new.clock.forward(seconds=1)
        new.run()
    states = {order.state.value for order in new.engine.lookup.load(orders)[1].values()}
    assert states <= {"notified", "declined", "cancelled", "awaiting_reply"}
    assert [new.state(new.engine.show(orders[n])) for n in (0, 1, 2, 3)] == [
        "notified", "declined", "notified", "cancelled",
    ]  # fmt: skip


def test_engines_start_on_neither_side_while_it_is_under_way_and_only_on_the_target_after():
    old = fake(1, alone=True)
    lived_in(old)
    new = target(8, old.clock)
    looked = []

    def look(told):
        for world, cells in ((old, 1), (new, 8)):
            with pytest.raises(SettingsError, match="being moved"):
                world.engine.registry.check("test-secret", strict=False, cells=cells)
        looked.append(told)

    Quiet(old.side(), new.side(), look).run()
    assert looked
    with pytest.raises(SettingsError, match="moved away"):
        old.engine.registry.check("test-secret", strict=False, cells=1)
    new.engine.registry.check("test-secret", strict=False, cells=8)
    assert moved(old, new).counts == {}, "a second time there is nothing to do"
    with pytest.raises(SettingsError):
        stay(old.side())


def test_wherever_it_dies_it_is_typed_again_and_nothing_is_lost():
    old = fake(1, alone=True)
    orders = lived_in(old, 3)
    was, kept = seen(old, orders, 3), snapshot(old.client)
    points, all_round_trips = 0, 10**6
    at = 1
    while at <= all_round_trips:  # here every third; TESTS_DEEP=1: every one
        for after in (False, True):
            restore(old.client, kept)
            new = target(2, old.clock)
            count, dies = dying(at, after)
            try:
                Quiet(old.side(dies), new.side(dies), lambda told: None).run()
                all_round_trips = count[0]
            except Died:
                points += 1
            moved(old, new)
            assert seen(new, orders, 3) == was, (at, after)
            assert new.client.hget("ce:{0}:meta", "cells") == "2"
            assert cells_of(old.client.hgetall("ce:meta")) == 1
        at += 1 if DEEP else 3
    assert points >= (100 if DEEP else 30)
    print(f"{points} points of death")  # noqa: T201 - the figure is the purpose


def test_all_that_was_copied_is_proven_in_every_cell_before_the_target_is_opened():
    old = fake(1, alone=True)
    lived_in(old)
    new = target(4, old.clock)
    sent = []

    def noting(client, n):
        class Notes(Wire):
            def send(self, calls, *, prove=False, **more):
                written = any(row[0] in {"HSET", "SET", "ZADD", "RPUSH", "XADD"} for row in calls.rows)
                sent.append((n, written, prove, ("cells", "4") in zip(calls.rows[0], calls.rows[0][1:], strict=False)))
                return super().send(calls, prove=prove, **more)

        return Notes(client, proves=False, replicas=0)

    Quiet(old.side(), new.side(noting), lambda told: None).run()
    [opened] = [at for at, (_, _, _, opens) in enumerate(sent) if opens]
    for n in range(4):
        writes = [(at, prove) for at, (cell, written, prove, _) in enumerate(sent[:opened]) if cell == n and written]
        assert writes[-1][1], "the last write before that is proven, and so is all before it"


def test_what_was_given_up_goes_on_where_it_was_and_a_target_with_something_in_it_is_refused():
    old = fake(1, alone=True)
    orders = lived_in(old)
    was = seen(old, orders)
    new = target(8, old.clock)
    dead_on_the_way(old, new)
    with pytest.raises(SettingsError, match="to 8 cells was begun"):
        moved(old, target(4, old.clock))
    assert stay(old.side()) == 1
    old.engine.registry.check("test-secret", strict=False, cells=1)
    assert seen(old, orders) == was
    with pytest.raises(SettingsError, match="not empty"):
        moved(old, new)
    moved(old, target(8, old.clock))


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 3)])
def test_the_archive_stays_where_it_is_and_orders_go_on_leaving_for_it(before, after, tmp_path):
    archive = SqlArchive(f"sqlite:///{tmp_path}/archive.sqlite3")
    old = fake(before, alone=before == 1, archive=archive)
    orders = lived_in(old, 6)
    of_before = old.names[0].reservation("0123456789abcdef01234567")  # named by the key's own hash, not by its order
    old.client.set(of_before, f"print|{orders[0]}|somebody|1764000000000")
    old.run(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    old.clock.forward(hours=LONG)
    old.run(Lane.TIMER)  # the first have left: those that were answered
    gone = set(orders) - set(old.engine.store.records.live(orders)[1])
    assert 0 < len(gone) < len(orders)
    new = target(after, old.clock, archive=archive)
    moved(old, new)
    assert new.client.hget("ce:{0}:meta", "archive") == archive.id()
    assert new.client.keys("*:key:0123456789abcdef01234567")
    reservations = len(new.client.keys("*:key:*"))
    assert reservations == len(orders) - len(gone) + 1
    assert set(new.engine.lookup.load(orders)[1]) == set(orders)
    assert new.place(person(0), key="key-of-0").id == orders[0] in gone, "an archived request is the same order"
    new.clock.forward(hours=100)
    new.run()
    new.clock.forward(hours=100)
    new.run()
    left = new.engine.store.records.live(orders)[1]
    assert {order.id for order in left.values()} <= {orders[-2]}, "what is parked stays"
    assert len(new.client.keys("*:key:*")) == len(left) + 1, "of before"
    assert not new.engine.dial(person(10), "mobile").callable, "a refusal outlives every order"
    archive.close()


def test_what_was_moved_away_is_old_and_is_never_moved_again():
    """Its target lives on: moving the old data once more would undo the refusals that came since."""
    first = fake(1, alone=True)
    orders = lived_in(first, 3)
    second, third = target(4, first.clock), target(4, first.clock)
    moved(first, second)
    with pytest.raises(SettingsError, match="were moved before"):
        moved(first, third)
    assert third.client.dbsize() == 0
    dead_on_the_way(second, third)  # half filled, by the move after the first
    with pytest.raises(SettingsError, match="were moved before"):
        moved(first, third)
    moved(second, third)
    assert seen(third, orders, 3)["orders"] == seen(second, orders, 3)["orders"]
    with pytest.raises(SettingsError, match="were moved before"):
        moved(first, second)


@pytest.mark.parametrize("begun", [False, True])
def test_data_are_not_moved_onto_themselves(begun):
    old = fake(4)
    lived_in(old)
    if begun:
        dead_on_the_way(old, target(4, old.clock))
    was = aside(old)
    with pytest.raises(SettingsError, match="not empty"):
        moved(old, old)
    assert aside(old) == was != []


def test_a_target_that_another_move_has_half_filled_is_refused():
    others, old = fake(1, alone=True), fake(1, alone=True)
    lived_in(others, 3)
    lived_in(old, 3)
    new = target(2, old.clock)
    dead_on_the_way(others, new)
    kept = snapshot(new.client)
    with pytest.raises(SettingsError, match="not empty"):
        moved(old, new)
    assert snapshot(new.client) == kept
    old.engine.registry.check("test-secret", strict=False, cells=1)


def test_a_move_that_is_given_up_while_it_is_under_way_does_not_open_its_target():
    old = fake(1, alone=True)
    lived_in(old, 3)
    new = target(2, old.clock)
    with pytest.raises(SettingsError, match="given up"):
        Quiet(old.side(), new.side(), lambda told: stay(old.side()) if "all of it" in told else None).run()
    old.engine.registry.check("test-secret", strict=False, cells=1)
    with pytest.raises(SettingsError, match="being moved here"):
        new.engine.registry.check("test-secret", strict=False, cells=2)


@pytest.mark.parametrize("key", ["ce:{0}:news:1", "ce:something", "other", "ce:{1}:order:0000aa"])
def test_a_key_nobody_knows_stops_it(key):
    old = fake(1, alone=True)
    lived_in(old, 3)
    old.client.set(key, "1")
    if key == "other":  # not ours: it stays where it is
        moved(old, target(2, old.clock))
    else:
        with pytest.raises(BrokenRecord, match="does not know"):
            moved(old, target(2, old.clock))


def test_a_record_in_a_cell_that_is_not_its_own_stops_it():
    old = fake(4)
    lived_in(old)
    old.client.rename("ce:{0}:refusals", "ce:{3}:refusals")
    with pytest.raises(BrokenRecord, match="another"):
        moved(old, target(2, old.clock))


@pytest.mark.parametrize("change", ["order", "due", "offer"])
def test_whoever_writes_meanwhile_is_noticed(change):
    """No process should write; if one does, the two sides differ and the target is not opened."""
    old = fake(1, alone=True)
    orders = lived_in(old)
    new = target(2, old.clock)

    def write(told):
        if "all of it" in told:
            if change == "order":
                old.client.hincrby(f"ce:{{0}}:order:{orders[0]}", "v", 1)
            elif change == "due":
                old.client.zadd("ce:{0}:due:timer", {f"o:{orders[0]}:wake.window_closed": 1})
            else:
                new.client.delete("ce:{1}:offers")

    with pytest.raises(Exception, match=r"differ|every offer"):
        Quiet(old.side(), new.side(), write).run()
    assert new.client.hget("ce:{0}:meta", "cells") == "being moved here"
    moved(old, new)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (4, 4), (2, 5)])
def test_a_damaged_entry_of_a_journal_goes_along_as_it_is_with_its_cell(before, after):
    old = fake(before, alone=before == 1)
    lived_in(old)
    entries = ["", "o 1", "单", "? 'x'", "o " + "x" * 2_000]
    where = {}
    for cell in old.names:
        for entry in entries:
            where[f"{entry}{cell.number}"] = cell.number
            old.client.lpush(cell.journal, f"{entry}{cell.number}")
    new = target(after, old.clock)
    account = moved(old, new)
    assert account.damaged == before * len(entries)
    there = {entry: cell.number for cell in new.names for entry in new.client.lrange(cell.journal, 0, -1)}
    first = {entry: -(-number * 16_384 // before) for entry, number in where.items()}  # slot of its cell
    assert {entry: there[entry] for entry in where} == {entry: slot * after >> 14 for entry, slot in first.items()}


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_a_journal_moves_with_its_cells_and_is_in_the_log_once(before, after, tmp_path):
    old = fake(before, alone=before == 1)
    lived_in(old)
    log = SqlLog(SqlArchive(f"sqlite:///{tmp_path}/archive.sqlite3"))
    standing = [entry for cell in old.names for entry in old.client.lrange(cell.journal, 0, -1)]
    pieces = old.engine.store.journal.read(5, "dies")
    brought = sum(log.append(piece.entries) for piece in pieces)  # and dies before it takes them out
    new = target(after, old.clock)
    moved(old, new)
    there = [entry for cell in new.names for entry in new.client.lrange(cell.journal, 0, -1)]
    assert sorted(there) == sorted(standing)
    by_record = {record: [e for e in standing if e.split()[1] == record] for record in {e.split()[1] for e in standing}}
    assert all([e for e in there if e.split()[1] == record] == entries for record, entries in by_record.items())
    assert 0 < brought < len(standing)
    for piece in new.engine.store.journal.read(1_000, "one"):
        log.append(piece.entries)
        assert new.engine.store.journal.drop(piece)
    assert [n for n, _, _ in log.entries(0, 1_000)] == list(range(len(standing)))
    assert sorted(entry for _, entry, _ in log.entries(0, 1_000)) == sorted(standing)
