"""Reservations: an Idempotency-Key for one request, a recording for one call of one number."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.errors import RecordingReused
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import request_key
from consent_engine.engine.change_order import MOST_RACES
from consent_engine.engine.round_trips import calls_of_request, load
from consent_engine.engine.store_requests import Reserve, Step
from consent_engine.errors import IdempotencyConflict, StoreUnavailable
from consent_engine.ports import Claim

REQUEST_MAY_LAST_MS = 60_000
"""How long a reservation without its record counts: longer than any request can be under way."""


Known = Sequence[tuple[str, str]] | None
"""The archived records under a request's key, each with its request; None while the store has one of that id."""


def reserve_key(ask: Reserve, look: Callable[[str], Step[Known]]) -> Step[Millis]:
    """Reserve the key of a request; return the store's time. Raises IdempotencyConflict while it stands for another
    request, and StoreUnavailable when too many others want it. look: looks for the record that the key stands for
    """
    for _ in range(MOST_RACES):
        claim: Claim = yield ask
        if claim.taken is None:
            return claim.now
        _, other, at = claim.taken
        found = yield from look(other)
        # For a record that has left the store, the archive says whose key it is, not the reservation.
        ours = (ask.order, ask.fingerprint) in (found or ())
        if not ours and (found is None or found or claim.now - at < REQUEST_MAY_LAST_MS):
            raise IdempotencyConflict("this Idempotency-Key was used for another request: take a new one")
        ask = replace(ask, seen=claim.seen)
    raise StoreUnavailable("too many others want this Idempotency-Key")


def call_named(call: str) -> Step[Known]:
    """Look for a call as `reserve_key` does."""
    if (yield from load(calls=[call])).calls:
        return None
    return [(each.id, each.began.request) for each in (yield from calls_of_request(request_key(call))) or ()]


def free_recording(call: str, keys: Sequence[str], claimant: str) -> Step[Call | None]:
    """Reserve a recording for a call, under each of its keys; return that call where it is archived. Raises
    RecordingReused where the recording is another call's, in store or archive, or just being reserved, and
    StoreUnavailable when too many others want it.

    While the archive cannot be asked, the store decides: a recording of the last days is there.
    """
    archived = None
    for key in keys:
        archived = (yield from _free(Reserve(key, "", call, claimant))) or archived
    return archived


def _free(ask: Reserve) -> Step[Call | None]:
    for _ in range(MOST_RACES):
        claim: Claim = yield ask
        other = claim.taken[1] if claim.taken else ask.order
        held = other != ask.order and (yield from _is_of(other, ask.key))
        archived = (yield from calls_of_request(ask.key)) or ()
        if held or [each for each in archived if ask.key in each.recording_keys and each.id != ask.order]:
            raise RecordingReused("this recording belongs to another call or number: name the call by call_id")
        if claim.taken is None:
            mine = [each for each in archived if each.id == ask.order]
            return mine[0] if mine else None
        if claim.now - claim.taken[2] < REQUEST_MAY_LAST_MS:
            raise RecordingReused("another request with this recording is under way")
        ask = replace(ask, seen=claim.seen)
    raise StoreUnavailable("too many others want this recording")


def _is_of(call: str, key: str) -> Step[bool]:
    """Whether a live call has the recording that is reserved under this key."""
    known = (yield from load(calls=[call])).calls.get(call)
    return known is not None and key in known.recording_keys
