"""Performing a lane: lease due effects, do them, record the outcomes, until nothing is due or the time is over.

Outside calls run on the caller's event loop (`calls_in_flight`). Calls still in flight when a slice ends go on, and are
recorded when they end.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from time import monotonic

from consent_engine.domain.call.ending import Ending
from consent_engine.domain.effects import NOTIFICATION, WITHOUT_CALLS, Lane, Millis, Outcome, Throttled, lane_of
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.offer.versions import Listed
from consent_engine.domain.order.facts import Ended
from consent_engine.domain.order.order import QUESTION, Order, Retention
from consent_engine.engine.calls_in_flight import Flights, Landed, known_outcome
from consent_engine.engine.change_order import barring, giving_back, line_recording, recording
from consent_engine.engine.endings import end_recording
from consent_engine.engine.leave import MOST_WAITING, Mover
from consent_engine.engine.line_events import LineEventAsked, recording_event_on
from consent_engine.engine.metrics import Measures, targets_of
from consent_engine.engine.order_cache import LeaseOnCommit, OrderCache
from consent_engine.engine.pausing import LOOK_S, OPEN, Gate
from consent_engine.engine.read_inbox import reading
from consent_engine.engine.revoking import revoked_on
from consent_engine.engine.round_trips import Step, drive
from consent_engine.engine.slice import Pace, Slice, Tally, word_of
from consent_engine.engine.timers import waking
from consent_engine.errors import ConsentError, StoreUnavailable
from consent_engine.ports import Leased, Outside, Queue, Route, Store, Work, kind_of

log = logging.getLogger(__name__)
BATCH = 200
KEPT = Retention()
FOR_A_PERSON = "the subscriber's last reply may be a refusal: a person decides first"
AGAIN_MS = 60_000
"""Delay before a question that waits for a person is looked at again."""
MISSED_S, MOST_MISSED = 0.02, 2
"""How much later a process comes back that found a rate used up; twice as much each time, so often at most."""
LINGER_S = 0.02
"""How long a slice with nothing left to lease waits for its calls, so that its job can report their outcomes. Other
jobs wait for the worker meanwhile, so this is short."""


class Performer:
    """The performer of lanes on one event loop, over one store. Not for several loops or threads. plans: returns those
    known lately · keep: how long person parts are kept
    """

    def __init__(
        self, store: Store, queue: Queue, outside: Outside, policy: Policy, pace: Pace, gate: Gate = OPEN,
        plans: Callable[[], Mapping[str, Listed]] = dict, *, keep: Retention = KEPT,
        measures: Measures | None = None,
    ) -> None:  # fmt: skip
        self.gate = gate
        self._plans = plans
        self._keep = keep
        self._store = store
        self._queue = queue
        self._outside = outside
        self._policy = policy
        self._watch = pace.watch
        self._unreported: dict[Lane, Counter[str]] = {lane: Counter() for lane in Lane}
        self._under_way: Slice | None = None
        self.awake: frozenset[Lane] = frozenset()
        self._routed, self._route = cache(outside.routed), cache(outside.route)
        self._behind: set[Work] = set()
        self._again: dict[Work, asyncio.TimerHandle] = {}
        self._missed: Counter[Work] = Counter()
        self._mover = Mover(store, self._left)
        self.measures = measures or Measures(targets_of(outside), pace.call_ms / 1000)
        self._flights = Flights(outside, pace, self.measures, self._finish, store, gate.is_shut)
        self._known = OrderCache(pace, lambda: bool(self.awake))
        self._carry = LeaseOnCommit(self._work, self._room, self._start, pace)

    async def perform(self, lane: Lane, seconds: float) -> Tally:
        """Perform one slice of about `seconds` at most. Raises StoreUnavailable when the store cannot be reached."""
        return await self._perform(Slice(lane, monotonic() + seconds))

    async def perform_on(self, lane: Lane, seconds: float, lanes: Collection[Lane]) -> dict[Lane, Tally]:
        """As `perform`; effects that became due in other lanes are done at once when they are few and in `lanes`.

        A worker that is awake need wake no other. Not for a lane of calls: effects made due by a call would wait for
        its end.
        """
        own = frozenset(lanes) - {lane} if lane in WITHOUT_CALLS else frozenset()
        first = Slice(lane, monotonic() + seconds, own)
        tallies: dict[Lane, Tally] = {}
        try:
            tallies[lane] = await self._perform(first)
        finally:
            if not tallies or first.is_over:
                self._wake(first.made_due)
                first.made_due.clear()
        for each, count in first.made_due.items():
            try:
                tallies[each] = await self._perform(Slice(each, first.end))
            except StoreUnavailable as error:  # earlier tallies are returned all the same
                log.error("%s: cannot be performed now: %s", each, error)
                self._queue.wake(each, count)
        return tallies

    def look(self, lanes: Collection[Lane]) -> int:
        """Record new messages; lease all that is due then in lanes of calls, and begin it; return how many.

        It waits for no call: for a caller that looks again soon, and says so in `awake`, so that nobody is woken for
        these lanes. Raises StoreUnavailable when the store cannot be reached.
        """
        came = self._store.lanes.lease(Lane.INBOUND, self._places(Lane.INBOUND) if Lane.INBOUND in lanes else 0)
        self._record([(Lane.INBOUND, self._reading(each, self._watch())) for each in came])
        begun = self._begin([work for lane in lanes if lane is not Lane.INBOUND for work in self._works(lane)])
        return len(came) + begun + self._carry.begun()

    def full(self, lanes: Collection[Lane]) -> list[Lane]:
        """Return the lanes where no call may begin before another has ended: of SMS, to one of its gateways."""
        return [lane for lane in lanes if not all(map(self._stays, self._full(lane)))]

    def _work(self, effect: str, carrier: str) -> Work:
        """Return the work that an effect is part of. carrier: of an SMS"""
        lane = lane_of(effect)
        return self._route(carrier, self.gate.passed_over) if lane is Lane.SMS else lane

    def _works(self, lane: Lane) -> Sequence[Work]:
        """Return the parts of a lane. Raises as `Gate.look` does."""
        self.gate.look()
        return self._routed(self.gate.passed_over) if lane is Lane.SMS else [lane]

    def _full(self, lane: Lane) -> list[Work]:
        return [work for work in self._works(lane) if self._places(work) <= 0]

    def _stays(self, work: Work) -> bool:
        """Whether what is due stays though there are places: it is paused, its gateway is away, or its rate used up."""
        return self.gate.is_paused(work) or self.gate.away(work) > 0 or work in self._again

    def _places(self, work: Work) -> int:
        """Return how many more effects can be leased at once."""
        if self.gate.is_paused(work) or work in self._again:
            return 0
        return BATCH if work in WITHOUT_CALLS else min(self._flights.free(work), BATCH)

    def _room(self, work: Work) -> int:
        """Return how many more calls may begin as soon as they are due: only in a lane that is looked at anyway, and
        where no effect waits that was due before, nor the lease counts how many begin.
        """
        counted = self.gate.away(work) or (isinstance(work, Route) and work.rate)
        goes = kind_of(work) in self.awake and work not in self._behind and not counted
        return self._places(work) if goes else 0

    def drained(self) -> dict[Lane, Counter[str]]:
        """Return the counts of work since a slice last returned them, lane by lane."""
        done = {lane: +counts for lane, counts in self._unreported.items() if +counts}
        self._unreported |= {lane: Counter() for lane in done}
        return done

    async def land(self, seconds: float) -> int:
        """Wait for calls in flight to end and be recorded; return the number in flight after `seconds`. None begins
        because a rate allows it.
        """
        while self._again:
            self._again.popitem()[1].cancel()
        return await self._flights.finish(monotonic() + seconds)

    def in_flight(self) -> int:
        """Return the number of calls under way."""
        return self._flights.count()

    async def _perform(self, one: Slice) -> Tally:
        self._under_way = one
        try:
            self.gate.begin()
            stands = self.gate.is_paused(one.lane)
            left = not stands and await (self._settle(one) if one.lane in WITHOUT_CALLS else self._call(one))
            if one.lane is Lane.TIMER:
                await self._mover.rest()
        finally:
            self._under_way = None
        # Calls that ended between slices count in the next slice's tally: a job's result misses nothing.
        done, self._unreported[one.lane] = +self._unreported[one.lane], Counter()
        return Tally(done, left)

    async def _settle(self, one: Slice) -> bool:
        """Lease and record in a lane without outside calls; return whether effects may be left."""
        while leased := self._store.lanes.lease(one.lane, BATCH):
            if one.lane is Lane.INBOUND:
                self._record([(one.lane, self._reading(each, self._watch())) for each in leased])
            else:
                due = self._mover.enqueue(leased)
                self._record(
                    [(one.lane, waking(each, self._outside, self.measures.unasked, self._keep)) for each in due]
                )
                await self._mover.rest(MOST_WAITING)
            if one.is_over:
                return True
            await asyncio.sleep(0)
        return False

    async def _call(self, one: Slice) -> bool:
        """Lease and start calls in a lane of calls, as places become free; return whether effects may be left.

        A slice does not stay for the sake of a gateway that is slow: `_finish` has its places filled again.
        """
        while not one.is_over:
            works = self._works(one.lane)
            leased, full = self._begin(works), self._full(one.lane)
            if leased and len(full) < len(works):  # another part of the store may have more, or another gateway
                await asyncio.sleep(0)
            elif len(full) == len(works) and not any(map(self._stays, works)):
                await self._flights.wait(one.end - monotonic())
            else:
                soon = min(one.end, monotonic() + LINGER_S)
                await self._flights.finish(soon, [work for work in works if work not in full])
                return False
        return True

    def _begin(self, works: Collection[Work]) -> int:
        """Lease once, in one round trip, and start the calls; return how many were leased. works: calls"""
        free = {work: places for work in works if (places := self._places(work)) > 0}
        asked = self._watch()
        away = {work: passed for work in free if (passed := self.gate.away(work))}
        leased = self._store.lanes.lease_each(free, away)
        since = self._watch()
        self._behind -= free.keys()
        for of, wait in leased.waits.items():
            self._rest(of, wait, missed=not leased[of])
        full = {each for each in works if len(leased.get(each, ())) >= free.get(each, 0)}
        self._behind |= full - self._again.keys()  # more may be due
        work: list[tuple[Lane, Step[str]]] = []
        for of, each in [(of, each) for of, some in leased.items() for each in some]:
            lane = kind_of(of)
            self._known.leased(each, asked)
            if lane is Lane.SMS and _awaits_person(each):
                work.append((lane, self._putting_off(each, since)))
            elif each.barred:
                work.append((lane, barring(each)))
            elif (known := known_outcome(each)) is not None:
                self._flights.land(each, since, known)
            else:
                self._flights.start(each.work, each, since, asked)
        self._flights.begin()
        self._record(work)  # after the calls began: an unavailable store must not lose them
        return sum(map(len, leased.values()))

    def _rest(self, work: Work, wait: Millis, *, missed: bool) -> None:
        """Lease nothing of a gateway until its rate allows more; then no job need be there. A process that came too
        late for any comes back later each time: so one keeps up with the rate, and the others hardly ask. None stays
        away for longer than the look of the gate lasts: a gateway may have answered by then.
        """
        self._missed[work] = min(self._missed[work] + 1, MOST_MISSED) if missed else 0
        later = min(wait / 1000, LOOK_S) + MISSED_S * (2 ** self._missed[work] - 1)
        self._again[work] = asyncio.get_running_loop().call_later(later, self._refill, work)

    def _refill(self, work: Work) -> None:
        del self._again[work]
        try:
            self._begin([each for each in self._works(Lane.SMS) if each == work])  # of the carriers that it has now
        except StoreUnavailable as error:  # the clock finds what is due
            log.error("%s: cannot be leased now: %s", kind_of(work), error)

    def _start(self, work: Work, leased: Leased, since: float, asked: float) -> None:
        self._known.leased(leased, asked)
        self._flights.start(work, leased, since, asked)

    def _finish(self, landed: Sequence[Landed]) -> Sequence[Landed]:
        for each in landed:
            if isinstance(each.outcome, Throttled) and isinstance(of := each.leased.work, Route):
                self._store.lanes.too_many(of.gateway)
        results = self._record([(each.lane, self._finishing(*each)) for each in landed])
        freed = {each.leased.work for each in landed} & self._behind
        own = self._under_way and self._under_way.lane
        self._wake({lane: 1 for lane in map(kind_of, freed) if lane is not own})
        return [each for each, result in zip(landed, results, strict=True) if type(result) is StoreUnavailable]

    def _record(self, work: Sequence[tuple[Lane, Step[str]]]) -> Sequence[str | ConsentError]:
        """Run steps, count and return their results, and wake the lanes in which effects became due."""
        if not work:
            return ()
        steps = [self._known.after(step) for _, step in work]
        try:
            driven, under_way = drive(self._store, steps), self._under_way
        finally:
            self._flights.begin()  # what was leased with a commit
        words: dict[Lane, Counter[str]] = {}
        for (lane, _), result in zip(work, driven.results, strict=True):
            word = "failed" if isinstance(result, ConsentError) else result
            words.setdefault(lane, Counter())[word] += 1
            if isinstance(result, ConsentError):
                log.error("%s: an effect could not be decided: %s", lane, type(result).__name__)
        for lane, counted in words.items():
            self._unreported[lane] += counted
            self.measures.performed(lane, counted.total() - counted["given_back"])
            if counted["parked"] and (under_way is None or lane is not under_way.lane):
                self._queue.wake(lane, 1, more=True)  # no job is there to report it: the next one does
        self._wake({n: c for n, c in driven.due.items() if under_way is None or not under_way.claims(n, c)})
        return driven.results

    def _wake(self, due: Mapping[Lane, int]) -> None:
        for lane, count in due.items():
            if lane not in self.awake:
                self._queue.wake(lane, count)

    def _left(self, word: str, count: int) -> None:
        self._unreported[Lane.TIMER][word] += count

    def _reading(self, leased: Leased, since: float) -> Step[str]:
        yield from revoked_on(leased.of(Line), self._plans())
        step = reading(leased, self._policy.max_attempts, self._known.of)
        count = yield from self._carry.after(step, leased.at, since)
        self._unreported[Lane.INBOUND]["messages"] += count
        return "performed"

    def _finishing(
        self, leased: Leased, since: float, outcome: Outcome | None, event: LineEventAsked | None
    ) -> Step[str]:
        """Record an outcome at the store's time: the lease's, plus the time since by a clock that never jumps."""
        record = leased.record
        if event is not None and isinstance(record, Order):
            yield from recording_event_on(record.line, event)
        now = leased.at + int((self._watch() - since) * 1000)
        if outcome is None:
            yield from giving_back(leased, now)
            return "given_back"
        known = len(record.events) if isinstance(record, Order) else None
        ended = Ended(leased.effect, leased.token, outcome, random.random(), known=known)  # noqa: S311 - jitter
        if isinstance(record, Ending):
            pending = yield from end_recording(leased, ended, self._policy, now)
        elif not isinstance(record, Order):
            pending = yield from line_recording(leased, ended, self._policy, now)
        else:
            newest = self._known.of(record.id) or record  # a report may have come since the lease
            step = recording(record.id, ended, order=newest if event is None else None, now=now, held=leased.held)
            after = yield from self._carry.after(step, leased.at, since)
            pending = after.effects.get(leased.effect)
            self._measure(leased, after, now)
        return word_of(outcome, parked=bool(pending and pending.parked))

    def _putting_off(self, leased: Leased, since: float) -> Step[str]:
        """Put off a question: as if it had not been leased, and due again in a while."""
        now = leased.at + int((self._watch() - since) * 1000)
        yield from giving_back(leased, now, now + AGAIN_MS, FOR_A_PERSON)
        return "given_back"

    def _measure(self, leased: Leased, after: Order, now: Millis) -> None:
        notified = leased.effect == NOTIFICATION and after.state is State.NOTIFIED
        if notified and (activated := after.last(Trigger.SERVICE_ACTIVATED)):
            self.measures.notified((now - activated.at) / 1000)


def _awaits_person(leased: Leased) -> bool:
    """Whether an SMS asks a subscriber whose last words may be a refusal. One known to have begun is recorded."""
    order = leased.record
    asks = isinstance(order, Order) and leased.effect == QUESTION and order.awaits_person
    return asks and known_outcome(leased) is None
