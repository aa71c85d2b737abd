"""The data that /ops gets about replies that may be a refusal."""

import pytest

from consent_engine.api.web.board import MOST_GROUPS
from consent_engine.engine.api_keys import Role
from consent_engine.engine.held_replies import MOST_GROUPED
from tests.integration.api_door import NUMBER, is_problem, reply
from tests.integration.page_door import MAY


def write(door, *texts):
    posts = [reply(text, message_id=f"m-{n}", **{"from": f"+8613800138{n:03}"}) for n, text in enumerate(texts)]
    assert door.post("inbound", posts).json()["accepted"] == len(posts)


@pytest.mark.parametrize("role", list(Role))
def test_held_words_are_for_those_who_may_open_ops_and_only_ops_decide(door, role):
    write(door, "我要投诉")
    visitor = door.sign_in(role)
    answer = visitor.get("/ops/held")
    if role not in MAY["/ops"]:
        is_problem(answer, 403, "forbidden")
        return
    [group] = answer.json()["groups"]
    decided = visitor.post("/v1/refusals/held", {"ids": group["ids"], "refusal": True})
    assert decided.status_code == (200 if role in {Role.OPS, Role.ADMIN} else 403)


def test_the_same_words_stand_together_without_a_number(door):
    write(door, "我要投诉", f"投诉 {NUMBER[3:]}", "我要投诉！", "投诉 13911112222")
    answer = door.sign_in(Role.OPS).get("/ops/held")
    said = answer.json()
    assert (said["count"], said["more"], said["cut"]) == (4, 0, False)
    assert {(group["text"], group["count"], len(group["ids"])) for group in said["groups"]} == {
        ("我要投诉", 2, 2), ("投诉 ****", 2, 2),
    }  # fmt: skip
    assert list(said["groups"][0]) == ["group", "reason", "text", "count", "ids", "since", "until"]
    for number in (NUMBER[3:], "13911112222", "13800138"):
        assert number not in answer.text


def test_many_groups_are_shown_a_few_at_a_time_the_first_deadline_first(door):
    write(door, *[f"我要投诉，第{n}回" for n in range(MOST_GROUPS + 3)])
    said = door.sign_in(Role.OPS).get("/ops/held").json()
    assert (len(said["groups"]), said["more"], said["count"]) == (MOST_GROUPS, 3, MOST_GROUPS + 3)
    untils = [group["until"] for group in said["groups"]]
    assert untils == sorted(untils)
    assert MOST_GROUPED > MOST_GROUPS
