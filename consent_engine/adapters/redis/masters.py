"""A copy of a cluster's data, master by master, in one folder from which one server starts; engines work on meanwhile.

Each master sends its data of one instant, which is after the request: so nothing acknowledged before that is missing.
Everything of one subscriber is in one cell, and a cell is whole on one master; data that all cells share are in the
first cell, whose master is copied last, so that they include whatever other cells refer to. This holds while no slot
changes its master, which is checked before and after.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from consent_engine.adapters.redis.client import NAMED_BY, Wire, connect
from consent_engine.adapters.redis.snapshot import AOF, Tell, bare, fetch, private, tidy, written
from consent_engine.adapters.redis.topology.cluster import master_at
from consent_engine.config.data_folder import private_folder
from consent_engine.errors import SettingsError, StoreUnavailable

TOGETHER = "appendonly.aof.1.base.aof"
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """The cells of one master. client: connects to the master of the first of these cells"""

    cells: tuple[int, ...]
    client: "Redis"

    @property
    def slots(self) -> set[int]:
        return {key_slot(str(n).encode()) for n in self.cells}


def fetch_cluster(url: str, cells: int, to: Path, tell: Tell) -> int:
    """Write the data of all masters of a cluster into a folder from which one server starts. Return the earliest of
    their instants, in ms.

    Raises SettingsError while slots are being moved, or where the Redis user may not do this; StoreUnavailable where a
    master cannot be reached, or another took over meanwhile.
    """
    kept = private_folder(to) / AOF
    kept.mkdir(mode=0o700)
    clients = [connect(url, tag=str(n)) for n in range(cells)]
    try:
        before = _layout(clients)
        instants = []
        with (kept / TOGETHER).open("xb") as together:
            for n, held in enumerate(_by_master(clients, before)):
                tell(f"copying master {n + 1} of {len(set(before))}, with {len(held.cells)} cells")
                part = to / f"master-{n}"
                instants.append(_fetched(held, part, tell))
                with next((part / AOF).glob("*.base.aof")).open("rb") as commands:
                    shutil.copyfileobj(commands, together, PIECE)
                shutil.rmtree(part)
        if _layout(clients) != before:
            raise StoreUnavailable("another master took over while the cluster was copied: run the command again")
    finally:
        for client in clients:
            client.close()
    (kept / "appendonly.aof.manifest").write_text(f"file {TOGETHER} seq 1 type b\n")
    return min(instants)


def _by_master(clients: list["Redis"], layout: list[str]) -> Iterator[Held]:
    """Yield the masters, each with its cells; the one with the first cell last."""
    for at in reversed(dict.fromkeys(layout)):
        cells = tuple(n for n, place in enumerate(layout) if place == at)
        yield Held(cells, clients[cells[0]])


def _layout(clients: list["Redis"]) -> list[str]:
    """Return the address of each cell's master. Raises SettingsError while slots are moved from or to one of them."""
    try:
        layout = [master_at(client) for client in clients]
        for at in dict.fromkeys(layout):
            if _gives_or_takes(clients[layout.index(at)]):
                raise SettingsError(
                    "slots of this cluster are being moved: wait until that is over, and run the command again"
                )
    except (RedisError, OSError) as error:
        said = f"a master of the cluster cannot be asked: {type(error).__name__}"
        raise StoreUnavailable(said, named_by=NAMED_BY) from error
    return layout


def _gives_or_takes(client: "Redis") -> bool:
    """Whether a master reports that it gives a slot away, or takes one."""
    client.response_callbacks.pop("CLUSTER NODES", None)  # unparsed
    told = str(client.execute_command("CLUSTER NODES"))  # type: ignore[no-untyped-call] # untyped in redis-py
    return any("myself" in line and "[" in line for line in told.splitlines())


def _fetched(held: Held, to: Path, tell: Tell) -> int:
    """Copy one master's data of its cells as plain commands. Return their instant, in ms, at the earliest."""
    [(seconds, micros)] = Wire(held.client, proves=False, replicas=0).ask(("TIME",))
    fetch(held.client, to, tell)
    with private(to, tell) as server:
        tidy(server, 0, held.slots)
        written(server, tell)
    bare(to)
    return int(seconds) * 1000 + int(micros) // 1000
