"""Known orders: as this process saved or leased them a moment ago, so that their next step does not load them again.

A decision on a known order is committed with the version that was known, as every decision is: the store refuses it
where another process was first. A lease changes no version. So an order is known only while no other process can lease
a call of it: each of its calls is leased here, or it has none. (Timers are leased anywhere; what is decided then
changes the version.)
"""

from collections.abc import Callable
from typing import Any

from consent_engine.domain.effects import WITHOUT_CALLS, lane_of
from consent_engine.domain.order.order import Order
from consent_engine.engine.store_requests import Save, Step, T, resumed
from consent_engine.errors import ConsentError
from consent_engine.ports import Change, CommitResult, Leased, OrderChange, Saved

KNOWN_S = 1.0
"""How long an order is known: longer than its next step takes while work flows, and less than any lease lasts."""
MOST = 1_000


class KnownOrders:
    """The known orders of one performer. watch: seconds, by a clock that never jumps · is_wanted: whether its next
    steps are expected here; if not, nothing is known
    """

    def __init__(self, watch: Callable[[], float], is_wanted: Callable[[], bool]) -> None:
        self._watch = watch
        self._is_wanted = is_wanted
        self._known: dict[str, tuple[float, Order]] = {}

    def of(self, order_id: str) -> Order | None:
        """Return a known order."""
        at, order = self._known.get(order_id, (0.0, None))
        return order if order is not None and self._watch() - at < KNOWN_S else None

    def leased(self, leased: Leased, asked: float) -> None:
        """Know the order of an effect that was leased here, at `asked` or later, where that is its only call. In any
        case it is no longer known as it was before this lease.
        """
        if not self._is_wanted():
            self._known.clear()
        elif leased.order is not None:
            calls = _calls(leased.order)
            self._put(leased.order, calls, asked, here=calls == [leased.effect])

    def after(self, step: Step[T]) -> Step[T]:
        """Return the step, whose commits are noted: orders that they saved are known, and no other that they name."""
        answer: Any = None
        while True:
            try:
                ask = resumed(step, answer)
            except StopIteration as end:
                result: T = end.value
                return result
            asked = self._watch()
            try:
                answer = yield ask
            except ConsentError as error:
                answer = error
            if isinstance(ask, Save):
                self._note(ask.commit.records, answer, asked)

    def _note(self, records: tuple[Change, ...], answer: Saved | ConsentError, asked: float) -> None:
        if not self._is_wanted():
            self._known.clear()
            return
        is_saved = isinstance(answer, Saved) and answer.word is CommitResult.OK
        for change in records:
            if is_saved and isinstance(change, OrderChange):
                calls, before = _calls(saved := change.saved), self.of(change.id)
                # Decided on another than the known one, it may have a call that another process leased.
                here = before is not None and before.version == change.read
                self._put(saved, calls, asked, here=not calls or here)
            else:
                self._known.pop(change.id, None)

    def _put(self, order: Order, calls: list[str], at: float, *, here: bool) -> None:
        """Know an order as it was at an instant, or after it. here: no other process has leased any of its calls"""
        self._known.pop(order.id, None)
        if here and all(order.effects[effect].leased_at for effect in calls):
            self._known[order.id] = at, order
            if len(self._known) > MOST:
                del self._known[next(iter(self._known))]


def _calls(order: Order) -> list[str]:
    """Return the effects of an order that are calls."""
    return [effect for effect in order.effects if lane_of(effect) not in WITHOUT_CALLS]
