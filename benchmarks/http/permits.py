"""How long 10,000 permits take, over HTTP in this process, strict. `python -m benchmarks.http.permits`.

Three kinds of lists: numbers without a line; numbers each with the line of an order that ended; and the same, of
which every tenth refused. Measured is a request from its bytes to the bytes of its answer: JSON, numbers, one
look at the lines, a decision and a token each, the record proven on disk.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from starlette.applications import Starlette

from benchmarks.machine import load
from consent_engine.adapters.redis.client import Calls, Wire, connect
from consent_engine.adapters.redis.keys import Cell
from consent_engine.api.app import create_app
from consent_engine.config.settings import Settings
from consent_engine.domain.line.line import line_id
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.roles import Role
from consent_engine.wiring import Installation, installation

MOST = 10_000
FIRST = 13_700_000_000
LIMIT_MS = 300
ENTRY = '["mobile","5g-smart-199","482","",1754100000000]'
REFUSAL = '[1754013871000,"voice","rec-1"]'


def numbers(group: int, many: int) -> list[str]:
    """Return the numbers of a group."""
    return [f"+86{FIRST + group * MOST + n}" for n in range(many)]


def fill(found: Installation, group: int, many: int, *, refused: int) -> None:
    """Give each number of a group the line of an order that ended; every `refused`th one refused (0: none)."""
    wire, cell, calls = Wire(connect(found.redis_url), proves=False, replicas=0), Cell(), Calls()
    for n, number in enumerate(numbers(group, many)):
        line = line_id(found.secret, Msisdn(number))
        fields = ["v", "186000000", "msisdn", number, "seen", "1754013871000", f"o:{line}", ENTRY]
        fields += [each for m in range(4) for each in (f"m:{m:024d}", "1754013871000")]
        fields += ["r:mobile", REFUSAL] if refused and n % refused == 0 else []
        calls.plain("HSET", cell.line(line), *fields)
    wire.send(calls)


async def measured(app: Starlette, key: str, msisdns: list[str], runs: int) -> list[tuple[float, float, int]]:
    """Return for each run: milliseconds, those of this process's CPU alone, and how many were denied."""
    body = json.dumps({"carrier": "mobile", "plan": "5g-smart-199", "msisdns": msisdns}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    rows = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://permits") as client:
        for _ in range(runs):
            began, worked = time.perf_counter(), time.process_time()
            answer = await client.post("/v1/permits", content=body, headers=headers)
            took, cpu = (time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000
            answer.raise_for_status()
            rows.append((took, cpu, sum("denied" in each for each in answer.json()["permits"])))
    return rows


@contextmanager
def running() -> Iterator[Installation]:
    """Open an installation in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="permits-") as folder:
        settings = Settings.load({"CONSENT_DATA_DIR": str(Path(folder) / "data")}, None)
        with installation(settings) as found:
            yield found


def main() -> None:
    """Measure, and print; the exit status is 1 when a median is above the limit."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=7)
    options.add_argument("--numbers", type=int, default=MOST)
    args = options.parse_args()
    slow = False
    with running() as found:
        engine = found.engine()
        engine.catalogue.fresh()
        key = engine.keys.add("desk", Role.AGENT)
        fill(found, 1, args.numbers, refused=0)
        fill(found, 2, args.numbers, refused=10)
        app = create_app(found.engine, found.settings)
        for group, name in enumerate(
            ("never heard of", "each with an order that ended", "of these every tenth refused")
        ):
            rows = asyncio.run(measured(app, key, numbers(group, args.numbers), args.runs + 1))[1:]
            middle = statistics.median(row[0] for row in rows)
            least, most = min(rows)[0], max(rows)[0]
            slow = slow or middle > LIMIT_MS
            cpu = statistics.median(row[1] for row in rows)
            print(
                f"{args.numbers} numbers {name}: {middle:.0f} ms ({least:.0f}-{most:.0f}), {cpu:.0f} of them CPU of "
                f"this process, {rows[0][2]} denied, load {load():.1f}"
            )
        app.state.front.close()
    raise SystemExit(int(slow))


if __name__ == "__main__":
    main()
