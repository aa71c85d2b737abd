"""The result of a check: its level, the fault, and the command to type."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from shlex import quote
from urllib.parse import unquote, urlsplit

from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, RedisError, ResponseError

from consent_engine.adapters.redis.client import CERTIFICATE
from consent_engine.adapters.redis.topology import is_cluster, is_sentinel
from consent_engine.errors import ArchiveUnavailable, SettingsError, StoreUnavailable

SHOWN = 5
"""How many records a finding names."""


class Level(StrEnum):
    """How bad a finding is. BAD endangers a promise, or stops work."""

    GOOD = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `do` is the command to type, where something is wrong."""

    level: Level
    what: str
    do: str = ""


def good(text: str) -> Finding:
    return Finding(Level.GOOD, text)


def warn(text: str, do: str) -> Finding:
    """Return a finding that can wait for working hours."""
    return Finding(Level.WARN, text, do)


def bad(text: str, do: str) -> Finding:
    """Return a finding that endangers a promise, or stops work."""
    return Finding(Level.BAD, text, do)


def named(ids: Iterable[str]) -> str:
    """Return the number of ids, and the first of them.

    >>> named(f"o{n}" for n in range(7))
    '7: o0, o1, o2, o3, o4, ...'
    """
    found = list(dict.fromkeys(ids))
    return f"{len(found)}: {', '.join(found[:SHOWN])}{', ...' if len(found) > SHOWN else ''}"


def failed(look: str, error: Exception, cli: str) -> Finding:
    """Return the finding for a check that failed. Others' errors are not quoted: they may hold a subscriber's words."""
    text = f"{look}: {error if isinstance(error, StoreUnavailable) else type(error).__name__}"
    if isinstance(error, ArchiveUnavailable):
        return bad(text, "is the archive's database up and writable? consent doctor, once it answers")
    if isinstance(error, NoPermissionError | SettingsError):
        return bad(text, "this Redis user lacks a permission: deploy/redis/users.acl lists all that it needs")
    cause = error.__cause__ or error
    if isinstance(error, StoreUnavailable) and isinstance(cause, ResponseError):  # it is up: PING would answer
        return bad(text, f"{cli} INFO: is it a replica, a master with too few replicas, or full? its disk: df -h")
    if isinstance(cause, AuthenticationError):  # it is up, and PING with that password would say no more
        return bad(text, "the server is up and refuses user or password: correct them in CONSENT_REDIS_URL")
    if CERTIFICATE in text:
        return bad(text, "renew it, and restart the server; or correct ssl_ca_certs in CONSENT_REDIS_URL")
    if isinstance(cause, BusyLoadingError):
        return bad(text, f"{cli} INFO persistence: it is reading its files back: wait; if it repeats: df -h")
    if isinstance(error, StoreUnavailable | RedisError | OSError):
        return bad(text, f"{cli} PING: is it up and reachable? A full disk ends it: df -h there")
    return bad(f"{text}: something stored cannot be read", "keep the data, and report it: this must never happen")


def redis_cli(url: str, name: str) -> str:
    """Return the command; it repeats no password (redis-cli reads REDISCLI_AUTH). name: the setting with the address"""
    if url.startswith("unix:"):
        return f"redis-cli -s {quote(unquote(urlsplit(url).path))}"
    if is_sentinel(url) or is_cluster(url):
        return "redis-cli -h MASTER"
    if name in os.environ:
        return f'redis-cli -u "${name}"'
    at = urlsplit(url)  # it stands in `.env`, which no shell reads
    user = f"--user {quote(unquote(at.username))} " if at.username else ""
    return f"redis-cli {user}-u {quote(at._replace(netloc=at.netloc.rpartition('@')[2], query='').geturl())}"
