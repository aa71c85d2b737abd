"""Effects that follow from the state of a report: those that delete the parts that need not be kept."""

from consent_engine.domain.call.report import Report
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import WAKE_ARCHIVE, WAKE_PERSON, Millis
from consent_engine.domain.offer.policy import LATE_MARGIN

LOOK_EVERY_MS = 86_400_000
"""How often it is looked whether the retention of a person part has passed: settings may shorten it."""


def leaving(before: Report, after: Report, now: Millis) -> tuple[Put, ...]:
    """Return the timers that a decision begins: of the person part, from the first one on; of the whole report, once
    it is over.
    """
    person = () if before.decided else (Put(WAKE_PERSON, now + LOOK_EVERY_MS),)
    return (*person, Put(WAKE_ARCHIVE, after.over_at + LATE_MARGIN)) if after.over_at else person
