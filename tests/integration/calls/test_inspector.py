"""An inspector's questions: calls to a number with their permits, violations in a period, and a sample by a seed."""

import json
import os

from consent_engine.domain.days import CHINA
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.api_keys import Role
from tests.conftest import NUMBER, OTHER
from tests.integration.api_door import FULL_SECRET
from tests.integration.api_door import NUMBER as DIALLED
from tests.integration.calls.desk import instant
from tests.typed import typed


def start(door, key="call-1", **more):
    body = {"from": "10085", "to": DIALLED, "carrier": "mobile", "agent": "A1024", **more}
    return door.call("POST", "/v1/calls", Role.AGENT, body, headers={"Idempotency-Key": key})


def test_an_inspector_sees_who_called_a_number_live_and_archived(desk):
    first = desk.start()
    desk.end(first)
    desk.move(hours=53)
    second = desk.start()
    desk.start(OTHER)
    found = desk.engine.inspector.to_number(NUMBER)
    assert [call.id for call in found] == [second.id, first.id]
    assert desk.engine.inspector.to_number(Msisdn("+8613700137000")) == []


def test_a_call_that_waits_for_the_archive_is_still_named_by_its_line(desk):
    call = desk.start()
    desk.clock.forward(hours=51)
    desk.start()
    assert call.id in [each.id for each in desk.engine.inspector.to_number(NUMBER)]


def test_a_sample_is_drawn_by_its_seed_wherever_the_calls_are_by_then(desk):
    began = desk.clock()
    calls = [desk.start(f"137{n:08d}", key=f"k{n}") for n in range(12)]
    for call in calls[:6]:
        desk.end(call)
    desk.clock.forward(seconds=1)
    until = desk.clock()
    later = desk.start(OTHER)

    def drawn(seed, count=5):
        return desk.engine.inspector.drawn(began, until, seed, count)

    first = drawn("a")
    assert (first.of, len(first.calls)) == (12, 5)
    assert later.id not in [call.id for call in drawn("a", 100).calls]
    desk.move(hours=53)
    assert [call.id for call in drawn("a").calls] == [call.id for call in first.calls]
    assert [call.id for call in drawn("b").calls] != [call.id for call in first.calls]


def test_an_inspectors_questions_are_a_command_each(door):
    told = {"CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"]}

    def consent(*arguments):
        return typed(*arguments, environ=told)

    body = {"carrier": "mobile", "msisdns": [DIALLED]}
    given = door.call("POST", "/v1/permits", Role.AGENT, body).json()
    now = door.engine.registry.now()
    at, day = instant(now), CHINA.of(now)
    permit = given["permits"][0]["permit"]
    call = start(door, started_at=at, permit=permit).json()["id"]
    wrong = start(door, "call-2", **{"from": "10086", "started_at": at}).json()["id"]
    rows = {row["call"]: row for row in json.loads(consent("calls", "--number", DIALLED, "--json").stdout)}
    assert {name: row["permit of request"] for name, row in rows.items()} == {call: given["id"], wrong: "-"}
    [row] = json.loads(consent("violations", "--since", day, "--until", day, "--json").stdout)
    assert row["call"] == wrong
    drawn = consent("calls", "--day", day, "--sample", "1", "--seed", "2025-Q4", "--json")
    assert (len(json.loads(drawn.stdout)), drawn.stderr) == (1, "drawn 1 of 2\n")
    for asked in (
        ["calls", "--sample", "2"], ["calls", "--sample", "2", "--seed", "s"], ["calls", "--number", "12"],
        ["calls", "--number", DIALLED, "--day", day], ["calls", "--since", "soon"],
        ["violations", "--since", "2025-08-02", "--until", "2025-08-01"], ["violations", "--day", day, "--since", day],
    ):  # fmt: skip
        said = consent(*asked)
        assert (said.returncode != 0, said.stderr.count("\n"), DIALLED in said.stderr) == (True, 1, False), asked
