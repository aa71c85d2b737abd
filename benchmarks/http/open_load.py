"""The load of latency.py, in a process of its own: each request at its instant, however earlier ones ended.

It stands for the outside, so it has nothing else to do, runs at a higher priority where it may, and watches itself: how
much later than meant each request was sent. A load of which too much was sent late is not the load that was asked for:
it is void. Started by latency.py: a job a line of standard input, its result a line of standard output, JSON both;
progress goes to standard error. It reads the stub through a pipe (`sys.argv[1]`: its file descriptor), and ends with
its standard input.
"""

import asyncio
import heapq
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from benchmarks.http.load import CREATED, Answer, Client, Ears, Requests, shares, ticking, whole_roads

SILENT = 0.1
"""The share of the subscribers who do not reply."""
REPORT_AFTER, REPLY_AFTER, END_AFTER = 0.5, 1.0, 2.0
"""Seconds from the instant of an order to those of its report, its yes and the report on its notification."""
DRAIN_S = 20.0
LATE_S, MOST_LATE = 0.005, 0.01
"""A request sent this many seconds after its instant was sent late; if more than this share was, the load is void."""
PRIORITY = -10
SERIES = ("answer", "hand_over", "to_bss", "webhook", "sender")


@dataclass(slots=True)
class Seen:
    """Latencies by name, in seconds; answers by status; ids by subscriber; irregularities by kind."""

    took: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in SERIES})
    answers: Counter[str] = field(default_factory=Counter)
    ids: dict[int, str] = field(default_factory=dict)
    odd: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Meant:
    """One subscriber of an open load: the instant of the order, in seconds from the beginning; silent: no reply."""

    n: int
    at: float
    silent: bool


def planned(first: int, rate: float, seconds: float, seed: int) -> list[Meant]:
    """Plan a Poisson process of orders."""
    rng = random.Random(seed)  # noqa: S311 - a load, no secret
    found: list[Meant] = []
    at = rng.expovariate(rate)
    while at < seconds:
        found.append(Meant(first + len(found), at, rng.random() < SILENT))
        at += rng.expovariate(rate)
    return found


def lag(sender: Sequence[float]) -> dict[str, Any]:
    """Return how many requests the sender sent late, and whether that makes the load void."""
    late = sum(each > LATE_S for each in sender)
    return {"sent": len(sender), "sent_late": late, "void": not sender or late > MOST_LATE * len(sender)}


class Open:
    """One open load against one house."""

    def __init__(self, client: Client, requests: Requests, ears: Ears) -> None:
        self._client, self._requests, self._ears = client, requests, ears
        self.seen = Seen()
        self._began = 0.0
        self._replied: set[int] = set()

    async def go(self, plan: Sequence[Meant], told: str = "") -> None:
        """Send every request at its instant; then wait for what is still to come."""
        steps: list[tuple[float, str, Meant]] = []
        for each in plan:
            steps.append((each.at, "order", each))
            steps.append((each.at + REPORT_AFTER, "report", each))
            if not each.silent:
                steps += [(each.at + REPLY_AFTER, "reply", each), (each.at + END_AFTER, "end", each)]
        heapq.heapify(ordered := [(at, n, what, each) for n, (at, what, each) in enumerate(steps)])
        tasks: set[asyncio.Task[None]] = set()
        self._began = time.monotonic() + 0.1
        sent = self.seen.took["sender"]
        async with ticking(lambda: f"{told}: {len(sent)} of {len(steps)} requests sent", wanted=bool(told)):
            while ordered:
                at, _, what, each = heapq.heappop(ordered)
                if (ahead := self._began + at - time.monotonic()) > 0:
                    await asyncio.sleep(ahead)
                task = asyncio.create_task(self._send(what, each, self._began + at))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.gather(*tasks)
            await self._drain(plan)

    async def _send(self, what: str, each: Meant, meant: float) -> None:
        request = self._request(what, each.n)
        if request is None:
            return
        self.seen.took["sender"].append(time.monotonic() - meant)
        answer = await self._client.post(request)
        kind = "answer" if what == "order" else "webhook"
        self.seen.took[kind].append(time.monotonic() - meant)
        self.seen.answers[f"{what} {answer.status}"] += 1
        if what == "order":
            self._placed(each.n, answer)

    def _request(self, what: str, n: int) -> bytes | None:
        if what == "order":
            return self._requests.order(n)
        # No reply or report to an SMS that did not reach the gateway: hand-over shows that the question was late.
        purpose = "notification" if what == "end" else "confirmation"
        if self._ears.at(purpose, n) is None or n not in self.seen.ids:
            self.seen.odd[f"no {what} sent: the {purpose} was not out"] += 1
            return None
        if what == "reply":
            self._replied.add(n)
            return self._requests.reply(n)
        return self._requests.report(f"{self.seen.ids[n]}.{purpose}.1")

    def _placed(self, n: int, answer: Answer) -> None:
        if answer.status == CREATED:
            self.seen.ids[n] = json.loads(answer.body)["id"]

    async def _drain(self, plan: Sequence[Meant]) -> None:
        deadline = time.monotonic() + DRAIN_S
        wanted = [("notification", n) for n in self._replied] + [("confirmation", m.n) for m in plan]
        while time.monotonic() < deadline and any(self._ears.at(*each) is None for each in wanted):
            await asyncio.sleep(0.2)
        for each in plan:
            for name, kind, after in (("hand_over", "confirmation", 0.0), ("to_bss", "activation", REPLY_AFTER)):
                if kind == "activation" and each.n not in self._replied:
                    continue
                at = self._ears.at(kind, each.n)
                if at is None:
                    self.seen.odd[f"no {kind} at all"] += 1
                else:
                    self.seen.took[name].append(at - self._began - each.at - after)


# The process ----------------------------------------------------------------------------------------------------------


async def capacity(job: dict[str, Any], ears: Ears) -> dict[str, Any]:
    """Measure complete orders in a closed loop."""
    client = Client(job["port"])
    numbers = range(job["first"], job["first"] + job["orders"])
    found = await whole_roads(client, Requests(job["key"], job["secret"]), ears, numbers, job["at_once"], job["told"])
    client.close()
    return {"rate": found.rate, "failed": found.failed}


async def level(job: dict[str, Any], ears: Ears) -> dict[str, Any]:
    """Run an open load. silent: the orders whose subscribers do not reply."""
    client = Client(job["port"])
    plan = planned(job["first"], job["rate"], job["seconds"], job["seed"])
    opened = Open(client, Requests(job["key"], job["secret"]), ears)
    await opened.go(plan, job["told"])
    client.close()
    seen = opened.seen
    return {
        "orders": len(plan), "ms": {name: shares(values) for name, values in seen.took.items()},
        "answers": dict(seen.answers), "odd": dict(seen.odd), **lag(seen.took["sender"]),
        "silent": [seen.ids[m.n] for m in plan if m.silent and m.n in seen.ids],
    }  # fmt: skip


async def main() -> None:
    """Do jobs, one after the other."""
    with suppress(OSError):  # only some users may
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    ears, jobs = Ears(), asyncio.StreamReader()
    listening = asyncio.create_task(ears.listen(os.fdopen(int(sys.argv[1]), "rb", buffering=0)))
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(jobs), sys.stdin)
    while line := await jobs.readline():
        job = json.loads(line)
        found = await (capacity if job["do"] == "capacity" else level)(job, ears)
        raised = os.getpriority(os.PRIO_PROCESS, 0) == PRIORITY
        print(json.dumps({**found, "raised": raised, "repeats": ears.repeats}), flush=True)
    listening.cancel()


if __name__ == "__main__":
    asyncio.run(main())
