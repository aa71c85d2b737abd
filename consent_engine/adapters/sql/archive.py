"""The archive on SQL: SQLite in a file by default, PostgreSQL where many machines share it. SQLAlchemy Core only.

Its tables: `adapters/sql/tables.py`.
"""

import logging
import threading
import uuid
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, func, inspect, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from consent_engine.adapters.sql.connections import NAMED_BY, TIMEOUT_S, Gone, Pause, connected
from consent_engine.adapters.sql.kept import OF_THE_ROW, K, SqlKept, columns_of, has_former
from consent_engine.adapters.sql.tables import (
    BACKUPS,
    CALLS,
    ERASURES,
    LINES,
    META,
    OFFERS,
    ORDERS,
    RECONCILED,
    RECORDS,
    RESTRICTIONS,
    SCHEMA,
    SIZE,
    TILED,
    hold,
    make,
    said,
)
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import request_key
from consent_engine.domain.order.order import Evidence, Order, Retention
from consent_engine.domain.seal import Seal
from consent_engine.errors import ArchiveGone, ArchiveUnavailable, BrokenRecord, NotOurArchive
from consent_engine.ports import OWNERS, By, Kept, Owner, R, Recorded
from consent_engine.ports.archive import Archive, BackupMade, Erasure, Expired
from consent_engine.ports.queries import Paged, Position, Reconciliation, Tally
from consent_engine.ports.store import other_mode, schema_of


class SqlCalls(SqlKept[Call]):
    table, holds, begun, rows = CALLS, Owner.CALL, CALLS.c.started_at, select(CALLS)
    keys = (CALLS.c.request_key, CALLS.c.recording_key, CALLS.c.audio_key)

    def _columns(self, record: Call, fields: Mapping[str, str]) -> Mapping[str, Any]:
        call, began = record, record.began
        return {
            "request_key": request_key(call.id),
            **dict(zip_longest(("recording_key", "audio_key"), call.recording_keys)),
            "carrier": began.carrier,
            "agent": began.agent,
            "placed_by": began.placed_by,
            "started_at": began.started_at,
            "over_at": call.over_at,
            "violations": _named(call.violations),
            "ever_violated": _named(call.ever_violated),
            "verdict": call.verdict or "",
            "failed_at": call.failed_at,
            "outcome": call.end.outcome.value if call.end else "",
            "permitted": bool(began.permit),
            "evidence": call.evidence.value,
        }


def _named(violations: Collection[Violation]) -> str:
    """Return violations as one text, in which each is found with the blanks around it."""
    return "".join(f" {each} " for each in Violation if each in violations) if violations else ""


_OF_AN_ENDING: Mapping[str, Any] = {"agent": "", "plan": "", "activated_at": 0, "soon": False}
"""The columns of endings alone, as reports have them."""
_OF_A_REPORT: Mapping[str, Any] = {
    **dict.fromkeys(("door", "proposed", "found", "carrier", "reward"), ""), "answer_by": 0,
}  # fmt: skip


class SqlRecords(SqlKept[Report | Ending]):
    """The reports and endings of one archive."""

    table, begun, rows = RECORDS, RECORDS.c.listed_at, select(RECORDS)

    def _columns(self, record: Report | Ending, fields: Mapping[str, str]) -> Mapping[str, Any]:
        if isinstance(record, Report):
            owner, listed_at, evidence = Owner.REPORT, record.received.received_at, Evidence.NO_SERVICE
            case = record.received
            own = {
                **_OF_AN_ENDING, "door": case.door.value, "proposed": case.proposed.value, "found": record.found.value,
                "carrier": case.carrier, "reward": record.reward.value, "answer_by": case.answer_by,
                "receipt": self._receipt(record.number, record.person.msisdn),
            }  # fmt: skip
        else:
            doc = record.doc
            owner, listed_at, evidence = Owner.ENDING, doc.asked_at, Evidence.SERVICE
            own = {
                **_OF_A_REPORT, "agent": doc.agent, "plan": doc.plan, "activated_at": doc.activated_at,
                "soon": record.is_soon, "receipt": None,
            }  # fmt: skip
        return {
            "kind": owner.value, "listed_at": listed_at, "over_at": record.over_at, "evidence": evidence.value, **own,
        }  # fmt: skip

    def _owner(self, row: Any) -> Owner:  # noqa: ANN401 - a row
        if row.kind not in {Owner.REPORT, Owner.ENDING}:
            raise BrokenRecord("an archived record of an unknown kind")
        return Owner(row.kind)

    def of_kind(self, owner: Owner) -> ColumnElement[bool]:
        return RECORDS.c.kind == owner.value

    def rows_of(self, owner: Owner) -> Select[Any]:
        return self.rows.where(self.of_kind(owner))


