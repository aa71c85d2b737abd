"""Calls in flight: a call that ends frees its place at once, and ended calls are recorded together.

There is no barrier: a slow call delays no other. Calls outlive the slice that started them, and are recorded when
they end.
"""

import asyncio
import logging
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from time import monotonic
from typing import Any, NamedTuple

from msgspec.structs import replace

from consent_engine.domain.call.ending import NO_NUMBER, Ending
from consent_engine.domain.decide.sms_texts import text_of
from consent_engine.domain.effects import (
    ACTIVATE,
    DEACTIVATE,
    READ,
    WAKE_ASIDE,
    Accepted,
    Lane,
    Millis,
    Outcome,
    Pending,
    Purpose,
    Rejected,
    Uncertain,
    Untaken,
    sms_parts,
)
from consent_engine.domain.hashing import digest
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.lifecycle import State, Trigger
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.proof_code import LASTS_MS
from consent_engine.domain.offer.offer import UNDELIVERED_MS
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import segments
from consent_engine.domain.texts.render import (
    ended,
    held,
    helped,
    of_report,
    proof,
    read_name,
    registered,
    stopped,
    which_one,
    withdraw_ask,
)
from consent_engine.domain.texts.words import CODE
from consent_engine.engine.line_events import LineEventAsked, looked_up
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.engine.metrics import Measures
from consent_engine.engine.slice import Pace
from consent_engine.errors import BrokenRecord, StoreUnavailable, place_of
from consent_engine.ports import (
    Activation,
    Deactivation,
    Endpoint,
    Leased,
    Outside,
    Records,
    Route,
    Sms,
    Snapshot,
    Store,
    Work,
    kind_of,
)
from consent_engine.ports.outside import MAY_GO
from consent_engine.ports.registry import BSS, GATEWAY


def pending_of(leased: Leased) -> Pending:
    return leased.record.effects[leased.effect]


def known_outcome(leased: Leased) -> Outcome | None:
    """Return the outcome known without a call."""
    refused = pending_of(leased).refused
    if refused is not None:  # no call was made under this lease, nor is one now
        return Rejected(refused)
    return Uncertain(Hitch.LEASE_LOST.of()) if leased.lost else None  # a started call may be done


class CallResult(NamedTuple):
    """How a call ended, and its target; None where no call was made."""

    outcome: Outcome
    target: Endpoint | None = None


async def call(outside: Outside, leased: Leased, unless: Outcome | None = None) -> CallResult:
    """Carry out a leased effect. Bounded by the adapter's own timeout.

    unless: the outcome of an activation that must not begin; the result of earlier attempts is asked all the same
    """
    record = leased.record
    if leased.effect == ACTIVATE and isinstance(record, Order):
        return await _activate(outside, record, unless)
    if leased.effect == DEACTIVATE and isinstance(record, Ending):
        return await _deactivate(outside, record)
    if _is_worth_nothing(leased):
        return CallResult(Rejected(Hitch.CODE_OVER.of()))
    sms = _sms(record, leased.effect) if isinstance(record, Order) else _line_sms(outside, leased)
    gateway = outside.gateways[pending_of(leased).gateway]
    if (parts := segments(sms.text)) > gateway.segments:  # it would be cut, yet reported as accepted
        return CallResult(Rejected(Hitch.TOO_LONG.of(parts, gateway.segments)))
    outcome = await gateway.send(sms)
    if isinstance(record, Order) and isinstance(outcome, Accepted):  # the text is written anew where it is shown again
        outcome = replace(outcome, text=digest(sms.text))
    return CallResult(outcome, Endpoint(GATEWAY, gateway.name))


