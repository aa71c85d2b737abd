"""The standing of one line: real orders, unread messages, refusals, the clock; and its key, the part that matters.

The search goes on from one representative of each key, so the key must hold whatever a later decision or a check can
read. It does, and leaves out only this:
- Instants. `decide`, `understand` and `correlate` compare instants (`<`, `<=`, `==`); they never subtract two. The key
  holds the result of every comparison that can still be made: of an unread yes (and of an early one) with the clock,
  with the question's first and last call and with the deadline; of the clock with the deadline ("before, at, after":
  ask_by, then reply_by, then the instant until which the order is remembered). The instants that a move makes follow
  from these: a call that begins takes the clock's, a new deadline lies ahead of every existing message, and a moment
  that passes leaves everything behind the clock. Of two orders placed together no deadline overtakes another kind:
  with 2 h, 24 h and 72 h every ask_by comes before any reply_by, and that before any until; a test checks the numbers.
- When a call is due again. Any effect that waits may begin at any time: more than can happen, never less. Timers
  of the window and of the question begin only when due.
- Attempts, except whether there were any: nothing else is decided by them. Doubts and failed reports count up to
  `MOST_DOUBTS`: the search never makes more failed reports than that, so more doubts than one above it are all alike.
- Ops, refs, hashes, texts: new each time. That the same fact twice is void is checked on each step, not kept.
- How many copies of a question may have been taken: the check is that the order tells as many.
- Calls that outlived their lease. They are no part of the state: wherever there is a doubt there may be one, and
  wherever an effect is gone there may have been one.
- Events that only decide whether another note is written, and SMS that no decision looks at (reminder, help, ...):
  with `small_talk` off such an SMS is checked where it is asked for, and then counts as sent. With it on they
  are kept, each with all its possible outcomes.
- The length of a history: what happens at `MOST_EVENTS` is tested elsewhere.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat

from msgspec.structs import replace

from consent_engine.config.yaml_files import plans_from
from consent_engine.domain.admission.admit import Terms, admit
from consent_engine.domain.admission.admit_call import OrderWithCall, begin_from_order
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.decide.decision import Decision, Drop
from consent_engine.domain.effects import ACTIVATE, FRESH, WAKE_TOO_LATE, Pending, Purpose, is_sms, sms_parts
from consent_engine.domain.inbox import UnreadReply, UnreadReport
from consent_engine.domain.lifecycle import ASKING, WAITING, State, Trigger
from consent_engine.domain.line.holder import HolderEvent, LineEvent
from consent_engine.domain.line.line import Entry, Line, Unread
from consent_engine.domain.line.restriction import Kind, Restriction, names_barring
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.offer.versions import Listed
from consent_engine.domain.order.facts import Rule
from consent_engine.domain.order.history import answered_late, asks
from consent_engine.domain.order.order import QUESTION, Order, sealed
from consent_engine.domain.sms import Delivery

START = 1_764_000_000_000
HOUR = 3_600_000
CARRIER, SENDER, NUMBER = "mobile", "10085", "+8613800138000"
MOST_DOUBTS = 2
PLANS = [plan for plan in plans_from(None) if plan.carrier == CARRIER]
MATTERS = frozenset({Purpose.CONFIRMATION, Purpose.NOTIFICATION})
"""SMS that decisions look at."""
NO_ANSWER = frozenset({"否", "TD", "帮助", "嗯", "我要投诉", "resumed", "refused by voice", "report failed"})
"""Messages that have the same effect whenever they were written."""
_ASKED_OF = ASKING | WAITING


def put(each: tuple[int, ...], n: int, value: int) -> tuple[int, ...]:
    """Return the same tuple with one order's value changed."""
    return (*each[:n], value, *each[n + 1 :])


def counts(effect: str) -> bool:
    """Whether any decision looks at this effect."""
    return not is_sms(effect) or sms_parts(effect)[0] in MATTERS


