"""Views of lists, and of the results of acts on many things at once."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from consent_engine.api.schemas import views
from consent_engine.api.schemas.examples import Eg
from consent_engine.api.schemas.views import AsOf, At, Hidden, Listed, MaybeAt, OrderView, OrNone, View, veiled
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import EVERY_CARRIER, OF_ACTIVATIONS, Restriction
from consent_engine.domain.msisdn import mask
from consent_engine.domain.order.history import failure_of
from consent_engine.domain.order.order import Order
from consent_engine.engine.listing import Page, RefusalsPage
from consent_engine.engine.pausing import PauseInForce
from consent_engine.engine.stuck import Cause
from consent_engine.engine.undeliverable import unreached_of
from consent_engine.ports.registry import PauseEvent

_Carrier = Annotated[str | None, BeforeValidator(lambda name: None if name == EVERY_CARRIER else name), Eg("mobile")]
_CURSOR = Field(description="send it to get the next page; empty: this is the last page")
_Addressed = Annotated[views.Cursor, BeforeValidator(lambda cursor: cursor.replace(" ", "~"))]
"""A cursor that needs no encoding in an address."""


def from_address(cursor: str) -> str:
    """Return the cursor that was shown as one that needs no encoding."""
    return cursor.replace("~", " ")


class OrderList(Listed):
    """Orders, newest first."""

    orders: list[OrderView]
    cursor: views.Cursor = _CURSOR

    @classmethod
    def of(cls, page: Page, as_of: AsOf, *, whole: bool) -> "OrderList":
        shown = [OrderView.of(order, whole=whole) for order in page.orders]
        return cls(orders=shown, cursor=page.cursor, as_of=as_of)


class OrderRow(View):
    """A short view of an order, for lists."""

    id: views.Id
    state: Annotated[str, Eg("undeliverable")]
    msisdn: Annotated[str, Eg("+8613800138000")] = Field(
        description="in full for the agent who placed the order, else masked"
    )
    carrier: views.CarrierName
    plan: views.PlanCode
    agent: Annotated[Hidden, Eg("A1024")]
    created_at: At

    @classmethod
    def of(cls, order: Order, *, whole: bool) -> "OrderRow":
        """Show the order as a reader may see it. whole: with its full number."""
        number = order.person.msisdn
        return cls.shown(order, order.doc, msisdn=number if whole else mask(number), created_at=order.doc.placed_at)


class ExportedOrder(OrderRow):
    """An order as sales or an audit needs it: with its number."""

    call_id: Annotated[str, Eg("0ce7d4e5f60718293a4b5ca1b2c3")]
    agreed_at: Annotated[At, Eg("2025-08-01T10:04:31.000+08:00")]
    cause: Annotated[str, Eg("gateway:422")] = Field(
        description="why its question could not be delivered; empty where it was"
    )

    @classmethod
    def of(cls, order: Order, *, whole: bool = True) -> "ExportedOrder":
        row, doc = OrderRow.of(order, whole=whole), order.doc
        return cls.shown(row, doc, doc.call, cause=failure_of(order))


class OrderExport(View):
    """Orders with their numbers, newest first."""

    orders: list[ExportedOrder]
    cursor: views.Cursor = Field(description="send it to export older orders, by a reveal of its own; empty: no more")


class RefusalRow(View):
    """A refusal that stands, or another restriction that bars dialling."""

    msisdn: views.Masked = Field(description="masked")
    kind: Annotated[str, Eg("refused")] = Field(
        description="refused; in the answer to a search also suspected, marketing_free, cool_off, number_changed, minor"
    )
    carrier: _Carrier = Field(description="null: all carriers")
    plan: OrNone = Field(default=None, description="the only plan that it bars; left out: all plans")
    since: At
    until: MaybeAt = Field(default=None, description="when it ends; left out: never")
    channel: Annotated[str, Eg("voice")] = Field(description="the channel by which it came")
    ref: Annotated[str, Eg("rec-1")] = Field(description="an id in another system, if there is one")

    @classmethod
    def of(cls, msisdn: str, refusal: Restriction, *, whole: bool) -> "RefusalRow":
        """Show the restriction as a reader may see it. whole: with its full number."""
        number, ref = (msisdn, refusal.ref) if whole else (mask(msisdn), veiled(refusal.ref))
        return cls.shown(refusal, msisdn=number, ref=ref, channel=refusal.door)


class RefusalList(Listed):
    """Refusals, newest first."""

    refusals: list[RefusalRow]
    cursor: _Addressed = _CURSOR

    @classmethod
    def of(cls, page: RefusalsPage, as_of: AsOf, *, whole: bool) -> "RefusalList":
        rows = [RefusalRow.of(*row, whole=whole) for row in page.rows]
        return cls(refusals=rows, cursor=page.cursor, as_of=as_of)


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

    event: Annotated[str, Eg("assigned")]
    at: Annotated[At, Eg("2025-08-15T00:00:00.000+08:00")]
    recorded_at: Annotated[At, Eg("2025-08-15T00:00:02.512+08:00")]
    ended: Annotated[int, Eg(1)] = Field(description="how many open orders the event ended")


class HeldRow(View):
    """A reply that may be a refusal. Nothing here names its subscriber."""

    id: Annotated[str, Eg("0ce7000000000000000000000000.mobile.1754013880512")] = Field(
        description="names the reply in a decision; another one once the number wrote more"
    )
    carrier: _Carrier = Field(description="null: all carriers")
    reason: Annotated[str, Eg("refusing")] = Field(
        description="refusing, disputed (the call is denied), wrong_person, doubtful: it concerns its order alone, or "
        "no_person: a yes that no person can have written"
    )
    text: Annotated[str, Eg("我要投诉你们")] = Field(
        description="the words, one reply per line, without telephone numbers; `…` stands for replies left out"
    )
    group: Annotated[str, Eg("5f0c1b2a3d4e5f60718293a4")] = Field(description="equal for replies in the same words")
    since: At
    until: Annotated[At, Eg("2025-08-02T10:04:40.512+08:00")] = Field(
        description="deadline: a reply undecided by then counts as a refusal; a doubtful one ends its order"
    )


class HeldList(Listed):
    """Replies that a person must read, newest first."""

    held: list[HeldRow]
    cursor: _Addressed = _CURSOR


class DecidedView(View):
    """The result of deciding held replies."""

    decided: Annotated[int, Eg(12)]
    gone: Annotated[int, Eg(1)] = Field(description="no longer held, or changed since they were listed: list again")
    own_call: Annotated[int, Eg(0)] = Field(description="not decided: they answer an order of this key or its agent")


CODED = "a code and its arguments, each after a colon, like gateway:503; any other text is the other side's own"


class CauseRow(View):
    """The stuck effects of one cause."""

    lane: Annotated[str, Eg("sms")]
    reason: Annotated[str, Eg("lease_lost:")] = Field(description=CODED)
    plan: views.PlanCode = Field(description="empty: effects of no order")
    count: Annotated[int, Eg(390)]
    since: Annotated[MaybeAt, Eg("2025-08-01T10:04:40.512+08:00")] = Field(
        description="when the effect that has waited longest was last tried; null: not known"
    )


class CauseList(View):
    """Stuck effects by cause, the most frequent cause first."""

    causes: list[CauseRow]
    count: Annotated[int, Eg(390)] = Field(
        description="stuck effects in all; only the first 10000 of the list are counted"
    )

    @classmethod
    def of(cls, causes: Sequence[Cause]) -> "CauseList":
        return cls.shown(causes=causes, count=sum(each.count for each in causes))


class RetriedView(View):
    """The result of retrying effects of the stuck list."""

    retried: Annotated[int, Eg(388)]
    gone: Annotated[int, Eg(2)] = Field(description="no longer stuck: another person acted, or the order was answered")
    unreadable: Annotated[int, Eg(0)] = Field(
        description="not retried: their record cannot be read, see `consent doctor`"
    )
    left: Annotated[int, Eg(0)] = Field(description="how many remain: repeat the request")


class CancelledView(View):
    """The result of cancelling the orders of effects on the stuck list."""

    cancelled: Annotated[int, Eg(40)]
    too_late: Annotated[int, Eg(1)] = Field(description="orders whose activation was started, or that have settled")
    gone: Annotated[int, Eg(0)] = Field(description="effects of no order, or of one that is no longer there")
    left: Annotated[int, Eg(0)] = Field(description="how many remain: repeat the request")


class UndeliverableRow(View):
    """The undeliverable orders of one cause."""

    reason: Annotated[str, Eg("gateway:404")] = Field(description=CODED)
    plan: views.PlanCode
    count: Annotated[int, Eg(12)]
    since: At = Field(description="when the first of them became undeliverable")


class UndeliverableList(Listed):
    """Undeliverable orders by cause, the most frequent cause first."""

    causes: list[UndeliverableRow]
    count: Annotated[int, Eg(12)] = Field(description="these orders in all; the newest 20000 orders were looked at")
    cursor: _Addressed = Field(description="send it to count on among older orders; empty: none is young enough")

    @classmethod
    def of(cls, page: Page, as_of: AsOf) -> "UndeliverableList":
        return cls.shown(page, causes=unreached_of(page.orders), count=len(page.orders), as_of=as_of)


class AskedAgainView(View):
    """The result of asking the subscribers of undeliverable orders again."""

    asked: Annotated[int, Eg(11)] = Field(description="subscribers who are asked by a new order")
    refused: Annotated[dict[str, int], Eg({"do_not_call": 1})] = Field(
        description="how many new orders the door did not take, by the error's code"
    )
    cursor: _Addressed = Field(description="send it to ask on among older orders; empty: no more")


class Imported(View):
    """The result of importing the rows of a file."""

    accepted: Annotated[int, Eg(2)] = Field(description="new rows")
    already: Annotated[int, Eg(0)] = Field(description="rows stored before")
    rejected: Annotated[list[str], Eg([])] = Field(
        description="the wrong lines, with their errors; the others, and those that say whom not to call, are stored"
    )


class Lifted(View):
    """A refusal or a registration that no longer stands."""

    carrier: Annotated[str | None, Eg("mobile")] = Field(description="null: the one for all carriers")
    lifted: Annotated[bool, Eg(True)]


class SaleView(View):
    """A plan's state of sale after a change, and the orders that the change cancelled."""

    code: views.PlanCode
    version: views.Version
    sale: Annotated[str, Eg("revoked")] = Field(description="withdrawn or revoked")
    cancelled: Annotated[int, Eg(12)] = Field(
        description="open orders that were cancelled; 0 when the plan is only withdrawn"
    )


