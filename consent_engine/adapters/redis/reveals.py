"""Reveals on Redis: a stream in the first cell, which keeps everything that belongs to no subscriber."""

import msgspec

from consent_engine.adapters.redis.client import Wire
from consent_engine.domain.canonical_json import compact
from consent_engine.ports.reveals import Reveal, Reveals

REVEALED = "ce:{0}:revealed"
MOST_KEPT = 200_000
_REVEAL = msgspec.json.Decoder(Reveal)


class RedisReveals(Reveals):
    """The Reveals on Redis."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def note(self, reveal: Reveal) -> None:
        self._wire.ask(("XADD", REVEALED, "MAXLEN", "~", MOST_KEPT, "*", "m", compact(reveal)), prove=True)

    def newest(self, most: int) -> list[Reveal]:
        [rows] = self._wire.ask(("XREVRANGE", REVEALED, "+", "-", "COUNT", most))
        return [_REVEAL.decode(fields["m"]) for _, fields in rows]
