"""`consent serve` as a process, its sister commands, and the page of its handset."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import httpx
import pytest

from benchmarks.ports import free_port
from tests import needs
from tests.acceptance.house import children_of, command_of
from tests.integration.api_door import NUMBER
from tests.integration.rq_house import ROOT
from tests.typed import typed
from tests.waiting import HANGS_S, until


@pytest.fixture
def environ(tmp_path):
    return environ_of(tmp_path)


def environ_of(folder):
    """Return the environment of an installation whose data stand in a folder."""
    needs.server()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    return plain | {"CONSENT_READING_SPEED": "1000000",
        "CONSENT_DATA_DIR": str(folder / "data"), "CONSENT_DURABILITY": "everysec", "CONSENT_LEASE": "4s",
                    "CONSENT_CALL_TIMEOUT": "1s"}  # fmt: skip


@pytest.fixture
def consent(environ):
    return typed_in(environ)


def typed_in(environ):
    """Return what runs `consent ...` with this environment."""

    def run(*arguments, **more):
        return typed(*arguments, environ=environ | more, seconds=HANGS_S)

    return run


class Serving:
    def __init__(self, environ, folder, *more):
        self.port, self.log = free_port(), folder / "serve.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "consent_engine", "serve", "--port", str(self.port), "--workers", "1", *more],
                env=environ, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip

    def ready(self):
        assert self.process.poll() is None, f"it has ended: {self.said()[-2_000:]}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=HANGS_S) as answer:
                return answer.status == 200
        except OSError:
            return False

    def children(self, part=""):
        """Return its processes with `part` in their command line, as Linux tells."""
        return [pid for pid in children_of(self.process.pid) if part in command_of(pid)]

    def said(self):
        return self.log.read_text(errors="replace")


@pytest.fixture
def serving(environ, tmp_path):
    with served_in(environ, tmp_path) as made:
        yield made


@contextmanager
def served_in(environ, folder):
    """Run `consent serve`, ready."""
    with closing_down(Serving(environ, folder)) as made:
        until("it is ready", made.ready)
        yield made


@contextmanager
def closing_down(made):
    """Yield what was made; end it, whatever happens."""
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.terminate()
        try:
            made.process.wait(HANGS_S)
        except subprocess.TimeoutExpired:
            made.process.kill()
            made.process.wait(HANGS_S)


def asked(url, body=None, headers=None):
    answer = httpx.request("GET" if body is None else "POST", url, json=body, headers=headers, timeout=HANGS_S)
    return answer.status_code, answer.text


@pytest.fixture
def page(serving):
    return handset_of(serving)


def handset_of(serving):
    """Return the address of its handset."""
    return next(line.split()[-1] for line in serving.said().splitlines() if line.startswith("handset"))


def place(serving, key):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    call = {"caller_number": "10085", "recording_id": "rec-1", "started_at": now, "agreed_at": now}
    body = {"msisdn": NUMBER, "plan": "5g-smart-199", "agent": "A1024", "call": call}
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "k-1", "Content-Type": "application/json"}
    status, said = asked(f"http://127.0.0.1:{serving.port}/v1/orders", body, headers)
    assert status == 201, said
    return json.loads(said)["id"], headers
