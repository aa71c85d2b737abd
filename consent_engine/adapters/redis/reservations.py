"""The reservations of one cell of Redis."""

from collections.abc import Sequence

from consent_engine.adapters.redis.client import GROUP, Calls, Wire
from consent_engine.adapters.redis.clock import Clock
from consent_engine.adapters.redis.codec import claim_of
from consent_engine.adapters.redis.keys import Cell
from consent_engine.ports import Claim, Reservations


class RedisReservations(Reservations):
    """The Reservations of one cell."""

    def __init__(self, wire: Wire, cell: Cell, clock: Clock) -> None:
        self._wire = wire
        self._cell = cell
        self._clock = clock

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        calls = Calls(gathered=True)
        for n in range(0, len(claims), GROUP):
            some = claims[n : n + GROUP]
            keys = [self._cell.reservation(claim[0]) for claim in some]
            args = [part for claim in some for part in claim[1:]]
            calls.script("claim_request", keys, [self._clock.argument(), *args])
        return [claim_of(now, row) for now, *rows in self._wire.send(calls, repeat=True) for row in rows]

    def release(self, claims: Sequence[tuple[str, str]]) -> None:
        calls = Calls()
        for key, claimant in claims:
            calls.script("release_request", [self._cell.reservation(key)], [claimant])
        self._wire.send(calls, repeat=True)

    def forget(self, keys: Sequence[tuple[str, str]]) -> None:
        calls = Calls()
        for key, record in keys:
            calls.script("forget_request", [self._cell.reservation(key)], [record])
        self._wire.send(calls, repeat=True)
