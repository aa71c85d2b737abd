"""The simulated BSS: activates services and takes them back, once per key; refuses or stalls where a script says so."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from consent_engine.simulator.answers import Answers, signed_fields, signed_object, unknown
from consent_engine.simulator.handsets import Handsets, instant
from consent_engine.simulator.ledger import ActivationSeen, Attempt, DeactivationSeen, Ledger
from consent_engine.simulator.scripts import Answer, Before, BssHop, When
from consent_engine.simulator.tasks import Tasks

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
