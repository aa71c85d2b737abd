"""A client of whichever master of a Redis Cluster owns a slot: asked for every new connection, so after a failover too.

Every script stays in one slot, so a plain client of the slot's owner does: no command is sent on, split or
repeated by itself, and `WAITAOF` speaks of the very connection that wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from redis import ConnectionPool, Redis
from redis.connection import Connection
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, ResponseError
from redis.exceptions import ConnectionError as Unreachable

from consent_engine.adapters.redis.topology.options import unrepeated
from consent_engine.config.redis_urls import CLUSTER, ClusterAddress

ASK_TIMEOUT_S = 0.5
"""How long one node may take to say who owns what: one that is gone must not hold up the others for long."""
_AWAY = "non local key"
"""The error of a script whose slot moves to another master while it runs."""


def is_cluster(url: str) -> bool:
    return url.startswith(CLUSTER)


def owner_of(url: str, tag: str, **options: Any) -> "Redis":  # noqa: ANN401 - redis-py's own options, of many types
    """A client of the master that keeps the keys tagged `{tag}`; options: as in `Redis.from_url`."""
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
    """Where the master is that a client of `owner_of` is led to now."""
    about = client.connection_pool.connection_kwargs
    host, port = about["owners"].of(about["slot"])
    return f"{host}:{port}"


@dataclass(slots=True)
class Owners:
    """Asks the nodes of a cluster who owns a slot. Nodes that they name are asked later, too."""

    seeds: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None = field(repr=False)
    known: list[tuple[str, int]] = field(default_factory=list)

    def of(self, slot: int) -> tuple[str, int]:
        """Where the owner is, as the first node says that answers. Raises ConnectionError when none knows.

        A node that is cut off from most masters still believes what was: it says itself that it is down.
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
        raise Unreachable("no node of the cluster says who owns this slot")

    def told(self, host: str, port: int) -> None:
        """This node was just named as an owner: it knows what others may not have heard yet."""
        if host:
            self.known.insert(0, (host, port))

    def _asked(self, host: str, port: int) -> tuple[Any, Sequence[Any]]:
        """How a node says the cluster is, and who owns what."""
        client = Redis(
            host=host,
            port=port,
            username=self.user,
            password=self.password,
            decode_responses=True,
            **unrepeated(ASK_TIMEOUT_S, ASK_TIMEOUT_S),
        )
        for raw in ("CLUSTER INFO", "CLUSTER SLOTS"):
            client.response_callbacks.pop(raw, None)  # as it comes
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
    """A node that does not know its own address is at the one we asked."""
    return str(node[0] or asked), int(node[1])


class _OwnerConnection(Connection):
    """A connection to the owner of a slot; closed when the other end says that it is not."""

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
        """An answer. A slot that has moved or is moving, and a node that is down, are a connection that is lost."""
        try:
            return super().read_response(*args, **kwargs)
        except ResponseError as error:
            if not isinstance(error, AskError | ClusterDownError) and _AWAY not in str(error):
                raise
            self.disconnect()  # type: ignore[no-untyped-call] # the same
            if isinstance(error, MovedError):
                self._owners.told(error.host, error.port)
            raise Unreachable("the slot has another owner now, or none") from None
