"""The archive's database is read-only, full, locked, frozen, restarted, replaced: orders wait, and none is given up."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, inspect, text

from benchmarks import postgres
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.connections import DOWN_S, MOST_DOWN_S, TIMEOUT_S, Pause
from consent_engine.adapters.sql.queries import SqlCallQueries, SqlOrderQueries, SqlQueries
from consent_engine.adapters.sql.tables import SCHEMA, TABLES
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import Delivery, DeliveryReport
from consent_engine.errors import ArchiveGone, ArchiveUnavailable
from consent_engine.ports import Only, Owner
from consent_engine.ports.queries import ANY, CallFilter, OrderFilter
from tests import needs
from tests.archive.house import DAY, LONG, SEAL, SHORT, Town, emptied, everywhere, gone
from tests.conftest import Clock
from tests.memory import a_store
from tests.waiting import HANGS_S

SOME = [parse(f"1380013{n:04}") for n in range(8)]


@pytest.fixture
def alone():
    """A PostgreSQL that no other test uses: it may be ended and frozen."""
    with needs.postgres() as running:
        yield running
        ctl(running, "stop")


def ctl(server, word):
    command = [postgres.program("pg_ctl"), "-D", str(server.folder / "data"), "-m", "immediate", "-w", word]
    subprocess.run(
        command, cwd=server.folder, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        **postgres.as_postgres(server.folder),
    )  # fmt: skip


@contextmanager
def town_on(url, timeout_s=TIMEOUT_S):
    archive = SqlArchive(url, SHORT, timeout_s)
    town = Town(a_store(), archive)
    try:
        yield town
    finally:
        town.runner.close()
        archive.close()


def done_to(archive, *statements):
    """Run statements of another user of the database."""
    with archive._engine.begin() as connection:  # noqa: SLF001 - as an administrator would
        for each in statements:
            connection.execute(text(each))


def wait_and_then_move(town, orders, mend):
    """Assert that settled orders wait without becoming stuck, and move once the database is mended."""
    town.clock.forward(hours=LONG)
    town.run(Lane.TIMER)
    assert len(town.live([order.id for order in orders])) == len(orders)
    assert town.engine.stuck() == []
    mend()
    town.archive.check()
    town.move(hours=1)
    assert not town.live([order.id for order in orders])
    everywhere(town, orders)


def test_a_database_that_takes_no_writes_is_waited_for(town):
    """A PostgreSQL is so after a failover to a replica, a file system after an error."""
    orders = [town.settled(msisdn=number) for number in SOME[:3]]
    town.archive.check()
    read_only = {True}
    lite = town.archive._engine.dialect.name == "sqlite"  # noqa: SLF001

    @event.listens_for(town.archive._engine, "checkout")  # noqa: SLF001
    def replica(connection, *_):
        if lite:
            connection.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
        else:
            connection.read_only = bool(read_only)

    wait_and_then_move(town, orders, read_only.clear)


def test_who_starts_while_the_database_takes_no_writes_reads_what_is_there(town):
    order = town.archived()
    late = SqlArchive(town.archive._engine.url.render_as_string(hide_password=False), SHORT)  # noqa: SLF001
    late.seal = SEAL
    lite = late._engine.dialect.name == "sqlite"  # noqa: SLF001

    @event.listens_for(late._engine, "checkout")  # noqa: SLF001
    def replica(connection, *_):
        if lite:
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.read_only = True

    assert gone(late, Order, order.id)[order.id].head == order.head
    late.close()


def test_a_database_that_lost_its_tables_is_waited_for(town):
    orders = [town.settled(msisdn=number) for number in SOME[:3]]
    town.archive.check()
    done_to(town.archive, "ALTER TABLE orders RENAME TO elsewhere")
    wait_and_then_move(town, orders, lambda: done_to(town.archive, "ALTER TABLE elsewhere RENAME TO orders"))


def test_a_full_disk_is_waited_for_and_nothing_is_half_written(small):
    orders = [small.settled(msisdn=number) for number in SOME]
    small.archive.check()
    full = {True}

    @event.listens_for(small.archive._engine, "checkout")  # noqa: SLF001
    def bounded(connection, *_):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages if full else 100_000}")

    wait_and_then_move(small, orders, full.clear)


def test_a_database_that_somebody_locked_is_waited_for_in_a_bounded_time(url):
    with town_on(url, timeout_s=1) as town:
        emptied(town.archive)
        orders = [town.settled(msisdn=number) for number in SOME[:3]]
        at = town.archive._engine.url  # noqa: SLF001
        if url.startswith("sqlite"):
            other = sqlite3.connect(at.database)
            other.execute("BEGIN EXCLUSIVE")
        else:
            other = psycopg.connect(f"host={at.query['host']} user=postgres dbname=postgres")
            other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")

        def let_go():
            other.rollback()
            other.close()

        wait_and_then_move(town, orders, let_go)


def test_a_postgres_that_is_frozen_keeps_nobody_for_ever(alone):
    archive = SqlArchive(alone.url, SHORT, timeout_s=1)
    archive.check()
    children = Path(f"/proc/{alone.pid}/task/{alone.pid}/children").read_text().split()
    stopped = [alone.pid, *map(int, children)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ArchiveUnavailable):
            archive.versions(["0" * 28])
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert archive.check() == 0
    archive.close()


def test_a_postgres_that_restarts_in_the_middle_of_a_move_costs_nothing(alone):
    with town_on(alone.url) as town:
        orders = [town.settled(msisdn=parse(f"1380013{n:04}")) for n in range(60)]
        town.clock.forward(hours=LONG)
        town.archive.check()
        let_go, turns = town.archive.let_go_in, []

        def restarted(connection, heads):
            turns.append(len(heads))
            if len(turns) < 3:  # before anything is written, and before it is committed
                done = let_go(connection, heads) if len(turns) == 2 else None
                ctl(alone, "restart")
                if done is not None:
                    return done
            return let_go(connection, heads)

        for _ in range(4):
            everywhere(town, orders)
            town.archive.let_go_in = restarted
            town.move(hours=1)
            town.archive.let_go_in = let_go
            town.archive.check()
        assert turns[:3] == [60] * 3
        everywhere(town, orders)
        assert not town.live([order.id for order in orders])
        assert town.engine.stuck() == []


def test_an_archive_that_was_put_in_the_place_of_another_is_not_used(small, tmp_path):
    """The file was removed, or another one restored, while processes run."""
    first = small.archived()
    second = small.settled(msisdn=SOME[1])
    for path in tmp_path.glob("archive.sqlite3*"):
        path.rename(tmp_path / f"kept-{path.name}")
    other = SqlArchive(f"sqlite:///{tmp_path}/archive.sqlite3", SHORT)
    assert other.check() == 0
    small.move()
    assert small.live([second.id]), "what is written into a file that is not there would be nowhere"
    with pytest.raises(ArchiveUnavailable, match="another archive"):
        small.engine.show(first.id)
    assert other.check() == 0
    other.close()
    for path in tmp_path.glob("archive.sqlite3*"):
        path.unlink()
    for path in tmp_path.glob("kept-*"):
        path.rename(tmp_path / path.name.removeprefix("kept-"))
    small.move(hours=1)
    everywhere(small, [first, second])


def test_an_archive_whose_volume_is_not_mounted_is_not_made_anew_and_goes_on_when_it_is_back(tmp_path):
    folder, away = tmp_path / "volume", tmp_path / "away"
    with town_on(f"sqlite:///{folder}/archive.sqlite3") as town:
        first, second = town.archived(), town.settled(msisdn=SOME[1])
        folder.rename(away)
        town.move()
        with pytest.raises(ArchiveGone, match="is its volume mounted"):
            town.engine.show(first.id)
        assert town.live([second.id])
        assert not folder.exists(), "a folder of that name would hide that the volume is away"
        late = SqlArchive(f"sqlite:///{folder}/archive.sqlite3", SHORT)
        with pytest.raises(ArchiveGone):  # a process that starts meanwhile
            replace(town.engine.store, archive=late, _bound=False).bound_archive()
        away.rename(folder)
        town.move(hours=1)
        everywhere(town, [first, second])
        late.close()


def test_a_worker_whose_first_look_at_the_archive_is_a_move_makes_none_either(tmp_path):
    folder, away = tmp_path / "volume", tmp_path / "away"
    url = f"sqlite:///{folder}/archive.sqlite3"
    with town_on(url) as town:
        first, second = town.archived(), town.settled(msisdn=SOME[1])
        folder.rename(away)
        town.archive = late = SqlArchive(url, SHORT)  # of a process that starts meanwhile
        late.seal = SEAL
        town.engine = town.another()
        town.move()
        assert not folder.exists()
        away.rename(folder)
        town.move(hours=1)
        everywhere(town, [first, second])
        late.close()


@contextmanager
def emptied_by_somebody(archive, folder):
    """The database is there, and nothing is in it: made anew for a dump that is still to be restored."""
    if archive._engine.dialect.name == "postgresql":  # noqa: SLF001
        done_to(archive, "ALTER SCHEMA public RENAME TO away", "CREATE SCHEMA public")
        yield
        done_to(archive, "DROP SCHEMA public", "ALTER SCHEMA away RENAME TO public")
        return
    archive.close()
    files = [each.rename(each.with_name(f"kept-{each.name}")) for each in folder.glob("archive.sqlite3*")]
    (folder / "archive.sqlite3").touch(mode=0o600)
    yield
    for each in folder.glob("archive.sqlite3*"):
        each.unlink()
    for each in files:
        each.rename(folder / each.name.removeprefix("kept-"))


def test_an_archive_that_somebody_emptied_is_not_made_anew_and_goes_on_when_it_is_back(town, url, tmp_path):
    order = town.archived()
    with emptied_by_somebody(town.archive, tmp_path):
        late = SqlArchive(url, SHORT)
        with pytest.raises(ArchiveGone, match="restore"):  # a process that starts meanwhile
            replace(town.engine.store, archive=late, _bound=False).bound_archive()
        with late._engine.begin() as connection:  # noqa: SLF001
            assert inspect(connection).get_table_names() == [], "they would be in the way of the dump"
        late.close()
    late = SqlArchive(url, SHORT)
    late.seal = SEAL
    assert gone(late, Order, order.id)[order.id].head == order.head
    late.close()


@pytest.mark.parametrize("kept", [str(int(SCHEMA) - 1), str(int(SCHEMA) + 1)])
def test_an_archive_of_another_format_is_left_alone(town, kept):
    order = town.archived()
    done_to(town.archive, f"UPDATE archive_meta SET value = '{kept}' WHERE name = 'schema'")  # noqa: S608
    later = SqlArchive(town.archive._engine.url.render_as_string(hide_password=False), SHORT)  # noqa: SLF001
    try:
        for _ in range(2):
            with pytest.raises(ArchiveUnavailable, match=f"has schema {kept}, this release reads {SCHEMA}"):
                gone(later, Order, order.id)
    finally:
        later.close()
        done_to(town.archive, f"UPDATE archive_meta SET value = '{SCHEMA}' WHERE name = 'schema'")  # noqa: S608


def test_a_report_whose_ref_no_database_can_compare_does_not_sink_its_batch(town):
    order = town.archived()
    refs = ("\0.notification.1", "\udcff.notification.1", f"{order.id}.notification.1", "是.x.1", "x" * 10_000)
    reports = [DeliveryReport("test", ref, f"d{n}", Delivery.DELIVERED) for n, ref in enumerate(refs)]
    assert all(stored.is_new for stored in town.engine.receive(reports))
    assert town.client.xlen("ce:{0}:unmatched") == len(refs) - 1, "the order is there"


def test_a_look_at_a_large_archive_counts_only_so_many(town):
    for number in SOME[:4]:
        town.settled(msisdn=number)
    town.move()
    assert town.archive.check(most=3) == 3


def test_what_was_erased_is_never_looked_at_again_by_who_erases(small):
    for number in SOME[:4]:
        small.settled(msisdn=number, answer="不同意")
    small.move()
    said = []

    @event.listens_for(small.archive._engine, "before_cursor_execute")  # noqa: SLF001
    def noted(connection, cursor, statement, parameters, *_):
        if statement.startswith("UPDATE"):
            said.extend(row[-1] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    assert small.archive.expire(small.clock.now + 15 * DAY, 100).persons == 4
    assert [step for step in said if "orders_persons" in step]
    assert not [step for step in said if step.startswith("SCAN")]


def test_an_index_of_some_rows_is_used_by_the_searches_that_it_is_for(small):
    small.archived()
    said = []

    @event.listens_for(small.archive._engine, "before_cursor_execute")  # noqa: SLF001
    def noted(connection, cursor, statement, parameters, *_):
        if "WHERE" in statement:
            said.extend(row[-1] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    orders, calls = SqlOrderQueries(small.archive), SqlCallQueries(small.archive)
    small.archive.expire(small.clock.now, 100)
    SqlQueries(small.archive).places(Owner.ORDER, Only.PRESENT, None, 10)
    orders.page(OrderFilter(void_yes=True), None, 10)
    orders.ended_soon(0, 1)
    calls.to_review(Verdict.PENDING, None, 10)
    calls.failed(0, 1)
    calls.page(CallFilter(violation=ANY), None, 10)
    indexes = [index for table in TABLES.sorted_tables for index in table.indexes]
    some = {index.name for index in indexes if index.dialect_options["sqlite"]["where"] is not None}
    assert len(some) == 12
    assert {name for name in some if not any(f" {name} " in f"{step} " for step in said)} == set()


OPENS = """
archive = SqlArchive(url)
print("ready", flush=True)
sys.stdin.readline()
print(archive.id(), archive.check())
"""
MORE = """from consent_engine.adapters.sql.log import SqlLog
from consent_engine.domain.seal import Seal
from consent_engine.ports import Owner
"""
WRITES = """
records = json.loads(sys.stdin.readline())
archive = SqlArchive(url)
archive.seal = Seal("test-secret")
log = SqlLog(archive)
print("ready", flush=True)
sys.stdin.readline()
kept = 0
for order, record in [*records.items()] * 20:
    with log.writing() as to:
        kept += len(to.records(Owner.ORDER, {order: record}))
