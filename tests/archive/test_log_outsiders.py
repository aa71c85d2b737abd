"""What others wrote agrees with ours: a witness over HTTP, a verifier of tiles and proofs, OpenSSL's time stamps."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import AF_INET, SOCK_STREAM, socket
from threading import Thread

import pytest

from benchmarks.ports import free_port
from consent_engine.adapters.outbound import poster, stamper
from consent_engine.domain.log.checkpoint import Witness
from consent_engine.domain.log.merkle import published
from consent_engine.engine.witnessing import AGAIN_MS, Witnessing
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


CONFIG = """
[req]
distinguished_name = name
x509_extensions = stamps
prompt = no
[name]
CN = tsa.example
[stamps]
extendedKeyUsage = critical,timeStamping
[tsa]
serial = {0}/serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def openssl(*words):
    done = subprocess.run(
        [needs.program("openssl", "openssl"), *map(str, words)], capture_output=True, timeout=HANGS_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Authority(BaseHTTPRequestHandler):
    """A time stamp authority: OpenSSL behind HTTP."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked, said = self.server.folder / "asked.tsq", self.server.folder / "said.tsr"
        asked.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.other:  # it stamps what it was asked before
            asked.write_bytes(self.server.other)
        key = "-signer", self.server.folder / "tsa.pem", "-inkey", self.server.folder / "tsa.key"
        config = "-config", self.server.folder / "tsa.cnf", "-section", "tsa"
        openssl("ts", "-reply", *config, *key, "-queryfile", asked, "-out", said)
        answer = said.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.server.was = asked.read_bytes()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def authority(tmp_path):
    needs.time_stamps()
    folder = tmp_path / "tsa"
    folder.mkdir()
    (folder / "tsa.cnf").write_text(CONFIG.format(folder))
    (folder / "serial").write_text("01")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-config", folder / "tsa.cnf", "-keyout",
            folder / "tsa.key", "-out", folder / "tsa.pem", "-days", "2")  # fmt: skip
    server = HTTPServer(("127.0.0.1", 0), Authority)
    server.folder, server.other, server.was = folder, b"", b""
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_authority_stamps_each_checkpoint_and_openssl_verifies_what_is_kept(press, authority, tmp_path):
    post = poster(timedelta(seconds=60))
    asker = Witnessing(press.public, [], post, stamper(f"http://127.0.0.1:{authority.server_port}/tsr", post))
    press.add(20)
    signed = asyncio.run(asker.ask(press.publish(), press.now))
    kept = press.public.newest()
    assert kept == signed
    text, token = tmp_path / "checkpoint.txt", tmp_path / "token.tsr"
    text.write_text(kept.note.text, "utf-8")
    token.write_bytes(kept.token)
    verify = ("ts", "-verify", "-data", text, "-in", token, "-CAfile", authority.folder / "tsa.pem")
    assert b"OK" in openssl(*verify)
    text.write_text(kept.note.text.replace("20", "21"), "utf-8")
    with pytest.raises(AssertionError, match="message imprint mismatch"):
        openssl(*verify)
    authority.other = authority.was
    press.add(20)
    press.later()
    assert asyncio.run(asker.ask(press.publish(), press.now)).token is None, "it stamped something else"
    authority.other = b""
    press.now += AGAIN_MS
    assert asyncio.run(asker.ask(press.publish(), press.now)).token, "it is asked again"
