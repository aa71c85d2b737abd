"""A data folder is damaged while in use: the installation starts with all that was acknowledged, or not at all.

An installation on an embedded server (strict) and a SQLite archive works under load; the server is killed with -9, and
then its files are damaged. It is started again. Either that is refused, in one line, or the rules of
`rules.py` hold, or they do not and it is known: `consent doctor --all` is asked, before the start in every second round
and after it in all, and is content where it started and the rules hold, and nowhere else. Status 1 when it is not so.

    python -m benchmarks.promises.damages --rounds 2
"""

import argparse
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.promises.doctors import Said, doctor
from benchmarks.promises.load import Load
from benchmarks.promises.rules import Notes
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.config.settings import Settings
from consent_engine.engine.engine import Engine
from consent_engine.errors import ConsentError
from consent_engine.ports.registry import WorkerReport
from consent_engine.wiring import archive_of, installation

WORKS_S = 2.0
LOGGED, LOGGED_S, PAUSE_S = 0.95, 60.0, 0.02
"""The share of the file whose entries are in the log when the server dies, and the seconds that it is waited for."""
ORDERS = 20
"""The least number of orders in the file: half of a shorter one is the installation's own records."""
ZEROS, GARBAGE = bytes(4096), bytes(range(1, 256)) * 3


def _aof(data: Path) -> Path:
    return max((data / "appendonlydir").glob("*.incr.aof"))


def _tail(more: bytes) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        _aof(data).write_bytes(_aof(data).read_bytes() + more)

    return change


def _cut(share: float) -> Callable[[Path], None]:
    """Return a damage that cuts off the end of the file, as a copy that was broken off."""

    def change(data: Path) -> None:
        kept = _aof(data).read_bytes()
        _aof(data).write_bytes(kept[: int(len(kept) * share)])

    return change


def _hole(data: Path) -> None:
    """Overwrite a page in the file's middle with zeros."""
    kept = bytearray(_aof(data).read_bytes())
    middle = len(kept) // 2
    kept[middle : middle + 4096] = bytes(4096)
    _aof(data).write_bytes(kept)


def _flip(data: Path) -> None:
    """Flip a bit in twenty bytes anywhere in the file."""
    kept = bytearray(_aof(data).read_bytes())
    for at in random.sample(range(len(kept)), 20):
        kept[at] ^= 1
    _aof(data).write_bytes(kept)


