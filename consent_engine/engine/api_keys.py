"""API keys: shown once, kept as hashes, each with a role."""

import secrets

from consent_engine.domain.line.line import keyed
from consent_engine.domain.msisdn import contains_number
from consent_engine.domain.roles import Role, is_sound
from consent_engine.errors import FieldError, KeyNotFound, Malformed, Unauthenticated
from consent_engine.ports import ApiKey, ApiKeys

MOST_KEY_LENGTH = 200
SIGNED_IN = "oidc/"
"""Prefix of the names of people signed in by their identity provider: no key has such a name."""


class Keys:
    """The keys of one installation."""

    def __init__(self, registry: ApiKeys, secret: str) -> None:
        self._registry = registry
        self._secret = secret

    def add(self, name: str, role: Role, agent: str = "", team: str = "") -> str:
        """Make a key; only this result shows it. agent: the agent's number that the key is bound to · team: that its
        owner belongs to, or leads

        Raises Malformed when the name, the agent's number or the team is not sound, or the name was given before: a
        name stands in orders and events, and a second key with a revoked key's name would own that key's orders.
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
        if team and (not is_sound(team) or contains_number(team)):
            raise Malformed([FieldError("team", "invalid", "a team's name without blanks, : and |")])
        key = f"ce_{secrets.token_urlsafe(32)}"
        if not self._registry.add_key(self.hash_of(key), ApiKey(name, role.value, self._registry.now(), agent, team)):
            raise Malformed(
                [FieldError("name", "taken", "a key has or had this name, and none is given twice: take another one")]
            )
        return key

    def all(self) -> list[ApiKey]:
        return sorted(self._registry.keys().values(), key=lambda key: key.name)

    def revoke(self, name: str) -> None:
        """Delete a key, except for its name, which is never given again. Raises KeyNotFound."""
        found = [key_hash for key_hash, key in self._registry.keys().items() if key.name == name]
        if not found:
            raise KeyNotFound("no key of this name")
        for key_hash in found:
            self._registry.drop_key(key_hash, name)

    def whose(self, key: str) -> ApiKey:
        """Return the caller's key. Raises Unauthenticated. Found by keyed hash, so timing reveals nothing of a key."""
        if not 0 < len(key) <= MOST_KEY_LENGTH:
            raise Unauthenticated("this needs an API key: Authorization: Bearer KEY")
        return self.by_hash(self.hash_of(key))

    def by_hash(self, key_hash: str) -> ApiKey:
        """Return the key with this hash. Raises Unauthenticated when there is none, also when it was revoked."""
        known = self._registry.key(key_hash)
        if known is None:
            raise Unauthenticated("this needs an API key: Authorization: Bearer KEY")
        return known

    def signed_in_as(self, issuer: str, subject: str, named: str) -> str:
        """Name a person who signed in with a provider: by a claim where that may stand in orders, else by a hash."""
        name = f"{SIGNED_IN}{named}"
        return (
            name if is_sound(name) and not contains_number(named) else f"{SIGNED_IN}{self.of_sign_in(issuer, subject)}"
        )

    def of_sign_in(self, *parts: str) -> str:
        """Return the keyed hash that identifies a sign-in, so that a cookie reveals nothing of its provider."""
        return keyed(self._secret, "sign-in", *parts)

    def hash_of(self, key: str) -> str:
        """Return the hash under which a key is kept; it may stand in a session cookie."""
        return keyed(self._secret, "apikey", key)
