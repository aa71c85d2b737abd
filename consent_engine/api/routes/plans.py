"""Plans over HTTP: the catalogue, which every role may read and admins change."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine import errors
from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.http.bodies import read_json, read_json_if_any
from consent_engine.api.http.queries import WhichVersion
from consent_engine.api.routes import tariffs
from consent_engine.api.schemas.forms import ApprovePlan, Attest, read
from consent_engine.api.schemas.lists import SaleView
from consent_engine.api.schemas.plan_views import PlanList, PlanView, ProposalView
from consent_engine.api.service.callers import ADMIN, ANY_ROLE
from consent_engine.api.service.service import front_of
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.plan_form import PlanForm, plan_from
from consent_engine.domain.offer.versions import Proposal, Sale
from consent_engine.engine.catalogue import NothingToAttest
from consent_engine.engine.engine import Engine
from consent_engine.ports import ApiKey

operations = Operations("plans", "/v1/plans")


@operations.add("GET", "", ANY_ROLE, "List plans")
def plans(engine: Engine, _caller: ApiKey) -> PlanList:
    """Every plan in its current version. Any role."""
    listed = engine.catalogue.fresh()
    return PlanList(items=[PlanView.of(listed[code]) for code in sorted(listed)])


@operations.add("GET", "/{code}", ANY_ROLE, "Show a plan", problems=(errors.PlanNotFound,))
def plan(engine: Engine, _caller: ApiKey, form: WhichVersion, code: str) -> PlanView:
    """A plan in its current version, or in any other it ever had. Any role."""
    return _shown(engine, code, form.version)


@operations.add(
    "PUT", "/{code}", ADMIN, "Publish a plan", {200: PlanView, 201: PlanView, 202: ProposalView},
    problems=(errors.DisclosureMissing, errors.Backdated, errors.ProposalChanged, errors.ProposalReplaced),
    body=PlanForm, headers=(openapi.REPLACES,),
)  # fmt: skip
async def publish(request: Request, caller: ApiKey, code: str) -> Response:
    """A changed plan is a new version (201), on sale from now on, or from the later instant it gives as `since`; an
    earlier instant is 422 `backdated`; Malformed, 422, if our own page would not show all of the plan. An unchanged
    plan keeps its version (200). Orders under way keep the version they were asked with. With CONSENT_PLAN_APPROVAL the
    plan becomes a proposal (202), on sale once another admin approves it. What the same admin proposed before a newer
    proposal took its place is 409 `proposal_replaced`: a request that was sent again changes nothing; name the `hash`
    of the newer one in the header to replace it. 409 `proposal_changed` if another one came at the same moment. Role:
    admin."""
    wanted = _wanted(await read_json(request), code)
    if lacks := tariffs.not_shown(wanted):
        raise errors.Malformed(
            [errors.FieldError("published", "not_shown", f"our own page of it would lack {', '.join(lacks)}")]
        )

    over = request.headers.getlist(openapi.REPLACES["name"])

    def published(engine: Engine) -> tuple[int, PlanView | ProposalView]:
        before = engine.catalogue.fresh().get(code)
        newest = before.newest.number if before is not None else 0
        now = engine.catalogue.offer(wanted, caller.name, over)
        if isinstance(now, Proposal):
            return 202, ProposalView.of(now, newest)
        return 200 if newest == now.version else 201, _shown(engine, code, now.version)

    # One at a time, so that two requests never make the same version.
    status, view = await front_of(request).ask_long(published)
    return answered(view, status)


@operations.add("GET", "/{code}/proposal", ADMIN, "Show a proposed plan", problems=(errors.NothingProposed,))
def proposal(engine: Engine, _caller: ApiKey, code: str) -> ProposalView:
    """The version that an admin proposed and another must approve; 409 `nothing_proposed`. Role: admin."""
    listed = engine.catalogue.fresh().get(code)
    return ProposalView.of(engine.catalogue.proposed(code), listed.newest.number if listed is not None else 0)


@operations.add(
    "POST", "/{code}/approve", ADMIN, "Approve a proposed plan", body=openapi.APPROVAL,
    problems=(errors.SameAdmin, errors.NothingProposed, errors.ProposalChanged, errors.Backdated),
)  # fmt: skip
async def approve(request: Request, caller: ApiKey, code: str) -> PlanView:
    """The proposed version is on sale from now on, and both admins' names are kept; 403 `same_admin` for the admin who
    proposed it, 409 `nothing_proposed`. Send the hash of the proposal that you read: 409 `proposal_changed` if another
    one replaced it; without a body whichever stands now is approved. Role: admin."""
    body = await read_json_if_any(request)
    seen = "" if body is None else read(ApprovePlan, body).hash

    def approved(engine: Engine) -> PlanView:
        return _shown(engine, code, engine.catalogue.approve(code, caller.name, seen).version)

    return await front_of(request).ask_long(approved)


@operations.add(
    "POST", "/{code}/attest", ADMIN, "Attest that a channel shows a plan",
    problems=(errors.PlanNotFound, NothingToAttest), long=True,
)  # fmt: skip
def attest(engine: Engine, caller: ApiKey, form: Attest, code: str) -> PlanView:
    """For a channel with an app's own address, which no program can check: an admin looked, and states that it shows
    the newest version with its hash and all its fields. Kept with name, time and reason; repeating it changes nothing.
    409 `nothing_to_attest` if a program checks the channel, or the plan is not on sale. Role: admin."""
    listed = engine.catalogue.attest(code, form.channel, caller.name, form.reason)
    return _shown(engine, code, listed.newest.number)


@operations.add(
    "POST", "/{code}/withdraw", ADMIN, "Withdraw a plan from sale", problems=(errors.PlanNotFound,), long=True
)
def withdraw(engine: Engine, _caller: ApiKey, code: str) -> SaleView:
    """Withdraw a plan from sale; a yes to an open order still counts. Answered three seconds later, when no order
    decided before can be saved any more. Needs no body. Role: admin."""
    listed = engine.catalogue.set_sale(code, Sale.WITHDRAWN)
    return SaleView.shown(listed.plan, sale=listed.sale, cancelled=0)


@operations.add("POST", "/{code}/revoke", ADMIN, "Revoke a plan", problems=(errors.PlanNotFound,), long=True)
def revoke(engine: Engine, caller: ApiKey, code: str) -> SaleView:
    """No new orders; open orders are cancelled with a notice to the subscriber. Answered three seconds later or more,
    when no order decided before can be saved any more. Repeating the request resumes one that was interrupted, as by
    503 while SQL cannot be read: the plan is revoked then, and its open orders are not all cancelled. Needs no body.
    Role: admin."""
    cancelled = engine.revoke(code, caller.name)
    listed = engine.plan(code)
    return SaleView.shown(listed.plan, sale=listed.sale, cancelled=cancelled)


def _wanted(body: object, code: str) -> Plan:
    if not isinstance(body, dict):
        raise errors.Malformed([errors.FieldError("body", "dict_type", "must be an object")])
    if body.get("code", code) != code:
        raise errors.Malformed([errors.FieldError("code", "other_code", "must be the one in the address, or left out")])
    if "version" in body:
        raise errors.Malformed([errors.FieldError("version", "extra_forbidden", "is counted here: leave it out")])
    return plan_from({**body, "code": code})


def _shown(engine: Engine, code: str, version: int | None) -> PlanView:
    listed = engine.plan(code)
    known = listed.version(version or listed.plan.version)
    if known is None:
        raise errors.PlanNotFound("this plan has no such version")
    return PlanView.of(listed, known)
