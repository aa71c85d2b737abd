"""The old form of an order describes its call: a call is made from it, under the same rules as every call."""

import pytest

from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.call.call import CallMismatch, CallNotPermitted, CallTooOld, RecordingReused
from consent_engine.domain.call.permit import Dialling, Tokens
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.line import line_id
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import ConsentError, DoNotCall, DuplicateOrder, Malformed, UnofficialNumber
from consent_engine.ports import CallFilter
from tests.archive.house import broken
from tests.conftest import NUMBER, OTHER, SECOND
from tests.integration.calls.desk import SHA, instant
from tests.integration.calls.reviewing import review

A_MINUTE = 60_000
TELECOM = "fibre-duo-129"


def wanted(desk, to=NUMBER, plan="5g-smart-199", key="", ago=A_MINUTE, **call):
    desk.keys += 1
    at = instant(desk.clock() - ago)
    told = {"caller_number": "10085", "recording_id": "rec-a", "started_at": at, "agreed_at": at, **call}
    body = PlaceOrder.read({"msisdn": to, "plan": plan, "agent": "A1024", "call": told})
    return Placing("desk", key or f"told-{desk.keys}", body)


def ordered(desk, *args, **more):
    return desk.engine.place(wanted(desk, *args, **more)).order


def calls(desk):
    return desk.engine.calls.page(CallFilter()).calls


def codes(call):
    return [each.code for each in call.events if hasattr(each, "code")]


def test_an_order_makes_the_call_it_tells_of_which_has_ended_with_its_recording(desk):
    order = ordered(desk, recording_sha256=SHA.upper())
    [call] = calls(desk)
    assert order.doc.call_id == call.id
    assert (call.state, call.violations, call.end.outcome, call.end.plan) == ("ended", (), "agreed", order.doc.plan)
    assert (call.recording.ref, call.recording.sha256) == ("rec-a", SHA)
    assert desk.engine.line(NUMBER).restrictions == ()
    [counted] = desk.counted("2025-11-24").values()
    assert counted == {"calls": 1, "ended": 1, "recorded": 1}
    desk.run()
    assert desk.say("是")
    desk.run()
    assert desk.state(order) == "notified"


def test_calls_told_of_by_orders_and_by_themselves_are_listed_together_and_wait_until_they_are_heard(desk):
    desk.end(desk.start(OTHER))
    desk.clock.forward(seconds=5)
    ordered(desk, ago=1_000)
    told, alone = calls(desk)
    book = desk.engine.calls
    assert told.began.ordered == 1
    first = book.to_review(Verdict.PENDING, limit=1)
    assert [each.id for each in (*first.calls, *book.to_review(Verdict.PENDING, first.cursor).calls)] == [
        alone.id,
        told.id,
    ]
    assert desk.engine.store.queries.calls.waiting()[Verdict.PENDING].count == 2
    review(desk, told)
    assert [each.id for each in book.to_review(Verdict.PENDING).calls] == [alone.id]
    assert [each.id for each in book.to_review(Verdict.CONTESTED).calls] == [told.id]
    assert [each.id for each in calls(desk)] == [told.id, alone.id]


def test_the_same_request_again_is_the_same_order_and_the_same_call(desk):
    asked = wanted(desk)
    first, again = desk.engine.place(asked), desk.engine.place(asked)
    assert (first.created, again.created, first.order.id) == (True, False, again.order.id)
    assert len(calls(desk)) == 1


def test_two_plans_agreed_in_one_call_are_orders_of_one_call(desk):
    orders = ordered(desk), ordered(desk, plan=SECOND)
    assert {order.doc.call_id for order in orders} == {call.id for call in calls(desk)}
    [named] = desk.engine.line(NUMBER).calls
    assert named.call == orders[0].doc.call_id


def test_who_agreed_too_long_ago_is_called_again(desk):
    two_hours = 2 * 3_600_000
    with pytest.raises(CallTooOld):
        ordered(desk, ago=two_hours + 1)
    assert ordered(desk, ago=two_hours - 1, recording_id="rec-b")
    sixteen_months = 16 * 30 * 24 * 3_600_000
    with pytest.raises(ConsentError) as refused:
        ordered(desk, OTHER, ago=sixteen_months, recording_id="rec-c")
    assert refused.value.code in {"call_too_old", "plan_not_public"}


