"""Permits to dial a number: the one decision for all callers, and the token that stands for a yes.

A token is 80 characters that need no encoding in an address. It holds the request, the keyed hash of the number, the
carrier, the plan (hashed) or none, and since and until when it is valid; no one can read a number in it, or make one
without the installation's secret. No token is stored: it proves itself.
"""

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest, mac
from consent_engine.domain.line.restriction import Restriction
from consent_engine.domain.offer.offer import Policy

SKEW_MS = 60_000
"""How far a desktop's clock may be behind the store's before its call counts as made before the permit was given."""
REQUEST_LENGTH = 16
"""Hex digits of a request's id."""


class Denied(StrEnum):
    """The reason why a number may not be dialled."""

    REFUSED = "refused"
    SUSPECTED = "suspected"
    MARKETING_FREE = "marketing_free"
    COOL_OFF = "cool_off"
    QUIET_HOURS = "quiet_hours"
    """No calls are made at this time of the day."""
    TOO_OFTEN = "too_often"
    """As many calls to the number as are allowed in a day have begun today."""
    NUMBER_CHANGED = "number_changed"
    """The number has no holder, or left the carrier."""
    MINOR = "minor"
    """The number's holder is a minor, as the BSS said."""


class Dial(Struct, frozen=True):
    """The answer whether a number may be called; if not, the reason and since when (0: the record is unreadable)."""

    callable: bool
    since: Millis | None = None
    reason: Denied | None = None


CALLABLE = Dial(callable=True)


def is_too_often(before: int, most: int) -> bool:
    """Whether one more call is too many on a day with `before` calls. most: how many are allowed; 0: any number"""
    return 0 < most <= before


class Dialling(Struct, frozen=True):
    """The intended call, the same for every number of a request.

    carrier: that calls; None: any · plan: to be offered; None: not known yet · now: when the permit is requested ·
    quiet_since: start of the present quiet hours; 0: outside them · until: the end of a permit · most: calls to one
    number a day; 0: any number
    """

    carrier: str | None
    plan: str | None
    now: Millis
    quiet_since: Millis
    until: Millis
    most: int = 0

    @classmethod
    def at(
        cls, now: Millis, carrier: str | None, plan: str | None, policy: Policy, lasts: Millis, most: int = 0
    ) -> "Dialling":  # fmt: skip
        """The intended call at an instant. A permit never reaches into quiet hours."""
        quiet = policy.quiet_after(now)
        until = min(now + lasts, quiet) if quiet else now + lasts
        return cls(carrier, plan, now, policy.quiet_since(now), until, most)

    def dial(self, standing: Sequence[Restriction], began: Sequence[Millis] = ()) -> Dial:
        """Decide whether one number may be called. The gravest reason is named; among equals the oldest.

        A restriction is named before quiet hours, and these before the day's limit: a restriction does not pass by
        itself. standing: the restrictions on the number's line · began: starts of today's calls to it, oldest first
        """
        against = [each for each in standing if each.bars(self.carrier, self.plan) and not each.is_over(self.now)]
        if against:
            gravest = min(against, key=lambda each: each.rank)
            return Dial(callable=False, since=gravest.since, reason=Denied(gravest.kind.value))
        if self.quiet_since:
            return Dial(callable=False, since=self.quiet_since, reason=Denied.QUIET_HOURS)
        if is_too_often(len(began), self.most):
            return Dial(callable=False, since=began[self.most - 1], reason=Denied.TOO_OFTEN)
        return CALLABLE

    def unreadable(self) -> Dial:
        """The answer for a number with an unreadable entry on its line: it is not called meanwhile."""
        return Dial(callable=False, since=0, reason=Denied.SUSPECTED)


class Permit(Struct, frozen=True):
    """The content of a token: the request, the line (without its slot), the carrier, since and until when it is valid.

    plan: the hash of the plan; NO_PLAN: any
    """

    request: str
    number: str
    carrier: str
    plan: bytes
    since: Millis
    until: Millis


class PermitResult(StrEnum):
    """The result of checking a token."""

    VALID = "valid"
    EXPIRED = "expired"
    """the call was made after the permit ended"""
    EARLY = "early"
    """the call was made before the permit was given"""
    WRONG_NUMBER = "wrong_number"
    WRONG_CARRIER = "wrong_carrier"
    WRONG_PLAN = "wrong_plan"
    NOT_OURS = "not_ours"
    """this installation did not make the token"""


class Checked(Struct, frozen=True):
    """The result of checking a token for a call. permit: its content, where this installation made it"""

    word: PermitResult
    permit: Permit | None = None


