"""Leaving the store, once for every kind of record: who dies, races, or finds SQL away loses nothing."""

from contextlib import suppress

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, select, update

from consent_engine.adapters.sql.tables import LINES
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Cause, Why
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import WAKE_ARCHIVE, WAKE_LINE, Lane
from consent_engine.domain.line.line import request_key
from consent_engine.domain.sms import Delivery
from consent_engine.engine.leave import LEFT
from consent_engine.engine.round_trips import MOST_TRIES
from consent_engine.engine.scribe import write_out
from consent_engine.ports import Change, Commit, CommitResult, Owner
from consent_engine.ports.records import EVERY_MESSAGE
from tests.archive.house import LONG, Died, broken, left_of
from tests.archive.kinds import KINDS, leave, made
from tests.conftest import NUMBER, others_of
from tests.integration.calls.reviewing import review

CASES = {name: kind for name, kind in KINDS.items() if kind.table is not None}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(params=CASES)
def case(request):
    return KINDS[request.param]


def key(desk, kind, name):
    return desk.cell.record(kind.owner, name)


def is_here(desk, kind, name):
    return bool(desk.client.exists(key(desk, kind, name)))


def leased_of(desk, kind):
    desk.clock.forward(hours=kind.hours)
    effect = WAKE_LINE if kind.owner is Owner.LINE else WAKE_ARCHIVE
    found = desk.engine.store.lanes.lease(Lane.TIMER, 50)
    [leased] = [each for each in found if each.effect == effect and each.owner is kind.owner]
    return leased


def commit_of(leased, *, read=0, held=None):
    record = leased.record
    gone = replace(Change.leave(record), read=read or record.version)
    return Commit(LEFT, (gone,), held or leased.held)


def word(desk, commit):
    return desk.engine.store.records.commit([commit])[0]


def written_to(desk, kind, name):
    """Write to a record, as anything late does: its version rises, and its mark stands in the journal."""
    version = int(desk.client.hget(key(desk, kind, name), "v"))
    assert word(desk, Commit("", (Change(kind.owner, name, version),))) is CommitResult.OK


def row(desk, kind, name):
    with desk.archive.asking() as connection:
        return connection.execute(select(kind.table).where(kind.table.c.id == name)).one()


def test_what_left_is_as_it_was_and_nothing_of_it_is_left_here(desk, kind):
    name = made(desk, kind)
    head = kind.shown(desk, name)
    leave(desk, kind)
    assert left_of(desk, name) == []
    assert kind.shown(desk, name) == head
    assert desk.engine.stuck() == []
    if kind.table is not None:
        assert (row(desk, kind, name).gone, row(desk, kind, name).effects) == (True, None)


def test_it_goes_as_it_was_read_by_who_holds_it_and_a_repeat_finds_it_gone(desk, kind):
    name = made(desk, kind)
    leased = leased_of(desk, kind)
    assert word(desk, commit_of(leased, read=leased.record.version + 1)) is CommitResult.STALE
    for other in others_of(leased.held):
        assert word(desk, commit_of(leased, held=other)) is CommitResult.LOST
    assert is_here(desk, kind, name)
    assert [word(desk, commit_of(leased)) for _ in range(2)] == [CommitResult.OK, CommitResult.SAME]
    assert left_of(desk, name) == []


def test_what_was_written_to_since_it_was_leased_stays(desk, kind):
    name = made(desk, kind)
    leased = leased_of(desk, kind)
    written_to(desk, kind, name)
    assert word(desk, commit_of(leased)) is CommitResult.STALE
    assert is_here(desk, kind, name)


def test_a_lease_that_was_lost_lets_nothing_go(desk, kind):
    name = made(desk, kind)
    slow = leased_of(desk, kind)
    desk.clock.forward(seconds=61)
    [new] = [each for each in desk.engine.store.lanes.lease(Lane.TIMER, 50) if each.record.id == name]
    assert new.token == slow.token + 1
    assert word(desk, commit_of(slow)) is CommitResult.LOST
    assert is_here(desk, kind, name)
    assert word(desk, commit_of(new)) is CommitResult.OK


def test_what_still_wants_something_stays_until_that_is_over(desk, kind):
    name = made(desk, kind)
    desk.client.hset(key(desk, kind, name), "f:sms.help.7", "[]")
    leave(desk, kind)
    assert is_here(desk, kind, name)
    assert desk.client.hdel(key(desk, kind, name), "f:sms.help.7") == 1
    leave(desk, kind)
    assert left_of(desk, name) == []


