"""A server's data as of one instant, fetched as a replica would fetch them, while engines work on.

The server forks and sends its data as of the request: everything acknowledged before that is included, nothing is half
done. A private server reads the copy, which proves that it is readable, and writes it as plain commands, which Redis
and Valkey both read.
"""

import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from consent_engine.adapters.redis.client import NAMED_BY, connect
from consent_engine.adapters.redis.embedded.binary import OLDEST, candidates, family_and_version, version
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.redis.keys import Cell
from consent_engine.config.data_folder import private_folder
from consent_engine.errors import SettingsError, StoreUnavailable

PIECE = 1 << 16
SILENCE_S = 30.0
"""How long a server may be silent: while it prepares to send, it sends a sign of life every second."""
LOOK_S = 0.05
AOF = "appendonlydir"
_MANIFEST, _RDB = "appendonly.aof.manifest", "appendonly.aof.1.base.rdb"
_MARK = 40
Tell = Callable[[str], None]


PARTED = {"Redis": (7, 4), "Valkey": (9, 0)}
"""The versions from which on each writes snapshots that the other does not read."""


class Reads(Protocol):
    """The reading end of a connection."""

    def recv(self, most: int, /) -> bytes:
        """Return received bytes, up to `most` of them; b"" once the other side has closed the connection."""


def check_readable(client: "Redis", programs: Iterable[Path]) -> None:
    """Check, before anything is fetched, that a server program here can read it. Raises SettingsError where none can,
    and StoreUnavailable where the server cannot be reached.
    """
    try:
        told = client.info("server")
    except NoPermissionError:
        return  # whether it can be read shows when the copy is read
    except (RedisError, OSError) as error:
        raise _away(error) from error
    family = "Valkey" if "valkey_version" in told else "Redis"
    made = str(told.get("valkey_version") or told["redis_version"])
    major, minor, *_ = (int(part) for part in made.split("."))
    here = [family_and_version(each) for each in programs]
    if (major, minor) >= PARTED[family] and family not in {kind for kind, _ in here}:
        ours = ", ".join(f"{kind} {of[0]}.{of[1]}" for kind, of in here if kind) or "none"
        raise SettingsError(
            f"the server is {family} {made}, whose snapshots no program on this machine reads (found: {ours}): install "
            f"{family.lower()}-server >= {major}.{minor} here, or make the backup on a machine that has it"
        )


def _away(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"the server cannot be reached: {type(error).__name__}", named_by=NAMED_BY)


def fetch(client: "Redis", folder: Path, tell: Tell) -> None:
    """Write a server's present data into a folder from which a server starts.

    Raises SettingsError where the Redis user may not do this, or no program here reads the data, and StoreUnavailable
    where the server cannot be reached or breaks off.
    """
    check_readable(client, (each for each in candidates() if version(each) >= OLDEST))
    pool: Any = client.connection_pool
    try:
        connection = pool.get_connection()
    except (RedisError, OSError) as error:  # the server, or the previous master, is gone since it was asked
        raise _away(error) from error
    kept = private_folder(folder) / AOF
    kept.mkdir(mode=0o700)
    try:
        for asked in (("REPLCONF", "capa", "eof"), ("REPLCONF", "rdb-only", "1")):
            connection.send_command(*asked)
            connection.read_response()
        connection.send_command("SYNC")
        wire = connection._sock  # noqa: SLF001 - the data that follow are no answer that redis-py can read
        wire.settimeout(SILENCE_S)
        with (kept / _RDB).open("xb") as out:
            for size in received(wire, out.write):
                tell(f"{size >> 20} MiB fetched")
    except NoPermissionError:
        raise SettingsError(
            "this user of Redis may not fetch a backup: allow it (ACL +replconf +sync), or name a user with --from"
        ) from None
    except ResponseError as error:
        raise SettingsError(f"the server gives no backup: {error}") from None
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"the connection broke while the server was copied: {type(error).__name__}") from error
    finally:
        connection.disconnect()
        pool.release(connection)
    (kept / _MANIFEST).write_text(f"file {_RDB} seq 1 type b\n")


