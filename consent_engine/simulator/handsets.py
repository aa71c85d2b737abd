"""The simulated handsets: they receive SMS from the gateway, and answer as their subscriber's script says."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Purpose
from consent_engine.simulator.case import Case
from consent_engine.simulator.ledger import Ledger, Said, SmsSeen
from consent_engine.simulator.scripts import Turn, When
from consent_engine.simulator.tasks import Tasks
from consent_engine.simulator.wire import Reply, Wire

INBOUND = "/v1/gateways/http_json/inbound"
STRANGER = "+861390000"

DeskAct = Callable[[Case, Turn], Awaitable[None]]


def instant(at: float) -> str:
    """Format an instant by RFC 3339, with offset."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


@dataclass(slots=True)
class Handsets:
    """All handsets of a run. desk: called when the script says that an agent acts."""

    ledger: Ledger
    tasks: Tasks
    wire: Wire
    desk: DeskAct | None = None
    cases: dict[str, Case] = field(default_factory=dict)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def land(self, sms: SmsSeen) -> int:
        """Put an SMS on its handset; return its position among those of its purpose, from 1; 0 for no subscriber's."""
        sms.landed.append(self.ledger.now())
        case = self.cases.get(sms.to)
        return case.land(sms) if case is not None else 0

    async def act(self, case: Case, on: Purpose | When, nth: int = 1) -> None:
        """Do what the subscriber's script says for this moment, one act after the other: as with one person, the next
        begins once the engine has acknowledged the last.
        """
        for turn in case.script.turns:
            if (turn.on, turn.nth) != (on, nth):
                continue
            await self.tasks.pause(turn.after)
            if turn.desk is None:
                await self._say(case, turn)
            elif self.desk is not None:
                await self.desk(case, turn)

    async def _say(self, case: Case, turn: Turn) -> None:
        msisdn = STRANGER + case.msisdn[-4:] if turn.stranger else case.msisdn
        to = self._addressed(case, turn)
        text = await case.words(turn.say)
        await self.write(msisdn, to, text, turn.repeats, turn.written_ago)

    def _addressed(self, case: Case, turn: Turn) -> str:
        if turn.to == "other":
            used = {order.official for order in case.orders}
            return next(profile.outbound for profile in CARRIERS.values() if profile.outbound not in used)
        return turn.to or case.sender(turn.order)

    async def write(self, msisdn: str, to: str, text: str, repeats: int = 1, ago: float = 0.0) -> Reply:
        """Write an SMS on a handset: the gateway signs it and posts it to the engine, repeats under the same id."""
        at = self.ledger.now()
        said = Said(f"mo-{next(self._ids)}-{int(at * 1000)}", msisdn, to, text, at, at - ago)
        self.ledger.said.append(said)
        payload = {
            "message_id": said.message_id,
            "from": msisdn,
            "to": to,
            "text": text,
            "received_at": instant(said.written_at),
        }
        for _ in range(repeats):
            reply = await self.wire.post_signed(INBOUND, payload)
            said.stored = reply.status == HTTPStatus.OK and not reply.body.get("rejected")
            if not said.stored:
                self.ledger.errors.append(f"the engine did not take a reply: {reply.status} {reply.body}")
        return reply