def mortal(when, method, counted):
    def called(*args, **more):
        counted.append(1)
        if when == "before":
            raise Died
        method(*args, **more)
        raise Died

    return called


POINTS = [(when, what) for what in ("let_go", "commit", "release") for when in ("before", "after")]


@pytest.mark.parametrize("point", POINTS, ids=" ".join)
def test_who_dies_at_any_step_leaves_it_whole_and_the_repeat_ends_it(desk, kind, point):
    name, (when, step) = made(desk, kind), point
    head, died = kind.shown(desk, name), []
    desk.clock.forward(hours=kind.hours)
    store = desk.engine.store
    part = {"let_go": store.archive, "commit": store.records, "release": store.reservations}[step]
    method = getattr(part, step)
    setattr(part, step, mortal(when, method, died))
    with suppress(Died):
        desk.run(Lane.TIMER)
    setattr(part, step, method)
    here, gone = is_here(desk, kind, name), kind.table is not None and row(desk, kind, name).gone
    assert here or gone or kind.owner is Owner.LINE
    assert kind.shown(desk, name) == head
    for _ in range(2):
        desk.clock.forward(seconds=61)  # its lease is over
        desk.run(Lane.TIMER)
    if not is_here(desk, kind, name) and step == "release":  # a reservation that outlived its record says nothing
        assert [each for each in left_of(desk, name) if ":key:" not in each] == []
    else:
        assert left_of(desk, name) == []
    assert kind.shown(desk, name) == head
    assert died or (step, kind.owner) in {
        ("let_go", Owner.LINE), ("release", Owner.LINE), ("release", Owner.ENDING), ("release", Owner.REPORT),
    }  # fmt: skip


def test_what_comes_between_the_mark_in_sql_and_the_deletion_keeps_it_and_it_leaves_with_that(desk, case):
    name = made(desk, case)
    let_go = desk.archive.let_go

    def and_then(owner, heads):
        gone = let_go(owner, heads)
        if name in heads:
            desk.archive.let_go = let_go
            written_to(desk, case, name)
        return gone

    desk.archive.let_go = and_then
    desk.clock.forward(hours=case.hours)
    for _ in range(9):
        desk.run(Lane.TIMER)
        if desk.archive.let_go is let_go:
            break
        desk.clock.forward(seconds=61)
    assert is_here(desk, case, name)
    assert write_out(desk.engine.store, "one") >= 0
    assert not row(desk, case, name).gone, "it went on"
    assert row(desk, case, name).effects
    leave(desk, case)
    assert left_of(desk, name) == []
    assert row(desk, case, name).gone


@pytest.mark.parametrize("lacks", ["all of it", "the newest of it"])
def test_what_sql_does_not_have_as_it_is_is_brought_there_before_it_goes(desk, case, lacks):
    name = made(desk, case)
    head = case.shown(desk, name)
    with desk.archive.asking() as connection:
        if lacks == "all of it":
            connection.execute(delete(case.table).where(case.table.c.id == name))
    if lacks == "the newest of it":
        written_to(desk, case, name)
    leave(desk, case)
    assert left_of(desk, name) == []
    assert case.shown(desk, name) == head


def test_what_left_before_the_scribe_read_its_entries_has_its_line_brought_to_sql(desk, case):
    name = case.made(desk)
    leave(desk, case)
    assert left_of(desk, name) == []
    with desk.archive.asking() as connection:
        connection.execute(delete(LINES))
    write_out(desk.engine.store, "one")
    with desk.archive.asking() as connection:
        there = set(connection.execute(select(LINES.c.id)).scalars())
    assert there == {key.rpartition(":")[2] for key in desk.client.scan_iter("ce:*:line:*")}
    assert there or case.owner in {Owner.ORDER, Owner.ENDING}, "the line went with its last order"


def test_what_stands_in_sql_with_another_head_is_not_let_go_and_a_person_is_told(desk, case):
    name = made(desk, case)
    head = case.shown(desk, name)
    with desk.archive.asking() as connection:
        other = update(case.table).where(case.table.c.id == name).values(head="f" * 64, links=case.table.c.links)
        connection.execute(other)
    leave(desk, case)
    assert is_here(desk, case, name)
    [stuck] = desk.engine.stuck()
    assert (stuck.owner, stuck.effect, stuck.why) == (case.owner, WAKE_ARCHIVE, "not_archived:")
    assert case.shown(desk, name) == head
    with desk.archive.asking() as connection:
        connection.execute(delete(case.table).where(case.table.c.id == name))
    desk.engine.retry_many([stuck], "ops-1")
    leave(desk, case)
    assert left_of(desk, name) == []
    assert desk.engine.stuck() == []


