"""An archive belongs to one installation, and says so: two on one would mix, and delete each other's orders."""

import subprocess
import sys
import threading

import pytest
from sqlalchemy import text

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.config.settings import Settings
from consent_engine.domain.effects import Lane
from consent_engine.engine.scribe import write_out
from consent_engine.errors import NotOurArchive, SettingsError
from consent_engine.wiring import installation
from tests.acceptance.house import HOME
from tests.archive.house import SHORT, Town
from tests.conftest import OTHER
from tests.memory import a_store
from tests.waiting import HANGS_S


@pytest.fixture
def second(town):
    """Another installation, with data of its own, on the same archive."""
    there = SqlArchive(address(town.archive), SHORT)
    made = Town(a_store(), there, clock=town.clock)
    yield made
    made.runner.close()
    there.close()


def address(archive):
    return archive._engine.url.render_as_string(hide_password=False)  # noqa: SLF001 - no caller needs it


def nobodys(archive):
    """Make the archive a new one, that nobody has claimed."""
    with archive._engine.begin() as connection:  # noqa: SLF001 - no caller needs it
        connection.execute(text("DELETE FROM archive_meta WHERE name = 'installation'"))


def test_two_installations_on_one_archive_are_refused(town, second):
    order, theirs = town.settled(), second.settled(msisdn=OTHER)
    town.move()
    second.run(Lane.TIMER)
    assert second.live([theirs.id]), "it waits: nothing of one is written among the other's"
    waits = second.client.llen(second.cell.journal)
    for asked in (lambda: second.engine.show(order.id), lambda: write_out(second.engine.store, "one")):
        with pytest.raises(NotOurArchive, match="another installation"):
            asked()
    assert town.archive.check() == 1
    assert second.client.llen(second.cell.journal) == waits > 0
    assert not second.client.hget("ce:meta", "archive"), "they are bound to none: another one may be named"
    assert town.engine.show(order.id).head == order.head


def test_of_two_that_find_a_new_archive_at_once_one_has_it(town, tmp_path):
    nobodys(town.archive)
    answers, ready = [], threading.Barrier(4)

    def found(name):
        archive = SqlArchive(address(town.archive), SHORT)
        ready.wait(HANGS_S)
        answers.append(archive.claim(name))
        archive.close()

    threads = [threading.Thread(target=found, args=(f"n{n}",)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(HANGS_S)
    assert len(answers) == 4
    assert len(set(answers)) == 1


@pytest.fixture
def environ(real, redis_server, tmp_path):
    """The settings of the installation on this server and this archive, which is its own."""
    real.archived()
    return {
        "CONSENT_REDIS_URL": redis_server.url, "CONSENT_SECRET": "test-secret", "CONSENT_DURABILITY": "everysec",
        "CONSENT_READING_SPEED": "1000000",
        "CONSENT_DATA_DIR": str(tmp_path), "CONSENT_GATEWAY": "simulated", "CONSENT_BSS": "simulated",
        "CONSENT_ARCHIVE_URL": address(real.archive), "PATH": "/usr/bin:/bin", "PYTHONPATH": HOME,
    }  # fmt: skip


def test_data_that_stand_beside_another_installations_archive_are_not_opened(real, environ):
    with installation(Settings.load(environ, env_file=None)):
        pass
    with real.archive._engine.begin() as connection:  # noqa: SLF001 - no caller needs it
        connection.execute(text("UPDATE archive_meta SET value = 'another' WHERE name = 'installation'"))
    opening = installation(Settings.load(environ, env_file=None))
    with pytest.raises(SettingsError, match="CONSENT_ARCHIVE_URL: this archive belongs to another"), opening:
        pass


def test_an_installation_that_lost_its_data_does_not_start(real, environ, tmp_path):
    """Started anew, it would have forgotten every refusal."""
    command = [sys.executable, "-m", "workers"]
    real.client.flushdb()
    done = subprocess.run(
        command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_S, check=False
    )
    assert done.returncode != 0
    assert "belongs to another installation" in done.stderr
    assert "Have the data on Redis been lost: consent rebuild" in done.stderr
    assert real.client.keys("*") == [], "an engine that was started by mistake leaves nothing"
