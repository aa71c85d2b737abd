"""Doubtful replies: each bars the order whose question it answers, and nothing else, until a person decides."""

from contextlib import suppress

import pytest
from msgspec.structs import replace

from consent_engine.domain.effects import WAKE_UNDECIDED, Accepted, Lane, Unavailable, Uncertain
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import SUSPICION_LASTS_MS
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.order import MOST_EVENTS
from consent_engine.domain.sms import Delivery
from consent_engine.errors import StoreUnavailable
from tests.conftest import NUMBER, OTHER, SECOND
from tests.integration.mishaps import dies_after, lose_leases

DOUBT = "我老公不同意"
HOURS = SUSPICION_LASTS_MS // 3_600_000


def asked(world, *plans):
    orders = [world.place(plan=plan) for plan in plans] if plans else [world.place()]
    world.run()
    return orders if plans else orders[0]


def doubted(world, text=DOUBT):
    """Have an order asked, and answered with doubt; return it."""
    order = asked(world)
    world.say(text)
    world.run()
    return order


def line(world):
    return world.engine.records.look({Line: [world.engine.line(parse(NUMBER)).id]}).of(Line).popitem()[1]


def decide(world, *, refusal, **more):
    ids = [each.id for each in world.engine.held()[0]]
    return world.engine.decide_held(ids, refusal=refusal, by="ops-1", reason="" if refusal else "a question", **more)


def yes(world, order, text="是"):
    world.say(text)
    world.run()
    return world.state(order), world.bss.asked


def test_a_doubtful_answer_is_held_and_a_yes_after_it_never_counts(world):
    order = doubted(world)
    [held] = world.engine.held()[0]
    assert (held.carrier, held.reason, held.text) == ("mobile", "doubtful", DOUBT)
    assert yes(world, order) == ("awaiting_reply", [])
    assert "replied_barred" in world.triggers(order)
    assert decide(world, refusal=False).decided == 1
    assert yes(world, order) == ("awaiting_reply", []), "a bare yes proves nothing after a person's decision"
    state, activated = yes(world, order, f"是{order.doc.code}")
    assert (state, len(activated)) == ("notified", 1)
    assert world.engine.held()[0] == []


def test_calls_and_other_orders_go_on(world):
    order = doubted(world)
    assert [each.name for each in line(world).restrictions] == [f"suspected:mobile/{order.id}"]
    assert world.engine.dial(parse(NUMBER), "mobile").callable
    assert world.engine.dial(parse(NUMBER), None).callable
    other = world.place(plan=SECOND)
    world.run()
    world.say(f"是{other.doc.code}")
    world.run()
    assert world.state(other) == "notified"


def test_the_subscriber_is_told_that_the_order_waits_and_not_that_calls_have_stopped(world):
    doubted(world)
    [told] = world.texts("held")
    assert "暂不办理" in told
    assert "逾期即不办理" in told
    assert "回复“否”不办理" in told
    assert "停止向您拨打" not in told


def test_a_refusal_ends_its_order_alone_and_the_number_stays_callable(world):
    order = doubted(world)
    assert decide(world, refusal=True).decided == 1
    assert world.engine.held()[0] == []
    assert decide(world, refusal=True).decided == 0
    world.run()
    assert world.state(order) == "cancelled"
    assert world.engine.dial(parse(NUMBER), "mobile").callable
    assert line(world).restrictions == ()
    assert world.engine.refusals("", 9).rows == ()


def test_a_refusal_can_be_one_of_calls_too(world):
    order = doubted(world, "把我号码从名单里删干净")
    assert decide(world, refusal=True, never_again=True).decided == 1
    assert world.engine.held()[0] == [], "it is decided, though nothing has read that yet"
    assert world.engine.dial(parse(NUMBER), "mobile").reason == "refused"
    world.run()
    assert (world.state(order), world.engine.held()[0]) == ("cancelled", [])


