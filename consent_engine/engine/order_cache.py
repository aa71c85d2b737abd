"""Known orders: as this process saved or leased them, so that their next step need not load them; and their leases.

A decision on a known order is committed with the version that was known, as every decision is: the store refuses it
where another process was first. A lease changes no version. So an order is known only while no other process can lease
a call of it: each of its calls is leased here, or it has none. (Timers are leased anywhere; what is decided then
changes the version.)
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import structs

from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import ACTIVATE, NOTIFICATION, WITHOUT_CALLS, Millis, lane_of
from consent_engine.domain.order.order import Order
from consent_engine.engine.round_trips import Save, Step, T, answered, resumed
from consent_engine.engine.slice import Pace
from consent_engine.errors import ConsentError
from consent_engine.ports import Change, CommitResult, How, Leased, Route, Work, saved
from consent_engine.ports.records import EVERY_MESSAGE


class Carried(NamedTuple):
    """A commit that leases the effect it makes due, and the lease."""

    save: Save
    work: Work
    leased: Leased


class LeaseOnCommit:
    """Leasing within commits. work: that of an effect and its carrier · room: how many calls of it may begin here at
    once, without waking a worker · start: as `Flights.start`
    """

    def __init__(
        self, work: Callable[[str, str], Work], room: Callable[[Work], int],
        start: Callable[[Work, Leased, float, float], None], pace: Pace,
    ) -> None:  # fmt: skip
        self._work = work
        self._room = room
        self._start = start
        self._watch = pace.watch
        self._lease_ms = pace.lease_ms
        self._asked_for: Counter[Work] = Counter()
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
            save, work, leased = carried
            asked = self._watch()
            self._asked_for[work] += 1
            try:
                answer = yield from answered(save)
            finally:
                self._asked_for[work] -= 1
            if answer is CommitResult.GUARDED:  # a message behind the YES may take it back: the call waits in its lane
                answer = yield from answered(ask)
            elif answer is CommitResult.OK:  # not for a repeat: the lease may be another worker's
                self._begun += 1
                self._start(work, leased, min(asked, since + (leased.at - at) / 1000), asked)

    def _carried(self, ask: Save) -> Carried | None:
        """Return the commit with its lease; None where nothing is due at once that can begin here."""
        commit, at = ask.commit, ask.commit.at
        change, *others = commit.records
        order = change.record
        if at is None or not isinstance(order, Order):
            return None
        put = next((each for each in change.put if _goes(each, at)), None)
        if put is None:
            return None
        work = self._work(put.effect, order.doc.carrier)
        if self._room(work) <= self._asked_for[work]:
            return None
        gateway = work.gateway if isinstance(work, Route) else ""
        begun = structs.replace(put.pending, attempts=1, leased_at=at, first_at=at, last_at=at, gateway=gateway)
        lease = Put(put.effect, at + self._lease_ms, begun)
        change = structs.replace(change, put=tuple(lease if each is put else each for each in change.put))
        leased = Leased(put.effect, begun.attempts, lost=False, at=at, record=saved(order, change))
        activates = put.effect == ACTIVATE  # proven, and while nothing is unread: as a lease is
        guard = EVERY_MESSAGE if activates else commit.guard
        commit = structs.replace(commit, records=(change, *others), guard=guard)
        return Carried(Save(commit, ask.prove or activates), work, leased)


def _goes(put: Put, at: Millis) -> bool:
    """Whether an effect is a notification, or an activation, that is due at once and was never begun."""
    pending, is_due = put.pending, 0 <= put.due <= at
    return put.effect in {ACTIVATE, NOTIFICATION} and is_due and not (pending.attempts or pending.doubts)


KNOWN_S = 1.0
"""How long an order is known: longer than its next step takes while work flows. Never for more than half a lease."""
MOST = 1_000


class _Known(NamedTuple):
    """An order as it was at an instant or later; change: as it is once that is saved. only: each call of it is leased
    here
    """

    at: float
    version: int
    order: Order
    only: bool
    change: Change | None = None


class OrderCache:
    """The known orders of one performer. is_wanted: whether its next steps are expected here; if not, nothing is
    known
    """

    def __init__(self, pace: Pace, is_wanted: Callable[[], bool]) -> None:
        self._watch = pace.watch
        self._lasts_s = min(KNOWN_S, pace.lease_ms / 2000)
        self._is_wanted = is_wanted
        self._known: dict[str, _Known] = {}

    def of(self, order_id: str) -> Order | None:
        """Return a known order."""
        known = self._fresh(order_id)
        if known is None:
            return None
        order = saved(known.order, known.change) if known.change else known.order
        return order if known.only or not _calls(order.effects) else None

    def _fresh(self, order_id: str) -> _Known | None:
        known = self._known.get(order_id)
        return None if known is None or self._watch() - known.at >= self._lasts_s else known

    def leased(self, leased: Leased, asked: float) -> None:
        """Know the order of an effect that was leased here, at `asked` or later, where that is its only call. In any
        case it is no longer known as it was before this lease.
        """
        if not self._is_wanted():
            self._known.clear()
        elif isinstance(order := leased.record, Order):
            self._put(order.id, _Known(asked, order.version, order, _calls(order.effects) == [leased.effect]))

    def after(self, step: Step[T]) -> Step[T]:
        """Return the step, whose commits are noted: orders that they saved are known, and no other that they name."""
        answer: Any = None
        while True:
            try:
                ask = resumed(step, answer)
            except StopIteration as end:
                result: T = end.value
                return result
            asked = self._watch() if isinstance(ask, Save) else 0.0
            answer = yield from answered(ask)
            if isinstance(ask, Save):
                self._note(ask.commit.records, answer, asked)

    def _note(self, records: tuple[Change, ...], answer: CommitResult | ConsentError, asked: float) -> None:
        if not self._is_wanted():
            self._known.clear()
            return
        for change in records:
            if answer is CommitResult.OK and change.how is How.WRITE and isinstance(order := change.record, Order):
                before = self._fresh(change.id)
                # Decided on another than the known one, it may have a call that another process leased.
                only = before is not None and before.only and before.version == order.version
                only = (only or not _calls(order.effects)) and _are_leased(change.put)
                self._put(change.id, _Known(asked, order.version + 1, order, only, change))
            else:
                self._known.pop(change.id, None)

    def _put(self, order_id: str, known: _Known) -> None:
        self._known.pop(order_id, None)
        self._known[order_id] = known
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]


def _are_leased(puts: Sequence[Put]) -> bool:
    """Whether each call among these effects is leased, as it is where a commit carries it on."""
    return all(put.pending.leased_at for put in puts if lane_of(put.effect) not in WITHOUT_CALLS)


def _calls(effects: Iterable[str]) -> list[str]:
    return [effect for effect in effects if lane_of(effect) not in WITHOUT_CALLS]
