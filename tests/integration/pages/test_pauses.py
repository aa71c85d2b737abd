"""A stop that a person ordered is shown on every page, in the API, by doctor, at a terminal and in the metrics."""

from importlib.resources import files

import pytest

from consent_engine.api.schemas.lists import PauseList
from consent_engine.doctor.work import _paused
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import CHINA
from consent_engine.engine.api_keys import Role
from consent_engine.ports import Endpoint
from tests.integration.api_door import NUMBER, is_problem
from tests.integration.page_door import PageDoor

WANTED = {"to": "lane", "name": "sms", "reason": "its operator works on it"}


@pytest.fixture
def stopped(door):
    answer = door.call("POST", "/v1/pauses", Role.OPS, WANTED)
    assert answer.status_code == 201
    door.app.state.front.recent._known.clear()  # noqa: SLF001 - the newest look-up
    return answer.json()


def test_it_is_told_with_who_and_why_and_by_when_all_has_ended(door, stopped):
    PauseList.model_validate(stopped)
    [row] = stopped["paused"]
    assert row.items() >= {**WANTED, "by": "the-ops"}.items()
    assert row["since"] < row["drained"]
    assert door.call("GET", "/v1/pauses", Role.AUDITOR).json() == stopped
    again = door.call("POST", "/v1/pauses", Role.ADMIN, WANTED | {"reason": "me too"})
    assert (again.status_code, again.json()) == (200, stopped)
    gone = door.call("POST", "/v1/pauses/resume", Role.OPS, WANTED | {"reason": "done"}).json()
    assert (gone["paused"], [each["reason"] for each in gone["events"]]) == ([], ["done", WANTED["reason"]])
    is_problem(door.call("POST", "/v1/pauses/resume", Role.OPS, WANTED), 409, "not_paused")


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"name": "fast"}, 409), ({"to": "bss"}, 422), ({"reason": " "}, 422), ({"reason": f"ask {NUMBER}"}, 422)],
)
def test_what_cannot_be_stopped_or_has_a_number_in_its_reason_is_turned_away(door, changes, status):
    assert door.call("POST", "/v1/pauses", Role.OPS, WANTED | changes).status_code == status
    assert door.call("GET", "/v1/pauses", Role.OPS).json() == {"paused": [], "events": []}


@pytest.mark.parametrize(
    ("language", "said"), [("zh", "处理队列“发出的短信”已暂停"), ("en", "The queue outgoing SMS was stopped at")]
)
def test_every_page_behind_the_sign_in_says_it_and_no_public_one(door, stopped, language, said):
    admin = door.sign_in(Role.ADMIN)
    for path in ("/", "/ops", "/desk", f"/orders/{'0' * 28}"):
        page = admin.get(f"{path}?lang={language}").text
        assert said in page, path
        assert WANTED["reason"] in page
    assert admin.get("/ops/board").json()["paused"] == stopped["paused"]
    assert WANTED["reason"] not in door.stranger().get("/tariffs").text


def test_doctor_and_the_metrics_say_it(door, stopped):
    registry = door.engine.registry
    [found] = _paused(registry.pauses.standing(), registry.now())
    assert "lane sms was stopped 0 s ago by the-ops: its operator works on it" in found.what
    assert found.do == "consent resume lane sms --reason TEXT"
    assert 'consent_paused_seconds{name="sms",to="lane"}' in door.call("GET", "/metrics", Role.OPS).text


def test_instants_are_shown_by_the_clock_of_the_business_on_every_page(running):
    door = PageDoor(*running, CONSENT_TIME_ZONE="Etc/GMT+11")
    days, now = door.engine.terms.reporting.days, door.engine.registry.now()
    door.engine.pauses.pause(Endpoint("lane", "sms"), "ops-1", "a test")
    [event] = door.engine.pauses.happened()
    shown = f"{days.at(event.at):%Y-%m-%d %H:%M:%S}"
    assert abs(event.at - now) < 60_000
    assert shown[:16] != CHINA.instant(event.at)[:16].replace("T", " ")
    page = door.sign_in(Role.AUDITOR).get("/audit").text
    assert f">{shown}</time>" in page
    assert f"{shown[:16]}" in page.partition("<main")[0], "the line on top"
    assert '<meta name="zone" content="Etc/GMT+11">' in page
    scripts = files("consent_engine.api") / "pages"
    for script in scripts.iterdir():
        if script.name.endswith((".js", ".html")):
            text = script.read_text()
            assert not [
                word
                for word in ("Asia/Shanghai", " 8 * 3600", "inChina", "getTimezoneOffset", "getHours", "getDate()")
                if word in text
            ], script.name
    door.close()


def test_the_board_and_the_metrics_say_how_many_a_gateway_gets_since_it_got_too_many_and_whose_sms_it_has(running):
    door = PageDoor(*running, CONSENT_SIMULATED__RATE="100", CONSENT_GATEWAY_MOBILE="simulated,simulated:two")
    route = door.engine.outside.route("mobile")
    door.engine.lanes.too_many(route.gateway)
    door.engine.lanes.lease_each({route: 1})
    door.engine.pauses.pause(Endpoint("gateway", "simulated"), "ops-1", "its operator works on it")
    gateway, two, bss = door.sign_in(Role.AUDITOR).get("/ops/board").json()["outside"]
    assert [(each["rate"], each["most"]) for each in (gateway, two, bss)] == [(50, 100), (None, None), (None, None)]
    assert (gateway["may"], gateway["has"]) == ([*CARRIERS], ["telecom", "unicom"])
    assert (two["may"], two["has"], bss["has"]) == (["mobile"], ["mobile"], [])
    assert 'consent_gateway_rate{gateway="simulated"} 50.0' in door.call("GET", "/metrics", Role.OPS).text
    door.close()
