"""Views: the bodies of answers, by the API's contract. Full numbers and texts only for roles that may see them."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from consent_engine.api.schemas.examples import Eg
from consent_engine.domain.days import CHINA
from consent_engine.domain.decide.sms_texts import Sent, sent
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import STAGES, State, Trigger
from consent_engine.domain.msisdn import hidden, mask
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import segments
from consent_engine.engine.erasing import ERASED, Erased

_INSTANTS = frozenset({"received_at", "written_by", "started", "last", "stamped"})
"""The fields of an event's detail that are instants."""


def instant(at: Millis) -> str:
    """Format an instant by RFC 3339, in China's time.

    >>> instant(1754013871000)
    '2025-08-01T10:04:31.000+08:00'
    """
    return CHINA.instant(at)


At = Annotated[
    str, BeforeValidator(lambda at: instant(at) if isinstance(at, int) else at), Eg("2025-08-01T10:04:40.512+08:00")
]
"""An instant of the store (ms) as a view shows it; a view that is read back from an answer has the text already."""
MaybeAt = Annotated[
    str | None, BeforeValidator(lambda at: (instant(at) if at else None) if isinstance(at, int) else at)
]
"""An instant of the store, or none: 0 is none, too."""
OrNone = Annotated[str | None, BeforeValidator(lambda text: text or None)]
"""A stored text; none where it is empty."""
Id = Annotated[str, Eg("0ce7" + "0" * 24)]
Version = Annotated[int, Eg(1)]
Head = Annotated[str, Eg("xVrqGqTzCiVn3mS3pC1w0bq0m2rQ0wq6v1oVh8ZpN0k")]
Masked = Annotated[str, Eg("+86138****8000")]
CarrierName = Annotated[str, Eg("mobile")]
PlanCode = Annotated[str, Eg("5g-smart-199")]
Agent = Annotated[str, Eg("A1024")]
By = Annotated[str, Eg("ops-bj")]
Cursor = Annotated[str, Eg("")]
AsOf = str | None
"""The instant as of which records are listed, as a view shows it; None: not known."""
Hidden = Annotated[str, BeforeValidator(hidden)]
"""A stored text, shown without the telephone numbers in it."""


class View(BaseModel):
    """The body of an answer."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    @classmethod
    def shown(cls, *kept: object, **more: object) -> Self:
        """Make the view of stored objects: each field is given by name, or that of the first object that has it."""
        for name in cls.model_fields.keys() - more.keys():
            if (of := next((each for each in kept if hasattr(each, name)), None)) is not None:
                more[name] = getattr(of, name)
        return cls.model_validate(more)

    def json_bytes(self) -> bytes:
        """Encode as sent; a field that was not given is left out."""
        return self.model_dump_json(by_alias=True, exclude_unset=True).encode()


class Listed(View):
    """A list or a sum of records: they reach it within a second or two after they change."""

    as_of: AsOf = Field(
        description="what was answered before this instant is in it; null: not known, as a part of the store is away"
    )


_NOTE = (
    "consent.example.com/log\n70000\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\N{EM DASH} consent.example.com/log Uw2QOg==\n"
)


class ProofView(View):
    """That an entry is in the public log (RFC 9162, 2.1.3)."""

    leaf: Annotated[str, Eg("bjQLnP-zepicpUTmu3gKLHiQHT-zNzh2hRGjBhevoB0")] = Field(
        description="what is published of the entry, as it was asked for"
    )
    number: Annotated[int, Eg(41)] = Field(description="its number in the log, from 0")
    proof: Annotated[list[str], Eg(["CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="])] = Field(
        description="hashes in base64, from its sibling up to the root of the checkpoint"
    )
    checkpoint: Annotated[str, Eg(_NOTE)] = Field(description="the signed note of the newest checkpoint")


class BackupView(View):
    """A backup that was made here."""

    at: At = Field(description="the instant of its data")
    place: Annotated[str, Eg("db-1:/backups/2026-12-01")] = Field(description="the host and the folder")


class ErasureView(View):
    """The report of an erasure."""

    at: At
    by: Annotated[str, Eg("data-protection")]
    ground: Annotated[str, Eg("the subscriber asked for it")]
    erased: Annotated[dict[str, int], Eg({"orders": 2, "calls": 2, "endings": 0, "reports": 1})] = Field(
        description="how many records had a person part, by kind"
    )
    messages: Annotated[int, Eg(1)] = Field(description="unmatched messages that were deleted")
    file: Annotated[str, Eg("")] = Field(
        description="why Redis did not write its append-only file anew; empty: it did, or keeps none"
    )
    backups: list[BackupView] = Field(description="made here before, they still have the person")
    stays: Annotated[
        dict[str, str],
        Eg({"log": "the public log has hashes alone, and is never changed: every proof given before holds"}),
    ] = Field(description="what stays, and why")

    @classmethod
    def of(cls, done: Erased) -> "ErasureView":
        return cls.shown(done, erased={ERASED[owner]: count for owner, count in done.erased.items()})


class PlanRef(View):
    """The plan an order is for, in the version that was sold."""

    code: PlanCode
    version: Version
    hash: Annotated[str, Eg("0" * 64)] = Field(description="SHA-256 of all contents of the plan")


class Confirmation(View):
    """The question, frozen when the order was placed."""

    text: Annotated[str, Eg("【中国移动】…")]
    segments: Annotated[int, Eg(5)]
    sender: Annotated[str, Eg("10085")] = Field(description="the number that the SMS comes from, and replies go to")
    code: Annotated[str, Eg("482")] = Field(
        description="three digits that tell this order from others of the subscriber"
    )


class Said(View):
    """A subscriber's own words."""

    to: str
    text: str


