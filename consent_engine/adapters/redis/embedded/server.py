"""The embedded server: a real Redis or Valkey of our own, one for each folder, that dies with its owner process.

lock         held (flock) by the owner: the process that started the server and will stop it; its pid is in it
users.lock   held, shared, by every other process that uses the server: the owner waits a while for them before it stops
server.lock  held by the server itself as long as it lives (it inherits the open file): a process that can take it knows
             that no server writes these files any more, whether or not the owner still lives
server.json  pid, url, socket and durability of the running server
redis.conf, redis.log, redis.sock, appendonlydir/
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from consent_engine.adapters.file_lock import PAUSE, holders, lock_now, lock_soon, unlock
from consent_engine.adapters.redis.embedded.binary import Answer, ask, configuration, find_binary, last_line
from consent_engine.adapters.redis.embedded.files import log_of, look_at_files
from consent_engine.adapters.redis.embedded.launcher import LAUNCHER
from consent_engine.config.data_folder import private_folder
from consent_engine.errors import SettingsError

# How long we wait, in seconds: for a server to listen, or an owner to leave; for its files to be read back; for it to
# stop (then it is killed, which loses nothing it answered for); for its users to leave. Last: when to report progress.
START_WAIT, LOAD_WAIT, STOP_WAIT, USERS_WAIT, TELL_AFTER = 20.0, 900.0, 5.0, 10.0, 2.0
LONGEST_SOCKET = 100
"""A socket's path may have 104 bytes on macOS, 108 on Linux."""
SHORT = "consent-"

Progress = Callable[[str], None]


class RunningServer:
    """A server that another process owns. Keep this object while you use the server; `stop` only ends that use."""

    def __init__(self, facts: dict[str, Any], users: int) -> None:
        self.url: str = facts["url"]
        self.pid: int = facts["pid"]
        self.durability: str = facts["durability"]
        self._socket = Path(facts["socket"])
        self._users: int | None = users

    def alive(self) -> bool:
        """Whether the server answers."""
        return ask(self._socket) is not Answer.NONE

    def stop(self) -> None:
        """End the use of the server: its owner need not wait for this process any more."""
        if self._users is not None:
            os.close(self._users)
            self._users = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class EmbeddedServer:
    """A folder's server, owned by this process. On Linux only the main thread may start it."""

    def __init__(self, folder: Path, durability: str, lock: int, binary: Path | None) -> None:
        self.folder = folder
        self.durability = durability
        self._lock: int | None = lock
        self._binary = binary or find_binary()
        self._process: subprocess.Popen[bytes] | None = None
        self._short: Path | None = None
        self._socket = folder / "redis.sock"
        if len(os.fsencode(self._socket)) > LONGEST_SOCKET:
            self._short = Path(tempfile.mkdtemp(prefix=SHORT, dir=_plain(tempfile.gettempdir())))
            self._socket = self._short / "redis.sock"
        self.url = f"unix://{quote(str(self._socket))}?db=0"

    @classmethod
    def start(
        cls, folder: Path, durability: str, progress: Progress | None = None, binary: Path | None = None
    ) -> "EmbeddedServer":
        """Own the server of `folder` and start it. Waits a while for another owner to stop. Raises SettingsError."""
        folder = private_folder(folder)
        deadline = time.monotonic() + USERS_WAIT
        while (lock := lock_now(folder / "lock")) is None:
            if time.monotonic() > deadline:
                raise SettingsError(
                    f"CONSENT_DATA_DIR {folder}: {_owner(folder)} uses it: stop it, or name another folder"
                )
            time.sleep(PAUSE)
        return cls.owning(folder, durability, lock, progress, binary)

    @classmethod
    def owning(
        cls, folder: Path, durability: str, lock: int, progress: Progress | None = None, binary: Path | None = None
    ) -> "EmbeddedServer":
        """Start the server of a folder whose lock this process holds; where that fails, the lock is given back."""
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        try:
            server = cls(folder, durability, lock, binary)
        except BaseException:
            os.close(lock)
            raise
        try:
            server.restart(progress)
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def pid(self) -> int:
        """The pid of the server's process; 0 before there is one."""
        return self._process.pid if self._process else 0

    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    def restart(self, progress: Progress | None = None) -> None:
        """Start the server if it does not run (after a crash: same files, same address), and wait until it serves.

        A failed start may be tried again: this process owns the folder until `stop`.

        Raises RuntimeError after `stop`, and SettingsError where the folder cannot be used.
        """
        if self.alive():
            return
        if self._lock is None:
            raise RuntimeError("this server was stopped, and its folder given up")
        try:
            self._wait_ready(self._spawn(progress), progress)
        except BaseException as error:
            if self._process is not None:
                _end(self._process)
            if isinstance(error, OSError):
                raise SettingsError(f"CONSENT_DATA_DIR {self.folder}: {error.strerror or error}") from error
            raise

    def _spawn(self, progress: Progress | None) -> int:
        """Start the process; return the length of the log before."""
        if sys.platform == "linux" and threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start the server from the main thread: it dies with the thread that started it")
        log, conf = log_of(self.folder), self.folder / "redis.conf"
        conf.write_text(configuration(self.folder, self._socket, self.durability))
        # LC_ALL: a locale this machine lacks would stop the server. Our own settings are kept from it.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
        mine = _sole_writer(self.folder, self._short)
        try:
            look_at_files(self.folder, progress or (lambda _: None))
            with log.open("ab") as out:
                logged = out.tell()
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), str(self._binary), str(conf)],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=environ | {"LC_ALL": "C"},
                    pass_fds=[mine],
                    umask=0o077,
                    start_new_session=True,  # Ctrl-C at the terminal reaches only us: we finish first, then stop it
                )
        finally:
            os.close(mine)
        facts = {"pid": self.pid, "url": self.url, "socket": str(self._socket), "durability": self.durability}
        (self.folder / "server.json.new").write_text(json.dumps(facts))
        (self.folder / "server.json.new").replace(self.folder / "server.json")
        return logged

    def _wait_ready(self, logged: int, progress: Progress | None) -> None:
        began = time.monotonic()
        deadline, tell = began + START_WAIT, began + TELL_AFTER
        while (answer := ask(self._socket)) is not Answer.READY:
            now = time.monotonic()
            if answer is Answer.LOADING:
                deadline = began + LOAD_WAIT
            if not self.alive() or now > deadline:
                said = last_line(self.folder / "redis.log", logged)
                raise SettingsError(f"CONSENT_DATA_DIR {self.folder}: its server does not start: {said}")
            if progress and now > tell:
                progress(f"the server is reading its files back, {now - began:.0f} s so far")
                tell = now + TELL_AFTER
            time.sleep(PAUSE)

    def stop(self) -> None:
        """Wait a while for the server's other users, end it, and give the folder up."""
        if self._lock is None:
            return
        if self._process is not None and self.alive():
            users = lock_soon(self.folder / "users.lock", USERS_WAIT)
            _end(self._process)
            if users is not None:
                unlock(users)
        (self.folder / "server.json").unlink(missing_ok=True)
        if self._short is not None:
            shutil.rmtree(self._short, ignore_errors=True)
        unlock(self._lock)
        self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def connect_or_start(folder: Path, durability: str, progress: Progress | None = None) -> EmbeddedServer | RunningServer:
    """Return the server of `folder`: the running one, else one of our own. A context manager. Raises SettingsError."""
    folder = private_folder(folder)
    began = time.monotonic()
    deadline = began + START_WAIT
    while (lock := lock_now(folder / "lock")) is None:
        found = _running(folder)
        if isinstance(found, RunningServer):
            if durability == "strict" != found.durability:
                found.stop()
                raise SettingsError(f"CONSENT_DURABILITY is strict, but the server in {folder} is {found.durability}")
            return found
        if found is Answer.LOADING:
            deadline = began + LOAD_WAIT
        if time.monotonic() > deadline:
            raise SettingsError(f"CONSENT_DATA_DIR {folder}: {_owner(folder)} has locked it, but no server answers")
        time.sleep(PAUSE)
    return EmbeddedServer.owning(folder, durability, lock, progress)


