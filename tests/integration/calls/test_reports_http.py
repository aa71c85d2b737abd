"""Reports of calls over HTTP: the roles, the answers, the problems, the import of a file."""

import json
import os

import pytest

from consent_engine.engine.api_keys import Role
from tests.integration.api_door import FULL_SECRET, NUMBER, OTHER, is_problem, logged
from tests.integration.calls.desk import instant
from tests.typed import typed

PATH = "/v1/reports"


def told(door, **more):
    at = instant(door.engine.registry.now() - 60_000)
    return {"msisdn": NUMBER, "carrier": "mobile", "caller_number": "10085", "called_at": at, **more}


def make(door, role=Role.AGENT, **more):
    return door.call("POST", PATH, role, told(door, **more))


def test_a_report_is_201_then_200_and_in_force_as_a_refusal(door):
    body = told(door)
    first, again = (door.call("POST", PATH, Role.AGENT, body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    said = first.json()
    assert first.headers["Location"] == f"{PATH}/{said['id']}"
    assert (said["class"], said["reasons"], said["state"]) == ("ours_unrecorded", ["no_call_known"], "open")
    dial = door.call("POST", "/v1/callable", Role.AGENT, {"msisdn": NUMBER, "carrier": "mobile"}).json()
    assert (dial["callable"], dial["reason"]) == (False, "refused")


def test_a_report_is_decided_once_and_seen_by_those_who_may(door):
    report = make(door, what="打我13912345678的电话").json()["id"]
    decided = door.call("POST", f"{PATH}/{report}/decide", Role.OPS, {"class": "ours_unrecorded"})
    assert decided.status_code == 200
    assert (decided.json()["state"], decided.json()["decisions"][0]["by"]) == ("decided", "the-ops")
    other = door.call("POST", f"{PATH}/{report}/decide", Role.OPS, {"class": "ours_allowed"})
    assert is_problem(other, 409, "already_decided")["found"] == "ours_unrecorded"
    granted = door.call("POST", f"{PATH}/{report}/decide", Role.OPS, {"class": "ours_unrecorded", "reward": "granted"})
    assert is_problem(granted, 409, "reward_not_due")["reason"] == "none"
    seen = {role: door.call("GET", f"{PATH}/{report}", role).json() for role in (Role.OPS, Role.AUDITOR)}
    assert {each["msisdn"] for each in seen.values()} == {"+86138****8000"}
    assert {each["what"] for each in seen.values()} == {"打我****的电话"}
    assert make(door, role=Role.OPS, caller_number="13912345678").json()["caller_number"] == "139****78"
    is_problem(door.call("GET", f"{PATH}/none", Role.OPS), 404, "report_not_found")


def test_reports_are_listed_by_what_they_are(door):
    ours, others = make(door).json()["id"], make(door, caller_number="13912345678", channel="12321").json()["id"]

    def ids(query):
        return [each["id"] for each in door.call("GET", f"{PATH}?{query}", Role.OPS).json()["reports"]]

    assert {*ids("state=open")} == {ours, others}
    assert ids("class=ours_unrecorded") == ids("channel=hotline") == [ours]
    assert ids("channel=12321") == [others]
    assert ids("overdue=true") == ids("state=decided") == ids("carrier=unicom") == []
    for query in ("state=x", "class=x", "channel=fax", "overdue=no", "cursor=x", f"msisdn={NUMBER}"):
        assert door.call("GET", f"{PATH}?{query}", Role.OPS).status_code == 422


def test_open_reports_are_metrics_without_a_person_and_a_list_at_a_terminal(door):
    make(door)
    make(door, caller_number="13912345678", channel="12321")
    page = door.call("GET", "/metrics", Role.OPS).text
    assert 'consent_reports_open{class="ours_unrecorded",door="hotline"} 1.0' in page
    assert 'consent_reports_open{class="not_ours",door="12321"} 1.0' in page
    assert 'consent_reports_overdue{class="not_ours",door="12321"} 0.0' in page
    told = {"CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"]}

    def consent(*arguments):
        return typed("reports", *arguments, environ=told)

    [row] = json.loads(consent("--door", "12321", "--json").stdout)
    assert (row["from"], row["class"], row["state"]) == ("+86138****8000", "not_ours", "open")
    assert json.loads(consent("--overdue", "--json").stdout) == []
    said = consent("--class", "nothing")
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(("change", "code", "field"), [
    ({"called_at": "2999-01-01T00:00:00Z"}, "report_time_invalid", "called_at"),
    ({"called_at": "yesterday"}, "report_time_invalid", "called_at"),
    ({"msisdn": "1"}, "invalid_msisdn", "msisdn"),
    ({"caller_number": "nobody"}, "invalid_caller", "caller_number"),
    ({"ref": "call 13800138000"}, "contains_number", "ref"),
    ({"what": "x" * 501}, "malformed", "what"),
    ({"carrier": "none"}, "malformed", "carrier"),
])  # fmt: skip
def test_a_wrong_field_is_named_and_not_repeated(door, change, code, field):
    said = make(door, **change)
    assert [each["field"] for each in is_problem(said, 422, code)["errors"]] == [field]
    assert not door.redis.keys("ce:*report*")


def may_be_called(door, number=NUMBER, carrier="mobile"):
    asked = {"msisdn": number, "carrier": carrier}
    return door.call("POST", "/v1/callable", Role.AGENT, asked).json()["callable"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"called_at": "2999-01-01T00:00:00Z"}, {"reported_at": "2999-01-01T00:00:00Z"}, {"called_at": "yesterday"},
        {"caller_number": "nobody"}, {"what": "x" * 501}, {"channel": "fax"}, {"note": "x"}, {"caller_number": None},
    ],
)  # fmt: skip
def test_the_refusal_in_a_report_is_kept_whatever_is_wrong_with_the_call_and_the_answer_says_both(door, wrong):
    for _ in range(2):
        said = make(door, **wrong)
        assert (said.status_code, said.json()["refusals_kept"]) == (422, 1)
    assert (may_be_called(door), may_be_called(door, carrier="telecom")) == (False, True)
    assert not door.redis.keys("ce:*report*")
    assert make(door).status_code == 201


