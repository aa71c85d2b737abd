"""An inspector's questions about calls, a sample drawn by a seed; masked numbers revealed, with who asked and why."""

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import nsmallest

from msgspec import Struct, structs

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending, Notified
from consent_engine.domain.call.permit import Permit, read
from consent_engine.domain.call.report import Report
from consent_engine.domain.call.review import lot
from consent_engine.domain.days import GREENWICH
from consent_engine.domain.decide.endings import about
from consent_engine.domain.effects import Millis, Purpose
from consent_engine.domain.interpret.withdrawing import choices_of
from consent_engine.domain.line.line import CallEntry, Line, line_id
from consent_engine.domain.line.restriction import Restriction
from consent_engine.domain.msisdn import Msisdn, hidden
from consent_engine.domain.order.details import Unclear
from consent_engine.domain.order.facts import Revealed, Rule
from consent_engine.domain.order.history import failure_of
from consent_engine.domain.order.order import Order
from consent_engine.domain.texts.render import ended, which_one
from consent_engine.engine.change_order import recording
from consent_engine.engine.listing import CHUNK, Page, fitting
from consent_engine.engine.recall import Lookup
from consent_engine.engine.round_trips import Step
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import BrokenRecord
from consent_engine.ports import By, Only, Owner, Registry, Store
from consent_engine.ports.queries import OrderFilter, Position
from consent_engine.ports.registry import Reveal

log = logging.getLogger(__name__)
MOST_TOLD = 200
MOST_EXPORTED = 10_000
"""Most orders of one export."""
MOST_LOOKED_AT = 100_000
"""Most orders that one export looks at, the newest first: a cursor leads on."""


class Revealer:
    """The record of revealed numbers. run: carries out a step"""

    def __init__(self, store: Store, registry: Registry, run: Callable[[Step[Order]], Order]) -> None:
        self._store = store
        self._registry = registry
        self._run = run

    def reveal(self, order: Order, by: str, role: str, reason: str) -> Order:
        """Return the order once its reveal is recorded, proven durable: in the audit lines first, then in the order's
        own chain. Raises OrderNotFound, StoreUnavailable, and ArchiveUnavailable: nothing is shown.
        """
        name = self._noted(order.id, by, role, reason)
        order = self._run(recording(order.id, Revealed(name, by, role, reason), prove=True))
        log.info("order %s: revealed to %s", order.id, by)
        return order

    def export(
        self, wanted: OrderFilter, cause: str | None, by: str, role: str, reason: str, cursor: str = "",
        limit: int = MOST_EXPORTED,
    ) -> Page:  # fmt: skip
        """Return up to `limit` orders of a list, newest first, to be shown with their numbers. cause: only orders that
        are undeliverable because of it. One reveal stands for all of them, with the list's filter and their count: it
        is proven durable before this returns. Raises Malformed for a cursor that no list handed out, StoreUnavailable,
        and ArchiveUnavailable: nothing is shown.
        """
        queries = as_of_now(self._store).orders

        def read(before: Position | None) -> tuple[list[tuple[str, Millis]], Mapping[str, Order]]:
            rows = queries.page(wanted, before, CHUNK).rows
            return [(order.id, order.doc.placed_at) for order in rows], {order.id: order for order in rows}

        def fits(order: Order) -> bool:
            return cause is None or failure_of(order) == cause

        found = Page(*fitting(read, fits, cursor, limit, None, MOST_LOOKED_AT))
        since = wanted.since and GREENWICH.instant(wanted.since)
        asked = {**structs.asdict(wanted), "since": since, "cause": cause}
        listed = " ".join(f"{name}={value}" for name, value in asked.items() if value is not None)
        self._noted(hidden(listed), by, role, reason, len(found.orders))
        log.info("%d orders: exported to %s", len(found.orders), by)
        return found

    def _noted(self, what: str, by: str, role: str, reason: str, size: int | None = None) -> str:
        """Keep a reveal, and return its name."""
        name = f"reveal:{uuid.uuid4().hex[:12]}"
        self._registry.reveals.note(Reveal(self._registry.now(), what, by, role, reason, name, size))
        return name

    def happened(self, most: int = MOST_TOLD) -> list[Reveal]:
        """Return the newest reveals, newest first. Raises StoreUnavailable."""
        return self._registry.reveals.newest(most)


PIECE = 5_000
MOST_PIECES = 2_000
"""Most pieces of calls that one sample is drawn from."""
MOST_OF_A_NUMBER = 1_000
MOST_DRAWN = 10_000


class Drawn(Struct, frozen=True):
    """A sample, in the order in which it was drawn. of: how many calls began in the period."""

    of: int
    calls: tuple[Call, ...]


