"""What bars dialling a number, over HTTP. Refusals: add, import, list, lift; held replies: list, decide; whether a
number may be dialled. The marketing-free list: numbers that are not called to sell anything, open orders continue. Line
events: operations report an event of a number, as its network says it.
"""

import logging
from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import islice

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.http.bodies import MOST_LIST, read_json
from consent_engine.api.http.csv_bodies import numbers_in, read_csv
from consent_engine.api.http.problems import RefusalDamaged, RefusalNotFound, RegistrationNotFound
from consent_engine.api.http.queries import ListRefusals
from consent_engine.api.schemas import forms, lists
from consent_engine.api.schemas.calls import DialView
from consent_engine.api.schemas.views import AsOf, RefusalView, instant
from consent_engine.api.service.callers import ADMIN, AGENT_OR_OPS, FULL_NUMBERS, OPS, OPS_OR_AUDITOR
from consent_engine.api.service.service import front_of
from consent_engine.domain.days import millis
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.line.restriction import EVERY_CARRIER, Kind, name_of
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.engine import Engine
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import EventNotTaken, FieldError, Malformed, Refused
from consent_engine.ports import ApiKey, LiftResult
from consent_engine.ports.registry import Import

log = logging.getLogger(__name__)
operations = Operations("refusals", "/v1")
BATCH = 500
"""How many rows of a file are stored in one round trip."""


@operations.add(
    "POST", "/callable", AGENT_OR_OPS, "May a number be dialled?", DialView | list[DialView],
    body=forms.Dial | list[forms.Dial],
)  # fmt: skip
async def callable_(request: Request, _caller: ApiKey) -> bytes:
    """For one number, or a list of up to 1000, answered in order; with a plan: about that plan. Roles: agent, ops."""
    body = await read_json(request, MOST_LIST)
    if not isinstance(body, list):
        dial = forms.read(forms.Dial, body)
        return (await front_of(request).ask(lambda engine: _dial(engine, dial))).json_bytes()
    dials = forms.read_dials(body)
    views = await front_of(request).ask(lambda engine: forms.each_of(dials, lambda dial: _dial(engine, dial)))
    return b"[" + b",".join(each.json_bytes() for each in views) + b"]"


@operations.add(
    "POST", "/refusals", AGENT_OR_OPS, "Add a refusal", {201: RefusalView, 200: RefusalView}, body=forms.Refuse
)
async def refuse(request: Request, caller: ApiKey) -> Response:
    """This number is not called again, and its open orders are cancelled; with a plan, only for that plan; with
    `until`, only until then. 200 if the refusal existed already. It is kept also where only other fields are wrong: the
    answer says both (`refusals_kept`). Roles: agent, ops."""
    form, wrong = forms.read_refusal(forms.Refuse, await read_json(request))
    by = f"{caller.name}/{form.agent}" if form.agent else caller.name
    front, named = front_of(request), form.carrier.value if form.carrier else None
    if form.plan:
        plan = form.plan
        named = await front.ask(lambda engine: engine.catalogue.carrier_of(plan, named))
    until = form.ends_at(await front.now())
    asked = RefusalAsked(
        Msisdn(form.msisdn), named or EVERY_CARRIER, form.channel, by, form.call or "", form.plan or "", until
    )
    recorded = await front.refuse(asked)
    if wrong:
        raise wrong.beside(1)
    view = RefusalView(
        carrier=named, plan=form.plan, since=instant(recorded.at), until=instant(until) if until else None
    )
    return answered(view, 201 if recorded.is_new else 200)


@operations.add("GET", "/refusals", OPS_OR_AUDITOR, "List refusals", lists.RefusalList | lists.HeldList)
def list_(engine: Engine, caller: ApiKey, form: ListRefusals, as_of: AsOf) -> lists.HeldList | lists.RefusalList:
    """Newest first, a page at a time. `state=held`: replies that may be a refusal, as text without numbers, for a
    person to decide. Roles: ops and auditor (masked)."""
    cursor, whole = lists.from_address(form.cursor), caller.role in FULL_NUMBERS
    if form.state == "held":
        held, after = engine.held(cursor, form.limit)
        return lists.HeldList.shown(held=held, cursor=after, as_of=as_of)
    return lists.RefusalList.of(engine.refusals(cursor, form.limit), as_of, whole=whole)


