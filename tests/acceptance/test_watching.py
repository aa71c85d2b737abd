"""Monitoring by a real Prometheus and Alertmanager: every query of the dashboard has data, every alarm is sent."""

import json
import re
import socketserver
import subprocess
import threading
import urllib.parse
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml

from benchmarks.ports import free_port
from tests import needs
from tests.acceptance.house import call, house
from tests.pages import alarm, alarms
from tests.waiting import HANGS_S, until

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "consent.json").read_text("utf-8"))
QUERIES = sorted({each["expr"] for panel in DASHBOARD["panels"] for each in panel.get("targets", [])})
FASTER = 30
"""Every duration of the rules is divided by this, and the scrape interval of 15 s becomes half a second."""
LONGEST_FOR = 8
SECONDS = {"s": 1, "m": 60, "h": 3600}


def shorter(text, longest_for=LONGEST_FOR, unhurried=("ConsentDown",)):
    """The rules sped up: windows and offsets divided, no `for` longer than a few seconds.

    unhurried: alarms that keep their `for`; a busy machine answers several scrapes in a row after half a second
    """

    def in_ms(match):
        return f"{match[1]}{int(match[2]) * SECONDS[match[3]] * 1000 // FASTER}ms"

    text = re.sub(r"(\[|offset )(\d+)([smh])", in_ms, text)
    told = yaml.safe_load(text)
    for group in told["groups"]:
        for rule in group["rules"]:
            if "for" in rule and rule["alert"] not in unhurried:
                length, unit = int(rule["for"][:-1]), rule["for"][-1]
                rule["for"] = f"{min(length * SECONDS[unit] * 1000 // FASTER, longest_for * 1000)}ms"
    return yaml.safe_dump(told)


