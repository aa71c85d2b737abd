"""A gateway's reports on one SMS have the same result in any order, and however many are read at once.

It may number the parts of an SMS, or give each an id of its own, which its answer tells: reports may come before that.
"""

from itertools import permutations, product

import pytest

from consent_engine.domain.effects import Accepted, Lane, Uncertain
from consent_engine.domain.inbox import MOST_SMS, REPORTS_KNOWN_MS
from consent_engine.domain.line.line import Line
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.details import Delivered
from consent_engine.domain.order.facts import Reported
from consent_engine.domain.order.history import ANSWER_MS, all_of
from consent_engine.domain.sms import Delivery, DeliveryReport
from consent_engine.engine.change_order import recording
from consent_engine.engine.listing import part_reports
from consent_engine.engine.round_trips import drive

ANSWER = "the answer"
TAKEN, GONE, HERE = Delivery.ACCEPTED, Delivery.FAILED, Delivery.DELIVERED
IN_PARTS = {
    "delivered": ([(1, HERE), (2, HERE), (3, HERE)], "awaiting_reply", 1),
    "taken": ([(1, TAKEN), (2, TAKEN), (3, TAKEN)], "awaiting_reply", 0),
    "two of three arrived": ([(1, HERE), (2, HERE), (3, TAKEN)], "awaiting_reply", 0),
    "one part lost": ([(1, HERE), (2, GONE), (3, TAKEN)], "undeliverable", 0),
    "two arrived, one lost": ([(1, HERE), (2, GONE), (3, HERE)], "undeliverable", 0),
    "one part taken, then lost": ([(2, TAKEN), (2, GONE), (1, HERE)], "undeliverable", 0),
    "every part lost": ([(1, GONE), (2, GONE), (3, GONE)], "undeliverable", 0),
}
"""Reports, the state that they lead to, and how often the order hears that the SMS is there."""
AS_ONE = {
    "taken and delivered": ([TAKEN, HERE], "awaiting_reply"),
    "taken and lost": ([TAKEN, GONE], "undeliverable"),
}
NUMBERED = lambda n: {"message_id": "m1", "segment": n, "segments": 3, "alone": True}  # noqa: E731
NAMED = lambda n: {"message_id": f"m{n}"}  # noqa: E731
BOTH = lambda n: {"message_id": f"m{n}", "segment": n, "segments": 3}  # noqa: E731
OF_PARTS = Accepted("m1", parts=("m1", "m2", "m3"))
WAYS = {
    "numbered": (NUMBERED, Accepted("m1")),
    "numbered, in doubt": (NUMBERED, Uncertain("timeout")),
    "named": (NAMED, OF_PARTS),
    "named and numbered": (BOTH, OF_PARTS),
}
"""How a report says which part it is on, and the gateway's answer."""


def come(world, order, reports, named, *, at_once):
    """Have reports come; each is read by itself, or (at_once) all by whoever reads next."""
    for part, status in reports:
        world.report(order, status, **named(part))
        if not at_once:
            world.read_now()


def told(world, ways, answer, named, *, at_once=False, before=()):
    """Return an order for each way, after all of it. Reports before the answer come while the call is under way.

    before: answers to the calls of each order before that
    """
    answers, of = [*before, answer], {}

    def call(sms):
        order, happens = of[sms.ref.split(".")[0]]
        calls = sum(each.ref == sms.ref for each in world.gateway.sent)
        if calls == len(answers):
            come(world, order, happens[: happens.index(ANSWER)], named, at_once=at_once)
            world.read_now()
        return answers[calls - 1]

    world.gateway.answers = [call] * len(ways) * len(answers)
    for n, happens in enumerate(ways):
        order = world.place(parse(f"138001{n:05}"))
        of[order.id] = order, happens
    world.run()
    if before:
        world.clock.forward(seconds=601)
        world.run()
    for order, happens in of.values():
        come(world, order, happens[happens.index(ANSWER) + 1 :], named, at_once=at_once)
    world.run()
    world.clock.forward(seconds=2)
    world.run()
    assert len(world.gateway.sent) == len(ways) * len(answers)
    return of.values()


def orders_of(reports, *, all_of_them=False):
    """Return every order of these reports and the answer; two that differ only in the part reported on are one."""
    ways = list(permutations([*reports, ANSWER]))
    alike = {tuple(each if each == ANSWER else each[1] for each in way): way for way in ways}
    return ways if all_of_them else list(alike.values())


def heard(world, order):
    return sum(1 for _ in all_of(world.engine.show(order.id), Delivered))


@pytest.mark.parametrize("name", IN_PARTS)
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_reports_on_parts_end_the_same_in_every_order(world, way, at_once, name):
    (named, answer), (reports, ends, whole) = WAYS[way], IN_PARTS[name]
    ways = orders_of(reports, all_of_them=way == "named" and not at_once)
    for order, happens in told(world, ways, answer, named, at_once=at_once):
        assert world.state(order) == ends, happens
        if ends == "awaiting_reply":
            assert heard(world, order) == whole, happens


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("name", AS_ONE)
def test_reports_on_the_whole_end_the_same_in_every_order(world, name, at_once):
    reports, ends = AS_ONE[name]
    ways = list(permutations([*((1, status) for status in reports), ANSWER]))
    for order, happens in told(world, ways, Accepted("m1"), lambda _: {"message_id": "m1"}, at_once=at_once):
        assert world.state(order) == ends, happens


