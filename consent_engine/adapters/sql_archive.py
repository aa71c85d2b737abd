"""The archive on SQL: SQLite in a file by default, PostgreSQL where many machines share it. SQLAlchemy's core only.

Its tables: `sql_tables`.
"""

import json
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, and_, delete, func, or_, select, text, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from consent_engine.adapters.sql_tables import META, OFFERS, ORDERS, SCHEMA, TABLES, connected
from consent_engine.domain.compact import compact
from consent_engine.domain.doc import offer_named
from consent_engine.domain.effects import Millis
from consent_engine.domain.event import digest
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line import request_key
from consent_engine.domain.order import Order
from consent_engine.domain.retention import Evidence, Retention
from consent_engine.errors import ArchiveUnavailable, BrokenRecord, SettingsError
from consent_engine.ports.archive import Expired

T = TypeVar("T")
DOWN_S = 5.0
"""How long an archive that failed is left alone: others must not wait for it again and again."""
PIECE = 500
"""Ids asked for in one statement."""
MAKING = 0x434F4E53
"""The lock under which the tables are made: any number, ours."""

_CANNOT = (OperationalError, InterfaceError, PoolTimeout, OSError)
"""The server's trouble, not the row's."""


class SqlArchive:
    """The Archive in one database. Connects when first asked; for all threads of a process."""

    def __init__(self, url: str, retention: Retention | None = None) -> None:
        self._retention = retention or Retention()
        self._engine = connected(url)
        self._insert: Any = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        weakref.finalize(self, self._engine.dispose)  # whoever forgets to close leaves no connection behind
        self._making = threading.Lock()
        self._id = ""
        self._again_at = 0.0

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    # -- asking ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _asking(self, *, anew: bool = False) -> Iterator[Connection]:
        """A transaction. What the database cannot do now is ArchiveUnavailable, at once for a while after that."""
        if monotonic() < self._again_at and not anew:
            raise ArchiveUnavailable("the archive could not be reached a moment ago")
        try:
            if not self._id:
                self._make()
            with self._engine.begin() as connection:
                yield connection
        except _CANNOT as error:
            self._again_at = monotonic() + DOWN_S
            # Not its words: they may quote a row.
            raise ArchiveUnavailable(f"the archive cannot be reached: {_kind(error)}") from error
        self._again_at = 0.0

    def _make(self) -> None:
        """The tables and the id, if they are not there."""
        with self._making, self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": MAKING})
            TABLES.create_all(connection)
            fresh = [{"name": "schema", "value": SCHEMA}, {"name": "id", "value": uuid.uuid4().hex}]
            connection.execute(self._insert(META).values(fresh).on_conflict_do_nothing())
            said: dict[str, str] = dict(iter(connection.execute(select(META.c.name, META.c.value))))
        if said["schema"] != SCHEMA:
            raise SettingsError(f"the archive has schema {said['schema']}, this release knows {SCHEMA}")
        self._id = said["id"]

    def id(self) -> str:
        """See Archive.id."""
        if not self._id:
            with self._asking():
                pass
        return self._id

    def check(self) -> int:
        """How many orders are there, asked now, whatever was a moment ago; raises ArchiveUnavailable."""
        with self._asking(anew=True) as connection:
            return int(connection.execute(select(func.count()).select_from(ORDERS)).scalar_one())

    # -- keeping ---------------------------------------------------------------------------------------------------

    def keep(self, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        """See Archive.keep."""
        rows, offers = [], {}
        for order_id in sorted(records):  # one order of locks for all who archive at once
            try:
                row, offer = _row(records[order_id])
            except BrokenRecord:
                continue
            rows.append(row)
            offers[offer[0]] = offer[1]
        return self._kept(rows, offers) if rows else set()

    def _kept(self, rows: Sequence[Mapping[str, Any]], offers: Mapping[str, str]) -> set[str]:
        """All rows in one transaction; when one of them cannot be written, each in its own."""
        try:
            with self._asking() as connection:
                return self._write(connection, rows, offers)
        except (DBAPIError, ValueError):
            if len(rows) == 1:
                return set()
        return {order for row in rows for order in self._kept([row], offers)}

    def _write(self, connection: Connection, rows: Sequence[Mapping[str, Any]], offers: Mapping[str, str]) -> set[str]:
        if known := [{"hash": name, "content": content} for name, content in sorted(offers.items()) if name]:
            connection.execute(self._insert(OFFERS).on_conflict_do_nothing(), known)
        insert = self._insert(ORDERS)
        newer = {c.name: c for c in insert.excluded if c.name != "id"}
        # Never another order's evidence, never an older version, and what is erased stays erased.
        ours = and_(
            ORDERS.c.doc_hash == insert.excluded.doc_hash,
            ORDERS.c.version < insert.excluded.version,
            ORDERS.c.person.is_not(None),
        )
        connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=newer, where=ours), rows)
        wanted = {row["id"]: (row["doc_hash"], row["version"]) for row in rows}
        stands = select(ORDERS.c.id, ORDERS.c.doc_hash, ORDERS.c.version).where(ORDERS.c.id.in_(list(wanted)))
        found = connection.execute(stands).all()
        return {order for order, head, version in found if head == wanted[order][0] and version >= wanted[order][1]}

    # -- reading ---------------------------------------------------------------------------------------------------

    def orders(self, ids: Sequence[str]) -> dict[str, Order]:
        """See Archive.orders."""
        return {order.id: order for order in self._read(ORDERS.c.id, ids)}

    def recall(self, keys: Sequence[str]) -> list[Order]:
        """See Archive.recall."""
        return self._read(ORDERS.c.request_key, keys)

    def _read(self, column: Column[Any], values: Sequence[str]) -> list[Order]:
        wanted = select(ORDERS.c.record, ORDERS.c.person, OFFERS.c.content).join(
            OFFERS, OFFERS.c.hash == ORDERS.c.offer, isouter=True
        )
        found = self._in_pieces(column, values, lambda connection, some: connection.execute(wanted.where(some)).all())
        return [_order(record, person, content) for record, person, content in found]

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        """See Archive.versions."""
        wanted = select(ORDERS.c.id, ORDERS.c.version)
        found = self._in_pieces(ORDERS.c.id, ids, lambda connection, some: connection.execute(wanted.where(some)).all())
        return dict(found)

    def _in_pieces(
        self, column: Column[Any], values: Sequence[str], ask: Callable[[Connection, Any], Sequence[Any]]
    ) -> list[Any]:
        if not values:
            return []
        with self._asking() as connection:
            pieces = (values[n : n + PIECE] for n in range(0, len(values), PIECE))
            return [row for piece in pieces for row in ask(connection, column.in_(piece))]

    def placed(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """See Archive.placed."""
        wanted = select(ORDERS.c.id, ORDERS.c.placed_at)
        if before is not None:
            wanted = wanted.where(tuple_(ORDERS.c.placed_at, ORDERS.c.id) < before)
        newest = wanted.order_by(ORDERS.c.placed_at.desc(), ORDERS.c.id.desc()).limit(limit)
        with self._asking() as connection:
            return [(order, at) for order, at in connection.execute(newest)]

    def of_line(self, line: str) -> list[str]:
        """See Archive.of_line."""
        with self._asking() as connection:
            return list(connection.execute(select(ORDERS.c.id).where(ORDERS.c.line == line)).scalars())

    def states(self, since: Millis, until: Millis) -> dict[State, int]:
        """See Archive.states."""
        counted = select(ORDERS.c.state, func.count()).where(ORDERS.c.placed_at >= since, ORDERS.c.placed_at < until)
        with self._asking() as connection:
            return {State(state): n for state, n in connection.execute(counted.group_by(ORDERS.c.state))}

    # -- deleting --------------------------------------------------------------------------------------------------

    def expire(self, now: Millis, most: int) -> Expired:
        """See Archive.expire."""
        rule = self._retention
        late = or_(
            *(
                and_(ORDERS.c.evidence == evidence.value, ORDERS.c.settled_at < rule.persons_before(evidence, now))
                for evidence in Evidence
            )
        )
        old = select(ORDERS.c.id).where(ORDERS.c.settled_at < rule.records_before(now)).limit(most)
        told = select(ORDERS.c.id).where(late, ORDERS.c.person.is_not(None)).limit(most)
        with self._asking() as connection:
            orders = connection.execute(delete(ORDERS).where(ORDERS.c.id.in_(old)))
            persons = connection.execute(update(ORDERS).where(ORDERS.c.id.in_(told)).values(person=None))
            return Expired(persons.rowcount, orders.rowcount)


def _row(fields: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, str]]:
    """An order's row, and the offer it names ('' when it holds its own). Raises BrokenRecord."""
    order = Order.read(fields)
    doc = order.doc
    kept = {name: value for name, value in fields.items() if name != "offer" and not name.startswith("f:")}
    person = {name: kept.pop(name) for name in list(kept) if _is_person(name)}
    offer = offer_named(fields["doc"])
    row = {
        "id": order.id,
        "request_key": request_key(order.id),
        "line": order.line,
        "version": order.version,
        "state": order.state.value,
        "agent": doc.agent,
        "placed_by": doc.placed_by,
        "plan": doc.plan,
        "carrier": str(doc.carrier),
        "placed_at": doc.placed_at,
        "settled_at": order.settled_at,
        "evidence": Evidence.of(order).value,
        "head": order.head,
        "doc_hash": digest(fields["doc"]),
        "offer": offer,
        "record": compact(kept),
        "person": compact(person),
    }
    return row, (offer, fields.get("offer", ""))


def _is_person(name: str) -> bool:
    """Whether a field of an order's record is a person part: `who`, `p1`, `p2`, ..."""
    return name == "who" or (name[0] == "p" and name[1:].isdecimal())


def _order(record: str, person: str | None, offer: str | None) -> Order:
    return Order.read({**json.loads(record), **json.loads(person or "{}"), "offer": offer or ""})


def _kind(error: BaseException) -> str:
    """What went wrong, without a word of what was asked."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return type(cause).__name__
