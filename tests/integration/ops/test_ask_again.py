"""Subscribers whose question could not be delivered, asked again by cause: at a terminal and over HTTP."""

import asyncio
import os

import pytest

from consent_engine.api.schemas.lists import AskedAgainView, UndeliverableList
from consent_engine.api.web.board import look
from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import Lane, Rejected
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.sms import Delivery
from consent_engine.engine.api_keys import Role
from consent_engine.engine.undeliverable import FEW_DEAD, unreached_of
from tests.conftest import NUMBER, SECOND, World
from tests.integration.api_door import FULL_SECRET, order
from tests.typed import typed

WRONG = "gateway:404"
HOURS = 2


@pytest.fixture
def young(world):
    """Take orders as a shipped installation does: two hours after the call at most."""
    World.call_age, before = HOURS * 3_600_000, World.call_age
    world.engine = world.another()
    World.call_age = before
    return world


def unreached(world, msisdn=NUMBER, plan="5g-smart-199", why=WRONG):
    """Place an order whose question the gateway refuses for good."""
    world.gateway.answers = [Rejected(why)]
    found = world.place(msisdn, plan)
    world.run(Lane.SMS)
    assert world.state(found) == "undeliverable"
    return found


def page(world, reason=None, plan=None):
    return world.engine.undeliverable.page(reason, plan).orders


def asks(world, orders, by="ops-1"):
    return world.engine.undeliverable.ask_again(orders, by)


def linked(world, found):
    """Return the order that an order's history names, and who did that."""
    event = world.engine.show(found.id).last(Trigger.PLACED_AGAIN)
    return event.detail.old, event.detail.new, event.by


def new_of(world, found):
    return world.engine.show(linked(world, found)[1])


def test_a_new_order_of_the_same_call_asks_again_and_each_names_the_other(young):
    old = unreached(young)
    [found] = page(young)
    assert asks(young, [found]).asked == 1
    new = new_of(young, old)
    assert linked(young, old) == ("", new.id, "ops-1")
    assert linked(young, new) == (old.id, "", "ops-1")
    assert young.state(old) == "undeliverable", "what has settled never moves"
    assert (new.doc.call_id, new.doc.call.agreed_at) == (old.doc.call_id, old.doc.call.agreed_at)
    assert (new.doc.placed_by, new.doc.agent, new.person.metadata) == ("desk", "A1024", old.person.metadata)
    young.run(Lane.SMS)
    young.say("是")
    young.run()
    assert (young.state(new), len(young.bss.asked)) == ("notified", 1)


def test_one_order_is_asked_about_once_however_often_and_by_how_many(young):
    old = unreached(young)
    [seen] = page(young)
    assert [asks(young, [seen], by).asked for by in ("ops-1", "ops-2")] == [1, 1]
    assert len(young.engine.orders_of(NUMBER).orders) == len({old.id, new_of(young, old).id})
    assert page(young) == ()


def test_what_cannot_be_delivered_once_more_can_be_asked_about_once_more(young):
    first = unreached(young)
    young.gateway.answers = [Rejected(WRONG)]
    asks(young, page(young))
    young.run(Lane.SMS)
    second = new_of(young, first)
    assert [each.id for each in page(young)] == [second.id]
    asks(young, page(young))
    young.run(Lane.SMS)
    assert young.state(new_of(young, second)) == "awaiting_reply"


def test_only_one_cause_is_asked_about_and_causes_are_counted(young):
    wrong = [unreached(young, f"+861380013900{n}") for n in range(3)]
    unreached(young, "+8613800139010", why="gateway:422")
    unreached(young, "+8613800139011", plan=SECOND)
    assert [(each.reason, each.plan, each.count) for each in unreached_of(page(young))] == [
        (WRONG, "5g-smart-199", 3), (WRONG, SECOND, 1), ("gateway:422", "5g-smart-199", 1),
    ]  # fmt: skip
    chosen = page(young, WRONG, "5g-smart-199")
    assert {each.id for each in chosen} == {each.id for each in wrong}
    assert asks(young, chosen).asked == len(wrong)
    assert len(page(young)) == 2


def test_sales_that_died_of_one_cause_are_named_and_not_numbers_that_cannot_be_reached(young):
    for n in range(FEW_DEAD):
        unreached(young, f"+861380013900{n}")
        lost = young.place(f"+861380013800{n}")
        young.run(Lane.SMS)
        assert young.report(lost, Delivery.FAILED, message_id=f"m{len(young.gateway.sent)}")
        young.run()
        assert young.state(lost) == "undeliverable"
    unreached(young, "+8613800139010", why="gateway:422")
    assert [(each.reason, each.count) for each in young.engine.undeliverable.dead()] == [(WRONG, FEW_DEAD)]


def test_who_refused_since_is_not_asked_again_nor_whose_call_is_too_old(young):
    unreached(young, "+8613800139000")
    refused = unreached(young, "+8613800139001")
    young.say("TD", "+8613800139001")
    young.run(Lane.INBOUND)
    done = asks(young, page(young))
    assert (done.asked, dict(done.refused)) == (1, {"do_not_call": 1})
    young.clock.forward(hours=HOURS)
    assert page(young) == ()
    assert asks(young, [young.engine.show(refused.id)]).asked == 0, "the door looks at the age, too"


