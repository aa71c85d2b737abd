"""Views of lists, and of the results of acts on many things at once."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from consent_engine.api.schemas.views import AsOf, At, Hidden, Listed, OrderView, View, instant, veiled
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import EVERY_CARRIER, OF_ACTIVATIONS, Restriction
from consent_engine.domain.msisdn import hidden, mask
from consent_engine.domain.order.history import failure_of
from consent_engine.domain.order.order import Order
from consent_engine.engine.held_replies import HeldText
from consent_engine.engine.listing import Page, RefusalsPage
from consent_engine.engine.pausing import PauseInForce
from consent_engine.engine.stuck import Cause
from consent_engine.engine.undeliverable import AskedAgain, unreached_of
from consent_engine.ports.registry import PauseEvent

_Carrier = Annotated[str | None, BeforeValidator(lambda name: None if name == EVERY_CARRIER else name)]
_CURSOR = Field(description="send it to get the next page; empty: this is the last page")


class OrderList(Listed):
    """Orders, newest first."""

    orders: list[OrderView]
    cursor: str = _CURSOR

    @classmethod
    def of(cls, page: Page, as_of: AsOf, *, whole: bool) -> "OrderList":
        shown = [OrderView.of(order, whole=whole) for order in page.orders]
        return cls(orders=shown, cursor=page.cursor, as_of=as_of)


class OrderRow(View):
    """A short view of an order, for lists."""

    id: str
    state: str
    msisdn: str = Field(description="in full for the agent who placed the order, else masked")
    carrier: str
    plan: str
    agent: str
    created_at: str

    @classmethod
    def of(cls, order: Order, *, whole: bool) -> "OrderRow":
        """Show the order as a reader may see it. whole: with its full number."""
        doc, number = order.doc, order.person.msisdn
        return cls(
            id=order.id, state=order.state.value, msisdn=number if whole else mask(number), carrier=doc.carrier,
            plan=doc.plan, agent=hidden(doc.agent), created_at=instant(doc.placed_at),
        )  # fmt: skip


class ExportedOrder(OrderRow):
    """An order as sales or an audit needs it: with its number."""

    call_id: str
    agreed_at: str
    cause: str = Field(description="why its question could not be delivered; empty where it was")

    @classmethod
    def of(cls, order: Order, *, whole: bool = True) -> "ExportedOrder":
        row, doc = OrderRow.of(order, whole=whole), order.doc
        return cls.shown(row, call_id=doc.call_id, agreed_at=instant(doc.call.agreed_at), cause=failure_of(order))


class OrderExport(View):
    """Orders with their numbers, newest first."""

    orders: list[ExportedOrder]
    cursor: str = Field(description="send it to export older orders, by a reveal of its own; empty: no more")


class RefusalRow(View):
    """A refusal that stands, or another restriction that bars dialling."""

    msisdn: str = Field(description="masked")
    kind: str = Field(
        description="refused; in the answer to a search also suspected, marketing_free, cool_off, number_changed, minor"
    )
    carrier: _Carrier = Field(description="null: all carriers")
    plan: str | None = Field(default=None, description="the only plan that it bars; left out: all plans")
    since: str
    until: str | None = Field(default=None, description="when it ends; left out: never")
    channel: str = Field(description="the channel by which it came")
    ref: str = Field(description="an id in another system, if there is one")

    @classmethod
    def of(cls, msisdn: str, refusal: Restriction, *, whole: bool) -> "RefusalRow":
        """Show the restriction as a reader may see it. whole: with its full number."""
        return cls(
            msisdn=msisdn if whole else mask(msisdn), kind=refusal.kind.value, carrier=refusal.carrier,
            plan=refusal.plan or None, since=instant(refusal.since),
            until=instant(refusal.until) if refusal.until else None,
            channel=refusal.door, ref=refusal.ref if whole else veiled(refusal.ref),
        )  # fmt: skip


class RefusalList(Listed):
    """Refusals, newest first."""

    refusals: list[RefusalRow]
    cursor: str = _CURSOR

    @classmethod
    def of(cls, page: RefusalsPage, as_of: AsOf, *, whole: bool) -> "RefusalList":
        rows = [RefusalRow.of(*row, whole=whole) for row in page.rows]
        return cls(refusals=rows, cursor=to_address(page.cursor), as_of=as_of)


class Restrictions(View):
    """The restrictions that bar dialling one number, newest first."""

    refusals: list[RefusalRow]

    @classmethod
    def of(cls, line: Line, *, whole: bool) -> "Restrictions":
        standing = [each for each in line.restrictions if each.kind not in OF_ACTIVATIONS and not each.is_doubtful]
        rows = sorted(standing, key=lambda each: -each.since)
        return cls(refusals=[RefusalRow.of(line.msisdn, each, whole=whole) for each in rows])


class LineEventView(View):
    """An event of a number, as recorded."""

    event: str
    at: str
    recorded_at: str
    ended: int = Field(description="how many open orders the event ended")


class HeldRow(View):
    """A reply that may be a refusal. Nothing here names its subscriber."""

    id: str = Field(description="names the reply in a decision; another one once the number wrote more")
    carrier: _Carrier = Field(description="null: all carriers")
    reason: str = Field(
        description="refusing, disputed (the call is denied), wrong_person, doubtful: it concerns its order alone, or "
        "no_person: a yes that no person can have written"
    )
    text: str = Field(
        description="the words, one reply per line, without telephone numbers; `…` stands for replies left out"
    )
    group: str = Field(description="equal for replies in the same words")
    since: At
    until: At = Field(
        description="deadline: a reply undecided by then counts as a refusal; a doubtful one ends its order"
    )


class HeldList(Listed):
    """Replies that a person must read, newest first."""

    held: list[HeldRow]
    cursor: str = _CURSOR

    @classmethod
    def of(cls, held: Sequence[HeldText], cursor: str, as_of: AsOf) -> "HeldList":
        return cls(held=[HeldRow.shown(each) for each in held], cursor=to_address(cursor), as_of=as_of)


class DecidedView(View):
    """The result of deciding held replies."""

    decided: int
    gone: int = Field(description="no longer held, or changed since they were listed: list again")
    own_call: int = Field(description="not decided: they answer an order of this key or its agent")


CODED = "a code and its arguments, each after a colon, like gateway:503; any other text is the other side's own"


class CauseRow(View):
    """The stuck effects of one cause."""

    lane: str
    reason: str = Field(description=CODED)
    plan: str = Field(description="empty: effects of no order")
    count: int
    since: Annotated[At | None, BeforeValidator(lambda at: at or None)] = Field(
        description="when the effect that has waited longest was last tried; null: not known"
    )


class CauseList(View):
    """Stuck effects by cause, the most frequent cause first."""

    causes: list[CauseRow]
    count: int = Field(description="stuck effects in all; only the first 10000 of the list are counted")

    @classmethod
    def of(cls, causes: Sequence[Cause]) -> "CauseList":
        return cls(causes=[CauseRow.shown(each) for each in causes], count=sum(each.count for each in causes))


class RetriedView(View):
    """The result of retrying effects of the stuck list."""

    retried: int
    gone: int = Field(description="no longer stuck: another person acted, or the order was answered")
    unreadable: int = Field(description="not retried: their record cannot be read, see `consent doctor`")
    left: int = Field(description="how many remain: repeat the request")


class CancelledView(View):
    """The result of cancelling the orders of effects on the stuck list."""

    cancelled: int
    too_late: int = Field(description="orders whose activation was started, or that have settled")
    gone: int = Field(description="effects of no order, or of one that is no longer there")
    left: int = Field(description="how many remain: repeat the request")


class UndeliverableRow(View):
    """The undeliverable orders of one cause."""

    reason: str = Field(description=CODED)
    plan: str
    count: int
    since: At = Field(description="when the first of them became undeliverable")


class UndeliverableList(Listed):
    """Undeliverable orders by cause, the most frequent cause first."""

    causes: list[UndeliverableRow]
    count: int = Field(description="these orders in all; the newest 20000 orders were looked at")
    cursor: str = Field(description="send it to count on among older orders; empty: none is young enough")

    @classmethod
    def of(cls, page: Page, as_of: AsOf) -> "UndeliverableList":
        causes = [UndeliverableRow.shown(each) for each in unreached_of(page.orders)]
        return cls(causes=causes, count=len(page.orders), cursor=to_address(page.cursor), as_of=as_of)


class AskedAgainView(View):
    """The result of asking the subscribers of undeliverable orders again."""

    asked: int = Field(description="subscribers who are asked by a new order")
    refused: dict[str, int] = Field(description="how many new orders the door did not take, by the error's code")
    cursor: str = Field(description="send it to ask on among older orders; empty: no more")

    @classmethod
    def of(cls, done: AskedAgain, cursor: str) -> "AskedAgainView":
        return cls(asked=done.asked, refused=dict(done.refused), cursor=to_address(cursor))


def to_address(cursor: str) -> str:
    """Write a cursor so that it needs no encoding in an address."""
    return cursor.replace(" ", "~")


def from_address(cursor: str) -> str:
    """Return the cursor that `to_address` was given."""
    return cursor.replace("~", " ")


class Imported(View):
    """The result of importing the rows of a file."""

    accepted: int = Field(description="new rows")
    already: int = Field(description="rows stored before")
    rejected: list[str] = Field(description="the rejected lines, with their errors; the others are stored")


class Lifted(View):
    """A refusal or a registration that no longer stands."""

    carrier: str | None = Field(description="null: the one for all carriers")
    lifted: bool


class SaleView(View):
    """A plan's state of sale after a change, and the orders that the change cancelled."""

    code: str
    version: int
    sale: str = Field(description="withdrawn or revoked")
    cancelled: int = Field(description="open orders that were cancelled; 0 when the plan is only withdrawn")


class PauseRow(View):
    """A lane or a gateway that is stopped."""

    to: str = Field(description="lane or gateway")
    name: str
    since: str
    by: str
    reason: Hidden
    drained: str = Field(description="when everything begun before the stop has ended")

    @classmethod
    def of(cls, each: PauseInForce) -> "PauseRow":
        to, name = each.target
        return cls(
            to=to, name=name, since=instant(each.pause.at), by=each.pause.by, reason=each.pause.reason,
            drained=instant(each.drained),
        )  # fmt: skip


class PauseEventRow(View):
    """The stop or the resumption of a lane or a gateway."""

    at: At
    to: str
    name: str
    paused: bool = Field(description="false: it was resumed")
    by: str
    reason: Hidden


class PauseList(View):
    """Stopped lanes and gateways, the oldest first, and the latest stops and resumptions, newest first."""

    paused: list[PauseRow]
    events: list[PauseEventRow]

    @classmethod
    def of(cls, standing: Sequence[PauseInForce], happened: Sequence[PauseEvent]) -> "PauseList":
        return cls(paused=[PauseRow.of(each) for each in standing], events=[PauseEventRow.shown(e) for e in happened])
