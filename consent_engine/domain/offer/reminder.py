"""When a subscriber who has not answered is reminded."""

from datetime import timedelta


def usual_reminder(reply_window: timedelta) -> timedelta:
    """When the reminder goes out, after the hand-over, where nothing else is set: half the window, 12 h at most."""
    return min(timedelta(hours=12), reply_window / 2)
