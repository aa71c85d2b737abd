"""The gateways' webhooks: signed messages are stored once and then acknowledged; unsigned ones have no effect."""

import asyncio
import json

import pytest

from consent_engine.adapters.redis.client import Wire, connect
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.domain.effects import Lane
from consent_engine.domain.hashing import HEADER, sign
from consent_engine.errors import NotDurable, StoreUnavailable
from tests.integration.api_door import NUMBER, SECRET, is_problem, reply


def report(placed, **changes):
    return {"ref": f"{placed}.confirmation.1", "message_id": "m-9", "status": "delivered", **changes}


def unread(door):
    return sum(door.redis.llen(key) for key in door.redis.keys("ce:*:inbox:*"))


def test_a_signed_reply_is_stored_and_acknowledged(door):
    answer = door.post("inbound", reply())
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "rejected": []})
    assert unread(door) == 1


def test_a_repeat_is_acknowledged_alike_and_stored_once(door):
    first, second = door.post("inbound", reply()), door.post("inbound", reply())
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert unread(door) == 1


def test_a_list_is_taken_item_by_item(door):
    items = [reply(), reply(message_id="m-2", **{"from": "nobody"}), reply(message_id="m-3"), 7]
    said = door.post("inbound", items).json()
    assert said["accepted"] == 2
    assert [item["index"] for item in said["rejected"]] == [1, 3]
    assert unread(door) == 2


@pytest.mark.parametrize("path", ["inbound", "receipts"])
@pytest.mark.parametrize("at", [-301, 310, -100_000])
def test_an_old_signature_is_none(door, path, at):
    before = door.kept()
    is_problem(door.post(path, reply(), at=at), 401, "unauthenticated")
    assert door.kept() == before


@pytest.mark.parametrize("at", [-290, 295])
def test_a_signature_has_some_tolerance(door, at):
    assert door.post("inbound", reply(), at=at).status_code == 200


