"""/reports: what subscribers reported, the next due first; one report with all that decides it, and what its reporter
reads. Decisions go through the API as anybody else's.
"""

import re

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.schemas.report_around import AroundView, DueList
from consent_engine.api.service.service import front_of
from consent_engine.api.web.board import caller_of
from consent_engine.api.web.pages import behind_sign_in
from consent_engine.api.web.rendering import MAY_OPEN
from consent_engine.domain.call.errors import ReportNotFound
from consent_engine.domain.call.report import OF_OTHERS, ReportClass
from consent_engine.engine.engine import Engine

operations = Operations()
REPORT = re.compile("[0-9a-f]{28}")
MOST_SHOWN = 50


@operations.add("GET", "/reports", PUBLIC)
async def reports(request: Request) -> Response:
    """For operations; auditors read."""
    classes = [each.value for each in ReportClass]
    return await behind_sign_in(request, "reported.html", classes=classes, of_others=sorted(OF_OTHERS))


@operations.add("GET", "/reports/due", PUBLIC)
async def due(request: Request) -> Response:
    """The open reports, the next due first. Roles: ops, auditor (masked)."""
    await caller_of(request, MAY_OPEN["/reports"])
    return Response(await front_of(request).ask(look_due), media_type="application/json")


def look_due(engine: Engine) -> bytes:
    """The list."""
    return DueList.of(engine.reports.due(MOST_SHOWN), engine.reports.terms.days).json_bytes()


@operations.add("GET", "/reports/around/{report_id}", PUBLIC)
async def around(request: Request, report_id: str) -> Response:
    """What the page shows of a report. Roles: ops, auditor (masked). Raises ReportNotFound."""
    await caller_of(request, MAY_OPEN["/reports"])
    if not REPORT.fullmatch(report_id):
        raise ReportNotFound("no such report")
    days = front_of(request).days
    shown = await front_of(request).ask(
        lambda engine: AroundView.of(engine.reports.around(report_id), days).json_bytes()
    )
    return Response(shown, media_type="application/json")