async def _activate(outside: Outside, order: Order, unless: Outcome | None) -> CallResult:
    yes = order.last(Trigger.SAID_YES)
    if order.state is not State.CONFIRMED or yes is None:  # no consent, no service: whatever led here
        raise BrokenRecord("an activation that nobody confirmed")
    if outside.bss is None:
        return CallResult(Rejected(Hitch.NO_BSS.of()))
    target = Endpoint(BSS, outside.bss.name)
    if order.effects[ACTIVATE].in_doubt:
        known = await outside.bss.ask(order.id)
        if known is not None:
            return CallResult(known, target)
    if unless is not None:
        return CallResult(unless)
    doc, head = order.doc, order.head_at(Trigger.SAID_YES)
    outcome = await outside.bss.activate(
        Activation(order.id, order.person.msisdn, doc.plan, doc.offer.plan_version, doc.offer.plan_hash, yes.at, head)
    )
    return CallResult(outcome, target)


async def _deactivate(outside: Outside, ending: Ending) -> CallResult:
    if ending.is_over:
        raise BrokenRecord("an ending that is over")
    if outside.bss is None:
        return CallResult(Rejected(Hitch.NO_BSS.of()))
    target = Endpoint(BSS, outside.bss.name)
    nameless = not ending.person.msisdn  # it cannot be requested, but a person may have had it done under its id
    if nameless or ending.effects[DEACTIVATE].in_doubt:
        known = await outside.bss.ask_ending(ending.id)
        if nameless and (known is None or isinstance(known, Untaken)):
            return CallResult(Rejected(NO_NUMBER))
        if known is not None:
            return CallResult(known, target)
    doc = ending.doc
    wanted = Deactivation(
        ending.id, doc.order, doc.activation, ending.person.msisdn, doc.plan, doc.cause, doc.asked_at, bool(doc.free)
    )  # fmt: skip
    return CallResult(await outside.bss.deactivate(wanted), target)


def _sms(order: Order, effect: str) -> Sms:
    purpose, n = sms_parts(effect)
    doc = order.doc
    ref = f"{order.id}.{purpose}.{n}"
    valid_for = doc.policy.reply_window if purpose in _ASKING else 0
    if purpose is Purpose.CONFIRMATION and doc.policy.reports:  # its reply window begins on the handset
        valid_for = UNDELIVERED_MS
    return Sms(ref, doc.offer.sender + doc.sub, order.person.msisdn, text_of(order, purpose), purpose, valid_for)


_ASKING = frozenset({Purpose.CONFIRMATION, Purpose.REMINDER, Purpose.CLARIFICATION, Purpose.RESUMED, Purpose.PROVE})
"""Purposes whose SMS are worth nothing once the reply window is over."""


def _line_sms(outside: Outside, leased: Leased) -> Sms:
    line = leased.of(Line)
    purpose, n = sms_parts(leased.effect)
    carrier, *choices = line.effects[leased.effect].about
    text = (
        _of_report(outside, line.id, carrier, choices)
        if purpose in _OF_REPORTS
        else _OF_LINES[purpose](carrier, choices)
    )
    valid_for = LASTS_MS if purpose is Purpose.CODE else 0
    return Sms(f"{line.id}.{purpose}.{n}", outside.senders[carrier], line.msisdn, text, purpose, valid_for)


def _is_worth_nothing(leased: Leased) -> bool:
    """Whether this is a code that proves nothing any more: it waited too long, or another was requested."""
    line = leased.record
    if not isinstance(line, Line) or sms_parts(leased.effect)[0] is not Purpose.CODE:
        return False
    return line.code is None or line.code.is_over(leased.at) or line.code.seed not in line.effects[leased.effect].about


def _of_report(outside: Outside, line: str, carrier: str, about: Sequence[str]) -> str:
    """Return the text for a reporter; a code is made here from its stored seed. Raises BrokenRecord."""
    if not about or read_name(about[0])[0] != CODE or outside.code_of is None:
        return of_report(carrier, about)
    key, seed, *more = about
    return of_report(carrier, (key, outside.code_of(line, seed), *more))


