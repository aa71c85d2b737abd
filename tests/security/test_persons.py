"""A full run, with everything that can go wrong in it, searched for every number and text.

Logs, metrics, RQ's jobs, names of keys, command lines, pages and errors contain none.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import urllib.error
import urllib.parse
import urllib.request
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from consent_engine.domain.seal import Seal
from tests import needs
from tests.acceptance.house import BSS_SECRET, GATEWAY_SECRET, HOME, SHORT, House, call, command_of, descendants
from tests.at_rest import opened_in
from tests.security.rude import rude
from tests.waiting import HANGS_S, until

NUMBERS = range(71_000_001, 71_000_041)
DIGITS = [f"138{n:08d}" for n in NUMBERS]
WORDS = "zqx{}moon"
"""In every text a person writes; ASCII, so that no encoding can hide it."""
ASKED = "5G智享"
"""In every question we send."""
BETWEEN = re.compile(r"(?<=\d)[ \-./](?=\d)")


def first(n):
    return NUMBERS[n]


@dataclass
class Run:
    """The orders of the run, the SMS sent in it, and every answer given."""

    home: House
    answers: list[str] = field(default_factory=list)
    orders: dict[int, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def place(self, n: int, **changes: Any) -> None:
        status, said = self.home.place(first(n), **changes)
        if status == 201:
            self.orders[n] = said["id"]
        else:
            self.answers.append(json.dumps(said, ensure_ascii=False))

    def say(self, n: int, words: str = "", **changes: Any) -> None:
        text = f"{words}{WORDS.format(len(self.texts))}" if changes.pop("marked", True) else words
        self.texts.append(text)
        said = {"message_id": f"mo-{len(self.texts)}", "from": f"+86138{first(n):08d}", "to": "10085", "text": text}
        body = json.dumps({**said, **changes}, ensure_ascii=False).encode()
        self.heard(self.home.post_signed("/v1/gateways/http_json/inbound", body))

    def heard(self, answer: tuple[int, Any]) -> None:
        """Keep an answer for the search: errors and acknowledgements must name nobody. An agent's own order may."""
        if not (isinstance(answer[1], dict) and "timeline" in answer[1]):
            self.answers.append(json.dumps(answer[1], ensure_ascii=False))

    def raw(self, request: bytes) -> None:
        """Send a request as no library would send it."""
        line = http.client.HTTPConnection("127.0.0.1", self.home.port, timeout=HANGS_S)
        line.connect()
        line.sock.sendall(request)
        with contextlib.suppress(ConnectionError):
            self.answers.append(line.sock.recv(65_536).decode("utf-8", "replace"))
        line.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An engine with 2 workers that has been through everything."""
    needs.server()
    folder = tmp_path_factory.mktemp("persons")
    (folder / "site").mkdir()
    shutil.copy(Path(__file__).with_name("all_said.py"), folder / "site" / "sitecustomize.py")
    home = House(folder, {})
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    home.environ = plain | SHORT | {
        "PYTHONPATH": f"{folder / 'site'}:{HOME}",
        "ALL_SAID": str(folder / "all-said.log"),
        "CONSENT_READING_SPEED": "1000000", "CONSENT_DATA_DIR": str(folder / "data"),
        "CONSENT_GATEWAY": "http_json",
        "CONSENT_HTTP_JSON__URL": f"http://127.0.0.1:{home.outside_port}/sms",
        "CONSENT_HTTP_JSON__SECRET": GATEWAY_SECRET,
        "CONSENT_BSS": "http",
        "CONSENT_BSS_HTTP__URL": f"http://127.0.0.1:{home.outside_port}/bss",
        "CONSENT_BSS_HTTP__SECRET": BSS_SECRET,
        "CONSENT_MAX_ATTEMPTS": "2",
    }  # fmt: skip
    try:
        with rude(home.outside_port) as seen:
            home.start(2)
            home.add_keys()
            made = Run(home)
            live(made)
            made.sent = [sms["text"] for sms in seen if "text" in sms]
            yield made
    finally:
        below = descendants(home.server.pid) if home.server else []
        if home.server is not None and home.server.poll() is None:
            home.stop()
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def live(run):
    """Run through more than twenty orders of all kinds, and every mistake that can be made about them."""
    home = run.home
    for n in range(20):
        run.place(n, **({"metadata": {"note": WORDS.format("note")}} if n % 3 else {}))
    for n in range(20, 30):  # rejected at the door
        run.place(n, msisdn=f"{DIGITS[n]}{DIGITS[n]}")
        run.place(n, call={"caller_number": DIGITS[n], "recording_id": DIGITS[n]})
        run.place(n, plan=DIGITS[n])
        run.place(n, metadata={"note": WORDS.format("note"), "of": DIGITS[n]})
        run.place(n, **{DIGITS[n]: WORDS.format("field")})
    run.place(0)
    handed = [n for n in run.orders if str(first(n))[-1] in "0789"]
    assert handed
    for n in handed:
        until("asked", lambda n=n: home.state(run.orders[n]) == "awaiting_reply")
    replies(run, handed)
    strangers(run)
    for victim in ("-m workers", " api"):
        os.kill(home.children(victim)[0], signal.SIGKILL)
    until("the API is back", lambda: call("GET", f"{home.api}/readyz")[0] == 200)
    run.place(30)
    until("asked", lambda: home.state(run.orders[30]) == "awaiting_reply" or str(first(30))[-1] in "123456")
    ends = {"notified", "declined", "activation_failed", "undeliverable", "cancelled"}
    until("every kind of end", lambda: ends <= {home.state(order) for order in run.orders.values()})


def replies(run, handed):
    """Let subscribers write and agents act: each ends its order in another way."""
    home = run.home
    no, *yes, cancelled = handed
    for n in handed:
        run.say(n, "多少钱？")
        run.say(n, "HELP", marked=False)
    run.heard(home.ask("POST", f"/v1/orders/{run.orders[2]}/cancel", {"reason": f"call {DIGITS[2]}"}))
    run.heard(home.ask("POST", f"/v1/orders/{run.orders[cancelled]}/cancel", {"reason": WORDS.format("reason")}))
    run.say(no, "不同意", marked=False)
    for n in yes:
        run.say(n, "是", marked=False)
        run.say(n, "是", marked=False)
    ends = {"7": "activation_failed", "9": "notified", "0": "notified"}
    for n in yes:
        wanted = ends.get(str(first(n))[-1])
        if wanted:
            until(f"order {n} is {wanted}", lambda n=n, wanted=wanted: home.state(run.orders[n]) == wanted)
    run.say(35, "TD", marked=False)
    run.say(yes[0], "TD", marked=False)
    until("undeliverable", lambda: "undeliverable" in {home.state(order) for order in run.orders.values()})


PLACES = (
    "/{who}", "/v1/orders/{who}", "/v1/orders?msisdn={who}&text={words}", "/v1/plans/{who}", "/ops?q={who}",
    "/rq/0/view/job/{who}", "/v1/gateways/{who}/inbound?text={words}", "/?next={who}", "/assets/0/{who}",
)  # fmt: skip
REQUESTS = (
    "{who} /{who} HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /{who}\r\n{words}\r\n\r\n",
    "{who}{words}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: {who}\r\n{words} {who}\r\n\r\n",
    "GET /{who} HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n",
    "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: {who}\r\n\r\n{words}",
)
"""Requests as no library would send them."""


def strangers(run):
    """Send mistakes and malice: numbers and texts wherever a request can hold them."""
    home, who, words = run.home, DIGITS[38], WORDS.format("stranger")
    run.say(39, "是", marked=False, to=who)
    run.say(39, words, **{"from": f"{who}{words}"})
    run.say(39, words, message_id=f"{who}-{words}", received_at=who)
    report = {
        "ref": f"{run.orders[0]}.confirmation.1",
        "message_id": who,
        "status": "failed",
        "error": f"{who} {words}",
    }
    for changes in ({}, {"ref": f"{who}.confirmation.1"}, {"status": who}, {"at": who}, {"error": who}):
        run.heard(home.post_signed("/v1/gateways/http_json/receipts", json.dumps({**report, **changes}).encode()))
    run.heard(home.post_signed("/v1/gateways/http_json/inbound", f'{{"from":"{who}","text":"{words}'.encode()))
    run.heard(home.post_signed("/v1/gateways/http_json/inbound", f"{who}{words}".encode(), secret=who))
    number = f"+86{who}"
    for path, body in (
        ("/v1/callable", {"msisdn": number}), ("/v1/callable", [{"msisdn": number}, {"msisdn": who + words}]),
        ("/v1/refusals", {"msisdn": number, "channel": "voice", "call": f"{who}.wav"}),
        ("/v1/refusals", {"msisdn": number, "channel": "voice", "call": "rec-20250801-000123"}),
        ("/v1/refusals", {"msisdn": number, "channel": words, "agent": who}), ("/v1/orders/search", {"msisdn": who}),
        ("/v1/refusals/lift", {"msisdn": who, "evidence": {"channel": "web", "ref": who, "at": who}}),
    ):  # fmt: skip
        for role in ("agent", "ops"):
            status, said = home.ask("POST", path, body, role)
            run.heard((status, said))
    rows = f"msisdn,carrier,channel,ref\n{who},mobile,voice,{who}\n{who}{words},,web,{words}\n".encode()
    run.heard(home.ask("POST", "/v1/refusals/import", rows, "ops", **{"Content-Type": "text/csv"}))
    run.heard(
        home.ask(
            "POST",
            "/v1/refusals/import",
            rows.splitlines(keepends=True)[0] + f"{who},,voice,\n".encode(),
            "ops",
            **{"Content-Type": "text/csv"},
        )
    )
    body = {"msisdn": who, "text": words}
    for method in ("GET", "POST", "DELETE"):
        for path in PLACES:
            told = home.ask(method, path.format(who=who, words=words), body if method == "POST" else None, "ops")
            run.heard(told)
    for header in (
        "Authorization",
        "Idempotency-Key",
        "Cookie",
        "User-Agent",
        "Referer",
        "Last-Event-ID",
        "Accept-Language",
    ):
        run.heard(call("POST", f"{home.api}/v1/orders", {"msisdn": who}, {header: f"consent={who} {words}"}))
    form = urllib.parse.urlencode({"key": who, "next": f"/{who}"}).encode()
    run.heard(
        call(
            "POST",
            f"{home.api}/sign-in",
            form,
            {"Content-Type": "application/x-www-form-urlencoded", "Origin": home.api},
        )
    )
    for request in REQUESTS:
        run.raw(request.format(who=who, words=words, long=words * 9_000).encode())


# -- the search --------------------------------------------------------------------------------------------------------


def found(where: str, text: str, *, questions: bool = True) -> list[str]:
    """Every number in a text, and every text of a person or a question that is quoted in it."""
    plain = BETWEEN.sub("", text)
    named = [digits for digits in DIGITS if digits in plain]
    quoted = re.findall(r"zqx\w*moon", text)
    asked = [ASKED] if questions and (ASKED in text or ASKED.encode("unicode_escape").decode() in text) else []
    return [f"{where}: {each}" for each in (*named, *quoted, *asked)]


def seal_of(run):
    """Return the seal of the run's installation, which opens the persons it keeps."""
    return Seal((run.home.folder / "data" / "secret").read_text("ascii").strip())


