"""The move of all data to another number of cells, on another Redis, with no engine at work; repeatable after a crash.

1. No engine works on the source: no worker is heard from, and no other client is connected to it or its replicas.
2. Both sides are marked in their `meta`: engines refuse to start on either (`CONSENT_CELLS is ..., but these data were
   written with ...`). The source keeps its data unchanged, also afterwards. Each of its cells gets a fence, which
   engines look for on every connection they make, and then its clients are checked once more: a client that connected
   before the fence is seen, one that comes later is refused, for ever.
3. Everything is copied. Writes set a state, what is appended to is cleared first: a move that died is done anew.
4. Both sides are read and compared, kind by kind: how many, and the sum of their digests.
5. The source is marked as moved; then the target's number of cells is written: from then on engines start there.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError

from consent_engine.adapters.redis.moved import AWAY, GONE, HERE
from consent_engine.adapters.redis.reshard.account import Account, Fact
from consent_engine.adapters.redis.reshard.appended import Appended
from consent_engine.adapters.redis.reshard.dump import Side, account
from consent_engine.adapters.redis.topology.cluster import master_at
from consent_engine.adapters.redis.topology.replicas import at_replicas
from consent_engine.errors import SettingsError, StoreUnavailable

HEARD_WITHIN_MS = 15_000
AT_ONCE = 10_000
LOOKS, LOOK_S = 3, 0.2
SENTINELS = "sentinel-"
"""The beginning of the names of Sentinels' connections: Sentinels watch a server, and write no record."""
_WHOSE, _BEFORE, _TO = "move", "move_from", "move_to"
"""Fields of `meta`: the move's name, on both sides; on the source its number of cells, and that of the target."""


@dataclass(slots=True)
class Move:
    """One move. tell: gets its progress · look_s: seconds between two looks at the connected clients"""

    source: Side
    target: Side
    tell: Callable[[str], None]
    look_s: float = LOOK_S

    def run(self) -> Account:
        """Move everything and return the account of it. Raises SettingsError when the move must not be done, and
        StoreUnavailable when the two sides differ.
        """
        self.rest()
        move = self._marked(self.source.meta_now())
        fence(self.source, move)
        self.rest()  # again: a client may have connected before the fence was set
        if self.target.meta_now().get("cells") == str(len(self.target.cells)):
            self.tell("these data were moved before: nothing is left to do")
            return Account()
        self._copy()
        moved = self._compare()
        self.rest()
        self._switch(move)
        return moved

    def rest(self) -> None:
        """Check that no worker, API or other move is connected to the source. Raises SettingsError when one is."""
        rest(self.source, self.look_s)

    def _marked(self, meta: dict[str, str]) -> str:
        """Mark both sides and return the move's name. A move that was begun is continued; no other may start."""
        if "cells" not in meta:
            raise SettingsError("--from holds no data of an engine: nothing is moved")
        # Data that arrived by a move still carry its name; the next move gets a name of its own.
        begun = _BEFORE in meta
        move, to = meta[_WHOSE] if begun else secrets.token_hex(8), str(len(self.target.cells))
        there = self.target.meta_now()
        theirs = there.get(_WHOSE) == move and _BEFORE not in there  # with _BEFORE it would be the source itself
        if meta["cells"] == GONE and not (theirs and meta[_TO] == to):
            raise SettingsError("the data of --from were moved before: old data are not moved again")
        if meta.get(_TO, to) != to:
            raise SettingsError(f"a move to {meta[_TO]} cells was begun: continue it, or run `consent cells stay`")
        if not theirs and (there or _holds_something(self.target)):
            raise SettingsError("--to is not empty: give an empty Redis")
        before = meta[_BEFORE] if begun else meta["cells"]
        if before != str(len(self.source.cells)):
            raise SettingsError(f"--from has {before} cells")
        cells = GONE if meta["cells"] == GONE else AWAY
        self._set(self.source, {_WHOSE: move, _BEFORE: before, _TO: to, "cells": cells})
        if there.get("cells") != to:
            self._set(self.target, {_WHOSE: move, "cells": HERE})
        return move

    def _set(self, side: Side, fields: dict[str, str]) -> None:
        flat = [part for pair in fields.items() for part in pair]
        side.ask(0, ("HSET", side.meta, *flat), prove=True)

    def _copy(self) -> None:
        self.target.clear_streams()
        appended, copied, waiting = Appended(), 0, list[Fact]()
        for facts in self.source.facts():
            waiting += facts
            if len(waiting) >= AT_ONCE:  # each write goes to every cell: not too often
                self.target.keep(waiting, appended)
                copied, waiting = copied + len(waiting), []
                self.tell(f"{copied} copied")
        self.target.keep(waiting, appended)
        self.target.prove()
        self.tell(f"{copied + len(waiting)} copied: all of it")

    def _compare(self) -> Account:
        """Read both sides and compare them; return the source's account. Raises StoreUnavailable when they differ."""
        here, there = account(self.source, self.tell), account(self.target, self.tell)
        if kinds := here.differs(there):
            raise StoreUnavailable(
                f"--from and --to differ ({', '.join(kinds)}): was --from written to? run the command again; "
                "if they differ again, run `consent cells stay`, then move to an empty --to"
            )
        offers = [self.target.ask(n, ("HLEN", self.target.key(n, "offers")))[0] for n in range(len(self.target.cells))]
        if set(map(int, offers)) - {here.counts.get("offers", 0)}:
            raise StoreUnavailable("a cell of --to does not have every offer: run the command again")
        return here

    def _switch(self, move: str) -> None:
        """Make the target the one that engines use; first the source is marked as moved away."""
        meta = self.source.meta_now()
        if meta.get(_WHOSE) != move:
            raise SettingsError("this move was given up while it was under way: --to is not opened")
        kept = {name: value for name, value in meta.items() if name not in {"cells", _WHOSE, _BEFORE, _TO}}
        self._set(self.source, {"cells": GONE})
        self._set(self.target, kept)
        self._set(self.target, {_WHOSE: move, "cells": str(len(self.target.cells))})


