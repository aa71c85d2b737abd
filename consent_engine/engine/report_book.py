"""The reports of one store: taken, decided, listed, counted, the calls around them; the code that proves a number."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from secrets import token_hex
from typing import Any

from msgspec import Struct

from consent_engine.domain.admission.report_request import ReportDecision, ReportMade
from consent_engine.domain.call.call import Call, ReportNotFound
from consent_engine.domain.call.permit import Permit, read
from consent_engine.domain.call.report import Decided, Report, ReportClass, ReportDoor, ReportState, ReportTerms, Reward
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.decide.sms_texts import Telling, found, paid, received
from consent_engine.domain.effects import WAKE_LINE, Lane, Millis, Pending, Purpose, sms_effect
from consent_engine.domain.line.holder import has_changed
from consent_engine.domain.line.line import STRANGER_MS, Line, keyed, line_id
from consent_engine.domain.line.proof_code import (
    FIELD,
    MINUTES,
    CodeAsked,
    CodesUsedUp,
    Counted,
    next_code,
    no_code,
    shares,
    ticket_of,
)
from consent_engine.domain.line.restriction import Restriction
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.texts.render import named, of_report
from consent_engine.domain.texts.words import CODE
from consent_engine.engine.catalogue import Catalogue
from consent_engine.engine.listing import cursor_of, read_cursor
from consent_engine.engine.recall import Lookup
from consent_engine.engine.report import CallsOf, Reports, ReportTaken, deciding, reporting
from consent_engine.engine.round_trips import Step, load, one, or_raised, saving, transact
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, ConsentError, StoreUnavailable
from consent_engine.ports import Change, Commit, OpenReports, ReportFilter, Store
from consent_engine.ports.registry import Codes

_ASKER = 12
"""Hex digits that tell the few requesters of one line apart."""


def may_send(asked: CodeAsked, secret: str) -> Step[None]:
    """Raise TooManyCodes where a number's own limit rejects a code; nothing is written."""
    name = line_id(secret, asked.msisdn)
    loaded = yield from load({Line: [name]})
    next_code(loaded.line(name).code, "", loaded.now, _asker(asked, name, secret))


@transact
def sending(asked: CodeAsked, secret: str) -> Step[str]:
    """Send a code, proven to be on its way; return the requester's ticket. The line and the effect hold the seed from
    which both are made.

    Raises TooManyCodes and StoreUnavailable.
    """
    name = line_id(secret, asked.msisdn)
    loaded = yield from load({Line: [name]})
    line, now = loaded.line(name), loaded.now
    code = next_code(line.code, token_hex(8), now, _asker(asked, name, secret))
    about = (asked.carrier, named(CODE, asked.language), code.seed, str(MINUTES))
    put = Put(sms_effect(Purpose.CODE, line.version), now, Pending(about=about))
    stays = () if line.version else (Put(WAKE_LINE, now + STRANGER_MS),)
    change = Change.of(line, _fields(line, asked.msisdn, now, code.encode()), (put, *stays))
    yield from saving(Commit("", (change,), wakes=frozenset({Lane.SMS})), prove=True)
    return ticket_of(secret, name, code.seed)


@transact
def proving(msisdn: Msisdn, code: str, ticket: str, secret: str) -> Step[None]:
    """Use a number's code: the try is counted, proven, before the code is compared, so that no one tries more often
    than allowed. ticket: as `sending` gave it to the requester; '': none can be shown.

    Raises CodeWrong, which does not say what was wrong, and StoreUnavailable.
    """
    name = line_id(secret, msisdn)
    loaded = yield from load({Line: [name]})
    line, now = loaded.line(name), loaded.now
    if line.code is None:
        raise no_code()
    seed = line.code.asked_with(secret, name, ticket)
    change = Change.of(line, {FIELD: line.code.tried(seed).encode()})
    yield from saving(Commit("", (change,)), prove=True)
    line.code.check(secret, name, code, now, seed)


def _asker(asked: CodeAsked, name: str, secret: str) -> str:
    """Return a name for the requester's network on this line alone: it cannot be matched with other lines."""
    return keyed(secret, "asker", name, asked.network)[:_ASKER] if asked.network else ""


def _fields(line: Line, msisdn: Msisdn, now: Millis, code: str) -> dict[str, str]:
    return {
        **dict.fromkeys(line.aged, ""), "msisdn": str(msisdn), "seen": str(max(line.seen, now)), FIELD: code,
    }  # fmt: skip


MOST_CALLS = 20
WITHIN_MS = 31 * 86_400_000
"""Greatest distance of a shown call from the reported instant."""
FORWARDED = "{forwarded}"
"""Placeholder in texts not written yet: the recipient that the trace would be forwarded to."""
CALLER = "{caller}"
"""Placeholder in every text for the number that was shown: it may be a private one, and staff read these texts."""


class CallNear(Struct, frozen=True):
    """A call to the number, with the permit that it named if this installation gave it."""

    call: Call
    permit: Permit | None


