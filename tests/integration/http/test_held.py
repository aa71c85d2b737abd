"""Replies that may be a refusal, over HTTP: they bar at once, and a person reads their words and decides."""

from datetime import UTC, datetime, timedelta

import pytest

from consent_engine.api.schemas.lists import HeldList
from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import NUMBER, OTHER, is_problem, reply

COMPLAINT = "我要投诉你们"
DIAL = {"msisdn": NUMBER, "carrier": "mobile"}


def write(door, text=COMPLAINT, **changes):
    assert door.post("inbound", reply(text, **changes)).json() == {"accepted": 1, "rejected": []}


def asked(door, role=Role.AGENT):
    """Place an order and hand its question to the subscriber; return its id."""
    placed = door.place(role=role).json()["id"]
    door.work(Lane.SMS)
    return placed


def held(door, query="", role=Role.OPS):
    answer = door.call("GET", f"/v1/refusals?state=held{query}", role)
    assert answer.status_code == 200, answer.text
    HeldList.model_validate(answer.json())
    return answer.json()


def decide(door, ids, role=Role.OPS, **body):
    return door.call("POST", "/v1/refusals/held", role, {"ids": ids} | body)


def dial(door):
    return door.call("POST", "/v1/callable", Role.AGENT, DIAL).json()


def test_a_held_reply_bars_the_next_call_and_order_before_anybody_read_it(door):
    write(door)
    [row] = held(door)["held"]
    since = row["since"]
    assert dial(door) == {"callable": False, "reason": "suspected", "since": since}
    said = is_problem(door.place(), 409, "do_not_call")
    assert (said["reason"], said["since"]) == ("suspected", since)
    assert "a person decides" in said["detail"]


def test_the_list_has_words_reason_and_deadline_and_no_number(door):
    write(door, f"我要投诉你们，{NUMBER[3:]} 不要再打")
    write(door, "投诉", message_id="m-2", **{"from": OTHER})
    for role in (Role.OPS, Role.AUDITOR, Role.ADMIN):
        answer = door.call("GET", "/v1/refusals?state=held", role)
        assert NUMBER[3:] not in answer.text
        assert OTHER[3:] not in answer.text
    newest, oldest = held(door)["held"]
    assert oldest["text"] == "我要投诉你们，**** 不要再打"
    assert (oldest["carrier"], oldest["reason"], oldest["until"][:10] > oldest["since"][:10]) == (
        "mobile", "refusing", True,
    )  # fmt: skip
    assert list(oldest) == ["id", "carrier", "reason", "text", "group", "since", "until"]
    assert newest["since"] >= oldest["since"]
    assert door.call("GET", "/v1/refusals", Role.OPS).json()["refusals"] == [], "none of them is a refusal yet"


def test_the_same_words_of_many_are_one_group_whatever_number_is_in_them(door):
    said = ["我要投诉你们", "我要 投诉你们！", "投诉 13911112222", "投诉 13911113333"]
    for n, text in enumerate(said):
        write(door, text, message_id=f"m-{n}", **{"from": f"+86138001380{n:02}"})
    groups = {}
    for row in held(door)["held"]:
        groups.setdefault(row["group"], []).append(row["text"])
    assert sorted(groups.values()) == [["我要 投诉你们！", "我要投诉你们"], ["投诉 ****", "投诉 ****"]]


def test_what_is_held_is_listed_newest_first_page_by_page(door):
    for n in range(5):
        write(door, message_id=f"m-{n}", **{"from": f"+861380013800{n}"})
    found, cursor = [], ""
    for _ in range(10):
        said = held(door, f"&limit=2&cursor={cursor}")
        found += said["held"]
        cursor = said["cursor"]
        if not cursor:
            break
    assert len({row["id"] for row in found}) == 5
    assert [row["since"] for row in found] == sorted((row["since"] for row in found), reverse=True)
    for wrong in ("state=refused", "state=", "state=held&state=held", "state=held&cursor=x"):
        is_problem(door.call("GET", f"/v1/refusals?{wrong}", Role.OPS), 422, "malformed")


