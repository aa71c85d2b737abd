"""Calls are records of their own: begun, ended or abandoned, with everything that was wrong with them."""

import pytest

from consent_engine.doctor.records import audit
from consent_engine.domain.call.call import AlreadyEnded, Call, CallAbandoned, CallNotFound, RecordingReused
from consent_engine.domain.call.permit import Denied, Dial
from consent_engine.domain.days import CHINA, DAY_MS
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.event import chain
from consent_engine.domain.seal import Leaf
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.permits import PermitsAsked
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out
from consent_engine.errors import (
    ArchiveUnavailable,
    CoolingOff,
    DoNotCall,
    IdempotencyConflict,
    Malformed,
    PlanUnknown,
    StoreUnavailable,
)
from consent_engine.ports import CallFilter, Owner
from tests.archive.house import LONG, broken, standing
from tests.conftest import NUMBER, OTHER
from tests.integration.calls.desk import SHA, audio_of, instant

A_MINUTE, AN_HOUR = 60_000, 3_600_000


def refuse(desk, to=NUMBER, **more):
    desk.engine.refuse(RefusalAsked(to, "mobile", "voice", "desk", **more))


def test_a_call_is_kept_with_or_without_an_order_and_replays_to_itself(desk):
    call = desk.start(script="5g-2025-07")
    assert (call.state, call.violations) == ("up", ())
    desk.clock.forward(seconds=60)
    told = [{"id": "price", "at": instant(desk.clock() - 1_000)}]
    ended = desk.end(call, "agreed", plan="5g-smart-199", disclosures=told)
    found = desk.found(call)
    assert (found.state, found.end.outcome, found.recording.sha256) == (
        "ended",
        "agreed",
        audio_of(found.recording.ref),
    )
    assert (found.head, found.version) == (ended.head, 2)
    assert [each.id for each in found.end.disclosures] == ["price"]


def test_the_same_request_is_the_same_call_and_another_under_its_key_is_refused(desk):
    first = desk.started(key="k")
    at = first.call.began.started_at
    desk.clock.forward(seconds=5)
    again = desk.started(key="k", ago=5_000)
    assert (again.is_new, again.call.id, again.call.began.started_at) == (False, first.call.id, at)
    with pytest.raises(IdempotencyConflict):
        desk.started(key="k", ago=5_000, agent="B2")
    with pytest.raises(IdempotencyConflict):
        desk.started(OTHER, key="k", ago=5_000)


def test_an_end_twice_is_one_end_and_another_end_is_refused(desk):
    call = desk.start()
    wanted = desk.ending(call)
    assert desk.engine.calls.record(wanted).is_new
    desk.clock.forward(seconds=9)
    assert not desk.engine.calls.record(wanted).is_new
    with pytest.raises(AlreadyEnded):
        desk.end(call, "no_answer")
    assert desk.found(call).version == 2


def test_a_call_that_nobody_ends_is_abandoned_after_four_hours(desk):
    call = desk.start()
    desk.clock.forward(hours=4, milliseconds=-1_000)
    desk.run(Lane.TIMER)
    assert desk.found(call).state == "up"
    desk.clock.forward(seconds=2)
    desk.run(Lane.TIMER)
    assert desk.found(call).state == "abandoned"
    with pytest.raises(CallAbandoned):
        desk.end(call)


def test_a_call_that_ended_is_not_abandoned(desk):
    call = desk.start()
    desk.end(call)
    desk.clock.forward(hours=5)
    desk.run(Lane.TIMER)
    assert desk.found(call).state == "ended"


@pytest.mark.parametrize("wrong", [
    {"started_at": instant(1_764_000_000_000 + 2 * A_MINUTE)}, {"started_at": "2019-01-01T00:00:00Z"},
    {"started_at": "2025-11-24T10:00:00"}, {"to": "12"}, {"carrier": "other"}, {"agent": "13800138000"}, {"from": "x"},
])  # fmt: skip
def test_a_call_that_cannot_be_is_refused_by_its_field_and_reserves_nothing(desk, wrong):
    with pytest.raises(Malformed) as refused:
        desk.start(key="k", **wrong)
    assert [each.field for each in refused.value.errors] == [*wrong]
    assert desk.started(key="k").is_new


