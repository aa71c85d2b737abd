"""Lists and sums of calls in SQL."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, func, select

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.calls import SqlCalls
from consent_engine.adapters.sql.kept import known_in
from consent_engine.adapters.sql.paging import behind, page_of
from consent_engine.adapters.sql.tables import CALLS, TO_REVIEW, VIOLATING
from consent_engine.domain.call.call import Call, CallState
from consent_engine.domain.call.call_counters import Counted
from consent_engine.domain.call.review import UNDECIDED, Verdict
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.effects import Millis
from consent_engine.ports import Tally
from consent_engine.ports.queries import ANY, CallFilter, CallQueries, Paged, Position


class SqlCallQueries(CallQueries):
    """The CallQueries of one database."""

    def __init__(self, archive: SqlArchive) -> None:
        self._archive = archive

    def page(self, wanted: CallFilter, before: Position | None, limit: int) -> Paged[Call]:
        kept = CALLS.c
        bounds = {
            kept.agent.__eq__: wanted.agent, kept.carrier.__eq__: wanted.carrier, kept.started_at.__ge__: wanted.since,
            kept.started_at.__lt__: wanted.until, kept.verdict.__eq__: wanted.verdict and wanted.verdict.value,
        }  # fmt: skip
        only = [compared(value) for compared, value in bounds.items() if value is not None]
        rows = SqlCalls.rows.where(*only)
        if wanted.violation is not None:
            rows = rows.where(VIOLATING)
        if wanted.violation not in {None, ANY}:
            rows = rows.where(kept.violations.contains(f" {wanted.violation} ", autoescape=True))
        with self._archive.asking() as connection:
            found = connection.execute(behind(rows, kept.started_at, kept.id, before, limit)).all()
        return page_of(found, "started_at", limit, self._archive.calls.kept)

    def listed(self, before: Position | None, limit: int) -> list[Position]:
        return self._places(before, limit)

    def present(self, before: Position | None, limit: int) -> list[Position]:
        return self._places(before, limit, ~CALLS.c.gone)

    def _places(self, before: Position | None, limit: int, *only: ColumnElement[bool]) -> list[Position]:
        rows = select(CALLS.c.started_at, CALLS.c.id).where(*only)
        with self._archive.asking() as connection:
            found = connection.execute(behind(rows, CALLS.c.started_at, CALLS.c.id, before, limit))
            return [(at, call) for at, call in found]

    def known(self, calls: Sequence[str]) -> set[str]:
        return known_in(self._archive, CALLS.c.id, calls)

    def to_review(self, verdict: Verdict, after: Position | None, limit: int) -> Paged[Call]:
        kept = CALLS.c
        rows = SqlCalls.rows.where(TO_REVIEW, kept.verdict == verdict.value)
        with self._archive.asking() as connection:
            found = connection.execute(behind(rows, kept.over_at, kept.id, after, limit, oldest_first=True)).all()
        return page_of(found, "over_at", limit, self._archive.calls.kept)

    def waiting(self) -> Mapping[Verdict, Tally]:
        kept = CALLS.c
        rows = select(kept.verdict, func.count(), func.min(kept.over_at)).where(TO_REVIEW).group_by(kept.verdict)
        with self._archive.asking() as connection:
            found = {Verdict(verdict): Tally(n, oldest) for verdict, n, oldest in connection.execute(rows)}
        return {verdict: found.get(verdict, Tally()) for verdict in Verdict if verdict in UNDECIDED}

    def counted(self, since: Millis, until: Millis, *, by_agent: bool = False) -> list[Counted]:
        kept = CALLS.c
        alike = [kept.carrier, kept.state, kept.verdict, kept.ever_violated, *([kept.agent] if by_agent else [])]
        began = kept.started_at >= since, kept.started_at <= until
        with self._archive.asking() as connection:
            rows = connection.execute(select(func.count(), *alike).where(*began).group_by(*alike)).all()
        return [
            Counted(
                count, carrier, CallState(state), Verdict(verdict) if verdict else None,
                frozenset(map(Violation, violated.split())), *agent,
            )
            for count, carrier, state, verdict, violated, *agent in rows
        ]  # fmt: skip
