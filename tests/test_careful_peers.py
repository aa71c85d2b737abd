"""The careful peers of the benchmark keep the promises that our figures credit them with."""

import importlib
import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from consent_engine.adapters.redis.embedded.server import EmbeddedServer
from tests import needs

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NUMBER = "+8613800138000"


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """Give the steps and records of the careful peers, on a server of their own."""
    needs.server()
    with EmbeddedServer.start(tmp_path / "d", "everysec") as server:
        monkeypatch.setenv("BENCH_REDIS_URL", server.url)
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("peers.careful.orders"), importlib.import_module("peers.careful.steps")
        sys.modules["peers.careful.orders"].connection().close()
        for name in [name for name in sys.modules if name.split(".")[0] in {"peers", "outside_stub"}]:
            del sys.modules[name]


def asked(orders, steps, key="k"):
    [(_, order_id)] = orders.place([orders.Request(key, NUMBER)])
    steps.confirm(order_id)
    return order_id


def test_an_order_takes_its_road_step_by_step_and_leaves_a_chain(peer):
    orders, steps = peer
    order_id = asked(orders, steps)
    assert steps.reply("m1", NUMBER, "是") == ("activate", order_id)
    assert steps.activate(order_id) == "notify"
    assert steps.notify(order_id) == ""
    assert orders.load(order_id)["state"] == "notified"
    entries = orders.connection().lrange(f"history:{order_id}", 0, -1)
    heads = ["", *(sha256(each.encode()).hexdigest() for each in entries)]
    assert [json.loads(each)["prev"] for each in entries] == heads[:-1]
    assert orders.load(order_id)["head"] == heads[-1]
    assert orders.overdue(10**10) == ([], [])


def test_a_request_is_placed_once_and_another_under_its_key_is_refused(peer):
    orders, _ = peer
    [(word, order_id)] = orders.place([orders.Request("k", NUMBER)])
    assert word == "new"
    assert orders.place([orders.Request("k", NUMBER)]) == [("same", order_id)]
    assert orders.place([orders.Request("k", NUMBER, "A1")]) == [("conflict", order_id)]
    assert orders.place([orders.Request("other", NUMBER)]) == [("duplicate", order_id)]


def test_a_message_counts_once_and_a_stale_decision_is_made_again(peer):
    orders, steps = peer
    order_id = asked(orders, steps)
    stale = orders.load(order_id)
    assert steps.reply("m1", NUMBER, "?")[0] == ""
    assert orders.save(stale, orders.Move("x", "confirmed")) == "stale"
    assert orders.save(orders.load(order_id), orders.Move("x", "confirmed", message="m1")) == "repeated"
    assert orders.load(order_id)["state"] == "awaiting_reply"


def test_who_refused_gets_no_service_and_no_further_order(peer):
    orders, steps = peer
    order_id = asked(orders, steps)
    steps.reply("m1", NUMBER, "是")
    steps.reply("m2", NUMBER, "退订")
    assert steps.activate(order_id) == ""
    assert orders.load(order_id)["state"] == "declined"
    assert orders.place([orders.Request("again", NUMBER)])[0][0] == "refused"


def test_a_reply_before_its_question_is_read_again_later_and_a_lost_step_is_sent_again(peer):
    orders, steps = peer
    [(_, order_id)] = orders.place([orders.Request("k", NUMBER)])
    with pytest.raises(steps.TooEarly):
        steps.reply("m1", NUMBER, "是")
    assert orders.overdue(0) == ([], [])
    assert orders.overdue(10**10)[0] == [f"confirm {order_id}"]


def test_the_window_ends_an_order_that_nobody_answered(peer):
    orders, steps = peer
    order_id = asked(orders, steps)
    assert orders.overdue(10**10)[1] == [f"reminder {order_id}", f"window {order_id}"]
    steps.timer("reminder", order_id)
    steps.timer("window", order_id)
    assert orders.load(order_id)["state"] == "expired"
    assert steps.reply("m1", NUMBER, "是") == ("", "")