def test_decided_a_refusal_it_is_one_and_ends_the_order(door):
    placed = asked(door)
    write(door)
    [row] = held(door)["held"]
    answer = decide(door, [row["id"]], refusal=True)
    assert (answer.status_code, answer.json()) == (200, {"decided": 1, "gone": 0, "own_call": 0})
    assert dial(door)["reason"] == "refused"
    assert held(door)["held"] == []
    [refusal] = door.call("GET", "/v1/refusals", Role.OPS).json()["refusals"]
    assert (refusal["carrier"], refusal["channel"]) == ("mobile", "sms")
    door.work(Lane.INBOUND)
    assert door.engine.show(placed).state == "cancelled"


def test_decided_no_refusal_the_order_goes_on_and_is_asked_again_with_its_code(door):
    placed = asked(door)
    write(door)
    [row] = held(door)["held"]
    door.work(Lane.INBOUND)
    answer = decide(door, [row["id"]], refusal=False, reason="asks what it costs")
    assert answer.json() == {"decided": 1, "gone": 0, "own_call": 0}
    assert dial(door) == {"callable": True}
    door.work(Lane.INBOUND, Lane.SMS)
    shown = door.engine.show(placed)
    [resumed] = [event for event in shown.events if event.trigger == "resumed"]
    assert resumed.by == "the-ops"
    assert (shown.state, resumed.as_json()["reason"]) == ("awaiting_reply", "asks what it costs")
    write(door, f"是{shown.doc.code}", message_id="m-2")
    door.work(Lane.INBOUND)
    assert door.engine.show(placed).state == "confirmed"


def test_many_are_decided_at_once_each_once(door):
    for n in range(3):
        write(door, message_id=f"m-{n}", **{"from": f"+861380013800{n}"})
    ids = [row["id"] for row in held(door)["held"]]
    answer = decide(door, [*ids, *ids], refusal=False, reason="a joke of the newspaper")
    assert answer.json() == {"decided": 3, "gone": 0, "own_call": 0}
    assert decide(door, ids, refusal=True).json() == {"decided": 0, "gone": 3, "own_call": 0}
    assert dial(door) == {"callable": True}, "what was decided is not decided again"


def test_words_that_came_after_the_list_are_not_decided_by_it(door):
    write(door)
    [seen] = held(door)["held"]
    write(door, "骗子，我要报警", message_id="m-2")
    assert decide(door, [seen["id"]], refusal=False, reason="fine").json() == {"decided": 0, "gone": 1, "own_call": 0}
    [now] = held(door)["held"]
    assert now["text"] == f"{COMPLAINT}\n骗子，我要报警"


def test_of_very_many_words_the_first_and_the_newest_are_seen_and_that_some_are_left_out(door):
    long = "我要投诉你们" * 200
    write(door, long)
    write(door, "骗子，我要报警", message_id="m-2")
    assert held(door)["held"][0]["text"] == f"{long}\n骗子，我要报警"
    for n in range(3, 6):
        write(door, f"骗子，我要报警 {n}", message_id=f"m-{n}")
    assert held(door)["held"][0]["text"] == f"{long}\n…\n骗子，我要报警 5"


def test_of_a_flood_of_short_words_forty_messages_are_kept_whole_and_no_more_bytes_than_that_needs(door):
    said = [f"骗子，我要报警 {n:02}" for n in range(60)]
    for n, words in enumerate(said):
        write(door, words, message_id=f"m-{n}")
    *first, omitted, newest = held(door)["held"][0]["text"].split("\n")
    assert (first, omitted, newest) == (said[: len(first)], "…", said[-1])
    assert len(first) >= 40
    [line] = door.redis.keys("ce:*:line:*")
    assert len(door.redis.hget(line, "r:suspected:mobile")) < 4_500


