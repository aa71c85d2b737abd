"""Settled orders leave the store for the archive, whole, once; a query for one finds it as before."""

import pytest
from sqlalchemy import func, update

from consent_engine.adapters.sql.tables import ORDERS
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.call import Call
from consent_engine.domain.effects import Lane, Purpose, Rejected, Uncertain
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import sound
from consent_engine.domain.sms import Delivery
from consent_engine.domain.texts.render import dated
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out
from consent_engine.errors import (
    DoNotCall,
    IdempotencyConflict,
    NothingParked,
    NotWaiting,
    OrderNotFound,
    TooLate,
)
from consent_engine.ports.queries import OrderFilter
from tests.archive.house import LONG, broken, gone
from tests.conftest import NUMBER, OTHER


def test_an_archived_order_is_the_order_it_was(town):
    before = town.settled()
    town.move()
    assert before.id not in town.live([before.id])
    after = town.engine.show(before.id)
    assert after.effects == {}
    assert (after.doc, after.person, after.line, after.state) == (before.doc, before.person, before.line, before.state)
    assert (after.version, after.head, after.events, after.publics) == (
        before.version, before.head, before.events, before.publics,
    )  # fmt: skip
    assert sound(after), "its history gives its record, and its chain is whole, from the archive alone"
    assert after.text == before.text


def test_an_order_leaves_when_no_reply_can_mean_it_any_more_and_not_sooner(small):
    order = small.settled()
    due = order.doc.policy.remembered_until(order.settled_at) + 1
    small.clock.now = due - 10_000
    small.run(Lane.TIMER)  # its call has left by then
    small.clock.now = due - 25  # `run` takes a moment
    small.run(Lane.TIMER)
    assert small.live([order.id])
    small.clock.now = due
    small.run(Lane.TIMER)
    assert not small.live([order.id])


def test_nothing_of_an_archived_order_is_left_in_the_store(town):
    before = town.names()
    order = town.settled()
    assert all(town.names(kind) for kind in ("order", "line", "key"))
    town.move()
    assert write_out(town.engine.store, "one")  # all sealed entries are in the log
    left = set(town.names()) - set(before)
    assert left == {"ce:{0}:offers", "ce:meta", "ce:{0}:journaled"} - set(before)
    assert order.id not in "".join(town.client.hkeys("ce:{0}:offers"))


def test_no_event_is_added_by_archiving_and_the_funnel_stays(small):
    order = small.settled()
    counted = small.engine.store.queries.orders.funnel(0, 1 << 60)
    small.move()
    assert small.triggers(order)[-1] == "notification_accepted"
    assert small.engine.store.queries.orders.funnel(0, 1 << 60) == counted
    assert counted[State.NOTIFIED] == 1


def test_the_same_request_long_after_is_the_same_order_and_asks_nobody_again(town):
    order = town.archived(key="mine")
    asked = len(town.gateway.sent)
    again = town.engine.place(Placing("desk", "mine", town.request()))
    assert (again.order.id, again.created, again.order.state) == (order.id, False, State.NOTIFIED)
    town.run()
    assert len(town.gateway.sent) == asked
    assert not town.names("order:")


@pytest.mark.parametrize("number", [NUMBER, OTHER], ids=["the same number", "another number"])
def test_another_request_under_a_key_of_long_ago_is_a_conflict(town, number):
    town.archived(key="mine")
    other = town.request(number, recording_id="another call")
    with pytest.raises(IdempotencyConflict):
        town.engine.place(Placing("desk", "mine", other))
    assert town.names("order:") == []


def test_a_batch_of_new_orders_asks_the_archive_once(small):
    asked = []
    recall = small.archive.recall
    small.archive.recall = lambda kind, names, by: asked.append((kind, len(names))) or recall(kind, names, by)
    numbers = [parse(f"1380013{n:04}") for n in range(20)]
    small.engine.place_many([Placing("desk", f"many-{n}", small.request(number)) for n, number in enumerate(numbers)])
    assert asked == [(Order, 20), (Call, 20)]


def test_the_same_plan_may_be_asked_again_after_the_first_order_has_left(small):
    first = small.archived()
    second = small.place()
    assert second.id != first.id
    assert [order.id for order in small.engine.orders_of(NUMBER).orders] == [second.id, first.id]


def test_the_orders_of_a_number_come_page_by_page_wherever_they_are(small):
    placed = [small.archived().id for _ in range(5)]
    small.archived(msisdn=OTHER)
    placed += [small.settled(msisdn=NUMBER).id, small.place().id]
    found, cursor = [], ""
    for _ in range(4):
        page = small.engine.orders_of(NUMBER, cursor, 2)
        found += [order.id for order in page.orders]
        cursor = page.cursor
    assert found == placed[::-1]
    assert cursor == ""


def test_a_refusal_never_leaves(town):
    order = town.settled()
    town.engine.refuse(RefusalAsked(NUMBER, "*", "voice", "A1024"))
    town.run()
    town.move()
    assert not town.live([order.id])
    assert not town.engine.dial(NUMBER, None).callable
    assert [str(number) for number, _ in town.engine.refusals().rows] == [NUMBER]
    with pytest.raises(DoNotCall):
        town.place()


