"""A real redis-server of our own, in the strict profile: it may be killed, and starts again from its files on disk."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consent_engine.adapters.redis.embedded.binary import Answer, ask, configuration, find_binary
from tests.in_memory import memory
from tests.processes import has_ended
from tests.waiting import HANGS_S

LOOK_S = 0.001
PR_SET_PDEATHSIG = 1


class Server:
    """One server on a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._binary = find_binary()
        self.folder = folder
        self._socket = folder / "s"
        self._config = folder / "redis.conf"
        self._log = folder / "log"
        self.url = f"unix://{self._socket}"
        self._config.write_text(configuration(folder, self._socket, "strict") + "auto-aof-rewrite-percentage 0\n")
        self.start()

    def start(self) -> None:
        """Start the server on its existing files, and wait until it serves."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, self._config],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509
            )
        nothing = threading.Event()
        for _ in range(int(HANGS_S / LOOK_S)):
            if ask(self._socket) is Answer.READY:
                return
            nothing.wait(LOOK_S)
        raise AssertionError(f"no server: {self._log.read_text(errors='replace')[-500:]}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def restart(self) -> None:
        """Start it again after it was killed, from its append-only file."""
        self._process.wait(HANGS_S)
        self.start()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(HANGS_S)


def die_with_parent() -> None:
    """Let this process die with its parent, however the parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def kill(pid: int) -> None:
    """Kill a process that need not be a child of this one, and wait until it is dead."""
    watched = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    has_ended(watched, HANGS_S)


@contextmanager
def running() -> Iterator[Server]:
    """A server, removed without a trace afterwards. In memory where that is available: an fsync costs nothing there."""
    folder = Path(tempfile.mkdtemp(prefix="cp-", dir=memory()))
    server = None
    try:
        server = Server(folder)
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
