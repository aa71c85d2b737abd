"""The store's scripts: the same cases on fakeredis and on a real server that proves every write on disk."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis.exceptions import ResponseError

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.embedded.server import connect_or_start
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.decide.decision import PARKED, Drop, Put
from consent_engine.domain.effects import ACTIVATE, FRESH, READ, WAKE_TOO_LATE, Lane, Pending
from consent_engine.domain.line.line import Line, line_id
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.details import Parked
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.order import QUESTION, Order, sealed
from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord, NotDurable, StoreUnavailable
from consent_engine.ports import Change, Commit, CommitResult, Held, Owner, Posted
from tests import needs
from tests.at_rest import SEAL
from tests.conftest import NUMBER, World
from tests.memory import fake
from tests.processes import has_ended
from tests.waiting import HANGS_S

NUMBERS = (NUMBER, *(parse(f"1390013900{n}") for n in range(3)))
LINE, SECOND, THIRD, FOURTH = (line_id("test-secret", number) for number in NUMBERS)


@pytest.fixture(scope="module")
def server():
    needs.server()
    folder = Path(tempfile.mkdtemp(prefix="st-"))
    with connect_or_start(folder / "data", "strict") as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["fake", "real"])
def world(request):
    real = request.param == "real"
    client = connect(request.getfixturevalue("server").url) if real else fake()
    client.flushdb()
    made = World(client)
    made.engine.store = redis_store(Wire(client, proves=real, replicas=0), lease_ms=60_000, clock=made.clock, seal=SEAL)
    yield made
    made.runner.close()
    client.close()


@pytest.fixture
def store(world):
    return world.engine.store


@pytest.fixture
def order(world):
    return world.engine.show(world.place().id)


def noted(order, op="op", **more):
    """Return a commit that notes something, as `recording` makes it."""
    event = Event.of(Parked(effect="/é", reason="\u2028"), 1, op)
    after, fields = sealed(order.moved(event), (event,), iter(["salt"]))
    change = Change.of(after, fields, more.pop("put", ()), more.pop("drop", ()))
    line = more.pop("line", None)
    return Commit(op, (change, line) if line else (change,), **more)


BODY = '{"kind":"refusal","carriers":"mobile","door":"voice","by":"A1024"}'


def posted(key="k", line=LINE, body=BODY, **more):
    number = next(each for each in NUMBERS if line_id("test-secret", each) == line)
    return Posted(line, number, key, body, **more)


def record(world, order):
    return world.client.hgetall(f"ce:{{0}}:order:{order.id}")


def one(store, commit, **more):
    return store.records.commit([commit], **more)[0]


# -- commit -----------------------------------------------------------------------------------------------------------


def test_a_commit_raises_the_version_and_a_stale_one_changes_nothing(world, store, order):
    assert one(store, noted(order), prove=True) is CommitResult.OK
    was = record(world, order)
    assert one(store, noted(order, "other", put=(Put(ACTIVATE, 5),))) is CommitResult.STALE
    assert record(world, order) == was
    assert int(was["v"]) == order.version + 1


def test_the_same_commit_again_is_recognised_by_its_op_and_proven_again(world, store, order):
    assert one(store, noted(order), prove=True) is CommitResult.OK
    was = record(world, order)
    assert one(store, noted(order), prove=True) is CommitResult.SAME
    assert record(world, order) == was


def test_a_commit_without_an_event_raises_the_version_too(world, store, order):
    change = Change.of(order, {}, (Put(WAKE_TOO_LATE, 9),))
    assert one(store, Commit("op", (change,))) is CommitResult.OK
    assert one(store, Commit("op", (change,))) is CommitResult.STALE


def test_only_what_is_called_a_new_order_is_created(world, store, order):
    world.client.delete(world.cell.order(order.id))
    put = (Put(WAKE_TOO_LATE, 9),)
    for change in (Change.of(order, {"e1": "[]"}, put), Change(Owner.ORDER, order.id, put=put)):
        assert one(store, Commit("op", (change,))) is CommitResult.STALE
    assert store.records.look({Order: [order.id]}, prove=True).all == {}
    assert record(world, order) == {}


def test_a_proof_changes_nothing_and_says_which_orders_are_here(world, store, order):
    was = record(world, order)
    other = "0ce7" + "f" * 24
    assert list(store.records.look({Order: [order.id, other]}, prove=True).all) == [order.id]
    assert record(world, order) == was
    assert list(world.client.keys("ce:*order:*")) == [world.cell.order(order.id)]


def test_one_stale_commit_of_a_round_trip_leaves_the_others_alone(world, store, order):
    other = world.engine.show(world.place("13900139000").id)
    saved = store.records.commit([noted(order, "a"), noted(order, "b"), noted(other, "a")], prove=True)
    assert saved == [CommitResult.OK, CommitResult.STALE, CommitResult.OK]


def test_a_line_that_moved_since_it_was_read_stops_the_whole_commit(world, store, order):
    line = world.engine.line(NUMBER)
    for read, word in ((line.version - 1, CommitResult.STALE), (line.version, CommitResult.OK)):
        was = record(world, order)
        assert one(store, noted(order, line=Change(Owner.LINE, line.id, read))) is word
        assert (record(world, order) == was) == (word is CommitResult.STALE)
    now = world.engine.show(order.id)
    assert one(store, noted(now, "stamped", line=Change(Owner.LINE, line.id, None, {"a:x": "5"}))) is CommitResult.OK
    assert world.client.hget(f"ce:{{0}}:line:{line.id}", "a:x") == "5"
    assert world.engine.line(NUMBER).version == line.version + 2


def test_only_the_attempt_that_holds_an_effect_may_end_it(world, store, order):
    held = Held(order.id, QUESTION, 1, world.clock.now)
    assert one(store, noted(order, held=held)) is CommitResult.LOST
    [leased] = store.lanes.lease(Lane.SMS, 1)
    for other in (replace(held, token=2), replace(held, since=held.since - 1)):
        assert one(store, noted(order, held=other)) is CommitResult.LOST
    ended = noted(order, held=held, drop=((QUESTION, Drop.ANYWAY),))
    assert (leased.token, one(store, ended)) == (1, CommitResult.OK)
    assert f"f:{QUESTION}" not in record(world, order)
    assert world.client.zcard(Cell().due["mobile"]) == 0
    assert one(store, noted(world.engine.show(order.id), "again", held=held)) is CommitResult.LOST


def test_a_careful_drop_refuses_the_whole_commit(world, store, order):
    for drop in (Drop.NOT_BEGUN, Drop.NOT_IN_FLIGHT):
        assert one(store, noted(order, drop=(("sms.none.1", drop),))) is CommitResult.OK
        order = world.engine.show(order.id)
    store.lanes.lease(Lane.SMS, 1)
    was = record(world, order)
    for drop in (Drop.NOT_BEGUN, Drop.NOT_IN_FLIGHT):
        assert one(store, noted(order, str(drop), drop=((QUESTION, drop),))) is CommitResult.STALE
    assert record(world, order) == was
    doubtful = noted(order, "rest", put=(Put(QUESTION, 5, Pending(attempts=1, doubts=1, first_at=5)),))
    assert one(store, doubtful) is CommitResult.OK
    order = world.engine.show(order.id)
    assert one(store, noted(order, "begun", drop=((QUESTION, Drop.NOT_BEGUN),))) is CommitResult.STALE
    assert one(store, noted(order, "flight", drop=((QUESTION, Drop.NOT_IN_FLIGHT),))) is CommitResult.OK


@pytest.mark.parametrize("resting", [Pending(attempts=3, first_at=5), Pending(attempts=3, doubts=2)])
def test_an_effect_whose_calls_surely_did_nothing_is_dropped_as_one_that_never_began(world, store, order, resting):
    resting = noted(order, "rest", put=(Put(QUESTION, 5, resting),))
    assert one(store, resting) is CommitResult.OK
    order = world.engine.show(order.id)
    assert one(store, noted(order, "begun", drop=((QUESTION, Drop.NOT_BEGUN),))) is CommitResult.OK


def test_an_effect_dropped_and_put_in_one_commit_stays(world, store, order):
    both = noted(order, drop=((QUESTION, Drop.ANYWAY),), put=(Put(QUESTION, 77), Put(ACTIVATE, PARKED)))
    assert one(store, both) is CommitResult.OK
    assert world.client.zscore(Cell().due["mobile"], f"o:{order.id}:{QUESTION}") == 77
    assert world.client.zscore(Cell().due[Lane.ACTIVATION], f"o:{order.id}:{ACTIVATE}") == float("inf")
    assert [(each.id, each.effect) for each in store.lanes.stuck(9)] == [(order.id, ACTIVATE)]


def test_a_guard_looks_at_the_oldest_unread_message(world, store, order):
    line = world.engine.line(NUMBER).id
    [stored] = store.inbox.receive([posted(line=line)])
    guarded = noted(order, line=Change(Owner.LINE, line), guard=stored.at)
    was = record(world, order)
    assert one(store, guarded) is CommitResult.GUARDED
    assert record(world, order) == was
    assert one(store, replace(guarded, guard=stored.at - 1)) is CommitResult.OK


def test_only_the_message_at_the_front_can_be_consumed(world, store, order):
    store.inbox.receive([posted("a"), posted("b")])
    [leased] = store.lanes.lease(Lane.INBOUND, 9)
    held = Held(LINE, READ, 1, world.clock.now)
    assert [message.key for message in leased.unread] == ["a", "b"]
    for key, word in (("b", CommitResult.LOST), ("a", CommitResult.OK), ("a", CommitResult.LOST)):
        assert one(store, Commit("", (Change(Owner.LINE, LINE, consume=key),), held, unmatched=["{}"])) is word
    assert world.client.xlen("ce:{0}:unmatched") == 1
    assert one(store, Commit("", (Change(Owner.LINE, LINE, consume="b"),), held)) is CommitResult.OK
    assert world.client.zcard(Cell().due[Lane.INBOUND]) == 0
    assert READ not in store.records.look({Line: [LINE]}).of(Line)[LINE].effects


def test_a_reader_that_lets_go_leaves_the_rest_due(world, store):
    store.inbox.receive([posted(str(n)) for n in range(20)])
    [leased] = store.lanes.lease(Lane.INBOUND, 9)
    assert [message.key for message in leased.unread] == [str(n) for n in range(16)]
    held = Held(LINE, READ, 1, world.clock.now)
    for n in range(16):
        change = Change(Owner.LINE, LINE, consume=str(n), release=n == 15)
        assert one(store, Commit("", (change,), held)) is CommitResult.OK
    [again] = store.lanes.lease(Lane.INBOUND, 9)
    assert (again.token, again.lost, [m.key for m in again.unread]) == (1, False, ["16", "17", "18", "19"])


# -- lease ------------------------------------------------------------------------------------------------------------


def test_an_effect_has_one_holder_until_its_lease_is_over(world, store, order):
    [first] = store.lanes.lease(Lane.SMS, 9)
    assert (first.token, first.lost, first.at, first.record.id) == (1, False, world.clock.now, order.id)
    world.clock.forward(59_999)
    assert store.lanes.lease(Lane.SMS, 9) == []
    world.clock.forward(1)
    [second] = store.lanes.lease(Lane.SMS, 9)
    assert (second.token, second.lost) == (2, True)
    pending = second.record.effects[QUESTION]
    assert (pending.first_at, pending.last_at, pending.leased_at) == (first.at, first.at, world.clock.now)


def test_several_lanes_are_leased_in_one_round_trip_so_many_of_each(world, order):
    world.place("13900139001")
    wire = Wire(world.client, proves=False, replicas=0)
    lanes = redis_store(wire, lease_ms=60_000, clock=world.clock, seal=SEAL).lanes
    assert lanes.lease(Lane.SMS, 1)  # the offer is known from here on
    before = wire.round_trips
    leased = lanes.lease_each({Lane.SMS: 1, Lane.ACTIVATION: 9, Lane.INBOUND: 0})
    assert {lane: len(some) for lane, some in leased.items()} == {Lane.SMS: 1, Lane.ACTIVATION: 0, Lane.INBOUND: 0}
    assert lanes.lease_each({}) == {}
    assert wire.round_trips - before == 1


@pytest.mark.parametrize("trouble", ["refused", "unproven"])
def test_what_is_leased_in_one_lane_is_not_lost_by_trouble_in_another(world, order, trouble):
    wire = Wire(world.client, proves=trouble == "unproven", replicas=1, proof_ms=200)
    lanes = redis_store(wire, lease_ms=60_000, clock=world.clock, seal=SEAL).lanes
    if trouble == "refused":
        world.client.set(Cell().due[Lane.ACTIVATION], "no list")
    leased = lanes.lease_each({Lane.ACTIVATION: 9, Lane.SMS: 9})
    assert {lane: len(some) for lane, some in leased.items()} == {Lane.ACTIVATION: 0, Lane.SMS: 1}
    with pytest.raises((StoreUnavailable, ResponseError)):
        lanes.lease_each({Lane.ACTIVATION: 9, Lane.SMS: 9})


def test_no_more_is_leased_than_asked_for_and_nothing_that_is_parked_or_not_due(world, store, order):
    for n in range(5):
        world.place(f"1390013900{n}")
    assert store.lanes.lease(Lane.SMS, 0) == []
    assert len(store.lanes.lease(Lane.SMS, 2)) == 2
    assert store.lanes.lease(Lane.TIMER, 9) == []
    for leased in store.lanes.lease(Lane.SMS, 9):
        held = leased.held
        one(store, noted(leased.record, held=held, put=(Put(QUESTION, PARKED, Pending(1, parked=1)),)))
    world.clock.now = 10**13
    assert len(store.lanes.lease(Lane.SMS, 9)) == 2


class Meanwhile(Seal):
    """A seal that never fits; something happens while it is checked."""

    def __init__(self, happens):
        super().__init__("test-secret")
        self._happens = happens

    def check(self, order, kept):
        self._happens()
        raise BrokenRecord("does not fit")


def leasing(world, happens):
    return redis_store(Wire(world.client, proves=False, replicas=0), lease_ms=60_000, clock=world.clock,
                      seal=Meanwhile(happens))  # fmt: skip


def test_parking_creates_no_record_that_went_meanwhile(world, order):
    key = world.cell.order(order.id)
    assert leasing(world, lambda: world.client.delete(key)).lanes.lease(Lane.SMS, 1) == []
    assert not world.client.exists(key)


def test_parking_brings_back_no_effect_that_was_dropped_meanwhile(world, store, order):
    dropped = Commit("", (Change.of(order, {}, (), ((QUESTION, Drop.ANYWAY),)),))
    assert leasing(world, lambda: one(store, dropped)).lanes.lease(Lane.SMS, 1) == []
    assert QUESTION not in world.engine.show(order.id).effects
    assert store.lanes.stuck(9) == []


def test_an_effect_that_cannot_be_read_waits_for_a_person_and_stops_nobody_else(world, store, order):
    world.client.hset(world.cell.order(order.id), f"f:{QUESTION}", '[2,0,1,7,8,"",oops]')
    other = world.place("13900139000")
    assert [leased.record.id for leased in store.lanes.lease(Lane.SMS, 9)] == [other.id]
    assert [each.id for each in store.lanes.stuck(9)] == [order.id]
    pending = world.engine.show(order.id).effects[QUESTION]
    assert (pending.attempts, pending.leased_at, pending.doubts, pending.first_at, pending.parked) == (3, 0, 1, 7, 1)


def test_what_waits_in_an_effect_survives_every_lease(world, store, order):
    pending = Pending(7, 0, 2, 1_764_000_000_123, 1_764_000_000_456, "test", 'why "/" \\ é\u2028', "ops", 0)
    about = Pending(about=("mobile", '234 5G/“套餐” 199 \\ "元"', "345 b"))
    line = Change(Owner.LINE, world.engine.line(NUMBER).id, put=(Put("sms.clarification.3", 0, about),))
    one(store, noted(order, put=(Put(QUESTION, 0, pending),), line=line))
    for attempt in range(1, 4):
        by_effect = {leased.effect: leased for leased in store.lanes.lease(Lane.SMS, 9)}
        now = by_effect[QUESTION].record.effects[QUESTION]
        assert (now.attempts, now.doubts, now.why, now.believe) == (7 + attempt, 2, pending.why, "ops")
        assert now.first_at == pending.first_at
        assert by_effect["sms.clarification.3"].record.effects["sms.clarification.3"].about == about.about
        world.clock.forward(seconds=61)


def test_members_without_an_effect_are_swept_out(world, store):
    world.client.zadd(Cell().due["mobile"], {"o:none:sms.confirmation.1": 1, "nonsense": 2, f"l:{LINE}:sms.help.1": 3})
    assert store.lanes.lease(Lane.SMS, 9) == []
    assert world.client.zcard(Cell().due["mobile"]) == 0


def test_what_nobody_can_read_goes_to_the_stuck_list_and_the_others_are_leased(world, store, order):
    store.inbox.receive([posted("a"), posted("b", line=SECOND)])
    world.client.hset(f"ce:{{0}}:line:{LINE}", "f:read", "garbage")
    world.client.hset(f"ce:{{0}}:order:{order.id}", "state", "of a later release")
    world.client.rpush(f"ce:{{0}}:inbox:{THIRD}", "garbage")
    store.inbox.receive([posted("c", line=THIRD), posted("d", line=FOURTH)])
    assert {leased.record.id for leased in store.lanes.lease(Lane.INBOUND, 9)} == {SECOND, FOURTH}
    assert store.lanes.lease(Lane.SMS, 9) == []
    assert {each.id for each in store.lanes.stuck(9)} == {LINE, THIRD, order.id}


# -- receive ----------------------------------------------------------------------------------------------------------


def test_a_message_is_stored_once_and_its_repeat_says_when_it_first_came(world, store):
    [first] = store.inbox.receive([posted()])
    world.clock.forward(hours=1)
    [again] = store.inbox.receive([posted(body="another body")])
    assert (first.is_new, again.is_new, again.at) == (True, False, first.at)
    assert world.client.llen(f"ce:{{0}}:inbox:{LINE}") == 1


def test_the_instants_of_one_line_never_go_back(world, store):
    [first] = store.inbox.receive([posted("a")])
    world.clock.forward(hours=-1)
    later, other = store.inbox.receive([posted("b"), posted("c", line=SECOND)])
    assert later.at == other.at == world.clock.now  # the instant that callers are told
    [mine] = [each for each in store.lanes.lease(Lane.INBOUND, 9) if each.record.id == LINE]
    assert [each.at for each in mine.unread] == [first.at, first.at]


def test_a_refusal_raises_the_version_and_other_messages_do_not(world, store):
    def version():
        return store.records.look({Line: [LINE]}).of(Line)[LINE].version

    versions = []
    for n, refuses in enumerate([(), (), ("mobile",), ("mobile",), ("mobile", "telecom"), ("*",)]):
        store.inbox.receive([posted(str(n), makes=refuses, door='d"oor', ref="/é")])
        versions.append(version())
    assert [version - versions[0] for version in versions] == [0, 0, 1, 1, 2, 3]
    refusals = {each.carrier: each for each in store.records.look({Line: [LINE]}).of(Line)[LINE].restrictions}
    assert (set(refusals), refusals["mobile"].ref) == ({"mobile", "telecom", "*"}, "/é")


@pytest.mark.parametrize("more", [{}, {"once": True}, {"key": "a", "same_for": 86_400_000}])
def test_a_refusal_that_is_said_again_moves_the_version_that_a_lift_has_read(world, store, more):
    store.inbox.receive([posted("a", makes=("mobile",))])
    read = store.records.look({Line: [LINE]}).of(Line)[LINE]
    world.clock.forward(hours=1)
    store.inbox.receive([posted(**{"key": "b", "makes": ("mobile",), **more})])
    assert one(store, Commit("", (Change.of(read, {"r:mobile": ""}),))) is CommitResult.STALE


@pytest.mark.parametrize("known", [False, True])
def test_a_refusal_by_a_person_that_stands_already_or_has_nothing_to_end_is_no_message(world, store, known):
    if known:
        store.inbox.receive([posted("0")])
    first, again = store.inbox.receive(
        [posted("a", makes=("*",), door="voice", once=True), posted("b", makes=("*",), door="voice", once=True)]
    )
    assert (first.is_new, again.is_new, again.at) == (True, False, first.at)
    assert world.client.llen(f"ce:{{0}}:inbox:{LINE}") == 2 * known
    assert [each.record.id for each in store.lanes.lease(Lane.INBOUND, 9)] == [LINE] * known
    [stands] = store.records.look({Line: [LINE]}).of(Line)[LINE].restrictions
    assert (stands.name, stands.door, stands.since) == ("*", "voice", first.at)


def test_a_message_that_comes_while_its_line_is_read_is_not_forgotten(world, store):
    store.inbox.receive([posted("a")])
    store.lanes.lease(Lane.INBOUND, 1)
    store.inbox.receive([posted("b")])
    held = Held(LINE, READ, 1, world.clock.now)
    assert one(store, Commit("", (Change(Owner.LINE, LINE, consume="a", release=True),), held)) is CommitResult.OK
    [leased] = store.lanes.lease(Lane.INBOUND, 1)
    assert [message.key for message in leased.unread] == ["b"]


# -- reservations -----------------------------------------------------------------------------------------------------


def test_a_reservation_stands_for_one_request_and_only_its_last_claimant_gives_it_back(world, store):
    for claimant in ("c1", "c2"):
        assert store.reservations.claim([("k", "print", "o1", claimant, "")])[0].held_by is None
    taken = store.reservations.claim([("k", "another", "o1", "c3", "")])[0]
    assert taken.held_by == ("print", "o1", world.clock.now)
    store.reservations.release([("k", "", "c1")])
    assert store.reservations.claim([("k", "another", "o2", "c4", "")])[0].held_by is not None
    assert store.reservations.claim([("k", "another", "o2", "c4", taken.seen)])[0].held_by is None
    assert store.reservations.claim([("k", "third", "o3", "c5", taken.seen)])[0].held_by is not None
    store.reservations.release([("k", "", "c4")])
    assert store.reservations.claim([("k", "third", "o3", "c5", "")])[0].held_by is None


def test_a_reservation_goes_with_the_order_that_it_stands_for_and_with_no_other(world, store):
    assert store.reservations.claim([("k", "print", "o1", "c1", "")])[0].held_by is None
    store.reservations.release([("k", "o2", "")])
    assert store.reservations.claim([("k", "another", "o2", "c2", "")])[0].held_by == ("print", "o1", world.clock.now)
    store.reservations.release([("k", "o1", "")])
    assert store.reservations.claim([("k", "another", "o2", "c2", "")])[0].held_by is None


def test_what_answered_nothing_is_kept_once_however_often_it_is_brought(world, store):
    for entry in ("{}", '{"n":1}', "{}"):
        store.inbox.unmatched([entry])
    assert world.client.xlen(world.cell.unmatched) == 2


# -- the server itself ------------------------------------------------------------------------------------------------


def test_a_server_that_forgot_its_scripts_is_told_them_again(world, store, order):
    world.client.script_flush()
    assert one(store, noted(order), prove=True) is CommitResult.OK


def test_without_a_clock_of_ours_the_servers_own_is_asked(world, store):
    server_time = redis_store(Wire(world.client, proves=False, replicas=0), lease_ms=60_000, seal=SEAL)
    seconds, _ = world.client.time()
    [stored] = server_time.inbox.receive([posted()])
    [leased] = server_time.lanes.lease(Lane.INBOUND, 1)
    now = server_time.records.look({}).now
    assert seconds * 1000 - 1 <= stored.at <= leased.at <= now <= seconds * 1000 + 60_000


@needs.linux
def test_what_was_proven_survives_the_death_of_the_server(server):
    client = connect(server.url)
    client.flushdb()
    world = World(client)
    world.engine.store = redis_store(
        Wire(client, proves=True, replicas=0), lease_ms=60_000, clock=world.clock, seal=SEAL
    )
    order = world.place()
    world.say("TD")
    killed = os.pidfd_open(server.pid)
    os.kill(server.pid, signal.SIGKILL)
    assert has_ended(killed, HANGS_S)
    with pytest.raises(StoreUnavailable):
        world.engine.lookup.load()
    server.restart()
    assert world.engine.show(order.id).effects[QUESTION] == FRESH
    world.run()
    assert world.state(order) == "declined"
    world.runner.close()
    client.close()


def test_what_cannot_be_proven_is_not_called_done_and_asking_again_is_safe(server):
    client = connect(server.url)
    client.flushdb()
    world = World(client)
    world.engine.store = redis_store(
        Wire(client, proves=True, replicas=1), lease_ms=60_000, clock=world.clock, seal=SEAL
    )
    with pytest.raises(NotDurable):
        world.place(key="k")
    world.engine.store = redis_store(
        Wire(client, proves=True, replicas=0), lease_ms=60_000, clock=world.clock, seal=SEAL
    )
    order = world.place(key="k")
    assert [entry.order for entry in world.engine.line(NUMBER).entries] == [order.id]
    world.runner.close()
    client.close()


def test_a_process_goes_on_with_the_scripts_it_began_with_though_an_upgrade_replaces_the_files(world, monkeypatch):
    wire = Wire(world.client, proves=False, replicas=0)
    monkeypatch.setattr("consent_engine.adapters.redis.client.files", lambda _: pytest.fail("the files are others now"))
    store = redis_store(wire, lease_ms=60_000, clock=world.clock, seal=SEAL)
    world.client.script_flush()
    assert store.lanes.lease(Lane.SMS, 1) == []
