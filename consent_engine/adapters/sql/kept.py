"""The tables of records: written when a record is new, written anew when it changed, read, listed and expired."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar, cast

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, delete, false, or_, select, true, update
from sqlalchemy.exc import DataError, IntegrityError

from consent_engine.adapters.sql.bulk import bulk
from consent_engine.adapters.sql.tables import among
from consent_engine.domain.at_rest import is_person
from consent_engine.domain.call.sales_figures import outcomes_of
from consent_engine.domain.canonical_json import Reader, compact
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import request_key
from consent_engine.domain.msisdn import DIGITS
from consent_engine.domain.order.agreement import offer_named
from consent_engine.domain.order.event import chain, publics_of
from consent_engine.domain.order.history import yes_in_vain
from consent_engine.domain.order.order import Evidence, Order, Retention
from consent_engine.domain.seal import Seal, cipher_of, opened
from consent_engine.errors import BrokenRecord
from consent_engine.ports import KINDS, By, Kept, Owner, Recorded
from consent_engine.ports.archive import MOST_OF_A_LINE

log = logging.getLogger(__name__)
PIECE = 500
"""The number of ids asked for in one statement."""
OF_THE_ROW = (DataError, IntegrityError)
"""Errors caused by a single row. Any other is the database's: the records wait, and none is given up for it."""
K = TypeVar("K", bound=Recorded)


class Database(Protocol):
    """The database of an archive's tables. seal: checks records against tampering; None: they are not checked"""

    seal: Seal | None

    def asking(self) -> AbstractContextManager[Connection]:
        """Open a transaction."""