class Told(ThreadingHTTPServer):
    """A server of metrics that the test makes up, which also takes Alertmanager's messages."""

    metrics = ""
    scrapes = 0
    missing: frozenset[int] = frozenset()

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.sent: list[tuple[str, str]] = []
        self.posts: list[tuple[str, set[str]]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Told

    def do_GET(self):
        self.server.scrapes += 1
        status = 503 if self.server.scrapes in self.server.missing else 200
        self._answer(status, self.server.metrics.replace("@", str(self.server.scrapes)).encode())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posts.append((body["receiver"], {alarm(each["labels"]) for each in body["alerts"]}))
        self.server.sent += [(alarm(each["labels"]), each["status"]) for each in body["alerts"]]
        self._answer(200, b"")

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Log nothing."""


@dataclass
class Prometheus:
    """A Prometheus of the test's own."""

    port: int = field(default_factory=free_port)

    def ask(self, query):
        found = call("GET", f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
        assert found[0] == 200, found
        return found[1]["data"]["result"]

    def states(self):
        told = call("GET", f"http://127.0.0.1:{self.port}/api/v1/alerts")[1]["data"]["alerts"]
        return {(each["labels"]["alertname"], each["state"]) for each in told}


@contextmanager
def started(folder, name, *arguments):
    log = (folder / f"{name}.log").open("wb")
    process = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    log.close()
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(HANGS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(HANGS_S)


@contextmanager
def prometheus(
    folder: Path, targets: Sequence[str], more: dict[str, object], rules: str = "groups: []"
) -> Iterator[Prometheus]:
    """Scrape the targets as job `consent` inside the block."""
    program = needs.program("prometheus", "prometheus")
    made = Prometheus()
    (folder / "rules.yml").write_text(rules)
    scrape = {"job_name": "consent", "static_configs": [{"targets": [*targets]}]}
    told = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": ["rules.yml"], "scrape_configs": [scrape | more.pop("scrape", {})], **more,
    }  # fmt: skip
    (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
    arguments = [
        program, "--config.file=prometheus.yml", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{made.port}", "--web.enable-lifecycle",
    ]  # fmt: skip
    with started(folder, "prometheus", *arguments):
        until("Prometheus is ready", lambda: call("GET", f"http://127.0.0.1:{made.port}/-/ready")[0] == 200)
        yield made


def test_every_query_of_the_dashboard_returns_data_of_a_running_engine(tmp_path):
    needs.program("prometheus", "prometheus")
    of_api = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        made = stack.enter_context(house(tmp_path, CONSENT_METRICS_ADDR=of_api))

        def of_workers():
            """The addresses that they took behind that of the API; None before both have."""
            ports = re.findall(r"metrics at 127.0.0.1 port (\d+)", made.log)
            return [f"127.0.0.1:{port}" for port in ports] if len(ports) == 2 else None

        of_all = [of_api, *until("both workers serve theirs", of_workers)]
        watching = stack.enter_context(prometheus(tmp_path, of_all, {}))
        until("it is scraped", lambda: watching.ask("consent_store_up"))
        for number in range(5):
            order = made.place(8_100 + number)[1]["id"]
            until("asked", lambda order=order: made.state(order) == "awaiting_reply")
            made.say(8_100 + number, "是", f"mo-{number}")
            until("told", lambda order=order: made.state(order) == "notified")
            # A rate needs a step between two scrapes: the first order's series are there before the others come.
            until("its calls are scraped", lambda: watching.ask("consent_outside_call_duration_seconds_bucket"))

        def without():
            """Queries with no data, or with no number in them."""
            asked = {query: watching.ask(query.replace("$__rate_interval", "5m")) for query in QUERIES}
            return [query for query, rows in asked.items() if all(row["value"][1] == "NaN" for row in rows)]

        with suppress(AssertionError):  # the assertion below says which queries
            until("every query has data", lambda: without() == [])
        assert without() == []


def test_every_query_asks_for_series_that_are_documented_and_every_panel_has_one():
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.M))
    asked = {
        re.sub("_(bucket|sum|count)$", "", name) for query in QUERIES for name in re.findall(r"\bconsent_\w+", query)
    }
    assert asked - documented == set()
    assert all(panel["type"] == "row" or panel["targets"] for panel in DASHBOARD["panels"])


BAD = """
consent_store_up 0
consent_archive_up 0
consent_journal_oldest_seconds 4000
consent_log_unsigned_seconds 4000
consent_log_unwitnessed_seconds 4000
consent_log_refused 1
consent_workers_alive 0
consent_lane_workers{lane="sms"} 1
consent_backup_timestamp_seconds 1000000000
consent_certificate_expires_timestamp_seconds{server="public"} 1000000000
consent_lane_oldest_due_seconds{lane="activation"} 300
consent_lane_parked{lane="sms"} 3
consent_held_oldest_seconds 80000
consent_outside_failing_seconds{to="gateway",name="kannel"} 200
consent_outside_failed_ratio{to="gateway",name="kannel"} 0.5
consent_outside_refusing_seconds{to="gateway",name="http_json"} 200
consent_gateway_clock_skew_seconds{gateway="kannel"} 10
consent_gateway_clock_allowed_seconds{gateway="kannel"} 6
consent_store_clock_skew_seconds 0
consent_orders{placed="today",state="activated"} 2
consent_orders{placed="today",state="notified"} 0
consent_orders{placed="today",state="undeliverable"} 20
consent_redis_memory_used_bytes{server="orders"} 90
consent_redis_memory_max_bytes{server="orders"} 100
consent_redis_aof_ok{server="orders"} 0
consent_redis_aof_bytes{server="orders"} 300
consent_redis_disk_free_bytes{server="orders"} 200
consent_orders_expired_unasked_total 7
consent_notifications_late_total 7
consent_plans_unshown{channel="app"} 1
consent_publication_failing_seconds{channel="app"} 400
consent_paused_seconds{to="lane",name="sms"} 4000
consent_orders_in_review_oldest_seconds 20000
consent_endings_oldest_seconds 8000
consent_reports_overdue{door="web",class="not_ours"} 2
consent_report_codes_hour 1000
consent_report_codes_most 1000
consent_agents_pressing{over="week_before"} 2
consent_reviews_oldest_seconds{verdict="pending"} 20000
consent_defects_total{type="KeyError"} 1
consent_http_requests_total{method="POST",route="/v1/orders",status="5xx"} @
consent_http_requests_total{method="POST",route="/v1/orders",status="2xx"} @
consent_http_request_duration_seconds_bucket{method="POST",route="/v1/orders",le="1.0"} 0
consent_http_request_duration_seconds_bucket{method="POST",route="/v1/orders",le="5.0"} @
consent_http_request_duration_seconds_bucket{method="POST",route="/v1/orders",le="+Inf"} @
consent_outside_call_duration_seconds_bucket{to="bss",le="5.0"} 0
consent_outside_call_duration_seconds_bucket{to="bss",le="10.0"} @0
consent_outside_call_duration_seconds_bucket{to="bss",le="+Inf"} @0
consent_outside_call_duration_seconds_count{to="bss"} @0
consent_outside_calls_total{to="gateway",name="kannel",outcome="rejected"} @0
consent_posts_refused_total{gateway="kannel",why="proof"} @
consent_http_requests_total{method="POST",route="/v1/gateways/{name}/inbound",status="4xx"} @
"""
ERRORS = "\n".join(line for line in BAD.splitlines() if 'route="/v1/orders",status=' in line) + "\n"
FIRST = BAD.replace("_total 7", "_total 0").replace('consent_defects_total{type="KeyError"} 1\n', "")
GOOD = """
consent_store_up 1
consent_paused_seconds{to="lane",name="sms"} 0
consent_orders_in_review_oldest_seconds 0
consent_endings_oldest_seconds 0
consent_reports_overdue{door="web",class="not_ours"} 0
consent_report_codes_hour 3
consent_report_codes_most 1000
consent_agents_pressing{over="week_before"} 0
consent_reviews_oldest_seconds{verdict="pending"} 20000
consent_archive_up 1
consent_journal_oldest_seconds 0
consent_workers_alive 2
consent_lane_workers{lane="sms"} 2
consent_backup_timestamp_seconds 4000000000
consent_certificate_expires_timestamp_seconds{server="public"} 4000000000
consent_lane_oldest_due_seconds{lane="activation"} 0
consent_lane_parked{lane="sms"} 0
consent_held_oldest_seconds 0
consent_outside_failing_seconds{to="gateway",name="kannel"} 0
consent_outside_failed_ratio{to="gateway",name="kannel"} 0
consent_outside_refusing_seconds{to="gateway",name="http_json"} 0
consent_gateway_clock_skew_seconds{gateway="kannel"} 1
consent_gateway_clock_allowed_seconds{gateway="kannel"} 6
consent_store_clock_skew_seconds 0
consent_orders{placed="today",state="activated"} 0
consent_orders{placed="today",state="notified"} 2
consent_orders{placed="today",state="undeliverable"} 0
consent_redis_memory_used_bytes{server="orders"} 10
consent_redis_memory_max_bytes{server="orders"} 100
consent_redis_aof_ok{server="orders"} 1
consent_redis_aof_bytes{server="orders"} 100
consent_redis_disk_free_bytes{server="orders"} 200
consent_orders_expired_unasked_total 7
consent_notifications_late_total 7
consent_plans_unshown{channel="app"} 0
consent_publication_failing_seconds{channel="app"} 0
consent_defects_total{type="KeyError"} 1
"""


@contextmanager
def alertmanager(folder: Path, config: dict[str, object]) -> Iterator[str]:
    program, port = needs.program("prometheus-alertmanager", "prometheus-alertmanager"), free_port()
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    arguments = [
        program, "--config.file=alertmanager.yml", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with started(folder, "alertmanager", *arguments):
        until("Alertmanager is ready", lambda: call("GET", f"http://127.0.0.1:{port}/-/ready")[0] == 200)
        yield f"127.0.0.1:{port}"


@pytest.fixture
def told():
    made = Told()
    yield made
    made.shutdown()
    made.server_close()


def test_every_alarm_is_sent_though_a_scrape_is_missing_and_none_stays_after_recovery(tmp_path, told):
    # A violation is compared with fifteen minutes before, which these metrics do not have: alerts_test.yml fires it.
    # The API's errors ring where neither the store nor the archive is away: those have alarms of their own.
    errors = "ConsentErrors: errors"
    wanted = set(alarms()) - {"ConsentDown", "ConsentPersonNeeded: violations", errors}
    told.metrics = FIRST
    config = {
        "route": {"receiver": "test", "group_by": ["alertname"], "group_wait": "100ms", "group_interval": "1s"},
        "receivers": [{"name": "test", "webhook_configs": [{"url": f"http://{told.address}/", "send_resolved": True}]}],
    }
    with alertmanager(tmp_path, config) as manager:
        sends = {"alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]}}
        with prometheus(tmp_path, [told.address], sends, shorter(RULES.read_text("utf-8"))) as watching:
            until("it is scraped", lambda: told.scrapes > 3)
            told.metrics = BAD
            told.missing = frozenset({told.scrapes + 6, told.scrapes + 12})
            until(f"sent: {wanted}", lambda: {name for name, how in told.sent if how == "firing"} >= wanted)
            fired = [name for name, how in told.sent if how == "firing"]
            assert set(fired) == wanted, "nothing else, and no alarm of the address being away"
            told.metrics = GOOD
            until("all of it is over", lambda: watching.states() == set())
            assert {name for name, how in told.sent if how == "resolved"} <= wanted
            told.metrics = GOOD + ERRORS
            until("errors ring by themselves", lambda: (errors, "firing") in told.sent)
            told.metrics = GOOD
            until("they are over", lambda: watching.states() == set())
            (tmp_path / "rules.yml").write_text(shorter(RULES.read_text("utf-8"), unhurried=()))
            assert call("POST", f"http://127.0.0.1:{watching.port}/-/reload")[0] == 200
            told.missing = frozenset(range(told.scrapes, told.scrapes + 10_000))
            until("nobody can be scraped", lambda: ("ConsentDown", "firing") in watching.states())


class Post(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it is sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.mails = []
        self.passwords = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def about(self, words):
        return [text for subject, text in self.mails if words in subject]


class _Smtp(socketserver.StreamRequestHandler):
    server: Post

    def handle(self):
        self._say("220 a mail server")
        for line in self.rfile:
            word, _, rest = line.strip().partition(b" ")
            if word == b"EHLO":
                self._say("250-a mail server\r\n250 AUTH PLAIN")
            elif word == b"AUTH":
                self.server.passwords.add(b64decode(rest.split()[1]).split(b"\0")[2].decode())
                self._say("235 it is you")
            elif word == b"DATA":
                self._say("354 go on")
                mail = message_from_bytes(b"".join(iter(self.rfile.readline, b".\r\n")), policy=default)
                self.server.mails.append((mail["Subject"], mail.get_body(("plain",)).get_content()))
                self._say("250 kept")
            else:
                self._say("221 bye" if word == b"QUIT" else "250 so be it")

    def _say(self, text):
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def post():
    made = Post()
    yield made
    made.shutdown()
    made.server_close()


def of_duty(folder, told, post):
    """The file of deploy/, filled in, with its waits in seconds."""
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text("utf-8")
    text = text.replace("/etc/alertmanager/words.tmpl", str(DEPLOY / "alertmanager" / "words.tmpl"))
    config = yaml.safe_load(text.replace("/etc/alertmanager/", f"{folder}/"))
    (folder / "secrets").mkdir()
    (folder / "secrets" / "smtp_password").write_text("of the file\n")
    (folder / "secrets" / "webhook_url").write_text(f"http://{told.address}/\n")
    config["global"] |= {"smtp_smarthost": f"127.0.0.1:{post.server_address[1]}", "smtp_require_tls": False}
    for route in [config["route"], *config["route"]["routes"]]:
        route |= {"group_wait": "1s", "group_interval": "1s"}
    return config


def test_what_waits_comes_as_one_digest_after_the_quiet_hours_and_an_outage_within_them(tmp_path, told, post):
    """The end of the quiet hours is another file: no clock of a test moves Alertmanager's."""
    waits = {"ConsentPersonNeeded: held", "ConsentStuck: parked"}
    config = of_duty(tmp_path, told, post)
    [quiet] = config["time_intervals"]
    by_night, quiet["time_intervals"] = (
        quiet["time_intervals"],
        [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}],
    )
    assert by_night[0]["location"] == "Asia/Shanghai"
    told.metrics = (
        GOOD.replace("workers_alive 2", "workers_alive 0").replace("held_oldest_seconds 0", "held_oldest_seconds 30000")
        .replace('parked{lane="sms"} 0', 'parked{lane="sms"} 3')
    )  # fmt: skip
    with alertmanager(tmp_path, config) as manager:
        sends = {"alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]}}
        with prometheus(tmp_path, [told.address], sends, shorter(RULES.read_text("utf-8"), 1)):
            until("the outage is told by mail", lambda: post.about("故障 / Trouble: ConsentWorkers"))
            until("and by webhook", lambda: ("outage", {"ConsentWorkers: none"}) in told.posts)
            until("what waits is held back", lambda: held_back(manager) >= 2)
            assert not post.about("wait for a person")
            assert {receiver for receiver, _ in told.posts} == {"outage"}
            quiet["time_intervals"] = [{"years": ["1999"]}]
            (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config))
            assert call("POST", f"http://{manager}/-/reload")[0] == 200
            until("what waits is told by mail", lambda: post.about("2 kinds of work wait for a person"))
            until("and by webhook", lambda: ("waits", waits) in told.posts)
    [digest] = post.about("wait for a person")
    assert [receiver for receiver, _ in told.posts].count("waits") == 1
    assert {"回复可能是拒绝，待核实；满 24 小时未核实即视为拒绝，订单取消。"} <= set(digest.splitlines())
    assert "3 effects on the stuck list of lane sms" in digest
    assert post.passwords == {"of the file"}
    assert not re.search(r"\d{7}", "".join(text for _, text in post.mails)), "no number of anybody"


def held_back(manager):
    """How many notifications were not sent since it is quiet."""
    asked = httpx.get(f"http://{manager}/metrics").text
    found = re.findall(
        r'^alertmanager_notifications_suppressed_total\{reason="mute_time_interval"\} (\d+)$', asked, re.M
    )
    return int(found[0]) if found else 0
