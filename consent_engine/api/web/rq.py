"""/rq: RQ's own dashboard behind our sign-in. The roles of /ops may look; ops and admin may act, from its own pages.

The dashboard has no sign-in, no defence against other sites' forms, and inline scripts: all are handled here.
"""

# ruff: noqa: PLC0415 - the dashboard and Flask are loaded at its first visit: a fifteenth of an API's start

import re
import secrets
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from rq import serializers
from rq.serializers import JSONSerializer
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from consent_engine.adapters.rq_queue import connect_rq
from consent_engine.api.http.bodies import KIB, read_body
from consent_engine.api.http.problems import of_error
from consent_engine.api.service.sessions import SAFE, Session, Sessions
from consent_engine.api.web.rendering import MAY_OPEN, address_of, page
from consent_engine.api.web.words import HTML_LANG, LANGUAGES, language_of, words
from consent_engine.domain.roles import Role
from consent_engine.errors import ConsentError, Forbidden, Unauthenticated

if TYPE_CHECKING:
    from flask import Flask, Response

PREFIX = "/rq"
MAY_LOOK = MAY_OPEN[f"{PREFIX}/"]
MAY_ACT = frozenset({Role.OPS, Role.ADMIN})
CHANGES_BY_GET = re.compile(f"{PREFIX}/requeue/")
"""The dashboard's one address that changes something on GET."""
READ_ONLY = "HTTP_X_CONSENT_READ_ONLY"
THREADS = 4
WAY_BACK = '<p class="consent-engine" lang="{lang}"><a href="/">← {product}</a> · {own}</p>'
LANGUAGE = "HTTP_X_CONSENT_LANGUAGE"
_KEPT_BACK = frozenset({
    b"cookie", b"authorization", b"content-length", b"content-type", b"x-consent-read-only", b"x-consent-language",
})  # fmt: skip
"""Headers kept from the dashboard: credentials, our own marks, and those of a body, which it does not get."""
_SCRIPT = re.compile(r'<script(?=[ >])(?![^>]*(?:src=|type="text/template"))')


_NAMED = (
    (re.compile(r'<select(?= [^>]*id="rq-instances")'), '<select aria-label="Redis"'),
    (re.compile(r'(<(?:input|select)\b[^>]*?) title="([^"]+)"'), r'\1 title="\2" aria-label="\2"'),
    (
        re.compile(r'<div class="(table-responsive[^"]*)"'),
        r'<div class="\1" tabindex="0" role="region" aria-label="table"',
    ),
)
"""Names that the dashboard gives to eyes only: of form fields, and of tables that scroll by mouse only."""


def dashboard(rq_url: str) -> "Flask":
    """Make the dashboard for this Redis, on our own client, which speaks unix sockets too and shows no password."""
    import rq_dashboard  # type: ignore[import-untyped]
    from flask import Flask

    app = Flask("rq", static_folder=str(files("rq_dashboard") / "static"), static_url_path=f"{PREFIX}/files")
    app.config.update(
        RQ_DASHBOARD_REDIS_URL=("RQ",),  # shown on its pages, where the dashboard would show an address
        PROPAGATE_EXCEPTIONS=True,  # to our edge, which logs no message
        RQ_DASHBOARD_POLL_INTERVAL=2500,
    )
    app.redis_conn = connect_rq(rq_url)  # type: ignore[attr-defined] # where the dashboard looks for it
    app.register_blueprint(rq_dashboard.blueprint, url_prefix=PREFIX)
    # The dashboard's own hook would connect anew at every request, by an address that cannot be a socket's.
    app.before_request_funcs[rq_dashboard.blueprint.name] = []
    _read_as_json()
    rq_dashboard.web.config.serializer = JSONSerializer
    app.after_request(_under_policy)
    return app


def _read_as_json() -> None:
    """Have jobs read as JSON or not at all: RQ's default, pickle, would run code of a job's writer when a job is shown.
    We name our serializer everywhere, but the dashboard and RQ's own helpers use the default.
    """
    serializers.PickleSerializer = JSONSerializer  # type: ignore[assignment] # that is the point
    serializers.SERIALIZER_ALIASES["pickle"] = JSONSerializer


