"""Attacks on the webhooks: a message that is forged, replayed, sent to another door, or made to hurt stores nothing."""

import base64
import hashlib
import hmac
import json
import socket
from time import process_time

import pytest

from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane
from consent_engine.domain.hashing import HEADER, sign
from consent_engine.wiring import Installation
from tests.contract.peers import PEERS
from tests.contract.peers import SECRET as SECRET_OF_PEERS
from tests.integration.api_door import FULL_SECRET, NUMBER, Door, is_problem, live, reply
from tests.integration.api_door import SECRET as SIMULATED
from tests.waiting import HANGS_S

SECRETS = {"http_json": "secret-of-the-first-gateway", "http_json:box": "secret-of-the-second-gateway"}
KANNELS = "secret-of-kannel"
DOORS = ("http_json", "http_json:box", "kannel")
SLOWEST_S, LOOKS = 2.0, 5
"""Seconds of this process's CPU time that a hostile megabyte may take: other processes do not count."""


def opened(running, **gateways):
    """Open a door for gateways of these settings."""
    made = Door(*running)
    own = {f"CONSENT_{name}": value for name, value in gateways.items()}
    environ = {"CONSENT_READING_SPEED": "1000000", "CONSENT_DATA_DIR": str(running[1]), "CONSENT_SECRET": FULL_SECRET}
    made.settings = Settings.load(environ | own, None)
    made.installation = Installation(made.settings, running[0], running[0], FULL_SECRET)
    made.engine = made.installation.engine()
    made.serve(made.installation.engine)
    return made


@pytest.fixture(scope="module")
def three(running):
    """Three gateways in use, one carrier each."""
    made = opened(
        running,
        GATEWAY_MOBILE="http_json",
        GATEWAY_TELECOM="http_json:box",
        GATEWAY_UNICOM="kannel",
        HTTP_JSON__URL="http://127.0.0.1:1/sms",
        HTTP_JSON__SECRET=SECRETS["http_json"],
        HTTP_JSON_BOX__URL="http://127.0.0.1:1/sms",
        HTTP_JSON_BOX__SECRET=SECRETS["http_json:box"],
        KANNEL__URL="http://127.0.0.1:1/cgi-bin/sendsms",
        KANNEL__USERNAME="engine",
        KANNEL__PASSWORD="sendsms-password",
        KANNEL__CALLBACK_URL="http://127.0.0.1:8080",
        KANNEL__SECRET=KANNELS,
    )
    yield made
    made.close()


@pytest.fixture
def door(three):
    """The same, with nothing in its store."""
    three.redis.flushall()
    return three


def now(door):
    return door.engine.registry.now() // 1000


def post(door, body, header, gateway="http_json", path="inbound", **more):
    """Post a webhook byte for byte."""
    headers = {**({} if header is None else {HEADER: header}), **more}
    return door.call("POST", f"/v1/gateways/{gateway}/{path}", content=body, headers=headers)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


BODY = json.dumps(reply()).encode()
SECRET = SECRETS["http_json"]


def digest(kind, at, secret=SECRET, body=BODY):
    return hmac.new(secret.encode(), str(at).encode() + b"." + body, kind).hexdigest()


FORGED = {
    "none": lambda at: None,
    "another secret": lambda at: sign("guess", BODY, at),
    "no secret": lambda at: sign("", BODY, at),
    "the installation's secret": lambda at: sign(FULL_SECRET, BODY, at),
    "another body": lambda at: sign(SECRET, BODY.replace("是".encode(), "否".encode()), at) + " ",
    "another instant": lambda at: sign(SECRET, BODY, at).replace(str(at), str(at + 1)),
    "SHA-1": lambda at: f"t={at},v1={digest('sha1', at)}",
    "SHA-512": lambda at: f"t={at},v1={digest('sha512', at)}",
    "SHA-512, cut": lambda at: f"t={at},v1={digest('sha512', at)[:64]}",
    "MD5, filled up": lambda at: f"t={at},v1={digest('md5', at) * 2}",
    "no key": lambda at: f"t={at},v1={hashlib.sha256(str(at).encode() + b'.' + BODY).hexdigest()}",
    "without the instant": lambda at: f"t={at},v1={hmac.new(SECRET.encode(), BODY, 'sha256').hexdigest()}",
    "another version": lambda at: f"t={at},v2={digest('sha256', at)}",
    "alg none": lambda at: f"t={at},v1=,alg=none",
    "two of them": lambda at: f"t={at},v1={'0' * 64},v1={digest('sha256', at)}",
    "two instants": lambda at: f"t=1,t={at},v1={digest('sha256', at)}",
    "nothing in it": lambda at: "t=,v1=",
    "an endless instant": lambda at: f"t={'9' * 5000},v1={digest('sha256', at)}",
    "digits of another script": lambda at: f"t={at},v1={digest('sha256', at)}".replace("t=1", "t=１").encode(),
}


