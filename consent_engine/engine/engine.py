"""The engine: place, receive, record, perform, and people's requests. It imports neither redis nor rq nor HTTP."""

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from msgspec import structs

from consent_engine.domain.admission.admit import Terms, limits
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.permit import Dial
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.effects import NOTIFICATION, Lane, Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import Line, line_id
from consent_engine.domain.line.proof_code import code_of
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import Msisdn, slot
from consent_engine.domain.offer.versions import Listed
from consent_engine.domain.order.facts import CancelAsked, GiveUpAsked, ResendAsked, RetryAsked
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Seal
from consent_engine.engine import listing
from consent_engine.engine.api_keys import Keys
from consent_engine.engine.call_book import CallBook
from consent_engine.engine.catalogue import Catalogue, Shelf
from consent_engine.engine.change_order import recording
from consent_engine.engine.endings import Endings, retrying
from consent_engine.engine.erasing import Eraser
from consent_engine.engine.evidence import EvidenceFiles, Hands, Receipts
from consent_engine.engine.held_replies import Decided, Decision, HeldText, SuspicionId, deciding, held_of
from consent_engine.engine.inspection import InspectionFiles
from consent_engine.engine.inspector import Inspector, Revealer
from consent_engine.engine.line_events import LineEventAsked, LineEventTaken, recording_event
from consent_engine.engine.metrics import Measures, gateways_away, health_of, latest, targets_of
from consent_engine.engine.pausing import Desk, Gate
from consent_engine.engine.perform import Performer
from consent_engine.engine.permits import Dialler
from consent_engine.engine.place import Placed, placing
from consent_engine.engine.recall import Lookup, at_hand
from consent_engine.engine.receive import Incoming, Receiver, RefusalAsked, owner_of
from consent_engine.engine.reconciliation import Reconciler
from consent_engine.engine.report_book import ReportBook
from consent_engine.engine.revoking import revoking
from consent_engine.engine.round_trips import Driven, Step, drive, drive_in_turn, in_parts, or_raised
from consent_engine.engine.scribe import as_of_now
from consent_engine.engine.shadow import Shadow
from consent_engine.engine.slice import EASY, Pace
from consent_engine.engine.stuck import (
    ALL,
    MOST_RETRIED,
    MOST_STUCK,
    Retried,
    StuckEffect,
    Trouble,
    Wanted,
    counted,
    retries,
    stuck_effects,
)
from consent_engine.engine.undeliverable import Undeliverable
from consent_engine.errors import ConsentError, NothingParked, StoreUnavailable
from consent_engine.ports import LaneDepth, LiftResult, Outside, Queue, Registry, Store, Stored
from consent_engine.ports.lanes import by_lane
from consent_engine.ports.queries import OrderFilter

T = TypeVar("T")
MOST_ALIKE = 20


