"""`consent audit`: records that were dropped or rewritten are named, whoever did it, with the secret or without."""

import sys
from dataclasses import replace

import pytest
from sqlalchemy import text

from consent_engine.adapters.sql.log import SqlLog
from consent_engine.doctor import Level, journal
from consent_engine.doctor.records import audit
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.event import link
from consent_engine.domain.order.order import Order
from consent_engine.engine.audit import newest
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.scribe import write_out
from tests.archive.house import LONG
from tests.conftest import NUMBER

EVER = (0, 2**62)


def audited(town, kept_since=0, between=EVER):
    return audit(town.engine.store, kept_since, between)


def sealed(town):
    return write_out(town.engine.store, "one")


def log_of(town, statement):
    with town.archive.asking() as connection:
        connection.execute(text(statement))


def test_what_is_as_the_log_has_it_is_right_in_the_store_and_in_the_archive(town):
    town.settled()
    town.settled(msisdn=parse("13900139000"))
    sealed(town)
    town.move(LONG)
    town.settled(msisdn=parse("13900139001"))
    found = audited(town)
    assert (found.wrong, found.log.records, found.log.entries) == ([], 4, town.engine.store.log.ends()[1])
    sealed(town)
    found = audited(town)
    assert (found.wrong, found.log.records, found.expired) == ([], 6, 0)


class Returning:
    """The store's records. The first look at those of SQL misses them, and they come back before SQL is asked."""

    def __init__(self, town):
        self._town, self._records, self.back = town, town.engine.store.records, False

    def __getattr__(self, name):
        return getattr(self._records, name)

    def look(self, wanted, *, prove=False):
        found = self._records.look(wanted, prove=prove)
        if wanted.get(Order) and not found.of(Order) and not self.back:
            self.back, engine = True, self._town.engine
            engine.reveals.reveal(engine.show(wanted[Order][0]), "auditor-1", "auditor", "case 7")
            sealed(self._town)
        return found


def test_an_order_that_comes_back_between_two_reads_is_not_named(town):
    order = town.settled()
    sealed(town)
    for _ in range(3):
        town.move(LONG)
        sealed(town)
    assert not town.engine.store.records.look({Order: [order.id]}).of(Order)
    come = Returning(town)
    assert audit(replace(town.engine.store, records=come), 0, EVER).wrong == []
    assert come.back


def test_each_link_of_a_chain_is_hashed_a_few_times_however_many_entries_it_has(small):
    for n in range(40):
        small.clock.forward(seconds=1)
        event = LineEvent("resumed" if n % 2 else "suspended")
        small.engine.line_event(LineEventAsked(NUMBER, event, small.clock.now, "ops"))
        sealed(small)
    hashed = 0

    def counted(frame, event, _):
        nonlocal hashed
        hashed += event == "call" and frame.f_code is link.__code__

    sys.setprofile(counted)
    try:
        found = audited(small)
    finally:
        sys.setprofile(None)
    assert (found.wrong, found.log.entries) == ([], 40)
    assert hashed <= 5 * 40


def test_a_history_that_goes_another_way_than_the_log_has_it_is_named(small):
    order = small.place()
    small.run(Lane.SMS)
    small.clock.forward(seconds=1)
    key = small.cell.order(order.id)
    was, line = small.client.hgetall(key), small.client.dump(small.cell.line(order.line))
    small.say("是")
    small.run(Lane.INBOUND)
    sealed(small)
    small.client.delete(key)
    small.client.hset(key, mapping=was)  # from a backup: its seal fits
    small.client.restore(small.cell.line(order.line), 0, line, replace=True)
    [(record, what)] = audited(small).wrong
    assert (record, what) == (order.id, "dropped: the log has event 2, the record says 1")
    small.clock.forward(seconds=1)
    small.say("不同意")
    small.run(Lane.INBOUND)
    sealed(small)
    assert (order.id, "written anew: up to event 2 it is not what the log has") in audited(small).wrong


