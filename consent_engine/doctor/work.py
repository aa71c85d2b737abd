"""Checks of the work: whether workers are alive, anything waits too long, or anything waits for a person."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from shlex import quote

from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.doctor.findings import Finding, bad, good, warn
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.hitch import in_words
from consent_engine.engine.metrics import FEW_CALLS, Health, Series, health_of, lately, latest
from consent_engine.engine.slice import TICK_S
from consent_engine.engine.stuck import ALL, MOST_STUCK, stuck_effects
from consent_engine.engine.undeliverable import Unreached
from consent_engine.ports import Endpoint, LaneDepth, Registry, Store
from consent_engine.ports.endpoints import GATEWAY
from consent_engine.ports.lanes import by_lane
from consent_engine.ports.registry import LANE, Pause, WorkerReport

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
    routes: Mapping[str, str],
) -> Iterator[Finding]:  # fmt: skip
    """Check workers, lanes, gateways and BSS, the stuck list, unmatched messages. call_ms: how long a call may last ·
    routes: each carrier's gateway
    """
    heard = registry.workers(HEARD_WITHIN_MS)
    if heard:
        yield good(f"{len(heard)} workers were heard from")
    else:
        yield bad("no worker was heard from: nothing moves", "consent serve, or python -m workers")
    paused = registry.pauses.standing()
    yield from _paused(paused, registry.now())
    health = health_of(registry, targets, registry.now())
    stopped = [each for each, name in routes.items() if Endpoint(GATEWAY, name) in paused]
    depths = by_lane(store.lanes.depths_of_all(), latest(health, routes), stopped)
    yield from _lanes(depths, heard.values(), {name for to, name in paused if to == LANE})
    yield from outside(health, registry.now())
    yield from slow(lately(registry, targets, call_ms))
    yield from _stuck(store)
    yield from _unmatched(survey, registry.now())


def _paused(standing: Mapping[Endpoint, Pause], now: Millis) -> Iterator[Finding]:
    """Warn of lanes and gateways that a person stopped: that is easily forgotten, and everything waits for it."""
    for (to, name), pause in sorted(standing.items()):
        yield warn(
            f"{to} {name} was stopped {_ago(now - pause.at)} ago by {pause.by}: {pause.reason}",
            f"consent resume {to} {name} --reason TEXT",
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
                "operator; restart ours; waiting effects are retried until their deadline"
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
