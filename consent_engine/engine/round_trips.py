"""Rounds: steps written line by line, carried out for many at once; and the requests and answers of the store.

A step is a generator: it yields its requests to the store and is sent the answers. `drive` runs any number of steps
side by side and puts the requests that they make at the same time into one round trip each. So `place`, `record` and
`read` exist once, and cost the same round trips for one order as for five hundred.
"""

import logging
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from itertools import chain
from typing import Any, Generic, ParamSpec, TypeVar

from msgspec import Struct

from consent_engine.domain.effects import Lane
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.unlikely_yes import Beat, Newest
from consent_engine.errors import ArchiveUnavailable, ConsentError, StoreUnavailable
from consent_engine.ports import (
    By,
    Commit,
    CommitResult,
    Kept,
    Posted,
    Recorded,
    Records,
    Snapshot,
    Store,
    Stored,
    Wanted,
)

P = ParamSpec("P")
T = TypeVar("T")
W = TypeVar("W")


class Load(Struct, frozen=True):
    """A request for records that can still change. prove: earlier writes of them must be durable"""

    wanted: Wanted
    prove: bool = False


class LoadYeses(Struct, frozen=True):
    """A request for the newest yeses that one is to be compared with."""

    beat: Beat


class Save(Struct, frozen=True):
    """A request for a commit. prove: its success will be reported outside, so it must be durable."""

    commit: Commit
    prove: bool = False


class Reserve(Struct, frozen=True):
    """A request for the reservation of an Idempotency-Key."""

    key: str
    fingerprint: str
    order: str
    claimant: str
    seen: str = ""


class Release(Struct, frozen=True):
    """A request to give a reservation back."""

    key: str
    claimant: str


class Post(Struct, frozen=True):
    """A request to put a message into its line's inbox, proven durable."""

    posted: Posted


class Recall(Struct, frozen=True):
    """A request to SQL for the records of a kind under these names, as `Archive.recall` has them. ArchiveUnavailable is
    raised where the step waits, while SQL cannot be asked.
    """

    kind: type
    names: tuple[str, ...]
    by: By = By.ID


Ask = Load | LoadYeses | Save | Post | Reserve | Release | Recall
Step = Generator[Ask, Any, T]


def answered(ask: Ask) -> Generator[Ask, Any, Any]:
    """Ask, and return the answer, or the error that came in its place: for a step around another one (`resumed`)."""
    try:
        return (yield ask)
    except ConsentError as error:
        return error


def resumed(step: Step[T], answer: object) -> Ask:
    """Let a step go on with the answer to what it asked, and return what it asks next; an error is raised where the
    step waits, as `yield from` would. Raises StopIteration at its end, and the errors that it lets pass.
    """
    return step.throw(answer) if isinstance(answer, ConsentError) else step.send(answer)


log = logging.getLogger(__name__)
TOGETHER = 16
"""Most events in one log record, which costs more than its lines; a pipe still takes that many in one piece."""


def answers(store: Store, asks: Mapping[int, Ask], due: Counter[Lane]) -> dict[int, object]:
    """Answer all asks, with one round trip for each kind."""
    kinds: dict[type[Ask], dict[int, Any]] = {}
    for index, ask in asks.items():
        kinds.setdefault(type(ask), {})[index] = ask
    answers: dict[int, object] = {}
    for kind, alike in kinds.items():
        answers.update(zip(alike, _ANSWER[kind](store, list(alike.values()), due), strict=True))
    return answers


def _loaded(store: Store, asks: Sequence[Load], due: Counter[Lane]) -> Sequence[object]:
    wanted: dict[type, dict[str, None]] = {}
    for kind, names in chain.from_iterable(ask.wanted.items() for ask in asks):
        wanted.setdefault(kind, {}).update(dict.fromkeys(names))
    proves = any(ask.prove for ask in asks)
    found = store.records.look({kind: list(names) for kind, names in wanted.items()}, prove=proves)
    # Each ask gets only the records that it named: another ask's record must not be taken for its own.
    return [
        Snapshot(found.now, {kind: _own(found.of(kind), some) for kind, some in ask.wanted.items()}, found.unreadable)
        for ask in asks
    ]


