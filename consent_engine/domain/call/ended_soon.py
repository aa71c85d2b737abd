"""Services that were taken back soon after they were switched on: a sign that somebody was pressed to take them."""

from consent_engine.domain.call.ending import Cause, Ending
from consent_engine.domain.order.sold import Sold

WEEK_MS = 7 * 24 * 3_600_000
ENDED_SOON = f"sum.{Sold.ENDED_SOON}||"
"""Among a day's counts: how many there are in all, so that nobody goes through the agents for it."""


def ended_soon_of(ending: Ending, before: Ending | None) -> list[str]:
    """The fields that are counted up by one when an ending goes from what it was to what it is: once it is off, where
    it was asked for within a week of the activation. How long the BSS took, and who got the number, presses nobody.
    """
    doc = ending.doc
    is_off = ending.off is not None and (before is None or before.off is None)
    soon = doc.asked_at - doc.activated_at <= WEEK_MS and doc.cause is not Cause.NUMBER_CHANGED
    if not (is_off and soon and doc.agent):  # of an ending that an earlier program opened nobody knows the agent
        return []
    return [f"{Sold.ENDED_SOON}|{doc.plan}|{doc.agent}", ENDED_SOON]
