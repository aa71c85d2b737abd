"""Checks of the server's files before it starts: a missing manifest, and garbage at the end after a power cut."""

import mmap
import os
import re
from collections.abc import Callable
from pathlib import Path

from consent_engine.errors import SettingsError

MOST_CUT = 1_000_000
"""The most bytes cut off a file's end as left by a power cut. More is other damage, which a person must look at."""
LOG_LIMIT = 4_000_000
_COMMAND = re.compile(rb"\*([1-9]\d{0,6})\r\n")
_PART = re.compile(rb"\$(\d{1,9})\r\n")


def log_of(folder: Path) -> Path:
    """Return the path of a server's log; a log that has become long is renamed first."""
    log = folder / "redis.log"
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(folder / "redis.log.1")
    return log


def look_at_files(folder: Path, tell: Callable[[str], None]) -> None:
    """Refuse files without the manifest that names them; cut garbage off the end of the others, and tell of it.

    A server starts empty where the manifest is missing. After a power cut a file may end in zeros or garbage that no
    client got an answer for: it is cut back to the last whole command, as the server itself cuts back half a command.
    Where whole commands follow the garbage it is not the end: the file stays as it is, and the server refuses it.

    Raises SettingsError.
    """
    kept = sorted((folder / "appendonlydir").glob("*.aof"))
    if kept and not list((folder / "appendonlydir").glob("*.manifest")):
        raise SettingsError(
            f"CONSENT_DATA_DIR {folder}: {kept[0].name} is there, but its manifest is missing: restore "
            "appendonlydir whole from a backup; a server started now would have no orders"
        )
    for path in kept:
        if path.name.endswith(".incr.aof") and (cut := cut_back(path)):
            tell(f"{path.name}: {cut} bytes at its end were no command (a power cut leaves such bytes): cut off")


def cut_back(path: Path) -> int:
    """Cut zeros or garbage off a file's end, durably. Return how many bytes were cut."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2))
        if size == 0 or file.read() == b"\r\n":  # every command ends so
            return 0
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
            bad = _sound_until(data)
            garbage = bad < size and size - bad <= MOST_CUT and not _is_half(data, bad) and not _goes_on(data, bad)
        if not garbage:
            return 0
        file.truncate(bad)
        os.fsync(file.fileno())
        return size - bad


def _sound_until(data: mmap.mmap) -> int:
    """Return the offset of the first bytes that are no whole command."""
    at = 0
    while (end := _end_of(data, at)) > at:
        at = end
    return at


def _end_of(data: mmap.mmap, at: int) -> int:
    """Return where the command that begins at `at` ends; -1 when none begins there, or it is cut off."""
    head = _COMMAND.match(data, at)
    if head is None:
        return -1
    at = head.end()
    for _ in range(int(head[1])):
        part = _PART.match(data, at)
        if part is None:
            return -1
        at = part.end() + int(part[1]) + 2
        if data[at - 2 : at] != b"\r\n":
            return -1
    return at


def _is_half(data: mmap.mmap, at: int) -> bool:
    """Whether the bytes from `at` on are a command that is cut off by the end: the server cuts that back itself."""
    rest = data[at:]
    head = _COMMAND.match(rest)
    if head is None:
        return re.fullmatch(rb"\*(\d*\r?)?", rest) is not None
    here = head.end()
    for _ in range(int(head[1])):
        part = _PART.match(rest, here)
        if part is None:
            return re.fullmatch(rb"(\$(\d*\r?)?)?", rest[here:]) is not None
        end = part.end() + int(part[1])
        if end >= len(rest):
            return True
        if not b"\r\n".startswith(rest[end : end + 2]):
            return False
        here = end + 2
    return True


def _goes_on(data: mmap.mmap, bad: int) -> bool:
    """Whether a whole command follows somewhere after bytes that are none."""
    return any(_end_of(data, found.start()) > 0 for found in _COMMAND.finditer(data, bad + 1))
