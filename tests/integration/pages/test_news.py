"""News: an open page hears by itself what stands still, fails or is slow, and what becomes of its order."""

import json
from contextlib import contextmanager

import httpx
import pytest

from consent_engine.api.web.news import Notice, _line, notices_of
from consent_engine.api.web.words import LANGUAGES, words
from consent_engine.domain.effects import ACTIVATE, Accepted, Lane, Unavailable
from consent_engine.engine.api_keys import Role
from consent_engine.engine.metrics import Measures
from consent_engine.ports import Endpoint
from tests.integration.api_door import live
from tests.integration.mishaps import park
from tests.waiting import HANGS_S

GATEWAY, BSS = Endpoint("gateway", "simulated"), Endpoint("bss", "simulated")


@contextmanager
def hearing(door, role, path, **headers):
    """Open a page's stream, and yield a function that returns the data of the next event of this name."""
    cookie = "; ".join(f"{name}={value}" for name, value in door.sign_in(role).cookies.items())
    sent = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin", **headers}
    with (
        live(door.app) as url,
        httpx.Client(timeout=HANGS_S) as client,
        client.stream("GET", url + path, headers=sent) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
        lines = answer.iter_lines()

        def heard(name):
            for line in lines:
                if line == f"event: {name}":
                    return json.loads(next(lines).removeprefix("data: "))
            raise AssertionError(f"the stream ended without {name}")

        yield heard


def codes(door):
    return [(each.code, each.target, each.hampers) for each in notices_of(door.engine) if each.code != "ops.no_workers"]


def called(door, target, outcome, times, seconds=0.02):
    """Have a worker report this many calls to a target."""
    measures = Measures()
    for _ in range(times):
        measures.called(target, outcome, seconds, door.engine.registry.now())
    measures.report(door.engine.registry)


def test_a_page_hears_that_a_queue_was_stopped_and_that_it_goes_on(door):
    with hearing(door, Role.AGENT, "/news", **{"Accept-Language": "zh"}) as heard:
        before = {line["key"] for line in heard("banner")}
        door.engine.pauses.pause(Endpoint("lane", "sms"), "ops-1", "换机房")
        [stopped] = [line for line in heard("banner") if line["key"] not in before]
        assert (stopped["hampers"], stopped["paused"]) == ("sms", "lane sms")
        assert "处理队列“发出的短信”已暂停" in stopped["text"]
        assert words("zh")["means.sms"] in stopped["text"]
        door.engine.pauses.resume(Endpoint("lane", "sms"), "ops-1", "done")
        assert stopped["key"] not in {line["key"] for line in heard("banner")}


def test_the_page_of_an_order_hears_each_change_of_it(door):
    placed = door.place().json()["id"]
    with hearing(door, Role.AGENT, f"/orders/{placed}/news") as heard:
        assert heard("life")["order"]["state"] == "agreed"
        door.work(Lane.SMS)
        assert heard("life")["order"]["state"] == "awaiting_reply"
        door.engine.cancel(placed, "ops", "changed his mind")
        assert heard("life")["order"]["state"] == "cancelled"


def test_a_page_is_told_that_its_sign_in_is_over(door):
    with hearing(door, Role.OPS, "/news") as heard:
        heard("banner")
        door.engine.keys.revoke("the-ops")
        assert heard("over") == {}


def test_an_order_of_another_agent_is_not_told(door):
    placed = door.place().json()["id"]
    asked = {each: door.sign_in(each).get(f"/orders/{placed}/news").status_code for each in ("other", Role.REVIEWER)}
    assert asked == {"other": 404, Role.REVIEWER: 403}
    assert door.stranger().get("/news").status_code == 401


def test_a_target_is_named_while_it_fails_refuses_is_slow_or_stands_still(door):
    assert codes(door) == []
    called(door, GATEWAY, Unavailable("503"), 3)
    assert codes(door) == [("notice.silent", GATEWAY, Lane.SMS)]
    called(door, GATEWAY, Unavailable("401", refusing=True), 1)
    assert codes(door) == [("notice.refusing", GATEWAY, Lane.SMS)]
    called(door, BSS, Accepted("a"), 20, seconds=4.0)
    assert codes(door) == [("notice.refusing", GATEWAY, Lane.SMS), ("notice.slow", BSS, Lane.ACTIVATION)]
    door.engine.pauses.pause(GATEWAY, "ops-1", "换机房")
    assert codes(door) == [("paused.gateway", GATEWAY, Lane.SMS), ("notice.slow", BSS, Lane.ACTIVATION)]
    door.engine.pauses.resume(GATEWAY, "ops-1", "done")
    called(door, GATEWAY, Accepted("m"), 8)
    assert codes(door) == [("notice.failing", GATEWAY, Lane.SMS), ("notice.slow", BSS, Lane.ACTIVATION)]


def test_of_a_bss_that_is_away_it_is_said_how_many_services_wait_for_a_person(door):
    park(door.engine, door.place().json()["id"], "no answer within 10.0 s", ACTIVATE)
    called(door, GATEWAY, Unavailable("503"), 3)
    called(door, BSS, Unavailable("503"), 3)
    days, said = door.engine.terms.reporting.days, words("en")
    told = {each.target: _line(each, said, days).text for each in notices_of(door.engine)}
    assert told[BSS].endswith(said["means.parked"].format(n=1))
    assert told[GATEWAY].endswith(said["means.sms"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_is_named_has_words_and_says_what_it_means(door, language):
    said = words(language)
    days = door.engine.terms.reporting.days
    names = {f"notice.{name}" for name in ("silent", "refusing", "failing", "slow")}
    for target in (GATEWAY, BSS):
        lines = [_line(Notice(name, target, 1), said, days) for name in names]
        assert all(target.name in line.text and line.text.endswith(said[f"means.{line.hampers}"]) for line in lines)
    for lane in Lane:
        line = _line(Notice("notice.late", Endpoint("lane", lane.value), 1), said, days)
        assert said[f"lane.{lane.value}"] in line.text
        assert "{" not in line.text
