"""Families of metrics: a name, a description, and a value for each combination of labels; by subject."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from consent_engine.api.service import door
from consent_engine.domain.call.call_counters import Count, Summed
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import later
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.offer.plan import CHANNELS
from consent_engine.domain.offer.versions import Listed, Sale
from consent_engine.engine.engine import Engine
from consent_engine.engine.metrics import FEW_CALLS, Health
from consent_engine.engine.sales_outcomes import WEEK, PressureWatch
from consent_engine.ports import Endpoint, OpenReports, Registry, ServerMemory, Tally
from consent_engine.ports.endpoints import GATEWAY
from consent_engine.ports.registry import LANE, WorkerReport

Rows = Iterable[tuple[Sequence[str], float]]
"""Rows of a family: the values of its labels, and the metric's value."""


def gauge(name: str, text: str, labels: Sequence[str], rows: Rows) -> Metric:
    """Make a gauge: values that may rise and fall."""
    made = GaugeMetricFamily(name, text, labels=labels)
    for row in rows:
        made.add_metric(*row)
    return made


def counter(name: str, text: str, labels: Sequence[str], rows: Rows) -> Metric:
    """Make a counter: values that only grow."""
    made = CounterMetricFamily(name, text, labels=labels)
    for row in rows:
        made.add_metric(*row)
    return made


def age(tally: Tally, now: Millis) -> float:
    """Return for how many seconds the oldest has waited; 0 where there is none."""
    return max(0, (now - tally.oldest) / 1000) if tally.count else 0


def of_dialled(days: Mapping[str, Summed]) -> Iterator[Metric]:
    """Calls by carrier and the day they began on, from each day's sums; every series from 0 on."""

    def by(kinds: type[Count | Violation]) -> Rows:
        for day, sums in days.items():
            for carrier in CARRIERS:
                yield from (((day, carrier, each.value), sums[carrier, each]) for each in kinds)

    text = "Calls by the day (in China) they began on, and what happened to them"
    yield gauge("consent_calls", text, ("began", "carrier", "what"), by(Count))
    text = "Violations of calls, by the day (in China) the calls began on"
    yield gauge("consent_call_violations", text, ("began", "carrier", "violation"), by(Violation))


def of_clocks(registry: Registry) -> Iterator[Metric]:
    before, at, after = time.time(), registry.now(), time.time()
    text = "How far the store's clock is ahead of this host's"
    yield GaugeMetricFamily("consent_store_clock_skew_seconds", text, value=at / 1000 - (before + after) / 2)
    text = "The least time between a gateway's stamps and their arrival, in the last minutes"
    lags = sorted(registry.lags().items())
    yield gauge(
        "consent_gateway_clock_skew_seconds", text, ("gateway",), (((n,), lag.behind / 1000) for n, lag in lags)
    )
    text = "How far its settings let a gateway's stamps lag: beyond it, a quick yes counts as from before the question"
    rows = (((name,), lag.allowed / 1000) for name, lag in lags)
    yield gauge("consent_gateway_clock_allowed_seconds", text, ("gateway",), rows)


RQ = "rq"
_GAUGES: tuple[tuple[str, str, Callable[[ServerMemory], float | None]], ...] = (
    ("memory_used_bytes", "Memory that a Redis server uses", lambda room: room.used),
    ("memory_max_bytes", "How much memory it may use; 0: as much as there is", lambda room: room.most),
    ("aof_bytes", "Size of its append-only file; 0: it keeps none", lambda room: room.aof),
    ("disk_free_bytes", "What is free on its disk; of servers on the API's host alone", lambda room: room.disk_free),
    ("aof_ok", "Whether its last write and its last rewrite of that file worked", lambda room: room.aof_works),
)


def of_rooms(engine: Engine) -> Iterator[Metric]:
    """Each server's memory and file, also of RQ's server where it is another one. Raises StoreUnavailable."""
    rooms = engine.lanes.rooms()
    of_jobs = engine.queue.room()
    if of_jobs is not None and of_jobs.server not in {room.server for room in rooms.values()}:
        rooms = {**rooms, RQ: of_jobs}
    for name, text, value in _GAUGES:
        found = (((server,), value(room)) for server, room in sorted(rooms.items()))
        rows = [(server, n) for server, n in found if n is not None]
        yield gauge(f"consent_redis_{name}", text, ("server",), rows)


class Unshown(Struct, frozen=True):
    """Failures by channel. failing: for how long (ms) the longest has lasted · plans: how many plans are not sold"""

    failing: Mapping[str, Millis]
    plans: Mapping[str, int]


def unshown(listed: Mapping[str, Listed], now: Millis) -> Unshown:
    """Find the failures of the versions that are in force and on sale."""
    failing, plans = dict.fromkeys(CHANNELS, 0), Counter(dict.fromkeys(CHANNELS, 0))
    for each in listed.values():
        version = each.version(each.plan.version)
        if version is None or each.sale is not Sale.ON_SALE or not each.begun:
            continue
        rows = [(version.plan.published[n].channel, seen) for n, seen in version.seen.items()]
        for channel, seen in rows:
            if seen.why:
                failing[channel] = max(failing[channel], now - seen.failing)
        plans.update({channel for channel, seen in rows if not seen.public})
    return Unshown(failing, plans)


def of_publication(found: Unshown) -> Iterator[Metric]:
    text = "For how long a plan on sale has not been seen on its published page; 0: all are seen"
    rows = [((channel,), found.failing[channel] / 1000) for channel in CHANNELS]
    yield gauge("consent_publication_failing_seconds", text, ("channel",), rows)
    text = "Plans on sale that cannot be ordered, because this channel does not show them"
    yield gauge("consent_plans_unshown", text, ("channel",), (((each,), found.plans[each]) for each in CHANNELS))


