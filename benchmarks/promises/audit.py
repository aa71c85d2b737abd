"""The audit of a chaos run: the ledger, the store and the desks' own notes, compared; differences are put in words."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from benchmarks.promises.explained import FOLLOWS, UNEXPLAINED, doubts, why_not
from benchmarks.promises.minded import SETTLED, minds
from benchmarks.promises.people import CARRIER
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.effects import Purpose
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.event import chain
from consent_engine.domain.order.order import Order, replay
from consent_engine.errors import IllegalTransition
from consent_engine.ports import Store

CLOCKS_APART_MS = 50
MOST_TOLD = 20


@dataclass(slots=True)
class Placed:
    """The answer that a desk got: the order, its number, its key, and the head of its chain at that time."""

    id: str
    msisdn: str
    key: str
    head: str


@dataclass(slots=True)
class Audit:
    """The audit: all that is known at the end of a run, and the differences found in it."""

    placed: Sequence[Placed]
    refused: Mapping[str, float]
    """numbers whose refusal by voice was acknowledged -> when"""
    ledger: Mapping[str, Any]
    client: "Redis"
    store: Store
    orders: dict[str, Order] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    _asked: dict[str, list[Any]] = field(default_factory=dict)
    _refusers: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Compare everything."""
        fields = self._load()
        for error, count in Counter(self.ledger["errors"]).items():
            self._break(f"the outside complains {count} times: {error}")
        self._nothing_lost()
        self._chains(fields)
        self._settled()
        said = {each["message_id"]: each for each in self.ledger["said"]}
        self._activations(said)
        self._asked_twice()
        self._messages(said)
        self._refusals(said)

    def _break(self, what: str) -> None:
        if len(self.broken) <= MOST_TOLD:
            self.broken.append(what)

    def _count(self, name: str, wrong: Iterable[str]) -> None:
        """Record a figure that must be 0."""
        found = list(wrong)
        self.figures[name] = len(found)
        for each in found:
            self._break(f"{name}: {each}")

    def _load(self) -> dict[str, dict[str, str]]:
        ids: list[str] = self.client.zrange(f"{Cell().prefix}placed", 0, -1)  # type: ignore[assignment]
        fields: dict[str, dict[str, str]] = {}
        for n in range(0, len(ids), 500):
            with self.client.pipeline(transaction=False) as pipe:
                for order in ids[n : n + 500]:
                    pipe.hgetall(f"{Cell().prefix}order:{order}")
                fields.update(zip(ids[n : n + 500], pipe.execute(), strict=True))
            self.orders |= self.store.records.look({Order: ids[n : n + 500]}).of(Order)
        return fields

    def _nothing_lost(self) -> None:
        known = {placed.id for placed in self.placed}
        self.figures["acknowledged"] = len(known)
        self._count("lost", known - set(self.orders))
        self._count("orders that no desk was answered for", set(self.orders) - known)
        keys: dict[str, set[str]] = defaultdict(set)
        for placed in self.placed:
            keys[placed.key].add(placed.id)
        self._count("two orders under one key", [key for key, orders in keys.items() if len(orders) > 1])

    def _chains(self, fields: Mapping[str, dict[str, str]]) -> None:
        """Check that each history replays to its record, and that every head that was handed out is on its chain."""
        handed: dict[str, set[str]] = defaultdict(set)
        for placed in self.placed:
            handed[placed.id].add(placed.head)
        for activation in self.ledger["activations"]:
            handed[activation["order_id"]].update(body["head"] for body in activation["bodies"])
        wrong, off = [], []
        for order in self.orders.values():
            if not _replays(fields[order.id]):
                wrong.append(order.id)
            heads = {chain("", order.publics[:n]) for n in range(1, len(order.publics) + 1)}
            off += [order.id] * (not handed[order.id] <= heads)
        self.figures["chains verified"] = len(self.orders) - len(wrong)
        self._count("chains that do not replay", wrong)
        self._count("handed out heads that are on no chain", off)

    def _settled(self) -> None:
        states = Counter(order.state.value for order in self.orders.values())
        self.figures["settled"] = sum(count for state, count in states.items() if state in SETTLED)
        self.figures["states"] = dict(states.most_common())
        stuck = {order for order, minded in minds(self.client, list(self.orders)).items() if minded.forgotten}
        self._count("unsettled with nothing due, in flight or parked", stuck)
        self._count("unsettled at the end", [o.id for o in self.orders.values() if not o.state.settled])

    # -- activations ------------------------------------------------------------------------------------------------

    def _activations(self, said: Mapping[str, Any]) -> None:
        on = [each for each in self.ledger["activations"] if each["switched_on"]]
        yeses = [order for order in self.orders.values() if order.last(Trigger.SAID_YES)]
        refused = [o for o in yeses if o.state is State.ACTIVATION_FAILED]
        self.figures |= {"valid yeses": len(yeses), "activations": len(on), "refused by the BSS": len(refused)}
        self._count("unconsented", [each["order_id"] for each in on if not self._consented(each, said)])
        services = Counter((each["msisdn"], each["plan"]) for each in on)
        double = [each["order_id"] for each in on if each["switched_on"] > 1 or self._changed(each)]
        self._count("double", [*double, *(plan for (_, plan), count in services.items() if count > 1)])
        active = {each["order_id"] for each in on}
        must = {o.id for o in yeses} - {o.id for o in refused}
        self._count("a yes without its activation, or the other way round", active ^ must)

    def _changed(self, activation: Mapping[str, Any]) -> bool:
        return any(body != activation["bodies"][0] for body in activation["bodies"])

    def _consented(self, activation: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
        """Return whether a yes in the ledger consents: of that number, after its question was sent, in time, stored."""
        order = self.orders.get(activation["order_id"])
        yes = order.last(Trigger.SAID_YES) if order else None
        if order is None or yes is None or yes.ref not in said:
            return False
        reply = said[yes.ref]
        meant = read(reply["text"])
        taken = [a["at"] for s in self._questions().get(order.id, ()) for a in s["attempts"] if a["taken"]]
        asked = min(taken, default=float("inf")) * 1000 - CLOCKS_APART_MS
        return (
            meant.keyword is Keyword.YES
            and meant.code in {"", order.doc.code}
            and reply["msisdn"] == activation["msisdn"] == order.person.msisdn
            and activation["plan"] == order.doc.plan
            and reply["stored"]
            and asked <= reply["at"] * 1000
            and int(str(yes.as_json()["received_at"])) <= order.reply_by
        )

    def _questions(self) -> dict[str, list[Any]]:
        """Return the questions in the ledger, by order."""
        if not self._asked:
            for sms in self.ledger["sms"]:
                if sms["purpose"] == Purpose.CONFIRMATION:
                    self._asked.setdefault(sms["ref"].split(".")[0], []).append(sms)
        return self._asked

    # -- what was asked twice, and what was said ----------------------------------------------------------------------

    def _asked_twice(self) -> None:
        """Check questions of which the gateway took several copies: the history must tell of a doubt for each."""
        why: Counter[str] = Counter()
        unexplained = []
        for order_id, questions in self._questions().items():
            order = self.orders.get(order_id)
            for sms in questions:
                copies = sum(attempt["taken"] for attempt in sms["attempts"])
                if copies > 1:
                    reason = doubts(order, copies) if order else ""
                    why[reason or "unexplained"] += 1
                    unexplained += [] if reason else [order_id]
        self.figures["asked twice"] = why.total()
        self.figures["asked twice, because"] = dict(why.most_common())
        self._count("asked twice without a doubt in the history", unexplained)

    def _messages(self, said: Mapping[str, Any]) -> None:
        """Check that every acknowledged message is in a history or unmatched, and each idle yes has a reason."""
        where: dict[str, list[tuple[Order, int]]] = defaultdict(list)
        for order in self.orders.values():
            for n, event in enumerate(order.events):
                where[event.ref].append((order, n))
        kept = " ".join(str(entry) for _, entry in self.client.xrange(f"{Cell().prefix}unmatched"))  # type: ignore[union-attr]
        stored = [each for each in said.values() if each["stored"]]
        self.figures["messages acknowledged"] = len(stored)
        lost = [m["message_id"] for m in stored if m["message_id"] not in where and f'"{m["message_id"]}"' not in kept]
        self._count("acknowledged messages that are nowhere", lost)
        self._count("unread messages at the end", self.client.scan_iter(f"{Cell().prefix}inbox:*", count=1_000))
        reasons: Counter[str] = Counter()
        for reply in stored:
            if read(reply["text"]).keyword is Keyword.YES:
                reasons.update(self.why_not(where[reply["message_id"]]))
        unexplained = [why for why in reasons if why.startswith(UNEXPLAINED)]
        known = {why: count for why, count in reasons.most_common() if why not in unexplained}
        self.figures["a yes that counted for nothing, because"] = known
        self._count("a valid yes that counted for nothing", unexplained)

    def why_not(self, places: Sequence[tuple[Order, int]]) -> list[str]:
        """Return why a yes moved nothing; nothing when it did, or when its own event says so."""
        if any(order.events[n].trigger is Trigger.SAID_YES for order, n in places):
            return []
        return sorted({why_not(order, n) for order, n in places if order.events[n].trigger not in FOLLOWS})

    # -- refusals -----------------------------------------------------------------------------------------------------

    def _refusals(self, said: Mapping[str, Any]) -> None:
        """Check that every refusal is on record, and that no order was admitted after it."""
        lines = self._lines({order.line for order in self.orders.values()})
        by_number = {order.person.msisdn: order.line for order in self.orders.values()}
        stops = {m["msisdn"] for m in said.values() if m["stored"] and read(m["text"]).keyword is Keyword.STOP}
        wanted = stops | set(self.refused)
        standing = {number: lines[by_number[number]].refusal(CARRIER) for number in wanted if number in by_number}
        self.figures["refusals"] = len(standing)
        self._refusers = set(standing)
        self._count("refusals that do not stand", [n[-4:] for n, refusal in standing.items() if refusal is None])
        after = []
        for order in self.orders.values():
            refusal = standing.get(order.person.msisdn)
            after += [order.id] if refusal and order.doc.placed_at > refusal.since else []
        self._count("placed after a refusal", after)

    def refusers(self) -> list[str]:
        """Return every number whose refusal was acknowledged, by any door."""
        return sorted(self._refusers)

    def _lines(self, ids: Iterable[str]) -> dict[str, Line]:
        known = sorted(ids)
        lines: dict[str, Line] = {}
        for n in range(0, len(known), 500):
            with self.client.pipeline(transaction=False) as pipe:
                for line in known[n : n + 500]:
                    pipe.hgetall(f"{Cell().prefix}line:{line}")
                for line, kept in zip(known[n : n + 500], pipe.execute(), strict=True):
                    lines[line] = Line.decode(line, kept, 0)
        return lines


def _replays(kept: Mapping[str, str]) -> bool:
    """Return whether the history alone gives the record."""
    try:
        return replay(kept) == (kept["state"], kept["head"], int(kept.get("reply_by", 0)))
    except IllegalTransition:
        return False
