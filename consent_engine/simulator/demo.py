"""The demo: a day at the call centre in a moment, and a comparison of every order with its subscriber's script."""

import asyncio
import re
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TextIO

from consent_engine.domain.effects import Lane
from consent_engine.domain.lifecycle import ENGAGED, SETTLED
from consent_engine.simulator.account import (
    ASCII,
    BLOCKS,
    conversation,
    funnel,
    judge,
    misbehaviour,
    most_telling,
    progress,
)
from consent_engine.simulator.callcentre import CallCentre
from consent_engine.simulator.ledger import Ledger
from consent_engine.simulator.outside import Outside
from consent_engine.simulator.subscribers import Case, OrderRun, crowd
from consent_engine.simulator.wire import Tasks, Unreachable, Wire

ROUND_S = 0.5
AGE_S = 1.0
"""How old the engine's metrics may be (docs/metrics.md)."""
STILL_ROUNDS = 120
"""After so many rounds in which nothing happened and nothing was due, nothing will: the shortest of the engine's timers
that a script waits for are long over.
"""
LOOKS_AT_ONCE = 8
STUCK = ENGAGED - SETTLED
"""States between the yes and the notification, in which an operator retries if the script says so."""
_LANE = re.compile(r'^consent_lane_(due|pending|parked)\{lane="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(slots=True)
class Watch:
    """Looks at every open order once per round."""

    wire: Wire
    key: str
    ops_key: str
    cases: Sequence[Case]
    tasks: Tasks
    ledger: Ledger
    _looks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOOKS_AT_ONCE))

    async def until_quiet(self) -> None:
        """Return when all orders have settled, all tasks have ended, and the engine has nothing left to do; or when
        nothing will happen any more. The caller bounds it.
        """
        still, before = 0, -1
        while still < STILL_ROUNDS:
            await self._each(self._open(), self._look)
            if self._quiet() and await self._nothing_left():
                break
            await asyncio.sleep(ROUND_S)
            now = self._happened()
            still = still + 1 if now == before and await self.idle() else 0
            before = now
        placed = [(case, order) for case in self.cases for order in case.orders if order.id]
        await self._each(placed, self._look_again)

    async def _nothing_left(self) -> bool:
        """Whether nothing is left that could happen: what must not happen has not, and will not."""
        await asyncio.sleep(AGE_S)  # the engine's answer from now on is younger than every event
        return await self.idle()

    async def idle(self) -> bool:
        """Whether the engine says that it has no reply to read, nothing to send or activate, and no timer overdue."""
        reply = await self.wire.call("GET", "/metrics", self.ops_key)
        counts = {(count, lane): float(value) for count, lane, value in _LANE.findall(reply.text)}
        if len(counts) < 3 * len(Lane):  # it could not ask its store in time
            return False
        waits = [counts["pending", lane] - counts["parked", lane] for lane in Lane if lane is not Lane.TIMER]
        return not any(waits) and not counts["due", Lane.TIMER]

    def _happened(self) -> int:
        """Count what has happened: it only grows."""
        ledger = self.ledger
        settled = [order for case in self.cases for order in case.orders if order.settled.is_set()]
        sent = sum(len(each.attempts) for each in ledger.sms.values())
        asked = sum(len(each.attempts) + each.asked for each in ledger.activations.values())
        return sent + asked + ledger.reports + len(ledger.said) + len(settled)

    def _open(self) -> list[tuple[Case, OrderRun]]:
        return [
            (case, order)
            for case in self.cases
            for order in case.orders
            if order.placed.is_set() and not order.settled.is_set()
        ]

    def _quiet(self) -> bool:
        return not self.tasks.running and all(case.settled for case in self.cases)

    async def _each(
        self, pairs: Iterable[tuple[Case, OrderRun]], look: Callable[[Case, OrderRun], Awaitable[None]]
    ) -> None:
        await asyncio.gather(*(look(case, order) for case, order in pairs))

    async def _look(self, case: Case, order: OrderRun) -> None:
        async with self._looks:
            reply = await self.wire.call("GET", f"/v1/orders/{order.id}", self.key)
            if reply.status != HTTPStatus.OK:
                case.notes.append(f"order {order.id} was shown as {reply.status}")
                order.settled.set()
                return
            order.show(reply.body)
            if case.script.operator and order.state in STUCK:
                await self.wire.call("POST", f"/v1/orders/{order.id}/retry", self.ops_key, {})

    async def _look_again(self, case: Case, order: OrderRun) -> None:
        before = order.state
        await self._look(case, order)
        if before is not None and before.settled and order.state is not before:
            case.notes.append(f"order {order.id} had settled as {before} and moved to {order.state}")


DEADLINE_S, AN_ORDER_S = 300.0, 1.0
"""How long a run may last, and how much longer for each order."""
DIFFERS, TOO_SLOW = 1, 3
"""Exit statuses: an order did not end as its script says; the machine was too slow to find out."""
CHARACTERS_A_SECOND = 1_000_000
"""Subscribers here answer as soon as the text is there: none is too fast."""

