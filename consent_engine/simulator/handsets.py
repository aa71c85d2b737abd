"""The simulated handsets: they receive SMS from the gateway, and answer as their subscriber's script says."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

from consent_engine.domain.carriers import CARRIERS
from consent_engine.simulator.case import Case
from consent_engine.simulator.ledger import Ledger, Said, SmsSeen
from consent_engine.simulator.scripts import Turn
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

    def land(self, sms: SmsSeen, reports: Sequence[tuple[float, asyncio.Task[None]]] = ()) -> None:
        """Put an SMS on its handset; a subscriber with a script acts on it. reports: the tasks that report its
        delivery, each with its delay: on a busy machine six reports take longer than a reply.
        """
        sms.landed.append(self.ledger.now())
        case = self.cases.get(sms.to)
        if case is None:
            return
        nth = case.land(sms)
        # One task per SMS: two turns of the same moment keep their order, as with one person.
        turns = sorted((t for t in case.script.turns if (t.on, t.nth) == (sms.purpose, nth)), key=lambda t: t.after)
        if turns:
            self.tasks.spawn(self._act(case, turns, reports))

    async def _act(self, case: Case, turns: list[Turn], reports: Sequence[tuple[float, asyncio.Task[None]]]) -> None:
        waited = 0.0
        for turn in turns:
            await self.tasks.pause(turn.after - waited)
            waited = turn.after
            if told_before := [report for after, report in reports if after < turn.after]:
                await asyncio.wait(told_before)
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
            taken = {order.official for order in case.orders}
            return next(profile.outbound for profile in CARRIERS.values() if profile.outbound not in taken)
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
