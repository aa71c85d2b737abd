"""/reports: reports of subscribers, the next due first; one report with all facts for its decision, and the SMS that
its reporter gets. Decisions go through the API like those of any other client.
"""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations, visitor_of
from consent_engine.api.http.queries import Waits
from consent_engine.api.schemas.report_around import AroundView, DueList
from consent_engine.api.service.service import front_of
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.api.web.rendering import MAY_OPEN
from consent_engine.domain.call.report import PASSED_ON, ReportClass
from consent_engine.ports import ApiKey

operations = Operations(whose=visitor_of)
MOST_SHOWN = 50


@operations.add("GET", "/reports", PUBLIC)
async def reports(request: Request) -> Response:
    """For operations; auditors may read."""
    classes = [each.value for each in ReportClass]
    return await behind_sign_in(request, "reported.html", classes=classes, of_others=sorted(PASSED_ON))


@operations.add("GET", "/reports/due", MAY_OPEN["/reports"])
async def due(request: Request, _caller: ApiKey, form: Waits) -> DueList:
    """The open reports, the next due first. Roles: ops, auditor (masked)."""
    days = front_of(request).days
    return await front_of(request).listed(
        lambda engine, as_of: DueList.of(engine.reports.due(MOST_SHOWN), days, as_of), waits=form.wait
    )


@operations.add("GET", "/reports/around/{report_id}", MAY_OPEN["/reports"])
async def around(request: Request, _caller: ApiKey, report_id: str) -> AroundView:
    """The page's data for one report. Roles: ops, auditor (masked). Raises ReportNotFound."""
    days = front_of(request).days
    return await front_of(request).ask(lambda engine: AroundView.of(engine.reports.around(report_id), days))
