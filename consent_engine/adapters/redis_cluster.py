"""A client of whichever master of a Redis Cluster owns a slot: asked for every new connection, so after a failover too.

Every script of ours stays in one slot, so a plain client of the slot's owner does: no command is sent on, split or
repeated by itself, and `WAITAOF` speaks of the very connection that wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, RedisError
from redis.exceptions import ConnectionError as Unreachable
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from consent_engine.redis_address import CLUSTER, ClusterAddress

ASK_TIMEOUT_S = 0.5
"""How long one node may take to say who owns what: one that is gone must not hold up the others for long."""


def is_cluster(url: str) -> bool:
    """Whether an address names a cluster."""
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


@dataclass(slots=True)
class Owners:
    """Asks the nodes of a cluster who owns a slot. Nodes that they name are asked later, too."""

    seeds: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None = field(repr=False)
    known: list[tuple[str, int]] = field(default_factory=list)

    def of(self, slot: int) -> tuple[str, int]:
        """Where the owner is, as the first node says that answers. Raises ConnectionError when none knows."""
        for host, port in dict.fromkeys((*self.known, *self.seeds)):
            try:
                rows = self._asked(host, port)
            except (RedisError, OSError):
                continue
            found = [_address(nodes[0], host) for first, last, *nodes in rows if int(first) <= slot <= int(last)]
            if found:
                self.known = list(dict.fromkeys(_address(node, host) for _, _, *nodes in rows for node in nodes))
                return found[0]
        raise Unreachable("no node of the cluster says who owns this slot")

    def _asked(self, host: str, port: int) -> Sequence[Any]:
        client = Redis(
            host=host,
            port=port,
            username=self.user,
            password=self.password,
            socket_timeout=ASK_TIMEOUT_S,
            socket_connect_timeout=ASK_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            protocol=2,
            decode_responses=True,
        )
        client.response_callbacks.pop("CLUSTER SLOTS", None)  # the rows as they come
        try:
            return cast(Sequence[Any], client.execute_command("CLUSTER SLOTS"))  # type: ignore[no-untyped-call]
        finally:
            client.close()


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
        """Connect to whoever owns the slot now."""
        if self._sock is None:
            self.host, self.port = self._owners.of(self._slot)
        super().connect()  # type: ignore[no-untyped-call] # the same

    def read_response(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - redis-py's
        """An answer. A slot that has moved is a connection that is lost."""
        try:
            return super().read_response(*args, **kwargs)
        except (MovedError, AskError):
            self.disconnect()  # type: ignore[no-untyped-call] # the same
            raise Unreachable("the slot has another owner now") from None
