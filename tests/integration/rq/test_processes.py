"""Real worker processes: killed, stopped, cut off from RQ and from Redis, they lose nothing and double nothing."""

import os
import re
import signal

import httpx
import pytest
import rq_dashboard
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from rq.job import Job
from rq.serializers import JSONSerializer

from benchmarks.ports import free_port
from consent_engine.domain.effects import Lane
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import LaneDepth
from tests.integration.rq_house import Works, everything, works
from tests.waiting import HANGS_S, until
from workers.clock import Silence


@pytest.fixture
def place_of_work(started, tmp_path):
    with works(started, tmp_path) as made:
        yield made


def test_a_worker_takes_jobs_performs_and_announces_itself(place_of_work: Works):
    worker = place_of_work.work()
    order = place_of_work.place()
    assert place_of_work.call()["ref"] == f"{order}.confirmation.1"
    place_of_work.becomes(order, "awaiting_reply")
    heard = until("it is heard", lambda: place_of_work.engine.registry.workers(5_000))
    assert [(each.pid, set(each.lanes)) for each in heard.values()] == [(worker.process.pid, set(Lane))]

    def said() -> list[dict[str, int]]:
        place_of_work.place()  # the clock may have performed the one before
        return [each for each in finished(place_of_work.redis, "sms") if each["performed"]]

    told = until("a job that says what it did", said)
    assert all(each["performed"] == each["accepted"] for each in told)


def finished(redis, lane):
    ids = redis.zrange(f"rq:finished:{lane}", 0, -1)
    jobs = [Job.fetch(each.decode(), connection=redis, serializer=JSONSerializer) for each in ids]
    return [job.return_value() for job in jobs]


def test_each_worker_serves_its_own_metrics_behind_the_port_of_the_api(place_of_work: Works):
    """Two of one host, with the same settings: each at an address of its own, which goes with its process."""
    address = f"127.0.0.1:{free_port()}"
    workers = [place_of_work.work(CONSENT_METRICS_ADDR=address) for _ in range(2)]
    ports = [int(re.findall(r"metrics at 127.0.0.1 port (\d+)", each.saying("metrics at"))[0]) for each in workers]
    order = place_of_work.place()
    place_of_work.becomes(order, "awaiting_reply")

    def scraped(port: int) -> dict[tuple[str, ...], float]:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        families = text_string_to_metric_families(text)
        return {(each.name, *each.labels.values()): each.value for of in families for each in of.samples}

    def asked() -> list[float]:
        return [sum(n for of, n in scraped(port).items() if of[0] == "consent_outside_calls_total") for port in ports]

    until("the call is counted, once", lambda: sum(asked()) == 1)
    for port in ports:
        assert scraped(port)["process_resident_memory_bytes",] > 1e7
        assert scraped(port)["process_cpu_seconds_total",] > 0
    workers[0].process.kill()
    workers[0].process.wait(HANGS_S)
    with pytest.raises(httpx.ConnectError):
        scraped(ports[0])
    assert scraped(ports[1])["process_resident_memory_bytes",] > 1e7


def test_rq_may_lose_its_keys_while_orders_are_under_way(place_of_work: Works):
    orders = [place_of_work.place() for _ in range(20)]
    place_of_work.redis.delete(*place_of_work.redis.keys("rq:*"))
    worker = place_of_work.work()
    for order in orders:
        place_of_work.becomes(order, "awaiting_reply")
    late = place_of_work.place()
    place_of_work.redis.delete(*place_of_work.redis.keys("rq:*"))
    place_of_work.becomes(late, "awaiting_reply")
    assert "silent" not in worker.said()  # its clock woke the lanes again, and its RQ worker did the work


def test_without_rq_the_clock_does_the_work_itself_and_says_so(place_of_work: Works):
    worker = place_of_work.work(CONSENT_RQ_URL="unix:///nowhere/redis.sock?db=0")
    place_of_work.redis.delete(*place_of_work.redis.keys("rq:*") or ["-"])
    order = place_of_work.place()
    place_of_work.becomes(order, "awaiting_reply")
    said = worker.saying("the clock performs the lane")
    assert "RQ's loop ended (ConnectionError): it restarts in" in said
    worker.process.terminate()
    assert worker.process.wait(HANGS_S) == 0


def test_a_lane_nobody_was_started_for_is_left_to_others(place_of_work: Works):
    place_of_work.work("--lanes", "timer,inbound")
    order = place_of_work.place()
    place_of_work.work("--lanes", "sms")
    place_of_work.becomes(order, "awaiting_reply")
    assert "silent" not in place_of_work.workers[0].said()


def test_a_worker_killed_in_a_call_leaves_a_doubt_and_the_same_ref_is_sent_once_more(place_of_work: Works):
    worker = place_of_work.work()
    place_of_work.gateway.hold.clear()
    order = place_of_work.place()
    first = place_of_work.call()
    worker.process.kill()
    assert worker.process.wait(HANGS_S) == -signal.SIGKILL
    place_of_work.work()
    place_of_work.gateway.hold.set()
    second = place_of_work.call()
    assert second["ref"] == first["ref"] == f"{order}.confirmation.1"
    place_of_work.becomes(order, "awaiting_reply")
    found = place_of_work.engine.show(order)
    accepted = [event for event in found.events if event.trigger == "confirmation_accepted"]
    assert len(accepted) == 1
    assert place_of_work.gateway.calls.empty()


