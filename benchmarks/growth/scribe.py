"""What one way out would cost: entries of a journal in Redis, brought to SQL by one scribe. A prototype, with figures.

`python -m benchmarks.growth.scribe [--sql postgresql|sqlite] [--rate 500] [--seconds 30]`

An order of this prototype leaves seven entries, as its road has them: placed, its call, asked, its reply as received,
confirmed, activated, notified. An entry is one msgpack array: line, case, kind, version, instant, trigger, the event's
public part, the case's head, the person part, the effects that are still wanted, the state, and the terms where the
case begins. A writer appends them at a rate, proven on disk; the scribe takes pieces out of the list, and writes in
one transaction the log (numbered without gaps), the person parts and the newest state of each case, then drops them.

Measured per order: CPU of Redis for appending and handing out, of the scribe's Python, of SQL; the lag from the append
to the commit in SQL; bytes in Redis while SQL is away (and what an hour of that would take), and in SQL afterwards.
"""

import argparse
import hashlib
import os
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
from redis import Redis

from benchmarks import machine, postgres
from consent_engine import wiring
from consent_engine.adapters.redis.client import connect
from consent_engine.config.settings import Settings

ROAD = ("placed", "called", "asked", "replied", "confirmed", "activated", "notified")
STATES = ("agreed", "ended", "awaiting_reply", "awaiting_reply", "confirmed", "activated", "notified")
EFFECTS: tuple[list[str], ...] = (
    ["sms.confirmation.1", "wake.too_late"],
    [],
    ["wake.window", "wake.reminder"],
    ["read"],
    ["activate"],
    ["sms.notification.1"],
    [],
)
TERMS, CALL, EVENT, PERSON = 500, 360, 190, 120
"""Bytes, as the product's records have them."""
JOURNAL = "ce:{0}:journal"
PIECE, BEAT_S, SLICES = 2_000, 0.2, 50
AWAY_S = 10.0

Row = tuple[Any, ...]
decode = msgspec.msgpack.Decoder(list).decode


