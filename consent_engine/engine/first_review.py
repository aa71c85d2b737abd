"""First reviews by the operator's command: it hears unreviewed calls; people hear those it fails, and a sample.

A call that it fails waits for a person's second look. A call that it passes has passed, except `disputed` calls and a
sample, which stay for people: that the command heard them is recorded, with the seed of the draw.
"""

import asyncio
import uuid
from collections.abc import Iterator, Sequence

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.review import CommandHeard, Verdict, is_drawn
from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar.meaning import Reason
from consent_engine.domain.line.line import Line, keyed
from consent_engine.domain.line.restriction import Kind
from consent_engine.engine.engine import Engine
from consent_engine.engine.review import Review
from consent_engine.errors import Refused
from consent_engine.ports.outside import CommandFailed, ReviewCommand

TURN, TURN_MS = "reviews", 60_000
AT_ONCE, PAGE = 8, 200
AGAIN_MS = 600_000
"""Delay after all calls were looked at before those that could not be heard are tried again."""
DISPUTED = "disputed"
"""The mark in place of a seed: the subscriber denies the call, so people hear it."""


class FirstReviews:
    """The reviews of pending calls by command, oldest first. Of several processes one works at a time."""

    def __init__(self, engine: Engine, command: ReviewCommand, share: float, secret: str, holder: str) -> None:
        self._engine = engine
        self._command = command
        self._share = share
        self._secret = secret
        self._holder = holder
        self._cursor = ""
        self._again_at: Millis = 0

    def seed(self, at: Millis) -> str:
        """Return the seed for the draw of a day's calls: without the secret, the draw cannot be predicted."""
        return keyed(self._secret, "review sample", self._engine.terms.reporting.days.of(at))

    async def look(self) -> int:
        """Hear a page of calls; return how many. Raises StoreUnavailable, and CommandFailed if none could be heard."""
        registry, now = self._engine.registry, self._engine.registry.now()
        if (not self._cursor and now < self._again_at) or not registry.claim_turn(TURN, self._holder, TURN_MS):
            return 0
        page = self._engine.calls.to_review(Verdict.PENDING, self._cursor, PAGE)
        self._cursor = page.cursor
        if not page.cursor:
            self._again_at = now + (AGAIN_MS if page.calls else 0)
        there = self._engine.records.look({Call: [call.id for call in page.calls]}).of(Call)
        # People hear those that left.
        return await self._heard([call for call in there.values() if not _was_heard(call)])

    async def _heard(self, calls: Sequence[Call]) -> int:
        heard, failed = 0, None
        for some in _pieces(calls):
            if not self._engine.registry.claim_turn(TURN, self._holder, TURN_MS):
                break
            for done in await asyncio.gather(*map(self._hear, some), return_exceptions=True):
                if isinstance(done, CommandFailed):
                    failed = done
                elif isinstance(done, BaseException):
                    raise done
                else:
                    heard += 1
        if failed and not heard:
            raise failed
        return heard

    async def _hear(self, call: Call) -> None:
        heard = await self._command.hear(_description(call))
        if heard.passed and (seed := self._for_people(call)):
            op = f"heard-{uuid.uuid4().hex}"
            event = CommandHeard(self._engine.registry.now(), op, heard.by, 1, heard.reasons, seed, self._share)
            self._engine.calls.keep_heard(call.id, event)
            return
        try:
            self._engine.calls.review(Review(call.id, heard.by, heard.passed, heard.reasons, heard.note))
        except Refused:
            return  # a person reviewed it first

    def _for_people(self, call: Call) -> str:
        """Return why people hear the call all the same: the seed that it was drawn by, or that it is disputed; '' where
        they need not.
        """
        line = self._engine.records.look({Line: [call.line]}).of(Line).get(call.line)
        if line is None or any(_disputes(each.kind, each.reason) for each in line.restrictions):
            return DISPUTED
        seed = self.seed(call.began.started_at)
        return seed if is_drawn(seed, call.id, self._share) else ""


def _disputes(kind: Kind, reason: str) -> bool:
    return kind is Kind.SUSPECTED and reason == Reason.DISPUTED


def _was_heard(call: Call) -> bool:
    return any(isinstance(each, CommandHeard) for each in call.events)


def _pieces(calls: Sequence[Call]) -> Iterator[Sequence[Call]]:
    return (calls[n : n + AT_ONCE] for n in range(0, len(calls), AT_ONCE))


def _description(call: Call) -> dict[str, object]:
    """Return the call's data for the command: no telephone number."""
    end, kept = call.end, call.recording
    recording = {"ref": kept.ref, "sha256": kept.sha256, "seconds": kept.seconds} if kept else None
    return {
        "call": call.id, "agent": call.began.agent, "carrier": call.carrier, "script": call.began.script,
        "started_at": call.began.started_at, "ended_at": end.ended_at if end else 0,
        "outcome": end.outcome.value if end else "", "plan": end.plan if end else "",
        "recording": recording,
        "disclosures": [{"id": each.id, "at": each.at} for each in end.disclosures] if end else [],
    }  # fmt: skip
