"""States of orders while a chaos run is under way: an order without anything due is found in its middle, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.lifecycle import State

MINDS = """
local told = {}
for i, id in ipairs(ARGV) do
    local kept = redis.call("HGETALL", "ce:{0}:order:" .. id)
    local state, wanted, missing, parked = "gone", 0, 0, 0
    for at = 1, #kept, 2 do
        if kept[at] == "state" then state = kept[at + 1] end
        if string.sub(kept[at], 1, 2) == "f:" then
            local member, score = "o:" .. id .. ":" .. string.sub(kept[at], 3), false
            for _, lane in ipairs(KEYS) do score = score or redis.call("ZSCORE", lane, member) end
            wanted = wanted + 1
            if not score then missing = missing + 1 elseif score == "inf" then parked = parked + 1 end
        end
    end
    told[i] = string.format("%s %d %d %d", state, wanted, missing, parked)
end
return told
"""
"""For each order, in one instant: its state; how many effects it wants, how many of them are in no lane, or parked."""


@dataclass(frozen=True, slots=True)
class Minded:
    """The state of an order when it was looked at."""

    state: str
    wanted: int
    missing: int
    parked: int

    @property
    def settled(self) -> bool:
        """Whether the order was settled."""
        return self.state in SETTLED

    @property
    def forgotten(self) -> bool:
        """Whether it is unsettled, and nothing will ever happen to it again."""
        return not self.settled and (self.missing > 0 or not self.wanted)


SETTLED = frozenset(state.value for state in State if state.settled)


def minds(client: "Redis", orders: Sequence[str]) -> dict[str, Minded]:
    """Look at orders, two hundred at a time."""
    found: dict[str, Minded] = {}
    for n in range(0, len(orders), 200):
        some = orders[n : n + 200]
        told: Any = client.eval(MINDS, len(Cell().due), *Cell().due.values(), *some)
        for order, line in zip(some, told, strict=True):
            state, *counts = line.split()
            found[order] = Minded(state, *map(int, counts))
    return found
