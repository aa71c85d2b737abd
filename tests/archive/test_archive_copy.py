"""An SQLite archive moves into a PostgreSQL: nothing is lost or doubled, wherever it dies; it stays the data's own."""

import itertools
import json
import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import delete, insert, select, text, update

from consent_engine import cli
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.copy_archive import AWAY, COPIED, ArchiveCopy
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.tables import META, OFFERS, ORDERS
from consent_engine.domain.msisdn import parse
from consent_engine.engine.audit import audit
from consent_engine.engine.sealing import seal
from consent_engine.errors import ArchiveGone, ArchiveUnavailable, NotOurArchive, SettingsError
from tests.archive.house import SHORT, Town, everywhere
from tests.integration.rq_house import ROOT
from tests.memory import a_store

MANY = 1_300
"""A number of orders that needs more than one piece."""


def done_to(archive, *statements):
    with archive._engine.begin() as connection:  # noqa: SLF001 - as an administrator would
        for each in statements:
            connection.execute(text(each) if isinstance(each, str) else each)


@pytest.fixture
def target(postgres_url):
    made = SqlArchive(postgres_url, SHORT)
    made.check()
    done_to(made, *map(delete, [*COPIED, META]))
    made.close()
    made = SqlArchive(postgres_url, SHORT)
    yield made
    made.close()


@pytest.fixture
def town(tmp_path):
    archive = SqlArchive(f"sqlite:///{tmp_path}/archive.sqlite3", SHORT)
    made = Town(a_store(), archive)
    yield made
    made.runner.close()
    archive.close()


def test_a_file_that_is_not_there_is_not_copied_as_an_empty_archive(town, tmp_path):
    """Its volume is not mounted: the copy would be empty, and every archived order missing from it."""
    source = SqlArchive(f"sqlite:///{tmp_path}/volume/archive.sqlite3", SHORT)
    with pytest.raises(ArchiveGone, match="is its volume mounted"):
        ArchiveCopy(source, town.archive, print).run()
    assert not (tmp_path / "volume").exists()
    source.close()


def rows(archive):
    with archive.asking() as connection:
        return {table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
                for table in COPIED}  # fmt: skip


def lived_in(town, how_many=4):
    orders = [town.settled(msisdn=parse(f"1380013{n:04}")) for n in range(how_many)]
    seal(town.engine.store, "one")
    town.move()
    seal(town.engine.store, "one")
    return orders


def filled(archive, how_many):
    """Add many rows, as if there were so many orders."""
    with archive._engine.begin() as connection:  # noqa: SLF001
        one = dict(connection.execute(select(ORDERS).limit(1)).mappings().one())
        connection.execute(insert(ORDERS), [{**one, "id": f"{n:028x}"} for n in range(how_many)])


def silent(_):
    """Report nothing."""


def continued(town, archive):
    """The town's engine, on the archive in its new place."""
    made = Town(town.client, archive, clock=town.clock)
    made.keys = town.keys
    return made


def test_everything_is_there_once_and_it_is_the_datas_own_archive(town, target, postgres_url):
    orders = lived_in(town)
    was, owner, named = rows(town.archive), town.archive.owner(), town.archive.id()
    found = ArchiveCopy(town.archive, target, silent).run()
    assert {name: each.rows for name, each in found.items()} == {name: len(each) for name, each in was.items()}
    assert found["log"].rows > 4
    there = SqlArchive(postgres_url, SHORT)
    assert (there.id(), there.owner(), SqlLog(there).size()) == (named, owner, found["log"].rows)
    assert rows(there) == was
    after = continued(town, there)
    everywhere(after, orders)
    assert not audit(after.engine.store, 0, (0, 2**62)).wrong
    more = after.archived(msisdn=parse("13800139999"))
    everywhere(after, [*orders, more])
    after.runner.close()
    with pytest.raises(SettingsError, match="has all of it already"):
        ArchiveCopy(town.archive, there, silent).run()
    there.close()


def test_a_copy_that_the_file_has_gone_on_from_is_neither_the_datas_archive_nor_called_whole(
    town, target, postgres_url
):
    lived_in(town, 1)
    ArchiveCopy(town.archive, target, silent).run()
    town.engine.archive.adopt(instead_of=AWAY)
    more = town.archived(msisdn=parse("13800139999"))
    there = SqlArchive(postgres_url, SHORT)
    with pytest.raises(SettingsError, match="give an empty database"):
        ArchiveCopy(town.archive, there, silent).run()
    after = continued(town, there)
    with pytest.raises(NotOurArchive, match="another archive"):
        after.engine.show(more.id)
    after.runner.close()
    there.close()
    assert town.another().show(more.id).person


