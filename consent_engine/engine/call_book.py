"""The call book: begin, end, show, review, list and count calls, for people and desktops."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.call_request import CallEnd, CallStart
from consent_engine.domain.call.call import Call, CallNotFound
from consent_engine.domain.call.review import CommandHeard, ReviewAwaited, Verdict
from consent_engine.domain.call.sales_figures import Covered, SalesOutcomes, Summed, covered, sales_outcomes, summed
from consent_engine.domain.call.workday import Workday, workday, workdays
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import slot
from consent_engine.engine.call import CallTaken, calling, ending
from consent_engine.engine.catalogue import Catalogue
from consent_engine.engine.listing import cursor_of, read_cursor
from consent_engine.engine.recall import Lookup
from consent_engine.engine.review import Review, Transcript, keeping_heard, letting_go_on, reviewing, transcribing
from consent_engine.engine.round_trips import in_parts, one, or_raised
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import ConsentError
from consent_engine.ports import CallFilter, Store

LET_GO_AT_ONCE = 200
"""Orders waiting for a review that one request releases, with a commit for each call."""


class CallPage(Struct, frozen=True):
    """A page of calls. cursor: of the next page, '' at the end."""

    calls: tuple[Call, ...]
    cursor: str


class Waiting(Struct, frozen=True):
    """An order whose activation waits for the first review of its call; since when, and the agent of the call."""

    order: str
    call: str
    since: Millis
    agent: str


class LetGo(Struct, frozen=True):
    """The orders that may continue: how many, of how many calls. cursor: to continue with, '' at the end."""

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
        self._terms = terms
        self._catalogue = catalogue
        self._secret = secret
        self._run = run

    def record(self, wanted: CallStart | CallEnd) -> CallTaken:
        """Record that a call began, or ended. Raises what `calling` and `ending` do."""
        return or_raised(self.record_many([wanted])[0])

    def record_many(self, wanted: Sequence[CallStart | CallEnd]) -> list[CallTaken | ConsentError]:
        """Record many in one go; a result or an error each. Success is proven durable before this returns."""
        plans = self._catalogue.fresh()

        def sells(carrier: str, code: str) -> bool:
            listed = plans.get(code)
            return listed is not None and listed.plan.carrier == carrier

        def record(each: CallStart | CallEnd) -> str:
            return f"{slot(each.msisdn):04x}" if isinstance(each, CallStart) else each.call

        def recorded(some: Sequence[CallStart | CallEnd]) -> list[CallTaken | ConsentError]:
            return self._run([
                calling(each, self._terms, self._secret) if isinstance(each, CallStart)
                else ending(each, self._terms, self._secret, sells)
                for each in some
            ])  # fmt: skip

        return in_parts(self._store.records, wanted, record, recorded)

    def show(self, call: str) -> Call:
        """Return a call from store or archive. Raises CallNotFound, and ArchiveUnavailable when it may be archived."""
        known = self._lookup.of(Call, [call]).get(call)
        if known is None:
            raise CallNotFound("no such call")
        return known

    def sums(self, day: str) -> Summed:
        """Return the sums of the calls that began on a day (of the business). Raises ArchiveUnavailable."""
        of = self._terms.reporting.days
        return summed(self._store.queries.calls.counted(of.begins(day), of.ends(day)))

    def review(self, said: Review) -> Call:
        """Take a verdict. Raises as `reviewing` does. It is proven durable before this returns."""
        return one(self._run, reviewing(said))

    def waiting(self, cursor: str = "", limit: int = 50, *, now: bool = False) -> tuple[list[Waiting], str]:
        """List up to `limit` orders that wait for the first review of their call, newest first, with the cursor for
        more. Orders of a failed review wait for another reviewer and are left out: a page may be short. now: none that
        waits now is missing

        Raises Malformed for a cursor that no list handed out, and ArchiveUnavailable.
        """
        queries = as_of_now(self._store) if now else self._store.queries
        page = queries.restrictions.page(Kind.REVIEW, read_cursor(cursor), limit)
        waits = [each.restriction for each in page.rows]
        known = self._store.records.look({Call: [each.ref for each in waits]}).of(Call)
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
        waiting, cursor = self.waiting(cursor, LET_GO_AT_ONCE, now=True)
        freed = [self.let_go_on(call, by, why) for call in dict.fromkeys(each.call for each in waiting)]
        return LetGo(sum(freed), sum(1 for each in freed if each), cursor)

    def transcribe(self, wanted: Transcript) -> Call:
        """Keep a transcript. Raises as `transcribing` does. It is proven durable before this returns."""
        return one(self._run, transcribing(wanted))

    def keep_heard(self, call: str, event: CommandHeard) -> None:
        """Record that the command heard a call that people hear all the same."""
        one(self._run, keeping_heard(call, event))

    def to_review(self, verdict: Verdict, cursor: str = "", limit: int = 50) -> CallPage:
        """List up to `limit` calls that are pending, or contested, oldest first. One with another verdict in the store
        by now is left out: a page may be short and have a cursor. Raises Malformed for a cursor that no list handed
        out, and ArchiveUnavailable.
        """
        found = self._store.queries.calls.to_review(verdict, read_cursor(cursor), limit)
        there = self._store.records.look({Call: [call.id for call in found.rows]}).of(Call)
        now = (there.get(call.id, call) for call in found.rows)
        return CallPage(tuple(call for call in now if call.verdict is verdict), cursor_of(found.last))

    def coverage(self, days: Sequence[str], by: str) -> list[Covered]:
        """Count the recorded calls of these days that were reviewed, by day, agent or carrier. Raises
        ArchiveUnavailable.
        """
        counted, of = self._store.queries.calls.counted, self._terms.reporting.days
        if by == "day":
            return covered((day, each) for day in days for each in counted(of.begins(day), of.ends(day)))
        found = counted(of.begins(min(days)), of.ends(max(days)), by_agent=by == "agent")
        return covered((each.agent if by == "agent" else each.carrier, each) for each in found)

    def pressure(self, days: Sequence[str], by: str) -> list[SalesOutcomes]:
        """Sum up the outcomes of the orders of these days, by agent or plan: the worst first. Raises
        ArchiveUnavailable.
        """
        of = self._terms.reporting.days
        return sales_outcomes(self._store.queries.orders.sold(of.begins(min(days)), of.ends(max(days))), by)

    def workdays(self, now: Millis) -> list[Workday]:
        """Count the day of every agent until now. Raises ArchiveUnavailable."""
        ask, since = self._store.queries, self._midnight(now)
        calls = ask.calls.counted(since, now, by_agent=True)
        return workdays(calls, ask.orders.sold(since, now), ask.orders.held(), ask.calls.failed(since, now))

    def own_day(self, key: str, made_at: Millis, now: Millis) -> Workday:
        """Count the day of the holder of a key: from midnight, or from the making of the key, until now. Raises
        ArchiveUnavailable.
        """
        ask, since = self._store.queries, max(self._midnight(now), made_at)
        calls = ask.calls.counted(since, now, by_agent=True, placed_by=key)
        held, failed = (sum(of.values()) for of in (ask.orders.held(key), ask.calls.failed(since, now, key)))
        return workday("", calls, ask.orders.sold(since, now, key).values(), held, failed)

    def _midnight(self, now: Millis) -> Millis:
        days = self._terms.reporting.days
        return days.begins(days.of(now))

    def page(self, wanted: CallFilter, cursor: str = "", limit: int = 50) -> CallPage:
        """List up to `limit` calls, newest first. Raises Malformed for a cursor that no list handed out, and
        ArchiveUnavailable.
        """
        found = self._store.queries.calls.page(wanted, read_cursor(cursor), limit)
        return CallPage(found.rows, cursor_of(found.last))
