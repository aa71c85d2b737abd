"""Many numbers of one agent that answer in one cadence: people do not, so the code is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consent_engine.domain.effects import Accepted, Lane
from consent_engine.domain.msisdn import parse
from consent_engine.domain.offer.offer import Policy, Suspects
from consent_engine.domain.order.unlikely_yes import DEPTH, DEPTH_LOOSELY, Beat, Newest, cadence_of
from consent_engine.domain.sms import Delivery
from consent_engine.engine.read_inbox import reading
from consent_engine.engine.round_trips import drive
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import CommitResult
from tests.conftest import World
from tests.integration.mishaps import dies_after, happens_before_the_next_commit
from tests.memory import a_store

MOST = 5
UNEVEN = (11, 47, 23, 5, 71, 31, 13, 59, 3, 37, 19, 43, 7, 29, 17, 61, 53, 41, 67, 73)
"""Seconds between two orders: no cadence of their own."""


@pytest.fixture
def agency():
    """Make a world whose policy looks for a cadence; settings may be changed before anything is placed."""
    made = World(a_store(), policy())
    yield made
    made.runner.close()


def policy(suspects=Suspects.CODE, **more):
    return Policy(retry_base=1_000, suspects=suspects, reading_speed=60, **{"cadence": MOST, **more})


def changed(world, **more):
    world.policy = replace(world.policy, **more)
    world.engine = world.another()


def number(n):
    return parse(f"138001380{n:02}")


def asked(world, n):
    """Place an order of the n-th number, and hand its question over just now."""
    world.clock.forward(seconds=UNEVEN[n])
    order = world.place(number(n))
    world.run(Lane.SMS)
    return order


def answers(world, n, after_ms=20_000, text="是"):
    """Ask the n-th number, and let it answer so long after the hand-over."""
    order = asked(world, n)
    world.clock.now = world.engine.show(order.id).events[0].detail.last + after_ms
    world.say(text.format(order.doc.code), number(n))
    world.run(Lane.INBOUND)
    return order


def seen(world, order):
    return world.engine.show(order.id).events[-1].as_json().get("seen")


def confirmed(world, orders):
    return ["said_yes" in world.triggers(order) for order in orders]


def test_the_sixth_number_in_one_cadence_is_asked_for_the_code(agency):
    orders = [answers(agency, n, 20_000 + 40 * n) for n in range(MOST + 1)]
    assert confirmed(agency, orders) == [True] * MOST + [False]
    assert seen(agency, orders[-1]) == {"rule": "cadence", "measured": 20_200, "edition": 3, "others": MOST}
    agency.run(Lane.SMS)
    assert len(agency.texts("prove")) == 1
    agency.clock.forward(seconds=47)
    agency.say(f"是{orders[-1].doc.code}", number(MOST))
    agency.run()
    assert agency.state(orders[-1]) == "notified", "a person who is asked answers in a time of his own"


AIR = (1.1, 4.9, 2.3, 5.7, 3.2, 1.6, 4.1, 2.8, 5.2, 3.7, 3.1, 4.5)
"""Seconds that a question takes to the handset, which no gateway reports."""


def test_a_machine_is_seen_through_the_air_where_no_delivery_is_reported(agency):
    orders = [answers(agency, n, int(1_000 * (air + 12))) for n, air in enumerate(AIR)]
    assert confirmed(agency, orders) == [True] * 10 + [False] * 2, "twice the policy's number passed"
    assert seen(agency, orders[-1]) == {"rule": "cadence", "measured": 16_500, "edition": 3, "others": 10}


def test_people_who_are_quick_are_in_no_cadence_where_no_delivery_is_reported(agency):
    """As many numbers took about as long, and about as many a little more or less."""
    took_ms = [20_000 + 700 * n for n in range(4)] + [11_500 + 370 * n for n in (0, 10, 1, 9, 2, 8, 3, 7, 4, 6, 5)]
    orders = [answers(agency, n, ms) for n, ms in enumerate(took_ms)]
    assert all(confirmed(agency, orders))


def test_what_was_delivered_is_compared_with_its_like_alone(agency):
    for n in range(MOST):
        answers(agency, n)
    agency.gateway.reports = True
    order = asked(agency, MOST)
    agency.report(order, Delivery.DELIVERED)
    agency.run(Lane.INBOUND)
    agency.clock.forward(20_000)
    agency.say("是", number(MOST))
    agency.run(Lane.INBOUND)
    assert confirmed(agency, [order]) == [True]


def test_people_who_take_a_time_of_their_own_are_in_no_cadence(agency):
    orders = [answers(agency, n, 9_000 + 503 * n * n) for n in range(12)]
    assert all(confirmed(agency, orders))


def test_equal_intervals_are_a_cadence_however_long_each_took(agency):
    orders = [asked(agency, n) for n in range(MOST + 1)]
    agency.clock.forward(seconds=30)
    for n in range(MOST + 1):
        agency.clock.now += 5_000 - agency.clock.now % 5_000
        agency.say("是", number(n))
        agency.run(Lane.INBOUND)
    assert confirmed(agency, orders) == [True] * MOST + [False]
    assert (seen(agency, orders[-1])["rule"], seen(agency, orders[-1])["others"]) == ("lockstep", MOST)


def test_a_gateway_that_hands_over_a_backlog_makes_no_cadence(agency):
    """Many messages in a row with uneven stamps of their own, and many at one instant without stamps."""
    orders = [asked(agency, n) for n in range(14)]
    written = [agency.clock.now + 1_000 * sum(UNEVEN[:n]) for n in range(14)]
    agency.clock.forward(hours=2)
    for n in range(14):
        agency.clock.now += 2_000 if n < 7 else 0
        agency.say("是", number(n), written_at=written[n] if n < 7 else None)
    agency.run(Lane.INBOUND)
    assert all(confirmed(agency, orders))


def test_the_same_post_again_is_no_other_number(agency):
    for n in range(MOST - 1):
        answers(agency, n)
        for _ in range(4):
            agency.engine.receive([])
            agency.say("是", number(n), message_id=f"mo-{agency.keys}")
        agency.run(Lane.INBOUND)
    assert confirmed(agency, [answers(agency, 7), answers(agency, 8)]) == [True, False]


def test_a_number_counts_once_however_many_orders_it_answers(agency):
    for n in range(MOST):
        answers(agency, n % 2, text="是{}")
        agency.run()
    assert confirmed(agency, [answers(agency, 2)]) == [True]


def test_each_agents_numbers_are_looked_at_alone(agency):
    for n in range(MOST):
        answers(agency, n)
    agency.request = lambda *a, **k: World.request(agency, *a, **k).model_copy(update={"agent": "A 7"})
    assert confirmed(agency, [answers(agency, 6)]) == [True]


def test_processes_share_what_they_saw(agency):
    for n in range(MOST):
        agency.engine = agency.another()
        answers(agency, n)
    assert confirmed(agency, [answers(agency, 6)]) == [False]


def test_what_is_read_in_one_batch_is_counted_one_by_one(agency):
    orders = [agency.place(number(n)) for n in range(2 * MOST)]
    agency.run(Lane.SMS)
    agency.clock.forward(seconds=20)
    for n in range(2 * MOST):
        agency.say("是", number(n))
    agency.run(Lane.INBOUND)
    assert sorted(confirmed(agency, orders)) == [False] * MOST + [True] * MOST


def test_so_many_yeses_of_one_batch_are_saved_in_one_go(agency):
    """Each is compared with those before it in the batch: no commit is stale for another's."""
    for n in range(64):
        agency.place(number(n))
    agency.run(Lane.SMS)
    agency.clock.forward(seconds=20)
    for n in range(64):
        agency.say("是", number(n))
    words, save = [], agency.engine.store.records.commit

    def commit(some, **more):
        words.append(save(some, **more))
        return words[-1]

    agency.engine.store.records.commit = commit
    leased = agency.engine.store.lanes.lease(Lane.INBOUND, 64)
    drive(agency.engine.store, [reading(each, 5) for each in leased])
    assert words == [[CommitResult.OK] * 64]


