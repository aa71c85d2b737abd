"""What is wrong with this installation, and what to type: `consent doctor`."""

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from redis.exceptions import RedisError

from consent_engine.adapters.redis_client import connect
from consent_engine.adapters.redis_packing import order_key
from consent_engine.domain.admit import Sale
from consent_engine.domain.order import replay
from consent_engine.engine import Engine
from consent_engine.errors import BrokenRecord, IllegalTransition, StoreUnavailable
from consent_engine.settings import PREFIX, Settings
from consent_engine.wiring import Installation

HEARD_WITHIN_MS = 15_000
SKEW_MS = 5_000
LATE_MS = 60_000
LOOKED_AT = 2_000
LEAST_DISK = 1 << 30
LEAST_SERVER = (7, 2)
NEARLY_FULL = 0.8
HIDDEN = ("SECRET", "PASSWORD", "TOKEN", "URL")


class Level(StrEnum):
    """How bad a finding is. BAD endangers a promise, or stops work."""

    GOOD = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `do` is what to type, where something is wrong."""

    level: Level
    what: str
    do: str = ""


def examine(found: Installation) -> Iterator[Finding]:
    """Look at everything that can endanger a promise. Reads only."""
    engine = found.engine()
    client = connect(found.redis_url)
    yield from _settings(found.settings)
    for look in (_server, _clock, _disk, _work, _setup, _records):
        try:
            yield from look(found, engine, client)
        except (StoreUnavailable, RedisError, OSError) as error:
            yield Finding(
                Level.BAD, f"{look.__name__.strip('_')}: {type(error).__name__}", "is Redis up and reachable?"
            )


def sources(settings: Settings, environ: Mapping[str, str] = os.environ) -> Iterator[tuple[str, str, str]]:
    """Every setting: its variable, its value (secrets hidden), and where that came from."""
    kept = dotenv_values(".env", interpolate=False) if Path(".env").is_file() else {}
    for field in type(settings).model_fields:
        if field in {"adapters", "unknown"}:
            continue
        name = PREFIX + field.upper()
        source = "environment" if environ.get(name) else ".env" if kept.get(name) else "default"
        yield name, _shown(name, getattr(settings, field)), source
    for prefix, values in sorted(settings.adapters.items()):
        for key, value in sorted(values.items()):
            name = f"{PREFIX}{prefix}__{key}"
            yield name, _shown(name, value), "environment" if environ.get(name) else ".env"


def _shown(name: str, value: object) -> str:
    if value is None or value == "":
        return "-"
    if any(word in name for word in HIDDEN) and name != f"{PREFIX}PUBLIC_URL":
        return "(set)"
    return str(value)


def _settings(settings: Settings) -> Iterator[Finding]:
    yield Finding(Level.GOOD, f"Python {sys.version.split()[0]}")
    for warning in settings.warnings():
        yield Finding(Level.WARN, warning)
    if settings.durability != "strict":
        yield Finding(Level.WARN, "CONSENT_DURABILITY is everysec: a power loss may lose the last second")


def _server(found: Installation, engine: Engine, client: Any) -> Iterator[Finding]:  # noqa: ANN401 - redis-py
    info: dict[str, Any] = client.info()
    version = str(info.get("valkey_version") or info["redis_version"])
    old = tuple(int(part) for part in version.split(".")[:2]) < LEAST_SERVER
    yield Finding(Level.BAD if old else Level.GOOD, f"server {version}", "Redis or Valkey 7.2 is needed" if old else "")
    if info["maxmemory_policy"] != "noeviction":
        yield Finding(Level.BAD, "the server evicts keys", "CONFIG SET maxmemory-policy noeviction")
    if not info["aof_enabled"]:
        yield Finding(Level.BAD, "AOF is off: nothing survives a restart", "CONFIG SET appendonly yes")
    elif info.get("aof_last_write_status") != "ok":
        yield Finding(Level.BAD, "the server cannot write its AOF", "look at its disk and its log")
    if info.get("maxmemory") and info["used_memory"] > NEARLY_FULL * info["maxmemory"]:
        yield Finding(Level.BAD, "the server's memory is nearly full: it will refuse orders", "raise maxmemory")
    if info.get("role") != "master":
        yield Finding(Level.BAD, "this server is a replica: it takes no writes", "name the master in CONSENT_REDIS_URL")


def _clock(found: Installation, engine: Engine, client: Any) -> Iterator[Finding]:  # noqa: ANN401 - redis-py
    skew = engine.registry.now() - int(time.time() * 1000)
    if abs(skew) > SKEW_MS:
        yield Finding(
            Level.WARN, f"this host's clock differs from the server's by {skew / 1000:.0f} s", "run NTP on both"
        )
    else:
        yield Finding(Level.GOOD, "clocks agree")


def _disk(found: Installation, engine: Engine, client: Any) -> Iterator[Finding]:  # noqa: ANN401 - redis-py
    if not found.settings.embedded:
        return
    free = shutil.disk_usage(found.settings.data_dir).free
    level = Level.BAD if free < LEAST_DISK else Level.GOOD
    yield Finding(level, f"{free >> 20} MiB free in the data folder", "make room" if level is Level.BAD else "")


def _work(found: Installation, engine: Engine, client: Any) -> Iterator[Finding]:  # noqa: ANN401 - redis-py
    heard = engine.registry.workers(HEARD_WITHIN_MS)
    if not heard:
        yield Finding(Level.BAD, "no worker was heard from: nothing moves", "consent serve, or python -m workers")
    else:
        yield Finding(Level.GOOD, f"{len(heard)} workers at work")
    for lane, depth in engine.store.depths().items():
        if depth.late > LATE_MS:
            yield Finding(
                Level.BAD, f"lane {lane}: {depth.due} due, the oldest for {depth.late // 1000} s", "start workers"
            )
        if depth.parked:
            yield Finding(Level.WARN, f"lane {lane}: {depth.parked} on the stuck list", "consent stuck")


def _setup(found: Installation, engine: Engine, client: Any) -> Iterator[Finding]:  # noqa: ANN401 - redis-py
    if not engine.keys.all():
        yield Finding(Level.WARN, "no API key: nobody can place an order", "consent keys add NAME --role agent")
    plans = engine.catalogue.fresh()
    now = engine.registry.now()
    for code, listed in plans.items():
        missing = listed.plan.missing()
        if missing:
            yield Finding(Level.WARN, f"plan {code} does not say: {', '.join(missing)}", "consent plans load FILE.yaml")
        elif listed.sale is Sale.ON_SALE and not listed.plan.public_at(now):
            yield Finding(Level.WARN, f"plan {code} is on sale but not public", "consent plans load FILE.yaml")
    yield Finding(Level.GOOD, f"{len(plans)} plans")


def _records(found: Installation, engine: Engine, client: Any) -> Iterator[Finding]:  # noqa: ANN401 - redis-py
    """The newest orders: does the history give the record, and is something wanted for each that is open?"""
    broken, orphans, looked = [], [], 0
    for order_id, _ in engine.store.placed(None, LOOKED_AT):
        fields = client.hgetall(order_key(order_id))
        if not fields:
            continue
        looked += 1
        try:
            state, head, _ = replay(fields)
        except (BrokenRecord, IllegalTransition):
            broken.append(order_id)
            continue
        if state != fields["state"] or head != fields["head"]:
            broken.append(order_id)
        if not state.settled and not any(name.startswith("f:") for name in fields):
            orphans.append(order_id)
    yield from _told(
        looked, broken, "whose history does not give the record", "keep the data, and restore a backup beside it"
    )
    yield from _told(looked, orphans, "open, with nothing wanted", "consent show ORDER, and tell us: this must not be")


def _told(looked: int, orders: Iterable[str], what: str, do: str) -> Iterator[Finding]:
    found = list(orders)
    if found:
        yield Finding(Level.BAD, f"{len(found)} of the newest {looked} orders {what}: {', '.join(found[:5])}", do)
    else:
        yield Finding(Level.GOOD, f"none of the newest {looked} orders {what}")
