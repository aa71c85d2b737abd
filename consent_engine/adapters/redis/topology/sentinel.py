"""A client of the master that the sentinels name, asked for each new connection; the server itself must confirm it.

The sentinels are also asked twice a second: a server that was cut off together with us, or hung, does not close its
connections, and writes to it after another server was promoted are lost.
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
from consent_engine.config.urls import SENTINEL, SentinelAddress

SENTINEL_TIMEOUT_S = 0.5
"""How long one sentinel may take: an unreachable one must not delay a failover for long."""
LOOK_S = 0.5
"""The interval between checks whether another master was named."""


def is_sentinel(url: str) -> bool:
    return url.startswith(SENTINEL)


def master_of(url: str, **options: Any) -> "Redis":  # noqa: ANN401 - redis-py's own options, of many types
    """Make a client of the master at a `redis+sentinel://` address. options: of its connections, as in `Redis.from_url`

    A connection to a server that is no master any more is closed, and the sentinels are asked again.
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
    """Return how many replicas of the master may be promoted, by the sentinel that knows the most of them.

    Unreachable replicas count, too: they may come back. 0 where no sentinel answers.
    """
    at = SentinelAddress.read(url)
    known = [int(state["num-slaves"]) for state in _sentinels(at).states_of(at.name)]
    return max(known, default=0)


def _sentinels(at: SentinelAddress) -> "_Sentinels":
    login = {"username": at.sentinel_user, "password": at.sentinel_password}
    asking = login | unrepeated(SENTINEL_TIMEOUT_S, SENTINEL_TIMEOUT_S)
    return _Sentinels(list(at.sentinels), sentinel_kwargs=asking)  # type: ignore[no-untyped-call] # by redis-py


class _Pool(SentinelConnectionPool):
    """The connections to the master. lookout: the sentinels that a background thread asks while the pool is in use"""

    def __init__(self, name: str, sentinels: "_Sentinels", lookout: "_Sentinels", **options: Any) -> None:  # noqa: ANN401 - redis-py's
        super().__init__(name, sentinels, **options)  # type: ignore[no-untyped-call] # by redis-py
        self.lookout = lookout
        threading.Thread(target=_look_out, args=(weakref.ref(self),), daemon=True, name="sentinels").start()

    def look(self) -> None:
        """Close the connections to any server but the one that the sentinels name; those in use, after their use."""
        here = self.master_address
        try:
            named = self.lookout.discover_master(self.service_name)
            if here is not None and named != here:
                self.get_master_address()  # type: ignore[no-untyped-call] # it closes them
        except (RedisError, OSError):  # the sentinels name no master now: the next call fails for that reason
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
    """Sentinels that are all asked: one that was cut off may still name the previous master."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the master's address from the sentinel that saw the latest failover. Raises MasterNotFoundError."""
        named = [
            (int(state["config-epoch"]), str(state["ip"]), int(state["port"]))
            for state in self.states_of(service_name)
            if self.check_master_state(state, service_name)  # type: ignore[no-untyped-call] # by redis-py
        ]
        if not named:
            raise MasterNotFoundError("no sentinel knows a master that is up")
        _, host, port = max(named)
        return host, port

    def states_of(self, service_name: str) -> list[dict[str, Any]]:
        """Return the state of a master as each sentinel that answers reports it."""
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
    """A connection that is refused unless the server at its other end is a master."""

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """Log in and ask the server for its role. A user who may not ask learns it from a READONLY error later."""
        super().on_connect_check_health(check_health)
        try:
            self.send_command("HELLO", check_health=False)  # type: ignore[no-untyped-call]
            role = [str_if_bytes(each) for each in cast(list[Any], self.read_response())]
        except ResponseError:
            return
        facts = dict(zip(role[::2], role[1::2], strict=True))
        if facts.get("role") != "master":
            raise Unreachable("the server that the sentinels named is no master")
