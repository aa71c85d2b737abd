"""Attacks on sessions, and the headers of every answer to a browser: over all routes of the application, not a list."""

import re

import pytest

from consent_engine.api.service.sessions import MOST_FAILURES
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import is_problem, order
from tests.integration.page_door import SAME, PageDoor

NOBODY = "0" * 28
PARTS = {
    "order_id": NOBODY,
    "call_id": NOBODY,
    "report_id": NOBODY,
    "record": NOBODY,
    "code": "5g-smart-199",
    "folder": "0",
    "name": "simulated",
    "rest": "",
    "version": "1",
    "span": "hour",
    "path": "0/000",
}
PUBLIC = {
    "/", "/sign-in", "/sign-out", "/assets/{folder}/{name}", "/docs", "/openapi.json", "/tariffs", "/tariffs.json",
    "/tariffs/{code}", "/tariffs/{code}.json", "/tariffs/{code}/{version}", "/tariffs/{code}/{version}.json",
    "/healthz", "/readyz", "/rq", "/report", "/v1/reports/code", "/log/checkpoint",
    "/log/tile/{path:path}", "/log/entries/{path:path}",
    "/v1/log/proof", "/receipt", "/v1/receipts", "/v1/receipts/code", "/v1/receipts/all",
}  # fmt: skip
"""Served to anybody: the sign-in, its assets, the published tariffs, the log. /rq redirects to pages that are not."""
WITHOUT_A_SESSION = {
    "/v1/reports/code", "/report", "/receipt", "/v1/receipts", "/v1/receipts/code", "/v1/receipts/all",
}  # fmt: skip
"""Show or change something for who has a number in an SMS, or the code that was sent: a session adds no right."""
PROVEN = re.compile("/v1/gateways/")
"""Not for sessions or keys: these need a gateway's own proof."""


@pytest.fixture(scope="module")
def door(running):
    made = PageDoor(*running)
    made.redis.hset("ce:workers", "w-1", f"{made.engine.registry.now() + 86_400_000}|idle")
    yield made
    made.close()


@pytest.fixture
def fresh(door):
    """The door with no failed sign-in remembered."""
    door.app.state.sessions.failures._seen.clear()  # noqa: SLF001 - an hour later
    return door


# -- fixation, and cookies made by an attacker ------------------------------------------------------------------------


def test_a_cookie_that_was_planted_before_the_sign_in_is_not_taken_over(fresh):
    victim = fresh.stranger()
    victim.cookies["consent"] = planted = "a" * 24 + ".99999999999999.0011223344556677." + "0" * 64
    assert not victim.is_in
    came = victim.post_form("/sign-in", {"key": fresh.keys[Role.AGENT]})
    assert came.status_code == 303
    assert victim.cookies["consent"] != planted
    assert victim.is_in


def test_a_session_of_the_attackers_own_does_not_become_the_victims(fresh):
    attacker = fresh.sign_in(Role.REVIEWER)
    victim = fresh.stranger()
    victim.cookies.update(attacker.cookies)
    victim.post_form("/sign-in", {"key": fresh.keys[Role.ADMIN]})
    assert victim.get("/v1/refusals").status_code == 200
    assert attacker.get("/v1/refusals").status_code == 403


def test_two_sign_ins_are_two_sessions(fresh):
    one, other = fresh.sign_in(Role.OPS), fresh.sign_in(Role.OPS)
    assert one.cookies["consent"] != other.cookies["consent"]
    assert one.csrf != other.csrf


@pytest.mark.parametrize("where", ["query", "header", "basic", "form"])
def test_a_session_is_good_in_its_cookie_and_nowhere_else(fresh, where):
    cookie = fresh.sign_in(Role.ADMIN).cookies["consent"]
    asked = {
        "query": lambda: fresh.call("GET", f"/v1/plans?consent={cookie}&key={cookie}"),
        "header": lambda: fresh.call("GET", "/v1/plans", headers={"Authorization": f"Bearer {cookie}"}),
        "basic": lambda: fresh.call("GET", "/v1/plans", headers={"Authorization": f"Basic {cookie}"}),
        "form": lambda: fresh.stranger().post_form("/sign-in", {"key": cookie}),
    }
    assert asked[where]().status_code == 401


def test_a_key_in_an_address_is_no_key(fresh):
    key = fresh.keys[Role.ADMIN]
    for path in (f"/v1/plans?key={key}", f"/v1/plans?access_token={key}", f"/?key={key}", f"/ops?key={key}"):
        answer = fresh.call("GET", path)
        assert answer.status_code in {200, 303, 401}
        assert "sign-out" not in answer.text
        assert key not in answer.text + str(answer.headers)


