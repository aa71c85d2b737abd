"""The call behind an order: the one that it names, or the one that its body describes, which is made with it.

One recording is one call of one number: bodies that name the same recording describe the same call.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.admit_call import OrderWithCall, begin_from_order, entry_of
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.call import (
    MOST_REFUSALS,
    Call,
    CallMismatch,
    OrderRefused,
    RecordingReused,
    held,
    recorded_call_id,
    recording_key,
    recording_keys,
)
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.decide.decision import archiving_call
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.versions import Listed
from consent_engine.engine.calls_of_line import Judged, named_on, telling
from consent_engine.engine.recall import recalled
from consent_engine.engine.reserving import free_recording
from consent_engine.engine.round_trips import Release, Step, load, saving, transact
from consent_engine.ports import Change, Commit, Snapshot

OTHER_AUDIO = "the recording was reported before with another SHA-256"
BY_REFERENCE_AND_AUDIO = 2
"""Most keys that a recording is reserved under."""
MOST_CALLS_OF_REFUSALS = 20
"""Most calls of the last days that a line keeps only because an order was refused."""


class CallOfOrder(Struct, frozen=True):
    """The call behind an order. fields: of a call that does not exist yet, written with the order · keys: those under
    which its recording is to be reserved, and is not yet · until: the instant until which they are reserved
    """

    call: Call | None = None
    fields: Mapping[str, str] = {}
    keys: tuple[str, ...] = ()
    until: Millis | None = None

    def change(self, now: Millis) -> tuple[Change, ...]:
        """Return the call's part of the order's commit: creation, its recording, or a check of its version as seen."""
        call = self.call
        if call is None or not (self.fields or call.version):
            return ()  # an archived call stays as it is
        if self.fields:
            return (Change.of(call, {**self.fields, **held(call.id, self.keys)}, (archiving_call(now),)),)
        if self.keys:
            return (Change.of(call, held(call.id, (*call.recording_keys, *self.keys))),)
        return (Change.look(call),)

    def telling(self, line: Line, now: Millis, terms: Terms, secret: str) -> Step[Judged]:
        """Name on its line a call that is made with its order, or was known only of orders that were refused."""
        known = {each.call for each in line.calls if not each.refusal}
        if self.call is None or self.call.id in known or not (self.fields or self.call.began.ordered):
            return Judged()
        return (yield from telling(line, entry_of(self.call, secret), now, terms))


class Named(Struct, frozen=True):
    """The call as its order names it. id: the call's · for a call that the body describes, keys: those that its
    recording is reserved under, and salt: of its person part
    """

    id: str
    keys: tuple[str, ...] = ()
    salt: str = ""

    @classmethod
    def by(cls, wanted: Placing, secret: str, salt: str) -> "Named":
        """Return the call that an order names or describes."""
        described = wanted.request.call
        if described is None:
            return cls(wanted.request.call_id or "")
        keys = recording_keys(secret, described.recording)
        return cls(recorded_call_id(wanted.msisdn, keys[0]), keys, salt)


def call_behind(
    wanted: Placing, named: Named, loaded: Snapshot, line: Line, listed: Listed | None, terms: Terms, secret: str
) -> CallOfOrder:
    """Return the call behind an order, as it is in the store or would be made; empty where there is no call to check.

    loaded: with the call where it is in the store · line: the order's
    """
    stated, call_id, keys = wanted.request.call, named.id, tuple[str, ...]()
    call = loaded.of(Call).get(call_id)
    if stated is None or listed is None:
        return CallOfOrder(call)
    if stated.caller_number == CARRIERS[listed.plan.carrier].outbound:
        keys = named.keys
        if call is not None:
            return CallOfOrder(call, keys=tuple(key for key in keys if key not in call.recording_keys))
    else:  # kept separately: a request with the number corrected describes the call as it was, with its recording
        other = recording_key(secret, f"{stated.recording_id}\n{stated.caller_number}")
        call_id = recorded_call_id(wanted.msisdn, other)
    described = OrderWithCall(wanted, call_id, listed.plan.carrier.value, named.salt)
    made, fields = begin_from_order(described, line, terms, secret, loaded.now)
    return CallOfOrder(made, fields, keys)


def hold_recording(of: CallOfOrder, claimant: str, *, only_look: bool = False) -> Step[CallOfOrder]:
    """Reserve the recording as far as it is to be reserved; return the archived call where the archive has it. Raises
    RecordingReused where the recording is another call's, CallMismatch where the call has another audio, and
    StoreUnavailable.

    claimant: the one who reserves · only_look: give the reservation back at once
    """
    if of.call is None or not of.keys:
        return of
    if len(of.call.recording_keys) + len(of.keys) > BY_REFERENCE_AND_AUDIO:
        raise CallMismatch(OTHER_AUDIO)
    archived, until = yield from free_recording(of.call.id, of.keys, claimant)
    if only_look:
        for key in of.keys:
            yield Release(key, claimant)
    if archived is None:
        return replace(of, until=until)
    if not set(of.keys) <= set(archived.recording_keys):  # an archived call stays as it is
        raise CallMismatch(OTHER_AUDIO)
    return CallOfOrder(replace(archived, version=0, effects={}))


@transact
def keep_refused(
    of: CallOfOrder, order: str, wanted: Placing, code: str, claimant: str, terms: Terms, secret: str
) -> Step[None]:
    """Record on its call that an order was refused because of the call or its number: once per request, up to a limit.
    A call that only the body describes is made for it, with its recording unless that is another call's.
    """
    try:
        of = yield from hold_recording(of, claimant)
    except (RecordingReused, CallMismatch):
        of = replace(of, keys=())
    if (known := of.call) is None:
        return
    loaded = yield from load({Line: [known.line], Call: [known.id]})
    line, call = loaded.line(known.line), loaded.of(Call).get(known.id)
    if call is None and (yield from recalled(Call, [known.id])):
        return  # kept before without a recording, so that no key leads to it: an archived call stays as it is
    event = OrderRefused(loaded.now, order, wanted.api_key, code)
    if commit := (yield from _refused(of, call, line, event, wanted, terms, secret)):
        yield from saving(commit, prove=True)


def _refused(
    of: CallOfOrder, call: Call | None, line: Line, event: OrderRefused, wanted: Placing, terms: Terms, secret: str
) -> Step[Commit | None]:
    """Return the commit that records a refusal; None where it is recorded already, or too many are."""
    if call is not None:
        kept = sum(isinstance(each, OrderRefused) for each in call.events)
        if call.knows(event.op) or kept >= MOST_REFUSALS:
            return None
        after, fields = call.with_events(event)
        return Commit(event.op, (Change.of(after, fields),))
    if not of.fields or of.call is None or sum(each.refusal > 0 for each in line.calls) >= MOST_CALLS_OF_REFUSALS:
        return None
    after, fields = of.call.with_events(event)
    change = Change.of(after, {**of.fields, **fields, **held(after.id, of.keys)}, (archiving_call(event.at),))
    judged = yield from telling(line, entry_of(after, secret, refused=True), event.at, terms)
    records: tuple[Change, ...] = (change, *judged.changes, named_on(line, judged, event.at, wanted.msisdn))
    return Commit(event.op, records, wakes=judged.wakes, until=of.until)
