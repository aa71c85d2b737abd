"""The desks of a chaos run, the care for its processes, the kills, and an operator: until all has settled."""

import asyncio
import contextlib
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from redis import Redis
from redis.exceptions import RedisError

from benchmarks.promises.audit import Placed
from benchmarks.promises.minded import Minded, minds
from benchmarks.promises.people import CARRIER, OFFICIAL, PLANS, Kind, Person, person
from benchmarks.promises.processes import VICTIMS, Town
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.lifecycle import State
from consent_engine.domain.roles import Role

OK, CREATED, CONFLICT = 200, 201, 409
AGAIN = frozenset({429, 503})
LOOK_S, TELL_S, PAUSE_S = 1.0, 5.0, 0.2
DESKS = 80
PATIENCE, IN_STEP = 4, 0.8
"""How many times longer than planned a kill may wait for the desks, and how near to their share they must be."""
SETTLE_S = 90.0
"""How long after its last order a run may take to settle, in addition to the window."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Options of a run. gap_s: between two kills, on average."""

    orders: int
    kills: int
    seed: int
    gap_s: float
    window_s: float
    faults: bool

    def schedule(self) -> list[tuple[float, str, int]]:
        """Return the kills, each with its time, kind and number: the same for the same seed."""
        rng, at = random.Random(self.seed), 0.0  # noqa: S311 - a schedule, no secret
        rows = []
        for _ in range(self.kills):
            at += rng.uniform(0.4, 1.6) * self.gap_s
            rows.append((round(at, 2), rng.choices(list(VICTIMS), list(VICTIMS.values()))[0], rng.randrange(1_000)))
        return rows

    def people(self) -> list[Person]:
        """Return the people who are called."""
        found: list[Person] = []
        left, n = self.orders, 0
        while left > 0:
            who, n = person(n, self.seed, self.window_s), n + 1
            if who.orders <= left:
                found.append(who)
                left -= who.orders
        return found


