"""The code that proves a reporter's number: sent to it by SMS, good for a while, for a few tries.

What is kept is no code, and none can be found from it without the installation's secret: the code is a keyed hash of
the line and of a random text, and only that text stands in the store.
"""

import hmac

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.canonical_json import Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import mac
from consent_engine.errors import Refused

FIELD = "code"
"""The field of a line that holds it."""
MINUTES = 10
LASTS_MS = MINUTES * 60_000
"""How long after it was asked for a code is good."""
APART_MS = 60_000
MOST_TRIES = 5
MOST_A_DAY = 5
"""Codes to one number in a day that begins with the first of them."""
_DAY_MS = 86_400_000
_DIGITS = 6


class CodeWrong(Refused):
    """The code that proves a reporter's number is not the one that was sent, or not any more."""

    code = "code_wrong"


class TooManyCodes(Refused):
    """A code was sent to this number a moment ago, or as often as may be."""

    code = "too_many_codes"


class CodesUsedUp(TooManyCodes):
    """No code is sent for a longer while: a number, an address or all of them together had theirs. Who reports calls
    the hotline, where no code is asked for.
    """

    code = "codes_used_up"


class ProofCode(Struct, frozen=True, array_like=True):
    """A code as it was asked for. seed: random, what it is made from · tries: how often somebody used it, rightly or
    not · since: when the first of the codes of this day was asked for; sent: how many were.
    """

    seed: str
    at: Millis
    tries: int
    since: Millis
    sent: int

    def kept(self) -> str:
        """As kept."""
        return _ROWS.write(self)

    def is_over(self, now: Millis) -> bool:
        """Whether its time is over."""
        return now > self.at + LASTS_MS

    def tried(self) -> "ProofCode":
        """After one more use. Raises CodeWrong where none is left."""
        if self.tries >= MOST_TRIES:
            raise CodeWrong(_WRONG)
        return replace(self, tries=self.tries + 1)

    def check(self, secret: str, line: str, told: str, now: Millis) -> None:
        """Raise CodeWrong unless this is the code, in time. Compared in constant time."""
        fits = hmac.compare_digest(told.encode("utf-8", "surrogatepass"), code_of(secret, line, self.seed).encode())
        if not fits or self.is_over(now):
            raise CodeWrong(_WRONG)

    @classmethod
    def read(cls, kept: str) -> "ProofCode":
        """What `kept` wrote. Raises ValueError."""
        return _ROWS.read(kept)


_ROWS = Rows(ProofCode, least=5)
_WRONG = "the code is not the one that was sent, or its time is over: ask for another"


def next_code(before: ProofCode | None, seed: str, now: Millis) -> ProofCode:
    """Another code for a number. Raises TooManyCodes for one that follows too soon, or too many."""
    if before is None or now >= before.since + _DAY_MS:
        return ProofCode(seed, now, 0, now, 1)
    if now < before.at + APART_MS:
        raise TooManyCodes("a code was sent to this number a moment ago: wait for it a minute")
    if before.sent >= MOST_A_DAY:
        raise CodesUsedUp(f"{before.sent} codes were sent to this number: that is as many as may be in a day")
    return ProofCode(seed, now, 0, before.since, before.sent + 1)


def no_code() -> CodeWrong:
    """Why a code is not taken where none was asked for: as where it is wrong."""
    return CodeWrong(_WRONG)


def code_of(secret: str, line: str, seed: str) -> str:
    """The six digits that a line's code is.

    >>> code_of("secret", "0ce7" + "0" * 24, "seed")
    '072237'
    """
    key = mac(secret.encode(), b"report code 1")
    number = int.from_bytes(mac(key, f"{line}\n{seed}".encode("utf-8", "surrogatepass"))[:8])
    return f"{number % 10**_DIGITS:0{_DIGITS}d}"
