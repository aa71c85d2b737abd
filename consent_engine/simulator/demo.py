"""The demo: a day at the call centre in half a minute, and a comparison of every order with its subscriber's script."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TextIO

from consent_engine.simulator.account import ASCII, BLOCKS, funnel, misbehaviour, most_telling, progress
from consent_engine.simulator.callcentre import CallCentre
from consent_engine.simulator.case import Case
from consent_engine.simulator.crowd import crowd
from consent_engine.simulator.judge import judge
from consent_engine.simulator.outside import Outside
from consent_engine.simulator.phone import conversation
from consent_engine.simulator.scripts import CALL_TIMEOUT_S, CONFIRM_WITHIN_S, REPLY_WINDOW_S, UNCERTAIN_HOLD_S
from consent_engine.simulator.watch import Watch
from consent_engine.simulator.wire import Unreachable

DEADLINE_S, AN_ORDER_S = 60.0, 0.15
MORE_S = 90.0
"""How long the whole run may last beyond its deadline, whatever the engine does."""
CHARACTERS_A_SECOND = 2_000
"""The day lasts half a minute, so people read faster to match: a question of six parts in a fifth of a second."""
PLACING_S = 4.0
"""The period over which the calls are spread."""

DEMO_SETTINGS: dict[str, str] = {
    "CONSENT_REPLY_WINDOW": f"{REPLY_WINDOW_S:.0f}s",
    "CONSENT_CONFIRM_WITHIN": f"{CONFIRM_WITHIN_S:.0f}s",
    "CONSENT_REMINDER_AFTER": "off",
    "CONSENT_UNCERTAIN_HOLD": f"{UNCERTAIN_HOLD_S:.0f}s",
    "CONSENT_CALL_TIMEOUT": f"{CALL_TIMEOUT_S:.0f}s",
    "CONSENT_LEASE": "3s",
    "CONSENT_RETRY_BASE": "100ms",
    "CONSENT_RETRY_MAX": "1s",
    "CONSENT_GATEWAY": "http_json",
    "CONSENT_BSS": "http",
    "CONSENT_BSS_HTTP__CAN_ASK": "true",
    "CONSENT_READING_SPEED": f"{CHARACTERS_A_SECOND}",
}
"""Settings that the engine must have: the scripts rely on these windows."""


def deadline_s(orders: int) -> float:
    """Return the time limit of a run: a minute, and the time that each order takes on a slow machine."""
    return DEADLINE_S + AN_ORDER_S * orders


def settings_for(outside: Outside) -> dict[str, str]:
    """Return the engine's environment for a demo against this gateway and BSS."""
    return DEMO_SETTINGS | {
        "CONSENT_HTTP_JSON__URL": outside.gateway_url,
        "CONSENT_HTTP_JSON__SECRET": outside.secret,
        "CONSENT_BSS_HTTP__URL": outside.bss_url,
        "CONSENT_BSS_HTTP__SECRET": outside.bss_secret,
    }


@dataclass(slots=True)
class Day:
    """The results of a run: its subscribers, and the differences from their scripts."""

    cases: list[Case] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Run:
    """A run to do: the engine, the keys (agent, ops), how many orders, the seed, and the output stream."""

    api: str
    key: str
    ops_key: str
    outside: Outside
    orders: int
    seed: int
    out: TextIO


def run(api: str, key: str, ops_key: str, outside: Outside, orders: int, seed: int, out: TextIO) -> int:
    """Run it; return 0 if every order ended as its subscriber's script says, else 1 and name every difference."""
    day = asyncio.run(live(Run(api, key, ops_key, outside, orders, seed, out)))
    for line in _account(day, outside):
        out.write(line + "\n")
    out.flush()
    return 1 if day.differences else 0


async def live(run: Run) -> Day:
    """Place the orders, let all subscribers act, wait until nothing more happens, and judge."""
    day, limit_s = Day(), deadline_s(run.orders) + MORE_S
    async with run.outside.serving(run.api):
        try:
            async with asyncio.timeout(limit_s):
                await _work(day, run)
        except Unreachable as error:
            day.differences.append(f"the engine is out of reach: {error}")
        except TimeoutError:
            day.differences.append(f"the run took longer than {limit_s:.0f} s: the engine answers too slowly")
    day.differences += judge(day.cases, run.outside.ledger)
    return day


async def _work(day: Day, run: Run) -> None:
    outside, handsets = run.outside, run.outside.handsets
    centre = CallCentre(handsets.wire, run.key, run.seed)
    plans = await centre.plans()
    if not plans:
        day.differences.append("the catalogue shows no plans: nothing can be sold")
        return
    day.cases = crowd(run.orders, run.seed, plans)
    handsets.desk = centre.act
    outside.play(day.cases)
    gap = min(PLACING_S / len(day.cases), 0.05) if day.cases else 0.0
    for index, case in enumerate(day.cases):
        handsets.tasks.spawn(centre.serve(case, index * gap))
    watch = Watch(handsets.wire, run.key, run.ops_key, day.cases, handsets.tasks)
    async with _progress(day.cases, outside, run.out):
        await watch.until_quiet(deadline_s(len(day.cases)))
    asked = [case for case in day.cases if case.script.callable is not None]
    await asyncio.gather(*(centre.callable(case, case.orders[0].carrier, run.ops_key) for case in asked))


@asynccontextmanager
async def _progress(cases: Sequence[Case], outside: Outside, out: TextIO) -> AsyncIterator[None]:
    """Show progress, one line a second; on a terminal the line is overwritten."""
    started = time.monotonic()
    start, end = ("\r\x1b[2K", "") if out.isatty() else ("", "\n")
    signs = BLOCKS if "utf" in (out.encoding or "").lower() else ASCII

    def tell() -> None:
        columns = shutil.get_terminal_size((80, 24)).columns
        out.write(start + progress(cases, outside.ledger, time.monotonic() - started, columns, signs) + end)
        out.flush()

    async def every_second() -> None:
        for _ in range(int(10 * deadline_s(len(cases)))):
            tell()
            await asyncio.sleep(1.0)

    teller = asyncio.create_task(every_second())
    try:
        yield
    finally:
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)
        tell()
        out.write("\n")


def _account(day: Day, outside: Outside) -> list[str]:
    told = most_telling(day.cases)
    lines = ["", "漏斗 funnel", *funnel(day.cases, outside.ledger)]
    if told is not None:
        lines += ["", f"一次对话 one conversation: {told.script.name}", *conversation(told, outside.ledger)]
    lines += ["", "外部故障 what the outside did wrong, and how it ended", *misbehaviour(day.cases, outside.ledger), ""]
    if not day.differences:
        orders = sum(len(case.orders) for case in day.cases)
        return [*lines, f"✓ 一致: all {orders} orders ended as their subscribers' scripts say"]
    named = [f"  ✗ {difference}" for difference in day.differences]
    return [*lines, f"不一致 {len(named)} differences:", *named]
