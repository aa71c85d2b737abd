"""A shadow: everything happens but SMS and calls to the BSS, which no setting of a gateway or BSS brings back."""

import asyncio
import io
import json
import re
from contextlib import closing

import pytest

from consent_engine.api.http.shadow import Marked
from consent_engine.api.web.words import words
from consent_engine.config.settings import Settings
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.csv_file import FileRefused, columns_of
from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import Accepted, Lane, Purpose
from consent_engine.domain.roles import Role
from consent_engine.engine.evidence import encoded
from consent_engine.engine.shadow import Column
from consent_engine.errors import NotOurArchive, SettingsError
from consent_engine.ports import Sms
from consent_engine.verify import SHADOW, Broken, verify
from consent_engine.wiring import archive_of, installation
from tests import needs
from tests.integration.api_door import FULL_SECRET, SECRET, order, reply
from tests.integration.callers import heard
from tests.integration.page_door import PageDoor
from tests.typed import typed

BOTH = [words(each)["shadow"] for each in ("zh", "en")]
PLANS = {"mobile": "5g-smart-199", "telecom": "fibre-duo-129", "unicom": "5g-wo-159"}
NUMBERS = {"mobile": "+8613800138000", "telecom": "+8618900139000", "unicom": "+8618600137000"}
MAPPING = "consent_engine/adapters/bss/http.yaml"


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
    told = reply(text, **({"from": NUMBERS[carrier], "to": CARRIERS[carrier].outbound} | changes))
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


def test_its_events_have_a_source_of_their_own(door):
    """An event is known by source and id: no receiver can take one of a shadow for a real one."""
    assert door.installation.feeding("here")._sender.source.endswith("#shadow")  # noqa: SLF001


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
    inspected = typed("inspect", "--from", "2025-08-01", "--until", "2025-08-02", "--seed", "s", environ=told)
    assert (inspected.returncode, inspected.stdout, "for an inspector" in inspected.stderr) == (1, "", True)
    found = typed("doctor", environ=told)
    assert "this is a shadow" in found.stdout


NAMES = "msisdn=手机号,at=同意时间"
THEIRS = """手机号,同意时间,plan,asked,answer,activated,notified
{mobile},{at},5g-smart-199,yes,yes,yes,yes
{second},{at},5g-smart-199,yes,1,{at},yes
{third},{at},5g-smart-199,no,,no,no
{barred},{later},5g-smart-199,yes,是,是,否
{unknown},{at},5g-smart-199,no,,no,no
138,{at},5g-smart-199,no,,no,no
{mobile},{at},5g-smart-199,yes,yes,yes,yes
{mobile},soon,5g-smart-199,yes,yes,yes,yes
{mobile},{at},5g-smart-199,perhaps,yes,yes,yes
"""


@pytest.fixture
def day(door):
    """A day of ours: a yes that both read; one that we do not take for one; one that only we asked; one that is not in
    their file; a refusal before a call of theirs.
    """
    numbers = {
        "mobile": NUMBERS["mobile"], "second": "+8613800138001", "third": "+8613800138002", "ours": "+8613800138003",
        "barred": "+8613800138004", "unknown": "+8613800138005",
    }  # fmt: skip
    for who in ("mobile", "second", "third", "ours"):
        wanted = order(msisdn=numbers[who], plan=PLANS["mobile"], call={"recording_id": f"rec-{who}"})
        assert door.place(wanted, key=who).status_code == 201
    door.work(Lane.SMS)
    for who, text in (("mobile", "是"), ("second", "1")):
        said(door, text, message_id=who, **{"from": numbers[who]})
    refusal = {"msisdn": numbers["barred"], "carrier": "mobile", "channel": "voice"}
    assert door.call("POST", "/v1/refusals", Role.OPS, refusal).status_code == 201
    at = order()["call"]["agreed_at"]
    later = CHINA.instant(door.engine.registry.now())
    return numbers | {"at": at, "later": later}


@pytest.fixture
def compared(door, day):
    def run(content, columns=None):
        with door.engine.shadow.compared(io.StringIO(content.format(**day)), columns_of(columns, Column)) as found:
            return found.counts, list(found.differences()), list(found.refused()), (found.orders, found.open)

    return run


