"""/reports: from complaint to answer on one page; ops decide, auditors read, and every number on it is masked."""

import pytest
from sqlalchemy import update

from consent_engine.adapters.sql.tables import RECORDS
from consent_engine.domain.call.report import ReportClass
from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import NUMBER, is_problem
from tests.integration.calls.desk import instant
from tests.integration.page_door import MAY

AROUND = "/reports/around/{}"


def called(door, minutes=5, **more):
    """Make an ended call of ours known."""
    began = door.engine.registry.now() - minutes * 60_000
    body = {"from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1024", "started_at": instant(began), **more}
    headers = {"Idempotency-Key": f"call-{minutes}"}
    call = door.call("POST", "/v1/calls", Role.AGENT, body, headers=headers).json()["id"]
    end = {
        "ended_at": instant(began + 60_000),
        "outcome": "other",
        "recording": {"ref": f"rec-{minutes}", "seconds": 60},
    }
    assert door.call("POST", f"/v1/calls/{call}/end", Role.AGENT, end).status_code == 200
    return call


def reported(door, minutes=5, **more):
    at = instant(door.engine.registry.now() - minutes * 60_000)
    body = {"msisdn": NUMBER, "carrier": "mobile", "caller_number": "10085", "called_at": at, **more}
    return door.call("POST", "/v1/reports", Role.AGENT, body).json()


def test_a_call_its_permit_what_stood_and_every_answer_stand_around_a_report(door):
    asked = {"carrier": "mobile", "msisdns": [NUMBER]}
    permit = door.call("POST", "/v1/permits", Role.AGENT, asked).json()["permits"][0]["permit"]
    call = called(door, 0, permit=permit)
    report = reported(door, 0, what="打我13912345678的电话")["id"]
    visitor = door.sign_in(Role.OPS)
    answer = visitor.get(AROUND.format(report))
    shown = answer.json()
    [near] = shown["calls"]
    assert (near["id"], near["meant"], near["permit"], near["verdict"]) == (call, True, "ours", "pending")
    assert near["permit_since"] < near["permit_until"]
    [stands] = shown["standing"]
    assert (stands["kind"], stands["by_this"], stands["stood"]) == ("refused", True, False)
    would = {each["class"]: each["sms"]["text"] for each in shown["would"]}
    assert "违规营销" in would["ours_forbidden"]
    assert "未发现违规" in would["ours_allowed"]
    assert "{forwarded}" in would["not_ours"]
    [came] = shown["written"]
    assert shown["report"]["number"] in came["text"]
    assert came["waits"]
    assert NUMBER[3:] not in answer.text
    assert "13912345678" not in answer.text


@pytest.mark.parametrize("caller", ["02162345678", "4008001234", "13912345678", "+442071234567"])
def test_a_number_of_somebodys_own_that_was_shown_stands_whole_in_no_text(door, caller):
    """Free text is not searched for landline numbers: they are known from their field."""
    report = reported(door, caller_number=caller)["id"]
    visitor = door.sign_in(Role.OPS)
    before = visitor.get(AROUND.format(report))
    shown = before.json()["report"]["caller_number"]
    assert "****" in shown
    would = [each["sms"]["text"] for each in before.json()["would"]]
    assert would
    assert all(shown in text for text in would)
    door.work(Lane.SMS)
    assert visitor.post(f"/v1/reports/{report}/decide", {"class": "not_ours"}).status_code == 200
    after = visitor.get(AROUND.format(report))
    assert shown in after.json()["written"][-1]["text"]
    assert caller[-8:] not in before.text + after.text


def test_what_a_decision_tells_is_what_it_was_said_to_tell(door):
    report = reported(door)["id"]
    visitor = door.sign_in(Role.OPS)
    would = visitor.get(AROUND.format(report)).json()["would"]
    told = next(each["sms"]["text"] for each in would if each["class"] == "ours_unrecorded")
    assert visitor.post(f"/v1/reports/{report}/decide", {"class": "ours_unrecorded"}).status_code == 200
    after = visitor.get(AROUND.format(report)).json()
    assert [each["text"] for each in after["written"]][1:] == [told]
    assert (after["would"], after["report"]["state"]) == ([], "decided")


def test_the_next_due_comes_first_and_the_overdue_are_counted(door):
    later = reported(door, 5)["id"]
    first = reported(door, 60, channel="counter")["id"]
    assert set(door.engine.store.queries.reports.due(9)) == {first, later}
    with door.engine.store.archive.asking() as connection:
        connection.execute(update(RECORDS).where(RECORDS.c.id == first).values(answer_by=1))
    shown = door.sign_in(Role.AUDITOR).get("/reports/due").json()
    assert [each["id"] for each in shown["reports"]] == [first, later]
    assert (shown["open"], shown["overdue"]) == (2, 1)


def test_reports_are_listed_by_how_their_reward_stands(door):
    report = reported(door)["id"]
    rows = door.call("GET", "/v1/reports?reward=none", Role.OPS).json()["reports"]
    assert [each["id"] for each in rows] == [report]
    assert door.call("GET", "/v1/reports?reward=granted", Role.OPS).json()["reports"] == []


@pytest.mark.parametrize("role", list(Role))
def test_only_those_who_may_see_reports_may_look_around_one(door, role):
    report = reported(door)["id"]
    visitor = door.sign_in(role)
    for path in (AROUND.format(report), "/reports/due"):
        if role in MAY["/reports"]:
            assert visitor.get(path).status_code == 200
        else:
            is_problem(visitor.get(path), 403, "forbidden")
    if role in MAY["/reports"]:
        is_problem(visitor.get(AROUND.format("0" * 28)), 404, "report_not_found")
        assert 'id="decide"' in visitor.get("/reports").text


def test_the_keys_named_below_are_those_that_choose(door):
    page = door.sign_in(Role.OPS).get("/reports").text
    assert f"<kbd>1</kbd>–<kbd>{len(ReportClass)}</kbd>" in page
    assert page.count('name="class"') == len(ReportClass)
