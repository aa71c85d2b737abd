"""The lists and streams of a move's target, which are appended to: how far each is, and what is appended next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.codec import raw
from consent_engine.adapters.redis.reshard.account import Fact
from consent_engine.adapters.redis.reshard.families import LISTS, STREAMS
from consent_engine.errors import StoreUnavailable


def is_appended(fact: Fact) -> bool:
    """Whether a fact is an entry of a list or a stream; all others set a state, and may be written twice."""
    return fact.family in LISTS or fact.family in STREAMS


@dataclass(slots=True)
class _Tail:
    """The end of one list or stream. count: entries copied so far · newest: the last id · waiting: what comes next"""

    count: int = 0
    newest: tuple[int, int] = (0, 0)
    waiting: list[str] = field(default_factory=list)
    added: int = 0

    def add(self, fact: Fact) -> None:
        self.added += 1
        if fact.family in LISTS:
            self.waiting += fact.values
            return
        ms, _, number = fact.values[0].partition("-")
        self.newest = max((int(ms), int(number)), (self.newest[0], self.newest[1] + 1))  # cells may have used one id
        self.waiting += f"{self.newest[0]}-{self.newest[1]}", fact.values[1]

    def taken(self) -> list[bytes | int]:
        """Return what is appended next, as the script takes it; from then on it counts as copied."""
        args: list[bytes | int] = [self.count, self.added, *map(raw, self.waiting)]
        self.count, self.added, self.waiting = self.count + self.added, 0, []
        return args


@dataclass(slots=True)
class Appended:
    """All lists and streams of a target, by key and cell."""

    tails: dict[tuple[int, str], _Tail] = field(default_factory=dict)

    def add(self, n: int, key: str, fact: Fact) -> None:
        """Take a fact that is to be appended to a key of cell n."""
        self.tails.setdefault((n, key), _Tail()).add(fact)

    def write(self, wires: Sequence[Wire]) -> None:
        """Append what was taken since the last time. Where the connection breaks it is sent again, and appended once.

        Raises StoreUnavailable, also where the target lost entries that were copied before.
        """
        for n, calls in self._calls().items():
            if -1 in wires[n].send(calls, repeat=True):
                raise StoreUnavailable("--to lost something that was copied there: run the command again")

    def _calls(self) -> dict[int, Calls]:
        asked: dict[int, Calls] = {}
        for (n, key), tail in self._waiting():
            asked.setdefault(n, Calls()).script("append_entries", [key], tail.taken())
        return asked

    def _waiting(self) -> Iterator[tuple[tuple[int, str], _Tail]]:
        return ((at, tail) for at, tail in self.tails.items() if tail.added)
