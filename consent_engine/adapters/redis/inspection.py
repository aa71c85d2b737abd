"""The Survey on Redis: SCAN in pieces, never KEYS; the cost of each piece is bounded, however much is stored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice, zip_longest
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from consent_engine.adapters.redis.cells import apart
from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.codec import pairs
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.sms import REPEATED
from consent_engine.errors import SettingsError
from consent_engine.ports import Owner
from consent_engine.ports.survey import Kind, Server, Survey

PIECE = 500
"""How many keys or members the server looks at for one answer: about a millisecond of its time."""
_ASKED = ("appendfsync", "bind", "maxclients", "port", "protected-mode", "save", "stop-writes-on-bgsave-error",
          "timeout", "tls-port")  # fmt: skip
_REPEATED = compact({"why": REPEATED})[:-1]

T = TypeVar("T")
R = TypeVar("R")


class RedisSurvey(Survey):
    """The Survey of one cell."""

    def __init__(self, wire: Wire, cell: Cell | None = None, piece: int = PIECE) -> None:
        self._wire = wire
        self._piece = piece
        self._cell = cell = cell or Cell()
        self._named = {
            Kind.ORDER: cell.order(""), Kind.CALL: cell.record(Owner.CALL, ""), Kind.LINE: cell.line(""),
            Kind.INBOX: cell.inbox(""), Kind.RESERVATION: cell.reservation(""),
        }  # fmt: skip

    def _allowed(self, *command: str) -> Any:  # noqa: ANN401 - redis-py's answer
        """Return the answer to a command, or None where an ACL forbids it."""
        try:
            return self._wire.ask(command)[0]
        except (ResponseError, SettingsError):
            return None

    def server(self) -> Server:
        """Return the server's configuration and state."""
        [info] = self._wire.ask(("INFO",))
        config: dict[str, str] = {}
        for name in _ASKED:  # one by one: an older server refuses several, and an unknown one then fails alone
            config |= pairs(self._allowed("CONFIG", "GET", name) or ())
        told = self._allowed("ACL", "GETUSER", "default")
        flat = told.items() if isinstance(told, dict) else zip(told[::2], told[1::2], strict=False) if told else ()
        flags = next((value for name, value in flat if name == "flags"), ())
        return Server(info, config, open={"on", "nopass"} <= set(flags))

    def meta(self) -> Mapping[str, str]:
        """Return the data's own description (`meta`); empty where no engine has ever started."""
        [meta] = self._wire.ask(("HGETALL", f"{self._cell.shared}meta"))
        return {str(name): str(value) for name, value in meta.items()}

    def names(self, kind: Kind, pieces: int | None = None) -> Iterator[list[str]]:
        prefix = self._named[kind]
        for keys in islice(self._scanned(("SCAN",), "MATCH", f"{prefix}*"), pieces):
            yield [key.removeprefix(prefix) for key in keys]

    def _scanned(self, command: tuple[str, ...], *more: str, piece: int | None = None) -> Iterator[Sequence[Any]]:
        """Yield all that SCAN, or ZSCAN of a key, finds, in pieces that cost the server about `piece` entries each."""
        cursor: Any = "0"
        while True:
            [(cursor, found)] = self._wire.ask((*command, str(cursor), *more, "COUNT", piece or self._piece))
            yield found
            if not int(cursor):
                return

    def waiting(self, lane: Lane, limit: int | None) -> Iterator[list[str]]:
        seen = 0
        for found in self._scanned(("ZSCAN", self._cell.due[lane])):
            members = [row[0] if isinstance(row, (list, tuple)) else row for row in _members(found)]
            seen += len(members)
            yield members
            if limit is not None and seen >= limit:
                return

    def dues(self, members: Sequence[tuple[Lane, str]]) -> list[float | None]:
        found = self._wire.ask(*(("ZSCORE", self._cell.due[lane], member) for lane, member in members))
        return [None if score is None else float(score) for score in found]

    def unread(self, lines: Sequence[str]) -> list[int]:
        return [int(n) for n in self._wire.ask(*(("LLEN", self._cell.inbox(line)) for line in lines))]

    def reservations(self, keys: Sequence[str]) -> list[tuple[str, Millis]]:
        kept = self._wire.ask(*(("GET", self._cell.reservation(key)) for key in keys))
        rows = [(row or "").split("|") for row in kept]
        return [(row[1], int(row[3])) if len(row) == 4 else ("", 0) for row in rows]  # noqa: PLR2004 - as claim_request.lua

    def lifted(self) -> Iterator[list[str]]:
        after = "-"
        while True:
            [found] = self._wire.ask(("XRANGE", self._cell.lifted, after, "+", "COUNT", self._piece))
            if not found:
                return
            yield [kept["m"] for _, kept in found]
            after = f"({found[-1][0]}"

    def unmatched(self, since: Millis, until: Millis, most: int) -> int:
        [found] = self._wire.ask(("XRANGE", self._cell.unmatched, since, f"({until}", "COUNT", most))
        return sum(not kept["m"].startswith(_REPEATED) for _, kept in found)


class CellsSurvey(Survey):
    """The Survey of many cells: a question about an id goes to the id's own cell, any other to each cell in turn."""

    def __init__(self, cells: Sequence[RedisSurvey]) -> None:
        self._cells = cells

    def _each(
        self, items: Sequence[T], record: Callable[[T], str], ask: Callable[[RedisSurvey, list[T]], list[R]]
    ) -> list[R]:
        found: dict[int, R] = {}
        for part, numbers in apart([record(item) for item in items], len(self._cells)).items():
            found.update(zip(numbers, ask(self._cells[part], [items[n] for n in numbers]), strict=True))
        return [found[n] for n in range(len(items))]

    def names(self, kind: Kind, pieces: int | None = None) -> Iterator[list[str]]:
        """Yield a piece of each cell in turn, so that a caller who stops early has seen some of every cell."""
        return _in_turn([cell.names(kind, pieces) for cell in self._cells])

    def waiting(self, lane: Lane, limit: int | None) -> Iterator[list[str]]:
        each = None if limit is None else limit // len(self._cells) + 1
        return _in_turn([cell.waiting(lane, each) for cell in self._cells])

    def dues(self, members: Sequence[tuple[Lane, str]]) -> list[float | None]:
        return self._each(members, lambda each: each[1].split(":")[1], lambda cell, some: cell.dues(some))

    def unread(self, lines: Sequence[str]) -> list[int]:
        return self._each(lines, str, lambda cell, some: cell.unread(some))

    def reservations(self, keys: Sequence[str]) -> list[tuple[str, Millis]]:
        return self._each(keys, str, lambda cell, some: cell.reservations(some))

    def lifted(self) -> Iterator[list[str]]:
        return _in_turn([cell.lifted() for cell in self._cells])

    def unmatched(self, since: Millis, until: Millis, most: int) -> int:
        return min(most, sum(cell.unmatched(since, until, most) for cell in self._cells))


def _in_turn(each: Sequence[Iterator[list[str]]]) -> Iterator[list[str]]:
    nothing: list[str] = []
    return chain.from_iterable(zip_longest(*each, fillvalue=nothing))


def _members(found: Sequence[Any]) -> Sequence[Any]:
    """Return the members in an answer to ZSCAN: a flat list of members and scores or, from some clients, pairs."""
    return found if not found or isinstance(found[0], (list, tuple)) else found[::2]
