"""Sign-in with an OpenID provider: a person with a role comes in; a visitor who forged any part of it does not."""

import hashlib
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from consent_engine.api.schemas.views import instant
from consent_engine.api.service.provider import SIGNED_OUT, Provider
from consent_engine.api.web.single_sign_on import BACK, COOKIE, UNDER_WAY_S
from consent_engine.api.web.team import look
from consent_engine.config.settings import Settings
from consent_engine.config.sign_in import Oidc
from consent_engine.engine.api_keys import Role
from consent_engine.errors import Malformed, SettingsError
from tests import needs
from tests.integration.api_door import order, running
from tests.integration.calls.reviewing import recorded
from tests.integration.page_door import SAME, PageDoor

__all__ = ["running"]
ISSUER, CLIENT = "https://id.example.org", "consent"
TOLD = {
    "CONSENT_OIDC__ISSUER": ISSUER,
    "CONSENT_OIDC__CLIENT_ID": CLIENT,
    "CONSENT_OIDC__CLIENT_SECRET": "a secret of ours",
    "CONSENT_OIDC__ROLES": "groups:ops=ops, realm.roles:desk=agent",
    "CONSENT_PUBLIC_URL": "https://door",
}
JSON = {"Content-Type": "application/json"}
KEY, STRANGERS = (RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}) for kid in ("one", "two"))


class Fake:
    """A provider whose answers the tests set, and which checks what the specification has it check."""

    def __init__(self) -> None:
        self.claims: dict[str, object] = {"sub": "u-1", "groups": ["staff", "ops"], "sid": "s-1"}
        self.metadata: dict[str, object] = {"id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]}
        self.key, self.header, self.published = KEY, {"alg": "RS256", "kid": "one"}, [KEY]
        self.is_away = False
        self.asked: dict[str, str] = {}
        self.asked_for: list[str] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if self.is_away:
            raise httpx2.ConnectError("away", request=request)
        self.asked_for.append(request.url.path)
        match request.url.path:
            case "/.well-known/openid-configuration":
                ends = {f"{name}_endpoint": f"{ISSUER}/{name}" for name in ("authorization", "token")}
                return httpx2.Response(
                    200, json={"issuer": ISSUER, **ends, "jwks_uri": f"{ISSUER}/keys", **self.metadata}
                )
            case "/keys":
                return httpx2.Response(200, json=KeySet(self.published).as_dict(private=False))
            case "/token":
                return self.token({name: value for name, [value] in parse_qs(request.content.decode()).items()})
        raise AssertionError(request.url.path)

    def token(self, form: dict[str, str]) -> httpx2.Response:
        hashed = urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        fits = hashed == self.asked["code_challenge"] and self.asked["code_challenge_method"] == "S256"
        if form["code"] != "good" or not fits or form["redirect_uri"] != f"https://door{BACK}":
            return httpx2.Response(400, json={"error": "invalid_grant"})
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": self.asked["nonce"],
            **self.claims,
        }
        return httpx2.Response(200, json={"token_type": "Bearer", "access_token": "a", "id_token": self.signed(claims)})

    def signed(self, claims: dict[str, object]) -> str:
        if self.header["alg"] == "none":
            parts = [
                urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in (self.header, claims)
            ]
            return ".".join([*parts, ""])
        return jwt.encode(self.header, claims, self.key, registry=JWSRegistry(algorithms=[self.header["alg"]]))


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def door(running, fake):
    made = PageDoor(*running, **TOLD)
    made.app.state.provider = Provider(made.settings.oidc(), httpx2.MockTransport(fake.answer))
    yield made
    made.close()


def sent_there(visitor, fake, to="/ops"):
    """Let the visitor ask to sign in, and the provider get the request; return the state."""
    there = visitor.get(f"https://door/sign-in/provider?next={to}")
    assert there.status_code == 303
    fake.asked = {name: value for name, [value] in parse_qs(urlsplit(there.headers["location"]).query).items()}
    assert there.headers["location"].startswith(f"{ISSUER}/authorization?")
    return fake.asked["state"]


def came_back(visitor, **told):
    query = "&".join(f"{name}={value}" for name, value in told.items())
    return visitor.get(f"https://door{BACK}?{query}")


def signed_in(door, fake, to="/ops"):
    """A visitor who signed in by the provider, and the answer that signed the visitor in."""
    visitor = door.stranger()
    return visitor, came_back(visitor, state=sent_there(visitor, fake, to), code="good")


