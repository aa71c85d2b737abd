"""The clock of a worker process: wakes lanes with effects due, and does their work itself where no other does."""

import asyncio
import logging
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic

from msgspec.structs import replace

from consent_engine.domain.days import GREENWICH
from consent_engine.domain.effects import Lane, Millis
from consent_engine.engine.engine import Engine
from consent_engine.engine.metrics import ASKED_WITHIN_MS, Health, health_of, targets_of
from consent_engine.engine.slice import TICK_S
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import LaneDepth
from consent_engine.ports.registry import BSS, EndpointKnown, WorkerReport
from workers.jobs import SLICE_S, result_of

log = logging.getLogger(__name__)
OVER_MS = 10_000
"""Over how long the retries that waited for the end of an outage are spread."""
REPORTED_WITHIN_MS = 60_000
"""How long reports of a gateway that answers again may still settle what is in doubt: then it is sent once more."""
LATE_MS = 2_000
"""How much later than it may last a call of an outage may be recorded."""


Then = Callable[[], object]


def tell_outages(engine: Engine) -> None:
    """Log outages and their ends that no worker has logged yet, by what all have heard; after an end, what waits for a
    retry waits no longer, and what is in doubt no longer than a gateway's reports take. Raises StoreUnavailable.
    """
    registry = engine.registry
    for each in health_of(registry, targets_of(engine.outside), registry.now()):
        known, tell = _outage(engine, each)
        known, see_to = _doubts(engine, each, known)
        # The worker whose change is kept does what belongs to it: the others see that it was done.
        if known is not each.known and registry.know(each.target, each.known, known):
            tell()
            see_to()


def _nothing() -> None:
    """Do nothing."""


def _outage(engine: Engine, health: Health) -> tuple[EndpointKnown, Then]:
    """Return what is known once an outage, or its end, is logged, and what does so."""
    known = health.known
    if known.logged and known.answered > known.logged:
        return replace(known, logged=0, refusal_logged=0), partial(_ended, engine, health)
    since, line = _clock(known.since), "%s %s: consent doctor; nothing is lost meanwhile"
    if health.refusing and not known.refusal_logged:  # its end is logged once, whichever way it began
        said = f"is refusing our account, and has taken nothing since {since}"
        new = replace(known, logged=known.logged or known.since, refusal_logged=known.since)
        return new, partial(log.warning, line, health.words, said)
    if health.is_down and not known.logged:
        said = f"has not answered since {since}, {health.failed_share:.0%} of calls fail"
        return replace(known, logged=known.since), partial(log.warning, line, health.words, said)
    return known, _nothing


def _ended(engine: Engine, health: Health) -> None:
    # Those that another one has not taken are tried once too early: that costs a call.
    lane, known, now = Lane.ACTIVATION if health.target.to == BSS else Lane.SMS, health.known, health.now
    count = engine.lanes.bring_forward(lane, now + OVER_MS, now + ASKED_WITHIN_MS, over=OVER_MS)
    log.warning(
        "%s answers again: no answer since %s, for %d s; %d retries wait %d s at most",
        health.words, _clock(known.logged), (known.answered - known.logged) // 1000, count, OVER_MS // 1000,
    )  # fmt: skip


def _doubts(engine: Engine, health: Health, known: EndpointKnown) -> tuple[EndpointKnown, Then]:
    """Let what a gateway left in doubt wait no longer than its reports take, once it answers again: also after a moment
    that is no outage. Calls that began before may end later: doubts are looked for once all of them are over.
    """
    to, name = health.target
    if to == BSS or not engine.outside.gateways[name].reports:
        return known, _nothing
    if health.failing and not known.stalled:
        return replace(known, stalled=known.since), _nothing
    if known.stalled and known.answered > known.stalled:
        return replace(known, stalled=0, back=known.back or health.now), _nothing
    if known.back and health.now - known.back > engine.call_ms + LATE_MS:
        return replace(known, back=0), partial(_hurry, engine, name, known.back + REPORTED_WITHIN_MS)
    return known, _nothing


def _hurry(engine: Engine, gateway: str, until: Millis) -> None:
    """Let what is in doubt at a gateway wait until then at most."""
    engine.lanes.bring_forward(Lane.SMS, until, until + ASKED_WITHIN_MS, doubtful=gateway, over=OVER_MS)


def _clock(at: Millis) -> str:
    return f"{GREENWICH.at(at):%Y-%m-%dT%H:%M:%SZ}"


TAKEN_TICKS = 10
"""For how many ticks the clock performs a silent lane, before it checks whether a worker leases there again."""
TRIM_EVERY_S = 600.0
MOST_EXPIRED = 500
"""Most records of each kind that are deleted from SQL at a time."""
TELL_EVERY = 60
"""Lasting trouble is logged again after this many ticks."""


