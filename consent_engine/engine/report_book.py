"""The reports of one store: taken, decided, listed, counted."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from consent_engine.domain.admission.report_request import ReportDecision, ReportMade
from consent_engine.domain.call.errors import ReportNotFound
from consent_engine.domain.call.report import Report, ReportClass, ReportDoor, ReportState, ReportTerms
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import keyed
from consent_engine.domain.line.proof_code import CodesUsedUp, Counted, shares
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.catalogue import Catalogue
from consent_engine.engine.listing import cursor_of, read_cursor
from consent_engine.engine.recall import Lookup
from consent_engine.engine.report import CallsOf, Reports, ReportTaken, deciding, reporting
from consent_engine.engine.report_around import Around, around
from consent_engine.engine.report_code import CodeAsked, may_send, proving, sending
from consent_engine.engine.round_trips import one, or_raised
from consent_engine.errors import ConsentError, StoreUnavailable
from consent_engine.ports import OpenReports, ReportFilter, Store
from consent_engine.ports.registry import Codes

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
        return found[report], self._store.records.live()[0]

    def page(self, wanted: ReportFilter, cursor: str = "", limit: int = 50) -> ReportPage:
        """List up to `limit` reports, newest first; a page may be short, as one that was decided meanwhile is left out.
        Raises Malformed for a cursor that no list handed out, and ArchiveUnavailable.
        """
        rows = self._store.queries.reports.page(wanted, read_cursor(cursor), limit)
        now, known = self._store.records.live()[0], self._lookup.of(Report, [report for _, report in rows])
        found = tuple(known[report] for _, report in rows if report in known and wanted.fits(known[report]))
        return ReportPage(found, cursor_of(rows[-1] if len(rows) == limit else None), now)

    def due(self, limit: int = 50) -> DueReports:
        """Return the open reports, the next due first, and how many there are. Raises ArchiveUnavailable."""
        first = self._store.queries.reports.due(limit)
        loaded = self._store.records.look(reports=first)
        now, known = loaded.now, loaded.reports
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
        known = self._store.queries.reports.waiting(self._store.records.look().now)
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
