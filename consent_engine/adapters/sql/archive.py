"""The archive on SQL: SQLite in a file by default, PostgreSQL where many machines share it. SQLAlchemy's core only.

Its tables: `adapters/sql/tables.py`.
"""

import logging
import threading
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, delete, func, inspect, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from consent_engine.adapters.sql.calls import SqlCalls
from consent_engine.adapters.sql.circuit_breaker import Pause
from consent_engine.adapters.sql.connections import TIMEOUT_S, Gone, connected
from consent_engine.adapters.sql.records import SqlRecords
from consent_engine.adapters.sql.rows import goes_on, order_of, row_of
from consent_engine.adapters.sql.schema import NOW, Schema
from consent_engine.adapters.sql.tables import META, OFFERS, ORDERS, TABLES, among, make
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.retention import Evidence, Retention
from consent_engine.domain.seal import Seal
from consent_engine.errors import ArchiveGone, ArchiveUnavailable, BrokenRecord, NotOurArchive
from consent_engine.ports.archive import Archive, Expired

log = logging.getLogger(__name__)
PIECE = 500
"""Ids asked for in one statement."""
MOST_COUNTED = 100_000
"""More than so many are not counted: a look must not take as long as the archive is large."""

OWNER = "installation"
"""Whose it is: a row of its meta."""

_OF_THE_ROW = (DataError, IntegrityError)
"""The row's trouble. Whatever else goes wrong is the database's: it waits, and no order is given up for it."""


