"""CONSENT_OIDC__*: sign-in with an OpenID provider, and the role that its claims give a person."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from msgspec import Struct

from consent_engine.config.values import duration, millis
from consent_engine.domain.effects import Millis
from consent_engine.domain.msisdn import contains_number
from consent_engine.domain.roles import Role, is_sound
from consent_engine.errors import SettingsError

PREFIX = "OIDC"
REQUIRED = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "ROLES")
KNOWN = (*REQUIRED, "NAME", "SESSION", "SCOPE", "AGENT", "TEAM")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_SESSION = timedelta(hours=12)


class RoleRule(Struct, frozen=True):
    """A rule: a person whose claim has this value has this role. claim: a path, its steps separated by dots."""

    claim: str
    value: str
    role: Role

    def fits(self, claims: Mapping[str, object]) -> bool:
        """Return whether the claim has the value: as a text, or as one of a list."""
        found = _said(claims, self.claim)
        return self.value in found if isinstance(found, list) else found == self.value


def _said(claims: Mapping[str, object], path: str) -> object:
    """Return the value of a claim; None where there is none. path: its steps separated by dots."""
    found: object = claims
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


class Oidc(Struct, frozen=True):
    """The provider, our registration there, and the meaning of its claims.

    roles: the first rule that fits gives the role · name: the claim that names a person for ever · session: how long a
    sign-in lasts at most · agent: the claim with a person's number as an agent, '' where none has it · team: that with
    the team an agent is of, and whose agents a supervisor sees; '' where each sees all
    """

    issuer: str
    client_id: str
    client_secret: str
    roles: tuple[RoleRule, ...]
    name: str
    session: Millis
    scope: str
    agent: str = ""
    team: str = ""

    def role_of(self, claims: Mapping[str, object]) -> Role | None:
        """Return the role that the claims give; None where no rule fits."""
        return next((rule.role for rule in self.roles if rule.fits(claims)), None)

    def agent_of(self, claims: Mapping[str, object]) -> str:
        """Return the agent's number that the claims give a person; '' where they give none. Raises ValueError for an
        invalid number: which calls are a person's own must not be guessed.
        """
        return _sound(claims, self.agent, "AGENT", "agent's number")

    def team_of(self, claims: Mapping[str, object], role: Role) -> str:
        """Return the team that the claims give a supervisor or an agent; '' for any other role, a teamless agent, and
        without the setting. Raises ValueError for a bad name, and for a supervisor's missing one: who sees which agents
        must not be guessed.
        """
        if not self.team or role not in {Role.SUPERVISOR, Role.AGENT}:
            return ""
        if (team := _sound(claims, self.team, "TEAM", "team's name")) or role is Role.AGENT:
            return team
        raise ValueError("a supervisor has no claim that CONSENT_OIDC__TEAM names")

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "Oidc | None":
        """Read the settings behind the prefix; None without any. Raises SettingsError, which quotes no value."""
        if not values:
            return None
        if missing := [_named(name) for name in REQUIRED if name not in values]:
            raise SettingsError(f"{', '.join(missing)}: missing; sign-in by OIDC needs it: see docs/settings.md")
        if unknown := sorted(values.keys() - set(KNOWN)):
            raise SettingsError(f"{_named(unknown[0])} is not a setting: sign-in has {', '.join(map(_named, KNOWN))}")
        return cls(
            issuer=_issuer(values["ISSUER"]),
            client_id=values["CLIENT_ID"],
            client_secret=values["CLIENT_SECRET"],
            roles=_rules(values["ROLES"].split(",")),
            name=values.get("NAME", "sub"),
            session=_session(values.get("SESSION", "8h")),
            scope=_scope(values.get("SCOPE", "openid profile")),
            agent=values.get("AGENT", ""),
            team=values.get("TEAM", ""),
        )


def _sound(claims: Mapping[str, object], path: str, setting: str, meaning: str) -> str:
    found = _said(claims, path) if path else None
    name = str(found) if isinstance(found, int) and not isinstance(found, bool) else found or ""
    if not isinstance(name, str) or (name and (not is_sound(name) or contains_number(name))):
        raise ValueError(f"the claim that {_named(setting)} names is not a valid {meaning}")
    return name


def _named(name: str) -> str:
    return f"CONSENT_{PREFIX}__{name}"


def _issuer(url: str) -> str:
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not secure or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(f"{_named('ISSUER')} must be the provider's https address, without ? and #")
    return url


def _scope(scope: str) -> str:
    if "openid" not in scope.split():
        raise SettingsError(f"{_named('SCOPE')} must name openid: without it a provider does not say who signed in")
    return scope


def _session(text: str) -> Millis:
    try:
        return millis(duration(text, LONGEST_SESSION))
    except ValueError:
        raise SettingsError(f"{_named('SESSION')} must be a duration like 30m or 8h, and at most 12h") from None


def _rules(rows: Sequence[str]) -> tuple[RoleRule, ...]:
    found = []
    for row in filter(None, map(str.strip, rows)):
        rule = re.fullmatch(r"([^:=\s]+):([^=]+)=([a-z]+)", row)
        if rule is None or rule[3] not in set(Role):
            roles = ", ".join(Role)
            raise SettingsError(f"{_named('ROLES')} must be CLAIM:VALUE=ROLE, separated by commas; roles: {roles}")
        found.append(RoleRule(rule[1], rule[2], Role(rule[3])))
    if not found:
        raise SettingsError(f"{_named('ROLES')} names no role: nobody could sign in")
    return tuple(found)