class Written(Struct, frozen=True):
    """An SMS to the reporter. at: when it was put · waits: it is not sent yet · stuck: it waits for a person."""

    text: str
    at: Millis
    waits: bool = False
    stuck: bool = False


class Around(Struct, frozen=True):
    """A report with all that is known around it.

    calls: the nearest in time, newest first; None: the archive cannot be asked · silent: the reporter is not notified,
    for the number has another holder, or is not known any more · written: SMS to the reporter · would: the SMS that
    would be written, by class and reward, while the report is undecided
    """

    report: Report
    now: Millis
    calls: Sequence[CallNear] | None
    standing: Sequence[Restriction]
    silent: bool
    written: Sequence[Written]
    would: Mapping[tuple[ReportClass, Reward], str]


def around(report: Report, now: Millis, store: Store, by: Reports) -> Around:
    """Collect what is around a report. Raises StoreUnavailable, and BrokenRecord for a line that cannot be read."""
    line = store.records.look({Line: [report.line]}).of(Line).get(report.line)
    if line is None:
        raise BrokenRecord("a line's record cannot be read")
    number = report.person.msisdn or line.msisdn
    silent = not number or has_changed(line.history, report.received.received_at)
    to = Telling(report.received.carrier, line.version, by.terms.days, now)
    would = {} if report.decided or silent else dict(_would(report, line, by, to))
    return Around(
        report, now, _near(report, number, by), line.restrictions, silent, _written(report, line, to), would
    )  # fmt: skip


def _near(report: Report, number: str, by: Reports) -> list[CallNear] | None:
    """Return the calls around the reported instant, the newest first; None while the archive cannot be asked."""
    at = report.received.called_at

    def apart(call: Call) -> Millis:
        return abs(call.began.started_at - at)

    try:
        calls = by.calls_of(Msisdn(number)) if number else ()
    except ArchiveUnavailable:
        return None
    near = sorted((call for call in calls if apart(call) <= WITHIN_MS), key=apart)[:MOST_CALLS]
    near.sort(key=lambda call: (call.began.started_at, call.id), reverse=True)
    return [CallNear(call, read(by.secret, call.began.permit) if call.began.permit else None) for call in near]


def _would(report: Report, line: Line, by: Reports, to: Telling) -> Iterator[tuple[tuple[ReportClass, Reward], str]]:
    """Yield the SMS of each decision to its reporter: with the proposed reward first."""
    for kind in ReportClass:
        due = not by.terms.not_rewarded(report, kind, line.reported, to.at)
        for reward in (Reward.ELIGIBLE, Reward.GRANTED, Reward.NONE) if due else (Reward.NONE,):
            amount = by.terms.amount(report.received.carrier, reward)
            said = Decided(to.at, "", "", kind, reward, amount, "", FORWARDED, 0)
            yield (kind, reward), _text(found(report.with_events(said)[0], to), report)


def _written(report: Report, line: Line, to: Telling) -> list[Written]:
    """Return the SMS that were written to the reporter, the oldest first."""
    puts = [(report.received.received_at, received(report, to))]
    for each in report.events:
        if isinstance(each, Decided):
            puts.append((each.at, found(report, to)))
        elif each.reward is Reward.PAID:
            puts.append((each.at, paid(report, each.amount, to)))
    left = {pending.about: pending for pending in line.effects.values() if pending.about}
    rows = []
    for at, put in puts:
        waits = left.get(put.pending.about)
        stuck = waits.parked > 0 if waits else False
        rows.append(Written(_text(put, report), at, waits is not None, stuck))
    return rows


def _text(put: Put, report: Report) -> str:
    carrier, *about = put.pending.about
    return of_report(carrier, [CALLER if each and each == report.person.caller else each for each in about])


BATCH = 100
"""Most reports of a file that are taken in one go."""


class ReportPage(Struct, frozen=True):
    """A page of reports as of an instant. cursor: of the next page, '' at the end."""

    reports: tuple[Report, ...]
    cursor: str
    now: Millis


class DueReports(Struct, frozen=True):
    """Undecided reports, the next due first: the first of them, and how many there are in all."""

    reports: tuple[Report, ...]
    open: int
    overdue: int
    now: Millis


