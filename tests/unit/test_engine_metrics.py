"""The counters of a worker, as Prometheus reads them."""

import re

import pytest
from prometheus_client import generate_latest

from consent_engine.domain.effects import Accepted, Uncertain
from consent_engine.engine.metrics import Measures
from consent_engine.ports import Endpoint

GATEWAY, BSS = Endpoint("gateway", "box"), Endpoint("bss", "crm")


def page(measures):
    return generate_latest(measures.registry).decode()


def test_calls_are_counted_by_whom_they_went_to_and_how_they_ended():
    measures = Measures()
    measures.called(GATEWAY, Accepted("1"), 0.02, 1)
    measures.called(GATEWAY, Accepted("2"), 0.25, 2)
    measures.called(BSS, Uncertain("timeout"), 400, 3)
    measures.notified(0.9)
    told = page(measures)
    assert 'consent_outside_calls_total{name="box",outcome="accepted",to="gateway"} 2.0' in told
    assert 'consent_outside_call_duration_seconds_bucket{le="0.025",to="gateway"} 1.0' in told
    assert 'consent_outside_call_duration_seconds_bucket{le="+Inf",to="gateway"} 2.0' in told
    assert 'consent_outside_call_duration_seconds_bucket{le="300.0",to="bss"} 0.0' in told
    assert 'consent_outside_call_duration_seconds_sum{to="gateway"} 0.27' in told
    assert 'consent_notification_delay_seconds_bucket{le="1.0"} 1.0' in told


def test_no_call_is_shown_as_longer_than_its_time_out():
    measures = Measures(longest_s=10.0)
    for seconds in (0.2, 10.003, 10.2, 11):
        measures.called(BSS, Uncertain("timeout"), seconds, 3)
    bounds = re.findall(r'duration_seconds_bucket\{le="([^"]+)",to="bss"\} (\S+)', page(measures))
    assert bounds[-3:] == [("5.0", "1.0"), ("10.0", "1.0"), ("+Inf", "4.0")], "a quantile goes no further than 10 s"


def test_every_series_is_there_before_the_first_call_ends():
    told = page(Measures([GATEWAY]))
    assert 'consent_outside_calls_total{name="box",outcome="unavailable",to="gateway"} 0.0' in told
    assert 'consent_outside_call_duration_seconds_count{to="gateway"} 0.0' in told
    assert "consent_orders_expired_unasked_total 0.0" in told
    assert "_created" not in told


@pytest.mark.parametrize(("seconds", "late"), [(299.9, 0), (300, 0), (300.1, 1), (86_400, 1)])
def test_a_notification_is_late_after_five_minutes(seconds, late):
    measures = Measures()
    measures.notified(seconds)
    assert f"consent_notifications_late_total {late}.0" in page(measures)


def test_a_notified_order_tells_how_long_the_notification_took(world):
    world.place()
    world.run()
    world.say("是")
    world.run()
    told = page(world.engine.performer.measures)
    assert 'consent_outside_calls_total{name="test",outcome="accepted",to="gateway"} 2.0' in told
    assert 'consent_outside_calls_total{name="test",outcome="accepted",to="bss"} 1.0' in told
    assert "consent_notification_delay_seconds_count 1.0" in told
