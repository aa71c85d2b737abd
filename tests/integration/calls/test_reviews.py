"""A person reviews a recording: a failure freezes the call's open orders; a second look cancels or releases them."""

from types import SimpleNamespace

import pytest

from consent_engine.domain.call.call import CallNotFound, CallNotPermitted
from consent_engine.domain.call.review import (
    SECOND_LOOK_MS,
    AlreadyReviewed,
    NotContested,
    NotReviewable,
    OwnCall,
    SameReviewer,
    Verdict,
)
from consent_engine.domain.days import CHINA, later
from consent_engine.domain.effects import WAKE_SECOND_LOOK, Lane, Unavailable
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.order.facts import Ended
from consent_engine.engine.api_keys import Role
from consent_engine.engine.change_order import recording
from consent_engine.engine.review import Review
from consent_engine.engine.round_trips import drive
from consent_engine.ports import CallFilter
from tests.conftest import NUMBER, SECOND
from tests.integration.calls.desk import SHA, instant
from tests.integration.calls.reviewing import ordered, review, says_yes, sold


def test_a_failed_review_freezes_what_is_open_and_a_second_look_that_upholds_it_cancels(desk):
    call, order = sold(desk)
    assert review(desk, call).verdict is Verdict.CONTESTED
    says_yes(desk)
    assert (desk.state(order), desk.bss.asked) == ("confirmed", [])
    assert review(desk, call, "r-2", second=True).verdict is Verdict.FAILED
    desk.run()
    found = desk.engine.show(order.id)
    assert (found.state, found.last(Trigger.CANCELLED).detail.reason, desk.bss.asked) == (
        "cancelled",
        "review_failed",
        [],
    )
    assert desk.engine.line(NUMBER).restrictions == ()


def test_a_second_look_that_frees_it_lets_it_go_on(desk):
    call, order = sold(desk)
    review(desk, call)
    says_yes(desk)
    assert review(desk, call, "r-2", passed=True, second=True).verdict is Verdict.PASSED
    desk.clock.forward(seconds=61)
    desk.run()
    assert (desk.state(order), len(desk.bss.asked)) == ("notified", 1)


def test_an_activation_that_waits_is_frozen_by_the_gate(desk):
    call, order = sold(desk)
    desk.clock.forward(seconds=60)
    desk.say("是")
    desk.run(Lane.INBOUND)
    review(desk, call)
    desk.run(Lane.ACTIVATION)
    assert (desk.state(order), desk.bss.asked) == ("confirmed", [])


def test_what_had_begun_when_the_second_look_upheld_it_is_cancelled_once_the_bss_has_surely_not_taken_it(desk):
    call, order = sold(desk)
    desk.clock.forward(seconds=60)
    desk.say("是")
    desk.run(Lane.INBOUND)
    [leased] = desk.engine.store.lanes.lease(Lane.ACTIVATION, 9)
    review(desk, call)
    review(desk, call, "r-2", second=True)
    desk.run(Lane.TIMER)
    assert desk.state(order) == "confirmed", "its call to the BSS is under way"
    ended = Ended(leased.effect, leased.token, Unavailable("503"), 0.5)
    drive(desk.engine.store, [recording(order.id, ended, held=leased.held)])
    desk.clock.forward(hours=1)
    desk.run()
    found = desk.engine.show(order.id)
    assert (found.state, found.last(Trigger.CANCELLED).detail.reason, desk.bss.asked) == (
        "cancelled",
        "review_failed",
        [],
    )
    assert desk.engine.line(NUMBER).restrictions == ()


def test_nobody_looks_again_for_a_day_and_the_failed_review_stands(desk):
    call, order = sold(desk)
    review(desk, call)
    assert WAKE_SECOND_LOOK in desk.found(call).effects
    desk.clock.forward(SECOND_LOOK_MS)
    desk.run()
    assert desk.found(call).verdict is Verdict.FAILED
    assert desk.state(order) in {"cancelled", "expired"}


def test_no_order_comes_of_a_call_that_failed_its_review(desk):
    call, _ = sold(desk)
    review(desk, call)
    with pytest.raises(CallNotPermitted):
        ordered(desk, call, plan=SECOND)
    review(desk, call, "r-2", second=True)
    with pytest.raises(CallNotPermitted):
        ordered(desk, call, plan=SECOND)


def test_who_may_review_what_and_how_often(desk):
    call, _ = sold(desk)
    with pytest.raises(NotContested):
        review(desk, call, second=True)
    for own in ("desk", "A1024"):
        with pytest.raises(OwnCall):
            review(desk, call, own)
    review(desk, call)
    with pytest.raises(AlreadyReviewed):
        review(desk, call, "r-2", passed=True)
    with pytest.raises(SameReviewer):
        review(desk, call, "r-1", second=True)
    with pytest.raises(OwnCall):
        review(desk, call, "desk", second=True)
    review(desk, call, "r-2", second=True)
    with pytest.raises(NotContested):
        review(desk, call, "r-3", second=True)
    with pytest.raises(NotReviewable):
        review(desk, desk.start("+8613900139000"), passed=True)
    with pytest.raises(CallNotFound):
        desk.engine.calls.review(Review(f"{call.id[:-4]}0000", "r-1", passed=True))