class Clock(threading.Thread):
    """A thread that ticks until stopped, with its own loop and engine. Trouble is logged and counted, none ends it."""

    def __init__(
        self,
        make: Callable[[], Engine],
        name: str,
        lanes: Sequence[Lane],
        land_s: float,
        tick_s: float = TICK_S,
    ) -> None:
        super().__init__(name="clock", daemon=True)
        self._make = make
        self._worker = name
        self._lanes = lanes
        self._land_s = land_s
        self._tick_s = tick_s
        self._silence = Silence(int(tick_s * 1000))
        self._leased: Counter[Lane] = Counter()
        self._looked_at = monotonic()
        self._trim_at = self._expire_at = 0.0
        self._ending = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self.troubles: Counter[str] = Counter()
        self._in_a_row = 0

    def stop(self) -> None:
        """End after this tick; calls in flight may end first. `join` waits for it."""
        self._ending.set()
        if self._loop is not None and self._stopped is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopped.set)

    def run(self) -> None:
        asyncio.run(self._ticks())

    async def _ticks(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        engine = self._make()
        while not self._ending.is_set():
            try:
                await self._tick(engine)
            except Exception as error:  # noqa: BLE001 - the edge: a clock that dies wakes nobody
                self._trouble(error)
            else:
                self._in_a_row = 0
            await self._pause(self._stopped)
        left = await engine.performer.land(self._land_s)
        if left:
            log.warning("the clock leaves %d calls in flight: they are taken up again when their leases expire", left)

    async def _pause(self, stopped: asyncio.Event) -> None:
        try:
            # Jittered: clocks that started together must not all look at the same moment.
            await asyncio.wait_for(stopped.wait(), self._tick_s * random.uniform(0.8, 1.2))  # noqa: S311
        except TimeoutError:
            return

    async def _tick(self, engine: Engine) -> None:
        depths = engine.depths()
        for lane, depth in depths.items():
            if depth.due:
                engine.queue.wake(lane, depth.due)
        flying, troubles = engine.performer.in_flight(), self.troubles.total()
        engine.registry.announce(self._worker, WorkerReport(os.getpid(), tuple(self._lanes), flying, troubles))
        for lane, depth in depths.items():
            engine.performer.measures.late(lane, depth.late / 1000)
        engine.performer.measures.report(engine.registry)
        tell_outages(engine)
        self._trim(engine)
        await self._expire(engine)
        standing = [lane for lane in self._lanes if engine.performer.gate.is_paused(lane)]
        for lane in self._silent({lane: depth for lane, depth in depths.items() if lane not in standing}):
            await self._perform(engine, lane)

    def _trim(self, engine: Engine) -> None:
        """Now and then delete from Redis the records past retention."""
        if monotonic() < self._trim_at:
            return
        self._trim_at = monotonic() + TRIM_EVERY_S
        if gone := engine.inbox.trim():
            log.info(
                "%d unmatched messages and entries about lifted restrictions were too old, or too many: deleted", gone
            )

    async def _expire(self, engine: Engine) -> None:
        """Now and then delete from SQL the rows past retention: a little a tick, until nothing is left."""
        archive = engine.store.archive
        if archive is None or monotonic() < self._expire_at:
            return
        self._expire_at = monotonic() + TRIM_EVERY_S
        try:
            done = await asyncio.to_thread(archive.expire, engine.registry.now(), MOST_EXPIRED)
        except ArchiveUnavailable as error:
            log.error("data past retention could not be deleted from SQL: %s", error)
            return
        if done:
            self._expire_at = 0.0  # there may be more
            template = "past retention: person parts of %d records, %d orders, %d calls, %d reports and endings deleted"
            log.info(template, done.persons, done.orders, done.calls, done.records)

    def _silent(self, depths: Mapping[Lane, LaneDepth]) -> list[Lane]:
        """Return the lanes to perform now: those found silent, for some ticks, while they have effects due."""
        now = monotonic()
        passed_ms, self._looked_at = int((now - self._looked_at) * 1000), now
        for lane in self._silence.look(depths, passed_ms):
            if lane in self._lanes and not self._leased[lane]:
                late = depths[lane].late / 1000
                log.warning(
                    "%s is silent: no worker takes an effect %.1f s late: the clock performs the lane", lane, late
                )
                self._leased[lane] = TAKEN_TICKS
        found = [lane for lane in self._lanes if self._leased[lane]]
        self._leased.subtract(found)
        return [lane for lane in found if lane in depths and depths[lane].due]

    async def _perform(self, engine: Engine, lane: Lane) -> None:
        tally = await engine.performer.perform(lane, SLICE_S)
        counts = ", ".join(f"{word} {count}" for word, count in result_of(lane, tally.counts).items())
        log.info("%s performed by the clock: %s", lane, counts)

    def _trouble(self, error: Exception) -> None:
        self.troubles[type(error).__name__] += 1
        self._in_a_row += 1
        if self._in_a_row % TELL_EVERY == 1:
            log.error("the clock's look failed (%d in a row): %s", self._in_a_row, type(error).__name__)


SILENT_TICKS = 3
_SAME_MS = 50
"""Tolerance for taking the oldest effect for the same one: leases take it first, so it is later by the time passed."""


class Silence:
    """The search for silent lanes, once a tick."""

    def __init__(self, tick_ms: int) -> None:
        self._tick_ms = tick_ms
        self._late: dict[Lane, int] = {}
        self._unmoved: dict[Lane, int] = {}

    def look(self, depths: Mapping[Lane, LaneDepth], passed_ms: int) -> list[Lane]:
        """Return the silent lanes. passed_ms: time since the last look."""
        for lane, depth in depths.items():
            before = self._late.get(lane)
            unmoved = depth.due and before is not None and depth.late >= before + passed_ms - _SAME_MS
            self._unmoved[lane] = self._unmoved.get(lane, 0) + 1 if unmoved else 0
            if depth.due:
                self._late[lane] = depth.late
            else:
                self._late.pop(lane, None)
        return [lane for lane, depth in depths.items() if self._silent(lane, depth)]

    def _silent(self, lane: Lane, depth: LaneDepth) -> bool:
        return self._unmoved[lane] >= SILENT_TICKS and depth.late > SILENT_TICKS * self._tick_ms
