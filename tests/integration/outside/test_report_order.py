"""A gateway's reports on one question have the same result in any order, and however many are read at once."""

from itertools import permutations, product

import pytest

from consent_engine.domain.effects import Accepted, Uncertain
from consent_engine.domain.inbox import MOST_SMS, REPORTS_KNOWN_MS
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.facts import Reported
from consent_engine.domain.sms import Delivery, DeliveryReport
from consent_engine.engine.change_order import recording
from consent_engine.engine.listing import part_reports
from consent_engine.engine.round_trips import drive

ANSWER = "the answer"
TAKEN, GONE, HERE = Delivery.ACCEPTED, Delivery.FAILED, Delivery.DELIVERED
IN_PARTS = {
    "delivered": ([(1, HERE), (2, HERE), (3, HERE)], "awaiting_reply"),
    "taken": ([(1, TAKEN), (2, TAKEN), (3, TAKEN)], "awaiting_reply"),
    "one part lost": ([(1, HERE), (2, GONE), (3, TAKEN)], "undeliverable"),
    "one part taken, then lost": ([(2, TAKEN), (2, GONE), (1, HERE)], "undeliverable"),
    "every part lost": ([(1, GONE), (2, GONE), (3, GONE)], "undeliverable"),
}
AS_ONE = {
    "taken and delivered": ([TAKEN, HERE], "awaiting_reply"),
    "taken and lost": ([TAKEN, GONE], "undeliverable"),
}


def told(world, n, happens, answer, report, *, at_once):
    """Return the n-th order after all of `happens`; reports before the answer come while the call is under way."""
    early, late = happens[: happens.index(ANSWER)], happens[happens.index(ANSWER) + 1 :]
    order = None

    def some(reports):
        for each in reports:
            report(order, each)
            if not at_once:
                world.read_now()
        world.read_now()

    def call(sms):
        some(early)
        return answer

    world.gateway.answers = [call]
    order = world.place(parse(f"138001{n:05}"))
    world.run()
    some(late)
    world.run()
    world.clock.forward(seconds=2)
    world.run()
    return order


def in_part(world):
    return lambda order, each: world.report(
        order, each[1], message_id="a1", segment=each[0], segments=3, alone=True
    )  # fmt: skip


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("answer", [Accepted("a1"), Uncertain("timeout")], ids=["accepted", "in doubt"])
@pytest.mark.parametrize("name", IN_PARTS)
def test_reports_on_parts_end_the_same_in_every_order(world, name, answer, at_once):
    reports, ends = IN_PARTS[name]
    for n, happens in enumerate(permutations([*reports, ANSWER])):
        order = told(world, n, happens, answer, in_part(world), at_once=at_once)
        assert world.state(order) == ends, happens
        assert len(world.gateway.sent) == n + 1


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("name", AS_ONE)
def test_reports_on_the_whole_end_the_same_in_every_order(world, name, at_once):
    reports, ends = AS_ONE[name]
    for n, happens in enumerate(permutations([*reports, ANSWER])):
        order = told(world, n, happens, Accepted("m1"), world.report, at_once=at_once)
        assert world.state(order) == ends, happens


@pytest.mark.parametrize(("reported", "word"), list(product([0, 1, 2], ["是", "否"])))
def test_a_yes_to_a_question_that_was_cut_waits_until_all_of_it_is_known_to_have_gone_out(world, reported, word):
    """Some parts of a question in doubt are reported: that proves nothing about the others."""
    world.gateway.answers = [Uncertain("1 of 3 parts not taken: timeout")]
    order = world.place()
    world.run()
    for n in range(1, reported + 1):
        world.report(order, HERE, message_id="a1", segment=n, segments=3, alone=True)
    world.clock.forward(seconds=10)
    world.say(word)
    world.run()
    assert world.state(order) == ("agreed" if word == "是" else "declined")
    for n in range(reported + 1, 4):
        world.report(order, TAKEN, message_id="a1", segment=n, segments=3, alone=True)
    world.run()
    assert world.state(order) == ("notified" if word == "是" else "declined")


def test_the_timeline_says_that_a_question_is_here_once_every_part_is(world):
    order = world.place()
    world.run()
    for n in (3, 1, 2):
        assert "delivered" not in world.triggers(order)
        world.report(order, HERE, message_id="m1", segment=n, segments=3, alone=True)
        world.run()
    assert world.triggers(order).count("delivered") == 1


# -- the order hears once ---------------------------------------------------------------------------------------------


def parts_of(world, order, effect="confirmation.1"):
    """Return the counts of the parts of an SMS: (taken, here, lost)."""
    found = part_reports(world.engine.records, order.line, order.id)
    return [(each.accepted, each.here, each.lost) for sms, each in found if sms == effect]


def report_part(world, order, n, status, of=4, message_id="m1", effect="confirmation.1", **more):
    more.setdefault("alone", True)
    world.report(order, status, effect, message_id=message_id, segment=n, segments=of, **more)


