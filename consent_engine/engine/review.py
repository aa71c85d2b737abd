"""Reviews of calls: a first verdict, and a second look at one that failed; the words of a call, added for its reviewer.

A failed review freezes the open orders of its call, by a restriction of each, which the one gate checks. Verdict and
restrictions are one commit; so are a verdict and what it frees. With CONSENT_REVIEW=before an order is placed with that
restriction, and the first review that passes frees it; once the setting is `after` again, an operator may. When a
failed review is upheld, the call's own timer cancels its orders.
"""

import uuid
from collections.abc import Sequence
from secrets import token_hex
from typing import NamedTuple

from consent_engine.domain.call.call import Call, CallEvent, CallMismatch, CallNotFound
from consent_engine.domain.call.review import (
    BY_ENGINE,
    SECOND_LOOK_MS,
    CommandHeard,
    NotAwaited,
    Reviewed,
    SecondLook,
    Verdict,
    may_look_again,
    may_review,
)
from consent_engine.domain.call.transcript import SAID, Spoken, Transcribed, encode_lines
from consent_engine.domain.decide.decision import Drop, Put
from consent_engine.domain.effects import WAKE_SECOND_LOOK, WAKE_UNLAWFUL, Lane, Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import Kind, Restriction
from consent_engine.domain.order.order import Order
from consent_engine.engine.order_and_call import open_of
from consent_engine.engine.recall import changing, proven, recalled
from consent_engine.engine.round_trips import Step, load, load_of, saving
from consent_engine.errors import FieldError, Malformed, Refused
from consent_engine.ports import By, Change, Commit, Held, Leased


class Review(NamedTuple):
    """A reviewer's verdict on a call. passed: also of a second look that lets it continue · second: whether it is one ·
    agent: the agent's number that the reviewer's key is bound to · heard, unplayed: as of `Reviewed`
    """

    call: str
    by: str
    passed: bool
    reasons: tuple[str, ...] = ()
    note: str = ""
    second: bool = False
    agent: str = ""
    heard: int | None = None
    unplayed: bool = False

    def event(self, now: Millis) -> CallEvent:
        op = f"review-{uuid.uuid4().hex}"
        if self.second:
            return SecondLook(now, op, self.by, int(not self.passed), self.note, self.heard, int(self.unplayed))
        return Reviewed(now, op, self.by, int(self.passed), self.reasons, self.note, self.heard, int(self.unplayed))


def reviewing(said: Review) -> Step[Call]:
    """Take a verdict.

    Raises CallNotFound, NotReviewable, OwnCall, AlreadyReviewed, NotContested, SameReviewer, StoreUnavailable, and
    ArchiveUnavailable for one that may have left.
    """

    def judged(call: Call, now: Millis) -> Step[Call]:
        own = not (yield from _sold_by(call)).isdisjoint({said.by, said.agent} - {""})
        if said.second:
            may_look_again(call.events, call.verdict, said.by, own=own)
        else:
            may_review(call.verdict, own=own)
        return (yield from _judged(call, said, now))

    return (yield from changing(Call, said.call, judged))


def _sold_by(call: Call) -> Step[set[str]]:
    """Return the keys and the agents of a call and of its orders: another agent may have taken it over, and sold."""
    line = (yield from load({Line: [call.line]})).line(call.line)
    there = (yield from load_of(line, [entry.order for entry in line.entries])).values()
    left = (yield from recalled(Order, [call.line], By.LINE, whole=False)) or ()
    sold = [order.doc for order in (*there, *left) if order.doc.call_id == call.id]
    return {name for each in (call.began, *sold) for name in (each.placed_by, each.agent)}


def keeping_heard(call_id: str, event: CommandHeard) -> Step[bool]:
    """Record that the command heard a call that people hear all the same: once, while its verdict is pending.

    Raises CallNotFound, StoreUnavailable, and ArchiveUnavailable for one that may have left.
    """

    def heard(call: Call, now: Millis) -> Step[bool]:
        if call.verdict is not Verdict.PENDING or any(isinstance(each, CommandHeard) for each in call.events):
            return False
        after, fields = call.with_events(event)
        yield from saving(Commit("", (Change.of(after, fields),)))
        return True

    return (yield from changing(Call, call_id, heard))


def letting_go_on(call_id: str, by: str, why: str) -> Step[int]:
    """Let orders continue that wait only for the first review of their call; return how many. Orders of a failed review
    stay barred: that is for another reviewer. Raises as `keeping_heard` does.
    """

    def let_go(call: Call, now: Millis) -> Step[int]:
        if call.verdict not in {None, Verdict.PENDING}:
            return 0
        line = (yield from load({Line: [call.line]})).line(call.line)
        waits = [each for each in line.restrictions if each.kind is Kind.REVIEW and each.ref == call.id]
        if not waits:
            return 0
        after, fields = call.with_events(NotAwaited(now, f"goes-on-{uuid.uuid4().hex}", by, why))
        # The call at the version seen: after a review in between it is looked at again.
        freed = Change.of(line, {f"r:{each.name}": "" for each in waits})
        yield from saving(Commit("", (Change.of(after, fields), freed)), prove=True)
        return len(waits)

    return (yield from changing(Call, call_id, let_go))


