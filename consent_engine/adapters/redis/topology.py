"""Which master to ask where several servers share the work: Sentinel, Cluster."""

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.crc import key_slot
from redis.driver_info import DriverInfo
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, ResponseError
from redis.exceptions import ConnectionError as Unreachable
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.utils import str_if_bytes

from consent_engine.config.urls import CLUSTER, SENTINEL, ClusterAddress, SentinelAddress

_DRIVER = DriverInfo()
"""What connections tell the server of redis-py, which would look up its own version for each of them anew: 1 ms."""


def unrepeated(timeout_s: float, connect_s: float) -> dict[str, Any]:
    """Return the options of such a connection, as in `Redis.from_url`.

    Maintenance notifications are off: with them on, redis-py skips the test for left-over data of an interrupted call
    and can give one caller the answer to another's command.
    """
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": connect_s,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "protocol": 2,
        "driver_info": _DRIVER,
    }


ASK_TIMEOUT_S = 0.5
"""How long one node may take to name the slots' owners: an unreachable one must not delay the others for long."""
_AWAY = "non local key"
"""In the error of a script whose slot moves to another master while it runs."""


def is_cluster(url: str) -> bool:
    return url.startswith(CLUSTER)


def owner_of(url: str, tag: str, **options: Any) -> "Redis":  # noqa: ANN401 - redis-py's own options, of many types
    """Make a client of the master that keeps the keys tagged `{tag}`. options: as in `Redis.from_url`"""
    at = ClusterAddress.read(url)
    owners = Owners(at.nodes, at.user, at.password)
    pool = ConnectionPool(
        connection_class=_OwnerConnection,
        owners=owners,
        slot=key_slot(tag.encode()),
        username=at.user,
        password=at.password,
        **options,
    )
    return Redis.from_pool(pool)


def master_at(client: "Redis") -> str:
    """Return the address of the master to which a client of `owner_of` would connect now."""
    about = client.connection_pool.connection_kwargs
    host, port = about["owners"].of(about["slot"])
    return f"{host}:{port}"


@dataclass(slots=True)
class Owners:
    """The look-up of slot owners: it asks a cluster's nodes, and later also the nodes that these named."""

    seeds: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None = field(repr=False)
    known: list[tuple[str, int]] = field(default_factory=list)

    def of(self, slot: int) -> tuple[str, int]:
        """Return the owner's address, from the first node that answers. Raises ConnectionError when none knows it.

        A node cut off from most masters still names the old owners: it reports the cluster down, and is not believed.
        """
        for host, port in dict.fromkeys((*self.known, *self.seeds)):
            try:
                state, rows = self._asked(host, port)
            except (RedisError, OSError):
                continue
            found = [_address(nodes[0], host) for first, last, *nodes in rows if int(first) <= slot <= int(last)]
            if found and "cluster_state:fail" not in str(state):
                self.known = list(dict.fromkeys(_address(node, host) for _, _, *nodes in rows for node in nodes))
                return found[0]
        raise Unreachable("no node of the cluster says which node owns this slot")

    def named_owner(self, host: str, port: int) -> None:
        """Ask this node first from now on: it was just named as an owner, which other nodes may not know yet."""
        if host:
            self.known.insert(0, (host, port))

    def _asked(self, host: str, port: int) -> tuple[Any, Sequence[Any]]:
        """Return a node's report on the cluster's state and on the owners of the slots."""
        client = Redis(
            host=host,
            port=port,
            username=self.user,
            password=self.password,
            decode_responses=True,
            **unrepeated(ASK_TIMEOUT_S, ASK_TIMEOUT_S),
        )
        for raw in ("CLUSTER INFO", "CLUSTER SLOTS"):
            client.response_callbacks.pop(raw, None)  # unparsed
        try:
            pipe = client.pipeline(transaction=False)
            pipe.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call] # redis-py leaves it untyped
            pipe.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
            state, rows = pipe.execute(raise_on_error=False)  # an ACL may forbid the first
        finally:
            client.close()
        if isinstance(rows, Exception):
            raise rows
        return state, cast(Sequence[Any], rows)


def _address(node: Sequence[Any], asked: str) -> tuple[str, int]:
    """Return a node's address; a node that does not know its own host is at the one we asked."""
    return str(node[0] or asked), int(node[1])


class _OwnerConnection(Connection):
    """A connection to the owner of a slot; closed when the other end answers that it is not the owner."""

    def __init__(self, *, owners: Owners, slot: int, **kwargs: Any) -> None:  # noqa: ANN401 - redis-py's
        self._owners = owners
        self._slot = slot
        super().__init__(**kwargs)  # type: ignore[no-untyped-call] # by redis-py

    def connect(self) -> None:
        """Connect to the master that owns the slot now."""
        if self._sock is None:
            self.host, self.port = self._owners.of(self._slot)
        super().connect()  # type: ignore[no-untyped-call] # the same

    def read_response(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - redis-py's
        """Read an answer. A slot that has moved or is moving, or a cluster that is down, is a lost connection."""
        try:
            return super().read_response(*args, **kwargs)
        except ResponseError as error:
            if not isinstance(error, AskError | ClusterDownError) and _AWAY not in str(error):
                raise
            self.disconnect()  # type: ignore[no-untyped-call] # the same
            if isinstance(error, MovedError):
                self._owners.named_owner(error.host, error.port)
            raise Unreachable("the slot has another owner now, or none") from None


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
