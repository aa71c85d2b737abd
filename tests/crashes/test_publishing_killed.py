"""A process that publishes the log is killed at any instant: what it signed is of the log that is there."""

import subprocess
import sys
import time
from base64 import b64encode
from random import Random

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.domain.log.checkpoint import PrivateKey
from consent_engine.domain.log.merkle import Tree, leaf_hash, published
from tests.archive.press import NAME, Press
from tests.tiers import DEEP
from tests.waiting import HANGS_S
from tests.written_out import empty_at

KILLS = DEEP or 8


def killed(folder, key, drawn):
    """Publish until some checkpoints are signed, and kill the process a moment after; return what it signed."""
    command = [sys.executable, "-m", "tests.crashes.publishing", str(folder), str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        signed = [process.stdout.readline() for _ in range(drawn.randrange(1, 5))]
        time.sleep(drawn.random() * 0.05)  # where it is killed, and nothing that is waited for
        process.kill()
        rest = process.communicate(timeout=HANGS_S)[0]
    return [each.split() for each in [*signed, *rest.splitlines()] if len(each.split()) == 3]


def test_whenever_the_process_is_killed_one_history_was_signed_and_the_files_are_whole(tmp_path):
    empty_at(tmp_path)
    drawn, signed = Random(36), []  # noqa: S311 - where to kill
    archive = SqlArchive(f"sqlite:///{tmp_path}/archive.sqlite3")
    press = Press(archive, tmp_path / "log")
    key = PrivateKey.made(NAME)
    press.key.key = key.key
    for _ in range(KILLS):
        signed += killed(tmp_path, key, drawn)
        press.kept()
        archive.close()
    entries = [leaf_hash(published(entry)) for _, entry, _ in press.log.entries(0, 10**6)]
    roots, tree = {}, Tree()
    for leaf in entries:
        tree.add(leaf)
        roots[tree.size] = tree.root
    assert len(signed) >= KILLS
    assert [text for text in signed if b64encode(roots[int(text[1])]).decode() != text[2]] == []
    archive.close()