def test_the_search_finds_what_it_is_looking_for(run):
    """A search that could find nothing would always pass."""
    assert found("x", f"SMS to +86{DIGITS[3]}") == [f"x: {DIGITS[3]}"]
    assert found("x", f"to {DIGITS[3][:3]}-{DIGITS[3][3:7]} {DIGITS[3][7:]}")
    assert found("x", repr([f"多少钱？{WORDS.format(3)}"]))
    assert found("x", json.dumps("5G智享套餐"))
    aof = b"".join(path.read_bytes() for path in run.home.folder.rglob("*.aof")).decode("utf-8", "replace")
    said = "\n".join(opened_in(aof, seal_of(run)))  # what is written is closed
    assert {DIGITS[0], "zqx0moon", ASKED} <= {each.partition(": ")[2] for each in found("aof", said)}


def test_nobody_is_in_the_clear_in_the_files_of_redis(run):
    kept = [path for path in run.home.folder.rglob("*") if path.suffix in {".aof", ".rdb"}]
    assert kept
    for path in kept:
        text = path.read_bytes().decode("utf-8", "replace").replace(WORDS.format("reason"), "")
        assert found(path.name, text, questions=False) == []


def test_nobody_is_in_a_log_not_even_before_it_is_cleaned(run):
    raw = (run.home.folder / "all-said.log").read_text("utf-8")
    names = {line.split(" ", 1)[0].split(".")[0] for line in raw.splitlines()}
    assert {"asyncio", "consent_engine", "rq", "uvicorn"} <= names, names
    assert len(raw.splitlines()) > 200
    assert found("raw log", raw) == []
    assert found("engine.log", run.home.log) == []
    assert "Traceback" not in run.home.log
    for log in run.home.folder.rglob("*.log"):
        assert found(log.name, log.read_text("utf-8", "replace")) == []


