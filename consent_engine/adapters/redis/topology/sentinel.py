"""A client of the master that the sentinels name: asked for every new connection, believed once it says so itself.

Twice a second they are asked all the same: a server that was cut off together with us, or stood still, does not close
what is connected to it, and what is written there after another was promoted is thrown away.
"""

import threading
import weakref
from typing import Any, cast

from redis import Redis
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import RedisError, ResponseError
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.utils import str_if_bytes

from consent_engine.adapters.redis.topology.options import unrepeated
from consent_engine.config.redis_urls import SENTINEL, SentinelAddress

SENTINEL_TIMEOUT_S = 0.5
"""How long one sentinel may take: one that is gone must not hold up a failover for long."""
LOOK_S = 0.5
"""How often it is looked whether another master was named."""


def is_sentinel(url: str) -> bool:
    return url.startswith(SENTINEL)


def master_of(url: str, **options: Any) -> "Redis":  # noqa: ANN401 - redis-py's own options, of many types
    """A client of the master at a `redis+sentinel://` address; options: of its connections, as in `Redis.from_url`.

    A connection that finds itself at a server that is no master any more is closed, and the sentinels are asked again.
    """
    at = SentinelAddress.read(url)
    pool = _Pool(
        at.name,
        _sentinels(at),
        _sentinels(at),
        connection_class=_MasterConnection,
        db=at.database,
        username=at.user,
        password=at.password,
        **options,
    )
    return Redis.from_pool(pool)


def replicas_known(url: str) -> int:
    """How many replicas of the master at an address may be promoted, as the sentinel says that knows the most of them.

    Those that are away count, too: they may come back. 0 where no sentinel answers.
    """
    at = SentinelAddress.read(url)
    known = [int(state["num-slaves"]) for state in _sentinels(at).told(at.name)]
    return max(known, default=0)


def _sentinels(at: SentinelAddress) -> "_Sentinels":
    login = {"username": at.sentinel_user, "password": at.sentinel_password}
    asking = login | unrepeated(SENTINEL_TIMEOUT_S, SENTINEL_TIMEOUT_S)
    return _Sentinels(list(at.sentinels), sentinel_kwargs=asking)  # type: ignore[no-untyped-call] # by redis-py


class _Pool(SentinelConnectionPool):
    """Connections to the master. lookout: sentinels that a thread of its own asks, for as long as the pool is used."""

    def __init__(self, name: str, sentinels: "_Sentinels", lookout: "_Sentinels", **options: Any) -> None:  # noqa: ANN401 - redis-py's
        super().__init__(name, sentinels, **options)  # type: ignore[no-untyped-call] # by redis-py
        self.lookout = lookout
        threading.Thread(target=_look_out, args=(weakref.ref(self),), daemon=True, name="sentinels").start()

    def look(self) -> None:
        """Close the connections to any server but the one that the sentinels name; one in use, when it is done."""
        here = self.master_address
        try:
            named = self.lookout.discover_master(self.service_name)
            if here is not None and named != here:
                self.get_master_address()  # type: ignore[no-untyped-call] # it closes them
        except (RedisError, OSError):  # the sentinels name no master now: the next call finds that out
            return


def _look_out(found: "weakref.ref[_Pool]") -> None:
    pause = threading.Event()
    while True:
        pause.wait(LOOK_S)
        pool = found()
        if pool is None:
            return
        pool.look()
        del pool


class _Sentinels(Sentinel):
    """Asks every sentinel: one that was cut off may still name the master of before."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Where the master is, as the sentinels say that saw the latest failover. Raises MasterNotFoundError."""
        named = [
            (int(state["config-epoch"]), str(state["ip"]), int(state["port"]))
            for state in self.told(service_name)
            if self.check_master_state(state, service_name)  # type: ignore[no-untyped-call] # by redis-py
        ]
        if not named:
            raise MasterNotFoundError("no sentinel knows a master that is up")
        _, host, port = max(named)
        return host, port

    def told(self, service_name: str) -> list[dict[str, Any]]:
        """What each sentinel that answers says of a master."""
        found = []
        for sentinel in self.sentinels:
            try:
                masters = cast(dict[str, dict[str, Any]], sentinel.sentinel_masters())
            except (RedisError, OSError):
                continue
            finally:
                sentinel.close()  # a connection kept for weeks may be dead when it matters
            found += [masters[service_name]] if service_name in masters else []
        return found


class _MasterConnection(SentinelManagedConnection):
    """A connection that is none unless a master is at its other end."""

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """Log in, and ask what this server is. A user who may not ask finds out by READONLY."""
        super().on_connect_check_health(check_health)
        try:
            self.send_command("HELLO", check_health=False)  # type: ignore[no-untyped-call]
            told = [str_if_bytes(each) for each in cast(list[Any], self.read_response())]
        except ResponseError:
            return
        facts = dict(zip(told[::2], told[1::2], strict=True))
        if facts.get("role") != "master":
            raise Unreachable("the server that the sentinels named is no master")
