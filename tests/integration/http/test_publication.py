"""Published means published: a plan is sold while each channel's page carries its hash and all its fields."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace as changed

from consent_engine.adapters.tariff_pages import MOST_BYTES, HttpTariffPages
from consent_engine.api.service.prometheus import unshown
from consent_engine.api.web.board import MOST_PAGES
from consent_engine.api.web.board import unshown as board
from consent_engine.cli.plans import look as look_before
from consent_engine.config.yaml_files import days_in
from consent_engine.doctor.findings import Level
from consent_engine.doctor.setup import publication as doctor
from consent_engine.domain.effects import Lane
from consent_engine.domain.offer.versions import AGAIN_MS, MENDED_MS, PATIENCE_MS, Sale
from consent_engine.engine.api_keys import Role
from consent_engine.engine.publication import Publication
from tests.integration.api_door import OTHER, Door, is_problem, order, reply
from tests.integration.web_hall import web_hall
from tests.plans import PLAN, known_since_ever, page, plan
from tests.waiting import HANGS_S
from workers.ticking import TariffWatch

CODE, PATH = "5g-smart-199", "/5g"
NEVER_ENDS_S = 0.5
"""How long a look may take at a page that does not end."""


@pytest.fixture
def hall():
    with web_hall() as serving:
        yield serving


@pytest.fixture
def door(running, hall):
    made = Door(*running, CONSENT_TARIFF_HOSTS=f"http://{hall.host}")
    yield made
    made.close()


def published(hall, app="/tariffs", **changes):
    channels = [{"channel": "web_hall", "url": f"http://{hall.host}{PATH}"}, {"channel": "app", "url": app}]
    return PLAN | {"published": channels} | changes


def put(door, body, code=CODE):
    return door.call("PUT", f"/v1/plans/{code}", Role.ADMIN, body)


def shown(door, hall, code=CODE, **lies):
    """Let the web hall show the newest version, or a wrong page."""
    hall.says(PATH, page(door.engine.plan(code).newest.plan, **lies))


def pages(door, whole_s):
    return HttpTariffPages(door.engine.terms.addresses, reachable=lambda _: True, whole_s=whole_s)


def look(door, holder="one", whole_s=HANGS_S):
    """Do as a worker does each second, from the start."""
    engine = door.engine
    looking = Publication(engine.registry, engine.catalogue, engine.terms.addresses, pages(door, whole_s), holder)
    return door.runner.run(looking.look())


def later(door, ms, code=CODE):
    """Move the last look so far into the past."""
    newest = door.engine.plan(code).newest
    for n, seen in newest.seen.items():
        if seen.at:
            past = changed(seen, at=seen.at - ms, good=seen.good - ms, since=seen.since - ms)
            door.engine.registry.note_seen(code, newest.number, n, past, changed=True)


def today(**changes):
    now = datetime.now(UTC)
    call = {"started_at": (now - timedelta(minutes=4)).isoformat(), "agreed_at": now.isoformat()}
    return order(call=call, **changes)


def agreed_when_known(door):
    """Return an order of a call agreed when the store knew the newest version, and no page had been looked at yet."""
    at = datetime.fromtimestamp(door.engine.plan(CODE).newest.known_at / 1000, UTC) + timedelta(milliseconds=1)
    return order(call={"started_at": (at - timedelta(minutes=4)).isoformat(), "agreed_at": at.isoformat()})


def hall_of(door, code=CODE):
    return door.call("GET", f"/v1/plans/{code}", Role.AGENT).json()["published"][0]


def found(door, code=CODE):
    days = days_in("Etc/GMT+11")
    told = doctor(door.engine.catalogue.fresh(), door.engine.terms.addresses, door.engine.registry.now(), days)
    return [(each.level, each.what, each.do) for each in told if code in each.what or each.level is Level.GOOD]


def test_a_lying_page_stops_the_sale_and_the_mended_page_brings_it_back_and_an_order_under_way_goes_on(door, hall):
    assert put(door, published(hall)).json()["published"][0]["why"] == "unchecked:"
    said = is_problem(door.place(today()), 409, "plan_not_public")
    assert (said["channel"], said["why"]) == ("web_hall", "unchecked:")
    shown(door, hall)
    assert look(door) == 1
    told = hall_of(door)
    assert (told["public"], told["why"], len(told["seen"])) == (True, "", 64)
    assert datetime.fromisoformat(told["looked_at"]) <= datetime.now(UTC)
    under_way = door.place(today(), "key-2").json()["id"]
    door.work(Lane.SMS)

    shown(door, hall, without=["price"])
    assert look(door) == 0  # not yet due
    later(door, AGAIN_MS)
    assert look(door) == 1
    said = is_problem(door.place(today(msisdn=OTHER), "key-3"), 409, "plan_not_public")
    assert (said["channel"], said["why"]) == ("web_hall", "lacks:price")
    [row] = board(door.engine)["unshown"]
    assert (row["plan"], row["channel"], row["why"], row["sold_until"]) == (CODE, "web_hall", "lacks:price", None)
    assert datetime.fromisoformat(row["since"]) <= datetime.now(UTC)
    [(level, what, do)] = found(door)
    assert (level, "web_hall does not show it since" in what, "-11:00: " in what, do) == (
        Level.BAD, True, True, f"consent plans show {CODE}; mend the page"
    )  # fmt: skip
    counted = unshown(door.engine.catalogue.fresh(), door.engine.registry.now() + 1)
    assert (counted.plans, counted.failing["web_hall"] > 0) == ({"web_hall": 1, "app": 0}, True)
    assert 'consent_plans_unshown{channel="web_hall"} 1.0' in door.call("GET", "/metrics", Role.OPS).text
    door.post("inbound", reply("是"))
    door.work(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    assert door.engine.show(under_way).state == "notified"

    shown(door, hall)
    later(door, MENDED_MS)
    assert look(door) == 1
    assert door.place(today(msisdn=OTHER), "key-4").status_code == 201
    assert found(door)[0][0] is Level.GOOD
    assert board(door.engine) == {"unshown": [], "more_unshown": 0}
    assert MENDED_MS + 2 * 20_000 < 60_000  # two looks at their limit and a tick: back within a minute
    later(door, AGAIN_MS)
    door.engine.catalogue.set_sale(CODE, Sale.WITHDRAWN)
    assert look(door) == 0, "nobody looks at what is not sold any more"


BAD = {
    "another hash": lambda hall: hall.says(PATH, page(plan())),
    "a field is missing": lambda hall: None,
    "leads elsewhere": lambda hall: hall.says(PATH, "", status=302, Location="http://127.0.0.2:9/"),
    "2 MB": lambda hall: hall.says(PATH, b"x" * 2 * MOST_BYTES),
    "404": lambda hall: hall.pages.pop(PATH),
}
WHY = {
    "another hash": "lacks:hash", "a field is missing": "lacks:term", "leads elsewhere": "redirects_elsewhere:",
    "2 MB": "page_too_long:", "404": "answered:404",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_page_that_says_something_else_is_not_sold_at_once(door, hall, name):
    put(door, published(hall))
    shown(door, hall)
    look(door)
    shown(door, hall, without=["term"])
    BAD[name](hall)
    later(door, AGAIN_MS)
    look(door)
    said = is_problem(door.place(today()), 409, "plan_not_public")
    assert said["why"].startswith(WHY[name])


@pytest.mark.parametrize("away", ["never ends", "503"])
def test_a_page_that_cannot_be_reached_is_sold_for_half_an_hour_and_then_not(door, hall, away):
    put(door, published(hall))
    shown(door, hall)
    look(door)
    if away == "503":
        hall.says(PATH, "later", status=503)
    else:
        hall.drips(PATH)
    later(door, AGAIN_MS)
    look(door, whole_s=NEVER_ENDS_S)
    assert door.place(today()).status_code == 201
    [(level, what, _)] = found(door)
    assert (level, "cannot be looked at since" in what, "it is sold until" in what) == (Level.WARN, True, True)
    assert board(door.engine)["unshown"][0]["sold_until"] is not None
    later(door, PATIENCE_MS)
    look(door, whole_s=NEVER_ENDS_S)
    is_problem(door.place(today(msisdn=OTHER), "key-2"), 409, "plan_not_public")


def test_a_call_from_before_the_page_showed_the_plan_is_not_sold_it(door, hall):
    put(door, published(hall))
    before = agreed_when_known(door)
    shown(door, hall)
    look(door)
    is_problem(door.place(before), 409, "plan_not_public")
    assert door.place(today(), "key-2").status_code == 201


def test_a_page_in_words_of_its_own_names_its_json(door, hall):
    put(door, published(hall))
    of = door.engine.plan(CODE).newest.plan
    head = '<link rel="alternate" type="application/json" href="/5g.json">'
    hall.says(PATH, f"<head>{head}<body>{of.hash}")
    hall.says("/5g.json", door.call("GET", f"/tariffs/{CODE}.json").content, "application/json")
    look(door)
    assert (hall_of(door)["public"], hall.asked) == (True, [PATH, "/5g.json"])


def test_what_nobody_can_look_at_is_attested_with_who_when_and_why(door, hall):
    named = [{"channel": "web_hall", "url": "/tariffs"}, {"channel": "app", "url": "app://tariff/5g"}]
    put(door, PLAN | {"published": named})
    assert is_problem(door.place(today()), 409, "plan_not_public")["channel"] == "app"
    assert look(door) == 0
    [(_, _, do)] = found(door)
    assert do == f"consent plans attest {CODE} --channel app --reason ..."
    told = {"channel": "app", "reason": "app 11.2.0, looked at every field"}
    is_problem(door.call("POST", f"/v1/plans/{CODE}/attest", Role.OPS, told), 403, "forbidden")
    other = told | {"channel": "web_hall"}
    is_problem(door.call("POST", f"/v1/plans/{CODE}/attest", Role.ADMIN, other), 409, "nothing_to_attest")
    is_problem(door.call("POST", f"/v1/plans/{CODE}/attest", Role.ADMIN, {"channel": "app"}), 422, "malformed")
    is_problem(door.call("POST", "/v1/plans/none/attest", Role.ADMIN, told), 404, "plan_not_found")
    before = agreed_when_known(door)
    answer = door.call("POST", f"/v1/plans/{CODE}/attest", Role.ADMIN, told)
    assert (answer.status_code, answer.json()["published"][1]["public"]) == (200, True)
    kept = door.engine.plan(CODE).newest.seen[1]
    assert (kept.by, kept.reason) == ("the-admin", "app 11.2.0, looked at every field")
    door.call("POST", f"/v1/plans/{CODE}/attest", Role.ADMIN, told | {"reason": "again"})
    assert door.engine.plan(CODE).newest.seen[1] == kept
    is_problem(door.place(before), 409, "plan_not_public")
    assert door.place(today(), "key-2").status_code == 201


def test_where_a_program_reads_what_an_app_shows_is_looked_at(door, hall):
    named = {"channel": "app", "url": "app://tariff/5g", "api": f"http://{hall.host}/api"}
    put(door, PLAN | {"published": [{"channel": "web_hall", "url": "/tariffs"}, named]})
    hall.says("/api", door.call("GET", f"/tariffs/{CODE}.json").content, "application/json")
    assert look(door) == 1
    assert door.place(today()).status_code == 201


def test_a_version_of_before_is_sold_at_its_admins_word_and_the_doctor_says_so(door, hall):
    since = {"since": "2025-08-01T00:00:00+08:00"}
    old = [each | since for each in published(hall, app="app://t")["published"]]
    known_since_ever(door.engine, plan(CODE, published=old))
    assert look(door) == 0
    assert door.place().status_code == 201
    [(level, what, do)] = found(door)
    assert (level, "its admin's word is taken" in what) == (Level.WARN, True)
    assert f"/tariffs/{CODE}/3" in do


def test_with_publication_stated_an_admins_word_is_taken_whatever_was_seen(door, hall):
    put(door, published(hall))
    settings = door.settings.model_copy(update={"publication": "stated"})
    door.serve(replace(door.installation, settings=settings).engine)
    assert door.place(today()).status_code == 201
    assert put(door, PLAN | {"published": [{"channel": "app", "url": "https://evil.example"}]}).status_code == 201
    assert board(replace(door.installation, settings=settings).engine())["unshown"] == []
    [told] = doctor(door.engine.catalogue.fresh(), settings.addresses(), door.engine.registry.now())
    assert "CONSENT_PUBLICATION is stated" in told.what


@pytest.mark.parametrize(("url", "code"), [
    ("https://evil.example/p", "host_not_allowed"), ("/tariffs/5g-smart-199/1", "shows_another"),
    ("/hall", "no_such_page"),
])  # fmt: skip
def test_an_address_that_cannot_show_the_version_is_refused_when_it_is_published(door, hall, url, code):
    before = door.kept()
    said = is_problem(put(door, published(hall, app=url, name="Another")), 422, "malformed")
    assert [(each["field"], each["code"]) for each in said["errors"]] == [("published.1.url", code)]
    assert door.kept() == before


def test_of_several_processes_one_looks(door, hall):
    put(door, published(hall))
    assert (look(door, "one"), look(door, "two"), look(door, "one")) == (1, 0, 0)
    later(door, AGAIN_MS)
    assert (look(door, "two"), look(door, "one")) == (0, 1)


def test_the_watch_looks_by_itself_and_goes_on_after_trouble(door, hall):
    put(door, published(hall))
    shown(door, hall)
    trouble = Counter()

    class Once:
        async def fetch(self, url):
            trouble[url] += 1
            if trouble[url] == 1:
                raise ZeroDivisionError
            return await pages(door, HANGS_S).fetch(url)

    watch = TariffWatch(door.installation.engine, "w", 0.01, Once())
    watch.start()
    assert any(hall_of(door).get("public") for _ in range(3_000))
    watch.stop()
    watch.join(HANGS_S)
    assert not watch.is_alive()
    assert trouble[f"http://{hall.host}{PATH}"] == 2


def test_the_board_shows_a_few_and_says_how_many_more_there_are(door, hall):
    for n in range(MOST_PAGES + 2):
        put(door, published(hall, code=f"p{n}"), f"p{n}")
    told = board(door.engine)
    assert ({row["why"] for row in told["unshown"]}, len(told["unshown"])) == ({"unchecked:"}, MOST_PAGES)
    assert told["more_unshown"] == 2


# Before anything is loaded ------------------------------------------------------------------------------------------


def checked(door, *plans):
    return door.runner.run(look_before(plans, door.engine.terms.addresses, pages(door, HANGS_S)))


def test_pages_can_be_looked_at_before_a_plan_is_loaded(door, hall):
    of = plan(CODE, **published(hall, app="app://tariff/5g"))
    hall.says(PATH, page(of))
    web, app = checked(door, of)
    assert web == (CODE, "web_hall", f"http://{hall.host}{PATH}", "shows the plan", True)
    assert (app.channel, app.shows) == ("app", True)
    assert app.found == f"no program can look: consent plans attest {CODE} --channel app --reason ..."
    hall.says(PATH, page(of, without=["price"]))
    assert checked(door, of)[0][3:] == ("lacks price", False)
    hall.pages.pop(PATH)
    assert checked(door, of)[0][3:] == ("it answered 404", False)
    own = checked(door, plan(CODE))
    assert [(each.channel, each.found, each.shows) for each in own] == [
        ("web_hall", "shows the plan", True), ("app", "shows the plan", True),
    ]  # fmt: skip
    assert door.engine.plan(CODE).newest.number == 1, "nothing was loaded"


def test_a_hosts_template_says_where_its_json_is_and_how_it_is_read(hall, running, tmp_path):
    file = tmp_path / "templates.yaml"
    file.write_text(f"'{hall.host}': {{within: t, beside: '/api/{{code}}', items: data, fields: {{title: name}}}}\n")
    made = Door(*running, CONSENT_TARIFF_HOSTS=f"http://{hall.host}", CONSENT_TARIFF_TEMPLATES=str(file))
    try:
        put(made, published(hall))
        of = made.engine.plan(CODE).newest.plan
        told = {**of.as_json(), "hash": of.hash}
        hall.says(PATH, f"<body><p>{told['hash']}<div id=t>{told['hash']}</div>")
        hall.says(f"/api/{CODE}", json.dumps({"data": [{**told, "title": told["name"]}]}), "application/json")
        hall.asked.clear()
        look(made)
        assert (hall_of(made)["public"], hall.asked) == (True, [PATH, f"/api/{CODE}"])
        hall.says(f"/api/{CODE}", json.dumps({"data": [{**told, "title": "Another"}]}), "application/json")
        later(made, AGAIN_MS)
        look(made)
        assert hall_of(made)["why"] == "lacks:name"
    finally:
        made.close()