@pytest.mark.parametrize("came_of_it", ["notified", "nothing", "cancelled"])
def test_who_was_asked_by_a_later_order_is_not_asked_again_whatever_came_of_it(young, came_of_it):
    unreached(young)
    later = young.place()
    young.run()
    if came_of_it == "cancelled":
        young.engine.cancel(later.id, "A1024", "again")
    elif came_of_it == "notified":
        young.say("是")
        young.run()
    assert young.state(later) == (came_of_it if came_of_it != "nothing" else "awaiting_reply")
    done = asks(young, page(young))
    assert (done.asked, dict(done.refused)) == (0, {"duplicate_order": 1})


def test_a_no_that_came_after_the_order_had_ended_is_no_reason_to_ask_again(young):
    old = young.place()
    young.run(Lane.SMS)
    young.report(old, Delivery.FAILED)
    young.run()
    assert young.state(old) == "undeliverable"
    young.say("否")
    young.run()
    done = asks(young, page(young))
    assert (done.asked, dict(done.refused)) == (0, {"cool_off": 1})


# -- over HTTP, and at a terminal --------------------------------------------------------------------------------------


@pytest.fixture
def refusing(door):
    """Return a function that places orders whose questions the gateway refuses."""
    gateway = door.engine.outside.gateways["simulated"]
    takes = gateway.send

    async def refuses(_sms):
        return Rejected(WRONG)

    def places(count):
        gateway.send = refuses
        agreed = door.engine.registry.now() - 60_000
        call = {"started_at": GREENWICH.instant(agreed - 60_000), "agreed_at": GREENWICH.instant(agreed)}
        for n in range(count):
            answer = door.place(order(msisdn=f"+861380013{n:04}", call=call), key=f"key-{n}")
            assert answer.status_code == 201, answer.text
        asyncio.run(door.engine.performer.perform(Lane.SMS, 1))
        gateway.send = takes

    return places


def listed(door, role=Role.OPS):
    answer = door.call("GET", "/v1/undeliverable", role)
    UndeliverableList.model_validate(answer.json())
    return answer.json()


def test_ops_count_them_and_ask_again_over_http(door, refusing):
    refusing(3)
    [cause] = listed(door, Role.AUDITOR)["causes"]
    assert (cause["reason"], cause["count"]) == (WRONG, 3)
    first = door.call("POST", "/v1/undeliverable/ask", Role.OPS, {"reason": WRONG, "limit": 2})
    AskedAgainView.model_validate(first.json())
    assert (first.json()["asked"], first.json()["refused"]) == (2, {})
    assert listed(door)["count"] == 1
    assert door.call("POST", "/v1/undeliverable/ask", Role.OPS, {"reason": WRONG}).json()["asked"] == 1
    assert listed(door)["causes"] == []


def test_dead_sales_are_a_line_on_the_board_and_of_doctor(door, refusing):
    refusing(FEW_DEAD)
    [dead] = look(door.engine, None)["dead"]
    assert (dead["reason"], dead["plan"], dead["count"]) == (WRONG, "5g-smart-199", FEW_DEAD)
    told = {
        "CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"],
    }  # fmt: skip
    said = typed("doctor", environ=told).stdout
    [line] = [line for line in said.splitlines() if "died of one cause" in line]
    assert f"{FEW_DEAD} sales of 5g-smart-199" in line
    assert "gateway answered 404" in line
    assert f"consent ask-again --all --plan 5g-smart-199 --reason {WRONG}" in said


def test_at_a_terminal_they_are_counted_first_then_asked_again(door, refusing):
    refusing(3)
    told = {
        "CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"],
    }  # fmt: skip
    counted = typed("ask-again", "--dry-run", environ=told)
    assert (counted.returncode, counted.stdout.split()[:2]) == (0, ["3", "5g-smart-199"])
    assert "count them with --dry-run" in typed("ask-again", environ=told).stderr
    asked = typed("ask-again", "--all", "--reason", WRONG, environ=told)
    assert (asked.returncode, asked.stdout.split()) == (0, ["asked", "3"])
    assert "no such order" in typed("ask-again", "--dry-run", environ=told).stderr


def test_their_numbers_are_exported_by_one_reveal_that_keeps_its_reason_its_filter_and_its_size(door, refusing):
    refusing(3)
    numbers = {f"+861380013{n:04}" for n in range(3)}
    asked = {"reason": "sales calls them", "state": "undeliverable", "cause": WRONG}
    page = door.call("POST", "/v1/orders/export", Role.AUDITOR, {**asked, "limit": 2}).json()
    rest = door.call("POST", "/v1/orders/export", Role.AUDITOR, {**asked, "cursor": page["cursor"]}).json()
    assert {row["msisdn"] for row in [*page["orders"], *rest["orders"]]} == numbers
    told = {
        "CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"],
    }  # fmt: skip
    exported = typed("export", "--state", "undeliverable", "--reason", "an audit", environ=told)
    assert {line.split("\t")[1] for line in exported.stdout.splitlines()} == numbers
    kept = [(each.reason, each.what, each.size) for each in door.engine.reveals.happened()]
    listed = f"state=undeliverable cause={WRONG}"
    assert kept == [("an audit", "state=undeliverable", 3), (asked["reason"], listed, 1), (asked["reason"], listed, 2)]