@pytest.mark.parametrize(("wrong", "field"), [
    ({"ended_at": instant(1_764_000_000_000 + 2 * A_MINUTE)}, "ended_at"),
    ({"ended_at": instant(1_764_000_000_000 - A_MINUTE)}, "ended_at"),
    ({"recording": {"ref": "r", "sha256": "zz" * 32, "seconds": 1}}, "recording.sha256"),
    ({"recording": {"ref": "r", "sha256": "9f" * 31, "seconds": 1}}, "recording.sha256"),
    ({"recording": {"ref": "r", "sha256": SHA, "seconds": -1}}, "recording.seconds"),
    ({"outcome": "declined"}, "plan"),
    ({"outcome": "maybe"}, "outcome"),
    ({"disclosures": [{"id": "price", "at": "2020-01-01T00:00:00Z"}]}, "disclosures.0.at"),
])  # fmt: skip
def test_an_end_that_cannot_be_is_refused_by_its_field_and_the_call_goes_on(desk, wrong, field):
    call = desk.start()
    with pytest.raises(Malformed) as refused:
        desk.end(call, **{"outcome": "other", **wrong})
    assert [each.field for each in refused.value.errors] == [field]
    assert desk.found(call).state == "up"


def test_a_plan_that_its_carrier_does_not_sell_is_not_declined(desk):
    call = desk.start()
    for code in ("no-such-plan", "fibre-duo-129"):
        with pytest.raises(PlanUnknown):
            desk.end(call, "declined", plan=code)


def test_a_call_to_who_refused_is_kept_as_what_it_was(desk):
    refuse(desk)
    desk.clock.forward(seconds=60)
    call = desk.start()
    assert desk.says(call) == ["refused_number"]
    assert desk.says(desk.start(OTHER)) == []


def test_who_refuses_in_the_call_was_not_called_wrongly(desk):
    call = desk.start()
    desk.clock.forward(seconds=60)
    ended = desk.end(call, "refused")
    assert ended.violations == ()
    with pytest.raises(DoNotCall):
        desk.place()
    desk.clock.forward(seconds=60)
    assert desk.says(desk.start()) == ["refused_number"]


def test_a_spoken_refusal_stands_though_its_call_was_never_ended(desk):
    call = desk.start()
    wanted = desk.ending(call, "refused")
    records = desk.engine.store.records
    asked = records.commit
    records.commit = _died
    with pytest.raises(StoreUnavailable):
        desk.engine.calls.record(wanted)
    records.commit = asked
    assert desk.found(call).state == "up"
    assert desk.engine.dial(NUMBER, "mobile").reason == "refused"
    assert desk.engine.calls.record(wanted).call.state == "ended"
    assert len(desk.engine.line(NUMBER).restrictions) == 1


def test_a_spoken_refusal_of_an_archived_call_is_kept_and_while_the_archive_is_away_nobody_says_no_such_call(desk):
    call = desk.start()
    desk.end(call, "agreed")
    desk.clock.forward(hours=LONG)
    desk.run()
    with broken(desk.archive), pytest.raises(ArchiveUnavailable) as away:
        desk.end(call, "refused")
    assert away.value.refusals_kept == 0
    assert desk.engine.dial(NUMBER, "mobile").callable
    with pytest.raises(AlreadyEnded) as ended:
        desk.end(call, "refused")
    assert ended.value.refusals_kept == 1
    assert desk.engine.dial(NUMBER, "mobile").reason == "refused"


def _died(commits, *, prove=False):
    raise StoreUnavailable("died before it was sent")


def test_a_spoken_refusal_ends_what_is_open_as_a_written_one_does(desk):
    order = desk.place()
    call = desk.start()
    desk.end(call, "refused")
    desk.run(Lane.INBOUND)
    assert desk.state(order) == "cancelled"
    assert desk.engine.show(order.id).events[-1].detail.reason == "refused"


def test_a_plan_that_was_declined_in_a_call_is_not_offered_again(desk):
    desk.end(desk.start(), "declined", plan="5g-smart-199")
    with pytest.raises(CoolingOff):
        desk.place()
    assert desk.engine.dial(NUMBER, "mobile", "5g-smart-199").reason == "cool_off"
    assert desk.engine.dial(NUMBER, "mobile").callable


def test_a_plan_that_was_declined_before_makes_the_next_call_about_it_wrong(desk):
    desk.end(desk.start(), "declined", plan="5g-smart-199")
    desk.clock.forward(seconds=60)
    call = desk.start()
    assert desk.says(call) == []
    desk.end(call, "agreed", plan="5g-smart-199")
    assert desk.says(call) == ["cool_off"]


def test_a_call_from_another_number_than_the_carriers_own_is_wrong(desk):
    call = desk.start(**{"from": "13912345678"})
    assert desk.says(call) == ["unofficial_number"]
    assert "13912345678" not in str(call.publics)


