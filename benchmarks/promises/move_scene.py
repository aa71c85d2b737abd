"""The scene of a move of all data: old server and new one, APIs, workers, a crowd, and `consent` as it is typed."""

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ports import free_ports
from benchmarks.promises.crowd import Crowd
from benchmarks.promises.doctors import environ
from benchmarks.promises.far_side import FarSide
from benchmarks.promises.http_door import HttpDoor
from benchmarks.promises.processes import Part
from tests.durability.servers import Server
from tests.fault_proxy import FaultProxy

SECRET, WEBHOOKS = "secret-of-the-moves-0123456789", "secret-of-the-gateway-0123456789"
MOVE_S, AGAIN_S = 120, 1.0
SHORT = {
    "REMINDER_AFTER": "off", "UNCERTAIN_HOLD": "2s", "CALL_TIMEOUT": "2s", "LEASE": "4s", "RETRY_BASE": "100ms",
    "RETRY_MAX": "1s", "READING_SPEED": "1000000", "SUSPECT_REPLIES": "off", "PLANS": "sample", "GATEWAY": "http_json",
    "BSS": "http", "BSS_HTTP__CAN_ASK": "true", "BSS_HTTP__CAN_LOOK_UP": "true", "HTTP_JSON__SECRET": WEBHOOKS,
    "BSS_HTTP__SECRET": WEBHOOKS, "SECRET": SECRET,
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Which processes of before go on after the move. cut: cut off from Redis, not frozen · killed: the move is."""

    apis: bool = True
    workers: bool = True
    cut: bool = False
    killed: bool = False


@dataclass(frozen=True)
class Target:
    """An empty Redis: its address, its future number of cells, and RQ's address. replicas: of each of its masters."""

    url: str
    cells: int
    rq: str
    servers: list[Server]
    replicas: int = 0

    def size(self) -> int:
        """Return how many keys it has."""
        return sum(int(str(each.do("DBSIZE"))) for each in self.servers)


@dataclass
class Scene:
    """One move: its processes, servers and crowd."""

    folder: Path
    old: Server
    target: Target
    kind: Kind
    crowd: Crowd
    far: FarSide
    proxy: FaultProxy
    door: HttpDoor
    parts: list[Part] = field(default_factory=list)

    def environ(self, url: str, cells: int = 1, rq: str = "", replicas: int = 0) -> dict[str, str]:
        """Return the settings of a process on this Redis."""
        named = SHORT | {
            "REDIS_URL": url, "RQ_URL": rq or url, "CELLS": str(cells), "REPLICAS": str(replicas),
            "DATA_DIR": str(self.folder / "data"), "ARCHIVE_URL": f"sqlite:///{self.folder / 'archive.sqlite3'}",
            "HTTP_JSON__URL": f"{self.far.url}/sms", "BSS_HTTP__URL": f"{self.far.url}/bss",
        }  # fmt: skip
        return environ(named)

    @property
    def before(self) -> dict[str, str]:
        """The settings of processes on the old side."""
        return self.environ(f"redis://127.0.0.1:{self.proxy.port}/0" if self.kind.cut else self.old.url)

    @property
    def after(self) -> dict[str, str]:
        """The settings of processes on the new side."""
        return self.environ(self.target.url, self.target.cells, self.target.rq, self.target.replicas)

    def api(self, environ: dict[str, str]) -> tuple[Part, str]:
        """Start a new API; return it and its address."""
        [port] = free_ports(1)
        return self._part(
            f"api-{port}", environ, "consent_engine", "api", "--port", str(port)
        ), f"http://127.0.0.1:{port}"

    def worker(self, environ: dict[str, str]) -> Part:
        """Start a new worker."""
        return self._part(f"worker-{len(self.parts)}", environ, "workers")

    def _part(self, name: str, environ: dict[str, str], *command: str) -> Part:
        made = Part(name, [sys.executable, "-m", *command], environ, self.folder / f"{name}.log")
        self.parts.append(made)
        made.look()
        return made

    def end(self) -> None:
        """End all processes."""
        for part in self.parts:
            part.end()

    def consent(self, environ: dict[str, str], *command: str) -> "subprocess.Popen[str]":
        """Run `consent ...`, as an operator types it."""
        line = [sys.executable, "-m", "consent_engine", *command]
        return subprocess.Popen(
            line, env=environ, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def move(self) -> None:
        """Type the move until it is done; kill it once in its middle, where the kind says so."""
        command = ["cells", "move", "--from", self.old.url, "--to", self.target.url]
        command += ["--cells", str(self.target.cells), "--replicas", str(self.target.replicas)]
        end, kills, said = time.monotonic() + MOVE_S, int(self.kind.killed), ""
        while time.monotonic() < end:
            run = self.consent(self.environ(self.old.url), *command)
            while kills and run.poll() is None:
                if self.target.size() > self.target.cells:
                    run.kill()
                    kills = 0
            said, _ = run.communicate()
            if run.returncode == 0:
                return
            self.cut()
            time.sleep(AGAIN_S)
        raise TimeoutError(f"it did not move: {said[-500:]}")

    def cut(self) -> None:
        """Close every connection to the old server; whoever is cut off cannot connect again."""
        if self.kind.cut:
            self.proxy.refuse(no=True)
        for kind in ("normal", "pubsub"):
            self.old.do("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    def doctor(self, environ: dict[str, str]) -> int:
        """Return the exit status of `consent doctor --all`; its findings stay in the folder."""
        run = self.consent(environ, "doctor", "--all", "--brief")
        said, _ = run.communicate()
        with (self.folder / "doctor.log").open("a") as log:
            log.write(said)
        return run.returncode