log = logging.getLogger(__name__)
MOST_COUNTED = 100_000
"""The largest number of orders that a check counts: it must not take longer the larger the archive is."""

OWNER = "installation"
"""The row of `archive_meta` that names the installation to which the archive belongs."""


class SqlArchive(SqlKept[Order], Archive):
    """The Archive in one database, for all threads of a process. It connects when it is first asked."""

    table, holds, over, begun, keys = ORDERS, Owner.ORDER, "settled_at", ORDERS.c.placed_at, (ORDERS.c.request_key,)
    rows = select(ORDERS, OFFERS.c.content).join(OFFERS, OFFERS.c.hash == ORDERS.c.offer, isouter=True)

    def __init__(
        self, url: str, retention: Retention | None = None, timeout_s: int = TIMEOUT_S, *,
        shadow: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(self)
        self._shadow = shadow
        self._retention = retention or Retention()
        self.seal: Seal | None = None
        self.must_stand = False
        self._engine = connected(url, timeout_s, lambda: self.must_stand or bool(self._id))
        self.insert: Any = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        weakref.finalize(self, self._engine.dispose)  # an archive that was not closed leaves no connection behind
        self.calls = SqlCalls(self)
        self.records = SqlRecords(self)
        self._making = threading.Lock()
        self._id = ""
        self._pause = Pause()

    def close(self) -> None:
        self._engine.dispose()

    # -- asking ----------------------------------------------------------------------------------------------------

    @contextmanager
    def asking(self, *, anew: bool = False) -> Iterator[Connection]:
        """Open a transaction. anew: try also where the database failed a moment ago

        Raises ArchiveUnavailable where the database fails, and at once for a while after that; and ArchiveGone where
        its file, or all that was in it, is gone. Errors of a single row (OF_THE_ROW) are raised as they are.
        """
        if not (self._pause.may_ask() or anew):
            raise ArchiveUnavailable("the archive could not be reached a moment ago", named_by=NAMED_BY)
        try:
            if not self._id:
                self._make()
            with self._engine.begin() as connection:
                self._known(connection)
                yield connection
        except OF_THE_ROW:
            raise
        except Gone as error:  # no pause: another try costs nothing
            raise ArchiveGone("the archive's file is not there: is its volume mounted?") from error
        except (SQLAlchemyError, OSError) as error:
            self._pause.failed()
            # Without its message, which may quote a row.
            said = f"the archive cannot be reached: {_kind(error)}"
            raise ArchiveUnavailable(said, named_by=NAMED_BY) from error
        self._pause.answered()

    def _make(self) -> None:
        """Make the tables and the id where they are missing. Raises ArchiveUnavailable for another format,
        NotOurArchive for a shadow's where this is none, or the other way round, and ArchiveGone for an empty database
        where one is known to have existed: tables in it would be in its dump's way.
        """
        schema = schema_of(SCHEMA, shadow=self._shadow)
        with self._making, self._engine.begin() as connection:
            meta = said(connection) if inspect(connection).has_table(META.name) else {}
            if "id" not in meta and self.must_stand:
                raise ArchiveGone("the archive's database is empty: restore its backup into it")
            if "id" not in meta:
                make(connection)
                fresh = {"schema": schema, "id": uuid.uuid4().hex, SIZE: "0", TILED: "0"}
                rows = [{"name": name, "value": value} for name, value in fresh.items()]
                connection.execute(self.insert(META).values(rows).on_conflict_do_nothing())
                meta = said(connection)
            if meta["schema"] == schema_of(SCHEMA, shadow=not self._shadow):
                raise NotOurArchive(other_mode("this archive", shadow=self._shadow))
            if meta["schema"] != schema:
                raise ArchiveUnavailable(f"the archive has schema {meta['schema']}, this release reads {SCHEMA}")
        self._id = meta["id"]

    def _known(self, connection: Connection) -> None:
        """Check that a new connection leads to the same archive as before. Raises ArchiveUnavailable for another."""
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
        """Return the installation that the archive belongs to; "" for none. Raises ArchiveUnavailable."""
        with self.asking(anew=True) as connection:
            return said(connection).get(OWNER, "")

    def claim(self, installation: str) -> str:
        with self.asking() as connection:
            self.say_once(connection, OWNER, installation)
            return said(connection)[OWNER]

    def say_once(self, connection: Connection, name: str, value: str) -> None:
        """Write a row of `archive_meta` unless one of that name exists."""
        connection.execute(self.insert(META).values(name=name, value=value).on_conflict_do_nothing())

    def is_new(self, connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
        """Write a row unless one with its key exists; return whether it was written. PostgreSQL's driver does not count
        the rows of such an insert: it is asked for what it wrote.
        """
        made = self.insert(table).values(row).on_conflict_do_nothing().returning(next(iter(table.primary_key)))
        return connection.execute(made).first() is not None

    def check(self, most: int = MOST_COUNTED) -> int:
        """Return how many orders there are, up to `most`; the database is asked even where it failed a moment ago.

        Raises ArchiveUnavailable.
        """
        some = select(ORDERS.c.id).limit(most).subquery()
        with self.asking(anew=True) as connection:
            return int(connection.execute(select(func.count()).select_from(some)).scalar_one())

    # -- keeping ---------------------------------------------------------------------------------------------------

    def table_of(self, owner: Owner) -> SqlKept[Any]:
        return self if owner is Owner.ORDER else self.calls if owner is Owner.CALL else self.records

    def let_go(self, owner: Owner, heads: Mapping[str, tuple[int, str]]) -> set[str]:
        with self.asking() as connection:
            hold(connection)
            return self.table_of(owner).let_go_in(connection, heads)

    def _columns(self, record: Order, fields: Mapping[str, str]) -> Mapping[str, Any]:
        receipt = self._receipt(record.receipt, record.person.msisdn)
        return {**columns_of(record), "receipt": receipt, "content": fields.get("offer", "")}

    def _write(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]], standing: Mapping[str, Any]
    ) -> set[str]:
        """Write orders with the offers that they name, which have a table of their own."""
        offers = {row["offer"]: row["content"] for row in rows if row["offer"]}
        if known := [{"hash": name, "content": content} for name, content in sorted(offers.items())]:
            connection.execute(self.insert(OFFERS).on_conflict_do_nothing(), known)
        return super()._write(connection, rows, standing)

    # -- reading ---------------------------------------------------------------------------------------------------

    def recall(self, kind: type[R], names: Sequence[str], by: By = By.ID) -> dict[str, list[Kept[R]]]:
        return self.table_of(OWNERS[kind]).found(OWNERS[kind], names, by)

    def known(self, kind: type[Recorded], ids: Sequence[str]) -> set[str]:
        return self.table_of(OWNERS[kind]).there(ids)

    def misfiled(self, kind: type[Recorded], ids: Sequence[str]) -> dict[str, list[str]]:
        return self.table_of(OWNERS[kind]).differing(ids)

    def _fields(self, row: Any) -> dict[str, str]:  # noqa: ANN401 - a row
        return {**super()._fields(row), "offer": row.content or ""}

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        return {row.id: row.version for row in self._in_pieces(_VERSIONS, ids, ORDERS.c.id)}

    # -- erasing ---------------------------------------------------------------------------------------------------

    def erase(self, erasure: Erasure) -> Mapping[Owner, int]:
        line = erasure.line
        with self.asking() as connection:
            hold(connection)
            connection.execute(self.insert(ERASURES).values(erasure._asdict()).on_conflict_do_nothing())
            found = dict[Owner, int]()
            for owner in OWNERS.values():
                if owner is not Owner.LINE:
                    found[owner] = self.table_of(owner).erase_in(connection, owner, line)
            connection.execute(update(RESTRICTIONS).where(RESTRICTIONS.c.line == line).values(receipt=None))
        if self._engine.dialect.name == "sqlite":  # whose connections overwrite what they delete; its log is emptied
            with self.asking() as connection:
                [busy, *_] = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            if busy:
                raise ArchiveUnavailable("erased, but readers hold the archive's write-ahead log: run it once more")
        return found

    def rekey(self) -> tuple[int, int]:
        done = sum(table.renew() for table in (self, self.calls, self.records))
        tables = ORDERS, CALLS, RECORDS, LINES
        counts = [select(func.count()).where(has_former(self.seal, each.c.person)) for each in tables]
        with self.asking() as connection:
            return done, sum(connection.execute(each).scalar_one() for each in counts)

    def note(self, act: Reconciliation | BackupMade) -> None:
        table = BACKUPS if isinstance(act, BackupMade) else RECONCILED
        with self.asking() as connection:
            connection.execute(self.insert(table).values(act._asdict()).on_conflict_do_nothing())

    def backups(self) -> list[BackupMade]:
        with self.asking() as connection:
            rows = connection.execute(select(BACKUPS.c.at, BACKUPS.c.place).order_by(BACKUPS.c.at.desc()))
            return [BackupMade(at, place) for at, place in rows]

    def last_backup(self) -> Millis:
        newest, first = select(func.max(BACKUPS.c.at)), select(func.min(ORDERS.c.placed_at))
        with self.asking() as connection:
            found = func.coalesce(newest.scalar_subquery(), first.scalar_subquery(), 0)
            return int(connection.execute(select(found)).scalar_one())

    # -- deleting --------------------------------------------------------------------------------------------------

    def expire(self, now: Millis, most: int) -> Expired:
        rule = self._retention
        with self.asking() as connection:
            persons, orders = self.expire_in(connection, rule, now, most)
            of_calls, calls = self.calls.expire_in(connection, rule, now, most)
            of_records, records = self.records.expire_in(connection, rule, now, most)
            return Expired(persons + of_calls + of_records, orders, calls, records)


