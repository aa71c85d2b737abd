"""Sessions: people in a browser, signed in with an API key or an OpenID provider. The server keeps none: each cookie
proves itself.

Reasons and alternatives: docs/decisions/0008-sessions.md.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.json import Decoder, encode
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.service.brakes import Brake
from consent_engine.api.service.service import Front
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Millis
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.errors import ConsentError, Forbidden, Unauthenticated
from consent_engine.ports import ApiKey

LIFE_S = 12 * 3600
"""How long a session lasts that was opened with an API key."""
CSRF_HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD"})
MOST_FAILURES, FAILURES_S = 10, 60.0
_PARTS = 4
_LONGEST_COOKIE = 1_000
_PERSON = "p"
"""First letter of the cookie of a person signed in with the provider: no key's hash begins with it."""


class TooManySignIns(ConsentError, code="too_many_sign_ins"):
    """This address failed to sign in too often."""


class SignInFailed(Unauthenticated, code="sign_in_failed"):
    """The provider's answer or logout token is invalid, or names nobody."""


class NoRole(Forbidden, code="no_role"):
    """No rule of CONSENT_OIDC__ROLES fits a person known to the provider."""


class ProviderAway(ConsentError, code="provider_away"):
    """The provider cannot be asked now."""


class SignedIn(Struct, frozen=True, array_like=True):
    """A person who signed in with the provider. ended_by: the names by which the sign-in can be ended · at: when the
    person signed in · agent: the person's agent number; '': none · team: whose agents a supervisor sees; '': all
    """

    name: str
    role: Role
    ended_by: tuple[str, ...]
    at: Millis
    agent: str = ""
    team: str = ""


_SIGNED_IN = Decoder(SignedIn)


def failures(clock: Callable[[], float] = monotonic) -> Brake:
    """Make a brake on guessing: of failed sign-ins, or forged sign-outs, kept for a minute."""
    refused = partial(TooManySignIns, "too many failed sign-ins from this address: wait a minute")
    return Brake(MOST_FAILURES, FAILURES_S, clock, refused)


@dataclass(frozen=True, slots=True)
class Session:
    """A caller who is signed in. csrf: a token that only our own pages know, required with every change · name: by
    which the session can be ended
    """

    caller: ApiKey
    csrf: str
    name: str


