"""Checks of addresses in settings: the form each must have. A wrong one is a ValueError, in our words."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from consent_engine.domain.log.checkpoint import SIGNS, PrivateKey, Witness

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


def split(url: str) -> SplitResult:
    """Split an address into its parts. Raises ValueError when it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # urlsplit checks the port only when it is read
    except ValueError:
        # The library's message is dropped: it quotes the address, and a password may be in it.
        raise ValueError("is not an address; a / ? # or @ in a password is written as %2F %3F %23 %40") from None
    return parts


def redis_url(url: str) -> str:
    """Check the address of a Redis. Raises ValueError for anything else."""
    scheme = url.partition("://")[0]
    for many, address in ((SENTINEL, SentinelAddress), (CLUSTER, ClusterAddress)):
        if url.startswith(many):
            address.read(url)
            return url
    if scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("is not a Redis address: write it like redis://HOST:6379/0")
    parts = split(url)
    if not (parts.path.startswith("/") if scheme == "unix" else parts.hostname):
        raise ValueError("names no server: write it like redis://HOST:6379/0 or unix:///PATH/redis.sock")
    if scheme != "unix" and not re.fullmatch("/?|/[0-9]{1,4}", parts.path):  # anything else would be database 0
        raise ValueError("must end in the number of a database: write it like redis://HOST:6379/0")
    if parts.query and not _options_are_known(url):
        raise ValueError(
            "has an option after ? that is unknown, or whose value is wrong (ssl_...: with rediss:// only)"
        )
    return url


def _options_are_known(url: str) -> bool:
    """Whether a connection takes all options of an address; none is opened."""
    from redis.connection import Connection, parse_url  # noqa: PLC0415 - for addresses with options alone
    from redis.exceptions import RedisError  # noqa: PLC0415

    try:
        read = parse_url(url)  # type: ignore[no-untyped-call] # redis-py leaves it untyped
        options = {name: value for name, value in read.items() if name not in _OF_POOLS}
        options.pop("connection_class", Connection)(**options)
    except (TypeError, ValueError, RedisError):
        return False
    return True


_OF_POOLS = {"max_connections", "timeout"}
"""Options of a pool of connections, not of one."""


def _http(url: str, like: str, *, user: bool = True, query: bool = True) -> SplitResult:
    """Split an address of HTTP, which names a user or has a query only where it may. Raises ValueError for others."""
    parts = split(url)
    unwanted = parts.fragment or ("@" in parts.netloc and not user) or (parts.query and not query)
    if parts.scheme not in {"http", "https"} or not parts.hostname or unwanted:
        raise ValueError(f"must be an address like {like}")
    return parts


def public_url(url: str) -> str:
    """Check the address at which people and gateways reach us. Raises ValueError for anything else."""
    _http(url, "https://consent.example.com", query=False)
    return url.rstrip("/")


def recording_url(template: str) -> str:
    """Check the address of recordings, in which `{ref}` is a recording's name. Raises ValueError for anything else."""
    like = "https://recordings.example.com/{ref}.mp3"
    parts = _http(template.replace("{ref}", "ref"), like, user=False)
    whole = template.partition("://")[2]
    if "{ref}" not in whole.partition("/")[2] or set("{}") & set(template.replace("{ref}", "")):
        raise ValueError(f"must name {{ref}} behind its host, as in {like}")
    if set(" ;,'\"") & set(parts.netloc):
        raise ValueError(f"must be an address like {like}")
    return template


_HOST = re.compile(r"(?:(https?)://)?([a-z0-9.-]+(?::[0-9]{1,5})?)", re.ASCII)


def tariff_hosts(value: object) -> object:
    """Read the hosts that may be asked, each with the scheme to ask it by. Raises ValueError for another text."""
    if not isinstance(value, str):
        return value
    found = [_HOST.fullmatch(each.strip().lower()) for each in value.split(",") if each.strip()]
    if not all(found):
        raise ValueError("must be hosts like www.example.com,http://hall.example.com:8080")
    return {each[2]: each[1] or "https" for each in found if each}


def traces(url: str) -> str:
    """Check the address of an OTLP collector over HTTP. Raises ValueError for anything else, and for a user in it."""
    _http(url, "http://collector:4318/v1/traces, without a user in it", user=False, query=False)
    return url


def log_keys(text: str) -> str:
    """Check the keys of the log, one after the other with blanks between. Raises ValueError, which repeats none."""
    keys = [PrivateKey.decode(each) for each in text.split()]
    if not keys or len({each.key.name for each in keys}) > 1 or any(each.key.kind != SIGNS for each in keys):
        raise ValueError("must be keys of one log, the present one first, like PRIVATE+KEY+NAME+ID+KEY")
    return text


def witnesses(value: object) -> object:
    """Read the witnesses: an address and a key each, with commas between. Raises ValueError for another text."""
    if not isinstance(value, str):
        return value
    found = tuple(Witness.decode(each) for each in value.split(",") if each.strip())
    if len({each.key for each in found}) < len(found):
        raise ValueError("must name each witness once")
    return found


def tsa_url(url: str) -> str:
    """Check the address of a time stamp authority. Raises ValueError for anything else."""
    _http(url, "https://tsa.example.com/tsr")
    return url


def feed_url(url: str) -> str:
    """Check the address that a feed is posted to. Raises ValueError for anything else, and for a user in it."""
    _http(url, "https://crm.example.com/events, without a user in it", user=False)
    return url


def metrics_addr(address: str) -> str:
    """Check an address to listen at. Raises ValueError for anything else."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65_535:  # noqa: PLR2004 - the last port there is
        raise ValueError("must be HOST:PORT, like 127.0.0.1:9100")
    return address


def archive_url(url: str) -> str:
    """Check the address of the archive, and return it with a file's whole path. Raises ValueError for anything else."""
    if file := re.fullmatch(r"sqlite:///([^?]+)", url):
        return f"sqlite:///{Path(file[1]).absolute()}"
    if re.match(r"postgresql(\+psycopg)?://", url):
        split(url)
        return url
    raise ValueError("must be sqlite:////PATH/archive.sqlite3 or postgresql://USER:PASSWORD@HOST/DATABASE")
