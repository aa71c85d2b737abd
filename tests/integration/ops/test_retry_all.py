"""Effects stuck for one cause, counted and retried at once, at a terminal and over HTTP. One event per order."""

import json
import os

import pytest

from consent_engine.api.schemas.lists import CancelledView, CauseList, RetriedView
from consent_engine.cli.tables import instant
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import Lane, Uncertain
from consent_engine.domain.lifecycle import Trigger
from consent_engine.engine import stuck
from consent_engine.engine.api_keys import Role
from consent_engine.engine.stuck import Wanted, causes_of, stuck_effects
from consent_engine.ports import Endpoint, Route
from tests.conftest import SECOND
from tests.integration.api_door import FULL_SECRET, is_problem, order, reply
from tests.integration.mishaps import QUESTION, park
from tests.typed import typed

BUSY, LOST = "bss:500", "no answer within 10.0 s"


def trouble(door, *whys, plan="5g-smart-199", first=0):
    """Place an order for each reason, parked for it; return their ids."""
    ids = []
    for n, why in enumerate(whys, first):
        answer = door.place(order(msisdn=f"+861380013{n:04}", plan=plan), key=f"key-{n}")
        assert answer.status_code == 201, answer.text
        placed = answer.json()["id"]
        park(door.engine, placed, why, at=1_764_000_000_000 + n)
        ids.append(placed)
    return ids


def causes(door, query="", role=Role.OPS):
    answer = door.call("GET", f"/v1/stuck{query}", role)
    assert answer.status_code == 200, answer.text
    CauseList.model_validate(answer.json())
    return answer.json()


def again(door, role=Role.OPS, **body):
    answer = door.call("POST", "/v1/stuck/retry", role, body)
    if answer.status_code == 200:
        RetriedView.model_validate(answer.json())
    return answer


def retried(door, order_id):
    return [event.by for event in door.engine.show(order_id).events if event.trigger == "retried"]


@pytest.fixture
def consent(door):
    told = {
        "CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"],
        "CONSENT_SIMULATED__RATE": "100",
    }  # fmt: skip

    def run(*arguments):
        return typed(*arguments, environ=told)

    return run


def test_what_is_stuck_is_counted_by_cause_the_most_frequent_first(door):
    trouble(door, f"times:5:{BUSY}", f"times:6:{BUSY}", LOST)
    trouble(door, BUSY, plan=SECOND, first=3)
    said = causes(door)
    assert said["count"] == 4
    assert [(each["count"], each["lane"], each["reason"], each["plan"]) for each in said["causes"]] == [
        (2, "sms", BUSY, "5g-smart-199"), (1, "sms", BUSY, SECOND), (1, "sms", LOST, "5g-smart-199"),
    ]  # fmt: skip
    assert said["causes"][0]["since"] == "2025-11-25T00:00:00.000+08:00"
    assert causes(door, f"?plan={SECOND}", Role.AUDITOR)["count"] == 1
    assert causes(door, "?lane=activation") == {"causes": [], "count": 0}
    is_problem(door.call("GET", "/v1/stuck?lane=post", Role.OPS), 422, "malformed")


def test_one_cause_is_done_again_with_an_event_an_order_and_nothing_else_moves(door):
    mine = trouble(door, f"times:5:{BUSY}", f"times:6:{BUSY}")
    [other] = trouble(door, LOST, first=5)
    assert again(door, reason=BUSY).json() == {"retried": 2, "gone": 0, "unreadable": 0, "left": 0}
    assert [retried(door, each) for each in mine] == [["the-ops"], ["the-ops"]]
    assert retried(door, other) == []
    assert [each["reason"] for each in causes(door)["causes"]] == [LOST]
    door.work(Lane.SMS)
    assert [door.engine.show(each).state for each in mine] == ["awaiting_reply"] * 2
    assert again(door, reason=BUSY).json()["retried"] == 0, "a second click is harmless"
    assert [retried(door, each) for each in mine] == [["the-ops"], ["the-ops"]]


