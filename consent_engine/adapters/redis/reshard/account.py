"""Facts (the smallest things that move) and accounts of them, by which the two sides of a move are compared."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from consent_engine.adapters.redis.reshard.families import LISTS, STREAMS, WHOLE


@dataclass(frozen=True, slots=True)
class Fact:
    """The smallest thing that moves: a whole key, a member of an index, a field, a message. kind: as in `due:sms`

    damaged: an entry of a journal that cannot be read, whose name is the first slot of its cell
    """

    kind: str
    name: str
    values: tuple[str, ...]
    ttl: int = -1
    damaged: bool = False

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
        name = "" if self.family in LISTS else self.name  # it follows from the entry, or is the cell's
        told = json.dumps([self.kind, name, *values]).encode()
        return int.from_bytes(blake2b(told, digest_size=8).digest())


@dataclass(slots=True)
class Account:
    """An account of a side's facts, by kind: how many, and the sum of their digests. damaged: entries of journals that
    cannot be read
    """

    counts: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)
    damaged: int = 0

    def add(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            self.counts[fact.family] = self.counts.get(fact.family, 0) + 1
            self.sums[fact.family] = (self.sums.get(fact.family, 0) + fact.digest()) % 2**64
            self.damaged += fact.damaged

    def differs(self, other: "Account") -> list[str]:
        """Return the kinds in which two accounts differ."""
        kinds = sorted({*self.counts, *other.counts})
        return [
            kind for kind in kinds
            if (self.counts.get(kind), self.sums.get(kind)) != (other.counts.get(kind), other.sums.get(kind))
        ]  # fmt: skip