@pytest.mark.parametrize(("named", "at_once"), [(BOTH, False), (NAMED, False), (NAMED, True)])
def test_two_lost_parts_of_one_attempt_are_one_attempt_that_failed(world, named, at_once):
    """The first attempt is in doubt: no report came, so the subscriber may have the question."""
    ways = orders_of([(1, TAKEN), (2, GONE), (3, GONE)])
    for order, happens in told(world, ways, OF_PARTS, named, at_once=at_once, before=[Uncertain("timeout")]):
        assert world.state(order) == "awaiting_reply", happens


@pytest.mark.parametrize("name", ["one part lost", "two arrived, one lost", "every part lost"])
@pytest.mark.parametrize("named", [BOTH, NAMED], ids=["numbered", "not numbered"])
def test_a_lost_part_ends_the_order_also_where_no_answer_tells_the_ids(world, name, named):
    reports, ends, _ = IN_PARTS[name]
    for order, happens in told(world, orders_of(reports), Uncertain("timeout"), named):
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


def test_each_attempt_is_counted_by_itself(world):
    world.gateway.answers = [Uncertain("timeout"), Accepted("m2")]
    asked = world.place()
    world.run()
    world.clock.forward(seconds=601)
    world.run()
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
        assert world.engine.records.look({Line: [line]}).of(Line)[line].effects
        report = DeliveryReport("test", sms.ref, "m1", TAKEN, n, 2, alone=True)
        world.engine.receive([report])
        world.read_now()
    known = world.engine.records.look({Line: [line]}).of(Line)[line]
    assert [effect for effect in known.effects if effect.startswith("sms.")] == []
    assert known.reports == {}


# -- an id for each part ---------------------------------------------------------------------------------------------


def test_an_answer_that_never_comes_is_not_waited_for_for_ever(world):
    """A worker dies after reports overtook its call: two ids that failed then count as the two attempts they seem."""
    world.gateway.answers = [Uncertain("timeout")]
    order = world.place()
    world.run()
    world.clock.forward(seconds=601)
    assert [each.record.id for each in world.engine.store.lanes.lease(Lane.SMS, 9)] == [order.id]
    for n, status in [(1, TAKEN), (2, GONE), (3, GONE)]:
        world.report(order, status, **NAMED(n))
    for milliseconds in (0, 1_001, ANSWER_MS - 10_000):
        world.clock.forward(milliseconds)
        world.run()
        assert world.state(order) == "awaiting_reply"
    world.clock.forward(10_000)
    world.run()
    assert world.state(order) == "undeliverable"


def test_of_six_reports_on_three_parts_the_order_hears_twice(world):
    world.gateway.answers = [OF_PARTS]
    order = world.place()
    world.run()
    for status in (TAKEN, HERE):
        for n in (2, 3, 1):
            world.report(order, status, **NAMED(n))
            world.run()
    assert world.triggers(order).count("delivered") == 1
    assert len(world.triggers(order)) <= 3
    [(sms, counted)] = part_reports(world.engine.records, order.line, order.id)
    assert (sms, counted.id, counted.of, counted.here) == ("confirmation.1", "m1", 3, (1, 2, 3))


def test_a_lost_part_is_named_in_the_end(world):
    world.gateway.answers = [OF_PARTS]
    order = world.place()
    world.run()
    world.report(order, GONE, message_id="m3", error="expired")
    world.run()
    assert world.engine.show(order.id).events[-1].detail.reason == "part:3:3:expired"


@pytest.mark.parametrize("early", [(), (1,), (1, 2), (3, 1, 2)])
def test_the_notification_has_arrived_once_all_its_parts_have(world, early):
    def call(sms):
        for n in early:
            world.report(order, HERE, "notification.1", message_id=f"m{n}")
        world.read_now()
        return OF_PARTS

    order = world.place()
    world.run()
    world.gateway.answers = [call]
    world.say("是")
    world.run()
    assert world.state(order) == "notified"
    for n in {1, 2, 3} - set(early):
        world.report(order, HERE, "notification.1", message_id=f"m{n}")
        world.run()
    arrived = [each.effect for _, each in all_of(world.engine.show(order.id), Delivered)]
    assert arrived == ["sms.notification.1"]


SMS = {
    "question": ("confirmation.1", "awaiting_reply", ()),
    "notification": ("notification.1", "notified", ("是",)),
    "ending notice": ("declined.1", "declined", ("否",)),
}


@pytest.mark.parametrize("status", [GONE, TAKEN, HERE])
@pytest.mark.parametrize("named", [{"message_id": "other"}, {"message_id": "other", "segments": 2, "alone": True}])
@pytest.mark.parametrize("sms", SMS)
def test_a_report_with_the_id_of_another_message_is_unmatched(world, sms, named, status):
    effect, state, says = SMS[sms]
    order = world.place()
    world.run()
    for word in says:
        world.clock.forward(seconds=10)
        world.say(word)
        world.run()
    before = world.triggers(order)
    for n in range(1, named.get("segments", 1) + 1):
        world.report(order, status, effect, **named, **({"segment": n} if "segments" in named else {}))
    world.clock.forward(seconds=2)
    world.run()
    assert (world.state(order), world.triggers(order)) == (state, before)
    world.report(order, status, effect)
    world.run()
    assert len(world.triggers(order)) > len(before)


def test_a_failure_of_another_message_before_the_answer_ends_no_order(world):
    def call(_):
        world.report(order, GONE, message_id="other")
        world.read_now()
        return Accepted("m1")

    world.gateway.answers = [call]
    order = world.place()
    world.run()
    world.clock.forward(seconds=2)
    world.run()
    assert world.state(order) == "awaiting_reply"
    world.report(order, GONE, message_id="m1")
    world.run()
    assert world.state(order) == "undeliverable"
