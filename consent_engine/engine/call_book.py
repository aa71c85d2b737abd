"""The call book: begin, end, show, review, list and count calls, for people and desktops."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.call_request import CallEnd, CallStart
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.counted import Covered
from consent_engine.domain.call.errors import CallNotFound
from consent_engine.domain.call.review import CommandHeard, ReviewAwaited, Verdict
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import slot
from consent_engine.domain.offer.policy import LATE_MARGIN
from consent_engine.domain.order.pressure import Pressure, pressures
from consent_engine.engine.call import CallTaken, calling, ending
from consent_engine.engine.catalogue import Catalogue
from consent_engine.engine.coverage import Coverage
from consent_engine.engine.listing import CHUNK, MOST_LOOKED_AT, cursor_of, read_cursor
from consent_engine.engine.lookup import Lookup
from consent_engine.engine.review import Review, keeping_heard, letting_go_on, reviewing
from consent_engine.engine.round_trips import one, or_raised
from consent_engine.engine.transcribe import Transcript, transcribing
from consent_engine.errors import ArchiveUnavailable, ConsentError, StoreUnavailable
from consent_engine.ports import Archive, CallFilter, Records, Store, Tally
from consent_engine.ports.queries import Position

OLDEST, MOST_COUNTED = 50, 10_000
"""Limits for unheard calls in the archive: how many are read at a time, and counted at most, at each scrape."""
MOST_PAST = 500
"""Most calls heard since that are skipped among them; then the others count as waiting since the instant reached."""
LET_GO_AT_ONCE = 200
"""Orders waiting for a review that one request releases, with a commit for each call."""


class CallPage(Struct, frozen=True):
    """A page of calls. cursor: what to request the next page with, '' at the end."""

    calls: tuple[Call, ...]
    cursor: str


class Waiting(Struct, frozen=True):
    """An order whose activation waits for the first review of its call; since when, and the agent of the call."""

    order: str
    call: str
    since: Millis
    agent: str


class LetGo(Struct, frozen=True):
    """The orders that may continue: how many, of how many calls. cursor: what to continue with, '' at the end."""

    orders: int
    calls: int
    cursor: str


class CallBook:
    """The calls of one store. run: carries out steps, and wakes the lanes in which effects became due."""

    def __init__(
        self, store: Store, terms: Terms, catalogue: Catalogue, secret: str, run: Callable[[Sequence[Any]], list[Any]]
    ) -> None:
        self._store = store
        self._lookup = Lookup(store)
        self._coverage = Coverage(store.lists)
        self._terms = terms
        self._catalogue = catalogue
        self._secret = secret
        self._run = run

    def take(self, wanted: CallStart | CallEnd) -> CallTaken:
        """Record that a call began, or ended. Raises what `calling` and `ending` do."""
        return or_raised(self.take_many([wanted])[0])

    def take_many(self, wanted: Sequence[CallStart | CallEnd]) -> list[CallTaken | ConsentError]:
        """Record many in one go; a result or an error each. Success is proven durable before this returns."""
        plans = self._catalogue.fresh()

        def sells(carrier: str, code: str) -> bool:
            listed = plans.get(code)
            return listed is not None and listed.plan.carrier == carrier

        parts: dict[int, list[int]] = {}
        for n, each in enumerate(wanted):
            record = f"{slot(each.msisdn):04x}" if isinstance(each, CallStart) else each.call
            parts.setdefault(self._store.records.part(record), []).append(n)
        results: dict[int, CallTaken | ConsentError] = {}
        for numbers in parts.values():
            steps = [
                calling(each, self._terms, self._secret) if isinstance(each, CallStart)
                else ending(each, self._terms, self._secret, sells)
                for each in (wanted[n] for n in numbers)
            ]  # fmt: skip
            try:
                results.update(zip(numbers, self._run(steps), strict=True))
            except StoreUnavailable as error:  # requests for other cells are taken all the same
                results.update(dict.fromkeys(numbers, error))
        return [results[n] for n in range(len(wanted))]

    def show(self, call: str) -> Call:
        """Return a call from store or archive. Raises CallNotFound, and ArchiveUnavailable when it may be archived."""
        known = self._lookup.calls([call]).get(call)
        if known is None:
            raise CallNotFound("no such call")
        return known

    def sums(self, days: Sequence[str]) -> list[dict[str, int]]:
        """Return the counts of the calls that began on each of these days (China's), over all agents: SUMMED."""
        return self._store.lists.summed(days)

    def review(self, said: Review) -> Call:
        """Take a verdict. Raises what `reviewing` does. It is proven durable before this returns."""
        return one(self._run, reviewing(said))

    def waiting(self, cursor: str = "", limit: int = 50) -> tuple[list[Waiting], str]:
        """List up to `limit` orders that wait for the first review of their call, newest first, with the cursor for
        more. Orders of a failed review wait for another reviewer and are left out: a page may be short. Raises
        Malformed for a cursor that no list handed out, and ArchiveUnavailable.
        """
        page = self._store.queries.restrictions.page(Kind.REVIEW, read_cursor(cursor), limit)
        waits = [each.restriction for each in page.rows]
        known = self._store.records.look(calls=[each.ref for each in waits]).calls
        found = [
            Waiting(each.carrier, each.ref, each.since, known[each.ref].began.agent)
            for each in waits if each.ref in known and known[each.ref].verdict in {None, Verdict.PENDING}
        ]  # fmt: skip
        return found, cursor_of(page.last)

    def let_go_on(self, call: str, by: str, why: str) -> int:
        """Let the orders of a call continue without its first review; return how many. It is proven durable before this
        returns. Raises StoreUnavailable.
        """
        return one(self._run, letting_go_on(call, by, why))

    def let_go(self, by: str, why: str, cursor: str = "") -> LetGo:
        """Let orders continue that wait only for a first review, of up to LET_GO_AT_ONCE orders barred by a review,
        newest first. Raises ReviewAwaited while every activation needs a review first, Malformed for a cursor that no
        answer handed out, StoreUnavailable and ArchiveUnavailable: repeating the request is safe.
        """
        if self._terms.review_first:
            raise ReviewAwaited("CONSENT_REVIEW is `before`: set it to `after` first, and restart APIs and workers")
        waiting, cursor = self.waiting(cursor, LET_GO_AT_ONCE)
        freed = [self.let_go_on(call, by, why) for call in dict.fromkeys(each.call for each in waiting)]
        return LetGo(sum(freed), sum(1 for each in freed if each), cursor)

    def transcribe(self, wanted: Transcript) -> Call:
        """Keep a transcript. Raises what `transcribing` does. It is proven durable before this returns."""
        return one(self._run, transcribing(wanted))

    def keep_heard(self, call: str, event: CommandHeard) -> None:
        """Record that the command heard a call that people hear all the same."""
        one(self._run, keeping_heard(call, event))

    def to_review(self, verdict: Verdict, cursor: str = "", limit: int = 50) -> CallPage:
        """List up to `limit` calls that are pending, or contested, oldest first. Raises Malformed for a cursor that no
        list handed out.
        """
        rows = self._store.lists.to_review(verdict, read_cursor(cursor), limit)
        known = self._store.records.look(calls=[call for call, _ in rows]).calls
        found = tuple(known[call] for call, _ in rows if call in known)
        return CallPage(found, f"{rows[-1][1]}-{rows[-1][0]}" if len(rows) == limit else "")

    def archived_unheard(self, cursor: str = "", limit: int = 50) -> CallPage:
        """List the archive's pending calls, as `to_review` does: nobody heard them while they were in the store. Raises
        ArchiveUnavailable, too. A page may be short and have a cursor: calls heard since are left out.
        """
        archive = self._store.ours()
        rows = archive.calls.unheard(read_cursor(cursor), limit) if archive else []
        known = self._lookup.calls([call for call, _ in rows])
        found = (known[call] for call, _ in rows if call in known and known[call].verdict is Verdict.PENDING)
        return CallPage(tuple(found), f"{rows[-1][1]}-{rows[-1][0]}" if len(rows) == limit else "")

    def archived_waiting(self) -> Tally:
        """Count the calls that left for the archive unheard, and find since when the oldest is over. Raises
        ArchiveUnavailable.
        """
        archive = self._store.ours()
        return unheard_in(archive, self._store.records) if archive else Tally()

    def coverage(self, days: Sequence[str], by: str) -> list[Covered]:
        """Count the recorded calls of these days that were reviewed, by day, agent or carrier."""
        return self._coverage.of(days, by)

    def pressure(self, days: Sequence[str], by: str) -> list[Pressure]:
        """Sum up the outcomes of the orders of these days, by agent or plan: the worst first."""
        of = self._terms.reporting.days
        return pressures(self._store.queries.orders.sold(of.begins(min(days)), of.ends(max(days))), by)

    def page(self, wanted: CallFilter, cursor: str = "", limit: int = 50) -> CallPage:
        """List up to `limit` calls, newest first. Raises Malformed for a cursor that no list handed out, and
        ArchiveUnavailable.
        """
        before = read_cursor(cursor)
        if wanted.until is not None and (before is None or before[0] >= wanted.until):
            before = (wanted.until, "")
        live, position = self._live(wanted, before, limit)
        archived = self._archived(wanted, before, limit)
        if isinstance(archived, ArchiveUnavailable):  # no archived call began as recently as these
            since = self._store.records.look().now - LATE_MARGIN
            rows = sorted((row for row in live if row[0] > since), reverse=True)[:limit]
            if not rows:
                raise archived
            at, last = rows[-1]
            return CallPage(tuple(live[row] for row in rows), f"{at}-{last}")
        found = sorted({*live, *archived}, reverse=True)
        if position is not None:  # older rows were not looked at
            found = [row for row in found if row >= position]
        shown = found[:limit]
        known = {row[1]: call for row, call in live.items()}
        known |= self._lookup.calls([call for _, call in shown if call not in known])
        more = len(found) > limit or len(archived) == limit or position is not None
        last_row = shown[-1] if len(found) >= limit else position or (shown[-1] if shown else None)
        following = f"{last_row[0]}-{last_row[1]}" if more and last_row else ""
        return CallPage(tuple(known[call] for _, call in shown if call in known), following)

    def _live(
        self, wanted: CallFilter, before: Position | None, limit: int
    ) -> tuple[Mapping[Position, Call], Position | None]:
        """Return the matching calls among the newest in the store, and the position reached; None at the end."""
        found: dict[Position, Call] = {}
        for _ in range(MOST_LOOKED_AT // CHUNK):
            rows = self._store.lists.calls(before, CHUNK, wrong=wanted.violation is not None)
            calls = self._store.records.look(calls=[call for call, _ in rows]).calls
            for call, at in rows:
                if call in calls and wanted.fits(calls[call]):
                    found[at, call] = calls[call]
            if len(rows) < CHUNK or (wanted.since is not None and rows[-1][1] < wanted.since):
                return found, None
            before = (rows[-1][1], rows[-1][0])
            if len(found) > limit:
                return found, before
        return found, before

    def _archived(self, wanted: CallFilter, before: Position | None, limit: int) -> list[Position] | ArchiveUnavailable:
        """Return the matching archived calls, no longer reviewed; the error while the archive is unavailable."""
        if wanted.verdict is not None:
            return []
        try:
            archive = self._store.ours()
            return [(at, call) for call, at in archive.calls.listed(wanted, before, limit)] if archive else []
        except ArchiveUnavailable as error:
            return error


def unheard_in(archive: Archive, records: Records) -> Tally:
    """Count the calls that left for the archive unheard, up to MOST_COUNTED, and find since when the oldest is over.
    Calls that came back to the store and were heard there are skipped among the oldest, up to MOST_PAST: they leave the
    queue when they are archived again. Raises ArchiveUnavailable.
    """
    heard, after = 0, None
    while rows := archive.calls.unheard(after, OLDEST):
        back = records.look(calls=[call for call, _ in rows]).calls
        waits = [over for call, over in rows if call not in back or back[call].verdict is Verdict.PENDING]
        heard += len(rows) - len(waits)
        if waits or heard >= MOST_PAST:  # where all of these were heard, the next ones may not have been
            count = archive.calls.count_unheard(MOST_COUNTED) - heard
            return Tally(count, waits[0] if waits else rows[-1][1]) if count > 0 else Tally()
        after = rows[-1][1], rows[-1][0]
    return Tally()
