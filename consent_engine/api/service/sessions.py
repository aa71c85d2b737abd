"""Sessions: a person in a browser, signed in with an API key or an OpenID provider. Nothing is kept here: the cookie
proves itself.

Why, and what else was considered: docs/decisions/0008-sessions.md.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.json import Decoder, encode
from starlette.requests import Request
from starlette.responses import Response

from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.service.service import Front
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Millis
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.errors import ConsentError, Forbidden, Unauthenticated
from consent_engine.ports import ApiKey

LIFE_S = 12 * 3600
"""How old an answer to "does this key still exist?" may be."""
CSRF_HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD"})
MOST_FAILURES, FAILURES_S, MOST_ADDRESSES = 10, 60.0, 10_000
_PARTS = 4
_LONGEST_COOKIE = 1_000
_PERSON = "p"
"""What the cookie of a person begins with who signed in with the provider: no key's hash does."""


class TooManySignIns(ConsentError, code="too_many_sign_ins"):
    """This address failed to sign in too often."""


class SignInFailed(Unauthenticated, code="sign_in_failed"):
    """What came back from the provider does not hold, or it signed nobody in."""


class NoRole(Forbidden, code="no_role"):
    """No rule of CONSENT_OIDC__ROLES fits a person whom the provider knows."""


class ProviderAway(ConsentError, code="provider_away"):
    """The provider cannot be asked now."""


class SignedIn(Struct, frozen=True, array_like=True):
    """A person who signed in with the provider: as whom, with which role, and by which names that sign-in is ended.
    agent: the agent's number that is theirs
    """

    name: str
    role: Role
    ended_by: tuple[str, ...]
    at: Millis
    agent: str = ""


