"""Kept records, of every state, trigger and kind of work, are read and written again without a byte's change."""

import json
from collections import Counter

import pytest

from consent_engine.domain.lifecycle import State, Trigger
from tests.golden import kind_of, looked_at
from tests.golden.roads import played

KINDS = {"order", "line", "inbox", "offers", "archived"}
WAITS = {"sms.confirmation.1", "sms.notification.1", "activate", "wake.reminder", "wake.window_closed",
         "wake.too_late_to_ask", "wake.archive"}  # fmt: skip


@pytest.fixture(scope="module")
def written():
    """The records that each conversation leaves."""
    return list(played())


def test_what_is_written_is_read_and_written_again(written):
    told = Counter(kind for records in written for kind in looked_at(records))
    assert set(told) == KINDS
    assert told["order"] > 400


def test_the_conversations_leave_every_state_every_trigger_and_every_kind_of_work(written):
    orders = [record for records in written for key, record in records.items() if kind_of(key) == "order"]
    events = {json.loads(row)[0] for order in orders for name, row in order.items() if name[0] == "e"}
    assert {order["state"] for order in orders} == set(State)
    assert set(Trigger) - events == set()
    assert {name[2:] for order in orders for name in order if name.startswith("f:")} >= WAITS