@pytest.mark.parametrize(("window", "state"), [(24, "expired"), (72, "cancelled")])
def test_undecided_it_ends_its_order_with_no_restriction(world, window, state):
    world.policy = replace(world.policy, reply_window=window * 3_600_000)
    world.engine = world.another()
    order = doubted(world)
    world.clock.forward(hours=HOURS - 1)
    world.run()
    assert [each.reason for each in world.engine.held()[0]] == ["doubtful"]
    world.clock.forward(hours=2)
    world.run()
    assert world.state(order) == state
    assert (world.engine.held()[0], line(world).restrictions) == ([], ())
    assert WAKE_UNDECIDED not in line(world).effects
    assert world.engine.dial(parse(NUMBER), "mobile").callable


def test_an_order_that_ends_meanwhile_leaves_nothing_to_decide(world):
    order = doubted(world)
    world.engine.cancel(order.id, "A1024", "again")
    world.run()
    assert (world.engine.held()[0], line(world).restrictions) == ([], ())


@pytest.mark.parametrize("before", ["nothing", "settled"])
def test_without_an_open_question_it_is_as_unclear_as_it_was(world, before):
    if before == "settled":
        order = asked(world)
        world.say("否")
        world.run()
    world.say(DOUBT)
    world.run()
    assert (world.engine.held()[0], world.texts("held")) == ([], [])
    if before == "settled":
        assert world.state(order) == "declined"


def test_of_two_open_questions_each_is_held_and_one_sms_says_so(world):
    first, second = world.two_asked()
    world.say(DOUBT)
    world.run()
    assert len(world.engine.held()[0]) == 2
    assert len(world.texts("held")) == 1
    for order in (first, second):
        assert yes(world, order, f"是{order.doc.code}")[0] == "awaiting_reply"


def test_one_of_the_two_can_be_ended_and_the_other_go_on(world):
    first, second = world.two_asked()
    world.say(DOUBT)
    world.run()
    ids = {each.id.split("/")[1].split(".")[0]: each.id for each in world.engine.held()[0]}
    world.engine.decide_held([ids[first.id]], refusal=True, by="ops-1", reason="")
    world.engine.decide_held([ids[second.id]], refusal=False, by="ops-1", reason="a question")
    world.run()
    assert world.state(first) == "cancelled"
    assert yes(world, second, f"是{second.doc.code}")[0] == "notified"


def test_more_words_are_added_and_a_decision_on_the_first_alone_is_none(world):
    order = doubted(world)
    seen = [each.id for each in world.engine.held()[0]]
    world.say("没答应办理任何东西")
    world.run()
    assert [each.text for each in world.engine.held()[0]] == [f"{DOUBT}\n没答应办理任何东西"]
    assert world.engine.decide_held(seen, refusal=False, by="ops-1", reason="a question").gone == 1
    assert decide(world, refusal=True).decided == 1
    world.run()
    assert world.state(order) == "cancelled"


def test_a_suspicion_of_the_number_beside_it_is_decided_by_itself(world):
    order = doubted(world)
    world.say("我要投诉")
    world.run()
    ids = {each.reason: each.id for each in world.engine.held()[0]}
    assert ids.keys() == {"doubtful", "refusing"}
    world.engine.decide_held([ids["refusing"]], refusal=False, by="ops-1", reason="about the post")
    assert yes(world, order, f"是{order.doc.code}") == ("awaiting_reply", [])
    world.engine.decide_held([ids["doubtful"]], refusal=False, by="ops-1", reason="a question")
    assert yes(world, order, f"是{order.doc.code}")[0] == "notified"


def test_a_yes_that_waited_unread_when_a_person_decided_does_not_count(world):
    order = doubted(world)
    world.say("是")
    assert decide(world, refusal=False).decided == 1
    world.run()
    assert (world.state(order), world.bss.asked) == ("awaiting_reply", [])


def test_a_doubt_that_waited_unread_when_a_person_decided_is_decided_by_itself(world):
    order = doubted(world)
    world.say("没答应办理任何东西")
    assert decide(world, refusal=False).decided == 1
    world.run()
    assert [each.text for each in world.engine.held()[0]] == ["没答应办理任何东西"]
    assert yes(world, order, f"是{order.doc.code}") == ("awaiting_reply", [])
    assert decide(world, refusal=False).decided == 1
    assert yes(world, order, f"是{order.doc.code}")[0] == "notified"


