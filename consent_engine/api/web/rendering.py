"""Rendering: templates to HTML under a strict policy; style sheets and scripts of pages. Everything is escaped."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from consent_engine.api.schemas.pauses import PauseRow
from consent_engine.api.service.callers import ORDER_READER
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import Session
from consent_engine.api.web.scripts import OneScript, joined, name_of
from consent_engine.api.web.words import HTML_LANG, LANGUAGES, YEAR_S, keeping_language, language_of, words
from consent_engine.domain.days import Days
from consent_engine.domain.roles import Role
from consent_engine.errors import OrderNotFound

KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_PAGES = files("consent_engine.api") / "pages"
ASSETS = frozenset(each.name for each in _PAGES.iterdir() if each.name.rpartition(".")[2] in KINDS)
"""The files that pages load: every file of these kinds in their folder."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    # Without any referrer, browsers hide the origin of forms, too, and that is checked.
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, Accept-Language",
}
MAY_OPEN: dict[str, frozenset[Role]] = {
    "/desk": frozenset({Role.AGENT, Role.ADMIN}),
    "/ops": frozenset({Role.OPS, Role.AUDITOR, Role.ADMIN}),
    "/review": frozenset({Role.REVIEWER, Role.ADMIN}),
    "/reports": frozenset({Role.OPS, Role.AUDITOR, Role.ADMIN}),
    "/audit": frozenset({Role.AUDITOR, Role.ADMIN}),
    "/help": frozenset(Role),
    "/rq/": frozenset({Role.OPS, Role.AUDITOR, Role.ADMIN}),
}
"""The pages behind the sign-in, and the roles that may open them."""
OF_AN_ORDER = re.compile("/orders/[0-9a-f]{28}")


def whose(path: str) -> frozenset[Role]:
    """Return the roles that may open a page behind the sign-in; none if there is no such page."""
    return ORDER_READER if OF_AN_ORDER.fullmatch(path) else MAY_OPEN.get(path, frozenset())


@cache
def asset(name: str) -> tuple[bytes, str]:
    """Return a file that pages load, and its hash. Raises OrderNotFound, as "nothing here", if there is none."""
    content = (_PAGES / name).read_bytes() if name in ASSETS else joined(name)
    if content is None:
        raise OrderNotFound("there is nothing at this address")
    return content, hashlib.sha256(content).hexdigest()[:12]


def address_of(name: str) -> str:
    """Return the URL of such a file; changed content has another URL, so browsers may cache it."""
    return f"/assets/{name}?v={asset(name)[1]}"


def served(name: str, version: str) -> Response:
    content, current = asset(name)
    keep = f"public, max-age={YEAR_S}, immutable" if version == current else "no-cache"
    return Response(content, headers={"Cache-Control": keep}, media_type=KINDS[name.rpartition(".")[2]])


@cache
def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("consent_engine.api", "pages"),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        extensions=[OneScript],
    )  # fmt: skip
    made.globals["asset"] = address_of
    return made


def when(days: Days, instant: str) -> str:
    """Format an instant of an API answer by the clock of the business, as 2025-08-01 10:04:31."""
    return f"{datetime.fromisoformat(instant).astimezone(days.zone):%Y-%m-%d %H:%M:%S}"


def _standing(said: Mapping[str, str], each: PauseRow, days: Days) -> str:
    name = said[f"lane.{each.name}"] if each.to == "lane" else each.name
    at = when(days, each.since)[:16]
    return said[f"paused.{each.to}"].format(name=name, at=at, by=each.by, reason=each.reason)


def page(
    request: Request, name: str, session: Session | None, status: int = 200, paused: Sequence[PauseRow] = (),
    **values: Any,  # noqa: ANN401 - for templates
) -> HTMLResponse:  # fmt: skip
    """Render a page in the visitor's language. paused: the pauses in force, shown on top"""
    language = language_of(request)
    said = words(language)
    role, days = session.caller.role if session else "", front_of(request).days
    scripts = name_of(name, language)
    html = _templates().get_template(name).render(
        t=said, scripts=address_of(scripts) if scripts else "", paused=[_standing(said, each, days) for each in paused],
        zone=front_of(request).zone, when=partial(when, days),
        language=HTML_LANG[language], other=next(each for each in LANGUAGES if each != language),
        session=session, role=role, path=request.url.path, can=[at for at, roles in MAY_OPEN.items() if role in roles],
        **values,
    )  # fmt: skip
    return keeping_language(HTMLResponse(html, status, HEADERS), request, language)