def test_only_the_effect_that_was_named_is_done_again(door):
    [placed] = trouble(door, LOST)
    park(door.engine, placed, "the archive holds another", "wake.archive")
    assert again(door, lane="timer").json()["retried"] == 1
    effects = door.engine.show(placed).effects
    assert (effects["wake.archive"].parked, effects[QUESTION].parked) == (0, 1)


def test_there_is_a_cap_and_it_is_said_how_many_are_left(door):
    ids = trouble(door, *[BUSY] * 5)
    assert again(door, limit=2).json() == {"retried": 2, "gone": 0, "unreadable": 0, "left": 3}
    assert sorted(map(len, (retried(door, each) for each in ids))) == [0, 0, 0, 1, 1]
    for limit in (0, stuck.MOST_RETRIED + 1, "2"):
        is_problem(again(door, limit=limit), 422, "malformed")


def test_what_nobody_can_read_stays_and_is_counted(door):
    broken, sound = trouble(door, BUSY, BUSY)
    door.redis.hset(f"ce:{{0}}:order:{broken}", f"f:{QUESTION}", "garbage")
    assert again(door).json() == {"retried": 1, "gone": 0, "unreadable": 1, "left": 0}
    assert retried(door, sound) == ["the-ops"]
    assert causes(door)["causes"][0]["reason"] == "unreadable:"


def test_what_somebody_else_did_meanwhile_is_gone(world):
    placed = world.place()
    park(world.engine, placed.id, BUSY)
    found = world.engine.stuck()
    world.engine.retry(placed.id, "quicker")
    done = world.engine.retry_many(found, "slower")
    assert (done.retried, done.gone) == (0, 1)
    assert [e.by for e in world.engine.show(placed.id).events if e.trigger == "retried"] == ["quicker"]


def test_an_sms_of_no_order_is_retried_with_the_others(world):
    world.gateway.answers = [Uncertain("timeout"), Uncertain("timeout")]
    world.say("TD")
    world.run()
    world.clock.forward(seconds=601)
    world.run()
    [cause] = causes_of(world.engine.stuck())
    assert (cause.lane, cause.plan, cause.reason) == ("sms", "", "timeout")
    assert world.engine.retry_many(world.engine.stuck(wanted=Wanted(Lane.SMS)), "ops").retried == 1
    world.run()
    assert world.engine.stuck() == []
    assert len(world.texts("opted_out")) == 3


def test_wanted_effects_are_found_behind_any_number_of_others(world):
    for n in range(5):
        park(world.engine, world.place(f"138{n:08d}").id, LOST if n < 4 else BUSY)
    store = world.engine.store
    assert [each.why for each in stuck_effects(store, Wanted(reason=BUSY), 1, chunk=2)] == [BUSY]


def test_at_a_terminal_they_are_counted_first_then_done_with_how_far_it_has_come(door, consent):
    ids = trouble(door, f"times:5:{BUSY}", f"times:5:{BUSY}", LOST)
    shown = consent("retry", "--all", "--dry-run")
    assert [line.split("\t")[::4] for line in shown.stdout.splitlines()] == [["2", BUSY], ["1", LOST]], shown.stderr
    assert [retried(door, each) for each in ids] == [[], [], []], "a dry run does nothing"
    done = consent("retry", "--all", "--lane", "sms", "--reason", BUSY, "--plan", "5g-smart-199", "--limit", "1")
    assert (done.returncode, done.stdout) == (0, "retried\t1\ngone\t0\nunreadable\t0\nleft\t1\n")
    assert done.stderr == "1 of 1\n"
    done = consent("retry", "--all", "--json")
    assert json.loads(done.stdout) == {"retried": 2, "gone": 0, "unreadable": 0, "left": 0}
    assert all(by.startswith("cli:") for each in ids for by in retried(door, each))
    assert consent("retry", "--all", "--dry-run").stderr == "no such effect is stuck\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["retry"], "name an order, or use --all"),
        (["retry", "0" * 28, "--all"], "name an order, or use --all"),
        (["retry", "0" * 28, "--lane", "sms"], "needs --all"),
        (["retry", "--all", "--lane", "post"], "one of inbound, activation, sms, timer"),
        (["retry", "--all", "--limit", "0"], "--limit"),
    ],
)
def test_what_cannot_be_meant_is_one_line(consent, arguments, told):
    done = consent(*arguments)
    assert done.returncode == 2
    assert told in done.stderr