def test_while_sql_is_away_it_stays_and_leaves_soon_after(desk, case):
    name = made(desk, case)
    desk.clock.forward(hours=case.hours)
    with broken(desk.archive):
        desk.run(Lane.TIMER)
    assert is_here(desk, case, name)
    due = desk.client.zscore(desk.cell.due[Lane.TIMER], f"{case.owner}:{name}:{WAKE_ARCHIVE}")
    assert desk.clock.now < due < desk.clock.now + 1_200_000, "later, within a bound"
    desk.clock.forward(hours=1)
    desk.run(Lane.TIMER)
    desk.clock.forward(seconds=61)
    desk.run(Lane.TIMER)
    assert left_of(desk, name) == []


def test_a_line_with_an_unread_message_goes_neither_by_itself_nor_with_its_last_order(desk):
    order = desk.settled()
    desk.clock.forward(hours=LONG)
    found = desk.engine.store.lanes.lease(Lane.TIMER, 50)
    [leased] = [each for each in found if each.owner is Owner.ORDER]
    line = desk.engine.line(NUMBER)
    gone = Change.leave(line)
    desk.report(order, Delivery.DELIVERED, "notification.1")
    commit = commit_of(leased)
    both = Commit(LEFT, (*commit.records, gone), leased.held, EVERY_MESSAGE)
    assert word(desk, both) is CommitResult.GUARDED
    assert is_here(desk, KINDS["order"], order.id)
    assert is_here(desk, KINDS["line"], line.id)


def test_a_call_that_a_review_brought_back_is_not_let_go_by_who_was_slow(desk):
    call = desk.end(desk.start())
    leased = leased_of(desk, KINDS["call"])
    write_out(desk.engine.store, "one")
    desk.archive.let_go(Owner.CALL, {call.id: (leased.record.version, leased.record.head)})
    assert word(desk, commit_of(leased)) is CommitResult.OK
    assert review(desk, call, passed=True).verdict == "passed"
    assert word(desk, commit_of(leased)) is CommitResult.STALE
    write_out(desk.engine.store, "one")
    assert not row(desk, KINDS["call"], call.id).gone
    assert desk.engine.store.records.look({Call: [call.id]}).of(Call)[call.id].verdict == "passed"
    leave(desk, KINDS["call"])
    assert desk.engine.calls.show(call.id).verdict == "passed"
    assert row(desk, KINDS["call"], call.id).gone


def test_a_put_that_came_since_is_seen_though_it_changed_no_event(desk, case):
    name = made(desk, case)
    leased = leased_of(desk, case)
    put = Put("wake.archive", desk.clock.now + 1)
    change = Change(case.owner, name, leased.record.version, put=(put,))
    assert word(desk, Commit("", (change,))) is CommitResult.OK
    assert word(desk, commit_of(leased)) is CommitResult.STALE


def test_none_of_several_orders_goes_while_their_number_has_an_unread_message(desk):
    orders = [desk.settled().id, desk.place(plan="data-pack-10gb").id]
    desk.engine.cancel(orders[1], "A1024", "changed his mind")
    desk.run()
    desk.clock.forward(hours=LONG)
    desk.say("你好")
    desk.run(Lane.TIMER)
    assert sorted(desk.live(orders)) == sorted(orders)
    desk.run(Lane.INBOUND)
    leave(desk, KINDS["order"])
    assert desk.live(orders) == {}


def test_however_many_orders_of_a_number_leave_at_once_all_go_with_their_reservations(desk):
    orders = []
    for _ in range(2 + MOST_TRIES):
        orders.append(desk.place().id)
        desk.engine.cancel(orders[-1], "A1024", "changed his mind")
        desk.run(Lane.SMS)
    desk.clock.forward(hours=LONG)
    desk.run(Lane.TIMER)
    assert (desk.live(orders), [left for order in orders for left in left_of(desk, request_key(order))]) == ({}, [])


def test_an_ending_stays_as_long_as_its_order(desk):
    order = desk.settled()
    ending = desk.engine.endings.ask(desk.engine.show(order.id), Why(Cause.WITHDRAWN, "hotline", "desk")).ending
    desk.run()
    desk.client.hset(desk.cell.order(order.id), "f:sms.help.7", "[]")
    for _ in range(2):
        leave(desk, KINDS["ending"]._replace(hours=LONG))
    assert is_here(desk, KINDS["ending"], ending.id)
    desk.client.hdel(desk.cell.order(order.id), "f:sms.help.7")
    for _ in range(2):
        leave(desk, KINDS["order"])
    assert left_of(desk, ending.id) == []
