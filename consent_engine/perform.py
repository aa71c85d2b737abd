"""Performing a lane: lease what is due, do it, record what came of it, until nothing is due or the time is over.

Outside calls fly on the caller's event loop without a barrier: a call that ends frees its place at once, what has
ended is committed together, and one slow call holds nobody back. Calls still in flight when a slice ends go on, and
are recorded when they end.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Collection, Sequence
from time import monotonic

from consent_engine.archiving import MOST_WAITING, Archiver
from consent_engine.calling import call, pending_of
from consent_engine.domain.effects import (
    ACTIVATE,
    WAKE_ACTIVATE,
    WITHOUT_CALLS,
    Lane,
    Millis,
    Outcome,
    Purpose,
    Rejected,
    Uncertain,
    sms_effect,
)
from consent_engine.domain.facts import Barred, Ended, Woke
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.order import Order
from consent_engine.domain.outcomes import REFUSED
from consent_engine.domain.policy import Policy
from consent_engine.errors import BrokenRecord, ConsentError, StoreUnavailable
from consent_engine.gathering import line_timer
from consent_engine.measures import Measures
from consent_engine.pace import Pace
from consent_engine.ports import Held, Leased, Outside, Owner, Queue, Store
from consent_engine.reading import reading
from consent_engine.recording import activating_again, giving_back, line_recording, recording
from consent_engine.rounds import Step, drive
from consent_engine.tally import Tally, word_of

log = logging.getLogger(__name__)
BATCH = 200
GATHER_S = 0.002
"""How long what has ended waits for others to be committed with it."""
LINGER_S = 0.02
"""How long a slice with nothing left to lease waits for its calls, so that its job can say what came of them.

