"""The promises hold through the archive: events while an order moves, a Redis that forgets and is restored."""

import pytest
from sqlalchemy import update

from consent_engine.adapters.sql.tables import ORDERS
from consent_engine.api.web.board import look
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import WAKE_ARCHIVE, Lane
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import request_key
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import Delivery
from consent_engine.engine.place import Placed
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, DoNotCall, IdempotencyConflict, OrderNotFound
from tests.archive.house import LONG, broken, everywhere, gone, kept_of, restored
from tests.conftest import NUMBER, OTHER


def meanwhile(town, happens):
    """Call a function after SQL marked a record as gone and before the store lets it go."""
    let_go = town.archive.let_go

    def kept(owner, heads):
        done = let_go(owner, heads)
        if todo := list(happens):
            happens.clear()
            todo[0]()
        return done

    town.archive.let_go = kept


def test_a_report_that_comes_while_its_order_moves_is_in_its_history(town):
    order = town.settled()
    meanwhile(town, [lambda: town.report(order, Delivery.DELIVERED, "notification.1")])
    town.move()
    assert town.live([order.id])
    town.run(Lane.INBOUND)
    town.move(hours=49)
    assert not town.live([order.id])
    assert town.triggers(order)[-2:] == ["reported", "delivered"]


def test_a_stop_that_comes_while_its_last_order_moves_stands(town):
    order = town.settled()
    meanwhile(town, [lambda: town.say("退订")])
    town.move()
    town.run()
    town.move(hours=49)
    town.move(hours=49)
    assert not town.live([order.id])
    assert not town.engine.dial(NUMBER, "mobile").callable
    with pytest.raises(DoNotCall):
        town.place()


def test_a_refusal_between_the_look_and_the_writing_wins_though_the_line_went_and_came_again(small):
    """A process that read the line before it was deleted must not take a new line for the same."""
    old = small.settled()
    small.clock.forward(hours=LONG)
    desk = small.another()
    save, todo = desk.store.records.commit, [True]

    def commit(some, **more):
        if todo:
            todo.pop()
            small.run(Lane.TIMER)
            assert not small.live([old.id])
            small.say("退订")
        return save(some, **more)

    desk.store.records.commit = commit
    with pytest.raises(DoNotCall):
        desk.place(Placing("desk", "racing", small.request()))


def test_another_number_under_a_key_whose_order_left_is_a_conflict_also_where_its_reservation_outlived_it(town):
    """The process that let the order go died before it deleted the reservation."""
    order = town.settled(key="mine")
    release = town.engine.store.reservations.release
    ours = (request_key(order.id), order.id, "")
    town.engine.store.reservations.release = lambda keys: release([each for each in keys if each != ours])
    town.move()
    assert town.names("key"), "the reservation is still there"
    for number in (OTHER, NUMBER):
        with pytest.raises(IdempotencyConflict):
            town.engine.place(Placing("desk", "mine", town.request(number, recording_id="another call")))
    again = town.engine.place(Placing("desk", "mine", town.request()))
    assert (again.order.id, again.created) == (order.id, False)
    release([ours])
    assert not town.names("key")


@pytest.mark.parametrize("number", [NUMBER, OTHER], ids=["the same number", "another number"])
def test_a_conflict_under_a_key_of_long_ago_takes_it_from_nobody(town, number):
    order = town.archived(key="mine")
    for _ in range(2):
        with pytest.raises(IdempotencyConflict):
            town.engine.place(Placing("desk", "mine", town.request(number, recording_id="another call")))
        again = town.engine.place(Placing("desk", "mine", town.request()))
        assert (again.order.id, again.created) == (order.id, False)
        assert town.names("key") == [], "and leaves nothing behind"


def test_a_conflict_that_died_before_it_gave_the_key_back_takes_it_from_nobody(town):
    order = town.archived(key="mine")
    town.engine.store.reservations.claim([(request_key(order.id), "another request", order.id, "died", "")])
    again = town.engine.place(Placing("desk", "mine", town.request()))
    assert (again.order.id, again.created) == (order.id, False)
    assert town.names("key") == []


