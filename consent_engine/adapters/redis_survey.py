"""The Survey on Redis: SCAN in pieces, never KEYS; what it costs a piece is bounded, whatever there is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from consent_engine.adapters.redis_client import Calls, Wire
from consent_engine.adapters.redis_packing import DUE, PREFIX, inbox_key, pairs
from consent_engine.domain.effects import Lane, Millis
from consent_engine.errors import SettingsError
from consent_engine.ports.survey import Kind, Server

PIECE = 500
"""How many keys or members the server looks at before it answers: about a millisecond of its time."""
_PLACED, _UNMATCHED, _FUNNEL = f"{PREFIX}placed", f"{PREFIX}unmatched", f"{PREFIX}funnel:"
_NAMED = {
    Kind.ORDER: f"{PREFIX}order:",
    Kind.LINE: f"{PREFIX}line:",
    Kind.INBOX: f"{PREFIX}inbox:",
    Kind.RESERVATION: "ce:key:",
}
_ASKED = ("appendfsync", "bind", "maxclients", "port", "protected-mode", "save", "stop-writes-on-bgsave-error",
          "timeout", "tls-port")  # fmt: skip


class RedisSurvey:
    """The Survey."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def _all(self, *commands: tuple[str | int, ...]) -> list[Any]:
        calls = Calls()
        calls.rows += commands
        return self._wire.send(calls, repeat=True)

    def _allowed(self, *command: str) -> Any:  # noqa: ANN401 - redis-py's answer
        """The answer, or None where an ACL forbids to ask."""
        try:
            return self._all(command)[0]
        except (ResponseError, SettingsError):
            return None

    def server(self) -> Server:
        """See Survey.server."""
        [info] = self._all(("INFO",))
        config: dict[str, str] = {}
        for name in _ASKED:  # one by one: an older server refuses several, and one that is unknown costs only itself
            config |= pairs(self._allowed("CONFIG", "GET", name) or ())
        told = self._allowed("ACL", "GETUSER", "default")
        flat = told.items() if isinstance(told, dict) else zip(told[::2], told[1::2], strict=False) if told else ()
        flags = next((value for name, value in flat if name == "flags"), ())
        return Server(info, config, open={"on", "nopass"} <= set(flags))

    def meta(self) -> Mapping[str, str]:
        """See Survey.meta."""
        [meta] = self._all(("HGETALL", "ce:meta"))
        return {str(name): str(value) for name, value in meta.items()}

    def names(self, kind: Kind, pieces: int | None = None) -> Iterator[list[str]]:
        """See Survey.names."""
        prefix, cursor, done = _NAMED[kind], "0", 0
        while pieces is None or done < pieces:
            [(cursor, keys)] = self._all(("SCAN", str(cursor), "MATCH", f"{prefix}*", "COUNT", PIECE))
            yield [key.removeprefix(prefix) for key in keys]
            done += 1
            if not int(cursor):
                return

    def placed(self, since: Millis, until: Millis) -> int:
        """See Survey.placed."""
        return int(self._all(("ZCOUNT", _PLACED, since, f"({until}"))[0])

    def placed_ids(self, since: Millis, until: Millis) -> list[str]:
        """See Survey.placed_ids."""
        return list(self._all(("ZRANGE", _PLACED, since, f"({until}", "BYSCORE"))[0])

    def days(self) -> list[str]:
        """See Survey.days."""
        found, cursor = set(), "0"
        while True:
            [(cursor, keys)] = self._all(("SCAN", str(cursor), "MATCH", f"{_FUNNEL}*", "COUNT", 10 * PIECE))
            found |= {key.removeprefix(_FUNNEL) for key in keys}
            if not int(cursor):
                return sorted(found)

    def waiting(self, lane: Lane, limit: int | None) -> Iterator[list[str]]:
        """See Survey.waiting."""
        cursor, seen = "0", 0
        while limit is None or seen < limit:
            [(cursor, found)] = self._all(("ZSCAN", DUE[lane], str(cursor), "COUNT", PIECE))
            members = [row[0] if isinstance(row, (list, tuple)) else row for row in _members(found)]
            seen += len(members)
            yield members
            if not int(cursor):
                return

    def dues(self, members: Sequence[tuple[Lane, str]]) -> list[float | None]:
        """See Survey.dues."""
        found = self._all(*(("ZSCORE", DUE[lane], member) for lane, member in members))
        return [None if score is None else float(score) for score in found]

    def unread(self, lines: Sequence[str]) -> list[int]:
        """See Survey.unread."""
        return [int(n) for n in self._all(*(("LLEN", inbox_key(line)) for line in lines))]

    def reservations(self, keys: Sequence[str]) -> list[tuple[str, Millis]]:
        """See Survey.reservations."""
        kept = self._all(*(("GET", f"{_NAMED[Kind.RESERVATION]}{key}") for key in keys))
        rows = [(row or "").split("|") for row in kept]
        return [(row[1], int(row[3])) if len(row) == 4 else ("", 0) for row in rows]  # noqa: PLR2004 - as claim.lua

    def unmatched(self, since: Millis, until: Millis, most: int) -> int:
        """See Survey.unmatched."""
        return len(self._all(("XRANGE", _UNMATCHED, since, f"({until}", "COUNT", most))[0])


def _members(found: Sequence[Any]) -> Sequence[Any]:
    """What ZSCAN answers: a flat list of members and scores or, as some clients read it, pairs."""
    return found if not found or isinstance(found[0], (list, tuple)) else found[::2]