def _own(found: Mapping[str, T], wanted: Sequence[str]) -> dict[str, T]:
    return {name: found[name] for name in wanted if name in found}


def _recalled(store: Store, asks: Sequence[Recall], due: Counter[Lane]) -> Sequence[object]:
    found: dict[tuple[type[Recorded], By], Mapping[str, list[Kept[Any]]]] = {}
    try:
        archive = store.bound_archive()
        for kind, by in {(ask.kind, ask.by) for ask in asks}:
            names = {name: None for ask in asks if (ask.kind, ask.by) == (kind, by) for name in ask.names}
            found[kind, by] = archive.recall(kind, list(names), by) if archive else {}
    except ArchiveUnavailable as error:
        return [error] * len(asks)
    return [[each for name in ask.names for each in found[ask.kind, ask.by].get(name, ())] for ask in asks]


SAVED = frozenset({CommitResult.OK, CommitResult.SAME})
"""Outcomes whose events are logged: when the first answer was lost, the repeat (SAME) logs them."""


def _saved(store: Store, asks: Sequence[Save], due: Counter[Lane]) -> Sequence[object]:
    saved = store.records.commit([ask.commit for ask in asks], prove=any(ask.prove for ask in asks))
    done = [(ask.commit, word) for ask, word in zip(asks, saved, strict=True) if word in SAVED]
    due.update(lane for commit, word in done if word is CommitResult.OK for lane in commit.wakes)
    orders = [(change.record, change) for commit, _ in done for change in commit.records if change.events]
    events = [(order, event) for order, change in orders if isinstance(order, Order) for event in change.events]
    for n in range(0, len(events), TOGETHER):
        _tell(events[n : n + TOGETHER])
    return saved


def _tell(events: Sequence[tuple[Order, Event]]) -> None:
    """Log one line per event: ids, never personal data."""
    each = [{"order": order.id, "trigger": event.trigger, "state": order.state} for order, event in events]
    lines = [f"order {order.id}: {event.trigger}, now {order.state}" for order, event in events]
    log.info("%s", "\n".join(lines), extra={"each": each})


def _posted(store: Store, asks: Sequence[Post], due: Counter[Lane]) -> Sequence[object]:
    stored = store.inbox.receive([ask.posted for ask in asks])
    due[Lane.INBOUND] += sum(each.is_new for each in stored)
    return stored


def _reserved(store: Store, asks: Sequence[Reserve], due: Counter[Lane]) -> Sequence[object]:
    return store.reservations.claim([(ask.key, ask.fingerprint, ask.order, ask.claimant, ask.seen) for ask in asks])


def _released(store: Store, asks: Sequence[Release], due: Counter[Lane]) -> Sequence[object]:
    store.reservations.release([(ask.key, "", ask.claimant) for ask in asks])
    return [None] * len(asks)


_ANSWER: dict[type[Ask], Callable[[Store, Any, Counter[Lane]], Sequence[object]]] = {
    Load: _loaded,
    LoadYeses: lambda store, asks, due: store.records.newest_yeses([ask.beat for ask in asks]),
    Post: _posted,
    Recall: _recalled,
    Save: _saved,
    Reserve: _reserved,
    Release: _released,
}


MOST_ROUNDS = 200


def load(wanted: Wanted) -> Step[Snapshot]:
    """Load records that can still change."""
    answer: Snapshot = yield Load(wanted)
    return answer


def load_of(line: Line, orders: Sequence[str]) -> Step[dict[str, Order]]:
    """Load orders that a line names. The list of them is under no seal: one of another number is left out."""
    loaded = (yield from load({Order: orders})) if orders else None
    return {each.id: each for each in loaded.of(Order).values() if each.line == line.id} if loaded else {}