def _under_policy(response: "Response") -> "Response":
    """Let only the page's own scripts run, and hide what the caller's role may not do."""
    from flask import request

    if response.mimetype == "text/html":
        said = words(language := request.environ.get(LANGUAGE, LANGUAGES[0]))
        back = WAY_BACK.format(lang=HTML_LANG[language], product=said["product"], own=said["rq_own"])
        nonce = secrets.token_urlsafe(16)
        sheets = ["rq.css", *(["rq-read-only.css"] if request.environ.get(READ_ONLY) else [])]
        links = "".join(f'<link rel="stylesheet" href="{address_of(sheet)}">' for sheet in sheets)
        html = _SCRIPT.sub(f'<script nonce="{nonce}"', response.get_data(as_text=True))
        for where, named in _NAMED:
            html = where.sub(named, html)
        html = html.replace("</head>", f"{links}</head>", 1).replace("<body>", f"<body>{back}", 1)
        response.set_data(html)
        response.headers["Content-Security-Policy"] = (
            # The templates are compiled in the browser (underscore.js), and Bootstrap's pictures are data URLs.
            f"default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
            "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        response.headers["Referrer-Policy"] = "same-origin"
    return response


class Guarded:
    """The dashboard as an ASGI application that checks the caller."""

    def __init__(self, rq_url: str, sessions: Sessions) -> None:
        self._rq_url = rq_url
        self._app: Any = None
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Request(scope, receive)
        is_page = asked.method in SAFE and "/data/" not in asked.url.path
        try:
            session = await self._sessions.of(asked)
            if is_page and session.caller.role not in MAY_LOOK:
                needed = sorted(MAY_LOOK)
                await page(asked, "forbidden.html", session, HTTPStatus.FORBIDDEN, needed=needed)(scope, receive, send)
                return
            may_act = await self._check(asked, session)
        except Unauthenticated as error:
            away = RedirectResponse("/?next=/rq/", HTTPStatus.SEE_OTHER) if is_page else of_error(error)
            await away(scope, receive, send)
        except ConsentError as error:
            await of_error(error)(scope, receive, send)
        else:
            await self._serve(asked, send, may_act=may_act)

    async def _serve(self, asked: Request, send: Send, *, may_act: bool) -> None:
        # To WSGI, `_` and `-` in a header's name are the same.
        received = asked.scope["headers"]
        headers = [(name, value) for name, value in received if name.replace(b"_", b"-") not in _KEPT_BACK]
        headers.append((b"x-consent-language", language_of(asked).encode()))
        if not may_act:
            headers.append((b"x-consent-read-only", b"1"))
        self._app = self._app or await run_in_threadpool(_as_asgi, self._rq_url)
        await self._app({**asked.scope, "headers": headers, "root_path": ""}, _no_body, send)

    async def _check(self, asked: Request, session: Session) -> bool:
        """Whether the caller may act. Raises Forbidden, or an error of the body, if the request is not allowed."""
        if session.caller.role not in MAY_LOOK:
            raise Forbidden("the role of this key may not look at the queues")
        may_act = session.caller.role in MAY_ACT
        if asked.method not in SAFE:
            self._sessions.same_origin(asked)
            if not may_act:
                raise Forbidden("the role of this key may only look")
            await read_body(asked, KIB)
        elif CHANGES_BY_GET.match(asked.url.path):
            raise Forbidden("this changes something: only by POST, from the dashboard's own page")
        return may_act


def _as_asgi(rq_url: str) -> Any:  # noqa: ANN401 - its type is loaded with it
    from a2wsgi import WSGIMiddleware

    return WSGIMiddleware(cast(Any, dashboard(rq_url)), workers=THREADS)  # Flask types its environ as a plain dict


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def routes(rq_url: str, sessions: Sessions) -> list[Route]:
    """Return the routes of everything below /rq."""
    return [Route(PREFIX, _to_its_start), Route(PREFIX + "/{rest:path}", Guarded(rq_url, sessions))]


async def _to_its_start(_request: Request) -> RedirectResponse:
    return RedirectResponse(f"{PREFIX}/")