print(kept)
"""


def crowd_of(size, script, url, first=""):
    """The outputs of processes that do the same at the same moment."""
    head = f"import json, sys\nfrom consent_engine.adapters.sql.archive import SqlArchive\n{MORE}url = {url!r}\n"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    crowd = [subprocess.Popen([sys.executable, "-c", head + script], **pipes) for _ in range(size)]
    for each in crowd:
        each.stdin.write(first)
        each.stdin.flush()
    for each in crowd:
        assert each.stdout.readline() == "ready\n"
    for each in crowd:
        each.stdin.write("go\n")
        each.stdin.flush()
    return [each.communicate(timeout=HANGS_S)[0].strip() for each in crowd]


@pytest.fixture
def fresh(url):
    """A database in which nothing was ever made."""
    if url.startswith("sqlite"):
        yield url
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
        yield url.replace("/postgres?", "/fresh?")
        connection.execute("DROP DATABASE fresh")


def test_processes_that_open_a_new_archive_at_once_find_the_same_one(fresh):
    told = crowd_of(6, OPENS, fresh)
    assert len(set(told)) == 1
    assert told[0].endswith(" 0")


def test_processes_that_write_at_once_wait_for_each_other(small, tmp_path):
    orders = [small.settled(msisdn=number).id for number in SOME]
    records = json.dumps(small.engine.store.retirement.whole(Owner.ORDER, orders))
    small.engine.store.bound_archive()
    told = crowd_of(4, WRITES, f"sqlite:///{tmp_path}/archive.sqlite3", f"{records}\n")
    assert told == [str(20 * len(orders))] * 4
    assert small.archive.check() == len(orders)


def test_a_second_connection_leaves_the_first_one_its_locks_on_the_file(small, tmp_path):
    """POSIX drops them when any descriptor of the file is closed: another process would then write between."""
    small.archive.check()
    engine = small.archive._engine  # noqa: SLF001
    inode = f":{(tmp_path / 'archive.sqlite3').stat().st_ino} "
    with engine.connect() as first, engine.connect() as second:
        for each in (first, second):
            each.execute(text("SELECT count(*) FROM orders"))
        assert [line for line in Path("/proc/locks").read_text().splitlines() if inode in line]


def test_after_a_failure_one_asks_and_the_others_are_told_at_once_until_it_knows():
    clock = Clock(0)
    pause = Pause(lambda: clock.now / 1000)
    assert pause.may_ask()
    pause.failed()
    assert not pause.may_ask()
    clock.forward(seconds=DOWN_S)
    assert [pause.may_ask() for _ in range(3)] == [True, False, False]
    pause.failed()
    clock.forward(seconds=DOWN_S)
    assert not pause.may_ask(), "longer and longer"
    for _ in range(10):
        clock.forward(seconds=MOST_DOWN_S)
        assert pause.may_ask(), "and not longer than that"
        pause.failed()
    clock.forward(seconds=MOST_DOWN_S)
    assert pause.may_ask()
    pause.answered()
    assert all(pause.may_ask() for _ in range(3))
