"""Carrying on: an effect that would be leased at the next look is leased by the very commit that makes it due.

The store then holds what the commit and a lease right after it would have left: every rule about leases holds
unchanged. This saves a second read of a record that is already at hand.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec import structs

from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import ACTIVATE, NOTIFICATION, Lane, Millis, lane_of
from consent_engine.engine.limits import Pace
from consent_engine.engine.store_requests import Save, Step, T, answered, resumed
from consent_engine.ports import Change, CommitResult, Leased, LineChange, OrderChange, Saved


class Carried(NamedTuple):
    """A commit that leases the effect it makes due, and the lease."""

    save: Save
    lane: Lane
    leased: Leased


class LeaseOnCommit:
    """Leasing within commits. room: how many calls of a lane may begin here at once, without waking a worker · stands:
    the gateway of a leased SMS where that is paused, else '' · start: as `Flights.start`
    """

    def __init__(
        self, room: Callable[[Lane], int], stands: Callable[[Leased], str],
        start: Callable[[Lane, Leased, float, float], None], pace: Pace,
    ) -> None:  # fmt: skip
        self._room = room
        self._stands = stands
        self._start = start
        self._watch = pace.watch
        self._lease_ms = pace.lease_ms
        self._asked_for: Counter[Lane] = Counter()
        self._begun = 0

    def begun(self) -> int:
        """Return how many calls were begun this way since the last time this was called."""
        begun, self._begun = self._begun, 0
        return begun

    def after(self, step: Step[T], at: Millis, since: float) -> Step[T]:
        """Return the step, changed so that its commits lease the effects they make due, which begin once saved. at: an
        instant of the store · since: the same instant by the watch
        """
        answer: Any = None
        while True:
            try:
                ask = resumed(step, answer)
            except StopIteration as end:
                result: T = end.value
                return result
            carried = self._carried(ask) if isinstance(ask, Save) else None
            if carried is None:
                answer = yield from answered(ask)
                continue
            save, lane, leased = carried
            asked = self._watch()
            self._asked_for[lane] += 1
            try:
                answer = yield from answered(save)
            finally:
                self._asked_for[lane] -= 1
            # Not for a repeat: the lease may be another worker's.
            if isinstance(answer, Saved) and answer.word is CommitResult.OK:
                self._begun += 1
                self._start(lane, leased, min(asked, since + (leased.at - at) / 1000), asked)

    def _carried(self, ask: Save) -> Carried | None:
        """Return the commit with its lease; None where nothing is due at once that can begin here."""
        commit, at = ask.commit, ask.commit.at
        change, *others = commit.records
        if at is None or not isinstance(change, OrderChange):
            return None
        put = next((each for each in change.put if _goes(each, at, others)), None)
        if put is None or self._room(lane := lane_of(put.effect)) <= self._asked_for[lane]:
            return None
        begun = structs.replace(put.pending, attempts=1, leased_at=at, first_at=at, last_at=at)
        lease = Put(put.effect, at + self._lease_ms, begun)
        change = structs.replace(change, put=tuple(lease if each is put else each for each in change.put))
        leased = Leased(put.effect, begun.attempts, lost=False, at=at, order=change.saved)
        if lane is Lane.SMS and self._stands(leased):
            return None
        commit, proven = structs.replace(commit, records=(change, *others)), lane is Lane.ACTIVATION  # as a lease is
        return Carried(Save(commit, ask.prove or proven), lane, leased)


def _goes(put: Put, at: Millis, others: Sequence[Change]) -> bool:
    """Whether an effect is due at once: a notification; or an activation, where the YES is the last known message of
    its line and the commit checks what bars it, as a lease does.
    """
    pending, is_due = put.pending, 0 <= put.due <= at
    if put.effect not in {ACTIVATE, NOTIFICATION} or not is_due or pending.attempts or pending.doubts:
        return False
    return put.effect == NOTIFICATION or any(isinstance(e, LineChange) and e.release and e.barring for e in others)
