"""The health of gateways and the BSS: how long none has answered, how many calls fail, and one line per outage."""

import pytest

from consent_engine.domain.effects import Accepted, Lane, Rejected, Unavailable, Uncertain
from consent_engine.engine.metrics import (
    ASKED_WITHIN_MS,
    DOWN_AFTER_MS,
    LEAST_LOST,
    UNANSWERED_MS,
    Measures,
    health_of,
    targets_of,
)
from consent_engine.ports import Endpoint
from consent_engine.ports.registry import AWAY_AFTER_MS, EndpointKnown
from tests.conftest import NUMBER, START
from workers.clock import tell_outages

GATEWAY, BSS = Endpoint("gateway", "test"), Endpoint("bss", "test")
NOBODY, REFUSING = Unavailable("503"), Unavailable("401", refusing=True)


@pytest.fixture
def said(caplog):
    def lines():
        found = [f"{each.levelname} {each.message}" for each in caplog.records if each.name == "workers.clock"]
        caplog.clear()
        return found

    return lines


def tells(world, *measures):
    """Report what processes measured, and let one of them look."""
    for each in measures:
        each.report(world.engine.registry)
    tell_outages(world.engine)


def health(world, target=GATEWAY):
    return next(
        each
        for each in health_of(world.engine.registry, targets_of(world.engine.outside), world.clock())
        if each.target == target
    )


def fails(world, seconds, measures=None, every=5, outcome=NOBODY):
    """Let a gateway fail for so long, while it is called."""
    measures = measures or Measures()
    for _ in range(0, seconds, every):
        measures.called(GATEWAY, outcome, 0.0, world.clock())
        tells(world, measures)
        world.clock.forward(seconds=every)
    return measures


def test_an_outage_is_one_line_at_its_beginning_and_one_at_its_end(world, said):
    others = world.another()
    fails(world, 240)
    tell_outages(others)
    [began] = said()
    assert began.startswith("WARNING gateway test has not answered since 2025-11-24T16:00:00Z, 100% of calls fail")
    measures = Measures()
    measures.called(GATEWAY, Accepted("m1"), 0.1, world.clock())
    tells(world, measures)
    tell_outages(others)
    [line] = said()
    assert line.endswith("answers again: no answer since 2025-11-24T16:00:00Z, for 240 s; 0 retries wait 10 s at most")
    assert health(world).failing == 0
    assert health(world).known.accepted == START + 240_000


def test_a_second_outage_is_told_again(world, said):
    for _ in range(2):
        measures = fails(world, 60)
        measures.called(GATEWAY, Accepted("m"), 0.1, world.clock())
        tells(world, measures)
        world.clock.forward(seconds=60)
    assert len(said()) == 4


