"""Facts (the smallest things that move) and accounts of them, by which the two sides of a move are compared."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from consent_engine.adapters.redis.reshard.families import STREAMS, WHOLE


@dataclass(frozen=True, slots=True)
class Fact:
    """The smallest thing that moves: a whole key, a member of an index, a field, a message. kind: as in `due:sms`"""

    kind: str
    name: str
    values: tuple[str, ...]
    ttl: int = -1

    @property
    def family(self) -> str:
        """The first word of the fact's kind."""
        return self.kind.partition(":")[0]

    def digest(self) -> int:
        """Return the fact's content as a number: sums of these are equal for the same facts, in whatever order."""
        values: Iterable[str] = self.values
        if WHOLE.get(self.family) in {"HGETALL", "SMEMBERS"}:
            step = 2 if WHOLE[self.family] == "HGETALL" else 1
            values = [part for row in sorted(zip(*[iter(self.values)] * step, strict=True)) for part in row]
        elif self.family in STREAMS:
            values = self.values[1:]  # without the message's id
        told = json.dumps([self.kind, self.name, *values]).encode()
        return int.from_bytes(blake2b(told, digest_size=8).digest())


@dataclass(slots=True)
class Account:
    """An account of a side's facts, by kind: how many, and the sum of their digests."""

    counts: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)

    def add(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            self.counts[fact.family] = self.counts.get(fact.family, 0) + 1
            self.sums[fact.family] = (self.sums.get(fact.family, 0) + fact.digest()) % 2**64

    def differs(self, other: "Account") -> list[str]:
        """Return the kinds in which two accounts differ."""
        kinds = sorted({*self.counts, *other.counts})
        return [
            kind for kind in kinds
            if (self.counts.get(kind), self.sums.get(kind)) != (other.counts.get(kind), other.sums.get(kind))
        ]  # fmt: skip
