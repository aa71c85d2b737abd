"""The stuck list: effects that wait for a person, by cause; and retries of many with one cause at once."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from msgspec import Struct

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import ACTIVATE, Lane, Millis
from consent_engine.domain.hitch import Hitch, shared
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import Line
from consent_engine.domain.msisdn import hidden
from consent_engine.domain.order.facts import CancelAsked, RetryAsked
from consent_engine.domain.order.order import Order
from consent_engine.engine.change_order import recording
from consent_engine.engine.endings import if_parked, retrying
from consent_engine.engine.round_trips import Step, or_raised
from consent_engine.errors import ConsentError, OrderNotFound, TooLate
from consent_engine.ports import Endpoint, Outside, Owner, Store, by_kind
from consent_engine.ports.registry import BSS, GATEWAY

MOST_STUCK = 10_000
"""Most effects of the stuck list that are looked at."""
MOST_RETRIED = 500
"""Most effects that are done again in one go."""
CHUNK = 500
_UNREADABLE = (None, Hitch.UNREADABLE.of(), 0)
Record = Order | Line | Call | Ending | Report


@dataclass(frozen=True, slots=True)
class StuckEffect:
    """An effect that waits for a person. attempts: None when its record cannot be read · plan: '' where there is none ·
    why: without numbers · since: when it was last tried, 0 where unknown · order: the order that it is about, by which
    people know an ending; '' where it is about none
    """

    owner: Owner
    id: str
    effect: str
    lane: Lane
    state: State | None
    attempts: int | None
    plan: str
    why: str
    since: Millis
    order: str = ""

    @property
    def named(self) -> str:
        """The id by which people know it, and do it again: the order's, else the record's own."""
        return self.order or self.id

    @property
    def reason(self) -> str:
        """The reason it waits, as it shares it with others: without how often it was tried."""
        return shared(self.why)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter of the stuck list; None lets all through. reason: as in a Cause."""

    lane: Lane | None = None
    reason: str | None = None
    plan: str | None = None

    def fits(self, stuck: StuckEffect) -> bool:
        pairs = ((self.lane, stuck.lane), (self.reason, stuck.reason), (self.plan, stuck.plan))
        return all(wanted is None or wanted == found for wanted, found in pairs)


ALL = Wanted()


@dataclass(frozen=True, slots=True)
class Cause:
    """The common cause of stuck effects. since: when the one that has waited longest was last tried."""

    lane: Lane
    reason: str
    plan: str
    count: int
    since: Millis


def stuck_effects(store: Store, wanted: Wanted, most: int, chunk: int = CHUNK) -> Iterator[StuckEffect]:
    """Yield up to `most` wanted effects of the stuck list, of the first MOST_STUCK; loaded as they are asked for."""
    found = store.lanes.stuck(MOST_STUCK)
    for start in range(0, len(found), chunk):
        part = found[start : start + chunk]
        known = store.records.look(by_kind((each.owner, each.id) for each in part)).all
        for each in part:
            record = known.get(each.id)
            pending = record.effects.get(each.effect) if record else None
            attempts, why, since = (pending.attempts, pending.why, pending.last_at) if pending else _UNREADABLE
            stuck = StuckEffect(
                each.owner, each.id, each.effect, each.lane, record.state if isinstance(record, Order) else None,
                attempts, hidden(_plan_of(record)), hidden(why), since, _order_of(record),
            )  # fmt: skip
            if most > 0 and wanted.fits(stuck):
                most -= 1
                yield stuck
        if most <= 0:
            return


def _plan_of(record: Record | None) -> str:
    return record.doc.plan if isinstance(record, Order | Ending) else ""


def _order_of(record: Record | None) -> str:
    if isinstance(record, Order):
        return record.id
    return record.doc.order if isinstance(record, Ending) else ""


def causes_of(found: Sequence[StuckEffect]) -> list[Cause]:
    """Return the causes of stuck effects, the most frequent cause first."""
    alike: dict[tuple[Lane, str, str], list[StuckEffect]] = {}
    for each in found:
        alike.setdefault((each.lane, each.reason, each.plan), []).append(each)
    causes = [
        Cause(lane, reason, plan, len(some), min((each.since for each in some if each.since), default=0))
        for (lane, reason, plan), some in alike.items()
    ]
    return sorted(causes, key=lambda cause: (-cause.count, cause.lane, cause.reason, cause.plan))


@dataclass(frozen=True, slots=True)
class Retried:
    """The result of retrying effects. gone: no longer on the list · unreadable: left where it is."""

    retried: int = 0
    gone: int = 0
    unreadable: int = 0

    def __add__(self, other: "Retried") -> "Retried":
        return Retried(self.retried + other.retried, self.gone + other.gone, self.unreadable + other.unreadable)


