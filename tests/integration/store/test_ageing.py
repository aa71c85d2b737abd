"""Data that nobody needs any more are deleted: the line of a stranger with its number, and messages without effect."""

import json
import threading

import pytest

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.store import redis_store
from consent_engine.domain.effects import WAKE_LINE, Lane
from consent_engine.domain.line.line import CALLS_KNOWN_MS, STRANGER_MS
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.order import Retention
from consent_engine.engine.permits import PermitsAsked
from consent_engine.engine.receive import RefusalAsked
from consent_engine.ports import LiftResult
from tests.at_rest import entry_in_clear
from tests.conftest import NUMBER
from tests.waiting import HANGS_S
from workers.clock import Clock

DAYS = STRANGER_MS / 3_600_000
OTHER, COMPLAINT = Msisdn("+8613900139000"), "我要投诉你们"
PAST = Retention(no_service=-60_000, records=-60_000)
"""A retention by which everything is too old."""


def month(world, hours=0.0):
    """Let a month pass, and run timers."""
    world.clock.forward(hours=DAYS + hours)
    world.run(Lane.TIMER)


def lines(world):
    return world.client.keys("ce:*:line:*")


def due(world):
    return world.client.zrange(world.cell.due[Lane.TIMER], 0, -1)


def lifted(world):
    return world.engine.lift(NUMBER, "mobile", "admin", "form", world.clock.now) is LiftResult.OK


def test_a_strangers_line_goes_a_month_after_the_last_word(world):
    world.say("你好")
    world.run()
    world.clock.forward(hours=DAYS - 1)
    world.say("在吗")
    world.run()
    assert lines(world)
    world.clock.forward(hours=2)
    world.run(Lane.TIMER)
    assert lines(world), "he wrote again"
    month(world)
    assert (lines(world), due(world)) == ([], [])


def test_a_refusal_stays_and_when_it_is_lifted_its_line_goes_a_month_later(world):
    world.say("TD")
    world.say("你好")
    world.run()
    for _ in range(3):
        month(world)
        assert not world.engine.dial(NUMBER, "mobile").callable
    assert lifted(world)
    world.run(Lane.TIMER)
    assert lines(world)
    month(world)
    assert (lines(world), due(world)) == ([], [])


def refuse_for(world, days, plan=""):
    until = world.clock.now + int(days * 24 * 3_600_000)
    world.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024", plan=plan, until=until))
    world.run()


def test_a_refusal_for_a_time_keeps_its_line_until_a_month_after_its_end_and_no_longer(world):
    refuse_for(world, 45)
    month(world)
    assert world.engine.dial(NUMBER, "mobile").reason == "refused"
    month(world)
    assert world.engine.dial(NUMBER, "mobile").callable
    assert lines(world), "its end counts as the last word"
    month(world)
    assert (lines(world), due(world)) == ([], [])


def test_a_refusal_for_a_time_that_is_over_goes_when_its_line_is_written_and_one_that_stands_stays(world):
    refuse_for(world, 1, "5g-smart-199")
    refuse_for(world, 9)
    world.clock.forward(24 * 3_600_000 + CALLS_KNOWN_MS + 1)
    world.say("你好")
    world.run()
    [line] = lines(world)
    assert [name for name in world.client.hkeys(line) if name.startswith("r:")] == ["r:mobile"]


def test_who_refuses_after_his_first_word_is_not_forgotten(world):
    world.say("你好")
    world.run()
    world.engine.refuse(RefusalAsked(NUMBER, "*", "voice", "A1024"))
    world.run()
    month(world)
    assert not world.engine.dial(NUMBER, None).callable
    [line] = lines(world)
    kinds = {name.partition(":")[0] for name in world.client.hkeys(line)}
    assert kinds == {"v", "seen", "msisdn", "r"}, "what recognises repeats went"


def test_a_stranger_who_is_asked_is_no_stranger(world):
    world.say("你好")
    order = world.place()
    world.run()
    world.clock.forward(hours=DAYS)
    world.run(Lane.TIMER)
    line = world.engine.line(NUMBER)
    assert ([entry.order for entry in line.entries], line.msisdn) == ([order.id], NUMBER)
    assert WAKE_LINE not in line.effects, "it goes with its last order"