def dumped(client, key):
    """Everything in a key, as text."""
    kind = client.type(key).decode()
    read = {
        "string": lambda: [client.get(key)],
        "list": lambda: client.lrange(key, 0, -1),
        "set": lambda: client.smembers(key),
        "zset": lambda: client.zrange(key, 0, -1),
        "hash": lambda: [part for pair in client.hgetall(key).items() for part in pair],
        "none": list,  # it ended since its name was read
        "stream": lambda: [part for _, fields in client.xrange(key) for pair in fields.items() for part in pair],
    }[kind]()
    return " ".join((zlib.decompress(part) if part[:1] == b"x" else part).decode("utf-8", "replace") for part in read)


PERSONLESS = re.compile(rb"rq:|ce:workers|ce:measures|ce:meta|ce:apikeys|ce:key:|ce:\{0\}:(due|journal)")
"""Keys that hold no person part: their values are searched too."""


def test_nobody_is_in_the_name_of_a_key_or_in_a_job(run):
    with contextlib.closing(Redis.from_url(f"unix://{run.home.folder}/data/redis.sock")) as client:
        names = sorted(client.scan_iter("*", count=1000))
        jobs = [name for name in names if name.startswith(b"rq:job:")]
        assert len(names) > 60
        assert len(jobs) > 5
        assert found("names of keys", b" ".join(names).decode()) == []
        searched = [name for name in names if PERSONLESS.match(name)]
        assert len(searched) > 30
        for name in searched:
            assert found(name.decode(), dumped(client, name)) == []


