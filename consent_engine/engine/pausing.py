"""Pausing and resuming a lane or a gateway: nothing new is begun in it meanwhile, and nothing is lost.

A process checks once a second what is paused, and leases nothing of it: it stays due where it was. Calls that are under
way end and are recorded: a lane or a gateway is drained when no slice from before the pause can still begin a call, and
the longest call is over.
"""

from collections.abc import Callable, Mapping
from math import inf
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.effects import Lane, Millis
from consent_engine.errors import Refused, StoreUnavailable
from consent_engine.ports import Endpoint, Outside, Queue, Registry, Route, Work, kind_of
from consent_engine.ports.registry import GATEWAY, HOLDS_MS, LANE, SPOOL, EndpointKnown, Pause, PauseEvent

LOOK_S = 1.0
"""How old a process's knowledge of pauses may be."""
SLICE_MS = 1_000
"""Longest time that a slice which has begun still takes."""
MOST_TOLD, LOST_MS = 50, 60_000


class NothingSo(Refused, code="nothing_so"):
    """No lane, and no gateway in use, has this name."""


class NotPaused(Refused, code="not_paused"):
    """The lane or gateway is not paused."""


class PauseInForce(Struct, frozen=True):
    """A pause in force. drained: by when nothing of its target is under way any more"""

    target: Endpoint
    pause: Pause
    drained: Millis


class Desk:
    """Operators' pauses: stop, resume, list. call_ms: how long a call may last"""

    def __init__(self, registry: Registry, queue: Queue, outside: Outside, call_ms: int) -> None:
        self._registry = registry
        self._pauses = registry.pauses
        self._queue = queue
        self._known = {Endpoint(LANE, lane.value) for lane in Lane} | {
            Endpoint(GATEWAY, name) for name in outside.gateways
        }
        self._ends_ms = call_ms + SLICE_MS + int(LOOK_S * 1000)

    def standing(self) -> list[PauseInForce]:
        """Return the pauses in force, the oldest first."""
        now, found = self._registry.now(), self._pauses.standing()
        rows = sorted((pause.at, target, pause) for target, pause in found.items() if pause.at <= now)
        return [PauseInForce(target, pause, at + self._ends_ms) for at, target, pause in rows]

    def pause(self, target: Endpoint, by: str, reason: str) -> bool:
        """Pause a target; False where it was paused already. Raises NothingSo for no lane and no gateway in use."""
        if target not in self._known:
            names = ", ".join(f"{each.to} {each.name}" for each in sorted(self._known))
            raise NothingSo(f"no lane and no gateway in use has this name; there are: {names}")
        return self._pauses.change(PauseEvent(self._registry.now(), *target, paused=True, by=by, reason=reason))

    def resume(self, target: Endpoint, by: str, reason: str) -> None:
        """Resume a target, also one no longer in use; a worker is woken for its lane, and what waits for a gateway is
        late from now on. Raises NotPaused, also for a spool whose API was heard from within LOST_MS.
        """
        now, standing = self._registry.now(), self._pauses.standing()
        if target.to == SPOOL and target in standing and now - standing[target].at < LOST_MS:
            raise NotPaused("its API was heard from within a minute, and lets it go on by itself")
        if target.to == GATEWAY and target in standing:  # first: where it fails, the repeat resumes
            known = self._registry.known().get(target, EndpointKnown())
            self._registry.know(target, known, replace(known, returned=now))
        if not self._pauses.change(PauseEvent(now, *target, paused=False, by=by, reason=reason)):
            raise NotPaused("it is not stopped")
        self._queue.wake(Lane(target.name) if target.to == LANE else Lane.SMS, 1, more=True)

    def happened(self, most: int = MOST_TOLD) -> list[PauseEvent]:
        """Return pauses and resumptions, newest first."""
        return self._pauses.happened(most)


class Gate:
    """What a performer knows before it begins anything: the pauses, and the gateways that are away, of which all
    processes have heard; and until when no spool can have anything. One look a second, by a clock without jumps. away:
    returns the gateways, and for how long · now: the store's time
    """

    passed_over: frozenset[str] = frozenset()
    """the gateways that were paused or away as of the last look"""

    def __init__(
        self, look: Callable[[], Mapping[Endpoint, Pause]], watch: Callable[[], float] = monotonic,
        away: Callable[[], Mapping[str, Millis]] = dict, now: Callable[[], Millis] = lambda: 0,
    ) -> None:  # fmt: skip
        self._look = look
        self._now = now
        self._watch = watch
        self._away = away
        self._looked_at = -LOOK_S
        self._open_until = inf
        self._standing: Mapping[Endpoint, Pause] = {}
        self._absent: Mapping[str, Millis] = {}

    def look(self, old_s: float = LOOK_S) -> None:
        """Look again if the last look is so old. While the first cell is unavailable, that one counts: others go on.

        Raises StoreUnavailable where nothing was seen yet.
        """
        if (asked := self._watch()) - self._looked_at >= old_s:
            try:
                found = self._look()
                self._standing = {target: pause for target, pause in found.items() if target.to != SPOOL}
                spools = [pause.at for target, pause in found.items() if target.to == SPOOL]
                now = self._now() if spools else 0
                # One that begins later than any is put was put by a clock that went back since.
                left = min((at - now if at - now <= HOLDS_MS else 0 for at in spools), default=inf)
                self._open_until = asked + left / 1000
                self._absent = self._away()
                self.passed_over = frozenset({*self._absent, *(name for to, name in self._standing if to == GATEWAY)})
                self._looked_at = asked
            except StoreUnavailable:
                if self._looked_at < 0:
                    raise
                self._looked_at = self._watch()

    def begin(self) -> None:
        """Look before a slice; at once where something is paused: the job that a resume wakes must see that."""
        self.look(0 if self._standing or self.is_shut() else LOOK_S)

    def is_paused(self, work: Work) -> bool:
        """Whether the lane is paused, or the gateway, or everything. Raises as `look` does."""
        self.look()
        of = isinstance(work, Route) and Endpoint(GATEWAY, work.gateway) in self._standing
        return self.is_shut() or Endpoint(LANE, kind_of(work).value) in self._standing or of

    def is_shut(self) -> bool:
        """Whether messages may wait in a spool at this very instant, as far as was seen: nothing may begin."""
        return self._watch() >= self._open_until

    def check(self) -> None:
        """Raise StoreUnavailable while refusals may wait in a spool: no number may be dialled, and no order placed."""
        self.look()
        if self.is_shut():
            raise StoreUnavailable("replies wait for the store, or an API is not heard from: the same later is safe")

    def away(self, work: Work) -> Millis:
        """Return for how long a gateway had been away as of the last look; 0 for one that was not."""
        return self._absent.get(work.gateway, 0) if isinstance(work, Route) else 0


OPEN = Gate(dict)
"""A gate with nothing paused."""
