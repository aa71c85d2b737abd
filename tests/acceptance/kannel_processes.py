"""Real processes: on free ports, read line by line, waited for with a deadline, ended by their own id."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import HANGS_S, PATIENCE


class Running:
    """A process, and everything it has printed."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            command,
            env=environ,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._ears = threading.Thread(target=self._listen, name=f"listens to {name}", daemon=True)
        self._ears.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._news.notify_all()

    def matching(self, pattern: str) -> list[str]:
        """The lines so far in which `pattern` is found."""
        return [line for line in list(self.lines) if re.search(pattern, line)]

    def wait_for(self, pattern: str, times: int = 1) -> list[str]:
        """Wait until `times` lines match, from the beginning on; return those lines."""
        self.wait_until(lambda: len(self.matching(pattern)) >= times, f"{pattern!r} {times} times")
        return self.matching(pattern)

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until the output makes `is_so` true: checked at every new line."""
        with self._news:
            came = self._news.wait_for(is_so, PATIENCE.seconds)
        assert came, f"{self.name} did not say {what}:\n" + "\n".join(self.lines[-40:])

    def type(self, line: str) -> None:
        """Write a line to its standard input."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> None:
        """End it, and wait until it has ended."""
        self.process.terminate()
        try:
            self.process.wait(HANGS_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(HANGS_S)
        self._ears.join(HANGS_S)
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def running(name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> Iterator[Running]:
    """A process inside the block."""
    started = Running(name, command, environ, folder)
    try:
        yield started
    finally:
        started.end()