def test_a_cookie_that_came_over_http_is_none_over_https(fresh):
    """An attacker on the wire can plant a cookie without TLS; with TLS it has another name, which only TLS can set."""
    cookie = fresh.sign_in(Role.ADMIN).cookies["consent"]
    for name, status in (("consent", 401), ("__Host-consent", 200)):
        answer = fresh.call("GET", "https://door/v1/plans", headers={"Cookie": f"{name}={cookie}"})
        assert answer.status_code == status


def test_signing_out_ends_the_session_wherever_its_cookie_was_copied_and_no_other_of_the_key(fresh):
    visitor, elsewhere = fresh.sign_in(Role.OPS), fresh.sign_in(Role.OPS)
    thief = fresh.stranger()
    thief.cookies.update(visitor.cookies)
    out = visitor.post_form("/sign-out", {"csrf": visitor.csrf})
    assert "Max-Age=0" in out.headers["set-cookie"]
    fresh.app.state.sessions._known._known.clear()  # noqa: SLF001 - a second later
    assert thief.get("/ops/board").status_code == 401
    assert elsewhere.get("/ops/board").status_code == 200


# -- guessing ---------------------------------------------------------------------------------------------------------


def test_a_guesser_is_slowed_down_whatever_address_he_says_he_has(fresh):
    visitor = fresh.stranger()
    told = []
    for n in range(MOST_FAILURES + 1):
        address = {"X-Forwarded-For": f"10.0.0.{n}", "Forwarded": f"for=10.1.0.{n}", "X-Real-IP": f"10.2.0.{n}"}
        told.append(visitor.post_form("/sign-in", {"key": f"ce_{n}"}, **SAME, **address))
    assert [each.status_code for each in told] == [401] * MOST_FAILURES + [429]
    assert told[-1].headers["retry-after"] == "60"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_a_form_of_another_kind_signs_nobody_in(fresh, kind):
    headers = {"Content-Type": kind, **SAME}
    answer = fresh.call("POST", "/sign-in", content=f"key={fresh.keys[Role.OPS]}".encode(), headers=headers)
    is_problem(answer, 415, "unsupported_media_type")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_of_more_fields_than_ours_is_no_defect_of_ours(fresh, path):
    headers = {"Content-Type": "application/x-www-form-urlencoded", **SAME}
    answer = fresh.call("POST", path, content=b"&".join([b"a=1"] * 20), headers=headers)
    is_problem(answer, 415, "unsupported_media_type")


# -- actions that other sites cannot make a signed-in browser do ------------------------------------------------------


def changing(door):
    """Every route that changes something, from the application's own table."""
    for route in door.app.routes:
        for method in sorted((getattr(route, "methods", None) or set()) - {"GET", "HEAD"}):
            if not PROVEN.match(route.path) and route.path not in {"/sign-in", *WITHOUT_A_SESSION}:
                yield method, route.path.replace(":path", "").format(**PARTS)


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"X-None": "told"}], ids=str
)
def test_no_route_that_changes_anything_believes_another_site(fresh, headers):
    visitor = fresh.sign_in(Role.ADMIN)
    token = visitor.csrf
    before = fresh.kept()
    asked = list(changing(fresh))
    assert len(asked) >= 14
    for method, path in [*asked, ("POST", "/rq/requeue/sms"), ("POST", "/rq/queue/sms/failed/empty")]:
        said = {"X-CSRF-Token": token, "Content-Type": "application/x-www-form-urlencoded", **headers}
        answer = visitor.ask(method, path, headers=said, content=f"csrf={token}".encode())
        assert answer.status_code == 403, (method, path, answer.status_code)
    assert fresh.kept() == before


def test_no_route_that_changes_anything_does_so_for_a_session_without_its_token(fresh):
    visitor = fresh.sign_in(Role.ADMIN)
    before = fresh.kept()
    for method, path in changing(fresh):
        if not path.startswith("/rq"):  # pages of RQ are not ours and carry no token: the origin is checked
            said = {**SAME, "Content-Type": "application/x-www-form-urlencoded"}
            assert visitor.ask(method, path, headers=said, content=b"").status_code == 403, (method, path)
    assert fresh.kept() == before


