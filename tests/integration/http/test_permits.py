"""POST /v1/permits: thousands of numbers, one decision each, and a record without a number."""

import json
from datetime import datetime

import pytest

from consent_engine.api.schemas.calls import PermitsView
from consent_engine.domain.call.permit import Given, PermitResult
from consent_engine.domain.msisdn import parse
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import NUMBER, OTHER, is_problem

PLAN = "5g-smart-199"
NUMBERS = [f"+86137{n:08d}" for n in range(10_001)]


def ask(door, msisdns, role=Role.AGENT, **more):
    body = {"carrier": "mobile", "msisdns": msisdns, **more}
    return door.call("POST", "/v1/permits", role, {k: v for k, v in body.items() if v is not None})


def given(door, msisdns, **more):
    answer = ask(door, msisdns, **more)
    assert answer.status_code == 200, answer.text
    PermitsView.model_validate(answer.json())
    return answer.json()["permits"]


def refuse(door, msisdn=NUMBER, path="/v1/refusals", **more):
    body = {"msisdn": msisdn, "carrier": "mobile", "channel": "voice", **more}
    return door.call("POST", path, Role.OPS, body).json()["since"]


def kept(door):
    return [Given.decode(fields["m"]) for _, fields in door.redis.xrange("ce:{0}:permits")]


def test_each_number_gets_a_permit_or_the_reason_since_when_in_order(door):
    since = refuse(door)
    first, denied, third = given(door, [OTHER, "138-0013-8000", OTHER], plan=PLAN)
    assert denied == {"denied": "refused", "since": since}
    assert first["permit"] == third["permit"], "a number may stand there twice"
    checked, [record] = door.engine.dialler.check(first["permit"], parse(OTHER), door.engine.registry.now())
    assert checked.word is PermitResult.VALID
    ends = datetime.fromisoformat(first["until"]).timestamp()
    assert 890 < ends - door.engine.registry.now() / 1000 <= 900
    assert (record.by, record.carrier, record.plan, record.permits) == ("the-agent", "mobile", PLAN, 2)
    assert record.denied == {"refused": 1}


@pytest.mark.parametrize("path", ["/v1/refusals", "/v1/registrations"])
def test_a_permit_and_callable_are_one_decision(door, path):
    refuse(door, path=path)
    for number in (NUMBER, OTHER):
        for carrier in ("mobile", "telecom"):
            told = door.call("POST", "/v1/callable", Role.OPS, {"msisdn": number, "carrier": carrier}).json()
            [answer] = given(door, [number], carrier=carrier)
            assert told["callable"] is ("permit" in answer)
            assert told.get("reason") == answer.get("denied")
            assert told.get("since") == answer.get("since")


def test_ten_thousand_are_answered_and_kept_as_one_record_without_a_number(door):
    for number in NUMBERS[:5]:
        refuse(door, number)
    rows = given(door, NUMBERS[:10_000])
    assert ["denied" in row for row in rows] == [True] * 5 + [False] * 9_995
    assert len({row["permit"] for row in rows[5:]}) == 9_995
    [record] = kept(door)
    assert (record.permits, record.denied) == (9_995, {"refused": 5})
    assert not any(number[3:] in json.dumps(record.encode()) for number in NUMBERS)


def test_what_cannot_be_read_is_named_by_its_place_and_not_repeated(door):
    said = is_problem(ask(door, [OTHER, "12345678", OTHER, 7]), 422, "malformed")
    assert [error["field"] for error in said["errors"]] == ["msisdns.1", "msisdns.3"]
    assert said["errors"][0]["code"] == "invalid_msisdn"
    assert "12345678" not in json.dumps(said)
    assert kept(door) == []


@pytest.mark.parametrize(
    ("change", "field"), [({"plan": "no-such-plan"}, "plan"), ({"plan": PLAN, "carrier": "telecom"}, "carrier")]
)
def test_callable_says_that_a_plan_is_unknown_as_a_permit_does_and_does_not_say_yes(door, change, field):
    """With a letter missing in its plan, a subscriber who refused that plan was callable."""
    refuse(door, plan=PLAN)
    asked = {"msisdn": NUMBER, "carrier": "mobile"}
    assert door.call("POST", "/v1/callable", Role.AGENT, asked | {"plan": PLAN}).json()["callable"] is False
    said = is_problem(door.call("POST", "/v1/callable", Role.AGENT, asked | change), 422, "malformed")
    assert [error["field"] for error in said["errors"]] == [field]
    said = is_problem(door.call("POST", "/v1/callable", Role.AGENT, [asked, asked | change]), 422, "malformed")
    assert [error["field"] for error in said["errors"]] == [f"1.{field}"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"msisdns": NUMBERS}, "msisdns"),
        ({"msisdns": []}, "msisdns"),
        ({"msisdns": NUMBER}, "msisdns"),
        ({"carrier": None}, "carrier"),
        ({"carrier": "*"}, "carrier"),
        ({"plan": "no-such-plan"}, "plan"),
        ({"plan": PLAN, "carrier": "telecom"}, "carrier"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_request_that_cannot_be_answered_says_what_is_wrong(door, change, field):
    said = is_problem(ask(door, **({"msisdns": [OTHER]} | change)), 422, "malformed")
    assert [error["field"] for error in said["errors"]] == [field]
    assert kept(door) == []


def test_a_plan_that_was_declined_is_denied_and_another_is_not(door):
    line = door.engine.line(parse(OTHER)).id
    door.redis.hset(f"ce:{{0}}:line:{line}", f"r:cool_off:mobile/{PLAN}", '[1,"sms",""]')
    door.redis.hset(f"ce:{{0}}:line:{line}", "v", "1")
    assert [given(door, [OTHER], plan=plan)[0].get("denied") for plan in (PLAN, "data-pack-10gb", None)] == [
        "cool_off", None, None
    ]  # fmt: skip


def test_a_line_that_cannot_be_read_denies_its_number_and_no_other(door):
    line = door.engine.line(parse(NUMBER)).id
    door.redis.hset(f"ce:{{0}}:line:{line}", "r:mobile", "garbage")
    broken, sound = given(door, [NUMBER, OTHER])
    assert broken == {"denied": "suspected"}
    assert "permit" in sound
