"""Reviews: how long the queue and the coverage take with a million recorded calls that nobody has heard.

    python -m benchmarks.engine.reviews [--calls 1000000] [--agents 8000]

The server is the embedded one, SQL is SQLite, in a folder that is thrown away; calls are copies of one.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.engine.calls import begun, ended, fill, taken
from consent_engine.adapters.redis.keys import Cell
from consent_engine.config.settings import Settings
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.days import DAY_MS, later
from consent_engine.engine.engine import Engine
from consent_engine.engine.scribe import write_out
from consent_engine.wiring import installation

TIMES, PAGE, DAYS, GOAL_MS = 7, 50, 7, 300


def questions(engine: Engine) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the questions that /review and its metrics ask, by name."""
    book, cell = engine.calls, Cell()
    today = cell.days.of(engine.registry.now())
    week = [later(today, -n) for n in range(DAYS)]
    yield "queue, the oldest 50", lambda: book.to_review(Verdict.PENDING)
    yield "how many wait, since when", engine.store.queries.calls.waiting
    yield "sums of a day", partial(book.sums, today)
    for by in ("day", "carrier", "agent"):
        yield f"coverage of a day, by {by}", partial(book.coverage, [today], by)
    for by in ("day", "carrier", "agent"):
        yield f"coverage of {DAYS} such days, by {by}", partial(book.coverage, week, by)


def measured(engine: Engine, calls: int) -> None:
    """Print the median time of each question, with this process's own time."""
    for name, ask in questions(engine):
        first, cost = _timed(ask)
        rows = sorted(_timed(ask) for _ in range(TIMES))
        wall, own = rows[TIMES // 2]
        told = "" if wall <= GOAL_MS else f"   above {GOAL_MS} ms"
        print(
            f"{name:36} {wall:7.1f} ms, {own:6.1f} of CPU; the first time {first:7.1f}, {cost:6.1f}; of {calls:,}{told}"
        )


def _timed(ask: Callable[[], object]) -> tuple[float, float]:
    own, since = process_time(), perf_counter()
    ask()
    return (perf_counter() - since) * 1000, (process_time() - own) * 1000


def main() -> None:
    """Measure, and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--calls", type=int, default=1_000_000)
    asked.add_argument("--agents", type=int, default=8_000)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environ = {"CONSENT_DATA_DIR": str(Path(folder) / "data"), "CONSENT_SECRET": "s" * 32,
                   "CONSENT_DURABILITY": "everysec", "CONSENT_READING_SPEED": "1000000"}  # fmt: skip
        with installation(Settings.load(environ, None)) as found:
            engine = found.engine()
            ends = ended(taken(engine, begun(0, engine.registry.now()))[:PAGE], engine.registry.now())
            taken(engine, ends)
            write_out(engine.store, "benchmark")
            [like] = engine.calls.to_review(Verdict.PENDING, limit=1).calls
            fill(engine, options.calls, like, DAYS * DAY_MS // options.calls, options.agents)
            # In a thread, as in the API, which makes its connections there: only then hiredis packs and parses.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(lambda: measured(found.engine(), options.calls)).result()


if __name__ == "__main__":
    main()
