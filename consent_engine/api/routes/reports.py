"""Reports of calls over HTTP: made, imported, listed, decided."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import KEY, PUBLIC, Operations, caller_of
from consent_engine.api.http.bodies import is_json, read_json
from consent_engine.api.http.csv_bodies import read_csv
from consent_engine.api.http.csv_reports import reports_in
from consent_engine.api.http.queries import ListReports, read_query
from consent_engine.api.routes.orders import ID
from consent_engine.api.schemas.forms import read
from consent_engine.api.schemas.lists import Imported
from consent_engine.api.schemas.reports import CodeSent, ReportList, ReportReceipt, ReportView
from consent_engine.api.service.callers import AGENT_OR_OPS, FULL_NUMBERS, OPS, OPS_OR_AUDITOR
from consent_engine.api.service.sent_codes import send_code
from consent_engine.api.service.service import front_of
from consent_engine.domain.admission.report_request import (
    PUBLIC as PUBLIC_DOOR,
)
from consent_engine.domain.admission.report_request import (
    AskCode,
    DecideReport,
    MakeReport,
    ReportDecision,
    ReportMade,
)
from consent_engine.domain.call.errors import ReportNotFound
from consent_engine.domain.call.report import Report, ReportClass, ReportDoor, ReportState, Reward
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.proof_code import MINUTES
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.engine.report_code import CodeAsked
from consent_engine.errors import ConsentError
from consent_engine.ports import ApiKey, ReportFilter

operations = Operations("reports", "/v1/reports", ("", KEY))
public = Operations("reports", "/v1/reports")


@operations.add(
    "POST",
    "",
    PUBLIC,
    "Report a call",
    answers={201: ReportView | ReportReceipt, 200: ReportView | ReportReceipt},
    problems=(401, 403, 413, 415, 422, 503),
    takes=openapi.body("MakeReport"),
)
async def make(request: Request) -> Response:
    """A subscriber reports a call, by the hotline or another door of ours: it is a refusal too, which is in force when
    this is answered. What the call seems to be is in the answer, with reasons. The same number, carrier, calling number
    and instant again are the same report (200). With the code that was sent to the number no key is needed, and the
    answer is a receipt. Roles: agent, ops."""
    keyless = "authorization" not in request.headers and is_json(request.headers.get("content-type", ""))
    body = await read_json(request) if keyless else None
    is_public = isinstance(body, dict) and "code" in body
    caller = None if is_public else await caller_of(request, AGENT_OR_OPS)
    form = read(MakeReport, await read_json(request) if body is None else body)
    made = ReportMade(PUBLIC_DOOR if caller is None else caller.name, form, proven=caller is None)

    def taken(engine: Engine) -> tuple[Report, bool]:
        if made.proven:
            engine.reports.prove(made.msisdn, form.code or "", form.ticket)
        done = engine.reports.take(made)
        return done.report, done.is_new

    report, is_new = await front_of(request).ask(taken)
    if caller is None:
        receipt = ReportReceipt.of(report, front_of(request).days)
        return Response(receipt.json_bytes(), 201 if is_new else 200, media_type="application/json")
    headers = {"Location": f"/v1/reports/{report.id}"}
    return _shown(request, report, report.received.received_at, caller, 201 if is_new else 200, headers)


@public.add(
    "POST",
    "/code",
    PUBLIC,
    "Send a code to who reports",
    answers={202: CodeSent},
    problems=(413, 415, 422, 429, 503),
    takes=openapi.body("AskCode"),
)
async def code(request: Request) -> Response:
    """Send a code to the number that somebody wants to report from. One a minute and five a day to a number; ten in ten
    minutes from an address, in each process; `CONSENT_REPORT_CODES` an hour to all numbers, of which a network has a
    share. The ticket, sent along with the code, keeps others from using up its five tries. Needs no key; the hotline
    takes reports without a code."""
    form = read(AskCode, await read_json(request))
    ticket = await send_code(request, CodeAsked(Msisdn(form.msisdn), form.carrier.value, form.language))
    return Response(CodeSent(minutes=MINUTES, ticket=ticket).json_bytes(), 202, media_type="application/json")


@operations.add(
    "GET",
    "",
    OPS_OR_AUDITOR,
    "List reports",
    answers={200: ReportList},
    problems=(401, 403, 422, 503),
    takes=openapi.query(ListReports),
)
async def list_(request: Request, caller: ApiKey) -> Response:
    """Newest first, a page at a time. A filter that fits few gives short pages with a cursor. Roles: ops and
    auditor (masked)."""
    form = read_query(ListReports, request)
    whole = caller.role in FULL_NUMBERS
    wanted = ReportFilter(
        ReportState(form.state) if form.state else None,
        ReportDoor(form.channel) if form.channel else None,
        ReportClass(form.class_) if form.class_ else None,
        form.carrier.value if form.carrier else None,
        overdue_at=await front_of(request).now() if form.overdue else None,
        reward=Reward(form.reward) if form.reward else None,
    )

    def listed(engine: Engine) -> bytes:
        page = engine.reports.page(wanted, form.cursor, form.limit)
        return ReportList.of(page.reports, page.cursor, page.now, engine.reports.terms.days, whole=whole).json_bytes()

    return Response(await front_of(request).ask(listed), media_type="application/json")


@operations.add(
    "POST",
    "/import",
    OPS,
    "Import reports",
    answers={200: Imported},
    problems=(401, 403, 413, 415, 422, 503),
    takes=openapi.CSV_OF_REPORTS,
)
async def import_(request: Request, caller: ApiKey) -> Response:
    """CSV of what 12321 forwards: `msisdn,carrier,caller_number,called_at` and, if wanted, `what`, `channel`, `ref`,
    `reported_at`. Up to 10000 rows and 2 MiB. A line that is wrong is named, the rest is in; the same file again is
    safe. Role: ops."""
    content = await read_csv(request)

    def stored(engine: Engine) -> Imported:
        made, lines, wrong = reports_in(content, f"{caller.name}/import")
        done = engine.reports.take_many(made)
        refused = [
            (line, f"line {line}: {each.code}: {each}")
            for line, each in zip(lines, done, strict=True)
            if isinstance(each, ConsentError)
        ]
        rejected = [text for _, text in sorted([*wrong, *refused])]
        taken = [each for each in done if not isinstance(each, ConsentError)]
        accepted = sum(each.is_new for each in taken)
        return Imported(accepted=accepted, already=len(taken) - accepted, rejected=rejected)

    view = await front_of(request).ask_long(stored)
    return Response(view.json_bytes(), media_type="application/json")


@operations.add(
    "GET",
    "/{report_id}",
    OPS_OR_AUDITOR,
    "Show a report",
    answers={200: ReportView},
    problems=(401, 403, 404, 503),
)
async def show(request: Request, caller: ApiKey, report_id: str) -> Response:
    """The report, with what was decided. Roles: ops and auditor (masked)."""
    _check_id(report_id)
    report, now = await front_of(request).ask(lambda engine: engine.reports.show(report_id))
    return _shown(request, report, now, caller)


@operations.add(
    "POST",
    "/{report_id}/decide",
    OPS,
    "Decide a report",
    answers={200: ReportView},
    problems=(401, 403, 404, 409, 413, 415, 422, 503),
    takes=openapi.body("DecideReport"),
)
async def decide(request: Request, caller: ApiKey, report_id: str) -> Response:
    """What it was, and what becomes of its reward; the reporter is told by SMS. Later `granted` and `paid`. The same
    again changes nothing; another class is 409 `already_decided`, a reward that is not due 409 `reward_not_due`. Role:
    ops."""
    _check_id(report_id)
    wanted = ReportDecision(report_id, caller.name, read(DecideReport, await read_json(request)))
    taken = await front_of(request).ask(lambda engine: engine.reports.decide(wanted))
    return _shown(request, taken.report, await front_of(request).now(), caller)


def _check_id(report_id: str) -> None:
    """Raise ReportNotFound for what can be no id, before the store is asked."""
    if not ID.fullmatch(report_id):
        raise ReportNotFound("no such report")


def _shown(
    request: Request, report: Report, now: Millis, caller: ApiKey, status: int = 200, to: dict[str, str] | None = None
) -> Response:
    whole = caller.role in FULL_NUMBERS and (caller.role != Role.AGENT or report.received.by == caller.name)
    view = ReportView.of(report, now, front_of(request).days, whole=whole)
    return Response(view.json_bytes(), status, to, "application/json")


operations.routes.extend(public.routes)
