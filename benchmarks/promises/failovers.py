"""Failovers behind Sentinel while orders, yeses, STOPs and refusals come in: is all that was acknowledged still there?

Real servers: a master, two replicas, three sentinels. At the end of every failover the rules of `rules.py` are
checked, and `consent doctor` is asked about the server. Status 1 when a rule broke where the doctor is content.

    python -m benchmarks.promises.failovers --replicas 0 1 2 --rounds 3
    python -m benchmarks.promises.failovers --cost
"""

import argparse
import itertools
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis.exceptions import RedisError

from benchmarks.promises.crowd import PAUSE_S, wanted
from benchmarks.promises.load import SECRET, Load
from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.redis.topology import replicas_known
from consent_engine.config.settings import Settings
from consent_engine.config.yaml_files import plans_from
from consent_engine.doctor import server as doctor
from consent_engine.doctor.findings import Finding, Level
from tests.durability.servers import Server, Watched, watched

CALM_S = 60
ALONE, BATCH, BATCHES = 300, 500, 4


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def kill(trio: Watched) -> None:
    """Kill the master; start it again when another was promoted."""
    old = trio.master()
    old.kill()
    _until(lambda: _promoted(trio, old))
    old.start()


def freeze(seconds: float) -> Callable[[Watched], None]:
    """Return a fault that freezes the master, as a machine that pauses."""

    def fault(trio: Watched) -> None:
        old = trio.master()
        if old.process is not None:
            old.process.send_signal(signal.SIGSTOP)
            try:
                time.sleep(seconds)
            finally:
                old.process.send_signal(signal.SIGCONT)

    return fault


def cut_from_sentinels(trio: Watched) -> None:
    """Cut the sentinels alone off from the master, until they have promoted another, and a while on."""
    old = trio.master()
    old.do("ACL", "SETUSER", "default", "-ping", "-info", "-hello", "-multi", "-replicaof", "-slaveof", "-config")
    try:
        _until(lambda: trio.named() not in [None, old])
        time.sleep(2)
    finally:
        _engine_says(old, "ACL", "SETUSER", "default", "+@all")


def cut_from_replicas(trio: Watched) -> None:
    """Cut the replicas off from the master for a while, then kill it."""
    for replica in trio.replicas():
        replica.do("CONFIG", "SET", "masterauth", "nobody knows this one")
    old = trio.master()
    old.do("CLIENT", "KILL", "TYPE", "replica")
    time.sleep(1)
    old.kill()
    _until(lambda: _promoted(trio, old))
    old.start()
    for (
        each
    ) in trio.servers:  # the old one, too: a sentinel may have had it keep the setting given while it was a replica
        each.do("CONFIG", "SET", "masterauth", "")


FAULTS: dict[str, Callable[[Watched], None]] = {
    "killed": kill, "frozen 2 s": freeze(2), "frozen 5 s": freeze(5), "frozen 20 s": freeze(20),
    "cut from Sentinel": cut_from_sentinels, "cut from replicas, killed": cut_from_replicas,
}  # fmt: skip


def _promoted(trio: Watched, old: Server) -> bool:
    named = trio.named()
    return named is not None and named is not old and cast("list[object]", named.do("ROLE"))[0] == "master"


def _engine_says(server: Server, *command: str) -> None:
    """Send a command as the user of the engine, who may do everything."""
    with connect(f"redis://engine:p%40ss%2Fword@127.0.0.1:{server.port}/0") as client:
        client.execute_command(*command)


def _until(look: Callable[[], bool], seconds: float = CALM_S) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if look():
                return
        except (RedisError, OSError):
            pass
        time.sleep(PAUSE_S)
    raise TimeoutError("it is not so")


# -- a run -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """The result of one failover. away: seconds without an acknowledged order · content: whether the doctor is."""

    fault: str
    replicas: int
    orders: int
    refused: int
    broken: Counter[str]
    away: float
    p99_ms: float
    content: bool


