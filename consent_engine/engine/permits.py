"""Permits for many numbers at once: one look, a decision per number, a record per request and part of the store."""

from collections.abc import Callable, Mapping, Sequence
from secrets import token_hex

from msgspec import Struct

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.call.permit import (
    CALLABLE,
    REQUEST_LENGTH,
    Checked,
    Dial,
    Dialling,
    Given,
    Tokens,
    read,
    verify,
)
from consent_engine.domain.days import Days
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line, line_id
from consent_engine.domain.msisdn import Msisdn
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Store

MOST_NUMBERS = 10_000
"""Most numbers in one request."""


class PermitsAsked(Struct, frozen=True):
    """A request for permits: numbers, carrier and plan (None: not known yet). by: the requester."""

    msisdns: Sequence[Msisdn]
    carrier: str
    plan: str | None
    by: str


class PermitsGiven(Struct, frozen=True):
    """The answers, in order: a token for each number that may be dialled, valid until then; '' for the others."""

    request: str
    until: Millis
    answers: Sequence[tuple[Dial, str]]


class Dialler:
    """The decisions on which numbers may be dialled. check: raises StoreUnavailable where refusals may be missing"""

    def __init__(self, store: Store, terms: Terms, secret: str, check: Callable[[], None]) -> None:
        self._store = store
        self._check = check
        self._terms = terms
        self._secret = secret

    def dial(self, wanted: Sequence[tuple[Msisdn, str | None, str | None]]) -> list[Dial]:
        """Decide which of these numbers may be dialled, each by a carrier (None: any) about a plan, in one look.

        Raises BrokenRecord when a line cannot be read: its refusals must not be guessed.
        """
        lines = [line_id(self._secret, msisdn) for msisdn, *_ in wanted]
        numbers = {line: str(msisdn) for line, (msisdn, *_) in zip(lines, wanted, strict=True)}
        self._check()
        now, found = self._store.permits.standing(numbers)
        if None in found.values():
            raise BrokenRecord("a line's record cannot be read")
        return [
            _dial(self._about(now, carrier, plan), found, line, self._terms.reporting.days)
            for line, (_, carrier, plan) in zip(lines, wanted, strict=True)
        ]

    def permits(self, asked: PermitsAsked) -> PermitsGiven:
        """Give a token for each number that may be dialled. The answers are kept, proven, before this returns.

        A number whose line cannot be read is denied; this denies no other number.
        """
        lines = [line_id(self._secret, msisdn) for msisdn in asked.msisdns]
        self._check()
        now, found = self._store.permits.standing(dict(zip(lines, map(str, asked.msisdns), strict=True)))
        about, request = self._about(now, asked.carrier, asked.plan), token_hex(REQUEST_LENGTH // 2)
        dials = [_dial(about, found, line, self._terms.reporting.days) for line in lines]
        self._store.permits.keep(self._given(request, asked.by, about, list(zip(lines, dials, strict=True))))
        tokens = Tokens(self._secret, request, about)
        answers = [(dial, tokens.of(line) if dial.callable else "") for line, dial in zip(lines, dials, strict=True)]
        return PermitsGiven(request, about.until, answers)

    def check(self, token: str, msisdn: Msisdn | None, at: Millis) -> tuple[Checked, list[Given]]:
        """Return a token's worth for a call to a number (None: the token's own) at an instant, and the answers that its
        request got."""
        permit = read(self._secret, token)
        if permit is None:
            return verify(self._secret, token, "", "", None, at), []
        line = f"0000{permit.number}" if msisdn is None else line_id(self._secret, msisdn)
        checked = verify(self._secret, token, line, permit.carrier, None, at)
        return checked, self._store.permits.find(permit.request, permit.since)

    def _about(self, now: Millis, carrier: str | None, plan: str | None) -> Dialling:
        return Dialling.at(now, carrier, plan, self._terms.policy, self._terms.permit_lasts, self._terms.calls_a_day)

    def _given(
        self, request: str, by: str, about: Dialling, answers: Sequence[tuple[str, Dial]]
    ) -> list[tuple[str, Given]]:
        """Return the rows to keep: one for each part of the store, with a line that lies there."""
        parts: dict[int, list[tuple[str, Dial]]] = {}
        for each in answers:
            parts.setdefault(self._store.records.part(each[0]), []).append(each)
        return [(some[0][0], Given.of(request, by, about, some)) for some in parts.values()]


def _dial(about: Dialling, found: Mapping[str, Line | None], line: str, days: Days) -> Dial:
    if line not in found:
        return about.dial(()) if about.quiet_since else CALLABLE
    standing = found[line]
    if standing is None:
        return about.unreadable()
    began = [each.at for each in standing.calls_of_day(about.now, days) if each.at <= about.now]
    return about.dial(standing.restrictions, began)
