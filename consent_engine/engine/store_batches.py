"""Answers the requests of many steps together: one store call for each kind of request."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from consent_engine.domain.effects import Lane
from consent_engine.domain.order.event import Event
from consent_engine.domain.order.order import Order
from consent_engine.engine.store_requests import (
    Ask,
    Load,
    LoadYeses,
    Post,
    Prove,
    Recall,
    Release,
    Reserve,
    Save,
    T,
)
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import By, CommitResult, Kept, OrderChange, Recorded, Snapshot, Store

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
    orders = {order for ask in asks for order in ask.orders}
    lines = {line for ask in asks for line in ask.lines}
    calls = {call for ask in asks for call in ask.calls}
    endings = {ending for ask in asks for ending in ask.endings}
    reports = {report for ask in asks for report in ask.reports}
    found = store.records.look(tuple(orders), tuple(lines), tuple(calls), tuple(endings), tuple(reports))
    # Each ask gets only the records that it named: another ask's record must not be taken for its own.
    return [
        Snapshot(
            found.now, _own(found.orders, ask.orders), _own(found.lines, ask.lines), _own(found.calls, ask.calls),
            _own(found.endings, ask.endings), _own(found.reports, ask.reports), found.unreadable,
        )
        for ask in asks
    ]  # fmt: skip


def _own(found: Mapping[str, T], wanted: Sequence[str]) -> dict[str, T]:
    return {name: found[name] for name in wanted if name in found} if found and wanted else {}


def _yeses(store: Store, asks: Sequence[LoadYeses], due: Counter[Lane]) -> Sequence[object]:
    return store.records.newest_yeses([ask.beat for ask in asks])


def _recalled(store: Store, asks: Sequence[Recall], due: Counter[Lane]) -> Sequence[object]:
    found: dict[tuple[type[Recorded], By], Mapping[str, list[Kept[Any]]]] = {}
    try:
        archive = store.bound_archive()
        for kind, by in {(ask.kind, ask.by) for ask in asks}:
            names = {name: None for ask in asks if (ask.kind, ask.by) == (kind, by) for name in ask.names}
            found[kind, by] = archive.recall(kind, list(names), by) if archive else {}
    except ArchiveUnavailable:
        return [None] * len(asks)
    return [[each for name in ask.names for each in found[ask.kind, ask.by].get(name, ())] for ask in asks]


_SAVED = frozenset({CommitResult.OK, CommitResult.SAME})
"""Outcomes whose events are logged: when the first answer was lost, the repeat (SAME) logs them."""


def _saved(store: Store, asks: Sequence[Save], due: Counter[Lane]) -> Sequence[object]:
    saved = store.records.commit([ask.commit for ask in asks], prove=any(ask.prove for ask in asks))
    done = [(ask.commit, each.word) for ask, each in zip(asks, saved, strict=True) if each.word in _SAVED]
    due.update(lane for commit, word in done if word is CommitResult.OK for lane in commit.wakes)
    orders = [change for commit, _ in done for change in commit.records if isinstance(change, OrderChange)]
    events = [(change.order, event) for change in orders for event in change.events]
    for n in range(0, len(events), TOGETHER):
        _tell(events[n : n + TOGETHER])
    return saved


def _tell(events: Sequence[tuple[Order, Event]]) -> None:
    """Log one line per event: ids, never personal data."""
    each = [{"order": order.id, "trigger": event.trigger, "state": order.state} for order, event in events]
    lines = [f"order {order.id}: {event.trigger}, now {order.state}" for order, event in events]
    log.info("%s", "\n".join(lines), extra={"each": each})


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
    LoadYeses: _yeses,
    Post: _posted,
    Recall: _recalled,
    Save: _saved,
    Prove: _proven,
    Reserve: _reserved,
    Release: _released,
}
