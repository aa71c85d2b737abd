"""The one way to change an order: load, decide, commit by compare-and-set; after a lost race again, within a bound."""

import secrets
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from consent_engine.domain.decide.decide import decide
from consent_engine.domain.decide.decision import A_SECOND, PARKED, Decision, Drop, Put, activates, stood_off
from consent_engine.domain.decide.on_outcome import not_begun, on_line_outcome
from consent_engine.domain.decide.wanted_effects import cooling_off
from consent_engine.domain.effects import ACTIVATE, WAKE_ASIDE, Lane, Millis, Pending, lane_of
from consent_engine.domain.interpret.correlate import parts_named
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.line.line import Entry, Line
from consent_engine.domain.line.restriction import Kind, name_of
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.facts import Barred, Ended, Fact, ResendAsked, Woke
from consent_engine.domain.order.history import number_changed
from consent_engine.domain.order.order import Order, sealed
from consent_engine.engine.recall import changing
from consent_engine.engine.round_trips import Stale, Step, load, save, saving
from consent_engine.ports import Change, Commit, CommitResult, Held, How, Leased, Owner, saved

_OF_CALLS = (Kind.CALL, Kind.REVIEW)
"""The kinds of an order's restrictions that its call makes."""


_DRAWN: list[str] = []
DRAWN = 256
"""So many salts are drawn at once: each draw lets the other threads of a process run first, which costs more."""


def salts() -> Iterator[str]:
    """Yield salts for person parts: random, so that a hash reveals nothing of a number that can be guessed."""
    while True:
        try:
            yield _DRAWN.pop()
        except IndexError:
            drawn = secrets.token_hex(16 * DRAWN)
            _DRAWN.extend(drawn[n : n + 32] for n in range(0, len(drawn), 32))


def commit_of(
    before: Order, decision: Decision, op: str, now: Millis, held: Held | None = None, line: Change | None = None
) -> tuple[Commit, Order]:
    """Return the commit of a decision, which changes the order first, and the order after it.

    The held effect is dropped unless the decision puts it again. The line is stamped with the entry that replies are
    matched with, and with the instant when the question was handed over: no reply to it may seem older. line: its
    change; with the version read where the decision puts an activation, which `unless_barred` saw. Raises
    ValueError for an activation without that.
    """
    after, fields = sealed(decision.order, decision.events, salts())
    drop = _with_held(before, decision, held)
    asked = Trigger.CONFIRMATION_ACCEPTED in [event.trigger for event in decision.events]
    if asked or (decision.events and after.doc.policy.reports and after.reply_by != before.reply_by):
        fields["reply_by"] = str(after.reply_by)
    stamps = _stamps(before, after, asked=asked)
    if stamps is not None:
        stamps["seen"] = str(now)
        line = (
            replace(line, fields={**line.fields, **stamps}, how=How.WRITE)
            if line
            else Change(Owner.LINE, before.line, fields=stamps)
        )
    if activates(before, decision) and (line is None or line.read is None):
        raise ValueError("an activation whose line was not read")
    change = Change.of(after, fields, decision.put, drop, decision.events)
    records = (change, line) if line else (change,)
    wakes = wakes_of((*decision.put, *line.put) if line else decision.put, now)
    return Commit(op, records, held, decision.guard, wakes=wakes, at=now), after


def unless_barred(order: Order, decision: Decision, line: Line | None, now: Millis) -> Decision:
    """Return the decision as it may be saved while the line is as it is here: an activation that something on it bars
    is tried again in a minute, as is one beside a message that was set aside, which may be a no; one beside parts of a
    reply whose others are still to come waits for its lease. line: None where it cannot be read, which bars it, too
    """
    if not activates(order, decision):
        return decision
    doc = order.doc
    if line is None or WAKE_ASIDE in line.effects or line.barring(doc.carrier, doc.plan, order.id):
        return stood_off(decision, now)
    puts = (replace(put, due=now + A_SECOND) if put.effect == ACTIVATE else put for put in decision.put)
    return replace(decision, put=tuple(puts)) if line.awaited else decision


def _stamps(before: Order, after: Order, *, asked: bool) -> dict[str, str] | None:
    """Return the fields that the decision writes on the line: none (None), the instant alone ({}), or how the order
    ended, with the plan that is not to be offered again.
    """
    if after.state.settled and not before.state.settled:
        cool = cooling_off(after)
        call = {f"r:{name_of(kind, before.id)}": "" for kind in _OF_CALLS}
        call |= {f"r:{name_of(Kind.STALE_HOLDER, before.id)}": ""} if number_changed(after) else {}
        doubt = {f"r:{name_of(Kind.SUSPECTED, after.doc.carrier, after.id)}": ""} if after.was_doubtful else {}
        return {
            f"o:{before.id}": Entry.of(after).encode(),
            **call,
            **doubt,
            **({f"r:{cool.name}": cool.encode()} if cool else {}),
        }
    return {} if asked else None


