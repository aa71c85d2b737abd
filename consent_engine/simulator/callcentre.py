"""The simulated call centre: places orders over HTTP, some twice on purpose; cancels and refuses by script."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any
from zlib import crc32

from consent_engine.simulator.case import Case, OrderRun
from consent_engine.simulator.scripts import Desk, Turn, When
from consent_engine.simulator.wire import Reply, Wire

MOST_UNDER_WAY = 250
"""Most subscribers with unsettled orders: as many as two busy cores serve within the scripts' windows."""
MOST_UNASKED = 16
"""Most subscribers called but not yet asked: the next is called as fast as the engine asks."""
DESKS = 16
"""Calls placed at the same time."""
WAIT_S = 40.0
"""How long an agent waits for the moment to place a script's next order."""
TWICE, AT_ONCE, CYCLE = 0, 3, 7
_CHINA = timezone(timedelta(hours=8))


@dataclass(slots=True)
class CallCentre:
    """Agents with one API key, calling at most `DESKS` at a time."""

    wire: Wire
    key: str
    seed: int
    _desks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DESKS))
    _unasked: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_UNASKED))
    _lines: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_UNDER_WAY))

    async def plans(self) -> dict[str, list[str]]:
        """Return the catalogue: carrier -> plan codes."""
        reply = await self.wire.call("GET", "/v1/plans", self.key)
        found: dict[str, list[str]] = {}
        for plan in reply.body.get("items") or reply.body.get("plans") or ():
            codes = found.setdefault(str(plan["carrier"]), [])
            if plan["code"] not in codes:
                codes.append(str(plan["code"]))
        return found

    async def serve(self, case: Case, after: float) -> None:
        """Place a case's orders, each when its script says. However slow the machine, no more subscribers are under way
        than the scripts' windows allow: else a script's moment would pass while the engine is busy with others.
        """
        await asyncio.sleep(after)
        async with self._lines:
            await self._unasked.acquire()
            asked = asyncio.create_task(self._until_asked(case))
            try:
                await self._serve(case)
                await asyncio.gather(asked, *(order.settled.wait() for order in case.orders))
            finally:
                asked.cancel()

    async def _until_asked(self, case: Case) -> None:
        """Free the place once the question is on the handset or the order is over: as fast as the engine asks."""
        events = [case.asked, case.orders[0].settled]
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            self._unasked.release()

    async def _serve(self, case: Case) -> None:
        for index, order in enumerate(case.orders):
            if not await _moment(case, index):
                case.notes.append(f"order {index + 1} could not be placed: its moment never came")
                order.turned_away("never placed")
                continue
            async with self._desks:
                await self._place(case, index)

    async def _place(self, case: Case, index: int) -> None:
        order, body = case.orders[index], _request(case, index)
        headers = {"Idempotency-Key": f"sim-{self.seed}-{case.msisdn[-6:]}-{index}"}
        turn = crc32(case.msisdn.encode()) % CYCLE
        copies = 2 if turn == AT_ONCE else 1
        replies = await asyncio.gather(*(self._post(body, headers) for _ in range(copies)))
        if turn == TWICE and replies[0].status == HTTPStatus.CREATED:
            replies.append(await self._post(body, headers))
        _take(case, order, replies)

    async def _post(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Reply:
        return await self.wire.call("POST", "/v1/orders", self.key, body, headers)

    async def act(self, case: Case, turn: Turn) -> None:
        """Cancel an order as an agent, or report that the subscriber said "never again"."""
        order = case.orders[turn.order]
        async with asyncio.timeout(WAIT_S):
            await order.placed.wait()
        if turn.desk is Desk.CANCEL:
            reply = await self.wire.call("POST", f"/v1/orders/{order.id}/cancel", self.key, {"reason": "changed mind"})
        else:
            refusal = {"msisdn": case.msisdn, "carrier": order.carrier, "channel": "voice", "agent": "A1024"}
            call = {"call": _recording(case, turn.order)}
            reply = await self.wire.call("POST", "/v1/refusals", self.key, refusal | call)
        if reply.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
            case.notes.append(f"{turn.desk} was answered {reply.status} {reply.body.get('code', '')}")

    async def callable(self, case: Case, carrier: str, key: str) -> None:
        """Ask whether a number may be dialled, and keep the answer."""
        asked = {"msisdn": case.msisdn, "carrier": carrier}
        async with self._desks:
            reply = await self.wire.call("POST", "/v1/callable", key, asked)
        if reply.status == HTTPStatus.OK and isinstance(reply.body.get("callable"), bool):
            case.callable[carrier] = reply.body["callable"]
        else:
            case.notes.append(f"callable was answered {reply.status} {reply.body.get('code', '')}")


async def _moment(case: Case, index: int) -> bool:
    """Wait for the moment to place an order; False if it never comes."""
    when = case.orders[index].script.when
    if when is When.AT_ONCE:
        return True
    event = case.asked if when is When.ASKED else case.orders[index - 1].settled
    try:
        async with asyncio.timeout(WAIT_S):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _recording(case: Case, index: int) -> str:
    return f"rec-{case.msisdn[-6:]}-{index}"


def _request(case: Case, index: int) -> dict[str, Any]:
    order = case.orders[index]
    now = datetime.fromtimestamp(time.time(), _CHINA)
    return {
        "msisdn": case.msisdn,
        "plan": order.plan,
        "agent": "A1024",
        "call": {
            "caller_number": order.official,
            "recording_id": _recording(case, index),
            "started_at": (now - timedelta(seconds=240)).isoformat(timespec="seconds"),
            "agreed_at": (now - timedelta(seconds=5)).isoformat(timespec="seconds"),
        },
        "metadata": {"desk": "BJ-3"},
    }


def _take(case: Case, order: OrderRun, replies: Sequence[Reply]) -> None:
    """Keep the answers to placing an order. The same key must give the same order, created by one request only."""
    good = [reply for reply in replies if reply.status in {HTTPStatus.OK, HTTPStatus.CREATED}]
    if not good:
        order.turned_away(str(replies[0].body.get("code") or replies[0].status))
        return
    made = sum(reply.status == HTTPStatus.CREATED for reply in replies)
    retried = any(reply.tries > 1 for reply in replies)
    if made > 1 or (made == 0 and not retried):
        case.notes.append(f"placing was answered {', '.join(str(r.status) for r in replies)}")
    if len(good) < len(replies) or len({reply.body.get("id") for reply in good}) > 1:
        case.notes.append("the same key and body again was not the same order")
    first = good[0].body
    order.id, order.code = str(first["id"]), str((first.get("confirmation") or {}).get("code") or "")
    order.show(first)
    order.placed.set()
