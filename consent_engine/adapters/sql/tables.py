"""The archive's tables.

archived_orders   one row an order: what lists and searches ask for, and two JSON texts: `record`, the fields of the
                  order's record as the store kept them (doc, events, state, head, ...), and `person`, its person
                  parts (NULL once they are erased)
archived_offers   what orders were asked alike, once, by hash
archived_calls    one row a call, as of an order; recording_key: what its recording is reserved under, once in the table
archived_unheard  of these, the ids of recorded calls that no reviewer has heard, by when they were over: a table of its
                  own, so that an archive of millions of calls gets it without being gone through
archived_records  one row a report of a call that is answered, or an ending that is over; listed_at: when it came
log               what was sealed, numbered densely from 0: entries (domain/leaf.py) and their hashes as leaves
archive_meta      the schema's number, the archive's own id, and how many entries the log has
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

SCHEMA = "1"
MAKING = 0x434F4E53
"""The advisory lock under which the tables are made: any number that no other program uses."""
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
    # Only what is still to be erased: else looking for it would go over all that was erased before, again and again.
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
    """Whether a column is one of these texts. SQLite gets all of them in one parameter: to spell them out one by one
    costs SQLAlchemy more than the look, and placing looks with every order.
    """
    if connection.dialect.name != "sqlite":
        return column.in_(texts)
    return column.in_(select(func.json_each(json.dumps(texts)).table_valued("value").c.value))


def said(connection: Connection) -> dict[str, str]:
    """What the archive says of itself."""
    return dict(iter(connection.execute(select(META.c.name, META.c.value))))


def say(connection: Connection, name: str, value: str) -> None:
    """Have the archive say this of itself, whatever it said before."""
    connection.execute(delete(META).where(META.c.name == name))
    connection.execute(insert(META).values(name=name, value=value))


def make(connection: Connection) -> None:
    """The tables and their indexes, where they are missing: by several at once."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": MAKING})
    for table in TABLES.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            connection.execute(CreateIndex(index, if_not_exists=True))
