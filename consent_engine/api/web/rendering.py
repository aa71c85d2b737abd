"""Rendering: templates to HTML under a strict policy; style sheets and scripts of pages. Everything is escaped."""

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from consent_engine.api.http.bodies import read_body
from consent_engine.api.http.problems import NotOurMediaType
from consent_engine.api.service.callers import AUDITOR, ORDER_READER
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import NoRole, ProviderAway, Session, SignInFailed, TooManySignIns
from consent_engine.api.web.words import HTML_LANG, LANGUAGES, YEAR_S, keeping_language, language_of, words
from consent_engine.domain.days import CHINA, Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.proof_code import CodesUsedUp, CodeWrong, TooManyCodes
from consent_engine.domain.receipt import ReceiptNotFound, TooManyLooks
from consent_engine.domain.roles import Role
from consent_engine.errors import ConsentError, Forbidden, Malformed, OrderNotFound, StoreUnavailable, Unauthenticated

_FORM = "application/x-www-form-urlencoded"


@cache
def sheet(page: str, *styles: str, form: str = "'self'") -> tuple[jinja2.Template, str, str]:
    """Return a template, its style, and a policy that lets a browser use that style, send forms to `form`, and nothing
    else.
    """
    style = "".join(_PAGES.joinpath(name).read_text("utf-8") for name in styles)
    # The policy allows this style by its hash, and no other.
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {form}; frame-ancestors 'none'"
    )
    return _templates().get_template(page), style, policy


def styled(language: str, name: str, *styles: str, days: Days = CHINA, **values: Any) -> tuple[str, str]:  # noqa: ANN401
    """Render a public page, without script, in a language; return it with its policy, as of `sheet`."""
    template, style, policy = sheet(name, *styles)
    html = template.render(
        t=words(language), language=language, lang=HTML_LANG[language], other_lang=HTML_LANG, style=style,
        other=next(each for each in LANGUAGES if each != language), when=partial(when, days), **values,
    )  # fmt: skip
    return html, policy


WRONG: Mapping[type[ConsentError], tuple[str, HTTPStatus]] = {
    SignInFailed: ("provider_no", HTTPStatus.UNAUTHORIZED),
    NoRole: ("no_role", HTTPStatus.FORBIDDEN),
    ProviderAway: ("provider_away", HTTPStatus.SERVICE_UNAVAILABLE),
    Unauthenticated: ("key_wrong", HTTPStatus.UNAUTHORIZED),
    Forbidden: ("not_our_page", HTTPStatus.FORBIDDEN),
    TooManySignIns: ("too_many_sign_ins", HTTPStatus.TOO_MANY_REQUESTS),
    StoreUnavailable: ("store_away", HTTPStatus.SERVICE_UNAVAILABLE),
    Malformed: ("receipt.look_at", HTTPStatus.UNPROCESSABLE_ENTITY),
    ReceiptNotFound: ("receipt.none", HTTPStatus.NOT_FOUND),
    TooManyLooks: ("receipt.too_many", HTTPStatus.TOO_MANY_REQUESTS),
    CodeWrong: ("report.code_wrong", HTTPStatus.UNPROCESSABLE_ENTITY),
    CodesUsedUp: ("report.used_up", HTTPStatus.TOO_MANY_REQUESTS),
    TooManyCodes: ("report.too_many", HTTPStatus.TOO_MANY_REQUESTS),
}
"""What a form's page says of an error, by the name of its words, and the status of its answer."""


def wrong(error: ConsentError | None) -> tuple[str, HTTPStatus]:
    """Return the words for an error of WRONG, and the status; for no error "" and 200."""
    return next((said for kind, said in WRONG.items() if isinstance(error, kind)), ("", HTTPStatus.OK))


def form_page(
    request: Request, name: str, styles: Sequence[str], status: int, said: str, hotline: str,
    **values: Any,  # noqa: ANN401 - for templates
) -> HTMLResponse:  # fmt: skip
    """Return a public page with a form: without script and sign-in, kept in no cache. said: the name of what is wrong,
    "" where nothing is
    """
    language = language_of(request)
    problem = words(language)[said].format(hotline=hotline) if said else ""
    days = front_of(request).days
    html, policy = styled(language, name, *styles, days=days, problem=problem, hotline=hotline, **values)
    headers = {
        "Content-Security-Policy": policy, "Cache-Control": "no-store", "Vary": "Accept-Language, Cookie",
        "Content-Language": language, "Referrer-Policy": "same-origin",
    }  # fmt: skip
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers["Retry-After"] = "60"
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
ONE = ".single"
"""The suffix of a word's singular form, beside the plural under the plain name."""
_NAMES = frozenset(each.name for each in _PAGES.iterdir())
SCRIPTED = sorted(name.removesuffix(".js") for name in _NAMES if name.endswith(".js") and f"{name[:-3]}.html" in _NAMES)
"""The pages with scripts of their own."""
WORDS_OF = {f"{page}.{language}.js": (page, language) for page in SCRIPTED for language in LANGUAGES}
"""The modules of words, by name: the page and the language of each."""
_IMPORTED, _NAMED = re.compile(r'"\./(\w+\.js)"'), re.compile(r'["`]([a-z_]+\.[\w.]*)(?:["`]|(\$\{))')


