"""What others wrote for C2SP logs agrees with ours: a witness over HTTP, and a verifier of tiles and proofs."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from socket import AF_INET, SOCK_STREAM, socket

import pytest

from benchmarks.ports import free_port
from consent_engine.adapters.outbound import poster
from consent_engine.domain.log.merkle import published
from consent_engine.domain.log.witness import Witness
from consent_engine.engine.witnessing import Witnessing
from tests import needs
from tests.archive.house import append
from tests.archive.press import NAME, Press, entries_of, older
from tests.waiting import HANGS_S, until

OTHERS = ("aics-tlog==0.2.1", "aics-witness==0.1.0")
"""A witness and a verifier, in an environment of their own: our code does not import them."""


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Return what makes the command of one of their modules, and its environment."""
    needs.package_index()
    needs.python((3, 12))
    folder = tmp_path_factory.mktemp("others")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*install, "--target", str(folder), *OTHERS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": str(folder)}


def is_open(port):
    with socket(AF_INET, SOCK_STREAM) as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


def run(environ, *words):
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=HANGS_S, check=False)


@pytest.fixture
def press(small, tmp_path):
    return Press(small.archive, tmp_path / "log")


@contextmanager
def witness(environ, folder, press):
    """Run their witness of a log; yield it as our settings name it."""
    config, port = folder / "witness.json", free_port()
    made = run(environ, "aics_witness", "init", "--config", config, "--name", "witness.example/w1",
               "--listen", f"127.0.0.1:{port}")  # fmt: skip
    assert made.returncode == 0, made.stderr
    key = made.stdout.split()[-1]
    added = run(environ, "aics_witness", "add-log", "--config", config, "--origin", NAME, "--vkey", press.key.key)
    assert added.returncode == 0, added.stderr
    with subprocess.Popen(
        [sys.executable, "-m", "aics_witness", "serve", "--config", str(config)], env=environ, stderr=subprocess.PIPE
    ) as process:
        try:
            until("their witness listens", lambda: is_open(port))
            yield Witness.decode(f"http://127.0.0.1:{port} {key}"), config
        finally:
            process.terminate()


def asked(press, watching):
    """Sign what came, and ask the witness; return the checkpoint with what it signed."""
    press.later()
    asker = Witnessing(press.public, [watching], poster(timedelta(seconds=30)))
    return asyncio.run(asker.ask(press.publish(), press.now))


def test_a_witness_of_others_signs_growth_and_refuses_and_keeps_a_fork(others, press, tmp_path):
    with witness(others, tmp_path, press) as (watching, config):
        for count in (1_000, 1_500, 3):
            press.add(count)
            assert asked(press, watching).cosigned == 1
        assert press.public.misgivings() == []
        older(press, 2_000)
        append(press.log, entries_of(600, 50_000))  # another history
        press.folder.put_aside()
        assert asked(press, watching).cosigned == 0
        [kept] = press.public.misgivings()
        assert (kept.status, kept.size) == (422, 2_503)
        evidence = json.loads(run(others, "aics_witness", "evidence", "--config", config).stdout)
        assert [each["witness_size"] for each in evidence] == [2_503], "they keep it, too"
        assert kept.note.partition("\n\n")[0] in evidence[0]["request"]


def test_a_verifier_of_others_reads_our_files_and_our_proofs(others, press, tmp_path):
    press.add(70_000)
    press.publish()
    earlier = tmp_path / "earlier"
    earlier.write_text((press.folder.path / "checkpoint").read_text("utf-8"), "utf-8")
    press.add(1_234)
    press.later()
    press.publish()
    known = ["--log-key", press.key.key, "--tiles", press.folder.path]
    for number in (0, 255, 65_535, 69_999, 71_233):
        [(_, entry, _)] = press.log.entries(number, 1)
        leaf = tmp_path / "leaf"
        leaf.write_bytes(published(entry))
        shown = run(others, "aics_tlog", "verify-inclusion", *known, "--index", number, "--leaf", leaf)
        assert shown.returncode == 0, (number, shown.stdout, shown.stderr)
        leaf.write_bytes(published("another"))
        assert run(others, "aics_tlog", "verify-inclusion", *known, "--index", number, "--leaf", leaf).returncode
    grew = run(others, "aics_tlog", "verify-consistency", *known, "--old-checkpoint", earlier)
    assert grew.returncode == 0, (grew.stdout, grew.stderr)
    cut = press.folder.path / "tile/0/000"
    cut.write_bytes(cut.read_bytes()[:4_096])
    leaf.write_bytes(published(press.log.entries(3, 1)[0][1]))
    assert run(others, "aics_tlog", "verify-inclusion", *known, "--index", 3, "--leaf", leaf).returncode
