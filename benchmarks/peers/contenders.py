"""The peers of the benchmark: how each is installed, started and tuned. Their programs are in `peers/`."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).parents[1]
ENVIRONMENTS = HERE.parent / ".bench"
"""The peers' environments: made by the benchmark, ignored by git (by a .gitignore of its own)."""
INSTALL_S = 600


@dataclass(frozen=True, slots=True)
class Config:
    """One way to run a peer: command lines of its worker processes, and settings in the environment."""

    told: str
    commands: tuple[tuple[str, ...], ...]
    environ: Mapping[str, str]
    share: float = 1.0
    """The part of the peer's usual number of orders, for configurations known to be slow."""
    fsync: str = ""
    """Another durability than the peer's usual one; "" for the usual."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer: its name, module, how many orders a run takes, what it lacks, and its configurations."""

    name: str
    module: str
    orders: Mapping[int, int]
    server: str
    usual: str
    lacks: str
    sweep: Mapping[int, tuple[Config, ...]]
    best: Mapping[int, str]
    environment: str = ""
    """The name of its environment; "" for its own name."""

    def config(self, ms: int) -> Config:
        """Return the configuration that won the sweep."""
        return next(each for each in self.sweep[ms] if each.told == self.best[ms])

    def python(self) -> Path:
        """Return the interpreter of its environment."""
        return python(self.environment or self.name)

    def prepare(self) -> str:
        """Make its environment if it is not there; return why that failed, or ''."""
        return prepare(self.environment or self.name)

    def versions(self) -> str:
        """Return the installed packages, with their versions."""
        return ", ".join(requirements(self.environment or self.name).read_text().split())


def python(environment: str) -> Path:
    """Return the interpreter of an environment."""
    return ENVIRONMENTS / environment / "bin" / "python"


def requirements(environment: str) -> Path:
    """Return the file that names the packages of an environment."""
    return HERE / "peers" / "requirements" / f"{environment}.txt"


def prepare(environment: str) -> str:
    """Make an environment if it is not there; return why that failed, or ''."""
    stamp = ENVIRONMENTS / environment / "requirements.sha256"
    mark = hashlib.sha256(requirements(environment).read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == mark:
        return ""
    ENVIRONMENTS.mkdir(exist_ok=True)
    (ENVIRONMENTS / ".gitignore").write_text("*\n")
    print(f"{environment}: making its environment", file=sys.stderr)
    pip = [str(python(environment)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENTS / environment)],
        [*pip, "-r", str(requirements(environment))],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S)
        except subprocess.TimeoutExpired:
            return "its environment was not made in time"
        if done.returncode != 0:
            return (done.stderr or done.stdout or "no word why").strip().splitlines()[-1][:200]
    stamp.write_text(mark)
    return ""


def environ(url: Mapping[str, str], config: Config, ms: int) -> dict[str, str]:
    """Return the environment of the peer's processes: nothing of ours but this."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return {**kept, **url, **config.environ, "BENCH_CALL_MS": str(ms), "PYTHONPATH": str(HERE)}


def rq(count: int, kind: str = "SimpleWorker", share: float = 1.0) -> Config:
    """Return a configuration of so many workers."""
    command: tuple[str, ...] = ("-m", "rq.cli", "worker", "orders", "--quiet", "--worker-class", f"rq.worker.{kind}")
    return Config(f"{count} x {kind}", (command,) * count, {}, share)


def celery(
    processes: int, pool: str, concurrency: int, prefetch: int, fsync: str = "", app: str = "peers.celery_app"
) -> Config:
    """Return a configuration of so many nodes."""
    base = ("-m", "celery", "-A", app, "worker", "-l", "ERROR", "--pool", pool)
    alone = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--concurrency", str(concurrency))
    commands = tuple((*base, *alone, "-n", f"node{n}@bench") for n in range(processes))
    told = f"{processes} x {pool} {concurrency}, prefetch {prefetch}{', fsync ' + fsync if fsync else ''}"
    return Config(told, commands, {"BENCH_PREFETCH": str(prefetch)}, fsync=fsync)


def dramatiq(processes: int, threads: int, fsync: str = "", app: str = "peers.dramatiq_app") -> Config:
    """Return a configuration of one master with so many processes."""
    command = ("-m", "dramatiq", app, "--processes", str(processes), "--threads", str(threads))
    told = f"{processes} x {threads} threads{', fsync ' + fsync if fsync else ''}"
    return Config(told, (command,), {}, fsync=fsync)


def dramatiq_gevent(processes: int, greenlets: int, app: str = "peers.dramatiq_app") -> Config:
    """Return the same under gevent, by Dramatiq's own command for it."""
    program = str(ENVIRONMENTS / "dramatiq" / "bin" / "dramatiq-gevent")
    command = (program, app, "--processes", str(processes), "--threads", str(greenlets))
    return Config(f"{processes} x {greenlets} greenlets", (command,), {})


def careful(config: Config, module: str) -> Config:
    """Return the configuration of a careful peer: with a process that sends what is due."""
    return replace(config, commands=(*config.commands, ("-m", "peers.careful.sweep", module)))


CAREFUL_DRAMATIQ, CAREFUL_CELERY = "peers.careful.dramatiq_app", "peers.careful.celery_app"


def dbos(processes: int, style: str, pool: int, poll: float, commit: str = "") -> Config:
    """Return a configuration of so many executors."""
    commands = tuple(("-m", "peers.dbos_app", str(n)) for n in range(processes))
    settings = {"BENCH_DBOS_STYLE": style, "BENCH_DBOS_POOL": str(pool), "BENCH_DBOS_POLL": str(poll)}
    told = f"{processes} x {style}, pool {pool}, poll {poll:g} s{', synchronous_commit ' + commit if commit else ''}"
    return Config(told, commands, settings, fsync=commit)