@pytest.mark.parametrize("to", [{"to": OTHER}, {"plan": TELECOM, "caller_number": "10001"}])
def test_one_recording_is_one_call_of_one_number_and_one_carrier(desk, to):
    ordered(desk)
    with pytest.raises(RecordingReused):
        ordered(desk, **to)


def test_a_recording_is_known_after_its_call_has_left(desk):
    ordered(desk)
    desk.move(hours=72)
    desk.move()
    assert desk.client.keys("ce:*call:*") == []
    for _ in range(2):
        with pytest.raises(RecordingReused):
            ordered(desk, OTHER)
    desk.move()
    assert [codes(each) for each in calls(desk) if each.person.msisdn == OTHER] == [["recording_reused"] * 2]


def test_a_call_that_was_kept_without_its_recording_is_not_made_anew_once_it_has_left(desk):
    """No key of a recording leads to it, and its id is the same again: the log would have two histories of one call."""
    ordered(desk)
    heads = []
    for _ in range(2):
        with pytest.raises(RecordingReused):
            ordered(desk, OTHER)
        desk.move()
        heads.append([each.head for each in calls(desk) if each.person.msisdn == OTHER])
    assert (heads[0], desk.client.keys("ce:*call:*")) == (heads[1], [])


def test_the_call_of_an_order_that_has_left_is_not_made_anew(desk):
    desk.call_age = 400 * 3_600_000
    desk.engine = desk.another()
    first = ordered(desk)
    desk.move(hours=72)
    desk.move()
    again = ordered(desk, plan=SECOND, ago=desk.clock() - first.doc.call.agreed_at)
    assert again.doc.call_id == first.doc.call_id
    assert len(calls(desk)) == 1


def test_a_recording_of_a_call_that_was_told_of_before_is_named_by_that_call(desk):
    call = desk.start()
    desk.end(call, recording={"ref": "rec-a", "sha256": SHA, "seconds": 5})
    with pytest.raises(RecordingReused) as refused:
        ordered(desk)
    assert "call_id" in str(refused.value)
    other = desk.start(OTHER)
    ordered(desk, recording_id="rec-b")
    with pytest.raises(RecordingReused):
        desk.end(other, recording={"ref": "rec-b", "sha256": SHA, "seconds": 5})


def test_a_reused_recording_is_named_before_an_open_order_and_nothing_of_that_is_kept_reserved(desk):
    ordered(desk, OTHER, recording_id="rec-b")
    ordered(desk)
    with pytest.raises(RecordingReused):
        ordered(desk, recording_id="rec-b")
    with pytest.raises(DuplicateOrder):
        ordered(desk, recording_id="rec-c")
    assert ordered(desk, OTHER, plan=SECOND, recording_id="rec-c")


def test_another_hash_of_the_same_recording_is_refused(desk):
    ordered(desk, recording_sha256=SHA)
    with pytest.raises(CallMismatch):
        ordered(desk, plan=SECOND, recording_sha256="ab" * 32)
    assert ordered(desk, plan=SECOND)


def taken(desk, door, to, ref, sha=SHA):
    """Make a recording known at one of the doors."""
    if door == "order":
        return ordered(desk, to, recording_id=ref, recording_sha256=sha)
    return desk.end(desk.start(to), recording={"ref": ref, "sha256": sha.upper(), "seconds": 5})


@pytest.mark.parametrize("second", ["order", "end"])
@pytest.mark.parametrize("first", ["order", "end"])
@pytest.mark.parametrize("to", [NUMBER, OTHER])
def test_one_audio_is_one_call_whatever_it_is_named(desk, first, second, to):
    taken(desk, first, NUMBER, "rec-a")
    for _ in range(2):
        with pytest.raises(RecordingReused):
            taken(desk, second, to, "rec-b")
        desk.clock.forward(seconds=90)
    assert taken(desk, second, OTHER, "rec-b", "ab" * 32), "what was refused reserves its reference for no other call"
    desk.move(hours=72)
    desk.move()
    assert desk.client.keys("ce:*key*") == []
    with pytest.raises(RecordingReused):
        taken(desk, second, OTHER, "rec-c")


def test_two_requests_at_once_with_one_audio_get_it_once(desk):
    told = [wanted(desk, to, recording_id=f"rec-{to[-4:]}", recording_sha256=SHA) for to in (NUMBER, OTHER)]
    results = desk.engine.place_many(told)
    assert sorted(type(each).__name__ for each in results) == ["Placed", "RecordingReused"]


