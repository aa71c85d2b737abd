"""Metrics for Prometheus, of requests and of the store: families, each with a name, a description, and a value for each
combination of labels. No label names a person or an order, or holds a text.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from itertools import chain

import prometheus_client
from msgspec import Struct
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from consent_engine import __version__
from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.service import door
from consent_engine.api.service.service import HEARD_WITHIN_MS, Front, archive_answers
from consent_engine.domain.call.sales_figures import Count, Summed
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.days import DAY_MS, GREENWICH, later
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.offer.plan import CHANNELS
from consent_engine.domain.offer.versions import Listed, Sale
from consent_engine.engine.engine import Engine
from consent_engine.engine.feeding import behind
from consent_engine.engine.metrics import FEW_CALLS, WEEK, Health, PressureWatch, health_of, targets_of
from consent_engine.engine.publishing import seen
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, StoreUnavailable
from consent_engine.ports import Endpoint, LaneDepth, Log, OpenReports, Registry, ServerMemory, Tally
from consent_engine.ports.registry import GATEWAY, LANE, WorkerReport

Rows = Iterable[tuple[Sequence[str], float]]
"""Rows of a family: the values of its labels, and the metric's value."""


def family(
    kind: type[GaugeMetricFamily | CounterMetricFamily], name: str, text: str, labels: Sequence[str], rows: Rows
) -> Metric:
    made = kind(name, text, labels=labels)
    for row in rows:
        made.add_metric(*row)
    return made


gauge, counter = partial(family, GaugeMetricFamily), partial(family, CounterMetricFamily)
"""Makes a family of values that may rise and fall, and of values that only grow."""


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


def of_server_memory(engine: Engine) -> Iterator[Metric]:
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
        rows = [(version.plan.published[n].channel, page) for n, page in version.seen.items()]
        for channel, page in rows:
            if page.why:
                failing[channel] = max(failing[channel], now - page.failing)
        plans.update({channel for channel, page in rows if not page.public})
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


def of_rates(engine: Engine) -> Metric:
    text = "SMS a second that a gateway gets at most now: its RATE, less for a while after a 429; 0: no limit"
    rates = dict.fromkeys(sorted(engine.outside.gateways), 0) | engine.rates()
    return gauge("consent_gateway_rate", text, ("gateway",), (((name,), now) for name, now in rates.items()))


CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CERTIFICATES_S, CERTIFICATES_WAIT_S = 600.0, 0.5
"""How old the knowledge of certificates may be, and how long a scrape waits for it, in seconds."""
UNTIMED = frozenset({"/v1/orders/{order_id}/stream"})
"""Routes whose answers last as long as a reader watches: their duration says nothing."""
_LANES: tuple[tuple[str, str, str, Callable[[LaneDepth], float]], ...] = (
    ("due", "", "Effects that are due now", lambda depth: depth.due),
    ("oldest_due", "_seconds", "How late the oldest due effect is", lambda depth: depth.late / 1000),
    ("parked", "", "Effects on the stuck list: a person must look", lambda depth: depth.parked),
    ("pending", "", "All pending effects, due now or later", lambda depth: depth.waiting),
)


