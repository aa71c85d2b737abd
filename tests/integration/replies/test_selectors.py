"""A yes that names an order is a yes to that order: sub-number and code must agree, and be ours."""

from itertools import product

import pytest

from consent_engine.domain.msisdn import parse
from tests.conftest import NUMBER, SECOND, SENDERS, FakeGateway, World
from tests.memory import a_store
from tests.plans import known_since_ever

NOBODYS = "199"
"""No code begins with 1."""


@pytest.fixture
def subs():
    made = World(a_store(), sub_numbers=frozenset({"mobile"}))
    yield made
    made.runner.close()


def settled_well(world):
    return [asked.order_id for asked in world.bss.asked]


def test_a_yes_to_a_number_that_nobody_asked_from_activates_nothing(subs):
    order = subs.place()
    subs.run()
    subs.say("是", to="10085" + NOBODYS)
    subs.run()
    assert (settled_well(subs), subs.state(order)) == ([], "awaiting_reply")
    assert len(subs.texts("clarification")) == 1
    subs.say("是", to="10085" + order.doc.sub)
    subs.run()
    assert settled_well(subs) == [order.id]


@pytest.mark.parametrize("before", ["", "+", "86", "+86", "0086", "tel:+86-", "0086 ", "８６"])
@pytest.mark.parametrize("to", ["10001", "10016", "10085" + NOBODYS])
def test_a_number_of_ours_is_known_however_it_is_written(world, before, to):
    order = world.place()
    world.run()
    world.say("是", to=before + to)
    world.run()
    assert (settled_well(world), world.state(order)) == ([], "awaiting_reply")
    world.say("是", to=f"{before}10085")
    world.run()
    assert settled_well(world) == [order.id]


@pytest.mark.parametrize("before", ["", "+", "86", "+86", "0086", "tel:+86-", "0086 ", "８６"])
def test_a_stop_is_for_the_carrier_it_was_sent_to_however_its_number_is_written(world, before):
    world.say("TD", to=f"{before}10001")
    assert [each for each in SENDERS if world.engine.dial(NUMBER, each).callable] == ["mobile", "unicom"]


@pytest.mark.parametrize("to", ["95555", "1065512345", "08610085"])
def test_a_yes_to_a_number_that_is_not_ours_is_asked_which_one_it_means(world, to):
    order = world.place()
    world.run()
    world.say("是", to=to)
    world.run()
    assert (settled_well(world), world.state(order)) == ([], "awaiting_reply")
    [which] = world.texts("clarification")
    assert order.doc.code in which
    world.say(f"是{order.doc.code}", to=to)
    world.run()
    assert settled_well(world) == [order.id]


def test_a_no_to_a_number_that_is_not_ours_declines(world):
    order = world.place()
    world.run()
    world.say("否", to="95555")
    world.run()
    assert world.state(order) == "declined"


def test_a_yes_that_is_too_late_is_not_asked_which_one_it_means(world):
    order = world.place()
    world.run()
    world.say("否")
    world.run()
    world.say("是", to="95555")
    world.run()
    assert (world.texts("clarification"), world.state(order)) == ([], "declined")


def test_a_gateway_of_one_carrier_may_name_our_number_as_it_likes(world):
    world.gateways["telecom"] = world.gateways["unicom"] = FakeGateway()
    world.engine = world.another()
    order = world.place()
    world.run()
    world.say("是", to="1065512345")
    world.run()
    assert settled_well(world) == [order.id]


def test_a_yes_to_a_sub_number_where_no_carrier_has_any_activates_nothing(world):
    order = world.place()
    world.run()
    world.say("是", to="10085234")
    world.run()
    assert (settled_well(world), world.state(order)) == ([], "awaiting_reply")


def test_a_code_that_nobody_has_activates_nothing(world):
    order = world.place()
    world.run()
    other = next(code for code in ("234", "345") if code != order.doc.code)
    world.say(f"是{other}")
    world.run()
    assert (settled_well(world), world.state(order)) == ([], "awaiting_reply")


@pytest.mark.parametrize(("to", "code"), list(product(("", "a", "b", "nobody"), ("", "a", "b", "nobody"))))
def test_of_two_orders_the_one_is_activated_that_all_selectors_name(subs, to, code):
    orders = {"a": subs.place(), "b": subs.place(plan=SECOND)}
    subs.run()
    codes = {"": "", "nobody": "987" if "987" not in {o.doc.code for o in orders.values()} else "986"}
    codes |= {name: order.doc.code for name, order in orders.items()}
    subs.say(f"是{codes[code]}", to=f"10085{codes[to]}")
    subs.run()
    named = {name for name in (to, code) if name}
    expected = [orders[name].id for name in named & set(orders) if len(named) == 1]
    assert settled_well(subs) == expected


def test_a_code_that_stands_in_another_open_text_is_no_answer(world):
    """同意300, where another question says 300GB, may mean either."""
    first = world.place()
    plan = world.engine.plan(SECOND).plan
    known_since_ever(world.engine, plan.saying(scenario=f"每月{first.doc.code}GB"))
    second = world.place(plan=SECOND)
    world.run()
    world.say(f"同意{first.doc.code}")
    world.run()
    assert (settled_well(world), world.state(first), world.state(second)) == ([], "awaiting_reply", "awaiting_reply")


def test_a_code_is_given_that_stands_in_no_question_of_the_number(world):
    figures = "".join(str(n * 7919 % 90_000 + 10_000) for n in range(11))
    plan = world.engine.plan(SECOND).plan
    known_since_ever(world.engine, plan.saying(scenario=figures))
    for n in range(30):
        number = parse(f"138001380{n:02}")
        first = world.place(number, plan=SECOND)
        second = world.place(number)
        # The second question did not exist when the first code was given; one that contains the code is tested above.
        assert first.doc.code not in first.codeless_text
        assert second.doc.code not in first.codeless_text
        assert second.doc.code not in second.codeless_text


def test_a_code_is_given_that_stands_in_no_open_question_whatever_its_plan_says_since(world):
    plan = world.engine.plan(SECOND).plan
    said = known_since_ever(
        world.engine, plan.saying(scenario="".join(str(n * 7919 % 90_000 + 10_000) for n in range(48)))
    )
    asked = [world.place(parse(f"138001380{n:02}"), plan=SECOND) for n in range(30)]
    known_since_ever(world.engine, plan)
    for n, order in enumerate(asked):
        assert said.tariff.scenario in order.codeless_text
        assert world.place(parse(f"138001380{n:02}")).doc.code not in order.codeless_text


def test_a_wrong_code_where_one_order_is_open_is_answered_about_that_one(world):
    order = world.place()
    world.run()
    wrong = "998" if order.doc.code == "999" else "999"  # codes are drawn
    world.say(f"是{wrong}")
    world.run()
    [told] = world.texts("clarification")
    assert "“是”" in told
    assert "多项" not in told, "there is one"
    world.say("是")
    world.run()
    assert world.state(order) == "notified"
