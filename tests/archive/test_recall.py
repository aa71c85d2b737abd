"""Coming back, once for every kind of record: a late fact changes what left the store as if it had never left."""

from dataclasses import dataclass, field
from itertools import count

import pytest
from sqlalchemy import update

from consent_engine.adapters.sql.tables import CALLS, ORDERS, RECORDS
from consent_engine.doctor.records import audit
from consent_engine.domain.call.call import Call, CallNotFound, ReportNotFound
from consent_engine.domain.call.ending import Cause, Ending, Why
from consent_engine.domain.call.report import Report, RewardTerms
from consent_engine.domain.call.transcript import Spoken
from consent_engine.domain.effects import Lane
from consent_engine.domain.order.order import Order
from consent_engine.engine.recall import STAYS_MS, at_hand
from consent_engine.engine.review import Transcript
from consent_engine.engine.scribe import write_out
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, OrderNotFound
from tests.archive.house import LONG, Died, broken, gone, left_of
from tests.integration.calls.desk import Desk
from tests.integration.calls.reporting import book, decide, report
from tests.integration.calls.reviewing import review

DAY = 24 * 3_600_000


@dataclass
class Late:
    """A record that left, and a fact about it that comes late. fact: with each call another one"""

    desk: Desk
    kind: type
    id: str
    table: object
    absent: type
    facts: list = field(default_factory=list)

    def fact(self):
        return self.facts.pop(0)()

    def here(self):
        return self.desk.engine.records.look({self.kind: [self.id]}).of(self.kind).get(self.id)

    def shown(self):
        return self.desk.engine.lookup.of(self.kind, [self.id]).get(self.id)

    def leaves(self):
        for _ in range(3):
            self.desk.clock.forward(hours=LONG)
            self.desk.run(Lane.TIMER)
        assert left_of(self.desk, self.id) == []
        return self


def an_order(desk):
    order = desk.settled()
    seen = [lambda n=n: desk.engine.reveals.reveal(desk.engine.show(order.id), "auditor-1", "auditor", f"case {n}")
            for n in range(3)]  # fmt: skip
    return Late(desk, Order, order.id, ORDERS, OrderNotFound, seen)


def a_call(desk):
    call = desk.end(desk.start())
    said = (Spoken(call.began.started_at, "agent", "您好"),)
    return Late(desk, Call, call.id, CALLS, CallNotFound, [
        lambda: desk.engine.calls.transcribe(Transcript(call.id, "desk", f"rec-{call.id[-8:]}", said)),
        lambda: review(desk, call, passed=True),
    ])  # fmt: skip


def a_report(desk):
    ours = book(desk, {"mobile": RewardTerms("20.00")})
    told = report(desk, of=ours)
    decide(desk, told, "ours_unrecorded", of=ours)
    desk.clock.forward(hours=24 * 154)
    desk.run(Lane.TIMER)
    desk.clock.forward(hours=24 * 942)
    desk.run(Lane.TIMER)
    return Late(desk, Report, told.id, RECORDS, ReportNotFound, [
        lambda: decide(desk, told, "ours_unrecorded", "granted", of=ours),
        lambda: decide(desk, told, "ours_unrecorded", "paid", of=ours),
    ])  # fmt: skip


@pytest.fixture(params=[an_order, a_call, a_report], ids=["order", "call", "report"])
def late(request, desk):
    return request.param(desk).leaves()


def test_a_late_fact_about_what_left_is_the_next_link_of_its_chain_and_leaves_with_it(late):
    before = late.shown()
    late.fact()
    came = late.here()
    assert (came.publics[:-1], came.version > before.version) == (before.publics, True)
    write_out(late.desk.engine.store, "one")
    late.leaves()
    assert (late.shown().head, gone(late.desk.archive, late.kind, late.id)[late.id].head) == (came.head, came.head)
    assert audit(late.desk.engine.store, 0, (0, 2**62)).wrong == []
    late.fact()
    assert late.here().publics[:-1] == came.publics
    assert late.desk.engine.stuck() == []


def test_what_changes_nothing_brings_nothing_back(late):
    late.desk.engine.run(at_hand(late.kind, late.id, 0))
    assert left_of(late.desk, late.id) == []


def test_what_is_nowhere_is_not_found_and_what_cannot_be_read_is_no_guess(late):
    with pytest.raises(late.absent):
        late.desk.engine.run(at_hand(late.kind, "f" * 28))
    with late.desk.archive.asking() as connection:
        connection.execute(update(late.table).where(late.table.c.id == late.id).values(record="{}"))
    with pytest.raises(BrokenRecord):
        late.fact()
    assert left_of(late.desk, late.id) == []


def test_while_sql_is_away_nothing_is_said_of_it_and_then_it_counts(late):
    again = late.facts[0]
    with broken(late.desk.archive), pytest.raises(ArchiveUnavailable):
        late.fact()
    again()
    assert late.here() is not None


@pytest.mark.parametrize("stood_still", [0, STAYS_MS - 2_000, 3 * STAYS_MS], ids=["at once", "in time", "too late"])
def test_who_brings_it_back_overwrites_nothing_however_long_it_stood_still(late, stood_still):
    before, records = late.shown(), late.desk.engine.records
    asked = records.commit

    def commit(some, *, prove=False):
        records.commit = asked
        late.fact()
        late.desk.clock.forward(milliseconds=stood_still)
        for _ in range(2):
            write_out(late.desk.engine.store, "one")
            late.desk.run(Lane.TIMER)
        return asked(some, prove=prove)

    records.commit = commit
    late.desk.engine.run(at_hand(late.kind, late.id))
    assert (len(late.here().publics), late.here().publics[:-1]) == (len(before.publics) + 1, before.publics)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("n", range(3))
def test_who_dies_at_any_commit_loses_nothing_and_the_repeat_is_the_one_fact(late, n, when):
    before, records, commits = late.shown(), late.desk.engine.records, count()
    asked = records.commit

    def commit(some, *, prove=False):
        if next(commits) < n:
            return asked(some, prove=prove)
        if when == "after":
            asked(some, prove=prove)
        raise Died

    records.commit = commit
    with pytest.raises(Died):
        late.facts[0]()
    records.commit = asked
    if late.shown().head == before.head:
        late.facts[0]()
    assert (len(late.here().publics), late.here().publics[:-1]) == (len(before.publics) + 1, before.publics)


def test_an_order_comes_back_with_its_ending_so_that_it_is_taken_back_once(desk):
    late = an_order(desk)
    why = Why(Cause.WITHDRAWN, "hotline", "desk")
    ending = desk.engine.endings.ask(desk.engine.show(late.id), why).ending
    desk.run()
    late.leaves()
    assert left_of(desk, ending.id) == []
    late.fact()
    assert (
        desk.engine.records.look({Ending: [ending.id]}).of(Ending)[ending.id].head
        == desk.engine.endings.show(late.id).head
    )
    with broken(desk.archive):
        again = desk.engine.endings.ask(desk.engine.show(late.id), why)
    assert (again.is_new, again.ending.id) == (False, ending.id)
    desk.run()
    assert len(desk.bss.ended) == 1
    late.leaves()
    assert left_of(desk, ending.id) == []
