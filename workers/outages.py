"""Outages of gateways and of the BSS in the log: a line when one begins, when it becomes a refusal of our account, and
when it ends, by one worker."""

import logging

from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import Lane, Millis
from consent_engine.engine.engine import Engine
from consent_engine.engine.outside_health import ASKED_WITHIN_MS, Health, health_of, targets_of
from consent_engine.ports import Registry
from consent_engine.ports.endpoints import BSS, field_of

log = logging.getLogger(__name__)
OVER_MS = 10_000
"""Over how long the retries that waited for the end of an outage are spread."""
REPORTED_WITHIN_MS = 60_000
"""How long reports of a gateway that answers again may still settle what is in doubt: then it is sent once more."""
LATE_MS = 2_000
"""How much later than it may last a call of an outage may be recorded."""


def tell_outages(engine: Engine) -> None:
    """Log outages and their ends that no worker has logged yet, by what all have heard; after an end, what waits for a
    retry waits no longer, and what is in doubt no longer than a gateway's reports take. Raises StoreUnavailable.
    """
    registry = engine.registry
    now = registry.now()
    for each in health_of(registry.counted(), targets_of(engine.outside), now):
        if each.logged and each.answered > each.logged:
            _ended(engine, each, now)
        elif each.refusing and not each.refusal_logged:
            _refuses(registry, each)
        elif each.is_down and not each.logged:
            _began(registry, each)
        elif each.back and now - each.back > engine.call_ms + LATE_MS:
            _settles(engine, each)


def _began(registry: Registry, health: Health) -> None:
    # The worker that keeps the instant logs it: the others see that it was logged.
    if registry.mark(field_of(health.target, "told"), health.since):
        log.warning(
            "%s has not answered since %s, %.0f%% of calls fail: consent doctor; nothing is lost meanwhile",
            health.words, _clock(health.since), 100 * health.failed_share,
        )  # fmt: skip


def _refuses(registry: Registry, health: Health) -> None:
    registry.mark(field_of(health.target, "told"), health.since)  # its end is logged once, whichever way it began
    if registry.mark(field_of(health.target, "told_refusing"), health.since):
        log.warning(
            "%s is refusing our account, and has taken nothing since %s: consent doctor; nothing is lost meanwhile",
            health.words, _clock(health.since),
        )  # fmt: skip


def _ended(engine: Engine, health: Health, now: Millis) -> None:
    engine.registry.unmark(field_of(health.target, "told_refusing"))
    if not engine.registry.unmark(field_of(health.target, "told")):
        return
    # Those that another one has not taken are tried once too early: that costs a call.
    lane = Lane.ACTIVATION if health.target.to == BSS else Lane.SMS
    if lane is Lane.SMS:
        engine.registry.mark(field_of(health.target, "back"), now)
    count = engine.lanes.bring_forward(lane, now + OVER_MS, now + ASKED_WITHIN_MS, over=OVER_MS)
    log.warning(
        "%s answers again: no answer since %s, for %d s; %d retries wait %d s at most",
        health.words, _clock(health.logged), (health.answered - health.logged) // 1000, count, OVER_MS // 1000,
    )  # fmt: skip


def _settles(engine: Engine, health: Health) -> None:
    """Let what an outage left in doubt wait no longer than reports take: each of its calls is over by now."""
    if not engine.registry.unmark(field_of(health.target, "back")):
        return
    until, gateway = health.back + REPORTED_WITHIN_MS, engine.outside.gateways[health.target.name]
    for carrier, name in engine.outside.routes.items() if gateway.reports else ():
        if name == gateway.name:
            engine.lanes.bring_forward(Lane.SMS, until, until + ASKED_WITHIN_MS, doubtful=carrier, over=OVER_MS)


def _clock(at: Millis) -> str:
    return f"{GREENWICH.at(at):%Y-%m-%dT%H:%M:%SZ}"