def test_yeses_that_two_processes_compare_at_once_see_each_other(agency):
    for n in range(MOST - 1):
        answers(agency, n)
    orders = [agency.place(number(n)) for n in (7, 8)]
    agency.run(Lane.SMS)
    agency.clock.forward(seconds=20)
    for n in (7, 8):
        agency.say("是", number(n))
    [first, second] = agency.engine.store.lanes.lease(Lane.INBOUND, 2)
    another = agency.another()
    happens_before_the_next_commit(agency.engine, lambda: drive(another.store, [reading(second, 5)]))
    drive(agency.engine.store, [reading(first, 5)])
    assert sorted(confirmed(agency, orders)) == [False, True]


YESES = st.builds(
    Beat, line=st.sampled_from([f"{n:024}" for n in range(40)]), agent=st.just("A 7"), delay=st.integers(0, 40_000),
    at=st.integers(0, 100_000), proves=st.booleans(), delivered=st.booleans(), most=st.integers(0, 15),
)  # fmt: skip


@given(st.lists(YESES, max_size=60), st.text("0123456789,; x1", max_size=80))
def test_a_row_is_bounded_holds_a_number_once_and_is_never_in_the_way(yeses, damage):
    """Nor is one that somebody changed by hand: a yes is compared with what is left of it."""
    newest = Newest(damage)
    for beat in yeses:
        found = cadence_of(beat, newest.kept)
        laid = newest.with_also(beat)
        numbers = [each.rsplit(",", 1)[1] for each in laid.kept.rstrip(";").split(";")]
        assert found is None or 0 < beat.most <= found.others < len(numbers) + DEPTH_LOOSELY
        assert len(numbers) <= (DEPTH if beat.delivered else DEPTH_LOOSELY)
        assert (numbers[-1], numbers.count(beat.number)) == (beat.number, 1)


