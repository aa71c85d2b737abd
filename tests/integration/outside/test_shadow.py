"""A shadow: everything happens but SMS and calls to the BSS, which no setting of a gateway or BSS brings back."""

import asyncio
import json
import re
import socket
import threading
from contextlib import closing, contextmanager

import pytest

from consent_engine.api.http.shadow import Marked
from consent_engine.api.web.words import words
from consent_engine.config.settings import Settings
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Accepted, Lane, Purpose
from consent_engine.domain.roles import Role
from consent_engine.engine.evidence import encoded
from consent_engine.errors import NotOurArchive, SettingsError
from consent_engine.ports import Sms
from consent_engine.verify import SHADOW, Broken, verify
from consent_engine.wiring import archive_of, installation
from tests import needs
from tests.integration.api_door import FULL_SECRET, SECRET, order, reply
from tests.integration.page_door import PageDoor
from tests.typed import typed

BOTH = [words(each)["shadow"] for each in ("zh", "en")]
PLANS = {"mobile": "5g-smart-199", "telecom": "fibre-duo-129", "unicom": "5g-wo-159"}
NUMBERS = {"mobile": "+8613800138000", "telecom": "+8618900139000", "unicom": "+8618600137000"}
MAPPING = "consent_engine/adapters/bss/http.yaml"


@contextmanager
def heard():
    """Yield the address of a server that answers nobody, and the list of those who called it."""
    callers = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def listen():
            while True:
                try:
                    caller, at = listening.accept()
                except OSError:
                    return
                callers.append(at)
                caller.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", callers
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def real(url):
    """Return the settings of an installation with real gateways and a real BSS, all at one address."""
    return {
        "CONSENT_GATEWAY_MOBILE": "http_json", "CONSENT_HTTP_JSON__URL": f"{url}/sms",
        "CONSENT_HTTP_JSON__SECRET": SECRET, "CONSENT_HTTP_JSON__SUB_NUMBERS": "true",
        "CONSENT_HTTP_JSON__REPORTS": "true",
        "CONSENT_GATEWAY_TELECOM": "kannel", "CONSENT_KANNEL__URL": f"{url}/cgi-bin/sendsms",
        "CONSENT_KANNEL__USERNAME": "u", "CONSENT_KANNEL__PASSWORD": "p", "CONSENT_KANNEL__SECRET": "s",
        "CONSENT_KANNEL__CALLBACK_URL": "http://127.0.0.1:1/",
        "CONSENT_GATEWAY_UNICOM": "http_json:second", "CONSENT_HTTP_JSON_SECOND__URL": f"{url}/second",
        "CONSENT_HTTP_JSON_SECOND__SECRET": SECRET,
        "CONSENT_BSS": "templated", "CONSENT_BSS_TEMPLATED__MAPPING": MAPPING, "CONSENT_BSS_TEMPLATED__URL": url,
        "CONSENT_BSS_TEMPLATED__SECRET": SECRET, "CONSENT_BSS_TEMPLATED__CAN_LOOK_UP": "true",
        "CONSENT_BSS_TEMPLATED__CAN_ASK": "true",
    }  # fmt: skip


@pytest.fixture
def door(running):
    needs.server()
    with heard() as (url, callers), closing(PageDoor(*running, CONSENT_SHADOW="true", **real(url))) as made:
        made.callers = callers
        yield made


def placed(door, carrier="mobile", key=None, **changes):
    call = {"caller_number": CARRIERS[carrier].outbound}
    wanted = order(msisdn=NUMBERS[carrier], plan=PLANS[carrier], call=call, **changes)
    answer = door.place(wanted, key=key or carrier)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def said(door, text="是", carrier="mobile", gateway="http_json", **changes):
    told = reply(text, **{"from": NUMBERS[carrier], "to": CARRIERS[carrier].outbound}, **changes)
    assert door.post("inbound", told, gateway=gateway).status_code == 200
    door.work(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)


def state(door, name):
    return door.call("GET", f"/v1/orders/{name}", Role.OPS).json()["state"]


