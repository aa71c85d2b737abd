"""A Redis with our users, over TLS where it can, on files of deploy/, and the engine's processes as those users."""

import contextlib
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from benchmarks.ports import free_port
from consent_engine.adapters.redis.client import connect
from tests import needs
from tests.acceptance.house import BSS_SECRET, GATEWAY_SECRET, HOME, SHORT, House, call
from tests.waiting import HANGS_S, until

DEPLOY = Path(__file__).parents[2] / "deploy" / "redis"
PASSWORDS = {"api": "api-pass-1", "worker": "worker-pass-2", "watch": "watch-pass-3"}
BOSS = "boss-pass-0"
"""The password of the user that may do everything: for inspection by the tests only."""


def certificates(folder: Path) -> Path:
    """Make an authority and a server's certificate for 127.0.0.1, as docs/security.md makes them."""
    openssl = needs.program("openssl", "openssl")
    folder.mkdir()

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True, timeout=HANGS_S)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=consent redis CA",
        "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    run("req", "-x509", *key, "-keyout", "redis.key", "-out", "redis.crt", "-subj", "/CN=redis",
        "-addext", "subjectAltName=IP:127.0.0.1", "-CA", "ca.crt", "-CAkey", "ca.key",
        "-addext", "basicConstraints=critical,CA:FALSE")  # fmt: skip
    return folder


@dataclass
class Guarded:
    """The server, and its addresses by user."""

    folder: Path
    port: int
    tls: bool

    def url(self, user: str, password: str = "") -> str:
        login = f"consent-{user}:{password or PASSWORDS[user]}" if user != "boss" else f"boss:{BOSS}"
        if not self.tls:
            return f"redis://{login}@127.0.0.1:{self.port}/0"
        return f"rediss://{login}@127.0.0.1:{self.port}/0?ssl_ca_certs={self.folder / 'tls' / 'ca.crt'}"

    def client(self, user: str) -> "Redis":
        return connect(self.url(user))

    def refused(self) -> list[str]:
        """Every command the server has refused to any user since its start, from its own log."""
        with contextlib.closing(self.client("boss")) as boss:
            return [f"{row['username']}: {row['reason']} {row['object']}" for row in boss.acl_log()]


@contextlib.contextmanager
def guarded(folder: Path, binary: Path, *, tls: bool) -> Iterator[Guarded]:
    """A server on deploy/redis/data.conf, tls.conf and users.acl; only addresses and passwords are replaced.

    Without TLS, only the lines of tls.conf that are not about TLS: the users, and what each may do, are the same.
    """
    users = (DEPLOY / "users.acl").read_text()
    for who, name in (("api", "APIS"), ("worker", "WORKERS"), ("watch", "WATCHERS")):
        users = users.replace(
            f"#SHA256-OF-THE-{name}-PASSWORD", "#" + hashlib.sha256(PASSWORDS[who].encode()).hexdigest()
        )
    (folder / "users.acl").write_text(f"{users}\nuser boss on >{BOSS} ~* &* +@all\n")
    made = Guarded(folder, free_port(), tls)
    guards = (DEPLOY / "tls.conf").read_text().replace("/etc/valkey", str(folder))
    if tls:
        certificates(folder / "tls")
        guards = guards.replace("tls-port 6379", f"tls-port {made.port}")
    else:
        guards = re.sub(r"^(tls-.*|port 0)\n", "", guards, flags=re.M)
    (folder / "tls.conf").write_text(guards)
    data = (DEPLOY / "data.conf").read_text()
    for theirs, ours in (("dir /data", f"dir {folder}"), ("port 6379", f"port {made.port}"), ("* -::*", "127.0.0.1")):
        data = data.replace(theirs, ours)
    (folder / "data.conf").write_text(data)
    with (folder / "redis.log").open("wb") as log:
        command = [binary, folder / "data.conf", "--include", folder / "tls.conf"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:

        def answers() -> bool:
            assert process.poll() is None, (folder / "redis.log").read_text()
            with contextlib.closing(made.client("boss")) as boss, contextlib.suppress(OSError, RedisError):
                return bool(boss.ping())
            return False

        until("the server answers", answers)
        yield made
    finally:
        process.terminate()
        process.wait(HANGS_S)


@dataclass
class Processes(House):
    """API and worker as processes of their own, each as its own user of Redis."""

    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self, user: str, redis: Guarded, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{user}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], env=self.as_user(user, redis), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.running.append(process)
        return process

    def as_user(self, user: str, redis: Guarded) -> dict[str, str]:
        return self.environ | {"CONSENT_REDIS_URL": redis.url(user)}

    def told(self, user: str) -> str:
        return (self.folder / f"{user}.log").read_text(errors="replace")


@contextlib.contextmanager
def processes(folder: Path, redis: Guarded) -> Iterator[Processes]:
    """Run `consent api` and `python -m workers`; both are ended afterwards, whatever happens."""
    made = Processes(folder, {})
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    made.environ = plain | SHORT | {
        "PYTHONPATH": HOME,
        "CONSENT_READING_SPEED": "1000000", "CONSENT_DATA_DIR": str(folder / "data"),
        "CONSENT_ARCHIVE_URL": f"sqlite:///{folder / 'archive.sqlite3'}",
        "CONSENT_SECRET": "the-secret-of-this-installation-01",
        "CONSENT_GATEWAY": "http_json",
        "CONSENT_HTTP_JSON__URL": f"http://127.0.0.1:{made.outside_port}/sms",
        "CONSENT_HTTP_JSON__SECRET": GATEWAY_SECRET,
        "CONSENT_PLANS": "sample",
        "CONSENT_BSS": "http",
        "CONSENT_BSS_HTTP__URL": f"http://127.0.0.1:{made.outside_port}/bss",
        "CONSENT_BSS_HTTP__SECRET": BSS_SECRET,
    }  # fmt: skip
    try:
        made.start_outside()
        # The worker first: on an empty store it is the process that writes the initial records.
        made.begin("worker", redis, "workers")
        until("the worker works", lambda: "works for" in made.told("worker"))
        made.begin("api", redis, "consent_engine", "api", "--port", str(made.port))
        until("the engine is ready", lambda: call("GET", f"{made.api}/readyz")[0] == 200)
        yield made
    finally:
        for process in (*made.running, *([made.outside] if made.outside else [])):
            process.terminate()
        for process in (*made.running, *([made.outside] if made.outside else [])):
            try:
                process.wait(HANGS_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(HANGS_S)