_To = Annotated[str, Eg("gateway")]
_Named = Annotated[str, Eg("kannel")]
_Why = Annotated[Hidden, Eg("its operator works on it until 18:00")]


class PauseRow(View):
    """A lane or a gateway that is stopped."""

    to: _To = Field(description="lane or gateway")
    name: _Named
    since: At
    by: views.By
    reason: _Why
    drained: Annotated[At, Eg("2025-08-01T10:04:52.512+08:00")] = Field(
        description="when everything begun before the stop has ended"
    )

    @classmethod
    def of(cls, each: PauseInForce) -> "PauseRow":
        return cls.shown(each.target, each.pause, each, since=each.pause.at)


class PauseEventRow(View):
    """The stop or the resumption of a lane or a gateway."""

    at: At
    to: _To
    name: _Named
    paused: Annotated[bool, Eg(True)] = Field(description="false: it was resumed")
    by: views.By
    reason: _Why


class PauseList(View):
    """Stopped lanes and gateways, the oldest first, and the latest stops and resumptions, newest first."""

    paused: list[PauseRow]
    events: list[PauseEventRow]

    @classmethod
    def of(cls, standing: Sequence[PauseInForce], happened: Sequence[PauseEvent]) -> "PauseList":
        return cls.shown(paused=[PauseRow.of(each) for each in standing], events=happened)