@pytest.mark.parametrize("ends", [Unavailable("503"), Accepted("a1")])
def test_a_doubt_during_an_activation_bars_the_next_try_of_one_that_did_nothing(world, ends):
    order = asked(world)
    takes = world.bss.activate

    async def meanwhile(*_):
        world.say(DOUBT)
        world.read_now()
        world.bss.activate = takes
        return ends

    world.bss.activate = meanwhile
    world.say("是")
    world.run()
    world.clock.forward(seconds=300)
    world.run()
    assert (world.state(order), world.bss.asked) == ("confirmed" if isinstance(ends, Unavailable) else "notified", [])
    assert len(world.engine.held()[0]) == (world.state(order) == "confirmed")


def test_an_activation_that_waits_is_barred_until_a_person_decides(world):
    order = asked(world)
    world.bss.answers = [Unavailable("503")]
    world.say("是")
    world.run(Lane.INBOUND, Lane.ACTIVATION)
    tried = len(world.bss.asked)
    world.say(DOUBT)
    world.run(Lane.INBOUND)
    world.clock.forward(seconds=120)
    world.run()
    assert (world.state(order), len(world.bss.asked)) == ("confirmed", tried)
    assert decide(world, refusal=True).decided == 1
    assert line(world).restrictions == ()
    world.clock.forward(seconds=120)
    world.run()
    assert (world.state(order), len(world.bss.asked)) == ("cancelled", tried)


def test_a_decided_refusal_bars_its_activation_until_it_is_read(world):
    order = asked(world)
    world.bss.answers = [Unavailable("503")]
    world.say("是")
    world.run(Lane.INBOUND, Lane.ACTIVATION)
    world.say(DOUBT)
    world.run(Lane.INBOUND)
    tried = len(world.bss.asked)
    assert decide(world, refusal=True).decided == 1
    world.clock.forward(seconds=120)
    world.run(Lane.TIMER, Lane.ACTIVATION)
    assert (world.state(order), len(world.bss.asked)) == ("confirmed", tried)
    world.run()
    assert world.state(order) == "cancelled"


def test_the_decider_is_not_the_agent_of_the_call(world):
    order = doubted(world)
    ids = [each.id for each in world.engine.held()[0]]
    assert world.engine.decide_held(ids, refusal=True, by=order.doc.placed_by, reason="").own_call == 1


def test_a_reader_that_dies_at_any_commit_holds_both_orders_once(world):
    for commits in range(3):
        number = parse(f"1380013800{commits}")
        orders = [world.place(number, plan) for plan in ("5g-smart-199", SECOND)]
        world.run()
        world.say(DOUBT, number)
        with suppress(StoreUnavailable):
            world.run(Lane.INBOUND, engine=dies_after(world.another(), commits))
        world.clock.forward(seconds=61)
        world.run()
        assert [world.triggers(order).count("suspected") for order in orders] == [1, 1]
    assert {each.text for each in world.engine.held()[0]} == {DOUBT}
    assert len(world.engine.held()[0]) == 6


def test_a_doubt_whose_message_lost_every_reader_bars_its_order_all_the_same(world):
    order = asked(world)
    world.say(DOUBT)
    lose_leases(world, Lane.INBOUND, times=6)
    world.run()
    assert [each.text for each in world.engine.held()[0]] == [DOUBT]
    assert yes(world, order) == ("confirmed", [])
    assert decide(world, refusal=True).decided == 1
    world.run()
    assert (world.state(order), line(world).restrictions) == ("cancelled", ())


def test_it_concerns_the_order_whose_number_it_was_sent_to(world):
    doubted(world)
    world.say(DOUBT, OTHER)
    world.run()
    assert len(world.engine.held()[0]) == 1


def with_its_yes(world, *orders):
    """Have orders confirmed whose BSS is away."""
    world.clock.forward(seconds=60)
    world.bss.answers = [Unavailable("503")] * len(orders)
    for order in orders:
        world.say(f"是{order.doc.code}")
    world.run(Lane.INBOUND, Lane.ACTIVATION)
    assert [world.state(order) for order in orders] == ["confirmed"] * len(orders)


def bars(world, order, text="不要", **more):
    """Whether a reply bars the activation of such an order."""
    world.bss.asked.clear()
    world.say(text, **more)
    world.clock.forward(seconds=700)
    world.run()
    assert world.state(order) == ("notified" if world.bss.asked else "confirmed")
    return not world.bss.asked