def test_the_audio_that_a_later_order_of_the_call_names_is_that_calls(desk):
    ordered(desk)
    ordered(desk, plan=SECOND, recording_sha256=SHA)
    desk.clock.forward(seconds=90)
    with pytest.raises(CallMismatch):
        ordered(desk, plan=SECOND, recording_sha256="ab" * 32)
    with pytest.raises(RecordingReused):
        ordered(desk, OTHER, recording_id="rec-b", recording_sha256=SHA)


@pytest.mark.parametrize("wrong", [{"recording_sha256": "ab"}, {"permit": ""}, {"permit": "x" * 201}])
def test_a_hash_or_a_permit_that_can_be_none_is_refused_by_its_field(desk, wrong):
    with pytest.raises(Malformed) as refused:
        wanted(desk, **wrong)
    assert [each.field for each in refused.value.errors] == [f"call.{name}" for name in wrong]


def test_what_the_door_refuses_because_of_the_number_is_kept_with_the_call_once_a_request(desk):
    desk.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "desk"))
    desk.clock.forward(seconds=120)
    asked = wanted(desk)
    for _ in range(3):
        with pytest.raises(DoNotCall):
            desk.engine.place(asked)
    with pytest.raises(DoNotCall):
        ordered(desk)
    [call] = calls(desk)
    assert (codes(call), call.violations) == (["do_not_call", "do_not_call"], ("refused_number",))
    assert [each.refusal for each in desk.engine.line(NUMBER).calls] == [1]


def test_a_call_from_another_number_than_the_carriers_own_is_kept_as_that_and_who_corrects_it_is_heard(desk):
    for _ in range(2):
        with pytest.raises(UnofficialNumber):
            ordered(desk, caller_number="10086")
    [call] = calls(desk)
    assert (codes(call), call.violations) == (["unofficial_number"] * 2, ("unofficial_number",))
    order = ordered(desk)
    assert order.doc.call_id != call.id
    with pytest.raises(RecordingReused):
        ordered(desk, OTHER)
    desk.move(hours=72)
    desk.move()
    assert len(calls(desk)) == 3


def test_a_line_keeps_refused_calls_within_a_bound(desk):
    desk.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "desk"))
    for n in range(25):
        with pytest.raises(DoNotCall):
            ordered(desk, recording_id=f"rec-{n}")
    assert len(calls(desk)) == 20


def test_the_fourth_call_of_a_day_is_one_too_many_and_no_order_comes_of_it(desk):
    for _ in range(3):
        desk.start()
        desk.clock.forward(1)
    with pytest.raises(CallNotPermitted) as refused:
        ordered(desk, ago=0)
    assert refused.value.facts == {"violations": "too_often"}


def permit(desk, to=NUMBER):
    now, lasts = desk.clock(), 15 * A_MINUTE
    about = Dialling.at(now, "mobile", None, desk.policy, lasts)
    return Tokens("test-secret", "0" * 16, about).of(line_id("test-secret", to))


def test_where_permits_are_required_the_body_names_one(desk):
    desk.permits_required = True
    desk.engine = desk.another()
    with pytest.raises(CallNotPermitted) as refused:
        ordered(desk)
    assert refused.value.facts == {"violations": "no_permit"}
    with pytest.raises(CallNotPermitted) as refused:
        ordered(desk, recording_id="rec-b", ago=0, permit=permit(desk, OTHER))
    assert refused.value.facts == {"violations": "wrong_permit"}
    order = ordered(desk, recording_id="rec-c", ago=0, permit=permit(desk))
    assert desk.engine.calls.show(order.doc.call_id).began.permit


def test_a_call_is_taken_while_the_archive_is_away(desk):
    with broken(desk.archive):
        assert ordered(desk)
        with pytest.raises(RecordingReused):
            ordered(desk, OTHER)


def test_two_requests_at_once_for_two_numbers_get_one_recording_once(desk):
    results = desk.engine.place_many([wanted(desk), wanted(desk, OTHER)])
    assert sorted(type(each).__name__ for each in results) == ["Placed", "RecordingReused"]
    desk.run(Lane.SMS)
    assert len(desk.gateway.sent) == 1
