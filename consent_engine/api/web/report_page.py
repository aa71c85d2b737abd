"""The page on which a subscriber reports a call: Chinese first, no script, no sign-in; a code proves the number.

A number is never in a URL: the form is posted, and the answer is the form with its entries.
"""

from collections.abc import Mapping
from datetime import time
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.bodies import KIB
from consent_engine.api.schemas.forms import read
from consent_engine.api.schemas.reports import ReportReceipt
from consent_engine.api.service.brakes import send_code
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import Sessions
from consent_engine.api.web.rendering import WRONG, form_page, posted_form, wrong
from consent_engine.api.web.words import LANGUAGES, language_of
from consent_engine.domain.admission.report_request import PUBLIC as PUBLIC_DOOR
from consent_engine.domain.admission.report_request import AskCode, MakeReport, ReportMade
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import Days
from consent_engine.domain.line.proof_code import CodeAsked, TooManyCodes
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.engine import Engine
from consent_engine.errors import FieldError, Malformed

operations = Operations()
FIELDS = ("msisdn", "carrier", "caller_number", "day", "time", "what", "code", "language", "ticket")
MOST_POSTED = 16 * KIB
_LABELS = {"called_at": "day", "caller_number": "caller_number"}


@operations.add("GET", "/report", PUBLIC)
async def report(request: Request) -> Response:
    return _page(request, dict.fromkeys(FIELDS, "") | {"language": language_of(request)})


@operations.add("POST", "/report", PUBLIC)
async def posted(request: Request) -> Response:
    """Send a code or take the report; on an error, show the form with the error."""
    form, step = await _form(request)
    sessions: Sessions = request.app.state.sessions
    try:
        sessions.same_origin(request)
        if step == "report":
            return _page(request, form, receipt=await _recorded(request, form))
        if step == "code":
            form["ticket"] = await _sent(request, form)
        return _page(request, form, asks_code=True, sent=step == "code")
    except Malformed as error:
        return _page(request, form, HTTPStatus.UNPROCESSABLE_ENTITY, wrong=error.errors, asks_code=bool(form["code"]))
    except tuple(WRONG) as error:
        said, status = wrong(error)
        return _page(request, form, status, said, asks_code=step != "code" or isinstance(error, TooManyCodes))


async def _recorded(request: Request, form: Mapping[str, str]) -> ReportReceipt:
    """Take the report. Raises Malformed, CodeWrong and StoreUnavailable."""
    asked = _asked(form, front_of(request).days)
    made = ReportMade(PUBLIC_DOOR, asked, proven=True)

    def record(engine: Engine) -> ReportReceipt:
        engine.reports.prove(made.msisdn, form["code"], form["ticket"])
        return ReportReceipt.of(engine.reports.record(made).report, engine.reports.terms.days)

    return await front_of(request).ask(record)


async def _sent(request: Request, form: Mapping[str, str]) -> str:
    """Send a code, once the rest of the form is valid; return the caller's ticket. Raises Malformed, TooManyCodes and
    StoreUnavailable.
    """
    made = ReportMade(PUBLIC_DOOR, _asked(form, front_of(request).days), proven=True)
    made.check(await front_of(request).now())
    asked = read(AskCode, {name: form[name] for name in ("msisdn", "carrier", "language")})
    return await send_code(request, CodeAsked(Msisdn(asked.msisdn), asked.carrier.value, asked.language))


def _asked(form: Mapping[str, str], days: Days) -> MakeReport:
    """Read the report from a form. Raises Malformed."""
    fields = {name: form[name] for name in ("msisdn", "carrier", "caller_number", "what", "language")}
    return read(MakeReport, {**fields, "called_at": _instant(form["day"], form["time"], days)})


def _instant(day: str, clock: str, days: Days) -> str:
    """Return the instant of a day and a time in the business's time zone; '' if they are not valid."""
    time = _clock(clock)
    try:
        return days.at(days.begins(day) + (time.hour * 60 + time.minute) * 60_000).isoformat() if time else ""
    except (ValueError, OverflowError):
        return ""


def _clock(said: str) -> time | None:
    try:
        hours, minutes = said.split(":")[:2]
        return time(int(hours), int(minutes))
    except ValueError:
        return None


async def _form(request: Request) -> tuple[dict[str, str], str]:
    fields = await posted_form(request, MOST_POSTED, 20)
    form = {name: fields.get(name, "")[:1000] for name in FIELDS}
    return {**form, "language": form["language"] or language_of(request)}, fields.get("step", "")


def _named(form: Mapping[str, str], wrong: tuple[FieldError, ...]) -> list[str]:
    """Name the wrong fields as the page names them. If only the instant's time is none, that is the time field."""
    labels = {**_LABELS, "called_at": "time" if form["day"] and _clock(form["time"]) is None else "day"}
    names = {labels.get(each.field, each.field) for each in wrong}
    return [name for name in FIELDS if name in names]


def _page(
    request: Request, form: Mapping[str, str], status: int = HTTPStatus.OK, said: str = "", *,
    wrong: tuple[FieldError, ...] = (), asks_code: bool = False, sent: bool = False,
    receipt: ReportReceipt | None = None,
) -> HTMLResponse:  # fmt: skip
    """Return the page. asks_code: it has a field for the code · sent: a code was sent just now"""
    names = _named(form, wrong)
    values: dict[str, Any] = {"form": form, "wrong": names, "asks_code": asks_code, "sent": sent, "receipt": receipt}
    asked = [known] if (known := CARRIERS.get(form["carrier"])) else CARRIERS.values()
    return form_page(
        request, "report.html", ("tariffs.css", "report.css"), status, said, " / ".join(each.hotline for each in asked),
        carriers=list(CARRIERS), languages=LANGUAGES, **values,
    )  # fmt: skip