_OF_REPORTS = frozenset({Purpose.REPORT, Purpose.REWARD, Purpose.CODE})
_OF_LINES: Mapping[Purpose, Callable[[str, Sequence[str]], str]] = {
    Purpose.CLARIFICATION: lambda carrier, values: which_one(carrier, values[0], values[1:]),
    Purpose.OPTED_OUT: lambda carrier, values: stopped(carrier, *values),
    Purpose.HELP: lambda carrier, values: helped(carrier, values[0]),
    Purpose.HELD: lambda carrier, values: held(carrier, values[0], int(values[1])),
    Purpose.PROVE: lambda carrier, _: proof(carrier),
    Purpose.MARKETING_FREE: lambda carrier, values: registered(carrier, *values),
    Purpose.ENDED: lambda carrier, values: ended((carrier, *values)),
    Purpose.WITHDRAW_ASK: lambda carrier, values: withdraw_ask((carrier, *values)),
}


log = logging.getLogger(__name__)
GATHER_S = 0.004
"""How long ended calls wait to be recorded together."""
REDO_S = 0.2
LOOK_AGAIN_S, LOOKS = 0.2, 3
"""An activation that begins more than LOOK_AGAIN_S after it was leased is checked again with the store, together with
others that are late, then before its call and once the connection stands; after LOOKS checks of its own it is given
back. So an activation begins at most this long after a STOP was acknowledged."""


def may_begin(records: Records, leased: Sequence[Leased]) -> list[bool]:
    """Whether the outside call for each of these effects of orders, leased a while ago, may begin: the lease still
    holds, its order is unchanged, and nothing on its line may take it back.

    Proven, so that a server that others no longer write to cannot say yes. Raises StoreUnavailable, NotDurable.
    """
    orders = [each.of(Order) for each in leased]
    # The lines first: an order that is unchanged after them was so while nothing was unread.
    lines, ids = [order.line for order in orders], [order.id for order in orders]
    seen = records.look({Line: lines, Order: ids}, prove=True)
    return [_still_holds(each, order, seen) for each, order in zip(leased, orders, strict=True)]


def _still_holds(leased: Leased, order: Order, seen: Snapshot) -> bool:
    now, line, held = seen.of(Order).get(order.id), seen.of(Line).get(order.line), leased.held
    # A no, or the end of its plan, is only noted in it while its activation is under way: that is another version.
    if now is None or line is None or now.version != order.version:
        return False
    pending = now.effects.get(leased.effect)
    if pending is None or (pending.attempts, pending.leased_at) != (held.token, held.since):
        return False
    # An activation that may have happened is no longer barred: the BSS is asked for its outcome.
    waits = line.awaited or not line.effects.keys().isdisjoint({READ, WAKE_ASIDE})
    return pending.in_doubt or not (waits or line.barring(order.doc.carrier, order.doc.plan, order.id))


class _Start(NamedTuple):
    """A call that is to begin, of an effect that was leased between `asked` and `since`."""

    leased: Leased
    since: float
    asked: float


class Landed(NamedTuple):
    """A leased effect whose call ended. since: its lease, by the watch · outcome: None where it was too late to begin ·
    event: an event of its line that the look-up found."""

    leased: Leased
    since: float
    outcome: Outcome | None
    event: LineEventAsked | None = None

    @property
    def lane(self) -> Lane:
        return kind_of(self.leased.work)


