"""Pages: who may open them, what a session is good for, and what no other site can do with it."""

import re

import pytest

from consent_engine.api.schemas.views import instant
from consent_engine.api.service.sessions import MOST_FAILURES, TooManySignIns, failures
from consent_engine.api.web.rendering import version
from consent_engine.domain.effects import Accepted, Unavailable
from consent_engine.engine.api_keys import Role
from consent_engine.engine.metrics import Measures
from consent_engine.errors import Unauthenticated
from consent_engine.ports import Endpoint
from tests.integration.api_door import NUMBER, is_problem, logged, order
from tests.integration.page_door import MAY, ORIGIN, SAME
from tests.waiting import until

# -- signing in and out ------------------------------------------------------------------------------------------------


def test_a_stranger_is_asked_for_a_key_and_then_brought_where_he_wanted(door):
    visitor = door.stranger()
    away = visitor.get("/ops")
    assert (away.status_code, away.headers["location"]) == (303, "/?next=%2Fops")
    assert 'name="next" value="/ops"' in visitor.get(away.headers["location"]).text
    came = visitor.post_form("/sign-in", {"key": door.keys[Role.OPS], "next": "/ops"})
    assert (came.status_code, came.headers["location"]) == (303, "/ops")
    assert visitor.get("/ops").status_code == 200


def test_a_session_is_a_cookie_no_script_can_read_and_no_other_site_can_use(door):
    answer = door.stranger().post_form("/sign-in", {"key": door.keys[Role.AGENT]})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("consent=")
    assert {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie  # without TLS a browser would not send it back
    assert door.keys[Role.AGENT] not in cookie


def test_over_https_the_cookie_is_secure_and_bound_to_the_host(door):
    form = f"key={door.keys[Role.AGENT]}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", **SAME}
    cookie = door.call("POST", "https://door/sign-in", headers=headers, content=form).headers["set-cookie"]
    assert cookie.startswith("__Host-consent=")
    assert "Secure" in cookie.split("; ")


@pytest.mark.parametrize("key", ["", "ce_wrong", "x" * 3_000, "%FF%00", "ce_%E6%98%AF"])
def test_a_wrong_key_opens_nothing(door, key):
    visitor = door.stranger()
    answer = visitor.post_form("/sign-in", {"key": key})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert not visitor.is_in
    assert key not in answer.text or not key


def test_who_fails_too_often_must_wait_even_with_the_right_key(door):
    visitor = door.stranger()
    for _ in range(MOST_FAILURES):
        assert visitor.post_form("/sign-in", {"key": "ce_guess"}).status_code == 401
    answer = visitor.post_form("/sign-in", {"key": door.keys[Role.OPS]})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert not visitor.is_in


def test_failures_are_forgotten_after_a_minute_and_counted_by_address():
    at = [0.0]
    brake = failures(lambda: at[0])
    for n in range(MOST_FAILURES):
        brake.check(guesser := f"2001:db8::{n:x}")  # of one /64, which one machine may choose addresses from
        brake.add(guesser)
    with pytest.raises(TooManySignIns):
        brake.check("2001:db8::ffff")
    brake.check("192.0.2.1")
    at[0] = 60.0
    brake.check("2001:db8::ffff")


def changed(cookie):
    key_hash, until_, nonce, proof = cookie.split(".")
    yield f"{key_hash}.{until_}.{nonce}.{'0' * 64}"
    yield f"{'0' * 24}.{until_}.{nonce}.{proof}"
    yield f"{key_hash}.{int(until_) + 1}.{nonce}.{proof}"
    yield f"{key_hash}.{until_}.{nonce}"
    yield cookie + "0"
    yield "x" * 5_000
    yield "..."
    yield ""


def test_a_changed_cookie_is_nobodys(door):
    visitor = door.sign_in(Role.OPS)
    for cookie in changed(visitor.cookies["consent"]):
        visitor.cookies["consent"] = cookie
        assert not visitor.is_in
        assert visitor.get("/ops/board").status_code == 401


