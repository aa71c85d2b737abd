"""The publication part of /ops: plans on sale whose pages do not show them, why and since when."""

from typing import Any

from consent_engine.api.schemas.views import instant
from consent_engine.domain.offer.versions import PATIENCE_MS, Listed, Sale
from consent_engine.engine.engine import Engine

MOST_PAGES = 20


def unshown(engine: Engine) -> dict[str, Any]:
    """List the longest failing first, and count the others; none where addresses are not checked."""
    if not engine.terms.addresses.checked:
        return {"unshown": [], "more_unshown": 0}
    try:
        listed = engine.catalogue.fresh()
    except (KeyError, ValueError):  # damaged catalogue: the rest of the board is shown all the same
        listed = {}
    rows = sorted((row for each in listed.values() for row in _of(each)), key=lambda row: (row["since"], row["plan"]))
    return {"unshown": rows[:MOST_PAGES], "more_unshown": max(0, len(rows) - MOST_PAGES)}


def _of(listed: Listed) -> list[dict[str, Any]]:
    version = listed.version(listed.plan.version)
    if version is None or listed.sale is not Sale.ON_SALE or not listed.begun:
        return []
    return [
        {
            "plan": version.plan.code,
            "channel": version.plan.published[n].channel,
            "why": seen.why,
            "since": instant(seen.failing),
            "sold_until": instant(seen.good + PATIENCE_MS) if seen.public else None,
        }
        for n, seen in sorted(version.seen.items())
        if seen.why
    ]