class SmsView(View):
    """An SMS that was handed over."""

    purpose: str
    text: str = Field(description="exactly as handed to the gateway; empty: erased with the person part")
    sender: str
    segments: int
    delivered: bool = Field(description="whether all its segments are known to be on the handset")


class TimelineEntry(View):
    """An entry of an order's timeline."""

    at: At
    trigger: Annotated[str, Eg("placed")]
    stage: Annotated[str | None, Eg("call_agreed")] = Field(
        default=None, description="the stage that the entry reached, if any"
    )
    by: Annotated[str, Eg("desk-bj")]
    ref: Annotated[str, Eg("rec-20250801-000123")] = Field(description="an id in another system, if there is one")
    detail: Annotated[dict[str, Any], Eg({"agent": "A1024", "caller_number": "10085"})]
    reply: Said | None = Field(default=None, description="only for roles that may read subscribers' replies")
    sms: SmsView | None = Field(default=None, description="the SMS that was handed to the gateway")


class OrderView(View):
    """An order with its timeline."""

    id: Id
    state: Annotated[State, Eg("agreed")]
    stage: Annotated[str, Eg("call_agreed")] = Field(
        description="call_agreed, confirmation_sent, reply_received, service_activated or notification_sent"
    )
    version: Version
    head: Head = Field(description="head of the order's hash chain: a copy of it reveals any later change of its past")
    msisdn: Masked = Field(description="in full for the agent who placed the order, else masked")
    carrier: CarrierName
    plan: PlanRef
    confirmation: Confirmation
    reply_by: Annotated[MaybeAt, Eg(None)] = Field(
        description="until when a yes counts; null until the confirmation SMS is handed over"
    )
    created_at: At
    timeline: list[TimelineEntry]

    @classmethod
    def of(cls, order: Order, *, whole: bool, looks: bool = False) -> "OrderView":
        """Show the order as a reader may see it. whole: with full number and the subscriber's words · looks: also with
        who looked at it and why: hidden from the agent who placed it.
        """
        doc = order.doc
        return cls.shown(
            order,
            doc,
            msisdn=order.person.msisdn if whole else mask(order.person.msisdn),
            plan=PlanRef(code=doc.plan, version=doc.offer.plan_version, hash=doc.offer.plan_hash),
            confirmation=Confirmation(
                text=order.text, segments=doc.segments, sender=doc.offer.sender + doc.sub, code=doc.code
            ),
            created_at=doc.placed_at,
            timeline=timeline(order, whole=whole, looks=looks),
        )


