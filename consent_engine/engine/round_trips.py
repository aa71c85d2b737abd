"""Rounds: logic written line by line, carried out for many at once.

A step is a generator: it yields what it asks of the store and is sent the answer. `drive` runs any number of steps
side by side and puts what they ask at the same time into one round trip each. So `place`, `record` and `read` exist
once, and cost the same round trips for one order as for five hundred.
"""

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from msgspec import Struct

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Lane, Millis
from consent_engine.domain.line.line import Line, request_key
from consent_engine.domain.order.order import Order
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, ConsentError, StoreUnavailable
from consent_engine.ports import Claim, Commit, Owner, Posted, Saved, Store, Stored, Word

T = TypeVar("T")
MOST_ROUNDS = 200


class Load(Struct, frozen=True):
    """Asks for records that can still change."""

    orders: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()


class Save(Struct, frozen=True):
    """Asks for a commit. prove: its success will be reported outside, so it must be durable."""

    commit: Commit
    prove: bool = False


class Prove(Struct, frozen=True):
    """Asks that what was written of an order, or of a call, before is proven durable."""

    record: str
    owner: Owner = Owner.ORDER


class Reserve(Struct, frozen=True):
    """Asks for the reservation of an Idempotency-Key."""

    key: str
    fingerprint: str
    order: str
    claimant: str
    seen: str = ""


class Release(Struct, frozen=True):
    """Gives a reservation back."""

    key: str
    claimant: str


class Post(Struct, frozen=True):
    """Puts a message into its line's inbox, proven."""

    posted: Posted


class Recall(Struct, frozen=True):
    """Asks the archive for the orders that a request's key made (`request_key`)."""

    key: str


class RecallCalls(Struct, frozen=True):
    """Asks the archive for the calls that a request's key made, or whose recording is reserved under it."""

    key: str


class RecallLine(Struct, frozen=True):
    """Asks the archive for the newest orders of a number."""

    line: str
    most: int


class LoadReports(Struct, frozen=True):
    """Asks for reports of calls."""

    reports: tuple[str, ...]


Ask = RecallLine | Load | Save | Prove | Post | Reserve | Release | Recall | RecallCalls | LoadReports
Step = Generator[Ask, Any, T]


class Loaded(Struct, frozen=True):
    """The instant of the store, and the records that exist."""

    now: Millis
    orders: Mapping[str, Order]
    lines: Mapping[str, Line]
    calls: Mapping[str, Call] = {}
    endings: Mapping[str, Ending] = {}

    def line(self, line_id: str) -> Line:
        """A line that was loaded; raises BrokenRecord when it cannot be read: who refused must not be guessed."""
        try:
            return self.lines[line_id]
        except KeyError:
            raise BrokenRecord("a line's record cannot be read") from None


def load(
    orders: Sequence[str] = (), lines: Sequence[str] = (), calls: Sequence[str] = (), endings: Sequence[str] = ()
) -> Step[Loaded]:
    """Load records."""
    answer: Loaded = yield Load(tuple(orders), tuple(lines), tuple(calls), tuple(endings))
    return answer


def load_reports(reports: Sequence[str]) -> Step[tuple[Millis, dict[str, Report]]]:
    """Load reports of calls; with the store's instant."""
    answer: tuple[Millis, dict[str, Report]] = yield LoadReports(tuple(reports))
    return answer


def save(commit: Commit, *, prove: bool = False) -> Step[Saved]:
    """Save a commit."""
    answer: Saved = yield Save(commit, prove)
    return answer


def prove(record: str, owner: Owner = Owner.ORDER) -> Step[bool]:
    """Prove an order, or a call, durable; False when it is not here any more: to be looked for again."""
    answer: bool = yield Prove(record, owner)
    return answer


def post(posted: Posted) -> Step[Stored]:
    """Put a message into its line's inbox."""
    answer: Stored = yield Post(posted)
    return answer


def recall(key: str) -> Step[list[Order] | None]:
    """Archived orders under a request's key; None when the archive cannot be asked."""
    answer: list[Order] | None = yield Recall(key)
    return answer


def calls_of_request(key: str) -> Step[list[Call] | None]:
    """Archived calls under a request's key, or a recording's; None when the archive cannot be asked."""
    answer: list[Call] | None = yield RecallCalls(key)
    return answer


def orders_of_line(line: str, most: int) -> Step[list[Order] | None]:
    """The newest archived orders of a number, at most so many; None when the archive cannot be asked."""
    answer: list[Order] | None = yield RecallLine(line, most)
    return answer


def reserve(ask: Reserve) -> Step[Claim]:
    """Reserve an Idempotency-Key."""
    answer: Claim = yield ask
    return answer


@dataclass(slots=True)
class Driven(Generic[T]):
    """What came of the steps: a result or an error each, in order; and which lanes have something due now."""

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
        for index, answer in _answers(store, asked, driven.due).items():
            _go_on(driven, asks, index, steps[index], answer)
    return driven