NO_PLAN = bytes(8)
_VERSION = 1
_BODY = struct.Struct(">BB8s12s8sQI")
"""Version, carrier, request, number, plan, since (ms), for how long (ms)."""
_MAC = 18
_SHAPE = re.compile(r"[A-Za-z0-9_-]{80}", re.ASCII)
_CODES = {carrier.value: code for code, carrier in enumerate(Carrier, 1)}
_NAMES = {code: carrier for carrier, code in _CODES.items()}
_SLOT = 4
"""Hex digits of the slot that a line's id begins with. No token holds the slot: it gives away a part of the number."""


class Tokens:
    """Makes the tokens of one request. request: its id, 16 hex digits."""

    def __init__(self, secret: str, request: str, about: Dialling) -> None:
        if about.carrier is None:
            raise ValueError("a permit is one carrier's")
        self._key = _key(secret)
        self._head = bytes((_VERSION, _CODES[about.carrier])) + bytes.fromhex(request)
        self._tail = _plan_hash(self._key, about.plan) + struct.pack(">QI", about.now, about.until - about.now)

    def of(self, line: str) -> str:
        """The token that permits calling a line's number."""
        body = self._head + bytes.fromhex(line[_SLOT:]) + self._tail
        return urlsafe_b64encode(body + mac(self._key, body)[:_MAC]).decode()


def read(secret: str, token: str) -> Permit | None:
    """Read a token; None when this installation did not make it. Needs the same time for every text."""
    is_shaped = _SHAPE.fullmatch(token) is not None
    raw = urlsafe_b64decode(token if is_shaped else "A" * 80)
    body, theirs = raw[: _BODY.size], raw[_BODY.size :]
    genuine = hmac.compare_digest(mac(_key(secret), body)[:_MAC], theirs)
    version, carrier, request, number, plan, since, lasts = _BODY.unpack(body)
    if not (is_shaped and genuine and version == _VERSION):
        return None
    return Permit(request.hex(), number.hex(), _NAMES[carrier], plan, since, since + lasts)


def verify(secret: str, token: str, line: str, carrier: str, plan: str | None, at: Millis) -> Checked:
    """Whether a token permits the call of `carrier` to a line's number at `at`, about `plan`.

    plan: None where the call was about none, or it is not known yet: then it is not compared. A permit that was
    requested without a plan fits every plan. The first mismatch is named: the maker, number, carrier, plan, instant.
    """
    permit = read(secret, token)
    if permit is None:
        return Checked(PermitResult.NOT_OURS)
    if permit.number != line[_SLOT:]:
        return Checked(PermitResult.WRONG_NUMBER, permit)
    if permit.carrier != carrier:
        return Checked(PermitResult.WRONG_CARRIER, permit)
    if plan is not None and permit.plan not in {NO_PLAN, _plan_hash(_key(secret), plan)}:
        return Checked(PermitResult.WRONG_PLAN, permit)
    if at > permit.until:
        return Checked(PermitResult.EXPIRED, permit)
    return Checked(PermitResult.EARLY if at < permit.since - SKEW_MS else PermitResult.VALID, permit)


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return mac(secret.encode(), b"dial permit 1")


def _plan_hash(key: bytes, plan: str | None) -> bytes:
    return NO_PLAN if plan is None else mac(key, b"plan\n" + plan.encode("utf-8", "surrogatepass"))[: len(NO_PLAN)]


class Given(Row, frozen=True):
    """One request's answers about the lines in one part of the store.

    request: its id, which its tokens bear · by: the API key · at: the instant of the request · carrier, plan: of the
    intended calls ('': none was named) · until: the end of its permits · permits: how many were given · denied: reason
    -> how many were denied · digest: of the lines with their answers, in the order of the request
    """

    request: str
    by: str
    at: Millis
    carrier: str
    plan: str
    until: Millis
    permits: int
    denied: Mapping[str, int]
    digest: str

    @classmethod
    def of(cls, request: str, by: str, about: Dialling, answers: Iterable[tuple[str, Dial]]) -> "Given":
        """Make the stored form of the answers about lines."""
        reasons = [(line, dial.reason.value if dial.reason else "") for line, dial in answers]
        counts = Counter(reason for _, reason in reasons)
        permits = counts.pop("", 0)
        sealed = digest("\n".join(f"{line} {reason}" for line, reason in reasons))
        return cls(
            request, by, about.now, about.carrier or "", about.plan or "", about.until, permits,
            dict(sorted(counts.items())), sealed,
        )  # fmt: skip


Given.rows = Rows(Given, least=9)
