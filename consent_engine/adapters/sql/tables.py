"""The archive's tables.

archived_orders   one row for each order: columns for lists and searches, and two JSON texts: `record`, the fields of
                  the order's record as the store kept them (doc, events, state, head, ...), and `person`, its person
                  parts (NULL once they are erased)
archived_offers   the offers that orders share, each once, by hash
archived_calls    one row for each call, as for an order; recording_key, audio_key: the keys its recording is reserved
                  under, unique
archived_unheard  the ids of archived recorded calls that no reviewer has heard, by when they were over: a table of its
                  own, so that an existing archive of millions of calls gets it without a scan
archived_records  one row for each answered report of a call and each ending that is over; listed_at: when it came
log               all entries (domain/leaf.py), numbered densely from 0, and their hashes as leaves
archive_meta      the schema's number, the archive's own id and owner, the log's size and its marks
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.schema import CreateIndex, CreateTable

SCHEMA = "2"
"""The one format that is read; a change of it raises this number."""
SIZE = "log"
"""The row of `archive_meta` that counts the entries of the log. An append locks it, so that one runs at a time."""
MAKING = 0x434F4E53
"""The number of the advisory lock under which the tables are made; no other program should use it."""
_NOT_ERASED = text("person IS NOT NULL")

TABLES = MetaData()
ORDERS = Table(
    "archived_orders",
    TABLES,
    Column("id", String(28), primary_key=True),
    Column("request_key", String(24), nullable=False, index=True),
    Column("line", String(28), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("agent", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("carrier", String(20), nullable=False),
    Column("placed_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger, nullable=False),
    Column("evidence", String(20), nullable=False),
    Column("head", String(64), nullable=False),
    Column("doc_hash", String(64), nullable=False),
    Column("offer", String(64), nullable=False),
    Column("record", Text, nullable=False),
    Column("person", Text, nullable=True),
    Index("archived_orders_placed", "placed_at", "id"),
    Index("archived_orders_settled", "settled_at"),
    # Only rows still to be erased: else every search for them would go over all rows erased before.
    Index("archived_orders_persons", "evidence", "settled_at", sqlite_where=_NOT_ERASED, postgresql_where=_NOT_ERASED),
)
OFFERS = Table(
    "archived_offers",
    TABLES,
    Column("hash", String(64), primary_key=True),
    Column("content", Text, nullable=False),
)
_VIOLATING = text("violations <> ''")
CALLS = Table(
    "archived_calls",
    TABLES,
    Column("id", String(28), primary_key=True),
    Column("request_key", String(24), nullable=False, index=True),
    Column("recording_key", String(24), nullable=True, unique=True),
    Column("audio_key", String(24), nullable=True, unique=True),
    Column("line", String(28), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("carrier", String(20), nullable=False),
    Column("agent", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("over_at", BigInteger, nullable=False),
    Column("violations", Text, nullable=False),
    Column("evidence", String(20), nullable=False),
    Column("head", String(64), nullable=False),
    Column("doc_hash", String(64), nullable=False),
    Column("record", Text, nullable=False),
    Column("person", Text, nullable=True),
    Index("archived_calls_started", "started_at", "id"),
    Index("archived_calls_agent", "agent", "started_at", "id"),
    Index("archived_calls_carrier", "carrier", "started_at", "id"),
    Index("archived_calls_over", "over_at"),
    Index("archived_calls_wrong", "started_at", "id", sqlite_where=_VIOLATING, postgresql_where=_VIOLATING),
    Index("archived_calls_persons", "evidence", "over_at", sqlite_where=_NOT_ERASED, postgresql_where=_NOT_ERASED),
)
UNHEARD = Table(
    "archived_unheard",
    TABLES,
    Column("id", String(28), primary_key=True),
    Column("over_at", BigInteger, nullable=False),
    Index("archived_unheard_over", "over_at", "id"),
)
RECORDS = Table(
    "archived_records",
    TABLES,
    Column("id", String(28), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("line", String(28), nullable=False),
    Column("version", Integer, nullable=False),
    Column("listed_at", BigInteger, nullable=False),
    Column("over_at", BigInteger, nullable=False),
    Column("evidence", String(20), nullable=False),
    Column("head", String(64), nullable=False),
    Column("doc_hash", String(64), nullable=False),
    Column("record", Text, nullable=False),
    Column("person", Text, nullable=True),
    Index("archived_records_listed", "kind", "listed_at", "id"),
    Index("archived_records_over", "over_at"),
    Index("archived_records_persons", "evidence", "over_at", sqlite_where=_NOT_ERASED, postgresql_where=_NOT_ERASED),
)
LOG = Table(
    "log",
    TABLES,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", String(43), nullable=False, unique=True),
    Column("entry", Text, nullable=False),
)
META = Table(
    "archive_meta", TABLES, Column("name", String(20), primary_key=True), Column("value", Text, nullable=False)
)


def among(connection: Connection, column: Column[Any], texts: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a column is one of these texts. SQLite gets all of them in one parameter: one parameter
    each costs SQLAlchemy more than the query itself, and placing an order runs one every time.
    """
    if connection.dialect.name != "sqlite":
        return column.in_(texts)
    return column.in_(select(func.json_each(json.dumps(texts)).table_valued("value").c.value))


def said(connection: Connection) -> dict[str, str]:
    """Return the rows of `archive_meta`."""
    return dict(iter(connection.execute(select(META.c.name, META.c.value))))


def say(connection: Connection, name: str, value: str) -> None:
    """Write a row of `archive_meta`, replacing the one before."""
    connection.execute(delete(META).where(META.c.name == name))
    connection.execute(insert(META).values(name=name, value=value))


def make(connection: Connection) -> None:
    """Make the tables and their indexes where they are missing; several processes may do so at once."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": MAKING})
    for table in TABLES.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            connection.execute(CreateIndex(index, if_not_exists=True))