def placed(n: int, now: int, policy: Policy, others: tuple[Order, ...] = (), *, subs: bool) -> Order:
    """Return the n-th order of the line, as the engine admits it."""
    call = {
        "caller_number": SENDER,
        "recording_id": "rec-1",
        "started_at": "2025-11-24T23:50:00+08:00",
        "agreed_at": "2025-11-24T23:55:00+08:00",
    }
    wanted = PlaceOrder.read({"msisdn": NUMBER, "plan": PLANS[n].code, "agent": "A", "call": call})
    line = Line("l", 1, NUMBER, tuple(Entry.of(other) for other in others), (), {})
    terms = Terms(policy, {CARRIER: SENDER}, frozenset({CARRIER} if subs else ()))
    placing, salt = Placing("desk", f"k{n}", wanted), f"{n:08x}"
    told, _ = begin_from_order(OrderWithCall(placing, f"0ce7c{n}", CARRIER, salt), line, terms, "secret", now)
    order, _ = admit(placing, f"0ce7o{n}", line, Listed(PLANS[n]), terms, now, salt, call=told)
    return replace(order, effects={QUESTION: FRESH, WAKE_TOO_LATE: FRESH})


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as received, its number among all received, and the name of its content."""

    n: int
    unread: Unread
    named: str

    @property
    def reply(self) -> UnreadReply | None:
        """Return the message where it is a reply."""
        return self.unread.body if isinstance(self.unread.body, UnreadReply) else None


@dataclass(frozen=True)
class Standing:
    """One line at one instant.

    n: counts what happens, for ops and refs · asked_since: when each question began to be sent by a call
    that may have been taken, 0 = none · copies: of each question, the calls that may have been taken ·
    restrictions: those that stand on the line · heard: every message, by its key
    """

    now: int
    orders: tuple[Order, ...]
    inbox: tuple[Heard, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    own: Mapping[str, Pending] = field(default_factory=dict)
    n: int = 0
    asked_since: tuple[int, ...] = (0,)
    copies: tuple[int, ...] = (0,)
    heard: Mapping[str, Heard] = field(default_factory=dict)

    @cached_property
    def line(self) -> Line:
        """Return the line as the store would hand it out."""
        entries = tuple(Entry.of(order) for order in self.orders)
        since = self.another_holder
        history = (HolderEvent(LineEvent.ASSIGNED, since, "another", "ops", since, "", 0),) if since else ()
        return Line("l", self.n, NUMBER, entries, self.restrictions, self.own, history=history)

    @property
    def another_holder(self) -> int:
        """Since when the number has another holder; 0: it has not."""
        return next((r.since for r in self.restrictions if r.kind is Kind.STALE_HOLDER), 0)

    def with_order(self, at: int, order: Order) -> "Standing":
        """Return the standing with one order changed."""
        return dataclasses.replace(self, orders=(*self.orders[:at], order, *self.orders[at + 1 :]), n=self.n + 1)

    # -- the store, in a few lines --------------------------------------------------------------------------------

    def bars(self, effect: str) -> bool:
        """Whether something on the line bars an effect that has not begun."""
        names = {name for order in self.orders for name in names_barring(CARRIER, "", order.id)}
        return effect == ACTIVATE and any(r.name in names for r in self.restrictions)

    def refuses(self, order: Order, decision: Decision, consumed: int = 0) -> str:
        """Return why the store would not save this: a guard, or a drop of an effect that is leased; '' if it would."""
        unread = (message.unread.at for message in self.inbox[consumed:])
        if decision.guard is not None and any(at <= decision.guard for at in unread):
            return "guarded"
        for effect, kind in decision.drop:
            pending = order.effects.get(effect, FRESH)
            if kind and (pending.leased_at or (kind is Drop.NOT_BEGUN and pending.in_doubt)):
                return "leased"
        return ""


def saved(order: Order, decision: Decision, held: str, *, small_talk: bool) -> Order:
    """Return the order once a decision is saved. order: as it stands now, since a lease may have come in between"""
    gone = {effect for effect, _ in decision.drop} | {held}
    effects = {e: p for e, p in order.effects.items() if e not in gone}
    effects |= {put.effect: put.pending for put in decision.put if small_talk or counts(put.effect)}
    return replace(decision.order, effects=effects)


def chained(order: Order) -> tuple[Order, dict[str, str]]:
    """Return the order with its newest events sealed into the chain, and their fields."""
    return sealed(order, order.events[len(order.publics) - 1 :], repeat("salt"))


def begun(pending: Pending, now: int, *, lost: bool = False) -> Pending:
    """Return an effect as the lease script hands it out."""
    last_at = pending.last_at if lost else now
    first_at = pending.first_at if lost or pending.doubts else now
    return replace(pending, attempts=pending.attempts + 1, leased_at=now, first_at=first_at, last_at=last_at)


# -- the key ----------------------------------------------------------------------------------------------------------


def key(s: Standing, *, small_talk: bool) -> object:
    """Return all of a standing that any decision or check can read."""
    orders = tuple(_order(s, n, order, small_talk=small_talk) for n, order in enumerate(s.orders))
    inbox = tuple(_message(s, message) for message in s.inbox)
    if len(s.orders) == 1:
        return orders, inbox, tuple(r.name for r in s.restrictions)
    return orders, inbox, tuple(r.name for r in s.restrictions), _between(s)


def deadline(s: Standing, n: int) -> int:
    """Return the instant of an order's next deadline; 0 without one."""
    order = s.orders[n]
    if order.state is State.AGREED:
        return order.ask_by
    return order.reply_by if order.state in WAITING else s.line.entries[n].until


