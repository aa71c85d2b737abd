"""The engine: place, receive, record, perform, and what people may ask. It imports neither redis nor rq nor HTTP."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from consent_engine.catalogue import Catalogue
from consent_engine.domain.admit import Listed, Placing, Sale, Terms
from consent_engine.domain.carriers import carrier_of_sender
from consent_engine.domain.correlate import sub_number
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.event import compact, storable
from consent_engine.domain.facts import CancelAsked, ResendAsked, RetryAsked
from consent_engine.domain.keywords import Keyword, read
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line import EVERY_CARRIER, Line, keyed, line_id
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order import Order
from consent_engine.domain.sms import DeliveryReport, Reply
from consent_engine.errors import ConsentError, OrderNotFound
from consent_engine.keys import Keys
from consent_engine.listing import Filter, Page, RefusalsPage, orders_page, refusals_page
from consent_engine.perform import Performer
from consent_engine.placing import Placed, placing
from consent_engine.ports import Outside, Posted, Queue, Registry, Store, Stored, Stuck
from consent_engine.recording import recording, retrying
from consent_engine.rounds import Loaded, drive

MOST_STUCK = 1_000
MOST_OPEN, PASS, MOST_PASSES = 1_000_000, 500, 10_000
CANCELLABLE = frozenset({State.AGREED, State.AWAITING_REPLY})


@dataclass(frozen=True, slots=True)
class RefusalAsked:
    """Never again, said by voice or report, or written by ops. carrier '*': all. by: who wrote it down."""

    msisdn: Msisdn
    carrier: str
    door: str
    by: str
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Dial:
    """May this number be called? When not: since when, and that it was refused."""

    callable: bool
    since: Millis | None = None


class Engine:
    """One engine over one store. Synchronous; only `perform` lives in the caller's event loop."""

    def __init__(
        self, store: Store, registry: Registry, queue: Queue, outside: Outside, terms: Terms, secret: str, *,
        in_flight: int = 64, lease_ms: int = 60_000, call_timeout_ms: int = 10_000,
    ) -> None:  # fmt: skip
        self.store = store
        self.registry = registry
        self.queue = queue
        self.outside = outside
        self.terms = terms
        self.catalogue = Catalogue(registry)
        self.keys = Keys(registry, secret)
        self._secret = secret
        self.performer = Performer(
            store, queue, outside, terms.policy, in_flight=in_flight, startable_ms=lease_ms - call_timeout_ms
        )

    # -- place ---------------------------------------------------------------------------------------------------

    def place(self, wanted: Placing) -> Placed:
        """Take an order; raises what the door says."""
        [result] = self.place_many([wanted])
        if isinstance(result, ConsentError):
            raise result
        return result

    def place_many(self, wanted: Sequence[Placing]) -> list[Placed | ConsentError]:
        """Take orders in one go; a result or an error each. Success is proven durable before this returns."""
        plans = self.catalogue.fresh()
        now = self.registry.now()
        steps = [placing(each, self.terms, plans.get, self._secret, now) for each in wanted]
        driven = drive(self.store, steps)
        self._wake(driven.due)
        return driven.results

    # -- receive -------------------------------------------------------------------------------------------------

    def receive(self, messages: Sequence[Reply | DeliveryReport | RefusalAsked]) -> list[Stored]:
        """Put messages into their lines' inboxes, each once, proven durable; reports on nothing of ours go aside."""
        reports = [m for m in messages if isinstance(m, DeliveryReport)]
        lines = dict(zip([m.ref for m in reports], self._lines_of(reports), strict=True))
        posted: dict[int, Posted] = {}
        unmatched = []
        for n, message in enumerate(messages):
            if isinstance(message, DeliveryReport) and not lines[message.ref]:
                unmatched.append(compact({"why": "no_such_sms", "message": _report_body(message)}))
            else:
                posted[n] = self._posted(message, lines)
        stored = dict(zip(posted, self.store.receive(list(posted.values())), strict=True)) if posted else {}
        if unmatched:
            self.store.unmatched(unmatched)
        if any(each.is_new for each in stored.values()):
            self.queue.wake(Lane.INBOUND, len(stored))
        return [stored.get(n, Stored(is_new=True, at=0)) for n in range(len(messages))]

    def refuse(self, asked: RefusalAsked) -> Stored:
        """Never call this number again; `is_new` is False when that stood already."""
        return self.receive([asked])[0]

    def _lines_of(self, reports: Sequence[DeliveryReport]) -> list[str | None]:
        """The line whose inbox a report goes to; None when its ref is none of ours."""
        if not reports:
            return []
        owners = [report.ref.split(".")[0] for report in reports]
        lines = self.store.line_of(owners)
        lost = [owner for owner, line in zip(owners, lines, strict=True) if line is None]
        ours = self.store.load(lines=lost)[2] if lost else {}
        return [
            line or (owner if owner in ours and ours[owner].version else None)
            for owner, line in zip(owners, lines, strict=True)
        ]

    def _posted(self, message: Reply | DeliveryReport | RefusalAsked, lines: dict[str, str | None]) -> Posted:
        match message:
            case Reply():
                return self._reply(message)
            case DeliveryReport():
                line = lines[message.ref] or ""
                parts = (message.ref, message.message_id, str(message.segment), message.status)
                key = keyed(self._secret, "dlr", message.gateway, *parts)
                return Posted(line, "", key, compact(_report_body(message)))
            case RefusalAsked():
                carriers = self._scope(message.carrier)
                key = keyed(self._secret, "refusal", uuid.uuid4().hex)
                body = {"kind": "refusal", "carriers": " ".join(carriers), "door": message.door, "by": message.by}
                line = line_id(self._secret, message.msisdn)
                return Posted(
                    line, message.msisdn, key, compact(body), (message.carrier,), message.door, message.ref, once=True
                )

    def _scope(self, carrier: str) -> tuple[str, ...]:
        return tuple(self.outside.senders) if carrier == EVERY_CARRIER else (carrier,)

    def _reply(self, reply: Reply) -> Posted:
        """The door reads the keyword: a STOP is a refusal in the same commit that stores it."""
        carriers = self.carriers_of(reply.gateway, reply.to)
        keyword, _ = read(storable(reply.text))
        body = {
            "kind": "reply",
            "gateway": reply.gateway,
            "id": storable(reply.message_id),
            "from": str(reply.msisdn),
            "to": storable(reply.to),
            "text": storable(reply.text),
            "written_at": reply.written_at,
            "carriers": " ".join(carriers),
            "sub": sub_number(reply.to, self.outside.senders),
        }
        refuses = carriers if keyword is Keyword.STOP else ()
        key = keyed(self._secret, "mo", reply.gateway, reply.message_id)
        line = line_id(self._secret, reply.msisdn)
        return Posted(line, reply.msisdn, key, compact(body), refuses, "sms", storable(reply.message_id))

    def carriers_of(self, gateway: str, to: str) -> tuple[str, ...]:
        """The carriers a message may be meant for: by our number, else the gateway's only one, else all."""
        known = carrier_of_sender(to.lstrip("+"), self.outside.senders)
        if known:
            return (known,)
        served = tuple(carrier for carrier, name in self.outside.routes.items() if name == gateway)
        return served if len(served) == 1 else tuple(self.outside.senders)

    # -- what people ask -----------------------------------------------------------------------------------------

    def show(self, order_id: str) -> Order:
        """An order; raises OrderNotFound."""
        order = self.store.load([order_id])[1].get(order_id)
        if order is None:
            raise OrderNotFound("no such order")
        return order

    def line(self, msisdn: Msisdn) -> Line:
        """What is known of a number."""
        key = line_id(self._secret, msisdn)
        return Loaded(*self.store.load(lines=[key])).line(key)

    def cancel(self, order_id: str, by: str, reason: str) -> Order:
        """Cancel an order; raises TooLate once an activation was started or the order settled."""
        fact = CancelAsked(f"cancel:{uuid.uuid4().hex[:12]}", by, reason)
        return self._record(order_id, fact)

    def retry(self, order_id: str, by: str) -> Order:
        """Do what is parked now; raises NothingParked."""
        return self._record(order_id, RetryAsked(f"retry:{uuid.uuid4().hex[:12]}", by))

    def retry_line(self, line_id: str) -> None:
        """Do what is parked of a line now; raises NothingParked."""
        driven = drive(self.store, [retrying(line_id)])
        self._wake(driven.due)
        [result] = driven.results
        if isinstance(result, ConsentError):
            raise result

    def resend(self, order_id: str, by: str) -> Order:
        """Send the question again; raises NotWaiting and TooManyResends."""
        return self._record(order_id, ResendAsked(f"resend:{uuid.uuid4().hex[:12]}", by))

    def orders(self, wanted: Filter, cursor: str = "", limit: int = 50) -> Page:
        """A page of orders, newest first."""
        return orders_page(self.store, wanted, cursor, limit)

    def orders_of(self, msisdn: Msisdn) -> list[Order]:
        """Every order of a number, newest first."""
        ids = [entry.order for entry in self.line(msisdn).entries]
        found = self.store.load(ids)[1].values()
        return sorted(found, key=lambda order: order.doc.placed_at, reverse=True)

    def refusals(self, cursor: str = "", limit: int = 50) -> RefusalsPage:
        """A page of refusals, newest first."""
        return refusals_page(self.store, cursor, limit)

    def lift(self, msisdn: Msisdn, carrier: str, by: str, evidence: str) -> bool:
        """Lift a refusal on the subscriber's own act, which is kept; False when none stood."""
        line = line_id(self._secret, msisdn)
        kept = {"line": line, "carrier": carrier, "by": by, "evidence": evidence, "at": self.registry.now()}
        return self.store.lift(line, carrier, compact(kept))

    def revoke(self, code: str, by: str) -> int:
        """Take a plan back: no new orders, and what is open is cancelled with a notice; how many were.

        Asking again goes on where a call that died left off. Activations that were started go on.
        """
        self.catalogue.set_sale(code, Sale.REVOKED)
        cancelled = 0
        for _ in range(MOST_PASSES):
            open_orders = self.store.open_orders(MOST_OPEN)
            now = self.store.load(open_orders)[1].values()
            todo = [order for order in now if order.doc.plan == code and order.state in CANCELLABLE]
            if not todo:
                return cancelled
            steps = [
                recording(order.id, CancelAsked(f"revoked:{order.id}", by, "plan revoked", revoked=True), prove=True)
                for order in todo[:PASS]
            ]
            driven = drive(self.store, steps)
            self._wake(driven.due)
            cancelled += sum(isinstance(result, Order) for result in driven.results)
        return cancelled

    def _record(self, order_id: str, fact: CancelAsked | RetryAsked | ResendAsked) -> Order:
        driven = drive(self.store, [recording(order_id, fact, prove=True)])
        self._wake(driven.due)
        [result] = driven.results
        if isinstance(result, ConsentError):
            raise result
        return result

    def dial(self, msisdn: Msisdn, carrier: str | None) -> Dial:
        """May it be dialled? Without a carrier: by none that refused, so by any refusal not."""
        refusals = self.line(msisdn).refusals
        against = [r for r in refusals if carrier is None or r.carrier in {carrier, EVERY_CARRIER}]
        return Dial(callable=False, since=against[0].since) if against else Dial(callable=True)

    def stuck(self) -> list[Stuck]:
        """What waits for a person."""
        return self.store.stuck(MOST_STUCK)

    def plan(self, code: str) -> Listed:
        """A plan in its current version; raises PlanNotFound."""
        return self.catalogue.show(code)

    def _wake(self, due: dict[Lane, int]) -> None:
        for lane, count in due.items():
            self.queue.wake(lane, count)


def _report_body(report: DeliveryReport) -> dict[str, str | int | None]:
    owner, purpose, n = (*report.ref.split("."), "", "")[:3]
    return {
        "kind": "report",
        "owner": owner,
        "effect": f"sms.{purpose}.{n}",
        "gateway": report.gateway,
        "id": storable(report.message_id),
        "status": report.status.value,
        "segment": report.segment,
        "segments": report.segments,
        "error": storable(report.error),
        "at": report.at,
    }
