"""Orders over HTTP while everything is killed: are orders lost, done twice, or done without consent?

Desks place orders and retry under the same Idempotency-Key until they are answered; subscribers of many kinds answer;
meanwhile workers, API and server are killed with -9, one by one and all at once, and with --faults the connections to
Redis, gateway and BSS break too. The ledger plays gateway, BSS and handsets in a process of its own, and survives. At
the end ledger, store and the desks' own notes are compared (audit.py). Status 1 when a promise broke.

    python -m benchmarks.promises.chaos --orders 10000 --kills 200 --faults
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from redis import Redis

from benchmarks.promises.audit import Audit
from benchmarks.promises.desks import DESKS, Run, Wanted, beside
from benchmarks.promises.processes import Town, build
from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.store import redis_store
from consent_engine.config.settings import Settings
from consent_engine.domain.roles import Role
from consent_engine.wiring import installation

SHORT = {
    "CONSENT_REMINDER_AFTER": "off",
    "CONSENT_UNCERTAIN_HOLD": "2s",
    "CONSENT_CALL_TIMEOUT": "2s",
    "CONSENT_LEASE": "4s",
    "CONSENT_RETRY_BASE": "100ms",
    "CONSENT_RETRY_MAX": "1s",
}
"""Short leases and holds, so that effects held by a dead worker are noticed within the run."""


async def play(wanted: Wanted, town: Town) -> dict[str, Any]:
    """Run everything in one town; return the figures."""
    town.look()
    for _ in range(200):
        if town.serving():
            break
        await asyncio.sleep(0.05)
    direct = town.environ | {"CONSENT_REDIS_URL": town.redis_url}
    with installation(Settings.load(direct, env_file=None)) as found:
        keys = found.engine().keys
        owned = {role: keys.add(f"chaos-{role}", role) for role in (Role.AGENT, Role.OPS)}
    timeout, connector = aiohttp.ClientTimeout(total=5), aiohttp.TCPConnector(limit=2 * DESKS)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        made = Run(wanted, town, owned, session)
        async with beside(made.care()):
            await made.ask("GET", "/readyz")
            made.began = time.monotonic()
            async with beside(made.watch()), beside(made.operate()):
                await made.go()
            took = time.monotonic() - made.began
            return await judged(made, took)


async def judged(made: Run, took: float) -> dict[str, Any]:
    """Return the figures of a run that has settled, with broken promises under `broken`."""
    async with made.session.get(f"{made.town.ledger}/ledger", timeout=aiohttp.ClientTimeout(total=120)) as answer:
        ledger = await answer.json()
    await made.read_all()
    with Redis.from_url(made.town.redis_url, decode_responses=True, socket_timeout=60.0) as client:
        store = redis_store(Wire(connect(made.town.redis_url), proves=False, replicas=0), lease_ms=1)
        audit = Audit(made.placed, made.refused, ledger, client, store)
        await asyncio.to_thread(audit.run)
        numbers = await asyncio.to_thread(audit.refusers)
    await made.check_refused(numbers, "at-the-end")
    return {
        "orders": made.wanted.orders,
        "kills": made.town.kills.total(),
        "killed": dict(made.town.kills.most_common()),
        "ended and started again, by us or by themselves": made.town.deaths(),
        "faults": await asyncio.to_thread(made.town.faults),
        "seconds": round(took, 1),
        "turned away: a STOP came before the second order": made.turned_away,
        "asked the engine": dict(made.answers.most_common()),
        "open orders looked at while it ran": made.looks,
        **audit.figures,
        "refused numbers tried again, all turned away": len(numbers) + len(made.refused),
        "parked, and retried by ops": made.retries_by_ops,
        "broken": [*made.wrong[:20], *audit.broken],
    }


def tell(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    for name, value in figures.items():
        if name == "broken":
            continue
        shown = ", ".join(f"{key}: {count}" for key, count in value.items()) if isinstance(value, dict) else value
        print(f"  {name:58} {shown if shown != '' else '-'}")
    print("\n".join(f"BROKEN: {what}" for what in figures["broken"]) or "every promise was kept")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--faults", action="store_true", help="break connections too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gap", type=float, default=2.2, help="seconds between two kills, on average")
    parser.add_argument("--window", type=float, default=20.0, help="seconds a subscriber has to answer")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="copy logs and data here when a promise broke")
    return parser.parse_args()


def main() -> None:
    """Run and print; status 1 when a promise broke."""
    args = options()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that no process of ours is left
    wanted = Wanted(args.orders, args.kills, args.seed, args.gap, args.window, args.faults)
    windows = {"CONSENT_REPLY_WINDOW": wanted.window_s, "CONSENT_CONFIRM_WITHIN": 2 * wanted.window_s}
    settings = SHORT | {name: f"{seconds:g}s" for name, seconds in windows.items()}
    counts = Counter(kind for _, kind, _ in wanted.schedule())
    print(f"{wanted}\nkills to come: {dict(counts)}, seed {wanted.seed}; {settings}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="consent-chaos-", ignore_cleanup_errors=True) as folder:
        town = build(Path(folder), settings, wanted.seed, wanted.window_s, faults=wanted.faults)
        try:
            figures = asyncio.run(play(wanted, town))
        except (aiohttp.ClientError, OSError, ValueError):
            print(town.last_words(), file=sys.stderr, flush=True)
            raise
        finally:
            town.end()
        if figures["broken"] and args.keep:
            shutil.copytree(folder, args.keep, dirs_exist_ok=True)
    figures |= {"schedule": wanted.schedule()} if args.json else {}
    figures["loadavg"] = " ".join(f"{each:.2f}" for each in os.getloadavg())
    if args.json:
        print(json.dumps(figures, ensure_ascii=False))
    else:
        tell(figures)
    sys.exit(bool(figures["broken"]))


if __name__ == "__main__":
    main()
