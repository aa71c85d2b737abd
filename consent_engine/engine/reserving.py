"""Reservations: an Idempotency-Key for one request, a recording for one call of one number."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from consent_engine.domain.call.call import Call, RecordingReused
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import request_key
from consent_engine.engine.recall import recalled
from consent_engine.engine.round_trips import Reserve, Stale, Step, T, load, transact
from consent_engine.errors import IdempotencyConflict
from consent_engine.ports import By, Claim
from consent_engine.ports.records import CLOCKS_APART_MS

RESERVED_MS = 60_000
"""How long a reservation without its record counts. Its process saves in that time, or reserves again."""

Known = Sequence[tuple[str, str]] | None
"""The archived records under a request's key, each with its request; None while the store has one of that id."""


def reserve_key(ask: Reserve, look: Callable[[str], Step[Known]]) -> Step[Millis]:
    """Reserve the key of a request; return until when a commit may rest on that. Raises IdempotencyConflict while it
    stands for another request, and StoreUnavailable when too many others want it. look: looks for the record that the
    key stands for
    """

    def judged(claim: Claim) -> Step[None]:
        if claim.held_by is None:
            return
        _, other, at = claim.held_by
        found = yield from look(other)
        # For a record that has left the store, the archive says whose key it is, not the reservation.
        is_own = (ask.order, ask.fingerprint) in (found or ())
        if not is_own and (found is None or found or claim.now - at < RESERVED_MS):
            raise IdempotencyConflict("this Idempotency-Key was used for another request: take a new one")

    return (yield from _claimed(ask, judged))[1]


def _claimed(ask: Reserve, judged: Callable[[Claim], Step[T]]) -> Step[tuple[T, Millis]]:
    """Reserve a key, or take it over as it was seen; return what was judged of it, and until when a commit may rest on
    that. judged: raises where it must stay with who has it
    """
    seen = ""

    @transact
    def claimed() -> Step[tuple[T, Millis]]:
        nonlocal seen
        claim: Claim = yield replace(ask, seen=seen)
        found = yield from judged(claim)
        if claim.held_by is None:
            return found, _until(claim)
        seen = claim.seen
        raise Stale

    return (yield from claimed())


def _until(claim: Claim) -> Millis:
    """Until when a commit may rest on a reservation: before anybody takes it over, by the clock of any server."""
    return claim.now + RESERVED_MS - CLOCKS_APART_MS


def call_named(call: str) -> Step[Known]:
    """Look for a call as `reserve_key` does."""
    if (yield from load({Call: [call]})).of(Call):
        return None
    return [(each.id, each.began.request) for each in (yield from recalled(Call, [request_key(call)], By.KEY)) or ()]


class Freed(NamedTuple):
    """A recording that is reserved. archived: its call, where the archive has that · until: the instant until which a
    commit may rest on it; None where nothing was to be reserved
    """

    archived: Call | None = None
    until: Millis | None = None


def free_recording(call: str, keys: Sequence[str], claimant: str) -> Step[Freed]:
    """Reserve a recording for a call, under each of its keys. Raises RecordingReused where the recording is another
    call's, in store or archive, or just being reserved, and StoreUnavailable when too many others want it.

    While the archive cannot be asked, the store decides: a recording of the last days is there.
    """
    freed = Freed()
    for key in keys:
        one = yield from _free(Reserve(key, "", call, claimant))
        freed = Freed(one.archived or freed.archived, soonest(freed.until, one.until))
    return freed


def soonest(*untils: Millis | None) -> Millis | None:
    """Return the instant until which a commit may rest on all of these."""
    return min((each for each in untils if each is not None), default=None)


def _free(ask: Reserve) -> Step[Freed]:
    def judged(claim: Claim) -> Step[Call | None]:
        other = claim.held_by[1] if claim.held_by else ask.order
        held = other != ask.order and (yield from _is_of(other, ask.key))
        archived = (yield from recalled(Call, [ask.key], By.KEY)) or ()
        if held or [each for each in archived if ask.key in each.recording_keys and each.id != ask.order]:
            raise RecordingReused("this recording belongs to another call or number: name the call by call_id")
        if claim.held_by is not None and claim.now - claim.held_by[2] < RESERVED_MS:
            raise RecordingReused("another request with this recording is under way")
        return next((each for each in archived if each.id == ask.order), None)

    return Freed(*(yield from _claimed(ask, judged)))


def _is_of(call: str, key: str) -> Step[bool]:
    """Whether a live call has the recording that is reserved under this key."""
    known = (yield from load({Call: [call]})).of(Call).get(call)
    return known is not None and key in known.recording_keys
