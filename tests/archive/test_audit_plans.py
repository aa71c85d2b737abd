"""`consent audit` and the catalogue: a plan that was changed in Redis after it was sold is named.

The plan's hash stands in the first link of each order's chain, so the log has it.
"""

import json

import pytest
from msgspec.structs import replace

from consent_engine.adapters.redis.keys import Cell
from consent_engine.doctor.records import audit
from consent_engine.engine.scribe import write_out
from tests.conftest import OTHER

EVER = (0, 2**62)


def wrong(town):
    return sorted(audit(town.engine.store, 0, EVER, plans=town.engine.registry.catalogue).wrong)


@pytest.fixture
def sold(small):
    """An order that was sold, and left for the archive; its plan's row."""
    small.order = small.settled()
    write_out(small.engine.store, "one")
    small.move()
    assert small.order.id not in small.live([small.order.id])
    small.row = f"{Cell().shared}plan:{small.order.doc.plan}"
    assert wrong(small) == []
    return small


def kept(town, version):
    return json.loads(town.client.hget(town.row, version))


def changed(town, version="1", **says):
    town.client.hset(town.row, version, json.dumps({**kept(town, version), **says}, ensure_ascii=False))


def test_a_plan_that_was_changed_after_it_was_sold_is_named_with_an_order_that_shows_it(sold):
    order = sold.order
    was = kept(sold, "1")
    named = (f"plan {order.doc.plan}", f"version 1 is not as it was sold: order {order.id} has another hash of it")
    changed(sold, name="别的套餐")
    assert wrong(sold) == [named]
    changed(sold, name=was["name"], published=[{**p, "url": "https://elsewhere.example/x"} for p in was["published"]])
    assert wrong(sold) == [named]
    changed(sold, published=was["published"])
    assert wrong(sold) == []


def test_a_plan_that_was_changed_sold_and_changed_back_is_named_too(sold):
    was = kept(sold, "1")
    changed(sold, name="别的套餐")
    sold.engine = sold.another()
    other = sold.settled(msisdn=OTHER)
    write_out(sold.engine.store, "one")
    changed(sold, name=was["name"])
    assert other.doc.offer.plan_name == "别的套餐"
    assert wrong(sold) == [
        (f"plan {other.doc.plan}", f"version 1 is not as it was sold: order {other.id} has another hash of it")
    ]


def test_a_version_that_is_gone_or_cannot_be_read_is_named_and_a_newer_one_is_none_of_it(sold):
    plan = sold.engine.catalogue.fresh()[sold.order.doc.plan].plan
    shown = tuple(replace(each, url=f"/tariffs/{plan.code}/2", since=None) for each in plan.published)
    sold.clock.forward(hours=1)
    assert sold.engine.catalogue.publish(replace(plan.saying(name="新的套餐"), published=shown)).version == 2
    assert wrong(sold) == []
    was = sold.client.hget(sold.row, "1")
    sold.client.hdel(sold.row, "1")
    assert wrong(sold) == [(f"plan {plan.code}", f"version 1 is gone: order {sold.order.id} was placed under it")]
    sold.client.hset(sold.row, "1", "{")
    assert wrong(sold) == [("plans", "cannot be read: a record of the catalogue was changed or damaged")]
    sold.client.hset(sold.row, "1", was)
    assert wrong(sold) == []


def test_a_period_compares_the_plans_of_its_own_orders(sold):
    sold.clock.forward(hours=1)
    since = sold.clock.now
    changed(sold, name="别的套餐")
    found = audit(sold.engine.store, 0, (since, 2**62), plans=sold.engine.registry.catalogue)
    assert found.wrong == []
