"""Reports of calls over HTTP: make, import, list and decide them."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import KEY, PUBLIC, Operations, answered, caller_of
from consent_engine.api.http.bodies import is_json, read_json
from consent_engine.api.http.csv_bodies import read_csv, refusal_in, reports_in
from consent_engine.api.http.queries import ListReports
from consent_engine.api.routes.refusals import BATCH
from consent_engine.api.schemas.forms import read
from consent_engine.api.schemas.lists import Imported
from consent_engine.api.schemas.reports import CodeSent, ReportList, ReportReceipt, ReportView
from consent_engine.api.schemas.views import AsOf
from consent_engine.api.service.brakes import send_code
from consent_engine.api.service.callers import AGENT_OR_OPS, FULL_NUMBERS, OPS, OPS_OR_AUDITOR
from consent_engine.api.service.service import Front, front_of
from consent_engine.domain.admission.report_request import PUBLIC as PUBLIC_DOOR
from consent_engine.domain.admission.report_request import (
    AskCode,
    DecideReport,
    Heard,
    MakeReport,
    ReportDecision,
    ReportMade,
)
from consent_engine.domain.call.call import ReportDecided, ReportMismatch, RewardNotDue
from consent_engine.domain.call.report import Report
from consent_engine.domain.days import Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.proof_code import MINUTES, CodeAsked, CodesUsedUp, CodeWrong, TooManyCodes
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.errors import ConsentError, Forbidden, Malformed, Unauthenticated
from consent_engine.ports import ApiKey, ReportFilter

operations = Operations("reports", "/v1/reports", ("", KEY))
public = Operations("reports", "/v1/reports")


@operations.add(
    "POST", "", PUBLIC, "Report a call", {201: ReportView | ReportReceipt, 200: ReportView | ReportReceipt},
    problems=(Unauthenticated, Forbidden, CodeWrong), body=MakeReport,
)  # fmt: skip
async def make(request: Request) -> Response:
    """Report a call for a subscriber, by the hotline or another channel. A report is also a refusal, in force
    once this is answered; with a key also where the call is described wrongly (`refusals_kept`). The answer proposes a
    class for the call, with reasons. The same number, carrier, calling number and instant again return the same report
    (200). With the code sent to the number no key is needed, and the answer is a receipt. Roles: agent, ops."""
    keyless = "authorization" not in request.headers and is_json(request.headers.get("content-type", ""))
    body = await read_json(request) if keyless else None
    is_public = isinstance(body, dict) and "code" in body
    caller = None if is_public else await caller_of(request, AGENT_OR_OPS)
    body = await read_json(request) if body is None else body
    try:
        form = read(MakeReport, body)
    except Malformed as wrong:
        raise wrong.beside(0 if caller is None else await _refusal_kept(front_of(request), body, caller.name)) from None
    made = ReportMade(PUBLIC_DOOR if caller is None else caller.name, form, proven=caller is None)

    def record(engine: Engine) -> tuple[Report, bool]:
        if made.proven:
            engine.reports.prove(made.msisdn, form.code or "", form.ticket)
        done = engine.reports.record(made)
        return done.report, done.is_new

    report, is_new = await front_of(request).ask(record)
    if caller is None:
        return answered(ReportReceipt.of(report, front_of(request).days), 201 if is_new else 200)
    view = _view(report, front_of(request).days, report.received.received_at, caller)
    return answered(view, 201 if is_new else 200, {"Location": f"/v1/reports/{report.id}"})


async def _refusal_kept(front: Front, body: object, by: str) -> int:
    """Keep the refusal in a report whose call cannot be read; 0 where it does not say who refuses whose calls."""
    try:
        refused = refusal_in(read(Heard, body), by)
    except Malformed:
        return 0
    await front.refuse(refused)
    return 1


@public.add(
    "POST", "/code", PUBLIC, "Send a code to a reporter's number", {202: CodeSent}, problems=(TooManyCodes, CodesUsedUp)
)
async def code(request: Request, form: AskCode) -> Response:
    """Send a code to the number whose holder wants to report a call. One a minute and five a day to a number; ten in
    ten minutes from an address, in each process; `CONSENT_REPORT_CODES` an hour to all numbers, of which each network
    has a share. The ticket, sent along with the code, keeps others from using up its five tries. Needs no key; the
    hotline takes reports without a code."""
    ticket = await send_code(request, CodeAsked(Msisdn(form.msisdn), form.carrier.value, form.language))
    return answered(CodeSent(minutes=MINUTES, ticket=ticket), 202)


@operations.add("GET", "", OPS_OR_AUDITOR, "List reports")
def list_(engine: Engine, caller: ApiKey, form: ListReports, as_of: AsOf) -> ReportList:
    """Newest first, a page at a time. With a filter that few reports match, pages may be short and still have a cursor.
    Roles: ops and auditor (masked)."""
    wanted = ReportFilter(
        form.state, form.channel, form.class_, form.carrier.value if form.carrier else None,
        overdue_at=engine.registry.now() if form.overdue else None, reward=form.reward,
    )  # fmt: skip
    page = engine.reports.page(wanted, form.cursor, form.limit)
    return ReportList.of(page, engine.reports.terms.days, as_of, whole=caller.role in FULL_NUMBERS)


@operations.add("POST", "/import", OPS, "Import reports", body=openapi.CSV_OF_REPORTS)
async def import_(request: Request, caller: ApiKey) -> Imported:
    """CSV of reports that 12321 forwards: `msisdn,carrier,caller_number,called_at` and optionally `what`, `channel`,
    `ref`, `reported_at`. Up to 10000 rows and 2 MiB. Wrong lines are reported, and their refusals kept; the others are
    stored; sending the same file again is safe. Role: ops."""
    content = await read_csv(request)

    def stored(engine: Engine) -> Imported:
        made, lines, wrong, refusals = reports_in(content, f"{caller.name}/import")
        for first in range(0, len(refusals), BATCH):
            engine.receive(refusals[first : first + BATCH])
        done = engine.reports.record_many(made)
        refused = [
            (line, f"line {line}: {each.code}: {each}")
            for line, each in zip(lines, done, strict=True)
            if isinstance(each, ConsentError)
        ]
        rejected = [text for _, text in sorted([*wrong, *refused])]
        outcomes = [each for each in done if not isinstance(each, ConsentError)]
        accepted = sum(each.is_new for each in outcomes)
        return Imported(accepted=accepted, already=len(outcomes) - accepted, rejected=rejected)

    return await front_of(request).ask_long(stored)


@operations.add("GET", "/{report_id}", OPS_OR_AUDITOR, "Show a report")
def show(engine: Engine, caller: ApiKey, report_id: str) -> ReportView:
    """The report with its decision. Roles: ops and auditor (masked)."""
    report, now = engine.reports.show(report_id)
    return _view(report, engine.reports.terms.days, now, caller)


@operations.add(
    "POST", "/{report_id}/decide", OPS, "Decide a report",
    problems=(ReportDecided, ReportMismatch, RewardNotDue),
)  # fmt: skip
def decide(engine: Engine, caller: ApiKey, form: DecideReport, report_id: str) -> ReportView:
    """Decide the class of the call and the reward; the reporter gets an SMS. Later `granted` and `paid`. Repeating a
    decision changes nothing; another class is 409 `already_decided`, a reward that is not due 409 `reward_not_due`.
    Role: ops."""
    decided = engine.reports.decide(ReportDecision(report_id, caller.name, form))
    return _view(decided.report, engine.reports.terms.days, engine.registry.now(), caller)


def _view(report: Report, days: Days, now: Millis, caller: ApiKey) -> ReportView:
    whole = caller.role in FULL_NUMBERS and (caller.role != Role.AGENT or report.received.by == caller.name)
    return ReportView.of(report, now, days, whole=whole)


operations.routes.extend(public.routes)
