"""The API asks the BSS for the holder of a number, and waits only briefly for the answer."""

import asyncio
import dataclasses

import pytest
from msgspec.structs import replace

from consent_engine.domain.effects import Unavailable
from consent_engine.domain.line.holder import Subscriber
from tests.conftest import FakeSubscribers
from tests.integration.api_door import NUMBER, OTHER, is_problem, order

SAME, THIRD = Subscriber("mobile", 0), "+8613800138009"


def asking(door, subscribers, **bounds):
    """Let the API ask this look-up."""

    def engines():
        engine = door.installation.engine()
        engine.outside = replace(engine.outside, subscribers=subscribers)
        return engine

    door.bounds = dataclasses.replace(door.bounds, **bounds)
    door.serve(engines)


@pytest.fixture
def bss(door):
    """Return the look-up that the API asks."""
    asked = FakeSubscribers()
    asking(door, asked)
    return asked


class Slow(FakeSubscribers):
    """A look-up that never answers."""

    async def look_up(self, msisdn):
        self.asked.append(msisdn)
        await asyncio.Event().wait()


def counted(door):
    return dict(door.app.state.front.subscribers.counted)


def test_the_customer_of_another_network_is_sold_nothing_and_the_answer_says_which(door, bss):
    bss.answers = [Subscriber("telecom", 0), SAME]
    problem = is_problem(door.place(), 409, "other_network")
    assert (problem["network"], problem["carrier"]) == ("telecom", "mobile")
    assert door.place().status_code == 201, "the key was not used up"
    assert (bss.asked, counted(door)) == ([NUMBER, NUMBER], {"answered": 2})


def test_a_minor_is_sold_nothing_and_every_door_says_why(door, bss):
    bss.answers = [Subscriber("mobile", 0, adult=False)]
    assert is_problem(door.place(), 409, "do_not_call")["reason"] == "minor"
    about = {"msisdn": NUMBER, "carrier": "mobile"}
    assert door.call("POST", "/v1/callable", "ops", about).json()["reason"] == "minor"
    permits = door.call("POST", "/v1/permits", "ops", {"carrier": "mobile", "msisdns": [NUMBER]}).json()
    assert [row["denied"] for row in permits["permits"]] == ["minor"]
    told = {"msisdn": NUMBER, "event": "of_age", "at": "2025-08-01T10:00:00+08:00"}
    is_problem(door.call("POST", "/v1/lines/events", "ops", told), 422, "malformed")


def test_the_same_request_again_is_the_same_order_whatever_the_bss_says_meanwhile(door, bss):
    first = door.place()
    bss.answers = [Subscriber("telecom", 0)]
    again = door.place()
    assert (first.status_code, again.status_code, again.json()["id"]) == (201, 200, first.json()["id"])


def test_an_order_is_taken_without_an_answer_and_the_next_ones_do_not_wait_for_one(door, bss):
    bss.answers = [Unavailable("look_up:bss:503")]
    assert door.place().status_code == 201
    assert door.place(order(msisdn=OTHER), key="key-2").status_code == 201
    assert (bss.asked, counted(door)) == ([NUMBER], {"unanswered": 1, "unasked": 1})


def test_a_bss_that_never_answers_holds_an_order_up_for_a_moment(door):
    slow = Slow()
    asking(door, slow, look_up_s=0.05, look_up_rest_s=0.0)
    for msisdn in (NUMBER, OTHER, THIRD):
        assert door.place(order(msisdn=msisdn), key=msisdn).status_code == 201
    assert (slow.asked, counted(door)) == ([NUMBER, OTHER, THIRD], {"unanswered": 3})


def test_once_the_pause_is_over_the_bss_is_asked_again(door, bss):
    asking(door, bss, look_up_rest_s=0.0)
    bss.answers = [Unavailable("look_up:bss:503"), SAME]
    door.place()
    door.place(order(msisdn=OTHER), key="key-2")
    assert counted(door) == {"unanswered": 1, "answered": 1}


def test_metrics_say_how_look_ups_ended(door, bss):
    door.place()
    page = door.call("GET", "/metrics", "ops").text
    assert 'consent_door_look_ups_total{outcome="answered"} 1.0' in page
    assert 'consent_door_look_ups_total{outcome="unasked"} 0.0' in page
    assert 'consent_outside_failing_seconds{name="test/lookup",to="bss"} 0.0' in page
