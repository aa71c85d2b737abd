"""Permits: may a number be dialled? One decision for all who ask; and the token that stands for a yes.

A token is 80 characters that need no encoding in an address. It names the request, the keyed hash of the number, the
carrier, the plan (hashed) or none, since when and until when; nobody can read a number in it, or make one without the
installation's secret. Nothing is kept for each: a token proves itself.
"""

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

from consent_engine.domain.carriers import Carrier
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import mac
from consent_engine.domain.line.restriction import Restriction
from consent_engine.domain.offer.policy import Policy

SKEW_MS = 60_000
"""How far a desktop's clock may be behind the store's before its call counts as made before the permit was given."""
REQUEST_LENGTH = 16
"""Hex digits of a request's id."""


class Denied(StrEnum):
    """Why a number may not be dialled."""

    REFUSED = "refused"
    SUSPECTED = "suspected"
    MARKETING_FREE = "marketing_free"
    COOL_OFF = "cool_off"
    QUIET_HOURS = "quiet_hours"
    """Nobody is called at this time of the day."""
    TOO_OFTEN = "too_often"
    """As many calls to the number as there may be have begun today."""
    NUMBER_CHANGED = "number_changed"
    """The number has no holder, or left the carrier."""


class Dial(Struct, frozen=True):
    """May this number be called? When not: why, and since when (0: nobody can read that any more)."""

    callable: bool
    since: Millis | None = None
    reason: Denied | None = None


CALLABLE = Dial(callable=True)


def is_too_often(before: int, most: int) -> bool:
    """Whether a call more is too many where so many began that day. most: how many there may be; 0: any number."""
    return 0 < most <= before


class Dialling(Struct, frozen=True):
    """What a call is to be, and when: the same for every number of a request.

    carrier: who calls; None: any · plan: what about; None: nothing that is known yet · now: when it is asked ·
    quiet_since: since when nobody is called; 0: people are · until: how long a permit would last · most: calls to one
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
        """At an instant. A permit never reaches into quiet hours."""
        quiet = policy.quiet_after(now)
        until = min(now + lasts, quiet) if quiet else now + lasts
        return cls(carrier, plan, now, policy.quiet_since(now), until, most)

    def dial(self, standing: Sequence[Restriction], began: Sequence[Millis] = ()) -> Dial:
        """Whether one number may be called, on whose line these stand. The gravest reason is named, the oldest first.

        What stands on the number is named before the hour, and that before the day: it does not pass by itself.

        began: when the calls to the number began that were made today, the oldest first
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
        """The answer about a number on whose line something stands that cannot be read: nobody calls it meanwhile."""
        return Dial(callable=False, since=0, reason=Denied.SUSPECTED)


class Permit(Struct, frozen=True):
    """What a token says: which request it is of, whose line (without its slot), which carrier, since and until when.

    plan: the hash of the one it is about; NO_PLAN: any
    """

    request: str
    number: str
    carrier: str
    plan: bytes
    since: Millis
    until: Millis


class Word(StrEnum):
    """What becomes of checking a token."""

    VALID = "valid"
    EXPIRED = "expired"
    """the call was made after it ended"""
    EARLY = "early"
    """the call was made before it was given"""
    WRONG_NUMBER = "wrong_number"
    WRONG_CARRIER = "wrong_carrier"
    WRONG_PLAN = "wrong_plan"
    NOT_OURS = "not_ours"
    """no token that this installation made"""


class Checked(Struct, frozen=True):
    """Whether a token permits a call. permit: what a token of this installation says."""

    word: Word
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
"""Hex digits of the slot that a line's id begins with. No token has it: it is part of the number."""


class Tokens:
    """Makes the tokens of one request. request: its id, 16 hex digits."""

    def __init__(self, secret: str, request: str, about: Dialling) -> None:
        if about.carrier is None:
            raise ValueError("a permit is one carrier's")
        self._key = _key(secret)
        self._head = bytes((_VERSION, _CODES[about.carrier])) + bytes.fromhex(request)
        self._tail = _plan_hash(self._key, about.plan) + struct.pack(">QI", about.now, about.until - about.now)

    def of(self, line: str) -> str:
        """The token that permits to call a line's number."""
        body = self._head + bytes.fromhex(line[_SLOT:]) + self._tail
        return urlsafe_b64encode(body + mac(self._key, body)[:_MAC]).decode()


def read(secret: str, token: str) -> Permit | None:
    """What a token says; None when this installation did not make it. As long for every text, whatever is wrong."""
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

    plan: None where the call was about none, or nobody knows yet: then it is not compared. A permit that was asked
    for without a plan fits every one. What is wrong is named in the order of `Word`, the gravest last looked at first.
    """
    permit = read(secret, token)
    if permit is None:
        return Checked(Word.NOT_OURS)
    if permit.number != line[_SLOT:]:
        return Checked(Word.WRONG_NUMBER, permit)
    if permit.carrier != carrier:
        return Checked(Word.WRONG_CARRIER, permit)
    if plan is not None and permit.plan not in {NO_PLAN, _plan_hash(_key(secret), plan)}:
        return Checked(Word.WRONG_PLAN, permit)
    if at > permit.until:
        return Checked(Word.EXPIRED, permit)
    return Checked(Word.EARLY if at < permit.since - SKEW_MS else Word.VALID, permit)


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return mac(secret.encode(), b"dial permit 1")


def _plan_hash(key: bytes, plan: str | None) -> bytes:
    return NO_PLAN if plan is None else mac(key, b"plan\n" + plan.encode("utf-8", "surrogatepass"))[: len(NO_PLAN)]
