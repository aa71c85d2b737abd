"""Messages that an older release stored are read to the decision by this one, and mean what they meant then."""

import json
from pathlib import Path

import pytest

from consent_engine.ports import Posted
from tests.conftest import NUMBER

KEPT = json.loads((Path(__file__).parents[2] / "unit" / "inbox.json").read_text())
COMMITS = tuple(KEPT)


def waits(world, order, commit, name, **more):
    """Put a message of an older release into the order's inbox; return the order's state after it."""
    kept = KEPT[commit][name].replace("04b2aabbccddeeff00112233445566", order.id)
    kept = kept.replace('"sub":"12"', '"sub":""').replace("345", order.doc.code)
    kept = kept.replace("1764000000000", str(world.clock.now))
    world.engine.store.inbox.receive([Posted(order.line, NUMBER, "before", kept, **more)])
    world.run()
    return world.state(order)


@pytest.fixture
def order(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=10)
    return order


@pytest.mark.parametrize("commit", COMMITS)
def test_a_yes_with_its_code_activates(world, order, commit):
    assert waits(world, order, commit, "a yes with its code, stamped") == "notified"


@pytest.mark.parametrize("commit", COMMITS)
def test_a_stop_declines_what_is_open(world, order, commit):
    assert waits(world, order, commit, "a STOP") == "declined"


@pytest.mark.parametrize("commit", COMMITS)
def test_words_that_may_be_a_refusal_wait_for_a_person(world, order, commit):
    assert waits(world, order, commit, "words that may be a refusal") == "awaiting_reply"
    assert "suspected" in world.triggers(order)


@pytest.mark.parametrize("commit", COMMITS)
def test_a_report_of_failure_ends_the_order(world, order, commit):
    assert waits(world, order, commit, "a report: failed") == "undeliverable"


@pytest.mark.parametrize("commit", COMMITS)
def test_a_refusal_by_voice_cancels_what_is_open(world, order, commit):
    assert waits(world, order, commit, "a refusal by voice", makes=("mobile",), door="voice") == "cancelled"


def test_a_suspicion_that_was_a_refusal_cancels_what_is_open(world, order):
    assert waits(world, order, "bc69350", "a suspicion that was a refusal") == "cancelled"


def test_a_suspicion_that_was_none_lets_the_order_wait(world, order):
    assert waits(world, order, "bc69350", "a suspicion that was none") == "awaiting_reply"
    assert "resumed" in world.triggers(order)
