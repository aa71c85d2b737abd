"""Everything that can happen to a line: each move has a name and gives the standing after it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from msgspec import structs

from consent_engine.domain.decide.decide import decide
from consent_engine.domain.decide.decision import Decision, activates, stood_off
from consent_engine.domain.effects import (
    ACTIVATE,
    FRESH,
    WAKE_ACTIVATE,
    WAKE_FAILED,
    WAKE_REMINDER,
    WAKE_TOO_LATE,
    WAKE_WINDOW,
    Accepted,
    Lane,
    Outcome,
    Rejected,
    Unavailable,
    Uncertain,
    Untaken,
    lane_of,
)
from consent_engine.domain.grammar import read
from consent_engine.domain.inbox import Message, UnreadClearance, UnreadRefusal, UnreadReply, UnreadReport
from consent_engine.domain.interpret.interpret import understand, wanted
from consent_engine.domain.line.line import Unread
from consent_engine.domain.line.restriction import Kind, Restriction
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.order.facts import (
    Barred,
    CancelAsked,
    Ended,
    Fact,
    GiveUpAsked,
    NumberChanged,
    ResendAsked,
    RetryAsked,
    Woke,
)
from consent_engine.domain.order.order import QUESTION, Order
from consent_engine.domain.order.unlikely_yes import ReplyCadence, Unlikely
from consent_engine.domain.sms import Delivery
from consent_engine.errors import InFlight, NotActivated, NothingParked, NotWaiting, TooLate, TooManyResends
from tests.model.standing import CARRIER, NUMBER, SENDER, START, Heard, Standing, begun, deadline, placed, put, saved

NOTIFICATION = "sms.notification.1"
QUESTION_AGAIN = "sms.confirmation.2"
OUTCOMES = (Accepted("m0"), Rejected("no such number"), Unavailable("busy"), Uncertain("timeout"))
BARE, CODE, OTHER, WRONG, SUB, OLD = "是", "是{0}", "是{1}", "是999", "是 to the sub-number", "是 written before"
NOWHERE, DISAGREES = "是 to a sub-number of nobody", "是999 to the sub-number"
IN_CALL, CODE_IN_CALL = "是 in the call", "是{0} in the call"
IN_CADENCE, CODE_IN_CADENCE = "是 in the cadence of others", "是{0} in the cadence of others"
ANSWERS = (BARE, CODE, WRONG, SUB, OLD)
WORDS = ("否", "TD", "帮助", "嗯", "{0}")
PEOPLE = CANCEL, REVOKE, RESEND, RETRY = "cancel", "plan_revoked", "resend", "retry"
GIVE_UP, CHANGE = "give up", "the number changes hands"
LIFT, RESUME = "lift", "resume"
ERRORS = ("",)
"""Reasons why gateways say that an SMS failed, as far as decisions tell them apart."""
REFUSED_BY_VOICE, FAILED, HOLD = "refused by voice", "report failed", "我要投诉"


@dataclass(frozen=True)
class Scope:
    """The scope of a search: everything else is limited by the policy.

    said: replies that arrive, and are read at once when nothing is unread · unread: messages that may also wait to be
    read · behind: the pairs of them that may wait together (every_pair: all pairs) ·
    reports: ids that may be reported failed · races: a worker may begin a call between a look and the commit ·
    sure: every call ends Accepted · small_talk: SMS that no decision looks at are kept, with all their outcomes
    """

    name: str
    said: tuple[str, ...]
    unread: tuple[str, ...] = ()
    behind: tuple[tuple[str, str], ...] = ()
    every_pair: bool = False
    reports: int = 0
    delivered: bool = False
    small_talk: bool = False
    orders: int = 1
    subs: bool = True
    people: tuple[str, ...] = PEOPLE
    races: bool = True
    sure: bool = False
    policy: Policy = Policy(max_attempts=2, resend_max=1)  # noqa: RUF009 - frozen

    def begins(self) -> Standing:
        """Return the start of the search: an order is placed; of several, all but the last were asked about already."""
        s = Standing(START, (placed(0, START, self.policy, subs=self.subs),))
        for n in range(1, self.orders):
            s = _begin(s, n - 1, QUESTION)
            done = record(s, self, n - 1, Ended(QUESTION, 1, OUTCOMES[0]), QUESTION)
            assert done is not None
            s = replace(done[0], now=s.now + 1)
            orders = (*s.orders, placed(n, s.now, self.policy, s.orders, subs=self.subs))
            s = replace(s, orders=orders, asked_since=(*s.asked_since, 0), copies=(*s.copies, 0))
        return s


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, the standing after it, and the decisions taken on the way (order by order)."""

    name: str
    after: Standing
    decided: tuple[tuple[int, Fact, Decision], ...] = ()


