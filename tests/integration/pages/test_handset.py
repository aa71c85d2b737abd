"""The handset of `consent serve`: a newcomer's own reply confirms the order, and nobody else can read the texts."""

import json
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from consent_engine.cli.supervisor import Handset
from consent_engine.config.settings import Settings
from consent_engine.domain import hashing
from consent_engine.engine.api_keys import Role
from consent_engine.errors import SettingsError
from consent_engine.simulator.handset import KINDS, MOST_MESSAGES, MOST_NUMBERS, Message, Phones, qr_of, text_of
from consent_engine.wiring import Installation
from tests.integration.api_door import NUMBER, OTHER, SECRET, order
from tests.integration.page_door import PageDoor
from tests.integration.serve_house import (
    Serving,
    asked,
    closing_down,
    environ_of,
    handset_of,
    place,
    served_in,
    typed_in,
)
from tests.waiting import until


@pytest.fixture(scope="module")
def environ(tmp_path_factory):
    return environ_of(tmp_path_factory.mktemp("handset"))


@pytest.fixture(scope="module")
def serving(environ, tmp_path_factory):
    with served_in(environ, tmp_path_factory.mktemp("log")) as made:
        yield made


@pytest.fixture(scope="module")
def page(serving):
    return handset_of(serving)


@pytest.fixture(scope="module")
def key(serving, environ):
    return typed_in(environ)("keys", "add", "desk", "--role", "agent").stdout.split()[-1]


def messages(page, number=NUMBER):
    phones = json.loads(asked(f"{page}phones.json")[1])
    return [each for phone in phones if phone["number"] == number for each in phone["messages"]]


def told(page, language, number=NUMBER):
    """Return the progress of the number's orders."""
    typed = {"Content-Type": "application/json"}
    return json.loads(asked(f"{page}life", {"number": number, "language": language}, typed)[1])


def states(page, language):
    return [each["state"] for each in told(page, language)["orders"]]


def test_a_newcomers_own_yes_confirms_the_order(serving, key, page):
    order, headers = place(serving, key)
    until("the question is on the handset", lambda: messages(page))
    [question] = messages(page)
    assert not question["own"]
    typed = {"Content-Type": "application/json"}
    assert asked(f"{page}write", {"from": NUMBER, "to": question["other"], "text": "是"}, typed)[0] == 200

    def shown():
        return json.loads(asked(f"http://127.0.0.1:{serving.port}/v1/orders/{order}", headers=headers)[1])

    until("it is notified", lambda: shown()["state"] == "notified")
    assert question["text"] == shown()["confirmation"]["text"]
    until("the notification is there", lambda: len(messages(page)) == 3)
    for language, words in (
        ("zh", ["已通知，完成", "用户回复同意"]),
        ("en", ["notified, done", "The subscriber said yes"]),
    ):
        until("it is told beside them", lambda: states(page, language) == words[:1])  # noqa: B023
        [shown_] = told(page, language)["orders"]
        assert (shown_["id"], shown_["over"]) == (order, "done")
        assert words[1] in [each["what"] for each in shown_["steps"]]
        assert [each["moved"] for each in shown_["steps"]].count(True) == 5
    assert told(page, "zh")["pages"] == f"http://127.0.0.1:{serving.port}/orders/"
    assert [each["own"] for each in messages(page)] == [False, True, False]