@pytest.mark.parametrize("other", ["open", "confirmed", "notified"])
def test_a_no_that_may_mean_an_order_that_has_its_yes_bars_it(world, other):
    """Which one is meant would be asked while the service is switched on."""
    first, second = world.two_asked()
    if other == "notified":
        yes(world, second, f"是{second.doc.code}")
    with_its_yes(world, first, *[second] * (other == "confirmed"))
    assert bars(world, first)
    assert {each.reason for each in world.engine.held()[0]} == {"doubtful"}
    assert decide(world, refusal=True).decided == 1 + (other != "notified")
    world.run()
    assert world.state(first) == "cancelled"


def test_a_no_that_names_the_other_order_bars_none_that_has_its_yes(world):
    first, second = world.two_asked()
    with_its_yes(world, first)
    assert not bars(world, first, f"不要{second.doc.code}")
    assert world.state(second) == "declined"


@pytest.mark.parametrize("to", ["10085", "10085234"])
def test_a_no_with_a_code_or_to_a_number_that_no_order_has_bars_the_one_that_has_its_yes(world, to):
    order = asked(world)
    with_its_yes(world, order)
    wrong = "998" if order.doc.code == "999" else "999"  # codes are drawn
    assert bars(world, order, "不要" if "234" in to else f"不要{wrong}", to=to)


def test_a_no_that_names_none_bars_an_order_whose_yes_came_before_its_hand_over_was_known(world):
    order = world.place()
    world.gateway.answers = [Uncertain("timeout")]
    world.run(Lane.SMS)
    world.clock.forward(seconds=60)
    world.say("是")
    world.run(Lane.INBOUND)
    wrong = "998" if order.doc.code == "999" else "999"
    world.say(f"不要{wrong}")
    world.run(Lane.INBOUND)
    world.report(order, Delivery.DELIVERED)
    world.clock.forward(seconds=60)
    world.run()
    assert (world.bss.asked, {each.reason for each in world.engine.held()[0]}) == ([], {"doubtful"})


@pytest.mark.parametrize("text", ["手误", "搞错了", "不小心按到的", "我是误发", "暂时不", "还是不了"])
def test_words_that_take_a_yes_back_bar_its_order(world, text):
    order = asked(world)
    with_its_yes(world, order)
    assert bars(world, order, text)


@pytest.mark.parametrize("text", ["不要？", "no?", "等一下", "再考虑一下", "wait", "是？", "是…", "我问问我老公"])
def test_unclear_words_that_may_take_a_yes_back_bar_its_order(world, text):
    order = asked(world)
    with_its_yes(world, order)
    assert bars(world, order, text)
    assert yes(world, order) == ("confirmed", []), "another yes releases nothing that a person holds"
    assert decide(world, refusal=True).decided == 1
    world.run()
    assert world.state(order) == "cancelled"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "嗯",
            "谢谢",
            "好的",
            "什么时候生效",
            "快递到了",
            "是是",
            "不用等我",
            "停一下车",
            "下次见",
            "回头见",
            "商量好了",
        ),
        *("我考虑得很清楚", "我问一下什么时候生效", "see you later"),
    ],
)
def test_courtesies_and_other_words_after_a_yes_bar_nothing(world, text):
    order = asked(world)
    with_its_yes(world, order)
    assert not bars(world, order, text)


def test_words_that_hesitate_are_unclear_while_nothing_has_its_yes(world):
    order = doubted(world, "等一下")
    assert (world.state(order), world.engine.held()[0]) == ("awaiting_reply", [])


def test_a_no_that_names_none_bars_an_order_whose_history_is_full(world):
    first, second = world.two_asked()
    with_its_yes(world, first)
    for n in range(MOST_EVENTS):
        world.say(f"什么时候生效{n}")
        world.run(Lane.INBOUND)
    assert len(world.engine.show(first.id).events) == MOST_EVENTS
    world.bss.answers = []
    assert bars(world, first)
    assert {each.reason for each in world.engine.held()[0]} == {"doubtful"}
    assert decide(world, refusal=True).decided == 2
    world.run()
    assert [world.state(first), world.state(second)] == ["cancelled"] * 2