def _compared(a: int, b: int) -> int:
    return (a > b) - (a < b)


def _order(s: Standing, n: int, order: Order, *, small_talk: bool) -> object:
    effects = tuple(sorted(_effect(effect, pending) for effect, pending in order.effects.items()))
    ends = deadline(s, n)
    found: list[object] = [order.state.value, effects, _compared(s.now, ends) if ends else None]
    found += [order.needs_code and not order.doc.asks_code, order.proof_asked]
    if order.state in _ASKED_OF:
        clarified = any(e.detail.clarified for e in order.all(Trigger.UNCLEAR))
        found += [_reports(order), clarified, s.asked_since[n] > 0]
    if order.state is State.AGREED:
        helped = order.last(Trigger.ASKED_HELP) is not None
        called = order.question is not None and order.question.last_at > 0
        found += [called, helped, _early(s, n, order)]
    elif order.state in WAITING:
        found += [_may_have(order), sum(1 for _ in order.all(Trigger.ASKED_AGAIN))]
    elif order.state is State.CONFIRMED:
        said = (str(getattr(e.detail, "keyword", None)) for e in order.all(Trigger.REPLIED_LATE))
        found.append(next((word for word in said if word in {"NO", "STOP"}), ""))
    if small_talk:
        found.append(_talk(order))
    return tuple(found)


def _effect(effect: str, p: Pending) -> tuple[object, ...]:
    doubts = min(p.doubts, MOST_DOUBTS + 1)
    settled = doubts > 0 and not p.in_doubt
    return effect, bool(p.leased_at), p.attempts > 0, doubts, settled, bool(p.believe), p.parked, p.refused is not None


def _reports(order: Order) -> tuple[int, bool, str]:
    reports = [e for e in order.all(Trigger.REPORTED) if asks(e.detail.effect)]
    failed = [e for e in reports if e.detail.status == Delivery.FAILED]
    delivered = any(e.detail.status == Delivery.DELIVERED for e in reports)
    return len({e.ref for e in failed if e.ref}), delivered, failed[-1].detail.error if failed else ""


def _early(s: Standing, n: int, order: Order) -> object:
    """Return an early yes: whether it still counts, and for how long (a call may begin again in the same moment)."""
    early, question = order.last(Trigger.REPLIED_EARLY), order.question
    if early is None or question is None:
        return None
    answered = early.detail.last
    if answered not in {question.last_at, s.now}:
        return ()
    heard = s.heard[early.op]
    proves = early.detail.rule if early.detail.rule in {Rule.SUB_NUMBER, Rule.CODE} else ""
    return (
        proves,
        early.detail.seen is None,
        heard.unread.barred,
        answered == question.last_at,
        answered == s.now,
        _since(s, heard.unread.at),
    )


