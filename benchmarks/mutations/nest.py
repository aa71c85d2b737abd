"""pytest in forks: packages from outside are imported once for all runs. `benchmarks/mutations/nest.py`.

A run of one test takes three seconds of a processor, of which two and a half go to importing code that no mutation
changes. Here they are spent once. Nothing of the code under test is imported before the fork.
"""

import gc
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType

import msgspec
import pytest

READY = (
    "arrow", "hypothesis.strategies", "httptools", "httpx", "itsdangerous", "pydantic.main",
    "redis.asyncio", "redis_sentinel_url", "rq", "rq_dashboard", "sqlalchemy.pool", "sqlalchemy.dialects.sqlite",
    "starlette.middleware.sessions", "starlette.responses", "starlette.routing", "uvicorn.config", "yaml", "yarl",
)  # fmt: skip
OURS = ("consent_engine", "tests", "workers")
NOT_OF_A_RUN = ("PYTEST_", "COV_", "PYTHONDONTWRITEBYTECODE")
TOO_LONG = -1
HANGS = {"TESTS_HANGS_S": "120"}
"""What hangs because it is broken on purpose fails within the time of its run."""


class Asked(msgspec.Struct):
    """pytest's arguments, and how long it may take."""

    words: tuple[str, ...]
    wait_s: int


class Ended(msgspec.Struct):
    """pytest's status, or TOO_LONG; and the end of its output."""

    status: int
    said: str


class Nest:
    """A process that runs tests of one checkout, for one caller at a time."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        environ = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OF_A_RUN)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.mutations.nest"],
            cwd=checkout, env=environ | {"PYTHONPATH": str(checkout), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **HANGS},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, words: Sequence[str], wait_s: int) -> Ended:
        """Run pytest with these arguments on the code as it is now; raises EOFError when the process has died."""
        if not (self._process.stdin and self._process.stdout):
            raise EOFError("the process has no pipes")
        self._process.stdin.write(msgspec.json.encode(Asked(tuple(words), wait_s)) + b"\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise EOFError("the process that runs the tests has died")
        return msgspec.json.decode(line, type=Ended)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    """Fork a run for each line of standard input."""
    for name in READY:
        with suppress(ImportError):
            import_module(name)
    if ours := [name for name in sys.modules if name.partition(".")[0] in OURS]:
        raise ImportError(f"imported before the fork, so that no mutation of it counts: {ours}")
    gc.freeze()
    for line in sys.stdin.buffer:
        asked = msgspec.json.decode(line, type=Asked)
        with tempfile.TemporaryFile() as output:
            if not (child := os.fork()):
                _hatched(asked.words, output.fileno())
            status = _waited_for(child, asked.wait_s)
            output.seek(0)
            said = output.read().decode("utf-8", "replace")
        sys.stdout.buffer.write(msgspec.json.encode(Ended(status, said[-20_000:])) + b"\n")
        sys.stdout.buffer.flush()


def _hatched(words: Sequence[str], output: int) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for there, here in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(there, here)
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *words]))


def _waited_for(child: int, wait_s: int) -> int:
    """Return the child's status; processes that it left behind are ended with it."""

    def too_long(number: int, frame: FrameType | None) -> None:
        os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(wait_s)
    _, status = os.waitpid(child, 0)
    signal.alarm(0)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else TOO_LONG


if __name__ == "__main__":
    main()