def test_an_agent_who_enters_a_refusal_with_an_end_takes_no_reply_from_whoever_reads_it(door):
    order = asked(door)
    write(door)
    [row] = held(door)["held"]
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    limited = {"msisdn": NUMBER, "carrier": "mobile", "channel": "voice", "until": until}
    assert door.call("POST", "/v1/refusals", Role.AGENT, limited).status_code == 201
    assert held(door)["held"] == [row]
    assert decide(door, [row["id"]], refusal=True).json()["decided"] == 1
    door.work(Lane.INBOUND)
    assert door.call("GET", f"/v1/orders/{order}", Role.OPS).json()["state"] == "cancelled"
    [stands] = door.call("GET", "/v1/refusals", Role.OPS).json()["refusals"]
    assert stands["until"] is None, "never again"


def test_whoever_placed_the_order_does_not_decide_the_reply_to_it(door):
    asked(door, Role.ADMIN)
    write(door)
    [row] = held(door)["held"]
    assert decide(door, [row["id"]], Role.ADMIN, refusal=False, reason="fine").json()["own_call"] == 1
    assert decide(door, [row["id"]], refusal=False, reason="fine").json()["decided"] == 1


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"reason": None}, "reason", "missing"),
        ({"reason": " "}, "reason", "string_too_short"),
        ({"reason": f"call {NUMBER[3:]} back"}, "reason", "contains_number"),
        ({"reason": "r" * 201}, "reason", "string_too_long"),
        ({"refusal": None}, "refusal", "missing"),
        ({"refusal": "false"}, "refusal", "bool_type"),
        ({"ids": []}, "ids", "too_short"),
        ({"ids": [f"{'0' * 28}.mobile.{n}" for n in range(501)]}, "ids", "too_long"),
        ({"ids": [f"{'0' * 28}.mobile.1", NUMBER]}, "ids.1", "string_pattern_mismatch"),
        ({"by": "me"}, "by", "extra_forbidden"),
    ],
)
def test_a_decision_that_cannot_be_read_decides_nothing(door, change, field, code):
    write(door)
    [row] = held(door)["held"]
    before = door.kept()
    body = {"ids": [row["id"]], "refusal": False, "reason": "fine"} | change
    answer = door.call("POST", "/v1/refusals/held", Role.OPS, {k: v for k, v in body.items() if v is not None})
    [error] = is_problem(answer, 422, "contains_number" if code == "contains_number" else "malformed")["errors"]
    assert (error["field"], error["code"]) == (field, code)
    assert NUMBER[3:] not in answer.text
    assert door.kept() == before


def test_a_doubtful_reply_is_decided_for_its_order_and_the_number_stays_callable(door):
    order = asked(door)
    write(door, "我老公不同意")
    door.work(Lane.INBOUND)
    [row] = held(door)["held"]
    assert (row["reason"], row["carrier"], dial(door)["callable"]) == ("doubtful", "mobile", True)
    searched = door.call("POST", "/v1/refusals/search", Role.OPS, {"msisdn": NUMBER}).json()
    assert searched == {"refusals": []}, "nothing bars dialling"
    is_problem(decide(door, [row["id"]], refusal=False, reason="asks", never_again=True), 422, "malformed")
    assert decide(door, [row["id"]], refusal=True).json()["decided"] == 1
    door.work(Lane.INBOUND)
    assert door.call("GET", f"/v1/orders/{order}", Role.OPS).json()["state"] == "cancelled"
    assert (held(door)["held"], dial(door)) == ([], {"callable": True})


def test_a_doubtful_reply_can_refuse_calls_too(door):
    asked(door)
    write(door, "不接受营销")
    door.work(Lane.INBOUND)
    [row] = held(door)["held"]
    assert decide(door, [row["id"]], refusal=True, never_again=True).json()["decided"] == 1
    assert dial(door)["reason"] == "refused"