def test_whoever_dies_over_a_yes_is_not_counted_twice(agency):
    for n in range(MOST - 1):
        order = asked(agency, n)
        agency.clock.now = agency.engine.show(order.id).events[0].detail.last + 20_000
        agency.say("是", number(n))
        with pytest.raises(StoreUnavailable):
            agency.run(Lane.INBOUND, engine=dies_after(agency.another(), 0))
        agency.clock.forward(seconds=61)
        agency.run(Lane.INBOUND)
    assert confirmed(agency, [answers(agency, 7), answers(agency, 8)]) == [True, False]


def test_whoever_answers_the_question_for_the_code_in_one_cadence_too_is_held(agency):
    orders = [answers(agency, n) for n in range(3 * MOST)]
    for n in range(MOST, 3 * MOST):
        agency.run(Lane.SMS)
        agency.clock.now = agency.engine.show(orders[n].id).events[-1].at + 15_000
        agency.say(f"是{orders[n].doc.code}", number(n))
        agency.run(Lane.INBOUND)
    held = ["suspected" in agency.triggers(order) for order in orders[MOST:]]
    assert held == [False] * MOST + [True] * MOST
    assert seen(agency, orders[-1])["rule"] == "cadence"


def test_policy_hold_has_a_person_look_at_once(agency):
    changed(agency, suspects=Suspects.HOLD)
    orders = [answers(agency, n) for n in range(MOST + 3)]
    assert confirmed(agency, orders) == [True] * MOST + [False] * 3
    assert (agency.triggers(orders[-1])[1], agency.texts("prove")) == ("suspected", [])
    assert {held.reason for held in agency.engine.held()[0]} == {"no_person"}


def test_policy_off_takes_it_and_the_history_says_so(agency):
    changed(agency, suspects=Suspects.OFF)
    orders = [answers(agency, n) for n in range(MOST + 1)]
    assert confirmed(agency, orders) == [True] * (MOST + 1)
    assert seen(agency, orders[-1])["rule"] == "cadence"


@pytest.mark.parametrize("more", [{"cadence": 0}, {"suspects": Suspects.NOT_LOOKED_FOR}])
def test_where_the_policy_looks_for_no_cadence_nothing_is_kept(agency, more):
    changed(agency, **more)
    assert all(confirmed(agency, [answers(agency, n) for n in range(MOST + 2)]))
    assert agency.client.keys("ce:{0}:cadence:*") == []


def test_an_early_yes_is_laid_beside_the_others(agency):
    def hears(sms):
        agency.clock.forward(20_000)
        agency.say("是", sms.to)
        agency.read_now()
        return Accepted("m1")

    orders = []
    for n in range(MOST + 1):
        agency.clock.forward(seconds=UNEVEN[n])
        agency.gateway.answers = [hears]
        orders.append(agency.place(number(n)))
        agency.run(Lane.SMS)
    assert confirmed(agency, orders) == [True] * MOST + [False]
    assert agency.triggers(orders[-1])[2] == "replied_suspect"


def test_a_bounded_number_is_kept_for_a_bounded_time_and_no_person_in_it(agency):
    changed(agency, suspects=Suspects.OFF)
    for n in range(20):
        answers(agency, n)
    [key] = agency.client.keys("ce:{0}:cadence:*")
    kept = agency.client.hgetall(key)
    assert [*kept] == ["q~|A1024"]
    assert kept["q~|A1024"].count(";") == 20
    assert 0 < agency.client.ttl(key) <= 2 * 86_400
    assert not any(number(n)[3:] in f"{key} {kept}" for n in range(20))
