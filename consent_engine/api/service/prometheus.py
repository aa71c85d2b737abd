"""Metrics for Prometheus, of requests and of the store. No label names a person or an order, or holds a text."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from consent_engine import __version__
from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.service.families import (
    ClocksSeen,
    ReviewsSeen,
    Unshown,
    age,
    clocks_seen,
    counter,
    gauge,
    of_certificates,
    of_clocks,
    of_codes,
    of_dialled,
    of_look_ups,
    of_outside,
    of_paused,
    of_publication,
    of_reports,
    of_reviews,
    of_rooms,
    of_workers,
    reviews_seen,
    rooms_of,
    unshown,
)
from consent_engine.api.service.service import HEARD_WITHIN_MS, Front, archive_answers
from consent_engine.domain.call.call_counters import Summed
from consent_engine.domain.days import DAY_MS, GREENWICH, later
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.restriction import Kind
from consent_engine.engine.engine import Engine
from consent_engine.engine.metrics import Health, health_of, targets_of
from consent_engine.engine.publishing import LogSeen, seen
from consent_engine.engine.sales_outcomes import PressureWatch
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, StoreUnavailable
from consent_engine.ports import Endpoint, LaneDepth, OpenReports, ServerMemory, Tally, Waiting
from consent_engine.ports.queries import Queries
from consent_engine.ports.registry import WorkerReport

T = TypeVar("T")
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


@dataclass(frozen=True, slots=True)
class Look:
    """The state of the store a moment ago. placed: how many of the orders placed on a day are in each state."""

    lanes: dict[Lane, LaneDepth]
    placed: Mapping[str, Mapping[State, int]]
    """by day; none while SQL cannot be asked"""
    dialled: Mapping[str, Summed]
    """the sums of calls by day; none while SQL cannot be asked"""
    workers: Sequence[WorkerReport]
    backed_up: Millis | None
    """None: SQL cannot be asked"""
    outside: list[Health]
    archive: bool
    writes: bool
    """whether the store takes writes: one that is full, a replica or without its replicas can still be read"""
    held: Tally | None
    """replies that a person must read; None: SQL cannot be asked"""
    at: Millis
    clocks: ClocksSeen
    rooms: dict[str, ServerMemory]
    journal: Waiting
    unshown: Unshown
    reviews: ReviewsSeen | None
    paused: Mapping[Endpoint, Millis]
    """since when a person has stopped each lane or gateway"""
    endings: Tally | None
    """orders to be taken back whose service is not switched off yet; None: SQL cannot be asked"""
    reports: Sequence[OpenReports] | None
    """undecided ones; None: SQL cannot be asked"""
    codes: tuple[int, int]
    """of the public door of reports: codes requested this hour, and the most that are sent in an hour"""
    log: LogSeen | None
    """how late the public log is; None: SQL cannot be asked"""


class Metrics:
    """The metrics of this process."""

    def __init__(
        self, front: Front, witnesses: int = 0, certificates: Callable[[], Mapping[str, float]] = dict
    ) -> None:
        self._front = front
        self._certificates = certificates
        self._ends: Recent[Mapping[str, float]] = Recent(CERTIFICATES_S)
        self._witnesses = witnesses
        self._looked: Recent[Look] = Recent(front.bounds.metrics_s)
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
        """Return all metrics in Prometheus's format. Without the store, or when it does not answer in time, only those
        that do not need it: a scrape that got nothing would look like an API that is down.
        """
        try:
            async with asyncio.timeout(self._front.bounds.metrics_wait_s):
                look = await self._looked.of(
                    "", lambda: self._front.ask(lambda engine: look_at(engine, self._pressing, self._witnesses))
                )
        except (StoreUnavailable, TimeoutError):
            look = None
        of_all = [*self._kept.collect(), *self._own(look), of_certificates(await self._certificate_ends())]
        return prometheus_client.generate_latest(_Once(of_all))

    async def _certificate_ends(self) -> Mapping[str, float]:
        """Return those that are known at once: a server that takes its time is told of at the next scrape."""
        try:
            async with asyncio.timeout(CERTIFICATES_WAIT_S):
                return await self._ends.of("", lambda: asyncio.to_thread(self._certificates))
        except TimeoutError:
            return {}

    def _own(self, look: Look | None) -> Iterator[Metric]:
        of = ("method", "route", "status")
        yield counter("consent_http_requests", "Requests answered", of, sorted(self._requests.items()))
        rows = (((kind,), count) for kind, count in sorted(self._front.defects.items()))
        yield counter("consent_defects", "Errors that should never occur, by type", ("type",), rows)
        rows = (((gateway,), count) for gateway, count in sorted(self._front.repeated.items()))
        yield counter("consent_replies_repeated", "Acknowledged replies that were stored before", ("gateway",), rows)
        said = "Acknowledged replies and delivery reports that could not be read, by the field that is wrong"
        yield counter("consent_messages_rejected", said, ("gateway", "field"), sorted(self._front.rejected.items()))
        said = "Posts of gateways that were refused: another secret (proof), a wrong clock (clock), not readable (form)"
        yield counter("consent_posts_refused", said, ("gateway", "why"), sorted(self._front.refused.counts.items()))
        yield of_look_ups(self._front.subscribers.counted)
        yield GaugeMetricFamily("consent_streams_open", "Orders watched live", value=self._front.streams.open)
        yield gauge("consent_build_info", "The running version", ("version",), [((__version__,), 1)])
        up = "Whether the store can be reached and takes writes"
        yield GaugeMetricFamily("consent_store_up", up, value=int(look is not None and look.writes))
        if look is not None:
            yield from of_store(look)


def _of_orders(look: Look) -> Iterator[Metric]:
    text = "Orders by the (UTC) day they were placed on, and their state"
    rows = (((day, state.value), counts.get(state, 0)) for day, counts in look.placed.items() for state in State)
    yield gauge("consent_orders", text, ("placed", "state"), rows)


def of_store(look: Look) -> Iterator[Metric]:
    for name, unit, text, value in _LANES:
        rows = (((lane.value,), value(depth)) for lane, depth in look.lanes.items())
        yield gauge(f"consent_lane_{name}{unit}", text, ("lane",), rows)
    yield from _of_orders(look)
    yield from of_dialled(look.dialled)
    if look.reports is not None:
        yield from of_reports(look.reports)
    yield from of_codes(*look.codes)
    if (held := look.held) is not None:
        yield GaugeMetricFamily("consent_held", "Replies that may be a refusal: a person must decide", value=held.count)
        waits = "How long the oldest held reply has waited: after a day it is a refusal"
        yield GaugeMetricFamily("consent_held_oldest_seconds", waits, value=age(held, look.at))
    waits = "How long the oldest one has waited"
    if (ends := look.endings) is not None:
        text = "Orders to take back whose service is still on"
        yield GaugeMetricFamily("consent_endings_open", text, value=ends.count)
        yield GaugeMetricFamily("consent_endings_oldest_seconds", waits, value=age(ends, look.at))
    yield from of_clocks(look.clocks)
    yield from of_outside(look.outside)
    yield of_paused(look.paused, look.outside, look.at)
    yield from of_rooms(look.rooms)
    up = "Whether the archive answers, and is the one these data belong to"
    yield GaugeMetricFamily("consent_archive_up", up, value=int(look.archive))
    text = "Entries of the journal that SQL does not have yet"
    yield GaugeMetricFamily("consent_journal_waiting", text, value=look.journal.count)
    text = "The scribe's lag: how long the oldest of them has waited at most; so old are lists. NaN: not known"
    yield GaugeMetricFamily("consent_journal_oldest_seconds", text, value=look.journal.lag_s)
    yield from _of_log(look.log)
    yield from of_publication(look.unshown)
    if look.reviews is not None:
        yield from of_reviews(look.reviews, look.at)
    yield from of_workers(look.workers)
    if look.backed_up:
        text = "The instant of the last backup; without one, that of the first order"
        yield GaugeMetricFamily("consent_backup_timestamp_seconds", text, value=look.backed_up / 1000)


def _of_log(log: LogSeen | None) -> Iterator[Metric]:
    if log is None:
        return
    text = "How long the oldest entry of the public log has waited for a signed checkpoint"
    yield GaugeMetricFamily("consent_log_unsigned_seconds", text, value=log.unsigned / 1000)
    text = "How long the oldest checkpoint has waited for most witnesses; 0 where CONSENT_WITNESSES names none"
    yield GaugeMetricFamily("consent_log_unwitnessed_seconds", text, value=log.unwitnessed / 1000)
    text = "Checkpoints that a witness refused since it saw another history: kept for ever, see consent doctor"
    yield GaugeMetricFamily("consent_log_refused", text, value=log.refused)


def look_at(engine: Engine, pressing: PressureWatch, witnesses: int = 0) -> Look:
    """Read the state of the store now. pressing: the figures of two weeks of orders, kept between looks · witnesses:
    how many must sign the log
    """
    now = engine.registry.now()
    placed, dialled = _of_days(engine, now)
    workers = [*engine.registry.workers(HEARD_WITHIN_MS).values()]
    clocks = clocks_seen(engine.registry)
    outside = health_of(engine.registry, targets_of(engine.outside), now)
    return Look(
        engine.lanes.depths(),
        placed,
        dialled,
        workers,
        _counted(engine, lambda _: engine.store.archive.last_backup() if engine.store.archive else None),
        outside,
        _archive_up(engine),
        _is_writable(engine),
        _counted(engine, lambda queries: queries.restrictions.tally(Kind.SUSPECTED)),
        now,
        clocks,
        rooms_of(engine),
        engine.store.journal.waiting(),
        _unshown(engine, now),
        reviews_seen(engine, pressing),
        {target: pause.at for target, pause in engine.registry.pauses.standing().items()},
        _counted(engine, lambda queries: queries.endings.tally()),
        _counted(engine, lambda _: engine.reports.waiting()),
        (engine.reports.codes(), engine.reports.terms.codes_an_hour),
        _log_seen(engine, witnesses, now),
    )


def _log_seen(engine: Engine, witnesses: int, now: Millis) -> LogSeen | None:
    """How late the log is published; None while SQL cannot be asked, or read, which other metrics and doctor say."""
    try:
        return seen(engine.store.log, witnesses, now) if engine.store.log is not None else None
    except (ArchiveUnavailable, BrokenRecord):
        return None


def _counted(engine: Engine, ask: Callable[[Queries], T]) -> T | None:
    """Ask SQL for a count; None while it cannot be asked, which another metric says."""
    try:
        return ask(engine.store.queries)
    except ArchiveUnavailable:
        return None


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


def _archive_up(engine: Engine) -> bool:
    try:
        return archive_answers(engine)
    except StoreUnavailable:  # the archive's identity could not be recorded: nothing is known against it
        return True


def _of_days(engine: Engine, now: Millis) -> tuple[dict[str, dict[State, int]], dict[str, Summed]]:
    """Count the orders of today and yesterday (UTC) by state, and sum up the calls of today and yesterday (in China);
    none while SQL cannot be asked, which another metric says.
    """
    days, ask = {"today": GREENWICH.of(now), "yesterday": GREENWICH.of(now - DAY_MS)}, engine.store.queries
    today = engine.terms.reporting.days.of(now)
    dialled = {"today": today, "yesterday": later(today, -1)}
    try:
        return (
            {name: ask.orders.funnel(GREENWICH.begins(day), GREENWICH.ends(day)) for name, day in days.items()},
            {name: engine.calls.sums(day) for name, day in dialled.items()},
        )
    except ArchiveUnavailable:
        return {}, {}


class _Once(Collector):
    """A collector of metrics that were collected before."""

    def __init__(self, collected: list[Metric]) -> None:
        self._collected = collected

    def collect(self) -> Iterable[Metric]:
        return self._collected
