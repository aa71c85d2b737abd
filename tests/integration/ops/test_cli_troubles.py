"""Commands at three in the morning: nothing answers, the disk is full, the reader left, somebody presses Ctrl-C.

Each ends in one line that says what to do, with a status that is not 0, and leaves nothing behind.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.ports import free_port
from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from tests import needs
from tests.integration.rq_house import ROOT
from tests.typed import typed
from tests.waiting import HANGS_S, until

FULL = Path("/dev/full")


@pytest.fixture
def shell(environ):
    """Run a command with what a shell makes of its output."""

    def run(words, end, **more):
        line = f"{shlex.quote(sys.executable)} -m consent_engine {words} {end}"
        return subprocess.run(
            ["/bin/sh", "-c", line], env=environ | more, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S,
            check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def begun(environ):
    """Start a command, to be interrupted."""
    all_of_them = []

    def run(*arguments, **more):
        all_of_them.append(
            subprocess.Popen(
                [sys.executable, "-m", "consent_engine", *arguments], env=environ | more, cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        return all_of_them[-1]

    yield run
    for each in all_of_them:
        if each.poll() is None:
            each.kill()
        each.communicate()


def one_line(done):
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("consent: ")
    return done.stderr


def test_output_that_cannot_be_written_is_one_line_and_a_status(shell, environ, consent):
    consent("keys", "list")
    lacks_room = "output cannot be written: No space left on device"
    assert lacks_room in one_line(shell("plans list", "> /dev/full"))
    for words in (("refuse", "13800138000"), ("paused", "--json")):
        assert lacks_room in one_line(typed(*words, environ=environ, out=FULL)), words


def test_progress_that_cannot_be_written_stops_no_command(environ, consent, tmp_path):
    consent("keys", "list")
    done = typed("backup", f"{tmp_path}/kept", environ=environ, err=FULL)
    assert (done.returncode, "of the instant" in done.stdout) == (0, True)
    assert (tmp_path / "kept" / "manifest.json").is_file()
    assert typed("show", "nonsense", environ=environ, err=FULL).returncode == 1


def test_backup_and_restore_say_their_instant_by_the_clock_of_the_business(consent, tmp_path):
    consent("keys", "list")
    made = json.loads(consent("backup", f"{tmp_path}/kept", "--json").stdout)
    assert made["of the instant"].endswith("+08:00")
    other = {"CONSENT_DATA_DIR": str(tmp_path / "other"), "CONSENT_TIME_ZONE": "Asia/Tokyo"}
    put = consent("restore", f"{tmp_path}/kept", **other)
    assert put.returncode == 0, put.stderr
    [gone] = [line for line in (put.stdout + put.stderr).splitlines() if "ACKNOWLEDGED AFTER" in line]
    assert "+09:00 IS GONE" in gone


def test_a_restore_tells_nobody_to_start_workers_before_the_refusals_are_back(consent, tmp_path):
    consent("refuse", "13800138000")
    consent("backup", f"{tmp_path}/kept")
    put = consent("restore", f"{tmp_path}/kept", CONSENT_DATA_DIR=str(tmp_path / "other"))
    assert put.returncode == 0, put.stderr
    assert "consent refuse NUMBER" in put.stderr
    assert "python -m workers" not in put.stderr
    assert "consent serve" not in put.stderr
    assert "start the workers last" in put.stderr


@pytest.mark.parametrize(
    ("to", "why", "at_once"), [("full", "No space left on device", ""), ("nobody", "Broken pipe", "1")]
)
def test_a_key_that_cannot_be_printed_is_revoked_and_says_so(consent, environ, to, why, at_once):
    ours, theirs = os.pipe()
    os.close(ours)
    if to == "full":
        os.close(theirs)
        theirs = os.open("/dev/full", os.O_WRONLY)
    assert consent("keys", "list").returncode == 0
    done = subprocess.run(
        [sys.executable, "-m", "consent_engine", "keys", "add", "unseen", "--role", "admin"], cwd=ROOT, text=True,
        env=environ | {"PYTHONUNBUFFERED": at_once}, stdout=theirs, stderr=subprocess.PIPE, timeout=HANGS_S,
        check=False,
    )  # fmt: skip
    os.close(theirs)
    assert f"the key could not be printed ({why}), and is revoked" in one_line(done)
    assert consent("keys", "list").stdout == ""


def test_no_key_is_made_where_standard_output_is_closed(shell, consent):
    assert "nothing was made" in one_line(shell("keys add unseen --role admin", ">&-"))
    assert consent("keys", "add", "unseen", "--role", "admin").returncode == 0, "its name is free"


def test_a_permit_that_is_not_valid_is_told_by_the_status(consent):
    [given] = consent("permits", "13800138000", "--carrier", "mobile").stdout.splitlines()
    token = given.split("\t")[1]
    assert consent("permits", "--check", token).returncode == 0
    for words in ((token, "13900139000"), ("made-up",)):
        done = consent("permits", "--check", *words)
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout.startswith("permit\t")


@contextmanager
def slow_to_send(folder):
    """A server whose copies begin after half a minute, and the settings that lead to it."""
    with EmbeddedServer.start(folder, "everysec") as server, connect(server.url) as client:
        client.config_set("repl-diskless-sync-delay", 30)
        yield client, {"CONSENT_REDIS_URL": server.url, "CONSENT_SECRET": "a-secret", "CONSENT_GATEWAY": "simulated",
                       "CONSENT_BSS": "simulated"}  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_backup_that_is_interrupted_leaves_nothing_behind(begun, consent, tmp_path, number):
    with slow_to_send(tmp_path / "server") as (client, there):
        assert consent("keys", "list", **there).returncode == 0
        making = begun("backup", str(tmp_path / "kept"), **there)
        until("it waits for the copy", lambda: int(client.info("replication")["connected_slaves"]) == 1)
        assert (tmp_path / "consent-backup.part").is_dir()
        making.send_signal(number)
        out, err = making.communicate(timeout=HANGS_S)
    assert (making.returncode, out) == (128 + number, "")
    assert err == "consent: interrupted\n"
    assert {path.name for path in tmp_path.iterdir()} & {"kept", "consent-backup.part"} == set()


def test_what_a_killed_backup_left_is_removed_by_the_next_one(begun, consent, tmp_path):
    with slow_to_send(tmp_path / "server") as (client, there):
        assert consent("keys", "list", **there).returncode == 0
        making = begun("backup", str(tmp_path / "mon day"), **there)
        until("it waits for the copy", lambda: int(client.info("replication")["connected_slaves"]) == 1)
        making.kill()
        making.wait(HANGS_S)
        client.config_set("repl-diskless-sync-delay", 0)
        until("its connection is gone", lambda: int(client.info("replication")["connected_slaves"]) == 0)
        done = consent("backup", str(tmp_path / "tuesday"), **there)
    assert done.returncode == 0
    assert (tmp_path / "tuesday" / "manifest.json").is_file()
    assert not (tmp_path / "consent-backup.part").exists()


def test_a_command_that_waits_is_interrupted_in_one_line(begun, tmp_path):
    with EmbeddedServer.start(tmp_path / "server", "everysec") as server:
        waiting = begun("gateway", "check", "simulated", "--to", "13800138000", **redis_at(server.url))
        assert "waits for a worker" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate(timeout=HANGS_S)
    assert waiting.returncode == 128 + signal.SIGINT
    assert err.splitlines()[-1] == "consent: interrupted"
    assert "Traceback" not in err


def test_a_database_that_the_server_does_not_have_is_named_with_its_address(consent, tmp_path):
    with EmbeddedServer.start(tmp_path / "server", "everysec") as server:
        wrong = server.url.replace("db=0", "db=99")
        assert one_line(consent("stuck", **redis_at(wrong))) == (
            "consent: CONSENT_REDIS_URL: the server refuses the connection: DB index is out of range\n"
        )
        told = one_line(consent("backup", str(tmp_path / "b"), "--from", wrong, **redis_at(server.url)))
        assert told.startswith("consent: --from: the server refuses")


def redis_at(url):
    return {"CONSENT_REDIS_URL": url, "CONSENT_SECRET": "a-secret", "CONSENT_GATEWAY": "simulated",
            "CONSENT_BSS": "simulated"}  # fmt: skip


def test_of_two_servers_the_one_that_is_down_is_named_by_its_option(consent, tmp_path):
    down = f"redis://127.0.0.1:{free_port()}/0"
    with EmbeddedServer.start(tmp_path / "server", "everysec") as server:
        up = redis_at(server.url)
        assert consent("keys", "list", **up).returncode == 0
        away = one_line(consent("backup", str(tmp_path / "b"), "--from", down, **up))
        assert away.endswith(": is its Redis up? See --from\n")
        away = one_line(consent("backup", str(tmp_path / "b"), **redis_at(down)))
        assert away.endswith(": is its Redis up? See CONSENT_REDIS_URL\n")
        with connect(server.url) as client:
            client.config_set("requirepass", "p")
        refused = one_line(consent("backup", str(tmp_path / "b"), "--from", server.url, **up))
        assert refused.endswith(": correct user and password in its address, --from\n")
        with connect(server.url.replace("unix://", "unix://:p@")) as client:
            client.config_set("requirepass", "")


def test_a_server_that_refuses_is_not_called_one_that_is_down(consent, tmp_path):
    with EmbeddedServer.start(tmp_path / "server", "everysec") as server, connect(server.url) as client:
        assert consent("keys", "list", **redis_at(server.url)).returncode == 0
        client.acl_setuser("weak", enabled=True, passwords=["+p"], keys=["*"], commands=["+ping", "+info", "+hget"])
        weak = redis_at(server.url.replace("unix://", "unix://weak:p@"))
        said = "CONSENT_REDIS_URL: this user lacks a permission: see deploy/redis/users.acl and ACL LOG"
        assert one_line(consent("keys", "list", **weak)) == f"consent: {said}\n"
        client.config_set("maxmemory", 1)
        told = one_line(consent("refuse", "13800138000", **redis_at(server.url)))
        assert told == "consent: the store takes no writes now: OutOfMemoryError: `consent doctor` says why\n"


@needs.linux
def test_a_log_on_a_full_disk_keeps_no_engine_from_its_start(environ):
    port = free_port()
    with open("/dev/full", "w", encoding="utf-8") as full:
        serving = subprocess.Popen(
            [sys.executable, "-m", "consent_engine", "serve", "--port", str(port), "--workers", "1"], cwd=ROOT,
            env=environ, stdin=subprocess.DEVNULL, stdout=full, stderr=full,
        )  # fmt: skip
    try:
        until("it listens", lambda: listens(port))
    finally:
        serving.terminate()
        assert serving.wait(HANGS_S) == 0


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
    except OSError:
        return False
    return True


def test_an_archive_that_is_down_is_named_by_its_own_setting(consent, environ):
    assert consent("keys", "list").returncode == 0
    down = f"postgresql://127.0.0.1:{free_port()}/none"
    away = one_line(consent("audit", CONSENT_ARCHIVE_URL=down))
    assert away.endswith("See CONSENT_ARCHIVE_URL\n")


def test_a_database_that_does_not_answer_is_waited_for_once_by_the_doctor_and_not_by_every_look(consent):
    """A frozen one answers nothing for five seconds a connection: five looks made it half a minute of silence."""
    assert consent("keys", "list").returncode == 0
    came = []

    def hang_up():
        with suppress(OSError):  # of the end
            while True:
                listening.accept()[0].close()
                came.append(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        hanging = threading.Thread(target=hang_up)
        hanging.start()
        url = f"postgresql://127.0.0.1:{listening.getsockname()[1]}/none?sslmode=disable"
        told = consent("doctor", CONSENT_ARCHIVE_URL=url).stdout
        listening.shutdown(socket.SHUT_RDWR)
        hanging.join(HANGS_S)
    assert "the archive cannot be reached" in told
    assert 0 < len(came) <= 2, "once more at most, where five seconds pass between two looks"


def test_a_backup_of_data_whose_database_is_down_says_what_it_lacks(consent, tmp_path):
    down = {"CONSENT_ARCHIVE_URL": f"postgresql://127.0.0.1:{free_port()}/none"}
    assert consent("keys", "list").returncode == 0
    done = consent("--json", "backup", str(tmp_path / "kept"), **down)
    assert done.returncode == 0
    assert json.loads(done.stdout)["entries in its log"] == "-"
    assert "was not asked (the archive cannot be reached: OperationalError): once it answers, pg_dump " in done.stderr
    back = consent("restore", str(tmp_path / "kept"), CONSENT_DATA_DIR=str(tmp_path / "new"), **down)
    assert one_line(back).endswith("is its database up, or its disk full? See CONSENT_ARCHIVE_URL\n")
    assert not os.path.exists(tmp_path / "new" / "secret")
