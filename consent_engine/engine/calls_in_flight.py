"""Calls in flight: a call that ends frees its place at once, and ended calls are recorded together.

There is no barrier: a slow call delays no other. Calls outlive the slice that started them, and are recorded when
they end.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Collection, Coroutine, Sequence
from time import monotonic
from typing import Any, NamedTuple

from consent_engine.domain.defects import place_of
from consent_engine.domain.effects import ACTIVATE, DEACTIVATE, Lane, Outcome, Uncertain
from consent_engine.engine.ask_holder import looked_up
from consent_engine.engine.limits import Pace
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.engine.metrics import Measures
from consent_engine.engine.outside_call import call
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import Endpoint, Leased, Outside, Store
from consent_engine.ports.outside import MAY_GO

log = logging.getLogger(__name__)
GATHER_S = 0.004
"""How long ended calls wait to be recorded together."""
REDO_S = 0.2
LOOK_AGAIN_S, LOOKS = 0.2, 3
"""An activation that begins more than LOOK_AGAIN_S after it was leased is checked again with the store, together with
others that are late, then before its call and once the connection stands; after LOOKS checks of its own it is given
back. So an activation begins at most this long after a STOP was acknowledged."""


class _Start(NamedTuple):
    """A call that is to begin, of an effect that was leased between `asked` and `since`."""

    leased: Leased
    since: float
    asked: float


class Landed(NamedTuple):
    """A leased effect whose call ended. since: its lease, by the watch · outcome: None where it was too late to begin ·
    event: an event of its line that the look-up found."""

    leased: Leased
    since: float
    outcome: Outcome | None
    event: LineEventAsked | None = None

    @property
    def lane(self) -> Lane:
        """The lane of the call."""
        return Lane.ACTIVATION if self.leased.effect in {ACTIVATE, DEACTIVATE} else Lane.SMS


class Flights:
    """Calls in flight on one event loop.

    record: saves ended calls; after StoreUnavailable it is called again with them: a repeat is recognised
    """

    def __init__(
        self, outside: Outside, pace: Pace, measures: Measures, record: Callable[[Sequence[Landed]], None], store: Store
    ) -> None:
        self._outside = outside
        self._pace = pace
        self._measures = measures
        self._record = record
        self._store = store
        self._flying: dict[Lane, set[asyncio.Task[None]]] = {lane: set() for lane in Lane}
        self._starting: dict[Lane, list[_Start]] = {lane: [] for lane in Lane}
        self._landed: list[Landed] = []
        self._recorder: asyncio.Task[None] | None = None
        self._recorded = asyncio.Event()
        self._unrecorded = LogOnChange(log, "outcomes cannot be recorded now")

    def free(self, lane: Lane) -> int:
        """Return how many more calls of a lane may begin."""
        return self._pace.in_flight - len(self._flying[lane]) - len(self._starting[lane])

    def count(self, lanes: Collection[Lane] = tuple(Lane)) -> int:
        """Return how many calls are in flight."""
        return sum(len(self._flying[lane]) for lane in lanes)

    def start(self, lane: Lane, leased: Leased, since: float, asked: float) -> None:
        """Have the call of an effect begin with the next `begin`; it was leased between `asked` and `since`."""
        self._starting[lane].append(_Start(leased, since, asked))

    def begin(self) -> None:
        """Begin the calls that are to begin. Of activations that are late for it all are checked together: one by one
        they would make each other later still.
        """
        for lane, starting in self._starting.items():
            while starting:
                if self._is_late(starting[0].leased, starting[0].asked):
                    starting[:] = self._checked(starting)
                for each in starting[:1]:
                    del starting[:1]
                    self._begin(lane, *each)

    def _checked(self, starting: Sequence[_Start]) -> list[_Start]:
        """Check activations with the store; return the calls that may begin. The others are given back."""
        asked, going = self._pace.watch(), list[_Start]()
        checked = iter(self._may_begin([each.leased for each in starting if each.leased.effect == ACTIVATE]))
        for each in starting:
            if each.leased.effect != ACTIVATE or next(checked):
                going.append(each._replace(asked=asked))
            else:
                self.land(each.leased, each.since, None)
        return going

    def _begin(self, lane: Lane, leased: Leased, since: float, asked: float) -> None:
        task = _begun(self._fly(leased, since, asked))
        if task.done():
            self._ended(lane, leased, since, task)
            return
        self._flying[lane].add(task)
        task.add_done_callback(lambda t: self._ended(lane, leased, since, t))

    def land(self, leased: Leased, since: float, outcome: Outcome | None, event: LineEventAsked | None = None) -> None:
        """Have an outcome recorded, soon and together with others."""
        self._landed.append(Landed(leased, since, outcome, event))
        if self._recorder is None or self._recorder.done():
            self._recorder = asyncio.ensure_future(self._record_all())

    async def wait(self, seconds: float) -> None:
        """Wait until something was recorded, or the time is over."""
        self._recorded.clear()
        try:
            await asyncio.wait_for(self._recorded.wait(), max(seconds, 0.001))
        except TimeoutError:
            return

    async def finish(self, until: float, lanes: Collection[Lane] = tuple(Lane)) -> int:
        """Wait for the calls of lanes to end and be recorded, until an instant; return how many are in flight then."""
        while (self.count(lanes) or self._landed) and (left := until - monotonic()) > 0:
            await self.wait(left)
        return self.count(lanes)

    async def _fly(self, leased: Leased, since: float, asked: float) -> None:
        looked = await looked_up(self._outside, leased)
        begun = since if looked is None else self._measure(looked.target, looked.measured, leased, since, since)
        answers: list[bool] = []

        def may_go() -> bool:  # asked once a connection stands: each part of an SMS has its own
            answers.append(self._begins(leased, since, asked))
            return answers[-1]

        outcome = None
        if self._begins(leased, since, asked):
            MAY_GO.set(may_go)  # for this task only
            called = await call(self._outside, leased, looked and looked.ends)
            if any(answers) or not answers:  # else nothing was sent
                outcome = called.outcome
                if called.target is not None:
                    self._measure(called.target, outcome, leased, since, begun)
        self.land(leased, since, outcome, looked and looked.event)

    def _measure(self, target: Endpoint, outcome: Outcome, leased: Leased, since: float, begun: float) -> float:
        """Count a call that began at `begun` and has just ended; return its end, by the watch."""
        ended = self._pace.watch()
        self._measures.called(target, outcome, ended - begun, leased.at + int((ended - since) * 1000))
        return ended

    def _begins(self, leased: Leased, since: float, asked: float) -> bool:
        """Whether the call may begin at this instant; if not, it is given back, with nothing begun.

        It may not when the rest of the lease is shorter than a call. An activation that was leased a while ago, by a
        process that stood still or with a slow store, may have been refused since: the store is asked again.
        """
        watch = self._pace.watch
        for _ in range(LOOKS):
            if watch() - since > self._pace.startable_s:
                return False
            if not self._is_late(leased, asked):
                return True
            asked = watch()
            if not self._may_begin([leased])[0]:
                return False
        return watch() - asked <= LOOK_AGAIN_S

    def _is_late(self, leased: Leased, asked: float) -> bool:
        return leased.effect == ACTIVATE and self._pace.watch() - asked > LOOK_AGAIN_S

    def _may_begin(self, leased: Sequence[Leased]) -> list[bool]:
        try:
            return self._store.lanes.may_begin(leased)
        except StoreUnavailable as error:
            log.error("%d activations were not begun: the store cannot confirm them: %s", len(leased), error)
            return [False] * len(leased)

    def _ended(self, lane: Lane, leased: Leased, since: float, task: asyncio.Task[None]) -> None:
        self._flying[lane].discard(task)
        if task.cancelled():
            return
        defect = task.exception()
        if defect is not None:  # an adapter broke its promise: the call may have been made
            log.error("%s: defect in an outside call: %s", lane, place_of(defect))
            self.land(leased, since, Uncertain(f"defect: {type(defect).__name__}"))

    async def _record_all(self) -> None:
        """Record all ended calls together, until none are left. Each part of the store is saved by itself: an
        unreachable part does not hold up the outcomes of another.
        """
        while self._landed:
            await asyncio.sleep(GATHER_S if self.count() else 0)
            landed, self._landed = self._landed, []
            failed, parts = None, dict[int, list[Landed]]()
            for each in landed:
                parts.setdefault(self._store.records.part(each.leased.held.record), []).append(each)
            for some in parts.values():
                try:
                    self._record(some)
                except StoreUnavailable as error:
                    failed = error
                    self._landed = some + self._landed
            if failed is None:
                self._unrecorded.over()
            else:
                self._unrecorded.met(failed)
                await asyncio.sleep(REDO_S)
            self._recorded.set()


def _begun(call: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Return a task that has begun: nothing else runs before its first wait. Python 3.11 begins it later."""
    if sys.version_info < (3, 12):
        return asyncio.ensure_future(call)
    return asyncio.Task(call, loop=asyncio.get_running_loop(), eager_start=True)