def test_an_end_without_a_recording_is_wrong_unless_nobody_answered(desk):
    spoken, silent = desk.start(), desk.start()
    desk.end(spoken, "other", recorded=False)
    desk.end(silent, "no_answer", recorded=False)
    assert (desk.says(spoken), desk.says(silent)) == (["no_recording"], [])


def test_no_permit_answers_for_more_calls_than_a_day_has(desk):
    for _ in range(2):
        desk.start()
    desk.clock.forward(seconds=1)
    asked = PermitsAsked([NUMBER], "mobile", None, "desk")
    [(_, token)], [(_, other)] = (desk.engine.dialler.permits(asked).answers for _ in range(2))
    told = []
    for each in (token, other, token):
        told.append(desk.says(desk.start(permit=each)))
        desk.clock.forward(seconds=1)
    assert told == [[], ["too_often"], ["too_often"]]


def test_a_number_is_called_so_often_a_day_and_no_oftener(desk):
    calls = [desk.start() for _ in range(4)]
    said = [desk.says(call) for call in sorted(calls, key=lambda each: each.id)]
    assert said == [[], [], [], ["too_often"]], "of one instant, whichever was told first"
    desk.clock.forward(hours=24)
    assert desk.says(desk.start()) == []


def test_who_was_called_as_often_as_may_be_gets_no_permit_and_may_not_be_dialled_until_tomorrow(desk):
    def answers():
        [(dial, token)] = desk.engine.dialler.permits(PermitsAsked([NUMBER], "mobile", None, "desk")).answers
        assert (dial.callable, dial) == (bool(token), desk.engine.dial(NUMBER, "mobile"))
        return dial

    first, second = desk.start(), desk.start()
    assert answers().callable
    third = desk.start()
    assert answers() == Dial(callable=False, since=third.began.started_at, reason=Denied.TOO_OFTEN)
    assert [desk.says(call) for call in (first, second, third)] == [[], [], []]
    assert desk.engine.dial("+8613900139000", "mobile").callable
    desk.clock.now = CHINA.begins(CHINA.of(desk.clock.now)) + DAY_MS
    assert answers().callable


def test_a_call_in_quiet_hours_is_wrong(desk):
    desk.policy = Policy(quiet_from=0, quiet_to=24 * 60 - 1)
    desk.engine = desk.another()
    assert desk.says(desk.start()) == ["quiet_hours"]


def test_a_recording_is_of_one_call_of_one_number(desk):
    first, second = desk.start(), desk.start(OTHER)
    recording = {"ref": "the one", "sha256": SHA, "seconds": 5}
    desk.end(first, recording=recording)
    desk.clock.forward(seconds=90)  # longer than any request lasts: only its call holds the recording
    with pytest.raises(RecordingReused):
        desk.end(second, recording=recording)
    assert desk.found(second).state == "up"
    desk.move(hours=50)
    assert not desk.engine.store.records.look({Call: [first.id]}).of(Call)
    third = desk.start(OTHER)
    with pytest.raises(RecordingReused):
        desk.end(third, recording=recording)


def test_a_call_that_is_over_moves_to_the_archive_and_is_found_there(desk):
    call = desk.start(key="k")
    wanted = desk.ending(call)
    desk.engine.calls.record(wanted)
    left_up = desk.start(OTHER)
    desk.move(hours=49)
    desk.move(hours=49)
    there = desk.engine.store.records.look({Call: [call.id, left_up.id]}).of(Call)
    assert there == {}
    assert desk.found(call).state == "ended"
    assert desk.found(left_up).state == "abandoned"
    again = desk.started(key="k", ago=desk.clock() - call.began.started_at)
    assert (again.is_new, again.call.id) == (False, call.id)
    assert not desk.engine.calls.record(wanted).is_new
    assert desk.client.keys("ce:*key*") == []


def test_calls_are_listed_newest_first_live_and_archived_by_every_filter(desk):
    first = desk.start(agent="A1")
    desk.end(first)
    desk.move(hours=50)
    second = desk.start(agent="A2", **{"from": "10086"})
    desk.clock.forward(seconds=5)
    third = desk.start(OTHER, agent="A1")

    def listed(cursor="", limit=50, **wanted):
        return desk.engine.calls.page(CallFilter(**wanted), cursor, limit)

    def ids(**more):
        return [call.id for call in listed(**more).calls]

    assert ids() == [third.id, second.id, first.id]
    assert ids(agent="A1") == [third.id, first.id]
    assert ids(violation="true") == ids(violation="unofficial_number") == [second.id]
    assert ids(violation="no_permit") == ids(carrier="telecom") == []
    at = first.began.started_at
    assert ids(since=at, until=at + 1) == [first.id]
    pages, cursor = [], ""
    for _ in range(5):
        page = listed(cursor=cursor, limit=1)
        pages += [call.id for call in page.calls]
        cursor = page.cursor
        if not cursor:
            break
    assert pages == [third.id, second.id, first.id]


