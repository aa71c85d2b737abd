"""Public tariffs, and each in every version that was ever on sale: pages and JSON, which stay readable without a key, a
script or the internet.
"""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from consent_engine.api.document.operations import PUBLIC, Operations, answered
from consent_engine.api.schemas.plan_views import PlanList, PlanView
from consent_engine.api.service.service import front_of
from consent_engine.api.web.rendering import styled
from consent_engine.api.web.words import HTML_LANG, language_of
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import CHINA, Days
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import Listed, Sale
from consent_engine.domain.texts.confirmation_fields import disclosures, price_of
from consent_engine.domain.texts.page import lacking, read
from consent_engine.engine.engine import Engine
from consent_engine.errors import PlanNotFound

operations = Operations("plans")
SHOWN = {Sale.ON_SALE: "on_sale", Sale.WITHDRAWN: "withdrawn"}
"""Subscribers must find a plan as long as their yes may count; for a revoked plan no yes counts."""
MOST_SEARCHED = 64
HEADERS = {"Cache-Control": "public, max-age=60", "Vary": "Accept-Language, Cookie"}


def public(engine: Engine) -> list[Listed]:
    """Return the plans that both channels show now, by code."""
    listed, now = engine.catalogue.fresh(), engine.registry.now()
    return [
        each for _, each in sorted(listed.items()) if each.sale in SHOWN and each.plan.public_at(now)
    ]  # fmt: skip


@operations.add("GET", "/tariffs.json", PUBLIC, "Public tariffs", PlanList)
async def tariffs_json(request: Request) -> Response:
    """Every plan that the web hall and the app show now. Needs no key."""
    view = PlanList(items=[PlanView.of(listed) for listed in await _listed(request)])
    return answered(view, headers=HEADERS)


@operations.add("GET", "/tariffs", PUBLIC)
async def tariffs(request: Request) -> Response:
    """Return the page; `#code` links to a plan on it, and `?q=` keeps the plans that contain these words."""
    language = language_of(request)
    q = request.query_params.get("q", "").strip()[:MOST_SEARCHED]
    listed = [each for each in await _listed(request) if not q or _fits(each.plan, q.casefold())]
    carriers: list[dict[str, Any]] = [
        {"profile": profile, "plans": [each for each in listed if each.plan.carrier == carrier]}
        for carrier, profile in CARRIERS.items()
    ]
    return _page(
        language,
        *styled(
            language, "tariffs.html", "tariffs.css", carriers=carriers, reads=_reads, price=_price, q=q,
            is_link=_is_link,
        ),
    )  # fmt: skip


def _page(language: str, html: str, policy: str) -> Response:
    return HTMLResponse(html, headers={**HEADERS, "Content-Security-Policy": policy, "Content-Language": language})


async def _listed(request: Request) -> list[Listed]:
    """Return the public plans, looked up at most once a second however many requests come."""
    front = front_of(request)
    return await front.recent.of("tariffs", front.bounds.tariffs_s, lambda: front.ask(public))


def _fits(plan: Plan, words_: str) -> bool:
    """Whether a plan's code, name or any of its disclosures contains these words."""
    texts = (plan.code, plan.name, *(said for shown in disclosures(plan).values() for said in shown.values()))
    return any(words_ in each.casefold() for each in texts)


def _reads(plan: Plan, language: str) -> tuple[str, dict[str, str]]:
    """Return a plan's texts in the page's language, else in Chinese, and that language before them."""
    shown = disclosures(plan)
    known = language if language in shown else "zh"
    return HTML_LANG[known], shown[known]


def _price(plan: Plan, language: str) -> tuple[str, str]:
    """Return the language and the price in one line."""
    read_in, shown = _reads(plan, language)
    return (read_in, shown["price"]) if read_in != HTML_LANG["zh"] else (read_in, price_of(plan))


def _is_link(url: str) -> bool:
    """Whether a browser can open the address; an app's own address is shown as text only."""
    return url.startswith(("https://", "http://", "/"))


versions = Operations("plans")


@versions.add("GET", "/tariffs/{code}.json", PUBLIC, "Every version of a tariff", PlanList, problems=(PlanNotFound,))
def tariff_versions(engine: Engine, code: str) -> Response:
    """Every version that is or was on sale, newest first, each with its period. Needs no key."""
    return answered(PlanList(items=_views(engine, code)), headers=HEADERS)


@versions.add(
    "GET", "/tariffs/{code}/{version}.json", PUBLIC, "One version of a tariff", PlanView, problems=(PlanNotFound,)
)
def tariff_version(engine: Engine, code: str, version: str) -> Response:
    """A version that is or was on sale, with its period and its hash. Needs no key."""
    return answered(_one(_views(engine, code), version), headers=HEADERS)


@versions.add("GET", "/tariffs/{code}", PUBLIC)
async def newest_page(request: Request, code: str) -> Response:
    """Return the page of the newest version, which links to all earlier ones."""
    views = await front_of(request).ask(lambda engine: _views(engine, code))
    return _version_page(request, views[0], views)


@versions.add("GET", "/tariffs/{code}/{version}", PUBLIC)
async def version_page(request: Request, code: str, version: str) -> Response:
    views = await front_of(request).ask(lambda engine: _views(engine, code))
    return _version_page(request, _one(views, version), views)


def not_shown(plan: Plan) -> tuple[str, ...]:
    """Name what our own page of a plan would lack: its hash, or fields. The page is rendered to find out."""
    return lacking(plan, read("text/html", own_page(plan, "zh").encode()))


def own_page(plan: Plan, language: str) -> str:
    """Return our own page of a plan, as if this version were its only one."""
    return _rendered(view := PlanView.of(Listed(plan)), [view], language)[0]


def _version_page(request: Request, view: PlanView, views: Sequence[PlanView]) -> Response:
    language = language_of(request)
    return _page(language, *_rendered(view, views, language, front_of(request).days))


def _rendered(view: PlanView, views: Sequence[PlanView], language: str, days: Days = CHINA) -> tuple[str, str]:
    """Return the page, and the Content-Security-Policy for it."""
    known = language if language in view.reads else "zh"
    return styled(language, "tariff.html", "tariffs.css", days=days, plan=view, views=views, read_in=known)


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
