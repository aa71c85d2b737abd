"""A reply in parts is one reply once all parts are here; until then, and where they never come, it is a fragment."""

import pytest

from consent_engine.domain.effects import WAKE_LINE, WAKE_PARTS, Lane, Unavailable
from consent_engine.domain.inbox import MOST_PARTS, MOST_REPLIES, PARTS_KNOWN_MS, PARTS_WAIT_MS
from consent_engine.domain.line.line import STRANGER_MS
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Part, Reply
from consent_engine.engine.calls_in_flight import may_begin
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import LiftResult
from tests.conftest import NUMBER
from tests.integration.mishaps import dies_after

LONG = "我昨天在电话里并没有听清楚资费是多少，所以现在不能决定，"
"""A first part that means nothing by itself."""


@pytest.fixture
def order(world):
    order = world.place()
    world.run()
    world.clock.forward(seconds=10)
    return order


def part(world, text, n, of=2, reference="0042", name="", engine=None, **more):
    """Deliver a part of a reply; False when it is a repeat."""
    world.keys += 1
    part = Part(reference, n, of)
    reply = Reply("test", name or f"mo-{world.keys}", Msisdn(NUMBER), "10085", text, part=part, **more)
    return (engine or world.engine).receive([reply])[0].is_new


def said(world, order):
    """Return the replies in the order's history."""
    events = world.engine.show(order.id).events
    return [event.person["text"] for event in events if event.person and "text" in event.person]


def waited(world, ms=PARTS_WAIT_MS):
    world.clock.forward(ms)
    world.run()


@pytest.mark.parametrize("last_first", [False, True])
def test_a_second_part_that_reads_as_a_yes_is_none(world, order, last_first):
    parts = [(LONG, 1), ("同意", 2)]
    for text, n in reversed(parts) if last_first else parts:
        part(world, text, n)
        world.run()
    assert world.state(order) == "awaiting_reply"
    assert said(world, order) == [LONG + "同意"]


@pytest.mark.parametrize("n", [1, 2])
def test_a_fragment_is_no_yes(world, order, n):
    part(world, "同意", n)
    waited(world)
    assert world.state(order) == "awaiting_reply"
    assert said(world, order) == ["同意"]
    assert len(world.texts("clarification")) == 1