def undecided(leased: Leased) -> Step[str]:
    """Let the failed review stand: no second look in time. Raises BrokenRecord for a timer of another record."""
    said = Review(leased.held.record, BY_ENGINE, passed=False, second=True)

    def stands(call: Call, now: Millis) -> Step[None]:
        if call.verdict is Verdict.CONTESTED:
            yield from _judged(call, said, now, leased.held)

    yield from changing(Call, said.call, stands, (leased.of(Call), leased.at))
    return "performed"


def _judged(call: Call, said: Review, now: Millis, held: Held | None = None) -> Step[Call]:
    """Write a verdict, with all that it freezes, frees or ends. Raises Stale when another write came first."""
    after, fields = call.with_events(said.event(now))
    put: tuple[Put, ...] = ()
    if after.verdict is Verdict.CONTESTED:
        put = (Put(WAKE_SECOND_LOOK, now + SECOND_LOOK_MS),)
    elif after.verdict is Verdict.FAILED:
        put = (Put(WAKE_UNLAWFUL, now),)
    drop = ((WAKE_SECOND_LOOK, Drop.ANYWAY),) if WAKE_SECOND_LOOK in call.effects else ()
    change = Change.of(after, fields, put, drop)
    records: tuple[Change, ...] = (change,)
    line = (yield from load({Line: [call.line]})).line(call.line)
    if line.version:  # written in any case: an order that is being placed is judged anew
        stands = yield from _restrictions(after, line, now)
        records += (Change.of(line, stands),)
    wakes = frozenset({Lane.TIMER}) if after.verdict is Verdict.FAILED else frozenset[Lane]()
    yield from saving(Commit("", records, held, wakes=wakes), prove=True)
    return after


def _restrictions(call: Call, line: Line, now: Millis) -> Step[dict[str, str]]:
    """Return the line's fields after a verdict: orders of a contested call are frozen, those of a passed one freed."""
    if call.verdict is not Verdict.CONTESTED:
        own = [each for each in line.restrictions if each.kind is Kind.REVIEW and each.ref == call.id]
        return {f"r:{each.name}": "" for each in own} if call.verdict is Verdict.PASSED else {}
    of_call = yield from open_of(line, call.id)
    frozen = [Restriction(Kind.REVIEW, order, "", now, "review", call.id) for order in of_call]
    # An order that waited for the first review keeps its restriction, with the instant since when.
    return {f"r:{each.name}": each.encode() for each in frozen if line.named(each.name) is None}


SLACK_MS = 5_000
"""Greatest difference between a recorder's clock and a desk's."""


class AlreadyTranscribed(Refused, code="already_transcribed"):
    """The call has another transcript."""


class Transcript(NamedTuple):
    """A transcript as posted. recording: the one that it is of · since: when the key of the request was made · anyone:
    whether calls of other keys may be transcribed
    """

    call: str
    by: str
    recording: str
    lines: tuple[Spoken, ...]
    since: Millis = 0
    anyone: bool = False

    @property
    def op(self) -> str:
        """The digest by which two transcripts are the same."""
        return digest(encode_lines(self.lines, self.recording))


def transcribing(wanted: Transcript) -> Step[Call]:
    """Keep a transcript. Raises CallNotFound, also for another caller's call, CallMismatch for another recording,
    Malformed for words that were not spoken in the call, AlreadyTranscribed, StoreUnavailable, and ArchiveUnavailable
    for a call that may have left.
    """

    def kept(call: Call, now: Millis) -> Step[Call]:
        if not (wanted.anyone or call.is_of(wanted.by, wanted.since)):
            raise CallNotFound("no such call")
        if call.knows(wanted.op):
            return (yield from proven(call))
        _fits(wanted.lines, call, wanted.recording)
        said = encode_lines(wanted.lines, token_hex(16))
        event = Transcribed(now, wanted.op, wanted.by, len(wanted.lines), digest(said))
        after, fields = call.with_events(event)
        yield from saving(Commit(wanted.op, (Change.of(after, {**fields, SAID: said}),)), prove=True)
        return after

    return (yield from changing(Call, wanted.call, kept))


def _fits(lines: Sequence[Spoken], call: Call, recording: str) -> None:
    end = call.end
    if end is None or end.recording is None or end.recording.ref != recording:
        raise CallMismatch("the transcript is of another recording, or the call did not end with a recording")
    if any(isinstance(each, Transcribed) for each in call.events):
        raise AlreadyTranscribed("this call has another transcript")
    first, last = call.began.started_at - SLACK_MS, end.ended_at + SLACK_MS
    wrong = [
        FieldError(f"lines.{n}.at", "call_time_invalid", "must lie within the call")
        for n, each in enumerate(lines) if not first <= each.at <= last
    ]  # fmt: skip
    if wrong and not call.began.ordered:  # a call that an order's body describes has no end
        raise Malformed(wrong[:10])