def moves(s: Standing, scope: Scope) -> Iterator[Step]:
    """Yield every step out of a standing."""
    yield from _time(s)
    yield from _mail(s, scope)
    for n, order in enumerate(s.orders):
        yield from _timers(s, scope, n, order)
        for effect in order.effects:
            # Of several orders only the questions matter to each other: the search ends there with a yes.
            if lane_of(effect) is not Lane.TIMER and (effect == QUESTION or len(s.orders) == 1):
                yield from _call(s, scope, n, effect)
        if len(s.orders) == 1:
            yield from _outlived(s, scope, n, order)
        yield from _people(s, scope, n, order)
    yield from _own(s, scope)


# -- deciding and saving ----------------------------------------------------------------------------------------------


def record(
    s: Standing, scope: Scope, n: int, fact: Fact, held: str = "", *, seen: Order | None = None, consumed: int = 0
) -> tuple[Standing, tuple[tuple[int, Fact, Decision], ...]] | None:
    """Decide and save, as the engine does; None when a decision on an order `seen` before a lease must be repeated."""
    order = s.orders[n]
    decision = decide(seen or order, fact, s.now)
    decision = stood_off(decision, s.now) if activates(order, decision) and s.bars(ACTIVATE) else decision
    word = s.refuses(order, decision, consumed)
    if word == "guarded":
        return record(s, scope, n, structs.replace(fact, waits=True), held, seen=seen, consumed=consumed)
    if word == "leased" and seen is not None:
        return None
    assert not word, f"the store would refuse this for ever: {word}"
    after = saved(
        order, decision, "" if any(p.effect == held for p in decision.put) else held, small_talk=scope.small_talk
    )
    return s.with_order(n, after), ((n, fact, decision),)


def _step(name: str, s: Standing, scope: Scope, n: int, fact: Fact, held: str = "") -> Iterator[Step]:
    """Yield the step of a fact alone, and raced by a worker that begins a call between the look and the commit."""
    done = record(s, scope, n, fact, held)
    assert done is not None
    yield Step(name, *done)
    if scope.races:
        for effect in (QUESTION, ACTIVATE, QUESTION_AGAIN):
            if effect != held and _may_begin(s, n, effect):
                raced = record(_begin(s, n, effect), scope, n, fact, held, seen=s.orders[n])
                if raced is not None:
                    yield Step(f"{name} | {effect} begins meanwhile", *raced)


# -- time, timers -----------------------------------------------------------------------------------------------------


def _time(s: Standing) -> Iterator[Step]:
    yield Step("a moment passes", replace(s, now=s.now + 1))
    ahead = [ends for ends in (deadline(s, n) for n in range(len(s.orders))) if ends > s.now]
    if ahead:
        yield Step("until the next deadline", replace(s, now=min(ahead)))


def _timers(s: Standing, scope: Scope, n: int, order: Order) -> Iterator[Step]:
    due = {
        WAKE_TOO_LATE: s.now >= order.ask_by,
        WAKE_WINDOW: s.now > order.reply_by > 0,
        WAKE_REMINDER: True,
        WAKE_ACTIVATE: True,
        WAKE_FAILED: True,
    }
    for effect, is_due in due.items():
        if is_due and effect in order.effects:
            held = _begin(s, n, effect)
            yield from _step(
                f"{effect} is due", held, scope, n, Woke(effect, held.orders[n].effects[effect].attempts), effect
            )


# -- calls ------------------------------------------------------------------------------------------------------------


def _may_begin(s: Standing, n: int, effect: str) -> bool:
    pending = s.orders[n].effects.get(effect)
    if pending is None or pending.leased_at or pending.parked or pending.refused is not None:
        return False
    return pending.in_doubt or not s.bars(effect)


def _begin(s: Standing, n: int, effect: str, *, lost: bool = False) -> Standing:
    order = s.orders[n]
    pending = begun(order.effects[effect], s.now, lost=lost)
    after = s.with_order(n, structs.replace(order, effects={**order.effects, effect: pending}))
    if effect != QUESTION or lost:
        return after
    since = s.asked_since[n] or s.now
    return replace(after, asked_since=put(s.asked_since, n, since), copies=put(s.copies, n, s.copies[n] + 1))


