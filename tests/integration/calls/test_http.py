"""Calls over HTTP, as the contract describes them: the roles, the answers, the problems."""

import json
import os

import pytest

from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import FULL_SECRET, NUMBER
from tests.integration.calls.desk import SHA, audio_of, instant
from tests.typed import typed

PATH = "/v1/calls"


def began(door, **more):
    at = instant(door.engine.registry.now() - 60_000)
    return {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1024", "started_at": at, **more}


def start(door, body=None, key="call-1", role=Role.AGENT):
    return door.call("POST", PATH, role, body or began(door), headers={"Idempotency-Key": key})


def end(door, call, role=Role.AGENT, **more):
    ended = {"ended_at": instant(door.engine.registry.now()), "outcome": "other",
             "recording": {"ref": "rec-1", "sha256": SHA, "seconds": 60}, **more}  # fmt: skip
    return door.call("POST", f"{PATH}/{call}/end", role, ended)


def test_a_call_is_201_then_200_and_another_under_its_key_409(door):
    body = began(door)
    first, again = start(door, body), start(door, body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["Location"] == f"/v1/calls/{first.json()['id']}"
    assert first.json() == again.json()
    assert (first.json()["state"], first.json()["violations"]) == ("up", [])
    other = start(door, began(door, agent="B2"))
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert door.call("POST", PATH, Role.AGENT, body).json()["code"] == "idempotency_key_missing"


def test_what_was_wrong_is_said_and_it_is_taken_all_the_same(door):
    door.call("POST", "/v1/refusals", Role.OPS, {"msisdn": NUMBER, "carrier": "mobile", "channel": "voice"})
    body = began(door, **{"from": "10086"}, started_at=instant(door.engine.registry.now()))
    said = start(door, body)
    assert said.status_code == 201
    assert said.json()["violations"] == ["unofficial_number", "refused_number"]


def test_an_end_twice_is_200_and_another_409_and_a_used_recording_too(door):
    call = start(door).json()["id"]
    at = instant(door.engine.registry.now())
    first, again = end(door, call, ended_at=at), end(door, call, ended_at=at)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert end(door, call, ended_at=at, outcome="no_answer").json()["code"] == "already_ended"
    second = start(door, key="call-2").json()["id"]
    reused = end(door, second)
    assert (reused.status_code, reused.json()["code"]) == (409, "recording_reused")


def test_a_refusal_in_a_call_is_in_force_when_its_end_is_answered(door):
    call = start(door).json()["id"]
    assert end(door, call, outcome="refused").status_code == 200
    said = door.call("POST", "/v1/callable", Role.AGENT, {"msisdn": NUMBER, "carrier": "mobile"}).json()
    assert (said["callable"], said["reason"]) == (False, "refused")


JUDGED = {
    "ended before": ("agreed", {}, 409),
    "nobody answered, it was said before": ("no_answer", {}, 409),
    "a recording of another call": ("", {"recording": {"ref": "rec-used", "seconds": 60}}, 409),
    "an end in the future": ("", {"ended_at": "2099-01-01T00:00:00Z"}, 422),
    "an instant that is none": ("", {"ended_at": "soon"}, 422),
    "a plan that is not sold": ("", {"plan": "nothing"}, 422),
    "a disclosure before the call": ("", {"disclosures": [{"id": "price", "at": "2020-01-01T00:00:00Z"}]}, 422),
    "a recording of less than no time": ("", {"recording": {"ref": "rec-1", "seconds": -1}}, 422),
    "a field that is not known": ("", {"note": "x"}, 422),
    "another word for it": ("", {"outcome": "Refused"}, 422),
}


@pytest.mark.parametrize("name", JUDGED)
def test_a_refusal_is_kept_whatever_is_wrong_with_the_end_that_brings_it_and_the_answer_says_both(door, name):
    before, wrong, status = JUDGED[name]
    used = start(door, began(door, to="13900139000"), key="call-2").json()["id"]
    assert end(door, used, recording={"ref": "rec-used", "seconds": 60}).status_code == 200
    order = door.place().json()["id"]
    call = start(door).json()["id"]
    if before:
        assert end(door, call, outcome=before).status_code == 200
    for _ in range(2):
        said = end(door, call, **{"outcome": "refused", **wrong})
        assert (said.status_code, said.json()["refusals_kept"]) == (status, 1)
        asked = door.call("POST", "/v1/callable", Role.AGENT, {"msisdn": NUMBER, "carrier": "mobile"}).json()
        assert (asked["callable"], asked["reason"]) == (False, "refused")
    door.work(Lane.INBOUND)
    assert door.engine.show(order).state.value == "cancelled"
    assert len(door.engine.line(NUMBER).restrictions) == 1


@pytest.mark.parametrize(
    "body",
    [b'{"outcome": "refused", "outcome": "agreed"}', b'{"outcome":"refused","plan":', b'{"outcome":\n"refused"}'],
)
def test_a_refusal_is_heard_in_the_body_of_an_end_that_is_no_form(door, body):
    call = start(door).json()["id"]
    headers = {"Content-Type": "application/json"}
    said = door.call("POST", f"{PATH}/{call}/end", Role.AGENT, content=body, headers=headers)
    assert (said.status_code, said.json()["refusals_kept"]) == (422, 1)
    assert door.call("POST", "/v1/callable", Role.AGENT, {"msisdn": NUMBER}).json()["callable"] is False


def test_a_number_that_is_not_the_official_one_is_evidence_and_shown_whole_to_all_who_see_the_call(door):
    call = start(door, began(door, **{"from": "13912345678"})).json()["id"]
    seen = {role: door.call("GET", f"{PATH}/{call}", role).json() for role in (Role.REVIEWER, Role.OPS, Role.AUDITOR)}
    assert {(each["from"], each["to"]) for each in seen.values()} == {("13912345678", "+86138****8000")}
    [row] = door.call("GET", f"{PATH}?violation=unofficial_number", Role.OPS).json()["calls"]
    assert row["from"] == "13912345678"


def test_nobody_refuses_by_the_end_of_a_call_that_is_not_theirs_or_says_something_else(door):
    call = start(door).json()["id"]
    assert end(door, call, role="other", outcome="refused").status_code == 404
    for more in ({"outcome": "other", "ended_at": "soon"}, {"outcome": "declined"}, {"note": '"outcome": "refused"'}):
        said = end(door, call, **more)
        assert (said.status_code, said.json().get("refusals_kept")) == (422, None)
    assert door.call("POST", "/v1/callable", Role.AGENT, {"msisdn": NUMBER}).json()["callable"] is True


def test_a_call_is_seen_by_those_who_may_and_its_number_by_fewer(door):
    call = start(door).json()["id"]
    shown = {role: door.call("GET", f"{PATH}/{call}", role) for role in (*Role, "other")}
    assert {role: said.status_code for role, said in shown.items()} == {
        "agent": 200, "reviewer": 200, "supervisor": 403, "ops": 200, "auditor": 200, "admin": 200, "other": 404,
    }  # fmt: skip
    full = {role for role, said in shown.items() if said.json().get("to") == NUMBER}
    assert full == {"agent"}
    assert end(door, call, role="other").json()["code"] == "call_not_found"
    assert door.call("GET", f"{PATH}/none", Role.OPS).json()["code"] == "call_not_found"


def test_calls_are_listed_to_those_who_look_after_them(door):
    call = start(door).json()["id"]
    wrong = start(door, began(door, **{"from": "10086"}), key="call-2").json()["id"]
    listed = {role: door.call("GET", PATH, role).status_code for role in Role}
    assert listed == {"agent": 403, "supervisor": 403, "reviewer": 200, "ops": 200, "auditor": 200, "admin": 200}

    def ids(query):
        return [each["id"] for each in door.call("GET", f"{PATH}?{query}", Role.OPS).json()["calls"]]

    assert {*ids("agent=A1024")} == {call, wrong}
    assert ids("violation=true") == ids("violation=unofficial_number") == [wrong]
    assert ids("day=2020-01-01") == ids("carrier=telecom") == []
    for query in ("day=2020-13-01", "violation=none", "carrier=x", "cursor=x", "agent="):
        assert door.call("GET", f"{PATH}?{query}", Role.OPS).status_code == 422


def test_calls_are_listed_by_the_verdict_of_their_review(door):
    up, heard, unheard = (start(door, key=f"call-{n}").json()["id"] for n in range(3))
    for n, call in enumerate((heard, unheard)):
        ended = end(door, call, recording={"ref": f"rec-{n}", "sha256": audio_of(f"rec-{n}"), "seconds": 60})
        assert ended.status_code == 200, ended.text
    door.call("POST", f"/v1/reviews/{heard}", Role.REVIEWER, {"verdict": "pass", "reasons": [], "note": ""})

    def ids(verdict):
        return [each["id"] for each in door.call("GET", f"{PATH}?verdict={verdict}", Role.AUDITOR).json()["calls"]]

    assert (ids("pending"), ids("passed"), ids("contested")) == ([unheard], [heard], [])
    assert up in [each["id"] for each in door.call("GET", PATH, Role.AUDITOR).json()["calls"]]
    assert door.call("GET", f"{PATH}?verdict=good", Role.AUDITOR).status_code == 422


@pytest.mark.parametrize(("change", "code", "field"), [
    ({"started_at": "2999-01-01T00:00:00Z"}, "call_time_invalid", "started_at"),
    ({"to": "1"}, "invalid_msisdn", "to"),
    ({"from": "abc"}, "malformed", "from"),
    ({"script": "call 13800138000"}, "contains_number", "script"),
])  # fmt: skip
def test_a_wrong_field_is_named_and_not_repeated(door, change, code, field):
    said = start(door, began(door, **change)).json()
    assert said["code"] == code
    assert [each["field"] for each in said["errors"]] == [field]


def test_calls_and_what_was_wrong_with_them_are_listed_at_a_terminal(door):
    told = {"CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"]}

    def consent(*arguments):
        return typed(*arguments, environ=told)

    call = start(door).json()["id"]
    wrong = start(door, began(door, **{"from": "13912345678"}), key="call-2").json()["id"]
    listed = {each["call"]: each for each in json.loads(consent("calls", "--json").stdout)}
    assert {*listed} == {call, wrong}
    assert listed[call]["number"] == "+86138****8000"
    [row] = json.loads(consent("violations", "unofficial_number", "--agent", "A1024", "--json").stdout)
    assert (row["call"], row["violations"], row["from"]) == (wrong, "unofficial_number", "13912345678")
    assert json.loads(consent("violations", "no_permit", "--day", "2025-08-01", "--json").stdout) == []
    for asked in (["calls", "--day", "soon"], ["violations", "nothing"], ["calls", "--carrier", "x"]):
        said = consent(*asked)
        assert (said.returncode, said.stderr.count("\n")) == (2, 1)


def test_calls_and_what_was_wrong_with_them_are_metrics_without_a_person(door):
    start(door, began(door, started_at=instant(door.engine.registry.now())))
    start(door, began(door, **{"from": "10086"}, started_at=instant(door.engine.registry.now())), key="call-2")
    page = door.call("GET", "/metrics", Role.OPS).text
    assert 'consent_calls{began="today",carrier="mobile",what="calls"} 2.0' in page
    assert 'consent_calls{began="today",carrier="mobile",what="wrong"} 1.0' in page
    assert 'consent_call_violations{began="today",carrier="mobile",violation="unofficial_number"} 1.0' in page
    assert 'consent_call_violations{began="yesterday",carrier="unicom",violation="no_permit"} 0.0' in page
    assert "A1024" not in page


def test_the_timers_of_calls_are_work_for_the_timer_lane(door):
    start(door)
    door.work(Lane.TIMER)
    assert door.engine.lanes.depths()[Lane.TIMER].waiting >= 1