def ends(door, fake, **changes):
    """The answer to a logout token."""
    claims = {
        "iss": ISSUER,
        "aud": [CLIENT],
        "iat": int(time.time()),
        "jti": "j",
        "sub": "u-1",
        "events": {SIGNED_OUT: {}},
    }
    return ends_by(door, fake.signed({**claims, **changes}))


def ends_by(door, token):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return door.call(
        "POST", "https://door/sign-out/provider", headers=headers, content=f"logout_token={token}".encode()
    )


# -- in and out --------------------------------------------------------------------------------------------------------


def test_a_person_comes_in_with_the_role_that_the_claims_give_and_to_the_page_that_was_wanted(door, fake):
    visitor, answer = signed_in(door, fake)
    assert (answer.status_code, answer.headers["location"]) == (303, "/ops")
    assert visitor.get("https://door/ops").status_code == 200
    assert visitor.get("https://door/desk").status_code == 403
    assert visitor.ask("GET", "https://door/v1/orders", headers=SAME).status_code == 200
    [session, _] = answer.headers.get_list("set-cookie")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Max-Age=28800"} <= set(session.split("; "))


def test_the_sign_in_page_offers_it_only_where_a_provider_is_set(door, fake, running):
    assert "/sign-in/provider?next=" in door.stranger().get("/").text
    plain = PageDoor(*running)
    try:
        assert "/sign-in/provider" not in plain.stranger().get("/").text
        assert plain.stranger().get("/sign-in/provider").status_code == 404
    finally:
        plain.close()


def test_the_cookie_and_the_answer_of_one_sign_in_let_no_other_browser_in(door, fake):
    visitor, other = door.stranger(), door.stranger()
    state = sent_there(visitor, fake)
    other.cookies[COOKIE] = visitor.cookies[COOKIE]
    came_back(visitor, state=state, code="good")
    came_back(other, state=state, code="good")  # this provider takes a code twice
    assert visitor.get("https://door/ops").status_code == 200
    assert other.get("https://door/ops").status_code == 303


def test_whatever_is_done_is_done_under_a_name_that_no_key_can_have(door, fake):
    fake.claims = {"sub": "u-7", "realm": {"roles": ["desk"]}}
    visitor, _ = signed_in(door, fake, "/desk")
    placed = visitor.post(
        "https://door/v1/orders", order(), **{"Idempotency-Key": "k", "Content-Type": "application/json"}
    )
    assert placed.status_code == 201, placed.text
    assert door.engine.show(placed.json()["id"]).doc.placed_by == "oidc/u-7"
    assert visitor.get(f"https://door/v1/orders/{placed.json()['id']}", **SAME).json()["msisdn"] == "+8613800138000"
    with pytest.raises(Malformed, match="oidc/"):
        door.engine.keys.add("oidc/u-7", Role.ADMIN)


@pytest.fixture
def bound(running, fake):
    """The door of an installation whose provider names agents' numbers and supervisors' teams."""
    roles = "groups:hears=reviewer,groups:leads=supervisor,groups:runs=admin,groups:sells=agent"
    told = {"CONSENT_OIDC__ROLES": roles, "CONSENT_OIDC__AGENT": "staff.agent", "CONSENT_OIDC__TEAM": "unit"}
    made = PageDoor(*running, **(TOLD | told))
    made.app.state.provider = Provider(made.settings.oidc(), httpx2.MockTransport(fake.answer))
    yield made
    made.close()


@pytest.mark.parametrize("agent", ["A1024", 1024])
def test_a_person_whom_the_provider_names_as_an_agent_reviews_no_call_of_that_agent(bound, fake, agent):
    fake.claims = {"sub": "u-9", "groups": ["hears"], "staff": {"agent": agent}}
    own, other = recorded(bound, str(agent), 1), recorded(bound, "B7", 2)
    visitor, _ = signed_in(bound, fake, "/review")
    refused = visitor.post(f"https://door/v1/reviews/{own}", {"verdict": "pass"}, **JSON)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_call")
    taken = visitor.post(f"https://door/v1/reviews/{other}", {"verdict": "pass"}, **JSON)
    assert (taken.status_code, taken.json()["reviews"][0]["by"]) == (200, "oidc/u-9")


@pytest.mark.parametrize("agent", ["A 1", "13800138000", ["A1"], True, "x" * 99])
def test_what_is_no_agents_number_lets_nobody_in_for_whose_calls_are_own_is_not_guessed(bound, fake, agent):
    fake.claims = {"sub": "u-9", "groups": ["hears"], "staff": {"agent": agent}}
    visitor, _ = signed_in(bound, fake, "/review")
    assert visitor.get("https://door/review").status_code == 303