@pytest.mark.parametrize("wrong", [{"msisdn": "1"}, {"carrier": "none"}, {"carrier": None}])
def test_a_report_that_does_not_say_who_refuses_whose_calls_refuses_nothing(door, wrong):
    before = door.kept()
    said = make(door, **wrong)
    assert (said.status_code, said.json().get("refusals_kept")) == (422, None)
    assert door.kept() == before


def test_nobody_refuses_for_another_by_a_report_whose_number_was_not_proven(door):
    body = told(door, code="123456", what="x" * 501)
    said = door.call("POST", PATH, None, body, headers={})
    assert (said.status_code, said.json().get("refusals_kept")) == (422, None)
    assert may_be_called(door)


def test_the_refusals_in_wrong_lines_of_a_file_are_kept(door):
    at = instant(door.engine.registry.now() - 3_600_000)
    rows = ["msisdn,carrier,caller_number,called_at", f"{NUMBER},mobile,nobody,{at}", f"{OTHER},mobile,10085,soon",
            f"13700137000,none,10085,{at}", f"13600136000,mobile,10085,{at},more"]  # fmt: skip
    for _ in range(2):
        said = door.call(
            "POST", f"{PATH}/import", Role.OPS, content="\n".join(rows).encode(), headers={"Content-Type": "text/csv"}
        ).json()
        assert (said["accepted"], [text.partition(":")[0] for text in said["rejected"]]) == (
            0, ["line 2", "line 3", "line 4", "line 5"],
        )  # fmt: skip
    assert [may_be_called(door, number) for number in (NUMBER, OTHER, "13700137000", "13600136000")] == [
        False, False, True, True,
    ]  # fmt: skip
    assert not door.redis.keys("ce:*report*")


def test_of_a_file_the_lines_that_are_wrong_are_named_and_the_rest_is_in(door, caplog):
    at = instant(door.engine.registry.now() - 3_600_000)
    rows = [
        "msisdn,carrier,caller_number,called_at,what,ref", f"{NUMBER},mobile,10085,{at},推销,12321-1",
        f"12345,mobile,10085,{at},,", f"{OTHER},mobile,10085,2999-01-01T00:00:00Z,,", f"{OTHER},unicom,10016,{at},,",
    ]  # fmt: skip

    def sent(lines):
        content = "\n".join(lines).encode()
        return door.call("POST", f"{PATH}/import", Role.OPS, content=content, headers={"Content-Type": "text/csv"})

    said = sent(rows).json()
    assert (said["accepted"], said["already"]) == (2, 0)
    assert [text[:16] for text in said["rejected"]] == ["line 3: msisdn: ", "line 4: malforme"]
    assert "12345" not in str(said)
    again = sent(rows).json()
    assert (again["accepted"], again["already"]) == (0, 2)
    [row] = door.call("GET", f"{PATH}?channel=12321&carrier=unicom", Role.AUDITOR).json()["reports"]
    assert row["msisdn"] == "+86139****9000"
    for lines, code in (([rows[0], *[rows[1]] * 10_001], "too_long"), (["msisdn,carrier", NUMBER], "header")):
        assert [each["code"] for each in is_problem(sent(lines), 422, "malformed")["errors"]] == [code]
    assert NUMBER[-11:] not in logged(caplog)
