"""/board and an agent's own day: figures of today by agent, for supervisors of a team and for the key that asks."""

import json

import pytest

from consent_engine.api.schemas.views import instant
from consent_engine.api.web.team import look
from consent_engine.engine.api_keys import Role
from consent_engine.errors import Malformed
from consent_engine.ports import ApiKey
from tests.integration.api_door import NUMBER, OTHER, order
from tests.integration.page_door import MAY


def board(door, team=""):
    """The board of a team, by agent."""
    return {each["agent"]: each for each in json.loads(look(door.engine, team, None).json_bytes())["agents"]}


def figures(row):
    return {name: n for name, n in row.items() if n and name not in {"agent", "presses", "wrong_rate"}}


def begin(door, agent, key, number=OTHER):
    """Begin a call with a permit; return its id."""
    asked = {"carrier": "mobile", "msisdns": [number]}
    [row] = door.call("POST", "/v1/permits", Role.AGENT, asked).json()["permits"]
    now = instant(door.engine.registry.now())
    body = {
        "permit": row["permit"],
        "from": "10085",
        "to": number,
        "carrier": "mobile",
        "agent": agent,
        "started_at": now,
    }
    answer = door.call("POST", "/v1/calls", Role.AGENT, body, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["violations"]) == (201, [])
    return answer.json()["id"]


def end(door, call, outcome):
    told = {
        "ended_at": instant(door.engine.registry.now()),
        "outcome": outcome,
        "recording": {"ref": f"rec-{outcome}", "seconds": 0},
    }
    assert door.call("POST", f"/v1/calls/{call}/end", Role.AGENT, told).status_code == 200


@pytest.mark.parametrize("role", list(Role))
def test_the_board_is_for_supervisors(door, role):
    answer = door.sign_in(role).get("/board")
    assert answer.status_code == (200 if role in MAY["/board"] else 403)
    if role not in MAY["/board"]:
        assert door.sign_in(role).get("/board/news").status_code == 403


def test_a_supervisor_sees_nothing_else(door):
    visitor = door.sign_in(Role.SUPERVISOR)
    assert {path for path in MAY if visitor.get(path).status_code == 200} == {"/", "/board", "/help"}
    for path in ("/ops/board", "/ops/held", "/desk/mine", "/audit", "/v1/orders", "/v1/calls", "/v1/reviews"):
        assert visitor.get(path).status_code == 403, path


def test_what_calls_and_orders_of_today_came_to_stands_with_their_agent(door):
    up, refusing = begin(door, "A1", "c-1"), begin(door, "A2", "c-2", "+8613900139005")
    assert {agent: figures(row) for agent, row in board(door).items()} == {
        "A1": {"calls": 1, "permits": 1, "in_call": 1}, "A2": {"calls": 1, "permits": 1, "in_call": 1},
    }  # fmt: skip
    end(door, refusing, "refused")
    end(door, up, "other")
    door.place(order(agent="A1"))
    seen = board(door)
    assert figures(seen["A2"]) == {"calls": 1, "permits": 1, "refused": 1}
    assert (seen["A1"]["permits"], seen["A1"]["placed"]) == (1, 1), "an order's own call named no permit"
    assert NUMBER[-8:] not in json.dumps(seen)
    assert not seen["A1"]["presses"]


def test_a_supervisor_of_a_team_sees_the_agents_whose_keys_are_of_it(door):
    door.engine.keys.add("zhang", Role.AGENT, "A1", "north")
    door.engine.keys.add("li", Role.AGENT, "A2", "south")
    door.engine.keys.add("north-lead", Role.SUPERVISOR, team="north")
    begin(door, "A1", "c-1")
    begin(door, "A2", "c-2", "+8613900139005")
    assert (set(board(door)), set(board(door, "north")), set(board(door, "east"))) == ({"A1", "A2"}, {"A1"}, set())
    assert {key.name: (key.agent, key.team) for key in door.engine.keys.all() if key.team} == {
        "zhang": ("A1", "north"), "li": ("A2", "south"), "north-lead": ("", "north"),
    }  # fmt: skip
    with pytest.raises(Malformed):
        door.engine.keys.add("wang", Role.AGENT, "A3", "the north")


def test_an_agent_is_on_the_board_of_one_team_the_one_that_a_provider_named_or_else_of_the_newest_key(door):
    begin(door, "A1", "c-1")
    for name, made_at, team in (("zhang-1", 2, "south"), ("zhang-2", 1, "north")):
        assert door.engine.registry.add_key(f"hash of {name}", ApiKey(name, Role.AGENT, made_at, "A1", team))
    assert (set(board(door, "north")), set(board(door, "south"))) == (set(), {"A1"})
    for named, teams in (("east", ["east"]), ("", ["south"])):
        door.engine.registry.join("A1", named)
        assert [each for each in ("north", "south", "east") if board(door, each)] == teams


def test_an_agent_sees_their_own_day_whatever_number_they_name(door):
    begin(door, "A1", "c-1")
    door.place(order(agent="A7"))
    door.place(order(msisdn="+8613900139005"), key="k-2", role="other")
    day = door.sign_in(Role.AGENT).get("/desk/mine").json()["day"]
    assert (day["in_call"], day["permits"], day["placed"]) == (1, 1, 1)
    assert figures(door.sign_in("other").get("/desk/mine").json()["day"])["placed"] == 1
    assert figures(door.sign_in(Role.ADMIN).get("/desk/mine").json()["day"]) == {}
