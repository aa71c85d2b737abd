"""Metrics, as Prometheus reads them: with a key, or at an address of their own; they contain no personal data."""

import asyncio
import runpy
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import time

import httpx
import pytest
import uvicorn
from prometheus_client.parser import text_string_to_metric_families

from consent_engine.api import app as application
from consent_engine.api.app import create_app
from consent_engine.api.http.bodies import Bounds
from consent_engine.api.http.protocol import BoundedHttp
from consent_engine.api.service.prometheus import Metrics
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Accepted, Lane, Unavailable
from consent_engine.domain.hashing import HEADER
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.restriction import Kind
from consent_engine.engine.api_keys import Role
from consent_engine.engine.metrics import Measures
from consent_engine.errors import SettingsError
from consent_engine.ports import Endpoint, ServerMemory
from consent_engine.ports.archive import BackupMade
from consent_engine.ports.registry import WorkerReport
from consent_engine.wiring import Installation, certificates
from tests.archive.house import hanging
from tests.certificates import Shown
from tests.integration.api_door import FULL_SECRET, NUMBER, Door, is_problem, order, reply, server
from tests.waiting import HANGS_S, until

ROOT = Path(__file__).parents[3]
LABELS = {
    "class",
    "door",
    "began",
    "verdict",
    "carrier",
    "violation",
    "channel",
    "what",
    "why",
    "method",
    "over",
    "route",
    "status",
    "lane",
    "placed",
    "state",
    "type",
    "version",
    "le",
    "gateway",
    "to",
    "outcome",
    "name",
    "server",
}


@pytest.fixture
def door(running):
    made = Door(*running, bounds=Bounds(metrics_s=0, metrics_wait_s=HANGS_S))
    yield made
    made.close()


def scraped(door):
    answer = door.call("GET", "/metrics", Role.OPS)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return answer.text


