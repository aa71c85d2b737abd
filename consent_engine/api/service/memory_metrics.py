"""Metrics of the memory, append-only files and disks of the Redis servers: a full server refuses orders."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import Metric

from consent_engine.api.service.families import gauge
from consent_engine.engine.engine import Engine
from consent_engine.ports import ServerMemory

RQ = "rq"
_GAUGES: tuple[tuple[str, str, Callable[[ServerMemory], float | None]], ...] = (
    ("memory_used_bytes", "Memory that a Redis server uses", lambda room: room.used),
    ("memory_max_bytes", "How much memory it may use; 0: as much as there is", lambda room: room.most),
    ("aof_bytes", "Size of its append-only file; 0: it keeps none", lambda room: room.aof),
    ("disk_free_bytes", "What is free on its disk; of servers on the API's host alone", lambda room: room.disk_free),
    ("aof_ok", "Whether its last write and its last rewrite of that file worked", lambda room: room.aof_works),
)


def rooms_of(engine: Engine) -> dict[str, ServerMemory]:
    """Return each server's memory and file, also of RQ's server where it is another one. Raises StoreUnavailable."""
    rooms = engine.lanes.rooms()
    of_jobs = engine.queue.room()
    known = {room.server for room in rooms.values()}
    return rooms if of_jobs is None or of_jobs.server in known else {**rooms, RQ: of_jobs}


def of_rooms(rooms: Mapping[str, ServerMemory]) -> Iterator[Metric]:
    for name, text, value in _GAUGES:
        found = (((server,), value(room)) for server, room in sorted(rooms.items()))
        rows = [(server, n) for server, n in found if n is not None]
        yield gauge(f"consent_redis_{name}", text, ("server",), rows)
