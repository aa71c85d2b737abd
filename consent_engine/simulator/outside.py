"""The simulated outside: gateway, BSS and ledger on one port, and SMS that a person writes from any handset.

The gateway takes the engine's SMS, carries them to handsets and reports; the BSS activates services and takes them
back, once per key. Both fail where a script says so.
"""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

import aiohttp
from aiohttp import web

from consent_engine.domain.effects import Purpose
from consent_engine.simulator.ledger import ActivationSeen, Attempt, DeactivationSeen, Ledger, SmsSeen, order_of
from consent_engine.simulator.scripts import Answer, Before, BssHop, Dlr, Hop, When
from consent_engine.simulator.subscribers import Case, Handsets
from consent_engine.simulator.wire import (
    MANY_TRIES,
    Answers,
    Tasks,
    Unreachable,
    Wire,
    instant,
    signed_fields,
    signed_object,
    unknown,
)

FIELDS = frozenset({"order_id", "msisdn", "plan", "plan_version", "plan_hash", "confirmed_at", "head"})
OF_DEACTIVATIONS = frozenset({
    "ending_id", "order_id", "activation_id", "msisdn", "plan", "cause", "asked_at", "free_exit"
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class BssDesk:
    """`POST /bss/activations`, `GET /bss/activations/{id}` and `POST /bss/subscribers/lookup`."""

    secret: str
    ledger: Ledger
    handsets: Handsets
    tasks: Tasks
    answers: Answers
    announce: Callable[[str, str, str], None]

    async def activate(self, request: web.Request) -> web.StreamResponse:
        """Activate a service, or do what the script says instead. The first result under a key stands."""
        body = await signed_fields(request, self.secret, self.ledger, FIELDS, "order_id")
        if isinstance(body, web.Response):
            return body
        seen = self._entry(body)
        case = self.handsets.cases.get(seen.msisdn)
        hop = case.script.bss_hop(len(seen.attempts) + 1) if case else BssHop()
        answer = self._record(seen, body, hop)
        if case is not None:
            acts = self.tasks.spawn(self.handsets.act(case, When.ACTIVATING, len(seen.attempts)))
            if hop.before is Before.REPLIED:
                await asyncio.shield(acts)
        return await self.answers.give(request, answer, hop.delay, self._proof(seen))

    async def show(self, request: web.Request) -> web.Response:
        """Show the result of a key: 200, or 404 while nothing is switched on."""
        seen = self.ledger.activations.get(request.match_info["id"])
        if seen is not None:
            seen.asked += 1
            if seen.verdict is Answer.OK:
                return web.json_response(self._proof(seen))
        return unknown("switched on")

    async def look_up(self, request: web.Request) -> web.Response:
        """Look up the holder of a number: always an adult; no network is named, and no number ever changes holders."""
        body = await signed_object(request, self.secret, self.ledger.errors, self.ledger.now())
        if isinstance(body, web.Response):
            return body
        if set(body) != {"msisdn"}:
            self.ledger.errors.append("/bss/subscribers/lookup: the engine's request breaks the contract")
            return web.json_response({"error": "fields"}, status=HTTPStatus.BAD_REQUEST)
        return web.json_response({"network": None, "holder_since": None, "adult": True})

    def _entry(self, body: dict[str, object]) -> ActivationSeen:
        order_id = str(body["order_id"])
        fresh = ActivationSeen(order_id, str(body["msisdn"]), str(body["plan"]))
        return self.ledger.activations.setdefault(order_id, fresh)

    def _record(self, seen: ActivationSeen, body: dict[str, object], hop: BssHop) -> Answer:
        """Record the request and its effect; return the answer to give."""
        changed = bool(seen.bodies) and body != seen.bodies[0]
        if changed:
            self.ledger.errors.append(f"activation {seen.order_id}: another body under the same key")
        seen.bodies.append(body)
        seen.attempts.append(Attempt(self.ledger.now(), hop.answer, hop.is_accepted, changed))
        self._count(seen, hop)
        self.announce("activation", seen.msisdn, seen.plan)
        if seen.verdict is None and hop.is_accepted:
            seen.verdict, seen.switched_on = Answer.OK, seen.switched_on + 1
        elif seen.verdict is None and hop.answer is Answer.REJECT:
            seen.verdict = Answer.REJECT
        stands = seen.verdict is Answer.REJECT and hop.answer is Answer.OK
        return Answer.REJECT if stands else hop.answer

    def _count(self, seen: ActivationSeen, hop: BssHop) -> None:
        suffix = ", taken" if hop.is_accepted else ""
        if hop.answer is not Answer.OK:
            self.ledger.misbehaved(f"bss: {hop.answer}{suffix}", seen.order_id)
        if hop.before is Before.REPLIED:
            self.ledger.misbehaved("bss: slower than the subscriber", seen.order_id)

    def _proof(self, seen: ActivationSeen) -> dict[str, str]:
        return {"activation_id": f"act-{seen.order_id}", "active_from": instant(seen.attempts[0].at)}


@dataclass(frozen=True, slots=True)
class BssOffDesk:
    """`POST /bss/deactivations` and `GET /bss/deactivations/{id}`."""

    secret: str
    ledger: Ledger

    async def deactivate(self, request: web.Request) -> web.StreamResponse:
        """Switch a service off, only once however often its key is repeated; refuse a service that is not on."""
        body = await signed_fields(request, self.secret, self.ledger, OF_DEACTIVATIONS, "ending_id")
        if isinstance(body, web.Response):
            return body
        seen = self._entry(body)
        changed = bool(seen.bodies) and body != seen.bodies[0]
        if changed:
            self.ledger.errors.append(f"deactivation {seen.ending_id}: another body under the same key")
        on = self.ledger.activations.get(seen.order_id)
        is_on = on is not None and on.switched_on > 0 and seen.activation_id == f"act-{seen.order_id}"
        answer = Answer.OK if is_on else Answer.REJECT
        seen.bodies.append(body)
        seen.attempts.append(Attempt(self.ledger.now(), answer, is_on, changed))
        if not is_on:
            refused = {"code": "not_active", "reason": "no such service"}
            return web.json_response(refused, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        seen.switched_off = seen.switched_off or 1
        return web.json_response(self._proof(seen))

    async def show(self, request: web.Request) -> web.Response:
        """Show the result of a key: 200, or 404 while nothing is switched off."""
        seen = self.ledger.deactivations.get(request.match_info["id"])
        if seen is None or not seen.switched_off:
            return unknown("switched off")
        seen.asked += 1
        return web.json_response(self._proof(seen))

    def _entry(self, body: dict[str, object]) -> DeactivationSeen:
        ending, order = str(body["ending_id"]), str(body["order_id"])
        fresh = DeactivationSeen(ending, order, str(body["activation_id"]), str(body["msisdn"]))
        return self.ledger.deactivations.setdefault(ending, fresh)

    def _proof(self, seen: DeactivationSeen) -> dict[str, object]:
        proof: dict[str, object] = {
            "deactivation_id": f"off-{seen.ending_id}",
            "stops_at": instant(seen.attempts[0].at),
        }
        # It charges nothing here: a fee that may be due is the carrier's own system's to name.
        return proof | ({"fee": "0.00", "restored": True} if seen.bodies[0]["free_exit"] else {})


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


SHUTDOWN_S = 0.5
BACKLOG = 512
Announce = Callable[[str, str, str], None]
"""Called with every SMS and activation that arrives: its kind, its number, its text or plan."""


def _silent(kind: str, msisdn: str, text: str) -> None:
    """Announce nothing."""


@dataclass(slots=True)
class Outside:
    """Gateway and BSS on one port. It is bound at once, so that the engine can be given it, and served later."""

    secret: str
    bss_secret: str
    host: str = "127.0.0.1"
    port: int = 0
    announce: Announce = _silent
    part_ids: bool = False
    """whether the gateway gives every part of an SMS an id of its own, where no script says so"""
    ledger: Ledger = field(default_factory=Ledger)
    handsets: Handsets = field(init=False)
    _socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self.host, self.port))
        except OSError:
            self._socket.close()
            raise
        self.port = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def gateway_url(self) -> str:
        """For `CONSENT_HTTP_JSON__URL`."""
        return self.url + "/sms"

    @property
    def bss_url(self) -> str:
        """For `CONSENT_BSS_HTTP__URL`."""
        return self.url + "/bss"

    def close(self) -> None:
        """Release the port, if it was never served."""
        self._socket.close()

    @asynccontextmanager
    async def serving(self, engine: str) -> AsyncIterator["Outside"]:
        """Serve for the engine at `engine` until the block ends; nothing is left open after it."""
        tasks = Tasks(self.ledger.errors)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
            wire = Wire(engine.rstrip("/"), session, self.secret, MANY_TRIES)
            self.handsets = Handsets(self.ledger, tasks, wire)
            # A request that the engine gives up is cancelled: that is the event which an unanswered one waits for.
            app = self._app(tasks, wire)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, handler_cancellation=True)
            await runner.setup()
            try:
                await web.SockSite(runner, self._socket, backlog=BACKLOG).start()
                yield self
            finally:
                await tasks.close()
                await runner.cleanup()
                self.close()

    def _app(self, tasks: Tasks, wire: Wire) -> web.Application:
        answers, ids = Answers(tasks), itertools.count(1)
        # No script judges this one: its reports take a moment, as in life.
        usual = Hop(part_ids=self.part_ids, reports=(Dlr(after=0.15),))
        gateway = GatewayDesk(self.secret, self.ledger, self.handsets, tasks, wire, answers, self.announce, ids, usual)
        bss = BssDesk(self.bss_secret, self.ledger, self.handsets, tasks, answers, self.announce)
        app = web.Application()
        app.router.add_post("/sms", gateway.receive)
        app.router.add_post("/bss/activations", bss.activate)
        app.router.add_get("/bss/activations/{id}", bss.show)
        off = BssOffDesk(self.bss_secret, self.ledger)
        app.router.add_post("/bss/deactivations", off.deactivate)
        app.router.add_get("/bss/deactivations/{id}", off.show)
        app.router.add_post("/bss/subscribers/lookup", bss.look_up)
        app.router.add_get("/ledger", self._show)
        app.router.add_post("/say", self._say)
        return app

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(self.ledger.view())

    async def _say(self, request: web.Request) -> web.Response:
        try:
            wanted = await request.json()
            msisdn, to, text = str(wanted["from"]), str(wanted["to"]), str(wanted["text"])
        except (ValueError, KeyError, TypeError):
            return web.json_response({"error": "say needs to, from and text"}, status=HTTPStatus.BAD_REQUEST)
        try:
            reply = await self.handsets.write(msisdn, to, text)
        except Unreachable as error:
            return web.json_response({"error": str(error)}, status=HTTPStatus.BAD_GATEWAY)
        return web.json_response({"engine_answered": reply.status, "body": reply.body})

    def play(self, cases: list[Case]) -> None:
        """Assign scripts to numbers."""
        self.handsets.cases.update({case.msisdn: case for case in cases})