def test_a_revoked_plan_touches_no_archived_order_and_while_the_archive_is_down_activates_none(small):
    settled = small.archived()
    waiting = small.place(OTHER)
    small.run(Lane.SMS)
    small.client.zadd("ce:{0}:due:timer", {f"o:{'0' * 28}:wake.window": small.clock.now})  # of no record
    with broken(small.archive):
        with pytest.raises(ArchiveUnavailable):
            small.engine.revoke("5g-smart-199", "ops")
        small.say("是", OTHER)
        small.run()
    assert small.state(waiting) == State.CANCELLED
    assert small.state(settled) == State.NOTIFIED


def test_the_stuck_list_and_the_board_are_there_while_the_archive_is_down(small):
    order = small.place()
    small.client.zadd("ce:{0}:due:sms:mobile", {f"o:{'0' * 28}:sms.confirmation.1": "+inf"})  # its record is gone
    small.client.zadd("ce:{0}:due:sms:mobile", {f"o:{order.id}:sms.confirmation.1": "+inf"})
    with broken(small.archive):
        assert len(small.engine.stuck()) == 2
        assert len(look(small.engine, None)["stuck"]) == 2


def test_a_backup_of_redis_that_knows_less_of_an_order_leaves_all_that_the_archive_knows(town):
    order = town.settled()
    backup = kept_of(town.client)
    town.report(order, Delivery.DELIVERED, "notification.1")
    town.run()
    after = town.engine.show(order.id)
    assert after.version > order.version
    town.move()
    restored(town.client, backup)
    town.move()
    assert not town.live([order.id])
    everywhere(town, [after])


@pytest.mark.parametrize("notes", [0, 9], ids=["shorter", "longer"])
def test_a_backup_of_redis_in_which_an_order_goes_another_way_never_replaces_what_the_archive_holds(town, notes):
    """The chain head that the archive holds was handed out: to the BSS, in an answer."""
    order = town.place()
    town.run(Lane.SMS)
    backup = kept_of(town.client)
    town.say("是")
    town.run()
    was = town.engine.show(order.id)
    assert was.state is State.NOTIFIED
    town.move()
    restored(town.client, backup)
    for n in range(notes):
        town.report(order, Delivery.ACCEPTED, message_id=f"m{n}")
    town.say("不同意")
    town.run()
    assert town.engine.show(order.id).state is State.DECLINED, "what is in the store counts"
    town.move()
    [stuck] = town.engine.stuck()
    assert (stuck.id, stuck.effect) == (order.id, WAKE_ARCHIVE)
    assert town.engine.show(order.id).effects[WAKE_ARCHIVE].why == "not_archived:"
    [kept] = gone(town.archive, Order, order.id).values()
    assert (kept.head, kept.events, kept.state) == (was.head, was.events, State.NOTIFIED)


def test_who_asks_for_an_order_of_nobody_is_told_so_and_not_that_the_archive_is_down(town):
    with pytest.raises(OrderNotFound):
        town.engine.show("0" * 28)


def test_an_archived_order_that_nobody_can_read_keeps_no_other_from_leaving(town):
    order = town.place()
    town.run(Lane.SMS)
    backup = kept_of(town.client)
    town.say("是")
    town.run()
    town.move()
    with town.archive._engine.begin() as connection:  # noqa: SLF001 - as somebody who writes into the database
        connection.execute(update(ORDERS).where(ORDERS.c.id == order.id).values(record="{}"))
    restored(town.client, backup)
    town.say("不同意")
    another = town.place(OTHER)
    town.run(Lane.SMS)
    town.say("不同意", OTHER)
    town.run()
    town.move()
    assert [(each.id, each.effect) for each in town.engine.stuck()] == [(order.id, WAKE_ARCHIVE)]
    assert list(gone(town.archive, Order, another.id)) == [another.id]


def test_a_request_whose_archived_order_nobody_can_read_asks_nobody_again_and_stops_no_other(town):
    order = town.archived(key="k")
    with town.archive._engine.begin() as connection:  # noqa: SLF001 - as somebody who writes into the database
        connection.execute(update(ORDERS).where(ORDERS.c.id == order.id).values(record="{}"))
    sent = len(town.gateway.sent)
    wanted = [Placing("desk", "k", town.request()), Placing("desk", "o", town.request(OTHER))]
    again, other = town.engine.place_many(wanted)
    assert isinstance(again, BrokenRecord)
    assert isinstance(other, Placed)
    town.run(Lane.SMS)
    assert [each.to for each in town.gateway.sent[sent:]] == [OTHER]
