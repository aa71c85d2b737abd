"""The failure matrix and the page of pitfalls: no scenario of the design is missing, and every named test exists."""

import re

from tests.pages import ROOT, WRITTEN, named, rows

MATRIX = (ROOT / "docs" / "failure-matrix.md").read_text("utf-8")
TESTS = (ROOT / "tests" / "failures.md").read_text("utf-8")
SHOWN_BY = dict(re.findall(r"^- (\w+): (.+)$", TESTS, re.M))
PITFALLS = (ROOT / "tests" / "pitfalls.md").read_text("utf-8")
CONVERSATIONS = {path.stem.replace("_", " ") for path in (ROOT / "tests" / "scenarios").glob("*.txt")}

# Part 9 of the design, with its combined scenarios taken apart.
DESIGNED = (
    "worker killed at each point", "API killed between commit and answer", "Redis killed", "Redis restarted",
    "Redis slow", "Redis full", "Redis failed over", "reply lost on the wire", "gateway: timeout", "gateway: 5xx",
    "gateway: 429", "gateway: garbage", "gateway: accepts then never reports", "gateway: reports before it answers",
    "gateway: reports twice", "gateway: reports out of order", "gateway: failed after delivered", "BSS: timeout",
    "BSS: 5xx", "BSS: 429", "BSS: garbage", "BSS: refuses", "BSS: refuses after doubt", "BSS: in progress",
    "reply: duplicate", "reply: second 是 after settling", "reply: early", "reply: late",
    "reply: in the last second with a backlog", "reply: ambiguous", "reply: from another number", "STOP then YES",
    "YES then STOP", "refusal while placing", "plan changed between call and reply",
    "plan revoked between call and reply", "host clock jumps", "two workers on one effect", "a poison effect",
    "RQ jobs lost", "RQ jobs doubled", "RQ's keys deleted", "RQ's Redis down", "disk full",
)  # fmt: skip


def test_every_scenario_of_the_design_is_in_the_matrix():
    there = [fault for _, fault, _ in rows(MATRIX)]
    assert [scenario for scenario in DESIGNED if there.count(scenario) != 1] == []


def test_every_row_has_a_number_a_fault_a_consequence_and_the_tests_that_would_fail():
    assert all(all(row) for row in rows(MATRIX))
    assert [number for number, _, _ in rows(MATRIX)] == list(SHOWN_BY)
    assert len(re.findall(r"^- ", TESTS, re.M)) == len(SHOWN_BY)
    assert [number for number, tests in SHOWN_BY.items() if not named(tests)] == []


def test_all_forty_pitfalls_are_there_each_with_its_answer_and_its_test():
    found = rows(PITFALLS)
    assert [row[0] for row in found] == [f"P{n}" for n in range(1, 41)]
    for row in found:
        assert len(row) == 5, row
        assert row[2] in {"met", "not applicable"}, row
        assert named(row[4]), row


def test_a_test_named_there_exists():
    written = WRITTEN | {f"test_a_conversation_ends_as_it_must[{case}]" for case in CONVERSATIONS}
    assert [name for name in {*named(TESTS), *named(PITFALLS)} if name not in written] == []


def test_every_conversation_shows_a_row():
    shown = {name.partition("[")[2].rstrip("]") for name in named(TESTS)} - {""}
    assert shown <= CONVERSATIONS
    assert len(shown) >= 25
