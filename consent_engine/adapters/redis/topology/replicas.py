"""Commands to each replica of a server: a client connected to a replica stays connected when that is promoted."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from redis import Redis
from redis.connection import ConnectionPool, SSLConnection
from redis.exceptions import RedisError, ResponseError

from consent_engine.adapters.redis.topology.options import unrepeated
from consent_engine.errors import StoreUnavailable

TIMEOUT_S = 2.0
_ITS_OWN = ("host", "port", "path", "owners", "slot", "connection_pool", "redis_connect_func", "retry")
"""The connection options that belong to one server or to the way to it, and are not taken over for another."""


def at_replicas(master: "Redis", told: Mapping[str, Any], *command: str) -> Iterator[Any]:
    """Yield each replica's answer to a command. told: the master's answer to INFO replication

    Raises StoreUnavailable for a replica that cannot be reached, and ResponseError for one that refuses to answer.
    """
    replicas = [each for name, each in told.items() if name.removeprefix("slave").isdecimal()]
    for host, port in ((each["ip"], int(each["port"])) for each in replicas):
        with closing(_beside(master, host, port)) as replica:
            try:
                yield replica.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py leaves it untyped
            except ResponseError:
                raise
            except RedisError:
                raise StoreUnavailable(f"a replica at {host}:{port} cannot be asked for its clients") from None


def _beside(master: "Redis", host: str, port: int) -> "Redis":
    """Make a client of another server with the same user, password and TLS."""
    pool = master.connection_pool
    options = {name: value for name, value in pool.connection_kwargs.items() if name not in _ITS_OWN}
    options |= unrepeated(TIMEOUT_S, TIMEOUT_S)
    if issubclass(pool.connection_class, SSLConnection):
        options["connection_class"] = SSLConnection
    return Redis.from_pool(ConnectionPool(host=host, port=port, **options))
