"""A data folder after a power cut or half a restore: it is cut back, which is reported, or refused; never lost."""

import os
import shutil

import pytest
from redis import Redis

from consent_engine.adapters.redis.embedded.server import MOST_CUT, EmbeddedServer, cut_back
from consent_engine.errors import SettingsError
from tests import needs
from tests.acceptance.house import HOME
from tests.typed import typed

BLOCK = [("MULTI",), ("SET", "k", "v" * 40), ("HSET", "h", "f", "\r\n*3\r\n$3\r\n"), ("EXEC",)]


def told(command):
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in command)


FILE = b"".join(map(told, BLOCK * 4))
TAILS = {
    "one zero": b"\0",
    "a page of zeros": bytes(4096),
    "garbage": bytes(range(1, 256)) * 3,
    "half a command, then zeros": told(BLOCK[1])[:9] + bytes(700),
    "a command whose value lost its end": told(BLOCK[1])[:-2] + b"\0\0\0",
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_zeros_and_garbage_at_the_end_are_cut_back_to_the_last_whole_command(tmp_path, tail):
    path = tmp_path / "x.incr.aof"
    path.write_bytes(FILE + tail)
    assert cut_back(path) == len(tail)
    assert path.read_bytes() == FILE
    assert cut_back(path) == 0


def test_half_a_command_is_left_to_the_server_wherever_it_ends(tmp_path):
    path = tmp_path / "x.incr.aof"
    for end in range(len(told(BLOCK[2])) + 1):
        path.write_bytes(FILE + told(BLOCK[2])[:end])
        assert cut_back(path) == 0, end


@pytest.mark.parametrize(
    "damaged",
    [FILE[:300] + b"\0garbage" + FILE[300:] + b"\0", FILE + bytes(MOST_CUT + 1), FILE + b"\0" + told(BLOCK[1]) + b"\0"],
    ids=["in its middle", "by more than a power cut leaves", "before a whole command"],
)
def test_what_is_no_end_is_left_as_it_is(tmp_path, damaged):
    path = tmp_path / "x.incr.aof"
    path.write_bytes(damaged)
    assert cut_back(path) == 0
    assert path.read_bytes() == damaged


@pytest.fixture
def folder(tmp_path_factory):
    needs.server()
    made = tmp_path_factory.mktemp("d")
    yield made / "data"
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize("tail", [bytes(4096), b"\x07garbage"], ids=["zeros", "garbage"])
def test_a_server_starts_on_all_that_was_whole_and_it_is_told_what_was_not(folder, tail):
    with EmbeddedServer.start(folder, "strict") as server, Redis.from_url(server.url) as redis:
        redis.set("kept", "1")
    (path,) = folder.glob("appendonlydir/*.incr.aof")
    path.write_bytes(path.read_bytes() + tail)
    said = []
    with EmbeddedServer.start(folder, "strict", said.append) as server, Redis.from_url(server.url) as redis:
        assert redis.get("kept") == b"1"
    assert f"{len(tail)} bytes at its end were no command" in said[0]


def test_files_without_their_manifest_are_refused_and_stay(folder):
    with EmbeddedServer.start(folder, "strict") as server, Redis.from_url(server.url) as redis:
        redis.set("kept", "1")
    [manifest] = folder.glob("appendonlydir/*.manifest")
    listed = manifest.read_bytes()
    manifest.unlink()
    with pytest.raises(SettingsError, match="its manifest is missing: restore"):
        EmbeddedServer.start(folder, "strict")
    manifest.write_bytes(listed)
    with EmbeddedServer.start(folder, "strict") as server, Redis.from_url(server.url) as redis:
        assert redis.get("kept") == b"1"


def started(folder):
    """Start and end an installation in a folder, by a command that needs one."""
    environ = {
        "CONSENT_DATA_DIR": str(folder),
        "CONSENT_DURABILITY": "strict",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": HOME,
    }
    return typed("keys", "list", environ=environ, folder=folder.parent)


@pytest.mark.parametrize("lost", ["the folder of the files", "all that was in them", "the folder, and the archive"])
def test_a_folder_whose_data_are_gone_does_not_start_as_a_new_one(folder, lost):
    """Otherwise a subscriber who refused would be called again."""
    assert started(folder).returncode == 0
    if "folder" in lost:
        shutil.rmtree(folder / "appendonlydir")
    else:
        for path in folder.glob("appendonlydir/*.aof"):
            path.write_bytes(b"")
    for path in folder.glob("archive*") if "archive" in lost else ():
        path.unlink()
    for _ in range(2):
        done = started(folder)
        assert done.returncode != 0
        assert "the data that were in this folder are gone" in done.stderr
        assert "restore" in done.stderr


def test_a_first_start_that_died_before_it_wrote_anything_is_no_loss(folder):
    folder.mkdir(mode=0o700)
    (folder / "secret").write_text("a-secret-that-was-made-and-nothing-else\n")
    assert started(folder).returncode == 0
    assert started(folder).returncode == 0