Others wait for the worker meanwhile: not for long."""
REDO_S = 0.2
FEW = 32
"""So many that a slice made due it does itself, at once; more are work for others, too. As `rq_queue.MUCH`."""
NOTIFICATION = sms_effect(Purpose.NOTIFICATION)


class Performer:
    """Performs lanes on one event loop, over one store. Not for several loops or threads."""

    def __init__(self, store: Store, queue: Queue, outside: Outside, policy: Policy, pace: Pace) -> None:
        self._store = store
        self._queue = queue
        self._outside = outside
        self._policy = policy
        self._in_flight = pace.in_flight
        self._startable_s = pace.startable_s
        self._watch = pace.watch
        self._flying: dict[Lane, set[asyncio.Task[None]]] = {lane: set() for lane in Lane}
        self._ended: list[tuple[Leased, float, Outcome | None]] = []
        self._tallies: dict[Lane, Counter[str]] = {lane: Counter() for lane in Lane}
        self._told: dict[Lane, Counter[str]] = {lane: Counter() for lane in Lane}
        self._archiver = Archiver(store, self._archived)
        self._landing: asyncio.Task[None] | None = None
        self._ours: frozenset[Lane] = frozenset()
        self._performing: Lane | None = None
        self._made_due: Counter[Lane] = Counter()
        self.measures = Measures()
        self._progress = asyncio.Event()

    async def perform(self, lane: Lane, seconds: float) -> Tally:
        """One slice: at most about `seconds` long. Raises StoreUnavailable when the store cannot be reached."""
        end = monotonic() + seconds
        self._performing = lane
        try:
            left = await (self._settle(lane, end) if lane in WITHOUT_CALLS else self._call(lane, end))
        finally:
            self._performing = None
        if lane is Lane.TIMER:
            await self._archiver.rest()
        # What ended between slices is told by the next one: a job's result misses nothing.
        done = self._tallies[lane] - self._told[lane]
        self._told[lane] = self._tallies[lane].copy()
        return Tally(done, left)

    async def perform_on(self, lane: Lane, seconds: float, lanes: Collection[Lane]) -> dict[Lane, Tally]:
        """As `perform`; what that made due in other lanes is done at once when it is little and in `lanes`.

        Whoever is awake need wake nobody. Not for a lane of calls: what they make due would wait for their end.
        """
        end = monotonic() + seconds
        self._ours = frozenset(lanes) - {lane} if lane in WITHOUT_CALLS else frozenset()
        tallies: dict[Lane, Tally] = {}
        try:
            tallies[lane] = await self.perform(lane, seconds)
        finally:
            self._ours = frozenset()
            due, self._made_due = self._made_due, Counter()
            if not tallies or monotonic() >= end:
                for each, count in due.items():
                    self._queue.wake(each, count)
                due.clear()
        for each, count in due.items():
            try:
                tallies[each] = await self.perform(each, max(end - monotonic(), 0))
            except StoreUnavailable as error:  # what was done before is told all the same
                log.error("%s: not now: %s", each, error)
                self._queue.wake(each, count)
        return tallies

    async def land(self, seconds: float) -> int:
        """Wait for calls in flight to end and be recorded; the number still in flight after `seconds`."""
        end = monotonic() + seconds
        while (self._busy() or self._ended) and monotonic() < end:
            await self._wait(end - monotonic())
        return self._busy()

    def in_flight(self) -> int:
        """Calls under way."""
        return self._busy()

    def _busy(self) -> int:
        return sum(len(tasks) for tasks in self._flying.values())

    # -- lanes without outside calls ------------------------------------------------------------------------------

    async def _settle(self, lane: Lane, end: float) -> bool:
        while True:
            leased = self._store.lease(lane, BATCH)
            if not leased:
                return False
            if lane is Lane.INBOUND:
                self._run(lane, [self._reading(each) for each in leased])
            else:
                self._run(lane, [self._waking(each) for each in self._archiver.take(leased)])
                await self._archiver.rest(MOST_WAITING)
            if monotonic() >= end:
                return True
            await asyncio.sleep(0)

    def _archived(self, word: str, count: int) -> None:
        self._tallies[Lane.TIMER][word] += count

    def _reading(self, leased: Leased) -> Step[str]:
        count = yield from reading(leased, self._policy.max_attempts)
        self._tallies[Lane.INBOUND]["messages"] += count
        return "performed"

    def _waking(self, leased: Leased) -> Step[str]:
        order = leased.order
        if order is None:
            return (yield from line_timer(leased, self._outside))
        if leased.effect == WAKE_ACTIVATE:
            return (yield from activating_again(leased))
        held = Held(Owner.ORDER, leased.effect, leased.token)
        yield from recording(order.id, Woke(leased.effect, leased.token), order=order, now=leased.at, held=held)
        return "performed"

    def _run(self, lane: Lane, steps: Sequence[Step[str]]) -> None:
        """Run steps, count how they ended, wake the lanes they made due."""
        driven = drive(self._store, steps)
        for result in driven.results:
            word = result if isinstance(result, str) else "failed"
            self._tallies[lane][word] += 1
            if word == "parked" and lane is not self._performing:
                self._queue.wake(lane, 1)  # no job is there to tell it: the next one does
            if isinstance(result, ConsentError):
                log.error("%s: an effect could not be decided: %s", lane, type(result).__name__)
        for woken, count in driven.due.items():
            if woken in self._ours and self._made_due[woken] + count <= FEW:
                self._made_due[woken] += count
            else:
                self._queue.wake(woken, count)

    # -- lanes with outside calls ---------------------------------------------------------------------------------

    async def _call(self, lane: Lane, end: float) -> bool:
        flying = self._flying[lane]
        while monotonic() < end:
            free = min(self._in_flight - len(flying), BATCH)
            leased = self._store.lease(lane, free) if free > 0 else []
            since = self._watch()
            for each in leased:
                self._start(lane, each, since)
            if free > 0 and not leased:
                await self._linger(lane, end)
                return False
            if len(leased) < free:  # all that one part of the store had: another may have more
                await asyncio.sleep(0)
            else:
                await self._wait(end - monotonic())
        return True

    async def _linger(self, lane: Lane, end: float) -> None:
        until = min(end, monotonic() + LINGER_S)
        while (self._flying[lane] or self._ended) and monotonic() < until:
            await self._wait(until - monotonic())

    async def _wait(self, seconds: float) -> None:
        """Until something was recorded, or the time is over."""
        self._progress.clear()
        try:
            await asyncio.wait_for(self._progress.wait(), max(seconds, 0.001))
        except TimeoutError:
            return

    def _start(self, lane: Lane, leased: Leased, since: float) -> None:
        if leased.barred:
            self._run(lane, [self._barring(leased)])
            return
        if leased.lost:  # started means maybe done
            self._end(leased, since, Uncertain("lease lost"))
            return
        why = pending_of(leased).why
        if why.startswith(REFUSED):
            self._end(leased, since, Rejected(why.removeprefix(REFUSED)))
            return
        task = asyncio.ensure_future(self._fly(leased, since))
        self._flying[lane].add(task)
        task.add_done_callback(lambda t: self._landed(lane, leased, since, t))

    def _barring(self, leased: Leased) -> Step[str]:
        order = leased.order
        if order is None:
            raise BrokenRecord("an activation without an order")
        fact = Barred(tuple(leased.barred), leased.at)
        yield from recording(order.id, fact, order=order, now=leased.at)
        return "barred"

    async def _fly(self, leased: Leased, since: float) -> None:
        late = self._watch() - since > self._startable_s
        # What is left of the lease is shorter than a call: give it back, nothing was begun.
        outcome = None if late else await call(self._outside, leased)
        if outcome is not None:
            to = "bss" if leased.effect == ACTIVATE else "gateway"
            self.measures.called(to, type(outcome).__name__.lower(), self._watch() - since)
        self._end(leased, since, outcome)

    def _landed(self, lane: Lane, leased: Leased, since: float, task: asyncio.Task[None]) -> None:
        self._flying[lane].discard(task)
        if task.cancelled():
            return
        defect = task.exception()
        if defect is not None:  # an adapter broke its promise: the call may have been made
            log.error("%s: defect in an outside call: %s", lane, type(defect).__name__)
            self._end(leased, since, Uncertain(f"defect: {type(defect).__name__}"))

    def _end(self, leased: Leased, since: float, outcome: Outcome | None) -> None:
        self._ended.append((leased, since, outcome))
        if self._landing is None or self._landing.done():
            self._landing = asyncio.ensure_future(self._land())

    async def _land(self) -> None:
        """Record what has ended, all of it together, until nothing has."""
        while self._ended:
            await asyncio.sleep(GATHER_S if self._busy() else 0)
            ended, self._ended = self._ended, []
            try:
                for lane in (Lane.SMS, Lane.ACTIVATION):
                    ours = [each for each in ended if (each[0].effect == ACTIVATE) == (lane is Lane.ACTIVATION)]
                    self._run(lane, [self._recording(*each) for each in ours])
            except StoreUnavailable as error:
                log.error("outcomes cannot be recorded now: %s", error)
                self._ended = ended + self._ended  # recorded when the store is back; a repeat is recognised
                await asyncio.sleep(REDO_S)
            self._progress.set()

    def _recording(self, leased: Leased, since: float, outcome: Outcome | None) -> Step[str]:
        """Record an outcome at the store's instant: the lease's, plus what passed since by a clock that never jumps."""
        now = leased.at + int((self._watch() - since) * 1000)
        if outcome is None:
            yield from giving_back(leased, now)
            return "given_back"
        ended = Ended(leased.effect, leased.token, outcome, random.random())  # noqa: S311 - jitter
        if leased.order is None:
            pending = yield from line_recording(leased, ended, self._policy, now)
        else:
            held = Held(Owner.ORDER, leased.effect, leased.token)
            after = yield from recording(leased.order.id, ended, order=leased.order, now=now, held=held)
            pending = after.effects.get(leased.effect)
            self._measure(leased, after, now)
        return word_of(outcome, parked=bool(pending and pending.parked))

    def _measure(self, leased: Leased, after: Order, now: Millis) -> None:
        activated = after.last(Trigger.SERVICE_ACTIVATED)
        if leased.effect == NOTIFICATION and after.state is State.NOTIFIED and activated is not None:
            self.measures.notified((now - activated.at) / 1000)