def test_a_yes_while_the_call_is_up_says_why_it_does_not_count_and_counts_by_its_code_after_the_call(
    serving, key, page
):
    api, typed = f"http://127.0.0.1:{serving.port}/v1", {"Content-Type": "application/json"}
    agent = typed | {"Authorization": f"Bearer {key}"}
    now = datetime.now(UTC)
    began, agreed = ((now - timedelta(seconds=ago)).isoformat() for ago in (60, 1))
    call = {"from": "10085", "to": OTHER, "carrier": "mobile", "agent": "A1024", "started_at": began}
    up = json.loads(asked(f"{api}/calls", call, agent | {"Idempotency-Key": "c-1"})[1])["id"]
    sold = {"msisdn": OTHER, "plan": "5g-smart-199", "agent": "A1024", "call_id": up, "agreed_at": agreed}
    assert asked(f"{api}/orders", sold, agent | {"Idempotency-Key": "o-1"})[0] == 201

    def say(text):
        assert asked(f"{page}write", {"from": OTHER, "to": "10085", "text": text}, typed)[0] == 200

    def life(language="en"):
        return told(page, language, OTHER)["orders"][0]

    until("the question is on the handset", lambda: messages(page, OTHER))
    assert life()["waits"] == "The call is still up: a yes during it does not count. End the call, then reply."
    say("是")
    until("the code is on the handset", lambda: len(messages(page, OTHER)) == 3)
    for language, why in (("en", "· the call had not ended"), ("zh", "· 通话尚未结束")):
        assert sum(each["what"].endswith(why) for each in life(language)["steps"]) == 1
    recording = {"ref": "rec-2", "sha256": "ab" * 32, "seconds": 60}
    ended = {"ended_at": datetime.now(UTC).isoformat(), "outcome": "agreed", "plan": "5g-smart-199"}
    assert asked(f"{api}/calls/{up}/end", ended | {"recording": recording}, agent)[0] == 200
    assert life()["waits"] == ""
    say(re.search(r"是\d{3}", messages(page, OTHER)[-1]["text"])[0])
    until("it is notified", lambda: life()["state"] == "notified, done")


UNASKED = "+8613600136000"
"""A number that was sent nothing."""
STRANGE = [
    ("phones.json", None, {"Host": "evil.example"}, 403),
    ("write", {"from": UNASKED, "to": "10085", "text": "是"}, {"Content-Type": "text/plain"}, 415),
    ("write", {"from": UNASKED, "to": "10085", "text": "是"}, {"Content-Type": "application/json"}, 400),
    ("life", {"number": UNASKED, "language": "zh"}, {"Content-Type": "text/plain"}, 415),
    ("life", {"number": UNASKED, "language": "zh"}, {"Content-Type": "application/json"}, 400),
    ("sms", {"ref": "r", "from": "10085", "to": UNASKED, "text": "x"}, {}, 401),
    ("../etc/passwd", None, {}, 404),
]
"""Requests that other sites or strangers may try: path, body, headers; and the status of the answer."""


def test_other_sites_and_strangers_get_nothing_from_it(page):
    answers = [asked(f"{page}{path}", body, headers)[0] for path, body, headers, _ in STRANGE]
    assert answers == [status for *_, status in STRANGE]
    assert messages(page, UNASKED) == []
    root = page.rsplit("/", 2)[0]
    for path in ("/", "/phones.json", "/handset.js", "/sms", "/life", f"/{'0' * 24}/phones.json"):
        assert asked(f"{root}{path}")[0] in {404, 405}, "other users of this machine do not know its path"
    assert asked(f"{root}/write", {"from": UNASKED, "to": "10085", "text": "是"})[0] == 404
    assert asked(f"{page}qr.svg")[0] == 404, "without leave there is no code"
    assert "qr.svg" not in asked(page)[1]


def test_a_real_phone_comes_by_a_code_where_that_was_allowed_and_only_by_that_address(tmp_path):
    with closing_down(Serving(environ_of(tmp_path), tmp_path, "--phone", "127.0.0.2")) as serving:
        until("it is ready", serving.ready)
        [address] = [line.split()[-1] for line in serving.said().splitlines() if line.startswith("handset")]
        assert address.startswith("http://127.0.0.2:")
        assert "answers for subscribers" in serving.said()
        assert address in asked(address)[1]
        status, drawn = asked(f"{address}qr.svg")
        assert (status, drawn.encode()) == (200, qr_of(address))
        assert asked(address, headers={"Host": "evil.example"})[0] == 403
        with pytest.raises(httpx.ConnectError):
            asked(address.replace("127.0.0.2", "127.0.0.1"))


@pytest.mark.parametrize("address", ["8.8.8.8", "0.0.0.0", "example.org", "10.255.255.254"])  # noqa: S104 - not bound
def test_an_address_of_others_or_for_everybody_is_none_for_a_phone(address):
    with pytest.raises(SettingsError, match="not an address of this machine"), Handset.at(0, "secret", phone=address):
        pass


OWN_REDIS = {"CONSENT_REDIS_URL": "redis://localhost/0", "CONSENT_SECRET": "s" * 32}


