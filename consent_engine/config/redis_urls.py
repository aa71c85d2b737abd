"""Addresses of a Redis of several servers.

redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT,.../NAME[/DATABASE]    sentinels, and the master they watch
redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT,...                     some nodes of a cluster
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

SENTINEL = "redis+sentinel://"
SENTINEL_PORT = 26_379
CLUSTER = "redis+cluster://"
CLUSTER_PORT = 6_379
_EXAMPLE = "write it like redis+sentinel://HOST:26379,HOST:26379,HOST:26379/mymaster/0"
_CLUSTER_EXAMPLE = "write it like redis+cluster://HOST:6379,HOST:6379"
_OPTIONS = {"sentinel_user", "sentinel_password"}


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """Sentinels, and the name of the master they watch. The user is the Redis servers'; sentinels may have their own.

    >>> at = SentinelAddress.read("redis+sentinel://engine:p%40ss@a:26380,[::1]/mymaster/2?sentinel_password=s")
    >>> at.sentinels, at.name, at.database
    ((('a', 26380), ('::1', 26379)), 'mymaster', 2)
    >>> at.user, at.password, at.sentinel_user, at.sentinel_password
    ('engine', 'p@ss', None, 's')
    """

    sentinels: tuple[tuple[str, int], ...]
    name: str
    database: int = 0
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sentinel_user: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, url: str) -> "SentinelAddress":
        """Read an address that begins with `redis+sentinel://`. Raises ValueError, which quotes none of it."""
        rest, _, query = url.removeprefix(SENTINEL).partition("?")
        authority, _, path = rest.partition("/")
        login, _, hosts = authority.rpartition("@")
        name, _, database = path.partition("/")
        if "#" in url or "@" in path or "@" in query:
            raise ValueError("is not an address; a / ? # or @ in a password is written as %2F %3F %23 %40")
        if not name:
            raise ValueError(f"does not say which master the sentinels watch: {_EXAMPLE}")
        if not (database or "0").isascii() or not (database or "0").isdecimal():
            raise ValueError(f"must end in the number of a database: {_EXAMPLE}")
        user, _, password = login.partition(":")
        wrong = f"names a sentinel that is not written as HOST:PORT: {_EXAMPLE}"
        return cls(
            tuple(_server(host, SENTINEL_PORT, wrong) for host in hosts.split(",")),
            unquote(name),
            int(database or 0),
            unquote(user) or None,
            unquote(password) or None,
            **_options(query),
        )


def _server(text: str, usual: int, wrong: str) -> tuple[str, int]:
    """Read HOST:PORT; `usual` is the port where none is named. Raises ValueError with `wrong` for anything else."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or port == 0 or parts.path or parts.query or parts.fragment:
        raise ValueError(wrong)
    return host, port or usual


def _options(query: str) -> dict[str, str]:
    """Read the options after `?`. A misspelt one is not ignored silently: it may be a password."""
    given = parse_qsl(query, keep_blank_values=True)
    if {name for name, _ in given} - _OPTIONS or len(dict(given)) < len(given):
        raise ValueError(f"may be followed by ?{' and &'.join(f'{name}=' for name in sorted(_OPTIONS))} only")
    return {name: value for name, value in given if value}


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """Some nodes of a cluster; the others are learnt from them.

    >>> ClusterAddress.read("redis+cluster://engine:p%40ss@a:7000,b").nodes
    (('a', 7000), ('b', 6379))
    """

    nodes: tuple[tuple[str, int], ...]
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, url: str) -> "ClusterAddress":
        """Read an address that begins with `redis+cluster://`. Raises ValueError, which quotes none of it."""
        login, _, hosts = url.removeprefix(CLUSTER).rpartition("@")
        user, _, password = login.partition(":")
        wrong = f"names a node that is not written as HOST:PORT: {_CLUSTER_EXAMPLE}"
        return cls(
            tuple(_server(host, CLUSTER_PORT, wrong) for host in hosts.removesuffix("/").split(",")),
            unquote(user) or None,
            unquote(password) or None,
        )