@pytest.mark.parametrize("text", ["不同意", "我老公不同意"])
@pytest.mark.parametrize("n", [1, 2])
def test_a_fragment_that_is_a_no_is_in_doubt_and_bars_its_order_from_its_arrival_on(world, order, n, text):
    world.bss.answers = [Unavailable("503")]
    world.say("同意")
    world.run(Lane.INBOUND, Lane.ACTIVATION)
    tried = len(world.bss.asked)
    part(world, text, n)
    world.clock.forward(PARTS_WAIT_MS // 2)
    world.run()
    assert (world.state(order), len(world.bss.asked)) == ("confirmed", tried)
    waited(world)
    assert (world.state(order), len(world.bss.asked)) == ("confirmed", tried)
    assert [each.text for each in world.engine.held()[0]] == [text]


@pytest.mark.parametrize(("last", "state"), [("同意", "notified"), ("我老公不同意", "confirmed"), (None, "notified")])
def test_no_activation_begins_while_the_rest_of_a_reply_is_still_to_come(world, order, last, state):
    world.bss.answers = [Unavailable("503")]
    world.say("同意")
    world.run(Lane.INBOUND, Lane.ACTIVATION)
    tried = len(world.bss.asked)
    part(world, LONG, 1)
    world.clock.forward(PARTS_WAIT_MS // 2)
    world.run()
    assert (world.state(order), len(world.bss.asked)) == ("confirmed", tried)
    if last:
        part(world, last, 2)
    else:
        waited(world)
    world.run()
    waited(world, 1_000)
    assert (world.state(order), len(world.bss.asked)) == (state, tried + (state == "notified"))


def test_a_yes_beside_parts_of_another_reply_activates_once_these_are_whole(world, order):
    part(world, LONG, 1)
    world.engine.performer.awake = frozenset({Lane.INBOUND, Lane.ACTIVATION})  # an activation begins with its commit
    world.say("同意")
    world.run()
    assert (world.state(order), world.bss.asked) == ("confirmed", [])
    part(world, "什么时候生效", 2)
    waited(world, 1_000)
    waited(world, 1_000)
    assert (world.state(order), len(world.bss.asked)) == ("notified", 1)


def test_a_part_that_came_after_the_lease_is_seen_by_the_last_look(world, order):
    world.say("同意")
    world.run(Lane.INBOUND)
    lanes = world.engine.store.lanes
    leased = lanes.lease(Lane.ACTIVATION, 1)
    assert may_begin(world.engine.store.records, leased) == [True]
    part(world, LONG, 1)
    assert may_begin(world.engine.store.records, leased) == [False]


def test_a_fragment_that_is_a_code_answers_no_question_of_ours(world, order):
    other = world.place(plan="data-pack-10gb")
    world.run()
    world.say("是")
    world.run()
    part(world, other.doc.code, 2)
    waited(world)
    assert {world.state(order), world.state(other)} == {"awaiting_reply"}


def test_a_stop_in_one_part_refuses_when_that_part_comes(world, order):
    part(world, "退订", 2)
    assert not world.engine.dial(NUMBER, "mobile").callable
    world.run()
    assert world.state(order) == "declined"


def test_words_that_may_refuse_hold_when_their_part_comes(world, order):
    part(world, "我要投诉你们", 1)
    assert world.engine.dial(NUMBER, "mobile").reason == "suspected"
    world.say("是")
    world.run()
    assert world.state(order) == "awaiting_reply"


def test_what_refused_in_one_part_is_told_once_and_the_whole_is_read_too(world, order):
    part(world, "我要投诉你们", 1)
    part(world, "，因为没有人告诉我资费", 2)
    waited(world)
    assert said(world, order) == ["我要投诉你们", "我要投诉你们，因为没有人告诉我资费"]
    assert len(world.texts("held")) == 1


def test_what_refused_in_one_part_and_never_became_whole_is_told_once(world, order):
    part(world, "我要投诉你们", 1, of=3)
    part(world, LONG, 2, of=3)
    waited(world)
    assert said(world, order) == ["我要投诉你们", LONG]


def test_a_refusal_that_was_cut_in_two_is_one_when_it_is_whole(world, order):
    part(world, "不要给我", 1)
    assert world.engine.dial(NUMBER, "mobile").callable
    part(world, "打电话了", 2)
    assert not world.engine.dial(NUMBER, "mobile").callable
    world.run()
    assert world.state(order) == "declined"


def test_a_yes_that_came_before_the_refusal_was_whole_is_followed_by_it(world, order):
    part(world, "不要给我", 1)
    part(world, "打电话了", 2)
    world.say("是")
    world.run()
    assert world.state(order) == "declined"


def test_a_text_that_is_one_part_of_one_is_whole(world, order):
    part(world, "是", 1, of=1)
    world.run()
    assert world.state(order) == "notified"


@pytest.mark.parametrize(("n", "of"), [(0, 0), (3, 2), (1, MOST_PARTS + 1)])
def test_a_part_that_nothing_can_wait_for_is_a_fragment_at_once(world, order, n, of):
    part(world, "同意", n, of)
    world.run()
    assert (world.state(order), said(world, order)) == ("awaiting_reply", ["同意"])


@pytest.mark.parametrize("word", ["是", "否"])
def test_eight_bit_data_is_neither_a_yes_nor_a_no(world, order, word):
    world.say(word, data=True)
    world.run()
    assert (world.state(order), said(world, order)) == ("awaiting_reply", [word])


def test_eight_bit_data_can_refuse(world, order):
    world.say("STOP", data=True)
    world.run()
    assert world.state(order) == "declined"


@pytest.mark.parametrize("n", [1, 2])
def test_a_part_that_comes_again_is_the_same_one(world, order, n):
    assert part(world, LONG, 1, name="a")
    assert not part(world, LONG, 1, name="a")
    assert part(world, "同意", 2, name="b")
    world.run()
    world.clock.forward(PARTS_KNOWN_MS - 1)
    assert not part(world, *((LONG, 1) if n == 1 else ("同意", 2)), name="ab"[n - 1])
    waited(world)
    assert said(world, order) == [LONG + "同意"]


@pytest.mark.parametrize("texts", [("TD", "谢谢"), ("退", "订")], ids=["in one", "cut"])
def test_a_stop_in_parts_that_comes_again_after_a_lift_stands_though_its_gateway_uses_ids_again(world, order, texts):
    def comes():
        return [part(world, text, n, name=f"{n}") for n, text in enumerate(texts, 1)]

    assert comes() == [True, True]
    world.run()
    assert comes() == [False, False]
    world.clock.forward(hours=1)
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", world.clock.now) is LiftResult.OK
    assert comes() == [True, True]
    world.run()
    assert not world.engine.dial(NUMBER, "mobile").callable


def test_a_stop_in_parts_that_comes_again_after_a_lift_is_a_repeat_where_its_instant_says_so(world, order):
    written = world.clock.now
    for text, n in (("T", 1), ("D", 2)):
        assert part(world, text, n, name=f"{n}", written_at=written)
    world.run()
    world.clock.forward(hours=1)
    assert world.engine.lift(NUMBER, "mobile", "admin", "form", world.clock.now) is LiftResult.OK
    assert not part(world, "T", 1, name="1", written_at=written)
    assert not part(world, "D", 2, name="2", written_at=written)
    waited(world)
    assert world.engine.dial(NUMBER, "mobile").callable


def test_parts_of_two_texts_under_one_reference_are_no_yes(world, order):
    part(world, "同", 1)
    part(world, LONG, 1)
    part(world, "意", 2)
    waited(world)
    assert world.state(order) == "awaiting_reply"
    assert said(world, order) == [LONG, "同意"]


def test_a_reference_that_is_used_again_is_another_text(world, order):
    for text in ("第一", "第二"):
        part(world, text, 1)
        part(world, LONG, 2)
        waited(world)
    assert said(world, order) == ["第一" + LONG, "第二" + LONG]


def test_so_many_texts_wait_and_no_more(world, order):
    for n in range(MOST_REPLIES + 3):
        part(world, f"{LONG}{n}", 1, reference=f"r{n}")
    world.run()
    assert len(said(world, order)) == 3
    assert len(world.engine.line(NUMBER).gathered) == MOST_REPLIES
    waited(world)
    assert len(said(world, order)) == MOST_REPLIES + 3


def test_of_what_was_told_as_many_are_remembered_and_no_more(world, order):
    for n in range(MOST_REPLIES + 3):
        part(world, f"{LONG}{n}", 1, reference=f"r{n}")
        part(world, "完", 2, reference=f"r{n}")
    assert len(world.engine.line(NUMBER).gathered) == MOST_REPLIES


def test_nothing_is_left_of_parts_once_they_are_forgotten(world, order):
    part(world, LONG, 1)
    waited(world)
    world.say("否")
    waited(world, PARTS_KNOWN_MS + PARTS_WAIT_MS)
    line = world.engine.line(NUMBER)
    assert (line.gathered, WAKE_PARTS in line.effects) == ({}, False)
    assert not [field for field in world.client.hkeys(f"ce:{{0}}:line:{line.id}") if field.startswith("p:")]


def test_the_words_of_what_was_told_do_not_wait(world, order):
    part(world, LONG, 1)
    waited(world)
    [told] = world.engine.line(NUMBER).gathered.values()
    assert {(each.n, each.id, each.text) for each in told.pieces} == {(1, "", "")}, "its names, and no words"


def test_a_strangers_number_does_not_stay_for_parts(world):
    part(world, LONG, 1)
    assert WAKE_LINE in world.engine.line(NUMBER).effects
    for _ in range(4):
        waited(world, STRANGER_MS)
    assert world.engine.line(NUMBER).version == 0


@pytest.mark.parametrize("commits", [0, 1])
def test_whoever_dies_over_a_part_is_followed_by_one_who_does_it_again(world, order, commits):
    part(world, LONG, 1, name="a")
    with pytest.raises(StoreUnavailable):
        part(world, "同意", 2, name="b", engine=dies_after(world.another(), commits - 1 if commits else 0))
    part(world, "同意", 2, name="b")
    world.run()
    assert said(world, order) == [LONG + "同意"]


def test_a_timer_that_lost_its_worker_tells_the_fragment_once(world, order):
    part(world, LONG, 1)
    world.clock.forward(PARTS_WAIT_MS)
    with pytest.raises(StoreUnavailable):
        world.run(Lane.TIMER, engine=dies_after(world.another(), 0))
    world.clock.forward(seconds=61)
    world.run()
    assert said(world, order) == [LONG]


def test_a_character_that_was_cut_in_two_is_whole_again(world, order):
    part(world, LONG + "\ud83d", 1)
    part(world, "\ude00", 2)
    world.run()
    assert said(world, order) == [LONG + "😀"]


@pytest.mark.parametrize(
    ("texts", "posts", "kept"),
    [
        (("是", "的"), ("[2]", "{}"), "[[2],{}]"),
        (("是", "的"), ("[2]", ""), None),
        (("是 \ud83d", "\ude00"), ("[2]", "{}"), None),
    ],
)
def test_the_posts_of_a_replys_parts_are_kept_in_their_order_where_the_words_stand_in_them(
    world, order, texts, posts, kept
):
    for n in (2, 1):
        part(world, texts[n - 1], n, posted=posts[n - 1])
    world.run()
    [person] = [e.person for e in world.engine.show(order.id).events if e.person and "to" in e.person]
    assert (person["text"], person.get("posted")) == (
        "".join(texts).encode("utf-16", "surrogatepass").decode("utf-16"),
        kept,
    )


def test_any_number_of_parts_of_one_number_may_come_at_once_and_fail_nobody(world, order):
    texts = [(f"第{n}条很长的回复", Part(f"r{n}", part, 3)) for n in range(30) for part in (3, 1, 2)]
    posted = [
        Reply("test", f"mo-{n}", Msisdn(NUMBER), "10085", text, part=part) for n, (text, part) in enumerate(texts)
    ]
    other = Reply("test", "mo-other", Msisdn("+8613900139000"), "10085", "TD")
    assert all(each.is_new for each in world.engine.receive([*posted, other]))
    assert world.engine.line(other.msisdn).restrictions
    assert not any(each.is_new for each in world.engine.receive([*posted[-3:], other]))