def timeline(order: Order, *, whole: bool, after: int = 0, looks: bool = False) -> list[TimelineEntry]:
    """Return an order's timeline as a reader may see it, without its first `after` entries."""
    texts, first = dict(sent(order)), max(0, after - 1)
    entries = ([] if after else [_placed(order)]) + [
        _entry(event, _sms(order, texts[n]) if n in texts else None)
        for n, event in enumerate(order.events[first:], first)
    ]
    return [_seen(entry, whole=whole, looks=looks) for entry in entries]


def _sms(order: Order, handed: Sent) -> SmsView:
    sender = order.doc.offer.sender + order.doc.sub
    return SmsView(
        purpose=handed.purpose.value, text=handed.text, sender=sender, segments=segments(handed.text),
        delivered=handed.delivered,
    )  # fmt: skip


def _placed(order: Order) -> TimelineEntry:
    doc = order.doc
    fields = {"agent": doc.agent, "agreed_at": instant(doc.call.agreed_at), "caller_number": doc.call.caller_number}
    detail = fields | ({"call": doc.call_id} if doc.call_id else {})
    return TimelineEntry(
        at=instant(doc.placed_at), trigger="placed", stage="call_agreed", by=doc.placed_by,
        ref=doc.call.recording_id, detail=detail,
    )  # fmt: skip


def _entry(event: Event, sms: SmsView | None) -> TimelineEntry:
    more: dict[str, Any] = {"sms": sms} if sms else {}
    if event.trigger in STAGES:
        more["stage"] = STAGES[event.trigger]
    if event.person:
        more["reply"] = Said(to=event.person.get("to", ""), text=event.person.get("text", ""))
    return TimelineEntry(
        at=instant(event.at), trigger=event.trigger.value, by=event.by, ref=event.ref, detail=_detail(event), **more
    )


def _seen(entry: TimelineEntry, *, whole: bool, looks: bool) -> TimelineEntry:
    """The entry as a reader may see it. Unless whole, it has no words of the subscriber, and no number that an id was
    built of; our own SMS stays as it was handed over: no number is in it.
    """
    if whole:
        hides = entry.trigger == Trigger.REVEALED and not looks  # a look may concern this very reader
        return TimelineEntry(at=entry.at, trigger=entry.trigger, by="", ref="", detail={}) if hides else entry
    shown = {name: veiled(value) for name, value in entry if name in entry.model_fields_set - {"reply", "sms"}}
    if entry.sms:
        shown["sms"] = entry.sms
    return TimelineEntry(**shown)


def veiled(json: Any) -> Any:  # noqa: ANN401 - JSON
    """Return JSON without the numbers in its texts."""
    if isinstance(json, str):
        return hidden(json)
    if isinstance(json, dict):
        return {name: veiled(value) for name, value in json.items()}
    return [veiled(each) for each in json] if isinstance(json, list) else json


def _detail(event: Event) -> dict[str, Any]:
    return {n: instant(v) if n in _INSTANTS and isinstance(v, int) and v else v for n, v in event.as_json().items()}


class RefusalView(View):
    """A refusal that stands."""

    carrier: Annotated[str | None, Eg("mobile")] = Field(description="null: all carriers")
    plan: str | None = Field(default=None, description="the only plan refused; left out: all plans")
    since: At
    until: MaybeAt = Field(default=None, description="when the refusal ends; left out: never")


class Alive(View):
    """The process answers."""

    status: Annotated[str, Eg("alive")]


class Ready(View):
    """The process can serve."""

    status: Annotated[str, Eg("ready")]
    workers: Annotated[int, Eg(2)] = Field(description="worker processes heard from within 15 s")
    archive: bool = Field(description="whether the archive answers: while it does not, lists are answered 503")


class FieldProblem(View):
    """An error in one field."""

    field: str
    code: str
    message: str


class Problem(View):
    """RFC 9457 problem. `code` is stable; more facts may follow (`since`, `reason`, `order`, `state` and others)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] | None = None
    refusals_kept: int | None = Field(None, description="refusals of the subscriber that were kept all the same")


class AckItem(View):
    """An item that cannot be read. If it is a refusal, `reason` says that it is kept, and it counts as accepted."""

    index: int
    reason: str


class Ack(View):
    """How many items were stored, and those that cannot be read. Repeats count as stored."""

    accepted: Annotated[int, Eg(1)]
    rejected: Annotated[list[AckItem], Eg([])]