def test_nobody_writes_to_the_file_that_was_copied_and_it_can_be_had_back(town, target):
    lived_in(town, 1)
    waits = town.settled(msisdn=parse("13800138888"))
    ArchiveCopy(town.archive, target, silent).run()
    town.move()
    assert town.live([waits.id]), "it waits for whoever is told where the archive is"
    with pytest.raises(NotOurArchive, match=AWAY):
        town.another().show(waits.id[::-1])
    town.another().archive.adopt(AWAY)
    town.engine = town.another()
    town.move(hours=1)
    assert not town.live([waits.id])


def erased(order):
    return update(ORDERS).where(ORDERS.c.id == order.id).values(person=None)


def test_what_changes_while_it_is_copied_is_there_at_the_end_and_who_was_erased_stays_erased(
    town, target, postgres_url
):
    orders = lived_in(town)
    told = []

    def meanwhile(what):
        told.append(what)
        if what.startswith("archived_orders") and len(told) == 2:
            done_to(town.archive, erased(orders[0]), delete(ORDERS).where(ORDERS.c.id == orders[1].id))
            orders.append(town.archived(msisdn=parse("13800137777")))
            done_to(target, erased(orders[2]))

    ArchiveCopy(town.archive, target, meanwhile).run()
    there = SqlArchive(postgres_url, SHORT)
    with there.asking() as connection:
        persons = dict(iter(connection.execute(select(ORDERS.c.id, ORDERS.c.person))))
    assert set(persons) == {order.id for order in orders} - {orders[1].id}
    assert [persons[orders[n].id] is None for n in (0, 2, 3, 4)] == [True, True, False, False]
    there.close()


def test_a_target_that_holds_anything_else_is_refused_and_left_as_it_is(town, target):
    lived_in(town, 1)
    done_to(target, "INSERT INTO archived_offers VALUES ('x', 'theirs')")
    with pytest.raises(SettingsError, match="--to is not empty"):
        ArchiveCopy(town.archive, target, silent).run()
    assert town.archive.owner() != AWAY
    assert rows(target)["archived_offers"] == [("x", "theirs")]


def test_somebody_who_writes_to_the_target_all_the_time_keeps_it_shut(town, target):
    lived_in(town, 1)
    n = itertools.count()

    def writes(what):
        if what.startswith("archived_offers"):
            done_to(target, insert(OFFERS).values(hash=str(next(n)), content=""))

    with pytest.raises(ArchiveUnavailable, match="never the same"):
        ArchiveCopy(town.archive, target, writes).run()
    assert target.owner() == ""


def dying(town, postgres_url, at):
    """Run the copy in a process that is killed at its nth message; return whether it was."""
    code = (
        "import os, signal, sys\n"
        "from consent_engine.adapters.sql.archive import SqlArchive\n"
        "from consent_engine.adapters.sql.copy_archive import ArchiveCopy\n"
        "left = [int(sys.argv[3])]\n"
        "def told(what):\n"
        "    left[0] -= 1\n"
        "    left[0] or os.kill(os.getpid(), signal.SIGKILL)\n"
        "ArchiveCopy(SqlArchive(sys.argv[1]), SqlArchive(sys.argv[2]), told).run()\n"
    )
    source = town.archive._engine.url.render_as_string(hide_password=False)  # noqa: SLF001
    command = [sys.executable, "-c", code, source, postgres_url, str(at)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60, check=False)
    return done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("at", [3, 9, 12])
def test_killed_in_the_middle_the_same_command_goes_on_and_nothing_is_doubled(town, target, postgres_url, at):
    """In the first pass, in the second, and when that found both sides equal."""
    lived_in(town)
    filled(town.archive, MANY)
    was = rows(town.archive)
    assert dying(town, postgres_url, at)
    middle = SqlArchive(postgres_url, SHORT)
    assert middle.id() != town.archive.id(), "no engine takes it for its own"
    middle.close()
    ArchiveCopy(town.archive, target, silent).run()
    there = SqlArchive(postgres_url, SHORT)
    assert there.id() == town.archive.id()
    assert rows(there) == was
    there.close()


def test_the_command_says_what_is_there_and_what_to_do_next(town, target, postgres_url, tmp_path, monkeypatch, capsys):
    lived_in(town)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONSENT_DATA_DIR", str(tmp_path))
    assert cli.run(["archive", "copy", "--to", "sqlite:///other"]) == 2
    assert "an address like postgresql://" in capsys.readouterr().err
    assert cli.run(["--json", "archive", "copy", "--to", postgres_url]) == 0
    told = capsys.readouterr()
    assert {row["table"]: row["rows"] for row in json.loads(told.out)}["archived_orders"] == 4
    assert "set CONSENT_ARCHIVE_URL to --to" in told.err
    monkeypatch.setenv("CONSENT_ARCHIVE_URL", postgres_url)
    assert cli.run(["archive", "copy", "--to", postgres_url]) == 2