def test_sigterm_lets_calls_in_flight_end_and_records_them(place_of_work: Works):
    worker = place_of_work.work()
    place_of_work.gateway.hold.clear()
    orders = [place_of_work.place() for _ in range(5)]
    for _ in orders:
        place_of_work.call()
    worker.process.terminate()
    worker.saying("takes no more jobs, 5 calls in flight")
    place_of_work.gateway.hold.set()
    assert worker.process.wait(HANGS_S) == 0
    assert [place_of_work.engine.show(order).state for order in orders] == ["awaiting_reply"] * 5
    assert "Traceback" not in worker.said()


def test_a_second_sigterm_ends_it_at_once(place_of_work: Works):
    worker = place_of_work.work()
    place_of_work.gateway.hold.clear()
    place_of_work.place()
    place_of_work.call()
    worker.process.terminate()
    worker.saying("takes no more jobs")
    worker.process.terminate()
    assert worker.process.wait(HANGS_S) == 128 + signal.SIGTERM


def test_calls_that_do_not_end_do_not_keep_it_for_ever(place_of_work: Works):
    worker = place_of_work.work()
    place_of_work.gateway.hold.clear()
    place_of_work.place()
    place_of_work.call()
    worker.process.terminate()
    assert worker.process.wait(HANGS_S) == 0


def test_the_server_is_killed_and_comes_back_and_the_same_process_goes_on(place_of_work: Works):
    worker = place_of_work.work()
    before = place_of_work.place()
    place_of_work.becomes(before, "awaiting_reply")
    os.kill(place_of_work.server.pid, signal.SIGKILL)
    until("it is dead", lambda: not place_of_work.server.alive())
    worker.saying("RQ's loop ended")
    worker.saying("the clock's look failed")
    place_of_work.server.restart()
    order = until("an order is taken", lambda: place_or_none(place_of_work))
    place_of_work.becomes(order, "awaiting_reply")
    assert worker.process.poll() is None
    until("it takes jobs again", lambda: finished(place_of_work.redis, "sms"))


def place_or_none(place_of_work):
    try:
        return place_of_work.place()
    except StoreUnavailable:
        return None


def test_it_ends_when_the_process_that_started_it_is_gone(place_of_work: Works):
    reads, leash = os.pipe()
    worker = place_of_work.work("--leash", str(reads), pass_fds=(reads,))
    os.close(reads)
    os.close(leash)
    assert worker.process.wait(HANGS_S) == 0
    assert "ends" in worker.said()


def test_what_is_parked_fails_its_job_with_lane_and_counts_only(started, tmp_path):
    with works(started, tmp_path, CONSENT_MAX_ATTEMPTS="1", CONSENT_CALL_TIMEOUT="50ms") as made:
        made.work()
        made.gateway.hold.clear()
        made.place()
        exc = until("a failed job", lambda: failures(made.redis))
        assert all(re.fullmatch(r"sms: performed \d+(, doubtful \d+)?, parked 1", said) for said in exc)
        assert b"13900000001" not in everything(made.redis, "rq:*")


def failures(redis):
    ids = redis.zrange("rq:failed:sms", 0, -1)
    jobs = [Job.fetch(each.decode(), connection=redis, serializer=JSONSerializer) for each in ids]
    return [job.latest_result().exc_string for job in jobs]


def test_a_log_names_no_number_and_rq_keeps_none(place_of_work: Works):
    worker = place_of_work.work()
    order = place_of_work.place()
    place_of_work.becomes(order, "awaiting_reply")
    assert "13900000001" not in worker.said()
    assert b"13900000001" not in everything(place_of_work.redis, "rq:*")


def test_rqs_dashboard_shows_lane_counts_and_results(place_of_work: Works):
    place_of_work.work()
    order = place_of_work.place()
    place_of_work.becomes(order, "awaiting_reply")
    until("the job is written down", lambda: place_of_work.redis.zcard("rq:finished:sms"))
    # The dashboard speaks TCP only: for a moment the server does, too.
    port = free_port()
    place_of_work.redis.config_set("port", port)
    app = Flask("dashboard")
    app.config["RQ_DASHBOARD_REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    rq_dashboard.web.setup_rq_connection(app)
    app.register_blueprint(rq_dashboard.blueprint, url_prefix="/rq")
    rq_dashboard.web.config.serializer = JSONSerializer
    ask = app.test_client()
    jobs = ask.get("/rq/0/data/jobs/sms/finished/10/asc/1.json").get_json()["jobs"]
    assert [job["description"].endswith(" due") for job in jobs] == [True] * len(jobs)
    shown = ask.get(f"/rq/0/data/job/{jobs[0]['id']}.json").get_json()
    assert "performed" in str(shown["result"])
    assert {queue["name"] for queue in ask.get("/rq/0/data/queues.json").get_json()["queues"]} >= {"sms"}
    [worker] = ask.get("/rq/0/data/workers.json").get_json()["workers"]
    assert "sms" in str(worker["queues"])


def depth(due, late):
    return {Lane.SMS: LaneDepth(due=due, late=late, parked=0, waiting=due)}


def test_a_lane_is_silent_when_its_oldest_effect_does_not_move_for_three_ticks():
    silence = Silence(1_000)
    looks = [silence.look(depth(5, late), 1_000) for late in (300, 1_300, 2_300, 3_300)]
    assert looks == [[], [], [], [Lane.SMS]]


@pytest.mark.parametrize("lates", [(300, 1_300, 200, 1_200, 2_200), (9_000, 9_400, 9_900, 10_300, 10_800)])
def test_a_lane_in_which_somebody_leases_is_not_silent_however_late_it_is(lates):
    silence = Silence(1_000)
    assert [silence.look(depth(500, late), 1_000) for late in lates] == [[]] * len(lates)


def test_nothing_due_is_no_silence():
    silence = Silence(1_000)
    assert [silence.look(depth(0, 0), 1_000) for _ in range(5)] == [[]] * 5