def _call(s: Standing, scope: Scope, n: int, effect: str) -> Iterator[Step]:  # noqa: C901 - one branch per way
    """Yield an outside call: begun, ended in every way, its lease lost, given back, and ended after it was given up."""
    order = s.orders[n]
    pending = order.effects[effect]
    if pending.leased_at:
        asked = (Untaken("unknown"),) if effect == ACTIVATE and pending.in_doubt else ()
        accepted = Accepted("m1") if effect == QUESTION_AGAIN else OUTCOMES[0]  # each is reported under its own id
        for outcome in (accepted,) if scope.sure else (accepted, *OUTCOMES[1:], *asked):
            ended = Ended(effect, pending.attempts, outcome)
            taken = effect != QUESTION or isinstance(outcome, Accepted | Uncertain)
            for step in _step(f"{effect} ends: {_word(outcome)}", s, scope, n, ended, effect):
                yield step if taken else replace(step, after=_not_taken(step.after, n))
        if scope.sure:
            return
        lost = _begin(s, n, effect, lost=True)
        ended = Ended(effect, pending.attempts + 1, Uncertain("lease_lost:"))
        yield from _step(f"{effect} lost its lease", lost, scope, n, ended, effect)
        back = _given_back(s, n, effect)
        yield Step(f"{effect} is given back", _not_taken(back, n) if effect == QUESTION else back)
    elif pending.refused is not None:
        held = replace(_begin(s, n, effect), copies=s.copies)  # no call is made
        ended = Ended(effect, pending.attempts + 1, Rejected(pending.refused))
        yield from _step(f"{effect} ends: as was known", held, scope, n, ended, effect)
    elif _may_begin(s, n, effect):
        yield Step(f"{effect} begins", _begin(s, n, effect))
    elif not pending.parked and not s.inbox:
        yield from _step(f"{effect} is barred", s, scope, n, Barred(tuple(r.name for r in s.restrictions), s.n))
    if pending.doubts:
        for outcome in (OUTCOMES[0], OUTCOMES[1]):
            ended = Ended(effect, pending.attempts - 1, outcome)
            yield from _step(f"{effect}, given up, ends: {_word(outcome)}", s, scope, n, ended)


def _not_taken(s: Standing, n: int) -> Standing:
    """Note that a copy of the question is surely not with the subscriber; without another, none is."""
    copies = s.copies[n] - 1
    since = s.asked_since if copies else put(s.asked_since, n, 0)
    return replace(s, copies=put(s.copies, n, copies), asked_since=since)


def _word(outcome: Outcome) -> str:
    return type(outcome).__name__.lower()


def _given_back(s: Standing, n: int, effect: str) -> Standing:
    order = s.orders[n]
    pending = order.effects[effect]
    fresh = pending.attempts == 1
    back = structs.replace(
        pending, attempts=pending.attempts - 1, leased_at=0,
        first_at=0 if fresh else pending.first_at, last_at=0 if fresh else pending.last_at,
    )  # fmt: skip
    return s.with_order(n, structs.replace(order, effects={**order.effects, effect: back}))


def _outlived(s: Standing, scope: Scope, n: int, order: Order) -> Iterator[Step]:
    """Yield the end of calls whose effect is gone."""
    for effect in (QUESTION, ACTIVATE, NOTIFICATION):
        if effect not in order.effects:
            for outcome in (OUTCOMES[0], OUTCOMES[3]):
                yield from _step(
                    f"{effect}, gone, ends: {_word(outcome)}", s, scope, n, Ended(effect, s.n + 7, outcome)
                )


# -- people -----------------------------------------------------------------------------------------------------------


