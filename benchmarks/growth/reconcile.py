"""How long a CDR file takes that is compared with the calls reported: `python -m benchmarks.growth.reconcile [N]`.

N calls (1,000,000) of one day in SQLite, and a CDR file of theirs: one in a thousand of them never reported, as many
never dialled, as many lines refused, the order of the file not that of SQL. Printed: seconds for comparing, and for
recording what was not reported; memory beside that of a file of a thousand calls. Some minutes, most to fill SQL.
"""

import resource
import sys
import tempfile
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Any

from sqlalchemy import select

from benchmarks.growth.archive import check
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.bulk import bulk
from consent_engine.adapters.sql.tables import CALLS
from consent_engine.domain.days import CHINA, DAY_MS
from consent_engine.domain.line.line import line_id
from consent_engine.domain.msisdn import parse
from consent_engine.engine.reconciliation import CdrForm
from consent_engine.engine.scribe import write_out
from tests.integration.calls.desk import Desk
from tests.memory import a_store

PIECE = 10_000
ODD = 1_000
"""One call in so many is not reported, one not dialled, one line refused."""
SMALL = 1_000


def main(count: int) -> None:
    """Measure a small file, then the large one, and print both."""
    with tempfile.TemporaryDirectory() as folder, closing(SqlArchive(f"sqlite:///{folder}/a.sqlite3")) as archive:
        desk = Desk(a_store(), archive)
        desk.clock.forward(hours=48)
        first = desk.clock() - DAY_MS
        fill(desk, count, first)
        print("calls      unreported    doubted    refused  compared s    CPU s  recorded s  peak MB")
        for some in (min(SMALL, count), count):
            path = Path(folder) / "cdr.csv"
            write(path, some, count, first)
            print(measured(desk, path, some))
        desk.runner.close()


def fill(desk: Desk, count: int, first: int) -> None:
    """Put copies of one call into SQL, as of so many numbers and instants of a day."""
    call = desk.end(desk.start())
    write_out(desk.engine.store, "benchmark")
    with desk.archive.asking() as connection:
        row: dict[str, Any] = dict(connection.execute(select(CALLS).where(CALLS.c.id == call.id)).mappings().one())
    row |= {"recording_key": None, "audio_key": None, "gone": True}
    for start in range(0, count, PIECE):
        numbers = range(start, min(count, start + PIECE))
        rows = [
            {
                **row, "id": f"{n:028x}", "request_key": f"{n:024x}", "started_at": at(n, count, first),
                "line": line_id("test-secret", parse(f"13{n:09}")),
            }
            for n in numbers
            if n % ODD != 1
        ]  # fmt: skip
        with desk.archive.asking() as connection:
            bulk(connection, CALLS, rows)


def at(n: int, count: int, first: int) -> int:
    """Return when the n-th call began: spread over a day."""
    return first + n * (DAY_MS // 2 // count)


def write(path: Path, calls: int, count: int, first: int) -> None:
    """Write a CDR file of the first calls, in an order of its own."""
    numbers = list(range(calls))
    Random(1).shuffle(numbers)  # noqa: S311 - an order, no secret
    with path.open("w") as out:
        out.write("caller,number,start,seconds\n")
        for n in numbers:
            if n % ODD != 2:  # noqa: PLR2004 - another one than those that were not reported
                began = CHINA.at(at(n, count, first) + n % 60_000).replace(tzinfo=None)
                out.write(f"10085,13{n:09},{began.isoformat(' ', 'milliseconds')},{n % 600}\n")
            else:
                out.write(f"10085,,{n},0\n")


def measured(desk: Desk, path: Path, count: int) -> str:
    """Compare a file and record what was found; return the row."""
    form, began, busy = CdrForm(), perf_counter(), process_time()
    with path.open(encoding="utf-8-sig", newline="") as text, desk.engine.reconciler.compared(text, form) as found:
        seconds, cpu = perf_counter() - began, process_time() - busy
        figures = [found.count(each) for each in ("unreported", "doubted", "refused")]
        digest, began = sha256(path.read_bytes()).hexdigest(), perf_counter()
        desk.engine.reconciler.record(found, "benchmark", digest)
    recorded = perf_counter() - began
    check(figures[2] == count // ODD)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    of = " ".join(f"{each:>10,}" for each in figures)
    return f"{count:<10,} {of} {seconds:>11.1f} {cpu:>8.1f} {recorded:>11.1f} {peak:>8,}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
