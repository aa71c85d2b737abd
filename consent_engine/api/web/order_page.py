"""The page of an order, for callers who may see the order; and its data as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.adapters.signed_pdf import Press
from consent_engine.api.document.operations import PUBLIC, Operations, visitor_of
from consent_engine.api.schemas.calls import CallView
from consent_engine.api.schemas.endings import EndingView
from consent_engine.api.schemas.lists import OrderRow
from consent_engine.api.schemas.views import At, Hidden, MaybeAt, OrderView, SmsView, View
from consent_engine.api.service.callers import AUDITOR, OPS, ORDER_READER, is_own, visible
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import Session
from consent_engine.api.web.news import stream
from consent_engine.api.web.pages import behind_sign_in, signed_in
from consent_engine.api.web.rendering import KINDS, asset
from consent_engine.domain.call.call import Call, CallNotFound
from consent_engine.domain.call.report import Decided, Report
from consent_engine.domain.call.review import SECOND_LOOK_MS, Verdict, first_review
from consent_engine.domain.effects import Millis, Pending, is_sms, lane_of, sms_parts
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS, Kind, Restriction
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.domain.roles import Role
from consent_engine.domain.sms import segments
from consent_engine.engine.engine import Engine
from consent_engine.engine.evidence import encoded
from consent_engine.engine.inspector import LineSms
from consent_engine.errors import OrderNotFound
from consent_engine.ports import ApiKey, Owner
from consent_engine.verify import Broken, NotEvidence, verify


class WaitingView(View):
    """An effect of an order that has not ended."""

    effect: str
    lane: str
    purpose: str = Field(description="purpose of an SMS; empty for other effects")
    at: MaybeAt = Field(description="when it is due, or while in hand when its lease ends; null: a person must act")
    in_hand: bool
    parked: bool
    attempts: int
    why: Hidden

    @classmethod
    def of(cls, effect: str, pending: Pending, due: Millis | None) -> "WaitingView":
        purpose = sms_parts(effect)[0].value if is_sms(effect) else ""
        return cls.shown(
            pending, effect=effect, lane=lane_of(effect), purpose=purpose, at=due, in_hand=pending.leased_at > 0
        )


class PermitView(View):
    """The permit that a call named."""

    request: str
    since: At
    until: At


class LineSmsView(View):
    """An SMS about the order that its number's record sends: "which one?", or the notice of its ending."""

    at: At = Field(description="when it was queued")
    sms: SmsView
    waits: bool = Field(description="not handed over yet")
    stuck: bool = Field(description="waits for a person")


class BarView(View):
    """What bars the order's yes or its activation now."""

    kind: str = Field(description="as of restrictions; doubtful: a reply that can refuse this order alone; frozen: its "
                      "call failed a review, and another reviewer is to look again")  # fmt: skip
    since: At
    until: MaybeAt = Field(description="when it ends, or counts as a refusal or a failed review; null: not known")


class ComplaintView(View):
    """A report of its subscriber about the order's call. Agents do not see it."""

    id: str
    number: str
    at: At
    found: str = Field(description="the class decided; until then the proposed one")
    decided_at: MaybeAt
    by: str


class OrderLife(View):
    """The contents of one order's page."""

    order: OrderView
    waiting: list[WaitingView]
    call: CallView | None
    permit: PermitView | None = Field(description="null: no permit, or one of another installation")
    ending: EndingView | None = Field(None, description="null: none was requested")
    related: list[OrderRow] = Field(description="the other orders of the same call")
    line_sms: list[LineSmsView]
    barred: list[BarView]
    complaints: list[ComplaintView]


def _line_sms(each: LineSms, order: Order) -> LineSmsView:
    sms = SmsView.shown(each, sender=order.doc.offer.sender, segments=segments(each.text), delivered=False)
    return LineSmsView.shown(each, sms=sms)


def _bar(each: Restriction, call: Call | None) -> BarView:
    kind, until = each.kind.value, each.until
    if each.kind is Kind.SUSPECTED:
        kind, until = "doubtful" if each.is_doubtful else kind, each.since + SUSPICION_LASTS_MS
    first = first_review(call.events) if call and call.verdict is Verdict.CONTESTED else None
    if each.kind is Kind.REVIEW and first:
        kind, until = "frozen", first.at + SECOND_LOOK_MS
    return BarView.shown(each, kind=kind, until=until)


def _complaint(report: Report) -> ComplaintView:
    decided = next((each for each in reversed(report.events) if isinstance(each, Decided)), None)
    by, at = (decided.by, decided.at) if decided else (report.received.by, None)
    return ComplaintView.shown(report, at=report.received.received_at, decided_at=at, by=by)


operations = Operations(whose=visitor_of)
MOST_RELATED = 50
"""Orders of the same call are looked for among this many of the number's newest orders."""


@operations.add("GET", "/orders/{order_id}", PUBLIC)
async def order(request: Request, order_id: str) -> Response:
    """For agents (own orders), ops, auditors."""

    async def shown(session: Session) -> Mapping[str, Any]:
        life = json.loads(await _life(request, order_id, session.caller))
        role = session.caller.role
        may_reveal = role in AUDITOR and "*" in life["order"]["msisdn"]
        return {"life": life, "may_reveal": may_reveal, "may_prove": role in AUDITOR, "may_retry": role in OPS}

    return await behind_sign_in(request, "order.html", shown)


