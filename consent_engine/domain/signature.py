"""The signature of the generic gateway and BSS: it proves the sender of a body, and that no old one is sent again."""

import hmac
import re

from consent_engine.domain.hashing import mac
from consent_engine.errors import Unauthenticated

HEADER = "X-Consent-Signature"
TOLERANCE_S = 300

# Exactly two parts in this order, so neither can be given twice; 11 digits of seconds last for 3000 years.
_PATTERN = re.compile(r"t=([0-9]{1,11}),v1=([0-9a-fA-F]{64})")


def sign(secret: str, body: bytes, at_s: int) -> str:
    """The header's value for a body sent at `at_s`, in unix seconds."""
    return f"t={at_s},v1={_digest(secret, str(at_s), body)}"


def check(secret: str, header: str | None, body: bytes, now_ms: int, tolerance_s: int = TOLERANCE_S) -> None:
    """Return if `header` signs `body` with `secret`, within the tolerance either way; else raise Unauthenticated;
    `genuine` if only the instant is wrong.

    The error's message is the same for every fault: it helps no one to guess. An empty secret fits no signature.
    """
    match = _PATTERN.fullmatch(header or "")
    # Without a match the digest is computed all the same, so that the time taken reveals as little as the message.
    at_s, theirs = (match[1], match[2].lower()) if match else ("0", "")
    genuine = hmac.compare_digest(_digest(secret, at_s, body), theirs)
    recent = abs(now_ms - int(at_s) * 1000) <= tolerance_s * 1000
    if not (secret and match and genuine and recent):
        error = Unauthenticated("the signature does not fit")
        error.genuine = bool(secret and match and genuine)
        raise error


def _digest(secret: str, at_s: str, body: bytes) -> str:
    return mac(secret.encode(), at_s.encode() + b"." + body).hex()
