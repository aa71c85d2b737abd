"""Due timers: each is done by the kind of its record; one whose records cannot be read is parked for a person."""

import logging
from collections.abc import Callable

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.decide.decision import A_MINUTE, parking
from consent_engine.domain.effects import WAKE_ACTIVATE, WAKE_ASIDE, WAKE_ENDINGS, WAKE_TOO_LATE, WAKE_WITHDRAWN
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.facts import Woke
from consent_engine.domain.order.order import Order, Retention
from consent_engine.engine.call import timed
from consent_engine.engine.change_order import giving_back, recording
from consent_engine.engine.endings import holder_changed, notifying_end
from consent_engine.engine.order_and_call import activating_again
from consent_engine.engine.read_inbox import reading_again
from consent_engine.engine.receive import line_timer
from consent_engine.engine.report import erasing
from consent_engine.engine.round_trips import Step, save
from consent_engine.engine.withdrawals import retrying_withdrawal
from consent_engine.errors import ArchiveUnavailable, BrokenRecord
from consent_engine.ports import Change, Commit, CommitResult, Leased, Outside

log = logging.getLogger(__name__)
MOST_LOST = 5
"""How many workers a timer may be lost to before a person must look: it may be what they died of."""
_OF_LINES: dict[str, Callable[[Leased], Step[str]]] = {
    WAKE_ENDINGS: holder_changed,
    WAKE_WITHDRAWN: retrying_withdrawal,
    WAKE_ASIDE: reading_again,
}


def waking(leased: Leased, outside: Outside, unasked: Callable[[], None], keep: Retention) -> Step[str]:
    """Do the work of a due timer. One that cannot be done is parked with the reason (a record cannot be read, MOST_LOST
    workers began it and recorded nothing): it would fail every minute, for ever, and nobody would know what was not
    done. While the archive is away it waits.

    unasked: counts an order that expired before its question was handed over · keep: how long person parts are kept
    """
    if leased.lost and leased.token > MOST_LOST:
        return (yield from _parked(leased, Hitch.WORKERS_LOST.of(MOST_LOST)))
    try:
        return (yield from _done(leased, outside, unasked, keep))
    except BrokenRecord as error:
        return (yield from _parked(leased, Hitch.UNREADABLE.of(), error))
    except ArchiveUnavailable:
        yield from giving_back(leased, leased.at, leased.at + A_MINUTE, Hitch.NO_DATABASE.of())
        return "failed"


def _done(leased: Leased, outside: Outside, unasked: Callable[[], None], keep: Retention) -> Step[str]:
    match leased.record:
        case Call():
            return (yield from timed(leased))
        case Ending():
            return (yield from notifying_end(leased))
        case Report():
            return (yield from erasing(leased, keep))
        case Line():
            step = _OF_LINES.get(leased.effect)
            return (yield from step(leased) if step else line_timer(leased, outside))
        case Order() as order:
            return (yield from _of_order(leased, order, unasked))


def _of_order(leased: Leased, order: Order, unasked: Callable[[], None]) -> Step[str]:
    if leased.effect == WAKE_ACTIVATE:
        return (yield from activating_again(leased))
    fact = Woke(leased.effect, leased.token)
    after = yield from recording(order.id, fact, order=order, now=leased.at, held=leased.held)
    if leased.effect == WAKE_TOO_LATE and (order.state, after.state) == (State.AGREED, State.EXPIRED):
        unasked()
    return "performed"


def _parked(leased: Leased, why: str, error: BrokenRecord | None = None) -> Step[str]:
    """Put the timer on the stuck list; where its record changed meanwhile, it is tried once more first."""
    log.error("%s of %s cannot be done: %s", leased.effect, leased.held.record, error or why)
    stuck = parking(leased.effect, leased.record.effects[leased.effect], why)
    word = yield from save(Commit("", (Change.of(leased.record, put=(stuck,)),), leased.held))
    return "parked" if word is CommitResult.OK else "performed"
