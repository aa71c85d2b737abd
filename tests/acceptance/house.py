"""A running engine with its gateway and BSS, as a user has them: processes, addresses, keys."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.ports import free_port
from consent_engine.domain import hashing
from consent_engine.engine.api_keys import Role
from tests.typed import typed
from tests.waiting import HANGS_S, until

HOME = str(Path(__file__).parents[2])
"""The folder of our packages: the processes run in folders of their own."""
GATEWAY_SECRET, BSS_SECRET = "gateway-secret-of-the-tests", "bss-secret-of-the-tests"
SHORT = {
    "CONSENT_REMINDER_AFTER": "off",
    "CONSENT_UNCERTAIN_HOLD": "1s",
    "CONSENT_CALL_TIMEOUT": "1s",
    "CONSENT_LEASE": "2s",
    "CONSENT_RETRY_BASE": "100ms",
    "CONSENT_RETRY_MAX": "1s",
}
ONCE = {"CONSENT_MAX_ATTEMPTS": "1", "CONSENT_CALL_TIMEOUT": "30s", "CONSENT_LEASE": "60s"}
"""One try, for which even a starved machine has the time: an order is stuck where BSS or gateway says no."""


def call(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Make one HTTP call as curl makes it; return status and JSON (or text)."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data, sent, method=method)  # noqa: S310 - our own loopback addresses
    try:
        with urllib.request.urlopen(request, timeout=HANGS_S) as answer:  # noqa: S310 - the same
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def children_of(pid: int) -> list[int]:
    """Processes that `pid` started, from /proc: not every machine has a ps."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


def descendants(pid: int) -> list[int]:
    """Processes below `pid`."""
    return [each for child in children_of(pid) for each in (child, *descendants(child))]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@dataclass
class House:
    """The engine under `consent serve`, with the simulator's gateway and BSS in a process of their own."""

    folder: Path
    environ: dict[str, str]
    port: int = field(default_factory=free_port)
    outside_port: int = field(default_factory=free_port)
    server: subprocess.Popen[bytes] | None = None
    outside: subprocess.Popen[bytes] | None = None
    keys: dict[str, str] = field(default_factory=dict)
    placed: int = 0

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "engine.log").read_text(errors="replace")

    def command(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run `consent ...` as a person types it."""
        return typed(*args, environ=self.environ, folder=self.folder, seconds=HANGS_S)

    def start_outside(self, *options: str) -> None:
        self.outside = subprocess.Popen(
            [sys.executable, "-m", "consent_engine.simulator", "--port", str(self.outside_port),
             "--engine", self.api, *options],
            env=self.environ, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=self.folder,
        )  # fmt: skip
        until(
            "the outside answers",
            lambda: call("GET", f"http://127.0.0.1:{self.outside_port}/ledger")[0] == 200,
        )

    def start(self, workers: int = 2) -> None:
        log = (self.folder / "engine.log").open("ab")
        arguments = ["serve", "--port", str(self.port), "--workers", str(workers)]
        self.server = subprocess.Popen(
            [sys.executable, "-m", "consent_engine", *arguments],
            env=self.environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder,
        )  # fmt: skip
        log.close()
        until("the engine is ready", lambda: self.call("GET", "/readyz")[0] == 200)

    def add_keys(self) -> None:
        for role in Role:
            self.add_key(role, f"{role}-1", role)

    def add_key(self, kept: str, name: str, role: str) -> None:
        """Make a key, and keep it in `keys` under `kept`."""
        done = self.command("keys", "add", name, "--role", role)
        assert done.returncode == 0, done.stderr
        self.keys[kept] = done.stdout.split()[-1]

    def ask(self, method: str, path: str, body: Any = None, role: str = "agent", **headers: str) -> tuple[int, Any]:
        return self.call(method, path, body, {"Authorization": f"Bearer {self.keys[role]}", **headers})

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Make a call to the API. Raises AssertionError where nobody answers because `consent serve` has ended: to wait
        for it would be in vain.
        """
        try:
            return call(method, self.api + path, body, headers)
        except OSError:
            assert self.server is None or self.server.poll() is None, f"the engine has ended: {self.log[-2_000:]}"
            raise

    def place(self, number: int, key: str = "", plan: str = "5g-smart-199", **changes: Any) -> tuple[int, Any]:
        self.placed += 1
        now = datetime.now(UTC)
        body = {
            "msisdn": f"+86138{number:08d}",
            "plan": plan,
            "agent": "A1024",
            "call": {
                "caller_number": "10085",
                "recording_id": f"rec-{number}",
                "started_at": (now - timedelta(minutes=4)).isoformat(),
                "agreed_at": (now - timedelta(seconds=5)).isoformat(),
            },
            **changes,
        }
        return self.ask("POST", "/v1/orders", body, **{"Idempotency-Key": key or f"acceptance-{self.placed}"})

    def show(self, order: str) -> Any:
        return self.ask("GET", f"/v1/orders/{order}")[1]

    def state(self, order: str) -> str:
        return str(self.show(order).get("state"))

    def say(self, number: int, text: str, message_id: str) -> tuple[int, Any]:
        """Post an MO as the contract's gateway does, signed."""
        message = {"message_id": message_id, "from": f"+86138{number:08d}", "to": "10085", "text": text}
        return self.post_signed("/v1/gateways/http_json/inbound", json.dumps(message).encode())

    def post_signed(self, path: str, body: bytes, secret: str = GATEWAY_SECRET) -> tuple[int, Any]:
        at = int(datetime.now(UTC).timestamp())
        return self.call("POST", path, body, {hashing.HEADER: hashing.sign(secret, body, at)})

    def ledger(self) -> Any:
        return call("GET", f"http://127.0.0.1:{self.outside_port}/ledger")[1]

    def children(self, part: str) -> list[int]:
        """The engine's processes whose command line contains `part`."""
        return [pid for pid in descendants(self.server.pid if self.server else 0) if part in command_of(pid)]

    def stop(self) -> int:
        assert self.server is not None
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
        return self.server.wait(HANGS_S)


@contextmanager
def house(folder: Path, **settings: str) -> Iterator[House]:
    """A house from start to end; whatever happens, nothing of it is left."""
    made = House(folder, {})
    made.environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")},
        **SHORT,
        "PYTHONPATH": HOME,
        "CONSENT_READING_SPEED": "1000000",
        "CONSENT_DATA_DIR": str(folder / "data"),
        "CONSENT_GATEWAY": "http_json",
        "CONSENT_HTTP_JSON__URL": f"http://127.0.0.1:{made.outside_port}/sms",
        "CONSENT_HTTP_JSON__SECRET": GATEWAY_SECRET,
        "CONSENT_BSS": "http",
        "CONSENT_BSS_HTTP__URL": f"http://127.0.0.1:{made.outside_port}/bss",
        "CONSENT_BSS_HTTP__SECRET": BSS_SECRET,
        "CONSENT_PLANS": "sample",
        **settings,
    }
    try:
        made.start_outside()
        made.start()
        made.add_keys()
        yield made
    finally:
        below = descendants(made.server.pid) if made.server else []
        try:
            if made.server is not None:
                made.stop()
        finally:
            for process in (made.server, made.outside):
                if process is not None and process.poll() is None:
                    process.kill()
                if process is not None:
                    process.wait(HANGS_S)
            for pid in below:
                if Path(f"/proc/{pid}").exists():
                    os.kill(pid, signal.SIGKILL)
