"""Kannel for real: bearerbox, smsbox and a test SMSC carry an order from the question to the notification."""

import signal
from collections import Counter

import pytest

from tests.acceptance.kannel_air import heard
from tests.acceptance.kannel_stack import SENDER, WRONG_DOOR, everything


@pytest.fixture(scope="module")
def kannel():
    with everything() as stack:
        yield stack


def triggers(kannel, order):
    return Counter(entry["trigger"] for entry in kannel.order(order["id"])["timeline"])


def question_arrives(kannel, order):
    """Wait for the whole question on the handset; return the SMS."""
    [question] = kannel.texts(order["msisdn"], 1)
    return question


def is_served_once(kannel, order):
    """Assert that a confirmed order went its whole way, each step once, and two SMS are on the handset."""
    kannel.wait_for_event(order, "notification_accepted")
    question, notification = kannel.texts(order["msisdn"], 2)
    kannel.wait_for_event(order, "delivered", 2)
    told = triggers(kannel, order)
    assert {name: told[name] for name in ("confirmation_accepted", "said_yes", "service_activated")} == {
        "confirmation_accepted": 1,
        "said_yes": 1,
        "service_activated": 1,
    }
    assert (told["notification_accepted"], told["delivered"], told["unclear"]) == (1, 2, 0)
    assert told["reported"] <= 2, "each SMS is told of as a whole"
    assert kannel.order(order["id"])["state"] == "notified"
    [activation] = kannel.activations(order)
    assert (activation["switched_on"], len(activation["attempts"])) == (1, 1)
    assert question.text == order["confirmation"]["text"]
    assert notification.text.startswith(question.text[: question.text.index("】")])


def test_an_order_goes_its_whole_way_over_kannel(kannel):
    order = kannel.place("+8613800138001")
    question = question_arrives(kannel, order)
    assert question.of == order["confirmation"]["segments"] > 1
    assert (question.sender, question.text) == (SENDER, order["confirmation"]["text"])
    kannel.say(order["msisdn"], "是")
    is_served_once(kannel, order)


def test_the_timeline_has_the_reports_and_says_of_what_they_speak(kannel):
    order = kannel.place("+8613800138002")
    of = order["confirmation"]["segments"]
    kannel.wait_for_event(order, "delivered")
    timeline = kannel.order(order["id"])["timeline"]
    told = [(e["trigger"], e["ref"]) for e in timeline if e["trigger"] in {"reported", "delivered"}]
    [accepted] = [entry for entry in timeline if entry["trigger"] == "confirmation_accepted"]
    assert told[-1] == ("delivered", accepted["ref"])
    assert len(told) <= 2 < of


def test_a_no_and_a_stop_arrive_too(kannel):
    declined, stopped = kannel.place("+8613800138003"), kannel.place("+8613800138004")
    for order, word in ((declined, "不同意"), (stopped, "TD")):
        question_arrives(kannel, order)
        kannel.say(order["msisdn"], word)
    kannel.wait_for_event(declined, "declined|said_no")
    kannel.wait_for_event(stopped, "opted_out")
    assert kannel.activations(declined) == kannel.activations(stopped) == []


def test_a_part_of_a_long_refusal_that_reads_as_a_yes_activates_nothing(kannel):
    order = kannel.place("+8613800138010")
    question_arrives(kannel, order)
    kannel.say_part(order["msisdn"], "I was told another price on the phone and never said ", 1, 2)
    kannel.say_part(order["msisdn"], "yes", 2, 2)
    kannel.wait_for_event(order, "unclear|suspected")
    assert triggers(kannel, order)["said_yes"] == 0
    assert kannel.activations(order) == []


def test_a_part_alone_is_no_answer_and_a_stop_in_it_is_a_refusal(kannel):
    order, other = kannel.place("+8613800138011"), kannel.place("+8613800138012")
    for each, word in ((order, "yes"), (other, "STOP")):
        question_arrives(kannel, each)
        kannel.say_part(each["msisdn"], word, 2, 2)
    kannel.wait_for_event(other, "opted_out")
    kannel.say(order["msisdn"], "N")
    kannel.wait_for_event(order, "said_no")
    assert triggers(kannel, order)["said_yes"] == 0
    assert kannel.activations(order) == kannel.activations(other) == []


def test_our_outage_loses_nothing_and_doubles_nothing(kannel):
    order = kannel.place("+8613800138005")
    kannel.kill_api()
    question_arrives(kannel, order)
    kannel.say(order["msisdn"], "是")
    kannel.smsbox.wait_for(r"HTTP: Retrying request <.*/inbound\?id=.* \(2/10\)")
    kannel.start_api()
    is_served_once(kannel, order)


def test_a_retry_that_overtakes_a_call_that_hangs_is_the_same_message(kannel):
    order = kannel.place("+8613800138006")
    question_arrives(kannel, order)
    kannel.wait_for_event(order, "delivered")
    taken, retried = r"POST /v1/gateways/\{name\}/inbound 200", r"HTTP: Retrying request <.*/inbound\?id=.* \(2/10\)"
    before, earlier = len(kannel.api.matching(taken)), len(kannel.smsbox.matching(retried))
    kannel.api.signal(signal.SIGSTOP)
    try:
        kannel.say(order["msisdn"], "是")
        kannel.smsbox.wait_for(retried, earlier + 1)
    finally:
        kannel.api.signal(signal.SIGCONT)
    kannel.api.wait_for(taken, before + 2)
    is_served_once(kannel, order)


def test_an_smsc_that_comes_late_gets_what_bearerbox_kept(kannel):
    kannel.end_centre()
    order = kannel.place("+8613800138007")
    kannel.wait_for_event(order, "confirmation_accepted")
    kannel.start_centre()
    question_arrives(kannel, order)
    kannel.say(order["msisdn"], "Y")
    is_served_once(kannel, order)


def test_nobody_is_ever_texted_an_http_body(kannel):
    kannel.say("10086", "今日话费余额")  # no phone number: taken, and put aside
    kannel.smsbox.wait_for("No reply sent, denied")
    kannel.say("+8613800138008", f"{WRONG_DOOR} 1")  # refused with 401, again and again
    before = len(kannel.smsbox.matching("No reply sent, denied"))
    kannel.smsbox.wait_for(r"HTTP: Retrying request <.*wrong-way.*\(10/10\)")
    kannel.smsbox.wait_for("No reply sent, denied", before + 1)
    order = kannel.place("+8613800138009")
    question_arrives(kannel, order)
    kannel.say(order["msisdn"], "是")
    is_served_once(kannel, order)
    assert kannel.texts("+8613800138008") == kannel.texts("10086") == []
    for sms in heard(kannel.printed()):
        assert sms.whole
        assert sms.text.startswith("【"), "not one of our texts"
    printed = "\n".join(kannel.printed())
    for body in ("Empty reply", "Could not fetch", "Request Failed", "could not be represented", "problem", "{"):
        assert body not in printed