ERASABLE = re.compile(rb"who|p\d+")
"""The person parts of an order. The other fields outlive them, so they must name nobody."""


def test_the_history_of_an_order_names_nobody_outside_its_person_parts(run):
    with contextlib.closing(Redis.from_url(f"unix://{run.home.folder}/data/redis.sock")) as client:
        assert len(run.orders) > 1
        for order in run.orders.values():
            kept = client.hgetall(f"ce:{{0}}:order:{order}")
            who = seal_of(run).cipher.open(kept[b"line"].decode(), kept[b"who"].decode())
            assert any(digits in who for digits in DIGITS)
            for name, value in kept.items():
                if not ERASABLE.fullmatch(name):
                    text = value.decode().replace(WORDS.format("reason"), "")
                    assert found(name.decode(), text) == [], order


def test_nobody_is_in_metrics_or_on_a_command_line(run):
    status, metrics = run.home.ask("GET", "/metrics", role="ops")
    assert status == 200
    assert "consent_" in metrics
    assert found("metrics", metrics) == []
    for pid in [run.home.server.pid, *descendants(run.home.server.pid)]:
        assert found("command line", command_of(pid)) == []


def test_no_error_and_no_acknowledgement_names_anybody(run):
    assert len(run.answers) > 120
    wrong = [each for answer in run.answers for each in found("answer", answer, questions=False)]
    assert wrong == []


def signed_in(home):
    made = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    form = urllib.parse.urlencode({"key": home.keys["ops"]}).encode()
    made.open(urllib.request.Request(f"{home.api}/sign-in", form, {"Origin": home.api}))  # noqa: S310 - our own loopback address
    return made


def test_every_page_that_ops_opens_is_masked(run):
    home = run.home
    document = home.ask("GET", "/openapi.json")[1]
    gets = {path: methods["get"] for path, methods in document["paths"].items() if "get" in methods and "{" not in path}
    read = (path for path, get in gets.items() if not any(each.get("required") for each in get.get("parameters", ())))
    asked = [path for path in read if not path.startswith("/v1/reviews")]  # for reviewers only
    asked += [f"/v1/orders/{order}" for order in run.orders.values()]
    asked += [
        "/",
        "/ops",
        "/ops/board",
        "/reports",
        "/reports/due",
        "/rq/",
        "/rq/0/data/queues.json",
        "/rq/0/data/workers.json",
        "/docs",
        "/tariffs",
    ]
    for lane in ("sms", "inbound", "activation", "timer"):
        asked += [
            f"/rq/0/data/jobs/{lane}/{kind}/100/asc/1.json" for kind in ("queued", "finished", "failed", "started")
        ]
    browser = signed_in(home)
    seen = ""
    for path in asked:
        with browser.open(home.api + path) as answer:
            text = answer.read().decode()
        seen += text
        assert found(path, text.replace(WORDS.format("reason"), ""), questions=False) == [], path
    assert "****" in seen
    assert "sms: " in seen
    for n in run.orders:
        search = home.ask("POST", "/v1/orders/search", {"msisdn": DIGITS[n]}, "ops")
        assert search[1]["orders"]
        assert (
            found(
                "search", json.dumps(search[1], ensure_ascii=False).replace(WORDS.format("reason"), ""), questions=False
            )
            == []
        )
