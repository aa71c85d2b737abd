"""The settings and refusals that several gateways have: their prefix, how far their clock may be behind, how long a
text may be.
"""

from collections.abc import Mapping

from consent_engine.config.values import duration, millis
from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar import of_a_fragment, read
from consent_engine.domain.grammar.meaning import RESTRICTING
from consent_engine.domain.hashing import mac
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import MOST_SEGMENTS, Reply
from consent_engine.errors import SettingsError

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


def prefix_of(name: str) -> str:
    """Return the prefix of the settings of a gateway of this name."""
    return f"CONSENT_{name.replace(':', '_').upper()}__"


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


def refusal(gateway: str, secret: str, message: object, msisdn: Msisdn, to: str, text: str) -> Reply:
    """Return a refusal as a message of its own.

    message: everything that the gateway said with it; the same again is a repeat · to: '' where it cannot be read, and
    the gateway's carriers decide
    """
    said = repr(message).encode("utf-8", "surrogatepass")
    return Reply(gateway, f"unnamed-{mac(secret.encode(), said).hex()[:32]}", msisdn, to, text, data=True)
