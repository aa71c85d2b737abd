"""The tables of SQL: every record, open or settled, as of the scribe's last beat, and the log.

orders, calls     one row for each: columns for lists, searches and sums, and three JSON texts: `record`, the fields of
                  the record as the store kept them (doc, events, state, head, ...), `person`, its person parts (NULL
                  once they are erased), and `effects`, those that are pending. links: how long its chain is · gone:
                  the store has let it go, and it is read here alone · recording_key, audio_key: the keys that a call's
                  recording is reserved under, unique · receipt: a keyed hash of the number of its receipt and the last
                  four digits of its subscriber's; NULL once the person is erased
matters           reports of calls, and endings, likewise; listed_at: when it came
offers            the offers that orders share, each once, by hash
lines             numbers, each as the store kept it, with its unread messages
reconciliations   CDR files that were compared with these calls
restrictions      the restrictions that stand on these numbers
plans             the catalogue, as the store kept it: the fields of each plan
log               all entries (domain/seal.py), numbered densely from 0, and their hashes, which are published (leaf)
log_tiles         the log's tree (domain/log/merkle.py), as far as `log_tiled` in archive_meta says
log_checkpoints   what was signed of it, under each name that it had
log_misgivings    the first refusal of each witness, for ever
feeds             the systems of customers that follow the log, and how far each has come: JSON (domain/feed.py)
erasures          the persons who were erased, as keyed hashes of their numbers: when, by whom, on which ground
backups           the backups that were made: when, and where they are
archive_meta      the schema's number, the archive's own id and owner, the log's size and its marks
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TextClause,
    and_,
    any_,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    true,
    update,
)
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine

SCHEMA = "11"
"""The one format that is read; a change of it raises this number."""
SIZE = "log"
"""The row of `archive_meta` that counts the entries of the log. An append locks it, so that one runs at a time."""
TILED = "log_tiled"
"""The row of `archive_meta` that says how many entries the tiles cover. Every publisher locks it."""
NAME, ROTATIONS = "log_name", "log_rotations"
"""The rows of `archive_meta` with the name that the log is signed under, and the notes of keys that follow another."""
PROOF = "secret"
"""The row of `archive_meta` with the check value of the secret that all data are under."""
MAKING = 0x434F4E53
"""The number of the advisory lock under which the tables are made; no other program should use it."""

TABLES = MetaData()


def _all(kind: type[TypeEngine[Any]] | TypeEngine[Any], *names: str, **more: Any) -> list[Column[Any]]:  # noqa: ANN401
    """Return columns of one type, in none of which a value may be missing."""
    return [Column(name, kind, nullable=False, **more) for name in names]


def _records(name: str, *own: Column[Any] | Index) -> Table:
    """Return a table of records, with the columns and indexes that it has beside those of all kinds."""
    return Table(
        name,
        TABLES,
        Column("id", String(28), primary_key=True),
        *_all(String(28), "line"),
        *_all(Integer, "version", "links"),
        *_all(Boolean, "gone"),
        *_all(String(20), "state", "evidence"),
        *_all(String(64), "head"),
        *_all(Text, "record"),
        Column("person", Text),
        Column("effects", Text),
        *own,
    )


ORDERS = _records(
    "orders",
    *_all(String(24), "request_key", index=True),
    *_all(Text, "agent", "placed_by", "plan"),
    *_all(String(20), "carrier"),
    *_all(BigInteger, "placed_at", "settled_at"),
    *_all(Boolean, "in_vain"),
    *_all(String(80), "outcomes"),
    Column("receipt", String(24), index=True),
    *_all(String(64), "offer"),
    Index("orders_line", "line"),
    Index("orders_placed", "placed_at", "id"),
    *(Index(f"orders_{name}", name, "placed_at", "id") for name in ("state", "agent", "plan")),
)
OFFERS = Table("offers", TABLES, Column("hash", String(64), primary_key=True), *_all(Text, "content"))
CALLS = _records(
    "calls",
    *_all(String(24), "request_key", index=True),
    Column("recording_key", String(24), unique=True),
    Column("audio_key", String(24), unique=True),
    *_all(String(20), "carrier"),
    *_all(Text, "agent", "placed_by"),
    *_all(BigInteger, "started_at", "over_at"),
    *_all(Text, "violations", "ever_violated"),
    *_all(String(10), "verdict"),
    *_all(BigInteger, "failed_at"),
    *_all(String(10), "outcome"),
    *_all(Boolean, "permitted"),
    Index("calls_line", "line"),
    Index("calls_started", "started_at", "id"),
    *(Index(f"calls_{name}", name, "started_at", "id") for name in ("agent", "carrier")),
)
RECONCILED = Table(
    "reconciliations",
    TABLES,
    Column("at", BigInteger, primary_key=True),
    Column("digest", String(64), primary_key=True),
    *_all(Text, "by"),
    *_all(String(20), "carrier"),
    *_all(BigInteger, "since", "until"),
    *_all(Integer, "calls", "unreported", "doubted", "refused"),
)
RECORDS = _records(
    "matters",
    *_all(String(10), "kind"),
    *_all(Text, "agent", "plan"),
    *_all(BigInteger, "activated_at"),
    *_all(Boolean, "soon"),
    *_all(String(10), "door"),
    *_all(String(20), "proposed", "found", "carrier"),
    *_all(String(10), "reward"),
    *_all(BigInteger, "answer_by", "listed_at", "over_at"),
    Column("receipt", String(24), index=True),
    Index("matters_listed", "kind", "listed_at", "id"),
    Index("matters_open", "kind", "state", "answer_by", "id"),
)
LINES = Table(
    "lines", TABLES, Column("id", String(28), primary_key=True), *_all(BigInteger, "version"), *_all(Text, "person")
)
RESTRICTIONS = Table(
    "restrictions",
    TABLES,
    Column("line", String(28), primary_key=True),
    Column("name", String(200), primary_key=True),
    *_all(String(20), "kind"),
    *_all(BigInteger, "since", "until"),
    *_all(Boolean, "waits"),
    Column("receipt", String(24), index=True),
    Index("restrictions_since", "kind", "since", "line", "name"),
)
PLANS = Table("plans", TABLES, Column("code", String(200), primary_key=True), *_all(Text, "kept"))
LOG = Table(
    "log",
    TABLES,
    Column("n", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    *_all(String(43), "leaf", unique=True),
    *_all(Text, "entry"),
)
TILES = Table(
    "log_tiles",
    TABLES,
    Column("level", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    *_all(LargeBinary, "hashes"),
)
CHECKPOINTS = Table(
    "log_checkpoints",
    TABLES,
    Column("name", String(200), primary_key=True),
    Column("size", BigInteger, primary_key=True),
    *_all(BigInteger, "at"),
    *_all(Text, "note"),
    *_all(Integer, "cosigned"),
    Column("token", LargeBinary),
    Index("log_checkpoints_size", "size", "at"),
)
MISGIVINGS = Table(
    "log_misgivings",
    TABLES,
    Column("witness", String(200), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("status", Integer, primary_key=True),
    *_all(BigInteger, "at", "size"),
    *_all(Text, "note"),
)
FEEDS = Table("feeds", TABLES, Column("name", String(64), primary_key=True), *_all(Text, "kept"))
ERASURES = Table(
    "erasures",
    TABLES,
    Column("at", BigInteger, primary_key=True),
    Column("line", String(28), primary_key=True),
    *_all(Text, "by", "ground"),
)
BACKUPS = Table("backups", TABLES, Column("at", BigInteger, primary_key=True), Column("place", Text, primary_key=True))
META = Table("archive_meta", TABLES, Column("name", String(20), primary_key=True), *_all(Text, "value"))

VIOLATING = text("violations <> ''")
FAILED = text("failed_at > 0")
TO_REVIEW = text("verdict IN ('pending', 'contested')")


def _index_of(rows: ColumnElement[bool] | TextClause, name: str, *columns: Column[Any]) -> None:
    """Index some rows of a table. SQLite uses the index only where a search has the same words: `gone = 1`."""
    Index(name, *columns, sqlite_where=rows, postgresql_where=rows)


_index_of(~ORDERS.c.gone, "orders_present", ORDERS.c.placed_at, ORDERS.c.id)
_index_of(ORDERS.c.in_vain == true(), "orders_in_vain", ORDERS.c.placed_at, ORDERS.c.id)
_index_of(TO_REVIEW, "calls_to_review", CALLS.c.verdict, CALLS.c.over_at, CALLS.c.id)
_index_of(FAILED, "calls_failed", CALLS.c.failed_at)
_index_of(VIOLATING, "calls_wrong", CALLS.c.started_at, CALLS.c.id)
_index_of(RECORDS.c.soon == true(), "matters_soon", RECORDS.c.kind, RECORDS.c.activated_at)
for _table, _over in ((ORDERS, ORDERS.c.settled_at), (CALLS, CALLS.c.over_at), (RECORDS, RECORDS.c.over_at)):
    # Only what the store let go expires; and of persons only those still to be erased: else every search for them would
    # go over all rows erased before.
    _index_of(_table.c.gone == true(), f"{_table.name}_over", _over)
    _index_of(and_(_table.c.gone, _table.c.person.is_not(None)), f"{_table.name}_persons", _table.c.evidence, _over)


def among(connection: Connection, column: Column[Any], texts: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a column is one of these texts. All of them are one parameter: one parameter each costs
    SQLAlchemy more than the query itself, and placing an order runs one every time.
    """
    if connection.dialect.name != "sqlite":
        return column == any_(literal(list(texts), ARRAY(Text)))
    return column.in_(select(func.json_each(json.dumps(texts)).table_valued("value").c.value))


def said(connection: Connection) -> dict[str, str]:
    """Return the rows of `archive_meta`."""
    return dict(iter(connection.execute(select(META.c.name, META.c.value))))


def say(connection: Connection, name: str, value: str) -> None:
    """Write a row of `archive_meta`, replacing the one before."""
    connection.execute(delete(META).where(META.c.name == name))
    connection.execute(insert(META).values(name=name, value=value))


def hold(connection: Connection) -> None:
    """Hold the log's head until the transaction ends: one writer at a time, on SQLite as on PostgreSQL. It comes before
    anything is read: SQLite gives no lock to a transaction that has read what another one changed since.
    """
    connection.execute(update(META).where(META.c.name == SIZE).values(value=META.c.value))


def make(connection: Connection) -> None:
    """Make the tables and their indexes where they are missing; several processes may do so at once."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": MAKING})
    for table in TABLES.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            connection.execute(CreateIndex(index, if_not_exists=True))