class SqlKept(Generic[K]):
    """The records of one table of an archive. over: the column with the instant at which a record was over · begun: the
    one with that at which it came · keys: those with what its request and its recording are reserved under · rows:
    selects them, with all that is read beside them · holds: their kind, where there is one
    """

    table: Table
    over = "over_at"
    begun: Column[Any]
    keys: tuple[Column[Any], ...] = ()
    rows: Select[Any]
    holds: Owner

    def __init__(self, database: Database) -> None:
        self._database = database

    def _read(self, fields: Mapping[str, str], owner: Owner) -> K:
        """Read the record of these fields. Raises BrokenRecord, also when its seal does not fit."""
        return cast(K, opened(KINDS[owner], fields, self._database.seal))

    def kept(self, row: Any) -> Kept[K]:  # noqa: ANN401 - a row
        """Return the record of a row; one that cannot be read is logged, so that the others can still be used."""
        try:
            fields = self._fields(row)
            return Kept(row.id, self._read(fields, self._owner(row)), fields)
        except BrokenRecord as error:
            log.error("%s: %s", row.id, error)
            return Kept(row.id, None, {})

    def rows_of(self, owner: Owner) -> Select[Any]:
        return self.rows

    def found(self, owner: Owner, names: Sequence[str], by: By) -> dict[str, list[Kept[K]]]:
        """As `Archive.recall`, for the kinds of this table."""
        own, rows = self.table.c, self.rows_of(owner)
        columns = {By.ID: (own.id,), By.KEY: self.keys, By.LINE: (own.line,)}[by]
        if by is By.ID:
            rows = rows.where(own.gone)
        if by is By.LINE:
            newest = rows.order_by(self.begun.desc(), own.id.desc()).limit(MOST_OF_A_LINE + 1)
            some = [row for name in names for row in self._in_pieces(newest, [name], own.line)]
        else:
            some = self._in_pieces(rows, names, *columns)
        found: dict[str, list[Kept[K]]] = {}
        for row in some:
            record = self.kept(row)
            for name in {getattr(row, column.name) for column in columns}.intersection(names):
                found.setdefault(name, []).append(record)
        return found

    def _columns(self, record: K, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the columns that records of this table alone have."""
        raise NotImplementedError

    def _row(self, fields: Mapping[str, str], owner: Owner, *, gone: bool) -> dict[str, Any]:
        """Return the row of a record, with what is written beside it. Raises BrokenRecord."""
        record = self._read(fields, owner)
        return {**row_of(record, fields, gone=gone), **self._columns(record, fields)}

    def _receipt(self, number: str, msisdn: str) -> str | None:
        """Return the name under which a record is found by its receipt; None where its person part is erased."""
        seal = self._database.seal
        return seal.receipt(number, msisdn[-DIGITS:]) if seal is not None and msisdn else None

    def let_go_in(self, connection: Connection, heads: Mapping[str, tuple[int, str]]) -> set[str]:
        """As `Archive.let_go`, in a transaction that holds the log's head: no scribe writes a row meanwhile."""
        kept, names, same = self.table.c, list(heads), list[str]()
        for piece in (names[n : n + PIECE] for n in range(0, len(names), PIECE)):
            rows = select(kept.id, kept.version, kept.head).where(among(connection, kept.id, piece))
            same += [row.id for row in connection.execute(rows) if heads[row.id] == (row.version, row.head)]
        for piece in (same[n : n + PIECE] for n in range(0, len(same), PIECE)):
            gone = update(self.table).where(among(connection, kept.id, piece)).values(gone=True, effects=None)
            connection.execute(gone)
        return set(same)

    def keep_in(
        self, connection: Connection, owner: Owner, records: Mapping[str, Mapping[str, str]], *, gone: bool
    ) -> set[str]:
        """Write records of one kind in a transaction. Return the ids of those kept. gone: the store is to let them go

        Unreadable ones are logged; one that stays, and is here as it is, is not read at all. They are sorted by id:
        processes that write at once then lock in the same order.
        """
        known, rows = set[str](), []
        standing = self._standing(connection, _comparable(records))
        for name in sorted(records):
            here, fields = standing.get(name), records[name]
            if here and not gone and _stays(here, fields):
                known.add(name)
                continue
            try:
                row = self._row(fields, owner, gone=gone)
            except BrokenRecord as error:
                log.error("%s: %s", name, error)
                continue
            if row["id"] == name:
                rows.append(row)
            else:
                log.error("%s: another record stands under its id", name)
        return known | self._kept(connection, rows, standing)

    def _standing(self, connection: Connection, ids: Sequence[str]) -> Mapping[str, Any]:
        """Return what says how a record fits its row, of those of these records that are here."""
        kept, found = self.table.c, dict[str, Any]()
        wanted = select(kept.id, kept.version, kept.links, kept.head, kept.gone, kept.effects)
        for piece in (ids[n : n + PIECE] for n in range(0, len(ids), PIECE)):
            found |= {row.id: row for row in connection.execute(wanted.where(among(connection, kept.id, piece))).all()}
        return found

    def _kept(self, connection: Connection, rows: Sequence[Mapping[str, Any]], standing: Mapping[str, Any]) -> set[str]:
        """Write rows, all at once; where one of them cannot be written, each alone. Return the ids of those kept."""
        try:
            with connection.begin_nested():
                return self._write(connection, rows, standing) if rows else set()
        except (*OF_THE_ROW, ValueError, OverflowError):
            if len(rows) == 1:
                return set()
        return {name for row in rows for name in self._kept(connection, [row], standing)}

    def _write(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]], standing: Mapping[str, Any]
    ) -> set[str]:
        fits = {row["id"]: self._fits(connection, standing.get(row["id"]), row) for row in rows}
        bulk(connection, self.table, [row for row in rows if fits[row["id"]] is Fit.NEWER], anew=True)
        for name in (name for name, fit in fits.items() if fit is Fit.ANOTHER):
            log.error("%s: another record, or another history of it, stands in SQL under this id, and stays", name)
        return {name for name, fit in fits.items() if fit is not Fit.ANOTHER}

    def _fits(self, connection: Connection, stands: Any, row: Mapping[str, Any]) -> "Fit":  # noqa: ANN401 - a row
        """How a record fits what is here of it: a record is never replaced by another one's evidence, nor by a history
        other than the one whose head was handed out; and what the store let go stays gone unless the record went on.
        """
        if stands is None:
            return Fit.NEWER
        here = row["publics"]
        if stands.links <= len(here):
            if stands.head != row["head"] and chain("", here[: stands.links]) != stands.head:
                return Fit.ANOTHER
            version, known = (row["links"], row["version"]), (stands.links, stands.version)
            leased = version == known and row["effects"] != stands.effects  # by a lease, which is no new version
            return Fit.NEWER if version > known or ((leased or row["gone"]) and not stands.gone) else Fit.KNOWN
        # From a backup of the store: an earlier state of this record.
        record = select(self.table.c.record).where(self.table.c.id == row["id"])
        there = _links(connection.execute(record).scalar_one())
        return Fit.KNOWN if there[: len(here)] == [*here] else Fit.ANOTHER

    def _in_pieces(self, wanted: Select[Any], values: Sequence[str], *columns: Column[Any]) -> list[Any]:
        sound = _comparable(values)
        if not sound:
            return []
        with self._database.asking() as connection:
            pieces = (sound[n : n + PIECE] for n in range(0, len(sound), PIECE))
            any_of = (or_(*(among(connection, column, piece) for column in columns)) for piece in pieces)
            return [row for some in any_of for row in connection.execute(wanted.where(some))]

    def there(self, ids: Sequence[str]) -> set[str]:
        """As `Archive.known`."""
        return {row.id for row in self._in_pieces(select(self.table.c.id), ids, self.table.c.id)}

    def differing(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """As `Archive.misfiled`."""
        found = dict[str, list[str]]()
        for row in self._in_pieces(self.rows, ids, self.table.c.id):
            found[row.id] = []
            with suppress(BrokenRecord):
                made = self._row(self._fields(row), self._owner(row), gone=row.gone)
                beside = _BESIDE if row.person else _BESIDE | {"receipt"}  # which an erased person part leaves
                found[row.id] = [name for name in made if name not in beside and made[name] != getattr(row, name)]
        return found

    def _owner(self, row: Any) -> Owner:  # noqa: ANN401 - a row
        """Return the kind of the record in a row. Raises BrokenRecord."""
        return self.holds

    def _fields(self, row: Any) -> dict[str, str]:  # noqa: ANN401 - a row
        """Return the fields of a row as the store had them. Raises BrokenRecord."""
        return fields_of(row.record, row.person, row.effects)

    def erase_in(self, connection: Connection, owner: Owner, line: str) -> int:
        """Delete the person parts and receipts of a line's records of a kind; return how many had one."""
        kept = self.table.c
        theirs = self.of_kind(owner), kept.line == line, kept.gone, kept.person.is_not(None)
        erased = {"person": None, **({"receipt": None} if "receipt" in kept else {})}
        return connection.execute(update(self.table).where(*theirs).values(erased)).rowcount

    def renew(self) -> int:
        """As `Archive.rekey`, for the records of this table. One that cannot be read is logged, and stays as it is."""
        kept, cipher, done = self.table.c, cipher_of(self._database.seal), 0
        wanted = select(kept.id, kept.line, kept.person).where(kept.gone, has_former(self._database.seal, kept.person))
        for rows in pieces_of(self._database, wanted):
            with self._database.asking() as connection:
                for row in rows:
                    try:
                        fields = _FIELDS(row.person)
                        person = compact({**fields, **cipher.closed(row.line, cipher.outdated(row.line, fields))})
                    except (BrokenRecord, ValueError) as error:
                        log.error("%s: %s", row.id, error)
                        continue
                    same = kept.id == row.id, kept.person == row.person  # it may have been erased meanwhile
                    done += connection.execute(update(self.table).where(*same).values(person=person)).rowcount
        return done

    def of_kind(self, owner: Owner) -> ColumnElement[bool]:
        """Return the condition that a row has a record of a kind."""
        return true()

    def expire_in(self, connection: Connection, rule: Retention, now: Millis, most: int) -> tuple[int, int]:
        """Delete person parts and whole records that are past their retention. Return how many of each."""
        kept, over = self.table.c, self.table.c[self.over]
        late = select(kept.id).where(kept.gone, over < rule.records_before(now)).limit(most)
        old = connection.execute(late).scalars().all()
        whole = connection.execute(delete(self.table).where(among(connection, kept.id, old))).rowcount if old else 0
        persons = 0
        for kind in Evidence:
            past = kept.gone, kept.evidence == kind.value, over < rule.persons_before(kind, now)
            erased = select(kept.id).where(*past, kept.person.is_not(None)).limit(most)
            persons += connection.execute(update(self.table).where(kept.id.in_(erased)).values(person=None)).rowcount
        return persons, whole


def has_former(seal: Seal | None, person: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that something in a column is under a former key."""
    return or_(false(), *(person.contains(mark) for mark in cipher_of(seal).former))


def pieces_of(database: Database, wanted: Select[Any]) -> Iterator[Sequence[Any]]:
    """Yield rows by their ids, whose first digits are the number's slot."""
    name, after = wanted.selected_columns["id"], ""
    while True:
        with database.asking() as connection:
            rows = connection.execute(wanted.where(name > after).order_by(name).limit(PIECE)).all()
        if not rows:
            return
        yield rows
        after = rows[-1].id


_BESIDE = frozenset({"record", "person", "effects", "content", "publics"})
"""The columns of the record itself, and what goes beside its row."""


class Fit(Enum):
    """How a record fits the row of its id. ANOTHER: it is another record, or a fork of it"""

    NEWER = 0
    KNOWN = 1
    ANOTHER = 2


def _comparable(values: Iterable[str]) -> list[str]:
    """Ids are alphanumeric; other text came from outside, and a database may refuse to compare it."""
    return [value for value in values if value.isascii() and value.isalnum()]


def _links(record: str) -> list[str]:
    """Return the links of a record's chain, as its row has it; none where they cannot be read."""
    try:
        return publics_of(_FIELDS(record))
    except (KeyError, ValueError):
        return []


_FIELDS = Reader(dict[str, str])


def _stays(here: Any, fields: Mapping[str, str]) -> bool:  # noqa: ANN401 - a row
    """Whether a record is here as it is. A lease changes its effects alone: SQL has to know of one that was begun."""
    if (fields.get("v"), fields.get("head")) != (str(here.version), here.head):
        return False
    return bool(here.gone) or _effects(fields) == here.effects


def _effects(fields: Mapping[str, str]) -> str | None:
    found = {name: value for name, value in fields.items() if name[:2] == "f:"}
    return compact(found) if found else None


def row_of(record: Recorded, fields: Mapping[str, str], *, gone: bool) -> dict[str, Any]:
    """Return the columns that a record of any kind has, from its fields; and `publics`, the links of its chain, which
    are no column. gone: the store lets it go, and its pending effects with it: there is but the one that moves it
    """
    kept, person = dict[str, str](), dict[str, str]()
    for name, value in fields.items():
        if is_person(name):
            person[name] = value
        elif name != "offer" and name[:2] != "f:":  # an offer has a table of its own
            kept[name] = value
    return {
        "id": record.id,
        "line": record.line,
        "version": record.version,
        "links": len(record.publics),
        "gone": gone,
        "state": record.state.value,
        "head": record.head,
        "record": compact(kept),
        "person": compact(person) if person else None,
        "effects": None if gone else _effects(fields),
        "publics": record.publics,
    }


def columns_of(order: Order) -> dict[str, Any]:
    doc = order.doc
    return {
        "request_key": request_key(order.id),
        "agent": doc.agent,
        "placed_by": doc.placed_by,
        "plan": doc.plan,
        "carrier": str(doc.carrier),
        "placed_at": doc.placed_at,
        "settled_at": order.settled_at,
        "in_vain": yes_in_vain(order) is not None,
        "outcomes": " ".join(outcomes_of(order)),
        "evidence": Evidence.of(order).value,
        "offer": offer_named(order.publics[0]),
    }


def fields_of(record: str, person: str | None, effects: str | None) -> dict[str, str]:
    """Return the fields of a record as the store had them, from the texts of its row. Raises BrokenRecord."""
    try:
        return {**_FIELDS(record), **_FIELDS(person or "{}"), **_FIELDS(effects or "{}")}
    except ValueError:
        raise BrokenRecord("an archived record cannot be read: its row has no fields") from None
