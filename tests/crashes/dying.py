"""A life that ends at its n-th point: before, in the middle of, or after each round trip and each outside call.

A *round trip* is what one Redis client sends at once. It has these points: `before` a byte is sent; `cut` after each
of its commands that writes, when others follow (a pipeline is no transaction: a process may die with half of it
sent); `sent` when the server has all of it and nobody reads the answer; `heard` when the answer is here and nobody
acted on it. A MULTI with its EXEC counts as one command: Redis drops half of one. An *outside call* has three:
`before`, `taken` (the gateway or the BSS has it, the answer is on its way) and `heard`.
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from redis import Redis
from redis.connection import ConnectionPool

from consent_engine.adapters.rq_queue import RqQueue

READS = frozenset({"TIME", "HGETALL", "HGET", "HMGET", "LLEN", "ZCOUNT", "ZRANGE", "ZCARD", "SMEMBERS", "WATCH"})
"""Dying after one of these in the middle of a pipeline is dying before it. Any command not listed may write."""


class Fate:
    """The counter of a life's points, once it is armed. end: called at point `at`; at=None: nothing ever happens."""

    def __init__(self, at: int | None = None, end: Callable[[str], None] = lambda name: None) -> None:
        self.names: list[str] = []
        self.armed = False
        self._at = at
        self._end = end

    def comes(self, name: str) -> bool:
        """Count this point, and return whether it is the one to die at."""
        if not self.armed:
            return False
        self.names.append(name)
        return len(self.names) - 1 == self._at

    def end(self) -> None:
        """Die at the last counted point."""
        self._end(self.names[-1])

    def meet(self, name: str) -> None:
        """Count a point, and die there if it is the one."""
        if self.comes(name):
            self.end()


def commands(packed: bytes) -> Iterator[tuple[str, int]]:
    """The commands in the bytes of one send: the name of each, and the offset where it ends.

    >>> list(commands(b"*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\nk\\r\\n*1\\r\\n$4\\r\\nTIME\\r\\n"))
    [('GET', 20), ('TIME', 34)]
    """
    at = 0
    while at < len(packed):
        end = packed.index(b"\r\n", at)
        count, at, name = int(packed[at + 1 : end]), end + 2, b""
        for _ in range(count):
            end = packed.index(b"\r\n", at)
            start, length = end + 2, int(packed[at + 1 : end])
            name = name or packed[start : start + length]
            at = start + length + 2
        yield name.decode().upper(), at


def cuts(sent: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The places where dying in the middle leaves some commands done and others not.

    >>> cuts([("TIME", 9), ("EVALSHA", 20), ("EVALSHA", 30), ("WAITAOF", 40)])
    [('EVALSHA', 20), ('EVALSHA', 30)]
    >>> cuts([("MULTI", 9), ("SADD", 20), ("EXEC", 30)])
    []
    """
    inside = False
    found = []
    for name, end in sent[:-1]:
        inside = (inside or name == "MULTI") and name != "EXEC"
        if not inside and name not in READS:
            found.append((name, end))
    return found


def mortal(client: "Redis", fate: Fate, whose: str) -> "Redis":
    """Make the client's round trips points of `fate`. It is connected already: connecting is no part of the life."""
    pool = client.connection_pool
    kind: Any = pool.connection_class

    class Mortal(kind):
        unheard = 0

        def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002
            packed = command if isinstance(command, bytes) else b"".join(command)
            sent = list(commands(packed))
            self.words = f"{whose}: {' '.join(dict.fromkeys(name for name, _ in sent))}"
            self.unheard = len(sent)
            fate.meet(f"{self.words}, before")
            gone = 0
            for n, (name, end) in enumerate(cuts(sent), 1):
                if fate.comes(f"{self.words}, cut after {name} {n}"):
                    super().send_packed_command([packed[:end]], check_health)
                    gone = end
                    fate.end()
            super().send_packed_command([packed[gone:]], check_health)
            fate.meet(f"{self.words}, sent")

        def read_response(self, *args: Any, **more: Any) -> Any:
            try:
                return super().read_response(*args, **more)
            finally:
                self.unheard -= 1
                if self.unheard == 0:
                    fate.meet(f"{self.words}, heard")

    client.connection_pool = ConnectionPool(connection_class=Mortal, **pool.connection_kwargs)
    client.ping()
    return client


class MortalQueue(RqQueue):
    """The real queue, whose round trips are points too. version: of the server, which RQ asks for once in a life."""

    def __init__(self, url: str, fate: Fate, version: tuple[int, ...]) -> None:
        super().__init__(url)
        for queue in self._queues.values():
            queue.redis_server_version = version
        mortal(self._connection, fate, "rq")


class Told:
    """The pipe a process reports into before it may die: nothing reported can be taken back."""

    def __init__(self, writes: int) -> None:
        self._writes = writes

    def __call__(self, **said: Any) -> None:
        row = json.dumps(said, ensure_ascii=False).encode() + b"\n"
        while row:
            row = row[os.write(self._writes, row) :]


def lines(reads: int) -> Iterator[dict[str, Any]]:
    """Yield the reported rows, until no writer is left."""
    with os.fdopen(reads, encoding="utf-8") as said:
        for line in said:
            yield json.loads(line)


def born(live: Callable[[Told], None]) -> tuple[int, int]:
    """Fork a child that lives, and dies at its fate: return its pid, and the descriptor its reports are read from."""
    reads, writes = os.pipe()
    if pid := os.fork():
        os.close(writes)
        return pid, reads
    told = Told(writes)
    try:
        os.close(reads)
        live(told)
        told(alive=True)
    except BaseException as error:  # noqa: BLE001 - a defect of the life is its last report
        told(defect=f"{type(error).__name__}: {error}")
    finally:
        os._exit(0)
