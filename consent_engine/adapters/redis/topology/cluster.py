"""A client of the master that owns a slot of a Redis Cluster, looked up for each new connection, so after a failover.

Every script stays in one slot, so a plain client of the slot's owner suffices: no command is redirected, split or
repeated automatically, and `WAITAOF` covers the very connection that wrote.
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
from consent_engine.config.urls import CLUSTER, ClusterAddress

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
