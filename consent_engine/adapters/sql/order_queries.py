"""Lists and sums of orders in SQL."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.kept import known_in
from consent_engine.adapters.sql.paging import behind, page_of
from consent_engine.adapters.sql.tables import ORDERS, RECORDS
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.sales_outcomes import Sold
from consent_engine.ports import Owner
from consent_engine.ports.queries import MOST_SEARCHED, OrderFilter, OrderQueries, Paged, Position


class SqlOrderQueries(OrderQueries):
    """The OrderQueries of one database."""

    def __init__(self, archive: SqlArchive) -> None:
        self._archive = archive

    def page(self, wanted: OrderFilter, before: Position | None, limit: int) -> Paged[Order]:
        kept = ORDERS.c
        bounds = {
            kept.state.__eq__: wanted.state and wanted.state.value, kept.agent.__eq__: wanted.agent,
            kept.plan.__eq__: wanted.plan, kept.carrier.__eq__: wanted.carrier, kept.placed_at.__ge__: wanted.since,
            kept.in_vain.__eq__: wanted.void_yes, kept.line.__eq__: wanted.line,
        }  # fmt: skip
        only = [compared(value) for compared, value in bounds.items() if value is not None]
        with self._archive.asking() as connection:
            rows = behind(SqlArchive.rows.where(*only), kept.placed_at, kept.id, before, limit)
            found = connection.execute(rows).all()
        return page_of(found, "placed_at", limit, self._archive.kept)

    def listed(self, before: Position | None, limit: int) -> list[Position]:
        return self._places(before, limit)

    def present(self, before: Position | None, limit: int, plan: str | None = None) -> list[Position]:
        return self._places(before, limit, ~ORDERS.c.gone, *(() if plan is None else (ORDERS.c.plan == plan,)))

    def _places(self, before: Position | None, limit: int, *only: ColumnElement[bool]) -> list[Position]:
        rows = select(ORDERS.c.placed_at, ORDERS.c.id).where(*only)
        with self._archive.asking() as connection:
            found = connection.execute(behind(rows, ORDERS.c.placed_at, ORDERS.c.id, before, limit))
            return [(at, order) for at, order in found]

    def known(self, orders: Sequence[str]) -> set[str]:
        return known_in(self._archive, ORDERS.c.id, orders)

    def with_tail(self, tail: str, most: int) -> list[str]:
        newest = select(ORDERS.c.id, ORDERS.c.placed_at).order_by(ORDERS.c.placed_at.desc(), ORDERS.c.id.desc())
        some = newest.limit(MOST_SEARCHED).subquery()
        alike = select(some.c.id).where(some.c.id.endswith(tail, autoescape=True))
        rows = alike.order_by(some.c.placed_at.desc(), some.c.id.desc()).limit(most)
        with self._archive.asking() as connection:
            return list(connection.execute(rows).scalars())

    def funnel(self, since: Millis, until: Millis) -> dict[State, int]:
        placed = ORDERS.c.placed_at >= since, ORDERS.c.placed_at <= until
        counted = select(ORDERS.c.state, func.count()).where(*placed).group_by(ORDERS.c.state)
        with self._archive.asking() as connection:
            return {State(state): n for state, n in connection.execute(counted)}

    def sold(self, since: Millis, until: Millis) -> Mapping[tuple[str, str], Mapping[Sold, int]]:
        kept, found = ORDERS.c, dict[tuple[str, str], Counter[Sold]]()
        alike = kept.plan, kept.agent, kept.outcomes
        placed = kept.placed_at >= since, kept.placed_at <= until
        with self._archive.asking() as connection:
            for plan, agent, outcomes, n in connection.execute(
                select(*alike, func.count()).where(*placed).group_by(*alike)
            ):
                counts = found.setdefault((plan, agent), Counter())
                counts.update({Sold(each): n for each in outcomes.split()})
            for plan, agent, n in connection.execute(
                select(RECORDS.c.plan, RECORDS.c.agent, func.count())
                .where(*_ended_soon(since, until))
                .group_by(RECORDS.c.plan, RECORDS.c.agent)
            ):
                found.setdefault((plan, agent), Counter())[Sold.ENDED_SOON] += n
        return found

    def ended_soon(self, since: Millis, until: Millis) -> int:
        with self._archive.asking() as connection:
            counted = select(func.count()).select_from(RECORDS).where(*_ended_soon(since, until))
            return int(connection.execute(counted).scalar_one())


def _ended_soon(since: Millis, until: Millis) -> tuple[Any, ...]:
    kept = RECORDS.c
    return kept.kind == Owner.ENDING.value, kept.soon, kept.activated_at >= since, kept.activated_at <= until