_VERSIONS = select(ORDERS.c.id, ORDERS.c.version).where(ORDERS.c.gone)


def _kind(error: BaseException) -> str:
    """Return the kind of an error, without any text of the statement."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return type(cause).__name__


Wanted = TypeVar("Wanted", bound=Select[Any])


def behind(
    rows: Wanted, place: Sequence[Column[Any]], last: Position | None, limit: int, *, oldest_first: bool = False
) -> Wanted:
    """Return the rows of one page, newest first. place: the columns that they are sorted by · last: those of the last
    row of the page before
    """
    if last is not None:
        rows = rows.where(tuple_(*place) > last if oldest_first else tuple_(*place) < last)
    return rows.order_by(*(place if oldest_first else (each.desc() for each in place))).limit(limit)


class OfArchive:
    """Queries of one kind. check: raises NotOurArchive for the database of another installation"""

    def __init__(self, archive: SqlArchive, check: Callable[[], object] = lambda: None) -> None:
        self._archive = archive
        self._check = check

    @contextmanager
    def _asking(self) -> Iterator[Connection]:
        """Open a transaction. Raises ArchiveUnavailable."""
        self._check()
        with self._archive.asking() as connection:
            yield connection

    def _places(
        self, place: Sequence[Column[Any]], before: Position | None, limit: int, *only: ColumnElement[bool]
    ) -> list[Position]:
        """Return the places of rows, newest first."""
        with self._asking() as connection:
            return [
                (at, name) for at, name in connection.execute(behind(select(*place).where(*only), place, before, limit))
            ]

    def _page(self, rows: Select[Any], at: Column[Any], limit: int, of: SqlKept[K]) -> Paged[K]:
        """Return the records of a page's rows. at: the column of their instant. One that cannot be read is left out,
        and logged.
        """
        with self._asking() as connection:
            found = connection.execute(rows).all()
        last = found[-1] if found and len(found) == limit else None
        records = tuple(kept.record for row in found if (kept := of.kept(row)).record is not None)
        return Paged(records, (getattr(last, at.name), last.id) if last is not None else None)

    def _tally(self, since: Column[Any], *only: ColumnElement[bool]) -> Tally:
        with self._asking() as connection:
            count, oldest = connection.execute(select(func.count(), func.min(since)).where(*only)).one()
        return Tally(count, oldest or 0)
