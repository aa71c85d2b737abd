"""Lists, searches and sums of calls, orders, terminations, complaints and restrictions, and all of an order, on SQL."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, TextClause, and_, case, func, select, tuple_

from consent_engine.adapters.sql.archive import OfArchive, SqlArchive, SqlCalls, behind
from consent_engine.adapters.sql.lines import standing
from consent_engine.adapters.sql.tables import (
    CALLS,
    FAILED,
    LINES,
    LOG,
    ORDERS,
    PLANS,
    RECONCILED,
    RECORDS,
    RESTRICTIONS,
    TO_REVIEW,
    VIOLATING,
    among,
)
from consent_engine.domain.call.call import Call, CallOutcome, CallState
from consent_engine.domain.call.ending import Ending, EndingState, ending_id
from consent_engine.domain.call.report import Report, ReportClass, ReportDoor, ReportState
from consent_engine.domain.call.review import UNDECIDED, Verdict
from consent_engine.domain.call.sales_figures import Counted, Sold
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.canonical_json import Reader
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.order.order import Evidence, Order
from consent_engine.domain.seal import Leaf, cipher_of
from consent_engine.errors import BrokenRecord
from consent_engine.ports import OWNERS, Kept, Owner, R, ReportFilter, Tally
from consent_engine.ports.queries import (
    ANY,
    MOST_SEARCHED,
    CallFilter,
    CallQueries,
    EvidenceQueries,
    L,
    Only,
    OpenReports,
    OrderFilter,
    OrderKept,
    OrderQueries,
    Paged,
    Position,
    Queries,
    Receipted,
    Received,
    Reconciliation,
    ReportedCall,
    ReportQueries,
    RestrictionQueries,
    StandingRestriction,
)

_CALL, _ORDER, _RECORD = (
    (CALLS.c.started_at, CALLS.c.id),
    (ORDERS.c.placed_at, ORDERS.c.id),
    (RECORDS.c.listed_at, RECORDS.c.id),
)
"""The columns of a row's place in a list."""
A_PIECE = 20_000
"""Calls read at a time, of a list that is read whole."""
UNOFFICIAL = f" {Violation.UNOFFICIAL_NUMBER} "


class SqlCallQueries(OfArchive, CallQueries):
    """The CallQueries of one database."""

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
        return self._page(behind(rows, _CALL, before, limit), _CALL[0], limit, self._archive.calls)

    def reported(self, carrier: str, since: Millis, until: Millis) -> Iterator[ReportedCall]:
        kept, last = CALLS.c, (since - 1, "")
        rows = select(kept.line, kept.ever_violated, kept.started_at, kept.id).where(kept.carrier == carrier)
        rows = rows.where(kept.started_at <= until).order_by(kept.started_at, kept.id).limit(A_PIECE)
        while True:
            with self._asking() as connection:
                found = connection.execute(rows.where(tuple_(kept.started_at, kept.id) > last)).all()
            for line, violated, at, call in found:
                yield ReportedCall(line, int(UNOFFICIAL not in violated), at, call)
            if len(found) < A_PIECE:
                return
            last = found[-1][2], found[-1][3]

    def reconciled(self, since: Millis, until: Millis) -> list[Reconciliation]:
        kept = RECONCILED.c
        rows = select(RECONCILED).where(kept.since <= until, kept.until >= since).order_by(kept.at.desc())
        with self._asking() as connection:
            return [Reconciliation(*row) for row in connection.execute(rows)]

    def to_review(self, verdict: Verdict, after: Position | None, limit: int) -> Paged[Call]:
        kept = CALLS.c
        rows = SqlCalls.rows.where(TO_REVIEW, kept.verdict == verdict.value)
        rows = behind(rows, (kept.over_at, kept.id), after, limit, oldest_first=True)
        return self._page(rows, kept.over_at, limit, self._archive.calls)

    def waiting(self) -> Mapping[Verdict, Tally]:
        kept = CALLS.c
        rows = select(kept.verdict, func.count(), func.min(kept.over_at)).where(TO_REVIEW).group_by(kept.verdict)
        with self._asking() as connection:
            found = {Verdict(verdict): Tally(n, oldest) for verdict, n, oldest in connection.execute(rows)}
        return {verdict: found.get(verdict, Tally()) for verdict in Verdict if verdict in UNDECIDED}

    def counted(
        self, since: Millis, until: Millis, *, by_agent: bool = False, placed_by: str | None = None
    ) -> list[Counted]:
        kept = CALLS.c
        alike = [kept.carrier, kept.state, kept.verdict, kept.ever_violated]
        alike += [kept.agent, kept.outcome, kept.permitted] if by_agent else []
        began = kept.started_at >= since, kept.started_at <= until, *_by_key(kept.placed_by, placed_by)
        with self._asking() as connection:
            rows = connection.execute(select(func.count(), *alike).where(*began).group_by(*alike)).all()
        return [
            Counted(
                count, carrier, CallState(state), Verdict(verdict) if verdict else None,
                frozenset(map(Violation, violated.split())), *_of_agent(*of),
            )
            for count, carrier, state, verdict, violated, *of in rows
        ]  # fmt: skip

    def failed(self, since: Millis, until: Millis, placed_by: str | None = None) -> Mapping[str, int]:
        kept = CALLS.c
        given = FAILED, kept.failed_at >= since, kept.failed_at <= until
        with self._asking() as connection:
            return _by_agent(connection, kept.agent, func.count(), *given, *_by_key(kept.placed_by, placed_by))


