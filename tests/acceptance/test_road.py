"""The whole road over HTTP, as curl would walk it, and the data that survive kill -9."""

import json
import os
import re
import signal
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis

from consent_engine.adapters.redis.client import connect
from tests import needs
from tests.acceptance.house import call, command_of, descendants, house
from tests.waiting import HANGS_S, until


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    needs.server()
    with house(tmp_path_factory.mktemp("house")) as made:
        yield made


def sms(home, order, purpose):
    return [each for each in home.ledger()["sms"] if each["ref"].startswith(f"{order}.{purpose}.")]


def activations(home, order):
    return [each for each in home.ledger()["activations"] if each["order_id"] == order]


def ask(home, number):
    status, order = home.place(number)
    assert status == 201, order
    until("the question is handed over", lambda: home.state(order["id"]) == "awaiting_reply")
    return order["id"]


def test_a_yes_by_sms_activates_once_and_is_told(home):
    order = ask(home, 1)
    [question] = sms(home, order, "confirmation")
    assert question["text"] == home.show(order)["confirmation"]["text"]
    assert activations(home, order) == []
    assert home.say(1, "是", "mo-1")[0] == 200
    assert home.say(1, "是", "mo-1")[0] == 200  # the gateway repeats itself
    until("notified", lambda: home.state(order) == "notified")
    [activation] = activations(home, order)
    assert len(activation["attempts"]) == 1
    assert len(sms(home, order, "notification")) == 1
    shown = home.show(order)
    assert shown["stage"] == "notification_sent"
    steps = [entry["trigger"] for entry in shown["timeline"] if entry["trigger"] not in {"reported", "delivered"}]
    assert steps == [
        "placed", "confirmation_accepted", "said_yes", "service_activated", "notification_accepted",
    ]  # fmt: skip


@pytest.fixture
def ids_for_parts(home):
    """For a while another gateway: it gives every part an id, and reports by that id alone."""
    for options in (["--part-ids"], []):
        home.outside.terminate()
        home.outside.wait(HANGS_S)
        home.start_outside(*options)
        if options:
            yield home


def test_a_gateway_that_gives_every_part_an_id_of_its_own_is_heard_as_of_one_sms(ids_for_parts):
    home = ids_for_parts
    order = ask(home, 7)
    home.say(7, "是", "mo-7")

    def arrived():
        return [each["trigger"] for each in home.show(order)["timeline"]].count("delivered")

    until("both have arrived", lambda: arrived() == 2 and home.state(order) == "notified")
    assert home.ledger()["reports"] >= 6
    assert len(home.show(order)["timeline"]) <= 9  # the road has five, and each SMS may be reported twice
    assert arrived() == 2


def test_a_no_and_silence_activate_nothing(home):
    refused = ask(home, 2)
    home.say(2, "不同意", "mo-2")
    until("declined", lambda: home.state(refused) == "declined")
    until("told", lambda: sms(home, refused, "declined"))
    assert activations(home, refused) == []


def test_a_stop_refuses_the_carrier_for_every_next_order_and_dial(home):
    order = ask(home, 3)
    assert home.ask("POST", "/v1/callable", {"msisdn": "13800000003", "carrier": "mobile"})[1]["callable"] is True
    home.say(3, "TD", "mo-3")
    assert home.ask("POST", "/v1/callable", {"msisdn": "13800000003", "carrier": "mobile"})[1]["callable"] is False
    status, problem = home.place(3)
    assert (status, problem["code"]) == (409, "do_not_call")
    until("declined", lambda: home.state(order) == "declined")
    until("told", lambda: sms(home, order, "opted_out"))


def test_each_refusal_of_the_door_has_its_code(home):
    def code(number=90, **changes):
        status, problem = home.place(number, **changes)
        return status, problem.get("code")

    assert home.ask("POST", "/v1/orders", {})[1]["code"] == "idempotency_key_missing"
    status, problem = home.place(90, msisdn="12345", call={"caller_number": "10085"})
    assert status == 422
    assert {"invalid_msisdn", "recording_missing"} <= {error["code"] for error in problem["errors"]}
    assert code(plan="no-such-plan") == (422, "plan_unknown")
    now = datetime.now(UTC).isoformat()
    call_details = {"recording_id": "r", "started_at": now, "agreed_at": now}
    assert code(call={**call_details, "caller_number": "13900000000"}) == (422, "unofficial_number")
    early = {**call_details, "started_at": "2020-01-01T10:00:00+08:00", "agreed_at": "2020-01-01T10:01:00+08:00"}
    assert code(call={**early, "caller_number": "10085"}) == (409, "plan_not_public")
    status, placed = home.place(91, key="one")
    assert status == 201
    until("asked", lambda: home.state(placed["id"]) == "awaiting_reply")
    assert code(92, key="one") == (409, "idempotency_conflict")
    status, problem = home.place(91, key="two")
    assert (status, problem["code"]) == (409, "duplicate_order")
    assert call("POST", f"{home.api}/v1/orders", {})[0] == 401


