"""The promises, as checks over a running world and a small model; `machine` brings both."""

from dataclasses import dataclass, field

from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.report import Report
from consent_engine.domain.decide.endings import missing_of_ending
from consent_engine.domain.decide.sms_texts import sent
from consent_engine.domain.effects import ACTIVATE, WAKE_PERSON, WAKE_UNDECIDED
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.line.line import Entry, Line
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS, Kind, name_of
from consent_engine.domain.order.event import link
from consent_engine.domain.order.order import Order, replay
from consent_engine.engine.recall import at_hand
from consent_engine.engine.round_trips import drive, or_raised
from consent_engine.ports import CallFilter
from tests.at_rest import entry_in_clear, in_clear

NUMBERS = ("+8613800138000", "+8613900139000")
HOURS = 3_600_000


@dataclass
class Said:
    """A message as the model knows it."""

    msisdn: str
    carrier: str
    text: str
    at: int
    n: int


@dataclass
class Suspicion:
    """Words that may be a refusal: they bar from the first of them until they are decided."""

    msisdn: str
    carrier: str
    at: int
    n: int
    newest: int
    ended: int | None = None


@dataclass
class Model:
    """The facts that must be true, as a small model."""

    orders: dict = field(default_factory=dict)  # id -> (number, carrier)
    said: dict = field(default_factory=dict)  # the gateway's id -> Said
    refused: list = field(default_factory=list)  # (number, carrier or *, n)
    suspicions: list = field(default_factory=list)  # of all times
    lapsed: int = 0  # how many of them became refusals because they were not decided
    gates: dict = field(default_factory=dict)  # id -> (whether barred, its activation), when last looked at
    revoked: set = field(default_factory=set)  # plans
    settled: dict = field(default_factory=dict)  # id -> state
    heads: dict = field(default_factory=dict)  # id -> (events, head)
    sent: list = field(default_factory=list)  # (instant, sms)
    n: int = 0

    def refuses(self, number, carrier, before=None):
        hits = (n for who, what, n in self.refused if who == number and what in {carrier, "*"})
        return any(before is None or n < before for n in hits)

    def refuse(self, number, carrier, n=None):
        self.n += n is None
        self.refused.append((number, carrier, n or self.n))
        self.let_go(number, carrier, n)

    def suspect(self, number, carrier, at, n=None):
        self.n += n is None
        known = self.suspicion(number, carrier)
        if known:
            known.newest = n or self.n
        else:
            self.suspicions.append(Suspicion(number, carrier, at, n or self.n, n or self.n))

    def let_go(self, number, carrier, n=None):
        """End a suspicion: it is a refusal now, or was none."""
        known = self.suspicion(number, carrier)
        if known:
            self.n += n is None
            known.ended = n or self.n

    def suspicion(self, number, carrier):
        """Return the suspicion that stands; a refusal of every carrier leaves it."""
        return next((s for s in self.undecided() if (s.msisdn, s.carrier) == (number, carrier)), None)

    def undecided(self):
        return [each for each in self.suspicions if each.ended is None]

    def bars(self, number, carrier):
        return self.refuses(number, carrier) or self.suspicion(number, carrier) is not None

    def suspected_at(self, number, carrier, n):
        mine = (each for each in self.suspicions if (each.msisdn, each.carrier) == (number, carrier))
        return any(each.n < n and (each.ended is None or n < each.ended) for each in mine)


@dataclass
class Seen:
    """The store as a judge finds it, in three round trips: most of the time of stories goes into looking."""

    lines: dict  # number -> Line
    inboxes: dict  # number -> its messages
    records: dict  # id -> the kept fields of an order in the store
    due: set  # members of all due-sets
    unmatched: str


def begun(pending):
    """Whether an activation is in flight, or in doubt."""
    return pending is not None and bool(pending.leased_at or pending.doubts)


