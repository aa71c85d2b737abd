"""Placing: an order's commit names the line's version it was admitted under; after a lost race it is admitted again."""

from binascii import b2a_base64
from secrets import token_bytes

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.admission.admit import Terms, admit
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.call import Call
from consent_engine.domain.decide.decision import giving_up, say
from consent_engine.domain.effects import Lane, Millis, Purpose
from consent_engine.domain.line.line import Entry, Line, line_id, order_id, request_key
from consent_engine.domain.offer.offer import LATE_MARGIN
from consent_engine.domain.offer.versions import Listed
from consent_engine.domain.order.order import Order
from consent_engine.engine.call_of_order import CallOfOrder, Named, call_behind, hold_recording, keep_refused
from consent_engine.engine.calls_of_line import Judged
from consent_engine.engine.catalogue import Shelf
from consent_engine.engine.line_events import of_age, recording_event_on
from consent_engine.engine.order_and_call import BECAUSE_OF_THE_CALL, waiting
from consent_engine.engine.recall import proven, recalled
from consent_engine.engine.reserving import Known, reserve_key, soonest
from consent_engine.engine.round_trips import Release, Reserve, Stale, Step, load, load_of, saving, transact
from consent_engine.errors import ArchiveUnavailable, DuplicateOrder, IdempotencyConflict, Malformed, Refused
from consent_engine.ports import By, Change, Commit, Snapshot

ARCHIVED_AFTER_MS = LATE_MARGIN
"""The shortest time between an order's call and its archiving."""


class Placed(Struct, frozen=True):
    """The order, and whether this request made it."""

    order: Order
    created: bool


class _Made(Struct, frozen=True):
    """The ids and random values of a request. claimant: names its reservations · salt: of the person part"""

    order: str
    line: str
    call: Named
    claimant: str
    salt: str

    @classmethod
    def of(cls, wanted: Placing, secret: str) -> "_Made":
        """Return the ids and the random values, drawn at once, since each draw lets the other threads run first."""
        drawn = b2a_base64(token_bytes(DRAWN), newline=False).decode()
        claimant, salt, of_call = drawn[:CLAIMANT], drawn[CLAIMANT:-SALT], drawn[-SALT:]
        order = order_id(secret, wanted.msisdn, wanted.api_key, wanted.idempotency_key)
        return cls(order, line_id(secret, wanted.msisdn), Named.by(wanted, secret, of_call), claimant, salt)


CLAIMANT, SALT, DRAWN = 8, 22, 39
"""Characters of claimant and of salt, 6 bits in one, and the random bytes that give all of them."""


def placing(wanted: Placing, terms: Terms, shelf: Shelf, secret: str) -> Step[Placed]:
    """Place one order. Raises Malformed, or the Refused of `admit`; neither for a repeat of a placed order."""
    wanted = replace(wanted, fingerprint=wanted.request.fingerprint(secret))
    made = _Made.of(wanted, secret)
    key, claimant, order = request_key(made.order), made.claimant, made.order
    try:
        placed = yield from _admit(wanted, made, terms, shelf, secret)
    except (Refused, Malformed) as refusal:
        # A refused request reserves nothing; but a key stays taken while the order that it stands for is in the store.
        if not isinstance(refusal, IdempotencyConflict) or (yield from _left(order)):
            yield Release(key, claimant)
        raise
    if not (placed.created or placed.order.effects) and (yield from _left(order)):
        yield Release(key, claimant)  # the archive knows the key
    return placed


def _left(order: str) -> Step[bool]:
    """Whether an order is not in the store, or no longer."""
    return not (yield from load({Order: [order]})).of(Order)


def _named(order: str) -> Step[Known]:
    """Look for an order as `reserve_key` does."""
    if not (yield from _left(order)):
        return None
    return [(each.id, each.doc.request) for each in (yield from recalled(Order, [request_key(order)], By.KEY)) or ()]


def _admit(wanted: Placing, made: _Made, terms: Terms, shelf: Shelf, secret: str) -> Step[Placed]:
    tried, torn = False, False
    ask = Reserve(request_key(made.order), wanted.fingerprint, made.order, made.claimant)

    @transact
    def admitted() -> Step[Placed]:
        nonlocal tried, torn
        reserved = yield from reserve_key(ask, _named)
        loaded = yield from _looked(wanted, made, at_all=tried)
        tried = True
        if existing := loaded.of(Order).get(made.order):
            return (yield from _again(existing, wanted))
        line = loaded.line(made.line)
        if not torn and line.entries and any(entry.order == made.order for entry in line.entries):
            torn = True  # the same request was taken between the looks at the order and at its line
            raise Stale
        if archived := (yield from _archived(made.order, wanted, loaded.now)):
            return archived
        if (event := of_age(line, wanted.msisdn, wanted.subscriber, loaded.now)) is not None:
            yield from recording_event_on(line.id, event)
            raise Stale
        offered = shelf.now()
        listed = offered.plans.get(wanted.request.plan)
        order, fields, of = yield from _weighed(wanted, made, loaded, listed, terms, secret)
        judged = yield from of.telling(line, loaded.now, terms, secret)
        commit = _commit(order, fields, of, judged, line, wanted, review_first=terms.review_first)
        commit = replace(commit, until=soonest(reserved, of.until, shelf.renewed(offered)))
        yield from saving(commit, prove=True)
        return Placed(replace(order, version=1), created=True)

    return (yield from admitted())