def test_what_is_unread_keeps_a_line(world):
    world.say("你好")
    month(world)
    assert lines(world)
    world.run()
    month(world, hours=2)
    assert lines(world) == []


def test_what_is_still_to_be_said_to_a_stranger_keeps_a_line(world):
    world.say("你好")
    world.run()
    [line] = lines(world)
    world.client.hset(line, "f:sms.help.7", "[]")
    month(world)
    assert world.client.hdel(line, "f:sms.help.7") == 1
    month(world, hours=2)
    assert lines(world) == []


# -- what answered nothing --------------------------------------------------------------------------------------------


def kept(world):
    return [json.loads(row["m"])["n"] for _, row in world.client.xrange(world.cell.unmatched)]


def store_of(world, **more):
    return redis_store(Wire(world.client, proves=False, replicas=0), lease_ms=60_000, **more)


@pytest.fixture
def aside(world):
    """Make a world with 250 messages that answered nothing."""
    for n in range(250):
        world.engine.store.inbox.unmatched([f'{{"n":{n}}}'])
    return world


def test_what_is_younger_than_evidence_is_kept_stays(aside):
    assert store_of(aside).inbox.trim() == 0
    assert len(kept(aside)) == 250


def test_what_is_older_than_evidence_is_kept_goes(aside):
    assert store_of(aside, keep=PAST).inbox.trim() == 250
    assert kept(aside) == []


def told_of_liftings(world):
    return [json.loads(row["m"]) for _, row in world.client.xrange(world.cell.lifted)]


@pytest.fixture
def decided(world):
    """Make a world with a refusal that was lifted and a suspicion that was none; 250 liftings of others before."""
    for _ in range(250):
        world.client.xadd(world.cell.lifted, {"m": "{}"})
    world.say("TD", NUMBER)
    world.clock.forward(seconds=1)
    assert lifted(world)
    world.say(COMPLAINT, OTHER)
    [held] = world.engine.held()[0]
    assert world.engine.decide_held([held.id], refusal=False, by="ops", reason="a question").decided == 1
    return world


def test_what_is_told_of_a_lifting_stays_as_long_as_records_do(decided):
    assert store_of(decided).inbox.trim() == 0
    assert len(told_of_liftings(decided)) == 252
    assert store_of(decided, keep=PAST).inbox.trim() == 252
    assert told_of_liftings(decided) == []


def test_what_requests_for_permits_were_answered_stays_as_long_as_evidence_of_no_service_does(world):
    world.engine.dialler.permits(PermitsAsked([NUMBER, OTHER], "mobile", None, "desk"))
    assert store_of(world).inbox.trim() == 0
    assert world.client.xlen(world.cell.permits) == 1
    assert store_of(world, keep=PAST).inbox.trim() == 1
    assert world.client.xlen(world.cell.permits) == 0


def test_of_too_many_liftings_the_oldest_go(decided):
    assert decided.engine.store.inbox.trim(2) == 250
    assert [each["evidence"] for each in told_of_liftings(decided)] == ["form", "a question"]


def test_the_words_of_a_suspicion_that_was_none_stay_only_where_messages_age(decided):
    decided.run()
    assert COMPLAINT not in json.dumps(told_of_liftings(decided), ensure_ascii=False)
    assert told_of_liftings(decided)[-1]["ref"] == "mo-2"
    assert any(COMPLAINT in entry_in_clear(row["m"]) for _, row in decided.client.xrange(decided.cell.unmatched))


def test_of_too_many_the_oldest_go(aside):
    assert aside.engine.store.inbox.trim(100) == 150
    assert kept(aside) == list(range(150, 250))


def test_a_worker_trims_by_its_clock(world):
    trimmed = threading.Event()
    engine = world.another()
    engine.store.inbox.trim = lambda: trimmed.set() or 0
    clock = Clock(lambda: engine, "w", tuple(Lane), 1.0, tick_s=0.01)
    clock.start()
    try:
        assert trimmed.wait(HANGS_S)
    finally:
        clock.stop()
        clock.join(HANGS_S)
