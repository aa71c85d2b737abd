"""How a Redis Cluster is named: `redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT,...`, some of its nodes."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

CLUSTER = "redis+cluster://"
_PORT = 6_379
_EXAMPLE = "write it like redis+cluster://HOST:6379,HOST:6379"


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """Nodes of a cluster; the others are learnt from them.

    >>> ClusterAddress.read("redis+cluster://engine:p%40ss@a:7000,b").nodes
    (('a', 7000), ('b', 6379))
    """

    nodes: tuple[tuple[str, int], ...]
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, url: str) -> "ClusterAddress":
        """Read an address that begins with `redis+cluster://`. Raises ValueError, in words that quote none of it."""
        login, _, hosts = url.removeprefix(CLUSTER).rpartition("@")
        user, _, password = login.partition(":")
        return cls(
            tuple(_node(host) for host in hosts.removesuffix("/").split(",")),
            unquote(user) or None,
            unquote(password) or None,
        )


def _node(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or port == 0 or parts.path or parts.query or parts.fragment:
        raise ValueError(f"names a node that is no HOST:PORT: {_EXAMPLE}")
    return host, port or _PORT