@cache
def named_by(page: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the names that may be of words in a page's scripts, and the beginnings of those that they put together."""
    texts: dict[str, str] = {}
    todo = [f"{page}.js"]
    while todo:
        name = todo.pop()
        texts[name] = (_PAGES / name).read_text("utf-8")
        todo += {*_IMPORTED.findall(texts[name])} - {*texts}
    found = {each for text in texts.values() for each in _NAMED.findall(text)}
    begins = {name for name, open_ended in found if open_ended or name.endswith(".")}
    return frozenset(name for name, _ in found), tuple(sorted(begins))


@cache
def words_of(page: str, language: str) -> Mapping[str, str]:
    """Return the words that a page's scripts may say. `make check` finds one that there is not."""
    names, begins = named_by(page)
    every = words(language).items()
    return {name: said for name, said in every if name.removesuffix(ONE) in names or name.startswith(begins)}


KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
ASSETS = frozenset({*WORDS_OF, *(name for name in _NAMES if name.rpartition(".")[2] in KINDS)})
"""The files that pages load: every file of these kinds in their folder, and the words of their scripts."""
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
    "/board": frozenset({Role.SUPERVISOR, Role.ADMIN}),
    "/ops": frozenset({Role.OPS, Role.AUDITOR, Role.ADMIN}),
    "/review": frozenset({Role.REVIEWER, Role.ADMIN}),
    "/reports": frozenset({Role.OPS, Role.AUDITOR, Role.ADMIN}),
    "/audit": frozenset({Role.AUDITOR, Role.ADMIN}),
    "/rq/": frozenset({Role.OPS, Role.AUDITOR, Role.ADMIN}),
    "/help": frozenset(Role),
}
"""The pages behind the sign-in, as they are listed, and the roles that may open them."""
FIGURES = ("calls", "permits", "placed", "confirmed", "refused", "held", "failed")
"""The figures of a day (`WorkdayView`) that agents see, and supervisors among others: each has a word `figure.*`."""
OF_AN_ORDER = re.compile("/orders/[0-9a-f]{28}")
EVIDENCE_OF_AN_ORDER = re.compile(r"/orders/[0-9a-f]{28}/evidence(\.pdf)?")


def whose(path: str) -> frozenset[Role]:
    """Return the roles that may open a page behind the sign-in; none if there is no such page."""
    if EVIDENCE_OF_AN_ORDER.fullmatch(path):
        return AUDITOR
    return ORDER_READER if OF_AN_ORDER.fullmatch(path) else MAY_OPEN.get(path, frozenset())


_COMMENT = re.compile(rb"^ *(?://.*|/\*(?:[^*]|\*(?!/))*\*/)\s*", re.MULTILINE)


@cache
def asset(name: str) -> bytes:
    """Return the content of a file of ASSETS, without comments: they are an eighth of a page."""
    if name not in WORDS_OF:
        return _COMMENT.sub(b"", (_PAGES / name).read_bytes())
    said = json.dumps(dict(words_of(*WORDS_OF[name])), ensure_ascii=False, separators=(",", ":"))
    return f'import {{ learn }} from "./common.js";\nlearn({said});\n'.encode()


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(asset(name), mtime=0)


@cache
def version() -> str:
    """Return the hash of all assets, which is the folder they are in: modules import each other by their plain names,
    and yet a changed file has another address, so that browsers may keep every one.
    """
    return sha256(b"".join(sha256(asset(name)).digest() for name in sorted(ASSETS))).hexdigest()[:12]


def address_of(name: str) -> str:
    """Return the URL of a file of ASSETS. Raises KeyError if there is none of this name."""
    if name not in ASSETS:
        raise KeyError(name)
    return f"/assets/{version()}/{name}"


def served(request: Request, folder: str, name: str) -> Response:
    """Answer with a file that pages load. Raises OrderNotFound, as "nothing here", if there is none."""
    if name not in ASSETS:
        raise OrderNotFound("there is nothing at this address")
    keep = f"public, max-age={YEAR_S}, immutable" if folder == version() else "no-cache"
    headers = {"Cache-Control": keep, "Vary": "Accept-Encoding"}
    kind = KINDS[name.rpartition(".")[2]]
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset(name), headers=headers, media_type=kind)
    return Response(_packed(name), headers=headers | {"Content-Encoding": "gzip"}, media_type=kind)


@cache
def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("consent_engine.api", "pages"),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
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
    stem = name.removesuffix(".html")
    role, days = session.caller.role if session else "", front_of(request).days
    html = _templates().get_template(name).render(
        t=words(language), scripts=[f"{stem}.{language}.js", f"{stem}.js"] if stem in SCRIPTED else [], banner=banner,
        zone=front_of(request).zone, when=partial(when, days),
        language=HTML_LANG[language], other=next(each for each in LANGUAGES if each != language),
        session=session, role=role, path=request.url.path, can=[at for at, roles in MAY_OPEN.items() if role in roles],
        **values,
    )  # fmt: skip
    return keeping_language(HTMLResponse(html, status, HEADERS), request, language)
