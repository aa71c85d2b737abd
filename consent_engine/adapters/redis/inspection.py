"""The survey of everything in the store, one piece at a time: SCAN in pieces, never KEYS; the cost of each piece is
bounded, however much is stored. Writes nothing.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from redis.exceptions import ResponseError

from consent_engine.adapters.redis.cells import apart
from consent_engine.adapters.redis.client import SCANNED, Wire
from consent_engine.adapters.redis.codec import pairs
from consent_engine.adapters.redis.keys import Cell
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.sms import REPEATED
from consent_engine.errors import SettingsError

_ASKED = ("appendfsync", "bind", "dir", "maxclients", "port", "protected-mode", "save", "stop-writes-on-bgsave-error",
          "timeout", "tls-port")  # fmt: skip
_REPEATED = compact({"why": REPEATED})[:-1]


class Kind(StrEnum):
    """The kinds of keys, beside records, that a survey walks over."""

    INBOX = "inbox"
    RESERVATION = "reservation"


_NAMED: Mapping[Kind, Callable[[Cell], str]] = {
    Kind.INBOX: lambda cell: cell.inbox(""), Kind.RESERVATION: lambda cell: cell.reservation(""),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """A server's INFO and configuration. config: empty where it may not be asked · open: it needs no password ·
    disk_free: bytes; None where its disk cannot be seen from here
    """

    info: Mapping[str, Any]
    config: Mapping[str, str]
    open: bool
    disk_free: int | None = None


def disk_free(info: Mapping[str, Any], folder: str = "") -> int | None:
    """Return how many bytes are free on a server's disk; None where it cannot be seen from here: the server runs on
    another host or in a container of its own. folder: its `dir`, where known; else only its own user sees the disk
    """
    process = Path("/proc", str(info.get("process_id", "")))
    try:
        if not (process / "comm").read_text().startswith(("redis", "valkey")):
            return None
        return shutil.disk_usage(folder or process / "cwd").free
    except OSError:
        return None


class RedisSurvey:
    """The survey of one cell, or of many: a question about an id goes to the id's own cell, any other to each in turn,
    so that a caller who stops early has seen some of every cell. Raises StoreUnavailable as the Store does.
    """

    def __init__(
        self, wire: Wire, cell: Cell | None = None, *others: tuple[Wire, Cell], piece: int = SCANNED
    ) -> None:  # fmt: skip
        self._wire, self._shared, self._piece = wire, (cell or Cell()).shared, piece
        self._cells = [(wire, cell or Cell()), *others]

    def _allowed(self, *command: str) -> Any:  # noqa: ANN401 - redis-py's answer
        """Return the answer to a command, or None where an ACL forbids it."""
        try:
            return self._wire.ask(command)[0]
        except (ResponseError, SettingsError):
            return None

    def server(self) -> Server:
        """Return the first cell's server: its configuration and state."""
        [info] = self._wire.ask(("INFO",))
        config: dict[str, str] = {}
        for name in _ASKED:  # one by one: an older server refuses several, and an unknown one then fails alone
            config |= pairs(self._allowed("CONFIG", "GET", name) or ())
        user = self._allowed("ACL", "GETUSER", "default")
        flat = user.items() if isinstance(user, dict) else zip(user[::2], user[1::2], strict=False) if user else ()
        flags = next((value for name, value in flat if name == "flags"), ())
        return Server(info, config, {"on", "nopass"} <= set(flags), disk_free(info, config.get("dir", "")))

    def meta(self) -> Mapping[str, str]:
        """Return the data's own description (`meta`); empty where no engine has ever started."""
        [meta] = self._wire.ask(("HGETALL", f"{self._shared}meta"))
        return {str(name): str(value) for name, value in meta.items()}

    def names(self, kind: Kind, pieces: int | None = None) -> Iterator[list[str]]:
        """Yield the names of all keys of a kind, piece by piece. A name may come twice. pieces: how many at most of
        each cell
        """

        def of(wire: Wire, cell: Cell) -> Iterator[list[str]]:
            prefix = _NAMED[kind](cell)
            for keys in islice(wire.scanned(("SCAN",), "MATCH", f"{prefix}*", piece=self._piece), pieces):
                yield [key.removeprefix(prefix) for key in keys]

        return self._in_turn(of)

    def waiting(self, lane: Lane, limit: int | None) -> Iterator[list[str]]:
        """Yield the members of a lane's due-set in pieces, about `limit` of them."""

        def of(wire: Wire, cell: Cell) -> Iterator[list[str]]:
            seen = 0
            scans = (wire.scanned(("ZSCAN", key), piece=self._piece) for key in cell.dues(lane))
            for found in chain.from_iterable(scans):
                members = [row[0] if isinstance(row, (list, tuple)) else row for row in _members(found)]
                seen += len(members)
                yield members
                if limit is not None and seen > limit // len(self._cells):
                    return

        return self._in_turn(of)

    def lifted(self) -> Iterator[list[str]]:
        """Yield the records of liftings (JSON: line, carrier, at, ...) in pieces."""

        def of(wire: Wire, cell: Cell) -> Iterator[list[str]]:
            after = "-"
            while found := wire.ask(("XRANGE", cell.lifted, after, "+", "COUNT", self._piece))[0]:
                yield [kept["m"] for _, kept in found]
                after = f"({found[-1][0]}"

        return self._in_turn(of)

    def _in_turn(self, of: Callable[[Wire, Cell], Iterator[list[str]]]) -> Iterator[list[str]]:
        nothing: list[str] = []
        return chain.from_iterable(zip_longest(*(of(wire, cell) for wire, cell in self._cells), fillvalue=nothing))

    def dues(self, members: Sequence[tuple[Lane, str]]) -> list[float | None]:
        """Return when each member is due (infinity: parked), None for one that is in no due-set."""
        asked = [(lane, part, member) for lane, member in members for part in range(len(Cell().dues(lane)))]
        ids = [member.partition(":")[2].partition(":")[0] for _, _, member in asked]

        def score(cell: Cell, n: int) -> tuple[str, ...]:
            lane, part, member = asked[n]
            return "ZSCORE", cell.dues(lane)[part], member

        found = zip(asked, self._asked(ids, score), strict=True)
        dues = {(lane, member): float(due) for (lane, _, member), due in found if due is not None}
        return [dues.get(each) for each in members]

    def unread(self, lines: Sequence[str]) -> list[int]:
        """Return how many unread messages each line has."""
        return [int(n) for n in self._asked(lines, lambda cell, n: ("LLEN", cell.inbox(lines[n])))]

    def reservations(self, keys: Sequence[str]) -> list[tuple[str, Millis]]:
        """Return the order and the instant of each reservation; ('', 0) for one that has gone meanwhile."""
        kept = self._asked(keys, lambda cell, n: ("GET", cell.reservation(keys[n])))
        rows = [(row or "").split("|") for row in kept]
        return [(row[1], int(row[3])) if len(row) == 4 else ("", 0) for row in rows]  # noqa: PLR2004 - as claim_request.lua

    def _asked(self, ids: Sequence[str], command: Callable[[Cell, int], tuple[str, ...]]) -> list[Any]:
        """Return the answers to one command for each id, asked of its cell. command: takes the id's place in `ids`"""
        found: dict[int, Any] = {}
        for part, numbers in apart(ids, len(self._cells)).items():
            wire, cell = self._cells[part]
            found.update(zip(numbers, wire.ask(*(command(cell, n) for n in numbers)), strict=True))
        return [found[n] for n in range(len(ids))]

    def unmatched(self, since: Millis, until: Millis, most: int) -> int:
        """Return how many unmatched messages came from `since` on and before `until`, repeats not counted. At most
        `most` are looked at of each cell, and said.
        """
        rows = [
            wire.ask(("XRANGE", cell.unmatched, since, f"({until}", "COUNT", most))[0] for wire, cell in self._cells
        ]
        return min(most, sum(not kept["m"].startswith(_REPEATED) for _, kept in chain.from_iterable(rows)))


def _members(found: Sequence[Any]) -> Sequence[Any]:
    """Return the members in an answer to ZSCAN: a flat list of members and scores or, from some clients, pairs."""
    return found if not found or isinstance(found[0], (list, tuple)) else found[::2]
