"""Rendering: templates to HTML under a strict policy; style sheets and scripts of pages. Everything is escaped."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import jinja2
from jinja2.ext import Extension
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from consent_engine.api.http.bodies import read_body
from consent_engine.api.http.problems import NotOurMediaType
from consent_engine.api.service.callers import AUDITOR, ORDER_READER
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import Session
from consent_engine.api.web.words import HTML_LANG, LANGUAGES, YEAR_S, keeping_language, language_of, words
from consent_engine.domain.days import Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.roles import Role
from consent_engine.errors import OrderNotFound

_FORM = "application/x-www-form-urlencoded"


@cache
def sheet(page: str, *styles: str, form: str = "'self'") -> tuple[jinja2.Template, str, str]:
    """Return a template, its style, and a policy that lets a browser use that style, send forms to `form`, and nothing
    else.
    """
    pages = files("consent_engine.api") / "pages"
    style = "".join(pages.joinpath(name).read_text("utf-8") for name in styles)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    # The policy allows this style by its hash, and no other.
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {form}; frame-ancestors 'none'"
    )
    return environment.from_string(pages.joinpath(page).read_text("utf-8")), style, policy


def form_page(
    request: Request, name: str, styles: Sequence[str], status: int, said: str, hotline: str,
    **values: Any,  # noqa: ANN401 - for templates
) -> HTMLResponse:  # fmt: skip
    """Return a public page with a form: without script and sign-in, kept in no cache. said: the name of what is wrong,
    "" where nothing is
    """
    template, style, policy = sheet(name, *styles)
    language = language_of(request)
    t = words(language)
    html = template.render(
        t=t, lang=HTML_LANG[language], other=next(each for each in LANGUAGES if each != language),
        other_lang=HTML_LANG, style=style, problem=t[said].format(hotline=hotline) if said else "", hotline=hotline,
        when=partial(when, front_of(request).days), **values,
    )  # fmt: skip
    headers = {
        "Content-Security-Policy": policy, "Cache-Control": "no-store", "Vary": "Accept-Language, Cookie",
        "Content-Language": language, "Referrer-Policy": "same-origin",
    }  # fmt: skip
    return keeping_language(HTMLResponse(html, status, headers), request, language)


async def posted_form(request: Request, most: int, fields: int) -> dict[str, str]:
    """Return the fields of our page's posted form, at most `fields`. Raises NotOurMediaType, TooLarge and TooSlow."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
        raise NotOurMediaType("send the form of our page")
    body = await read_body(request, most)
    try:
        return dict(parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=fields))
    except ValueError:
        raise NotOurMediaType("send the form of our page") from None


_PAGES = files("consent_engine.api") / "pages"
_NAMED = re.compile(r"asset\('(\w+\.js)'\)")
_TAG = re.compile(r"""^<script src="\{\{ asset\('(\w+\.js)'\) \}\}" defer></script>\n""", re.MULTILINE)
_COMMENT = re.compile(r"^ *(?://.*|/\*\*[^*]*\*/)\n| +// .*$", re.MULTILINE)
"""Comments: for readers of the repository, and no bytes for those of the page."""
ONE = ".single"
"""The suffix of a word's singular form, beside the plural under the plain name."""
_WHOLE = re.compile(r"""["'`]([a-z_]+\.[a-z_.0-9]+)["'`]""")
_BEGUN = re.compile(r"""`([a-z_]+\.[a-z_.]*)\$\{|["']([a-z_]+\.)["']""")
"""Beginnings of names completed at run time: in a template string, or in a script's table, ending with a dot."""


class OneScript(Extension):
    """Removes a template's script tags: `base.html` loads one joined script, so that none delays the first paint."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return the template without its script tags."""
        return _TAG.sub("", source)


@cache
def name_of(template: str, language: str) -> str:
    """Return the asset name of a template's joined scripts; '' if it has none."""
    stem = template.removesuffix(".html")
    return f"{stem}.{language}.js" if _TAG.search(_source(stem)) else ""


def joined(name: str) -> bytes | None:
    """Return an asset's content: the words first, then each script; None if no page has such an asset."""
    found = _made().get(name)
    if found is None:
        return None
    stem, language = found
    said = json.dumps(dict(words_of(stem, language)), ensure_ascii=False, separators=(",", ":"))
    return "\n".join(['"use strict";', f"const WORDS = {said};", *map(_script, _TAG.findall(_source(stem)))]).encode()


@cache
def _made() -> Mapping[str, tuple[str, str]]:
    """Map every joined asset to its page and language. Names from requests are only looked up here, never kept."""
    stems = [each.name.removesuffix(".html") for each in _PAGES.iterdir() if each.name.endswith(".html")]
    return {made: (stem, each) for stem in stems for each in LANGUAGES if (made := name_of(f"{stem}.html", each))}


@cache
def words_of(stem: str, language: str) -> Mapping[str, str]:
    """Return the words that a page's scripts use: by full name, or by the beginning of a name."""
    source = "\n".join(map(_script, _NAMED.findall(_source(stem))))
    whole, begun = set(_WHOLE.findall(source)), tuple({one or other for one, other in _BEGUN.findall(source)})
    return {
        name: said
        for name, said in words(language).items()
        if name.removesuffix(ONE) in whole or name.startswith(begun)
    }


def _source(stem: str) -> str:
    return (_PAGES / f"{stem}.html").read_text("utf-8")


@cache
def _script(name: str) -> str:
    return _COMMENT.sub("", (_PAGES / name).read_text("utf-8"))


KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
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
EVIDENCE_OF_AN_ORDER = re.compile(r"/orders/[0-9a-f]{28}/evidence(\.pdf)?")


def whose(path: str) -> frozenset[Role]:
    """Return the roles that may open a page behind the sign-in; none if there is no such page."""
    if EVIDENCE_OF_AN_ORDER.fullmatch(path):
        return AUDITOR
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


def instant_shown(days: Days, at: Millis) -> str:
    """Format an instant by the clock of the business, as `when` does."""
    return f"{days.at(at):%Y-%m-%d %H:%M:%S}"


class Line(NamedTuple):
    """A line on top of a page. hampers: the queue whose work comes late by it · paused: what a person stopped, if that
    is what it says
    """

    key: str
    text: str
    hampers: str
    paused: str | None


def page(
    request: Request, name: str, session: Session | None, status: int = 200, banner: Sequence[Line] = (),
    **values: Any,  # noqa: ANN401 - for templates
) -> HTMLResponse:  # fmt: skip
    """Render a page in the visitor's language. banner: the lines on top"""
    language = language_of(request)
    said = words(language)
    role, days = session.caller.role if session else "", front_of(request).days
    scripts = name_of(name, language)
    html = _templates().get_template(name).render(
        t=said, scripts=address_of(scripts) if scripts else "", banner=banner,
        zone=front_of(request).zone, when=partial(when, days),
        language=HTML_LANG[language], other=next(each for each in LANGUAGES if each != language),
        session=session, role=role, path=request.url.path, can=[at for at, roles in MAY_OPEN.items() if role in roles],
        **values,
    )  # fmt: skip
    return keeping_language(HTMLResponse(html, status, HEADERS), request, language)