def test_a_person_without_that_claim_is_bound_to_no_agent(bound, fake):
    fake.claims = {"sub": "u-9", "groups": ["hears"]}
    call = recorded(bound, "A1024", 1)
    visitor, _ = signed_in(bound, fake, "/review")
    assert visitor.post(f"https://door/v1/reviews/{call}", {"verdict": "pass"}, **JSON).status_code == 200


@pytest.mark.parametrize("unit", ["north", "", "all teams", 13800138000])
def test_a_supervisor_sees_the_team_that_the_provider_names_and_without_one_nothing(bound, fake, unit):
    fake.claims = {"sub": "u-5", "groups": ["leads"], "unit": unit}
    visitor, _ = signed_in(bound, fake, "/board")
    assert visitor.get("https://door/board").status_code == (200 if unit == "north" else 303)
    if unit == "north":
        holder = visitor.cookies["__Host-consent"].partition(".")[0].removeprefix("p")
        assert json.loads(urlsafe_b64decode(f"{holder}=="))[-1] == "north", "its board is that of a key of this team"


def test_an_agent_is_of_the_team_that_the_provider_named_last(bound, fake):
    made = {"from": "10085", "to": "+8613900139004", "carrier": "mobile", "agent": "A7"}
    body = made | {"started_at": instant(bound.engine.registry.now())}
    assert bound.call("POST", "/v1/calls", Role.AGENT, body, headers={"Idempotency-Key": "c-1"}).status_code == 201
    for unit, sees in (("north", "north"), ("east", "east"), (None, None), ("all teams", None)):
        fake.claims = {"sub": "u-7", "groups": ["sells"], "staff": {"agent": "A7"}, "unit": unit}
        signed_in(bound, fake, "/desk")
        told = {team: look(bound.engine, team, None).agents for team in ("north", "east", "")}
        assert [team for team, agents in told.items() if agents] == [team for team in (sees, "") if team is not None]


@pytest.mark.parametrize("unit", ["north", "all teams", ["north"], None])
def test_a_claimed_team_is_that_of_a_supervisor_or_an_agent_alone(bound, fake, unit):
    fake.claims = {"sub": "u-6", "groups": ["runs"], "unit": unit}
    visitor, _ = signed_in(bound, fake, "/audit")
    assert visitor.get("https://door/audit").status_code == 200


@pytest.mark.parametrize("subject", ["13800138000", "a b", "x" * 99])
def test_a_subject_that_may_not_stand_in_an_order_is_named_by_a_hash(door, subject):
    name = door.engine.keys.signed_in_as(ISSUER, subject, subject)
    assert name.startswith("oidc/")
    assert subject not in name
    assert len(name) == len("oidc/") + 24


@pytest.mark.parametrize("named", [{"sub": "u-1"}, {"sid": "s-1"}])
def test_what_the_provider_ends_is_over_here_and_what_is_begun_anew_is_not(door, fake, named):
    visitor, _ = signed_in(door, fake)
    assert visitor.get("https://door/ops").status_code == 200
    assert ends(door, fake, **{"sub": None} | named).status_code == 200
    door.bounded(known_s=0.0)
    door.app.state.provider = Provider(door.settings.oidc(), httpx2.MockTransport(fake.answer))
    assert visitor.get("https://door/ops").status_code == 303
    again, _ = signed_in(door, fake)
    assert again.get("https://door/ops").status_code == 200


# -- forgeries ---------------------------------------------------------------------------------------------------------


def stale_key(fake):
    fake.key, fake.header, fake.published = STRANGERS, {"alg": "RS256", "kid": "two"}, [KEY]


def under_our_secret(fake):
    fake.key, fake.header = OctKey.import_key("a secret of ours, made longer"), {"alg": "HS256", "kid": "one"}


FORGED = {
    "another issuer": lambda fake: fake.claims.update(iss="https://id.example.com"),
    "another audience": lambda fake: fake.claims.update(aud="somebody"),
    "another nonce": lambda fake: fake.claims.update(nonce="n"),
    "no nonce": lambda fake: fake.claims.update(nonce=None),
    "over": lambda fake: fake.claims.update(exp=int(time.time()) - 3600),
    "alg none": lambda fake: setattr(fake, "header", {"alg": "none"}),
    "a key of nobody": lambda fake: setattr(fake, "key", STRANGERS),
    "a stale key": stale_key,
    "signed with our secret": under_our_secret,
    "nobody": lambda fake: fake.claims.update(sub=None),
}


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_forged_lets_nobody_in(door, fake, forged):
    visitor = door.stranger()
    state = sent_there(visitor, fake)
    FORGED[forged](fake)
    answer = came_back(visitor, state=state, code="good")
    assert answer.status_code == 401
    assert not [each for each in answer.headers.get_list("set-cookie") if not each.startswith(COOKIE)]
    assert visitor.get("https://door/ops").status_code == 303