_NOT_NOW = frozenset({"NOMASTERLINK", "MASTERDOWN", "LOADING"})
"""The first words of errors from a server that has just been demoted or started."""


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
    told = head.strip()
    if not told.startswith(b"$"):
        said = told.decode(errors="replace").lstrip("-")
        if said.split(" ", 1)[0] in _NOT_NOW:
            raise StoreUnavailable(f"the server gives no backup now: {said}")
        raise SettingsError(f"the server gives no backup: {said}")
    size = 0
    if told.startswith(b"$EOF:"):
        mark, waiting = told.removeprefix(b"$EOF:"), b""
        while not waiting.endswith(mark) or len(waiting) < _MARK:
            waiting += _some(wire, PIECE)
            size += len(waiting[:-_MARK])
            keep(waiting[:-_MARK])
            waiting = waiting[-_MARK:]
            yield size
        return
    left = int(told[1:])
    while left:
        piece = _some(wire, min(left, PIECE))
        keep(piece)
        left, size = left - len(piece), size + len(piece)
        yield size


def _some(wire: Reads, most: int) -> bytes:
    if not (piece := wire.recv(most)):
        raise StoreUnavailable("the server broke off while it was copied: run the command again")
    return piece


@contextmanager
def private(folder: Path, tell: Tell) -> Iterator[EmbeddedServer]:
    """Run a private server on the fetched data. Raises SettingsError where no program on this machine reads them."""
    said = "install redis-server or valkey-server"
    for binary in (each for each in candidates() if version(each) >= OLDEST):
        try:
            server = EmbeddedServer.start(folder, "everysec", tell, binary)
        except SettingsError as error:
            said = f"install redis-server or valkey-server as new as the server that was copied ({error})"
            continue
        with server:
            yield server
        return
    raise SettingsError(f"no server program on this machine reads the fetched data: {said}")


def tidy(server: EmbeddedServer, database: int, slots: Collection[int] | None = None) -> None:
    """Delete all keys but the engine's, which end up in database 0: a backup holds no other program's keys, and RQ's
    are only wake-ups. database: the one the engine's keys were in · slots: those that a cluster's master owns
    """
    with connect(server.url) as client:
        for name in client.info("keyspace"):
            if int(name.removeprefix("db")) != database:
                with connect(server.url.replace("db=0", f"db={name.removeprefix('db')}")) as other:
                    other.flushdb()
        if database:
            client.execute_command("SWAPDB", 0, database)
        cursor = 0
        while True:
            cursor, keys = client.scan(cursor, count=PIECE)
            if others := [key for key in keys if not _is_kept(key, slots)]:
                client.delete(*others)
            if not cursor:
                break
        client.delete(*(f"{Cell(0, alone=alone).shared}workers" for alone in (True, False)))  # no worker is alive here


def _is_kept(key: str, slots: Collection[int] | None) -> bool:
    return key.startswith("ce:") and (slots is None or key_slot(key.encode()) in slots)


def written(server: EmbeddedServer, tell: Tell) -> None:
    """Make a private server write its data as plain commands. Raises SettingsError where it cannot."""
    with connect(server.url) as client:
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            tell("writing it as plain commands")
            time.sleep(LOOK_S)
        if client.info("persistence")["aof_last_bgrewrite_status"] != "ok":
            raise SettingsError("the copy could not be written: make room on its disk, and run the command again")


def bare(folder: Path) -> None:
    """Reduce the folder of an ended private server to what a server starts from: one file, and the manifest that names
    it. Raises StoreUnavailable where that file is not there.
    """
    kept = folder / AOF
    bases = sorted(kept.glob("*.base.aof"))
    if len(bases) != 1:
        raise StoreUnavailable("the copy was not written: run the command again")
    for path in [*folder.iterdir(), *kept.iterdir()]:
        if path not in {kept, bases[0]}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    number = bases[0].name.split(".")[2]
    (kept / _MANIFEST).write_text(f"file {bases[0].name} seq {number} type b\n")