def samples(text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_template_and_kind_of_answer(door):
    placed = door.place().json()["id"]
    door.call("GET", f"/v1/orders/{placed}", Role.AGENT)
    door.call("GET", f"/v1/orders/{'0' * 28}", Role.AGENT)
    door.call("GET", "/v1/nothing?msisdn=13800138000")
    found = samples(scraped(door))
    route = "/v1/orders/{order_id}"
    assert found["consent_http_requests_total", "POST", "/v1/orders", "2xx"] == 1
    assert found["consent_http_requests_total", "GET", route, "2xx"] == 1
    assert found["consent_http_requests_total", "GET", route, "4xx"] == 1
    assert found["consent_http_requests_total", "GET", "-", "4xx"] == 1
    assert found["consent_http_request_duration_seconds_count", "GET", route] == 2
    assert found["consent_http_request_duration_seconds_sum", "GET", route] > 0


def test_lanes_orders_and_workers_are_as_the_store_has_them(door):
    for n in range(3):
        door.place(order(msisdn=f"+86138{n:08d}"), f"key-{n}")
    door.engine.cancel(door.place(key="key-9").json()["id"], "me", "no")
    door.engine.registry.announce("w1", WorkerReport(7, (Lane.SMS,)))
    found = samples(scraped(door))
    assert found["consent_lane_due", "sms"] == 3
    assert found["consent_lane_oldest_due_seconds", "sms"] > 0
    assert found["consent_lane_pending", "timer"] == 3 + 1 + 4, "the cancelled one is to be archived, and four calls"
    assert found["consent_lane_due", "timer"] == found["consent_lane_parked", "sms"] == 0
    assert found["consent_orders", "today", "agreed"] == 3
    assert found["consent_orders", "today", "cancelled"] == 1
    assert {key[2] for key in found if key[0] == "consent_orders"} == set(State)
    assert found["consent_workers_alive",] == found["consent_lane_workers", "sms"] == 1
    assert found["consent_lane_workers", "timer"] == 0
    assert found["consent_store_up",] == 1


def test_a_store_that_takes_no_writes_is_not_up_and_the_rest_is_told_all_the_same(door):
    door.place()
    door.redis.config_set("min-replicas-to-write", 1)
    try:
        found = samples(scraped(door))
        assert found["consent_store_up",] == 0
        assert found["consent_lane_due", "sms"] == 1
    finally:
        door.redis.config_set("min-replicas-to-write", 0)
    assert samples(scraped(door))["consent_store_up",] == 1


def test_what_should_never_be_raised_is_counted_by_type(door):
    door.app.state.front.defects["RuntimeError"] += 2
    assert samples(scraped(door))["consent_defects_total", "RuntimeError"] == 2


def test_replies_that_are_dropped_as_repeats_are_counted(door):
    for _ in range(3):
        assert door.post("inbound", reply("要不要钱", message_id="7")).json()["accepted"] == 1
    door.post("inbound", reply("是", message_id="7"))
    assert samples(scraped(door))["consent_replies_repeated_total", "simulated"] == 2


def test_messages_that_cannot_be_read_are_counted_by_the_field_that_is_wrong(door):
    door.post("inbound", [reply(received_at="2025-08-01 10:00:00"), reply(to=""), reply(), [], reply(to="")])
    door.post("receipts", {"ref": "a b", "status": "delivered"})
    counted = {of[1]: n for of, n in samples(scraped(door)).items() if of[0] == "consent_messages_rejected_total"}
    assert counted == {"received_at": 1, "to": 2, "item": 1, "ref": 1}


def test_posts_without_a_proof_are_counted_and_told_and_a_wrong_clock_is_not_a_wrong_secret(door, caplog):
    """A gateway whose posts are refused keeps a subscriber's STOP: nobody else would see that."""

    def refused():
        return {of[1:]: n for of, n in samples(scraped(door)).items() if of[0] == "consent_posts_refused_total"}

    none = dict.fromkeys([("simulated", why) for why in ("proof", "clock", "form")], 0)
    assert refused() == none, "an alert sees the first one"
    answers = [door.post("inbound", reply(), at=-3_600), door.post("receipts", [], at=3_600)]
    answers += [door.call("POST", "/v1/gateways/simulated/inbound", content=b"{}", headers={HEADER: "t=1,v1=zz"})]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert len({answer.text for answer in answers}) == 1, "who posted is not told which"
    assert door.post("inbound", b"[{").status_code == 422
    assert refused() == {("simulated", "proof"): 1, ("simulated", "clock"): 2, ("simulated", "form"): 1}
    told = [each.getMessage() for each in caplog.records if "are refused" in each.getMessage()]
    said = ("which clock", "another secret", "format changed")
    assert [[words in line for words in said] for line in told] == [[n == of for n in range(3)] for of in range(3)]


def test_how_far_a_gateways_clock_is_off_is_measured_by_its_quickest_reply(door):
    def said(n, behind):
        at = datetime.fromtimestamp(door.engine.registry.now() / 1000 - behind, UTC).isoformat()
        answer = door.post("inbound", reply("嗯", message_id=f"c-{n}", received_at=at))
        assert answer.status_code == 200, answer.text
        found = samples(scraped(door))
        assert found["consent_store_up",] == 1, "the whole look came in time"
        return found["consent_gateway_clock_skew_seconds", "simulated"]

    assert ("consent_gateway_clock_skew_seconds", "simulated") not in samples(scraped(door))
    assert said(1, 120) == pytest.approx(120, abs=1)
    assert said(2, 10) == pytest.approx(10, abs=1)
    assert said(3, 30) == pytest.approx(10, abs=1)
    found = samples(scraped(door))
    assert found["consent_gateway_clock_allowed_seconds", "simulated"] == 6
    assert abs(found["consent_store_clock_skew_seconds",]) < 1
    assert door.engine.registry.lags()["simulated"].voids


def test_how_gateway_and_bss_are_is_told_by_name(door):
    never = samples(scraped(door))
    for to in ("gateway", "bss"):
        assert never["consent_outside_failing_seconds", "simulated", to] == 0
        assert never["consent_outside_last_success_timestamp_seconds", "simulated", to] == 0
    now, measures = door.engine.registry.now(), Measures()
    measures.called(Endpoint("gateway", "simulated"), Accepted("m1"), 0.1, now - 200_000)
    for n in range(20):
        measures.called(Endpoint("gateway", "simulated"), Unavailable("503"), 0.1, now - 100_000 + n * 5_000)
    measures.report(door.engine.registry)
    found = samples(scraped(door))
    assert 100 <= found["consent_outside_failing_seconds", "simulated", "gateway"] < 160
    assert found["consent_outside_failing_seconds", "simulated", "bss"] == 0
    assert found["consent_outside_last_success_timestamp_seconds", "simulated", "gateway"] == (now - 200_000) / 1000
    assert found["consent_outside_failed_ratio", "simulated", "gateway"] == pytest.approx(0.99, abs=0.01), "by age"
    assert found["consent_outside_refusing_seconds", "simulated", "gateway"] == 0
    measures.called(Endpoint("gateway", "simulated"), Unavailable("401", refusing=True), 0.1, now)
    measures.report(door.engine.registry)
    found = samples(scraped(door))
    refused, failing = (
        found[f"consent_outside_{what}_seconds", "simulated", "gateway"] for what in ("refusing", "failing")
    )
    assert refused == failing >= 100


def test_how_much_room_the_servers_have_is_told_of_each_once(door):
    door.redis.config_set("maxmemory", 64 << 20)
    try:
        found = samples(scraped(door))
    finally:
        door.redis.config_set("maxmemory", 0)
    assert found["consent_redis_memory_max_bytes", "orders"] == 64 << 20
    assert 0 < found["consent_redis_memory_used_bytes", "orders"] < 64 << 20
    assert found["consent_redis_aof_bytes", "orders"] > 0
    assert found["consent_redis_aof_ok", "orders"] == 1
    assert found["consent_redis_disk_free_bytes", "orders"] > 0
    assert ("consent_redis_memory_used_bytes", "rq") not in found, "it is the same server"
    with server() as (url, _), another_rq(door, url):
        found = samples(scraped(door))
    assert found["consent_redis_memory_used_bytes", "rq"] > 0
    assert found["consent_redis_memory_max_bytes", "rq"] == 0


def test_the_page_of_metrics_has_every_series_that_is_told_and_no_other():
    page = runpy.run_path(str(ROOT / "docs" / "metrics.py"))
    told = page["families"]()
    assert all(family.samples for family in told)
    assert page["PAGE"].read_text("utf-8") == page["reference"](told), "run: python docs/metrics.py --write"


def test_an_aof_that_cannot_be_written_is_not_ok():
    said = {"run_id": "a", "used_memory": 7, "maxmemory": 9, "aof_current_size": 3}
    assert ServerMemory.of(said) == ServerMemory("a", 7, 9, 3)
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status"):
        assert not ServerMemory.of(said | {name: "err"}).aof_works


def test_the_ends_of_certificates_and_the_age_of_the_backup_are_told(door, tmp_path):
    with Shown.at(tmp_path, 5) as shown:
        here = Settings.load({"CONSENT_PUBLIC_URL": f"https://127.0.0.1:{shown.port}"}, env_file=None)
        page = Metrics(door.app.state.front, certificates=partial(certificates, here))

        def told():
            return samples(asyncio.run(page.page()).decode()).get(
                ("consent_certificate_expires_timestamp_seconds", "public")
            )

        ends = until("it was asked for", told)
    assert ends == pytest.approx(time() + 5 * 86_400, abs=600)
    assert ("consent_backup_timestamp_seconds",) not in samples(scraped(door)), "there is nothing to lose yet"
    door.place()
    placed = samples(scraped(door))["consent_backup_timestamp_seconds",]
    assert placed == pytest.approx(time(), abs=600)
    door.engine.store.archive.note(BackupMade(1_764_000_000_000, "here"))
    assert samples(scraped(door))["consent_backup_timestamp_seconds",] == 1_764_000_000


def test_without_rqs_server_the_rest_is_told(door):
    with another_rq(door, "redis://127.0.0.1:1/0"):
        found = samples(scraped(door))
    assert found["consent_store_up",] == 1
    assert ("consent_redis_memory_used_bytes", "rq") not in found


def test_what_waits_for_a_person_is_counted_with_the_age_of_the_oldest(door):
    assert samples(scraped(door))["consent_held",] == samples(scraped(door))["consent_held_oldest_seconds",] == 0
    for n in range(2):
        door.post("inbound", reply("我要投诉", message_id=f"m-{n}", **{"from": f"+861380013800{n}"}))
    at = door.engine.store.queries.restrictions.tally(Kind.SUSPECTED).oldest
    found = samples(scraped(door))
    assert found["consent_held",] == 2
    assert 0 < found["consent_held_oldest_seconds",] <= (door.engine.registry.now() - at) / 1000
    door.engine.decide_held([each.id for each in door.engine.held()[0]], refusal=True, by="ops", reason="")
    assert samples(scraped(door))["consent_held",] == 0


def test_names_keep_to_the_conventions_and_no_label_names_anybody(door):
    placed = door.place().json()["id"]
    door.work(Lane.SMS)
    door.post("inbound", reply("要不要钱"))
    door.call("POST", "/v1/orders/search", Role.OPS, {"msisdn": NUMBER})
    text = scraped(door)
    for family in text_string_to_metric_families(text):
        assert family.name.startswith(("consent_", "process_"))
        assert family.documentation
        assert not family.name.endswith(("_ms", "_count", "_created"))
        for sample in family.samples:
            assert set(sample.labels) <= LABELS
            assert (family.type == "counter") == sample.name.endswith("_total")
    for person in (NUMBER[3:], placed, "5g-smart-199", "要不要钱", "A1024", "the-agent"):
        assert person not in text


@contextmanager
def another_rq(door, url):
    """Serve the same data, with RQ on a server of its own."""
    door.serve(Installation(door.settings, door.installation.redis_url, url, FULL_SECRET).engine)
    yield
    door.serve(door.installation.engine)


@contextmanager
def both(door, engines):
    """Serve the application with an address for metrics alone; yield that address, and the application's."""
    door.app.state.front.close()
    ours, theirs = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    door.app = create_app(engines, door.settings, None, theirs, door.bounds)
    serving = uvicorn.Server(uvicorn.Config(door.app, lifespan="on", log_config=None, http=BoundedHttp, ws="none"))
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [ours]})
    thread.start()
    try:
        # Answered only once the lifespan has begun.
        assert httpx.get(f"http://127.0.0.1:{ours.getsockname()[1]}/healthz", timeout=HANGS_S).status_code == 200
        yield theirs.getsockname()[1], f"http://127.0.0.1:{ours.getsockname()[1]}"
    finally:
        serving.should_exit = True
        thread.join(HANGS_S)
        ours.close()
        theirs.close()
        assert not thread.is_alive()


