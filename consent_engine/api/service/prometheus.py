"""Metrics for Prometheus, of requests and of the store. No label names a person or an order, or holds a text."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from itertools import chain

import prometheus_client
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from consent_engine import __version__
from consent_engine.api.coalescing.ttl_cache import Recent
from consent_engine.api.service.families import (
    Unshown,
    age,
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
    unshown,
)
from consent_engine.api.service.service import HEARD_WITHIN_MS, Front, archive_answers
from consent_engine.domain.days import DAY_MS, GREENWICH, later
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.restriction import Kind
from consent_engine.engine.engine import Engine
from consent_engine.engine.feeding import behind
from consent_engine.engine.metrics import health_of, targets_of
from consent_engine.engine.publishing import seen
from consent_engine.engine.sales_outcomes import PressureWatch
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, StoreUnavailable
from consent_engine.ports import LaneDepth, Log, Tally

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
        self._ends: Recent[Mapping[str, float]] = Recent(CERTIFICATES_S)
        self._witnesses = witnesses
        self._looked: Recent[list[Metric]] = Recent(front.bounds.metrics_s)
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
        try:
            async with asyncio.timeout(self._front.bounds.metrics_wait_s):
                return await self._looked.of(name, lambda: self._front.ask(lambda engine: [*of(engine)]))
        except (StoreUnavailable, TimeoutError):
            return None

    async def _certificate_ends(self) -> Mapping[str, float]:
        """Return the instants that are known at once; that of a slow server comes with the next scrape."""
        try:
            async with asyncio.timeout(CERTIFICATES_WAIT_S):
                return await self._ends.of("", lambda: asyncio.to_thread(self._certificates))
        except TimeoutError:
            return {}

    def _own(self) -> Iterator[Metric]:
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
    yield from of_rooms(engine)
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
        yield from _waiting(ask.restrictions.tally(Kind.SUSPECTED), ask.endings.tally(), now)
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
