"""A temporary PostgreSQL of our own: its data in a temporary folder, reached by a Unix socket, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_S = 30.0
SHARED_BUFFERS = "256MB"


class NoPostgres(Exception):
    """PostgreSQL is not installed here, or does not start."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    folder: Path
    pid: int
    synchronous_commit: str

    @property
    def url(self) -> str:
        """The server's address, for SQLAlchemy and psycopg alike."""
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def told(self) -> str:
        """Return the server's durability of a commit."""
        return f"fsync on, synchronous_commit {self.synchronous_commit}, shared_buffers {SHARED_BUFFERS}"


def program(name: str) -> str:
    """Return the path of a PostgreSQL program: on PATH, or where Debian puts it. Raises NoPostgres."""
    if found := shutil.which(name):
        return found
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    if not places:
        raise NoPostgres("no PostgreSQL here: apt-get install postgresql")
    return str(places[0])


def as_postgres(folder: Path) -> dict[str, Any]:
    """Return the user to run it as, as arguments of Popen: PostgreSQL refuses to run as root. Raises NoPostgres."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise NoPostgres("root may not run PostgreSQL, and there is no user postgres") from None
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid}


@contextmanager
def server(synchronous_commit: str = "on") -> Iterator[Server]:
    """Start a server with a database of its own, and end it with the block. Raises NoPostgres."""
    with tempfile.TemporaryDirectory(prefix="bench-pg-") as name:
        folder = Path(name)
        who = as_postgres(folder)
        data = folder / "data"
        init = [program("initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"]
        made = subprocess.run(init, capture_output=True, text=True, check=False, cwd=folder, **who)
        if made.returncode != 0:
            raise NoPostgres(f"initdb: {made.stderr.strip().splitlines()[-1]}")
        wanted = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "fsync": "on",
            "synchronous_commit": synchronous_commit,
            "shared_buffers": SHARED_BUFFERS,
            "max_wal_size": "2GB",
            "max_connections": "300",
        }
        options = [part for key, value in wanted.items() for part in ("-c", f"{key}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program("postgres"), "-D", str(data), *options], stdout=log, stderr=log, cwd=folder, **who
            )
        try:
            wait_ready(folder, process)
            yield Server(folder, process.pid, synchronous_commit)
        finally:
            process.terminate()
            try:
                process.wait(START_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_ready(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server accepts connections. Raises NoPostgres."""
    deadline = time.monotonic() + START_S
    command = [program("pg_isready"), "-q", "-h", str(folder), "-U", "postgres"]
    while subprocess.run(command, check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoPostgres(f"it does not start: {(folder / 'log').read_text().strip().splitlines()[-1]}")
        time.sleep(0.1)


def transactions(found: Server) -> int:
    """Return the transactions committed so far, by the server's own count."""
    sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'"
    command = [program("psql"), "-h", str(found.folder), "-U", "postgres", "-Atc", sql]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