class Engine:
    """One engine over one store. Synchronous; only `perform` runs in the caller's event loop."""

    def __init__(
        self, store: Store, registry: Registry, queue: Queue, outside: Outside, terms: Terms, secret: str,
        pace: Pace = EASY, *, hands: Callable[[], Hands] = Hands, measures: Measures | None = None,
    ) -> None:  # fmt: skip
        self.store = store
        self.records, self.lanes, self.inbox = store.records, store.lanes, store.inbox
        self.lookup = Lookup(store)
        self.registry = registry
        self.queue = queue
        self.outside = outside = structs.replace(outside, code_of=partial(code_of, secret))
        self.terms, self._secret = terms, secret
        self.catalogue = Catalogue(
            registry, limits(terms), approval=terms.plan_approval, addresses=terms.addresses, rest=pace.rest
        )
        self._watch = pace.watch
        self.keys = Keys(registry, secret)
        self._gate = Gate(registry.pauses.standing, pace.watch, partial(gateways_away, registry, outside), registry.now)
        self.dialler = Dialler(store, terms, secret, self._gate.check)
        self._receiver = Receiver(store, outside, secret, self.catalogue.own_words)
        self.calls = CallBook(store, terms, self.catalogue, secret, self._all)
        self.reconciler = Reconciler(store, self.calls, self.catalogue, terms, secret, registry.now)
        self.shadow = Shadow(store, registry, self.catalogue, terms, secret)
        self.endings = Endings(store, self.lookup, self._all)
        self.trouble = Trouble(store, outside, self._all)
        self.undeliverable = Undeliverable(store, registry.now, terms, secret, self.place_many, self._all)
        self.inspector = Inspector(store, self.lookup, secret)
        to_number = self.inspector.to_number
        self.reports = ReportBook(store, terms.reporting, self.catalogue, secret, to_number, self._all, registry)
        self.reveals = Revealer(store, registry, self.run)
        self.evidence = EvidenceFiles(store, self.reveals, registry.now, hands)
        self.eraser = Eraser(store, secret, registry.now)
        self.receipts = Receipts(store, Seal(secret), terms.reporting, registry.now)
        self.inspections = InspectionFiles(store, self.inspector, terms, registry.now, hands)
        self.call_ms = pace.call_ms
        self.pauses = Desk(registry, queue, outside, pace.call_ms)
        known = Shelf(self.catalogue, pace.watch).known
        self.performer = Performer(
            store, queue, outside, terms.policy, pace, self._gate, known, keep=terms.reporting.keep, measures=measures
        )

    def depths(self) -> dict[Lane, LaneDepth]:
        """Return how full each lane is. SMS of a gateway that is paused are not due; those of one that is away wait for
        its first answer, and are late from then on.
        """
        paused = self.registry.pauses.standing()
        health = health_of(self.registry, targets_of(self.outside), self.registry.now())
        return by_lane(self.lanes.depths_of_all(), latest(health, self.outside.routes, paused))

    def rates(self) -> dict[str, int]:
        """Return how many SMS a second each gateway gets now at most; those without a bound are left out."""
        return {route.gateway: now for route, now in self.lanes.rates(self.outside.named()).items()}

    def used(self) -> dict[str, str]:
        """Return which gateway of its list has each carrier's SMS now."""
        self._gate.look()
        return {each: self.outside.tried(each, self._gate.passed_over)[-1] for each in self.outside.routes}

    def rated(self) -> list[tuple[int, int]]:
        """Return of each gateway with a rate how many SMS wait for it, and how many a second it may get at most."""
        self._gate.look()
        routes = {route for each in Carrier if (route := self.outside.route(each, self._gate.passed_over)).rate}
        depths = self.lanes.depths_of_all() if routes else {}
        parts = ((LaneDepth.of(depths[each] for each in route.carriers), route.rate) for route in routes)
        return [(depth.waiting - depth.parked, rate) for depth, rate in parts]

    # -- place ---------------------------------------------------------------------------------------------------

    def place(self, wanted: Placing) -> Placed:
        """Take an order. Raises as `placing` does."""
        [result] = self.place_many([wanted])
        return or_raised(result)

    def place_many(self, wanted: Sequence[Placing]) -> list[Placed | ConsentError]:
        """Take orders in one go; a result or an error each. Success is proven durable before this returns."""
        self._gate.check()
        shelf = Shelf(self.catalogue, self._watch)

        def placed(some: Sequence[Placing]) -> list[Placed | ConsentError]:
            steps = [(each.msisdn, placing(each, self.terms, shelf, self._secret)) for each in some]
            return self._woken(drive_in_turn(self.store, steps))

        return in_parts(self.records, wanted, lambda each: f"{slot(each.msisdn):04x}", placed)

    # -- receive -------------------------------------------------------------------------------------------------

    def receive(self, messages: Sequence[Incoming]) -> list[Stored]:
        """Put messages into their lines' inboxes, each once, proven durable; reports on unknown SMS go aside.

        When a part of the store cannot be reached, messages for other parts are stored before this raises.
        """
        return [or_raised(each) for each in self.receive_many(messages)]

    def receive_many(self, messages: Sequence[Incoming]) -> list[Stored | StoreUnavailable]:
        """As `receive`; when a part of the store cannot be reached, only its own messages get an error."""
        new = 0

        def received(some: Sequence[Incoming]) -> Sequence[Stored]:
            nonlocal new
            stored = self._receiver.receive(some)
            new += sum(each.is_new for each in stored)
            return stored

        try:
            return in_parts(self.records, messages, owner_of, received)
        finally:
            if new:
                self.queue.wake(Lane.INBOUND, new)

    def refuse(self, asked: RefusalAsked) -> Stored:
        """Record that this number must never be called again; `is_new` is False when that was recorded already."""
        return self.receive([asked])[0]

    # -- people's requests ---------------------------------------------------------------------------------------

    def show(self, order_id: str) -> Order:
        """Return an order. Raises OrderNotFound, and BrokenRecord for one that is unreadable or has a wrong seal."""
        return self.run(at_hand(Order, order_id, 0))[0]

    def line(self, msisdn: Msisdn) -> Line:
        key = line_id(self._secret, msisdn)
        return self.store.records.look({Line: [key]}).line(key)

    def cancel(self, order_id: str, by: str, reason: str) -> Order:
        """Cancel an order. Raises TooLate once an activation was started or the order settled."""
        return self._record(order_id, CancelAsked(f"cancel:{uuid.uuid4().hex[:12]}", by, reason))

    def retry(self, order_id: str, by: str) -> Order:
        """Do the parked effects of an order and its ending, else a given-up ending. Raises NothingParked."""
        ending = self.endings.retried(order_id, by)
        try:
            return self._record(order_id, RetryAsked(f"retry:{uuid.uuid4().hex[:12]}", by))
        except NothingParked:
            if not ending and not self.endings.reopened(order_id, by):
                raise
            return self.show(order_id)

    def retry_other(self, record: str, by: str) -> None:
        """Do the parked effects of a line, call, ending or report now, by its own id. Raises NothingParked."""
        self.run(retrying(record, by))

    def resend(self, order_id: str, by: str) -> Order:
        """Send the question again. Raises NotWaiting and TooManyResends."""
        return self._record(order_id, ResendAsked(f"resend:{uuid.uuid4().hex[:12]}", by))

    def give_up(self, order_id: str, by: str, reason: str) -> Order:
        """Give up what can never be done: an ending, or a notification. Raises NotActivated and InFlight."""
        if (now := self.endings.given_up(order_id, by, reason)) is not None:
            order = self.show(order_id)
            notification = order.effects.get(NOTIFICATION)
            if order.state is not State.ACTIVATED or (now and not (notification and notification.parked)):
                return order
        return self._record(order_id, GiveUpAsked(f"give-up:{uuid.uuid4().hex[:12]}", by, reason))

    def line_event(self, asked: LineEventAsked) -> LineEventTaken:
        """Record an event of a number. Raises Malformed and EventNotTaken."""
        return self.run(recording_event(asked, self._secret))

    def orders(self, wanted: OrderFilter, cursor: str = "", limit: int = 50) -> listing.Page:
        """Return a page of orders, newest first. Raises Malformed for a cursor that no list handed out, and
        ArchiveUnavailable.
        """
        return listing.page_of(self.store.queries.orders.page(wanted, listing.read_cursor(cursor), limit))

    def orders_of(self, msisdn: Msisdn, cursor: str = "", limit: int = 50) -> listing.Page:
        """Return a page of a number's orders, as `orders` does; those that can still change as they are now."""
        before, line = listing.read_cursor(cursor), self.line(msisdn)
        listed = self.store.queries.orders.page(OrderFilter(line=line.id), before, limit)
        return listing.page_of(
            listing.with_live(
                listed, self.records.look({Order: [e.order for e in line.entries]}).of(Order), before, limit
            )
        )

    def orders_ending(self, tail: str) -> list[Order]:
        """Return the orders whose ids end with `tail`, newest first, of the newest ones. Raises ArchiveUnavailable."""
        found = self.lookup.load(ids := self.store.queries.orders.with_tail(tail, MOST_ALIKE))[1]
        return [found[order] for order in ids if order in found]

    def refusals(self, cursor: str = "", limit: int = 50) -> listing.RefusalsPage:
        """Return a page of refusals, newest first, without those that are over. Raises Malformed for a cursor that no
        list handed out, and ArchiveUnavailable.
        """
        found = self.store.queries.restrictions.page(Kind.REFUSED, listing.read_cursor(cursor), limit)
        now = self.registry.now()
        standing = tuple((row.msisdn, row.restriction) for row in found.rows if not row.restriction.is_over(now))
        return listing.RefusalsPage(standing, listing.cursor_of(found.last))

    def lift(self, msisdn: Msisdn, carrier: str, by: str, evidence: str, act_at: Millis) -> LiftResult:
        """Lift a refusal by the subscriber's own act at `act_at`, which is recorded. A newer act is not undone."""
        key, at = line_id(self._secret, msisdn), self.registry.now()
        kept = {"line": key, "carrier": carrier, "by": by, "evidence": evidence, "at": at}
        return self.store.records.lift(key, carrier, act_at, compact(kept), at)

    def held(self, cursor: str = "", limit: int = 50, *, now: bool = False) -> tuple[list[HeldText], str]:
        """Return replies that a person must read, newest first, and the next page's cursor ('' at the end). now: for a
        decision on all of a group: none that is held now is missing

        Raises Malformed for a cursor that no list handed out, and ArchiveUnavailable.
        """
        queries = as_of_now(self.store) if now else self.store.queries
        found = queries.restrictions.page(Kind.SUSPECTED, listing.read_cursor(cursor), limit)
        return held_of(self._secret, found.rows), listing.cursor_of(found.last)

    def decide_held(
        self, ids: Sequence[str], *, refusal: bool, by: str, reason: str, agent: str = "", never_again: bool = False
    ) -> Decided:
        """Decide held replies, as they were seen; proven durable before this returns. A doubtful one that is a refusal
        ends its order; never_again: it is one of calls, too, as all others are.

        Raises Malformed for an invalid id; then none is decided.
        """
        seen = [SuspicionId.read(each) for each in dict.fromkeys(ids)]
        decision = Decision(refusal, by, reason, tuple(self.outside.senders), agent, never_again)
        now = self.registry.now()
        words = Counter(or_raised(each) for each in self._all([deciding(each, decision, now) for each in seen]))
        return Decided(words["decided"], words["gone"], words["own_call"])

    def revoke(self, code: str, by: str) -> int:
        """Take a plan back: no new orders, and open ones are cancelled with a notice; return how many were.

        A repeat continues where an interrupted call stopped. An activation that was started goes on, unless it turns
        out that nothing was done.
        """
        return revoking(self.store, self.catalogue, self._all, code, by)

    def _record(self, order_id: str, fact: CancelAsked | RetryAsked | ResendAsked | GiveUpAsked) -> Order:
        return self.run(recording(order_id, fact, prove=True))

    def dial(self, msisdn: Msisdn, carrier: str | None, plan: str | None = None) -> Dial:
        """Tell whether a number may be dialled about this plan. Without a carrier, any carrier's refusal forbids it.

        Raises Malformed for an unknown plan, as a permit does: nobody can have refused it, and a yes would mislead.
        """
        if plan:
            self.catalogue.carrier_of(plan, carrier)
        return self.dialler.dial([(msisdn, carrier, plan)])[0]

    def stuck(self, most: int = MOST_STUCK, wanted: Wanted = ALL) -> list[StuckEffect]:
        """Return the effects that wait for a person."""
        return list(stuck_effects(self.store, wanted, most))

    def retry_many(self, found: Sequence[StuckEffect], by: str) -> Retried:
        """Do these stuck effects now, up to MOST_RETRIED; one event per order. Proven durable before this returns."""
        some = found[:MOST_RETRIED]
        steps = retries(some, by)
        return counted(some, steps, self._all([step for _, step in steps]))

    def plan(self, code: str) -> Listed:
        """Return a plan in its current version. Raises PlanNotFound."""
        return self.catalogue.show(code)

    def run(self, step: Step[T]) -> T:
        """Carry out one step, and wake the lanes in which effects became due. Raises what the step raises."""
        [result] = self._all([step])
        return or_raised(result)

    def _all(self, steps: Sequence[Step[T]]) -> list[T | ConsentError]:
        """Run steps, and wake the lanes in which effects became due."""
        return self._woken(drive(self.store, steps))

    def _woken(self, driven: Driven[T]) -> list[T | ConsentError]:
        for lane, count in driven.due.items():
            self.queue.wake(lane, count)
        return driven.results