@pytest.mark.parametrize(
    ("more", "is_there"),
    [
        ({}, True),
        ({"CONSENT_BSS": "http"}, False),
        ({"CONSENT_GATEWAY_MOBILE": "http_json"}, False),
        ({**OWN_REDIS, "CONSENT_GATEWAY": "simulated", "CONSENT_BSS": "simulated"}, False),
    ],
)
def test_nobody_answers_for_a_subscriber_where_anything_is_not_simulated(more, is_there):
    settings = Settings.load(more, env_file=None)
    found = Installation(settings, settings.redis_url or "", "", "a secret")
    assert bool(found.simulated_secret()) is is_there


def test_a_repeat_of_an_sms_lands_once_and_what_is_kept_has_a_bound():
    phones = Phones()
    sms = Message(1.0, own=False, other="10085", text="a", ref="r-1")
    assert [phones.add(NUMBER, sms), phones.add(NUMBER, sms)] == [True, False]
    for n in range(2 * MOST_MESSAGES):
        phones.add(NUMBER, Message(n, own=True, other="10085", text=str(n)))
    for n in range(2 * MOST_NUMBERS):
        phones.add(str(n), sms)
    kept = phones.view()
    assert len(kept) == MOST_NUMBERS
    assert kept[0]["number"] == str(2 * MOST_NUMBERS - 1)
    assert NUMBER not in phones
    assert all(len(each["messages"]) <= MOST_MESSAGES for each in kept)


def test_an_answer_that_lands_before_its_reply_was_acknowledged_stands_below_that_reply():
    phones = Phones()
    phones.add(NUMBER, Message(3.0, own=False, other="10085", text="the code", ref="r-1"))
    phones.add(NUMBER, Message(2.0, own=True, other="10085", text="是"))
    assert [each["text"] for each in phones.view()[0]["messages"]] == ["是", "the code"]


LIFE = {"msisdn": NUMBER, "language": "zh"}
TOLD = {"CONSENT_SIMULATED__URL": "http://127.0.0.1:9/x/sms"}
"""The setting that `consent serve` adds with a handset."""


@pytest.fixture
def doors(running):
    """Yield a maker of doors with settings of their own."""
    made = []
    yield lambda **more: made.append(PageDoor(*running, **more)) or made[-1]
    for each in made:
        each.close()


def signed(door, secret, body):
    raw = json.dumps(body).encode()
    header = {hashing.HEADER: hashing.sign(secret, raw, door.engine.registry.now() // 1000)}
    return door.call("POST", "/handset/life", None, content=raw, headers=header)


def test_the_life_of_an_order_is_told_to_the_handset_alone(doors):
    door = doors(**TOLD)
    door.place(order(msisdn=NUMBER))
    [shown] = signed(door, SECRET, LIFE).json()["orders"]
    assert (shown["over"], len(shown["steps"])) == ("", 1)
    assert signed(door, SECRET, LIFE | {"msisdn": OTHER}).json() == {"orders": []}
    assert signed(door, "another secret", LIFE).status_code == 401
    assert door.call("POST", "/handset/life", Role.ADMIN, LIFE).status_code == 401
    assert signed(door, SECRET, LIFE | {"language": "fr"}).status_code == 422


@pytest.mark.parametrize("more", [
    {"CONSENT_BSS": "http", "CONSENT_BSS_HTTP__URL": "https://bss.example", "CONSENT_BSS_HTTP__SECRET": "s" * 32},
    {"CONSENT_GATEWAY_MOBILE": "http_json", "CONSENT_HTTP_JSON__URL": "https://sms.example",
     "CONSENT_HTTP_JSON__SECRET": "s" * 32},
    {"CONSENT_SIMULATED__URL": ""},
])  # fmt: skip
def test_where_anything_is_real_nothing_tells_the_life_of_an_order_by_a_number(doors, more):
    assert signed(doors(**{**TOLD, **more}), SECRET, LIFE).status_code == 404


def test_the_page_says_all_in_both_languages_and_mixes_none():
    for name in KINDS:
        chinese, english = text_of(name, "zh"), text_of(name, "en")
        assert "[[" not in chinese + english
        assert "{{" not in chinese + english
        assert (name == "handset.html") == (chinese != english)
    assert text_of("handset.html", "en").startswith('<!doctype html>\n<html lang="en">')
