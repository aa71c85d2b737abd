"""Effects that follow from the state of a call: those it wants, and those it never does."""

from consent_engine.domain.call.call import ABANDONED_AFTER_MS
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import WAKE_ABANDONED, WAKE_ARCHIVE, Millis
from consent_engine.domain.offer.policy import LATE_MARGIN


def abandoning(now: Millis) -> Put:
    """Return the timer of a call that was made known just now, for the case that its end is not reported."""
    return Put(WAKE_ABANDONED, now + ABANDONED_AFTER_MS)


def leaving(over_at: Millis) -> Put:
    """Return the timer that moves a finished call to the archive, once no order can name it any more."""
    return Put(WAKE_ARCHIVE, over_at + LATE_MARGIN)