def test_nothing_leaves_a_shadow_with_real_settings(door):
    """A day of every gateway and of the BSS: questions, a yes, an activation, a notification, a withdrawal."""
    orders = {each: placed(door, each) for each in CARRIERS}
    door.work(Lane.SMS)
    assert {state(door, each) for each in orders.values()} == {"awaiting_reply"}
    said(door)
    said(door, carrier="unicom", gateway="http_json:second", message_id="m-2")
    assert [state(door, orders[each]) for each in ("mobile", "unicom")] == ["notified"] * 2
    kannel = {
        "Authorization": "Basic a2FubmVsOnM=", "X-Kannel-From": NUMBERS["telecom"], "X-Kannel-To": "10001",
        "Content-Type": "text/plain; charset=UTF-8", "X-Kannel-Time": "2025-11-25 10:00:00",
    }  # fmt: skip
    refused = door.call("POST", "/v1/gateways/kannel/inbound?id=k-1", content="退订".encode(), headers=kannel)
    assert refused.status_code == 200, refused.text
    door.work(Lane.INBOUND, Lane.SMS)
    assert state(door, orders["telecom"]) == "declined"
    ended = {"cause": "withdrawn", "channel": "hotline", "reason": "no more"}
    assert door.call("POST", f"/v1/orders/{orders['mobile']}/end", Role.OPS, ended).status_code in {200, 201}
    door.work(Lane.ACTIVATION, Lane.SMS)
    door.work(Lane.TIMER, Lane.SMS)
    assert door.call("GET", f"/v1/orders/{orders['mobile']}/end", Role.OPS).json()["state"] == "ended"
    assert door.callers == []
    asked = [{"msisdn": NUMBERS["telecom"], "carrier": "telecom"}]
    assert door.call("POST", "/v1/callable", Role.OPS, asked).json()[0]["reason"] == "refused"


def test_the_same_settings_do_call_where_this_is_no_shadow(running, tmp_path):
    """The measure of the test before."""
    elsewhere = {"CONSENT_ARCHIVE_URL": f"sqlite:///{tmp_path}/archive.sqlite3"}
    with heard() as (url, callers), closing(PageDoor(*running, **elsewhere, **real(url))) as made:
        seen = []
        for each in CARRIERS:
            placed(made, each)
            made.work(Lane.SMS)
            seen.append(len(callers))
        assert 0 < seen[0] < seen[1] < seen[2]


def test_a_question_asks_for_no_answer_that_only_our_own_sms_could_have(door):
    """Replies come to another system's question: none has our sub-number, and no report comes of our SMS."""
    gateway = door.engine.outside.gateways["http_json"]
    assert (gateway.sub_numbers, gateway.reports) == (False, False)
    assert door.engine.outside.subscribers is None
    assert isinstance(door.runner.run(gateway.send(sms := _sms())), Accepted)
    assert door.runner.run(gateway.send(sms)).ref.startswith(SHADOW)


def _sms():
    return Sms("0-a.confirmation.1", "10085", NUMBERS["mobile"], "text", Purpose.CONFIRMATION)


def test_its_evidence_never_passes(door):
    """The mark is a link of the chain: who takes it out of the file breaks the file."""
    name = placed(door)
    door.work(Lane.SMS)
    said(door)
    file = door.engine.evidence.file(name, "auditor")
    with pytest.raises(Broken, match=r"is a shadow's: nothing was sent, and no service was switched on"):
        verify(file)
    unmarked = encoded(file).decode().replace(SHADOW, "bss-real-")
    with pytest.raises(Broken):
        verify(json.loads(unmarked))
    page = door.sign_in(Role.AUDITOR).get(f"/orders/{name}/evidence").text
    assert "is a shadow&#39;s: nothing was sent" in page


@pytest.mark.parametrize("path", ["/", "/ops", "/audit", "/help", "/rq/", "/nothing-here"])
def test_every_page_says_so(door, path):
    page = door.sign_in(Role.ADMIN).get(path, Accept="text/html")
    assert "text/html" in page.headers["content-type"]
    assert re.search(f"<body[^>]*><p><mark><strong>{re.escape(BOTH[0])}", page.text)
    assert BOTH[1] in page.text
    assert int(page.headers["content-length"]) == len(page.content)


