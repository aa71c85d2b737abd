"""The time of the reminder to a subscriber who has not answered."""

from datetime import timedelta


def usual_reminder(reply_window: timedelta) -> timedelta:
    """How long after the hand-over the reminder goes out, unless set otherwise: half the window, 12 h at most."""
    return min(timedelta(hours=12), reply_window / 2)
