"""The messages in a line's inbox, typed, as the door kept them; and the parts of replies and of delivery reports."""

import json
from collections.abc import Sequence
from typing import cast

from msgspec import UNSET, DecodeError, Struct, UnsetType, ValidationError, field, to_builtins
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

from consent_engine.domain.canonical_json import Reader, compact
from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar import Keyword, Read, Reason
from consent_engine.domain.sms import Delivery, Part


class _Scoped:
    carriers: str
    """blank-separated"""

    @property
    def scope(self) -> list[str]:
        """The carriers that the message is about."""
        return self.carriers.split()


class UnreadReply(_Scoped, Struct, frozen=True, tag_field="kind", tag="reply"):
    """An SMS from the subscriber.

    id: the gateway's · sender, to: the numbers · written_at: the latest instant it can have been written · carriers:
    those it may be meant for, blank-separated · sub: the digits after our own number · keyword, code, reason,
    marketing_free (1 or 0), edition: how the door read it · posted: as of a Reply, for one in parts a list of theirs ·
    came: when it came, where the store's clock had gone back and `at` orders it by another instant
    """

    gateway: str
    id: str
    sender: str = field(name="from")
    to: str
    text: str
    written_at: Millis | None
    carriers: str
    sub: str
    keyword: Keyword
    code: str
    reason: Reason | None
    marketing_free: int
    edition: int
    posted: str = ""
    came: Millis | UnsetType = UNSET

    @property
    def person(self) -> dict[str, str]:
        """The person part of an event that this reply makes; `posted` where it is kept."""
        post = {"posted": self.posted} if self.posted else {}
        return {"msisdn": self.sender, "to": self.to, "text": self.text, **post}

    def meaning(self) -> Read:
        """Return the door's reading of the text."""
        return Read(self.keyword, self.code, self.reason, bool(self.marketing_free), self.edition)


class UnreadReport(Struct, frozen=True, tag_field="kind", tag="report"):
    """A delivery report on one of our SMS.

    owner: id of the order or line that sent it · effect: the SMS, by its effect there · id: the gateway's, '' where it
    names none · segment: the one it is about, of `segments` · at: by the gateway's clock · alone: set, and true, where
    a report on one segment says nothing of the others
    """

    owner: str
    effect: str
    gateway: str
    id: str
    status: Delivery
    segment: int
    segments: int
    error: str
    at: Millis | None
    alone: bool | UnsetType = UNSET


class UnreadRefusal(_Scoped, Struct, frozen=True, tag_field="kind", tag="refusal"):
    """A refusal of further calls. door: how it came · by: its author · reason: for a suspicion that was decided · plan,
    until: set where it is about one plan, or for a time · order: set where it is about that order alone.
    """

    carriers: str
    door: str
    by: str
    reason: str | UnsetType = UNSET
    plan: str | UnsetType = UNSET
    until: Millis | UnsetType = UNSET
    order: str | UnsetType = UNSET

    @property
    def limited(self) -> bool:
        """Whether it is about one plan or order, or for a time."""
        return not (self.plan is UNSET and self.until is UNSET and self.order is UNSET)


class UnreadRegistration(_Scoped, Struct, frozen=True, tag_field="kind", tag="registered"):
    """A registration as marketing-free, in force since it came; open orders are not touched. by: its author."""

    carriers: str
    door: str
    by: str


class UnreadClearance(_Scoped, Struct, frozen=True, tag_field="kind", tag="resumed"):
    """A decision that a suspected refusal was none. by: the person who decided · reason: why · order: set where the
    suspicion was of that order alone.
    """

    carriers: str
    by: str
    door: str
    reason: str
    order: str | UnsetType = UNSET


Message = UnreadReply | UnreadReport | UnreadRefusal | UnreadRegistration | UnreadClearance

decode_message = Reader[Message](cast("type[Message]", Message))
"""Reads a message as kept. Raises ValueError when it is none."""


def encode_message(message: Message) -> str:
    return compact(message)


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


PARTS_WAIT_MS = 600_000
"""How long the parts of a reply wait for the missing ones."""
PARTS_KNOWN_MS = 24 * 3_600_000
"""How long a repeated part is recognised after its reply went into the inbox: gateways repeat no longer than that."""
MOST_PARTS, MOST_REPLIES = 16, 8
"""The most parts of a reply, and the most replies of one line; anything beyond is a fragment at once."""


class Piece(Struct, frozen=True, array_like=True):
    """One part. key: its name · handed_on: 1 where the part alone is a refusal and went into the inbox as one."""

    n: int
    key: str
    id: str
    text: str
    written_at: Millis | None = None
    handed_on: int = 0
    posted: str = ""


class Gathered(Struct, frozen=True, array_like=True):
    """The parts of one reply that came so far, by their numbers.

    done: since when none of them waits, 0 while they do · mixed: 1 where two parts came under one number: they are of
    two replies, and no joined text is sure to be one reply · refused: 1 where they are done, and what was handed on
    refuses
    """

    since: Millis
    of: int
    gateway: str
    to: str
    pieces: tuple[Piece, ...]
    done: Millis = 0
    mixed: int = 0
    refused: int = 0

    @property
    def whole(self) -> bool:
        """Whether every part is here."""
        return len(self.pieces) == self.of

    @property
    def withheld(self) -> tuple[Piece, ...]:
        """The parts that have not been handed on alone."""
        return tuple(piece for piece in self.pieces if not piece.handed_on)

    def knows(self, key: str) -> bool:
        """Whether the part of this name is here, or was."""
        return any(piece.key == key for piece in self.pieces)

    def accepts(self, piece: Piece) -> bool:
        """Whether a part can belong to this reply: the reply waits, and no other part has that number."""
        return not self.done and all(each.n != piece.n for each in self.pieces)

    def doubted(self) -> "Gathered":
        """Return the reply, marked because a part of another reply came."""
        return replace(self, mixed=1)

    def with_(self, piece: Piece) -> "Gathered":
        """Return the reply with one more part."""
        return replace(self, pieces=tuple(sorted((*self.pieces, piece), key=lambda each: each.n)))

    def closed(self, at: Millis, *, refuses: bool) -> "Gathered":
        """Return the reply after it went into the inbox: the names of its parts, and none of their words. refuses:
        whether their joint text does
        """
        refused = int(refuses or any(each.handed_on for each in self.pieces))
        names = tuple(Piece(each.n, each.key, "", "") for each in self.pieces)
        return replace(self, done=at, pieces=names, refused=refused)

    def is_over(self, now: Millis) -> bool:
        """Whether its time is over: then it is handed on as it is, or forgotten."""
        return self.due <= now

    @property
    def due(self) -> Millis:
        return self.done + PARTS_KNOWN_MS if self.done else self.since + PARTS_WAIT_MS

    def encode(self) -> str:
        try:
            return _write_half(self).decode()
        except UnicodeEncodeError:  # a character that was cut in two by the end of a part
            return json.dumps(to_builtins(self))

    @classmethod
    def decode(cls, kept: str) -> "Gathered":
        """Read the form that `encode` wrote. Raises ValueError."""
        return _read_half(kept)


_write_half, _read_half = Encoder().encode, Reader(Gathered)


def can_be_joined(part: Part) -> bool:
    """Whether a part says which one it is, of no more parts than can be waited for."""
    return 1 <= part.n <= part.of <= MOST_PARTS