def test_at_their_own_address_they_need_no_key_and_nothing_else_is_there(door):
    with both(door, door.installation.engine) as (port, url):
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics?x=1")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert samples(answer.text)["consent_store_up",] == 1
        assert httpx.head(f"http://127.0.0.1:{port}/metrics").status_code == 200
        assert httpx.post(f"http://127.0.0.1:{port}/metrics").status_code == 405
        for path in ("/", "/v1/plans", "/healthz", "/metrics/x"):
            assert httpx.get(f"http://127.0.0.1:{port}{path}").status_code == 404
        assert httpx.get(f"{url}/metrics").status_code == 401


def test_a_store_that_does_not_answer_is_told_as_one_that_is_away_and_the_scrape_is_answered(door):
    """A frozen server, or a disk that hangs, refuses no connection: the API would look as if it were down."""
    door.bounded(metrics_s=0, metrics_wait_s=0.2)
    with both(door, door.installation.engine) as (port, _):
        door.redis.client_pause(1_500)
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=HANGS_S)
        assert (answer.status_code, samples(answer.text)["consent_store_up",]) == (200, 0)


def test_an_archive_that_hangs_is_told_as_one_that_is_away_and_the_store_as_it_is(door):
    """A frozen database is asked for longer than a scrape lasts: the store was blamed for it."""
    door.place()
    door.bounded(metrics_wait_s=5)
    with hanging(door.archive):
        found = samples(scraped(door))
    assert (found["consent_store_up",], found["consent_archive_up",]) == (1, 0)
    assert found["consent_lane_due", "sms"] == 1
    assert ("consent_orders", "today", "agreed") not in found


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", b"\xff" * 20_000, b"GET /metrics HTTP/1.1\r\n"])
def test_what_is_no_request_is_dropped_there_and_the_next_is_served(door, said, monkeypatch):
    with both(door, door.installation.engine) as (port, _):
        with monkeypatch.context() as hasty, socket.create_connection(("127.0.0.1", port), HANGS_S) as line:
            hasty.setattr("consent_engine.api.routes.health.ASK_S", 0.1)
            line.sendall(said)
            try:
                got = line.recv(100)
            except ConnectionResetError:
                got = b""
            assert b"200 OK" not in got
        # Full patience again: a tenth of a second is little for an honest request on a busy machine.
        assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 200


def test_without_the_store_they_say_so(door):
    with both(door, door.nowhere()) as (port, _):
        found = samples(httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=HANGS_S).text)
    assert found["consent_store_up",] == 0
    assert not [key for key in found if key[0].startswith("consent_lane")]


def test_an_address_that_is_taken_stops_the_start_and_names_the_setting():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingsError, match=r"^CONSENT_METRICS_ADDR: cannot listen at 127\.0\.0\.1 port"):
            application._bound_metrics(address).__enter__()  # noqa: SLF001 - the first step of `run`


def test_metrics_are_for_ops(door):
    is_problem(door.call("GET", "/metrics"), 401, "unauthenticated")
    is_problem(door.call("GET", "/metrics", Role.AUDITOR), 403, "forbidden")
