"""An archive belongs to one installation, and says so: two on one would mix, and delete each other's orders."""

import subprocess
import sys
import threading

import pytest
from sqlalchemy import text

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.domain.effects import Lane
from consent_engine.engine.sealing import seal
from consent_engine.errors import ArchiveUnavailable, NotOurArchive
from tests.acceptance.house import HOME
from tests.archive.house import LONG, SHORT, Town
from tests.conftest import OTHER
from tests.memory import a_store

BEFORE_ARCHIVES = ("1", "2")
"""The schemas of data that a program without archives reads; it starts on no others."""


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
    """Make the archive one of a release that did not record its installation."""
    with archive._engine.begin() as connection:  # noqa: SLF001 - that release did this, no caller can
        connection.execute(text("DELETE FROM archive_meta WHERE name = 'installation'"))


def test_two_installations_on_one_archive_are_refused(town, second):
    order, theirs = town.settled(), second.settled(msisdn=OTHER)
    town.move()
    second.run(Lane.TIMER)
    assert second.live([theirs.id]), "it waits: nothing of one is written among the other's"
    waits = second.client.llen(second.cell.journal)
    for asked in (
        lambda: second.engine.show(order.id), second.engine.archive.expire, lambda: seal(second.engine.store, "one"),
    ):  # fmt: skip
        with pytest.raises(NotOurArchive, match="another installation"):
            asked()
    assert town.archive.check() == 1
    assert second.client.llen(second.cell.journal) == waits > 0
    assert not second.client.hget("ce:meta", "archive"), "they are bound to none: another one may be named"
    assert town.engine.show(order.id).head == order.head


def test_an_archive_that_was_given_to_others_takes_nothing_from_who_had_it_and_runs_on(town, second):
    first = town.archived()
    town.clock.now -= LONG * 3_600_000
    kept = town.settled(msisdn=OTHER)
    second.engine.archive.adopt(town.engine.store.retirement.installation())
    town.move()
    assert town.live([kept.id])
    with pytest.raises(ArchiveUnavailable, match="meanwhile"):
        town.engine.archive.expire()
    assert second.engine.show(first.id).head == first.head


def test_it_is_taken_over_only_from_the_installation_that_is_named(town, second):
    town.archived()
    for named in ("", "somebody-else"):
        with pytest.raises(NotOurArchive, match="--adopt --from " + town.engine.store.retirement.installation()):
            second.engine.archive.adopt(named)
    assert town.archive.owner() == town.engine.store.retirement.installation()


def test_an_archive_of_a_release_that_told_nobody_goes_to_the_data_that_name_it(town, second):
    order = town.archived()
    nobodys(town.archive)
    with pytest.raises(NotOurArchive, match="of an earlier release"):
        second.engine.show(order.id)
    town.engine = town.another()
    assert town.engine.show(order.id).head == order.head
    assert town.archive.owner() == town.engine.store.retirement.installation()


def test_of_two_that_find_a_new_archive_at_once_one_has_it(town, tmp_path):
    nobodys(town.archive)
    answers, ready = [], threading.Barrier(4)

    def found(name):
        archive = SqlArchive(address(town.archive), SHORT)
        ready.wait(10)
        answers.append(archive.claim(name, known=False))
        archive.close()

    threads = [threading.Thread(target=found, args=(f"n{n}",)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert len(answers) == 4
    assert len(set(answers)) == 1


@pytest.mark.parametrize("schema", BEFORE_ARCHIVES)
def test_data_that_are_bound_to_an_archive_are_refused_by_a_program_from_before_there_was_one(town, schema):
    """Such a program would find no archived order, and place each repeat anew."""
    town.client.hset("ce:meta", "schema", schema)
    town.client.hdel("ce:meta", "archive")
    order = town.settled()
    town.engine = town.another()
    town.move()
    assert not town.live([order.id])
    assert town.client.hget("ce:meta", "schema") not in BEFORE_ARCHIVES


def test_what_a_later_release_has_marked_stays_marked_by_it(town):
    town.client.hset("ce:meta", "schema", "4")
    town.client.hdel("ce:meta", "archive")
    town.archived()
    assert town.client.hget("ce:meta", "schema") == "4"


def test_an_installation_whose_archive_is_anothers_does_not_start(real, redis_server, tmp_path):
    """Its data on Redis may have been lost: started anew, it would have forgotten every refusal."""
    real.archived()
    environ = {
        "CONSENT_REDIS_URL": redis_server.url, "CONSENT_SECRET": "test-secret", "CONSENT_DURABILITY": "everysec",
        "CONSENT_READING_SPEED": "1000000",
        "CONSENT_DATA_DIR": str(tmp_path), "CONSENT_GATEWAY": "simulated", "CONSENT_BSS": "simulated",
        "CONSENT_ARCHIVE_URL": address(real.archive), "PATH": "/usr/bin:/bin", "PYTHONPATH": HOME,
    }  # fmt: skip
    command = [sys.executable, "-m", "workers"]
    real.client.flushdb()
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "belongs to another installation" in done.stderr
    assert "Have the data on Redis been lost, restore them" in done.stderr
