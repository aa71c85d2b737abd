"""The scribe: SQL has every record as the store has it, whatever came before, twice, late or broken."""

import json

import pytest
from sqlalchemy import delete, func, select

from consent_engine.adapters.sql.tables import CALLS, LINES, ORDERS, RESTRICTIONS
from consent_engine.domain.effects import Lane, Unavailable
from consent_engine.domain.seal import Chained, mark_of
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out
from consent_engine.ports import Owner
from tests.archive.house import kept_of, restored, standing
from tests.conftest import NUMBER, OTHER
from tests.integration.calls.reviewing import review


def written(town, reader="one"):
    return write_out(town.engine.store, reader)


def rows(town, table):
    with town.archive.asking() as connection:
        return connection.execute(select(table)).all()


def row(town, table, name):
    [found] = [each for each in rows(town, table) if each.id == name]
    return found


def whole(found):
    """The fields of a record, as its row has them."""
    texts = (found.record, found.person or "{}", found.effects or "{}")
    return {name: kept for text in texts for name, kept in json.loads(text).items()}


def as_the_store_has_them(town):
    """Assert that SQL has each order, call and line as the store has it; return how many."""
    count = 0
    for table, kind in ((ORDERS, "order"), (CALLS, "call")):
        for key in town.client.scan_iter(f"ce:*:{kind}:*"):
            assert whole(row(town, table, key.rpartition(":")[2])) == town.client.hgetall(key)
            count += 1
    for key in town.client.scan_iter("ce:*:line:*"):
        fields, *unread = json.loads(row(town, LINES, key.rpartition(":")[2]).person)
        assert fields == town.client.hgetall(key)
        assert unread == town.client.lrange(key.replace(":line:", ":inbox:"), 0, -1)
        count += 1
    return count


def test_each_record_is_in_sql_as_the_store_has_it_at_every_step_of_its_road(town):
    order = town.place()
    for step in (
        lambda: None, lambda: town.run(Lane.SMS), lambda: town.say("是"), town.run,
        lambda: town.engine.refuse(RefusalAsked(OTHER, "*", "voice", "A1024")),
    ):  # fmt: skip
        step()
        written(town)
        assert as_the_store_has_them(town) >= 3
        found = row(town, ORDERS, order.id)
        assert (found.state, found.gone) == (town.state(order), False)
    [stands] = rows(town, RESTRICTIONS)
    assert (stands.kind, stands.name, stands.until, stands.waits) == ("refused", "*", 0, False)
    assert standing(town) == []


def test_a_change_that_no_chain_shows_leaves_a_mark_and_reaches_sql(small):
    order = small.place()
    written(small)
    small.gateway.answers = [Unavailable("not now")]
    small.run(Lane.SMS)
    small.engine.receive([RefusalAsked(OTHER, "*", "voice", "A1024", until=small.clock.now + 60_000)])
    line = small.engine.line(OTHER).id
    marks = {mark_of(Chained.ORDER, order.id), mark_of(Chained.LINE, line)}
    assert marks <= set(small.client.lrange(small.cell.journal, 0, -1))
    written(small)
    assert as_the_store_has_them(small)
    assert [each.line for each in rows(small, RESTRICTIONS)] == [line]
    assert row(small, ORDERS, order.id).version == int(small.client.hget(small.cell.order(order.id), "v"))


def test_an_earlier_state_that_comes_late_changes_nothing(small):
    order = small.place()
    early = small.engine.store.retirement.whole(Owner.ORDER, [order.id])
    small.run(Lane.SMS)
    written(small)
    was = row(small, ORDERS, order.id)
    with small.engine.store.log.writing() as to:
        assert to.records(Owner.ORDER, early) == {order.id}
    assert row(small, ORDERS, order.id) == was


def test_of_two_histories_of_one_order_the_first_that_was_written_stays(small, caplog):
    order = small.place()
    small.run(Lane.SMS)
    written(small)
    before = kept_of(small.client)
    ends = {"不同意": "declined", "是": "notified"}
    for first, then in (ends, reversed(ends)):
        restored(small.client, before)
        with small.archive.asking() as connection:
            connection.execute(delete(ORDERS))
        small.say(first)
        small.run()
        written(small)
        was = row(small, ORDERS, order.id)
        assert was.state == ends[first]
        restored(small.client, before)
        small.say(then)
        small.run()
        assert small.state(order) == ends[then]
        written(small)
        assert row(small, ORDERS, order.id) == was
    assert f"{order.id}: another record, or another history of it, stands in SQL" in caplog.text


def test_what_left_stays_gone_whatever_comes_late_and_is_present_again_once_it_goes_on(small):
    order = small.settled()
    call = order.doc.call_id
    late = {owner: small.engine.store.retirement.whole(owner, [call]) for owner in (Owner.CALL,)}
    late[Owner.ORDER] = small.engine.store.retirement.whole(Owner.ORDER, [order.id])
    small.move()
    assert row(small, ORDERS, order.id).gone
    with small.engine.store.log.writing() as to:
        for owner, some in late.items():
            to.records(owner, some)
    assert row(small, ORDERS, order.id).gone
    assert row(small, CALLS, call).gone
    assert small.engine.show(order.id).state.settled
    review(small, small.engine.calls.show(call))
    written(small)
    assert not row(small, CALLS, call).gone


def test_a_record_that_somebody_changed_is_not_written_and_holds_up_no_other(small, caplog):
    first, second = small.place(), small.place(OTHER)
    written(small)
    was = row(small, ORDERS, first.id)
    small.run(Lane.SMS)
    small.client.hset(small.cell.order(first.id), "state", "confirmed")
    written(small)
    assert row(small, ORDERS, first.id) == was
    assert row(small, ORDERS, second.id).state == "awaiting_reply"
    assert f"{first.id}: the order's record does not match its seal" in caplog.text


@pytest.mark.parametrize("bad", ["", "=", "= x 1", "= o ../../etc", "o", "是", "\x00", "= l 0ce7' OR 1=1"])
def test_what_stands_in_a_journal_and_is_no_entry_names_no_record_and_holds_nothing_up(small, bad):
    order = small.place()
    small.client.lpush(small.cell.journal, bad)
    written(small)
    assert row(small, ORDERS, order.id).state == "agreed"
    assert small.client.llen(small.cell.journal) == 0


def test_a_line_that_the_store_has_no_more_is_in_sql_no_more(small):
    small.engine.receive([RefusalAsked(NUMBER, "*", "voice", "A1024", until=small.clock.now + 60_000)])
    written(small)
    assert len(rows(small, LINES)) == len(rows(small, RESTRICTIONS)) == 1
    small.run()
    small.clock.forward(hours=24 * 40)
    small.run()
    assert list(small.client.scan_iter("ce:*:line:*")) == []
    written(small)
    assert rows(small, LINES) == rows(small, RESTRICTIONS) == []


def test_a_busy_record_costs_one_row_a_beat(small):
    order = small.settled()
    written(small)
    with small.archive.asking() as connection:
        assert connection.execute(select(func.count()).select_from(ORDERS)).scalar_one() == 1
    assert row(small, ORDERS, order.id).links == len(order.events) + 1
