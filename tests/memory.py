"""Empty stores, for tests that need a store and nothing more: each a database of one real server, or a fakeredis.

A real server needs half of fakeredis' time, and nearly every machine has one: a wheel brings it. A test process starts
it for its first store, and it dies with the process. A test owns its databases only: what a server's databases share
(configuration, scripts, lists of clients, counts) is touched on a server of the test's own.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from fakeredis import FakeRedis

from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.embedded.binary import Answer, ask, configuration
from consent_engine.adapters.redis.embedded.launcher import LAUNCHER
from tests import needs
from tests.waiting import HANGS_S, until

DATABASES = 1_000
IN_MEMORY = f"appendonly no\ndatabases {DATABASES}\n"
_LENT: list[Any] = []
_BACK: list[Any] = []
"""One client for each database that was ever lent: it is in use, or was given back."""


def a_store() -> Any:
    """Return a client of an empty store, which is nobody else's until the test ends."""
    at = _socket()
    if at is None:
        return fake()
    client = _BACK.pop() if _BACK else as_threads_do(f"unix://{at}?db={len(_LENT)}")
    client.flushdb()
    _LENT.append(client)
    return client


def as_threads_do(url: str) -> Any:
    """Return a client that packs and reads in C, as those of an API's and a worker's threads do. One made in the main
    thread would do it in Python, a third of the time of a test, because of signal handlers that raise; here is none.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(connect, url).result()


def fake() -> Any:
    """Return a fakeredis that runs the scripts: the Lua it brings cannot unpack what they are given, ours can."""
    os.environ["LUA_PATH"] = f"{Path(__file__).parent / 'lua'}/?.lua;;"
    return FakeRedis(decode_responses=True, lua_modules={"cmsgpack"})


@contextmanager
def given_back() -> Iterator[None]:
    """Take back the stores that are lent inside the block. Those of longer-lived fixtures were lent before it."""
    before = len(_LENT)
    yield
    _BACK.extend(_LENT[before:])
    del _LENT[before:]


@cache
def _socket() -> Path | None:
    """Start this process' server and return its socket; None where there is no server program."""
    binary = next(iter(needs.servers()), None)
    if binary is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="mem-"))
    at, conf = folder / "redis.sock", folder / "redis.conf"
    conf.write_text(configuration(folder, at, "everysec") + IN_MEMORY)
    command = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), str(binary), str(conf)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    atexit.register(_end, os.getpid(), server, folder)
    until("there is a server", lambda: ask(at) is Answer.READY)
    return at


def _end(owner: int, server: subprocess.Popen[bytes], folder: Path) -> None:
    """End the server, unless this is a fork of the process that started it."""
    if os.getpid() == owner:
        server.terminate()
        server.wait(HANGS_S)
        shutil.rmtree(folder, ignore_errors=True)
