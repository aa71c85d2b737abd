"""The API behind the proxy of deploy/: TLS, request ids, and events that are passed on as they happen."""

import json
import os
import re
import socket
import ssl
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest

from benchmarks.ports import free_port
from consent_engine.engine.api_keys import Role
from tests import needs
from tests.integration.api_door import live, order
from tests.integration.http.process import api_command
from tests.waiting import HANGS_S, until

ROOT = Path(__file__).parents[3]


@contextmanager
def nginx(folder, addresses):
    """Run a real nginx with the sample configuration before APIs; yield a client of it."""
    program, openssl = needs.program("nginx", "nginx"), needs.program("openssl", "openssl")
    certificate, key, port = folder / "consent.crt", folder / "consent.key", free_port()
    made = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate,
    ]  # fmt: skip
    subprocess.run(made, capture_output=True, timeout=HANGS_S, check=True)
    text = (ROOT / "deploy" / "proxy" / "nginx.conf").read_text("utf-8")
    [(line, first)] = re.findall(r"^( +server (127\.0\.0\.1:8080) max_fails=0;\n)", text, re.M)
    changed = {
        line: "".join(line.replace(first, each.removeprefix("http://")) for each in addresses),
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/nginx/": f"{folder}/", "/run/nginx.pid": f"{folder}/pid", "processes auto": "processes 1",
    }  # fmt: skip
    for before, after in changed.items():
        assert before in text
        text = text.replace(before, after)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(text.replace("access_log off;", f"access_log off;\n{temporary}"))
    user = ["-g", "daemon off; user root;"] if os.geteuid() == 0 else ["-g", "daemon off;"]
    command = [program, "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf", *user]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        until("nginx listens", lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)
        trusted = ssl.create_default_context(cafile=certificate)
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trusted, timeout=HANGS_S) as client:
            yield client
    finally:
        process.terminate()
        process.wait(HANGS_S)


@pytest.fixture
def proxied(door, tmp_path):
    with live(door.app) as address, nginx(tmp_path, [address]) as client:
        yield client


def test_behind_the_proxy_an_order_is_placed_and_its_events_come_when_they_happen(door, proxied):
    headers = {"Authorization": f"Bearer {door.keys[Role.AGENT]}", "Idempotency-Key": "k", "X-Request-Id": "desk-7"}
    placed = proxied.post("/v1/orders", json=order(), headers=headers)
    assert placed.status_code == 201
    assert placed.headers["x-request-id"] == "desk-7"
    assert placed.headers["strict-transport-security"]
    order_id = placed.json()["id"]
    with proxied.stream("GET", f"/v1/orders/{order_id}/stream", headers=headers) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        assert json.loads(next(lines)[6:])["trigger"] == "placed"
        door.engine.cancel(order_id, "A1024", "changed his mind")  # only after the first event was read
        assert json.loads(next(lines)[6:])["trigger"] == "cancelled"


def test_the_proxy_shows_nobody_the_metrics(door, proxied):
    headers = {"Authorization": f"Bearer {door.keys[Role.OPS]}"}
    assert proxied.get("/metrics", headers=headers).status_code == 404
    assert proxied.get("/healthz").json() == {"status": "alive"}


class Api:
    """An API in a process of its own, at one port."""

    def __init__(self, running) -> None:
        self.port = free_port()
        self._command = api_command(*running, str(self.port))
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout.readline(), "its address, once it listens"

    def end(self) -> None:
        with self._process:
            self._process.terminate()


def test_a_restart_of_one_api_after_the_other_fails_no_request(door, running, tmp_path):
    """nginx took an API that was down for a second for down for ten: the restart of the next one left it none."""
    apis, enough, answers = [Api(running), Api(running)], Event(), Counter()

    def desk(client, n):
        while not enough.is_set():
            of = answers.total()
            headers = {"Authorization": f"Bearer {door.keys[Role.AGENT]}", "Idempotency-Key": f"{n}-{of}"}
            answer = client.post("/v1/orders", json=order(msisdn=f"+8613{n}{of:08}"), headers=headers)
            answers[answer.status_code] += 1

    try:
        with nginx(tmp_path, [f"127.0.0.1:{each.port}" for each in apis]) as client, ThreadPoolExecutor(4) as desks:
            working = [desks.submit(desk, client, n) for n in range(4, 8)]
            for n, each in enumerate(apis * 2):
                until("orders of every moment", lambda n=n: answers.total() > 50 * (n + 1))
                each.end()
                each.start()
            enough.set()
            assert [each.exception() for each in working] == [None] * 4
    finally:
        enough.set()
        for each in apis:
            each.end()
    wrong = [line for line in (tmp_path / "error.log").read_text().splitlines() if "refused" not in line]
    assert (set(answers), wrong[:3]) == ({201}, []), answers
