"""A tariff in every version that was ever on sale, as pages and as JSON: they stay readable, without a key."""

from collections.abc import Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from consent_engine.api.document.operations import PUBLIC, Operations, answered
from consent_engine.api.routes.tariffs import HEADERS
from consent_engine.api.schemas.plan_views import PlanList, PlanView
from consent_engine.api.service.service import front_of
from consent_engine.api.web.rendering import sheet, when
from consent_engine.api.web.words import HTML_LANG, LANGUAGES, language_of, words
from consent_engine.domain.days import CHINA, Days
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import Listed
from consent_engine.domain.texts.page import lacking, read
from consent_engine.engine.engine import Engine
from consent_engine.errors import PlanNotFound

operations = Operations("plans")


@operations.add("GET", "/tariffs/{code}.json", PUBLIC, "Every version of a tariff", PlanList, problems=(PlanNotFound,))
async def tariff_versions(request: Request, code: str) -> Response:
    """Every version that is or was on sale, newest first, each with its period. Needs no key."""
    view = PlanList(items=await front_of(request).ask(lambda engine: _views(engine, code)))
    return answered(view, headers=HEADERS)


@operations.add(
    "GET", "/tariffs/{code}/{version}.json", PUBLIC, "One version of a tariff", PlanView, problems=(PlanNotFound,)
)
async def tariff_version(request: Request, code: str, version: str) -> Response:
    """A version that is or was on sale, with its period and its hash. Needs no key."""
    view = _one(await front_of(request).ask(lambda engine: _views(engine, code)), version)
    return answered(view, headers=HEADERS)


@operations.add("GET", "/tariffs/{code}", PUBLIC)
async def newest_page(request: Request, code: str) -> Response:
    """Return the page of the newest version, which links to all earlier ones."""
    views = await front_of(request).ask(lambda engine: _views(engine, code))
    return _page(request, views[0], views)


@operations.add("GET", "/tariffs/{code}/{version}", PUBLIC)
async def version_page(request: Request, code: str, version: str) -> Response:
    """Return the page of one version."""
    views = await front_of(request).ask(lambda engine: _views(engine, code))
    return _page(request, _one(views, version), views)


def not_shown(plan: Plan) -> tuple[str, ...]:
    """Name what our own page of a plan would lack: its hash, or fields. The page is rendered to find out."""
    return lacking(plan, read("text/html", own_page(plan, "zh").encode()))


def own_page(plan: Plan, language: str) -> str:
    """Return our own page of a plan, as if this version were its only one."""
    return _rendered(view := PlanView.of(Listed(plan)), [view], language)[0]


def _page(request: Request, view: PlanView, views: Sequence[PlanView]) -> Response:
    language = language_of(request)
    html, policy = _rendered(view, views, language, front_of(request).days)
    return HTMLResponse(html, headers={**HEADERS, "Content-Security-Policy": policy, "Content-Language": language})


def _rendered(view: PlanView, views: Sequence[PlanView], language: str, days: Days = CHINA) -> tuple[str, str]:
    """Return the page, and the Content-Security-Policy for it."""
    template, style, policy = sheet("tariff.html", "tariffs.css")
    html = template.render(
        plan=view, views=views, t=words(language), lang=HTML_LANG[language], other_lang=HTML_LANG, style=style,
        other=next(each for each in LANGUAGES if each != language),
        read_in=language if language in view.reads else "zh", when=partial(when, days),
    )  # fmt: skip
    return html, policy


def _views(engine: Engine, code: str) -> list[PlanView]:
    """Return every version that was ever public, newest first. Raises PlanNotFound if none was."""
    listed = engine.catalogue.show(code)
    shown = [each for each in reversed(listed.versions) if listed.was_public(each.number)]
    if not shown:
        raise PlanNotFound("no version of this tariff was ever on sale")
    return [PlanView.of(listed, each) for each in shown]


def _one(views: Sequence[PlanView], version: str) -> PlanView:
    """Return one version. Raises PlanNotFound if it was never on sale."""
    for view in views:
        if str(view.version) == version:
            return view
    raise PlanNotFound("no such version of a tariff was ever on sale")