@operations.add("GET", "/orders/{order_id}/news", ORDER_READER)
async def news(request: Request, caller: ApiKey, order_id: str) -> Response:
    """The page's stream: lines on top, and its data as they change. Roles: agent (own), ops and auditor (masked)."""
    order = await front_of(request).ask(lambda engine: visible(engine, order_id, caller))
    return stream(request, caller, ORDER_READER, order, lambda: _life(request, order_id, caller))


@operations.add("GET", "/orders/{order_id}/life", ORDER_READER)
async def life(request: Request, caller: ApiKey, order_id: str) -> bytes:
    """The page's data as it is now. Roles: agent (own), ops and auditor (masked)."""
    return await _life(request, order_id, caller)


async def _life(request: Request, order_id: str, caller: ApiKey) -> bytes:
    """Return the page's data. Raises OrderNotFound, also for an order that this caller may not see."""
    return (await front_of(request).ask(lambda engine: look(engine, order_id, caller))).json_bytes()


def look(engine: Engine, order_id: str, caller: ApiKey) -> OrderLife:
    """Return an order with its due effects, its call, its ending, what the number's record says about it, and the
    call's other orders. Raises OrderNotFound.
    """
    order = visible(engine, order_id, caller)
    whole, is_agent = is_own(order, caller), caller.role == Role.AGENT
    dues = engine.lanes.dues(Owner.ORDER, order.id, list(order.effects))
    try:
        call = engine.calls.show(order.doc.call_id)
    except CallNotFound:
        call = None
    permit = engine.inspector.permit_of(call) if call else None
    related = [each for each in _of_the_same_call(engine, order) if not is_agent or is_own(each, caller)]
    ending = engine.endings.of([order.id]).get(order.id)
    beside = engine.inspector.beside(order, ending)
    rows = zip(order.effects.items(), dues, strict=True)
    return OrderLife(
        order=OrderView.of(order, whole=whole),
        waiting=[WaitingView.of(effect, pending, due) for (effect, pending), due in rows],
        call=CallView.of(call, whole=whole) if call else None,
        permit=PermitView.shown(permit) if permit else None,
        ending=EndingView.of(ending, engine.endings.notice(ending)) if ending else None,
        related=[OrderRow.of(each, whole=whole) for each in related],
        line_sms=[_line_sms(each, order) for each in beside.sms],
        barred=[_bar(each, call) for each in beside.barring] if not order.state.settled else [],
        complaints=[] if is_agent else [_complaint(each) for each in beside.reports],
    )


def _of_the_same_call(engine: Engine, order: Order) -> list[Order]:
    if not order.person.msisdn:
        return []
    found = engine.orders_of(Msisdn(order.person.msisdn), limit=MOST_RELATED).orders
    return [each for each in found if each.doc.call_id == order.doc.call_id and each.id != order.id]


@operations.add("GET", "/orders/{order_id}/evidence", PUBLIC)
async def evidence(request: Request, order_id: str) -> Response:
    """For auditors. It has the full number and the subscriber's words: who opened it is recorded first."""
    return (await _proof(request, order_id))[0]


@operations.add("GET", "/orders/{order_id}/evidence.pdf", PUBLIC)
async def printed(request: Request, order_id: str) -> Response:
    """The page as a PDF, signed (PAdES), with the evidence file in it. Raises OrderNotFound without a certificate."""
    press: Press | None = request.app.state.press
    if press is None and await signed_in(request) is not None:  # a stranger learns nothing of the settings
        raise OrderNotFound("no certificate is set that would sign a PDF: see CONSENT_PDF_KEY")
    page, made = await _proof(request, order_id)
    if press is None or not made:
        return page
    files = {each: (KINDS[each.rpartition(".")[2]], asset(each)) for each in ("pages.css", "icon.svg")}
    pdf = await press(bytes(page.body).decode(), files, (f"evidence-{order_id}.json", made))
    name = {"Content-Disposition": f'attachment; filename="evidence-{order_id}.pdf"', "Cache-Control": "no-store"}
    return Response(pdf, headers=name, media_type="application/pdf")


async def _proof(request: Request, order_id: str) -> tuple[Response, bytes]:
    """Return the page, and the file that it shows; none where nobody may see it."""
    made = b""

    async def shown(session: Session) -> Mapping[str, Any]:
        nonlocal made
        made = await evidence_of(request, session.caller, order_id)
        file, pdf = json.loads(made), request.app.state.press is not None
        lacks = [f"{each}  ".split(" ")[:3] for each in file["account"]["missing"]]
        return {"file": file, "account": file["account"], "broken": _broken_link(file), "lacks": lacks, "pdf": pdf}

    return await behind_sign_in(request, "evidence.html", shown), made


def _broken_link(file: Mapping[str, Any]) -> str:
    """Return the first broken link of a file, and what is wrong with it; "" for a sound one."""
    try:
        verify(file)
    except (Broken, NotEvidence) as fault:
        return str(fault)
    return ""


async def evidence_of(request: Request, caller: ApiKey, order_id: str) -> bytes:
    """Return an order's evidence file, once it is recorded who asked for it. Raises OrderNotFound."""
    front = front_of(request)
    await front.ask(lambda engine: engine.evidence.note(visible(engine, order_id, caller), caller.name, caller.role))
    return await front.listed(lambda engine, _: encoded(engine.evidence.file(order_id, caller.name)), waits=True)
