"""Many cells as one store: which answer, in which order, and the records that an unreachable cell takes along."""

import pytest

from consent_engine.adapters.redis.cells import cell_of
from consent_engine.adapters.redis.sharded_store import sharded_store
from consent_engine.adapters.redis.store import PIECE
from consent_engine.domain.call.permit import Given
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.effects import Lane
from consent_engine.domain.inbox import UnreadRefusal, encode_message
from consent_engine.domain.line.line import line_id, request_key
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import SLOTS, slot
from consent_engine.domain.sms import Reply
from consent_engine.engine.audit_refusals import note_standing
from consent_engine.engine.engine import RefusalAsked
from consent_engine.engine.permits import PermitsAsked
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Endpoint, Only, Owner, Posted
from tests.cluster.shaky import CELLS, people_of, placings

MESSAGE = encode_message(UnreadRefusal("mobile", "voice", "A1024"))


@pytest.mark.parametrize("cells", [1, 3, 64, 1_024])
def test_every_id_has_a_cell_and_cells_are_even_ranges_of_slots(cells):
    homes = [cell_of(f"{n:04x}abc", cells) for n in range(SLOTS)]
    assert homes == sorted(homes)
    assert {homes.count(n) for n in set(homes)} <= {SLOTS // cells, SLOTS // cells + 1}
    for odd in ("", "-", "xyz", "-001", "+f00", "0x1f", "ffff", "١١١١", "3f", "zzzz0000", "1_00"):
        assert 0 <= cell_of(odd, cells) < cells


def test_ids_that_are_none_are_answered_like_orders_that_are_not_there(world):
    for odd in ("", "nonsense", "-001", "ffffffff"):
        _, orders, lines = world.engine.lookup.load([odd], [odd])
        assert not orders
        assert lines[odd].version == 0
        assert world.engine.store.records.glance([odd]) == [(0, "")]


def test_answers_stand_in_the_order_of_the_questions(world):
    people = [p for group in zip(*people_of(0, 1, 2, 3).values(), strict=True) for p in group]
    placed = world.engine.place_many(placings(world, people))
    assert [each.order.id[:4] for each in placed] == [f"{slot(each):04x}" for each in people]
    ids = [each.order.id for each in placed]
    lines = [line_id("test-secret", each) for each in people]
    store = world.engine.store
    assert store.records.glance([*ids, "nonsense"]) == [(1, line) for line in lines] + [(0, "")]
    first = store.inbox.receive([Posted(line, "", f"m-{n}", MESSAGE) for n, line in enumerate(lines)])
    again = store.inbox.receive([Posted(line, "", f"m-{n % 6}", MESSAGE) for n, line in enumerate(lines)])
    assert [each.is_new for each in first] == [True] * 12
    assert [each.is_new for each in again] == [False] * 6 + [True] * 6


def test_what_stands_is_noted_in_the_journal_of_its_own_cell(world):
    people = [each for group in people_of(0, 2, 3).values() for each in group]
    world.engine.receive([RefusalAsked(each, "mobile", "voice", "desk") for each in people])
    journal, lines = world.engine.store.journal, [line_id("test-secret", each) for each in people]
    world.engine.store.retirement.bind_archive("a")
    for piece in journal.read(1_000, "one", "a"):
        assert journal.drop(piece)
    assert note_standing(world.engine.store, [(line, name) for line in lines for name in ("mobile", "telecom")]) == len(
        lines
    )
    noted = {(piece.cell, entry.split()[1]) for piece in journal.read(1_000, "one", "a") for entry in piece.entries}
    assert noted == {(cell_of(line, CELLS), line) for line in lines}


def test_a_cell_that_is_cut_off_takes_nobody_along_but_whose_key_it_keeps(world):
    people = [p for group in people_of(0, 1, 2, 3, count=6).values() for p in group]
    lost = 2
    world.wires[lost].cut = True
    for each, wanted in zip(people, placings(world, people), strict=True):
        [placed] = outcome(world, wanted)
        home = cell_of(f"{slot(each):04x}", CELLS)
        if home == lost:
            assert isinstance(placed, StoreUnavailable)
        elif not isinstance(placed, StoreUnavailable):
            assert cell_of(request_key(placed.order.id), CELLS) != lost
    world.wires[lost].cut = False
    assert all(not isinstance(each, Exception) for each in world.engine.place_many(placings(world, people)))


def outcome(world, wanted):
    try:
        return world.engine.place_many([wanted])
    except StoreUnavailable as error:
        return [error]


def test_a_batch_with_messages_of_a_cell_that_is_cut_off_is_told_no_and_its_repeat_stores_each_once(world):
    homes = people_of(0, 1, 2, 3, count=1)
    stops = [Reply("test", f"mo-{n}", each[0], "10085", "TD") for n, each in homes.items()]
    world.wires[1].cut = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            world.engine.receive(stops)
    assert [world.engine.dial(homes[n][0], "mobile").callable for n in (0, 2, 3)] == [False] * 3, "in force already"
    world.wires[1].cut = False
    assert [each.is_new for each in world.engine.receive(stops)] == [False, True, False, False]
    assert [each.is_new for each in world.engine.receive(stops)] == [False] * 4
    unread = [world.client.llen(key) for key in world.client.keys("ce:*:inbox:*")]
    assert unread == [1] * 4


def test_permits_for_numbers_of_many_cells_are_answered_in_order_and_kept_in_each_cell(world):
    homes = people_of(0, 1, 2, 3, count=2)
    everybody = [each for pair in zip(*homes.values(), strict=True) for each in pair]
    world.engine.refuse(RefusalAsked(homes[2][0], "mobile", "voice", "A1024"))
    given = world.engine.dialler.permits(PermitsAsked(everybody, "mobile", None, "desk"))
    denied = [each for each, (dial, _) in zip(everybody, given.answers, strict=True) if not dial.callable]
    assert denied == [homes[2][0]]
    assert len({token for _, token in given.answers}) == len(everybody)
    rows = [
        Given.decode(row["m"]) for key in sorted(world.client.keys("*:permits")) for _, row in world.client.xrange(key)
    ]
    assert [(row.permits, row.denied) for row in rows] == [(2, {}), (2, {}), (1, {"refused": 1}), (2, {})]
    assert {row.request for row in rows} == {given.request}
    world.wires[1].cut = True
    with pytest.raises(StoreUnavailable):
        world.engine.dialler.permits(PermitsAsked(everybody, "mobile", None, "desk"))
    assert world.engine.dialler.permits(PermitsAsked(homes[0], "mobile", None, "desk")).answers[0][1]
    world.wires[1].cut = False


def test_leases_come_from_one_cell_after_the_other_however_much_one_has(world):
    people = people_of(0, 1, 2, 3, count=2)
    people[0] += people_of(0, count=12)[0][2:]
    world.engine.place_many(placings(world, [p for group in people.values() for p in group]))
    homes = []
    while leased := world.engine.store.lanes.lease(Lane.SMS, 1):
        homes += [cell_of(each.record.id, CELLS) for each in leased]
    assert [sorted(homes[n : n + 4]) for n in (0, 4)] == [[0, 1, 2, 3]] * 2
    assert homes[8:] == [0] * 10
    assert len(homes) == 18


def test_a_cell_that_is_cut_off_is_left_out_and_asked_again_when_its_time_is_over(world):
    world.engine.place_many(placings(world, [p for group in people_of(0, 1, 2, 3).values() for p in group]))
    store = world.engine.store
    world.wires[3].cut = True
    found = [cell_of(each.record.id, CELLS) for _ in range(6) for each in store.lanes.lease(Lane.SMS, 10)]
    assert sorted(found) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert store.lanes.depths()[Lane.SMS].waiting == 9, "as far as can be seen"
    world.wires[3].cut = False
    assert store.lanes.lease(Lane.SMS, 10) == [], "left alone for a second"
    store.lanes._cells._again_at[3] = 0.0  # noqa: SLF001 - the second is over
    assert len(store.lanes.lease(Lane.SMS, 10)) == 3
    for n in range(CELLS):
        world.wires[n].cut = True
    store = sharded_store(store.lanes._cells.stores, down_s=-1.0)  # noqa: SLF001 - the same cells, asked again at once
    with pytest.raises(StoreUnavailable):
        store.lanes.lease(Lane.SMS, 10)
    with pytest.raises(StoreUnavailable):
        store.lanes.depths()


def test_lists_are_whole_or_refused(world):
    """Pages of what all cells hold, also with many of the same instant; a list that would omit a cell is refused."""
    people = [p for group in people_of(0, 1, 2, 3, count=5).values() for p in group]
    ids = {each.order.id for each in world.engine.place_many(placings(world, people))}  # all of one instant
    for each in people[::3]:
        world.engine.refuse(RefusalAsked(each, "*", "voice", "A1024"))
    store, seen, before = world.engine.store, [], None
    for _ in range(3):
        page = store.queries.restrictions.page(Kind.REFUSED, before, 3)
        seen += [row.line for row in page.rows]
        before = page.last
    assert (len(seen), len(set(seen)), before) == (7, 7, None)
    assert {order for _, order in store.queries.places(Owner.ORDER, Only.PRESENT, None, 100)} == ids
    assert len(store.queries.places(Owner.ORDER, Only.PRESENT, None, 7)) == 7
    world.wires[2].cut = True
    with pytest.raises(StoreUnavailable):
        store.lanes.stuck(10)


def test_a_list_of_effects_has_as_many_as_are_asked_for_and_some_of_every_cell(world):
    people = [p for group in people_of(0, 1, 2, 3, count=5).values() for p in group]
    world.engine.place_many(placings(world, people))
    lanes = world.engine.store.lanes
    due = [lanes.next(Lane.SMS, most) for most in (6, 100)]
    for key in world.client.keys("*:due:sms:mobile"):
        world.client.zadd(key, dict.fromkeys(world.client.zrange(key, 0, -1), float("inf")))  # they wait for a person
    for six, every in (due, [lanes.stuck(most) for most in (6, 100)]):
        assert [cell_of(each.id, CELLS) for each in six] == [0, 1, 2, 3, 0, 1]
        assert [cell_of(each.id, CELLS) for each in every] == [0, 1, 2, 3] * 5


def test_a_key_is_kept_in_the_cell_of_its_own_hash_and_given_back_there(world):
    store = world.engine.store
    keys = [f"{n * 0x400:04x}hash" for n in range(16)]
    claims = store.reservations.claim([(key, "print", "order", "me", "") for key in keys])
    assert all(each.held_by is None for each in claims)
    names = sorted(world.client.keys("ce:*:key:*"))
    assert names == sorted(f"ce:{{{cell_of(key, CELLS)}}}:key:{key}" for key in keys)
    store.reservations.release([(key, "", "me") for key in keys[:15]])
    assert world.client.keys("ce:*:key:*") == [f"ce:{{3}}:key:{keys[15]}"]


def test_what_waits_for_a_gateway_goes_out_of_every_cell_once_that_goes_on(world):
    gateway = Endpoint("gateway", "test")
    world.engine.pauses.pause(gateway, "ops-1", "its operator works on it")
    world.clock.forward(seconds=1)
    orders = [world.place(each) for [each] in people_of(*range(CELLS), count=1).values()]
    world.run(Lane.SMS)
    assert world.gateway.sent == []
    world.engine.pauses.resume(gateway, "ops-1", "done")
    world.run(Lane.SMS)
    assert {world.state(each) for each in orders} == {"awaiting_reply"}


def test_unmatched_messages_of_a_number_that_is_erased_go_from_its_cell_and_the_first_however_many_are_there(world):
    [theirs, *_], [other, *_] = people_of(2, 3).values()
    line, store = line_id("test-secret", theirs), world.engine.store
    others = [compact({"line": line_id("test-secret", other), "n": n}) for n in range(PIECE + 1)]
    for cell in (0, 2, 3):
        world.stores[cell].inbox.unmatched(others)
    store.inbox.unmatched([compact({"message": f"from {theirs}"})])
    world.stores[2].inbox.unmatched([compact({"line": line}), compact({"line": line, "n": 1})])
    assert store.inbox.forget(line, theirs.removeprefix("+86")) == 3
    kept = [world.client.xlen(world.names[cell].unmatched) for cell in (0, 2, 3)]
    assert kept == [PIECE + 1] * 3
    assert store.inbox.forget(line, theirs.removeprefix("+86")) == 0
