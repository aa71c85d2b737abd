"""Checks of the work: whether workers are alive, anything waits too long, or anything waits for a person: effects,
messages, calls and orders for a reviewer, reports, whose calendar must know the days that they are due on.
"""

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from shlex import quote

from consent_engine.adapters.gateways.shared_settings import prefix_of
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.config.yaml_files import bundled
from consent_engine.doctor.findings import Finding, bad, good, warn
from consent_engine.domain.call.report import (
    ANSWERED_IN,
    INFORMED_IN,
    OWN_DAYS,
    Report,
    ReportState,
    ReportTerms,
    Reward,
)
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.days import DAY_MS, later
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.hitch import in_words
from consent_engine.engine.metrics import FEW_CALLS, Health, Series, health_of, lately, latest
from consent_engine.engine.slice import TICK_S
from consent_engine.engine.stuck import ALL, MOST_STUCK, stuck_effects
from consent_engine.engine.undeliverable import Unreached
from consent_engine.ports import Endpoint, LaneDepth, OpenReports, Outside, Registry, ReportFilter, Route, Store, Tally
from consent_engine.ports.lanes import by_lane
from consent_engine.ports.queries import NOTHING, Position
from consent_engine.ports.registry import LANE, SPOOL, Pause, WorkerReport

HEARD_WITHIN_MS = 15_000
SILENT_MS = int(3 * TICK_S * 1000)
"""After this time the workers' clocks do a lane's work themselves: older work shows that they do not keep up."""
LATE_MS = 60_000
HOUR_MS = 3_600_000
BACKUP_MS = 26 * HOUR_MS
"""After this time a nightly backup was left out."""
MOST_UNMATCHED = 1_000
FEW_UNMATCHED = 10
REASON_SHOWN = 60
MUCH_FAILS = 0.2
SLOW_MS = 5_000
"""Half of the default call timeout."""


def work(
    store: Store, registry: Registry, survey: RedisSurvey, targets: Sequence[Endpoint], call_ms: Millis,
    outer: Outside,
) -> Iterator[Finding]:  # fmt: skip
    """Check workers, lanes, gateways and BSS, the stuck list, unmatched messages. call_ms: how long a call may last ·
    outer: has the gateways' routes and rates
    """
    heard = registry.workers(HEARD_WITHIN_MS)
    if heard:
        yield good(f"{len(heard)} workers were heard from")
    else:
        yield bad("no worker was heard from: nothing moves", "consent serve, or python -m workers")
    paused = registry.pauses.standing()
    yield from _paused(paused, registry.now())
    health = health_of(registry, targets, registry.now())
    depths = by_lane(store.lanes.depths_of_all(), latest(health, outer.routes, paused))
    yield from _lanes(depths, heard.values(), {name for to, name in paused if to == LANE})
    yield from outside(health, registry.now())
    yield from elsewhere(outer, {each.target.name for each in health if each.is_away or each.target in paused})
    yield from throttled(store.lanes.rates(outer.named()))
    yield from slow(lately(registry, targets, call_ms))
    yield from _stuck(store)
    yield from _unmatched(survey, registry.now())


def _paused(standing: Mapping[Endpoint, Pause], now: Millis) -> Iterator[Finding]:
    """Warn of what stands still, which is easily forgotten. The pause of a spool that is heard from is yet to come."""
    for (to, name), pause in sorted(each for each in standing.items() if each[1].at <= now):
        first = "start its API; only where its disk is lost: " if to == SPOOL else ""
        yield warn(
            f"{to} {name} was stopped {_ago(now - pause.at)} ago by {pause.by}: {pause.reason}",
            f"{first}consent resume {to} {name} --reason TEXT",
        )


def _lanes(
    depths: Mapping[Lane, LaneDepth], heard: Iterable[WorkerReport], paused: Container[str]
) -> Iterator[Finding]:
    """Find lanes whose work waits. Of a paused one that is said already: more workers would not help."""
    served = {lane for report in heard for lane in report.lanes}
    for lane, depth in depths.items():
        wait = depth.waiting - depth.parked  # parked effects wait for a person
        if served and lane not in served and wait:
            yield bad(f"lane {lane}: no worker serves it, {wait} effects wait", f"python -m workers --lanes {lane}")
        elif lane.value in paused:
            continue
        elif depth.late > LATE_MS:
            yield bad(f"lane {lane}: {depth.due} are due, the oldest for {depth.late // 1000} s", "python -m workers")
        elif depth.late > SILENT_MS:
            yield warn(
                f"lane {lane}: {depth.due} are due, the oldest for {depth.late / 1000:.1f} s: workers do not keep up",
                "start one more if this lasts: python -m workers",
            )


