"""A text that a gateway cannot carry whole is refused before any subscriber is asked, and never handed over."""

import pytest
from msgspec.structs import replace

from consent_engine.api.http.problems import status_of
from consent_engine.doctor import setup
from consent_engine.domain.admission.admit import limits
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import Sale
from consent_engine.domain.sms import segments
from consent_engine.errors import ConfirmationTooLong, Malformed, SettingsError
from tests.plans import undated

CODE = "5g-smart-199"


def carrying(world, count):
    """Put the engine behind a gateway that carries so many segments."""
    world.gateway.segments = count
    world.engine = world.another()


def longer(world, by, code=CODE) -> Plan:
    """Return the plan with longer restrictions."""
    plan = world.engine.plan(code).plan
    return undated(plan).saying(restrictions=(*plan.tariff.restrictions, "限" * by), english=None)


def test_a_plan_that_takes_more_segments_than_are_read_is_refused_with_what_is_too_long(world):
    world.engine.catalogue.publish(longer(world, 50))
    with pytest.raises(Malformed) as refused:
        world.engine.catalogue.publish(longer(world, 80))
    assert [(wrong.field, wrong.code, wrong.message) for wrong in refused.value.errors] == [
        ("confirmation", "too_long", "takes 7 segments, and 6 are the most"),
        ("notification", "too_long", "takes 5 segments, and 4 are the most"),
    ]
    assert world.engine.plan(CODE).plan.version == 2


def test_the_english_of_a_plan_is_looked_at_too(world):
    plan = world.engine.plan(CODE).plan
    english = replace(plan.tariff.english, scenario="calls " * 49)
    with pytest.raises(Malformed) as refused:
        world.engine.catalogue.publish(undated(plan).saying(english=english))
    assert refused.value.errors[-1].message == "takes 5 segments in en, and 4 are the most"


def test_a_gateway_may_carry_fewer_and_both_texts_are_looked_at(world):
    carrying(world, 1)
    with pytest.raises(Malformed) as refused:
        world.engine.catalogue.publish(longer(world, 1))
    assert [error.field for error in refused.value.errors] == ["confirmation", "notification"]


def test_none_of_several_plans_is_published_where_one_is_too_long_and_each_is_named(world):
    there = world.engine.plan("fibre-duo-129").plan
    new = [longer(world, 1), longer(world, 200), longer(world, 200, "5g-wo-159")]
    with pytest.raises(Malformed) as refused:
        world.engine.catalogue.check([*new, there])
    assert [error.field for error in refused.value.errors] == [
        f"{code}: {text}" for code in (CODE, "5g-wo-159") for text in ("confirmation", "notification")
    ]


def test_what_is_there_already_may_stay(world):
    carrying(world, 1)
    there = world.engine.plan(CODE).plan
    world.engine.catalogue.check([there])
    assert world.engine.catalogue.publish(there) == there
    assert world.engine.catalogue.set_sale(CODE, Sale.WITHDRAWN).sale is Sale.WITHDRAWN


def test_a_named_file_of_plans_stops_the_start_where_one_is_too_long_and_the_sample_does_not(world):
    carrying(world, 1)
    new = replace(longer(world, 1), code="new")
    assert world.engine.catalogue.stock([new]) == []
    with pytest.raises(SettingsError, match="CONSENT_PLANS: plan new: its confirmation takes 6 segments"):
        world.engine.catalogue.add_missing([new])


def test_an_order_whose_question_would_be_cut_is_refused_at_the_door_and_reserves_nothing(world):
    carrying(world, 4)
    with pytest.raises(ConfirmationTooLong) as refused:
        world.place(key="key")
    assert refused.value.facts == {"segments": 5, "carried": 4}
    assert (status_of(refused.value), refused.value.code) == (422, "confirmation_too_long")
    assert world.due() == dict.fromkeys(world.due(), 0)
    carrying(world, 5)
    assert world.place(key="key").doc.segments == 5


def test_doctor_names_what_became_too_long_for_its_gateway(world):
    carrying(world, 3)
    registry = world.engine.registry
    found = setup.catalogue(registry, world.engine.keys, world.clock(), limits(world.engine.terms))
    told = [each.what for each in found]
    assert f"plan {CODE}: its confirmation takes 5 segments, and 3 are the most" in told


def test_a_question_from_before_is_not_handed_over_cut(world):
    order = world.place()
    carrying(world, 3)
    world.run()
    assert (world.gateway.sent, world.state(order)) == ([], "undeliverable")
    assert "too_long:5:3" in str(world.engine.show(order.id).events[-1])


def test_a_notification_that_would_be_cut_waits_for_a_person(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=10)
    world.say("是")
    carrying(world, 1)
    world.run()
    assert world.state(order) == "activated"
    [stuck] = world.engine.stuck()
    assert stuck.id == order.id
    carrying(world, 4)
    world.engine.retry(order.id, "ops")
    world.run()
    assert world.state(order) == "notified"
    assert 1 < segments(world.texts("notification")[0]) <= 4
