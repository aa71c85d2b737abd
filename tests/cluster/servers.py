"""A Redis Cluster of the tests' own: three masters, a replica each, made by commands (redis-cli is not needed)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.crc import key_slot
from redis.exceptions import RedisError

from benchmarks.ports import free_port
from consent_engine.adapters.redis.keys import Cell
from tests.durability.servers import DURABLE, Server, server
from tests.waiting import until

MASTERS = 3
NODE_TIMEOUT_MS = 1_000
COMMON = (
    *DURABLE,
    "appendfsync always",
    "cluster-enabled yes",
    f"cluster-node-timeout {NODE_TIMEOUT_MS}",
    "cluster-require-full-coverage no",  # a lost master takes its own slots along, not all
    "cluster-replica-validity-factor 0",
    "repl-diskless-sync-delay 0",
    "loglevel notice",
)


@dataclass
class Cluster:
    """Six nodes; the first three began as masters."""

    nodes: list[Server]

    @property
    def url(self) -> str:
        """As `CONSENT_REDIS_URL` names it: by some of its nodes."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[-2:] + self.nodes[:2])

    def masters(self) -> list[Server]:
        """The nodes that are masters and own slots now."""
        return [node for node in self.nodes if node.runs() and node.port in {row[2][1] for row in self.slots()}]

    def slots(self) -> list[list]:
        """The owners of slots: the rows of CLUSTER SLOTS, as they come, of the first node that answers."""
        return self._as_told(next(node for node in self.nodes if node.runs()), "CLUSTER SLOTS")

    def owner(self, cell: int) -> Server:
        """The master of a cell."""
        slot = key_slot(str(cell).encode())
        [port] = [row[2][1] for row in self.slots() if row[0] <= slot <= row[1]]
        return next(node for node in self.nodes if node.port == port)

    def slot_of(self, master: Server) -> int:
        """A slot that the master has."""
        return next(int(row[0]) for row in self.slots() if row[2][1] == master.port)

    def replica_of(self, master: Server) -> Server:
        """The replica of a master, as the master says: others hear of it only after seconds."""
        port = int(master.do("INFO", "replication")["slave0"]["port"])
        return next(node for node in self.nodes if node.port == port)

    def id_of(self, node: Server) -> str:
        return str(node.do("CLUSTER", "MYID"))

    def calm(self) -> None:
        """Wait until every node knows every other, all slots are served, and every master has its replica."""

        def seen() -> bool:
            running = [node for node in self.nodes if node.runs()]
            told = [self._as_told(node, "CLUSTER INFO") for node in running]
            linked = sum(int(node.do("INFO", "replication")["connected_slaves"]) for node in running)
            return linked == len(running) - MASTERS and all(
                f"{fact}\r\n" in str(each)
                for each in told
                for fact in ("cluster_state:ok", "cluster_slots_ok:16384", f"cluster_known_nodes:{len(self.nodes)}")
            )

        until("the cluster is calm", seen)

    @staticmethod
    def _as_told(node: Server, command: str) -> Any:
        with node.client() as client:
            client.response_callbacks.pop(command, None)
            return client.execute_command(command)

    def move_slot(self, cell: int, to: Server) -> int:
        """Move a cell's slot to another master, key by key, the due-sets first: no lease finds half of a record."""
        slot, giver = key_slot(str(cell).encode()), self.owner(cell)
        keys = [key for key in Cell(cell, alone=False).due.values() if giver.do("EXISTS", key)]
        to.do("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(giver))
        giver.do("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(to))
        moved = 0
        while keys:
            giver.do("MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", *keys)
            moved += len(keys)
            keys = giver.do("CLUSTER", "GETKEYSINSLOT", slot, 10)
        for node in (to, giver, *self.masters()):
            node.do("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(to))
        until("everybody knows", lambda: self.owner(cell) is to)
        return moved

    def flush(self) -> None:
        for master in self.masters():
            master.do("FLUSHALL")

    def keys(self, pattern: str = "*") -> list[str]:
        """Names of keys, of all masters."""
        found = []
        for master in self.masters():
            with master.client() as client:
                found += client.keys(pattern)
        return sorted(found)

    def spread(self) -> dict[int, int]:
        """Cell keys by the port of the master that has them."""
        return {master.port: int(master.do("DBSIZE")) for master in self.masters()}


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster from start to end; whatever happens, nothing of it is left."""
    made = Cluster([])
    try:
        for n in range(2 * MASTERS):
            lines = (*COMMON, f"cluster-port {free_port()}", "cluster-config-file nodes.conf")
            made.nodes.append(Server(folder / f"n{n}", lines))
            made.nodes[-1].start()
        _join(made)
        yield made
    finally:
        for node in made.nodes:
            node.close()


def _join(made: Cluster) -> None:
    first, masters = made.nodes[0], made.nodes[:MASTERS]
    step = 16_384 // MASTERS + 1
    for n, node in enumerate(made.nodes):
        node.do("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
    for n, node in enumerate(masters):
        node.do("CLUSTER", "ADDSLOTSRANGE", n * step, min((n + 1) * step, 16_384) - 1)
    for node in made.nodes[1:]:
        bus = next(line.split()[1] for line in node.lines if line.startswith("cluster-port"))
        first.do("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
    for n, node in enumerate(made.nodes[MASTERS:]):
        until("the replica knows its master", lambda node=node, n=n: _follows(made, node, masters[n]))
    made.calm()


def _follows(made: Cluster, node: Server, master: Server) -> bool:
    try:
        return node.do("CLUSTER", "REPLICATE", made.id_of(master)) in (True, "OK", b"OK")
    except RedisError:
        return False


@contextmanager
def beside(folder: Path) -> Iterator[tuple[Cluster, Server]]:
    """A cluster, and RQ's Redis."""
    with ExitStack() as stack:
        made = stack.enter_context(cluster(folder / "cluster"))
        yield made, stack.enter_context(server(folder / "rq", "appendonly no"))
