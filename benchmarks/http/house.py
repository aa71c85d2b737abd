"""The house under HTTP load: a server of our own, `consent api` and workers as processes, and the stub outside."""

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from benchmarks.machine import all_cpu, cpu_of, families
from benchmarks.pictures import DOCS, OUT, between
from benchmarks.ports import free_ports
from consent_engine.adapters.redis.embedded.binary import find_binary
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.config.settings import Settings
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.errors import ConsentError
from consent_engine.wiring import Installation, installation

ROOT = Path(__file__).parents[2]
START_S = 60.0
OUTSIDE = {"CONSENT_GATEWAY": "http_json", "CONSENT_BSS": "http"}


@dataclass(frozen=True, slots=True)
class Stub:
    """The running stub."""

    port: int
    pid: int
    told: IO[bytes]
    secret: str
    bss_secret: str

    @property
    def url(self) -> str:
        """The stub's address."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def stub(ms: float = 0) -> Iterator[Stub]:
    """Run gateway and BSS. ms: how long they take to answer"""
    command = [sys.executable, "-m", "benchmarks.http.stub", str(ms)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101 - as asked for
        assert process.stdout is not None  # noqa: S101 - the same
        told: IO[bytes] = process.stdout
        try:
            # Read by hand: a buffered reader would take lines that the event loop waits for.
            port = b""
            while not port.endswith(b"\n"):
                port += os.read(told.fileno(), 1)
            yield Stub(int(port), process.pid, told, secrets.token_urlsafe(24), secrets.token_urlsafe(24))
        finally:
            process.stdin.close()
            process.terminate()


@dataclass(frozen=True, slots=True)
class House:
    """The running house. python: API and workers · servers: Redis, RQ's too"""

    port: int
    key: str
    engine: Engine
    found: Installation
    python: list[int]
    servers: list[int] = field(default_factory=list)


def environment(data: Path, durability: str, outside: Stub) -> dict[str, str]:
    """Return the settings of a house whose outside is the stub."""
    return {
        **OUTSIDE,
        "CONSENT_READING_SPEED": "1000000",
        "CONSENT_DATA_DIR": str(data),
        "CONSENT_DURABILITY": durability,
        "CONSENT_HTTP_JSON__URL": f"{outside.url}/sms",
        "CONSENT_HTTP_JSON__SECRET": outside.secret,
        "CONSENT_BSS_HTTP__URL": f"{outside.url}/bss",
        "CONSENT_BSS_HTTP__SECRET": outside.bss_secret,
    }


@contextmanager
def house(
    folder: Path, outside: Stub, *, durability: str, workers: int, rq_apart: bool, more: Mapping[str, str] | None = None
) -> Iterator[House]:
    """Run a house in `folder`. rq_apart: RQ's keys in a Redis of their own, without AOF."""
    with _rq(folder, wanted=rq_apart) as (rq_url, rq_pids):
        ours = environment(folder / "data", durability, outside) | rq_url | dict(more or {})
        settings = Settings.load(ours, env_file=None)
        with installation(settings, own=True) as found:
            assert isinstance(found.server, EmbeddedServer)  # noqa: S101 - `own` says so
            engine = found.engine()
            key = engine.keys.add("load", Role.AGENT)
            clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
            environ = clean | ours | found.environ() | {"PYTHONPATH": str(ROOT)}
            [port] = free_ports(1)
            api = [sys.executable, "-m", "consent_engine", "api", "--port", str(port)]
            pool = [[sys.executable, "-m", "workers"]] * workers
            with running([api, *pool], environ, folder) as pids:
                wait_for(f"http://127.0.0.1:{port}/{'readyz' if workers else 'healthz'}", folder)
                yield House(port, key, engine, found, pids, [found.server.pid, *rq_pids])


@contextmanager
def _rq(folder: Path, *, wanted: bool) -> Iterator[tuple[dict[str, str], list[int]]]:
    if not wanted:
        yield {}, []
        return
    at = folder / "rq.sock"
    command = [str(find_binary()), "--port", "0", "--unixsocket", str(at), "--save", "", "--appendonly", "no"]
    with running([[*command, "--dir", str(folder)]], dict(os.environ), folder) as pids:
        deadline = time.monotonic() + START_S
        while not at.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        if not at.exists():
            sys.exit(f"RQ's Redis did not start: {last_words(folder)}")
        yield {"CONSENT_RQ_URL": f"unix://{at}?db=0"}, pids


@contextmanager
def running(
    commands: list[list[str]], environ: Mapping[str, str], folder: Path, *, keep: bool = False, stdin: int | None = None
) -> Iterator[list[int]]:
    """Run processes; yield their pids. Their output goes to a file in the folder. keep: our open files, too."""
    with (folder / "log").open("ab") as log:
        started = [
            subprocess.Popen(
                command, env=dict(environ), cwd=folder, stdout=log, stderr=log, stdin=stdin, close_fds=not keep
            )
            for command in commands
        ]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def wait_for(url: str, folder: Path) -> None:
    """Wait until the URL answers 200. folder: of its processes, to quote them if it does not"""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - ours
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    sys.exit(f"no answer from {url} within {START_S:.0f} s: {last_words(folder)}")


def last_words(folder: Path) -> str:
    """Return the last line that the processes of a folder wrote."""
    said = (folder / "log").read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(said) if line.strip()), "they said nothing")


def published(name: str, found: dict[str, Any], told: str, into: Path | None) -> None:
    """Print the table; figures to `into`, else to docs/performance, and the table to its place on the page there."""
    print(f"\n{told}")
    (at := into or OUT / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"written: {at}")
    page = DOCS / "performance.md"
    if into is None and f"<!-- {name} -->" in page.read_text(encoding="utf-8"):
        between(page, name, told)
        print(f"written: the table in {page}")


def positive(text: str) -> int:
    """Read an option that is a whole number above 0."""
    if (value := int(text)) < 1:
        raise ValueError
    return value


def new_file(text: str) -> Path:
    """Read an option that names a file to write: its folder must exist. Checked before the work, not after it."""
    if not (path := Path(text)).parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be written")
    return path


def in_one_line(run: Callable[[], int]) -> None:
    """Run a command and exit with its status; a failure, or being stopped, is one line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # an exception, so that started processes are ended
    try:
        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit("stopped")
    except (ConsentError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


class Spending:
    """CPU seconds since the start: of Python, of Redis, of driver and stub, of all others."""

    def __init__(self, python: list[int], servers: list[int], driver: list[int]) -> None:
        self._python, self._servers, self._driver = python, servers, driver
        self._began = self._look()
        self._at = time.monotonic()

    def _look(self) -> tuple[float, ...]:
        # The driver's own children (servers, API) are counted separately: its family is left out here.
        driver = sum(time.process_time() if pid == os.getpid() else cpu_of(pid) for pid in self._driver)
        return families(self._python), sum(cpu_of(pid) for pid in self._servers), driver, all_cpu()

    def spent(self, orders: int) -> dict[str, float]:
        """Return milliseconds an order, and the share of the machine that was busy with others."""
        python, servers, driver, everybody = (b - a for a, b in zip(self._began, self._look(), strict=True))
        others = max(0.0, everybody - python - servers - driver)
        room = (time.monotonic() - self._at) * (os.cpu_count() or 1)
        each = {"python_ms": python, "redis_ms": servers, "driver_ms": driver}
        return {name: round(value / max(1, orders) * 1000, 3) for name, value in each.items()} | {
            "others": round(others / room, 3)
        }