def test_each_call_of_a_day_counts_as_it_stands_now(desk):
    good, silent, bad = desk.start(), desk.start(OTHER), desk.start(**{"from": "10086"}, agent="B2")
    desk.end(good)
    desk.end(silent, "no_answer", recorded=False)
    desk.end(bad, recorded=False)
    counted = desk.counted("2025-11-25")
    assert counted["mobile", "A1024"] == {"calls": 2, "ended": 2, "recorded": 1}
    wrong = {"unofficial_number": 1, "no_recording": 1}
    assert counted["mobile", "B2"] == {"calls": 1, "ended": 1, "unrecorded": 1, "wrong": 1, **wrong}


def test_a_call_that_somebody_changed_is_not_believed(desk):
    call = desk.start()
    key = f"ce:{{0}}:call:{call.id}"
    desk.client.hset(key, "doc", desk.client.hget(key, "doc").replace("A1024", "B2"))
    assert desk.engine.store.records.look({Call: [call.id]}).of(Call) == {}
    with pytest.raises(CallNotFound):
        desk.found(call)


def test_a_call_of_another_key_is_not_ended_by_this_one(desk):
    call = desk.start()
    wanted = desk.ending(call)
    with pytest.raises(CallNotFound):
        desk.engine.calls.record(type(wanted)("another", call.id, wanted.request))


def test_whatever_a_call_seals_stands_in_the_journal_by_its_commit(desk):
    call = desk.start()
    desk.clock.forward(seconds=60)
    desk.end(call, "agreed", plan="5g-smart-199")
    found = desk.found(call)
    leaves = [Leaf.decode(entry) for entry in standing(desk)]
    assert [(leaf.of, leaf.record, leaf.seq) for leaf in leaves] == [("c", call.id, 0), ("c", call.id, 1)]
    assert [leaf.head for leaf in leaves] == [chain("", found.publics[:1]), found.head]
    assert leaves[0].at == found.began.registered_at


def test_a_call_that_is_not_as_the_log_has_it_is_named(desk):
    kept, gone, moved = desk.start(), desk.start(OTHER), desk.start("13700137000")
    for call in (kept, moved):
        desk.end(call, "other")
    write_out(desk.engine.store, "one")

    def named():
        return audit(desk.engine.store, 0, (0, 2**62)).wrong

    assert named() == []
    record = desk.cell.record(Owner.CALL, kept.id)
    was = desk.client.hgetall(record)
    for each in (record, desk.cell.record(Owner.CALL, gone.id)):
        desk.client.delete(each)
    assert {found for found, _ in named()} == {kept.id, gone.id}
    desk.client.hset(record, mapping={**was, "e1": was["e1"].replace("other", "agreed")})
    assert {found for found, _ in named()} == {kept.id, gone.id}, "its seal does not fit: it cannot be read"
    desk.client.delete(record)
    desk.client.hset(record, mapping=was)
    assert {found for found, _ in named()} == {gone.id}


def test_whoever_was_permitted_to_call_the_holder_before_calls_another_one_wrongly(desk):
    def happens(event):
        return desk.engine.line_event(LineEventAsked(NUMBER, LineEvent(event), desk.clock.now, "ops"))

    [(_, token)] = desk.engine.dialler.permits(PermitsAsked([NUMBER], "mobile", None, "desk")).answers
    desk.clock.forward(seconds=60)
    happens("assigned")
    assert desk.says(desk.start(permit=token)) == ["number_changed"]
    assert desk.says(desk.start()) == [], "nobody was asked about the holder before"
    desk.clock.forward(hours=24)
    happens("released")
    [(dial, token)] = desk.engine.dialler.permits(PermitsAsked([NUMBER], "mobile", None, "desk")).answers
    assert (dial.reason, token) == ("number_changed", "")
    assert desk.says(desk.start()) == ["number_changed"]


def test_what_became_of_a_number_is_in_the_log_by_the_commit_that_writes_it(desk):
    desk.start()
    desk.engine.line_event(LineEventAsked(NUMBER, LineEvent.RELEASED, desk.clock.now, "ops"))
    line = desk.engine.line(NUMBER)
    assert Leaf.of_record(line).entry in desk.client.lrange("ce:{0}:journal", 0, -1)
    write_out(desk.engine.store, "one")
    assert desk.engine.store.log.among({Leaf.of_record(line).entry})
    found = audit(desk.engine.store, 0, (0, desk.clock.now + 1))
    assert found.wrong == []
