"""A BSS that a file describes: the files of docs/bss.md against real servers, wrong files, answers of every kind."""

import asyncio
import re
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from consent_engine.adapters.bss import registry, templated
from consent_engine.adapters.bss.templated import mapping_from
from consent_engine.adapters.templates import LONGEST_FILE
from consent_engine.domain.effects import Accepted, Rejected, Settlement, Unavailable, Uncertain, Untaken
from consent_engine.errors import SettingsError
from consent_engine.ports import Activation, Deactivation
from tests.contract import ECHO, MSISDN, NOW_S, NUMBER, PATIENT, TEXT, Far, answers, bounded, discreet, misread, says
from tests.contract.carriers import PASSPHRASE, SECRET, JsonTasks, XmlOrders, certificate, serving
from tests.typed import typed

PAGE = (Path(__file__).parents[2] / "docs" / "bss.md").read_text("utf-8")
XML, JSON = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
ON = Activation("11-abc", MSISDN, "5g-smart-199", 3, "p" * 64, NOW_S * 1000 + 7, "h" * 64)
OFF = Deactivation("e-1", "11-abc", "S-1", MSISDN, "5g-smart-199", "withdrawn", NOW_S * 1000, free_exit=True)
DONE = "<Result><Code>0000</Code><Service id='S-1'><From>2025-08-02</From></Service><Fee>12.50</Fee></Result>"


def checked(folder, text, url, refused, wait="60s", **settings):
    """Return what `consent bss check` says of a BSS: each step's verdict, and all of it."""
    (folder / "bss.yaml").write_text(text, "utf-8")
    own = {"URL": url, "MAPPING": str(folder / "bss.yaml"), "SECRET": SECRET, **settings}
    environ = {"PATH": "/usr/bin:/bin", **{f"CONSENT_BSS_TEMPLATED__{name}": value for name, value in own.items()}}
    to = ("--to", NUMBER, "--plan", "5g-smart-199", "--refused", refused, "--wait", wait)
    done = typed("bss", "check", "templated", *to, environ=environ, folder=folder)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert NUMBER not in done.stdout + done.stderr
    return done, {step: verdict for step, _, verdict in rows}, [answer for _, answer, _ in rows]


@pytest.fixture
def certificates(tmp_path):
    """Return the BSS's TLS, which wants our certificate, and our settings for it."""
    (theirs, their_key), (ours, our_key) = certificate(tmp_path, "theirs"), certificate(tmp_path, "ours")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ours))
    context.load_cert_chain(theirs, their_key, PASSPHRASE)
    context.verify_mode = ssl.CERT_REQUIRED
    return context, {"CA": str(theirs), "CERTIFICATE": str(ours), "KEY": str(our_key), "PASSPHRASE": PASSPHRASE}


def test_a_bss_of_xml_that_wants_our_certificate_is_played_through(tmp_path, certificates):
    orders, (tls, shown) = XmlOrders(), certificates
    with serving(orders.answer, tls) as port:
        done, steps, said = checked(tmp_path, XML, f"https://127.0.0.1:{port}", "plan-that-it-refuses", **shown)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {*steps.values()} == {"fits"}
    assert [step for step in steps if "cut off" in step or "refused" in step or "deactivation" in step]
    assert said[:2] == ["done: S-1 2025-08-02"] * 2
    assert "refused: 2001" in said
    assert (len(orders.on), len(orders.off), orders.wrong) == (2, 2, []), "each is on once, and off again"


