"""The measurements of workers, and their form in /metrics."""

import math
import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.registry import Collector

from consent_engine.api.service.families import of_calls
from consent_engine.domain.effects import Accepted, Uncertain
from consent_engine.engine.metrics import Health, Measures
from consent_engine.ports import Endpoint


class Once(Collector):
    def __init__(self, counted, health=(), longest_s=math.inf):
        self.counted = counted
        self.health = health
        self.longest_s = longest_s

    def collect(self):
        return of_calls(self.counted, self.health, self.longest_s)


def test_calls_are_counted_by_whom_they_went_to_and_how_they_ended():
    measures = Measures()
    gateway, bss = Endpoint("gateway", "box"), Endpoint("bss", "crm")
    measures.called(gateway, Accepted("1"), 0.02, 1)
    measures.called(gateway, Accepted("2"), 0.25, 2)
    measures.called(bss, Uncertain("timeout"), 400, 3)
    measures.notified(0.9)
    page = generate_latest(Once(measures.drain())).decode()
    assert 'consent_outside_calls_total{name="box",outcome="accepted",to="gateway"} 2.0' in page
    assert 'consent_outside_call_duration_seconds_bucket{le="0.025",to="gateway"} 1.0' in page
    assert 'consent_outside_call_duration_seconds_bucket{le="+Inf",to="gateway"} 2.0' in page
    assert 'consent_outside_call_duration_seconds_bucket{le="300.0",to="bss"} 0.0' in page
    assert 'consent_outside_call_duration_seconds_sum{to="gateway"} 0.27' in page
    assert 'consent_notification_delay_seconds_bucket{le="1.0"} 1.0' in page


def test_no_call_is_shown_as_longer_than_its_time_out():
    measures = Measures()
    for seconds in (0.2, 10.003, 10.2, 11):
        measures.called(Endpoint("bss", "crm"), Uncertain("timeout"), seconds, 3)
    page = generate_latest(Once(measures.drain(), longest_s=10.0)).decode()
    bounds = re.findall(r'duration_seconds_bucket\{le="([^"]+)",to="bss"\} (\S+)', page)
    assert bounds[-3:] == [("5.0", "1.0"), ("10.0", "4.0"), ("+Inf", "4.0")]


def test_every_way_to_end_is_there_before_the_first_call_ends_so():
    page = generate_latest(Once({}, [Health(Endpoint("gateway", "box"))])).decode()
    assert 'consent_outside_calls_total{name="box",outcome="unavailable",to="gateway"} 0.0' in page


@pytest.mark.parametrize(("seconds", "late"), [(299.9, 0), (300, 0), (300.1, 1), (86_400, 1)])
def test_a_notification_is_late_after_five_minutes(seconds, late):
    measures = Measures()
    measures.notified(seconds)
    page = generate_latest(Once(measures.drain())).decode()
    assert f"consent_notifications_late_total {late}.0" in page


def test_what_was_taken_away_is_not_told_twice():
    measures = Measures()
    measures.notified(1)
    assert measures.drain()
    assert measures.drain() == {}


def test_a_notified_order_tells_how_long_the_notification_took(world):
    world.place()
    world.run()
    world.say("是")
    world.run()
    counts = world.engine.performer.measures.drain()
    assert counts["calls|gateway|accepted|test"] == 2
    assert counts["calls|bss|accepted|test"] == 1
    assert (
        sum(count for name, count in counts.items() if name.startswith("notified_seconds||") and "sum" not in name) == 1
    )
    world.engine.registry.count(counts)
    world.engine.registry.count({"calls|bss|accepted|test": 1})
    assert world.engine.registry.counted()["calls|bss|accepted|test"] == 2
