"""Plans over HTTP: the catalogue, to be read by everybody, and to be changed by admin."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations
from consent_engine.api.http.bodies import MOST_FORM, read_body, read_json
from consent_engine.api.http.queries import WhichVersion, read_query
from consent_engine.api.routes import tariff_versions
from consent_engine.api.schemas.forms import Attest, read
from consent_engine.api.schemas.lists import SaleView
from consent_engine.api.schemas.plan_views import PlanList, PlanView, ProposalView
from consent_engine.api.service.callers import ADMIN, ANY_ROLE
from consent_engine.api.service.service import front_of
from consent_engine.domain.offer.form import plan_from
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import Proposal, Sale
from consent_engine.engine.engine import Engine
from consent_engine.errors import FieldError, Malformed, PlanNotFound
from consent_engine.ports import ApiKey

operations = Operations("plans", "/v1/plans")


@operations.add("GET", "", ANY_ROLE, "List plans", answers={200: PlanList}, problems=(401, 503))
async def plans(request: Request, _caller: ApiKey) -> Response:
    """Every plan in its current version. Any role."""
    listed = await front_of(request).ask(lambda engine: engine.catalogue.fresh())
    view = PlanList(items=[PlanView.of(listed[code]) for code in sorted(listed)])
    return Response(view.json_bytes(), media_type="application/json")


@operations.add(
    "GET",
    "/{code}",
    ANY_ROLE,
    "Show a plan",
    answers={200: PlanView},
    problems=(401, 404, 422, 503),
    takes=openapi.query(WhichVersion),
)
async def plan(request: Request, _caller: ApiKey, code: str) -> Response:
    """A plan in its current version, or in any it ever had. Any role."""
    version = read_query(WhichVersion, request).version
    view = await front_of(request).ask(lambda engine: _shown(engine, code, version))
    return Response(view.json_bytes(), media_type="application/json")


@operations.add(
    "PUT",
    "/{code}",
    ADMIN,
    "Publish a plan",
    answers={200: PlanView, 201: PlanView, 202: ProposalView},
    problems=(401, 403, 413, 415, 422, 503),
    takes=openapi.body("PlanForm"),
)
async def publish(request: Request, caller: ApiKey, code: str) -> Response:
    """A plan that says anything new is a new version (201), on sale from now on, or from the later instant that it
    names as `since`; an earlier one is 422 `backdated`; Malformed, 422, where our own page would not show all of it.
    The same again is the version it is (200). Orders under way keep what they were asked with. With
    CONSENT_PLAN_APPROVAL it is a proposal (202), on sale once another admin approves it. Role: admin."""
    wanted = _wanted(await read_json(request), code)
    if lacks := tariff_versions.not_shown(wanted):
        raise Malformed([FieldError("published", "not_shown", f"our own page of it would lack {', '.join(lacks)}")])

    def published(engine: Engine) -> tuple[int, PlanView | ProposalView]:
        before = engine.catalogue.fresh().get(code)
        newest = before.newest.number if before is not None else 0
        now = engine.catalogue.offer(wanted, caller.name)
        if isinstance(now, Proposal):
            return 202, ProposalView.of(now, newest)
        return 200 if newest == now.version else 201, _shown(engine, code, now.version)

    # One after the other, so that two of them never make one version.
    status, view = await front_of(request).ask_long(published)
    return Response(view.json_bytes(), status, media_type="application/json")


@operations.add(
    "GET",
    "/{code}/proposal",
    ADMIN,
    "What waits for an approval",
    answers={200: ProposalView},
    problems=(401, 403, 409, 503),
)
async def proposal(request: Request, _caller: ApiKey, code: str) -> Response:
    """The version that another admin wants to put on sale; 409 `nothing_proposed`. Role: admin."""

    def proposed(engine: Engine) -> ProposalView:
        listed = engine.catalogue.fresh().get(code)
        return ProposalView.of(engine.catalogue.proposed(code), listed.newest.number if listed is not None else 0)

    view = await front_of(request).ask(proposed)
    return Response(view.json_bytes(), media_type="application/json")


@operations.add(
    "POST",
    "/{code}/approve",
    ADMIN,
    "Approve what another admin proposed",
    answers={200: PlanView},
    problems=(401, 403, 409, 413, 422, 503),
)
async def approve(request: Request, caller: ApiKey, code: str) -> Response:
    """The proposed version is on sale from now on, with both names kept; 403 `same_admin` for who proposed it, 409
    `nothing_proposed`. Needs no body. Role: admin."""
    await read_body(request, MOST_FORM)

    def approved(engine: Engine) -> PlanView:
        return _shown(engine, code, engine.catalogue.approve(code, caller.name).version)

    view = await front_of(request).ask_long(approved)
    return Response(view.json_bytes(), media_type="application/json")


@operations.add(
    "POST",
    "/{code}/attest",
    ADMIN,
    "Attest that a channel shows it",
    answers={200: PlanView},
    problems=(401, 403, 404, 409, 413, 415, 422, 503),
    takes=openapi.body("Attest"),
)
async def attest(request: Request, caller: ApiKey, code: str) -> Response:
    """Where a channel's address is an app's own, and no program can look: an admin did, and says that it shows the
    newest version with its hash and all its fields. Kept with who, when and why; said again it changes nothing. 409
    `nothing_to_attest` where the channel is looked at, or the plan is not on sale. Role: admin."""
    form = read(Attest, await read_json(request))

    def attested(engine: Engine) -> PlanView:
        listed = engine.catalogue.attest(code, form.channel, caller.name, form.reason)
        return _shown(engine, code, listed.newest.number)

    view = await front_of(request).ask_long(attested)
    return Response(view.json_bytes(), media_type="application/json")


@operations.add(
    "POST",
    "/{code}/withdraw",
    ADMIN,
    "Withdraw a plan from sale",
    answers={200: SaleView},
    problems=(401, 403, 404, 413, 503),
)
async def withdraw(request: Request, _caller: ApiKey, code: str) -> Response:
    """Withdraw a plan from sale; a yes under way still counts. Needs no body. Role: admin."""
    await read_body(request, MOST_FORM)
    listed = await front_of(request).ask_long(lambda engine: engine.catalogue.set_sale(code, Sale.WITHDRAWN))
    return Response(SaleView.of(listed).json_bytes(), media_type="application/json")


@operations.add(
    "POST",
    "/{code}/revoke",
    ADMIN,
    "Revoke a plan",
    answers={200: SaleView},
    problems=(401, 403, 404, 413, 503),
)
async def revoke(request: Request, caller: ApiKey, code: str) -> Response:
    """No new orders, and what is open is cancelled with a notice to the subscriber. Asking again goes on where a call
    that died left off. Needs no body. Role: admin."""
    await read_body(request, MOST_FORM)

    def revoked(engine: Engine) -> SaleView:
        cancelled = engine.revoke(code, caller.name)
        return SaleView.of(engine.plan(code), cancelled)

    view = await front_of(request).ask_long(revoked)
    return Response(view.json_bytes(), media_type="application/json")


def _wanted(body: object, code: str) -> Plan:
    if not isinstance(body, dict):
        raise Malformed([FieldError("body", "dict_type", "must be an object")])
    if body.get("code", code) != code:
        raise Malformed([FieldError("code", "other_code", "must be the one in the address, or left out")])
    if "version" in body:
        raise Malformed([FieldError("version", "extra_forbidden", "is counted here: leave it out")])
    return plan_from({**body, "code": code})


def _shown(engine: Engine, code: str, version: int | None) -> PlanView:
    listed = engine.plan(code)
    known = listed.version(version or listed.plan.version)
    if known is None:
        raise PlanNotFound("this plan has no such version")
    return PlanView.of(listed, known)
