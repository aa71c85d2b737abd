"""The processes of a chaos run: started, killed with -9, restarted; server, API, workers, proxies, ledger."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from benchmarks.ports import free_ports
from consent_engine.adapters.redis.embedded.binary import find_binary

HOME = Path(__file__).parents[2]
WORKERS = 2
AGAIN_S = 0.3
"""The least time between two starts of one process: one that cannot start must not use up the machine."""
YOUNG_S = 3.0
LAST_WORDS = 1_000
SERVER = (
    "--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always", "--save", "",
    "--maxmemory-policy", "noeviction", "--hash-max-listpack-value", "1024",
)  # fmt: skip
ALL = "everything at once"
VICTIMS = {"worker": 50, "api": 28, "server": 18, ALL: 4}
"""The kinds of victims, and how often each is killed among a hundred kills."""
RATES = {
    "redis": "drop=0.001,swallow=0.002,reset=0.001,reset-after=0.001,truncate=0.001,delay=0.004,delay-answer=0.004",
    "outside": "drop=0.01,swallow=0.01,reset=0.005,reset-after=0.005,truncate=0.01,cut=0.005,delay=0.02",
}
"""The share of requests that meets each fault, between the engine and Redis or the outside, through the proxies."""


def listens(port: int) -> bool:
    """Return whether something listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(slots=True)
class Part:
    """One process that should run."""

    name: str
    command: list[str]
    environ: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    deaths: int = 0

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def age(self) -> float:
        """Seconds since its last start."""
        return time.monotonic() - self.started_at

    def look(self) -> None:
        """Start it (again) if it does not run."""
        if self.alive or self.age < AGAIN_S:
            return
        self.deaths += self.process is not None
        self.started_at = time.monotonic()
        with self.log.open("ab") as log:
            # Ends with this process, at the latest: the ledger reads its standard input, `finally` ends the others.
            self.process = subprocess.Popen(
                self.command, env=self.environ, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.log.parent
            )

    def kill(self) -> bool:
        """Kill it with -9; return whether it ran."""
        return self.signal(signal.SIGKILL)

    def signal(self, number: int) -> bool:
        """Send it a signal; return whether it ran."""
        if self.process is None or not self.alive:
            return False
        self.process.send_signal(number)
        return True

    def last_words(self) -> str:
        """How often it was started again, and the end of its log."""
        said = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return f"-- {self.name}, started again {self.deaths} times: {said[-LAST_WORDS:]}"

    def end(self) -> None:
        """End it for good."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            if self.process.stdin is not None:
                self.process.stdin.close()


@dataclass(slots=True)
class Town:
    """All processes of a run. parts: those that may be killed, by kind · still: those that are never killed."""

    folder: Path
    environ: dict[str, str]
    ports: dict[str, int]
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    parts: dict[str, list[Part]] = field(default_factory=dict)
    still: list[Part] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def api(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self.ports['api']}"

    @property
    def ledger(self) -> str:
        """The ledger's address."""
        return f"http://127.0.0.1:{self.ports['ledger']}"

    @property
    def redis_url(self) -> str:
        """The address of the server itself, past any proxy: for checks."""
        return f"redis://127.0.0.1:{self.ports['redis']}/0"

    def look(self) -> None:
        """Start what does not run."""
        for part in self._each():
            part.look()

    def kill(self, kind: str, number: int) -> None:
        """Kill one of a kind, or everything at once.

        A victim that is still starting is spared three times of four, and the oldest dies instead: else nothing would
        ever run on a slow machine.
        """
        victims = self._mortal() if kind == ALL else [self.parts[kind][number % len(self.parts[kind])]]
        starting = victims[0].age < YOUNG_S or (kind == "api" and not listens(self.ports["api"]))
        if kind != ALL and number % 4 and starting:
            victims = sorted(self._mortal(), key=lambda part: part.started_at)[:1]
            kind = next(name for name, parts in self.parts.items() if victims[0] in parts)
        killed = [victim.kill() for victim in victims]
        self.kills[kind] += any(killed)

    def end(self) -> None:
        """End everything."""
        for part in reversed(self._each()):
            part.end()

    def _mortal(self) -> list[Part]:
        return [part for parts in self.parts.values() for part in parts]

    def _each(self) -> list[Part]:
        return [*self.still, *self._mortal()]

    def last_words(self) -> str:
        """How the processes are that nobody kills: why a run broke off."""
        return "\n".join(part.last_words() for part in self.still)

    def deaths(self) -> int:
        """Return how often a process had to be started again."""
        return sum(part.deaths for part in self._each())

    def serving(self) -> bool:
        """Return whether the server answers."""
        try:
            with Redis.from_url(self.redis_url, socket_timeout=1.0) as client:
                return bool(client.ping())
        except (RedisError, OSError):
            return False

    def faults(self) -> dict[str, dict[str, int]]:
        """Return the faults that each proxy made."""
        done = {}
        for name in ("redis", "outside"):
            if f"control_{name}" in self.ports:
                with socket.create_connection(("127.0.0.1", self.ports[f"control_{name}"]), timeout=10) as wire:
                    wire.sendall(b"{}\n")
                    done[name] = json.loads(wire.makefile("rb").readline())["faults"]
        return done