def newest_yeses(beat: Beat) -> Step[Newest]:
    """Load the newest yeses that one is to be compared with."""
    answer: Newest = yield LoadYeses(beat)
    return answer


def save(commit: Commit, *, prove: bool = False) -> Step[CommitResult]:
    answer: CommitResult = yield Save(commit, prove)
    return answer


class Stale(Exception):
    """Another write came first, so that what was decided no longer holds."""


MOST_TRIES = 20


def transact(once: Callable[P, Step[T]]) -> Callable[P, Step[T]]:
    """Make a step of one try: it loads, decides and saves, and raises Stale where another write came first. Then it
    begins anew, with the same arguments. The step raises StoreUnavailable where too many others change its records.
    """

    @wraps(once)
    def step(*args: P.args, **kwargs: P.kwargs) -> Step[T]:
        for _ in range(MOST_TRIES):
            try:
                return (yield from once(*args, **kwargs))
            except Stale:
                continue
        raise StoreUnavailable("too many others change this record: the same request again is safe")

    return step


def saving(commit: Commit, *, prove: bool = False) -> Step[CommitResult]:
    """Save a commit. Raises Stale where it was refused, but not for a lease that was lost. SAME says of a new record
    that there is one, of this content or another: then it is refused, too.
    """
    word = yield from save(commit, prove=prove)
    is_another = word is CommitResult.SAME and commit.records[0].read == 0
    if is_another or (word not in SAVED and word is not CommitResult.LOST):
        raise Stale
    return word


def prove(record: str, kind: type = Order) -> Step[bool]:
    """Prove durable what a record says; False when it has left the store and must be looked for again."""
    seen: Snapshot = yield Load({kind: (record,)}, prove=True)
    found = seen.all.get(record)
    return record in seen.unreadable or (found is not None and found.version > 0)


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
    """Run steps to their ends. A ConsentError of one step is its result. Raises StoreUnavailable where the store itself
    cannot be reached.
    """
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
    except ConsentError as error:
        driven.results[index] = error


def drive_in_turn(store: Store, steps: Sequence[tuple[str, Step[T]]]) -> Driven[T]:
    """Run steps, each with its line, as `drive` does. Those of one line go one after the other: side by side each would
    race with all the others, and of many the last would give up.
    """
    waves: list[list[int]] = []
    before: Counter[str] = Counter()
    for n, (line, _) in enumerate(steps):
        if before[line] == len(waves):
            waves.append([])
        waves[before[line]].append(n)
        before[line] += 1
    results: dict[int, T | ConsentError] = {}
    due: Counter[Lane] = Counter()
    for wave in waves:
        driven = drive(store, [steps[n][1] for n in wave])
        results |= zip(wave, driven.results, strict=True)
        due += driven.due
    return Driven([results[n] for n in range(len(steps))], due)


def in_parts(
    records: Records, wanted: Sequence[W], record: Callable[[W], str], do: Callable[[Sequence[W]], Sequence[T]]
) -> list[T | StoreUnavailable]:
    """Do work in one go for each part of the store; where a part cannot be reached, only its own get the error.

    record: an id that lies where the work does
    """
    parts: dict[int, list[int]] = {}
    for n, each in enumerate(wanted):
        parts.setdefault(records.part(record(each)), []).append(n)
    results: dict[int, T | StoreUnavailable] = {}
    for numbers in parts.values():
        try:
            results |= zip(numbers, do([wanted[n] for n in numbers]), strict=True)
        except StoreUnavailable as error:
            results |= dict.fromkeys(numbers, error)
    return [results[n] for n in range(len(wanted))]


def or_raised(result: T | ConsentError) -> T:
    if isinstance(result, ConsentError):
        raise result
    return result


def one(run: Callable[[Sequence[Step[T]]], list[T | ConsentError]], step: Step[T]) -> T:
    """Return the result of a step, or raise its error. run: carries out steps"""
    return or_raised(run([step])[0])
