"""The reply window, as an order's events define it: until when a yes counts.

It begins at the hand-over of the question; where the gateway reports, when the question is on the handset.
"""

from collections.abc import Sequence

from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.order.details import ConfirmationAccepted, Delivered
from consent_engine.domain.order.event import Event

_ASKS = f"sms.{Purpose.CONFIRMATION}."


def counts_until(events: Sequence[Event], window: Millis) -> Millis:
    """Return until when a yes counts. window: the one that the order was placed under, for events that name none."""
    for event in reversed(events):
        if isinstance(asked := event.detail, ConfirmationAccepted):
            window = asked.window or window
            if asked.undelivered is None:
                return event.at + window
            delivered = delivered_at(events)
            return max(event.at, delivered) + window if delivered else event.at + asked.undelivered
    return 0


def delivered_at(events: Sequence[Event]) -> Millis:
    """Return when the question, first or repeated, was known to be on the handset; 0 while it is not."""
    arrived = (e.at for e in events if isinstance(e.detail, Delivered) and e.detail.effect.startswith(_ASKS))
    return next(arrived, 0)