def _looked(wanted: Placing, made: _Made, *, at_all: bool) -> Step[Snapshot]:
    """Load the order's line, the order, and the call behind it. A line without a record, as most are, has neither
    order nor call; but a named call may have come back from the archive. The commit detects whatever was missed, and
    then all is loaded (`at_all`).
    """
    if not at_all and wanted.request.call is not None:
        loaded = yield from load({Line: [made.line]})
        line = loaded.of(Line).get(made.line)  # none: it is unreadable, and a repeat is answered all the same
        if line is not None and not line.version:
            return loaded
    return (yield from load({Order: [made.order], Line: [made.line], Call: [made.call.id]}))


def _weighed(
    wanted: Placing, made: _Made, loaded: Snapshot, listed: Listed | None, terms: Terms, secret: str
) -> Step[tuple[Order, dict[str, str], CallOfOrder]]:
    """Return the order as admitted, with the fields written once and the call behind it, whose recording is reserved.

    Raises as `admit` does; a refusal due to the call, or to the number, is recorded on the call.
    """
    line = loaded.line(made.line)
    texts = (yield from _open_texts(line)) if line.entries else []
    of = call_behind(wanted, made.call, loaded, line, listed, terms, secret)

    def admitted(of: CallOfOrder) -> tuple[Order, dict[str, str], CallOfOrder]:
        admission = admit(
            wanted, made.order, line, listed, terms, loaded.now, made.salt, open_texts=texts, call=of.call
        )
        return *admission, of

    try:
        order, fields, _ = admitted(of)
        held = yield from hold_recording(of, made.claimant)
        return (order, fields, held) if held.call is of.call else admitted(held)  # the archive knows more
    except BECAUSE_OF_THE_CALL as refusal:
        yield from keep_refused(of, made.order, wanted, refusal.code, made.claimant, terms, secret)
        raise
    except DuplicateOrder:  # a recording reused for another number is reported first
        yield from hold_recording(of, made.claimant, only_look=True)
        raise


def _open_texts(line: Line) -> Step[list[str]]:
    """Return the questions of the line's open orders; hardly any line has one."""
    waiting = [entry.order for entry in line.entries if entry.is_open]
    return [each.text for each in (yield from load_of(line, waiting)).values()]


def _archived(order: str, wanted: Placing, now: Millis) -> Step[Placed | None]:
    """Return the order that this key made long ago, if any: the archive has it when the store does not. Raises
    Malformed for a new order of an impossible instant.

    While the archive is unavailable, an order agreed recently is taken all the same: an earlier one by this key
    cannot have settled and been archived since.
    """
    found = yield from recalled(Order, [request_key(order)], By.KEY)
    if found is None and wanted.request.agreed < now - ARCHIVED_AFTER_MS:
        raise ArchiveUnavailable("this order may exist in the archive: repeat the same request a little later")
    for each in found or ():
        if each.id != order or each.doc.request != wanted.fingerprint:
            raise IdempotencyConflict("this Idempotency-Key was used for another request: take a new one")
        return Placed(each, created=False)
    if wrong := wanted.request.late_errors(now):
        raise Malformed(wrong)
    return None


def _again(existing: Order, wanted: Placing) -> Step[Placed]:
    """Return the order of a repeated request, proven durable like the first time. Raises Stale where it left."""
    if existing.doc.request != wanted.fingerprint:
        raise IdempotencyConflict("this Idempotency-Key was used for another request: take a new one")
    return Placed((yield from proven(existing)), created=False)


def _commit(
    new: Order,
    fields: dict[str, str],
    of: CallOfOrder,
    judged: Judged,
    line: Line,
    wanted: Placing,
    *,
    review_first: bool,
) -> Commit:
    ask = say(Purpose.CONFIRMATION, new.doc.placed_at)
    order = Change.of(new, fields, (ask, giving_up(new)))
    seen = str(max(line.seen, new.doc.placed_at))
    stamp = {f"o:{new.id}": Entry.of(new).encode(), "msisdn": wanted.request.msisdn, "seen": seen}
    stamp |= {**dict.fromkeys(line.aged, ""), **judged.fields}
    if of.call is not None:
        stamp |= waiting(new.id, of.call, new.doc.placed_at, review_first=review_first)
    # The call at the version seen: if it ended in between, it is looked at again.
    records = (order, *of.change(new.doc.placed_at), *judged.changes, Change.of(line, stamp))
    return Commit("place", records, wakes=frozenset({Lane.SMS}) | judged.wakes)
