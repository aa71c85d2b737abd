"""The operator's command reviews first: people hear its hits, disputed calls, and a sample that can be drawn again."""

import asyncio
import json
import shlex
import sys

import pytest

from consent_engine.adapters.review_command import ProcessCommand, read
from consent_engine.domain.call.review import CommandHeard, Verdict, is_drawn
from consent_engine.engine.first_review import AGAIN_MS, DISPUTED, FirstReviews
from consent_engine.ports.outside import CommandFailed, Heard
from tests.conftest import NUMBER
from tests.integration.calls.reviewing import review, sold
from tests.waiting import HANGS_S, until
from workers.ticking import FirstReviewer

TOLD = {"call": "1", "agent": "A1"}


class Command:
    """A review command that answers as the test says."""

    def __init__(self):
        self.asked, self.says = [], Heard("hear", "3.1", passed=True)

    async def hear(self, told):
        self.asked.append(told)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def first_reviews(desk, command, share=0.0):
    return FirstReviews(desk.engine, command, share, "secret", "worker-1")


def look(reviews):
    return asyncio.run(reviews.look())


def test_what_the_command_passes_has_passed_and_what_it_fails_waits_for_a_person(desk):
    call, _ = sold(desk)
    command = Command()
    reviews = first_reviews(desk, command)
    assert look(reviews) == 1
    assert desk.found(call).verdict is Verdict.PASSED
    assert desk.found(call).events[-1].by == "command:hear:3.1"
    assert NUMBER[3:] not in json.dumps(command.asked)
    other = desk.start("+8613900139001")
    desk.clock.forward(seconds=5)
    desk.end(other)
    command.says = Heard("hear", "3.2", passed=False, reasons=("pressed",))
    desk.clock.forward(AGAIN_MS)
    assert look(reviews) == 1
    found = desk.found(other)
    assert (found.verdict, found.events[-1].by, found.events[-1].reasons) == (
        Verdict.CONTESTED, "command:hear:3.2", ("pressed",),
    )  # fmt: skip
    assert review(desk, other, second=True).verdict is Verdict.FAILED


def test_a_sample_stays_for_people_and_can_be_drawn_again_by_its_seed(desk):
    calls = []
    for n in range(30):
        call = desk.start(f"+86139001390{n:02}")
        desk.clock.forward(seconds=1)
        calls.append(desk.end(call))
    command = Command()
    reviews = first_reviews(desk, command, share=0.3)
    assert look(reviews) == 30
    stay = {call.id for call in desk.engine.calls.to_review(Verdict.PENDING).calls}
    [seed] = {each.seed for call in calls for each in desk.found(call).events if isinstance(each, CommandHeard)}
    assert 0 < len(stay) < 30
    assert stay == {call.id for call in calls if is_drawn(seed, call.id, 0.3)}
    assert seed == reviews.seed(calls[0].began.started_at)
    desk.clock.forward(AGAIN_MS)
    assert look(reviews) == 0, "what it heard is not asked again"
    assert len(command.asked) == 30
    for call in calls:
        if call.id in stay:
            assert review(desk, call, passed=True).verdict is Verdict.PASSED


def test_people_hear_what_the_subscriber_denies(desk):
    call, _ = sold(desk)
    desk.clock.forward(seconds=60)
    desk.say("我没接过这个电话，是骗子")
    assert look(first_reviews(desk, Command())) == 1
    found = desk.found(call)
    assert (found.verdict, found.events[-1].seed) == (Verdict.PENDING, DISPUTED)


def test_a_call_that_the_command_cannot_hear_stays_for_people_and_is_tried_again_later(desk):
    call, _ = sold(desk)
    command = Command()
    command.says = CommandFailed("no")
    reviews = first_reviews(desk, command)
    with pytest.raises(CommandFailed):
        look(reviews)
    assert look(reviews) == 0
    assert desk.found(call).verdict is Verdict.PENDING
    desk.clock.forward(AGAIN_MS)
    command.says = Heard("hear", "3.1", passed=True)
    assert look(reviews) == 1


class Looked:
    """A registry that counts how often it is asked for the time: once a look."""

    def __init__(self, inner):
        self._inner, self.looks = inner, 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def now(self):
        self.looks += 1
        return self._inner.now()


def test_its_trouble_is_not_over_while_nothing_is_heard(desk, caplog):
    """What it could not hear is tried again in ten minutes: rounds until then show nothing."""
    sold(desk)
    command, registry = Command(), Looked(desk.engine.registry)
    command.says, desk.engine.registry = CommandFailed("it ended with status 1"), registry
    reviewer = FirstReviewer(lambda: FirstReviews(desk.engine, command, 0.0, "secret", "worker-1"), tick_s=0.01)
    reviewer.start()
    until("it failed", lambda: command.asked)
    seen = registry.looks
    until("it looked again", lambda: registry.looks > seen + 3)
    said = [each.message for each in caplog.records if each.name == "workers.ticking"]
    assert [text.rpartition("; ")[2] for text in said] == ["said again when it is over"]
    command.says = Heard("hear", "3.1", passed=True)
    desk.clock.forward(AGAIN_MS)
    until("it is over", lambda: "cannot hear calls now: reviewers hear them: over" in caplog.text)
    reviewer.stop()
    reviewer.join(HANGS_S)


def test_of_two_workers_one_hears(desk):
    sold(desk)
    assert desk.engine.registry.claim_turn("reviews", "another", 60_000)
    assert look(first_reviews(desk, Command())) == 0


def said(script, timeout_s=10.0, told=TOLD):
    return asyncio.run(ProcessCommand(shlex.join([sys.executable, "-c", script]), timeout_s).hear(told))


def test_a_command_is_told_the_call_and_none_of_our_settings():
    script = (
        "import json, os, sys; told = json.load(sys.stdin); "
        "leaks = [n for n in os.environ if n.startswith('CONSENT_')]; "
        "print(json.dumps(dict(name='hear', version='1', verdict='fail', reasons=[told['agent'].lower()] + leaks)))"
    )
    assert said(script) == Heard("hear", "1", passed=False, reasons=("a1",))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import time; time.sleep(30)", "did not end"),
        ("import sys; sys.exit(3)", "ended with 3"),
        ("print('x' * 70000)", "too much"),
        ("print('yes')", "did not say a verdict"),
    ],
)
def test_a_command_that_hangs_fails_or_babbles_is_no_verdict(script, why):
    with pytest.raises(CommandFailed, match=why):
        said(script, 0.5 if "sleep" in script else 10.0)
    with pytest.raises(CommandFailed, match="cannot be started"):
        asyncio.run(ProcessCommand("/nowhere/hear").hear(TOLD))


@pytest.mark.parametrize(
    "changed",
    [{"verdict": "maybe"}, {"verdict": "fail"}, {"name": "a:b"}, {"reasons": ["No"]}, {"note": "x" * 501}, {"x": 1}],
)  # fmt: skip
def test_what_is_no_verdict_is_refused(changed):
    sound = {"name": "hear", "version": "1", "verdict": "pass"}
    assert read(json.dumps(sound).encode()).passed
    with pytest.raises(CommandFailed):
        read(json.dumps({**sound, **changed}).encode())


def test_a_number_in_its_note_is_not_kept():
    told = {"name": "hear", "version": "1", "verdict": "pass", "note": "rang 13800138000"}
    assert "13800138000" not in read(json.dumps(told).encode()).note
