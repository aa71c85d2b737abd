"""The pages: sign-in, start, /ops, /desk, /help. They read and act through the API, with the session's cookie."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.bodies import KIB
from consent_engine.api.service.sessions import Session, Sessions, TooManySignIns
from consent_engine.api.web.news import banner
from consent_engine.api.web.rendering import FIGURES, HEADERS, page, posted_form, served, whose, wrong
from consent_engine.api.web.words import LANGUAGES, language_of
from consent_engine.config.environment import read_yaml
from consent_engine.domain.call.call import CallOutcome
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.lifecycle import ENGAGED, SETTLED, STAGES, TRANSITIONS, State, Trigger, sources
from consent_engine.domain.roles import Role
from consent_engine.errors import ConsentError, Forbidden, OrderNotFound, StoreUnavailable, Unauthenticated

operations = Operations()
MOST_SIGN_IN = 4 * KIB
ALARMS = frozenset(
    {
        Trigger.PARKED, Trigger.CONFIRMATION_FAILED, Trigger.ACTIVATION_REFUSED, Trigger.NOTIFICATION_FAILED,
        Trigger.NOT_INFORMED,
    }
)  # fmt: skip
"""Triggers that tell of a failure at a gateway or the BSS."""
LIFECYCLE = {
    "steps": ["call_agreed", *dict.fromkeys(STAGES.values())],
    "settled": sorted(SETTLED),
    "failed": sorted(SETTLED - ENGAGED),
    "broken": sorted({target for trigger, _, target in TRANSITIONS if trigger in ALARMS} & SETTLED),
    "cancellable": sorted(sources(Trigger.CANCELLED)),
    "waiting": sorted(sources(Trigger.SAID_YES)),
    "alarms": sorted(ALARMS),
}
"""The lifecycle as the pages' scripts need it."""


def sessions_of(request: Request) -> Sessions:
    found: Sessions = request.app.state.sessions
    return found


async def signed_in(request: Request) -> Session | None:
    """Return the visitor's session; None if nobody is signed in."""
    try:
        return await sessions_of(request).of(request)
    except Unauthenticated:
        return None


@operations.add("GET", "/", PUBLIC)
async def start(request: Request) -> Response:
    """The pages that this visitor may open; the sign-in for a visitor without a session."""
    session = await signed_in(request)
    if session is None:
        return sign_in_page(request)
    return page(request, "start.html", session, banner=await banner(request))


@operations.add("POST", "/sign-in", PUBLIC)
async def sign_in(request: Request) -> Response:
    """Take a key and open a session."""
    form = await posted_form(request, MOST_SIGN_IN, 10)
    to = wanted_page(form.get("next", "/"))
    answer = RedirectResponse(to, HTTPStatus.SEE_OTHER)
    try:
        await sessions_of(request).open(request, answer, form.get("key", "").strip())
    except (Unauthenticated, Forbidden, TooManySignIns, StoreUnavailable) as error:
        return sign_in_page(request, error, to)
    return answer


@operations.add("POST", "/sign-out", PUBLIC)
async def sign_out(request: Request) -> Response:
    """Close the session."""
    form = await posted_form(request, MOST_SIGN_IN, 10)
    sessions = sessions_of(request)
    answer: Response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    try:
        session = await signed_in(request)
        if session is not None:
            sessions.check(request, session, form.get("csrf", ""))
            await sessions.close(request, answer, session)
    except StoreUnavailable as error:  # this browser's cookie goes all the same: a copy of it is good once the store is
        sessions.same_origin(request)
        answer = sign_in_page(request, error, "/")
        sessions.forget(request, answer)
    return answer


@operations.add("GET", "/ops", PUBLIC)
async def ops(request: Request) -> Response:
    return await behind_sign_in(request, "ops.html", states=[state.value for state in State], carriers=list(CARRIERS))


@operations.add("GET", "/desk", PUBLIC)
async def desk(request: Request) -> Response:
    carriers = {
        name: {"called": each.name, "outbound": each.outbound, "hotline": each.hotline}
        for name, each in CARRIERS.items()
    }
    most, outcomes = request.app.state.resend_max, [each.value for each in CallOutcome]

    async def of_key(session: Session) -> Mapping[str, Any]:
        return {"agent": session.caller.agent}

    return await behind_sign_in(
        request,
        "desk.html",
        of_key,
        resend_max=most,
        carriers=carriers,
        outcomes=outcomes,
        handset=request.app.state.handset,
        figures=list(FIGURES),
    )


@operations.add("GET", "/assets/{folder}/{name}", PUBLIC)
async def assets(request: Request, folder: str, name: str) -> Response:
    return served(request, folder, name)


async def behind_sign_in(
    request: Request, name: str, more: Callable[[Session], Awaitable[Mapping[str, Any]]] | None = None,
    **values: Any,  # noqa: ANN401 - for templates
) -> Response:  # fmt: skip
    """Answer with a page if the visitor is signed in and may open it, else with the sign-in or a refusal. more: looks
    up the data for this session; OrderNotFound becomes a page that says so.
    """
    path = request.url.path
    session = await signed_in(request)
    if session is None:
        # Links from other sites come without our cookie (SameSite=Strict); a reload from our own page sends it.
        if request.headers.get("sec-fetch-site") == "cross-site":
            return HTMLResponse(f'<!doctype html><meta http-equiv="refresh" content="0;url={path}">', headers=HEADERS)
        return RedirectResponse(f"/?next={quote(path, safe='')}", HTTPStatus.SEE_OTHER)
    if session.caller.role not in whose(path):
        return page(request, "forbidden.html", session, HTTPStatus.FORBIDDEN, needed=sorted(whose(path)))
    lines = await banner(request)
    try:
        shown = {**values, **(await more(session) if more else {})}
    except OrderNotFound:
        return page(request, "missing.html", session, HTTPStatus.NOT_FOUND, lines, said="problem.order_not_found")
    return page(request, name, session, banner=lines, lifecycle=LIFECYCLE, **shown)


def sign_in_page(request: Request, error: ConsentError | None = None, to: str = "") -> Response:
    """Return the sign-in page with its error, if any. to: the page it leads to."""
    said, status = wrong(error)
    to = to or wanted_page(request.query_params.get("next", "/"))
    answer = page(request, "sign_in.html", None, status, wrong=said, next=to, provider=request.app.state.has_provider)
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        answer.headers["Retry-After"] = "60" if status == HTTPStatus.TOO_MANY_REQUESTS else "1"
    return answer


def wanted_page(path: str) -> str:
    """Return the page to open after the sign-in: one of the application's pages, else `/`."""
    return path if whose(path) else "/"


@operations.add("GET", "/help", PUBLIC)
async def help_page(request: Request) -> Response:
    """The visitor's own role; an admin sees all of them."""

    async def of_role(session: Session) -> Mapping[str, object]:
        own = session.caller.role
        pages = help_lines(language_of(request))
        return {"told": pages if own == Role.ADMIN else {own: pages[own]}}

    return await behind_sign_in(request, "help.html", of_role)


@cache
def help_lines(language: str) -> Mapping[str, Sequence[str]]:
    file = read_yaml((files("consent_engine.api") / "pages" / "help.yaml").read_text("utf-8"))
    column = LANGUAGES.index(language)
    return {role: [line[column] for line in rows] for role, rows in file.items()}
