"""Servers of the tests' own: a Redis with any configuration, a master with a replica, three sentinels."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from benchmarks.ports import free_port
from tests import needs
from tests.waiting import HANGS_S, until

DURABLE = ("appendonly yes", "aof-use-rdb-preamble no", 'save ""', "aof-load-truncated yes")


@dataclass
class Server:
    """A server in a folder of its own, on a loopback port; killed and started as a test wants."""

    folder: Path
    lines: tuple[str, ...] = DURABLE
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        return Redis(port=self.port, decode_responses=True)

    def do(self, *command: object) -> object:
        """Send one command on a connection of its own; the answer is plain text, not parsed."""
        with self.client() as client:
            return client.execute_command(*command)

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        conf = self.folder / "server.conf"
        if not conf.exists():  # sentinels, and masters that fail over, write into theirs
            lines = (f"port {self.port}", "bind 127.0.0.1", f'dir "{self.folder}"', "enable-debug-command yes")
            conf.write_text("\n".join((*lines, *self.lines)) + "\n")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [needs.server(), conf, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                restore_signals=False,  # Python ignores SIGXFSZ, and so does the server: a bound is a full disk
            )
        self.ready()

    def ready(self) -> None:
        until(f"server {self.port} answers", self.answers)

    def answers(self) -> bool:
        if not self.runs():
            raise AssertionError((self.folder / "log").read_text(errors="replace")[-2_000:])
        try:
            return bool(self.do("PING"))
        except RedisError:
            return False

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(HANGS_S)

    def aof(self) -> Path:
        """The part of the append-only file that grows."""
        [grows] = (self.folder / "appendonlydir").glob("*.incr.aof")
        return grows

    def close(self) -> None:
        if self.process is not None and self.runs():
            self.process.kill()
            self.process.wait(HANGS_S)


@contextmanager
def server(folder: Path, *lines: str) -> Iterator[Server]:
    """A durable server with `lines` added to its configuration, from start to end."""
    made = Server(folder, (*DURABLE, *lines))
    try:
        made.start()
        yield made
    finally:
        made.close()


USER, PASSWORD = "engine", "p@ss/word"
LOGIN = f"user {USER} on >{PASSWORD} ~* &* +@all"
DOWN_AFTER_MS = 500


@dataclass
class Watched:
    """A master and its replicas, which server is which now, and the three sentinels that watch them."""

    servers: list[Server]
    sentinels: list[Server]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{USER}:p%40ss%2Fword@{hosts}/mymaster/0"

    def master(self) -> Server:
        """The server that the sentinels call master, once it calls itself so too."""
        return until("there is a master", self._master)

    def _master(self) -> Server | None:
        named = self.named()
        return named if named and named.runs() and named.do("ROLE")[0] == "master" else None

    def named(self) -> Server | None:
        """The server that all sentinels call master, whatever it calls itself."""
        told = {sentinel.do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")[1] for sentinel in self.sentinels}
        return next((server for server in self.servers if told == {str(server.port)}), None)

    def replicas(self) -> list[Server]:
        master = self.master()
        return [each for each in self.servers if each is not master and each.runs()]

    def calm(self, replicas: int) -> None:
        """Wait until so many replicas follow the master, and every sentinel knows of them and of the others."""

        def seen() -> bool:
            master = self.master()
            told = [sentinel.do("SENTINEL", "MASTER", "mymaster") for sentinel in self.sentinels]
            facts = [each if isinstance(each, dict) else dict(zip(each[::2], each[1::2], strict=True)) for each in told]
            linked = int(str(master.do("INFO", "replication")["connected_slaves"]))
            online = str(master.do("INFO", "replication")).count("'state': 'online'")
            return linked == online == replicas and all(
                int(fact["num-other-sentinels"]) == 2 and int(fact["num-slaves"]) >= replicas for fact in facts
            )

        until("the sentinels know everybody", seen)


@contextmanager
def watched(folder: Path, *lines: str) -> Iterator[Watched]:
    """A master with two replicas behind three sentinels, from start to end."""
    common = (*DURABLE, LOGIN, "repl-diskless-sync-delay 0", "repl-timeout 5", *lines)
    master = Server(folder / "a", common)
    follows = (*common, f"replicaof 127.0.0.1 {master.port}")
    made = Watched([master, Server(folder / "b", follows), Server(folder / "c", follows)], [])
    watch = (
        f"sentinel monitor mymaster 127.0.0.1 {master.port} 2",
        f"sentinel down-after-milliseconds mymaster {DOWN_AFTER_MS}",
        "sentinel failover-timeout mymaster 2000",
        "sentinel parallel-syncs mymaster 2",
    )
    made.sentinels += [Server(folder / f"s{n}", watch, ("--sentinel",)) for n in range(3)]
    try:
        for each in (*made.servers, *made.sentinels):
            each.start()
        made.calm(2)
        yield made
    finally:
        for each in (*made.sentinels, *made.servers):
            each.close()
