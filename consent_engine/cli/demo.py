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

STOP_S = 45.0
LOOK_S = 0.1
LAST_LINES = 30


class EngineDown(ConsentError, code="engine_down"):
    """The demo's engine did not start."""


def run(orders: int, seed: int, *, keep: bool) -> int:
    """Run the demo; return 0 when every order ended as its subscriber's script says."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="consent-demo-"))
    status = 2
    try:
        outside = Outside(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
        try:
            status = _run(folder, outside, orders, seed, keep=keep)
        finally:
            outside.close()
    finally:
        if status not in {0, 130}:
            _show_log(folder / "engine.log")
        if keep or status == demo.DIFFERS:  # an order that ended otherwise can be looked at: consent show, doctor
            _tell(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return status


def _run(folder: Path, outside: Outside, orders: int, seed: int, *, keep: bool) -> int:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    environ |= demo.settings_for(outside) | {"CONSENT_DATA_DIR": str(folder / "data")}
    ends_at = time.monotonic() + demo.limit_s(orders)
    with _engine(folder, environ, "serve") as (engine, address):
        _tell("starting the engine: server, API, 2 workers, and a second API for orders whose windows are short")
        began = time.monotonic()
        if not _is_ready(address, engine, ends_at):
            return _too_slow()
        with _engine(folder, environ | demo.HASTY_SETTINGS, "api") as (other, hasty):
            if not _is_ready(hasty, other, ends_at):
                return _too_slow()
            _tell(f"ready at {address} after {time.monotonic() - began:.1f} s")
            key, ops_key = _keys(environ)
            left_s = max(0.0, ends_at - time.monotonic())
            status = demo.run(demo.Run(address, hasty, key, ops_key, outside, orders, seed, left_s, sys.stdout))
        _tell("to answer an order with your own 是: consent serve, which prints the address of a handset")
        if keep:
            _tell(f"{address}/docs is up until Ctrl-C; keys: agent {key} ops {ops_key}")
            _wait_for_interrupt(engine)
        return status


@contextmanager
def _engine(folder: Path, environ: dict[str, str], command: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `consent serve` or `consent api` as a person would, and give its address too; it ends with the block, and
    with this process however that dies.
    """
    reads, leash = os.pipe()
    port = _free_port()
    started = [sys.executable, "-m", "consent_engine", command, "--port", str(port), "--leash", str(reads)]
    with (folder / "engine.log").open("ab") as log:
        engine = subprocess.Popen(
            started,
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
        yield engine, f"http://127.0.0.1:{port}"
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


def _is_ready(address: str, engine: subprocess.Popen[bytes], ends_at: float) -> bool:
    """Wait until the engine is ready; False where the time is over first. Raises EngineDown."""
    while not _ready(address):
        if engine.poll() is not None:
            raise EngineDown(f"the engine ended with status {engine.returncode}: its last lines are above")
        if time.monotonic() > ends_at:
            return False
        time.sleep(LOOK_S)
    return True


def _too_slow() -> int:
    _tell("too slow: the engine was not ready when the time was over. That is no difference: nothing was placed.")
    return demo.TOO_SLOW


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


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
