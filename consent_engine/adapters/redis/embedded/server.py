"""The embedded server: a real Redis or Valkey of our own, one for each folder, that dies with its owner process.

lock         held (flock) by the owner: the process that started the server and will stop it; its pid is in it
users.lock   held, shared, by every other process that uses the server: the owner waits a while for them before it stops
server.lock  held by the server itself as long as it lives (it inherits the open file): a process that can take it knows
             that no server writes these files any more, whether or not the owner still lives
server.json  pid, url, socket and durability of the running server
redis.conf, redis.log, redis.sock, appendonlydir/
"""

import json
import mmap
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


MOST_CUT = 1_000_000
"""The most bytes cut off a file's end as left by a power cut. More is other damage, which a person must look at."""
LOG_LIMIT = 4_000_000
_COMMAND = re.compile(rb"\*([1-9]\d{0,6})\r\n")
_PART = re.compile(rb"\$(\d{1,9})\r\n")


def log_of(folder: Path) -> Path:
    """Return the path of a server's log; a log that has become long is renamed first."""
    log = folder / "redis.log"
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(folder / "redis.log.1")
    return log


def look_at_files(folder: Path, tell: Callable[[str], None]) -> None:
    """Refuse files without the manifest that names them; cut garbage off the end of the others, and tell of it.

    A server starts empty where the manifest is missing. After a power cut a file may end in zeros or garbage that no
    client got an answer for: it is cut back to the last whole command, as the server itself cuts back half a command.
    Where whole commands follow the garbage it is not the end: the file stays as it is, and the server refuses it.

    Raises SettingsError.
    """
    kept = sorted((folder / "appendonlydir").glob("*.aof"))
    if kept and not list((folder / "appendonlydir").glob("*.manifest")):
        raise SettingsError(
            f"CONSENT_DATA_DIR {folder}: {kept[0].name} is there, but its manifest is missing: restore "
            "appendonlydir whole from a backup; a server started now would have no orders"
        )
    for path in kept:
        if path.name.endswith(".incr.aof") and (cut := cut_back(path)):
            tell(f"{path.name}: {cut} bytes at its end were no command (a power cut leaves such bytes): cut off")


def cut_back(path: Path) -> int:
    """Cut zeros or garbage off a file's end, durably. Return how many bytes were cut."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2))
        if size == 0 or file.read() == b"\r\n":  # every command ends so
            return 0
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
            bad = _sound_until(data)
            garbage = bad < size and size - bad <= MOST_CUT and not _is_half(data, bad) and not _goes_on(data, bad)
        if not garbage:
            return 0
        file.truncate(bad)
        os.fsync(file.fileno())
        return size - bad


def _sound_until(data: mmap.mmap) -> int:
    """Return the offset of the first bytes that are no whole command."""
    at = 0
    while (end := _end_of(data, at)) > at:
        at = end
    return at


def _end_of(data: mmap.mmap, at: int) -> int:
    """Return where the command that begins at `at` ends; -1 when none begins there, or it is cut off."""
    head = _COMMAND.match(data, at)
    if head is None:
        return -1
    at = head.end()
    for _ in range(int(head[1])):
        part = _PART.match(data, at)
        if part is None:
            return -1
        at = part.end() + int(part[1]) + 2
        if data[at - 2 : at] != b"\r\n":
            return -1
    return at


def _is_half(data: mmap.mmap, at: int) -> bool:
    """Whether the bytes from `at` on are a command that is cut off by the end: the server cuts that back itself."""
    rest = data[at:]
    head = _COMMAND.match(rest)
    if head is None:
        return re.fullmatch(rb"\*(\d*\r?)?", rest) is not None
    here = head.end()
    for _ in range(int(head[1])):
        part = _PART.match(rest, here)
        if part is None:
            return re.fullmatch(rb"(\$(\d*\r?)?)?", rest[here:]) is not None
        end = part.end() + int(part[1])
        if end >= len(rest):
            return True
        if not b"\r\n".startswith(rest[end : end + 2]):
            return False
        here = end + 2
    return True


def _goes_on(data: mmap.mmap, bad: int) -> bool:
    """Whether a whole command follows somewhere after bytes that are none."""
    return any(_end_of(data, found.start()) > 0 for found in _COMMAND.finditer(data, bad + 1))