def _by_agent(
    connection: Connection, agent: Column[Any], count: ColumnElement[int], *only: ColumnElement[bool] | TextClause
) -> dict[str, int]:
    return dict(iter(connection.execute(select(agent, count).where(*only).group_by(agent))))


def _of_agent(agent: str = "", outcome: str = "", permitted: bool = False) -> tuple[str, CallOutcome | None, bool]:  # noqa: FBT001, FBT002 - columns
    return agent, CallOutcome(outcome) if outcome else None, permitted


def _by_key(column: Column[Any], name: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if name is None else (column == name,)


class SqlOrderQueries(OfArchive, OrderQueries):
    """The OrderQueries of one database."""

    def page(self, wanted: OrderFilter, before: Position | None, limit: int) -> Paged[Order]:
        kept = ORDERS.c
        bounds = {
            kept.state.__eq__: wanted.state and wanted.state.value, kept.agent.__eq__: wanted.agent,
            kept.plan.__eq__: wanted.plan, kept.carrier.__eq__: wanted.carrier, kept.placed_at.__ge__: wanted.since,
            kept.in_vain.__eq__: wanted.void_yes, kept.line.__eq__: wanted.line, kept.placed_at.__le__: wanted.until,
        }  # fmt: skip
        only = [compared(value) for compared, value in bounds.items() if value is not None]
        return self._page(behind(SqlArchive.rows.where(*only), _ORDER, before, limit), _ORDER[0], limit, self._archive)

    def with_tail(self, tail: str, most: int) -> list[str]:
        newest = select(ORDERS.c.id, ORDERS.c.placed_at).order_by(ORDERS.c.placed_at.desc(), ORDERS.c.id.desc())
        some = newest.limit(MOST_SEARCHED).subquery()
        alike = select(some.c.id).where(some.c.id.endswith(tail, autoescape=True))
        rows = alike.order_by(some.c.placed_at.desc(), some.c.id.desc()).limit(most)
        with self._asking() as connection:
            return list(connection.execute(rows).scalars())

    def funnel(self, since: Millis, until: Millis) -> dict[State, int]:
        placed = ORDERS.c.placed_at >= since, ORDERS.c.placed_at <= until
        counted = select(ORDERS.c.state, func.count()).where(*placed).group_by(ORDERS.c.state)
        with self._asking() as connection:
            return {State(state): n for state, n in connection.execute(counted)}

    def sold(
        self, since: Millis, until: Millis, placed_by: str | None = None
    ) -> Mapping[tuple[str, str], Mapping[Sold, int]]:
        kept, found = ORDERS.c, dict[tuple[str, str], Counter[Sold]]()
        alike = kept.plan, kept.agent, kept.outcomes
        placed = kept.placed_at >= since, kept.placed_at <= until, *_by_key(kept.placed_by, placed_by)
        with self._asking() as connection:
            for plan, agent, outcomes, n in connection.execute(
                select(*alike, func.count()).where(*placed).group_by(*alike)
            ):
                counts = found.setdefault((plan, agent), Counter())
                counts.update({Sold(each): n for each in outcomes.split()})
            if placed_by is not None:
                return found
            for plan, agent, n in connection.execute(
                select(RECORDS.c.plan, RECORDS.c.agent, func.count())
                .where(*_ended_soon(since, until))
                .group_by(RECORDS.c.plan, RECORDS.c.agent)
            ):
                found.setdefault((plan, agent), Counter())[Sold.ENDED_SOON] += n
        return found

    def held(self, placed_by: str | None = None) -> Mapping[str, int]:
        kept = ORDERS.c
        waiting = select(RESTRICTIONS.c.line).where(*_listed(Kind.SUSPECTED))
        open_ = ~kept.gone, kept.settled_at == 0, kept.line.in_(waiting), *_by_key(kept.placed_by, placed_by)
        with self._asking() as connection:
            return _by_agent(connection, kept.agent, func.count(kept.line.distinct()), *open_)

    def ended_soon(self, since: Millis, until: Millis) -> int:
        with self._asking() as connection:
            counted = select(func.count()).select_from(RECORDS).where(*_ended_soon(since, until))
            return int(connection.execute(counted).scalar_one())


def _ended_soon(since: Millis, until: Millis) -> tuple[Any, ...]:
    kept = RECORDS.c
    return kept.kind == Owner.ENDING.value, kept.soon, kept.activated_at >= since, kept.activated_at <= until


_ROW = RECORDS.c
_OPEN_ENDING = (
    _ROW.kind == Owner.ENDING.value,
    _ROW.state.in_([EndingState.ENDING.value, EndingState.ENDING_FAILED.value]),
)


_REPORT = _ROW.kind == Owner.REPORT.value
_OPEN_REPORT = _REPORT, _ROW.state == ReportState.OPEN.value


class SqlReportQueries(OfArchive, ReportQueries):
    """The ReportQueries of one database."""

    def page(self, wanted: ReportFilter, before: Position | None, limit: int) -> list[Position]:
        bounds = (
            (_ROW.state, wanted.state), (_ROW.door, wanted.door), (_ROW.found, wanted.found),
            (_ROW.carrier, wanted.carrier), (_ROW.reward, wanted.reward),
        )  # fmt: skip
        only = [_REPORT, *(column == value for column, value in bounds if value is not None)]
        if wanted.overdue_at is not None:
            only += _ROW.state == ReportState.OPEN.value, _ROW.answer_by < wanted.overdue_at
        return self._places(_RECORD, before, limit, *only)

    def received(self, since: Millis, until: Millis, now: Millis) -> list[Received]:
        alike = _ROW.carrier, _ROW.found, _ROW.state
        late = func.sum(case((and_(*_OPEN_REPORT, _ROW.answer_by < now), 1), else_=0))
        came = _REPORT, _ROW.listed_at >= since, _ROW.listed_at <= until
        counted = select(*alike, func.count(), late).where(*came).group_by(*alike).order_by(*alike)
        with self._asking() as connection:
            return [Received(*row) for row in connection.execute(counted)]

    def due(self, limit: int) -> list[str]:
        rows = select(_ROW.id).where(*_OPEN_REPORT).order_by(_ROW.answer_by, _ROW.id).limit(limit)
        with self._asking() as connection:
            return list(connection.execute(rows).scalars())

    def waiting(self, now: Millis) -> list[OpenReports]:
        alike, late = (_ROW.door, _ROW.proposed), func.sum(case((_ROW.answer_by < now, 1), else_=0))
        counted = select(*alike, func.count(), late).where(*_OPEN_REPORT).group_by(*alike)
        with self._asking() as connection:
            return [
                OpenReports(ReportDoor(door), ReportClass(proposed), count, overdue)
                for door, proposed, count, overdue in connection.execute(counted)
            ]


log = logging.getLogger(__name__)
_STANDS = RESTRICTIONS.c
_SINCE = _STANDS.since, _STANDS.line, _STANDS.name
_STANDING = select(*_SINCE, LINES.c.version, LINES.c.person).join(LINES, LINES.c.id == _STANDS.line)


class SqlRestrictionQueries(OfArchive, RestrictionQueries):
    """The RestrictionQueries of one database."""

    def page(self, kind: Kind, before: Position | None, limit: int) -> Paged[StandingRestriction]:
        rows = _STANDING.where(*_listed(kind)).order_by(*(each.desc() for each in _SINCE)).limit(limit)
        if before is not None:
            line, _, name = before[1].partition(" ")
            rows = rows.where(tuple_(*_SINCE) < (before[0], line, name))
        with self._asking() as connection:
            found = connection.execute(rows).all()
        last = found[-1] if len(found) == limit else None
        place = (last.since, f"{last.line} {last.name}") if last is not None else None
        return Paged(tuple(filter(None, map(self._standing, found))), place)

    def _standing(self, row: Any) -> StandingRestriction | None:  # noqa: ANN401 - a row
        try:
            return standing(row, self._archive.seal)
        except (ValueError, BrokenRecord):
            log.error("%s: a restriction cannot be read", row.line)
            return None

    def tally(self, kind: Kind) -> Tally:
        return self._tally(_STANDS.since, *_listed(kind))


def _listed(kind: Kind) -> tuple[ColumnElement[bool], ...]:
    return (_STANDS.kind == kind.value, *((_STANDS.waits,) if kind is Kind.SUSPECTED else ()))


S = TypeVar("S")
_FIELDS = Reader(dict[str, str])


class SqlEvidenceQueries(OfArchive, EvidenceQueries):
    """The EvidenceQueries of one database, read in one transaction."""

    def of(self, orders: Sequence[str]) -> dict[str, OrderKept | None]:
        with self._asking() as connection:
            return self._some(connection, orders)

    def receipted(self, name: str, since: Millis) -> Receipted | None:
        orders = select(ORDERS.c.id).where(ORDERS.c.receipt == name, ORDERS.c.placed_at >= since)
        reports = select(RECORDS.c.id).where(RECORDS.c.receipt == name, RECORDS.c.listed_at >= since)
        stands = select(RESTRICTIONS.c.line, RESTRICTIONS.c.name, LINES.c.version, LINES.c.person)
        stands = stands.join(LINES, LINES.c.id == RESTRICTIONS.c.line).where(RESTRICTIONS.c.receipt == name)
        with self._asking() as connection:
            if (order := connection.execute(orders).scalar()) is not None:
                return _sound(self._some(connection, [order])[order])
            if (report := connection.execute(reports).scalar()) is not None:
                return _sound(self._kept(connection, Owner.REPORT, Report, [report])[report].record)
            row = connection.execute(stands).first()
        return standing(row, self._archive.seal) if row else None

    def _some(self, connection: Connection, orders: Sequence[str]) -> dict[str, OrderKept | None]:
        kept = self._kept(connection, Owner.ORDER, Order, orders)
        docs = {name: each.record.doc for name, each in kept.items() if each.record is not None}
        calls = self._kept(connection, Owner.CALL, Call, [doc.call_id for doc in docs.values()])
        endings = self._kept(connection, Owner.ENDING, Ending, [ending_id(name) for name in docs])
        codes = sorted({doc.plan for doc in docs.values()})
        rows = connection.execute(select(PLANS).where(among(connection, PLANS.c.code, codes)))
        plans = {code: _FIELDS(fields) for code, fields in rows}
        of_all = (each.record for some in (kept, calls, endings) for each in some.values())
        leaves = _leaves(connection, [each for each in of_all if each is not None])
        found: dict[str, OrderKept | None] = dict.fromkeys(kept)
        opened = cipher_of(self._archive.seal).opened
        for name, doc in docs.items():
            call, ending = calls.get(doc.call_id), endings.get(ending_id(name))
            parts = [part for part in (kept[name], call, ending) if part is not None]
            if (order := kept[name].record) is not None and all(part.record is not None for part in parts):
                fields = {part.id: opened(order.line, part.fields) for part in parts}
                found[name] = OrderKept(
                    order, call and call.record, ending and ending.record, fields, plans.get(doc.plan),
                    {part.id: leaves[part.id] for part in parts if part.id in leaves},
                )  # fmt: skip
        return found

    def logged(self, kind: type[L], names: Sequence[str]) -> dict[str, tuple[L, Sequence[tuple[int, str]]]]:
        with self._archive.asking() as connection:
            kept = self._kept(connection, OWNERS[kind], kind, names)
            records = [each.record for each in kept.values() if each.record is not None]
            leaves = _leaves(connection, records)
        return {record.id: (record, leaves.get(record.id, [])) for record in records}

    def leaves(self, calls: Sequence[Call]) -> dict[str, list[tuple[int, str]]]:
        with self._asking() as connection:
            return _leaves(connection, calls)

    def _kept(self, connection: Connection, owner: Owner, kind: type[R], names: Sequence[str]) -> dict[str, Kept[R]]:
        """Return these records; without its record one that is damaged, or of another kind."""
        of, found = self._archive.table_of(owner), dict[str, Kept[R]]()
        for row in connection.execute(of.rows_of(owner).where(among(connection, of.table.c.id, names))):
            kept: Kept[Any] = of.kept(row)
            found[row.id] = kept if isinstance(kept.record, kind) else kept._replace(record=None)
        return found


def _sound(found: S | None) -> S:
    """Raises BrokenRecord for a damaged record."""
    if found is None:
        raise BrokenRecord("a record of this order is damaged, or somebody changed it")
    return found


def _leaves(connection: Connection, records: Sequence[Order | Call | Ending]) -> dict[str, list[tuple[int, str]]]:
    """Return the entries of each chain that the log has: an entry is found by its hash, which follows from a link."""
    named = {digest(leaf.entry): leaf.record for record in records for leaf in Leaf.all_of(record)}
    wanted = select(LOG.c.leaf, LOG.c.n, LOG.c.entry).where(among(connection, LOG.c.leaf, list(named)))
    found: dict[str, list[tuple[int, str]]] = {}
    for leaf, n, entry in connection.execute(wanted.order_by(LOG.c.n)):
        found.setdefault(named[leaf], []).append((n, entry))
    return found


_PLACES: Mapping[tuple[Owner, Only], tuple[Sequence[Column[Any]], Sequence[ColumnElement[bool]]]] = {
    (Owner.ORDER, Only.ALL): (_ORDER, ()), (Owner.ORDER, Only.PRESENT): (_ORDER, (~ORDERS.c.gone,)),
    (Owner.ORDER, Only.ACTIVATED): (_ORDER, (ORDERS.c.evidence == Evidence.SERVICE.value,)),
    (Owner.CALL, Only.ALL): (_CALL, ()), (Owner.CALL, Only.PRESENT): (_CALL, (~CALLS.c.gone,)),
    (Owner.ENDING, Only.ALL): (_RECORD, _OPEN_ENDING[:1]), (Owner.ENDING, Only.PRESENT): (_RECORD, _OPEN_ENDING),
}  # fmt: skip


class SqlQueries(OfArchive, Queries):
    """The Queries of one database. check: raises NotOurArchive for a database of another installation"""

    def __init__(self, archive: SqlArchive, check: Callable[[], object] = lambda: None) -> None:
        super().__init__(archive, check)
        self.orders: OrderQueries = SqlOrderQueries(archive, check)
        self.restrictions: RestrictionQueries = SqlRestrictionQueries(archive, check)
        self.reports: ReportQueries = SqlReportQueries(archive, check)
        self.calls: CallQueries = SqlCallQueries(archive, check)
        self.evidence: EvidenceQueries = SqlEvidenceQueries(archive, check)

    def places(
        self, of: Owner, only: Only, before: Position | None, limit: int, plan: str | None = None, since: Millis = 0
    ) -> list[Position]:
        place, which = _PLACES[of, only]
        for_plan = () if plan is None else (ORDERS.c.plan == plan,)
        return self._places(place, before, limit, *which, *for_plan, *(() if not since else (place[0] >= since,)))

    def open_endings(self) -> Tally:
        return self._tally(_ROW.listed_at, *_OPEN_ENDING)