@pytest.mark.parametrize("path", ["inbound", "receipts"])
@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_stores_nothing_and_is_told_no_more_than_that(door, path, name):
    before = door.kept()
    said = is_problem(post(door, BODY, FORGED[name](now(door)), path=path), 401, "unauthenticated")
    assert said["detail"] == "the signature does not fit"
    assert door.kept() == before


def test_the_same_signature_in_two_headers_is_none(door):
    header = sign(SECRET, BODY, now(door))
    before = door.kept()
    twice = [(HEADER, "t=1,v1=x"), (HEADER, header), ("Content-Type", "application/json")]
    first = door.send("POST", "/v1/gateways/http_json/inbound", twice, BODY)
    assert (first.status_code, door.kept() == before) in {(401, True), (200, False)}
    both = door.send("POST", "/v1/gateways/http_json/inbound", [(HEADER, f"{header}, {header}")], BODY)
    is_problem(both, 401, "unauthenticated")


def test_a_call_that_was_heard_on_the_wire_is_a_duplicate_and_then_nothing(door):
    header = sign(SECRET, BODY, now(door) - 298)
    assert post(door, BODY, header).json()["accepted"] == 1
    inbox = [key for key in door.kept() if b":inbox:" in key]
    heard = {key: door.kept()[key] for key in inbox}
    for _ in range(3):  # again, byte for byte, while the signature is young enough
        assert post(door, BODY, header).status_code == 200
    assert {key: door.kept()[key] for key in inbox} == heard
    assert door.redis.llen(inbox[0]) == 1
    is_problem(post(door, BODY, sign(SECRET, BODY, now(door) - 302)), 401, "unauthenticated")


def test_a_yes_of_yesterday_cannot_be_said_again_today(door, monkeypatch):
    header = sign(SECRET, BODY, now(door))
    assert post(door, BODY, header).status_code == 200
    day = 86_400

    async def tomorrow():
        return (now(door) + day) * 1000

    monkeypatch.setattr(door.app.state.front, "now", tomorrow)
    before = door.kept()
    is_problem(post(door, BODY, header), 401, "unauthenticated")
    assert door.kept() == before


def test_a_signature_of_tomorrow_is_none_however_far(door):
    before = door.kept()
    for ahead in (302, 3_600, 10**9):
        is_problem(post(door, BODY, sign(SECRET, BODY, now(door) + ahead)), 401, "unauthenticated")
    assert door.kept() == before


# -- another door -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["inbound", "receipts"])
@pytest.mark.parametrize("at", DOORS)
@pytest.mark.parametrize("whose", DOORS)
def test_the_proof_of_one_gateway_opens_no_other(door, whose, at, path):
    proof = (
        {"Authorization": basic("kannel", KANNELS)}
        if whose == "kannel"
        else {HEADER: sign(SECRETS[whose], BODY, now(door))}
    )
    before = door.kept()
    answer = post(door, BODY, None, at, path, **proof)
    if whose == at:
        assert answer.status_code != 401
    else:
        is_problem(answer, 401, "unauthenticated")
        assert door.kept() == before


