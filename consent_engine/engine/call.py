"""Calls: reported when they begin and when they end; abandoned when no end is reported.

A call is a record of its own in its number's cell, with or without an order. Its commit names the line's version that
it was judged on: after a refusal in between it is judged again.
"""

import logging
from collections.abc import Callable, Mapping
from secrets import token_hex

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.admit_call import begin, cooled, end, entry_of
from consent_engine.domain.admission.call_request import CallEnd, CallStart
from consent_engine.domain.call.call import (
    Abandoned,
    Call,
    CallNotFound,
    CallState,
    Ended,
    call_id,
    held,
    recording_key,
    recording_keys,
)
from consent_engine.domain.decide.decision import Drop, Put, abandoning, archiving_call
from consent_engine.domain.effects import WAKE_ABANDONED, WAKE_SECOND_LOOK, WAKE_UNLAWFUL, Lane, Millis
from consent_engine.domain.inbox import UnreadRefusal, encode_message
from consent_engine.domain.line.line import Line, line_id, request_key
from consent_engine.domain.line.restriction import Kind, name_of
from consent_engine.engine.calls_of_line import named_on, telling
from consent_engine.engine.order_and_call import cancelling_orders, gated
from consent_engine.engine.recall import at_hand, changing, proven, recalled
from consent_engine.engine.reserving import call_named, free_recording, reserve_key
from consent_engine.engine.review import undecided
from consent_engine.engine.round_trips import Release, Reserve, Step, load, post, prove, save, saving, transact
from consent_engine.errors import ConsentError, IdempotencyConflict, Malformed
from consent_engine.ports import By, Change, Commit, Leased, Posted

log = logging.getLogger(__name__)


class CallTaken(Struct, frozen=True):
    """The call, and whether this request changed it."""

    call: Call
    is_new: bool


def calling(start: CallStart, terms: Terms, secret: str) -> Step[CallTaken]:
    """Record a call that began, even one that violates rules.

    Raises Malformed for an impossible instant, IdempotencyConflict, StoreUnavailable.
    """
    own, line_key = call_id(secret, start.msisdn, start.api_key, start.idempotency_key), line_id(secret, start.msisdn)
    ask = Reserve(request_key(own), start.request.fingerprint(secret), own, token_hex(8))

    @transact
    def begun() -> Step[CallTaken]:
        until = yield from reserve_key(ask, call_named)
        loaded = yield from load({Line: [line_key], Call: [own]})
        if again := (yield from _again(loaded.of(Call).get(own), ask)):
            return again
        line, now = loaded.line(line_key), loaded.now
        if wrong := start.request.late_errors(now):
            yield Release(ask.key, ask.claimant)
            raise Malformed(wrong)
        call, fields = begin(start, own, line, terms, secret, now, token_hex(16))
        change = Change.of(call, fields, (abandoning(now),))
        judged = yield from telling(line, entry_of(call, secret), now, terms)
        records: tuple[Change, ...] = (change, *judged.changes, named_on(line, judged, now, start.msisdn))
        yield from saving(Commit("call", records, wakes=judged.wakes, until=until), prove=True)
        return CallTaken(replace(call, version=1), is_new=True)

    return (yield from begun())


def _again(known: Call | None, ask: Reserve) -> Step[CallTaken | None]:
    """Return the call of a repeated request, proven durable like the first time, or archived; None if there is none."""
    if known is None:
        archived = yield from recalled(Call, [ask.key], By.KEY)
        known = next((each for each in archived or () if each.id == ask.order), None)
        if known is None:
            return None
        yield Release(ask.key, ask.claimant)  # the archive knows the key
    elif not (yield from prove(known.id, Call)):
        return None  # it left for the archive meanwhile
    if known.began.request != ask.fingerprint:
        raise IdempotencyConflict("this Idempotency-Key was used for another request: take a new one")
    return CallTaken(known, is_new=False)


