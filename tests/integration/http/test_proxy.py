"""The API behind the proxy of deploy/: TLS, request ids, and events that are passed on as they happen."""

import json
import os
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from benchmarks.ports import free_port
from consent_engine.engine.api_keys import Role
from tests import needs
from tests.integration.api_door import live, order
from tests.waiting import HANGS_S, until

ROOT = Path(__file__).parents[3]
WAIT = 30


@pytest.fixture
def proxied(door, tmp_path):
    """Run a real nginx with the sample configuration before a served application; yield a client of it."""
    nginx, openssl = needs.program("nginx", "nginx"), needs.program("openssl", "openssl")
    certificate, key, port = tmp_path / "consent.crt", tmp_path / "consent.key", free_port()
    made = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate,
    ]  # fmt: skip
    subprocess.run(made, capture_output=True, timeout=HANGS_S, check=True)
    with live(door.app) as address:
        text = (ROOT / "deploy" / "proxy" / "nginx.conf").read_text("utf-8")
        changed = {
            "127.0.0.1:8080": address.removeprefix("http://"), "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/nginx/": f"{tmp_path}/", "/run/nginx.pid": f"{tmp_path}/pid", "processes auto": "processes 1",
        }  # fmt: skip
        for before, after in changed.items():
            assert before in text
            text = text.replace(before, after)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
        (tmp_path / "nginx.conf").write_text(text.replace("access_log off;", f"access_log off;\n{temporary}"))
        user = ["-g", "daemon off; user root;"] if os.geteuid() == 0 else ["-g", "daemon off;"]
        command = [nginx, "-p", tmp_path, "-e", tmp_path / "error.log", "-c", tmp_path / "nginx.conf", *user]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            until("nginx listens", lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)
            trusted = ssl.create_default_context(cafile=certificate)
            with httpx.Client(base_url=f"https://localhost:{port}", verify=trusted, timeout=WAIT) as client:
                yield client
        finally:
            process.terminate()
            process.wait(WAIT)


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
