"""The other half of the simulated BSS: takes services back, once per key; refuses those never activated."""

from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from consent_engine.simulator.answers import signed_fields, unknown
from consent_engine.simulator.handsets import instant
from consent_engine.simulator.ledger import Attempt, DeactivationSeen, Ledger
from consent_engine.simulator.scripts import Answer

FIELDS = frozenset({"ending_id", "order_id", "activation_id", "msisdn", "plan", "cause", "asked_at", "free_exit"})


@dataclass(frozen=True, slots=True)
class BssOffDesk:
    """`POST /bss/deactivations` and `GET /bss/deactivations/{id}`."""

    secret: str
    ledger: Ledger

    async def deactivate(self, request: web.Request) -> web.StreamResponse:
        """Switch a service off, only once however often its key is repeated; refuse a service that is not on."""
        body = await signed_fields(request, self.secret, self.ledger, FIELDS, "ending_id")
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
        told: dict[str, object] = {"deactivation_id": f"off-{seen.ending_id}", "stops_at": instant(seen.attempts[0].at)}
        # It charges nothing here: a fee that may be due is the carrier's own system's to name.
        return told | ({"fee": "0.00", "restored": True} if seen.bodies[0]["free_exit"] else {})
