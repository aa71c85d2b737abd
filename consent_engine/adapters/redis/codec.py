"""How records, commits and leases look to Redis: names of keys, arguments of scripts, and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import msgpack

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.canonical_json import plain
from consent_engine.domain.decide.wanted_effects import follows
from consent_engine.domain.effects import Millis, Pending, lane_of
from consent_engine.domain.inbox import decode_message
from consent_engine.domain.line.line import Line, Unread
from consent_engine.domain.order.agreement import offer_named
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Seal, cipher_of, opened
from consent_engine.errors import BrokenRecord
from consent_engine.ports import KINDS, Claim, Leased, Owner, Recorded, Stuck

MOST_UNREAD = 16
packed = msgpack.Encoder(enc_hook=plain).encode
"""A script's one argument: a Struct, as a map of its fields. One at its default is left out."""
LEASED = 5
"""So many counts and instants an effect as kept begins with: what the lease script writes."""


def scored(flat: Sequence[Any]) -> list[tuple[str, int]]:
    """Return names and scores from an answer WITHSCORES: a flat list or, on newer protocols, pairs."""
    rows = flat if not flat or isinstance(flat[0], (list, tuple)) else zip(flat[::2], flat[1::2], strict=True)
    return [(name, int(float(score))) for name, score in rows]


def claims_of(now: Millis, answers: Sequence[str]) -> list[Claim]:
    """Return the results of claims: `mine`, or the reservation that stands in the way."""
    mine = Claim(now, None)
    return [mine if stands == "mine" else _held_claim(now, stands) for stands in answers]


def _held_claim(now: Millis, stands: str) -> Claim:
    fingerprint, order_id, _, at = stands.split("|")
    return Claim(now, (fingerprint, order_id, int(at)), stands)


def stuck_of(member: str) -> Stuck:
    owner, record, effect = member.split(":", 2)
    return Stuck(Owner(owner), record, effect, lane_of(effect))


def record_of(
    owner: Owner, name: str, fields: dict[str, str], now: Millis, offers: Mapping[str, str], seal: Seal | None
) -> Recorded | Line:  # fmt: skip
    """A record of any kind from its fields. Raises BrokenRecord, also when its seal does not fit."""
    if owner is Owner.LINE:
        line = Line.decode(name, cipher_of(seal).opened(name, fields), now)
        return seal.check(line, line.seal) if seal else line
    return opened(KINDS[owner], whole(fields, offers) if owner is Owner.ORDER else fields, seal)


def whole(fields: dict[str, str], offers: Mapping[str, str]) -> dict[str, str]:
    """A record with the offer it names: all there is of an order."""
    if name := offer_named(fields.get("doc", "")):
        fields["offer"] = offers[name]
    return fields


class Offers(dict[str, str]):
    """The offers this process has seen in the store, by name: what it may believe to be there, and read again."""

    def __init__(self, wire: Wire, cell: Cell) -> None:
        super().__init__()
        self._wire = wire
        self._cell = cell

    def __missing__(self, name: str) -> str:
        calls = Calls()
        calls.plain("HGET", self._cell.offers, name)
        [kept] = self._wire.send(calls, repeat=True)
        if kept is None:
            raise BrokenRecord("the offer that an order names is missing")
        self[name] = str(kept)
        return self[name]

    def needed(self, order: Order) -> tuple[str, str]:
        """The name of the offer that a new order needs, and its content unless it was seen in the store."""
        offer = order.doc.offer
        return offer.hash, "" if offer.hash in self else offer.encode()


def pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def unread_of(line: str, kept: str, seal: Seal | None) -> Unread:
    """An unread message of a line's inbox. Raises BrokenRecord."""
    try:
        at, key, body = kept.split("|", 2)
        barred, body = ("", body) if body.startswith("{") else body.split("|", 1)
        return Unread(int(at), key, decode_message(cipher_of(seal).opened_message(line, body)), tuple(barred.split()))
    except ValueError:
        raise BrokenRecord("an unread message cannot be read") from None


def leased_of(offers: Mapping[str, str], now: Millis, row: Sequence[Any], *, seal: Seal | None = None) -> Leased:
    """An effect as the lease script gave it out, with its record. Raises BrokenRecord, also for an effect that does not
    follow from its record.
    """
    member, kept, mark, flat, more, *called_at = row
    kind, name, effect = member.split(":", 2)
    try:
        owner = Owner(kind)
    except ValueError:
        raise BrokenRecord("an effect of a record that this program does not know") from None
    record = record_of(owner, name, pairs(flat), now, offers, seal)
    if not follows(effect, record):
        raise BrokenRecord(f"an effect that does not follow from its {owner.name.lower()}: somebody put it there")
    unread = tuple(unread_of(name, row, seal) for row in more) if owner is Owner.LINE else ()
    barred = tuple(more) if owner is Owner.ORDER and mark == "2" else ()
    token = int(kept[1 : kept.index(",")])
    return Leased(effect, token, mark == "1", now, record, unread, barred, int(*called_at))


def raw(kept: str) -> bytes:
    """Return a value that a client read, as it stands in the store: also bytes that are no text."""
    return kept.encode("utf-8", "surrogateescape")


def parked_of(kept: str, why: str) -> str:
    """A leased effect as it is parked when its record is broken; of one that cannot be read itself, its counts."""
    try:
        pending = Pending.decode(kept)
    except (ValueError, TypeError):
        pending = Pending.decode(f"[{','.join(kept[1:].split(',')[:LEASED])}]")
    return pending.stuck(why).encode()