DEMO_SETTINGS: dict[str, str] = {
    "CONSENT_UNCERTAIN_HOLD": "1s",
    "CONSENT_RETRY_BASE": "100ms",
    "CONSENT_RETRY_MAX": "1s",
    "CONSENT_GATEWAY": "http_json",
    "CONSENT_BSS": "http",
    "CONSENT_BSS_HTTP__CAN_ASK": "true",
    "CONSENT_READING_SPEED": f"{CHARACTERS_A_SECOND}",
}
"""Settings that the engine must have. Every window has its usual length, and outlasts any run."""
HASTY_SETTINGS: dict[str, str] = {
    "CONSENT_REPLY_WINDOW": "1s",
    "CONSENT_CONFIRM_WITHIN": "10s",
    "CONSENT_REMINDER_AFTER": "off",
}
"""Settings of the engine's other door: an order keeps the windows of the door at which it was placed."""


def limit_s(orders: int) -> float:
    """Return how long a run may last, whatever the machine does."""
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
    """The results of a run: its subscribers, the differences from their scripts, whether it ran out of time."""

    cases: list[Case] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    out_of_time: bool = False

    @property
    def status(self) -> int:
        return DIFFERS if self.differences else TOO_SLOW if self.out_of_time else 0


@dataclass(frozen=True, slots=True)
class Run:
    """A run to do: the engine and its hasty door, the keys (agent, ops), how many orders, the seed, the limit in
    seconds, and the output stream.
    """

    api: str
    hasty: str
    key: str
    ops_key: str
    outside: Outside
    orders: int
    seed: int
    limit_s: float
    out: TextIO


def run(run: Run) -> int:
    """Run it; return 0 if every order ended as its subscriber's script says; else name every difference and return
    DIFFERS, or TOO_SLOW where there is none but the time was over.
    """
    day = asyncio.run(live(run))
    for line in _account(day, run):
        run.out.write(line + "\n")
    run.out.flush()
    return day.status


async def live(run: Run) -> Day:
    """Place the orders, let all subscribers act, wait until nothing more happens, and judge."""
    day = Day()
    async with run.outside.serving(run.api):
        try:
            async with asyncio.timeout(run.limit_s):
                await _work(day, run)
        except Unreachable as error:
            day.differences.append(f"the engine is out of reach: {error}")
        except TimeoutError:
            day.out_of_time = True
    day.differences += judge(day.cases, run.outside.ledger, over=not day.out_of_time)
    return day


async def _work(day: Day, run: Run) -> None:
    outside, handsets = run.outside, run.outside.handsets
    centre = CallCentre(handsets.wire, replace(handsets.wire, url=run.hasty), run.key, run.seed, handsets)
    plans = await centre.plans()
    if not plans:
        day.differences.append("the catalogue shows no plans: nothing can be sold")
        return
    day.cases = crowd(run.orders, run.seed, plans)
    handsets.desk = centre.act
    outside.play(day.cases)
    for case in sorted(day.cases, key=lambda case: not case.script.waits):
        handsets.tasks.spawn(centre.serve(case))
    watch = Watch(handsets.wire, run.key, run.ops_key, day.cases, handsets.tasks, outside.ledger)
    async with _progress(day.cases, outside, run.out):
        await watch.until_quiet()
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
        while True:  # until the run ends, which is bounded
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


def _account(day: Day, run: Run) -> list[str]:
    ledger, example = run.outside.ledger, most_telling(day.cases)
    lines = ["", "漏斗 funnel", *funnel(day.cases, ledger)]
    if example is not None:
        lines += ["", f"一次对话 one conversation: {example.script.name}", *conversation(example, ledger)]
    lines += ["", "外部故障 what the outside did wrong, and how it ended", *misbehaviour(day.cases, ledger), ""]
    if day.differences:
        named = [f"  ✗ {difference}" for difference in day.differences]
        lines += [f"不一致 {len(named)} differences:", *named]
    if day.out_of_time:
        return [*lines, *_too_slow(day, run.orders)]
    if day.differences:
        return lines
    orders = sum(len(case.orders) for case in day.cases)
    return [*lines, f"✓ 一致: all {orders} orders ended as their subscribers' scripts say"]


def _too_slow(day: Day, orders: int) -> Iterator[str]:
    still = Counter(case.script.name for case in day.cases for order in case.orders if not order.settled.is_set())
    left = still.total() if day.cases else orders
    yield f"机器太慢 too slow: the time was over, and {left} of {orders} orders had not settled. That is no difference."
    yield "Nothing but what must never happen was judged. Try fewer --orders, or a machine that is less busy."
    for name, count in sorted(still.items()):
        yield f"  … {count} of [{name}]"
