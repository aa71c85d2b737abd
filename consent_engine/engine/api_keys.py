"""API keys: shown once, kept as hashes, each with a role."""

import secrets

from consent_engine.domain.line.line import keyed
from consent_engine.domain.msisdn import contains_number
from consent_engine.domain.roles import Role, is_sound
from consent_engine.errors import FieldError, KeyNotFound, Malformed, Unauthenticated
from consent_engine.ports import ApiKey, ApiKeys

MOST_KEY_LENGTH = 200
SIGNED_IN = "oidc/"
"""What the names begin with under which people act who signed in with their provider: no key has such a name."""


class Keys:
    """The keys of one installation."""

    def __init__(self, registry: ApiKeys, secret: str) -> None:
        self._registry = registry
        self._secret = secret

    def add(self, name: str, role: Role, agent: str = "") -> str:
        """Make a key; the only time it can be read. agent: the agent's number that it is bound to.

        Raises Malformed when the name or the agent's number is not sound, or the name was given before: a name stands
        in orders and events, and a second key of a revoked one's name would have its orders.
        """
        sound = is_sound(name)
        if contains_number(name):
            raise Malformed([FieldError("name", "contains_number", "must not contain a telephone number")])
        if name.startswith(SIGNED_IN):
            raise Malformed(
                [FieldError("name", "invalid", f"names that begin with {SIGNED_IN} are of people who signed in")]
            )
        if not sound:
            raise Malformed([FieldError("name", "invalid", "1 to 64 printable characters without blanks, : and |")])
        if agent and (not is_sound(agent) or contains_number(agent)):
            raise Malformed([FieldError("agent", "invalid", "an agent's number as in orders, without blanks, : and |")])
        key = f"ce_{secrets.token_urlsafe(32)}"
        if not self._registry.add_key(self.hash_of(key), ApiKey(name, role.value, self._registry.now(), agent)):
            raise Malformed(
                [FieldError("name", "taken", "a key has or had this name, and none is given twice: take another one")]
            )
        return key

    def all(self) -> list[ApiKey]:
        return sorted(self._registry.keys().values(), key=lambda key: key.name)

    def revoke(self, name: str) -> None:
        """Forget a key, but for its name, which is never given again; raises KeyNotFound."""
        found = [key_hash for key_hash, key in self._registry.keys().items() if key.name == name]
        if not found:
            raise KeyNotFound("no key of this name")
        for key_hash in found:
            self._registry.drop_key(key_hash, name)

    def whose(self, key: str) -> ApiKey:
        """Who calls; raises Unauthenticated. The look-up is by keyed hash, so its timing says nothing of a key."""
        if not 0 < len(key) <= MOST_KEY_LENGTH:
            raise Unauthenticated("this needs an API key: Authorization: Bearer KEY")
        return self.by_hash(self.hash_of(key))

    def by_hash(self, key_hash: str) -> ApiKey:
        """Whose key has this hash; raises Unauthenticated, also when it was revoked."""
        known = self._registry.key(key_hash)
        if known is None:
            raise Unauthenticated("this needs an API key: Authorization: Bearer KEY")
        return known

    def signed_in_as(self, issuer: str, subject: str, named: str) -> str:
        """The name of a person who signed in with a provider: of a claim, where it may stand in orders; else hashed."""
        name = f"{SIGNED_IN}{named}"
        return (
            name if is_sound(name) and not contains_number(named) else f"{SIGNED_IN}{self.of_sign_in(issuer, subject)}"
        )

    def of_sign_in(self, *parts: str) -> str:
        """What a sign-in is known by: a keyed hash, so that a cookie says nothing of its provider."""
        return keyed(self._secret, "sign-in", *parts)

    def hash_of(self, key: str) -> str:
        """The hash that is kept of a key, and may stand in a session cookie."""
        return keyed(self._secret, "apikey", key)
