"""How long a start takes with many orders, and whether all are still there. `python -m benchmarks.growth.restart`.

Orders are placed, some are asked, the server is killed with -9. Timed: until it has read its file back; then, killed
once more, until `consent serve` in that folder is ready, and until it has asked somebody. Checked in between: the
number of orders, that each has something due, and a sample in full: its history gives the record, and its chain goes on
from the head that was handed out when it was placed. Exit status 1 when anything is missing.
"""

import argparse
import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.ports import free_port
from benchmarks.states import funnel
from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.redis.keys import Cell
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.effects import Lane
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order.event import link
from consent_engine.domain.order.order import replay
from consent_engine.engine.engine import Engine
from consent_engine.errors import ConsentError
from consent_engine.wiring import Installation, installation

ROOT = Path(__file__).parents[2]
BATCH = 500
BOUND_S = 900.0
SAMPLE = 500
FIRST_NUMBER = 13_800_000_000


def place(engine: Engine, first: int, end: int) -> dict[str, str]:
    """Place orders of these subscribers, by number; return id -> the head that was handed out."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    call = {"caller_number": "10085", "started_at": now, "agreed_at": now}
    body: dict[str, Any] = {"plan": "5g-smart-199", "agent": "A1024"}
    heads = {}
    for start in range(first, end, BATCH):
        numbers = range(start, min(start + BATCH, end))
        wanted = [
            Placing(
                "desk",
                f"key-{n}",
                PlaceOrder.read(
                    {**body, "msisdn": str(FIRST_NUMBER + n), "call": {**call, "recording_id": f"rec-{n}"}}
                ),
            )
            for n in numbers
        ]
        for placed in engine.place_many(wanted):
            if isinstance(placed, ConsentError):
                raise placed
            heads[placed.order.id] = placed.order.head
    return heads


def asked(engine: Engine) -> int:
    """Return how many of today's orders wait for a reply."""
    return funnel(engine).get(State.AWAITING_REPLY, 0)


async def ask(engine: Engine, count: int) -> None:
    """Hand over questions until so many orders wait for a reply."""
    while asked(engine) < count:
        await engine.performer.perform(Lane.SMS, 0.2)
    await engine.performer.land(10)


def missing(url: str, heads: dict[str, str], seed: int) -> list[str]:
    """Return what differs from what was acknowledged."""
    client: Any = connect(url)  # redis-py's types do not say whether answers are text
    wrong = []
    there = {key.rpartition(":")[2] for key in client.scan_iter(f"{Cell().prefix}order:*", 1_000)}
    if there != heads.keys():
        wrong.append(f"{len(heads.keys() - there)} orders are gone, {len(there - heads.keys())} are nobody's")
    minded = {member.split(":")[1] for due in Cell().due.values() for member in client.zrange(due, 0, -1)}
    if unminded := heads.keys() - minded:
        wrong.append(f"{len(unminded)} orders have nothing due")
    sample = random.Random(seed).sample(sorted(heads), min(SAMPLE, len(heads)))  # noqa: S311 - a seeded sample
    wrong += [
        f"{order}: {why}" for order in sample if (why := _unsound(client.hgetall(Cell().order(order)), heads[order]))
    ]
    client.close()
    return wrong


def _unsound(fields: dict[str, str], told: str) -> str:
    if not fields:
        return "has no record"
    state, head, reply_by = replay(fields)
    if (state, head, reply_by) != (fields["state"], fields["head"], int(fields.get("reply_by", 0))):
        return "its history does not give the record"
    events = sum(name[0] == "e" and name[1:].isdigit() for name in fields)
    for n in range(1, events + 1):
        told = link(told, fields[f"e{n}"])
    return "" if told == head else "its chain does not go on from the head that was handed out"


def until(look: Callable[[], bool], what: str) -> float:
    """Wait until `look` is true; return the seconds."""
    began = time.monotonic()
    while time.monotonic() - began < BOUND_S:
        try:
            if look():
                return time.monotonic() - began
        except (OSError, urllib.error.URLError, ConsentError):
            pass
        time.sleep(0.02)
    sys.exit(f"{what}: not within {BOUND_S:.0f} s")


def serve(environ: dict[str, str], folder: Path, settings: Settings, before: int) -> tuple[float, float]:
    """Start `consent serve` in the folder; return the seconds until it is ready, and until a subscriber is asked."""
    port = free_port()
    command = [sys.executable, "-m", "consent_engine", "serve", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **environ}, cwd=folder, stdout=log, stderr=log)
    began = time.monotonic()
    try:
        until(lambda: _ready(port), "ready")
        ready = time.monotonic() - began
        url = f"unix://{folder / 'data' / 'redis.sock'}"
        engine = Installation(settings, url, url, settings.secret_for(settings.data_dir)).engine()
        until(lambda: asked(engine) > before, "somebody is asked")
        return ready, time.monotonic() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def _ready(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)  # noqa: PLR2004 - OK


def run(orders: int, share: float, seed: int, durability: str) -> int:
    """Make one run, and print its result; return the exit status."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        environ = {
            "CONSENT_READING_SPEED": "1000000",
            "CONSENT_DATA_DIR": str(folder / "data"),
            "CONSENT_DURABILITY": durability,
            "PYTHONPATH": os.getcwd(),
        }
        settings = Settings.load(environ, env_file=None)
        with installation(settings, own=True) as found:
            server = found.server
            assert isinstance(server, EmbeddedServer)  # noqa: S101 - `own` says so
            engine = found.engine()
            heads = place(engine, 0, int(orders * share))
            asyncio.run(ask(engine, len(heads)))
            heads |= place(engine, len(heads), orders)  # some are left to be asked after the restart
            before = asked(engine)
            size = sum(file.stat().st_size for file in (folder / "data" / "appendonlydir").iterdir())
            os.kill(server.pid, signal.SIGKILL)
            until(lambda: not server.alive(), "the server is dead")
            began = time.monotonic()
            server.restart()
            loaded = time.monotonic() - began
            wrong = missing(server.url, heads, seed)
            os.kill(server.pid, signal.SIGKILL)
        print(f"{orders} orders under way ({before} asked), {durability}, file of {size / 1e6:.0f} MB")
        print(f"killed with -9; the server had read its file back after {loaded:.1f} s")
        told = f"orders there: {orders} of {orders}, each with something due; a sample of {min(SAMPLE, orders)} whole"
        print("\n".join(wrong[:20]) or told)
        ready, went_on = serve(environ, folder, settings, before)
        print(f"killed with -9; `consent serve` ready after {ready:.1f} s, somebody was asked after {went_on:.1f} s")
        return int(bool(wrong))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--asked", type=float, default=0.1, help="the share that has been asked already")
    parser.add_argument("--durability", choices=["strict", "everysec"], default="strict")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    logging.disable(logging.INFO)
    sys.exit(run(args.orders, args.asked, args.seed, args.durability))


if __name__ == "__main__":
    main()
