"""Orders whose question could not be delivered, by cause, while their calls are young; and asking again.

A settled order never moves. So a new order of the same call asks again, and the door admits or refuses it as any other:
the age of the call, refusals, the plan on sale. It belongs to the API key that placed the first one.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.order_request import PlaceOrder, Placing
from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import Millis
from consent_engine.domain.forms import SKEW_MS
from consent_engine.domain.grammar import Keyword
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.line.line import Line, order_id
from consent_engine.domain.order.details import PlacedAgain as Noted
from consent_engine.domain.order.details import RepliedLate
from consent_engine.domain.order.facts import PlacedAgain
from consent_engine.domain.order.history import all_of, failure_of
from consent_engine.domain.order.order import Order
from consent_engine.engine.change_order import recording
from consent_engine.engine.listing import CHUNK, Page, fitting
from consent_engine.engine.place import Placed
from consent_engine.engine.round_trips import Step, load, load_of, or_raised
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import ConsentError, CoolingOff, DuplicateOrder, OrderNotFound, StoreUnavailable
from consent_engine.ports import Store
from consent_engine.ports.queries import OrderFilter, Position

Row = tuple[str, Millis]
MOST_LOOKED_AT = 20_000
"""Most orders of any state that are looked at in one go, the newest first: a cursor leads on."""
MOST_ASKED = 500
"""Most subscribers that are asked again in one go."""
FEW_DEAD = 5
"""Fewest orders of one cause that are named as dead sales: one gateway that refuses one template makes more at once."""
OWN_KEY = "again {}"
"""The Idempotency-Key of an order that repeats another. No caller can use it: a caller's has no blank."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """Undeliverable orders of one cause. since: when the first of them became so"""

    reason: str
    plan: str
    count: int
    since: Millis


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """The result of asking again. refused: how many orders the door did not take, by its error's code"""

    asked: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "AskedAgain") -> "AskedAgain":
        return AskedAgain(self.asked + other.asked, Counter(self.refused) + Counter(other.refused))


class Undeliverable:
    """The undeliverable orders that can be asked about again. place: places orders · run: carries out steps"""

    def __init__(
        self, store: Store, now: Callable[[], Millis], terms: Terms, secret: str,
        place: Callable[[Sequence[Placing]], list[Placed | ConsentError]],
        run: Callable[[Sequence[Step[None]]], Sequence[ConsentError | None]],
    ) -> None:  # fmt: skip
        self._store, self._now, self._terms, self._secret = store, now, terms, secret
        self._place, self._run = place, run

    def dead(self) -> list[Unreached]:
        """Return the causes for which gateways would not take several questions, among the newest undeliverable orders,
        the most frequent first: sales that died of one cause, and can be asked about again. Raises as `page` does.
        """
        found = [order for order in self.page(None, None).orders if not order.last(Trigger.CONFIRMATION_ACCEPTED)]
        return [cause for cause in unreached_of(found) if cause.count >= FEW_DEAD]

    def page(
        self, reason: str | None, plan: str | None, cursor: str = "", limit: int = MOST_ASKED, *, now: bool = False
    ) -> Page:
        """Return up to `limit` of them, newest first; reason, plan: only those of one cause, only for one plan · now:
        to ask all of them again: none that there is now is missing

        Left out are those whose call is too old by now, and those that were asked about again. Raises Malformed for a
        cursor that no page handed out, and ArchiveUnavailable.
        """
        queries = as_of_now(self._store) if now else self._store.queries
        since = self._now() - self._terms.call_age
        # An order is placed once its subscriber has agreed: none that was placed before this has a call young enough.
        wanted = OrderFilter(state=State.UNDELIVERABLE, plan=plan, since=since - SKEW_MS)

        def read(before: Position | None) -> tuple[list[Row], Mapping[str, Order]]:
            found = queries.orders.page(wanted, before, CHUNK)
            orders = {order.id: order for order in found.rows}
            return [(order.id, order.doc.placed_at) for order in found.rows], orders

        def fits(order: Order) -> bool:
            return (
                order.doc.call.agreed_at >= since
                and bool(order.doc.call_id and order.person.msisdn)
                and (reason is None or failure_of(order) == reason)
                and not any(isinstance(e.detail, Noted) and e.detail.new for e in order.all(Trigger.PLACED_AGAIN))
            )

        return Page(*fitting(read, fits, cursor, limit, None, MOST_LOOKED_AT))

    def ask_again(self, orders: Sequence[Order], by: str) -> AskedAgain:
        """Ask the subscribers of such orders again, up to MOST_ASKED: a new order each, which both histories name.

        Proven durable before this returns; the same order twice is asked about once; one that was answered with a no,
        or after which its subscriber was asked by another order, is refused. Raises StoreUnavailable; then the same
        request again is safe.
        """
        some = orders[:MOST_ASKED]
        looked = self._run([_must_be_last(order, self._secret) for order in some])
        last = [order for order, error in zip(some, looked, strict=True) if error is None]
        placed = self._place([_again(order) for order in last])
        refused = [each for each in (*looked, *placed) if isinstance(each, ConsentError)]
        if troubled := next((each for each in refused if isinstance(each, StoreUnavailable)), None):
            raise troubled
        pairs = [(old, new.order) for old, new in zip(last, placed, strict=True) if isinstance(new, Placed)]
        for linked in self._run([_linked(old.id, new.id, by) for old, new in pairs]):
            or_raised(linked)
        return AskedAgain(len(pairs), Counter(each.code for each in refused))


