"""Refusals in posts that cannot be read as they should be: each is kept, as a message that answers nothing else."""

from consent_engine.domain.grammar import Keyword, counted, read
from consent_engine.domain.hashing import mac
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Reply

KEPT = "its refusal is kept"


def refuses(text: str) -> bool:
    """Return whether a text is a refusal, or may be one."""
    return counted(read(text).keyword) in {Keyword.STOP, Keyword.HOLD}


def refusal(gateway: str, secret: str, message: object, msisdn: Msisdn, to: str, text: str) -> Reply:
    """Return a refusal as a message of its own.

    message: everything that the gateway said with it; the same again is a repeat · to: '' where it cannot be read, and
    the gateway's carriers decide
    """
    said = repr(message).encode("utf-8", "surrogatepass")
    return Reply(gateway, f"unnamed-{mac(secret.encode(), said).hex()[:32]}", msisdn, to, text, data=True)
