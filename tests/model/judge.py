"""The promises, checked on every step from one standing to the next."""

from collections.abc import Iterable
from dataclasses import replace

from consent_engine.domain.decide.decide import decide
from consent_engine.domain.decide.decision import answers_to_stops
from consent_engine.domain.decide.wanted_effects import excess, missing
from consent_engine.domain.effects import (
    ACTIVATE,
    WAKE_ACTIVATE,
    WAKE_ARCHIVE,
    Purpose,
    is_sms,
    sms_parts,
)
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.lifecycle import TRANSITIONS, State, Trigger
from consent_engine.domain.order.event import link
from consent_engine.domain.order.order import Order, replay
from tests.model.moves import CODE_IN_CADENCE, CODE_IN_CALL, IN_CADENCE, IN_CALL, Step
from tests.model.standing import Standing, chained

TABLE = frozenset(TRANSITIONS)
MOVING = frozenset(trigger for trigger, _, _ in TRANSITIONS)
SETTLING = {
    State.NOTIFIED: frozenset[Purpose](),
    State.UNNOTIFIED: frozenset[Purpose](),
    State.DECLINED: frozenset({Purpose.DECLINED, Purpose.OPTED_OUT}),
    State.EXPIRED: frozenset({Purpose.LATE}),
    State.UNDELIVERABLE: frozenset({Purpose.LATE}),
    State.CANCELLED: frozenset({Purpose.CANCELLED}),
    State.ACTIVATION_FAILED: frozenset({Purpose.FAILURE}),
}
"""SMS allowed after an order has settled, by its state."""
AFTERWARDS = frozenset({Purpose.LATE, Purpose.HELP, Purpose.OPTED_OUT})
"""SMS that a subscriber may get who writes to a settled order."""


def judge(before: Standing, step: Step) -> frozenset[tuple[Trigger, State, State]]:
    """Check one step; return the rows of the table that were taken."""
    taken: set[tuple[Trigger, State, State]] = set()
    for n, (old, new) in enumerate(zip(before.orders, step.after.orders, strict=True)):
        if old is not new:
            taken.update(_moves(old, new))
            _settled_stays(old, new)
            _wants(new)
            _silent(before, old, new)
            _barred(before, step.after, old, new)
            _consents(before, step.after, n, old, new)
            _tells_of_copies(step.after.copies[n], old, new)
    for n, fact, decision in step.decided:
        _follows(before.orders[n], decision)
        if decision.events:
            again = decide(step.after.orders[n], fact, step.after.now)
            assert again.is_void, "the same fact a second time changes nothing"
    return frozenset(taken)


def _moves(old: Order, new: Order) -> Iterable[tuple[Trigger, State, State]]:
    state = old.state
    assert new.events[: len(old.events)] == old.events, "history only grows"
    for event in new.events[len(old.events) :]:
        if event.trigger in MOVING:
            [row] = [row for row in TABLE if row[:2] == (event.trigger, state)]
            state = row[2]
            yield row
    assert new.state is state, "the events replay to the record"


def _settled_stays(old: Order, new: Order) -> None:
    if old.state.settled:
        assert new.state is old.state, "a settled order moved"
        for effect in new.effects.keys() - old.effects.keys():
            assert is_sms(effect), f"{effect} for an order that is {old.state}"
            assert sms_parts(effect)[0] in AFTERWARDS, f"{effect} for an order that is {old.state}"
    elif new.state.settled:
        assert WAKE_ARCHIVE in new.effects, "a settled order that nobody archives"
        for effect in new.effects.keys() - {WAKE_ARCHIVE}:
            assert is_sms(effect), f"{effect} outlives settling as {new.state}"
            awaited = effect in answers_to_stops(old)  # a STOP is answered however the order ends
            assert awaited or sms_parts(effect)[0] in SETTLING[new.state], f"{effect} outlives settling as {new.state}"


def _told_in_vain(old: Order, decision) -> None:
    """Check that an order that ends unasked tells its subscriber so if, and only if, a yes had come."""
    new = decision.order
    if old.state.settled or new.asked_at or new.state not in {State.EXPIRED, State.UNDELIVERABLE}:
        return
    owed = old.last(Trigger.REPLIED_EARLY) is not None
    told = any(is_sms(put.effect) and sms_parts(put.effect)[0] is Purpose.LATE for put in decision.put)
    assert told == owed, f"a yes in vain, and its answer: {owed}, {told}"


def _follows(old: Order, decision) -> None:
    """Check the effects that a decision puts, also those SMS that the search takes as sent at once."""
    new = decision.order
    _told_in_vain(old, decision)
    for put in decision.put:
        if put.effect == WAKE_ARCHIVE:
            assert new.state.settled
            assert not old.state.settled
        elif old.state.settled or new.state.settled:
            assert is_sms(put.effect)
            fits = AFTERWARDS if old.state.settled else SETTLING[new.state]
            known = put.effect in old.effects
            assert known or sms_parts(put.effect)[0] in fits, f"{put.effect} for an order that is {new.state}"
        if put.effect == ACTIVATE:
            again = bool({ACTIVATE, WAKE_ACTIVATE} & old.effects.keys())
            said = any(event.trigger is Trigger.SAID_YES for event in decision.events)
            assert again != said, "activation is asked for once, by a yes"
            assert new.state is State.CONFIRMED