def test_a_session_ends_after_twelve_hours(door):
    visitor = door.sign_in(Role.OPS)
    front = door.app.state.front

    async def later():
        return door.engine.registry.now() + 12 * 3_600_000 + 1

    front.now = later
    assert not visitor.is_in


def test_a_session_of_another_installation_is_none_here(door):
    visitor = door.sign_in(Role.OPS)
    (door.settings.data_dir / "secret").write_text("the secret of another installation")
    door.settings = door.settings.model_copy(update={"secret": None})  # then the folder's own is used
    door.serve(door.installation.engine)
    assert not visitor.is_in


def test_a_revoked_key_ends_its_sessions_within_a_second(door):
    visitor = door.sign_in(Role.OPS)
    assert visitor.is_in
    door.engine.keys.revoke("the-ops")
    until("the session is over", lambda: not visitor.is_in)
    assert visitor.get("/ops/board").status_code == 401
    assert visitor.get("/v1/plans").status_code == 401


def test_signing_out_needs_our_own_form_and_forgets_the_cookie(door):
    visitor = door.sign_in(Role.AGENT)
    assert visitor.post_form("/sign-out", {"csrf": "0" * 64}).status_code == 403
    assert visitor.is_in
    answer = visitor.post_form("/sign-out", {"csrf": visitor.csrf})
    assert answer.status_code == 303
    assert 'consent="";' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example/", "/\\evil.example", "/v1/plans", "javascript:1"]
)
def test_a_sign_in_leads_to_our_own_pages_only(door, to):
    assert to not in door.stranger().get(f"/?next={to}").text
    answer = door.stranger().post_form("/sign-in", {"key": door.keys[Role.OPS], "next": to})
    assert answer.headers["location"] == "/"


