"""Servers' data as they send them to a replica, while engines work on: each one's file is kept as it came.

A server forks and sends its data as of one instant after the request: everything it acknowledged before is included,
and nothing is half done. Of a cluster each master sends its own. Everything of one subscriber is in one cell, and a
cell is whole on one master; data that all cells share are in the first cell, whose master is copied last, so that they
include whatever other cells refer to. This holds while no slot changes its master, which is checked before and after.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from redis import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from consent_engine.adapters.redis.client import NAMED_BY, Wire, connect
from consent_engine.adapters.redis.topology import is_cluster, master_at
from consent_engine.config.data_folder import private_folder
from consent_engine.errors import SettingsError, StoreUnavailable

AOF, BASE = "appendonlydir", "appendonly.aof.1.base.rdb"
"""The folder, and the file in it, from which a server starts."""
PIECE = 1 << 16
SILENCE_S = 30.0
"""How long a server may be silent: while it prepares to send, it sends a sign of life every second."""
_MARK = 40
_NOT_NOW = frozenset({"NOMASTERLINK", "MASTERDOWN", "LOADING"})
"""The first words of errors from a server that has just been demoted or started."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """The copy. at: the earliest instant of any server's data (ms) · servers: the software of each, as
    `Redis 8.0.2`
    """

    at: int
    servers: list[str]


class Reads(Protocol):
    """The reading end of a connection."""

    def recv(self, most: int, /) -> bytes:
        """Return received bytes, up to `most` of them; b"" once the other side has closed the connection."""


def copy_servers(url: str, cells: int, to: Path, tell: Tell, named_by: str = NAMED_BY) -> Copied:
    """Write the data of a Redis, or of each master of a cluster, into a folder each (`to/1`, ...) from which a server
    starts. named_by: the setting or option that the address comes from

    Raises SettingsError where this user of Redis may not do it, or slots are being moved; and StoreUnavailable where a
    server cannot be reached or breaks off, or another took over meanwhile.
    """
    instants, servers, many = [], [], is_cluster(url)
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(url, tag=str(n)))) for n in range(cells if many else 1)]
        try:
            before = _masters(clients) if many else [""]
            for n, at in enumerate(reversed(dict.fromkeys(before)), 1):
                client, which = clients[before.index(at)], f"master {n} of {len(set(before))}" if many else "Redis"
                tell(f"copying {which}: it begins within `repl-diskless-sync-delay` seconds (5 by default)")
                wire = Wire(client, proves=False, replicas=0, named_by=named_by)
                (seconds, micros), info = wire.ask(("TIME",), ("INFO", "server"))
                instants.append(int(seconds) * 1000 + int(micros) // 1000)
                servers.append(_named(info))
                _fetch(client, to / str(n), tell)
            if many and _masters(clients) != before:
                raise StoreUnavailable("another master took over while the cluster was copied: run the command again")
        except NoPermissionError:
            raise SettingsError(
                "this user of Redis may not fetch a backup: allow it (ACL +replconf +sync), or name a user with --from"
            ) from None
        except (RedisError, OSError) as error:
            said = f"the connection broke while the server was copied: {type(error).__name__}"
            raise StoreUnavailable(said, named_by=named_by) from error
    return Copied(min(instants), servers)


def _named(info: Any) -> str:  # noqa: ANN401 - redis-py's
    return f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"


def _masters(clients: list["Redis"]) -> list[str]:
    """Return the address of each cell's master. Raises SettingsError while slots are moved from or to one of them."""
    layout = [master_at(client) for client in clients]
    for at in dict.fromkeys(layout):
        client = clients[layout.index(at)]
        client.response_callbacks.pop("CLUSTER NODES", None)  # unparsed
        nodes = str(client.execute_command("CLUSTER NODES"))  # type: ignore[no-untyped-call] # untyped in redis-py
        if any("myself" in line and "[" in line for line in nodes.splitlines()):
            raise SettingsError(
                "slots of this cluster are being moved: wait until that is over, and run the command again"
            )
    return layout


def _fetch(client: "Redis", folder: Path, tell: Tell) -> None:
    """Write a server's present data into a folder from which a server starts."""
    kept = private_folder(folder) / AOF
    kept.mkdir(mode=0o700)
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    try:
        for asked in (("REPLCONF", "capa", "eof"), ("REPLCONF", "rdb-only", "1")):
            connection.send_command(*asked)
            connection.read_response()
        connection.send_command("SYNC")
        wire = connection._sock  # noqa: SLF001 - the data that follow are no answer that redis-py can read
        wire.settimeout(SILENCE_S)
        with (kept / BASE).open("xb") as out:
            for size in received(wire, out.write):
                tell(f"{size >> 20} MiB fetched")
    except ResponseError as error:
        if isinstance(error, NoPermissionError):
            raise
        raise SettingsError(f"the server gives no backup: {error}") from None
    finally:
        connection.disconnect()
        pool.release(connection)
    (kept / "appendonly.aof.manifest").write_text(f"file {BASE} seq 1 type b\n")


def received(wire: Reads, keep: Callable[[bytes], object]) -> Iterator[int]:
    """Keep the data after SYNC, which start with their length or an end mark. Yield how many bytes came so far.

    Raises StoreUnavailable where the data are cut off, or the server has none to give now, and SettingsError for any
    other error it answers.
    """
    head = b""
    while not head.endswith(b"\r\n"):
        head += _some(wire, 1)
        if head == b"\n":  # a sign of life: the server has not started to send yet
            head = b""
            yield 0
    start = head.strip()
    if not start.startswith(b"$"):
        said = start.decode(errors="replace").lstrip("-")
        if said.split(" ", 1)[0] in _NOT_NOW:
            raise StoreUnavailable(f"the server gives no backup now: {said}")
        raise SettingsError(f"the server gives no backup: {said}")
    size = 0
    if start.startswith(b"$EOF:"):
        mark, waiting = start.removeprefix(b"$EOF:"), b""
        while not waiting.endswith(mark) or len(waiting) < _MARK:
            waiting += _some(wire, PIECE)
            size += len(waiting[:-_MARK])
            keep(waiting[:-_MARK])
            waiting = waiting[-_MARK:]
            yield size
        return
    left = int(start[1:])
    while left:
        piece = _some(wire, min(left, PIECE))
        keep(piece)
        left, size = left - len(piece), size + len(piece)
        yield size


def _some(wire: Reads, most: int) -> bytes:
    if not (piece := wire.recv(most)):
        raise StoreUnavailable("the server broke off while it was copied: run the command again")
    return piece