def _gone(pattern: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        for path in list(data.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    return change


def _holds(pattern: str, content: bytes) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        for path in data.glob(pattern):
            path.write_bytes(content)

    return change


DAMAGES: dict[str, Callable[[Path], None]] = {
    "nothing but the kill": lambda _: None,
    "zeros at the end of the file": _tail(ZEROS),
    "garbage at the end of the file": _tail(GARBAGE),
    "half a command at its end": _tail(b"*3\r\n$3\r\nSET\r\n$1\r\nk"),
    "a page of zeros in its middle": _hole,
    "twenty bits anywhere in it are others": _flip,
    "its last tenth is gone": _cut(0.9),
    "its last half is gone": _cut(0.5),
    "it is empty": _holds("appendonlydir/*.incr.aof", b""),
    "it is gone": _gone("appendonlydir/*.incr.aof"),
    "the file it builds on is gone": _gone("appendonlydir/*.base.*"),
    "the file it builds on is empty": _holds("appendonlydir/*.base.*", b""),
    "the manifest is gone": _gone("appendonlydir/*.manifest"),
    "the manifest is empty": _holds("appendonlydir/*.manifest", b""),
    "the folder of the files is gone": _gone("appendonlydir"),
    "the secret is gone": _gone("secret"),
    "the secret is another": _holds("secret", b"another-secret-of-thirty-two-letters\n"),
    "the archive is gone": _gone("archive*"),
    "the archive is empty": _holds("archive.sqlite3", b""),
    "the archive is garbage": _holds("archive.sqlite3", GARBAGE * 20),
    "the name of the data is gone": _gone("installation"),
}


@dataclass(frozen=True)
class Seen:
    """The result of one damage. refused: why it did not start · broken: which rules · first: what the doctor said
    before the start, where it was asked then · then: after it.
    """

    refused: str
    broken: str
    first: Said | None
    then: Said

    @property
    def started(self) -> bool:
        """Whether the installation started."""
        return not self.refused

    @property
    def agrees(self) -> bool:
        """Whether the doctor is content exactly where it started with all that was acknowledged, whenever asked."""
        asked = [each for each in (self.first, self.then) if each is not None]
        return all(each.content == (self.started and not self.broken) for each in asked)

    @property
    def said(self) -> str:
        """The whole result, for people."""
        what = f"refused: {self.refused}" if self.refused else f"starts: {self.broken or 'nothing broken'}"
        bad = "; ".join(self.then.bad) or "nothing bad"
        first = f"; asked before the start: {'; '.join(self.first.bad) or 'nothing bad'}" if self.first else ""
        return f"{what}; the doctor {'agrees' if self.agrees else 'DOES NOT AGREE'}: {bad}{first}"


def run(damage: str, data: Path, works_s: float = WORKS_S, *, first: bool = False) -> Seen:
    """Work, die, be damaged, start. first: the doctor is asked before the start, too"""
    named = {"DATA_DIR": str(data), "DURABILITY": "strict"}
    settings = Settings.load({f"CONSENT_{name}": value for name, value in named.items()}, None)
    with installation(settings, own=True) as found, closing(archive_of(settings)) as archive:
        load = Load(found.redis_url, 0, archive=archive, secret=found.secret)
        archive.seal = found.archive.seal if found.archive else None
        load.begin()
        time.sleep(works_s)
        _logged(load, data)
        if isinstance(found.server, EmbeddedServer):
            os.kill(found.server.pid, signal.SIGKILL)
        load.close()
    DAMAGES[damage](data)
    before = doctor(named, data.parent) if first else None
    try:
        with installation(settings, own=True) as found:
            engine = found.engine()
            engine.registry.announce("here", WorkerReport())
            then, broken = doctor(named, data.parent), _broken(load.notes, engine)
    except ConsentError as error:
        return Seen(str(error).replace(str(data), "DATA"), "", before, doctor(named, data.parent))
    return Seen("", broken, before, then)


def _logged(load: Load, data: Path) -> None:
    """Wait until the log has the entries of nearly all of the file: nobody can know that others are lost.

    Raises TimeoutError where the scribe does not keep up.
    """
    store, until = load.engine().store, time.monotonic() + LOGGED_S
    if store.log is None:
        raise TypeError("a load without an archive has no log")
    while time.monotonic() < until:
        size = _aof(data).stat().st_size
        entries = store.journal.waiting().count + store.log.ends()[1]
        while store.log.ends()[1] < entries and time.monotonic() < until:
            time.sleep(PAUSE_S)
        if size >= LOGGED * _aof(data).stat().st_size and len(load.notes.orders) >= ORDERS:
            return
        time.sleep(PAUSE_S)
    raise TimeoutError("the scribe does not keep up with the load")


def _broken(notes: Notes, engine: Engine) -> str:
    """Return the rules that broke, or why that cannot be seen: unreadable data are not lost, but not there either."""
    try:
        return ", ".join(f"{n} {what}" for what, n in notes.broken(engine).items())
    except ConsentError as error:
        return str(error)


def main() -> int:
    """Print a line for every damage. Status 1 when the doctor does not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=list(DAMAGES), default=list(DAMAGES))
    worst = 0
    chosen = parser.parse_args()
    for n, damage in itertools.product(range(chosen.rounds), chosen.only):
        with tempfile.TemporaryDirectory(prefix="damages-") as name:
            seen = run(damage, Path(name) / "data", first=bool(n % 2))
        sys.stdout.write(f"{damage}: {seen.said}\n")
        sys.stdout.flush()
        worst |= not seen.agrees
    return worst


if __name__ == "__main__":
    sys.exit(main())