class Metrics:
    """The metrics of this process."""

    def __init__(
        self, front: Front, witnesses: int = 0, certificates: Callable[[], Mapping[str, float]] = dict
    ) -> None:
        self._front = front
        self._certificates = certificates
        self._looked = Recent()
        self._witnesses = witnesses
        self._pressing = PressureWatch()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._kept = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._kept)
        self._seconds = Histogram(
            "consent_http_request_duration_seconds", "How long an answer took", ("method", "route"),
            buckets=BUCKETS, registry=self._kept,
        )  # fmt: skip
        self._timed = cache(self._seconds.labels)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request. route: its template."""
        self._requests[method, route, f"{status // 100}xx"] += 1
        if route not in UNTIMED:
            self._timed(method, route).observe(seconds)

    async def page(self) -> bytes:
        """Return all metrics in Prometheus's format: of store, archive and SQL's figures those that answer in time. A
        scrape that got nothing would look like an API that is down, and one would be blamed for another.
        """
        store, archive, figures = await asyncio.gather(
            self._of("store", of_store),
            self._of("archive", of_archive),
            self._of("figures", partial(of_figures, pressing=self._pressing, witnesses=self._witnesses)),
        )
        if store is None:
            store = [_store_up(takes_writes=False)]
        elif archive is None:
            archive = [_archive_up(answers=False)]
        looked = chain(store, archive or (), figures or ())
        of_all = [*self._kept.collect(), *self._own(), *looked, of_certificates(await self._certificate_ends())]
        return prometheus_client.generate_latest(_Once(of_all))

    async def _of(self, name: str, of: Callable[[Engine], Iterator[Metric]]) -> list[Metric] | None:
        """Return what an engine says; None where the store is away, or that takes too long."""

        async def looked() -> list[Metric]:
            return await self._front.ask(lambda engine: [*of(engine)])

        try:
            async with asyncio.timeout(self._front.bounds.metrics_wait_s):
                return await self._looked.of(name, self._front.bounds.metrics_s, looked)
        except (StoreUnavailable, TimeoutError):
            return None

    async def _certificate_ends(self) -> Mapping[str, float]:
        """Return the instants that are known at once; that of a slow server comes with the next scrape."""
        try:
            async with asyncio.timeout(CERTIFICATES_WAIT_S):
                return await self._looked.of(
                    "certificates", CERTIFICATES_S, lambda: asyncio.to_thread(self._certificates)
                )
        except TimeoutError:
            return {}

    def _own(self) -> Iterator[Metric]:
        of, posts = ("method", "route", "status"), self._front.posts
        yield counter("consent_http_requests", "Requests answered", of, sorted(self._requests.items()))
        rows = (((kind,), count) for kind, count in sorted(self._front.defects.items()))
        yield counter("consent_defects", "Errors that should never occur, by type", ("type",), rows)
        rows = (((gateway,), count) for gateway, count in sorted(posts.repeated.items()))
        yield counter("consent_replies_repeated", "Acknowledged replies that were stored before", ("gateway",), rows)
        said = "Acknowledged replies and delivery reports that could not be read, by the field that is wrong"
        yield counter("consent_messages_rejected", said, ("gateway", "field"), sorted(posts.rejected.items()))
        said = "Posts of gateways that were refused: another secret (proof), a wrong clock (clock), not readable (form)"
        yield counter("consent_posts_refused", said, ("gateway", "why"), sorted(posts.refused.items()))
        yield of_look_ups(self._front.subscribers.counted)
        said, spool = "Messages that wait in this process's spool for the store", self._front.spool
        yield GaugeMetricFamily("consent_spool_waiting", said, value=spool.spool.waiting if spool else 0)
        yield GaugeMetricFamily("consent_streams_open", "Orders watched live", value=self._front.streams.open)
        yield gauge("consent_build_info", "The running version", ("version",), [((__version__,), 1)])
        said = "Whether this is a shadow: no SMS is sent, and no service is switched on or off"
        yield GaugeMetricFamily("consent_shadow", said, value=int(self._front.shadow))


def _store_up(*, takes_writes: bool) -> Metric:
    text = "Whether the store can be reached and takes writes"
    return GaugeMetricFamily("consent_store_up", text, value=int(takes_writes))


def _archive_up(*, answers: bool) -> Metric:
    text = "Whether the archive answers, and is the one these data belong to"
    return GaugeMetricFamily("consent_archive_up", text, value=int(answers))


def of_store(engine: Engine) -> Iterator[Metric]:
    """Read the state of the store now; SQL is not asked. Raises StoreUnavailable."""
    now = engine.registry.now()
    yield _store_up(takes_writes=_is_writable(engine))
    depths = engine.depths()
    for name, unit, text, value in _LANES:
        rows = (((lane.value,), value(depth)) for lane, depth in depths.items())
        yield gauge(f"consent_lane_{name}{unit}", text, ("lane",), rows)
    yield from of_workers([*engine.registry.workers(HEARD_WITHIN_MS).values()])
    yield from of_clocks(engine.registry)
    health = health_of(engine.registry, targets_of(engine.outside), now)
    yield from of_outside(health)
    yield of_paused({target: each.at for target, each in engine.registry.pauses.standing().items()}, health, now)
    yield of_rates(engine)
    yield from of_server_memory(engine)
    yield from of_codes(engine.reports.codes(), engine.reports.terms.codes_an_hour)
    yield from of_publication(_unshown(engine, now))
    journal = engine.store.journal.waiting()
    text = "Entries of the journal that SQL does not have yet"
    yield GaugeMetricFamily("consent_journal_waiting", text, value=journal.count)
    text = "The scribe's lag: how long the oldest of them has waited at most; so old are lists. NaN: not known"
    yield GaugeMetricFamily("consent_journal_oldest_seconds", text, value=journal.lag_s)


def of_archive(engine: Engine) -> Iterator[Metric]:
    """Ask whether the archive answers; nothing where the store must be asked first, and is away."""
    with suppress(StoreUnavailable):
        yield _archive_up(answers=archive_answers(engine))


def of_figures(engine: Engine, pressing: PressureWatch, witnesses: int = 0) -> Iterator[Metric]:
    """Read what SQL alone knows; nothing while it cannot be asked. Raises StoreUnavailable.

    pressing: the figures of two weeks of orders, kept between looks · witnesses: how many must sign the log
    """
    now, ask = engine.registry.now(), engine.store.queries
    with suppress(ArchiveUnavailable, BrokenRecord):  # one that cannot be read is for doctor to say
        yield from _of_log(engine.store.log, witnesses, now)
    with suppress(ArchiveUnavailable):
        yield from _of_days(engine, now)
        yield from of_reports(engine.reports.waiting())
        yield from _waiting(ask.restrictions.tally(Kind.SUSPECTED), ask.open_endings(), now)
        yield from of_reviews(engine, pressing, now)
        if engine.store.archive is not None and (last := engine.store.archive.last_backup()):
            text = "The instant of the last backup; without one, that of the first order"
            yield GaugeMetricFamily("consent_backup_timestamp_seconds", text, value=last / 1000)


def _waiting(held: Tally, ends: Tally, now: Millis) -> Iterator[Metric]:
    yield GaugeMetricFamily("consent_held", "Replies that may be a refusal: a person must decide", value=held.count)
    waits = "How long the oldest held reply has waited: after a day it is a refusal"
    yield GaugeMetricFamily("consent_held_oldest_seconds", waits, value=age(held, now))
    text = "Orders to take back whose service is still on"
    yield GaugeMetricFamily("consent_endings_open", text, value=ends.count)
    text = "How long the oldest one has waited"
    yield GaugeMetricFamily("consent_endings_oldest_seconds", text, value=age(ends, now))


def _of_log(kept: Log | None, witnesses: int, now: Millis) -> Iterator[Metric]:
    if kept is None:
        return
    log = seen(kept, witnesses, now)
    text = "How long the oldest entry of the public log has waited for a signed checkpoint"
    yield GaugeMetricFamily("consent_log_unsigned_seconds", text, value=log.unsigned / 1000)
    text = "How long the oldest checkpoint has waited for most witnesses; 0 where CONSENT_WITNESSES names none"
    yield GaugeMetricFamily("consent_log_unwitnessed_seconds", text, value=log.unwitnessed / 1000)
    text = "Checkpoints that a witness refused since it saw another history: kept for ever, see consent doctor"
    yield GaugeMetricFamily("consent_log_refused", text, value=log.refused)
    feeds, of = behind(kept, now), ("name",)
    text = "Entries of the log that a feed has not come to yet; one that is paused is among them"
    yield gauge("consent_feed_waiting", text, of, (((each.feed.name,), each.waiting) for each in feeds))
    text = "How long the oldest entry of the log has waited that a feed has not come to yet"
    yield gauge("consent_feed_oldest_seconds", text, of, (((each.feed.name,), each.oldest / 1000) for each in feeds))
    text = "Posts to a feed that failed in a row"
    yield gauge("consent_feed_failures", text, of, (((each.feed.name,), each.feed.failures) for each in feeds))


def _unshown(engine: Engine, now: Millis) -> Unshown:
    """Plans that channels do not show; none from a damaged catalogue, so that all other metrics remain."""
    try:
        return unshown(engine.catalogue.fresh(), now)
    except (KeyError, ValueError):
        return unshown({}, now)


def _is_writable(engine: Engine) -> bool:
    """Try a write, which changes something the first time only: a server that takes no writes refuses it, too."""
    try:
        engine.registry.probe()
    except StoreUnavailable:
        return False
    return True


def _of_days(engine: Engine, now: Millis) -> Iterator[Metric]:
    """The orders of today and yesterday (UTC) by state, and the calls of today and yesterday (in China)."""
    days, ask = {"today": GREENWICH.of(now), "yesterday": GREENWICH.of(now - DAY_MS)}, engine.store.queries.orders
    placed = {name: ask.funnel(GREENWICH.begins(day), GREENWICH.ends(day)) for name, day in days.items()}
    text = "Orders by the (UTC) day they were placed on, and their state"
    rows = (((day, state.value), counts.get(state, 0)) for day, counts in placed.items() for state in State)
    yield gauge("consent_orders", text, ("placed", "state"), rows)
    today = engine.terms.reporting.days.of(now)
    dialled = {"today": today, "yesterday": later(today, -1)}
    yield from of_dialled({name: engine.calls.sums(day) for name, day in dialled.items()})


class _Once(Collector):
    """A collector of metrics that were collected before."""

    def __init__(self, collected: list[Metric]) -> None:
        self._collected = collected

    def collect(self) -> Iterable[Metric]:
        return self._collected