def retries(found: Sequence[StuckEffect], by: str) -> list[tuple[int, Step[bool]]]:
    """Return a step for each readable record, with how many of its effects it makes due: only those in `found`."""
    readable = sorted((each for each in found if each.attempts is not None), key=lambda each: (each.owner, each.id))
    steps: list[tuple[int, Step[bool]]] = []
    for (owner, record), some in groupby(readable, key=lambda each: (each.owner, each.id)):
        effects = tuple(sorted({each.effect for each in some}))
        fact = RetryAsked(f"retry:{uuid.uuid4().hex[:12]}", by, effects)
        of_order = owner is Owner.ORDER
        step: Step[object] = recording(record, fact, prove=True) if of_order else retrying(record, by, effects)
        steps.append((len(effects), if_parked(step)))
    return steps


def counted(
    some: Sequence[StuckEffect], steps: Sequence[tuple[int, Step[bool]]], done: Sequence[bool | ConsentError]
) -> Retried:
    """Return the result of retrying `some` by these steps, whose results are `done`."""
    retried = sum(n for (n, _), result in zip(steps, done, strict=True) if result is True)
    unreadable = sum(each.attempts is None for each in some)
    return Retried(retried, len(some) - unreadable - retried, unreadable)


MOST_LOOKED_AT = 500
"""Most waiting effects of a lane that are looked at, the next due ones: where there are more, counts are 'at least'."""
_CALLS = (Lane.SMS, Lane.ACTIVATION)


class Retrying(Struct, frozen=True):
    """Effects that a gateway or the BSS did not take, and that wait for a retry, for one reason.

    since: when the one that has waited longest was first tried · more: there are more than were looked at
    """

    target: Endpoint
    reason: str
    count: int
    since: Millis
    more: bool


class Cancelling(Struct, frozen=True):
    """The result of cancelling orders. too_late: a service was begun, or they are over · gone: no order, or no longer
    stuck
    """

    cancelled: int = 0
    too_late: int = 0
    gone: int = 0


class Trouble:
    """The effects in trouble, and cancelling many orders of one cause. run: carries out steps."""

    def __init__(self, store: Store, outside: Outside, run: Callable[[Sequence[Step[Any]]], list[Any]]) -> None:
        self._store = store
        self._outside = outside
        self._run = run

    def retrying(self) -> list[Retrying]:
        """Return the effects that wait for a retry, by reason, the most frequent first. Raises StoreUnavailable."""
        found: list[Retrying] = []
        for lane in _CALLS:
            due = self._store.lanes.next(lane, MOST_LOOKED_AT)
            ids = by_kind((each.owner, each.id) for each in due)
            looked = self._store.records.look({Order: ids[Order], Line: ids[Line]})
            known: dict[str, Order | Line] = {**looked.of(Order), **looked.of(Line)}
            alike: dict[tuple[Endpoint, str], list[Millis]] = {}
            for each in due:
                record = known.get(each.id)
                pending = record.effects.get(each.effect) if record else None
                if record is None or pending is None or not pending.why or pending.parked:
                    continue
                target = self._target(record, each.effect)
                alike.setdefault((target, hidden(pending.why)), []).append(pending.first_at or pending.last_at)
            found += [
                Retrying(*of, len(some), min((at for at in some if at), default=0), more=len(due) == MOST_LOOKED_AT)
                for of, some in alike.items()
            ]
        return sorted(found, key=lambda each: (-each.count, each.target, each.reason))

    def _target(self, record: Order | Line, effect: str) -> Endpoint:
        if effect == ACTIVATE:
            return Endpoint(BSS, self._outside.bss.name if self._outside.bss else "")
        return Endpoint(GATEWAY, record.effects[effect].gateway)

    def cancel(self, found: Sequence[StuckEffect], by: str, reason: str) -> Cancelling:
        """Cancel the orders of these stuck effects, up to MOST_RETRIED; an event per order. Proven before this returns.

        Raises any error but TooLate and OrderNotFound.
        """
        some = found[:MOST_RETRIED]
        ids = list(dict.fromkeys(each.id for each in some if each.owner is Owner.ORDER))
        words = [or_raised(each) for each in self._run([_cancelling(order, by, reason) for order in ids])]
        others = len({each.id for each in some if each.owner is not Owner.ORDER})
        return Cancelling(words.count("cancelled"), words.count("too_late"), words.count("gone") + others)


def _cancelling(order: str, by: str, reason: str) -> Step[str]:
    fact = CancelAsked(f"cancel:{uuid.uuid4().hex[:12]}", by, reason)
    try:
        yield from recording(order, fact, prove=True)
    except TooLate:
        return "too_late"
    except OrderNotFound:
        return "gone"
    return "cancelled"