def test_the_same_request_twice_is_one_order(home):
    details = {"recording_id": "again", "caller_number": "10085"}
    now = datetime.now(UTC).isoformat()
    details |= {"started_at": now, "agreed_at": now}
    status, first = home.place(93, key="again", call=details)
    assert status == 201
    status, second = home.place(93, key="again", call=details)
    assert (status, second["id"]) == (200, first["id"])
    until("asked", lambda: home.state(first["id"]) == "awaiting_reply")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"id":"x"}', b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"\xff\xfe", b'{"a": NaN}'],
)
def test_a_malformed_signed_webhook_is_answered_and_changes_nothing(home, body):
    before = len(home.ledger()["sms"])
    status, _ = home.post_signed("/v1/gateways/http_json/inbound", body)
    assert status in {200, 422}
    assert len(home.ledger()["sms"]) == before


def test_an_unsigned_or_replayed_webhook_stores_nothing(home):
    order = ask(home, 4)
    body = json.dumps({"message_id": "evil", "from": "+8613800000004", "to": "10085", "text": "是"}).encode()
    assert home.post_signed("/v1/gateways/http_json/inbound", body, secret="guess")[0] == 401
    assert call("POST", f"{home.api}/v1/gateways/http_json/inbound", body)[0] == 401
    assert home.state(order) == "awaiting_reply"


def test_every_process_may_be_killed_and_every_order_placed_settles(home):
    orders = {number: home.place(number)[1]["id"] for number in range(1000, 1030)}
    victims = {1000: "-m workers", 1010: "redis.sock", 1020: " api"}
    for number in orders:
        until("the API is back", lambda number=number: home.say(number, "是", f"mo-{number}")[0] == 200)
        if number in victims:
            os.kill(home.children(victims[number])[0], signal.SIGKILL)

    def all_notified():
        for number, order in orders.items():  # a yes that came before its question does not count: it is sent again
            if home.state(order) == "awaiting_reply":
                home.say(number, "是", f"mo-{number}-again")
        return {home.state(order) for order in orders.values()} == {"notified"}

    until("all are notified", all_notified)
    for order in orders.values():
        [activation] = activations(home, order)
        assert activation["switched_on"] == 1
    assert home.ledger()["errors"] == []  # no key with two bodies, no bad signature


def test_no_number_and_no_text_is_in_a_log_a_key_or_a_job(home):
    order = home.place(2900)[1]["id"]
    until("asked", lambda: home.state(order) == "awaiting_reply")
    client = Redis.from_url(f"unix://{home.folder}/data/redis.sock")
    names = b" ".join(client.scan_iter("*", count=1000)).decode()
    kept = [value for name in client.scan_iter("rq:job:*", count=1000) for value in client.hgetall(name).values()]
    jobs = " ".join((zlib.decompress(value) if value[:1] == b"x" else value).decode() for value in kept)
    client.close()
    assert "workers.jobs.perform" in jobs
    for where in (home.log, names, jobs, *(command_of(pid) for pid in descendants(home.server.pid))):
        assert not re.search(r"1380000\d{4}", where)
        assert "不同意" not in where
        assert "5G智享" not in where
        assert not any(key in where for key in home.keys.values())


def test_rq_may_lose_everything_while_orders_are_under_way(home):
    client = connect(f"unix://{home.folder}/data/redis.sock")
    orders = {number: home.place(number)[1]["id"] for number in range(2000, 2010)}
    for name in client.scan_iter("rq:*"):
        client.delete(name)
    for order in orders.values():
        until("asked", lambda order=order: home.state(order) == "awaiting_reply")
    for number in orders:
        home.say(number, "是", f"mo-{number}")
        for name in client.scan_iter("rq:*"):
            client.delete(name)
    for order in orders.values():
        until("notified", lambda order=order: home.state(order) == "notified")
    client.close()


def test_sigterm_ends_everything_and_nothing_is_left(home):
    order = home.place(5)[1]["id"]
    below = descendants(home.server.pid)
    assert len(below) >= 4
    assert home.stop() == 0
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists() and "consent" in command_of(pid)]
    home.start()
    until("asked", lambda: home.state(order) == "awaiting_reply")
