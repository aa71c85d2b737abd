"""`consent audit` from the records' side: none is without its entries in the log, and no row says otherwise than it."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.sql.tables import CALLS, ORDERS, RECORDS
from consent_engine.doctor.records import Walk, Wanted, audit
from consent_engine.doctor.rules import RULES
from consent_engine.domain.call.call import Call
from consent_engine.domain.msisdn import parse
from consent_engine.engine.scribe import write_out
from consent_engine.ports.queries import OrderFilter
from tests.archive.house import LONG, gone
from tests.archive.refusals import doctor
from tests.conftest import NUMBER, OTHER

EVER = (0, 2**62)
THIRD = parse("13900139001")
OF_THE_RECORD = {"id", "record", "person", "gone", "effects"}


def wrong(town, between=EVER, kept_since=0):
    return sorted(audit(town.engine.store, kept_since, between).wrong)


def sealed(town):
    return write_out(town.engine.store, "one")


def changed(town, table, name, **values):
    with town.archive.asking() as connection:
        connection.execute(update(table).where(table.c.id == name).values(values))


def left(town, **more):
    """An order that was ended again, and has left for the archive with its call and its ending."""
    order = town.settled(**more)
    town.say(f"退订{order.doc.code}", order.person.msisdn)
    town.run()
    sealed(town)
    for _ in range(3):
        town.move(LONG)
    sealed(town)
    return order


def test_a_record_of_which_the_log_has_nothing_is_named_in_the_store_and_in_the_archive(small):
    small.settled()
    sealed(small)
    small.clock.forward(hours=1)
    order = small.settled(msisdn=OTHER)
    assert wrong(small) == [], "it is on its way to the log"
    small.client.delete(small.cell.journal)
    sealed(small)
    lost = sorted((each, "not in the log: none of its events is there") for each in (order.id, order.doc.call_id))
    assert wrong(small) == lost
    placed = order.doc.placed_at
    assert wrong(small, (small.clock.now, 2**62)) == [], "it is of before that"
    assert [record for record, _ in wrong(small, (placed, 2**62))] == [order.id], "its call began before that"
    small.move(LONG)
    assert order.id not in small.live([order.id])
    assert wrong(small) == lost


def test_what_was_settled_before_there_was_a_log_is_not_missed_there(small):
    early = small.settled()
    small.client.delete(small.cell.journal)
    small.clock.forward(hours=1)
    small.settled(msisdn=OTHER)
    sealed(small)
    assert wrong(small) == []
    small.move(LONG)
    assert early.id not in small.live([early.id])
    assert wrong(small) == []


@pytest.mark.parametrize("table", [ORDERS, CALLS, RECORDS], ids=str)
def test_a_column_that_says_otherwise_than_its_record_is_named(small, table):
    """Lists, retention and reservations go by it: a violation would not be listed, evidence would go years too soon."""
    left(small)
    left(small, msisdn=OTHER)
    assert wrong(small) == []
    for column in (each.name for each in table.columns if each.name not in OF_THE_RECORD):
        record, kept = rows_of(small, table, column)[0]
        other = not kept if isinstance(kept, bool) else kept + 1 if isinstance(kept, int) else f"{kept or ''}x"
        changed(small, table, record, **{column: other})
        assert record in {named for named, _ in wrong(small)}, column
        changed(small, table, record, **{column: kept})
    assert wrong(small) == []


def rows_of(town, table, column):
    with town.archive.asking() as connection:
        return connection.execute(select(table.c.id, table.c[column]).order_by(table.c.id)).all()


def test_the_columns_are_named_and_an_erased_person_part_is_none(small):
    order = left(small)
    changed(small, ORDERS, order.id, person=None)
    assert wrong(small) == []
    changed(small, ORDERS, order.id, agent="B1", settled_at=0)
    assert wrong(small) == [(order.id, "its row in the archive was changed: agent, settled_at")]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"x"', '{"doc":null}', '{"doc":"[]"}', "\x00"])
@pytest.mark.parametrize("table", [ORDERS, CALLS], ids=str)
def test_garbage_in_an_archived_row_stops_no_other_record_and_is_named(small, table, text):
    """One such row failed every list that it stood in, and ended the audit."""
    orders = [small.archived(msisdn=each) for each in (OTHER, THIRD)]
    sealed(small)
    first = orders[0].id if table is ORDERS else orders[0].doc.call_id
    changed(small, table, first, record=text)
    assert first in {record for record, _ in wrong(small)}
    shown = [each.id for each in small.engine.orders(OrderFilter(), "", 10).orders]
    assert orders[1].id in shown
    calls = gone(small.archive, Call, *[each.doc.call_id for each in orders])
    assert orders[1].doc.call_id in calls


class Counted:
    """A store's records, and the commits of each call."""

    def __init__(self, records):
        self._records, self.commits = records, []

    def __getattr__(self, name):
        return getattr(self._records, name)

    def commit(self, commits, **more):
        self.commits.append(len(commits))
        return self._records.commit(commits, **more)


def test_what_the_log_lacks_of_many_records_is_noted_by_one_round_trip_for_each_kind(small):
    small.settled()
    sealed(small)
    small.clock.forward(hours=1)
    orders = [small.place(parse(f"1370013700{n}")) for n in range(6)]
    small.client.delete(small.cell.journal)
    counted = Counted(small.engine.store.records)
    survey = RedisSurvey(Wire(small.client, proves=False, replicas=0))
    walk = Walk(replace(small.engine.store, records=counted), survey, 60_000, Wanted(all=True, mend=True))
    walk.everything()
    assert {*walk.mended} == {f"{each} log entry" for one in orders for each in (one.id, one.doc.call_id)}
    assert counted.commits == [6, 6]
    sealed(small)
    assert wrong(small) == []


def test_after_an_older_copy_of_sql_what_the_log_lacks_is_named_as_such_until_a_person_has_it_noted(small, tmp_path):
    left, on = small.place(), small.place(OTHER)
    small.run()
    sealed(small)
    with (
        closing(sqlite3.connect(tmp_path / "archive.sqlite3")) as now,
        closing(sqlite3.connect(tmp_path / "old")) as old,
    ):
        now.backup(old)
    for number in (NUMBER, OTHER):
        small.say("是", number)
    small.run()
    new = small.place(parse("13700137000"))
    sealed(small)
    small.archive.close()
    for beside in ("-wal", "-shm"):
        (tmp_path / f"archive.sqlite3{beside}").unlink(missing_ok=True)
    (tmp_path / "old").rename(tmp_path / "archive.sqlite3")
    [found] = [each for each in doctor(small) if each.what.startswith(RULES["unsealed"].what)]
    assert all(each.id in found.what for each in (left, on, new))
    assert "SQL is an older copy" in found.what
    assert "consent doctor --all --mend" in found.do
    doctor(small, mend=True)
    sealed(small)
    assert doctor(small) == []
    assert wrong(small) == []
    assert {small.state(each) for each in (left, on)} == {"notified"}