def test_a_stop_is_a_refusal_that_stays_when_its_order_leaves(small):
    order = small.settled(answer="退订")
    small.move()
    assert not small.live([order.id])
    assert not small.engine.dial(NUMBER, "mobile").callable
    fields = small.client.hkeys(small.names("line")[0])
    assert not any(field.startswith(("o:", "m:")) for field in fields)


@pytest.mark.parametrize(("hours", "stands"), [(1, False), (LONG * 2, True)])
def test_a_refusal_for_a_time_goes_with_the_last_order_once_it_is_over_and_else_later(small, hours, stands):
    order = small.settled(answer="不同意")
    until = small.clock.now + hours * 3_600_000
    small.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024", plan="another", until=until))
    small.client.hdel(small.cell.line(order.line), f"r:cool_off:mobile/{order.doc.plan}")
    small.run()
    small.move(hours=LONG + 1)
    assert order.id not in small.live([order.id])
    assert (small.names(":line:") != []) is stands
    for _ in range(3):
        small.move(hours=24 * 31)
    assert small.names(":line:") == []
    assert small.client.zcard(small.cell.due[Lane.TIMER]) == 0


def test_what_was_counted_of_its_reports_goes_with_an_order(small):
    order = small.settled(answer="退订")
    for n in (1, 2):
        small.report(order, Delivery.DELIVERED, segment=n, segments=4, alone=True)
    small.run()
    [line] = small.names("line")
    assert any(field.startswith(f"d:{order.id}.") for field in small.client.hkeys(line))
    small.move()
    assert not small.live([order.id])
    assert not any(field.startswith("d:") for field in small.client.hkeys(line))


def test_a_report_on_an_order_that_has_left_brings_it_back_and_stands_in_its_history(town):
    order = town.archived()
    assert town.report(order, Delivery.DELIVERED, "notification.1")
    assert not town.report(order, Delivery.DELIVERED, "notification.1")
    town.run()
    shown = town.engine.show(order.id)
    assert shown.events[:-2] == order.events
    assert [event.trigger for event in shown.events[-2:]] == [Trigger.REPORTED, Trigger.DELIVERED]
    assert (shown.state, sound(shown), town.client.xlen("ce:{0}:unmatched")) == (order.state, True, 0)
    for _ in range(2):
        town.move()
    assert (town.names("order:"), town.engine.show(order.id).head) == ([], shown.head)


def test_a_report_whose_order_cannot_be_asked_for_is_kept_and_holds_up_nothing(small):
    order = small.archived()
    with broken(small.archive):
        assert small.report(order, Delivery.DELIVERED, "notification.1")
    [(_, kept)] = small.client.xrange("ce:{0}:unmatched")
    assert '"why":"unknown_here"' in kept["m"]
    assert small.report(order, Delivery.DELIVERED, "notification.1")
    with broken(small.archive):
        small.run(Lane.INBOUND)
    assert len(small.client.xrange("ce:{0}:unmatched")) == 2
    assert (small.names("inbox"), small.engine.show(order.id).head) == ([], order.head)


def test_a_reply_to_an_order_that_has_left_is_kept_and_activates_nothing(town):
    town.archived()
    town.say("是")
    town.run()
    [(_, kept)] = town.client.xrange("ce:{0}:unmatched")
    assert '"why":"nothing_asked"' in kept["m"]
    assert len(town.bss.asked) == 1


def test_people_are_told_why_nothing_can_be_done_with_it(town):
    order = town.archived()
    with pytest.raises(TooLate):
        town.engine.cancel(order.id, "desk", "changed his mind")
    with pytest.raises(NotWaiting):
        town.engine.resend(order.id, "desk")
    with pytest.raises(NothingParked):
        town.engine.retry(order.id, "ops")
    with pytest.raises(OrderNotFound):
        town.engine.show("0" * 28)


def test_a_notification_that_was_given_up_long_ago_is_given_up_as_often_as_it_is_asked(small):
    order = small.place()
    small.run(Lane.SMS)
    small.gateway.answers.append(Rejected("no such number"))
    assert small.say("是")
    small.run()
    small.engine.give_up(order.id, "ops", "out of service")
    small.move()
    assert not small.live([order.id])
    again = small.engine.give_up(order.id, "ops", "out of service")
    assert (again.id, again.state) == (order.id, "unnotified")


def test_lists_go_over_both_newest_first_with_one_cursor(town):
    made = [town.settled(msisdn=parse(f"1380013{n:04}")).id for n in range(5)]
    town.move()
    made += [town.place(parse(f"1390013{n:04}")).id for n in range(4)]
    assert len(town.live(made)) == 4
    seen, cursor = [], ""
    for _ in range(9):
        page = town.engine.orders(OrderFilter(), cursor, 2)
        seen += [order.id for order in page.orders]
        cursor = page.cursor
        if not cursor:
            break
    placed = {order.id: order.doc.placed_at for order in town.engine.lookup.load(made)[1].values()}
    assert seen == sorted(made, key=lambda order: (placed[order], order), reverse=True)
    assert [o.id for o in town.engine.orders(OrderFilter(state=State.NOTIFIED)).orders] == seen[4:]


