"""Known orders: as this process saved or leased them a moment ago, so that their next step does not load them again.

A decision on a known order is committed with the version that was known, as every decision is: the store refuses it
where another process was first. A lease changes no version. So an order is known only while no other process can lease
a call of it: each of its calls is leased here, or it has none. (Timers are leased anywhere; what is decided then
changes the version.)
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import WITHOUT_CALLS, lane_of
from consent_engine.domain.order.order import Order
from consent_engine.engine.limits import Pace
from consent_engine.engine.store_requests import Save, Step, T, answered, resumed
from consent_engine.errors import ConsentError
from consent_engine.ports import Change, CommitResult, Leased, OrderChange, Saved

KNOWN_S = 1.0
"""How long an order is known: longer than its next step takes while work flows. Never for more than half a lease."""
MOST = 1_000


class _Known(NamedTuple):
    """An order as it was at an instant or later, or the change that made it so. only: each call of it is leased here"""

    at: float
    version: int
    kept: Order | OrderChange
    only: bool


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
        order = known.kept if isinstance(known.kept, Order) else known.kept.saved
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
        elif (order := leased.order) is not None:
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

    def _note(self, records: tuple[Change, ...], answer: Saved | ConsentError, asked: float) -> None:
        if not self._is_wanted():
            self._known.clear()
            return
        is_saved = isinstance(answer, Saved) and answer.word is CommitResult.OK
        for change in records:
            if is_saved and isinstance(change, OrderChange):
                before = self._fresh(change.id)
                # Decided on another than the known one, it may have a call that another process leased.
                only = before is not None and before.only and before.version == change.read
                only = (only or not _calls(change.order.effects)) and _are_leased(change.put)
                self._put(change.id, _Known(asked, change.read + 1, change, only))
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
    """Return those effects that are calls."""
    return [effect for effect in effects if lane_of(effect) not in WITHOUT_CALLS]
