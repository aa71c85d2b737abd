"""Sign-in with the operator's OpenID provider: redirect, return, and sign-ins that the provider ends by itself.

Reasons and alternatives: docs/decisions/0008-sessions.md.
"""

import hmac
import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs

from msgspec import DecodeError, Struct
from msgspec.json import Decoder, encode
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from consent_engine import DISTRIBUTION
from consent_engine.api.document.operations import PUBLIC, Operations
from consent_engine.api.http.bodies import KIB, read_body
from consent_engine.api.service.service import front_of
from consent_engine.api.service.sessions import LIFE_S, NoRole, ProviderAway, SignedIn, SignInFailed
from consent_engine.api.web.pages import sessions_of, sign_in_page, wanted_page
from consent_engine.config.settings import Settings
from consent_engine.config.sign_in import Oidc
from consent_engine.domain.effects import Millis
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.errors import SettingsError

if TYPE_CHECKING:
    from consent_engine.api.service.provider import Provider

operations = Operations()
log = logging.getLogger(__name__)
BACK, OUT = "/sign-in/provider/back", "/sign-out/provider"
COOKIE = "consent-sign-in"
UNDER_WAY_S = 600
"""How long a person may take at the provider."""
MOST_TOKEN = 16 * KIB
MOST_TOLD = 2_000
"""Characters of a returned code or state that are read."""
PROVIDER = "consent_engine.api.service.provider"
"""Imported only if a provider is set: it needs packages of the extra `oidc`."""


class UnderWay(Struct, frozen=True, array_like=True):
    """A sign-in under way, as its cookie keeps it. to: the page wanted · until: its expiry by the store's clock"""

    state: str
    nonce: str
    verifier: str
    to: str
    until: Millis


_UNDER_WAY = Decoder(UnderWay)


def provider_of(settings: Settings) -> "Provider | None":
    """Return the configured provider, if any. Raises SettingsError if its packages are missing."""
    oidc = settings.oidc()
    if oidc is None:
        return None
    try:
        made: Callable[[Oidc], Provider] = import_module(PROVIDER).Provider
    except ImportError:
        raise SettingsError(f"CONSENT_OIDC__ISSUER needs two packages: pip install '{DISTRIBUTION}[oidc]'") from None
    return made(oidc)


@operations.add("GET", "/sign-in/provider", PUBLIC)
async def there(request: Request) -> Response:
    """Send the browser to the provider."""
    to = wanted_page(request.query_params.get("next", "/"))
    try:
        begun = await _provider(request).begin(_back(request))
    except (SignInFailed, ProviderAway) as error:
        log.warning("sign-in: %s", error)
        return sign_in_page(request, error, to)
    until = await front_of(request).now() + UNDER_WAY_S * 1000
    flow = UnderWay(begun.state, begun.nonce, begun.verifier, to, until)
    said = urlsafe_b64encode(encode(flow)).decode()
    answer = RedirectResponse(begun.url, HTTPStatus.SEE_OTHER)
    _keep(request, answer, f"{said}.{sessions_of(request).sign('sign-in', said)}", UNDER_WAY_S)
    return answer


@operations.add("GET", BACK, PUBLIC)
async def back(request: Request) -> Response:
    """Take the provider's answer from the returning browser, and open a session."""
    to = "/"
    try:
        under_way = await _under_way(request)
        to = under_way.to
        person = await _person(request, under_way)
    except (SignInFailed, NoRole, ProviderAway) as error:
        log.warning("sign-in: %s", error)
        answer = sign_in_page(request, error, to)
    else:
        answer = RedirectResponse(to, HTTPStatus.SEE_OTHER)
        sessions_of(request).open_for(request, answer, person, _provider(request).settings.session)
        log.info("signed in", extra={"about": {"key": person.name}})
    _keep(request, answer, "", 0)
    return answer


