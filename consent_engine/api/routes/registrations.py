"""The marketing-free list over HTTP: numbers that are not called to sell anything. Open orders continue."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.http.csv_bodies import read_csv
from consent_engine.api.http.problems import RefusalDamaged, RegistrationNotFound
from consent_engine.api.routes.refusals import imported, lifted
from consent_engine.api.schemas.forms import Register, Unregister
from consent_engine.api.schemas.lists import Imported, Lifted
from consent_engine.api.schemas.views import RefusalView, instant
from consent_engine.api.service.callers import ADMIN, AGENT_OR_OPS
from consent_engine.api.service.service import front_of
from consent_engine.domain.line.restriction import EVERY_CARRIER, Kind, name_of
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.receive import RefusalAsked
from consent_engine.ports import ApiKey

operations = Operations("registrations", "/v1/registrations")


@operations.add("POST", "", AGENT_OR_OPS, "Add a marketing-free number", {201: RefusalView, 200: RefusalView})
async def register(request: Request, caller: ApiKey, form: Register) -> Response:
    """This number gets no sales calls and no new orders; open orders continue. 200 if it was registered already. Roles:
    agent, ops."""
    named = form.carrier.value if form.carrier else None
    whose, kind = Msisdn(form.msisdn), Kind.MARKETING_FREE
    asked = RefusalAsked(whose, named or EVERY_CARRIER, form.channel, caller.name, kind=kind)
    recorded = await front_of(request).refuse(asked)
    view = RefusalView(carrier=named, since=instant(recorded.at))
    return answered(view, 201 if recorded.is_new else 200)


@operations.add("POST", "/import", AGENT_OR_OPS, "Import marketing-free numbers", body=openapi.CSV)
async def import_(request: Request, caller: ApiKey) -> Imported:
    """CSV with the header `msisdn,carrier,channel` and optionally `ref`; an empty carrier: all. Up to 10000 rows and 2
    MiB. Wrong lines are reported, the others stored; the same file again is safe. Roles: agent, ops."""
    content = await read_csv(request)
    return await front_of(request).ask_long(
        lambda engine: imported(engine, content, f"{caller.name}/import", Kind.MARKETING_FREE)
    )


@operations.add("POST", "/lift", ADMIN, "Lift a registration", problems=(RegistrationNotFound, RefusalDamaged))
async def lift(request: Request, caller: ApiKey, form: Unregister) -> Lifted:
    """On evidence of the subscriber's own act, which is kept; 404 `registration_not_found` if there is none. Role:
    admin."""
    name = name_of(Kind.MARKETING_FREE, form.carrier.value if form.carrier else EVERY_CARRIER)
    none = RegistrationNotFound("no registration of this number for this carrier stands")
    return await lifted(request, caller, form, lambda _: name, "before_the_registration", none)
