"""Calls: how many a second one process makes known and ends, proven on disk; and how long lists and counts take.

    python -m benchmarks.engine.calls [--calls 20000] [--archived 1000000]

The server is the embedded one, strict; the archive is SQLite, in a folder that is thrown away.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import perf_counter, process_time

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.keys import Cell
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.call_request import CallEnd, CallStart, EndCall, StartCall
from consent_engine.domain.call.call import Call
from consent_engine.domain.days import CHINA
from consent_engine.engine.engine import Engine
from consent_engine.engine.scribe import let_go, write_out
from consent_engine.errors import ConsentError
from consent_engine.ports import CallFilter
from consent_engine.wiring import installation

BATCH = 500
FIRST_NUMBER = 8_613_800_000_000


def instant(at: int) -> str:
    """Return an instant in the form of a request."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


def begun(first: int, at: int) -> list[CallStart]:
    """Return the starts of a batch of calls, each to another number."""
    body = {"from": "10085", "carrier": "mobile", "script": "5g-2025-07", "started_at": instant(at)}
    bodies = ({**body, "to": f"+{FIRST_NUMBER + n}", "agent": f"A{n % 200}"} for n in range(first, first + BATCH))
    return [CallStart("desk", f"call-{n}", StartCall.model_validate(each)) for n, each in enumerate(bodies, first)]


def ended(calls: list[Call], at: int) -> list[CallEnd]:
    """Return the ends of a batch of calls."""
    return [
        CallEnd("desk", call.id, EndCall.model_validate({
            "ended_at": instant(at), "outcome": "other",
            "recording": {"ref": f"rec-{call.id}", "sha256": sha256(call.id.encode()).hexdigest(), "seconds": 30},
        }))
        for call in calls
    ]  # fmt: skip


def taken(engine: Engine, wanted: list[CallStart] | list[CallEnd]) -> list[Call]:
    """Register starts or ends of calls; a refusal is a defect of this script, and ends it."""
    results = engine.calls.record_many(wanted)
    if wrong := [each for each in results if isinstance(each, ConsentError)]:
        raise SystemExit(f"refused: {wrong[0]}")
    return [each.call for each in results if not isinstance(each, ConsentError)]


def server_s(url: str) -> float:
    """Return the CPU seconds that the server has used."""
    used = Wire(connect(url), proves=False, replicas=0).ask(("INFO", "cpu"))[0]
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def rates(engine: Engine, url: str, count: int) -> None:
    """Begin and end `count` calls; print the rates of both."""
    begin_s = end_s = 0.0
    cpu_s, redis_s = process_time(), server_s(url)
    for first in range(0, count, BATCH):
        at = engine.registry.now()
        starts = begun(first, at)
        since = perf_counter()
        calls = taken(engine, starts)
        begin_s += perf_counter() - since
        ends = ended(calls, engine.registry.now())
        since = perf_counter()
        taken(engine, ends)
        end_s += perf_counter() - since
    own, redis = (process_time() - cpu_s) / count * 1e6, (server_s(url) - redis_s) / count * 1e6
    print(
        f"begun {count / begin_s:,.0f} calls/s, ended {count / end_s:,.0f} calls/s, "
        f"both {count / (begin_s + end_s):,.0f}, in batches of {BATCH}, strict; "
        f"{own:,.0f} us of this process's own time a call, reading requests too, {redis:,.0f} us of Redis'"
    )


def journaled(url: str) -> None:
    """Print the bytes of an event in the journal while nobody drains it."""
    wire, cell = Wire(connect(url), proves=False, replicas=0), Cell()
    held, entries = wire.ask(("MEMORY", "USAGE", cell.journal, "SAMPLES", 0), ("LLEN", cell.journal))
    print(f"journal: {int(held) / max(1, int(entries)):,.1f} bytes an event, {int(entries):,} events")


def fill(engine: Engine, count: int, like: Call, every_ms: int = 31_000, agents: int = 200) -> None:
    """Put `count` calls into SQL: copies of one, under other ids, one before the other."""
    from sqlalchemy import insert, select  # noqa: PLC0415 - needed by this part alone

    from consent_engine.adapters.sql.tables import CALLS  # noqa: PLC0415 - the same

    archive = engine.store.archive
    let_go(engine.store, archive, [like])  # type: ignore[arg-type] # there is one
    with archive.asking() as connection:  # type: ignore[union-attr] # no other way writes a million
        row = dict(connection.execute(select(CALLS).where(CALLS.c.id == like.id)).mappings().one())
        for first in range(0, count, 20_000):
            rows = [
                {**row, "id": f"{n:028x}", "request_key": f"{n:024x}", "recording_key": f"{n:024x}",
                 "audio_key": f"{n:024x}", "agent": f"A{n % agents}", "started_at": row["started_at"] - n * every_ms,
                 "violations": wrong, "ever_violated": wrong}
                for n in range(first + 1, first + 1 + min(20_000, count - first))
                for wrong in [" too_often " if n % 500 == 0 else ""]
            ]  # fmt: skip
            connection.execute(insert(CALLS), rows)


def questions(engine: Engine, now: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the questions that people ask about calls, by name."""
    book, month = engine.calls, now - 30 * 86_400_000
    yield "the newest 50", lambda: book.page(CallFilter())
    yield "50 of an agent", lambda: book.page(CallFilter(agent="A17"))
    yield "50 of an agent, a month ago", lambda: book.page(CallFilter(agent="A17", until=month))
    yield "50 with a violation", lambda: book.page(CallFilter(violation="true"))
    yield "50 too often, of an agent", lambda: book.page(CallFilter(agent="A0", violation="too_often"))
    yield "a day of a carrier", lambda: book.page(CallFilter(carrier="mobile", since=month, until=month + 86_400_000))
    yield "nothing that fits", lambda: book.page(CallFilter(agent="nobody"))
    yield "sums of today", lambda: book.sums(CHINA.of(now))


def main() -> None:
    """Measure, and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--calls", type=int, default=20_000)
    asked.add_argument("--archived", type=int, default=1_000_000)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(
            {
                "CONSENT_READING_SPEED": "1000000",
                "CONSENT_DATA_DIR": str(Path(folder) / "data"),
                "CONSENT_SECRET": "s" * 32,
            },
            None,
        )
        with installation(settings) as found:
            # In a thread, as in the API: there hiredis may pack and parse.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(
                    lambda: rates(found.engine(), found.redis_url, max(BATCH, options.calls // BATCH * BATCH))
                ).result()
            journaled(found.redis_url)
            engine = found.engine()
            if options.archived:
                write_out(engine.store, "benchmark")
                [like] = engine.calls.page(CallFilter(), limit=1).calls
                fill(engine, options.archived, like)
                for name, ask in questions(engine, engine.registry.now()):
                    ask()
                    times, own = [], []
                    for _ in range(5):
                        since, worked = perf_counter(), process_time()
                        ask()
                        times.append((perf_counter() - since) * 1000)
                        own.append((process_time() - worked) * 1000)
                    took, cpu = sorted(times)[2], sorted(own)[2]
                    print(f"{name:32} {took:7.1f} ms, {cpu:6.1f} of CPU here, of {options.archived:,} archived")


if __name__ == "__main__":
    main()
