"""Writing decisions about an ending; and an operator's actions on one that the BSS did not take: do it again, give it
up, take it up again.
"""

import logging
import uuid

from consent_engine.domain.call.ending import Ending, EndingState, GivenUp
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.decide.endings import EndDecision, on_give_up, on_reopen, on_retry
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.engine.change_order import MOST_RACES, wakes_of
from consent_engine.engine.round_trips import load, prove, save
from consent_engine.engine.store_requests import Step
from consent_engine.errors import NothingParked, StoreUnavailable
from consent_engine.ports import ChainChange, Change, Commit, CommitResult, Held, Owner

log = logging.getLogger(__name__)


def saving(
    ending: Ending, decision: EndDecision, op: str, now: Millis, held: Held | None, *more: Change, prove: bool = False
) -> Step[CommitResult]:
    """Write a decision about an ending, together with the changes `more`."""
    after, fields = ending.with_events(*decision.events)
    change = ChainChange(after, ending, fields, decision.put, decision.drop)
    puts = (*decision.put, *(put for each in more for put in getattr(each, "put", ())))
    commit = Commit(op if decision.events else "", (change, *more), held, wakes=wakes_of(puts, now))
    word = (yield from save(commit, prove=prove)).word
    if word is CommitResult.OK:
        for event in decision.events:
            log.info("order %s: ending: %s, now %s", ending.doc.order, type(event).__name__.lower(), after.state.value)
    return word


def retrying_ending(name: str, by: str, *, given_up: bool = False, op: str = "") -> Step[Ending]:
    """Do the parked effects of an ending now. given_up: do one that was given up again, under the same key · op: the
    identity of the change, where it must not be made twice

    Raises NothingParked, also where there is no ending, or it is archived; StoreUnavailable.
    """
    op, again = op or f"retry:{uuid.uuid4().hex[:12]}", on_reopen if given_up else on_retry
    for _ in range(MOST_RACES):
        loaded = yield from load(endings=[name])
        ending, now = loaded.endings.get(name), loaded.now
        decision = again(ending, op, by, now) if ending else EndDecision()
        if ending is None or not decision.put:
            raise NothingParked("nothing of this ending stands on the stuck list")
        if (yield from saving(ending, decision, op, now, None, prove=True)) in {CommitResult.OK, CommitResult.SAME}:
            return ending
    raise StoreUnavailable("too many others change this ending: the same request again is safe")


def giving_up_ending(name: str, by: str, reason: str) -> Step[bool]:
    """Give up the parked effects of an ending, proven durable. True also for a repeat, by the same person for the same
    reason: it must not be taken for the wish to give up anything else. False where it was given up otherwise before.

    Raises NothingParked, also where there is no ending; StoreUnavailable.
    """
    for _ in range(MOST_RACES):
        loaded = yield from load(endings=[name])
        ending, now = loaded.endings.get(name), loaded.now
        op = f"give-up:{digest(compact([by, reason, *_times_reopened(ending)]))[:12]}"
        if ending is not None and ending.state is EndingState.GIVEN_UP and (yield from prove(name, Owner.ENDING)):
            return ending.knows(op)
        decision = on_give_up(ending, op, by, reason, now) if ending else EndDecision()
        if ending is None or decision.is_void:
            raise NothingParked("nothing of this ending stands on the stuck list")
        if (yield from saving(ending, decision, op, now, None, prove=True)) in {CommitResult.OK, CommitResult.SAME}:
            return True
    raise StoreUnavailable("too many others change this ending: the same request again is safe")


def _times_reopened(ending: Ending | None) -> tuple[int, ...]:
    """Return how often it was given up and taken up again, if ever: the same words then are another change."""
    before = [each for each in ending.events if isinstance(each, GivenUp)] if ending else []
    times = len(before) - (ending is not None and ending.state is EndingState.GIVEN_UP)
    return (times,) if times > 0 else ()