def _people(s: Standing, scope: Scope, n: int, order: Order) -> Iterator[Step]:
    op = f"asked-{s.n}"
    facts: dict[str, Fact] = {
        CANCEL: CancelAsked(op, "A1024", "changed his mind"),
        REVOKE: CancelAsked(op, "ops", "plan_revoked", revoked=True),
        RESEND: ResendAsked(op, "A1024"),
        RETRY: RetryAsked(op, "ops"),
        GIVE_UP: GiveUpAsked(op, "ops", "out of service"),
    }
    if n == 0 and CHANGE in scope.people and not s.another_holder:
        stands = tuple(Restriction(Kind.STALE_HOLDER, each.id, "", s.now, "line", "another") for each in s.orders)
        changed = replace(s, restrictions=(*s.restrictions, *stands))
        yield from _step("the number changes hands", changed, scope, n, NumberChanged(op, "ops", "l"))
    if n == 0 and LIFT in scope.people and s.restrictions:
        yield Step("what stands is lifted", replace(s, restrictions=(), n=s.n + 1))
    suspected = any(r.kind is Kind.SUSPECTED for r in s.restrictions)
    if n == 0 and RESUME in scope.people and suspected and not s.inbox:
        body = UnreadClearance(carriers=CARRIER, by="ops", door="sms", reason="none")
        rest = tuple(r for r in s.restrictions if r.kind is not Kind.SUSPECTED)
        yield from (
            replace(step, name="it was no refusal")
            for step in _read(_posted(replace(s, restrictions=rest), "resumed", body), scope, halves=False)
        )
    for name in scope.people:
        if name in {LIFT, RESUME, CHANGE}:
            continue
        try:
            yield from _step(name, s, scope, n, facts[name])
        except (TooLate, NotWaiting, TooManyResends, NothingParked, NotActivated, InFlight):
            continue


# -- messages ---------------------------------------------------------------------------------------------------------


def _mail(s: Standing, scope: Scope) -> Iterator[Step]:
    if s.inbox:
        yield from _read(s, scope)
        yield Step("the message lost every reader", replace(s, inbox=s.inbox[1:]))
    else:
        for kind in (*scope.said, *scope.unread):
            for name, arrived in _arrives(s, scope, kind):
                yield from (replace(step, name=f"{name}, read at once") for step in _read(arrived, scope, halves=False))
        for name, arrived in _reported(s, scope):
            yield from (replace(step, name=f"{name}, read at once") for step in _read(arrived, scope, halves=False))
    for kind in scope.unread:
        if not s.inbox or (len(s.inbox) == 1 and (scope.every_pair or (_kind(s.inbox[0]), kind) in scope.behind)):
            for name, arrived in _arrives(s, scope, kind):
                yield Step(f"{name} arrives", arrived)


def _kind(message: Heard) -> str:
    return message.named


def _arrives(s: Standing, scope: Scope, kind: str) -> Iterator[tuple[str, Standing]]:
    """Yield a message of a kind, put into the inbox as the engine does it on arrival."""
    if kind == FAILED:
        yield from _reported(s, scope, failed_only=True)
        return
    body: Message = UnreadRefusal(carriers=CARRIER, door="voice", by="A1024")
    if kind != REFUSED_BY_VOICE:
        text = kind.split(" ", maxsplit=1)[0].format(*(order.doc.code for order in s.orders))
        sub = {SUB: s.orders[0].doc.sub, DISAGREES: s.orders[0].doc.sub, NOWHERE: "999"}.get(kind, "")
        written = START - 1 if kind == OLD else None
        said = read(text)
        body = UnreadReply(
            gateway="g", id=f"mo-{s.n}", sender=NUMBER, to=SENDER + sub, text=text, written_at=written,
            carriers=CARRIER, sub=sub, keyword=said.keyword, code=said.code, reason=said.reason,
            marketing_free=int(said.marketing_free), edition=said.edition,
        )  # fmt: skip
    yield (
        kind,
        _posted(s, kind, body, {REFUSED_BY_VOICE: Kind.REFUSED, "TD": Kind.REFUSED, HOLD: Kind.SUSPECTED}.get(kind)),
    )


def _reported(s: Standing, scope: Scope, *, failed_only: bool = False) -> Iterator[tuple[str, Standing]]:
    """Yield every report on each SMS that may have been handed over: failed under a known id, and under a new one."""
    if not scope.reports:
        return
    for n, order in enumerate(s.orders):
        known = sorted({e.ref for e in order.events if e.trigger == "reported" and e.detail.status == "failed"})
        fresh = [f"m{len(known)}"] if len(known) < scope.reports else []
        for effect in _left_us(s, n, order):
            asks = effect in {QUESTION, QUESTION_AGAIN}
            ids = [*known[:1], *fresh, ""] if asks else ["m0"]
            for name, why in product(ids, ERRORS):
                yield f"{effect} failed ({name}) {why}", _report(s, order, effect, name, Delivery.FAILED, why)
            if failed_only:
                continue
            yield f"{effect} accepted", _report(s, order, effect, "m0", Delivery.ACCEPTED)
            if scope.delivered:
                yield f"{effect} delivered", _report(s, order, effect, "m0", Delivery.DELIVERED)


