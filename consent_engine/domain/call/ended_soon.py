"""Counts of services taken back soon after they were switched on: a sign of pressure selling."""

from consent_engine.domain.call.ending import Cause, Ending
from consent_engine.domain.order.pressure import Sold

WEEK_MS = 7 * 24 * 3_600_000
ENDED_SOON = f"sum.{Sold.ENDED_SOON}||"
"""The name of their total among a day's counts, so that no reader has to go through the agents for it."""


def ended_soon_of(ending: Ending, before: Ending | None) -> list[str]:
    """The counts to raise by one when an ending changes: once the service is off, where the ending was requested within
    a week of the activation. The time the BSS took does not count, and neither does a new holder of the number.
    """
    doc = ending.doc
    is_off = ending.off is not None and (before is None or before.off is None)
    soon = doc.asked_at - doc.activated_at <= WEEK_MS and doc.cause is not Cause.NUMBER_CHANGED
    if not (is_off and soon):
        return []
    return [f"{Sold.ENDED_SOON}|{doc.plan}|{doc.agent}", ENDED_SOON]