def _go_on(driven: Driven[T], asks: dict[int, Ask], index: int, step: Step[T], answer: object) -> None:
    """Let a step run until it asks again, or ends."""
    try:
        asks[index] = step.send(answer)
    except StopIteration as end:
        driven.results[index] = end.value
    except ArchiveUnavailable as error:  # only of this step: others need nothing that is archived
        driven.results[index] = error
    except StoreUnavailable:
        raise
    except ConsentError as error:
        driven.results[index] = error


def _answers(store: Store, asks: Mapping[int, Ask], due: Counter[Lane]) -> dict[int, object]:
    """One round trip a kind of ask."""
    kinds: dict[type[Ask], dict[int, Any]] = {}
    for index, ask in asks.items():
        kinds.setdefault(type(ask), {})[index] = ask
    answers: dict[int, object] = {}
    for kind, alike in kinds.items():
        answers.update(zip(alike, _ANSWER[kind](store, list(alike.values()), due), strict=True))
    return answers


def _loaded(store: Store, asks: Sequence[Load], due: Counter[Lane]) -> Sequence[object]:
    orders = {order for ask in asks for order in ask.orders}
    lines = {line for ask in asks for line in ask.lines}
    calls = {call for ask in asks for call in ask.calls}
    endings = tuple({ending for ask in asks for ending in ask.endings})
    return [Loaded(*store.records.look(tuple(orders), tuple(lines), tuple(calls), endings))] * len(asks)


def _reports(store: Store, asks: Sequence[LoadReports], due: Counter[Lane]) -> Sequence[object]:
    return [store.reports.look(list(dict.fromkeys(report for ask in asks for report in ask.reports)))] * len(asks)


def _recalled(store: Store, asks: Sequence[Recall], due: Counter[Lane]) -> Sequence[object]:
    try:
        archive = store.ours()
        found = archive.recall([ask.key for ask in asks]) if archive else []
    except ArchiveUnavailable:
        return [None] * len(asks)
    return [[order for order in found if request_key(order.id) == ask.key] for ask in asks]


def _recalled_calls(store: Store, asks: Sequence[RecallCalls], due: Counter[Lane]) -> Sequence[object]:
    try:
        archive = store.ours()
        found = archive.calls.recall([ask.key for ask in asks]) if archive else []
    except ArchiveUnavailable:
        return [None] * len(asks)
    return [[call for call in found if ask.key in {request_key(call.id), call.recording_key}] for ask in asks]


def _recalled_lines(store: Store, asks: Sequence[RecallLine], due: Counter[Lane]) -> Sequence[object]:
    try:
        archive = store.ours()
        if archive is None:
            return [[]] * len(asks)
        found = []
        for ask in asks:
            ids = [order for order, _ in archive.of_line(ask.line, None, ask.most)]
            found.append(list(archive.orders(ids).values()) if ids else [])
    except ArchiveUnavailable:
        return [None] * len(asks)
    return found


def _saved(store: Store, asks: Sequence[Save], due: Counter[Lane]) -> Sequence[object]:
    saved = store.records.commit([ask.commit for ask in asks], prove=any(ask.prove for ask in asks))
    for ask, each in zip(asks, saved, strict=True):
        if each.word is Word.OK:
            due.update(ask.commit.wakes)
    return saved


def _proven(store: Store, asks: Sequence[Prove], due: Counter[Lane]) -> Sequence[object]:
    answers: dict[Prove, bool] = {}
    for owner in {ask.owner for ask in asks}:
        alike = [ask for ask in asks if ask.owner is owner]
        answers.update(zip(alike, store.records.prove([ask.record for ask in alike], owner), strict=True))
    return [answers[ask] for ask in asks]


def _posted(store: Store, asks: Sequence[Post], due: Counter[Lane]) -> Sequence[object]:
    stored = store.inbox.receive([ask.posted for ask in asks])
    due[Lane.INBOUND] += sum(each.is_new for each in stored)
    return stored


def _reserved(store: Store, asks: Sequence[Reserve], due: Counter[Lane]) -> Sequence[object]:
    return store.reservations.claim([(ask.key, ask.fingerprint, ask.order, ask.claimant, ask.seen) for ask in asks])


def _released(store: Store, asks: Sequence[Release], due: Counter[Lane]) -> Sequence[object]:
    store.reservations.release([(ask.key, ask.claimant) for ask in asks])
    return [None] * len(asks)


_ANSWER: dict[type[Ask], Callable[[Store, Any, Counter[Lane]], Sequence[object]]] = {
    Load: _loaded,
    LoadReports: _reports,
    Post: _posted,
    Recall: _recalled,
    RecallCalls: _recalled_calls,
    RecallLine: _recalled_lines,
    Save: _saved,
    Prove: _proven,
    Reserve: _reserved,
    Release: _released,
}


def or_raised(result: T | ConsentError) -> T:
    """A result, or its error raised."""
    if isinstance(result, ConsentError):
        raise result
    return result
