"""Reports on the parts of one of our SMS, combined: its order gets each result of the whole SMS once.

Every part of a long SMS has reports of its own, that it was taken and that it arrived: eight for a question of four.
They are counted on the line, by the gateway's id of the attempt, and an order gets one event when all parts were taken,
one when all arrived, or one as soon as a part is known to be lost (and which).
"""

from collections.abc import Sequence

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

from consent_engine.domain.effects import Millis
from consent_engine.domain.inbox.message import UnreadReport
from consent_engine.domain.sms import Delivery

REPORTS_KNOWN_MS = 30 * 24 * 3_600_000
"""How long reports on an SMS are counted together."""
MOST_ATTEMPTS, MOST_SMS = 8, 32
"""The most attempts at an SMS, and the most SMS of a line; beyond that the oldest are forgotten."""
_REPORTED = {Delivery.ACCEPTED: 1, Delivery.FAILED: 2, Delivery.DELIVERED: 4}


class Attempt(Struct, frozen=True, array_like=True):
    """One attempt at an SMS of so many parts. accepted, here, lost: the parts reported so · reported: the results that
    its order has · parts: their ids, where the gateway gives each its own and no order's history says so
    """

    id: str
    of: int
    accepted: tuple[int, ...] = ()
    here: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    reported: int = 0
    parts: tuple[str, ...] = ()

    @property
    def row(self) -> object:
        """The attempt as kept: with the ids of parts only where there are any."""
        return self if self.parts else (self.id, self.of, self.accepted, self.here, self.lost, self.reported)

    def heard(self, status: Delivery, part: int, of: int) -> "Attempt":
        """Return the attempt after a report on one part."""
        more = replace(self, of=max(self.of, of))
        match status:
            case Delivery.ACCEPTED:
                return replace(more, accepted=_with(self.accepted, part))
            case Delivery.DELIVERED:
                return replace(more, here=_with(self.here, part))
            case Delivery.FAILED:
                return replace(more, lost=_with(self.lost, part))

    def news(self, status: Delivery, part: int, *, alone: bool) -> Delivery | None:
        """Return the news for the order after a report on a part. alone: it says nothing of the other parts."""
        if status is Delivery.FAILED:
            new = None if part in self.here else Delivery.FAILED
        elif len(self.here) >= self.of:
            new = Delivery.DELIVERED
        else:
            whole = not alone or len({*self.accepted, *self.here}) >= self.of
            new = Delivery.ACCEPTED if whole and not self._was_reported(Delivery.DELIVERED) else None
        return None if new is None or self._was_reported(new) else new

    def _was_reported(self, status: Delivery) -> bool:
        return bool(self.reported & _REPORTED[status])

    def telling(self, status: Delivery) -> "Attempt":
        """Return the attempt after its order got this status."""
        return replace(self, reported=self.reported | _REPORTED[status])


class SmsReports(Struct, frozen=True, array_like=True):
    """The reports on the parts of one SMS. since: when the counting began."""

    since: Millis
    attempts: tuple[Attempt, ...] = ()

    def heard(
        self, report: UnreadReport, before: Sequence[tuple[Delivery, int]] = ()
    ) -> "tuple[SmsReports, Delivery | None]":
        """Return the counts with one more report, and the news about the whole SMS.

        before: what the order's history already says of single parts of this attempt
        """
        known = next((each for each in self.attempts if report.id in {each.id, *each.parts}), None)
        if known is not None and known.parts:
            n = known.parts.index(report.id) + 1
            report = replace(report, id=known.id, segment=n, segments=known.of)
        if known is None:
            known = Attempt(report.id, report.segments)
            for status, part in before:
                known = known.heard(status, part, report.segments)
                known = known.telling(status) if status is Delivery.FAILED else known
        known = known.heard(report.status, report.segment, report.segments)
        new = known.news(report.status, report.segment, alone=bool(report.alone))
        known = known if new is None else known.telling(new)
        others = [each for each in self.attempts if each.id != report.id]
        return replace(self, attempts=(*others[-MOST_ATTEMPTS + 1 :], known)), new

    def named(self, parts: tuple[str, ...]) -> "SmsReports":
        """Return the counts once the gateway gave an attempt's ids of parts: a report on an id is on its part."""
        early = [each for each in self.attempts if each.id in parts]
        said = Attempt(parts[0], len(parts), parts=parts)
        for each in early:
            for status, about in ((Delivery.ACCEPTED, each.accepted), (Delivery.DELIVERED, each.here),
                                  (Delivery.FAILED, each.lost)):  # fmt: skip
                said = said.heard(status, parts.index(each.id) + 1, len(parts)) if about else said
        others = [each for each in self.attempts if each not in early]
        return replace(self, attempts=(*others[-MOST_ATTEMPTS + 1 :], said))

    def encode(self) -> str:
        return _write((self.since, [each.row for each in self.attempts])).decode()

    @classmethod
    def decode(cls, kept: str, now: Millis) -> "SmsReports":
        """Read the form that `encode` wrote; fresh counts where that is empty or unreadable: they are no record."""
        try:
            return _read(kept) if kept else cls(now)
        except (DecodeError, ValidationError):
            return cls(now)


def forgotten(kept: dict[str, str], name: str, now: Millis) -> list[str]:
    """Return the SMS, beside the one of that name, whose reports need not be counted any more: too old, or too many."""
    dated = sorted((SmsReports.decode(each, now).since, other) for other, each in kept.items() if other != name)
    old = [other for since, other in dated if since < now - REPORTS_KNOWN_MS]
    return old or [other for _, other in dated[: max(0, len(dated) - MOST_SMS + 1)]]


def _with(parts: tuple[int, ...], part: int) -> tuple[int, ...]:
    return parts if part in parts else tuple(sorted((*parts, part)))


_write, _read = Encoder().encode, Decoder(SmsReports).decode
