"""The OpenID provider: the code flow with PKCE, and claims of people who sign in or out. Authlib speaks to it.

OpenID Connect Core 1.0, RFC 7636 (PKCE), OpenID Connect Back-Channel Logout 1.0.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import StarletteOAuth2App
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from msgspec import Struct

from consent_engine.api.service.sessions import ProviderAway, SignInFailed
from consent_engine.config.sign_in import Oidc

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Algorithms that a token may be signed with: none by which a holder of our own secret could sign, and never `none`."""
TIMEOUT_S = 10.0
SKEW_S = 60
"""How far the provider's clock may differ from this host's."""
LOGOUT_FRESH_S = 300
"""How old a logout token may be."""
KEYS_S = 60.0
"""Greatest age of the provider's keys when logout tokens are checked while forged ones arrive."""
SIGNED_OUT = "http://schemas.openid.net/event/backchannel-logout"


_REFUSED = (AuthlibBaseError, JoseError, ValueError, TypeError, KeyError, RuntimeError)
"""Errors that the libraries raise for an answer or a token that is invalid or cannot be read."""


class Flow(Struct, frozen=True):
    """A sign-in under way: the address the browser is sent to, and the values that must come back with it."""

    url: str
    state: str
    nonce: str
    verifier: str


class Provider:
    """The provider that people sign in with.

    transport: of the HTTP client, in tests
    """

    def __init__(self, settings: Oidc, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        self._asked: tuple[float, KeySet] | None = None
        self._client: Any = StarletteOAuth2App(  # Authlib is not typed
            framework=None,  # the state is kept in a cookie of our own
            name="provider",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": settings.scope, "code_challenge_method": "S256", "timeout": TIMEOUT_S,
                "follow_redirects": False, "trust_env": False, "transport": transport,
            },
        )  # fmt: skip

    async def begin(self, back: str) -> Flow:
        """Begin a sign-in. back: our address that the browser returns to. Raises ProviderAway, and SignInFailed."""
        nonce, state = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        with self._described():
            await self._metadata()
            answer = await self._client.create_authorization_url(back, nonce=nonce, state=state)
        return Flow(answer["url"], state, nonce, answer["code_verifier"])

    async def finish(self, nonce: str, verifier: str, back: str, code: str) -> Mapping[str, object]:
        """Return the claims of the person signed in, by the returned code. Raises SignInFailed, and ProviderAway."""
        try:
            await self._metadata()
            token = await self._client.fetch_access_token(redirect_uri=back, code=code, code_verifier=verifier)
            claims = await self._client.parse_id_token(token, nonce=nonce, leeway=SKEW_S)
        except httpx2.HTTPError as error:
            raise ProviderAway(f"the provider cannot be asked: {type(error).__name__}") from None
        except _REFUSED as error:
            raise SignInFailed(f"the provider's answer does not hold: {type(error).__name__}") from None
        if not claims or not isinstance(claims.get("sub"), str):
            raise SignInFailed("the provider says nothing of who signed in")
        return dict(claims)

    async def ended(self, token: str, now_s: float, *, sparing: bool = False) -> list[tuple[str, str]]:
        """Return the sign-ins that a logout token ends: claims (`sub`, `sid`) and their values. sparing: ask the
        provider for its keys once a minute at most. Raises SignInFailed, and ProviderAway.
        """
        try:
            metadata = await self._metadata()
            keys = await self._keys(sparing=sparing)
            allowed = JWSRegistry(
                algorithms=metadata["id_token_signing_alg_values_supported"], strict_check_header=False
            )
            claims = jwt.decode(token, key=keys, registry=allowed).claims
        except _REFUSED as error:
            raise SignInFailed(f"this logout token does not hold: {type(error).__name__}") from None
        events, issued, audience = claims.get("events"), claims.get("iat"), claims.get("aud")
        fits = (
            claims.get("iss") == self.settings.issuer
            and self.settings.client_id in (audience if isinstance(audience, list) else [audience])
            and isinstance(events, Mapping) and SIGNED_OUT in events and "nonce" not in claims
            and isinstance(issued, int | float) and -SKEW_S <= now_s - issued <= LOGOUT_FRESH_S
        )  # fmt: skip
        found = [(name, str(claims[name])) for name in ("sub", "sid") if claims.get(name)]
        if not fits or not found:
            raise SignInFailed("this logout token is not for us, is old, or names nobody")
        return found

    async def _keys(self, *, sparing: bool) -> KeySet:
        """Return the provider's current keys; sparing: those fetched within the last minute, if there are any."""
        now = monotonic()
        if not sparing or self._asked is None or now - self._asked[0] >= KEYS_S:
            with self._described():
                self._asked = (now, KeySet.import_key_set(await self._client.fetch_jwk_set(force=True)))
        return self._asked[1]

    async def _metadata(self) -> dict[str, Any]:
        """Return the provider's metadata without its keys, so that every check of a signature fetches fresh ones.

        Raises SignInFailed for a provider whose issuer is not the one in the settings, and ProviderAway.
        """
        with self._described():
            metadata: dict[str, Any] = await self._client.load_server_metadata()
            if metadata.get("issuer") != self.settings.issuer:
                self._client.server_metadata.clear()
                raise SignInFailed("the provider calls itself otherwise than CONSENT_OIDC__ISSUER says")
            metadata.pop("jwks", None)  # a key that the provider withdrew is no longer valid
            offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
            metadata["id_token_signing_alg_values_supported"] = sorted(ALGORITHMS & set(offered))
            return metadata

    @contextmanager
    def _described(self) -> Iterator[None]:
        """Raise ProviderAway where the provider cannot be reached, or its metadata or keys cannot be read: a proxy may
        answer in its place. They are fetched again the next time.
        """
        try:
            yield
        except httpx2.HTTPError as error:
            raise ProviderAway(f"the provider cannot be asked: {type(error).__name__}") from None
        except _REFUSED as error:
            self._client.server_metadata.clear()
            raise ProviderAway(f"the provider's metadata or keys cannot be read: {type(error).__name__}") from None