def test_a_provider_that_calls_itself_otherwise_is_not_the_one_that_is_set(door, fake):
    fake.metadata["issuer"] = "https://id.example.com"
    assert door.stranger().get("https://door/sign-in/provider?next=/ops").status_code == 401
    del fake.metadata["issuer"]
    assert signed_in(door, fake)[1].status_code == 303


def test_an_answer_counts_in_the_browser_that_began_once_and_with_its_own_state_and_code(door, fake):
    visitor = door.stranger()
    state = sent_there(visitor, fake)
    assert came_back(door.stranger(), state=state, code="good").status_code == 401
    kept = dict(visitor.cookies)
    for told in (
        {"state": "other", "code": "good"},
        {"state": state, "code": "bad"},
        {"state": state, "error": "x"},
        {},
    ):
        visitor.cookies = dict(kept)
        assert came_back(visitor, **told).status_code == 401
    visitor.cookies = kept
    came = came_back(visitor, state=state, code="good")
    assert came.status_code == 303
    assert {"Max-Age=0", f"Path={BACK}"} <= set(came.headers.get_list("set-cookie")[-1].split("; "))


@pytest.mark.parametrize("cookie", ["", "x", "x.y", "e30=.0", "\xff.\xff"])
def test_a_sign_in_that_was_never_begun_here_is_none(door, cookie):
    answer = door.call(
        "GET", f"https://door{BACK}?state=s&code=c", headers={"Cookie": f"{COOKIE}={cookie}".encode("latin1")}
    )
    assert answer.status_code == 401


def test_who_stays_too_long_at_the_provider_begins_again(door, fake):
    visitor = door.stranger()
    state = sent_there(visitor, fake)
    front = door.app.state.front
    now = front.now

    async def later():
        return await now() + UNDER_WAY_S * 1000

    front.now = later
    assert came_back(visitor, state=state, code="good").status_code == 401


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/v1/orders", "javascript:alert(1)", ""])
def test_it_leads_nowhere_but_to_our_own_pages(door, fake, to):
    _, answer = signed_in(door, fake, to)
    assert answer.headers["location"] == "/"


def test_who_has_no_role_is_told_so_and_stays_out(door, fake):
    fake.claims = {"sub": "u-2", "groups": ["staff"]}
    _, answer = signed_in(door, fake)
    assert answer.status_code == 403
    assert "no role here" in answer.text or "没有本平台的角色" in answer.text


def test_a_provider_that_is_away_is_said_and_the_key_still_opens(door, fake):
    fake.is_away = True
    visitor = door.stranger()
    answer = visitor.get("https://door/sign-in/provider?next=/ops")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert ends(door, fake).status_code == 503
    form = visitor.post_form("https://door/sign-in", {"key": door.keys[Role.OPS], "next": "/ops"})
    assert form.status_code == 303


