"""The reservations of one cell of Redis."""

from collections.abc import Sequence
from itertools import chain

from consent_engine.adapters.redis.client import GROUP, Calls
from consent_engine.adapters.redis.codec import claims_of
from consent_engine.adapters.redis.of_cell import OfCell
from consent_engine.ports import Claim, Reservations


class RedisReservations(OfCell, Reservations):
    """The Reservations of one cell."""

    def claim(self, claims: Sequence[tuple[str, str, str, str, str]]) -> list[Claim]:
        calls = Calls(gathered=True)
        for n in range(0, len(claims), GROUP):
            some = claims[n : n + GROUP]
            keys, *columns = zip(*some, strict=True)
            args = chain.from_iterable(zip(*columns, strict=True))
            calls.script("claim_request", list(map(self._cell.reservation, keys)), [self._clock.argument(), *args])
        return [claim for now, *rows in self._wire.send(calls, repeat=True) for claim in claims_of(int(now), rows)]

    def release(self, claims: Sequence[tuple[str, str]]) -> None:
        self._free([(key, "", claimant) for key, claimant in claims])

    def forget(self, keys: Sequence[tuple[str, str]]) -> None:
        self._free([(key, record, "") for key, record in keys])

    def _free(self, rows: Sequence[tuple[str, str, str]]) -> None:
        calls = Calls()
        for key, record, claimant in rows:
            calls.script("free_request", [self._cell.reservation(key)], [record, claimant])
        self._wire.send(calls, repeat=True)
