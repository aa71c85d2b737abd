"""Reveals on Redis: a stream in the first cell, which keeps everything that belongs to no subscriber."""

import msgspec

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.records import LOOK_BACK
from consent_engine.domain.canonical_json import compact
from consent_engine.ports.registry import Reveal, Reveals

REVEALED = "ce:{0}:revealed"
MOST_KEPT = 200_000
_REVEAL = msgspec.json.Decoder(Reveal)


class RedisReveals(Reveals):
    """The Reveals on Redis."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def note(self, reveal: Reveal) -> None:
        calls = Calls()
        calls.script("keep_entry", [REVEALED], [compact(reveal), LOOK_BACK, MOST_KEPT])
        self._wire.send(calls, prove=True, repeat=True)

    def newest(self, most: int) -> list[Reveal]:
        [rows] = self._wire.ask(("XREVRANGE", REVEALED, "+", "-", "COUNT", most))
        return [_REVEAL.decode(fields["m"]) for _, fields in rows]