@operations.add("POST", "/refusals/search", OPS_OR_AUDITOR, "List the refusals of a number")
def search(engine: Engine, caller: ApiKey, form: forms.SearchRefusals) -> lists.Restrictions:
    """The restrictions on dialling a number, newest first. The number is sent in the body, never in a URL. Roles: ops
    and auditor (masked)."""
    return lists.Restrictions.of(engine.line(Msisdn(form.msisdn)), whole=caller.role in FULL_NUMBERS)


@operations.add("POST", "/refusals/held", OPS, "Decide held replies")
def decide_held(engine: Engine, caller: ApiKey, form: forms.DecideHeld) -> lists.DecidedView:
    """Decide whether replies are refusals, up to 500 at once, one event each. A refusal cancels open orders and bars
    calls; a doubtful one cancels its order alone, unless `never_again` is true. Else the order continues, and `reason`
    says why it was none. The key or agent of the order may not decide. Role: ops."""
    decided = engine.decide_held(
        form.ids, refusal=form.refusal, by=caller.name, reason=form.reason or "", agent=caller.agent,
        never_again=form.never_again,
    )  # fmt: skip
    return lists.DecidedView.shown(decided)


@operations.add("POST", "/refusals/import", OPS, "Import refusals", body=openapi.CSV)
async def import_(request: Request, caller: ApiKey) -> lists.Imported:
    """CSV with the header `msisdn,carrier,channel` and optionally `ref`; an empty carrier: all. Up to 10000 rows and 2
    MiB. Wrong lines are reported; the others, and those whose number and carrier are right, are stored; the same file
    again is safe. Role: ops."""
    return await _imported(request, caller, Kind.REFUSED)


async def _imported(request: Request, caller: ApiKey, kind: Kind) -> lists.Imported:
    """Take the numbers of a file. Raises Malformed if the file as a whole cannot be read."""
    content, by = await read_csv(request), f"{caller.name}/import"
    digest = sha256(content).hexdigest()

    def taken(engine: Engine) -> lists.Imported:
        asked, wrong = numbers_in(content, by, kind, digest)
        new = stored(engine, asked, Import(engine.registry.now(), by, kind, digest, len(asked), len(wrong)))
        return lists.Imported(accepted=new, already=len(asked) - new, rejected=wrong)

    return await front_of(request).ask_long(taken)


def stored(
    engine: Engine, asked: Iterable[RefusalAsked], act: Import, say: Callable[[int], None] = lambda _done: None
) -> int:
    """Store the numbers of a file and return how many are new; that it begins and that it is done are acts for an
    audit. The same again stores none twice. say: is told how many are stored. Raises StoreUnavailable: those are.
    """
    engine.registry.imports.note(act)
    rows, done, new = iter(asked), 0, 0
    while part := [*islice(rows, BATCH)]:
        new += sum(each.is_new for each in engine.receive(part))
        done += len(part)
        say(done)
    engine.registry.imports.note(replace(act, at=engine.registry.now(), new=new))
    log.info("import of %s numbers: %d lines, %d new, file %s", act.kind, done, new, act.digest)
    return new


@operations.add("POST", "/refusals/lift", ADMIN, "Lift a refusal", problems=(RefusalNotFound, RefusalDamaged))
async def lift(request: Request, caller: ApiKey, form: forms.Lift) -> lists.Lifted:
    """On evidence of the subscriber's own act, which is kept; 404 `refusal_not_found` if there is none. Role: admin."""

    def name(engine: Engine) -> str:
        named = form.carrier.value if form.carrier else None
        carrier = engine.catalogue.carrier_of(form.plan, named) if form.plan else named or EVERY_CARRIER
        return name_of(Kind.REFUSED, carrier, form.plan or "")

    none = RefusalNotFound("no refusal of this number by this carrier stands")
    return await _lifted(request, caller, form, name, "before_the_refusal", none)