def _running(folder: Path) -> RunningServer | Answer:
    """Return the server that runs in `folder`, registered as its user, or the answer of one that is not ready yet."""
    users = lock_now(folder / "users.lock", shared=True)
    if users is None:  # its owner is stopping it
        return Answer.NONE
    facts = _facts(folder)
    answer = ask(Path(facts["socket"])) if facts else Answer.NONE
    if answer is Answer.READY:
        return RunningServer(facts, users)
    os.close(users)
    return answer


def _sole_writer(folder: Path, keep: Path | None) -> int:
    """Take the server's own lock: end a server whose owner is gone, and remove its remains."""
    facts, path = _facts(folder), folder / "server.lock"
    (folder / "server.json").unlink(missing_ok=True)
    at = Path(facts.get("socket", folder / "redis.sock"))
    mine = lock_now(path)
    if mine is None:
        ask(at, "SHUTDOWN")
        mine = lock_soon(path, STOP_WAIT)
    if mine is None:
        for pid in holders(path):
            os.kill(pid, signal.SIGKILL)
        mine = lock_soon(path, STOP_WAIT)
    if mine is None:
        raise SettingsError(
            f"CONSENT_DATA_DIR {folder}: a server that does not answer still writes to it: end that server"
        )
    if at.parent.name.startswith(SHORT) and at.parent not in (keep, folder):
        shutil.rmtree(at.parent, ignore_errors=True)
    return mine


def _plain(folder: str) -> str:
    """Return a folder for a socket whose name can be read in CLIENT LIST (see `configuration`)."""
    return "/tmp" if re.search(r"[^\w/.+-]", folder) else folder  # noqa: S108 - mkdtemp makes a private one in it


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_WAIT)


def _facts(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "server.json").read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _owner(folder: Path) -> str:
    return f"process {(folder / 'lock').read_text() or '?'}"