@contextmanager
def servers() -> Iterator[Watched]:
    """Run a master with two replicas behind three sentinels."""
    with (
        tempfile.TemporaryDirectory(prefix="failovers-") as folder,
        watched(Path(folder), "appendfsync always") as trio,
    ):
        yield trio


def run(trio: Watched, fault: str, replicas: int, before_s: float = 2.0, after_s: float = 3.0) -> Run:
    """Run one failover under load, from calm to calm."""
    trio.calm(2)
    trio.master().do("FLUSHALL")
    load = Load(trio.url, replicas).begin()
    try:
        _until(lambda: len(load.notes.orders) > 0)
        time.sleep(before_s)
        steady = sorted(load.notes.took)
        had, began = len(load.notes.orders), time.monotonic()
        FAULTS[fault](trio)
        trio.calm(2)
        had = max(had, 1)
        _until(lambda: len(load.notes.orders) > had)
        away = time.monotonic() - began
        time.sleep(after_s)
    finally:
        load.close()
    trio.calm(2)
    broken = load.notes.broken(load.engine())
    p99 = steady[int(len(steady) * 0.99)] * 1000 if steady else 0.0
    content = not any(each.level is Level.BAD for each in examined(trio, replicas))
    return Run(fault, replicas, len(load.notes.orders), len(load.notes.refused), broken, away, p99, content)


def examined(trio: Watched, replicas: int) -> list[Finding]:
    """Return the findings of `consent doctor` about the server, with this CONSENT_REPLICAS."""
    named = {"CONSENT_REDIS_URL": trio.url, "CONSENT_SECRET": SECRET, "CONSENT_REPLICAS": str(replicas)}
    settings = Settings.load(named | {"CONSENT_GATEWAY": "simulated", "CONSENT_BSS": "simulated"}, None)
    with connect(trio.url) as client:
        told = RedisSurvey(Wire(client, proves=False, replicas=0)).server()
    return list(doctor.server(told, settings, "redis-cli", replicas_known(trio.url)))


def cost(trio: Watched, replicas: int) -> str:
    """Measure the cost of a proof by so many replicas: orders one by one, and in batches, by one process."""
    trio.calm(2)
    trio.master().do("FLUSHALL")
    engine = Load(trio.url, replicas).engine()
    engine.catalogue.stock(plans_from(None))
    took = []
    for n in range(ALONE):
        asked, began = wanted(n), time.monotonic()
        engine.place(asked)
        took.append(time.monotonic() - began)
    took.sort()
    batches = [[wanted(ALONE + BATCH * each + n) for n in range(BATCH)] for each in range(BATCHES)]
    began = time.monotonic()
    for each in batches:
        engine.place_many(each)
    rate = BATCH * BATCHES / (time.monotonic() - began)
    half, most = took[ALONE // 2] * 1000, took[int(ALONE * 0.99)] * 1000
    return f"R={replicas}: one by one {half:.1f} ms, p99 {most:.1f} ms; in batches of {BATCH} {rate:.0f} orders/s\n"


def main() -> int:
    """Print a line for each run. Status 1 when a rule broke where the doctor is content."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--faults", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--cost", action="store_true", help="only what a proof costs, with no failover")
    chosen = parser.parse_args()
    worst = 0
    with servers() as trio:
        if chosen.cost:
            sys.stdout.writelines(cost(trio, replicas) for replicas in chosen.replicas)
            return 0
        for fault, replicas in itertools.product(chosen.faults, chosen.replicas):
            for _ in range(chosen.rounds):
                one = run(trio, fault, replicas)
                told = ", ".join(f"{n} {what}" for what, n in one.broken.items()) or "nothing broken"
                sys.stdout.write(
                    f"{fault}, R={replicas}: {one.orders} orders, {one.refused} refusals acknowledged: {told}; "
                    f"{one.away:.1f} s, p99 {one.p99_ms:.0f} ms, doctor {'content' if one.content else 'bad'}\n"
                )
                sys.stdout.flush()
                worst |= bool(one.broken) and one.content
    return worst


if __name__ == "__main__":
    sys.exit(main())