_SIGNED_IN = Decoder(SignedIn)


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in. csrf: what only our own pages know, to be sent back with whatever changes something."""

    caller: ApiKey
    csrf: str


class Sessions:
    """The sessions of one installation. Cookies of one process are good in all: the secret is the same."""

    def __init__(self, front: Front, settings: Settings) -> None:
        self._front = front
        secret = settings.secret_for(settings.data_dir)
        self._secret = hmac.digest(secret.encode(), b"consent-engine session 1", hashlib.sha256)
        self._public = _origin(settings.public_url or "")
        self._known: Recent[ApiKey] = Recent(front.bounds.known_s)
        self.failures, self.forged = Failures(), Failures()

    async def open(self, request: Request, response: Response, key: str) -> None:
        """Sign in: the cookie goes into the response. Raises Unauthenticated, Forbidden and TooManySignIns."""
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
        """The cookie of a person whom the provider has signed in goes into the response."""
        told = urlsafe_b64encode(encode(person)).decode().rstrip("=")
        self._begin(request, response, f"{_PERSON}{told}", person.at, lasts // 1000)

    def _begin(self, request: Request, response: Response, who: str, now: Millis, seconds: int) -> None:
        said = f"{who}.{now + seconds * 1000}.{secrets.token_hex(8)}"
        self._set(request, response, f"{said}.{self.sign('session', said)}", seconds)

    def close(self, request: Request, response: Response) -> None:
        """Sign out: the browser forgets the cookie."""
        self._set(request, response, "", 0)

    def _set(self, request: Request, response: Response, value: str, seconds: int) -> None:
        response.set_cookie(
            self._name(request), value, max_age=seconds, path="/", secure=self.is_secure(request), httponly=True,
            samesite="strict",
        )  # fmt: skip

    async def of(self, request: Request) -> Session:
        """Who is signed in; raises Unauthenticated."""
        cookie = request.cookies.get(self._name(request), "")
        said, _, proof = cookie.rpartition(".")
        parts = said.split(".")
        whole = len(cookie) <= _LONGEST_COOKIE and len(parts) == _PARTS - 1 and cookie.isascii()
        if not whole or not hmac.compare_digest(proof, self.sign("session", said)):
            raise Unauthenticated("sign in with an API key")
        who, until, _ = parts
        if int(until) <= await self._front.now():
            raise Unauthenticated(_OVER)
        caller = await self._known.of(who, lambda: self._front.ask(lambda engine: _caller(engine, who)))
        return Session(caller, self.sign("csrf", said))

    async def acting(self, request: Request) -> Session:
        """Who is signed in and really asked for this; raises Unauthenticated and Forbidden.

        What changes something needs the token of our own pages as well, in a header.
        """
        session = await self.of(request)
        if request.method not in SAFE:
            self.check(request, session, request.headers.get(CSRF_HEADER, ""))
        elif request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise Forbidden("a session is for our own pages only")
        return session

    def check(self, request: Request, session: Session, token: str) -> None:
        """That one of our own pages asked; raises Forbidden."""
        self.same_origin(request)
        if not hmac.compare_digest(token.encode(), session.csrf.encode()):
            raise Forbidden("this form is not of your session: load the page again")

    def same_origin(self, request: Request) -> None:
        """That the browser says so, too: by Sec-Fetch-Site, else by Origin. Raises Forbidden."""
        site = request.headers.get("sec-fetch-site")
        if site is not None:  # no script can forge it, and it holds behind any proxy
            if site != "same-origin":
                raise Forbidden("another site asked for this")
            return
        origin = _origin(request.headers.get("origin", ""))
        if not origin or origin not in {self._public, self._asked(request)}:
            raise Forbidden("another site asked for this, or the browser does not say which")

    def _asked(self, request: Request) -> str:
        return _origin(f"{request.url.scheme}://{request.headers.get('host', '')}")

    def sign(self, kind: str, said: str) -> str:
        """What proves that a process of this installation said so, in a cookie or a form."""
        return hmac.new(self._secret, f"{kind}\n{said}".encode("ascii", "replace"), hashlib.sha256).hexdigest()

    def is_secure(self, request: Request) -> bool:
        """Whether the browser speaks TLS, to us or to a proxy."""
        # Behind a proxy that ends TLS, CONSENT_PUBLIC_URL tells; a person on the machine itself has no TLS.
        host = self._asked(request).split("://")[-1].rpartition(":")[0]
        return request.url.scheme == "https" or self._public.startswith(f"https://{host}:")

    def _name(self, request: Request) -> str:
        # A browser takes a cookie of the first name over https only, and from no other host.
        return "__Host-consent" if self.is_secure(request) else "consent"


_OVER = "the session is over: sign in again"


def _caller(engine: Engine, who: str) -> ApiKey:
    """Who it is, as the store knows it now. Raises Unauthenticated: the key was revoked, or the sign-in was ended."""
    if not who.startswith(_PERSON):
        return engine.keys.by_hash(who)
    told = who.removeprefix(_PERSON)
    person = _SIGNED_IN.decode(urlsafe_b64decode(told + "=" * (-len(told) % 4)))
    if engine.registry.sign_ins_ended(person.ended_by) >= person.at:
        raise Unauthenticated(_OVER)
    return ApiKey(person.name, person.role, 0, person.agent)


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url.strip().lower())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname and port else ""


class Failures:
    """Failed sign-ins by address, in this process: a brake on guessing, kept for a minute."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, deque[float]] = {}

    def must_wait(self, address: str) -> bool:
        """Whether this address failed too often lately."""
        seen = self._seen.get(address, deque())
        while seen and self._clock() - seen[0] >= FAILURES_S:
            seen.popleft()
        return len(seen) >= MOST_FAILURES

    def check(self, address: str) -> None:
        """Raise TooManySignIns when this address must wait."""
        if self.must_wait(address):
            raise TooManySignIns("too many failed sign-ins from this address: wait a minute")

    def add(self, address: str) -> None:
        seen = self._seen.pop(address, deque(maxlen=MOST_FAILURES))
        if len(self._seen) >= MOST_ADDRESSES:
            self._seen.pop(next(iter(self._seen)))
        seen.append(self._clock())
        self._seen[address] = seen
