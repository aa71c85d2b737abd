"""docker-compose.yml, started whole: stores, API, workers, Prometheus; then what an operator's night does to it.

Only third-party images are replaced, by images that can be made here of Debian's packages (`compose.yml` beside this).
"""

import json
import os
import re
import signal
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.house import call
from tests.containers import under_systemd
from tests.containers.desk import Desk, now
from tests.containers.stack import Docker, Stack
from tests.waiting import until

MEGABYTE = 1_000_000
OF_OURS = 10 * MEGABYTE
"""The most bytes that the layer of our own code may have."""
OF_OTHERS = 160 * MEGABYTE
"""The most bytes that the layer of its dependencies may have."""


@pytest.fixture(scope="module")
def files(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The files on an operator's disk, and the image built from them."""
    stack = Stack.laid(docker, tmp_path_factory.mktemp("stack"))
    stack.compose("build", "api")
    return stack


@pytest.fixture(scope="module")
def stack(files: Stack) -> Iterator[Stack]:
    """The whole stack, up and healthy."""
    files.fill_in()
    try:
        files.compose("up", "--detach", "--wait")
        yield files
    finally:
        files.compose("--profile", "demo", "down", "--volumes", "--timeout", "10")


@pytest.fixture(scope="module")
def desk(stack: Stack) -> Desk:
    """A desk with a key of its own."""
    return Desk(stack.address("api", 8080), stack.address("gateway", 8900), stack.key("desk"))


def writable(stack: Stack, container: str) -> str:
    """The answer of a container's shell to a write at the root."""
    return stack.docker.ran("exec", container, "sh", "-c", "touch /mark 2>&1 || true")


def test_the_image_is_a_layer_of_what_it_runs_on_and_a_layer_of_ours(files: Stack) -> None:
    told = files.docker.ran("history", "--no-trunc", "--human=false", "--format", "{{json .}}", "consent-engine:0.1.0")
    layers = [json.loads(line) for line in told.splitlines()]
    ours, others = [int(each["Size"]) for each in layers if each["CreatedBy"].startswith(("COPY /ours", "COPY /runs"))]
    assert 0 < ours < OF_OURS < others < OF_OTHERS


def test_an_image_that_is_made_again_is_the_same(files: Stack) -> None:
    given = ["--network=host", "--build-arg=PYTHON_IMAGE=stand-in", "--build-arg=SOURCE_DATE_EPOCH=1764600000"]
    build = ["build", "--quiet", "--no-cache", *given, "--file", files.folder / "deploy" / "Dockerfile", files.folder]
    assert files.docker.ran(*build, within=600) == files.docker.ran(*build, within=600)


def test_the_demo_needs_no_setting_and_its_handset_is_answered(files: Stack) -> None:
    assert not (files.folder / ".env").exists()
    files.compose("up", "--detach", "--wait", "demo")
    try:
        [path] = re.findall(r"handset, .*: http://127\.0\.0\.1:8081(/\w+/)", files.compose("logs", "demo"))
        handset = files.address("demo", 8081)
        desk = Desk(files.address("demo", 8080), handset, files.key("desk", service="demo"))
        order = desk.place("+8613800138000", now())
        own = {"Host": "127.0.0.1:8081"}  # a browser asks for the port that the compose file publishes
        until("the question", lambda: "5G" in str(call("GET", f"{handset}{path}phones.json", headers=own)[1]))
        said = {"from": "+8613800138000", "to": "10085", "text": "是"}
        until("it is taken", lambda: call("POST", f"{handset}{path}write", said, own)[0] == 200)
        desk.reaches(order, "notified")
        assert call("GET", f"{handset}{path}")[0] == 403, "only by the address that was printed"
    finally:
        files.compose("down", "--volumes", "demo")


def test_an_order_is_asked_answered_activated_and_notified(desk: Desk) -> None:
    desk.sells("+8613800138001")
    assert len(desk.ledger()["activations"]) == 1


def test_no_container_runs_as_root_or_writes_where_it_should_not(stack: Stack) -> None:
    ours = stack.containers("redis", "rq", "api", "workers", "prometheus")
    assert len(ours) == 6
    for container in ours:
        status = Path(f"/proc/{stack.docker.process(container)}/status").read_text()
        assert "0" not in re.search(r"^Uid:\t(.*)$", status, re.M)[1].split()
        assert re.search(r"^CapEff:\t0+$", status, re.M)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
        assert "Read-only file system" in writable(stack, container)


def test_prometheus_finds_the_engine_and_cannot_reach_the_stores(stack: Stack) -> None:
    asked = f"{stack.address('prometheus', 9090)}/api/v1/query?" + urllib.parse.urlencode(
        {"query": "consent_workers_alive == 2"}
    )
    until("a scrape that counts both workers", lambda: call("GET", asked)[1]["data"]["result"])
    [prometheus] = stack.containers("prometheus")
    told = stack.docker.ran("exec", prometheus, "sh", "-c", "wget -T 2 -t 1 -O- http://redis:6379 2>&1 || true")
    assert "unable to resolve" in told


def test_a_worker_that_is_killed_comes_back_and_loses_nothing(stack: Stack, desk: Desk) -> None:
    order = desk.place("+8613800138002", now())
    desk.reaches(order, "awaiting_reply")  # killed while it asks, the question would be in doubt for ten minutes
    victims = stack.containers("workers")
    before = [stack.docker.process(each) for each in victims]
    for process in before:
        os.kill(process, signal.SIGKILL)
    desk.say("+8613800138002", "是")
    until("others in their place", lambda: not set(before) & {stack.docker.process(each) for each in victims})
    desk.reaches(order, "notified")
    of_it = [each for each in desk.ledger()["activations"] if each["order_id"] == order]
    assert len(of_it) == 1


def test_redis_is_killed_and_nothing_that_was_acknowledged_is_lost(stack: Stack, desk: Desk) -> None:
    order = desk.place("+8613800138003", now())
    desk.reaches(order, "awaiting_reply")
    [redis] = stack.containers("redis")
    before = stack.docker.process(redis)
    os.kill(before, signal.SIGKILL)
    until("another Redis", lambda: stack.docker.process(redis) not in {0, before})
    desk.say("+8613800138003", "是")
    desk.reaches(order, "notified")


def test_volumes_outlive_the_containers(stack: Stack, desk: Desk) -> None:
    order = desk.place("+8613800138004", now())
    desk.reaches(order, "awaiting_reply")
    stack.compose("down", "--timeout", "30")
    stack.compose("up", "--detach", "--wait")
    again = Desk(stack.address("api", 8080), stack.address("gateway", 8900), desk.key)
    assert again.state(order) == "awaiting_reply"
    again.say("+8613800138004", "是")
    again.reaches(order, "notified")


def test_the_units_of_systemd_start_as_their_readme_says_and_what_dies_is_started_again(files: Stack) -> None:
    with under_systemd.machine(files.docker) as machine:
        machine.sells("+8613800138005")
        before = machine.process("consent-worker@1")
        machine.typed("systemctl kill --signal=KILL consent-worker@1 consent-api")
        until("another worker", lambda: machine.process("consent-worker@1") not in {0, before})
        machine.ready()
        machine.sells("+8613800138006")
        machine.typed("systemctl stop consent-api consent-worker@1 consent-worker@2 redis-server@consent")
        assert "failed" not in machine.typed("systemctl list-units --all 'consent-*' 'redis-server@*'")