class SqlArchive(Archive):
    """The Archive in one database. Connects when first asked; for all threads of a process."""

    def __init__(
        self, url: str, retention: Retention | None = None, timeout_s: int = TIMEOUT_S, schema: Schema = NOW
    ) -> None:
        self._schema = schema
        self._retention = retention or Retention()
        self.seal: Seal | None = None
        """what its records are checked against; None: they are believed"""
        self.must_stand = False
        self._engine = connected(url, timeout_s, lambda: self.must_stand or bool(self._id))
        self._insert: Any = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        weakref.finalize(self, self._engine.dispose)  # an archive that nobody closed leaves no connection behind
        self.calls = SqlCalls(self.asking, self._insert, lambda: self.seal, self.still_ours)
        self.records = SqlRecords(self.asking, self._insert, lambda: self.seal, self.still_ours)
        self._making = threading.Lock()
        self._id = ""
        self._owner = ""
        self._pause = Pause()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    # -- asking ----------------------------------------------------------------------------------------------------

    @contextmanager
    def asking(self, *, anew: bool = False) -> Iterator[Connection]:
        """A transaction. What the database cannot do now is ArchiveUnavailable, at once for a while after that."""
        if not (self._pause.may_ask() or anew):
            raise ArchiveUnavailable("the archive could not be reached a moment ago")
        try:
            if not self._id:
                self._make()
            with self._engine.begin() as connection:
                self._known(connection)
                yield connection
        except _OF_THE_ROW:
            raise
        except Gone as error:  # to look again costs nothing
            raise ArchiveGone("the archive's file is not there: is its volume mounted?") from error
        except (SQLAlchemyError, OSError) as error:
            self._pause.failed()
            # Not its words: they may quote a row.
            raise ArchiveUnavailable(f"the archive cannot be reached: {_kind(error)}") from error
        self._pause.answered()

    def _make(self) -> None:
        """The tables and the id, if they are not there."""
        with self._making, self._engine.begin() as connection:
            said = _said(connection) if inspect(connection).has_table(META.name) else {}
            if "id" not in said or not TABLES.tables.keys() <= set(inspect(connection).get_table_names()):
                make(connection)  # all of it, or what an earlier program did not know
                fresh = [{"name": "schema", "value": self._schema.number}, {"name": "id", "value": uuid.uuid4().hex}]
                connection.execute(self._insert(META).values(fresh).on_conflict_do_nothing())
                said = _said(connection)
            if said["schema"] != self._schema.number:
                self._schema.grown(connection)
        self._id = said["id"]

    def _known(self, connection: Connection) -> None:
        """A connection that is new leads to the same archive as before: nothing put another one in its place."""
        if connection.info.get("archive") != self._id:
            found = connection.execute(select(META.c.value).where(META.c.name == "id")).scalar_one_or_none()
            if found != self._id:
                raise ArchiveUnavailable("another archive stands where this one was: see CONSENT_ARCHIVE_URL")
            connection.info["archive"] = found

    def id(self) -> str:
        if not self._id:
            with self.asking():
                pass
        return self._id

    def owner(self) -> str:
        """The installation it belongs to; "" while it belongs to none. Raises ArchiveUnavailable."""
        with self.asking(anew=True) as connection:
            return _said(connection).get(OWNER, "")

    def claim(self, installation: str, *, known: bool, instead_of: str = "") -> str:
        with self.asking() as connection:
            owner = _said(connection).get(OWNER, "")
            if not owner and not known and connection.execute(select(ORDERS.c.id).limit(1)).first() is not None:
                return ""
            if not owner:
                ours = {"name": OWNER, "value": installation}
                connection.execute(self._insert(META).values(ours).on_conflict_do_nothing())
            elif owner == instead_of:
                stands = (META.c.name == OWNER, META.c.value == owner)
                connection.execute(update(META).where(*stands).values(value=installation))
            self._owner = _said(connection).get(OWNER, "")
        return self._owner

    def still_ours(self, connection: Connection) -> None:
        """Asked before a commit. Raises NotOurArchive where it was given to another installation meanwhile."""
        if _said(connection).get(OWNER, "") != self._owner:
            raise NotOurArchive("this archive was given to another installation meanwhile: see consent doctor")

    def say_once(self, connection: Connection, name: str, value: str) -> None:
        """Have the archive say something of itself, unless it does."""
        connection.execute(self._insert(META).values(name=name, value=value).on_conflict_do_nothing())

    def check(self, most: int = MOST_COUNTED) -> int:
        """How many orders are there, up to `most`, asked now, whatever was a moment ago.

        Raises ArchiveUnavailable.
        """
        some = select(ORDERS.c.id).limit(most).subquery()
        with self.asking(anew=True) as connection:
            return int(connection.execute(select(func.count()).select_from(some)).scalar_one())

    # -- keeping ---------------------------------------------------------------------------------------------------

    def keep(self, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        rows, offers = [], {}
        for order_id in sorted(records):  # one order of locks for all who archive at once
            try:
                row, offer = row_of(records[order_id], self.seal)
            except BrokenRecord as error:
                log.error("%s: %s", order_id, error)
                continue
            rows.append(row)
            offers[offer[0]] = offer[1]
        return self._kept(rows, offers) if rows else set()

    def _kept(self, rows: Sequence[Mapping[str, Any]], offers: Mapping[str, str]) -> set[str]:
        """All rows in one transaction; when one of them cannot be written, each in its own."""
        try:
            with self.asking() as connection:
                stood = self._write(connection, rows, offers)
                self.still_ours(connection)
                return stood
        except (*_OF_THE_ROW, ValueError, OverflowError):
            if len(rows) == 1:
                return set()
        return {order for row in rows for order in self._kept([row], offers)}

    def _write(self, connection: Connection, rows: Sequence[Mapping[str, Any]], offers: Mapping[str, str]) -> set[str]:
        if known := [{"hash": name, "content": content} for name, content in sorted(offers.items()) if name]:
            connection.execute(self._insert(OFFERS).on_conflict_do_nothing(), known)
        connection.execute(self._insert(ORDERS).on_conflict_do_nothing(), rows)
        wanted = {row["id"]: row for row in rows}
        found = connection.execute(_WHOLE.where(ORDERS.c.id.in_(list(wanted)))).all()
        return {stands.id for stands in found if _stood(connection, stands, wanted[stands.id])}

    # -- reading ---------------------------------------------------------------------------------------------------

    def orders(self, ids: Sequence[str]) -> dict[str, Order]:
        return {order.id: order for order in self._read(ORDERS.c.id, ids)}

    def recall(self, keys: Sequence[str]) -> list[Order]:
        return self._read(ORDERS.c.request_key, keys)

    def _read(self, column: Column[Any], values: Sequence[str]) -> list[Order]:
        found = self._in_pieces(_WHOLE, column, values)
        orders = []
        for row in found:
            try:
                orders.append(order_of(row.record, row.person, row.content, self.seal))
            except BrokenRecord as error:  # it must not sink the others of its page
                log.error("%s: %s", row.id, error)
        return orders

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        return {row.id: row.version for row in self._in_pieces(_VERSIONS, ORDERS.c.id, ids)}

    def _in_pieces(self, wanted: Select[Any], column: Column[Any], values: Sequence[str]) -> list[Row[Any]]:
        # Any other text came from outside as an id, and a database may refuse to compare it.
        sound = [value for value in values if value.isascii() and value.isalnum()]
        if not sound:
            return []
        with self.asking() as connection:
            pieces = (sound[n : n + PIECE] for n in range(0, len(sound), PIECE))
            return [
                row for piece in pieces for row in connection.execute(wanted.where(among(connection, column, piece)))
            ]

    def placed(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        return self._newest(select(ORDERS.c.id, ORDERS.c.placed_at), before, limit)

    def of_line(self, line: str, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        return self._newest(select(ORDERS.c.id, ORDERS.c.placed_at).where(ORDERS.c.line == line), before, limit)

    def _newest(self, wanted: Select[Any], before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        if before is not None:
            wanted = wanted.where(tuple_(ORDERS.c.placed_at, ORDERS.c.id) < before)
        newest = wanted.order_by(ORDERS.c.placed_at.desc(), ORDERS.c.id.desc()).limit(limit)
        with self.asking() as connection:
            return [(order, at) for order, at in connection.execute(newest)]

    def states(self, since: Millis, until: Millis) -> dict[State, int]:
        counted = select(ORDERS.c.state, func.count()).where(ORDERS.c.placed_at >= since, ORDERS.c.placed_at < until)
        with self.asking() as connection:
            return {State(state): n for state, n in connection.execute(counted.group_by(ORDERS.c.state))}

    # -- deleting --------------------------------------------------------------------------------------------------

    def expire(self, now: Millis, most: int) -> Expired:
        rule = self._retention
        old = select(ORDERS.c.id).where(ORDERS.c.settled_at < rule.records_before(now)).limit(most)
        with self.asking() as connection:
            orders = connection.execute(delete(ORDERS).where(ORDERS.c.id.in_(old))).rowcount
            persons = 0
            for kind in Evidence:
                late = ORDERS.c.evidence == kind.value, ORDERS.c.settled_at < rule.persons_before(kind, now)
                told = select(ORDERS.c.id).where(*late, ORDERS.c.person.is_not(None)).limit(most)
                persons += connection.execute(update(ORDERS).where(ORDERS.c.id.in_(told)).values(person=None)).rowcount
            of_calls, calls = self.calls.expire(connection, rule, now, most)
            of_records, records = self.records.expire(connection, rule, now, most)
            self.still_ours(connection)
            return Expired(persons + of_calls + of_records, orders, calls, records)


_VERSIONS = select(ORDERS.c.id, ORDERS.c.version)
_WHOLE = select(
    ORDERS.c.id, ORDERS.c.doc_hash, ORDERS.c.version, ORDERS.c.head, ORDERS.c.record, ORDERS.c.person, OFFERS.c.content
).join(OFFERS, OFFERS.c.hash == ORDERS.c.offer, isouter=True)


def _stood(connection: Connection, stands: Row[*tuple[Any, ...]], row: Mapping[str, Any]) -> bool:
    """Whether what stands there is this order, as new as the row at least; what is older is written anew.

    Never another order's evidence, never another history than the one whose head was handed out; and what is erased
    stays erased.
    """
    if stands.doc_hash != row["doc_hash"]:
        return False
    if stands.head == row["head"] and stands.version >= row["version"]:
        return True
    try:
        if stands.version >= row["version"]:  # restored from a backup: is it what was there, up to some point?
            return goes_on(order_of(stands.record, stands.person, stands.content), row["head"])
        if not goes_on(order_of(row["record"], row["person"], stands.content), stands.head):
            return False
    except BrokenRecord as error:  # it must not keep the others from leaving
        log.error("%s: %s", stands.id, error)
        return False
    newer = {**row, "person": row["person"] if stands.person is not None else None}
    same = (ORDERS.c.id == stands.id, ORDERS.c.head == stands.head, ORDERS.c.version == stands.version)
    return connection.execute(update(ORDERS).where(*same).values(newer)).rowcount == 1


def _said(connection: Connection) -> dict[str, str]:
    """What the archive says of itself."""
    return dict(iter(connection.execute(select(META.c.name, META.c.value))))


def _kind(error: BaseException) -> str:
    """What went wrong, without a word of what was asked."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return type(cause).__name__
