"""The public door's proof: a code sent to the reporter's number, and its use."""

from secrets import token_hex

from msgspec import Struct

from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import WAKE_LINE, Lane, Millis, Pending, Purpose, sms_effect
from consent_engine.domain.line.line import STRANGER_MS, Line, keyed, line_id
from consent_engine.domain.line.proof_code import FIELD, MINUTES, next_code, no_code, ticket_of
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.texts.report_words import named
from consent_engine.domain.texts.words import CODE
from consent_engine.engine.change_order import MOST_RACES
from consent_engine.engine.round_trips import load, save
from consent_engine.engine.store_requests import Step
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Commit, CommitResult, LineChange

_ASKER = 12
"""Hex digits that tell the few requesters of one line apart."""


class CodeAsked(Struct, frozen=True):
    """A request for the code of a number, by a person who claims it; the carrier's sender sends it. network: the source
    of the request, as far as that is known
    """

    msisdn: Msisdn
    carrier: str
    language: str = "zh"
    network: str = ""


def may_send(asked: CodeAsked, secret: str) -> Step[None]:
    """Raise TooManyCodes where a number's own limit rejects a code; nothing is written."""
    name = line_id(secret, asked.msisdn)
    loaded = yield from load(lines=[name])
    next_code(loaded.line(name).code, "", loaded.now, _asker(asked, name, secret))


def sending(asked: CodeAsked, secret: str) -> Step[str]:
    """Send a code, proven to be on its way; return the requester's ticket. The line and the effect hold the seed from
    which both are made.

    Raises TooManyCodes and StoreUnavailable.
    """
    name = line_id(secret, asked.msisdn)
    for _ in range(MOST_RACES):
        loaded = yield from load(lines=[name])
        line, now = loaded.line(name), loaded.now
        code = next_code(line.code, token_hex(8), now, _asker(asked, name, secret))
        about = (asked.carrier, named(CODE, asked.language), code.seed, str(MINUTES))
        put = Put(sms_effect(Purpose.CODE, line.version), now, Pending(about=about))
        stays = () if line.version else (Put(WAKE_LINE, now + STRANGER_MS),)
        change = LineChange(name, line.version, _fields(line, asked.msisdn, now, code.encode()), (put, *stays))
        saved = yield from save(Commit("", (change,), wakes=frozenset({Lane.SMS})), prove=True)
        if saved.word is CommitResult.OK:
            return ticket_of(secret, name, code.seed)
    raise StoreUnavailable("too many others write to this line: the same request again is safe")


def proving(msisdn: Msisdn, code: str, ticket: str, secret: str) -> Step[None]:
    """Use a number's code: the try is counted, proven, before the code is compared, so that no one tries more often
    than allowed. ticket: as `sending` gave it to the requester; '': none can be shown.

    Raises CodeWrong, which does not say what was wrong, and StoreUnavailable.
    """
    name = line_id(secret, msisdn)
    for _ in range(MOST_RACES):
        loaded = yield from load(lines=[name])
        line, now = loaded.line(name), loaded.now
        if line.code is None:
            raise no_code()
        seed = line.code.asked_with(secret, name, ticket)
        change = LineChange(name, line.version, {FIELD: line.code.tried(seed).encode()})
        if (yield from save(Commit("", (change,)), prove=True)).word is CommitResult.OK:
            line.code.check(secret, name, code, now, seed)
            return
    raise StoreUnavailable("too many others write to this line: the same request again is safe")


def _asker(asked: CodeAsked, name: str, secret: str) -> str:
    """Return a name for the requester's network on this line alone: it cannot be matched with other lines."""
    return keyed(secret, "asker", name, asked.network)[:_ASKER] if asked.network else ""


def _fields(line: Line, msisdn: Msisdn, now: Millis, code: str) -> dict[str, str]:
    return {
        **dict.fromkeys(line.aged, ""), "msisdn": str(msisdn), "seen": str(max(line.seen, now)), FIELD: code,
    }  # fmt: skip