def test_what_is_pending_and_how_much_was_heard(desk):
    calls = [sold(desk)[0]]
    for n in range(2):
        call = desk.start(f"+861390013900{n}", agent="B2")
        desk.clock.forward(seconds=5)
        calls.append(desk.end(call))
    review(desk, calls[0], passed=True)
    pending = desk.engine.calls.page(CallFilter(verdict=Verdict.PENDING)).calls
    assert {call.id for call in pending} == {call.id for call in calls[1:]}
    [gap, heard] = desk.engine.calls.coverage([CHINA.of(desk.clock())], "agent")
    assert (gap.key, gap.recorded, gap.reviewed) == ("B2", 2, 0)
    assert (heard.key, heard.recorded, heard.reviewed, heard.failed) == ("A1024", 1, 1, 0)


def test_the_picture_of_coverage_has_each_call_as_it_stands_now(desk):
    calls = [sold(desk)[0]]
    day = CHINA.of(desk.clock())
    book = desk.engine.calls

    def told(by):
        return [(each.key, each.recorded, each.reviewed, each.failed) for each in book.coverage([day], by)]

    assert (told("day"), told("carrier")) == ([(day, 1, 0, 0)], [("mobile", 1, 0, 0)])
    for n in range(2):
        call = desk.start(f"+861390013900{n}", agent="B2", **({"carrier": "unicom", "from": "10016"} if n else {}))
        desk.clock.forward(seconds=5)
        calls.append(desk.end(call))
    review(desk, calls[0], passed=True)
    review(desk, calls[1])
    review(desk, calls[1], "r-2", second=True)
    assert told("day") == [(day, 3, 2, 1)]
    assert told("carrier") == [("unicom", 1, 0, 0), ("mobile", 2, 2, 1)]
    assert told("agent") == [("B2", 2, 1, 1), ("A1024", 1, 1, 0)]
    review(desk, calls[2], passed=True)
    assert told("agent") == [("A1024", 1, 1, 0), ("B2", 2, 2, 1)]
    earlier = later(day, -1)
    assert book.coverage([earlier, day], "agent") == book.coverage([day], "agent")


def test_a_call_that_was_heard_leaves_the_queue_before_the_scribe_has_written_it(desk):
    call, _ = sold(desk)
    desk.engine.store.queries = SimpleNamespace(calls=desk.engine.store.queries.calls)  # as of now, and no later
    assert [each.id for each in desk.engine.calls.to_review(Verdict.PENDING).calls] == [call.id]
    review(desk, call)
    assert desk.engine.store.queries.calls.waiting()[Verdict.PENDING].count == 1
    assert desk.engine.calls.to_review(Verdict.PENDING).calls == ()


def test_reviews_over_http(door):
    now = door.engine.registry.now()
    body = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1024", "started_at": instant(now - 60_000)}
    key = {"Idempotency-Key": "call-1"}
    call = door.call("POST", "/v1/calls", Role.AGENT, body, headers=key).json()["id"]
    recording = {"ref": "rec-1", "sha256": SHA, "seconds": 60}
    ended = {"ended_at": instant(now), "outcome": "other", "recording": recording}
    assert door.call("POST", f"/v1/calls/{call}/end", Role.AGENT, ended).status_code == 200
    path = f"/v1/reviews/{call}"
    pending = door.call("GET", "/v1/reviews?verdict=pending", Role.REVIEWER).json()
    assert [each["id"] for each in pending["calls"]] == [call]
    assert pending["calls"][0]["to"] == "+86138****8000"
    assert door.call("POST", path, Role.REVIEWER, {"verdict": "fail"}).json()["errors"][0]["field"] == "reasons"
    numbered = {"verdict": "pass", "note": "rang 13800138000"}
    assert door.call("POST", path, Role.REVIEWER, numbered).json()["code"] == "contains_number"
    failed = door.call("POST", path, Role.REVIEWER, {"verdict": "fail", "reasons": ["price_not_told"]})
    assert (failed.status_code, failed.json()["verdict"]) == (200, "contested")
    again = door.call("POST", path, Role.REVIEWER, {"verdict": "pass"})
    assert (again.status_code, again.json()["code"]) == (409, "already_reviewed")
    same = door.call("POST", f"{path}/second", Role.REVIEWER, {"uphold": True})
    assert (same.status_code, same.json()["code"]) == (403, "same_reviewer")
    upheld = door.call("POST", f"{path}/second", Role.ADMIN, {"uphold": True})
    assert (upheld.status_code, upheld.json()["verdict"]) == (200, "failed")
    day = CHINA.of(now - 60_000)
    told = door.call("GET", f"/v1/reviews/coverage?from={day}&to={day}&by=agent", Role.AUDITOR).json()
    assert told["rows"] == [{"key": "A1024", "recorded": 1, "reviewed": 1, "failed": 1, "gap": 0}]
    assert door.call("GET", f"/v1/reviews/coverage?from={day}&to=2020-01-01", Role.AUDITOR).status_code == 422
    assert door.call("GET", "/v1/reviews", Role.OPS).status_code == 403