def unreached_of(orders: Sequence[Order]) -> list[Unreached]:
    """Return the causes of undeliverable orders, the most frequent cause first."""
    alike: dict[tuple[str, str], list[Millis]] = {}
    for order in orders:
        alike.setdefault((failure_of(order), order.doc.plan), []).append(order.settled_at)
    causes = [Unreached(reason, plan, len(some), min(some)) for (reason, plan), some in alike.items()]
    return sorted(causes, key=lambda cause: (-cause.count, cause.reason, cause.plan))


def _must_be_last(old: Order, secret: str) -> Step[None]:
    """Raise CoolingOff for an order that was answered with a no, which came too late to decline it, and DuplicateOrder
    where a later order of the same number and plan has asked, or was to ask. The one that repeats this order is none.
    """
    if any(said.keyword is Keyword.NO for _, said in all_of(old, RepliedLate)):
        raise CoolingOff("the subscriber declined this plan: it is not offered again", since=old.settled_at)
    wanted = _again(old)
    own = order_id(secret, wanted.msisdn, wanted.api_key, wanted.idempotency_key)
    line = (yield from load({Line: [old.line]})).line(old.line)
    same = [each.order for each in line.entries if each.plan == old.doc.plan and each.order not in {old.id, own}]
    if later := [
        each.id for each in (yield from load_of(line, same)).values() if each.doc.placed_at > old.doc.placed_at
    ]:
        raise DuplicateOrder("the subscriber was asked by a later order", order=later[0])


def _again(order: Order) -> Placing:
    """Return the request for a new order of the same call, in the same words and under a key of the engine's own."""
    doc = order.doc
    form = {
        "msisdn": order.person.msisdn, "plan": doc.plan, "agent": doc.agent, "call_id": doc.call_id,
        "agreed_at": GREENWICH.instant(doc.call.agreed_at), "metadata": dict(order.person.metadata),
        "language": doc.offer.language,
    }  # fmt: skip
    return Placing(doc.placed_by, OWN_KEY.format(order.id), PlaceOrder.read(form))


def _linked(old: str, new: str, by: str) -> Step[None]:
    """Note each order in the other's history, the old one's last: until then the old one is asked about once more, and
    that finds the same new one. An order that was archived meanwhile takes no note.
    """
    for order, fact in (
        (new, PlacedAgain(f"again:{old}", by, old=old)),
        (old, PlacedAgain(f"again:{new}", by, new=new)),
    ):
        with suppress(OrderNotFound):
            yield from recording(order, fact, prove=True)
