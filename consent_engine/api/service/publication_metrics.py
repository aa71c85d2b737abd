"""Metrics of channels that do not show the plans on sale."""

from collections import Counter
from collections.abc import Iterator, Mapping

from msgspec import Struct
from prometheus_client.core import Metric

from consent_engine.api.service.families import gauge
from consent_engine.domain.effects import Millis
from consent_engine.domain.offer.plan import CHANNELS
from consent_engine.domain.offer.versions import Listed, Sale


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