def test_a_bss_that_answers_by_a_task_is_played_through(tmp_path):
    tasks = JsonTasks()
    with serving(tasks.answer) as port:
        done, steps, said = checked(tmp_path, JSON, f"http://127.0.0.1:{port}", "nothing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {*steps.values()} == {"fits"}
    assert "refused: NO_SUCH_OFFER" in said
    assert (len(tasks.on), len(tasks.off), tasks.wrong) == (2, 2, [])


def test_the_check_says_what_does_not_fit(tmp_path):
    orders = XmlOrders(twice=True)
    with serving(orders.answer) as port:
        without = XML.replace(
            """    - {status: 200, where: {Result.Code: "1004"}, is: unknown, code: Result.Code}\n""", ""
        )
        done, steps, said = checked(tmp_path, without, f"http://127.0.0.1:{port}", "5g-smart-199")
    assert done.returncode == 1
    assert steps["the same again"] == "must name the first id: was it done twice?"
    assert steps["question about another"] == "must be known not to be there: its row `unknown`, with a code"
    assert steps["activation to be refused"] == "must be refused, with a code"
    assert "in doubt: asked: BSS answered 200" in said


def test_the_check_ends_where_nothing_can_be_switched_on(tmp_path):
    done, steps, _ = checked(tmp_path, JSON, "http://127.0.0.1:1", "nothing", wait="1s")
    assert done.returncode == 1
    assert steps["activation"] == "must be done: a row `done` that names its id"


# One call ---------------------------------------------------------------------------------------------------------


def talk(text, behaviour, do, folder, seconds=PATIENT, **raw):
    """Return the outcome of `do`, and the far side with the requests it received."""
    (folder / "bss.yaml").write_text(text, "utf-8")

    async def conversation():
        async with bounded(seconds), Far(behaviour) as far:
            settings = {"URL": f"{far.url}/v2/", "SECRET": SECRET, "MAPPING": str(folder / "bss.yaml"), **raw}
            return await do(templated.build("templated", settings, timedelta(seconds=seconds), lambda: NOW_S)), far

    outcome, far = asyncio.run(conversation(), debug=True)
    assert SECRET not in discreet(repr(outcome))
    return outcome, far


def activate(system):
    return system.activate(ON)


def ask(system):
    return system.ask("11-abc")


def xml(body, status=200):
    return answers(status, body if isinstance(body, bytes) else body.encode())


def test_what_is_sent_is_what_the_file_says(tmp_path):
    outcome, far = talk(XML, xml(DONE), activate, tmp_path)
    (request,) = far.requests
    assert outcome == Accepted("S-1", "2025-08-02")
    assert (request.method, request.target) == ("POST", "/v2/ws/orders")
    assert request.headers["content-type"] == "text/xml; charset=utf-8"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert "x-consent-signature" not in request.headers
    assert "<Time>20250801100000</Time>" in request.body.decode(), "by China's clock"
    assert f"<Number>{NUMBER}</Number>" in request.body.decode()
    assert '<Product action="open">P-1990</Product>' in request.body.decode()


def test_a_value_cannot_leave_its_place(tmp_path):
    odd = '"></Service><Product action="open">&/?#\r\nX: 1'
    outcome, far = talk(XML, xml(DONE), lambda system: system.deactivate(replace(OFF, activation_id=odd)), tmp_path)
    assert outcome == Accepted("S-1", settled=Settlement("12.50"))
    assert far.requests[0].body.count(b"<Product") == 1
    _, far = talk(XML, xml(DONE), lambda system: system.ask(odd), tmp_path)
    assert far.requests[0].target.startswith(
        "/v2/ws/orders?TransId=%22%3E%3C/Service%3E%3CProduct%20action%3D%22open%22%3E%26/?%23%0D%0A"
    )
    named = XML.replace("  Authorization:", "  X-Service: \"{{ 'x' }}\"\n  Authorization:")
    assert talk(named, xml(DONE), activate, tmp_path)[1].requests[0].headers["x-service"] == "x"
    header = JSON.replace(
        '{X-Idempotency: "{{ ending_id }}"}', '{X-Idempotency: "{{ ending_id }}", X-Of: "{{ activation_id }}"}'
    )
    outcome, far = talk(header, xml("{}"), lambda system: system.deactivate(replace(OFF, activation_id=odd)), tmp_path)
    assert (outcome, far.requests) == (Unavailable("no_connection:ValueError"), [])


@pytest.mark.parametrize("do", [activate, ask])
def test_whatever_may_have_been_taken_is_in_doubt_in_xml_too(tmp_path, do):
    assert misread(lambda behaviour, seconds: talk(XML, behaviour, do, tmp_path, seconds), Uncertain) == {}


BOMB = (
    "<!DOCTYPE r [<!ENTITY a 'S-1'>"
    + "".join(f"<!ENTITY {n} '{f'&{c};' * 10}'>" for c, n in zip("abcdefg", "bcdefgh", strict=True))
    + "]>"
)
ODD = {
    "entities that multiply": BOMB + DONE.replace("S-1", "&h;"),
    "an entity": "<!DOCTYPE r [<!ENTITY a 'S-1'>]>" + DONE.replace("S-1", "&a;"),
    "a file": "<!DOCTYPE r [<!ENTITY a SYSTEM 'file:///etc/hostname'>]>" + DONE.replace("2025-08-02", "&a;"),
    "a DTD elsewhere": "<!DOCTYPE Result SYSTEM 'http://127.0.0.1:1/x.dtd'>" + DONE,
    "an entity that nobody declared": DONE.replace("S-1", "&a;"),
    "cut off": DONE[:-3],
    "two of them": DONE + DONE,
    "elements without end": "<a>" * 20_000,
    "another character set": DONE.encode("utf-16"),
    "no id": DONE.replace("id='S-1'", ""),
    "two services": DONE.replace("<Fee>", "<Service id='S-2'/><Fee>"),
    "an empty id": DONE.replace("S-1", ""),
    "an error in the place of an id": DONE.replace("S-1", "-1"),
    "a code of no row": DONE.replace("0000", "7777"),
    "no code": DONE.replace("Code", "Kode"),
    "two codes": DONE.replace("<Code>", "<Code>2001</Code><Code>"),
    "JSON": '{"Result": {"Code": "0000", "Service": {"@id": "S-1"}}}',
    "ten megabytes": f"<Result>{'<x/>' * 2_500_000}</Result>",
}  # fmt: skip


def test_an_answer_that_nobody_expects_is_in_doubt(tmp_path):
    """Success, a refusal and a proof of nothing are only what a row names as such."""
    for do in (activate, ask):
        found = {name: talk(XML, xml(body), do, tmp_path)[0] for name, body in ODD.items()}
        assert {name for name, outcome in found.items() if not isinstance(outcome, Uncertain)} == set()
    told = {
        status: talk(XML, xml(DONE, status), activate, tmp_path)[0] for status in (201, 204, 302, 404, 422, 500, 503)
    }
    assert {*map(type, told.values())} == {Uncertain}
    assert {
        status: type(talk(XML, xml("", status), activate, tmp_path)[0]) for status in (401, 403, 429)
    } == dict.fromkeys((401, 403, 429), Unavailable)


def test_every_row_means_what_the_page_says(tmp_path):
    def said(code):
        return xml(f"<Result><Code>{code}</Code></Result>")

    assert talk(XML, said("2002"), activate, tmp_path)[0] == Rejected("2002")
    assert talk(XML, said("0009"), activate, tmp_path)[0] == Uncertain("in_progress:")
    assert talk(XML, said("0009"), ask, tmp_path)[0] == Unavailable("asked:in_progress:")
    assert talk(XML, said("1004"), ask, tmp_path)[0] == Untaken("asked:bss_unknown:")
    assert talk(XML, xml("", 401), ask, tmp_path)[0] == Unavailable("asked:bss:401", refusing=True)
    spaced = f"<?xml version='1.0' encoding='GBK'?><!-- -->\n{DONE.replace('0000', ' 0000 ')}<!-- -->"
    assert talk(XML, xml(spaced.replace("</Fee>", f"</Fee><M>{TEXT}</M>")), activate, tmp_path)[0] == Accepted(
        "S-1", "2025-08-02"
    )
    chinese = XML.replace("format: xml", "format: xml\ncharset: gb18030")
    told = DONE.replace("<Fee>", "<Message>成功</Message><Fee>")
    assert talk(chinese, xml(told.encode("gbk")), activate, tmp_path)[0] == Accepted("S-1", "2025-08-02")


def test_a_task_that_takes_longer_than_the_call_is_in_doubt(tmp_path):
    async def behave(request, wire):
        said = b'{"task": {"id": "t/1"}}' if request.method == "PUT" else b'{"state": "RUNNING"}'
        await answers(202 if request.method == "PUT" else 200, said)(request, wire)
        if request.method == "GET":  # the call's time is over: its clock is set forward
            loop = asyncio.get_running_loop()
            loop.time = lambda was=loop.time: was() + PATIENT

    outcome, far = talk(JSON, behave, activate, tmp_path)
    assert outcome == Uncertain("in_progress:")
    assert {request.target for request in far.requests[1:]} == {"/v2/v3/tasks/t%2F1"}


@pytest.mark.parametrize("poll", [
    answers(401), answers(404, {"error": "E"}), answers(500), answers(200, {"state": "DONE"}),
    answers(200, {"state": "LOST"}), answers(200, {"state": "FAILED"}), says(ECHO),
])  # fmt: skip
def test_what_was_accepted_and_is_not_said_to_have_ended_is_in_doubt(tmp_path, poll):
    async def behave(request, wire):
        await (poll if request.method == "GET" else answers(202, {"task": {"id": "t1"}}))(request, wire)

    assert isinstance(talk(JSON, behave, activate, tmp_path)[0], Uncertain)
    assert isinstance(talk(JSON, answers(202, {"task": {}}), activate, tmp_path)[0], Uncertain), "no task is named"


def test_a_plan_that_no_table_has_is_not_sent(tmp_path):
    outcome, far = talk(XML, xml(DONE), lambda system: system.activate(replace(ON, plan="items")), tmp_path)
    assert (outcome, far.requests) == (Unavailable("unfilled:KeyError"), [])


# Files and settings that are wrong --------------------------------------------------------------------------------


WRONG = {
    # a template that is no expression
    ("{{ order_id }}", "{% for a in order_id %}{{ a }}{% endfor %}"): "activate.body: For is not allowed",
    ("{{ order_id }}", "{% set a = order_id %}"): "activate.body: Assign is not allowed",
    ("{{ order_id }}", "{% include 'x' %}{{ order_id }}"): "activate.body: Include is not allowed",
    ("{{ order_id }}", "{{ order_id.__class__ }}"): "activate.body: Getattr is not allowed",
    ("{{ order_id }}", "{{ order_id['x'] }}"): "activate.body: Getitem is not allowed",
    ("{{ order_id }}", "{{ order_id.upper() }}"): "activate.body: Call is not allowed",
    ("{{ order_id }}", "{{ range(9) }}{{ order_id }}"): "activate.body: Call is not allowed",
    ("{{ order_id }}", "{{ order_id * 1000000000 }}"): "activate.body: Mul is not allowed",
    ("{{ order_id }}", "{{ 9 ** 9 ** 9 }}"): "activate.body: Pow is not allowed",
    ("{{ order_id }}", "{{ order_id | replace('a', 'b') }}"): "activate.body: replace is no filter here",
    ("{{ order_id }}", "{{ order_id if plan }}"): "activate.body: CondExpr is not allowed: only values",
    ("{{ order_id }}", "{{ order_id"): "activate.body: unexpected '/'",
    ("{{ order_id }}", "{{ " + "(" * 5_000 + "order_id" + ")" * 5_000 + " }}"): "is nested too deeply",
    ("{{ order_id }}", "{{ oder_id }}"): "activate.body: oder_id is no value here: confirmed_at",
    ("{{ order_id }}", "{{ ending_id }}"): "activate.body: ending_id is no value here",
    ("{{ order_id }}", "{{ order_id | digest('md4711') }}"): "activate: a template cannot be filled in: ValueError",
    ("{{ order_id }}", "{{ body | digest }}"): "activate.body: body is no value here",
    ('table("products")', 'table("prices")'): "activate.body: table needs the name of one of `tables`",
    # a request without what makes it one
    ("<TransId>{{ order_id }}</TransId>", ""): "activate must name order_id: a repeat",
    ("{{ msisdn | national }}</Number>", "</Numbr>"): "activate.body is no XML: mismatched tag",
    ("path: /ws/orders\n  body", "path: /ws/orders/{{ msisdn }}\n  body"): "activate.path: msisdn is no value here",
    ("Bearer {{ secret }}", "{{ msisdn }}"): "activate.headers.Authorization: msisdn is no value here",
    ("Bearer {{ secret }}", "{{ body }}"): "activate.headers.Authorization: body is no value here",
    ("Authorization", "Content-Length"): "headers.Content-Length.[key] is a header that the client sets itself",
    ("Authorization", "X_Y"): "headers.X_Y.[key] must match",
    ("path: /ws/orders\n  body", "path: ws\n  body"): "activate.path must match",
    ("path: /ws/orders\n  body", "path: /w s\n  body"): "activate.path must be ASCII without blanks",
    ("method: POST", "method: GET"): "activate.method must not be GET",
    ("format: xml", "format: soap"): "format must be 'json' or 'xml'",
    ("format: xml", "format: xml\nlook_up: {}"): "look_up is no field here",
    ("format: xml", "format: &a xml\ncharset: *a"): "must not have aliases",
    ("format: xml", "format: {"): "is not YAML in line",
    ("format: xml", "format: !!python/name:os.system x"): "is not YAML in line 1",
    ("is: in_progress", "is: in_progress, is: done, id: Result.@id"): "has the name is twice, in line",
    # a table that guesses
    ("id: Result.Service.@id, since", "id: [], since"): "answers.0 with `is: done` must name the field of its id",
    ("id: Result.Service.@id, since", "id: , since"): "activate.answers.0.id",
    ("id: Result.Service.@id, since", "id: Result..id, since"): "activate.answers.0.id",
    ("id: Result.Service.@id, since", "key: x, since"): "activate.answers.0.key is no field here",
    ('status: 200, where: {Result.Code: "0000"}, is: done', 'where: {Result.Code: "0000"}, is: done'): "its statuses",
    ('status: 200, where: {Result.Code: "0000"}, is: done', "status: [200, 500], is: done"): "all of them 2xx",
    ("is: refused, code: Result.Code", "is: refused"): "must name the field of its code",
    ("{status: 429, is: not_taken}", "{status: 503, is: not_taken}"): "no 503 without `where`: it may be a proxy's",
    ("{status: 429, is: not_taken}", "{status: 502, is: not_taken}"): "must name statuses of 4xx, or say `where`",
    ("{status: 429, is: not_taken}", "{status: 429, is: not_taken, id: a}"): "with `is: not_taken` has no id",
    ("{status: 429, is: not_taken}", "{status: 404, is: unknown, code: a}"): "activate.answers has no `is: unknown`",
    ("{status: 429, is: not_taken}", "{is: in_progress}"): "must name a status, or say `where`",
    ("{status: 429, is: not_taken}", "{status: 202, is: in_progress, task: a}"): "poll and `task` belong together",
    ("{status: 429, is: not_taken}", "{status: 4290, is: not_taken}"): "activate.answers.4.status.0 must be less than",
    ("is: in_progress", "is: fine"): "activate.answers.1.is must be 'done', ",
    ("deactivate:", "deaktivate:"): "deactivate must be given",
}  # fmt: skip


def test_a_wrong_file_stops_the_start_with_the_place_and_the_fault(tmp_path):
    mapping_from(XML)
    unnoticed = {}
    for (text, put), fault in WRONG.items():
        assert text in XML
        (tmp_path / "bss.yaml").write_text(XML.replace(text, put, 1), "utf-8")
        try:
            registry.build(
                "templated", lambda _: SETTINGS | {"MAPPING": str(tmp_path / "bss.yaml")}, timedelta(seconds=1)
            )
            unnoticed[put] = "it is read"
        except SettingsError as error:
            if (
                not str(error).startswith("CONSENT_BSS_TEMPLATED__MAPPING: bss.yaml: ")
                or fault not in str(error)
                or "\n" in str(error)
            ):
                unnoticed[put] = str(error)
    assert unnoticed == {}


def test_a_wrong_file_of_json_is_named_too():
    for text, put, fault in (
        ("confirmed: true", "confirmed: 2025-08-01", "activate.body.confirmed must be a text in quotes"),
        ("confirmed: true", "confirmed: .nan", "activate: a template cannot be filled in: ValueError"),
        ("confirmed: true", "1: true", "activate.body: the name 1 must stand in quotes"),
        ("confirmed: true", 'confirmed: "{{ plan * 3 }}"', "activate.body.confirmed: Mul is not allowed"),
        ("FAILED}, is: refused, code: error", "FAILED}, is: refuses_us", "poll.answers has no `is: refuses_us`"),
        ("where: {state: FAILED}, is: refused, code: error", "is: not_taken", "poll.answers.1 with `is: not_taken`"),
        ("200, where: {state: FAILED}, is: refused, code: error", "404, is: not_taken", "poll.answers with"),
    ):  # fmt: skip
        assert text in JSON
        with pytest.raises(ValueError, match=f"^{re.escape(fault)}"):
            mapping_from(JSON.replace(text, put))


SETTINGS = {"URL": "https://127.0.0.1:1", "SECRET": SECRET}


def test_a_wrong_setting_stops_the_start_by_its_name(tmp_path, certificates):
    _, shown = certificates
    sound, long, binary = tmp_path / "sound.yaml", tmp_path / "long.yaml", tmp_path / "binary.yaml"
    sound.write_text(XML, "utf-8")
    long.write_text("#" * (LONGEST_FILE + 1), "utf-8")
    binary.write_bytes(b"\xff\xfe\xff")
    right = SETTINGS | {"MAPPING": str(sound)} | shown
    templated.build("templated", right, timedelta(seconds=1))
    wrong = [
        ("MAPPING", "", "is missing"), ("MAPPING", str(tmp_path / "none"), "names a file that cannot be read"),
        ("MAPPING", str(tmp_path), "names a file that cannot be read"),
        ("MAPPING", str(long), ": long.yaml: is longer"),
        ("MAPPING", str(binary), "names a file that is not text"), ("SECRET", "", "is missing"),
        ("URL", "https://a/?b=c", "must end in a path"), ("URL", "http://127.0.0.1:1", "must begin with https://"),
        ("CA", str(sound), "names no file of certificates"), ("CA", str(tmp_path / "none"), "names no file"),
        ("CERTIFICATE", str(sound), ", with CONSENT_BSS_TEMPLATED__KEY, must name a certificate"),
        ("CERTIFICATE", None, "is missing: CONSENT_BSS_TEMPLATED__KEY belongs to it"),
    ]  # fmt: skip
    for key, value, fault in wrong:
        raw = {name: each for name, each in (right | {key: value}).items() if each is not None}
        with pytest.raises(SettingsError, match=f"^CONSENT_BSS_TEMPLATED__{key} ?{re.escape(fault)}"):
            templated.build("templated", raw, timedelta(seconds=1))
    for key, value in (("KEY", shown["CERTIFICATE"]), ("PASSPHRASE", "wrong")):
        with pytest.raises(SettingsError, match="or the passphrase is wrong"):
            templated.build("templated", right | {key: value}, timedelta(seconds=1))


def test_who_shows_no_certificate_sends_nothing_that_is_taken(tmp_path, certificates):
    tls, shown = certificates
    (tmp_path / "bss.yaml").write_text(XML, "utf-8")
    orders = XmlOrders()
    with serving(orders.answer, tls) as port:
        raw = {"URL": f"https://127.0.0.1:{port}", "SECRET": SECRET, "MAPPING": str(tmp_path / "bss.yaml")}
        found = [
            asyncio.run(templated.build("templated", raw | more, timedelta(seconds=PATIENT)).activate(ON))
            for more in ({}, {"CA": shown["CA"]}, shown)
        ]
    assert [type(each) for each in found[::2]] == [Unavailable, Accepted], "nor is their certificate believed unseen"
    assert not isinstance(found[1], Accepted)
    assert len(orders.on) == 1