@pytest.mark.parametrize("path", ["/tariffs", "/report", "/receipt", "/docs", "/"])
def test_strangers_see_it_too(door, path):
    assert BOTH[0] in door.stranger().get(path).text


def test_every_answer_has_the_mark(door):
    assert door.call("GET", "/healthz").headers["consent-shadow"] == "true"
    assert door.place().headers["consent-shadow"] == "true"
    assert "consent_shadow 1.0" in door.call("GET", "/metrics", Role.OPS).text


def test_a_page_in_pieces_is_marked_once():
    """And what is no page goes on as it comes; the answer to a HEAD keeps its length."""

    def served(kind, *pieces):
        async def app(_scope, _receive, send):
            length = str(sum(map(len, pieces))).encode()
            headers = [(b"content-type", kind), (b"content-length", length)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for n, piece in enumerate(pieces, 1):
                await send({"type": "http.response.body", "body": piece, "more_body": n < len(pieces)})

        sent = []

        async def keep(message):
            sent.append(message)

        asyncio.run(Marked(app, ["S"])({"type": "http"}, None, keep))
        return dict(sent[0]["headers"])[b"content-length"], [each["body"] for each in sent[1:]]

    whole = b'<body class="a"><p><mark><strong>S</strong></mark></p>x<body>'
    assert served(b"text/html; charset=utf-8", b"<bo", b'dy class="a">x<body>') == (str(len(whole)).encode(), [whole])
    assert served(b"text/html", b"") == (b"0", [b""])
    assert served(b"text/event-stream", b"<body>", b"b") == (b"7", [b"<body>", b"b"])


@pytest.mark.parametrize("first", [True, False])
def test_data_stay_a_shadows_or_real_ones_for_ever(tmp_path, first):
    """A start in the other mode ends in one line that says what to do, whichever of its data it finds."""
    needs.server()
    environ = {"CONSENT_DATA_DIR": str(tmp_path), "CONSENT_DURABILITY": "everysec"}
    settings = {each: Settings.load(environ | {"CONSENT_SHADOW": str(each)}, None) for each in (True, False)}
    with installation(settings[first]) as found:
        found.engine().store.bound_archive()
    for _ in range(2):  # nothing was changed by the first try
        with pytest.raises(SettingsError, match="CONSENT_SHADOW") as why, installation(settings[not first]):
            pass
        assert ("docs/shadow.md" in str(why.value)) is first
        assert "\n" not in str(why.value)
    with installation(settings[first]):
        pass
    with closing(archive_of(settings[not first])) as archive, pytest.raises(NotOurArchive, match="CONSENT_SHADOW"):
        archive.id()
    elsewhere = environ | {"CONSENT_DATA_DIR": str(tmp_path / "new"), "CONSENT_SHADOW": str(not first)}
    theirs = Settings.load(elsewhere | {"CONSENT_ARCHIVE_URL": settings[first].archive_address()}, None)
    with pytest.raises(SettingsError, match="CONSENT_ARCHIVE_URL: CONSENT_SHADOW"), installation(theirs):
        pass


def test_a_terminal_says_so_and_checks_no_bss(door):
    told = {"CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "CONSENT_SHADOW": "true"}
    shown = typed("stuck", environ=told)
    assert "this is a shadow" in shown.stderr
    told |= {"CONSENT_BSS": "http", "CONSENT_BSS_HTTP__URL": "http://127.0.0.1:1", "CONSENT_BSS_HTTP__SECRET": SECRET}
    number = ("--to", NUMBERS["mobile"], "--plan", "a", "--refused", "b")
    checked = typed("bss", "check", "http", *number, environ=told)
    assert (checked.returncode, "a shadow calls no BSS" in checked.stderr) == (1, True)
    found = typed("doctor", environ=told)
    assert "this is a shadow" in found.stdout