def build(folder: Path, settings: dict[str, str], seed: int, window_s: float, *, faults: bool) -> Town:
    """Make a town in `folder`: nothing runs yet."""
    names = ["redis", "api", "ledger"]
    names += ["proxy_redis", "control_redis", "proxy_outside", "control_outside"] if faults else []
    town = Town(folder, {}, dict(zip(names, free_ports(len(names)), strict=True)))
    behind = {name: town.ports.get(f"proxy_{name}") for name in ("redis", "outside")}
    redis_port, outside_port = behind["redis"] or town.ports["redis"], behind["outside"] or town.ports["ledger"]
    outside = f"http://127.0.0.1:{outside_port}"
    gateway, bss = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    town.environ = clean | settings | {
        "PYTHONPATH": str(HOME),
        "CONSENT_READING_SPEED": "1000000", "CONSENT_DATA_DIR": str(folder / "data"),
        "CONSENT_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "CONSENT_SECRET": town.secret,
        "CONSENT_GATEWAY": "http_json",
        "CONSENT_HTTP_JSON__URL": f"{outside}/sms",
        "CONSENT_HTTP_JSON__SECRET": gateway,
        "CONSENT_PLANS": "sample",
        "CONSENT_BSS": "http",
        "CONSENT_BSS_HTTP__URL": f"{outside}/bss",
        "CONSENT_BSS_HTTP__SECRET": bss,
        "CONSENT_BSS_HTTP__CAN_ASK": "true",
    }  # fmt: skip

    def part(name: str, *command: str) -> Part:
        return Part(name, list(command), town.environ, folder / f"{name}.log")

    python = [sys.executable, "-m"]
    ledger = [*python, "benchmarks.promises.ledger", "--port", str(town.ports["ledger"])]
    ledger += ["--engine", town.api]
    town.still.append(part("ledger", *ledger, "--seed", str(seed), "--window", str(window_s)))
    for name, to in (("redis", "redis"), ("outside", "ledger")):
        if faults:
            listens = ["--port", str(town.ports[f"proxy_{name}"]), "--control", str(town.ports[f"control_{name}"])]
            there = ["--to", f"127.0.0.1:{town.ports[to]}", "--seed", str(seed), "--rates", RATES[name]]
            town.still.append(part(f"proxy-{name}", *python, "tests.fault_proxy", *listens, *there))
    (folder / "redis").mkdir()
    server = [str(find_binary()), "--port", str(town.ports["redis"]), "--dir", str(folder / "redis"), *SERVER]
    town.parts["server"] = [part("server", *server)]
    town.parts["api"] = [part("api", *python, "consent_engine", "api", "--port", str(town.ports["api"]))]
    town.parts["worker"] = [part(f"worker-{n}", *python, "workers") for n in range(WORKERS)]
    return town