def test_no_answer_lets_another_site_read_it(fresh):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for path in ("/v1/orders", "/ops/board", "/tariffs.json", "/healthz"):
        for method in ("OPTIONS", "GET"):
            answer = fresh.call(method, path, Role.ADMIN, headers=asked)
            assert not [name for name in answer.headers if name.startswith("access-control-")]


# -- the headers of every answer --------------------------------------------------------------------------------------


def reading(door):
    """Every address that can be read, from the application's own table; the streams have tests of their own."""
    paths = {
        route.path.replace(":path", "").format(**PARTS)
        for route in door.app.routes
        if "GET" in (getattr(route, "methods", None) or {"GET"})
    }
    assets = set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', door.sign_in(Role.ADMIN).get("/ops").text))
    assert assets
    ends = {path for path in paths if not path.endswith(("/news", "/stream"))}
    return sorted(ends - {"/assets/0/simulated"} | assets | RQ_PAGES)


RQ_PAGES = {"/rq/", "/rq/0/view/workers", "/rq/0/view/jobs", "/rq/0/data/queues.json", "/rq/0/data/workers.json"}
KEEPS = re.compile("/assets/|/tariffs|/log/")
LOOSER = re.compile("/rq/")
NOT_THERE = ["/nothing", "/v1/nothing", "/rq/nothing", "/assets/nothing", "/%00", "/v1/orders/x", "/ops/"]


def check_headers(path, answer):
    headers = answer.headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'", path
    assert policy["frame-ancestors"] == "'none'", path
    assert policy.get("base-uri", "'none'") == "'none'", path
    loose = " ".join(policy.values())
    assert "*" not in loose, path
    assert "http" not in loose, path
    if not LOOSER.match(path):
        assert "unsafe" not in loose, path
    assert "'unsafe-inline'" not in policy.get("script-src", ""), path
    assert headers["x-content-type-options"] == "nosniff", path
    assert headers["x-frame-options"] == "DENY", path
    assert headers["cross-origin-resource-policy"] == "same-origin", path
    assert headers["referrer-policy"] in {"no-referrer", "same-origin"}, path
    assert "server" not in headers, path
    if not KEEPS.match(path):
        assert headers["cache-control"] == "no-store" or path.startswith("/rq/files"), (path, headers["cache-control"])


@pytest.mark.parametrize("who", ["nobody", *Role])
def test_every_answer_of_every_route_tells_browsers_to_be_strict(fresh, who):
    visitor = fresh.stranger() if who == "nobody" else fresh.sign_in(who)
    looked = [*reading(fresh), *NOT_THERE]
    assert len(looked) >= 30
    for path in looked:
        answer = visitor.get(path)
        assert answer.status_code < 500, (path, answer.text)
        check_headers(path, answer)


def test_answers_to_what_is_wrong_are_as_strict(fresh):
    key = {"Authorization": f"Bearer {fresh.keys[Role.ADMIN]}", "Idempotency-Key": "k"}
    asked = [
        ("POST", "/v1/orders", b"{", {"Content-Type": "application/json", **key}, 422),
        ("POST", "/v1/orders", b"{}", {"Content-Type": "text/plain", **key}, 415),
        ("POST", "/v1/orders", b" " * 70_000, {"Content-Type": "application/json", **key}, 413),
        ("DELETE", "/v1/orders", b"", key, 405),
        ("POST", "/sign-in", b"key=x", {"Content-Type": "application/x-www-form-urlencoded", **SAME}, 401),
        ("POST", "/sign-out", b"", {"Content-Type": "text/plain"}, 415),
        ("BREW", "/", b"", {}, 405),
    ]
    for method, path, content, headers, status in asked:
        answer = fresh.call(method, path, content=content, headers=headers)
        assert answer.status_code == status, (method, path)
        check_headers(path, answer)


def test_a_stranger_gets_nothing_but_what_is_public(fresh):
    placed = fresh.place(order(msisdn="+8613800000009"), key="secret-one").json()
    closed = 0
    for route in fresh.app.routes:
        if route.path in PUBLIC or PROVEN.match(route.path):
            continue
        for method in sorted((getattr(route, "methods", None) or {"GET"}) - {"HEAD"}):
            path = route.path.replace(":path", "").format(**{**PARTS, "order_id": placed["id"]})
            answer = fresh.stranger().ask(
                method, path, headers={**SAME, "Content-Type": "application/json"}, content=b"{}"
            )
            assert answer.status_code in {401, 303, 405}, (method, path, answer.status_code)
            assert placed["confirmation"]["text"] not in answer.text
            closed += 1
    assert closed >= 20
