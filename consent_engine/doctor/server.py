"""Checks of INFO and CONFIG of the orders' Redis: settings and troubles under which a promise would not hold."""

from collections.abc import Iterator
from shlex import quote
from typing import Any

from consent_engine.adapters.redis.inspection import Server
from consent_engine.config.settings import Settings
from consent_engine.doctor.findings import Finding, bad, good, warn

LEAST_SERVER = (7, 2)
NEARLY_FULL = 0.8
LOOPBACK = {"127.0.0.1", "-::1", "::1", "localhost"}
KEEP = "and write it in its redis.conf"


def server(looked: Server, settings: Settings, cli: str, known: int | None = None) -> Iterator[Finding]:
    """Check a server. cli: how to reach it at a terminal · known: how many replicas the sentinels know, 0 in a cluster;
    None: no replica is promoted automatically.
    """
    yield from _version(looked.info)
    yield from _durable(looked, settings, cli)
    yield from _failing(looked, cli)
    yield from _memory(looked, cli)
    yield from _copies(looked.info, settings, cli)
    if known is not None:
        yield from _promoted(max(known, len(_replicas(looked.info))), settings)
    yield from _doors(looked, cli)


def _version(info: Any) -> Iterator[Finding]:  # noqa: ANN401 - as INFO has it
    version = str(info.get("valkey_version") or info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < LEAST_SERVER:
        yield bad(f"server {version} is too old", "Redis or Valkey 7.2 is needed: install one")
    else:
        yield good(f"server {version}")


def _durable(looked: Server, settings: Settings, cli: str) -> Iterator[Finding]:
    strict = settings.durability == "strict"
    if not looked.info["aof_enabled"] and not looked.info.get("loading"):  # a server that is loading its files says 0
        yield bad("AOF is off: nothing survives a restart", f"{cli} CONFIG SET appendonly yes {KEEP}")
    fsync = looked.config.get("appendfsync", "")
    if strict and fsync not in {"", "always"}:
        yield bad(
            f"CONSENT_DURABILITY is strict, but appendfsync is {fsync}", f"{cli} CONFIG SET appendfsync always {KEEP}"
        )
    elif fsync == "no":
        yield bad("appendfsync is no: a power loss may lose minutes", f"{cli} CONFIG SET appendfsync everysec {KEEP}")
    if not strict:
        yield warn(
            "CONSENT_DURABILITY is everysec: a power loss may lose the last second",
            "CONSENT_DURABILITY=strict, and appendfsync always on the server",
        )
    if looked.info["maxmemory_policy"] != "noeviction":
        yield bad("the server evicts keys when it is full", f"{cli} CONFIG SET maxmemory-policy noeviction {KEEP}")
    if looked.info.get("evicted_keys"):
        yield bad(
            f"{looked.info['evicted_keys']} keys were evicted: records are gone",
            "consent doctor --all, then restore a backup",
        )
    if looked.config.get("timeout", "0") != "0":
        yield warn("the server closes connections that are idle", f"{cli} CONFIG SET timeout 0 {KEEP}")


def _failing(looked: Server, cli: str) -> Iterator[Finding]:
    info = looked.info
    if info.get("loading"):
        yield bad("the server is reading its files back", f"{cli} INFO persistence shows how far it is: wait")
    if info["aof_enabled"] and info.get("aof_last_write_status", "ok") != "ok":
        yield bad("the server cannot write its AOF: it refuses all writes", "df -h on its disk: make room, or mend it")
    if info["aof_enabled"] and info.get("aof_last_bgrewrite_status", "ok") != "ok":
        yield warn("the AOF could not be rewritten: it grows", f"make room on its disk, then {cli} BGREWRITEAOF")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        stops = looked.config.get("save") and looked.config.get("stop-writes-on-bgsave-error") != "no"
        say, do = "a snapshot could not be written", f"make room on its disk; {cli} CONFIG SET save '' {KEEP}"
        yield bad(f"{say}: the server refuses all writes", do) if stops else warn(say, do)
    if info.get("aof_delayed_fsync"):
        yield warn(
            f"the disk was too slow for the AOF {info['aof_delayed_fsync']} times since the server started",
            f"a faster disk, or nothing else on it; {cli} LATENCY LATEST",
        )


def _memory(looked: Server, cli: str) -> Iterator[Finding]:
    info, most = looked.info, int(looked.info.get("maxmemory", 0))
    if most and info["used_memory"] > NEARLY_FULL * most:
        yield bad(
            f"{info['used_memory'] >> 20} of {most >> 20} MiB are in use: a full server refuses orders",
            f"{cli} CONFIG SET maxmemory {2 * most >> 20}mb {KEEP}, if the machine has that memory",
        )
    aof = int(info.get("aof_current_size", 0))
    if looked.disk_free is not None and looked.disk_free < aof:
        yield bad(
            f"{looked.disk_free >> 20} MiB are free on the server's disk, and its AOF has {aof >> 20}: a rewrite needs "
            "as much again, and a full disk ends the server",
            f"df -h {quote(looked.config.get('dir', '.'))}: make room, or a larger disk",
        )
    clients = int(looked.config.get("maxclients", 0))
    if clients and info.get("connected_clients", 0) > NEARLY_FULL * clients:
        yield bad(
            f"{info['connected_clients']} of {clients} connections are taken",
            f"{cli} CONFIG SET maxclients {2 * clients} {KEEP}",
        )


def _copies(info: Any, settings: Settings, cli: str) -> Iterator[Finding]:  # noqa: ANN401 - as INFO has it
    if info.get("role") != "master":
        yield bad("this server is a replica: it takes no writes", "name the master in CONSENT_REDIS_URL")
    online = sum(row.get("state") == "online" for row in _replicas(info))
    if online < settings.replicas:
        yield bad(
            f"{online} replicas are in step, CONSENT_REPLICAS is {settings.replicas}: no write can be proven",
            f"start one: redis-server --replicaof HOST PORT; {cli} INFO replication shows them",
        )
    elif settings.replicas:
        yield good(f"{online} replicas in step")


def _replicas(info: Any) -> list[Any]:  # noqa: ANN401 - as INFO has it
    """Return the replicas, each a dictionary as redis-py reads `slave0:ip=...,state=online`."""
    return [value for name, value in info.items() if name.startswith("slave") and isinstance(value, dict)]


def _promoted(known: int, settings: Settings) -> Iterator[Finding]:
    """Check that a failover loses nothing: a write proven by one replica is lost when another is promoted."""
    proven = settings.replicas if settings.durability == "strict" else 0
    if proven < known:
        yield bad(
            f"any of {known} replicas may be promoted, but only {proven} must confirm a write: a failover may "
            "lose orders and refusals",
            f"CONSENT_DURABILITY=strict and CONSENT_REPLICAS={known}, or make sentinels forget replicas that are gone "
            "(SENTINEL RESET): docs/durability.md",
        )
    elif known:
        yield good(f"each of {known} replicas that may be promoted has every acknowledged write")


def _doors(looked: Server, cli: str) -> Iterator[Finding]:
    ports = {looked.config.get("port", "0"), looked.config.get("tls-port", "0")} - {"0"}
    if not looked.open or not ports:
        return
    bound = set(looked.config.get("bind", "").split())
    near = bound <= LOOPBACK and bound
    yield warn(
        "anyone who reaches the server "
        + ("(from this machine) " if near else "")
        + "may read and write everything: its default user has no password",
        f"give it a network of its own; or {cli} ACL SETUSER default '>PASSWORD' and the password in CONSENT_REDIS_URL",
    )