@operations.add("POST", OUT, PUBLIC)
async def ended(request: Request) -> Response:
    """End sign-ins that the provider ends, by itself or because a person signed out there (Back-Channel Logout 1.0).

    Forgeries are slowed down, not the provider, which may come from behind the same proxy: while they come, a token is
    checked with the keys at hand only, so that a forgery costs neither a request to the provider nor a log line.
    """
    # Counted apart: forgeries from behind the same proxy keep nobody from signing in.
    failures, address = sessions_of(request).forged, request.client.host if request.client else ""
    body = await read_body(request, MOST_TOKEN)
    token = parse_qs(body.decode("ascii", "replace"), max_num_fields=10).get("logout_token", [""])[0]
    slow = failures.must_wait(address)
    try:
        found = await _provider(request).ended(token, await front_of(request).now() / 1000, sparing=slow)
    except ProviderAway:
        return _without_words(HTTPStatus.SERVICE_UNAVAILABLE)
    except SignInFailed as error:
        if slow:
            return _without_words(HTTPStatus.TOO_MANY_REQUESTS)
        failures.add(address)
        log.warning("sign-out: %s", error)
        return _without_words(HTTPStatus.BAD_REQUEST)
    issuer = _provider(request).settings.issuer
    await front_of(request).ask(
        lambda engine: engine.registry.end_sign_ins(
            [engine.keys.of_sign_in(issuer, *each) for each in found], LIFE_S * 1000
        )
    )
    return _without_words(HTTPStatus.OK)


async def _under_way(request: Request) -> UnderWay:
    """Return the sign-in that this browser began. Raises SignInFailed if there is none, or it is another or too old."""
    said, _, proof = request.cookies.get(COOKIE, "").rpartition(".")
    query = request.query_params
    state = query.get("state", "")[:MOST_TOLD]
    if not hmac.compare_digest(proof.encode(), sessions_of(request).sign("sign-in", said).encode()):
        raise SignInFailed("no sign-in was begun in this browser")
    try:
        found = _UNDER_WAY.decode(urlsafe_b64decode(said))
    except (ValueError, DecodeError):
        raise SignInFailed("no sign-in was begun in this browser") from None
    if found.until <= await front_of(request).now():
        raise SignInFailed("the sign-in took too long")
    if not hmac.compare_digest(found.state.encode(), state.encode("utf-8", "replace")):
        raise SignInFailed("this answer belongs to another sign-in")
    if "error" in query or not query.get("code"):
        raise SignInFailed("the provider signed nobody in")
    return found


async def _person(request: Request, under_way: UnderWay) -> SignedIn:
    """Return the person who signed in, with the claims' role. Raises SignInFailed, NoRole and ProviderAway."""
    provider, front = _provider(request), front_of(request)
    settings = provider.settings
    code = request.query_params["code"][:MOST_TOLD]
    claims = await provider.finish(under_way.nonce, under_way.verifier, _back(request), code)
    role = settings.role_of(claims)
    if role is None:
        raise NoRole("no rule of CONSENT_OIDC__ROLES fits this person")
    try:
        agent, team = settings.agent_of(claims), settings.team_of(claims, role)
    except ValueError as error:
        raise SignInFailed(str(error)) from None
    subject, named = str(claims["sub"]), str(claims.get(settings.name) or claims["sub"])
    ways = [(name, str(claims[name])) for name in ("sub", "sid") if claims.get(name)]

    def signed_in(engine: Engine) -> SignedIn:
        # Good once: a provider that takes a code twice must not make the same cookie a sign-in of another browser.
        if not engine.registry.end_sign_ins([engine.keys.of_sign_in("answered", under_way.state)], LIFE_S * 1000):
            raise SignInFailed("this sign-in was answered before")
        ended_by = tuple(engine.keys.of_sign_in(settings.issuer, *each) for each in ways)
        by = engine.keys.signed_in_as(settings.issuer, subject, named)
        if settings.team and agent and role is Role.AGENT:
            engine.registry.join(agent, team)
        return SignedIn(by, role, ended_by, engine.registry.now(), agent, team)

    return await front.ask(signed_in)


def _provider(request: Request) -> "Provider":
    return cast("Provider", request.app.state.provider)


def _back(request: Request) -> str:
    """Return our address to which the provider sends browsers back: from the settings, never from a request."""
    return f"{request.app.state.public_url.rstrip('/')}{BACK}"


def _keep(request: Request, answer: Response, value: str, seconds: int) -> None:
    # Lax: the browser comes back from another site.
    secure = sessions_of(request).is_secure(request)
    answer.set_cookie(COOKIE, value, max_age=seconds, path=BACK, secure=secure, httponly=True, samesite="lax")


def _without_words(status: HTTPStatus) -> Response:
    return Response(status_code=status, headers={"Cache-Control": "no-store"})
