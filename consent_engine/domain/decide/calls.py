"""Effects that follow from the state of a call: those it wants, and those it never does."""

from consent_engine.domain.call.call import ABANDONED_AFTER_MS, Call, CallState
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import WAKE_ABANDONED, WAKE_ARCHIVE, WAKE_SECOND_LOOK, WAKE_UNLAWFUL, Millis
from consent_engine.domain.offer.policy import LATE_MARGIN

_OF_STATE = {
    WAKE_ABANDONED: {CallState.UP},
    WAKE_UNLAWFUL: {*CallState},
    WAKE_ARCHIVE: {CallState.ENDED, CallState.ABANDONED},
    WAKE_SECOND_LOOK: {CallState.ENDED},
}


def follows_of_call(effect: str, call: Call) -> bool:
    """Whether a call can want this effect in its state."""
    return call.state in _OF_STATE.get(effect, ())


def abandoning(now: Millis) -> Put:
    """Return the timer of a call that was made known just now, for the case that its end is not reported."""
    return Put(WAKE_ABANDONED, now + ABANDONED_AFTER_MS)


def leaving(over_at: Millis) -> Put:
    """Return the timer that moves a finished call to the archive, once no order can name it any more."""
    return Put(WAKE_ARCHIVE, over_at + LATE_MARGIN)