# -- cancelled at once ------------------------------------------------------------------------------------------------


def test_the_orders_of_one_cause_are_cancelled_each_with_the_reason_and_once(door):
    ids = trouble(door, LOST, LOST, BUSY)
    body = {"lane": "sms", "reason": LOST, "plan": "5g-smart-199", "why": "the gateway is given up"}
    first = door.call("POST", "/v1/stuck/cancel", Role.OPS, body | {"limit": 1}).json()
    second = door.call("POST", "/v1/stuck/cancel", Role.OPS, body).json()
    third = door.call("POST", "/v1/stuck/cancel", Role.OPS, body).json()
    CancelledView.model_validate(first)
    assert [each["cancelled"] for each in (first, second, third)] == [1, 1, 0]
    assert (first["left"], third["left"]) == (1, 0)
    shown = [door.engine.show(each) for each in ids]
    assert [order.state.value for order in shown] == ["cancelled", "cancelled", "agreed"]
    [event] = shown[0].all(Trigger.CANCELLED)
    assert (event.by, event.detail.reason) == ("the-ops", "the gateway is given up")


def test_an_order_whose_service_was_begun_is_not_cancelled_with_the_others(door):
    [order_id] = trouble(door, BUSY)
    engine = door.engine
    door.redis.hset(f"ce:{{0}}:order:{order_id}", "f:sms.confirmation.1", "[]")
    door.redis.zadd("ce:{0}:due:sms:mobile", {f"o:{order_id}:sms.confirmation.1": 1})
    door.work(Lane.SMS)
    door.post("inbound", reply("是", **{"from": "+8613800130000"}))
    door.work(Lane.INBOUND)
    park(engine, order_id, BUSY, effect="activate")
    done = door.call("POST", "/v1/stuck/cancel", Role.OPS, {"lane": "activation", "why": "given up"}).json()
    assert (done["cancelled"], done["too_late"]) == (0, 1)
    assert engine.show(order_id).state == "confirmed"


def test_why_is_asked_for_and_names_no_number(door):
    for why in ("", "call 13800138000"):
        is_problem(door.call("POST", "/v1/stuck/cancel", Role.OPS, {"why": why}), 422, door_code(why))


def door_code(why):
    return "contains_number" if why else "malformed"


def test_gateways_are_listed_with_what_is_due_there_and_whether_they_answer(door, consent):
    trouble(door, BUSY)
    assert door.place(order(msisdn="+8613900139001"), key="another").status_code == 201
    engine, now = door.engine, door.engine.registry.now()
    gateway = Endpoint("gateway", *engine.outside.routes["mobile"])
    for ago in (9_000, 6_000, 3_000):
        engine.performer.measures.called(gateway, Uncertain("x"), 1, now - ago)
    engine.performer.measures.report(engine.registry)
    [row] = consent("gateways").stdout.splitlines()
    name, carriers, now_for, state, since, taken, failed, rate, due, late, waiting, stuck = row.split("\t")
    assert (name, carriers, now_for, rate) == (gateway.name, *2 * ("mobile telecom unicom",), "100")
    assert (state, since, taken, failed) == ("away", instant(now - 10_000), "never", "100%")
    assert (due, waiting, stuck) == ("1", "1", "1")
    assert int(late) < 60
    route = Route(gateway.name, tuple(CARRIERS), 100)
    engine.lanes.too_many(route.gateway)
    engine.lanes.lease_each({route: 1})
    assert consent("gateways").stdout.split("\t")[7] == "50 of 100"
