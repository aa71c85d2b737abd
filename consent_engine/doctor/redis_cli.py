"""The command with which a person at a terminal reaches a Redis of the settings."""

import os
from shlex import quote
from urllib.parse import unquote, urlsplit

from consent_engine.adapters.redis.topology.cluster import is_cluster
from consent_engine.adapters.redis.topology.sentinel import is_sentinel


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