def test_versions_are_told_of_both_so_that_a_stream_ends_and_is_not_lost(small):
    order = small.archived()
    live = small.place(OTHER)
    assert small.engine.lookup.versions([order.id, live.id, "0" * 28]) == [order.version, 1, 0]


def test_what_is_parked_keeps_its_order_here(small):
    order = small.place()
    small.run(Lane.SMS)
    small.say("不同意")
    small.run(Lane.INBOUND)
    small.gateway.answers = [Uncertain("timeout"), Uncertain("timeout")]
    small.run(Lane.SMS)
    small.clock.forward(hours=1)
    small.run(Lane.SMS)
    parked = small.engine.show(order.id).effects[f"sms.{Purpose.DECLINED}.1"]
    assert parked.parked
    small.move()
    assert small.live([order.id]), "somebody still has to look at it"
    small.engine.retry(order.id, "ops")
    small.run()
    small.move(hours=2)
    small.move(hours=2)
    assert not small.live([order.id])


def test_a_line_on_which_something_is_new_keeps_its_last_order_until_it_is_idle(small):
    order = small.settled()
    small.clock.forward(hours=LONG - 30)
    small.say("你好")  # a message that means nothing, two days later
    small.run()
    small.clock.forward(hours=31)
    small.run(Lane.TIMER)
    assert small.live([order.id]), "a gateway may still repeat that message"
    small.move(hours=48)
    assert not small.live([order.id])
    assert not small.names("line")


def test_a_stranger_who_was_asked_later_goes_with_his_last_order(small):
    small.say("你好")
    small.run()
    order = small.settled()
    small.move()
    assert not small.live([order.id])
    assert (small.names("line"), small.names("due")) == ([], [])


def test_a_line_that_still_wants_something_when_its_last_order_leaves_goes_a_month_later(small):
    order = small.settled()
    small.client.hset(f"ce:{{0}}:line:{order.line}", "f:sms.help.7", "[]")
    small.move()
    assert not small.live([order.id])
    assert small.client.hdel(f"ce:{{0}}:line:{order.line}", "f:sms.help.7") == 1, "it was still wanted"
    small.move(hours=31 * 24)
    assert small.names("line") == []


def test_unread_messages_keep_the_order_until_they_are_read(small):
    order = small.settled()
    small.clock.forward(hours=LONG)
    small.report(order, Delivery.DELIVERED, "notification.1")
    small.run(Lane.TIMER)
    assert small.live([order.id])
    small.run(Lane.INBOUND)
    assert "delivered" in small.triggers(order)
    small.move()
    assert small.engine.show(order.id).events[-1].trigger == "delivered"
    assert not small.live([order.id])


def test_a_new_line_never_has_a_version_that_the_old_one_had(small):
    small.settled()
    old = small.engine.line(NUMBER).version
    small.move()
    assert small.engine.line(NUMBER).version == 0
    small.say("退订")
    assert small.engine.line(NUMBER).version > old + 1_000


def test_what_its_class_does_not_allow_is_deleted_the_person_first(town):
    service = town.settled()
    refused = town.settled(answer="不同意", msisdn=OTHER)
    town.move()
    text, number = service.text, service.person.msisdn

    def at(days):
        town.clock.now = service.settled_at + days * 24 * 3_600_000
        done = town.archive.expire(town.clock.now, 100)
        assert not town.archive.expire(town.clock.now, 100)
        return done.persons, done.orders

    assert at(9) == (0, 0)
    # Each with its call, in which it was agreed and which is kept as long as an activated order.
    assert at(11) == (1, 0), "nothing was activated: kept the shorter time"
    erased = town.engine.show(refused.id)
    offer = refused.doc.offer
    shared = dated(offer.text, offer.words, refused.doc.call.started_at)
    assert (erased.person.msisdn, erased.text) in {("", ""), ("", shared)}
    assert all(event.person is None for event in erased.events)
    assert sound(erased), "the proof stays"
    assert erased.head == refused.head
    assert town.engine.show(service.id).person.msisdn == number
    assert town.engine.show(service.id).text == text
    assert at(21) == (3, 0)
    assert at(31) == (0, 2)
    with pytest.raises(OrderNotFound):
        town.engine.show(service.id)


def test_an_archived_order_that_somebody_changed_is_not_shown(town):
    order = town.settled()
    town.move()
    assert gone(town.archive, Order, order.id)[order.id].id == order.id
    changed = (
        update(ORDERS).where(ORDERS.c.id == order.id).values(record=func.replace(ORDERS.c.record, "A1024", "A1025"))
    )
    with town.archive._engine.begin() as connection:  # noqa: SLF001 - as somebody who writes into the database
        connection.execute(changed)
    assert gone(town.archive, Order, order.id) == {}
