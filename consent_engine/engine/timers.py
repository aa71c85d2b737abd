"""Due timers: each is done by the kind of its record; one whose records cannot be read is parked for a person."""

import logging
from collections.abc import Callable

from msgspec.structs import replace

from consent_engine.domain.decide.decision import PARKED, Put
from consent_engine.domain.effects import WAKE_ACTIVATE, WAKE_ENDINGS, WAKE_TOO_LATE, WAKE_WITHDRAWN
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order.facts import Woke
from consent_engine.engine.call import timed
from consent_engine.engine.change_order import recording
from consent_engine.engine.endings import holder_changed, noticing
from consent_engine.engine.join_parts import line_timer
from consent_engine.engine.order_and_call import activating_again
from consent_engine.engine.round_trips import save
from consent_engine.engine.store_requests import Step
from consent_engine.engine.withdrawals import wished
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Commit, CommitResult, Leased, Outside, Owner, RecordChange

log = logging.getLogger(__name__)


def waking(leased: Leased, outside: Outside, unasked: Callable[[], None]) -> Step[str]:
    """Do what a due timer is for. One that cannot be done, because a record cannot be read, is parked with the reason:
    it would fail every minute, for ever, and nobody would know what was not done. unasked: counts an order that expired
    before its question was handed over
    """
    try:
        return (yield from _done(leased, outside, unasked))
    except BrokenRecord as error:
        log.error("%s of %s cannot be done: %s", leased.effect, leased.held.record, error)
        return (yield from _parked(leased, str(error)))


def _done(leased: Leased, outside: Outside, unasked: Callable[[], None]) -> Step[str]:
    order = leased.order
    if leased.call is not None:
        return (yield from timed(leased))
    if leased.ending is not None:
        return (yield from noticing(leased))
    if leased.effect == WAKE_ENDINGS:
        return (yield from holder_changed(leased))
    if leased.effect == WAKE_WITHDRAWN:
        return (yield from wished(leased))
    if order is None:
        return (yield from line_timer(leased, outside))
    if leased.effect == WAKE_ACTIVATE:
        return (yield from activating_again(leased))
    fact = Woke(leased.effect, leased.token)
    after = yield from recording(order.id, fact, order=order, now=leased.at, held=leased.held)
    if leased.effect == WAKE_TOO_LATE and (order.state, after.state) == (State.AGREED, State.EXPIRED):
        unasked()
    return "performed"


def _parked(leased: Leased, why: str) -> Step[str]:
    """Put the timer on the stuck list; where its record changed meanwhile, it is tried once more first."""
    kinds = {
        Owner.ORDER: leased.order, Owner.LINE: leased.line, Owner.CALL: leased.call, Owner.ENDING: leased.ending,
    }  # fmt: skip
    owner, record = next((owner, record) for owner, record in kinds.items() if record is not None)
    stuck = replace(record.effects[leased.effect], leased_at=0, parked=1, why=why)
    change = RecordChange(owner, record.id, record.version, put=(Put(leased.effect, PARKED, stuck),))
    saved = yield from save(Commit("", (change,), leased.held))
    return "parked" if saved.word is CommitResult.OK else "performed"