class ReportBook:
    """The reports of one store. run: carries out steps, and wakes the lanes in which effects became due."""

    def __init__(
        self, store: Store, terms: ReportTerms, catalogue: Catalogue, secret: str, calls_of: CallsOf,
        run: Callable[[Sequence[Any]], list[Any]], codes: Codes,
    ) -> None:  # fmt: skip
        self._store = store
        self._lookup = Lookup(store)
        self._run = run
        self._catalogue = catalogue
        self._codes = codes
        self._by = Reports(terms, secret, calls_of, self._plans)
        self.terms = terms

    def record(self, made: ReportMade) -> ReportTaken:
        """Take a report. Raises as `reporting` does. It is proven durable before this returns."""
        return or_raised(self.record_many([made])[0])

    def send_code(self, asked: CodeAsked) -> str:
        """Send the code that proves a number, proven to be on its way before this returns; return the ticket that
        identifies the requester when the code is used. Raises TooManyCodes and CodesUsedUp.

        Codes for all numbers together, and for each network, are counted hour by hour; requests that a number's own
        limit rejects are not.
        """
        one(self._run, may_send(asked, self._by.secret))
        self._count(keyed(self._by.secret, "network", asked.network))
        return one(self._run, sending(asked, self._by.secret))

    def _count(self, network: str) -> None:
        """Count a code of this hour. Raises CodesUsedUp where all of them, or this network's share, are used up."""
        counted = self._codes.count_code(network, shares(self.terms.codes_an_hour))
        if counted is Counted.NETWORK:
            raise CodesUsedUp("the limit of codes for this network is reached: the hotline needs none")
        if counted is Counted.ALL:
            raise CodesUsedUp("the limit of codes for this hour is reached: the hotline takes reports without one")

    def prove(self, msisdn: Msisdn, code: str, ticket: str = "") -> None:
        """Use the code that was sent to a number, with its requester's ticket. Raises CodeWrong."""
        one(self._run, proving(msisdn, code, ticket, self._by.secret))

    def record_many(self, made: Sequence[ReportMade]) -> list[ReportTaken | ConsentError]:
        """Take many reports in one go; a result or an error each."""
        results: dict[int, ReportTaken | ConsentError] = {}
        for some in _batches(made):
            try:
                results |= zip(some, self._run([reporting(made[n], self._by) for n in some]), strict=True)
            except StoreUnavailable as error:
                results |= dict.fromkeys(some, error)
        return [results[n] for n in range(len(made))]

    def decide(self, wanted: ReportDecision) -> ReportTaken:
        """Decide a report. Raises as `deciding` does. It is proven durable before this returns."""
        return one(self._run, deciding(wanted, self._by))

    def show(self, report: str) -> tuple[Report, Millis]:
        """Return a report from store or archive, and the store's time. Raises ReportNotFound and ArchiveUnavailable."""
        found = self._lookup.of(Report, [report])
        if report not in found:
            raise ReportNotFound("no such report")
        return found[report], self._store.records.look({}).now

    def page(self, wanted: ReportFilter, cursor: str = "", limit: int = 50) -> ReportPage:
        """List up to `limit` reports, newest first; a page may be short, as one that was decided meanwhile is left out.
        Raises Malformed for a cursor that no list handed out, and ArchiveUnavailable.
        """
        rows = self._store.queries.reports.page(wanted, read_cursor(cursor), limit)
        now, known = self._store.records.look({}).now, self._lookup.of(Report, [report for _, report in rows])
        found = tuple(known[report] for _, report in rows if report in known and wanted.fits(known[report]))
        return ReportPage(found, cursor_of(rows[-1] if len(rows) == limit else None), now)

    def due(self, limit: int = 50) -> DueReports:
        """Return the open reports, the next due first, and how many there are. Raises ArchiveUnavailable."""
        first = self._store.queries.reports.due(limit)
        loaded = self._store.records.look({Report: first})
        now, known = loaded.now, loaded.of(Report)
        waiting = self._store.queries.reports.waiting(now)
        found = tuple(known[each] for each in first if each in known and known[each].state is ReportState.OPEN)
        return DueReports(found, sum(each.open for each in waiting), sum(each.overdue for each in waiting), now)

    def around(self, report: str) -> Around:
        """Return a report with all that is around it. Raises ReportNotFound, and what `report_around.around` does."""
        shown, now = self.show(report)
        return around(shown, now, self._store, self._by)

    def codes(self) -> int:
        """Return how many codes of the public door were requested this hour."""
        return self._codes.codes()

    def waiting(self) -> list[OpenReports]:
        """Count the open reports by door and proposed class: all combinations, from 0 on. Raises ArchiveUnavailable."""
        known = self._store.queries.reports.waiting(self._store.records.look({}).now)
        found = {(each.door, each.proposed): each for each in known}
        return [found.get((door, kind), OpenReports(door, kind, 0, 0)) for door in ReportDoor for kind in ReportClass]

    def _plans(self, carrier: str) -> list[str]:
        """Return a carrier's plans by code and name: words that name a plan sold here."""
        listed = self._catalogue.fresh().values()
        return [word for each in listed if each.plan.carrier == carrier for word in (each.plan.code, each.plan.name)]


def _batches(made: Sequence[ReportMade]) -> Iterator[list[int]]:
    """Yield the indexes of reports, BATCH at a time and no number twice in one: they would race each other for its
    line, and lose. Those of a number stay in their order.
    """
    rounds: list[list[int]] = []
    before: Counter[Msisdn] = Counter()
    for n, each in enumerate(made):
        turn = before[each.msisdn]
        before[each.msisdn] += 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(n)
    for some in rounds:
        yield from (some[first : first + BATCH] for first in range(0, len(some), BATCH))
