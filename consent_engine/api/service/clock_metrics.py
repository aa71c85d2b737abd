"""Metrics of clock differences: the store's clock from this host's, and gateways' clocks from the store's."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric

from consent_engine.api.service.families import gauge
from consent_engine.domain.clocks import Lag
from consent_engine.ports import Registry


@dataclass(frozen=True, slots=True)
class ClocksSeen:
    """Clock differences at one look. store: seconds by which the store's clock is ahead of this host's."""

    store: float
    gateways: Mapping[str, Lag]


def clocks_seen(registry: Registry) -> ClocksSeen:
    before, at, after = time.time(), registry.now(), time.time()
    return ClocksSeen(at / 1000 - (before + after) / 2, registry.lags())


def of_clocks(seen: ClocksSeen) -> Iterator[Metric]:
    text = "How far the store's clock is ahead of this host's"
    yield GaugeMetricFamily("consent_store_clock_skew_seconds", text, value=seen.store)
    text = "The least time between a gateway's stamps and their arrival, in the last minutes"
    lags = sorted(seen.gateways.items())
    yield gauge(
        "consent_gateway_clock_skew_seconds", text, ("gateway",), (((n,), lag.behind / 1000) for n, lag in lags)
    )
    text = "How far its settings let a gateway's stamps lag: beyond it, a quick yes counts as from before the question"
    rows = (((name,), lag.allowed / 1000) for name, lag in lags)
    yield gauge("consent_gateway_clock_allowed_seconds", text, ("gateway",), rows)
