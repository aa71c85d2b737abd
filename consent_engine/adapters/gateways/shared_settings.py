"""The settings and refusals that several gateways have: their prefix, how far their clock may be behind, how long a
text may be.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

from yarl import URL

from consent_engine.adapters.outbound import flag, required
from consent_engine.config.values import duration, millis
from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar import of_a_fragment, read
from consent_engine.domain.grammar.meaning import RESTRICTING
from consent_engine.domain.hashing import mac
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import MOST_POSTED, MOST_SEGMENTS, Reply
from consent_engine.errors import SettingsError
from consent_engine.ports import Webhooks

RESOLUTION_MS = 1_000
"""Gateways commonly write `received_at` in whole seconds, rounded down."""
SKEW_MS = 5_000
"""How far a gateway's clock may be behind, by default. More would let a yes from before the question pass as its
answer; less would discard real answers. No person reads a question and answers it within five seconds."""
LONGEST_SKEW_MS = 600_000
MOST_RATE = 10_000
"""The largest rate (SMS a second): beyond it nothing is held back that the engine could do."""
OLD = "OLD_SECRET"
"""The setting with the secret before SECRET: posts that prove it are taken, too, while both sides change it."""


@dataclass
class OfEveryGateway:
    """The fields that every gateway has (`ports.Gateway`)."""

    name: str
    webhooks: Webhooks
    sub_numbers: bool
    segments: int
    reports: bool


def of_every(name: str, raw: Mapping[str, str], webhooks: Webhooks) -> tuple[str, Webhooks, bool, int, bool]:
    """Return the values of those fields, from SUB_NUMBERS, SEGMENTS and REPORTS. Raises SettingsError."""
    prefix = prefix_of(name)
    return name, webhooks, flag(prefix, raw, "SUB_NUMBERS"), carried(prefix, raw), flag(prefix, raw, "REPORTS")


def prefix_of(name: str) -> str:
    """Return the prefix of the settings of a gateway of this name."""
    return f"CONSENT_{name.replace(':', '_').upper()}__"


def user_of(name: str) -> str:
    """Return the user name that a gateway calls with: its name without the colon, which Basic does not allow."""
    return name.replace(":", "_")


def basic(name: str, secret: str) -> str:
    """Return the Basic credentials of a gateway's posts."""
    return f"Basic {b64encode(f'{user_of(name)}:{secret}'.encode()).decode()}"


def fitting(prefix: str, raw: Mapping[str, str], key: str, form: re.Pattern[str], wrong: str) -> str:
    """Return a required setting of this form. Raises SettingsError."""
    value = required(prefix, raw, key)
    if not form.fullmatch(value):
        raise SettingsError(f"{prefix}{key} {wrong}")
    return value


def secrets_in_urls(prefix: str, raw: Mapping[str, str]) -> tuple[str, str]:
    """Return SECRET and OLD_SECRET ('' without it), which need no escapes in a URL. Raises SettingsError."""
    plain = "must be letters, digits and . _ ~ - only: it stands in a URL"
    old = fitting(prefix, raw, OLD, _PLAIN, plain) if raw.get(OLD) else ""
    return fitting(prefix, raw, "SECRET", _PLAIN, plain), old


def our_address(prefix: str, raw: Mapping[str, str]) -> str:
    """Return the setting CALLBACK_URL, without a slash at its end. Raises SettingsError."""
    value = required(prefix, raw, "CALLBACK_URL").rstrip("/")
    try:
        url = URL(value)
        fit = url.scheme in {"http", "https"} and bool(url.host and url.port) and not _AWKWARD.search(value)
    except ValueError:
        fit = False
    if not fit:
        like = "must be our own address as the gateway reaches it, like http://HOST:8000"
        raise SettingsError(f"{prefix}CALLBACK_URL {like}")
    return value


# A per cent sign in a URL is an escape code to Kannel, so a secret that is part of a URL must not need any.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
_AWKWARD = re.compile(r"[^!-~]|[@?#%\[]")
"""Characters that Kannel's own parsing of a URL (no IPv6, nothing encoded), or our additions to it, cannot handle."""


def skew(prefix: str, raw: Mapping[str, str]) -> Millis:
    """Return the setting SKEW, at most ten minutes: with more, a yes to an earlier message could answer the question.
    Raises SettingsError.
    """
    try:
        allowed = millis(duration(raw["SKEW"])) if raw.get("SKEW") else SKEW_MS
    except ValueError as error:
        raise SettingsError(f"{prefix}SKEW {error}") from None
    if allowed > LONGEST_SKEW_MS:
        raise SettingsError(f"{prefix}SKEW must be at most 10m")
    return allowed


def carried(prefix: str, raw: Mapping[str, str]) -> int:
    """Return the setting SEGMENTS: how many segments of one text a gateway carries; MOST_SEGMENTS without it.

    Raises SettingsError.
    """
    return _whole(prefix, raw, "SEGMENTS", MOST_SEGMENTS) or MOST_SEGMENTS


def rate(prefix: str, raw: Mapping[str, str]) -> int:
    """Return the setting RATE: how many SMS a second a gateway may get; 0 without it: as many as there are.

    Raises SettingsError.
    """
    return _whole(prefix, raw, "RATE", MOST_RATE)


def _whole(prefix: str, raw: Mapping[str, str], key: str, most: int) -> int:
    value = raw.get(key, "").strip()
    if value and not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= most):
        raise SettingsError(f"{prefix}{key} must be a whole number from 1 to {most}")
    return int(value or 0)


KEPT = "its refusal is kept"


def refuses(text: str) -> bool:
    """Return whether a text is a refusal, or may be one. A no counts: as a fragment it bars the orders it may mean."""
    return of_a_fragment(read(text)).keyword in RESTRICTING


_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=attrgetter("pairs")).encode


def as_posted(said: object) -> str:
    """Return a post about one reply as JSON, an object that repeats a field as its pairs; '' where it is longer than
    MOST_POSTED, or too deep.
    """
    try:
        text = _write(said)
    except RecursionError:
        return ""
    return text if len(text) <= MOST_POSTED else ""


def refusal(gateway: str, secret: str, message: object, msisdn: Msisdn, to: str, text: str) -> Reply:
    """Return a refusal as a message of its own.

    message: everything that the gateway said with it; the same again is a repeat · to: '' where it cannot be read, and
    the gateway's carriers decide
    """
    said = repr(message).encode("utf-8", "surrogatepass")
    name = f"unnamed-{mac(secret.encode(), said).hex()[:32]}"
    return Reply(gateway, name, msisdn, to, text, data=True, posted=as_posted(message))