def test_a_record_that_is_gone_before_its_time_is_named(small):
    order = small.settled()
    events = sealed(small)
    small.client.delete(small.cell.order(order.id))
    assert {record for record, _ in audited(small).wrong} == {order.id}
    found = audited(small, kept_since=small.clock.now + 1)
    assert (found.wrong, found.expired) == ([], events - 1)  # its call is still there
    assert audited(small, between=(small.clock.now + 1, 2**62)).log.entries == 0


def test_what_was_taken_out_of_the_journal_is_named_whatever_waits_in_it(small):
    order = small.settled()
    taken = small.client.rpop(small.cell.journal)
    sealed(small)
    small.settled(msisdn=parse("13900139000"))
    last = len(small.engine.show(order.id).events) - 1
    assert audited(small).wrong == [(order.id, f"not in the log: what came after event {last}")]
    small.client.rpush(small.cell.journal, taken)
    assert audited(small).wrong == [], "it is on its way"


def test_a_doctor_sees_that_the_data_are_older_than_their_log(small):
    """As after a file whose end is gone: nothing in the data themselves shows it."""
    first = small.place()
    small.run(Lane.SMS)
    sealed(small)
    told = list(journal.newest(small.engine.store, 0))
    assert [each.level for each in told] == [Level.GOOD]
    was = {key: small.client.dump(key) for key in small.names()}
    small.clock.forward(seconds=1)
    small.say("TD")
    small.run(Lane.INBOUND)
    small.settled(msisdn=parse("13900139000"))
    sealed(small)
    assert [each.level for each in journal.newest(small.engine.store, 0)] == [Level.GOOD]
    small.client.flushall()
    for key, kept in was.items():
        small.client.restore(key, 0, kept)
    assert small.engine.show(first.id).state.value == "awaiting_reply"
    [told] = journal.newest(small.engine.store, 0)
    assert told.level is Level.BAD
    assert told.what.startswith("4 of the records")  # the first, the refusal, the second and its call
    assert [each.level for each in journal.newest(small.engine.store, 2**62)] == [
        Level.BAD
    ]  # the first is here, and shorter


# Lines ------------------------------------------------------------------------------------------------------------


def happens(town, event):
    town.clock.forward(seconds=1)
    town.engine.line_event(LineEventAsked(NUMBER, LineEvent(event), town.clock.now, "ops"))


def test_what_became_of_a_number_is_compared_with_the_log(small):
    happens(small, "released")
    happens(small, "assigned")
    happens(small, "suspended")
    sealed(small)
    found = audited(small)
    assert (found.wrong, found.log.records, found.log.entries) == ([], 1, 3)
    assert newest(small.engine.store, 0)[0].entries == 0, "it counts what it compares"
    line = small.engine.line(NUMBER)
    small.client.hdel(small.cell.line(line.id), "e2")
    [(named, _)] = audited(small).wrong
    assert named == line.id


def test_a_line_as_it_was_before_is_named_and_one_that_goes_on_is_not(small):
    happens(small, "suspended")
    before = small.client.dump(small.cell.line(small.engine.line(NUMBER).id))
    happens(small, "resumed")
    sealed(small)
    small.clock.forward(seconds=1)
    happens(small, "suspended")
    assert audited(small).wrong == [], "what came last is on its way to the log"
    line = small.engine.line(NUMBER).id
    small.client.restore(small.cell.line(line), 0, before, replace=True)
    assert audited(small).wrong == [(line, "dropped: the log has event 1, the line says 0")]


def test_a_line_that_went_with_its_number_is_not_missed_nor_one_that_began_anew(small):
    happens(small, "released")
    happens(small, "assigned")
    sealed(small)
    small.run(Lane.TIMER)  # the earlier holder's service is taken back
    small.clock.forward(hours=24 * 31)
    small.run(Lane.TIMER)
    assert small.names("line") == []
    assert audited(small).wrong == []
    happens(small, "suspended")
    assert audited(small).wrong == [], "begun anew, and on its way to the log"
    sealed(small)
    assert audited(small).wrong == []


# Where it begins ----------------------------------------------------------------------------------------------------