def of_codes(asked: int, most: int) -> Iterator[Metric]:
    """Codes of the public door that were requested this hour, and the most that are sent in an hour."""
    text = "Codes requested this hour at the public door of reports, over all numbers"
    yield GaugeMetricFamily("consent_report_codes_hour", text, value=asked)
    yield GaugeMetricFamily("consent_report_codes_most", "The most such codes sent in an hour", value=most)


def of_reports(waiting: Sequence[OpenReports]) -> Iterator[Metric]:
    """Undecided reports by their door and proposed class; every series from 0 on."""
    labels, text = ("door", "class"), "Reports of calls that are not decided"
    named = [((each.door.value, each.proposed.value), each) for each in waiting]
    yield gauge("consent_reports_open", text, labels, ((names, each.open) for names, each in named))
    text = "Undecided reports whose answer is overdue"
    yield gauge("consent_reports_overdue", text, labels, ((names, each.overdue) for names, each in named))


def of_reviews(engine: Engine, pressing: PressureWatch, now: Millis) -> Iterator[Metric]:
    """Calls and orders that wait for a review, agents that seem to press, services taken back within a week. Raises
    ArchiveUnavailable.
    """
    days, ask, of = engine.terms.reporting.days, engine.store.queries, ("verdict",)
    today = days.of(now)
    calls = [((verdict.value,), tally) for verdict, tally in ask.calls.waiting().items()]
    orders = ask.restrictions.tally(Kind.REVIEW)
    soon = ask.orders.ended_soon(days.begins(later(today, 1 - WEEK)), days.ends(today))
    pressed = pressing.look(ask.orders, days, today)
    text = "Recorded calls that wait for a reviewer"
    yield gauge("consent_reviews_waiting", text, of, ((name, tally.count) for name, tally in calls))
    text = "How long ago the oldest waiting call ended"
    yield gauge("consent_reviews_oldest_seconds", text, of, ((name, age(tally, now)) for name, tally in calls))
    text = "Orders whose activation waits for a review"
    yield GaugeMetricFamily("consent_orders_in_review", text, value=orders.count)
    text = "How long the oldest order in review has waited"
    yield GaugeMetricFamily("consent_orders_in_review_oldest_seconds", text, value=age(orders, now))
    text = "Agents that seem to press: too many orders end in refusals, suspect yeses, failed reviews or within a week"
    yield gauge("consent_agents_pressing", text, ("over",), (((over.value,), n) for over, n in pressed.items()))
    text = "Services switched on in the last seven days, today included, that were taken back within a week"
    yield GaugeMetricFamily("consent_services_ended_within_week", text, value=soon)


def of_certificates(ends: Mapping[str, float]) -> Metric:
    text = "When the certificate of CONSENT_PUBLIC_URL, or of a Redis at rediss://, expires"
    return gauge(
        "consent_certificate_expires_timestamp_seconds", text, ("server",), (((n,), at) for n, at in ends.items())
    )


def of_workers(reports: Sequence[WorkerReport]) -> Iterator[Metric]:
    yield GaugeMetricFamily("consent_workers_alive", "Worker processes heard from within 15 s", value=len(reports))
    serve = Counter(lane for each in reports for lane in each.lanes)
    rows = (((lane.value,), serve[lane]) for lane in Lane)
    yield gauge("consent_lane_workers", "Worker processes heard from that serve the lane", ("lane",), rows)


_OF_OUTSIDE: tuple[tuple[str, str, Callable[[Health], float]], ...] = (
    (
        "last_success_timestamp_seconds", "When it last accepted something; 0: never",
        lambda one: one.known.accepted / 1000,
    ),
    ("failing_seconds", "For how long it has not answered at all; 0: it answers", lambda one: one.failing / 1000),
    (
        "refusing_seconds", "For how long it has refused our account (401, 403); 0: it does not",
        lambda one: one.failing / 1000 if one.refusing else 0,
    ),
    (
        "failed_ratio", "Share of calls in the last minutes that got no answer",
        lambda one: one.failed_share if one.calls >= FEW_CALLS else 0,
    ),
)  # fmt: skip


def of_look_ups(counted: Mapping[str, int]) -> Metric:
    """Outcomes of the door's look-ups at the BSS; every series from 0 on."""
    text = "Orders by how the BSS look-up of their number ended at the door; unanswered and unasked ones are taken"
    rows = (((outcome,), counted.get(outcome, 0)) for outcome in door.OUTCOMES)
    return counter("consent_door_look_ups", text, ("outcome",), rows)


def of_outside(health: Sequence[Health]) -> Iterator[Metric]:
    for name, text, value in _OF_OUTSIDE:
        yield gauge(f"consent_outside_{name}", text, ("to", "name"), ((each.target, value(each)) for each in health))


def of_paused(paused: Mapping[Endpoint, Millis], health: Sequence[Health], now: Millis) -> Metric:
    """For how long a person has stopped each lane or gateway; every series from 0 on."""
    text = "For how long a person has stopped this lane or gateway; 0: it is running"
    known = [Endpoint(LANE, lane.value) for lane in Lane] + [e.target for e in health if e.target.to == GATEWAY]
    rows = ((target, max(0, now - paused.get(target, now)) / 1000) for target in sorted({*known, *paused}))
    return gauge("consent_paused_seconds", text, ("to", "name"), rows)
