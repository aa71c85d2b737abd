"""Orders move to the archive while requests are repeated and parts fail: is all that was acknowledged still there?

A real Redis (strict) and an archive, SQLite or PostgreSQL. Two workers move settled orders, their clocks a week
ahead, so that orders leave within the second in which they settle; a third writes to the archive and pauses before it
removes them. The rules: `rules.py`; and `consent doctor --all` is asked at the end. Status 1 when a rule broke, or the
doctor contradicts the rules.

    python -m benchmarks.promises.archive_races --rounds 5
"""

import argparse
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import postgres
from benchmarks.promises.doctors import OUTSIDE, Said, doctor
from benchmarks.promises.load import SECRET, Load
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.connections import connected
from consent_engine.domain.order.order import Retention
from consent_engine.domain.seal import Seal
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import Owner
from tests.durability.servers import Server, server

RACES_S, FAULT_S = 2.0, 5.0
STANDS_S = 0.5
PATIENCE_S, LOOK_S = 180, 0.5
"""How long a PostgreSQL that lost a process may take to recover, on a machine that does much else."""


class Standing(SqlArchive):
    """An archive whose every writer pauses after it marked records as gone, before Redis removes them."""

    def let_go(self, owner: Owner, heads: Mapping[str, tuple[int, str]]) -> set[str]:
        gone = super().let_go(owner, heads)
        time.sleep(STANDS_S)
        return gone


@dataclass(frozen=True)
class Place:
    """The servers of a run. url: of the archive · folder: where commands are typed · path: SQLite's file · pid: of
    PostgreSQL.
    """

    redis: Server
    url: str
    folder: Path
    path: Path | None = None
    pid: int = 0

    def archive(self, kind: type[SqlArchive]) -> SqlArchive:
        """Open the archive as another process would."""
        return kind(self.url, Retention())

    def doctor(self) -> Said:
        """Return the answer of `consent doctor --all`."""
        named = {"REDIS_URL": self.redis.url, "ARCHIVE_URL": self.url, "SECRET": SECRET}
        return doctor(OUTSIDE | named | {"DATA_DIR": str(self.folder / "data")}, self.folder)


def nothing(_: Place) -> None:
    """Cause no fault: only the race."""
    time.sleep(FAULT_S)


def redis_killed(place: Place) -> None:
    """Kill Redis, and start it on its files."""
    place.redis.kill()
    place.redis.start()
    time.sleep(FAULT_S / 2)


