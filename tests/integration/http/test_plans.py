"""The catalogue over HTTP: published, withdrawn, revoked; and the tariffs as the public sees them."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from consent_engine.api.http.bodies import Bounds
from consent_engine.api.schemas.lists import SaleView
from consent_engine.api.schemas.plan_views import PlanList, PlanView
from consent_engine.domain.effects import Lane
from consent_engine.domain.offer.plan_form import plan_from
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import OTHER, Door, is_problem, order, reply
from tests.plans import PLAN, known_since_ever
from tests.waiting import until

CODE = "5g-smart-199"
HALL = PLAN["published"][0]


@pytest.fixture
def door(running):
    made = Door(*running, bounds=Bounds(tariffs_s=0))
    yield made
    made.close()


def put(door, body, code="new-plan", role=Role.ADMIN):
    return door.call("PUT", f"/v1/plans/{code}", role, body)


def plan(door, code=CODE, query=""):
    return door.call("GET", f"/v1/plans/{code}{query}", Role.AGENT)


# -- PUT --------------------------------------------------------------------------------------------------------------


def test_what_changes_anything_is_a_new_version(door):
    first, same = put(door, PLAN), put(door, PLAN | {"code": "new-plan"})
    assert (first.status_code, same.status_code) == (201, 200)
    PlanView.model_validate(first.json())
    assert first.json() == same.json() == plan(door, "new-plan").json()
    assert first.json()["version"] == 1
    changed = put(door, PLAN | {"price": {"monthly": "198.00"}})
    assert (changed.status_code, changed.json()["version"]) == (201, 2)
    assert changed.json()["hash"] != first.json()["hash"]
    assert put(door, PLAN).json()["version"] == 3


def test_any_version_can_be_read_and_only_one_is_sold(door):
    put(door, PLAN)
    put(door, PLAN | {"price": {"monthly": "198.00"}})
    old, current = plan(door, "new-plan", "?version=1").json(), plan(door, "new-plan", "?version=2").json()
    assert (old["price"]["monthly"], old["version"], old["sale"]) == ("199.00", 1, "superseded")
    assert (current["price"]["monthly"], current["version"], current["sale"]) == ("198.00", 2, "on_sale")
    is_problem(plan(door, "new-plan", "?version=3"), 404, "plan_not_found")
    is_problem(plan(door, "nothing", "?version=1"), 404, "plan_not_found")
    for query in ("?version=0", "?version=x", "?colour=red", "?version=1&version=2"):
        is_problem(plan(door, "new-plan", query), 422, "malformed")


def dated(since, **changes):
    return PLAN | {"published": [p | {"since": since} for p in PLAN["published"]]} | changes


def test_a_version_counts_from_when_the_store_knew_it(door):
    before = door.engine.registry.now()
    first = put(door, PLAN).json()
    assert [p["since"] for p in first["published"]] == [first["published"][0]["since"]] * 2
    assert datetime.fromisoformat(first["in_force_from"]).timestamp() * 1000 >= before
    dear = {"price": {"monthly": "299.00"}}
    for body in (dated("2025-08-01T00:00:00+08:00", **dear), PLAN | dear | {"published": first["published"]}):
        said = is_problem(put(door, body), 422, "backdated")
        assert said["field"] == "published.0.since"
    assert put(door, PLAN | {"published": first["published"]}).status_code == 200  # an unchanged plan is not checked
    assert put(door, PLAN).status_code == 200


def test_a_call_before_a_version_was_known_is_not_sold_it(door):
    placed = door.place()
    assert placed.status_code == 201
    put(door, PLAN | {"price": {"monthly": "299.00"}}, CODE)
    is_problem(door.place(order(msisdn=OTHER), "key-2"), 409, "plan_not_public")
    assert door.place(today(msisdn=OTHER), "key-3").json()["plan"]["version"] == 2


def today(**changes):
    """Return an order of a call that was agreed just now."""
    now = datetime.now(UTC)
    call = {"started_at": (now - timedelta(minutes=4)).isoformat(), "agreed_at": now.isoformat()}
    return order(call=call, **changes)


def test_a_version_that_names_an_instant_to_come_waits_and_the_clock_switches_it_on(door):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    dear = dated(tomorrow.isoformat(), price={"monthly": "299.00"})
    waits = put(door, dear, CODE)
    assert (waits.status_code, waits.json()["version"], waits.json()["sale"]) == (201, 2, "waiting")
    assert put(door, dear, CODE).status_code == 200
    assert (plan(door).json()["version"], plan(door, CODE, "?version=1").json()["sale"]) == (1, "on_sale")
    is_problem(door.call("GET", f"/tariffs/{CODE}/2.json"), 404, "plan_not_found")
    placed = door.place().json()
    assert placed["plan"]["version"] == 1
    for lead in (0.3, 5, 60):  # it must be to come when it is read, and on a starved machine that takes a while
        soon = datetime.now(UTC) + timedelta(seconds=lead)
        if (waits := put(door, dear | dated(soon.isoformat()), CODE)).status_code == 201:
            break
    assert waits.json()["version"] == 3
    shown = until("its instant has come", lambda: (told := plan(door).json())["version"] == 3 and told)
    assert (shown["sale"], plan(door, CODE, "?version=2").json()["sale"]) == ("on_sale", "superseded")
    is_problem(door.call("GET", f"/tariffs/{CODE}/2.json"), 404, "plan_not_found")  # it never was in force
    assert door.call("GET", f"/tariffs/{CODE}/3.json").json()["in_force_from"] == shown["in_force_from"]
    is_problem(door.place(order(msisdn=OTHER), "key-2"), 409, "plan_not_public")
    door.work(Lane.SMS)
    door.post("inbound", reply("是"))
    door.work(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    assert door.engine.show(placed["id"]).state == "notified"


def test_withdrawn_and_back_are_versions_so_that_what_was_on_sale_then_has_an_answer(door):
    assert act(door, "withdraw").json()["version"] == 2
    assert act(door, "withdraw").json()["version"] == 2
    is_problem(door.place(today()), 409, "plan_not_public")
    again = {k: v for k, v in plan(door).json().items() if k in PLAN} | {"published": [
        {"channel": p.channel, "url": p.url} for p in door.engine.plan(CODE).plan.published
    ]}  # fmt: skip
    assert put(door, again, CODE).json()["version"] == 3
    first, second, third = (plan(door, CODE, f"?version={n}").json() for n in (1, 2, 3))
    assert [each["sale"] for each in (first, second, third)] == ["superseded", "withdrawn", "on_sale"]
    assert first["in_force_until"] == second["in_force_from"]
    assert second["in_force_until"] == third["in_force_from"]
    assert first["hash"] == third["hash"]
    assert door.place(today(), "key-2").json()["plan"]["version"] == 3


def test_every_version_that_was_on_sale_stays_readable_as_a_page_and_as_json(door):
    put(door, PLAN | {"price": {"monthly": "198.00"}}, CODE)
    act(door, "revoke")
    for version, price in ((1, "199元/月"), (2, "198元/月"), (3, "198元/月")):
        told = door.call("GET", f"/tariffs/{CODE}/{version}.json").json()
        page = door.call("GET", f"/tariffs/{CODE}/{version}")
        assert page.status_code == 200
        assert "unsafe" not in page.headers["content-security-policy"]
        for words in (told["hash"], price, *told["reads"]["zh"].values()):
            assert words in page.text
        assert all(told[span] in page.text for span in ("in_force_from", "in_force_until") if span in told)
    english = door.call("GET", f"/tariffs/{CODE}/1?lang=en").text
    assert "CNY 199/month" in english
    assert "已撤销" in door.call("GET", f"/tariffs/{CODE}/3").text
    every = door.call("GET", f"/tariffs/{CODE}.json").json()["items"]
    assert [(told["version"], told["sale"]) for told in every] == [(3, "revoked"), (2, "superseded"), (1, "superseded")]
    newest = door.call("GET", f"/tariffs/{CODE}").text
    assert all(f'href="/tariffs/{CODE}/{n}"' in newest for n in (1, 2, 3))
    assert "已撤销" in newest
    for nothing in (
        "/tariffs/none",
        "/tariffs/none.json",
        "/tariffs/none/1",
        f"/tariffs/{CODE}/9",
        f"/tariffs/{CODE}/x",
    ):
        is_problem(door.call("GET", nothing), 404, "plan_not_found")


def test_a_plan_whose_texts_are_too_long_is_refused_with_what_is_too_long(door):
    said = is_problem(put(door, PLAN | {"restrictions": ["限" * 120], "english": None}), 422, "malformed")
    assert said["errors"] == [
        {"field": "confirmation", "code": "too_long", "message": "takes 7 segments, and 6 are the most"},
        {"field": "notification", "code": "too_long", "message": "takes 5 segments, and 4 are the most"},
    ]


WRONG = {
    "another code": (PLAN | {"code": "other"}, ["code"]),
    "a version": (PLAN | {"version": 7}, ["version"]),
    "no name": ({k: v for k, v in PLAN.items() if k != "name"}, ["name"]),
    "a carrier that is none": (PLAN | {"carrier": "satellite"}, ["carrier"]),
    "a link in a text": (PLAN | {"name": "https://evil.example"}, ["name"]),
    "all at once": (PLAN | {"price": 7, "colour": "red"}, ["price", "colour"]),
    "no offset": (PLAN | {"published": [HALL | {"since": "2025-08-01T00:00:00"}]}, ["published.0.since"]),
    "a list": ([PLAN], ["body"]),
}  # fmt: skip


@pytest.mark.parametrize("word", ["是", "否", "TD", "退訂", "帮助", "是234", "234"])
def test_a_word_that_is_an_answer_to_the_question_ends_no_plan(door, word):
    unsubscribe = {"word": word, "to": "10086", "takes_effect": "next_month"}
    chinese = {field: told for field, told in PLAN.items() if field != "english"}
    said = is_problem(put(door, chinese | {"unsubscribe": unsubscribe}), 422, "malformed")
    assert [(error["field"], error["code"]) for error in said["errors"]] == [("unsubscribe.word", "taken")]


@pytest.mark.parametrize("name", WRONG)
def test_a_plan_that_cannot_be_read_is_not_published(door, name):
    body, fields = WRONG[name]
    before = door.kept()
    answer = put(door, body)
    said = is_problem(answer, 422, "malformed")
    assert [error["field"] for error in said["errors"]] == fields
    assert not {"satellite", "evil", "2025-08-01T00:00:00"} & set(re.findall(r"[\w:.-]+", answer.text))
    assert door.kept() == before


def test_a_plan_in_sentences_is_refused_with_what_it_lacks(door):
    sentences = {"carrier": "mobile", "name": "套餐", "price": "1 元/月", "scenario": "上网", "validity": "1 个月"}
    said = is_problem(put(door, sentences, CODE), 422, "disclosure_missing")
    assert said["missing"] == "term, renewal, replaces"


@pytest.mark.parametrize("code", ["-x", "a" * 65, "%E8%B5%84%E8%B4%B9", "a b"])
def test_a_code_is_short_and_plain(door, code):
    said = is_problem(put(door, PLAN, code), 422, "malformed")
    assert [error["field"] for error in said["errors"]] == ["code"]


def test_an_order_under_way_keeps_what_it_was_asked_with(door):
    placed = door.place().json()
    put(door, PLAN | {"price": {"monthly": "299.00"}}, CODE)
    again = door.call("GET", f"/v1/orders/{placed['id']}", Role.AGENT).json()
    assert again["plan"] == placed["plan"]
    assert "199元/月" in again["confirmation"]["text"]
    assert door.place(today(msisdn=OTHER), "key-2").json()["plan"]["version"] == placed["plan"]["version"] + 1


# -- withdraw, revoke -------------------------------------------------------------------------------------------------


def act(door, what, code=CODE):
    return door.call("POST", f"/v1/plans/{code}/{what}", Role.ADMIN)


def test_withdrawn_is_no_longer_sold_and_a_yes_under_way_counts(door):
    placed = door.place().json()["id"]
    answer = act(door, "withdraw")
    SaleView.model_validate(answer.json())
    assert answer.json() == {"code": CODE, "version": 2, "sale": "withdrawn", "cancelled": 0}
    assert plan(door).json()["sale"] == "withdrawn"
    assert door.place(order(msisdn=OTHER), "key-2").status_code in {409, 422}
    door.work(Lane.SMS)
    door.post("inbound", reply("是"))
    door.work(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    assert door.engine.show(placed).state == "notified"


def test_revoked_cancels_what_is_open_with_a_notice(door):
    placed = [door.place(order(msisdn=f"+86138{n:08d}"), f"key-{n}").json()["id"] for n in range(3)]
    other = door.place(order(msisdn=OTHER, plan="data-pack-10gb"), "key-9").json()["id"]
    door.work(Lane.SMS)
    assert act(door, "revoke").json() == {"code": CODE, "version": 2, "sale": "revoked", "cancelled": 3}
    assert act(door, "revoke").json()["cancelled"] == 0
    assert {door.engine.show(each).state for each in placed} == {"cancelled"}
    assert door.engine.show(other).state == "awaiting_reply"
    last = door.call("GET", f"/v1/orders/{placed[0]}", Role.ADMIN).json()["timeline"][-1]
    assert (last["trigger"], last["by"]) == ("cancelled", "the-admin")
    door.work(Lane.SMS)
    assert "informed" in [event.trigger for event in door.engine.show(placed[0]).events]


@pytest.mark.parametrize("what", ["withdraw", "revoke"])
def test_what_is_not_there_cannot_be_taken_away(door, what):
    is_problem(act(door, what, "nothing"), 404, "plan_not_found")


# -- /tariffs ---------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """The elements of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.ids, self.language, self.words = [], [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.tags.append(tag)
        self.links += [told["href"]] if "href" in told else []
        self.ids += [told["id"]] if "id" in told else []
        self.language = told.get("lang", "") if tag == "html" else self.language

    def handle_data(self, data):
        self.words.append(data)


def tariff_page(door, query="", **headers):
    answer = door.call("GET", f"/tariffs{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer, Page(answer.text)


def test_the_public_reads_every_tariff_without_a_key_or_a_script(door):
    answer, page = tariff_page(door)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not {"script", "img", "iframe"} & set(page.tags)
    assert 'name="viewport" content="width=device-width' in answer.text
    listed = door.call("GET", "/v1/plans", Role.AGENT).json()["items"]
    text = " ".join(page.words)
    for each in listed:
        assert each["code"] in page.ids
        assert f"#{each['code']}" in page.links
        assert all(told in text for told in (each["name"], *each["reads"]["zh"].values()))
    assert len(page.ids) == len(set(page.ids))
    assert page.links[0] == "#_plans"  # the first stop of the keyboard skips everything before the plans


@pytest.mark.parametrize(
    ("asked", "found"),
    [("5G-SMART", {"5g-smart-199"}), ("24BJ100123", {"5g-smart-199"}), ("语音包", {"voice-pack-100"}), ("zzz", set())],
)
def test_a_tariff_is_found_by_code_filing_or_words_without_a_script(door, asked, found):
    answer, page = tariff_page(door, f"?q={asked}")
    assert found <= set(page.ids)
    assert "data-pack-10gb" not in page.ids
    assert f"“{asked}”：" in answer.text
    assert "目前没有公示的资费" not in answer.text, "there are others"
    assert "form-action 'self'" in answer.headers["content-security-policy"]


def test_a_search_repeats_what_was_asked_as_a_text(door):
    answer, page = tariff_page(door, "?q=%3Cb%3E" + "x" * 100)
    assert "b" not in page.tags
    assert "x" * 65 not in answer.text


def test_an_apps_address_is_text_and_no_link(door):
    since = {"since": "2025-08-01T00:00:00+08:00"}
    named = {"channel": "app", "url": "app://tariff/5g-smart-199"} | since
    known_since_ever(door.engine, plan_from(PLAN | {"code": CODE, "published": [HALL | since, named]}))
    answer, page = tariff_page(door)
    assert "app://tariff/5g-smart-199" in answer.text
    assert all(link.startswith(("#", "/tariffs", "/receipt", "/report", "tel:", "https://")) for link in page.links)


def test_the_page_speaks_both_languages(door):
    for asked in ({"query": "?lang=en"}, {"Accept-Language": "en-GB,en;q=0.9"}):
        answer, page = tariff_page(door, **asked)
        assert (page.language, "How to end it" in page.words) == ("en", True)
        assert "/tariffs?lang=zh" in page.links
        assert "Accept-Language" in answer.headers["vary"]
    assert tariff_page(door)[1].language == "zh-CN"


def test_a_text_in_a_plan_is_a_text_on_the_page(door):
    put(door, PLAN | {"name": "<b>5G</b> & co"})
    answer, page = tariff_page(door)
    assert "b" not in page.tags
    assert "&lt;b&gt;5G&lt;/b&gt; &amp; co" in answer.text


def test_programs_read_the_same_as_json(door):
    said = door.call("GET", "/tariffs.json").json()
    PlanList.model_validate(said)
    assert said == door.call("GET", "/v1/plans", Role.AGENT).json()


def test_what_is_not_public_is_not_shown_and_withdrawn_says_so(door):
    later = [p | {"since": "2099-01-01T00:00:00Z"} for p in PLAN["published"]]
    put(door, PLAN | {"published": later}, "not-yet")
    put(door, PLAN | {"published": PLAN["published"][:1]}, "half")
    act(door, "withdraw")
    act(door, "revoke", "data-pack-10gb")
    shown = {each["code"]: each["sale"] for each in door.call("GET", "/tariffs.json").json()["items"]}
    assert not {"not-yet", "half", "data-pack-10gb"} & set(shown)
    assert shown[CODE] == "withdrawn"
    assert "已停售" in " ".join(tariff_page(door)[1].words)


def test_an_empty_catalogue_is_a_page_too(door):
    for code in door.engine.catalogue.fresh():
        act(door, "revoke", code)
    assert "目前没有公示的资费。" in " ".join(tariff_page(door)[1].words)


def test_a_crowd_costs_the_store_one_look(door):
    looks = []

    def engines():
        engine = door.installation.engine()
        fresh = engine.catalogue.fresh
        engine.catalogue.fresh = lambda: looks.append(1) or fresh()
        return engine

    door.bounds = Bounds(tariffs_s=60)
    door.serve(engines)
    for _ in range(5):
        tariff_page(door)
        door.call("GET", "/tariffs.json")
    assert looks == [1]


def test_the_sample_is_published_where_it_says(door):
    sold = door.call("GET", "/v1/plans", Role.AGENT).json()["items"]
    assert sold
    for each in sold:
        [hall] = [p["url"] for p in each["published"] if p["channel"] == "web_hall"]
        page = door.call("GET", hall)
        assert page.status_code == 200
        assert all(told in page.text for told in (each["hash"], *each["reads"]["zh"].values()))
        assert each["hash"] in tariff_page(door)[0].text
        assert all(datetime.fromisoformat(p["since"]) for p in each["published"])
