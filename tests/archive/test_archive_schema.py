"""The archive's schema grows by steps: each once, whole, whichever process is first; older ones are read meanwhile."""

import threading

import pytest
from sqlalchemy import inspect, select, text

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.schema import NOW, Schema, Step
from consent_engine.adapters.sql.tables import META
from consent_engine.errors import ArchiveUnavailable
from tests.archive.house import SHORT


@pytest.fixture
def archive(archive):
    """The archive as it was before the test: its changes are undone."""
    yield archive
    with archive._engine.begin() as connection:  # noqa: SLF001 - as an administrator would
        connection.execute(text("UPDATE archive_meta SET value = '1' WHERE name = 'schema'"))
        connection.execute(text("DROP TABLE IF EXISTS of_two"))


def later(archive, schema, timeout_s=5):
    return SqlArchive(archive._engine.url.render_as_string(hide_password=False), SHORT, timeout_s, schema)  # noqa: SLF001


def number(archive):
    with archive.asking() as connection:
        return connection.execute(select(META.c.value).where(META.c.name == "schema")).scalar_one()


def two(connection):
    connection.execute(text("CREATE TABLE of_two (n INTEGER)"))


def three(connection):
    connection.execute(text("INSERT INTO of_two VALUES (3)"))


GROWN = Schema("3", {"1": Step("2", two), "2": Step("3", three)})


def test_an_archive_grows_by_every_step_once_whoever_comes_at_the_same_time(town, archive):
    order = town.archived()
    ready, answers = threading.Barrier(4), []

    def comes():
        made = later(archive, GROWN)
        ready.wait(10)
        answers.append((made.id(), made.orders([order.id])[order.id].head))
        made.close()

    threads = [threading.Thread(target=comes) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert answers == [(archive.id(), order.head)] * 4
    assert number(archive) == "3"
    with archive.asking() as connection:
        assert connection.execute(text("SELECT n FROM of_two")).scalars().all() == [3]


def test_a_step_that_fails_changes_nothing_and_is_taken_again(archive):
    def breaks(connection):
        three(connection)
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    made = later(archive, Schema("3", {**GROWN.steps, "2": Step("3", breaks)}))
    with pytest.raises(ArchiveUnavailable):
        made.id()
    made.close()
    assert number(archive) == "1"
    with archive.asking() as connection:
        assert not inspect(connection).has_table("of_two")
    made = later(archive, GROWN)
    assert made.id() == archive.id()
    made.close()
    assert number(archive) == "3"


def test_a_release_that_is_older_than_the_archive_leaves_it_alone(archive):
    made = later(archive, GROWN)
    made.id()
    made.close()
    old = later(archive, NOW)
    with pytest.raises(ArchiveUnavailable, match="the archive has schema 3, this release knows 1"):
        old.id()
    old.close()
    assert number(archive) == "3"


def test_the_oldest_archive_of_the_time_before_calls_and_log_grows_with_its_orders(town, archive):
    """An archive from when only orders were archived: the tables that came later are made beside the step."""
    order = town.archived()
    with archive._engine.begin() as connection:  # noqa: SLF001
        for name in ("archived_calls", "archived_unheard", "log"):
            connection.execute(text(f"DROP TABLE {name}"))
        connection.execute(text("DELETE FROM archive_meta WHERE name = 'log'"))
    made = later(archive, GROWN)
    assert made.orders([order.id])[order.id].head == order.head
    assert made.calls.of_line(order.line, 10) == []
    assert SqlLog(made).size() == 0
    assert number(made) == "3"
    made.close()


def test_every_schema_that_was_ever_written_leads_to_todays():
    assert {str(n) for n in range(1, int(NOW.number))} == set(NOW.steps)
