"""The simulated call centre: places orders over HTTP, some twice on purpose; cancels and refuses by script."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from zlib import crc32

from consent_engine.simulator.scripts import Desk, Turn, When
from consent_engine.simulator.subscribers import Case, Handsets, OrderRun
from consent_engine.simulator.wire import Reply, Wire

MOST_UNASKED = 16
"""Most subscribers called but not yet asked: the next is called as fast as the engine asks."""
DESKS = 16
"""Requests of the call centre under way at the same time."""
TWICE, AT_ONCE, CYCLE = 0, 3, 7
AGENT = "A1024"
BEGAN_S, AGREED_S = 240, 5
"""How long ago a call began and the plan was agreed when its order is placed."""
_CHINA = timezone(timedelta(hours=8))


@dataclass(slots=True)
class CallCentre:
    """Agents with one API key, with at most `DESKS` requests under way.

    wire: to the engine where nobody is in a hurry · hasty: to its other door, where windows are short · people: their
    scripts go on where an order was placed or settled
    """

    wire: Wire
    hasty: Wire
    key: str
    seed: int
    people: Handsets
    _desks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DESKS))
    _unasked: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_UNASKED))

    async def plans(self) -> dict[str, list[str]]:
        """Return the catalogue: carrier -> plan codes."""
        reply = await self.wire.call("GET", "/v1/plans", self.key)
        found: dict[str, list[str]] = {}
        for plan in reply.body.get("items") or reply.body.get("plans") or ():
            codes = found.setdefault(str(plan["carrier"]), [])
            if plan["code"] not in codes:
                codes.append(str(plan["code"]))
        return found

    async def serve(self, case: Case) -> None:
        """Place a case's orders, each when its script says, and return once all have settled."""
        await self._unasked.acquire()
        asked = asyncio.create_task(self._until_asked(case))
        try:
            await self._serve(case)
            await self.people.act(case, When.PLACED)
            await asyncio.gather(asked, *(order.settled.wait() for order in case.orders))
            await self.people.act(case, When.SETTLED)
        finally:
            asked.cancel()

    async def _until_asked(self, case: Case) -> None:
        """Free the place once the engine asks, or the order is over: as fast as the engine asks."""
        try:
            await _asked(case)
        finally:
            self._unasked.release()

    async def _serve(self, case: Case) -> None:
        for index, order in enumerate(case.orders):
            if order.script.when is When.ASKED:
                await _asked(case)
            elif order.script.when is When.SETTLED:
                await case.orders[index - 1].settled.wait()
            async with self._desks:
                await self._place(case, index)

    async def _place(self, case: Case, index: int) -> None:
        order = case.orders[index]
        headers = {"Idempotency-Key": f"sim-{self.seed}-{case.msisdn[-6:]}-{index}"}
        if order.script.in_call:
            begun = await self._call(case, "/v1/calls", _call(case, order), headers)
            case.call = str(begun.body.get("id"))
        body = _request(case, index)
        turn = crc32(case.msisdn.encode()) % CYCLE
        copies = 2 if turn == AT_ONCE else 1
        replies = await asyncio.gather(*(self._call(case, "/v1/orders", body, headers) for _ in range(copies)))
        if turn == TWICE and replies[0].status == HTTPStatus.CREATED:
            replies.append(await self._call(case, "/v1/orders", body, headers))
        _record(case, order, replies)

    async def _call(
        self, case: Case, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Reply:
        wire = self.hasty if case.script.hasty else self.wire
        return await wire.call("POST", path, self.key, body, headers)

    async def act(self, case: Case, turn: Turn) -> None:
        """Cancel an order as an agent, end its call, or report that the subscriber said "never again"."""
        order = case.orders[turn.order]
        await order.placed.wait()
        if turn.desk is Desk.CANCEL:
            reply = await self._call(case, f"/v1/orders/{order.id}/cancel", {"reason": "changed mind"})
        elif turn.desk is Desk.HANG_UP:
            reply = await self._call(case, f"/v1/calls/{case.call}/end", _end(case, order))
        else:
            refusal = {"msisdn": case.msisdn, "carrier": order.carrier, "channel": "voice", "agent": AGENT}
            reply = await self._call(case, "/v1/refusals", refusal | {"call": _recording(case, turn.order)})
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


async def _asked(case: Case) -> None:
    """Wait until the engine has begun to ask, or will not."""
    waits = [asyncio.create_task(event.wait()) for event in (case.asked, case.orders[0].settled)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _recording(case: Case, index: int) -> str:
    return f"rec-{case.msisdn[-6:]}-{index}"


def _ago(seconds: int) -> str:
    return datetime.fromtimestamp(time.time() - seconds, _CHINA).isoformat(timespec="seconds")


def _request(case: Case, index: int) -> dict[str, Any]:
    order = case.orders[index]
    body = {"msisdn": case.msisdn, "plan": order.plan, "agent": AGENT, "metadata": {"desk": "BJ-3"}}
    if order.script.in_call:
        return body | {"call_id": case.call, "agreed_at": _ago(AGREED_S)}
    began, agreed = _ago(BEGAN_S), _ago(AGREED_S)
    called = {"caller_number": order.official, "recording_id": _recording(case, index)}
    return body | {"call": called | {"started_at": began, "agreed_at": agreed}}


def _call(case: Case, order: OrderRun) -> dict[str, Any]:
    numbers = {"from": order.official, "to": case.msisdn, "carrier": order.carrier}
    return numbers | {"agent": AGENT, "started_at": _ago(BEGAN_S)}


def _end(case: Case, order: OrderRun) -> dict[str, Any]:
    name = _recording(case, 0)
    recording = {"ref": name, "sha256": sha256(name.encode()).hexdigest(), "seconds": BEGAN_S}
    return {"ended_at": _ago(0), "outcome": "agreed", "plan": order.plan, "recording": recording}


def _record(case: Case, order: OrderRun, replies: Sequence[Reply]) -> None:
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
