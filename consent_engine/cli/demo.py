"""The demo: a real engine in processes and a folder of its own; this process simulates everything outside it."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from consent_engine.config.settings import Settings
from consent_engine.domain.roles import Role
from consent_engine.errors import ConsentError
from consent_engine.simulator import demo
from consent_engine.simulator.outside import Outside
from consent_engine.wiring import installation

READY_S, STOP_S = 60.0, 45.0
LOOK_S = 0.1
LAST_LINES = 30


class EngineDown(ConsentError, code="engine_down"):
    """The demo's engine did not start."""


def run(orders: int, seed: int, *, keep: bool) -> int:
    """Run the demo; return 0 when every order ended as its subscriber's script says."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="consent-demo-"))
    status = 1
    try:
        outside = Outside(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
        try:
            status = _run(folder, outside, orders, seed, keep=keep)
        finally:
            outside.close()
    finally:
        if status not in {0, 130}:
            _show_log(folder / "engine.log")
        if keep:
            _tell(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return status


def _run(folder: Path, outside: Outside, orders: int, seed: int, *, keep: bool) -> int:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    environ |= demo.settings_for(outside) | {"CONSENT_DATA_DIR": str(folder / "data")}
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    with _engine(folder, environ, port) as engine:
        _wait_ready(address, engine)
        key, ops_key = _keys(environ)
        status = demo.run(address, key, ops_key, outside, orders, seed, sys.stdout)
        if keep:
            _tell(f"{address}/docs is up until Ctrl-C; keys: agent {key} ops {ops_key}")
            _wait_for_interrupt(engine)
        return status


@contextmanager
def _engine(folder: Path, environ: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run `consent serve` as a person would; it ends with the block, and with this process however that dies."""
    reads, leash = os.pipe()
    command = [sys.executable, "-m", "consent_engine", "serve", "--port", str(port), "--leash", str(reads)]
    with (folder / "engine.log").open("wb") as log:
        engine = subprocess.Popen(
            command,
            env=environ | _importable(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[reads],
            start_new_session=True,
        )
    os.close(reads)
    try:
        yield engine
    finally:
        engine.terminate()
        try:
            engine.wait(STOP_S)
        except subprocess.TimeoutExpired:
            engine.kill()
            engine.wait()
        os.close(leash)


def _importable() -> dict[str, str]:
    """Return the path to our own packages, installed or not: the engine runs in another folder."""
    home = str(Path(__file__).parents[2])
    return {"PYTHONPATH": os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))}


def _wait_ready(address: str, engine: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    _tell("starting the engine: server, API, 2 workers")
    while not _ready(address):
        passed = time.monotonic() - began
        if engine.poll() is not None:
            raise EngineDown(f"the engine ended with status {engine.returncode}: its last lines are above")
        if passed > READY_S:
            raise EngineDown(f"the engine is not ready after {READY_S:.0f} s: its last lines are above")
        time.sleep(LOOK_S)
    _tell(f"ready at {address} after {time.monotonic() - began:.1f} s")


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, urllib.error.URLError):
        return False


def _keys(environ: dict[str, str]) -> tuple[str, str]:
    with installation(Settings.load(environ, env_file=None)) as found:
        keys = found.engine().keys
        return keys.add("demo-desk", Role.AGENT), keys.add("demo-ops", Role.OPS)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_for_interrupt(engine: subprocess.Popen[bytes]) -> None:
    try:
        engine.wait()
    except KeyboardInterrupt:
        return


def _show_log(log: Path) -> None:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    lines = [line for line in lines if " INFO api: " not in line]  # a log line for each request would hide the rest
    for line in ["the engine's last lines:", *lines[-LAST_LINES:]]:
        sys.stderr.write(f"  {line}\n")


def _tell(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()
