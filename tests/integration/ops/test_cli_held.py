"""`consent held`: replies that may be refusals, listed and decided at a terminal."""

import json
import os

import pytest

from consent_engine.engine.held_replies import Decision, grouped
from consent_engine.errors import Malformed
from tests.integration.api_door import FULL_SECRET, NUMBER, reply
from tests.typed import typed


@pytest.fixture
def consent(door):
    told = {
        "CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"],
    }  # fmt: skip

    def run(*arguments):
        return typed("held", *arguments, environ=told)

    return run


def write(door, *texts):
    """Post these texts, each from a number of its own and at an instant of its own."""
    for n, text in enumerate(texts):
        sent = door.engine.registry.now()
        post = reply(text, message_id=f"m-{n}", **{"from": f"+861380013800{n}"})
        assert door.post("inbound", post).json()["accepted"] == 1
        while door.engine.registry.now() == sent:
            pass


def test_the_same_words_are_a_line_and_the_first_deadline_comes_first(door, consent):
    assert consent().stdout == ""
    write(door, "我要投诉", "你们是骗子", "我要 投诉！", f"投诉 {NUMBER[3:]}")
    rows = [line.split("\t") for line in consent().stdout.splitlines()]
    assert [row[1:3] + row[4:] for row in rows] == [
        ["2", "refusing", "我要投诉"], ["1", "disputed", "你们是骗子"], ["1", "refusing", "投诉 ****"],
    ]  # fmt: skip
    each = [line.split("\t") for line in consent(rows[0][0]).stdout.splitlines()]
    assert [row[3] for row in each] == ["我要 投诉！", "我要投诉"]
    shown = json.loads(consent("--json").stdout)
    assert list(shown[0]) == ["group", "held", "reason", "until", "words", "ids"]
    assert sorted(shown[0]["ids"]) == sorted(row[0] for row in each)
    assert json.loads(consent(each[0][0], "--json").stdout)[0]["id"] == each[0][0]


def test_a_group_is_decided_and_one_of_them_by_its_id(door, consent):
    write(door, "我要投诉", "我要投诉", "你们是骗子")
    one, other = json.loads(consent("--json").stdout)
    done = consent(one["group"], "--no-refusal", "--reason", "a line of the news")
    assert (done.returncode, done.stdout) == (0, "decided\t2\ngone\t0\nown_call\t0\n"), done.stderr
    done = consent(*other["ids"], "--refusal", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"decided": 1, "gone": 0, "own_call": 0})
    assert [restriction.carrier for _, restriction in door.engine.refusals().rows] == ["mobile"]
    again = consent(*other["ids"], "--refusal")
    assert (again.returncode, again.stdout) == (1, "decided\t0\ngone\t1\nown_call\t0\n")
    assert again.stderr == "consent: not every reply was decided: `consent held` shows those still held\n"


def test_what_is_no_id_is_one_line(door, consent):
    done = consent("nonsense", "--refusal")
    assert done.returncode == 1
    assert done.stderr == "consent: ids: take them from the list of what is held, as they are\n"


@pytest.mark.parametrize("reason", ["", "call 138-0013-8000 back"])
def test_no_door_lets_a_reason_in_that_cannot_be_kept(reason):
    with pytest.raises(Malformed, match="reason"):
        Decision(refusal=False, by="ops", reason=reason, carriers=())


def test_where_more_is_held_than_one_can_look_at_it_is_said(door):
    write(door, "我要投诉")
    [row], _ = door.engine.held()
    pages = []

    def page(cursor, limit):
        pages.append(cursor)
        return [row] * limit, "more"

    [group], more = grouped(page)
    assert (len(group.ids), more, pages) == (5000, True, ["", *["more"] * 9])
