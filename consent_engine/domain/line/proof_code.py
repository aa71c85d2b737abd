"""The code that proves a reporter's number: sent to it by SMS, valid for a while, for a few tries.

The code itself is not stored, and cannot be found from the store without the installation's secret: it is a keyed hash
of the line and of a random text, and only that text stands in the store.
"""

import hmac
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.canonical_json import Row, Rows
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import mac
from consent_engine.domain.msisdn import Msisdn
from consent_engine.errors import Refused

FIELD = "code"
"""The field of a line that holds its code."""
MINUTES = 10
LASTS_MS = MINUTES * 60_000
"""How long a code is valid after it was asked for."""
APART_MS = 60_000
MOST_TRIES = 5
MOST_A_DAY = 5
"""The most codes to one number in a day that begins with the first of them."""
MOST_FROM_ONE = 3
"""The most codes of a day that one network may ask for: a stranger on a single network leaves the holder some."""
RESERVED = 3
"""Codes that a network has in an hour, however many were sent to others, as long as there are any."""
_DAY_MS = 86_400_000
_DIGITS = 6


class CodeWrong(Refused, code="code_wrong"):
    """The code that proves a reporter's number is not the one that was sent, or is no longer valid."""


class TooManyCodes(Refused, code="too_many_codes"):
    """A code was sent to this number a moment ago, or as often as is allowed."""


class CodesUsedUp(TooManyCodes, code="codes_used_up"):
    """No code is sent for a longer while: a number, an address or all of them together had their share. The reporter
    can call the hotline, where no code is asked for.
    """


class CodeAsked(Struct, frozen=True):
    """A request for the code of a number, by a person who claims it; the carrier's sender sends it. network: the source
    of the request, as far as that is known
    """

    msisdn: Msisdn
    carrier: str
    language: str = "zh"
    network: str = ""


class Replaced(Struct, frozen=True, array_like=True):
    """A code that another has replaced: valid for a while, for the caller who asked for it. own: their tries."""

    seed: str
    at: Millis
    own: int


class ProofCode(Row, frozen=True, array_like=True):
    """A code as it was asked for. seed: random, the code is made from it · tries: how often it was tried, rightly or
    not, by callers who could not show that they had asked for it · since: when the first of this day's codes was asked
    for; sent: how many were sent · own: tries by the caller who asked for it · before: the codes it replaced · askers:
    the networks that asked for this day's codes, as keyed hashes, where known
    """

    seed: str
    at: Millis
    tries: int
    since: Millis
    sent: int
    own: int = 0
    before: tuple[Replaced, ...] = ()
    askers: tuple[str, ...] = ()

    def is_over(self, now: Millis) -> bool:
        return now > self.at + LASTS_MS

    def asked_with(self, secret: str, line: str, ticket: str) -> str:
        """Return the seed of the code that was asked for with this ticket; '' for none of them. In constant time."""
        fits = [
            seed for seed in (self.seed, *(each.seed for each in self.before))
            if _same(ticket, ticket_of(secret, line, seed))
        ]  # fmt: skip
        return fits[0] if fits else ""

    def tried(self, seed: str = "") -> "ProofCode":
        """Return the record after one more try by the caller who asked for the code of this seed; '': by anybody else.
        These are counted apart, so that no caller uses up another's tries. Raises CodeWrong where none is left.
        """
        used = {each.seed: each.own for each in self.before} | {self.seed: self.own, "": self.tries}
        if used[seed] >= MOST_TRIES:
            raise CodeWrong(_WRONG)
        if not seed:
            return replace(self, tries=self.tries + 1)
        if seed == self.seed:
            return replace(self, own=self.own + 1)
        before = tuple(replace(each, own=each.own + 1) if each.seed == seed else each for each in self.before)
        return replace(self, before=before)

    def check(self, secret: str, line: str, code: str, now: Millis, seed: str = "") -> None:
        """Raise CodeWrong unless `code` is the newest code, or the one of this seed, in time. Compared in constant
        time.
        """
        good = [self.seed] if now <= self.at + LASTS_MS else []
        good += [each.seed for each in self.before if each.seed == seed and now <= each.at + LASTS_MS]
        if not sum(_same(code, code_of(secret, line, each)) for each in good):  # compares with each, even after a match
            raise CodeWrong(_WRONG)


ProofCode.rows = Rows(ProofCode, least=5)
_WRONG = "the code is not the one that was sent, or its time is over: ask for another"


def next_code(before: ProofCode | None, seed: str, now: Millis, asker: str = "") -> ProofCode:
    """Return another code for a number. Raises TooManyCodes for one that follows too soon, or is one too many."""
    by = (asker,) if asker else ()
    if before is None:
        return ProofCode(seed, now, 0, now, 1, askers=by)
    all_before = (*before.before, Replaced(before.seed, before.at, before.own))
    kept = tuple(each for each in all_before if now <= each.at + LASTS_MS)[-MOST_A_DAY:]
    if now >= before.since + _DAY_MS:
        return ProofCode(seed, now, 0, now, 1, before=kept, askers=by)
    if now < before.at + APART_MS:
        raise TooManyCodes("a code was sent to this number a moment ago: wait for it a minute")
    if before.sent >= MOST_A_DAY:
        raise CodesUsedUp(f"{before.sent} codes were sent to this number: that is as many as may be in a day")
    if before.askers.count(asker) >= MOST_FROM_ONE:
        raise CodesUsedUp("as many codes to this number were asked for from this network as may be in a day")
    return ProofCode(seed, now, 0, before.since, before.sent + 1, before=kept, askers=(*before.askers, *by))


class Counted(StrEnum):
    """The result of counting whether a code may be sent to any number at all."""

    OK = "ok"
    NETWORK = "network"
    """The network that asks for the code had its share."""
    ALL = "all"
    """All codes of this hour are used up."""


class Shares(Struct, frozen=True):
    """The codes of an hour: how many one network may have before half of them were sent, and after."""

    most: int
    half: int
    before: int
    after: int


def shares(most: int) -> Shares:
    """Return the shares: a tenth while half are left, then a few: a stranger on some networks uses up half at most.

    >>> shares(1_000), shares(2)
    (Shares(most=1000, half=500, before=100, after=3), Shares(most=2, half=1, before=3, after=3))
    """
    return Shares(most, most // 2, max(RESERVED, most // 10), RESERVED)


def no_code() -> CodeWrong:
    """Return the error for a code where none was asked for: the same as for a wrong code."""
    return CodeWrong(_WRONG)


def code_of(secret: str, line: str, seed: str) -> str:
    """Return the six digits that a line's code is.

    >>> code_of("secret", "0ce7" + "0" * 24, "seed")
    '072237'
    """
    number = int.from_bytes(_made_of(secret, b"report code 1", line, seed)[:8])
    return f"{number % 10**_DIGITS:0{_DIGITS}d}"


def ticket_of(secret: str, line: str, seed: str) -> str:
    """Return the ticket of the caller who asks for a code; no other caller gets it: it identifies that caller later.

    >>> ticket_of("secret", "0ce7" + "0" * 24, "seed")
    '28f6395efa50c9b0ef92013f8e122a9a'
    """
    return _made_of(secret, b"report ticket 1", line, seed).hex()[:32]


def _made_of(secret: str, kind: bytes, line: str, seed: str) -> bytes:
    return mac(mac(secret.encode(), kind), f"{line}\n{seed}".encode("utf-8", "surrogatepass"))


def _same(code: str, wanted: str) -> bool:
    return hmac.compare_digest(code.encode("utf-8", "surrogatepass"), wanted.encode())