def outside(health: Iterable[Health], now: Millis) -> Iterator[Finding]:
    """Check that every gateway and the BSS answer, by the workers' own calls: no call is made for this."""
    for each in health:
        last = f"took something {_ago(now - each.known.accepted)} ago" if each.known.accepted else "never took anything"
        share = f"{each.failed_share:.0%} of calls of the last minutes failed"
        if each.refusing:
            do = (
                "correct our user, password or secret there, this host's clock, or the account itself, with its "
                "operator; restart our processes; waiting effects are retried until their deadline"
            )
            yield bad(f"{each.words} is refusing our account: 401 or 403 for {_ago(each.failing)}; it {last}", do)
        elif each.is_down:
            do = "ask its operator, check the network to it; waiting effects are retried until their deadline"
            yield bad(f"{each.words} has not answered for {_ago(each.failing)} ({share}); it {last}", do)
        elif each.calls >= FEW_CALLS and each.failed_share > MUCH_FAILS:
            yield warn(
                f"{each.words}: {share}; it {last}", "ask its operator; consent_outside_calls_total says how calls end"
            )
        else:
            yield good(f"{each.words} {last}")


def elsewhere(outer: Outside, shut: Collection[str]) -> Iterator[Finding]:
    """Warn of carriers whose SMS go to another gateway than the first of their list. shut: those away or stopped"""
    for carrier, (first, *_) in outer.routes.items():
        if (now := outer.tried(carrier, shut)[-1]) != first:
            yield warn(
                f"{carrier}: its SMS go to {now}, since {first} is away or stopped; those in doubt there wait for it",
                "once it answers they go there again: consent gateways",
            )


def throttled(rates: Mapping[Route, int]) -> Iterator[Finding]:
    """Warn of gateways that answered 429: that is no failure, and what exceeds the rate it left them waits."""
    for route, now in rates.items():
        if now != route.rate:
            had = f"of the {route.rate} that are set" if route.rate else "and none is set"
            yield warn(
                f"gateway {route.gateway} answered 429 lately: it gets {now} SMS a second for a while, {had}",
                f"ask its operator how many it takes, and set {prefix_of(route.gateway)}RATE to that",
            )


def slow(series: Iterable[Series]) -> Iterator[Finding]:
    """Warn of gateways and BSS that answer late: their calls succeed, but occupy the places of others."""
    for each in series:
        if sum(each.calls) >= FEW_CALLS and (each.all_p95 or 0) > SLOW_MS:
            yield warn(
                f"{each.target.to} {each.target.name} is slow: of the last minutes' calls one in twenty lasted "
                f"{(each.all_p95 or 0) / 1000:.0f} s or longer",
                "ask its operator; nothing is lost, due effects wait for a place: CONSENT_IN_FLIGHT, or more workers",
            )


def dead(causes: Iterable[Unreached], now: Millis) -> Iterator[Finding]:
    """Name sales that died of one cause, while their subscribers can be asked again."""
    for each in causes:
        yield bad(
            f"{each.count} sales of {each.plan} died of one cause in {_ago(now - each.since)}: {in_words(each.reason)}",
            f"once it is gone: consent ask-again --all --plan {each.plan} --reason {quote(each.reason)}",
        )


def backups(last: Millis, now: Millis) -> Iterator[Finding]:
    """Warn where a nightly backup was left out. last: the instant of the newest one, or of the first order; 0: none"""
    if last and now - last > BACKUP_MS:
        yield warn(f"nothing was backed up for {_ago(now - last)}", "consent backup FOLDER; each night, by a timer")


def _ago(passed: Millis) -> str:
    """Return a duration in one unit.

    >>> _ago(900), _ago(89_000), _ago(600_000), _ago(7_300_000)
    ('0 s', '89 s', '10 min', '2 h')
    """
    seconds = max(0, passed) // 1000
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _stuck(store: Store) -> Iterator[Finding]:
    found = list(stuck_effects(store, ALL, MOST_STUCK))
    for lane in Lane:
        reasons = Counter(in_words(each.reason)[:REASON_SHOWN] for each in found if each.lane is lane)
        if reasons:
            summary = ", ".join(f"{count} x {why or 'no reason'}" for why, count in reasons.most_common(5))
            yield warn(
                f"lane {lane}: {reasons.total()} on the stuck list: {summary}",
                "consent stuck, ask the other side what became of each, then consent retry ORDER, or --all --lane "
                f"{lane} --dry-run",
            )


def _unmatched(survey: RedisSurvey, now: Millis) -> Iterator[Finding]:
    last, before = (
        survey.unmatched(max(0, now - n * HOUR_MS), now - (n - 1) * HOUR_MS + (n == 1), MOST_UNMATCHED) for n in (1, 2)
    )
    many = f"{last}{'+' if last == MOST_UNMATCHED else ''}"
    if last > FEW_UNMATCHED and last > 2 * before:
        yield warn(
            f"{many} messages of the last hour matched no order or SMS, {before} in the hour before",
            "do CONSENT_SENDER_* and the gateway's own numbers agree? does another program share this gateway?",
        )
    else:
        yield good(f"{many} messages of the last hour matched no order or SMS")