def _with_held(before: Order, decision: Decision, held: Held | None) -> tuple[tuple[str, Drop], ...]:
    if held is None or held.record != before.id:
        return decision.drop
    again = held.effect in [put.effect for put in decision.put]
    named = held.effect in [effect for effect, _ in decision.drop]
    return decision.drop if again or named else (*decision.drop, (held.effect, Drop.ANYWAY))


def wakes_of(puts: Sequence[Put], now: Millis) -> frozenset[Lane]:
    """Return the lanes in which `puts` make effects due at once."""
    return frozenset([lane_of(put.effect) for put in puts if put.due != PARKED and put.due <= now])


def recording(
    order_id: str,
    fact: Fact,
    *,
    order: Order | None = None,
    now: Millis = 0,
    held: Held | None = None,
    prove: bool = False,
) -> Step[Order]:
    """Record a fact. order, now: as leased a moment ago, to save the first load.

    Raises OrderNotFound, the errors of `decide`, StoreUnavailable after too many lost races, and ArchiveUnavailable for
    an order that may have left.
    """

    def recorded(order: Order, now: Millis) -> Step[Order]:
        nonlocal fact, held
        held = held if held is None or held.effect in order.effects else None  # done already: a report came before
        decision = decide(order, fact, now)
        if decision.is_void and held is None and not prove:
            return order
        line = (yield from load({Line: [order.line]})).of(Line).get(order.line) if activates(order, decision) else None
        decision = unless_barred(order, decision, line, now)
        commit, after = commit_of(order, decision, fact.op, now, held, Change.look(line) if line else None)
        word = yield from save(commit, prove=prove)
        if word is CommitResult.OK:
            return saved(after, commit.records[0])
        if word is CommitResult.GUARDED and isinstance(fact, Ended | Woke | ResendAsked):
            fact = replace(fact, waits=True)
        held = None if word is CommitResult.LOST else held
        raise Stale

    return (yield from changing(Order, order_id, recorded, (order, now) if order else None))


def barring(leased: Leased) -> Step[str]:
    """Record that an activation was not leased, since restrictions bar it. Raises BrokenRecord for an effect of
    another record.
    """
    order = leased.of(Order)
    yield from recording(order.id, Barred(tuple(leased.barred), leased.at), order=order, now=leased.at)
    return "barred"


def giving_back(leased: Leased, now: Millis, due: Millis | None = None, why: str = "") -> Step[None]:
    """Undo a lease whose call was never begun, as if it had not been leased; facts against an activation that came
    meanwhile count. due: when it is due again; None: now · why: it waits until then; '': as it waited before
    """
    record = leased.record
    pending = record.effects[leased.effect]
    now = max(now, pending.leased_at + 1)  # so that no later lease begins as this one did
    first_at = pending.first_at if pending.doubts else leased.called_at
    back = replace(
        pending, attempts=pending.attempts - 1, leased_at=0, why=why or pending.why, first_at=first_at,
        last_at=leased.called_at,
    )  # fmt: skip
    put = Put(leased.effect, now if due is None else max(now, due), back)
    if not isinstance(record, Order):  # it rests on its lease alone, which the commit names
        change = Change(leased.owner, record.id, put=(put,))
        yield from save(Commit("", (change,), leased.held, wakes=wakes_of((put,), now)))
        return

    def back_to(order: Order, _: Millis) -> Step[None]:
        decision = not_begun(order, put, f"{leased.effect}#{leased.token}", now)
        commit, _after = commit_of(order, decision, "", now, leased.held)
        yield from saving(commit)

    yield from changing(Order, record.id, back_to, (record, now))


def line_recording(leased: Leased, ended: Ended, policy: Policy, now: Millis) -> Step[Pending | None]:
    """Record how an SMS of a line's own ended: it is dropped, or waits for another try. Raises BrokenRecord for an
    effect without its line.
    """
    put = on_line_outcome(ended, leased.of(Line).effects[ended.effect], policy, now)
    drop = () if put else ((ended.effect, Drop.ANYWAY),)

    def recorded(line: Line, _: Millis) -> Step[None]:
        named = parts_named(line, ended)
        change = Change(Owner.LINE, line.id, line.version if named else None, named, (put,) if put else (), drop)
        yield from saving(Commit("", (change,), leased.held))

    yield from changing(Line, leased.held.record, recorded, (leased.of(Line), now))
    return put.pending if put else None
