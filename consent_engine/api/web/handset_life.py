"""The life of a number's orders, for the handset of `consent serve`: only if all gateways and the BSS are simulated.

The handset proves itself as the gateway that it plays, with that gateway's secret, whose owner can already answer for
the subscriber.
"""

from starlette.requests import Request

from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.bodies import KIB, parse, read_body
from consent_engine.api.schemas.forms import read
from consent_engine.api.schemas.handset_life import AskLife, HandsetLife, LifeView
from consent_engine.api.service.service import front_of
from consent_engine.api.web.words import words
from consent_engine.config.settings import SIMULATED, Settings
from consent_engine.domain import hashing
from consent_engine.domain.call.call import CallState
from consent_engine.domain.call.errors import CallNotFound
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Order
from consent_engine.engine.engine import Engine

operations = Operations()
MOST_ASKED = 1 * KIB
MOST_SHOWN = 3
"""The number's newest orders are shown, up to this many."""


def secret_of(settings: Settings) -> str:
    """Return the secret that proves the handset; '' if a gateway or the BSS is real, or no handset is set."""
    simulated = settings.of("SIMULATED")
    outside = {*settings.routes().values(), settings.bss_name()}
    return simulated.get("SECRET", "") if outside == {SIMULATED} and simulated.get("URL") else ""


@operations.add("POST", "/handset/life", PUBLIC)
async def life(request: Request) -> HandsetLife:
    """Return a number's newest orders, in one language. Raises Unauthenticated, Malformed and StoreUnavailable."""
    front = front_of(request)
    body = await read_body(request, MOST_ASKED)
    hashing.check(request.app.state.handset_secret, request.headers.get(hashing.HEADER), body, await front.now())
    asked = read(AskLife, parse(body))
    said = words(asked.language)

    def look(engine: Engine) -> HandsetLife:
        found = engine.orders_of(Msisdn(asked.msisdn), limit=MOST_SHOWN).orders
        return HandsetLife(orders=[LifeView.of(each, said, in_call=_is_up(engine, each)) for each in found])

    return await front.ask(look)


def _is_up(engine: Engine, order: Order) -> bool:
    try:
        return engine.calls.show(order.doc.call_id).state is CallState.UP
    except CallNotFound:
        return False