AHEAD = max(60, 2 * (ANSWERED_IN + INFORMED_IN))
"""How many days ahead the calendar must reach. Reports of today are due no later; the State Council announces next
year's days in November, which leaves time to add them.
"""
PIECE = 200
MOST_LOOKED_AT = 20_000
"""Most decided reports of each reward that are looked at: those whose reward is not over."""


def reports(store: Store, terms: ReportTerms, now: Millis) -> Iterator[Finding]:
    """Check for overdue reports, for promised rewards that were forgotten, and for a calendar that ends too soon.
    store: without its queries where SQL cannot be asked
    """
    if store.queries is not NOTHING:
        yield from _overdue(store.queries.reports.waiting(now))
        yield from _promised(store, now)
    until = later(terms.days.of(now), AHEAD)
    if not terms.calendar.knows(until):
        yield warn(
            f"the calendar says nothing of {until[:4]}: due dates then skip weekends, but not holidays",
            f"copy {quote(str(bundled()))}, add the year and its days from the State Council's notice, and name the "
            "copy in CONSENT_CALENDAR; restart APIs and workers",
        )


def _overdue(waiting: Sequence[OpenReports]) -> Iterator[Finding]:
    count, late = sum(each.open for each in waiting), sum(each.overdue for each in waiting)
    if late:
        yield bad(
            f"{late:,} of {count:,} open reports of calls should have been answered",
            "consent reports --overdue; decide each at POST /v1/reports/{id}/decide",
        )
    elif count:
        yield good(f"{count:,} open reports of calls, none of them overdue")


def _promised(store: Store, now: Millis) -> Iterator[Finding]:
    """Check for rewards that were promised to reporters and are neither paid nor refused: a reward has no due date, so
    no timer would ever bring it up.
    """
    since = [
        report.events[-1].at
        for reward in (Reward.ELIGIBLE, Reward.GRANTED)
        for page in _decided(store, reward)
        for report in store.records.look({Report: page}).of(Report).values()
        if report.decided and not report.over_at
    ]
    days = (now - min(since, default=now)) // DAY_MS
    if days >= OWN_DAYS:
        yield warn(
            f"{len(since):,} rewards for reports of calls were promised and are not paid, the oldest for {days} days",
            "consent reports --state decided --reward granted, and --reward eligible; pay, then decide each at "
            "POST /v1/reports/{id}/decide",
        )


def _decided(store: Store, reward: Reward) -> Iterator[list[str]]:
    """Yield decided reports that have this reward, a page at a time."""
    wanted, before = ReportFilter(state=ReportState.DECIDED, reward=reward), None
    for _ in range(MOST_LOOKED_AT // PIECE):
        rows: list[Position] = store.queries.reports.page(wanted, before, PIECE)
        yield [report for _, report in rows]
        if len(rows) < PIECE:
            return
        before = rows[-1]


ORDERS_WAIT_MS = 4 * HOUR_MS
"""How long orders with a yes may wait for a review."""
CALLS_WAIT_MS = 24 * HOUR_MS
"""How long a call may wait unheard."""
REVIEW = "ask the reviewers: GET /v1/reviews, oldest first"


def reviews(
    orders: Tally, calls: Mapping[Verdict, Tally], now: Millis, *, review_first: bool = True
) -> Iterator[Finding]:
    """Check orders that wait for a review, calls without a review, and failed ones that wait for a second look.

    review_first: CONSENT_REVIEW is `before`; if not, orders that still wait are from the time when it was
    """
    if orders.count:
        said = f"{orders.count} orders wait for the review of their call, the oldest for {_hours(orders, now)}"
        yield (
            bad(said, REVIEW if review_first else f"{REVIEW}; consent reviews waiting")
            if now - orders.oldest > ORDERS_WAIT_MS
            else good(said)
        )
    pending, contested = calls[Verdict.PENDING], calls[Verdict.CONTESTED]
    if pending.count:
        said = f"{pending.count} recorded calls were heard by nobody, the oldest ended {_hours(pending, now)} ago"
        yield warn(said, REVIEW) if now - pending.oldest > CALLS_WAIT_MS else good(said)
    if contested.count:
        said = f"{contested.count} failed reviews wait for a second look: after a day without one the failure stands"
        yield warn(said, f"{REVIEW}, verdict=contested")


def _hours(tally: Tally, now: Millis) -> str:
    return f"{max(0, now - tally.oldest) / HOUR_MS:.1f} h"