def locked(place: Place) -> None:
    """Hold the archive's file locked for a while."""
    with closing(sqlite3.connect(str(place.path), timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(FAULT_S)
        other.execute("ROLLBACK")


def frozen(place: Place) -> None:
    """Stop all processes of PostgreSQL for a while."""
    pids = [place.pid, *_children(place.pid)]
    for pid in pids:
        _signal(pid, signal.SIGSTOP)
    try:
        time.sleep(FAULT_S)
    finally:
        for pid in pids:
            _signal(pid, signal.SIGCONT)


def backends_killed(place: Place) -> None:
    """Kill a process of PostgreSQL with -9: it ends all others, and recovers."""
    for pid in _children(place.pid)[-1:]:
        _signal(pid, signal.SIGKILL)
    time.sleep(FAULT_S)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


SQLITE: dict[str, Callable[[Place], None]] = {
    "only the race": nothing, "Redis killed": redis_killed, "the file locked": locked,
}  # fmt: skip
POSTGRES: dict[str, Callable[[Place], None]] = {
    "only the race": nothing, "Redis killed": redis_killed, "frozen": frozen, "a backend killed": backends_killed,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """The result of one race. left: orders that had left Redis at its end · said: by the doctor."""

    orders: int
    refused: int
    left: int
    repeats: int
    broken: Counter[str]
    said: Said

    @property
    def agrees(self) -> bool:
        """Whether the doctor is content where no rule broke, and not content where one did."""
        return self.said.content == (not self.broken)


def run(place: Place, fault: Callable[[Place], None], races_s: float = RACES_S) -> Run:
    """Run one race, from an empty Redis and an empty archive."""
    place.redis.do("FLUSHALL")
    with closing(place.archive(SqlArchive)) as archive, closing(place.archive(Standing)) as standing:
        load = raced(place, archive, standing, lambda: fault(place), races_s)
        _answers(archive)
        broken, left = load.notes.broken(load.engine()), len(load.left())
    orders, refused, repeats = len(load.notes.orders), len(load.notes.refused), load.notes.repeats["same"]
    return Run(orders, refused, left, repeats, broken, place.doctor())


def raced(
    place: Place, archive: SqlArchive, standing: SqlArchive, fault: Callable[[], None], races_s: float = RACES_S
) -> Load:
    """Run the load, with a fault in its middle; return it with its notes."""
    load = Load(place.redis.url, 0, archive=archive, slow=standing)
    archive.seal = standing.seal = Seal(load.secret)
    load.begin()
    try:
        time.sleep(races_s)
        fault()
        time.sleep(races_s)
    finally:
        load.close()
    return load


def _answers(archive: SqlArchive) -> None:
    """Wait until the archive answers. Raises ArchiveUnavailable when it does not for three minutes."""
    for left in range(int(PATIENCE_S / LOOK_S), -1, -1):
        try:
            archive.check()
        except ArchiveUnavailable:
            if not left:
                raise
            time.sleep(LOOK_S)
        else:
            return


@contextmanager
def on_sqlite() -> Iterator[Callable[[], Place]]:
    """Start Redis; every run has a new file."""
    with tempfile.TemporaryDirectory(prefix="races-") as name, server(Path(name) / "r", "appendfsync always") as redis:
        count = iter(range(10**6))

        def place() -> Place:
            path = Path(name) / f"archive-{next(count)}.sqlite3"
            return Place(redis, f"sqlite:///{path}", Path(name), path)

        yield place


@contextmanager
def on_postgres() -> Iterator[Callable[[], Place]]:
    """Start Redis and PostgreSQL; every run has a database of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="races-") as name,
        server(Path(name) / "r", "appendfsync always") as redis,
        postgres.server() as pg,
    ):
        count = iter(range(10**6))

        def place() -> Place:
            database = f"race_{next(count)}"
            with connected(pg.url).connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
                    f"CREATE DATABASE {database}"
                )
            return Place(redis, pg.url.replace("/postgres?", f"/{database}?"), Path(name), pid=pg.pid)

        yield place


def main() -> int:
    """Print a line for each run. Status 1 when a rule broke, or the doctor does not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--on", nargs="+", choices=["sqlite", "postgres"], default=["sqlite", "postgres"])
    parser.add_argument("--faults", nargs="+", choices=sorted({*SQLITE, *POSTGRES}), default=[*SQLITE, *POSTGRES])
    chosen = parser.parse_args()
    worst = 0
    for kind, here, faults in (("sqlite", on_sqlite, SQLITE), ("postgres", on_postgres, POSTGRES)):
        if kind not in chosen.on:
            continue
        with here() as place:
            for name, fault in faults.items():
                for _ in range(chosen.rounds * (name in chosen.faults)):
                    one = run(place(), fault)
                    told = ", ".join(f"{n} {what}" for what, n in one.broken.items()) or "nothing broken"
                    agrees = "agrees" if one.agrees else f"does not agree: {'; '.join(one.said.bad) or 'nothing bad'}"
                    sys.stdout.write(
                        f"{kind}, {name}: {one.orders} orders, {one.refused} refusals acknowledged, {one.left} orders "
                        f"left, {one.repeats} repeats: {told}; the doctor {agrees}\n"
                    )
                    sys.stdout.flush()
                    worst |= bool(one.broken) or not one.agrees
    return worst


if __name__ == "__main__":
    sys.exit(main())