def fence(source: Side, move: str) -> None:
    """Keep engines from connecting to a side's cells. Proven durable: a failover must not remove the fence."""
    for cell in source.cells:
        source.ask(cell.number, ("SET", cell.moving, move), prove=True)


def begun(source: Side) -> dict[str, str]:
    """Return the description of data that are being moved. Raises SettingsError where no move of them is under way."""
    meta = source.meta_now()
    if _BEFORE not in meta or meta.get("cells") == GONE:
        raise SettingsError("no move of these data is under way: nothing to give up")
    return meta


def stay(source: Side) -> int:
    """Give up an unfinished move: engines may start on the source again. Return the number of the source's cells.

    Call `rest` first: a move that is still running would open the target, too.

    Raises SettingsError when no move is under way.
    """
    meta = begun(source)
    source.ask(0, ("HSET", source.meta, "cells", meta[_BEFORE]), prove=True)
    for cell in source.cells:
        source.ask(cell.number, ("DEL", cell.moving), prove=True)
    source.ask(0, ("HDEL", source.meta, _WHOSE, _BEFORE, _TO), prove=True)
    return int(meta[_BEFORE])


def cells_of(meta: Mapping[str, str]) -> int:
    """Return how many cells data were written with, also while they are moved; 0 when there are none."""
    told = meta.get(_BEFORE) or meta.get("cells", "0")
    return int(told) if told.isdecimal() else 0


def _holds_something(side: Side) -> bool:
    return any(int(side.ask(n, ("DBSIZE",))[0]) for n in range(len(side.cells)))


def rest(side: Side, look_s: float = LOOK_S) -> None:
    """Check that no worker or API is connected to a side. Raises SettingsError when one is."""
    [(seconds, _), heard] = side.ask(0, ("TIME",), ("HGETALL", f"{side.shared}workers"))
    late = [int(seconds) * 1000 - int(told.partition("|")[0]) for told in heard.values()]
    if any(each < HEARD_WITHIN_MS for each in late):
        raise SettingsError(
            "workers are at work on --from: stop every worker and API, wait 15 s, and run the command again"
        )
    if others := _others(side, look_s):
        raise SettingsError(
            f"{others} other clients are connected to --from: stop every API, worker, move, console and exporter"
        )


def _others(side: Side, look_s: float) -> int:
    """Count the clients of a side's servers that stay connected over all looks, without our own and its replicas.

    Its replicas' clients count, too: a former master may be promoted again, with the clients still connected to it.
    """
    ours = f"consent-cells-{secrets.token_hex(4)}"  # random: each move has a client name of its own
    stay: set[str] | None = None
    for look in range(LOOKS):
        if look:
            time.sleep(look_s)
        for cell in side.cells:
            side.ask(cell.number, ("CLIENT", "SETNAME", ours))
        seen = {f"{cell.number} {found}" for cell in side.cells for found in _clients(side, cell.number, ours)}
        stay = seen if stay is None else stay & seen
    return len({each.partition(" ")[2] for each in stay or ()})


def _clients(side: Side, n: int, ours: str) -> set[str]:
    """Return the other clients of a cell's master and of its replicas, each as its id and both ends' addresses."""
    try:
        [here, told] = side.ask(n, ("CLIENT", "LIST"), ("INFO", "replication"))
        lists = [here, *at_replicas(side.wires[n].client, told, "CLIENT", "LIST")]
    except (ResponseError, SettingsError):
        raise SettingsError(
            "--from: this user may not ask CLIENT LIST: allow it, else connected clients stay unseen"
        ) from None
    rows = [row for told in lists for row in (told if not isinstance(told, str) else map(_read, told.splitlines()))]
    return {
        f"{row['id']} {row.get('addr')} {row.get('laddr')}" for row in rows
        if row.get("name") != ours and not row.get("name", "").startswith(SENTINELS)
        and not {*"SMO"} & {*row.get("flags", "")}
    }  # fmt: skip


def _read(line: str) -> dict[str, str]:
    return {name: value for name, _, value in (pair.partition("=") for pair in line.split())}


def places(side: Side) -> Iterator[tuple[int, int, str, str]]:
    """Yield each cell of a cluster: number, slot, the slot's master, and how many keys it has there (if it answers)."""
    for cell in side.cells:
        slot, at, keys = key_slot(str(cell.number).encode()), "-", "cannot be reached"
        with suppress(StoreUnavailable, RedisError):
            at = master_at(side.wires[cell.number].client)
            keys = str(side.ask(cell.number, ("CLUSTER", "COUNTKEYSINSLOT", slot))[0])
        yield cell.number, slot, at, keys
