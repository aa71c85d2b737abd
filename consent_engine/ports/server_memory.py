"""A server's room: the memory it uses, its memory limit, the size of its append-only file, what is free on its disk."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class ServerMemory(Struct, frozen=True):
    """One server's room, as it reports it.

    server: its own id, new at each start · used, most: bytes in memory, and how many there may be (0: no bound) ·
    aof: bytes of its append-only file, 0 where it keeps none · aof_works: it can write and rewrite that file ·
    disk_free: bytes left on its disk; None where that cannot be seen from here
    """

    server: str
    used: int
    most: int
    aof: int = 0
    aof_works: bool = True
    disk_free: int | None = None

    @classmethod
    def of(cls, info: Mapping[str, Any], disk_free: int | None = None) -> "ServerMemory":
        """Read the room from INFO's sections server, memory and persistence."""
        said = (info.get("aof_last_write_status", "ok"), info.get("aof_last_bgrewrite_status", "ok"))
        return cls(
            str(info.get("run_id", "")), int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)),
            int(info.get("aof_current_size", 0)), said == ("ok", "ok"), disk_free,
        )  # fmt: skip


ASKED = ("INFO", "server", "memory", "persistence")
"""The command that asks a server for its room."""