class LineSms(Struct, frozen=True):
    """An SMS about an order that its number's record sends. at: when it was put · waits: it is not handed over yet ·
    stuck: it waits for a person
    """

    at: Millis
    purpose: Purpose
    text: str
    waits: bool
    stuck: bool


class Beside(Struct, frozen=True):
    """What the record of its number says about an order. barring: what bars its yes or its activation now · reports:
    that its subscriber made about its call
    """

    sms: tuple[LineSms, ...] = ()
    barring: tuple[Restriction, ...] = ()
    reports: tuple[Report, ...] = ()


class Inspector:
    """Read access to calls and to what stands beside orders, in the store and the archive; it changes nothing."""

    def __init__(self, store: Store, lookup: Lookup, secret: str) -> None:
        self._store = store
        self._lookup = lookup
        self._secret = secret

    def to_number(self, msisdn: Msisdn) -> list[Call]:
        """Return the calls to a number, newest first, a thousand at most: those of its line, and archived ones.

        Raises ArchiveUnavailable, and BrokenRecord for a line that cannot be read.
        """
        line = line_id(self._secret, msisdn)
        archive = self._store.bound_archive()
        kept = archive.recall(Call, [line], By.LINE).get(line, []) if archive else []
        found = {each.record.id: each.record for each in kept if each.record is not None}
        found |= self._lookup.of(Call, [each.call for each in self._line(line)])
        newest = sorted(found.values(), key=lambda call: (call.began.started_at, call.id), reverse=True)
        return newest[:MOST_OF_A_NUMBER]

    def permit_of(self, call: Call) -> Permit | None:
        """Return the permit that a call named, if this installation gave it; the call's violations say if it fits."""
        return read(self._secret, call.began.permit) if call.began.permit else None

    def beside(self, order: Order, ending: Ending | None) -> Beside:
        """Return what the record of its number says about an order; nothing where that cannot be read. Raises
        ArchiveUnavailable.
        """
        line = self._store.records.look({Line: [order.line]}).of(Line).get(order.line)
        if line is None:
            return Beside()
        doc = order.doc
        told = [each.report for each in line.reported if each.call and each.call == doc.call_id]
        reports = self._lookup.of(Report, told) if told else {}
        sms = sorted((*self._which_ones(order, line), *_notice(ending, line)), key=lambda each: each.at)
        return Beside(tuple(sms), tuple(line.barring(doc.carrier, doc.plan, order.id)), tuple(reports.values()))

    def _which_ones(self, order: Order, line: Line) -> Iterator[LineSms]:
        """Yield the questions "which one?" that a reply to this order and others was answered with."""
        for event in order.events:
            said = event.detail
            if isinstance(said, Unclear) and said.clarified and said.rule is Rule.AMBIGUOUS:
                known = self._lookup.of(Order, said.candidates)
                meant = [known[each] for each in said.candidates if each in known and known[each].knows(event.op)]
                carrier, language, *choices = contents = choices_of(meant)
                yield _put(line, event.at, Purpose.CLARIFICATION, which_one(carrier, language, choices), contents)

    def drawn(self, since: Millis, until: Millis, seed: str, count: int) -> Drawn:
        """Draw `count` of the calls that began in a period: the same seed draws the same ones, whenever and wherever.

        Each is drawn by the hash of the seed and its id, so that nobody can tell which ones will be before the seed is
        known, and a call that moves to the archive is drawn as before. Raises ArchiveUnavailable.
        """
        ids = set(self._begun(since, until))
        chosen = nsmallest(min(count, MOST_DRAWN), ids, key=lambda call: lot(seed, call))
        known = self._lookup.of(Call, chosen)
        return Drawn(len(ids), tuple(known[call] for call in chosen if call in known))

    def _line(self, line: str) -> Sequence[CallEntry]:
        found = self._store.records.look({Line: [line]}).of(Line).get(line)
        if found is None:
            raise BrokenRecord("a line's record cannot be read")
        return found.calls

    def _begun(self, since: Millis, until: Millis) -> Iterator[str]:
        """Yield the ids of the calls that began in a period."""
        before, places = (until, ""), as_of_now(self._store).places
        for _ in range(MOST_PIECES):
            rows = places(Owner.CALL, Only.ALL, before, PIECE, since=since)
            yield from (call for _, call in rows)
            if len(rows) < PIECE:
                return
            before = rows[-1]


def _notice(ending: Ending | None, line: Line) -> Iterator[LineSms]:
    for each in ending.events if ending else ():
        if ending and isinstance(each, Notified) and each.effect:
            contents = about(ending)
            yield _put(line, each.at, Purpose.ENDED, ended(contents), contents)


def _put(line: Line, at: Millis, purpose: Purpose, text: str, contents: tuple[str, ...]) -> LineSms:
    waits = next((each for each in line.effects.values() if each.about == contents), None)
    return LineSms(at, purpose, text, waits is not None, bool(waits and waits.parked))