def test_every_difference_is_named(compared, day):
    counts, found, refused, orders = compared(THEIRS, NAMES)
    named = [(each.what, each.line, each.msisdn, each.theirs, each.ours, each.because.split(" ")[-1]) for each in found]
    assert named == [
        ("called", 5, day["barred"], "yes", "no", "refused"),
        ("asked", 0, day["ours"], "no", "yes", "awaiting_reply"),
        ("asked", 4, day["third"], "no", "yes", "awaiting_reply"),
        ("asked", 5, day["barred"], "yes", "no", ""),
        ("answer", 3, day["second"], "yes", "other", "awaiting_reply"),
        ("answer", 5, day["barred"], "yes", "none", ""),
        ("activated", 3, day["second"], "yes", "no", "awaiting_reply"),
        ("activated", 5, day["barred"], "yes", "no", ""),
        ("notified", 3, day["second"], "yes", "no", "awaiting_reply"),
    ]
    assert [tuple(each) for each in counts] == [
        ("called", 5, 4, 1, 0, 0), ("asked", 6, 3, 1, 2, 0), ("answer", 6, 4, 1, 0, 1), ("activated", 6, 4, 2, 0, 0),
        ("notified", 6, 5, 1, 0, 0),
    ]  # fmt: skip
    assert orders == (4, 3)
    assert [(each.line, each.why.partition(":")[0]) for each in refused] == [
        (7, "msisdn"), (8, "is the sale of line 2 again"), (9, "at"), (10, "asked"),
    ]  # fmt: skip


def test_what_has_no_column_is_not_compared(compared):
    rows = "".join(f"{{{who}}},{{at}}\n" for who in ("mobile", "second", "third", "ours"))
    counts, found, refused, _ = compared(f"msisdn,at\n{rows}")
    assert ([each.what for each in counts], found, refused) == (["called"], [], [])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("msisdn,when\n", "no column at"),
        ("msisdn,at\n", "the file has no sale"),
        ("msisdn,at\n138,x\n", "no line is a sale; line 2: msisdn"),
    ],
)
def test_what_is_no_file_of_sales_is_refused_as_a_whole(compared, content, why):
    with pytest.raises(FileRefused, match=why):
        compared(content)


@pytest.fixture
def terminal(door):
    """Run a command of the shadow."""
    kept = {"CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "CONSENT_SHADOW": "true"}
    return lambda *arguments: typed("shadow", *arguments, environ=kept)


def test_a_terminal_compares_masks_and_answers_with_its_status(terminal, day, tmp_path):
    file = tmp_path / "theirs.csv"

    def run(content, *more):
        file.write_text(content.format(**day), "utf-8")
        return terminal("compare", str(file), *more)

    whole = run("\n".join(THEIRS.splitlines()[:6]) + "\n", "--columns", NAMES)
    assert whole.returncode == 1, whole.stderr
    rows = [each.split("\t") for each in whole.stdout.splitlines()]
    assert rows[0] == ["called", "5", "4", "1", "0", "0"]
    assert ["orders here", "4"] in rows
    assert rows[7][0] == "called"
    assert rows[7][-1] == "refused"
    assert not re.search("[0-9]{11}", re.sub("[0-9a-f]{28}", "", whole.stdout + whole.stderr))
    assert run("msisdn,at\n{mobile},{at}\n").returncode == 0
    assert run(THEIRS, "--columns", NAMES).returncode == 2
    bad = run("msisdn,when\n")
    assert (bad.returncode, "no column at" in bad.stderr) == (2, True)
    assert run(THEIRS, "--columns", "number=1").returncode == 2


def test_refusals_are_taken_along(door, terminal, day, tmp_path):
    """As the file that `consent import` reads; and the reveal stands on /audit."""
    kept = terminal("restrictions", "refusals", "--reason", "we go live")
    assert kept.stdout == f"msisdn,carrier\n{day['barred']},mobile\n", kept.stderr
    [reveal] = door.engine.reveals.happened()
    assert (reveal.reason, reveal.size, reveal.what) == ("we go live", 1, "restrictions=refused")
    file = tmp_path / "refusals.csv"
    file.write_text(kept.stdout)
    real = {"CONSENT_DATA_DIR": str(tmp_path / "real"), "CONSENT_SECRET": FULL_SECRET, "CONSENT_DURABILITY": "everysec"}
    assert '"new": 1' in typed("import", "refusals", str(file), "--json", environ=real).stdout