@pytest.mark.parametrize(
    "name",
    [
        "simulated",
        "HTTP_JSON",
        "http_json%3Abo",
        "http_json ",
        "http_json%00",
        "..%2Fhttp_json",
        "%2e%2e",
        "*",
        "x" * 5_000,
    ],
)
def test_a_name_that_is_no_gateway_in_use_is_nobodys_door(door, name):
    before = door.kept()
    answer = post(door, BODY, sign(SECRET, BODY, now(door)), name)
    assert answer.status_code == 404
    assert door.kept() == before


KANNEL_FORGED = {
    "nothing": None,
    "no password": basic("kannel", ""),
    "another password": basic("kannel", "guess"),
    "another user": basic("engine", KANNELS),
    "our own password there": basic("engine", "sendsms-password"),
    "the secret alone": f"Bearer {KANNELS}",
    "in small letters": basic("kannel", KANNELS).lower(),
    "cut short": basic("kannel", KANNELS)[:-2],
    "in another script": "Basic é".encode(),
    "none": "Basic ",
}


@pytest.mark.parametrize("name", KANNEL_FORGED)
def test_without_kannels_proof_neither_a_reply_nor_a_report_is_read(door, name):
    before = door.kept()
    proof = {} if KANNEL_FORGED[name] is None else {"Authorization": KANNEL_FORGED[name]}
    said = {**proof, "X-Kannel-From": NUMBER, "X-Kannel-To": "10016", "Content-Type": "text/plain"}
    answers = [
        door.call("POST", "/v1/gateways/kannel/inbound?id=i-1", content="是".encode(), headers=said),
        door.call("GET", "/v1/gateways/kannel/receipts?ref=x&type=1&id=y", headers=proof),
    ]
    for answer in answers:
        is_problem(answer, 401, "unauthenticated")
        assert KANNELS not in answer.text
    assert door.kept() == before


def test_kannels_proof_in_the_query_is_none(door):
    query = f"ref=x&type=1&id=y&user=kannel&password={KANNELS}"
    is_problem(door.call("GET", f"/v1/gateways/kannel/receipts?{query}"), 401, "unauthenticated")


@pytest.mark.parametrize("kind", ["twilio", "jasmin"])
def test_a_form_is_taken_from_a_gateway_that_proves_it_and_answered_in_its_words(running, kind):
    peer = next(each for each in PEERS if each.kind == kind)
    own = {f"{kind.upper()}__{name}": value for name, value in {"SECRET": SECRET_OF_PEERS, **peer.settings}.items()}
    made = opened(running, GATEWAY=kind, **own, **{f"{kind.upper()}__URL": "http://127.0.0.1:1"})
    try:
        made.redis.flushall()
        empty = made.kept()
        call = peer.reply({"id": "mo-7", "from": NUMBER, "to": "10085", "text": "TD"})
        headers = {**call.headers, "Content-Type": "application/x-www-form-urlencoded"}
        answer = made.call("POST", call.target, content=call.body, headers=headers)
        assert (answer.status_code, answer.content) == (200, peer.stored.body)
        assert answer.headers["content-type"].partition(";")[0] == peer.stored.content_type
        assert (kept := made.kept()) != empty
        forged = {"twilio": (call.target, call.body + b"&x=1"), "jasmin": (f"{call.target}1", call.body)}[kind]
        is_problem(made.call("POST", forged[0], content=forged[1], headers=headers), 401, "unauthenticated")
        assert made.kept() == kept
    finally:
        made.close()


# -- bombs ------------------------------------------------------------------------------------------------------------