@pytest.fixture
def asked(world):
    order = world.place()
    world.run()
    return order


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("at_once", [True, False])
def test_of_eight_reports_on_four_parts_an_order_hears_twice(world, asked, turn, at_once):
    told = [*((n, TAKEN) for n in (1, 2, 3, 4)), *((n, HERE) for n in (3, 1, 4, 2))]
    for n, status in told[turn:] + told[:turn]:
        report_part(world, asked, n, status)
        if not at_once:
            world.run()
    world.run()
    heard = world.triggers(asked)
    assert heard.count("delivered") == 1
    assert len(heard) <= 3, heard
    assert parts_of(world, asked) == [((1, 2, 3, 4), (1, 2, 3, 4), ())]


def test_a_part_that_was_lost_is_named_by_the_report_and_by_the_end(world, asked):
    for n in (1, 2, 4):
        report_part(world, asked, n, HERE)
    report_part(world, asked, 3, GONE, error="expired")
    world.run()
    *_, reported, failed = world.engine.show(asked.id).events
    assert (reported.detail.status, reported.detail.segment, reported.detail.segments) == ("failed", 3, 4)
    assert failed.detail.reason == "part:3:4:expired"
    assert world.state(asked) == "undeliverable"


def test_the_end_names_the_part_also_where_its_report_overtook_the_answer(world):
    def call(sms):
        report_part(world, order, 2, GONE)
        world.read_now()
        return Accepted("m1")

    world.gateway.answers = [call]
    order = world.place()
    world.run()
    assert world.engine.show(order.id).events[-1].detail.reason == "part:2:4:not_delivered:"


def test_a_part_that_nothing_is_heard_of_is_seen_by_whoever_looks(world, asked):
    for n in (1, 2, 4):
        report_part(world, asked, n, HERE)
    world.run()
    assert "delivered" not in world.triggers(asked)
    assert parts_of(world, asked) == [((), (1, 2, 4), ())]


def test_delivered_beats_failed_for_a_part_too(world):
    world.gateway.answers = [Uncertain("timeout"), Accepted("m2")]
    order = world.place()
    world.run()
    for n, status in ((1, HERE), (2, HERE)):
        report_part(world, order, n, status, of=2)
    report_part(world, order, 2, GONE, of=2)
    world.run()
    assert (world.state(order), parts_of(world, order)) == ("awaiting_reply", [((), (1, 2), (2,))])


def test_each_attempt_is_counted_by_itself(world, asked):
    report_part(world, asked, 1, HERE, of=2)
    report_part(world, asked, 2, HERE, of=2, message_id="m2")
    world.run()
    assert "delivered" not in world.triggers(asked)
    report_part(world, asked, 1, HERE, of=2, message_id="m2")
    world.run()
    assert world.triggers(asked).count("delivered") == 1


def test_what_an_older_program_noted_of_single_parts_counts(world, asked):
    for n in (1, 2):
        old = Reported(f"old-{n}", world.clock(), "test", "sms.confirmation.1", "m1", HERE, n, 3, "")
        drive(world.engine.store, [recording(asked.id, old)])
    report_part(world, asked, 3, HERE, of=3)
    world.run()
    assert world.triggers(asked)[-1] == "delivered"
    assert parts_of(world, asked) == [((), (1, 2, 3), ())]


def test_what_is_counted_goes_after_its_time_and_what_is_too_much_too(world, asked):
    report_part(world, asked, 1, HERE)
    world.run()
    world.clock.forward(REPORTS_KNOWN_MS + 1)
    report_part(world, asked, 1, HERE, effect="reminder.1")
    world.run()
    assert (parts_of(world, asked), parts_of(world, asked, "reminder.1")) == ([], [((), (1,), ())])
    for n in range(1, MOST_SMS + 9):
        report_part(world, asked, 1, HERE, effect=f"help.{n}")
    world.run()
    assert len(list(part_reports(world.engine.records, asked.line, asked.id))) == MOST_SMS


def test_a_count_that_nobody_can_read_begins_anew(world, asked):
    name = f"d:{asked.id}.confirmation.1"
    world.client.hset(f"ce:{{0}}:line:{asked.line}", name, "garbage")
    report_part(world, asked, 1, HERE, of=2)
    report_part(world, asked, 2, HERE, of=2)
    world.run()
    assert world.triggers(asked)[-1] == "delivered"
    kept = world.client.hget(f"ce:{{0}}:line:{asked.line}", name)
    assert kept.partition(",")[2] == '[["m1",2,[],[1,2],[],4]]]'


def test_a_part_of_a_lines_own_sms_settles_no_doubt_and_all_of_them_do(world):
    world.gateway.answers = [Uncertain("1 of 2 parts not taken")]
    world.say("TD")
    world.run()
    [sms] = world.gateway.sent
    line = sms.ref.split(".")[0]
    for n in (1, 2):
        assert world.engine.records.look(lines=[line]).lines[line].effects
        report = DeliveryReport("test", sms.ref, "m1", TAKEN, n, 2, alone=True)
        world.engine.receive([report])
        world.read_now()
    known = world.engine.records.look(lines=[line]).lines[line]
    assert [effect for effect in known.effects if effect.startswith("sms.")] == []
    assert known.reports == {}