def ending(wanted: CallEnd, terms: Terms, secret: str, sells: Callable[[str, str], bool]) -> Step[CallTaken]:
    """Record how a call ended. A refusal is kept first, even from a faulty request; a declined plan
    is not offered again.

    sells: whether a carrier has a plan of this code

    Raises CallNotFound, Malformed, AlreadyEnded, CallAbandoned, RecordingReused, PlanUnknown, StoreUnavailable; each
    says whether the refusal was kept. Raises ArchiveUnavailable where the call may be in the archive, and nothing is
    kept yet.
    """
    kept = 0
    if wanted.refused:
        # A call is not said to be unknown, and its refusal with it, while SQL cannot be asked.
        call, _ = yield from at_hand(Call, wanted.call, 0)
        _must_be_own(call, wanted)
        if not wanted.repeats(call):
            yield from post(_refusal(call, wanted.api_key, secret))
        kept = 1
    try:
        return (yield from _ended(wanted, terms, secret, sells))
    except ConsentError as error:
        raise error.beside(kept) from None


def _ended(wanted: CallEnd, terms: Terms, secret: str, sells: Callable[[str, str], bool]) -> Step[CallTaken]:
    claimant, recording = token_hex(8), wanted.request.recorded()
    keys = recording_keys(secret, recording) if recording is not None else ()

    def once(call: Call, _: Millis) -> Step[CallTaken]:
        _must_be_own(call, wanted)
        loaded = yield from load({Line: [call.line]})
        line, now = loaded.line(call.line), loaded.now
        if wanted.repeats(call):
            return CallTaken((yield from proven(call)), is_new=False)
        ended = end(call, wanted, line, secret, now, sells)
        reserved = yield from free_recording(call.id, keys, claimant)
        after, fields = call.with_events(ended)
        fields |= held(call.id, keys)
        gates, has_open = yield from gated(line, after, now)
        cancels = (Put(WAKE_UNLAWFUL, now),) if has_open else ()
        change = Change.of(after, fields, (archiving_call(now), *cancels), ((WAKE_ABANDONED, Drop.ANYWAY),))
        records = (change, _line_after(after, ended, line, terms, gates))
        wakes = frozenset({Lane.TIMER}) if cancels else frozenset()
        yield from saving(Commit(ended.op, records, wakes=wakes, until=reserved.until), prove=True)
        return CallTaken(replace(after, version=call.version + 1), is_new=True)

    return (yield from changing(Call, wanted.call, once))


def _must_be_own(call: Call, wanted: CallEnd) -> None:
    """Raise CallNotFound for another's call."""
    if not wanted.may_end(call):
        raise CallNotFound("no such call")


def _line_after(
    call: Call, ended: Ended, line: Line, terms: Terms, gates: Mapping[str, str]
) -> Change:  # fmt: skip
    """Return the line's change: its orders as `gated` says, and a declined plan is not offered again. The line's
    version is named in any case: an order placed in between waits for this very end.
    """
    cool = cooled(call, ended, line, terms.policy.cool_off)
    fields = {**gates, **({f"r:{cool.name}": cool.encode()} if cool else {})}
    return Change.of(line, fields) if fields else Change.look(line)


def _refusal(call: Call, by: str, secret: str) -> Posted:
    """Return the subscriber's refusal as a message for the line's inbox: every refusal takes this one way. Its line is
    named by the call; the number is not taken from there, for it may be erased by now.
    """
    body = UnreadRefusal(call.carrier, "voice", by)
    return Posted(
        call.line, "", recording_key(secret, f"refused in {call.id}"), encode_message(body),
        (name_of(Kind.REFUSED, call.carrier),), "voice", call.id, once=True,
    )  # fmt: skip


def timed(leased: Leased) -> Step[str]:
    """Handle a due timer of a call. Raises BrokenRecord for a timer of another record."""
    if leased.effect == WAKE_SECOND_LOOK:
        return (yield from undecided(leased))
    return (yield from (cancelling_orders(leased) if leased.effect == WAKE_UNLAWFUL else _abandoned(leased)))


def _abandoned(leased: Leased) -> Step[str]:
    """Mark a call as abandoned: no end was reported."""
    call = leased.of(Call)
    if call.state is not CallState.UP:
        return "performed"
    after, fields = call.with_events(Abandoned(leased.at, f"{leased.effect}#{leased.token}"))
    put = (archiving_call(leased.at), Put(WAKE_UNLAWFUL, leased.at))
    change = Change.of(after, fields, put, ((leased.effect, Drop.ANYWAY),))
    yield from save(Commit("", (change,), leased.held, wakes=frozenset({Lane.TIMER})))
    log.info("call %s: abandoned", call.id)
    return "performed"