class Reads(SqlLog):
    """A log that notes where it was read from."""

    read: list[int]

    def entries(self, first, most):
        self.read.append(first)
        return super().entries(first, most)


@pytest.fixture
def marked(small):
    """A log of several days, with a mark every few entries."""
    log = Reads(small.archive, stride=4)
    log.read = []
    small.engine.store = replace(small.engine.store, log=log)
    return small


def test_an_audit_since_an_instant_does_not_read_what_was_sealed_long_before(marked):
    for n in range(4):
        marked.settled(msisdn=parse(f"1390013900{n}"))
        sealed(marked)
        marked.clock.forward(hours=1)
    since, size = marked.clock.now, marked.engine.store.log.ends()[1]
    marked.settled()
    sealed(marked)
    found = audited(marked, between=(since, 2**62))
    assert (found.wrong, found.log.records) == ([], 2)
    assert size - 8 <= marked.engine.store.log.read[0] <= size
    assert audited(marked).log.entries == marked.engine.store.log.ends()[1], "without an instant it begins at 0"


def test_what_was_sealed_late_is_not_passed_over(marked):
    early = marked.settled()
    waits = marked.client.lrange(marked.cell.journal, 0, -1)
    marked.client.delete(marked.cell.journal)
    since = early.doc.placed_at
    marked.clock.forward(hours=5)
    for n in range(3):
        marked.settled(msisdn=parse(f"1390013900{n}"))
        sealed(marked)
    marked.client.rpush(marked.cell.journal, *waits)
    sealed(marked)
    everything = audited(marked, between=(since, 2**62))
    assert (everything.wrong, everything.log.entries) == ([], marked.engine.store.log.ends()[1])


def test_a_log_from_before_there_were_marks_is_read_from_its_beginning(marked):
    marked.settled()
    sealed(marked)
    log_of(marked, "DELETE FROM archive_meta WHERE name IN ('log_newest', 'log_marks')")
    first = marked.clock.now
    marked.clock.forward(hours=5)
    marked.settled(msisdn=parse("13900139000"))
    sealed(marked)
    assert marked.engine.store.log.begins(marked.clock.now) == 0
    marked.clock.forward(hours=30)
    assert marked.engine.store.log.begins(marked.clock.now) > 0
    assert marked.engine.store.log.begins(first) == 0


@pytest.mark.parametrize("kept", ["", "{", "[]", "x", "[[1]]", '[["a", 2]]', "-5", "null", "单"])
@pytest.mark.parametrize("name", ["log_newest", "log_marks"])
def test_marks_that_nobody_can_read_hold_up_neither_the_sealing_nor_an_audit(marked, name, kept):
    marked.settled()
    sealed(marked)
    log_of(marked, f"UPDATE archive_meta SET value = '{kept}' WHERE name = '{name}'")  # noqa: S608 - our own texts
    first = marked.clock.now
    marked.clock.forward(hours=5)
    marked.settled(msisdn=parse("13900139000"))
    assert sealed(marked)
    assert audited(marked, between=(first, 2**62)).wrong == []
    assert audited(marked).log.entries == marked.engine.store.log.ends()[1]


# Damaged entries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["订单 1 2 3", "o\x00 1", b"o \xff", "o " + "x" * 5_000, ""])
def test_what_stands_in_a_journal_and_is_no_entry_is_named_and_holds_nothing_up(small, damage):
    small.client.rpush(small.cell.journal, damage)
    order = small.settled()
    sealed(small)
    assert small.client.llen(small.cell.journal) == 0, "all of it is in the log"
    [(entry, what)] = audited(small).wrong
    assert (entry, what) == ("entry 0", "an entry of the log cannot be read")
    told = list(journal.newest(small.engine.store, 0))
    assert [each.level for each in told] == [Level.BAD, Level.GOOD], "the data are not older than their log"
    assert told[0].what.startswith("1 of the newest entries of the log cannot be read")
    assert sealed(small) == 0
    assert small.engine.store.log.among({small.engine.store.log.entries(1, 1)[0][1]})
    assert order.state.settled