def _may_have(order: Order) -> int:
    asked = order.last(Trigger.CONFIRMATION_ACCEPTED)
    assert asked is not None
    again = (e for e in order.all(Trigger.INFORMED) if e.detail.purpose == Purpose.CONFIRMATION)
    may_have = asked.detail.may_have + sum(e.detail.doubts + 1 for e in again)
    return min(may_have, MOST_DOUBTS + 1)


def _talk(order: Order) -> object:
    stops = sum(1 for e in order.events if getattr(e.detail, "keyword", None) == "STOP")
    answered = answered_late(order)
    helps = sum(1 for _ in order.all(Trigger.ASKED_HELP))
    return min(stops, 3), min(helps, 3), answered, order.last(Trigger.OPTED_OUT) is not None


def _message(s: Standing, message: Heard) -> object:
    """Return a message, and its relation to each order."""
    body, at = message.unread.body, message.unread.at
    what = (message.named, *((body.id, body.effect) if isinstance(body, UnreadReport) else (message.named, None)))
    stands = tuple((r.name, r.since > at) for r in s.restrictions)
    since = () if message.named in NO_ANSWER else _since(s, at)
    return what, message.unread.barred, stands, since, tuple(_relation(s, n, message) for n in range(len(s.orders)))


def _relation(s: Standing, n: int, message: Heard) -> object:
    order, at = s.orders[n], message.unread.at
    written = message.reply.written_at if message.reply else None
    told = at if written is None else min(at, written)
    ends, known = deadline(s, n), order.knows(message.unread.key)
    found: list[object] = [at <= ends if ends else None, known]
    if message.named not in NO_ANSWER:
        if order.state is State.AGREED:
            question = order.question or FRESH
            found += [told < question.first_at, told < question.last_at, at == s.now]
        elif order.state in WAITING:
            asked = order.last(Trigger.CONFIRMATION_ACCEPTED)
            assert asked is not None
            found.append(told < asked.detail.last)
            if len(s.orders) > 1:
                found += [told < asked.detail.started, _compared(at, order.asked_at)]
    return tuple(found)


def _since(s: Standing, at: int) -> tuple[int, ...]:
    """Compare an instant with those at which each question began to be sent."""
    return tuple(_compared(at, since) if since else -1 for since in s.asked_since)


def _between(s: Standing) -> object:
    """Return what only several orders have: the last one asked about, "which one?" and its replies, who named one."""
    unclear = [_unclear(s, order) for order in s.orders]
    named = _last_named(s)
    live = {s.now, named, *(at for rows in unclear for row in rows for at in row[2:])}
    live |= {message.unread.at for message in s.inbox}
    ranks = {instant: rank for rank, instant in enumerate(sorted(live | {0}))}
    asking = tuple(_compared(s.orders[0].asked_at or s.now, other.asked_at or s.now) for other in s.orders[1:])
    asking += tuple(_compared(s.line.entries[0].until, entry.until) for entry in s.line.entries[1:])
    rows = tuple(tuple((*row[:2], *(ranks[at] for at in row[2:])) for row in some) for some in unclear)
    return (
        asking,
        rows,
        ranks[named],
        tuple(ranks[m.unread.at] for m in s.inbox),
        ranks[s.now],
        tuple(sorted(e.split(".")[1] for e in s.own)),
    )


def _unclear(s: Standing, order: Order) -> list[tuple[str, bool, int, int]]:
    """Return replies that fit several orders; those older than all unread are one row (last word, last question)."""
    found = [
        (e.detail.which, bool(e.detail.clarified), e.at, e.at)
        for e in order.all(Trigger.UNCLEAR)
        if getattr(e.detail, "which", None)
    ]
    horizon = min((m.unread.at for m in s.inbox), default=s.now)
    old = [row for row in found if row[2] <= horizon]
    asked = max((row[2] for row in old if row[1]), default=0)
    return ([(old[-1][0], asked > 0, 0, asked)] if old else []) + [row for row in found if row[2] > horizon]


def _last_named(s: Standing) -> int:
    naming = {Rule.CODE, Rule.WHICH_ONE, Rule.SUB_NUMBER}
    events = (e for order in s.orders for e in order.events)
    return max((e.at for e in events if getattr(e.detail, "rule", None) in naming), default=0)