def _left_us(s: Standing, n: int, order: Order) -> Iterator[str]:
    if s.asked_since[n]:
        yield QUESTION
    for effect in (QUESTION_AGAIN, NOTIFICATION):
        if order.effects.get(effect, FRESH).last_at or any(e.op.startswith(f"{effect}#") for e in order.events):
            yield effect


def _report(s: Standing, order: Order, effect: str, name: str, status: Delivery, why: str = "") -> Standing:
    body = UnreadReport(
        owner=order.id, effect=effect, gateway="g", id=name, status=status, segment=1, segments=1, error=why, at=None
    )
    return _posted(s, FAILED if status is Delivery.FAILED else status.value, body)


def _posted(s: Standing, named: str, body: Message, makes: Kind | None = None) -> Standing:
    message = Heard(s.n, Unread(s.now, f"mo-{s.n}", body, tuple(r.name for r in s.restrictions)), named)
    restrictions = s.restrictions
    if makes is Kind.REFUSED:  # it settles a suspicion
        restrictions = tuple(r for r in restrictions if r.kind is Kind.REFUSED)
    if makes and not any(r.kind is makes for r in restrictions):
        restrictions = (*restrictions, Restriction(makes, CARRIER, "", s.now, "sms", ""))
    return replace(
        s, inbox=(*s.inbox, message), restrictions=restrictions, n=s.n + 1,
        heard={**s.heard, message.unread.key: message},
    )  # fmt: skip


def _read(s: Standing, scope: Scope, *, halves: bool = True) -> Iterator[Step]:
    """Yield the reading of the front message: for all orders, or (its reader dies) for the first order only."""
    message = s.inbox[0].unread
    waits = any(behind.reply for behind in s.inbox[1:])
    orders = {order.id: order for order in s.orders}
    seen = {each: orders[each] for each in wanted(s.line, message)}
    up = s.inbox[0].named in {IN_CALL, CODE_IN_CALL}
    calls = tuple(Restriction(Kind.CALL, order, "", s.now, "call", "c") for order in orders) if up else ()
    line = structs.replace(s.line, restrictions=(*s.line.restrictions, *calls))
    beats = s.inbox[0].named in {IN_CADENCE, CODE_IN_CADENCE}
    meant = understand(line, seen, message, waits=waits, cadence=ReplyCadence(Unlikely.CADENCE, 5) if beats else None)
    facts = [(list(orders).index(each), fact) for each, fact in meant.facts]
    if f"r:suspected:{CARRIER}" in meant.fields and not any(r.kind is Kind.SUSPECTED for r in s.restrictions):
        s = replace(s, restrictions=(*s.restrictions, Restriction(Kind.SUSPECTED, CARRIER, "", s.now, "sms", "")))
    rest = replace(s, inbox=s.inbox[1:])
    yield _all(rest, scope, facts, meant.put, meant.drop, f"{_kind(s.inbox[0])} is read")
    if halves and len(facts) > 1:
        half = _all(s, scope, facts[:1], meant.put, meant.drop, f"{_kind(s.inbox[0])} is read by half")
        yield half
    if scope.races and len(facts) == 1:
        n, fact = facts[0]
        for effect in (QUESTION, ACTIVATE):
            if _may_begin(s, n, effect):
                raced = record(_begin(rest, n, effect), scope, n, fact, seen=s.orders[n])
                if raced is not None:
                    yield Step(f"{_kind(s.inbox[0])} is read | {effect} begins meanwhile", *raced)


def _all(s, scope, facts, put, drop, name: str) -> Step:
    decided: tuple[tuple[int, Fact, Decision], ...] = ()
    own = {e: p for e, p in s.own.items() if e not in {effect for effect, _ in drop}}
    if scope.small_talk or scope.orders > 1:
        own |= {each.effect: each.pending for each in put}
    s = replace(s, own=own)
    for n, fact in facts:
        done = record(s, scope, n, fact)
        assert done is not None
        s, decided = done[0], (*decided, *done[1])
    return Step(name, s, decided)


def _own(s: Standing, scope: Scope) -> Iterator[Step]:
    """Yield an SMS of the line's own: begun, and gone."""
    for effect in s.own:
        yield Step(f"{effect} is sent", replace(s, own={e: p for e, p in s.own.items() if e != effect}))