async def _lifted(
    request: Request,
    caller: ApiKey,
    form: forms.Lift | forms.Unregister,
    name: Callable[[Engine], str],
    before: str,
    none: Refused,
) -> lists.Lifted:
    """Lift the restriction of this name, on evidence of the subscriber's own act. Raises Malformed with the code
    `before` if the act is older than the restriction, RefusalDamaged if nobody can read since when it stands, and
    `none` if there is no such restriction.
    """
    act_at = form.evidence.acted_at(await front_of(request).now())
    found = await front_of(request).ask(
        lambda engine: engine.lift(
            Msisdn(form.msisdn), name(engine), caller.name, form.evidence.model_dump_json(), act_at
        )
    )
    if found is LiftResult.NEWER:
        raise Malformed([FieldError("evidence.at", before, "must not be before what it lifts")])
    if found is LiftResult.DAMAGED:
        raise RefusalDamaged("its record cannot be read: consent doctor --all --mend writes it anew, then lift it")
    if found is LiftResult.NONE:
        raise none
    return lists.Lifted(carrier=form.carrier and form.carrier.value, lifted=True)


def _dial(engine: Engine, dial: forms.Dial) -> DialView:
    answer = engine.dial(Msisdn(dial.msisdn), dial.carrier.value if dial.carrier else None, dial.plan)
    if answer.reason is None or answer.since is None:
        return DialView(callable=answer.callable)
    return DialView(callable=False, reason=answer.reason.value, since=instant(answer.since))


registrations = Operations("registrations", "/v1/registrations")


@registrations.add(
    "POST", "", AGENT_OR_OPS, "Add a marketing-free number", {201: RefusalView, 200: RefusalView}, body=forms.Register
)
async def register(request: Request, caller: ApiKey) -> Response:
    """This number gets no sales calls and no new orders; open orders continue. 200 if it was registered already. It is
    kept also where only other fields are wrong: the answer says both (`refusals_kept`). Roles: agent, ops."""
    form, wrong = forms.read_refusal(forms.Register, await read_json(request))
    named = form.carrier.value if form.carrier else None
    whose, kind = Msisdn(form.msisdn), Kind.MARKETING_FREE
    asked = RefusalAsked(whose, named or EVERY_CARRIER, form.channel, caller.name, kind=kind)
    recorded = await front_of(request).refuse(asked)
    if wrong:
        raise wrong.beside(1)
    view = RefusalView(carrier=named, since=instant(recorded.at))
    return answered(view, 201 if recorded.is_new else 200)


@registrations.add("POST", "/import", AGENT_OR_OPS, "Import marketing-free numbers", body=openapi.CSV)
async def registrations_import(request: Request, caller: ApiKey) -> lists.Imported:
    """CSV with the header `msisdn,carrier,channel` and optionally `ref`; an empty carrier: all. Up to 10000 rows and 2
    MiB. Wrong lines are reported; the others, and those whose number and carrier are right, are stored; the same file
    again is safe. Roles: agent, ops."""
    return await _imported(request, caller, Kind.MARKETING_FREE)


@registrations.add("POST", "/lift", ADMIN, "Lift a registration", problems=(RegistrationNotFound, RefusalDamaged))
async def registrations_lift(request: Request, caller: ApiKey, form: forms.Unregister) -> lists.Lifted:
    """On evidence of the subscriber's own act, which is kept; 404 `registration_not_found` if there is none. Role:
    admin."""
    name = name_of(Kind.MARKETING_FREE, form.carrier.value if form.carrier else EVERY_CARRIER)
    none = RegistrationNotFound("no registration of this number for this carrier stands")
    return await _lifted(request, caller, form, lambda _: name, "before_the_registration", none)


lines = Operations("lines", "/v1/lines")


@lines.add(
    "POST", "/events", OPS, "Report an event of a number", {201: lists.LineEventView, 200: lists.LineEventView},
    problems=(EventNotTaken,),
)  # fmt: skip
def tell(engine: Engine, caller: ApiKey, form: forms.TellLine) -> Response:
    """`assigned`, `released`: open orders end without an SMS, and an earlier yes no longer counts; `ported_out`: the
    same for that carrier's orders; `suspended`: nothing is activated until `resumed`; `ported_in`: only recorded.
    Events count by `at`, in whatever order they are reported; the same event again: 200. 409 `event_not_taken`: as many
    events of this number are kept as may be, and this one ends no orders. Role: ops."""
    carrier = form.carrier.value if form.carrier else ""
    asked = LineEventAsked(Msisdn(form.msisdn), LineEvent(form.event), millis(form.at), caller.name, carrier)
    recorded = engine.line_event(asked)
    event = recorded.happened
    view = lists.LineEventView(
        event=event.event, at=instant(event.on), recorded_at=instant(event.at), ended=event.ended
    )
    return answered(view, 201 if recorded.is_new else 200)
