"""The simulated gateway: takes the engine's SMS, carries them to handsets and reports, or fails to by script."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import web

from consent_engine.domain.effects import Purpose
from consent_engine.simulator.answers import Answers, signed_object
from consent_engine.simulator.handsets import Handsets, instant
from consent_engine.simulator.ledger import Attempt, Ledger, SmsSeen, order_of
from consent_engine.simulator.scripts import Answer, Before, Dlr, Hop
from consent_engine.simulator.tasks import Tasks
from consent_engine.simulator.wire import Wire

RECEIPTS = "/v1/gateways/http_json/receipts"


class Ids(NamedTuple):
    """The id that an attempt got, or one for each part."""

    message: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request: it may be answered; it is over, since it was answered or the engine gave it up."""

    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def answered(self) -> None:
        """Let it be answered, and wait until it is over."""
        self.may_answer.set()
        await self.over.wait()


@dataclass(frozen=True, slots=True)
class GatewayDesk:
    """`POST /sms`. usual: its behaviour for an SMS that belongs to no script."""

    secret: str
    ledger: Ledger
    handsets: Handsets
    tasks: Tasks
    wire: Wire
    answers: Answers
    announce: Callable[[str, str, str], None]
    ids: Iterator[int]
    usual: Hop

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Take an SMS, or do what the script says instead. The same ref again is a repeat, not a second SMS."""
        body = await signed_object(request, self.secret, self.ledger.errors, self.ledger.now())
        if isinstance(body, web.Response):
            return body
        sms = self._entry(request, body)
        if sms is None:
            self.ledger.errors.append("/sms: the engine sent an SMS that breaks the contract")
            return web.json_response({"error": "fields"}, status=HTTPStatus.BAD_REQUEST)
        case = self.handsets.cases.get(sms.to)
        hop = case.script.hop(sms.purpose, len(sms.attempts) + 1) if case else self.usual
        first = sms.accepted_at is None
        self._record(sms, body, hop)
        if case is not None:
            case.asked.set()
        if hop.is_accepted and hop.again and not first:
            sms.message_id = f"sim-{next(self.ids)}"
        proper = {"message_ids": sms.part_ids} if hop.part_ids else {"message_id": sms.message_id}
        exchange, ids = Exchange(), Ids(sms.message_id, tuple(sms.part_ids) if hop.part_ids else ())
        self.tasks.spawn(self._carry(sms, hop, ids, exchange, lands=hop.lands and (first or hop.again)))
        try:
            await exchange.may_answer.wait()
            return await self.answers.give(request, hop.answer, hop.delay, proper)
        finally:
            exchange.over.set()

    def _entry(self, request: web.Request, body: dict[str, object]) -> SmsSeen | None:
        fields = [body.get(name) for name in ("ref", "from", "to", "text")]
        if not all(isinstance(value, str) and value for value in fields):
            return None
        ref, sender, to, text = (str(value) for value in fields)
        if request.headers.get("Idempotency-Key") != ref or body.get("purpose") not in set(Purpose):
            return None
        fresh = SmsSeen(ref, Purpose(str(body["purpose"])), sender, to, text, f"sim-{next(self.ids)}")
        return self.ledger.sms.setdefault(ref, fresh)

    def _record(self, sms: SmsSeen, body: dict[str, object], hop: Hop) -> None:
        now = (body["from"], body["to"], body["text"], body["purpose"])
        changed = now != (sms.sender, sms.to, sms.text, sms.purpose)
        if changed:
            self.ledger.errors.append(f"SMS {sms.ref}: another body under the same ref")
        sms.attempts.append(Attempt(self.ledger.now(), hop.answer, hop.is_accepted, changed))
        self._count(sms, hop)
        self.announce(f"SMS {sms.purpose} from {sms.sender}", sms.to, sms.text)

    async def _carry(self, sms: SmsSeen, hop: Hop, ids: Ids, exchange: Exchange, *, lands: bool) -> None:
        """Carry an SMS to its handset, report it, let its subscriber act: the answer has its place in this order."""
        try:
            if hop.before is Before.TAKEN or not hop.is_accepted:
                await exchange.answered()
            if not hop.is_accepted:
                return
            nth = self.handsets.land(sms) if lands else 0
            for each in hop.reports:
                await self._report(sms, each, ids)
            if hop.before is Before.REPORTED:
                await exchange.answered()
            case = self.handsets.cases.get(sms.to)
            if case is not None and nth:
                await self.handsets.act(case, sms.purpose, nth)
        finally:
            exchange.may_answer.set()

    def _count(self, sms: SmsSeen, hop: Hop) -> None:
        order = order_of(sms.ref)
        suffix = ", taken" if hop.is_accepted else ""
        wrongs = {
            f"gateway: {hop.answer}{suffix}": hop.answer is not Answer.OK,
            "gateway: slower than the subscriber": hop.before is Before.REPLIED,
            "gateway: never reports": hop.is_accepted and not hop.reports,
            "gateway: reports before it answers": hop.before is not Before.TAKEN and bool(hop.reports),
            "gateway: reports failure": any(report.status == "failed" for report in hop.reports),
            "gateway: an id for every part": hop.is_accepted and hop.part_ids,
            "gateway: reports twice": any(report.times > 1 for report in hop.reports),
            "gateway: reports out of order": any(report.segments for report in hop.reports) or len(hop.reports) > 1,
        }
        for kind, true in wrongs.items():
            if true:
                self.ledger.misbehaved(kind, order)

    async def _report(self, sms: SmsSeen, report: Dlr, ids: Ids) -> None:
        await self.tasks.pause(report.after)
        message_id, part_ids = ids
        for segment in (report.segments or tuple(range(1, len(part_ids) + 1)) or (1,)) * report.times:
            payload: dict[str, object] = {
                "ref": sms.ref,
                "message_id": part_ids[segment - 1] if part_ids else message_id,
                "status": report.status,
                "at": instant(sms.landed[-1] if sms.landed and report.status == "delivered" else self.ledger.now()),
            }
            if report.segments and not part_ids:
                payload |= {"segment": segment, "segments": len(report.segments)}
            if report.status == "failed":
                payload["error"] = "absent subscriber"
            reply = await self.wire.post_signed(RECEIPTS, payload)
            self.ledger.reports += 1
            if reply.status != HTTPStatus.OK or reply.body.get("rejected"):
                self.ledger.errors.append(f"the engine did not take a report: {reply.status} {reply.body}")
