"""Locks on files (flock): the kernel releases them however their holder dies, and an open file can be inherited."""

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

PAUSE = 0.02


def lock_now(path: Path, *, shared: bool = False) -> int | None:
    """Open and lock a file; return its descriptor, or None where another process holds the lock."""
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(held)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return held


def lock_soon(path: Path, wait: float, *, shared: bool = False) -> int | None:
    """Lock a file as `lock_now` does, trying for `wait` seconds."""
    deadline = time.monotonic() + wait
    while (held := lock_now(path, shared=shared)) is None and time.monotonic() < deadline:
        time.sleep(PAUSE)
    return held


def unlock(held: int) -> None:
    """Release a lock and close its file. Closing alone would not do: a forked child may hold a copy of the file."""
    fcntl.flock(held, fcntl.LOCK_UN)
    os.close(held)


def holders(path: Path) -> Iterator[int]:
    """Yield the pids of other processes that have this very file open, as far as visible (Linux; elsewhere none)."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            same = link.samefile(path)
        except OSError:  # another user's process, or one that has ended
            continue
        if same and int(link.parts[2]) != os.getpid():
            yield int(link.parts[2])
