"""A client of the master that the sentinels name: asked for every new connection, believed once it says so itself."""

from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.utils import str_if_bytes

from consent_engine.config.redis_urls import SENTINEL, SentinelAddress

SENTINEL_TIMEOUT_S = 0.5
"""How long one sentinel may take: one that is gone must not hold up a failover for long."""


def is_sentinel(url: str) -> bool:
    """Whether an address names sentinels."""
    return url.startswith(SENTINEL)


def master_of(url: str, **options: Any) -> "Redis":  # noqa: ANN401 - redis-py's own options, of many types
    """A client of the master at a `redis+sentinel://` address; options: of its connections, as in `Redis.from_url`.

    A connection that finds itself at a server that is no master any more is closed, and the sentinels are asked again.
    """
    at = SentinelAddress.read(url)
    asking: dict[str, Any] = {
        "username": at.sentinel_user,
        "password": at.sentinel_password,
        "socket_timeout": SENTINEL_TIMEOUT_S,
        "socket_connect_timeout": SENTINEL_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "protocol": 2,
    }
    sentinels = _Sentinels(list(at.sentinels), sentinel_kwargs=asking)  # type: ignore[no-untyped-call] # by redis-py
    pool = SentinelConnectionPool(  # type: ignore[no-untyped-call] # the same
        at.name,
        sentinels,
        connection_class=_MasterConnection,
        db=at.database,
        username=at.user,
        password=at.password,
        **options,
    )
    return Redis.from_pool(pool)


class _Sentinels(Sentinel):
    """Asks every sentinel: one that was cut off may still name the master of before."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Where the master is, as the sentinels say that saw the latest failover. Raises MasterNotFoundError."""
        told: list[tuple[int, str, int]] = []
        for sentinel in self.sentinels:
            try:
                masters = cast(dict[str, dict[str, Any]], sentinel.sentinel_masters())
            except (RedisError, OSError):
                continue
            finally:
                sentinel.close()  # asked seldom: a connection kept for weeks may be dead when it matters
            state = masters.get(service_name)
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
                told.append((int(state["config-epoch"]), str(state["ip"]), int(state["port"])))
        if not told:
            raise MasterNotFoundError("no sentinel knows a master that is up")
        _, host, port = max(told)
        return host, port


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
