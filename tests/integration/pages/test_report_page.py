"""The page on which a subscriber reports a call: no script, no sign-in, no personal data in an address."""

import logging
import re
from urllib.parse import urlencode

import msgspec
import pytest
from msgspec.structs import replace

from consent_engine.domain.days import CHINA
from consent_engine.domain.line.proof_code import APART_MS, MOST_A_DAY, ProofCode
from consent_engine.domain.msisdn import Msisdn, mask
from tests.integration.api_door import NUMBER
from tests.integration.page_door import PageDoor

ENGLISH = {"Accept-Language": "en"}


def filled(door, **more):
    at = CHINA.at(door.engine.registry.now() - 3_600_000)
    return {
        "msisdn": "138 0013 8000", "carrier": "mobile", "caller_number": "10085", "day": f"{at:%Y-%m-%d}",
        "time": f"{at:%H:%M}", "what": "推销<b>5G</b>", **more,
    }  # fmt: skip


def post(door, step, form, site="same-origin", **headers):
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": site, **headers}
    return door.call("POST", "/report", None, content=urlencode({**form, "step": step}).encode(), headers=sent)


def coded(door):
    line = door.engine.line(Msisdn(NUMBER))
    return door.engine.outside.code_of(line.id, line.code.seed)


def test_a_subscriber_walks_through_it_without_a_script(door):
    page = door.call("GET", "/report")
    assert (page.status_code, page.headers["content-language"]) == (200, "zh")
    assert "<script" not in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    form = filled(door)
    sent = post(door, "code", form)
    assert sent.status_code == 200
    assert 'value="138 0013 8000"' in sent.text
    assert "推销&lt;b&gt;5G&lt;/b&gt;" in sent.text
    assert 'autocomplete="one-time-code"' in sent.text
    done = post(door, "report", {**form, "code": coded(door)})
    number = re.search(r'id="number">([0-9A-Z]{8})<', done.text)[1]
    [row] = door.call("GET", "/v1/reports", "auditor").json()["reports"]
    assert (row["number"], row["msisdn"], row["channel"], row["what"]) == (number, mask(NUMBER), "web", "推销<b>5G</b>")
    assert done.headers["cache-control"] == "no-store"
    assert not door.engine.dial(Msisdn(NUMBER), "mobile").callable


@pytest.mark.parametrize(("change", "named"), [
    ({"msisdn": "12345"}, "Your mobile number"),
    ({"caller_number": "nobody"}, "The number your phone showed"),
    ({"day": "2999-01-01"}, "The day of the call"),
    ({"day": "", "time": ""}, "The day of the call"),
    ({"time": ""}, "The time of the call"),
    ({"time": "25:00"}, "The time of the call"),
    ({"time": "-1:00"}, "The time of the call"),
    ({"carrier": ""}, "The carrier the caller named"),
    ({"carrier": "none"}, "The carrier the caller named"),
])  # fmt: skip
def test_what_is_wrong_is_named_by_its_label_and_no_code_is_sent(door, change, named):
    said = post(door, "code", filled(door, **change), **ENGLISH)
    assert said.status_code == 422
    [(field, label)] = re.findall(r'<a href="#([a-z_]+)">([^<]*)</a></li>', said.text)
    assert label == named
    assert re.search(rf'id="{field}-wrong">[^<]+<', said.text)
    assert f'aria-describedby="{field}-wrong' in said.text
    assert not door.redis.keys("ce:*line*")


def test_a_wrong_code_makes_no_report_and_another_site_sends_no_code(door):
    form = filled(door)
    post(door, "code", form)
    wrong = post(door, "report", {**form, "code": f"{(int(coded(door)) + 1) % 10**6:06d}"}, **ENGLISH)
    assert wrong.status_code == 422
    assert "The code is wrong" in wrong.text
    assert not door.redis.keys("ce:*report:*")
    again = post(door, "code", form)
    assert (again.status_code, again.headers["retry-after"]) == (429, "60")
    assert post(door, "code", filled(door, msisdn="13900139000"), site="cross-site").status_code == 403