class Sessions:
    """The sessions of one installation. A cookie of one process is valid in all: they share the secret."""

    def __init__(self, front: Front, settings: Settings) -> None:
        self._front = front
        secret = settings.secret_for(settings.data_dir)
        self._secret = hmac.digest(secret.encode(), b"consent-engine session 1", hashlib.sha256)
        self._public = _origin(settings.public_url or "")
        self._known = Recent()
        self.failures, self.forged = failures(), failures()

    async def open(self, request: Request, response: Response, key: str) -> None:
        """Sign in: put the cookie into the response. Raises Unauthenticated, Forbidden and TooManySignIns."""
        self.same_origin(request)
        address = request.client.host if request.client else ""
        self.failures.check(address)
        try:
            await self._front.callers.whose(key)
        except Unauthenticated:
            self.failures.add(address)
            raise
        key_hash = await self._front.ask(lambda engine: engine.keys.hash_of(key))
        self._begin(request, response, key_hash, await self._front.now(), LIFE_S)

    def open_for(self, request: Request, response: Response, person: SignedIn, lasts: Millis) -> None:
        """Put the cookie of a person signed in by the provider into the response."""
        encoded = urlsafe_b64encode(encode(person)).decode().rstrip("=")
        self._begin(request, response, f"{_PERSON}{encoded}", person.at, lasts // 1000)

    def _begin(self, request: Request, response: Response, holder: str, now: Millis, seconds: int) -> None:
        said = f"{holder}.{now + seconds * 1000}.{secrets.token_hex(8)}"
        self._set(request, response, f"{said}.{self.sign('session', said)}", seconds)

    async def close(self, request: Request, response: Response, session: Session) -> None:
        """Sign out: the browser forgets the cookie, and a copy of it is good for a second at most."""
        await self._front.ask(lambda engine: engine.registry.end_sign_ins([session.name], LIFE_S * 1000))
        self.forget(request, response)

    def forget(self, request: Request, response: Response) -> None:
        """Have this browser forget the cookie."""
        self._set(request, response, "", 0)

    def _set(self, request: Request, response: Response, value: str, seconds: int) -> None:
        response.set_cookie(
            self._name(request), value, max_age=seconds, path="/", secure=self.is_secure(request), httponly=True,
            samesite="strict",
        )  # fmt: skip

    async def of(self, request: Request) -> Session:
        """Return the session of a request. Raises Unauthenticated."""
        cookie = request.cookies.get(self._name(request), "")
        said, _, proof = cookie.rpartition(".")
        parts = said.split(".")
        whole = len(cookie) <= _LONGEST_COOKIE and len(parts) == _PARTS - 1 and cookie.isascii()
        if not whole or not hmac.compare_digest(proof, self.sign("session", said)):
            raise Unauthenticated("sign in with an API key")
        holder, until, name = parts
        if int(until) <= await self._front.now():
            raise Unauthenticated(_OVER)
        front = self._front
        caller = await self._known.of(
            said, front.bounds.known_s, lambda: front.ask(lambda engine: _caller(engine, holder, name))
        )
        return Session(caller, self.sign("csrf", said), name)

    async def acting(self, request: Request) -> Session:
        """Return the session of a request that no other site caused. Raises Unauthenticated and Forbidden.

        A request that changes something needs the token of our own pages as well, in a header.
        """
        session = await self.of(request)
        if request.method not in SAFE:
            self.check(request, session, request.headers.get(CSRF_HEADER, ""))
        elif request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise Forbidden("a session is for our own pages only")
        return session

    def check(self, request: Request, session: Session, token: str) -> None:
        """Check that one of our own pages sent the request. Raises Forbidden."""
        self.same_origin(request)
        if not hmac.compare_digest(token.encode(), session.csrf.encode()):
            raise Forbidden("this form is not of your session: load the page again")

    def same_origin(self, request: Request) -> None:
        """Check that the browser names our own origin: by Sec-Fetch-Site, else by Origin. Raises Forbidden."""
        site = request.headers.get("sec-fetch-site")
        if site is not None:  # no script can forge this header, and it is valid behind any proxy
            if site != "same-origin":
                raise Forbidden("another site asked for this")
            return
        origin = _origin(request.headers.get("origin", ""))
        if not origin or origin not in {self._public, self._asked(request)}:
            raise Forbidden("another site asked for this, or the browser does not say which")

    def _asked(self, request: Request) -> str:
        return _origin(f"{request.url.scheme}://{request.headers.get('host', '')}")

    def sign(self, kind: str, said: str) -> str:
        """Sign a text of a cookie or a form: the proof that a process of this installation wrote it."""
        return hmac.new(self._secret, f"{kind}\n{said}".encode("ascii", "replace"), hashlib.sha256).hexdigest()

    def is_secure(self, request: Request) -> bool:
        """Whether the browser speaks TLS, to us or to a proxy."""
        # Behind a proxy that ends TLS, CONSENT_PUBLIC_URL decides; a browser on the machine itself uses no TLS.
        host = self._asked(request).split("://")[-1].rpartition(":")[0]
        return request.url.scheme == "https" or self._public.startswith(f"https://{host}:")

    def _name(self, request: Request) -> str:
        # A browser accepts a cookie of the first name over https only, and from no other host.
        return "__Host-consent" if self.is_secure(request) else "consent"


_OVER = "the session is over: sign in again"


def _caller(engine: Engine, holder: str, session: str) -> ApiKey:
    """Return the caller as now stored. Raises Unauthenticated when the key was revoked, or the sign-in was ended."""
    if engine.registry.sign_ins_ended([session]):
        raise Unauthenticated(_OVER)
    if not holder.startswith(_PERSON):
        return engine.keys.by_hash(holder)
    encoded = holder.removeprefix(_PERSON)
    person = _SIGNED_IN.decode(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    if engine.registry.sign_ins_ended(person.ended_by) >= person.at:
        raise Unauthenticated(_OVER)
    return ApiKey(person.name, person.role, 0, person.agent, person.team)


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url.strip().lower())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname and port else ""