# -- what other sites try ----------------------------------------------------------------------------------------------

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://door:8080"},
    {"Origin": "null"},
    {"Origin": "http://door", "Sec-Fetch-Site": "cross-site"},
    {"X-Nothing": "told"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_sites_form_signs_nobody_in_or_out_and_places_nothing(door, headers):
    answer = door.stranger().post_form("/sign-in", {"key": door.keys[Role.AGENT]}, **headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    visitor = door.sign_in(Role.AGENT)
    token = visitor.csrf
    assert visitor.post_form("/sign-out", {"csrf": token}, **headers).status_code == 403
    placed = visitor.ask(
        "POST", "/v1/orders", order(), headers={"X-CSRF-Token": token, "Idempotency-Key": "k", **headers}
    )
    is_problem(placed, 403, "forbidden")
    assert door.orders() == 0


@pytest.mark.parametrize("headers", [SAME, ORIGIN])
def test_our_own_page_places_with_its_token(door, headers):
    visitor = door.sign_in(Role.AGENT)
    placed = visitor.ask(
        "POST", "/v1/orders", order(), headers={"X-CSRF-Token": visitor.csrf, "Idempotency-Key": "k", **headers}
    )
    assert placed.status_code == 201
    assert placed.json()["timeline"][0]["by"] == "the-agent"


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
def test_a_session_alone_changes_nothing(door, token):
    visitor = door.sign_in(Role.AGENT)
    headers = {"Idempotency-Key": "k", **SAME, "X-CSRF-Token": token.encode()}
    is_problem(visitor.ask("POST", "/v1/orders", order(), headers=headers), 403, "forbidden")


def test_the_token_of_one_session_is_not_good_in_another(door):
    one, other = door.sign_in(Role.AGENT), door.sign_in(Role.AGENT)
    headers = {"Idempotency-Key": "k", **SAME, "X-CSRF-Token": one.csrf}
    is_problem(other.ask("POST", "/v1/orders", order(), headers=headers), 403, "forbidden")


def test_a_session_may_be_used_to_read_by_our_pages_only(door):
    visitor = door.sign_in(Role.AGENT)
    assert visitor.get("/v1/plans").status_code == 200
    assert visitor.get("/v1/plans", **{"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_key_in_the_header_is_believed_before_a_cookie(door):
    visitor = door.sign_in(Role.AGENT)
    assert visitor.get("/v1/plans", Authorization="Bearer ce_wrong").status_code == 401
    bearer = {"Authorization": f"Bearer {door.keys[Role.OPS]}"}
    answer = visitor.ask("POST", "/v1/callable", {"msisdn": NUMBER}, headers=bearer)
    assert answer.status_code == 200  # a program needs no token


def test_a_link_from_elsewhere_to_a_page_works_for_who_is_signed_in(door):
    # The browser withheld the cookie; asked again from our own page, it sends it.
    answer = door.stranger().get("/ops", **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/ops">' in answer.text


# -- who may open what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("path", MAY)
def test_each_page_opens_for_its_roles_and_the_start_page_and_the_palette_say_which(door, role, path):
    visitor = door.sign_in(role)
    answer = visitor.get(path)
    assert answer.status_code == (200 if role in MAY[path] else 403)
    assert answer.headers["content-type"].startswith("text/html")
    if path != "/":
        start = visitor.get("/").text
        assert [each in start for each in (f'<a class="card" href="{path}">', f'<li><a href="{path}">')] == [
            role in MAY[path]
        ] * 2


@pytest.mark.parametrize("role", list(Role))
def test_the_board_is_for_those_who_may_open_ops_and_only_ops_retry(door, role):
    visitor = door.sign_in(role)
    assert visitor.get("/ops/board").status_code == (200 if role in MAY["/ops"] else 403)
    answer = visitor.post(f"/ops/stuck/{'0' * 28}/retry")
    if role in {Role.OPS, Role.ADMIN}:
        is_problem(answer, 409, "nothing_parked")
        is_problem(visitor.post("/ops/stuck/not-a-record/retry"), 404, "order_not_found")
    else:
        is_problem(answer, 403, "forbidden")


def test_the_board_has_no_person_in_it(door):
    placed = door.place().json()
    shown = door.sign_in(Role.OPS).get("/ops/board")
    assert shown.json()["funnel"]["agreed"] == 1
    assert shown.json()["since"].endswith("T00:00:00.000+08:00")
    assert {lane["lane"] for lane in shown.json()["lanes"]} == {"inbound", "activation", "sms", "timer"}
    assert placed["msisdn"].removeprefix("+86") not in shown.text
    assert placed["confirmation"]["text"] not in shown.text


def test_the_board_tells_what_is_stuck_and_why(door):
    placed = door.place().json()
    member = f"o:{placed['id']}:sms.confirmation.1"
    assert door.redis.zadd("ce:{0}:due:sms:mobile", {member: "inf"}, xx=True, ch=True) == 1
    [stuck] = door.sign_in(Role.AUDITOR).get("/ops/board").json()["stuck"]
    assert (stuck["id"], stuck["lane"], stuck["state"]) == (placed["id"], "sms", "agreed")
    assert stuck["order"] == placed["id"]
    assert set(stuck) == {"owner", "id", "order", "effect", "lane", "state", "attempts", "why"}


def test_what_is_stuck_of_a_call_is_done_again_by_its_own_id(door):
    door.place()
    [name] = door.redis.keys("ce:*:call:*")
    call = name.rpartition(":")[2]
    door.redis.hset(name, "f:wake.archive", '[1,0,0,0,0,"","the archive does not take it","",1]')
    door.redis.zadd("ce:{0}:due:timer", {f"c:{call}:wake.archive": "inf"})
    visitor = door.sign_in(Role.OPS)
    [stuck] = visitor.get("/ops/board").json()["stuck"]
    assert (stuck["owner"], stuck["id"], stuck["order"]) == ("c", call, "")
    assert visitor.post(f"/ops/stuck/{call}/retry").status_code == 204
    assert door.engine.stuck() == []


def test_the_board_tells_which_gateway_does_not_answer_and_since_when(door):
    now, measures = door.engine.registry.now(), Measures()
    measures.called(Endpoint("gateway", "simulated"), Accepted("m1"), 0.1, now - 200_000)
    for n in range(20):
        measures.called(Endpoint("gateway", "simulated"), Unavailable("503"), 0.1, now - 100_000 + n * 5_000)
    measures.report(door.engine.registry)
    gateway, bss = door.sign_in(Role.AUDITOR).get("/ops/board").json()["outside"]
    assert (gateway["to"], gateway["name"], gateway["down"]) == ("gateway", "simulated", True)
    assert gateway["failing_ms"] >= 100_000
    assert gateway["failed_share"] > 0.9
    assert gateway["last_success"] == instant(now - 200_000)
    assert (bss["to"], bss["down"], bss["last_success"]) == ("bss", False, None)
    assert not gateway["refusing"]


def test_the_board_names_a_gateway_that_refuses_our_account_at_once(door):
    now, measures = door.engine.registry.now(), Measures()
    for n in range(3):
        measures.called(
            Endpoint("gateway", "simulated"), Unavailable("401", refusing=True), 0.1, now - 6_000 + n * 2_000
        )
    measures.report(door.engine.registry)
    gateway, bss = door.sign_in(Role.AUDITOR).get("/ops/board").json()["outside"]
    assert (gateway["down"], gateway["refusing"], bss["refusing"]) == (True, True, False)


# -- what a page is made of --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/desk", "/ops"])
@pytest.mark.parametrize("who", ["nobody", Role.ADMIN])
def test_a_page_runs_only_our_files_and_needs_no_internet(door, path, who):
    visitor = door.stranger() if who == "nobody" else door.sign_in(who)
    answer = visitor.get(path if who != "nobody" else "/")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    html = answer.text
    assert not re.search(r"\son\w+=|style=|javascript:|https?://", html)
    for tag in re.findall(r"<script[^>]*>", html):
        assert "src=" in tag or 'type="application/json"' in tag
    for address in re.findall(r'(?:src|href)="(/assets/[^"]+)"', html):
        loaded = visitor.get(address)
        assert loaded.status_code == 200
        assert "immutable" in loaded.headers["cache-control"]
        assert not re.search(
            r"https?://(?!www\.w3\.org)|innerHTML|insertAdjacentHTML|document\.write|eval\(", loaded.text
        )


def test_files_that_are_not_ours_are_not_there(door):
    for name in ("words.yaml", "base.html", "docs.html", "..%2Fsessions.py", "pages.css.bak"):
        assert door.stranger().get(f"/assets/{version()}/{name}").status_code == 404
    assert door.stranger().get("/assets/old/pages.css").headers["cache-control"] == "no-cache"


def test_a_name_cannot_be_markup(door):
    door.keys["<b>"] = door.engine.keys.add("<script>alert(1)</script>", Role.ADMIN)
    visitor = door.sign_in("<b>")
    for path in ("/", "/desk", "/ops"):
        assert "<script>alert" not in visitor.get(path).text
        assert "&lt;script&gt;alert" in visitor.get(path).text


def test_no_key_no_number_and_no_cookie_is_logged(door, caplog):
    caplog.set_level("INFO")
    visitor = door.sign_in(Role.AGENT)
    visitor.post_form("/sign-in", {"key": "ce_wrong-key"})
    visitor.post("/v1/orders", order(), **{"Idempotency-Key": "k"})
    visitor.get("/rq/0/data/queues.json")
    told = logged(caplog)
    for secret in ("ce_wrong-key", door.keys[Role.AGENT], visitor.cookies["consent"], NUMBER, "13800138000"):
        assert secret not in told


def test_by_hash_and_by_key_are_one_answer(door):
    keys = door.engine.keys
    key = door.keys[Role.OPS]
    assert keys.by_hash(keys.hash_of(key)) == keys.whose(key)
    with pytest.raises(Unauthenticated):
        keys.by_hash("0" * 24)


def test_without_the_store_a_sign_out_still_takes_the_cookie_from_this_browser_and_says_what_is_wrong(door):
    visitor = door.sign_in(Role.OPS)
    csrf = visitor.csrf
    door.serve(door.nowhere())
    refused = visitor.post_form("/sign-out", {"csrf": csrf}, **{"Sec-Fetch-Site": "cross-site"})
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False), "another site signs nobody out"
    out = visitor.post_form("/sign-out", {"csrf": csrf}, **SAME)
    assert (out.status_code, "text/html" in out.headers["content-type"]) == (503, True)
    assert "Max-Age=0" in out.headers["set-cookie"]