class Flights:
    """Calls in flight on one event loop.

    record: saves ended calls, and returns those whose records too many others change; it is called again with these,
    after StoreUnavailable with all: a repeat is recognised · shut: whether nothing may begin at this instant
    """

    def __init__(
        self,
        outside: Outside,
        pace: Pace,
        measures: Measures,
        record: Callable[[Sequence[Landed]], Sequence[Landed]],
        store: Store,
        shut: Callable[[], bool],
    ) -> None:
        self._outside = outside
        self._shut = shut
        self._pace = pace
        self._measures = measures
        self._record = record
        self._store = store
        self._flying: defaultdict[Work, set[asyncio.Task[None]]] = defaultdict(set)
        self._starting: defaultdict[Work, list[_Start]] = defaultdict(list)
        self._landed: list[Landed] = []
        self._recorder: asyncio.Task[None] | None = None
        self._recorded = asyncio.Event()
        self._unrecorded = LogOnChange(log, "outcomes cannot be recorded now")

    def free(self, work: Work) -> int:
        """Return how many more calls of a lane, or to a gateway, may begin: none takes a place of another's."""
        return self._pace.in_flight - self.flying(work)

    def flying(self, work: Work) -> int:
        """Return how many calls of a lane, or to a gateway, have begun or are to begin."""
        return len(self._flying[work]) + len(self._starting[work])

    def count(self, works: Collection[Work] | None = None) -> int:
        """Return how many calls are in flight. works: of these only"""
        return sum(len(self._flying[work]) for work in (list(self._flying) if works is None else works))

    def start(self, work: Work, leased: Leased, since: float, asked: float) -> None:
        """Have the call of an effect begin with the next `begin`; it was leased between `asked` and `since`."""
        self._starting[work].append(_Start(leased, since, asked))

    def begin(self) -> None:
        """Begin the calls that are to begin. Of activations that are late for it all are checked together: one by one
        they would make each other later still.
        """
        for work, starting in self._starting.items():
            while starting:
                if self._is_late(starting[0].leased, starting[0].asked):
                    starting[:] = self._checked(starting)
                for each in starting[:1]:
                    del starting[:1]
                    self._begin(work, *each)

    def _checked(self, starting: Sequence[_Start]) -> list[_Start]:
        """Check activations with the store; return the calls that may begin. The others are given back."""
        asked, going = self._pace.watch(), list[_Start]()
        checked = iter(self._may_begin([each.leased for each in starting if each.leased.effect == ACTIVATE]))
        for each in starting:
            if each.leased.effect != ACTIVATE or next(checked):
                going.append(each._replace(asked=asked))
            else:
                self.land(each.leased, each.since, None)
        return going

    def _begin(self, work: Work, leased: Leased, since: float, asked: float) -> None:
        task = _begun(self._fly(work, leased, since, asked))
        if task.done():
            self._ended(work, leased, since, task)
            return
        self._flying[work].add(task)
        task.add_done_callback(lambda t: self._ended(work, leased, since, t))

    def land(self, leased: Leased, since: float, outcome: Outcome | None, event: LineEventAsked | None = None) -> None:
        """Have an outcome recorded, soon and together with others."""
        self._landed.append(Landed(leased, since, outcome, event))
        if self._recorder is None or self._recorder.done():
            self._recorder = asyncio.ensure_future(self._record_all())

    async def wait(self, seconds: float) -> None:
        """Wait until something was recorded, or the time is over."""
        self._recorded.clear()
        try:
            await asyncio.wait_for(self._recorded.wait(), max(seconds, 0.001))
        except TimeoutError:
            return

    async def finish(self, until: float, works: Collection[Work] | None = None) -> int:
        """Wait for calls to end and be recorded, until an instant; return how many are in flight then. works: of these
        only
        """
        while (self.count(works) or self._landed) and (left := until - monotonic()) > 0:
            await self.wait(left)
        return self.count(works)

    async def _fly(self, work: Work, leased: Leased, since: float, asked: float) -> None:
        looked = await looked_up(self._outside, leased)
        begun = since if looked is None else self._measure(looked.target, looked.measured, leased, since, since)
        answers: list[bool] = []

        def may_go() -> bool:  # asked once a connection stands: each part of an SMS has its own
            answers.append(self._begins(leased, since, asked))
            return answers[-1]

        outcome = None
        if self._begins(leased, since, asked):
            MAY_GO.set(may_go)  # for this task only
            number = self._measures.begins(self._target(work), _instant(leased, self._pace.watch() - since))
            try:
                called = await call(self._outside, leased, looked and looked.ends)
            finally:
                lost = self._measures.over(number)
            if any(answers) or not answers:  # else nothing was sent
                outcome = called.outcome
                if called.target is not None:
                    self._measure(called.target, outcome, leased, since, begun, lost=lost)
        self.land(leased, since, outcome, looked and looked.event)

    def _target(self, work: Work) -> Endpoint:
        if isinstance(work, Route):
            return Endpoint(GATEWAY, work.gateway)
        return Endpoint(BSS, "" if self._outside.bss is None else self._outside.bss.name)

    def _measure(
        self, target: Endpoint, outcome: Outcome, leased: Leased, since: float, begun: float, *, lost: bool = True
    ) -> float:
        """Count a call that began at `begun` and has just ended; return its end, by the watch. lost: as in Measures"""
        ended = self._pace.watch()
        self._measures.called(target, outcome, ended - begun, _instant(leased, ended - since), lost=lost)
        return ended

    def _begins(self, leased: Leased, since: float, asked: float) -> bool:
        """Whether the call may begin at this instant; if not, it is given back, with nothing begun.

        It may not when the rest of the lease is shorter than a call. An activation that was leased a while ago, by a
        process that stood still or with a slow store, may have been refused since: the store is asked again.
        """
        watch = self._pace.watch
        for _ in range(LOOKS):
            if watch() - since > self._pace.startable_s or self._shut():
                return False
            if not self._is_late(leased, asked):
                return True
            asked = watch()
            if not self._may_begin([leased])[0]:
                return False
        return watch() - asked <= LOOK_AGAIN_S and not self._shut()

    def _is_late(self, leased: Leased, asked: float) -> bool:
        return leased.effect == ACTIVATE and self._pace.watch() - asked > LOOK_AGAIN_S

    def _may_begin(self, leased: Sequence[Leased]) -> list[bool]:
        try:
            return may_begin(self._store.records, leased)
        except StoreUnavailable as error:
            log.error("%d activations were not begun: the store cannot confirm them: %s", len(leased), error)
            return [False] * len(leased)

    def _ended(self, work: Work, leased: Leased, since: float, task: asyncio.Task[None]) -> None:
        self._flying[work].discard(task)
        if task.cancelled():
            return
        defect = task.exception()
        if defect is not None:  # an adapter broke its promise: the call may have been made
            log.error("%s: defect in an outside call: %s", kind_of(work), place_of(defect))
            self.land(leased, since, Uncertain(Hitch.DEFECT.of(type(defect).__name__)))

    async def _record_all(self) -> None:
        """Record all ended calls together, until none are left. Each part of the store is saved by itself: an
        unreachable part does not hold up the outcomes of another.
        """
        while self._landed:
            await asyncio.sleep(GATHER_S if self.count() else 0)
            landed, self._landed = self._landed, []
            failed, redo, parts = None, list[Landed](), dict[int, list[Landed]]()
            for each in landed:
                parts.setdefault(self._store.records.part(each.leased.held.record), []).append(each)
            for some in parts.values():
                try:
                    redo += self._record(some)
                except StoreUnavailable as error:
                    failed = error
                    redo += some
            if failed is None:
                self._unrecorded.over()
            else:
                self._unrecorded.met(failed)
            if redo:
                self._landed = redo + self._landed
                await asyncio.sleep(REDO_S)
            self._recorded.set()


def _instant(leased: Leased, passed_s: float) -> Millis:
    """Return the store's instant so long after a lease."""
    return leased.at + int(passed_s * 1000)


def _begun(call: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Return a task that has begun: nothing else runs before its first wait. Python 3.11 begins it later."""
    if sys.version_info < (3, 12):
        return asyncio.ensure_future(call)
    return asyncio.Task(call, loop=asyncio.get_running_loop(), eager_start=True)
