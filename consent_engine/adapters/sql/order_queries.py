"""Lists and sums of orders in SQL."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select, tuple_

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.kept import PIECE
from consent_engine.adapters.sql.rows import order_of
from consent_engine.adapters.sql.tables import OFFERS, ORDERS, RECORDS, among
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.pressure import Sold
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Owner
from consent_engine.ports.queries import MOST_SEARCHED, OrderFilter, OrderQueries, Paged, Position

log = logging.getLogger(__name__)
_WHOLE = select(
    ORDERS.c.id, ORDERS.c.placed_at, ORDERS.c.record, ORDERS.c.person, ORDERS.c.effects, OFFERS.c.content
).join(OFFERS, OFFERS.c.hash == ORDERS.c.offer, isouter=True)


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
        if before is not None:
            only.append(tuple_(kept.placed_at, kept.id) < before)
        rows = _WHOLE.where(*only).order_by(kept.placed_at.desc(), kept.id.desc()).limit(limit)
        with self._archive.asking() as connection:
            found = connection.execute(rows).all()
        last = (found[-1].placed_at, found[-1].id) if len(found) == limit else None
        return Paged(tuple(order for row in found if (order := self._order(row)) is not None), last)

    def _order(self, row: Any) -> Order | None:  # noqa: ANN401 - a row
        try:
            return order_of(row.record, row.person, row.content, self._archive.seal, row.effects)
        except BrokenRecord as error:
            log.error("%s: %s", row.id, error)
            return None

    def listed(self, before: Position | None, limit: int) -> list[Position]:
        return self._places(before, limit)

    def present(self, before: Position | None, limit: int) -> list[Position]:
        return self._places(before, limit, ~ORDERS.c.gone)

    def _places(self, before: Position | None, limit: int, *only: ColumnElement[bool]) -> list[Position]:
        kept = ORDERS.c
        rows = select(kept.placed_at, kept.id).where(*only).order_by(kept.placed_at.desc(), kept.id.desc())
        if before is not None:
            rows = rows.where(tuple_(kept.placed_at, kept.id) < before)
        with self._archive.asking() as connection:
            return [(at, order) for at, order in connection.execute(rows.limit(limit))]

    def known(self, orders: Sequence[str]) -> set[str]:
        found = set[str]()
        with self._archive.asking() as connection:
            for piece in (orders[n : n + PIECE] for n in range(0, len(orders), PIECE)):
                some = select(ORDERS.c.id).where(among(connection, ORDERS.c.id, piece))
                found.update(connection.execute(some).scalars())
        return found

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