def test_whoever_walks_through_it_keeps_his_tries_though_others_use_up_theirs(door):
    form = filled(door)
    ticket = re.search(r'type="hidden" name="ticket" value="([0-9a-f]{32})"', post(door, "code", form).text)[1]
    right = coded(door)
    for _ in range(6):
        post(door, "report", {**form, "code": f"{(int(right) + 1) % 10**6:06d}"})
    assert post(door, "report", {**form, "code": right}).status_code == 422
    again = post(door, "report", {**form, "code": "000000" if right != "000000" else "000001", "ticket": ticket})
    assert f'value="{ticket}"' in again.text
    assert 'id="number">' in post(door, "report", {**form, "code": right, "ticket": ticket}).text


def test_the_day_by_which_it_is_answered_is_the_one_of_the_business_wherever_it_is_shown(running):
    door = PageDoor(*running, CONSENT_TIME_ZONE="Etc/GMT+11")
    at = door.engine.reports.terms.days.at(door.engine.registry.now() - 3_600_000)
    form = filled(door, day=f"{at:%Y-%m-%d}", time=f"{at:%H:%M}")
    post(door, "code", form)
    page = post(door, "report", {**form, "code": coded(door)}).text
    [row] = door.call("GET", "/v1/reports", "auditor").json()["reports"]
    told = door.engine.reports.show(row["id"])[0].received.answer_by
    day = door.engine.reports.terms.days.of(told)
    assert day != CHINA.of(told)
    assert f"<time>{day}</time>" in page
    assert (row["due"]["answer_by"][:10], row["due"]["answer_by"][-6:]) == (day, "-11:00")
    door.close()


def test_a_reporter_is_answered_in_the_language_that_was_chosen_on_the_page(door):
    assert '<option value="en" lang="en" selected>' in door.call("GET", "/report", headers=ENGLISH).text
    form = filled(door, language="en")
    post(door, "code", form)
    line = door.engine.line(Msisdn(NUMBER))
    assert [each.about[1] for each in line.effects.values() if each.about] == ["code:en"]
    assert post(door, "report", {**form, "code": coded(door)}).status_code == 200
    [row] = door.call("GET", "/v1/reports", "ops").json()["reports"]
    said = door.call("POST", f"/v1/reports/{row['id']}/decide", "ops", {"class": "ours_unrecorded"})
    assert said.status_code == 200
    told = [each.about for each in door.engine.line(Msisdn(NUMBER)).effects.values() if each.about]
    assert {about[1] for about in told} == {"code:en", "report_received:en", "report_forbidden:en"}
    assert "There is no reward for this report" in next(about for about in told if "forbidden" in about[1])


def test_whose_codes_are_used_up_reads_which_hotline_takes_a_report_without_one(door):
    form = filled(door, msisdn="13900139000")
    post(door, "code", form)
    [name] = door.redis.keys("ce:{0}:line:*")
    kept = msgspec.json.decode(door.redis.hget(name, "code"), type=ProofCode)
    door.redis.hset(name, "code", replace(kept, at=kept.at - APART_MS, sent=MOST_A_DAY).encode())
    said = post(door, "code", form, **ENGLISH)
    assert said.status_code == 429
    assert "by the hotline 10086, where no code is asked for" in said.text


def test_the_page_says_that_a_code_is_on_its_way_only_where_one_was_sent_just_now(door):
    """The field for a code stands there as soon as a person may have one."""
    form = filled(door)

    def says(step, **more):
        page = post(door, step, {**form, **more}, **ENGLISH).text
        return "is on its way" in page, 'id="code"' in page

    assert says("have") == (False, True)
    assert says("code") == (True, True)
    assert says("code") == (False, True), "too soon after the one before"
    assert says("report", code=f"{(int(coded(door)) + 1) % 10**6:06d}") == (False, True)
    assert says("report", code=coded(door), day="2999-01-01") == (False, True)


def test_an_outage_that_the_page_tells_by_itself_is_named_by_its_route_in_the_log(door, caplog):
    caplog.set_level(logging.WARNING)
    form = filled(door)
    door.serve(door.nowhere())
    assert [post(door, "code", form).status_code for _ in range(2)] == [503, 503]
    [line] = [each.getMessage() for each in caplog.records if "/report 503" in each.getMessage()]
    assert line.endswith("(/report; said again when it is over)")