def entries(number: int, at: int) -> Iterator[bytes]:
    """Yield the entries of one order, all with the instant `at` (ms)."""
    line = hashlib.sha256(b"line%d" % number).hexdigest()[:28]
    order = line + hashlib.sha256(b"order%d" % number).hexdigest()[:12]
    head = ""
    for n, trigger in enumerate(ROAD):
        case, kind = (line + "call", "call") if trigger == "called" else (order, "order")
        event = os.urandom(EVENT // 2).hex()
        head = hashlib.sha256((head + event).encode()).hexdigest()
        person = os.urandom(PERSON // 2).hex() if trigger in {"placed", "called", "replied"} else ""
        terms = os.urandom((TERMS if n == 0 else CALL) // 2).hex() if n < 2 else ""  # noqa: PLR2004 - the beginnings
        fields = [line, case, kind, n + 1, at, trigger, event, head, person, EFFECTS[n], STATES[n], terms]
        yield msgspec.msgpack.encode(fields)


class Sql(Protocol):
    """A database of the prototype: what one transaction of the scribe writes."""

    def write(self, log: Sequence[Row], person: Sequence[Row], cases: Sequence[Row]) -> None:
        """Write a piece in one transaction: log (leaf, line, case, version, at, event), person parts, cases."""

    def cpu(self) -> float:
        """Return the CPU seconds that the database's own processes have used; 0 where it has none."""

    def size(self) -> int:
        """Return the bytes of all tables and indexes."""


TABLES = (
    """CREATE TABLE log (number BIGINT PRIMARY KEY, leaf TEXT, line TEXT, kase TEXT, version INT, at BIGINT, event TEXT,
       UNIQUE (line, kase, version))""",
    "CREATE TABLE person (number BIGINT PRIMARY KEY, part TEXT)",
    """CREATE TABLE cases (kase TEXT PRIMARY KEY, kind TEXT, line TEXT, state TEXT, version INT, began BIGINT,
       at BIGINT, terms TEXT)""",
    "CREATE INDEX cases_began ON cases (kind, began)",
    "CREATE INDEX cases_line ON cases (line)",
    "CREATE TABLE head (id INT PRIMARY KEY, count BIGINT)",
    "INSERT INTO head VALUES (0, 0)",
)
UPSERT = (
    " ON CONFLICT (kase) DO UPDATE SET state = excluded.state, version = excluded.version, at = excluded.at"
    " WHERE cases.version < excluded.version"
)


class Sqlite:
    """SQLite in a file, as an embedded installation has it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "log.sqlite"
        self._base = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        for each in TABLES:
            self._base.execute(each)

    def write(self, log: Sequence[Row], person: Sequence[Row], cases: Sequence[Row]) -> None:
        self._base.execute("BEGIN IMMEDIATE")
        [(count,)] = self._base.execute("SELECT count FROM head").fetchall()
        self._base.executemany("INSERT INTO log VALUES (?,?,?,?,?,?,?)", [(count + n, *r) for n, r in enumerate(log)])
        self._base.executemany("INSERT INTO person VALUES (?,?)", [(count + n, part) for n, part in person])
        self._base.executemany(f"INSERT INTO cases VALUES (?,?,?,?,?,?,?,?){UPSERT}", cases)  # noqa: S608 - a constant
        self._base.execute("UPDATE head SET count = ?", (count + len(log),))
        self._base.execute("COMMIT")

    def cpu(self) -> float:
        return 0.0

    def size(self) -> int:
        self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self._file.stat().st_size


class Postgres:
    """A PostgreSQL of this run's own."""

    def __init__(self, server: postgres.Server) -> None:
        import psycopg  # noqa: PLC0415 - an extra of the product

        self._server = server
        self._base = psycopg.connect(server.url)
        for each in TABLES:
            self._base.execute(each)
        self._base.commit()

    def write(self, log: Sequence[Row], person: Sequence[Row], cases: Sequence[Row]) -> None:
        with self._base.transaction(), self._base.cursor() as to:
            to.execute("SELECT count FROM head FOR UPDATE")
            (count,) = to.fetchone() or (0,)
            with to.copy("COPY log FROM STDIN") as rows:
                for n, row in enumerate(log):
                    rows.write_row((count + n, *row))
            with to.copy("COPY person FROM STDIN") as rows:
                for n, part in person:
                    rows.write_row((count + n, part))
            columns = [list(each) for each in zip(*cases, strict=True)]
            kinds = ("text", "text", "text", "text", "int", "bigint", "bigint", "text")
            sets = ", ".join(f"%s::{kind}[]" for kind in kinds)
            to.execute(f"INSERT INTO cases SELECT * FROM unnest({sets}){UPSERT}", columns)  # noqa: S608 - constants
            to.execute("UPDATE head SET count = %s", (count + len(log),))

    def cpu(self) -> float:
        return machine.families([self._server.pid])

    def size(self) -> int:
        found = self._base.execute("SELECT pg_database_size('postgres')").fetchone()
        self._base.rollback()
        return int(found[0]) if found else 0


def rows_of(piece: Sequence[bytes]) -> tuple[list[Row], list[Row], list[Row], int]:
    """Return the rows of a piece: log, person (with places), the newest state of each case; the oldest instant."""
    log, person, cases, oldest = list[Row](), list[Row](), dict[str, Row](), 0
    for n, each in enumerate(piece):
        line, case, kind, version, at, _, event, _, part, _, state, terms = decode(each)
        log.append((hashlib.sha256(b"\0" + each).hexdigest(), line, case, version, at, event))
        if part:
            person.append((n, part))
        was = cases.get(case)
        cases[case] = (case, kind, line, state, version, was[5] if was else at, at, was[7] if was else terms)
        oldest = min(oldest or at, at)
    return log, person, list(cases.values()), oldest


class Scribe(threading.Thread):
    """Brings entries to SQL until it is told to end and the journal is empty."""

    def __init__(self, client: Any, sql: Sql) -> None:  # noqa: ANN401 - redis-py's
        super().__init__(daemon=True)
        self._client, self._sql = client, sql
        self.ends, self.away = threading.Event(), threading.Event()
        self.lags = list[float]()
        self.cpu = 0.0
        self.written = 0

    def run(self) -> None:
        while True:
            ends = self.ends.is_set()
            piece = [] if self.away.is_set() else self._client.lrange(JOURNAL, 0, PIECE - 1)
            if not piece:
                if ends:
                    break
                time.sleep(BEAT_S)
                continue
            *rows, oldest = rows_of(piece)
            self._sql.write(*rows)
            self._client.ltrim(JOURNAL, len(piece), -1)
            self.written += len(piece)
            self.lags.append(time.time() - oldest / 1000)
            if len(piece) < PIECE and not ends:
                time.sleep(BEAT_S)
        self.cpu = time.thread_time()


def writing(client: Any, rate: int, seconds: float, first: int) -> int:  # noqa: ANN401 - redis-py's
    """Append the entries of `rate` orders a second, each slice proven on disk; return how many orders."""
    began, count = time.monotonic(), 0
    for n in range(int(seconds * SLICES)):
        part = [each for k in range(rate // SLICES) for each in entries(first + count + k, int(time.time() * 1000))]
        client.rpush(JOURNAL, *part)
        count += rate // SLICES
        time.sleep(max(0.0, began + (n + 1) / SLICES - time.monotonic()))
    return count


@contextmanager
def base(kind: str, folder: Path) -> Iterator[Sql]:
    """Make the database of this run."""
    if kind == "sqlite":
        yield Sqlite(folder)
    else:
        with postgres.server() as server:
            yield Postgres(server)


def run(kind: str, rate: int, seconds: float, say: Callable[[str], None]) -> None:
    """Measure once."""
    with tempfile.TemporaryDirectory() as name, base(kind, Path(name)) as sql:
        settings = Settings.load({"CONSENT_DATA_DIR": f"{name}/data", "CONSENT_DURABILITY": "strict"}, env_file=None)
        with wiring.installation(settings, own=True) as place:
            client, reader = connect(place.redis_url), Redis.from_url(place.redis_url)
            pid = client.info("server")["process_id"]
            scribe = Scribe(reader, sql)
            scribe.start()
            writing(reader, rate, 2.0, 10**9)  # warm
            redis, base_cpu, empty = machine.cpu_of(pid), sql.cpu(), sql.size()
            scribe.lags.clear()
            count = writing(reader, rate, seconds, 0)
            spent = (machine.cpu_of(pid) - redis, sql.cpu() - base_cpu)
            lags = sorted(scribe.lags)
            scribe.away.set()
            before = client.info("memory")["used_memory"]
            away = writing(reader, rate, AWAY_S, 10**6)
            held = (client.info("memory")["used_memory"] - before) / away
            scribe.away.clear()
            back = time.monotonic()
            scribe.ends.set()
            scribe.join()
            caught_up = time.monotonic() - back
            total = scribe.written / len(ROAD)
            say(f"{kind}, {count} orders at {rate}/s, seven entries each, load {os.getloadavg()[0]:.1f}")
            say(f"  Redis {spent[0] / count * 1e6:.0f} us an order (append, proof on disk, handing out, dropping)")
            say(f"  scribe's Python {scribe.cpu / total * 1e6:.0f} us, SQL's processes {spent[1] / count * 1e6:.0f} us")
            say(f"  lag p50 {statistics.median(lags):.2f} s, p99 {lags[int(len(lags) * 0.99)]:.2f} s")
            hour = held * rate * 3600 / 2**30
            say(f"  SQL away: {held:.0f} bytes an order in Redis, so an hour at this rate {hour:.1f} GiB")
            say(f"  {away} orders of {AWAY_S:.0f} s caught up in {caught_up:.1f} s")
            say(f"  SQL {(sql.size() - empty) / (count + away) / 1024:.1f} KiB an order")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sql", choices=["postgresql", "sqlite"], action="append")
    parser.add_argument("--rate", type=int, default=500, help="orders a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    args = parser.parse_args()
    for kind in args.sql or ["sqlite", "postgresql"]:
        run(kind, args.rate, args.seconds, lambda text: print(text, file=sys.stdout, flush=True))


if __name__ == "__main__":
    main()
