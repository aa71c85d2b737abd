"""Backups of towns on real servers, and the process that makes or restores one, killed at its steps."""

import itertools
import json
import os
import signal
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.backup.back_up import back_up
from consent_engine.backup.put_back import put_back
from consent_engine.config.settings import Settings
from tests.archive.house import SHORT, Town
from tests.conftest import Clock

SECRET = "test-secret"
POINTS = {"os.rename", "shutil.rmtree", "shutil.copyfile", "os.mkdir", "sqlite3.connect"}
"""Python's audit events of changes to files."""


def settings(folder, url=None, **more):
    """The settings of an installation with this data folder, on a Redis of its own or on the embedded server."""
    named = {"CONSENT_DATA_DIR": str(folder), "CONSENT_SECRET": SECRET, "CONSENT_DURABILITY": "everysec", **more}
    if url is not None:
        named |= {"CONSENT_REDIS_URL": url, "CONSENT_GATEWAY": "simulated", "CONSENT_BSS": "simulated"}
    return Settings.load({name: value for name, value in named.items() if value}, None)


@contextmanager
def town_on(url, folder):
    """A town on a real server, its archive in the folder."""
    client, archive = connect(url), SqlArchive(f"sqlite:///{folder}/archive.sqlite3", SHORT)
    made = Town(client, archive, clock=Clock(int(time.time() * 1000)))
    made.engine.registry.check(SECRET, strict=False, cells=1)
    try:
        yield made
    finally:
        made.runner.close()
        archive.close()
        client.close()


@contextmanager
def server_in(folder, binary=None):
    with EmbeddedServer.start(folder, "everysec", binary=binary) as running:
        yield running


def silent(_):
    """Report nothing."""


def _die_at(n):
    count = [0]

    def hook(event, _):
        if event in POINTS:
            count[0] += 1
            if count[0] == n:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _child(n, task):
    """Run a task in a process of its own that is killed at its nth step; return whether it lived."""
    pid = os.fork()
    if pid == 0:
        try:
            _die_at(n)
            task()
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - reported below
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("a try that was not killed failed")
    return os.WIFEXITED(status)


def die_everywhere(data, folder):
    """Make a backup and restore one, each killed at its steps, then done again. Prints how many steps each had."""
    os.chdir(folder)
    died = {"backup": 0, "restore": 0}
    kept = folder / "b"
    for n in itertools.count(1, 2):
        kept = folder / f"b{n}"
        if _child(n, partial(back_up, settings(data), None, kept, silent)):
            break
        died["backup"] += 1
        if not kept.exists():
            back_up(settings(data), None, kept, silent)
    for n in itertools.count(1):
        to = folder / f"d{n}"
        if _child(n, partial(put_back, settings(to), kept, silent)):
            break
        died["restore"] += 1
        assert not (to / "appendonlydir").exists(), "no engine starts on half of it"
        put_back(settings(to), kept, silent)
    print(json.dumps(died))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    die_everywhere(Path(sys.argv[1]), Path(sys.argv[2]))
