"""Outages of gateways and of the BSS in the log: a line when one begins, a line when it ends, by one worker."""

import logging

from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import Millis
from consent_engine.engine.engine import Engine
from consent_engine.engine.outside_health import Health, health_of, targets_of
from consent_engine.ports import Registry
from consent_engine.ports.targets import field_of

log = logging.getLogger(__name__)


def tell_outages(engine: Engine) -> None:
    """Log outages and their ends that no worker has logged yet, by what all have heard. Raises StoreUnavailable."""
    registry = engine.registry
    now = registry.now()
    for each in health_of(registry.counted(), targets_of(engine.outside), now):
        if each.told and each.answered > each.told:
            _ended(registry, each)
        elif each.is_down and not each.told:
            _began(registry, each)


def _began(registry: Registry, health: Health) -> None:
    # The worker that keeps the instant logs it: the others see that it was logged.
    if registry.mark(field_of(health.target, "told"), health.since):
        log.warning(
            "%s has not answered since %s, %.0f%% of calls fail: consent doctor; nothing is lost meanwhile",
            health.words, _clock(health.since), 100 * health.failed_share,
        )  # fmt: skip


def _ended(registry: Registry, health: Health) -> None:
    if registry.unmark(field_of(health.target, "told")):
        seconds = (health.answered - health.told) // 1000
        log.warning("%s answers again: no answer since %s, for %d s", health.words, _clock(health.told), seconds)


def _clock(at: Millis) -> str:
    return f"{GREENWICH.at(at):%Y-%m-%dT%H:%M:%SZ}"