def _silent(before: Standing, old: Order, new: Order) -> None:
    """Check that no SMS of an order is put once its number has another holder."""
    fresh = new.effects.keys() - old.effects.keys()
    assert not (before.another_holder and any(map(is_sms, fresh))), "an SMS to another holder"


def _wants(order: Order) -> None:
    assert not missing(order), f"{order.state} and nothing to go on with"
    assert not excess(order), f"{order.state} and wants what does not follow"


def _barred(before: Standing, after: Standing, old: Order, new: Order) -> None:
    """Check that no activation is put or begun while something bars it."""
    if not (before.bars(ACTIVATE) and after.bars(ACTIVATE)) or ACTIVATE not in new.effects:
        return
    assert ACTIVATE in old.effects, "an activation was put under a restriction"
    began = new.effects[ACTIVATE].leased_at and not old.effects[ACTIVATE].leased_at
    assert not began or old.effects[ACTIVATE].in_doubt, "an activation began under a restriction"


def _consents(before: Standing, after: Standing, n: int, old: Order, new: Order) -> None:
    events = new.events[len(old.events) :]
    if not any(event.trigger in {Trigger.SAID_YES, Trigger.SERVICE_ACTIVATED} for event in events):
        return
    yes = list(new.all(Trigger.SAID_YES))
    assert len(yes) == 1, "one yes"
    assert len(list(new.all(Trigger.SERVICE_ACTIVATED))) <= 1, "one activation"
    [event] = yes
    if event not in events:
        return
    said = next(heard for heard in after.heard.values() if heard.unread.key in {event.op, _early_op(new, event)})
    at, reply = said.unread.at, said.reply
    asked = new.last(Trigger.CONFIRMATION_ACCEPTED)
    assert asked is not None
    assert after.asked_since[n], "yes to a question that never left us"
    assert after.asked_since[n] <= at, "yes from before the question left us"
    assert asked.detail.last <= at <= new.reply_by, "yes outside the window"
    assert reply is not None
    written = reply.written_at
    assert written is None or written >= asked.detail.last, "yes written before the question"
    assert not said.unread.barred, "a yes that came under a restriction"
    nobodys = {IN_CALL, CODE_IN_CALL, IN_CADENCE, CODE_IN_CADENCE}
    assert said.named not in nobodys, "a yes that no person can have written"
    assert not new.proof_asked or read(reply.text).code, "a yes without the code that was asked for"
    _means(after, n, new, said)


def _tells_of_copies(copies: int, old: Order, new: Order) -> None:
    """Check that the record of a hand-over counts every copy that the subscriber may have, also one in flight."""
    if new.asked_at and not old.asked_at:
        asked = new.last(Trigger.CONFIRMATION_ACCEPTED)
        assert asked is not None
        assert asked.detail.may_have >= copies, "a copy of the question that the history does not tell of"


def _early_op(order: Order, yes) -> str:
    early = order.last(Trigger.REPLIED_EARLY)
    return early.op if early is not None and getattr(yes.detail, "early", None) else ""


def _means(after: Standing, n: int, order: Order, said) -> None:
    """Check that the yes was said to this order, and to no other."""
    meant = read(said.reply.text)
    keyword, code = meant.keyword, meant.code
    assert keyword in {Keyword.YES, Keyword.UNKNOWN}
    if said.reply.sub:
        assert said.reply.sub == order.doc.sub
        assert code in {"", order.doc.code}, "the code of another order"
        return
    assert code in {"", order.doc.code}, "the code of another order"
    if keyword is Keyword.UNKNOWN:
        before = [heard for heard in after.heard.values() if heard.n < said.n]
        bare = [read(b.reply.text) for b in before if b.reply]
        assert any(b.keyword is Keyword.YES and not b.code for b in bare), "a code out of the blue"
    elif not code:
        for m, other in enumerate(after.orders):
            forgotten = other.settled_at and after.line.entries[m].until < said.unread.at
            gone = forgotten or (other.state is State.DECLINED and not other.asked_at)  # by the subscriber's own reply
            since = after.asked_since[m]  # within one moment it is unknown which came first
            assert m == n or gone or not since or said.unread.at <= since, "a guess"


def sealed(s: Standing, parent: Standing) -> Standing:
    """Return the standing with its new events in the chain; check that the chain is whole, and that it replays."""
    orders = []
    for n, order in enumerate(s.orders):
        after, _ = chained(order)
        head = parent.orders[n].head
        for public in after.publics[len(parent.orders[n].publics) :]:
            head = link(head, public)
        assert head == after.head, "the chain is whole"
        if after.state.settled:
            _replays(after)
        orders.append(after)
    return replace(s, orders=tuple(orders))


def _replays(order: Order) -> None:
    fields = {"doc": order.publics[0], "line": order.line, "state": order.state, "v": "1", "head": order.head}
    fields |= {f"e{n}": public for n, public in enumerate(order.publics[1:], 1)}
    assert replay(fields) == (order.state, order.head, order.reply_by), "the history replays to the record"