BODY = json.dumps(reply()).encode()
WRONG = {
    "none": None,
    "empty": "",
    "another secret": sign("other", BODY, 10**10),
    "another body": sign(SECRET, BODY + b" ", 10**10),
    "garbage": "t=1,v1=zz",
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("path", ["inbound", "receipts"])
def test_what_is_not_signed_stores_nothing(door, path, name):
    before = door.kept()
    headers = (
        {}
        if WRONG[name] is None
        else {HEADER: WRONG[name].replace(str(10**10), str(door.engine.registry.now() // 1000))}
    )
    answer = door.call("POST", f"/v1/gateways/simulated/{path}", content=BODY, headers=headers)
    is_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Signature"
    assert door.kept() == before


def test_a_key_of_ours_is_no_signature(door):
    answer = door.call("POST", "/v1/gateways/simulated/inbound", "admin", content=BODY)
    is_problem(answer, 401, "unauthenticated")


def test_a_gateway_that_is_not_in_use_is_not_there(door):
    before = door.kept()
    is_problem(door.post("inbound", reply(), gateway="http_json"), 404, "gateway_not_found")
    assert door.kept() == before


def test_it_is_the_stores_clock_that_counts(door):
    """The host's clock may jump at will."""
    a_day = 86_400_000

    def engines():
        engine = door.installation.engine()
        wire = Wire(connect(door.installation.redis_url), proves=False, replicas=0)
        engine.registry = RedisRegistry(wire, clock=lambda: door.engine.registry.now() + a_day)
        return engine

    door.serve(engines)
    is_problem(door.post("inbound", reply()), 401, "unauthenticated")
    assert door.post("inbound", reply(), at=a_day // 1000).status_code == 200


def test_a_stop_is_seen_by_the_next_order_before_anybody_read_it(door):
    assert door.post("inbound", reply("TD")).status_code == 200
    is_problem(door.place(), 409, "do_not_call")


@pytest.mark.parametrize(
    "wrong",
    [{"received_at": "2025-08-01 10:00:00"}, {"to": "short code"}, {"part": {"n": 1, "of": 300}}, {"message_id": ""}],
)
def test_a_stop_is_heard_whatever_else_is_wrong_with_its_item_and_such_a_yes_is_rejected(door, wrong):
    order = door.place().json()["id"]
    door.work(Lane.SMS)
    yes = door.post("inbound", reply("是", **wrong)).json()
    assert (yes["accepted"], [each["index"] for each in yes["rejected"]]) == (0, [0])
    stop = door.post("inbound", reply("TD", **wrong)).json()
    assert (stop["accepted"], [each["reason"].endswith("refusal is kept") for each in stop["rejected"]]) == (1, [True])
    is_problem(door.place(key="key-2"), 409, "do_not_call")
    door.work(Lane.INBOUND)
    assert door.engine.show(order).state.value == "declined"
    before = door.kept()
    assert door.post("inbound", reply("TD", **wrong)).json()["accepted"] == 1
    assert door.kept().keys() == before.keys()


def test_a_no_whose_item_is_wrong_bars_an_activation_that_has_not_begun(door):
    order = door.place().json()["id"]
    door.work(Lane.SMS)
    assert door.post("inbound", reply("是")).status_code == 200
    door.work(Lane.INBOUND)
    wrong = door.post("inbound", reply("不要", received_at="2025-08-01 10:00:00")).json()
    assert (wrong["accepted"], wrong["rejected"][0]["reason"].endswith("refusal is kept")) == (1, True)
    door.work(Lane.INBOUND, Lane.ACTIVATION)
    assert door.engine.show(order).state.value == "confirmed"
    assert [each.reason for each in door.engine.held()[0]] == ["doubtful"]


def test_a_report_reaches_its_order(door):
    placed = door.place().json()["id"]
    door.work(Lane.SMS)
    assert door.post("receipts", report(placed, message_id=None)).json() == {"accepted": 1, "rejected": []}
    door.work(Lane.INBOUND)
    triggers = [event.trigger for event in door.engine.show(placed).events]
    assert triggers[-2:] == ["reported", "delivered"]


def test_a_report_on_nothing_of_ours_is_kept_as_unmatched(door):
    assert door.post("receipts", report("0" * 28)).json() == {"accepted": 1, "rejected": []}
    assert sum(door.redis.xlen(key) for key in door.redis.keys("ce:*:unmatched")) == 1


@pytest.mark.parametrize("error", [StoreUnavailable, NotDurable])
def test_what_is_not_stored_is_not_acknowledged(door, error):
    def engines():
        engine = door.installation.engine()

        def receive_many(_messages):
            raise error("not now")

        engine.receive_many = receive_many
        return engine

    door.serve(engines)
    is_problem(door.post("inbound", reply()), 503, error.code)


def test_many_webhooks_at_once_are_each_answered_for_their_own(door):
    bodies = [json.dumps(reply(message_id=f"m-{n}") if n % 3 else {"x": n}).encode() for n in range(40)]
    now = door.engine.registry.now() // 1000

    async def all_of_them():
        calls = [
            door.request("POST", "/v1/gateways/simulated/inbound", content=body,
                         headers={HEADER: sign(SECRET if n % 5 else "wrong", body, now)})
            for n, body in enumerate(bodies)
        ]  # fmt: skip
        return await asyncio.gather(*calls)

    for n, answer in enumerate(door.runner.run(all_of_them())):
        if n % 5 == 0:
            assert answer.status_code == 401
        else:
            assert answer.json()["accepted"] == (1 if n % 3 else 0)
    assert unread(door) == sum(1 for n in range(40) if n % 5 and n % 3)
    assert not door.app.state.front.defects  # messages that others send wrong are no defects of ours


def test_a_message_nobody_can_take_does_not_sink_the_others(door):
    def engines():
        engine = door.installation.engine()
        real = engine.receive_many

        def receive_many(messages):
            if any(getattr(message, "message_id", "") == "poison" for message in messages):
                raise RuntimeError(f"cannot take {NUMBER}")
            return real(messages)

        engine.receive_many = receive_many
        return engine

    door.serve(engines)
    now = door.engine.registry.now() // 1000
    bodies = [json.dumps(reply(message_id=name)).encode() for name in ("a", "poison", "b")]

    async def all_of_them():
        path = "/v1/gateways/simulated/inbound"
        signed = [(body, {HEADER: sign(SECRET, body, now)}) for body in bodies]
        return await asyncio.gather(*(door.request("POST", path, content=b, headers=h) for b, h in signed))

    answers = door.runner.run(all_of_them())
    assert [answer.status_code for answer in answers] == [200, 500, 200]
    is_problem(answers[1], 500, "internal_error")
    assert unread(door) == 2
    assert door.app.state.front.defects["RuntimeError"] > 0
