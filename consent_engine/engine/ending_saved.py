"""Writing what was decided of an ending."""

import logging

from consent_engine.domain.call.ending import Ending
from consent_engine.domain.decide.endings import EndDecision
from consent_engine.domain.effects import Millis
from consent_engine.engine.asks import Step
from consent_engine.engine.record import wakes_of
from consent_engine.engine.round_trips import save
from consent_engine.ports import Change, Commit, EndingChange, Held, Word

log = logging.getLogger(__name__)


def saving(
    ending: Ending, decision: EndDecision, op: str, now: Millis, held: Held | None, *more: Change, prove: bool = False
) -> Step[Word]:
    """Write what was decided, with what else is written beside it."""
    after, fields = ending.with_events(*decision.events)
    change = EndingChange(after, ending, fields, decision.put, decision.drop)
    puts = (*decision.put, *(put for each in more for put in getattr(each, "put", ())))
    commit = Commit(op if decision.events else "", (change, *more), held, wakes=wakes_of(puts, now))
    word = (yield from save(commit, prove=prove)).word
    if word is Word.OK:
        for event in decision.events:
            log.info("order %s: ending: %s, now %s", ending.doc.order, type(event).__name__.lower(), after.state.value)
    return word