class Judge:
    """The check of every promise; a class that mixes it in has `world`, `engine`, `model` and `broken`. came_back: the
    orders in the store that had left it: no reply is matched with them
    """

    came_back: frozenset[str] = frozenset()
    line_ids: dict = {}  # noqa: RUF012 - replaced, never changed

    def judge(self):
        """Check every promise."""
        assert self.broken == []
        seen = self.stored()
        self.a_day_to_decide(seen)
        found = drive(self.engine.store, [at_hand(Order, order, 0) for order in self.model.orders]).results
        shown = dict(zip(self.model.orders, (or_raised(each)[0] for each in found), strict=True))
        self.gate(shown)
        for order in shown.values():
            self.consented(order, shown)
            self.settled_stays(order)
            self.replays(order, seen.records.get(order.id))
            self.bubbles(order)
        self.one_activation()
        self.somebody_minds(shown, seen)
        self.nothing_lost(shown, seen)
        asked = [(number, carrier, None) for number in NUMBERS for carrier in ("mobile", "telecom")]
        for (number, carrier, _), dial in zip(asked, self.engine.dialler.dial(asked), strict=True):
            assert dial.callable != self.model.bars(number, carrier)
            assert dial.callable or (dial.reason == "refused") == self.model.refuses(number, carrier)

    def stored(self):
        """Look at all that is not asked of the engine."""
        if not self.line_ids:
            self.line_ids = {number: self.engine.line(number).id for number in NUMBERS}
        snapshot = self.engine.store.records.look({Line: list(self.line_ids.values())})
        with self.world.client.pipeline(transaction=False) as pipe:
            for line in self.line_ids.values():
                pipe.lrange(f"ce:{{0}}:inbox:{line}", 0, -1)
            for order in self.model.orders:
                pipe.hgetall(f"ce:{{0}}:order:{order}")
            for due in Cell().due.values():
                pipe.zrange(due, 0, -1)
            *found, unmatched = pipe.xrange("ce:{0}:unmatched").execute()
        inboxes, found = found[: len(NUMBERS)], found[len(NUMBERS) :]
        inboxes = [in_clear(line, rows) for line, rows in zip(self.line_ids.values(), inboxes, strict=True)]
        records, due = found[: len(self.model.orders)], found[len(self.model.orders) :]
        return Seen(
            {number: snapshot.line(line) for number, line in self.line_ids.items()},
            dict(zip(NUMBERS, inboxes, strict=True)),
            {order: in_clear(order, kept) for order, kept in zip(self.model.orders, records, strict=True) if kept},
            {member for members in due for member in members},
            " ".join(entry_in_clear(fields["m"]) for _, fields in unmatched),
        )

    def a_day_to_decide(self, seen):
        """Check that words for a person to read bar until decided; undecided for a day, and not before, they refuse."""
        for each in self.model.undecided():
            line = seen.lines[each.msisdn]
            stands = line.named(name_of(Kind.SUSPECTED, each.carrier))
            if stands is not None:
                assert stands.since == each.at, "its day begins with the first of the words"
                assert WAKE_UNDECIDED in line.effects, "nobody minds when its day is over"
                continue
            assert self.world.clock.now >= each.at + SUSPICION_LASTS_MS, "nobody decided it, and its day is not over"
            assert line.named(each.carrier) is not None, "undecided, it is a refusal"
            self.model.refuse(each.msisdn, each.carrier)
            self.model.lapsed += 1

    def gate(self, shown):
        """Check that no activation is put or begun while something bars it; one that has begun goes on."""
        for order in shown.values():
            was_barred, was = self.model.gates.get(order.id, (False, None))
            barred, now = self.model.bars(*self.model.orders[order.id]), order.effects.get(ACTIVATE)
            if barred and was_barred and now is not None:
                assert was is not None, "an activation was put under a restriction"
                assert now.attempts == was.attempts or begun(was), "an activation began under a restriction"
            self.model.gates[order.id] = (barred, now)

    def may_activate(self, order_id):
        """Whether nothing bars a call to the BSS that is made now."""
        _, was = self.model.gates.get(order_id, (False, None))
        return not self.model.bars(*self.model.orders[order_id]) or begun(was)

    def consented(self, order, shown):
        yes = [e for e in order.events if e.trigger == "said_yes"]
        active = [e for e in order.events if e.trigger == "service_activated"]
        assert len(yes) <= 1
        assert len(active) <= len(yes)
        for event in yes:
            said = self.model.said[event.ref]
            number, carrier = self.model.orders[order.id]
            assert (said.msisdn, said.carrier) == (number, carrier), "from that number, to that carrier"
            asked = next(e for e in order.events if e.trigger == "confirmation_accepted")
            assert any(at <= said.at and sms.ref == f"{order.id}.confirmation.1" for at, sms in self.model.sent), (
                "after the question left us"
            )
            began = min(asked.detail.last, asked.at)  # `last` only gives the order, where the store's clock went back
            assert began <= said.at <= order.reply_by, "inside the window"
            assert not self.model.refuses(number, carrier, before=said.n), "STOP read before YES wins"
            assert not self.model.suspected_at(number, carrier, said.n), "sent under a suspicion, however that ended"
            resumed = any(e.trigger == "resumed" and e.detail.needs_code for e in order.events)
            assert not resumed or read(said.text).code == order.doc.code, "after a person looked it takes the code"
            self.answers(order, said, shown)

    def answers(self, order, said, shown):
        keyword, code = read(said.text).keyword, read(said.text).code
        others = [
            o for o in shown.values() if self.model.orders[o.id] == self.model.orders[order.id] and o is not order
        ]
        if code:
            assert code == order.doc.code
        if keyword is Keyword.UNKNOWN:  # a bare code answers our own question, after a yes
            assert any(
                at <= said.at and sms.purpose == "clarification" and sms.to == said.msisdn and code in sms.text
                for at, sms in self.model.sent
            ), "a bare code that nobody asked for"
            assert any(
                (read(before.text).keyword, read(before.text).code) == (Keyword.YES, "")
                and before.msisdn == said.msisdn
                and before.n < said.n
                for before in self.model.said.values()
            )
        elif not code:
            for other in others:
                asked = other.last(Trigger.CONFIRMATION_ACCEPTED)
                gone = other.settled_at and other.settled_at + 72 * HOURS < said.at
                assert asked is None or gone or said.at < asked.as_json()["started"], "a guess"

    def bubbles(self, order):
        """Check that the pages show each SMS word for word as the gateway was handed it."""
        ours = {(sms.purpose, sms.text) for _, sms in self.model.sent if sms.ref.startswith(order.id)}
        for _, each in sent(order):
            assert (each.purpose, each.text) in ours, "a bubble that nobody was handed"

    def settled_stays(self, order):
        was = self.model.settled.get(order.id)
        assert was in {None, order.state}
        if order.state.settled:
            self.model.settled[order.id] = order.state

    def replays(self, order, kept):
        assert replay(kept) == (kept["state"], kept["head"], int(kept.get("reply_by", 0)))
        length, head = self.model.heads.get(order.id, (0, None))
        if head:
            for public in order.publics[length + 1 :]:
                head = link(head, public)
            assert head == order.head, "what was handed out can be shown to have been changed"
        self.model.heads[order.id] = (len(order.events), order.head)
        ops = [event.op for event in order.events]
        assert len(ops) == len(set(ops)), "nothing happens twice"

    def one_activation(self):
        bodies = {}
        for activation in self.world.bss.asked:
            assert bodies.setdefault(activation.order_id, activation) == activation

    def somebody_minds(self, shown, seen):
        """Check that every wanted effect is in a due-set and vice versa, and that an open order wants something."""
        wanted = {f"o:{order.id}:{effect}" for order in shown.values() for effect in order.effects}
        calls = {call.id: call for call in self.engine.calls.page(CallFilter(), limit=200).calls}
        names = [each.report for line in seen.lines.values() for each in line.reported]
        live = self.engine.store.records.look({Call: list(calls), Report: names})
        wanted |= {f"c:{call.id}:{effect}" for call in live.of(Call).values() for effect in call.effects}
        endings = self.engine.endings.of(list(shown)).values()
        wanted |= {f"e:{ending.id}:{effect}" for ending in endings for effect in ending.effects}
        assert not any(map(missing_of_ending, endings)), "an ending that neither ends nor shouts"
        reports = live.of(Report).values()
        wanted |= {f"r:{report.id}:{effect}" for report in reports for effect in report.effects}
        assert all((WAKE_PERSON in report.effects) >= bool(report.decided and report.person_text) for report in reports)
        named = {order.doc.call_id for order in shown.values()} - {""}
        assert named <= calls.keys(), "an order without the call that it names"
        for number, line in seen.lines.items():
            wanted |= {f"l:{line.id}:{effect}" for effect in line.effects}
            assert ("read" in line.effects) == bool(seen.inboxes[number])
            here = (order for order in shown.values() if order.id not in self.came_back)
            ours = {Entry.of(order) for order in here if order.person.msisdn == number}
            assert set(line.entries) == ours, "what a reply is matched with is what the orders are"
        assert seen.due == wanted, (seen.due - wanted, wanted - seen.due)
        assert all(order.effects for order in shown.values() if not order.state.settled)

    def nothing_lost(self, shown, seen):
        """Check that every message is unread, in a history, or kept as unmatched."""
        known = {e.ref for order in shown.values() for e in order.events}
        kept = " ".join([seen.unmatched, *(message for inbox in seen.inboxes.values() for message in inbox)])
        for name in self.model.said:
            assert name in known or f'"id":"{name}"' in kept, "a message was lost"

    def unread(self, number):
        return self.world.client.llen(f"ce:{{0}}:inbox:{self.engine.line(number).id}")