@dataclass
class Run:
    """One run under way, and what its desks know."""

    wanted: Wanted
    town: Town
    keys: dict[Role, str]
    session: aiohttp.ClientSession
    placed: list[Placed] = field(default_factory=list)
    refused: dict[str, float] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    minded: dict[str, Minded] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    turned_away: int = 0
    looks: int = 0
    retries_by_ops: int = 0
    began: float = field(default_factory=time.monotonic)

    # -- desks --------------------------------------------------------------------------------------------------------

    async def ask(
        self, method: str, path: str, body: object = None, role: Role = Role.AGENT, key: str = ""
    ) -> tuple[int, Any]:
        """Ask until answered; repeating the request is safe."""
        headers = {"Authorization": f"Bearer {self.keys[role]}"} | ({"Idempotency-Key": key} if key else {})
        for tries in itertools.count(1):
            try:
                async with self.session.request(method, self.town.api + path, json=body, headers=headers) as answer:
                    said = await answer.json(content_type=None)
                    self.answers[
                        f"{answer.status} {said.get('code', '') if answer.status in AGAIN else ''}".strip()
                    ] += 1
                    if answer.status not in AGAIN:
                        return answer.status, said
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                self.answers[type(error).__name__] += 1
            await asyncio.sleep(PAUSE_S * min(tries, 5))
        raise AssertionError("unreachable")

    async def place(self, who: Person, n: int, plan: str, key: str) -> tuple[int, Any]:
        """Place one order for one plan."""
        now = datetime.now(UTC)
        call = {
            "caller_number": OFFICIAL,
            "recording_id": f"rec-{n}",
            "started_at": (now - timedelta(minutes=1)).isoformat(),
            "agreed_at": (now - timedelta(seconds=5)).isoformat(),
        }
        body = {"msisdn": who.msisdn, "plan": plan, "agent": "A1", "call": call}
        return await self.ask("POST", "/v1/orders", body, key=key)

    async def serve(self, who: Person, n: int) -> None:
        """Do a desk's work with one person."""
        for plan in PLANS[: who.orders]:
            key = f"chaos-{n}-{plan}"
            status, order = await self.place(who, n, plan, key)
            if status not in {OK, CREATED}:
                # Whoever stopped the first order refused the second before it was placed.
                refused = who.kind is Kind.TWO_STOP and order.get("code") == "do_not_call"
                self.turned_away += refused
                self.wrong += [] if refused else [f"a {who.kind} was answered {status} {order.get('code')}"]
                continue
            self.placed.append(Placed(order["id"], who.msisdn, key, order["head"]))
        if who.kind is Kind.VOICE:
            await self._refuse(who, n)
        elif who.kind is Kind.CANCEL:
            await asyncio.sleep(n % 20 / 10)
            status, said = await self.ask(
                "POST", f"/v1/orders/{self.placed_of(who)}/cancel", {"reason": "changed mind"}
            )
            if status not in {OK, CONFLICT}:
                self.wrong.append(f"a cancel was answered {status} {said.get('code')}")

    def placed_of(self, who: Person) -> str:
        """Return the newest order of a person."""
        return next(p.id for p in reversed(self.placed) if p.msisdn == who.msisdn)

    async def _refuse(self, who: Person, n: int) -> None:
        await asyncio.sleep(n % 20 / 10)
        asked = {"msisdn": who.msisdn, "carrier": CARRIER, "channel": "voice", "agent": "A1"}
        status, said = await self.ask("POST", "/v1/refusals", asked)
        if status not in {OK, CREATED}:
            self.wrong.append(f"a refusal was answered {status} {said.get('code')}")
            return
        self.refused[who.msisdn] = time.time()
        await self.check_refused([who.msisdn], f"{n}-at-once")

    async def check_refused(self, numbers: list[str], name: str) -> None:
        """Check that numbers that refused may not be dialled, and that no order is taken for them."""
        wanted = [{"msisdn": number, "carrier": CARRIER} for number in numbers]
        for n in range(0, len(wanted), 50):
            _, said = await self.ask("POST", "/v1/callable", wanted[n : n + 50])
            rows = said if isinstance(said, list) else said.get("items", [said])
            if len(rows) != len(wanted[n : n + 50]) or any(row["callable"] for row in rows):
                self.wrong.append("somebody who refused may be dialled")
        for number in numbers:
            who = Person(number, Kind.SILENT, person(0, 0, 1.0).script)  # type: ignore[arg-type]
            status, said = await self.place(who, 0, PLANS[1], f"chaos-refused-{name}-{number[-6:]}")
            if (status, said.get("code")) != (CONFLICT, "do_not_call"):
                self.wrong.append(f"an order for somebody who refused was answered {status} {said.get('code')}")

    # -- beside the desks ---------------------------------------------------------------------------------------------

    async def care(self) -> None:
        """Restart what died."""
        while True:
            self.town.look()
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """Kill by the schedule; later on a slow machine, so that every kill meets its share of the orders."""
        behind, before = 0.0, 0.0
        for n, (at, kind, number) in enumerate(self.wanted.schedule()):
            await asyncio.sleep(self.began + at + behind - time.monotonic())
            share, latest = self.wanted.orders * n / self.wanted.kills, time.monotonic() + PATIENCE * (at - before)
            while len(self.placed) < share * IN_STEP and time.monotonic() < latest:
                await asyncio.sleep(0.05)
            behind, before = max(behind, time.monotonic() - self.began - at), at
            self.town.kill(kind, number)

    async def watch(self) -> None:
        """Check open orders: one unsettled with nothing due is a broken promise in the middle of a run, too."""
        told = 0.0
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(RedisError, OSError):
                await asyncio.to_thread(self._look)
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                print(self.line(), file=sys.stderr, flush=True)

    async def operate(self) -> None:
        """Retry stuck orders now and then, as an operator does."""
        while True:
            await asyncio.sleep(2 * LOOK_S)
            for order in [o for o, m in self.minded.items() if m.parked and m.state in STUCK]:
                status, _ = await self.ask("POST", f"/v1/orders/{order}/retry", {}, Role.OPS)
                self.retries_by_ops += status == OK

    def _look(self) -> None:
        known = [p.id for p in self.placed]
        todo = [order for order in known if order not in self.minded or not self.minded[order].settled]
        with Redis.from_url(self.town.redis_url, decode_responses=True, socket_timeout=5.0) as client:
            seen = minds(client, todo)
        self.looks += len(seen)
        for order, minded in seen.items():
            if minded.state == "gone" or minded.forgotten:
                self.wrong.append(f"order {order} is {minded.state} and nobody minds it")
        self.minded.update(seen)

    async def read_all(self) -> None:
        """Wait until workers have read every message, on a busy machine too, but for so long at most."""
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline and await asyncio.to_thread(self._unread):
            await asyncio.sleep(LOOK_S)

    def _unread(self) -> bool:
        with Redis.from_url(self.town.redis_url, decode_responses=True, socket_timeout=5.0) as client:
            try:
                return any(client.scan_iter(f"{Cell().prefix}inbox:*", count=1_000))
            except (RedisError, OSError):
                return True

    def line(self) -> str:
        """Return a line of progress."""
        settled = sum(m.settled for m in self.minded.values())
        kills = ", ".join(f"{kind} {count}" for kind, count in self.town.kills.items()) or "none"
        return (
            f"{time.monotonic() - self.began:4.0f} s  placed {len(self.placed)}/{self.wanted.orders}  "
            f"settled {settled}  kills: {kills}  asked again by desks: "
            f"{sum(count for name, count in self.answers.items() if name[0] not in '24')}"
        )

    async def go(self) -> None:
        """Place all orders over the time of the kills, then wait until everything has settled."""
        people = self.wanted.people()
        whole = max(self.wanted.kills * self.wanted.gap_s, 1.0)
        slots = asyncio.Semaphore(DESKS)

        async def one(n: int, who: Person) -> None:
            await asyncio.sleep(self.began + whole * n / len(people) - time.monotonic())
            async with slots:
                await self.serve(who, n)

        async with beside(self.kill()) as killing:
            await asyncio.gather(*(one(n, who) for n, who in enumerate(people)))
            await killing
        deadline = time.monotonic() + self.wanted.window_s + SETTLE_S
        while time.monotonic() < deadline:
            if len(self.minded) == len(self.placed) and all(m.settled for m in self.minded.values()):
                break
            await asyncio.sleep(0.5)
        # Late answers after the end, and their acknowledgements, get their chance.
        await asyncio.sleep(self.wanted.window_s / 4 + 1.0)
        await self.ask("GET", "/readyz")


STUCK = frozenset({State.CONFIRMED.value, State.ACTIVATED.value})
"""States in which a parked order waits for a person; in earlier ones its own deadline ends it."""


@asynccontextmanager
async def beside(work: Any) -> AsyncIterator["asyncio.Task[None]"]:  # noqa: ANN401 - any coroutine
    """Run `work` beside the block; an error in it ends the run, and the block's end ends it."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        if task.done() and not task.cancelled():
            task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