LACKS = (
    "No admission (tariff public, number not refused, duplicate order), no dedupe of requests or replies, no plan or "
    "policy frozen in the order, no rendering, no version check of an order, no history, hash chain or evidence, no "
    "timers (window, reminder, deadline), no refusals, no reading of doubtful replies, no fencing of attempts, no "
    "retry policy for calls, no log line an event, no funnel by day, no masking."
)

CAREFUL = (
    "With idempotent placing, compare-and-set, dedupe, refusals and open orders looked up, plan and policy frozen, "
    "history with a hash chain, reminder and window, lost steps sent again. Without calls, recordings, reviews, seals, "
    "journal, publication, fencing of attempts, doubt that is examined before a repeat, answers to unclear replies."
)

PEERS = (
    Peer(
        "rq", "plain_rq", {0: 600, 50: 300}, "redis", "everysec",
        "The job of a killed worker is found failed when the registries are cleaned.",
        {
            0: (rq(1), rq(2), rq(4), rq(8), rq(2, "Worker", 0.2)),
            50: (rq(2, share=0.5), rq(8), rq(16), rq(32)),
        },
        {0: "2 x SimpleWorker", 50: "16 x SimpleWorker"},
    ),
    Peer(
        "celery", "celery_app", {0: 1000, 50: 800}, "redis", "everysec",
        "acks_late on, results ignored; an unacknowledged task comes back after the visibility timeout (1 h).",
        {
            0: (
                celery(1, "prefork", 2, 4), celery(1, "prefork", 2, 64), celery(1, "prefork", 4, 16),
                celery(2, "solo", 1, 64), celery(2, "threads", 8, 16), celery(2, "gevent", 50, 4),
                celery(2, "solo", 1, 64, "always"),
            ),
            50: (
                celery(1, "prefork", 16, 4), celery(2, "threads", 32, 4), celery(2, "threads", 64, 4),
                celery(2, "gevent", 100, 4), celery(2, "gevent", 200, 4),
            ),
        },
        {0: "2 x solo 1, prefetch 64", 50: "2 x gevent 100, prefetch 4"},
    ),
    Peer(
        "dramatiq", "dramatiq_app", {0: 3000, 50: 3000}, "redis", "everysec",
        "Acknowledged after the actor ended, as always with Dramatiq.",
        {
            0: (
                dramatiq(2, 4), dramatiq(2, 8), dramatiq(2, 16), dramatiq(2, 32), dramatiq(3, 16),
                dramatiq_gevent(2, 16), dramatiq_gevent(2, 64),
                dramatiq(2, 16, "always"),
            ),
            50: (dramatiq(2, 32), dramatiq(2, 64), dramatiq(2, 128), dramatiq(2, 192),
                dramatiq_gevent(2, 64), dramatiq_gevent(2, 128), dramatiq_gevent(2, 256),
                dramatiq(2, 128, "always")),
        },
        {0: "2 x 16 threads", 50: "2 x 128 threads"},
    ),
    Peer(
        "careful dramatiq", "careful.dramatiq_app", {0: 1500, 50: 1500}, "redis", "always", CAREFUL,
        {
            0: tuple(
                careful(each, "dramatiq_app")
                for each in (
                    *(dramatiq(2, n, app=CAREFUL_DRAMATIQ) for n in (8, 16, 32, 64)),
                    *(dramatiq_gevent(2, n, CAREFUL_DRAMATIQ) for n in (16, 64)),
                )
            ),
            50: tuple(
                careful(each, "dramatiq_app")
                for each in (
                    *(dramatiq(2, n, app=CAREFUL_DRAMATIQ) for n in (32, 64, 128)),
                    *(dramatiq_gevent(2, n, CAREFUL_DRAMATIQ) for n in (64, 128, 256)),
                )
            ),
        },
        {0: "2 x 8 threads", 50: "2 x 128 greenlets"},
        "dramatiq",
    ),
    Peer(
        "careful celery", "careful.celery_app", {0: 600, 50: 500}, "redis", "always", CAREFUL,
        {
            0: tuple(
                careful(celery(*each, app=CAREFUL_CELERY), "celery_app")
                for each in ((2, "solo", 1, 64), (2, "threads", 8, 16), (1, "prefork", 4, 16), (2, "gevent", 50, 4))
            ),
            50: tuple(
                careful(celery(*each, app=CAREFUL_CELERY), "celery_app")
                for each in ((2, "threads", 64, 4), (2, "gevent", 100, 4), (2, "gevent", 200, 4))
            ),
        },
        {0: "2 x threads 8, prefetch 16", 50: "2 x threads 64, prefetch 4"},
        "celery",
    ),
    Peer(
        "dbos", "dbos_app", {0: 400, 50: 400}, "postgres", "on",
        "Durable workflows: each step of an order is recorded before the next.",
        {
            0: (
                dbos(2, "async", 20, 1.0), dbos(2, "async", 20, 0.1), dbos(2, "threads", 20, 0.1),
                dbos(1, "async", 20, 0.1), dbos(2, "async", 50, 0.1), dbos(2, "async", 20, 0.1, "off"),
            ),
            50: (dbos(2, "async", 20, 0.1), dbos(2, "threads", 20, 0.1), dbos(2, "async", 50, 0.1)),
        },
        {0: "2 x async, pool 20, poll 0.1 s", 50: "2 x async, pool 20, poll 0.1 s"},
    ),
)  # fmt: skip
