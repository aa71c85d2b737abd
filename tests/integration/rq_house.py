"""A server, an engine, a gateway that waits when told to, and worker processes: shared by the tests of the workers."""

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.rq_queue import connect_rq
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.wiring import Installation, installation
from tests import needs
from tests.waiting import HANGS_S, until

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "CONSENT_DURABILITY": "everysec",
    "CONSENT_SECRET": "a secret of the tests",
    "CONSENT_GATEWAY": "http_json",
    "CONSENT_HTTP_JSON__SECRET": "gateway-secret",
    "CONSENT_BSS": "simulated",
    "CONSENT_CALL_TIMEOUT": "3s",
    "CONSENT_LEASE": "4s",
    "CONSENT_RETRY_BASE": "100ms",
    "CONSENT_UNCERTAIN_HOLD": "500ms",
    "CONSENT_REMINDER_AFTER": "off",
}


def everything(redis, names: str) -> bytes:
    """Return all keys of such names with their values; of a key that ends meanwhile (RQ's do) only its name."""
    return b"".join(key + (redis.dump(key) or b"") for key in redis.keys(names))


@contextmanager
def server(folder: Path):
    needs.server()
    with EmbeddedServer.start(folder / "d", "everysec") as started:
        yield started


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Start one server for each test module."""
    with server(tmp_path_factory.mktemp("q")) as running:
        yield running


class Gateway:
    """A gateway that speaks http_json. Every call is put into `calls`; while `hold` is not set, none is answered."""

    def __init__(self) -> None:
        self.calls: queue.Queue[dict[str, Any]] = queue.Queue()
        self.hold = threading.Event()
        self.hold.set()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                gateway.calls.put(body)
                gateway.hold.wait(HANGS_S)
                answer = json.dumps({"message_id": f"m-{body['ref']}"}).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    self.close_connection = True  # the client has gone

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self.hold.set()
        self._http.shutdown()
        self._thread.join(HANGS_S)
        self._http.server_close()


@dataclass
class Worker:
    """A worker process with its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def saying(self, words: str) -> str:
        """Wait until it logs `words`."""
        return until(f"a worker says {words!r}", lambda: words in self.said() and self.said())


@dataclass
class Works:
    """A server, an engine on it, and the workers a test starts."""

    server: EmbeddedServer
    gateway: Gateway
    folder: Path
    found: Installation
    environ: dict[str, str]
    workers: list[Worker] = field(default_factory=list)
    placed: int = 0

    def __post_init__(self) -> None:
        self.engine = self.found.engine()
        self.redis = connect_rq(self.server.url, 5.0)

    def work(self, *arguments: str, pass_fds: tuple[int, ...] = (), **settings: str) -> Worker:
        log = self.folder / f"worker-{len(self.workers)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers", *arguments],
                env=self.environ | settings, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                pass_fds=pass_fds,
            )  # fmt: skip
        worker = Worker(process, log)
        self.workers.append(worker)
        worker.saying("works for")
        return worker

    def place(self) -> str:
        self.placed += 1
        now = datetime.now(UTC)
        call = {
            "caller_number": "10085",
            "recording_id": f"rec-{self.placed}",
            "started_at": (now - timedelta(minutes=4)).isoformat(),
            "agreed_at": (now - timedelta(seconds=5)).isoformat(),
        }
        wanted = {"msisdn": f"139{self.placed:08d}", "plan": "5g-smart-199", "agent": "A1", "call": call}
        return self.engine.place(Placing("desk", f"key-{self.placed}", PlaceOrder.read(wanted))).order.id

    def becomes(self, order: str, state: str) -> None:
        until(f"{order} is {state}", lambda: self.engine.show(order).state == state)

    def call(self) -> dict[str, Any]:
        """Return the next call at the gateway."""
        return self.gateway.calls.get(timeout=HANGS_S)


@contextmanager
def works(started: EmbeddedServer, folder: Path, **settings: str):
    """Set up everything but workers, on an empty server."""
    connect_rq(started.url).flushall()
    gateway = Gateway()
    wanted = SETTINGS | {
        "CONSENT_REDIS_URL": started.url,
        "CONSENT_HTTP_JSON__URL": gateway.url,
        "CONSENT_READING_SPEED": "1000000",
        "CONSENT_DATA_DIR": str(folder),
        **settings,
    }
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    with installation(Settings.load(wanted, env_file=None)) as found:
        made = Works(started, gateway, folder, found, plain | wanted)
        try:
            yield made
        finally:
            for worker in made.workers:
                if worker.process.poll() is None:
                    worker.process.kill()
                worker.process.wait(HANGS_S)
            gateway.close()
