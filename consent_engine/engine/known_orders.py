"""Known orders: as this process saved or leased them a moment ago, so that the next step loads none of them again.

What is decided on a known order must be committed with the version that was known, as every decision: the store
refuses it where another process was first. A lease changes no version. So an order is known only while no process can
lease an effect of it: each of its calls is leased here, or it has none. (Timers are leased by clocks; what those decide
has a version of its own.)
"""

from collections.abc import Callable

from consent_engine.domain.effects import WITHOUT_CALLS, lane_of
from consent_engine.domain.order.order import Order
from consent_engine.engine.store_requests import Save, Step, T
from consent_engine.ports import CommitResult, Leased, OrderChange

KNOWN_S = 1.0
"""How long an order is known: less than any lease lasts, and much longer than an order's next step takes to come."""
MOST = 1_000


class KnownOrders:
    """The known orders of one performer. watch: seconds, by a clock that never jumps"""

    def __init__(self, watch: Callable[[], float]) -> None:
        self._watch = watch
        self._known: dict[str, tuple[float, Order]] = {}

    def of(self, order_id: str) -> Order | None:
        """Return a known order."""
        at, order = self._known.get(order_id, (0.0, None))
        return order if order is not None and self._watch() - at < KNOWN_S else None

    def leased(self, leased: Leased, asked: float) -> None:
        """Know the order of an effect that was leased here, at `asked` or later."""
        if leased.order is not None:
            self._put(leased.order, asked, here=_calls(leased.order) == [leased.effect])

    def after(self, step: Step[T]) -> Step[T]:
        """Return the step, whose commits are noted: saved orders are known, and others that it names are not."""
        answer = None
        while True:
            try:
                ask = step.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            asked = self._watch()
            answer = yield ask
            if isinstance(ask, Save):
                self._note(ask, answer.word, asked)

    def _note(self, save: Save, word: CommitResult, asked: float) -> None:
        for change in save.commit.records:
            if word is CommitResult.OK and isinstance(change, OrderChange):
                saved = change.saved
                self._put(saved, asked, here=self.of(change.id) is not None or not _calls(saved))
            else:
                self._known.pop(change.id, None)

    def _put(self, order: Order, at: float, *, here: bool) -> None:
        self._known.pop(order.id, None)
        if here and all(order.effects[effect].leased_at for effect in _calls(order)):
            self._known[order.id] = at, order
        while self._known and (len(self._known) > MOST or self._is_over(next(iter(self._known)))):
            del self._known[next(iter(self._known))]

    def _is_over(self, order_id: str) -> bool:
        return self._watch() - self._known[order_id][0] >= KNOWN_S


def _calls(order: Order) -> list[str]:
    """Return the effects of an order that are calls."""
    return [effect for effect in order.effects if lane_of(effect) not in WITHOUT_CALLS]
