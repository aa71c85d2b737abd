"""Rounds: steps written line by line, carried out for many at once.

A step is a generator: it yields its requests to the store and is sent the answers. `drive` runs any number of steps
side by side and puts the requests that they make at the same time into one round trip each. So `place`, `record` and
`read` exist once, and cost the same round trips for one order as for five hundred.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic

from consent_engine.domain.effects import Lane
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.unlikely_yes import Beat, Newest
from consent_engine.engine.store_batches import answers
from consent_engine.engine.store_requests import (
    Ask,
    Load,
    LoadYeses,
    Post,
    Prove,
    Save,
    Step,
    T,
    resumed,
)
from consent_engine.errors import ArchiveUnavailable, ConsentError, StoreUnavailable
from consent_engine.ports import Commit, Owner, Posted, Saved, Snapshot, Store, Stored

MOST_ROUNDS = 200


def load(
    orders: Sequence[str] = (), lines: Sequence[str] = (), calls: Sequence[str] = (), endings: Sequence[str] = (),
    reports: Sequence[str] = (),
) -> Step[Snapshot]:  # fmt: skip
    answer: Snapshot = yield Load(tuple(orders), tuple(lines), tuple(calls), tuple(endings), tuple(reports))
    return answer


def load_of(line: Line, orders: Sequence[str]) -> Step[dict[str, Order]]:
    """Load orders that a line names. The list of them is under no seal: one of another number is left out."""
    loaded = (yield from load(orders)) if orders else None
    return {each.id: each for each in loaded.orders.values() if each.line == line.id} if loaded else {}


def newest_yeses(beat: Beat) -> Step[Newest]:
    """Load the newest yeses that one is to be compared with."""
    answer: Newest = yield LoadYeses(beat)
    return answer


def save(commit: Commit, *, prove: bool = False) -> Step[Saved]:
    answer: Saved = yield Save(commit, prove)
    return answer


def prove(record: str, owner: Owner = Owner.ORDER) -> Step[bool]:
    """Prove an order, or a call, durable; False when it has left the store and must be looked for again."""
    answer: bool = yield Prove(record, owner)
    return answer


def post(posted: Posted) -> Step[Stored]:
    """Put a message into its line's inbox."""
    answer: Stored = yield Post(posted)
    return answer


@dataclass(slots=True)
class Driven(Generic[T]):
    """The results of steps: a value or an error each, in order; and the lanes that have effects due now."""

    results: list[T | ConsentError]
    due: Counter[Lane] = field(default_factory=Counter)


def drive(store: Store, steps: Sequence[Step[T]]) -> Driven[T]:
    """Run steps to their ends. A ConsentError of one step is its result; StoreUnavailable ends them all."""
    driven: Driven[T] = Driven([StoreUnavailable("too many rounds")] * len(steps))
    asks: dict[int, Ask] = {}
    for index, step in enumerate(steps):
        _go_on(driven, asks, index, step, None)
    for _ in range(MOST_ROUNDS):
        if not asks:
            break
        asked, asks = asks, {}
        for index, answer in answers(store, asked, driven.due).items():
            _go_on(driven, asks, index, steps[index], answer)
    return driven


def _go_on(driven: Driven[T], asks: dict[int, Ask], index: int, step: Step[T], answer: object) -> None:
    """Let a step run until it asks again, or ends."""
    try:
        asks[index] = resumed(step, answer)
    except StopIteration as end:
        driven.results[index] = end.value
    except ArchiveUnavailable as error:  # only of this step: others need nothing that is archived
        driven.results[index] = error
    except StoreUnavailable:
        raise
    except ConsentError as error:
        driven.results[index] = error


def or_raised(result: T | ConsentError) -> T:
    """Return a result, or raise its error."""
    if isinstance(result, ConsentError):
        raise result
    return result


def one(run: Callable[[Sequence[Step[T]]], list[T | ConsentError]], step: Step[T]) -> T:
    """Return the result of a step, or raise its error. run: carries out steps"""
    return or_raised(run([step])[0])
