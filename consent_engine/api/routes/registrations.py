"""The marketing-free list over HTTP: numbers that nobody calls to sell. Orders that are open go on."""

from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.document import openapi
from consent_engine.api.document.operations import Operations, answered
from consent_engine.api.http.csv_bodies import read_csv, registrations_in
from consent_engine.api.http.problems import RegistrationNotFound
from consent_engine.api.schemas.line_forms import Register, Unregister
from consent_engine.api.schemas.lists import Imported, Lifted
from consent_engine.api.schemas.views import RefusalView, instant
from consent_engine.api.service.callers import ADMIN, AGENT_OR_OPS
from consent_engine.api.service.service import front_of
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import EVERY_CARRIER, Kind, name_of
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.engine import Engine
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import FieldError, Malformed
from consent_engine.ports import ApiKey, LiftedWord

operations = Operations("registrations", "/v1/registrations")
BATCH = 500
"""How many rows of a file are stored in one round trip."""


@operations.add("POST", "", AGENT_OR_OPS, "Add a marketing-free number", {201: RefusalView, 200: RefusalView})
async def register(request: Request, caller: ApiKey, form: Register) -> Response:
    """Nobody calls this number to sell, nor places an order for it; what is open goes on. 200 when that stood. Roles:
    agent, ops."""
    named = form.carrier.value if form.carrier else None
    whose, kind = Msisdn(form.msisdn), Kind.MARKETING_FREE
    asked = RefusalAsked(whose, named or EVERY_CARRIER, form.channel, caller.name, kind=kind)
    stored = await front_of(request).refuse(asked)
    view = RefusalView(carrier=named, since=instant(stored.at))
    return answered(view, 201 if stored.is_new else 200)


@operations.add("POST", "/import", AGENT_OR_OPS, "Import marketing-free numbers", Imported, takes=openapi.CSV)
async def import_(request: Request, caller: ApiKey) -> Imported:
    """CSV with the header `msisdn,carrier,channel` and, if wanted, `ref`; an empty carrier: all. Up to 10000 rows and
    2 MiB. A line that is wrong is named, the rest is in; the same file again is safe. Roles: agent, ops."""
    content = await read_csv(request)

    def stored(engine: Engine) -> Imported:
        asked, wrong = registrations_in(content, f"{caller.name}/import")
        parts = (asked[n : n + BATCH] for n in range(0, len(asked), BATCH))
        done = [each for part in parts for each in engine.receive(part)]
        accepted = sum(each.is_new for each in done)
        return Imported(accepted=accepted, already=len(done) - accepted, rejected=wrong)

    return await front_of(request).ask_long(stored)


@operations.add("POST", "/lift", ADMIN, "Lift a registration", Lifted, problems=(404,))
async def lift(request: Request, caller: ApiKey, form: Unregister) -> Lifted:
    """On evidence of the subscriber's own act, which is kept; 404 `registration_not_found` when none stands. Role:
    admin."""
    front = front_of(request)
    act_at = form.evidence.acted_at(await front.now())
    await front.ask(lambda engine: _lift(engine, form, caller.name, act_at))
    return Lifted(carrier=form.carrier and form.carrier.value, lifted=True)


def _lift(engine: Engine, form: Unregister, by: str, act_at: Millis) -> None:
    name = name_of(Kind.MARKETING_FREE, form.carrier.value if form.carrier else EVERY_CARRIER)
    match engine.lift(Msisdn(form.msisdn), name, by, form.evidence.model_dump_json(), act_at):
        case LiftedWord.NEWER:
            raise Malformed([FieldError("evidence.at", "before_the_registration", "must not be before what it lifts")])
        case LiftedWord.NONE:
            raise RegistrationNotFound("no registration of this number for this carrier stands")
        case LiftedWord.OK:
            return