UNREADABLE = {
    "a proxy's page": b"<html>",
    "a list": b"[]",
    "no address": json.dumps({"issuer": ISSUER}).encode(),
    "no list of algorithms": json.dumps({"issuer": ISSUER, "id_token_signing_alg_values_supported": 5}).encode(),
    "no text": b"\xff",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_provider_whose_answer_cannot_be_read_is_away_until_it_can_be_read(door, fake, content):
    """A proxy that answers in its place with 200 makes no sign-out a forgery: a forgery is not sent again."""
    answers = [content, content]
    provider = httpx2.MockTransport(
        lambda asked: httpx2.Response(200, content=answers.pop()) if answers else fake.answer(asked)
    )
    door.app.state.provider = Provider(door.settings.oidc(), provider)
    told = door.stranger().get("https://door/sign-in/provider?next=/ops")
    assert (told.status_code, told.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert ends(door, fake).status_code == 503
    assert answers == []
    assert signed_in(door, fake)[1].status_code == 303
    assert ends(door, fake).status_code == 200


def test_a_logout_is_no_forgery_while_the_keys_of_the_provider_cannot_be_read(door, fake):
    signed_in(door, fake)
    answer = fake.answer
    fake.answer = lambda asked: httpx2.Response(200, content=b"<html>") if asked.url.path == "/keys" else answer(asked)
    door.app.state.provider = Provider(door.settings.oidc(), httpx2.MockTransport(fake.answer))
    assert [ends(door, fake).status_code for _ in range(11)] == [503] * 11
    door.app.state.provider = Provider(door.settings.oidc(), httpx2.MockTransport(answer))
    assert ends(door, fake).status_code == 200


LOGOUT = {
    "another issuer": {"iss": "https://id.example.com"},
    "another audience": {"aud": "somebody"},
    "old": {"iat": int(time.time()) - 3600},
    "of the future": {"iat": int(time.time()) + 3600},
    "no logout": {"events": {}},
    "an id token": {"nonce": "n"},
    "nobody": {"sub": None},
}


@pytest.mark.parametrize("wrong", LOGOUT)
def test_a_logout_token_that_does_not_hold_ends_nothing(door, fake, wrong):
    visitor, _ = signed_in(door, fake)
    assert ends(door, fake, **LOGOUT[wrong]).status_code == 400
    assert ends_by(door, "x.y.z").status_code == 400
    assert door.redis.hlen("ce:signedout") == 1  # the answer that signed in is good once
    assert visitor.get("https://door/ops").status_code == 200


def test_guesses_at_logout_tokens_are_slowed_down(door, fake):
    assert [ends_by(door, "x").status_code for _ in range(11)] == [400] * 10 + [429]


def test_forgeries_from_behind_the_same_proxy_hold_up_no_logout_and_ask_the_provider_no_more(door, fake):
    visitor, _ = signed_in(door, fake)
    assert {ends_by(door, "x.y.z").status_code for _ in range(12)} == {400, 429}
    asked = fake.asked_for.count("/keys")
    fake.header = {"alg": "RS256", "kid": "two"}
    fake.key = STRANGERS
    assert [ends(door, fake).status_code for _ in range(5)] == [429] * 5
    assert fake.asked_for.count("/keys") == asked
    fake.key, fake.header = KEY, {"alg": "RS256", "kid": "one"}
    assert ends(door, fake).status_code == 200
    assert visitor.get("https://door/ops").status_code == 303


# -- settings ----------------------------------------------------------------------------------------------------------

WRONG = {
    "CONSENT_OIDC__ISSUER": ["http://id.example.org", "id.example.org", f"{ISSUER}?x=1"],
    "CONSENT_OIDC__ROLES": ["ops", "groups=ops", "groups:ops=boss", " , "],
    "CONSENT_OIDC__SESSION": ["13h", "0s", "long"],
    "CONSENT_OIDC__TYPO": ["x"],
    "CONSENT_PUBLIC_URL": [""],
    "CONSENT_OIDC__CLIENT_SECRET": [""],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_setting_stops_the_start_and_is_named_without_its_value(name, value):
    with pytest.raises(SettingsError, match=name) as error:
        Settings.load(TOLD | {name: value}, None)
    assert len(value) < 4 or value not in str(error.value)


def test_the_first_rule_that_fits_gives_the_role():
    told = Oidc.read(Settings.load(TOLD, None).of("OIDC"))
    assert told.role_of({"groups": ["ops"], "realm": {"roles": ["desk"]}}) is Role.OPS
    assert told.role_of({"realm": {"roles": ["desk"]}}) is Role.AGENT
    assert [told.role_of(each) for each in ({}, {"groups": "op"}, {"realm": ["desk"]}, {"groups": {"ops": 1}})] == [
        None
    ] * 4


# -- a real provider ---------------------------------------------------------------------------------------------------


def test_a_person_signs_in_with_a_provider_that_we_did_not_write(running):
    mock = needs.openid_provider()
    person = mock.User(sub="wang", claims={"groups": ["ops"]})
    with mock.run_server_in_thread(user_claims=[person]) as server:
        door = PageDoor(*running, **TOLD | {"CONSENT_OIDC__ISSUER": f"http://localhost:{server.server_port}"})
        try:
            visitor = door.stranger()
            there = visitor.get("https://door/sign-in/provider?next=/ops").headers["location"]
            sent = httpx2.post(there, data={"sub": "wang"}).headers["location"]
            assert sent.startswith(f"https://door{BACK}?")
            assert visitor.get(sent).headers["location"] == "/ops"
            assert visitor.get("https://door/ops").status_code == 200
        finally:
            door.close()