@pytest.mark.parametrize("outcome", [Unavailable("refused"), Uncertain("timeout")])
def test_whoever_does_not_answer_is_down_after_half_a_minute(world, outcome):
    fails(world, DOWN_AFTER_MS // 1000 - 5, outcome=outcome)
    assert not health(world).is_down
    fails(world, 10, outcome=outcome)
    assert health(world).is_down
    assert health(world).failed_share == 1


def test_few_failures_are_an_accident(world, said):
    fails(world, 10)
    world.clock.forward(hours=0.1)
    tell_outages(world.engine)
    assert health(world).failing == 0
    assert said() == []


def test_a_refused_account_is_named_at_once_and_in_one_line(world, said):
    others = world.another()
    fails(world, 15, outcome=REFUSING)
    tell_outages(others)
    [line] = said()
    assert line.startswith("WARNING gateway test is refusing our account, and has taken nothing since 2025-11-24T16:00")
    assert health(world).refusing
    assert health(world).is_down
    fails(world, 60, outcome=REFUSING)
    assert said() == []


def test_a_silent_gateway_that_then_refuses_our_account_is_named_as_that_and_ends_once(world, said):
    fails(world, 60)
    said()
    measures = fails(world, 20, outcome=REFUSING)
    [line] = said()
    assert line.startswith("WARNING gateway test is refusing our account")
    measures.called(GATEWAY, Accepted("m1"), 0.1, world.clock())
    tells(world, measures)
    [line] = said()
    assert line.endswith("answers again: no answer since 2025-11-24T16:00:00Z, for 80 s; 0 retries wait 10 s at most")
    fails(world, 20, outcome=REFUSING)
    assert len(said()) == 1, "the next refusal is named again"


def test_one_refusal_among_answers_is_an_accident(world, said):
    for outcome in (REFUSING, Accepted("m1"), REFUSING, REFUSING):
        fails(world, 5, outcome=outcome)
    assert said() == []
    assert not health(world).refusing


def test_whoever_told_late_of_a_refusal_before_an_answer_tells_of_none(world):
    late = Measures()
    for n in range(5):
        late.called(GATEWAY, REFUSING, 0.0, START + n)
    world.clock.forward(seconds=60)
    answered = Measures()
    answered.called(GATEWAY, Accepted("m1"), 0.1, world.clock())
    tells(world, answered, late)
    world.clock.forward(seconds=1)
    fails(world, 20)
    assert not health(world).refusing


def test_a_refusal_is_an_answer_and_no_success(world):
    measures = fails(world, 60)
    measures.called(GATEWAY, Rejected("no such number"), 0.1, world.clock())
    tells(world, measures)
    assert health(world).failing == 0
    assert health(world).known.accepted == 0
    assert health(world).known.answered == world.clock()


def test_nobody_knows_of_whom_nobody_asked_for_long(world, said):
    fails(world, 60)
    assert len(said()) == 1
    world.clock.forward(ASKED_WITHIN_MS + 1)
    tell_outages(world.engine)
    assert health(world).failing == 0
    assert said() == []
    fails(world, 20)
    assert health(world).known.since == START, "nobody has answered since: it is the same outage"
    assert said() == []


def test_a_process_that_tells_late_changes_nothing_that_is_newer(world):
    late = Measures()
    for n in range(5):
        late.called(GATEWAY, Unavailable("503"), 0.0, START + n)
    world.clock.forward(seconds=60)
    answered = Measures()
    answered.called(GATEWAY, Accepted("m1"), 0.1, world.clock())
    tells(world, answered, late)
    assert health(world).failing == 0
    world.clock.forward(seconds=1)
    fails(world, 60)
    assert health(world).known.since == START + 61_000


def test_one_process_that_cannot_reach_it_is_no_outage_and_shows_in_the_share(world, said):
    cut_off, well = Measures(), Measures()
    for _ in range(120):
        cut_off.called(GATEWAY, Unavailable("no route"), 0.0, world.clock())
        well.called(GATEWAY, Accepted("m"), 0.1, world.clock() + 1)
        tells(world, cut_off, well)
        world.clock.forward(seconds=1)
    assert said() == []
    assert health(world).failed_share == pytest.approx(0.5, abs=0.01)


def test_the_share_forgets_what_is_long_ago(world):
    fails(world, 300, every=1)
    measures = Measures()
    for _ in range(180):
        measures.called(GATEWAY, Accepted("m"), 0.1, world.clock())
        tells(world, measures)
        world.clock.forward(seconds=1)
    assert health(world).failed_share < 0.15


def test_an_outage_began_with_the_first_call_that_got_no_answer_and_not_with_its_time_out():
    known = EndpointKnown().after(Accepted("m"), 1_000)
    hangs = known.after(Uncertain("timeout"), 20_000, 10_000).after(Uncertain("timeout"), 21_000, 10_000)
    assert (hangs.since, hangs.lost) == (10_000, 2)
    assert known.after(Uncertain("timeout"), 5_000, 10_000).since == 1_001, "what was answered meanwhile was no outage"


def test_a_call_that_goes_on_unanswered_is_heard_of_before_it_ends_and_is_one_call(world):
    measures, registry, began = Measures(), world.engine.registry, world.clock()
    numbers = [measures.begins(GATEWAY, began + n) for n in range(LEAST_LOST)]
    world.clock.forward(UNANSWERED_MS)
    measures.report(registry)
    assert health(world).failing == 0, "one of them goes on for long enough"
    world.clock.forward(AWAY_AFTER_MS - UNANSWERED_MS)
    for _ in range(2):
        measures.report(registry)
    known = health(world).known
    assert (known.lost, known.since, known.calls, known.failures) == (LEAST_LOST, began, 0, 0)
    assert health(world).is_away
    for number in numbers:
        lost = measures.over(number)
        measures.called(GATEWAY, Uncertain("timeout"), 3.0, world.clock(), lost=lost)
    measures.report(registry)
    known = health(world).known
    assert (known.lost, known.since, known.calls, known.failures) == (LEAST_LOST, began, LEAST_LOST, LEAST_LOST)


def test_a_call_that_is_answered_in_time_is_never_heard_of_as_lost(world):
    measures = Measures()
    number = measures.begins(GATEWAY, world.clock())
    world.clock.forward(UNANSWERED_MS - 1)
    measures.report(world.engine.registry)
    assert measures.over(number)
    world.clock.forward(UNANSWERED_MS)
    measures.report(world.engine.registry)
    assert world.engine.registry.known() == {}


def test_calls_that_end_out_of_their_order_are_put_into_it():
    known = EndpointKnown().after(Unavailable("503"), 50).after(Accepted("m"), 40)
    assert (known.answered, known.failed, known.since, known.lost) == (40, 50, 50, 1)
    known = EndpointKnown().after(Accepted("m"), 60).after(Unavailable("503"), 50)
    assert (known.answered, known.failed, known.since, known.lost) == (60, 50, 0, 0)
    cut = EndpointKnown().after(Unavailable("503"), 50).after(Unavailable("503"), 70).after(Accepted("m"), 60)
    assert (cut.answered, cut.failed, cut.since, cut.lost) == (60, 70, 61, 1)


def test_what_orders_meet_is_heard_under_the_name_of_whom_they_met(world):
    world.gateway.answers[:] = [Unavailable("503")]
    world.place(NUMBER)
    world.run(Lane.SMS)
    tells(world, world.engine.performer.measures)
    assert health(world).target == GATEWAY
    assert world.engine.registry.known()[GATEWAY].failed >= START
    assert health(world, BSS).known.answered == 0


def test_of_two_that_change_it_at_once_one_is_told_that_it_was_its_own(world):
    registry, first = world.engine.registry, EndpointKnown(accepted=7)
    assert [registry.know(GATEWAY, EndpointKnown(), first) for _ in range(2)] == [True, False]
    stands = registry.known()[GATEWAY]
    down = EndpointKnown(logged=5)
    assert [registry.know(GATEWAY, stands, down) for _ in range(2)] == [True, False], "though both made the same of it"
    assert registry.known()[GATEWAY].logged == 5


def test_results_that_come_while_another_process_reports_are_added_to_its_own(world):
    registry, measures = world.engine.registry, [Measures(), Measures()]
    for each in measures:
        each.called(GATEWAY, Unavailable("503"), 0.1, world.clock())
    know = registry.know

    def late(target, was, new):
        registry.know = know
        measures[1].report(registry)
        return know(target, was, new)

    registry.know = late
    measures[0].report(registry)
    assert (registry.known()[GATEWAY].lost, registry.known()[GATEWAY].calls) == (2, 2)