FULL = 1024 * 1024
MESSAGE = json.dumps(reply(), ensure_ascii=False)
BOMBS = {
    "lists in lists": b"[" * FULL,
    "lists in lists, closed": b"[" * (FULL // 2) + b"]" * (FULL // 2),
    "objects in objects": b'{"a":' * (FULL // 5),
    "a number without end": b"9" * FULL,
    "an exponent without end": b"[1e" + b"9" * (FULL - 4) + b"]",
    "a text": MESSAGE.replace("是", "是" * 300_000).encode(),
    "the same name again and again": b"{" + b'"text":"Y",' * (FULL // 12) + b'"text":"Y"}',
    "many small numbers": b"[" + b"1," * (FULL // 2 - 2) + b"1]",
    "many objects": b"[" + b"{}," * (FULL // 3 - 2) + b"{}]",
    "many strings": b"[" + b'"a",' * (FULL // 4 - 2) + b'"a"]',
    "escapes": b'["' + b"\\u0000" * (FULL // 6 - 2) + b'"]',
    "names that collide": json.dumps({str(n * (2**61 - 1)): 0 for n in range(30_000)}).encode(),
    "blanks": b" " * FULL,
    "no UTF-8": b"\xff" * FULL,
    "overlong UTF-8": b'["' + b"\xc0\xaf" * 1_000 + b'"]',
    "half characters": b'["' + b"\\ud800" * (FULL // 6 - 2) + b'"]',
    "NaN": b"[" + b"NaN," * (FULL // 4 - 2) + b"NaN]",
    "infinity": b"[-Infinity]",
    "UTF-16": MESSAGE.encode("utf-16"),
    "UTF-7": MESSAGE.replace('"', "+ACI-").encode(),
    "a mark": b"\xef\xbb\xbf" + BODY,
}


@pytest.mark.parametrize("path", ["inbound", "receipts"])
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_turned_away_in_bounded_time_however_well_signed(door, path, name):
    before, took = door.kept(), []
    while len(took) < LOOKS and min(took, default=SLOWEST_S) >= SLOWEST_S:
        began = process_time()
        answer = post(door, BOMBS[name], sign(SECRET, BOMBS[name], now(door)), path=path)
        took.append(process_time() - began)
    assert min(took) < SLOWEST_S
    assert answer.status_code in {413, 422} or answer.json()["accepted"] == 0
    assert len(answer.content) < 4 * FULL
    assert door.kept() == before
    assert not door.app.state.front.defects


POISON = {
    "half a character": '"\\ud83d"',
    "a control character": '"\\u0000"',
    "a name twice": '"Y","text":"N"',
    "a number": "1e400",
    "NaN": "NaN",
    "a list": '["是"]',
    "null": "null",
    "true": "true",
}


@pytest.fixture
def plain(running):
    """An installation on its simulated gateway, whose question was handed over."""
    made = Door(*running)
    made.asked = made.place().json()["id"]
    made.work(Lane.SMS)
    yield made
    made.close()


def triggers(door):
    return [event.trigger.value for event in door.engine.show(door.asked).events]


@pytest.mark.parametrize("name", POISON)
def test_what_could_be_read_in_two_ways_is_no_yes(plain, name):
    body = MESSAGE.replace('"是"', POISON[name]).encode()
    assert POISON[name].encode() in body
    said = plain.post("inbound", body).json()
    taken = {"a control character", "half a character", "a name twice"}  # of the last the no alone, as a doubt
    assert said.get("accepted", 0) == (1 if name in taken else 0)
    plain.work(Lane.INBOUND)
    assert "said_yes" not in triggers(plain)


def test_a_yes_that_was_recorded_and_played_again_activates_once(plain):
    header = sign(SIMULATED, BODY, now(plain))
    for _ in range(3):
        assert post(plain, BODY, header, "simulated").status_code == 200
        plain.work(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    assert triggers(plain).count("said_yes") == triggers(plain).count("service_activated") == 1


# -- slow senders -----------------------------------------------------------------------------------------------------


def test_many_that_never_end_their_body_keep_nobody_waiting(door):
    door.bounded(body_s=HANGS_S)
    head = f"POST /v1/gateways/http_json/inbound HTTP/1.1\r\nHost: x\r\n{HEADER}: t=1,v1=x\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n["
    with live(door.app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        slow = [socket.create_connection((host, int(port)), 10) for _ in range(200)]
        try:
            for line in slow:
                line.sendall(head.encode())
            with socket.create_connection((host, int(port)), 10) as quick:
                quick.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert quick.recv(100).startswith(b"HTTP/1.1 200")
        finally:
            for line in slow:
                line.close()
    door.bounded(body_s=0.1)
    with live(door.app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), HANGS_S) as late:
            late.sendall(head.encode())
            assert late.recv(12) == b"HTTP/1.1 408", "each is answered in time"
