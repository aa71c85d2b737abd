"""The archive's tables, and connections to a database that never wait long.

archived_orders   one row an order: what lists and searches ask for, and two JSON texts: `record`, the fields of the
                  order's record as the store kept them (doc, events, state, head, ...), and `person`, its person
                  parts (NULL once they are erased)
archived_offers   what orders were asked alike, once, by hash
archive_meta      the schema's number, and the archive's own id
"""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Engine, Index, Integer, MetaData, String, Table, Text, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from consent_engine.errors import SettingsError

SCHEMA = "1"
TIMEOUT_S = 5
"""How long a statement, a lock or a connection may last."""
CONNECTIONS = 4

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
)
OFFERS = Table(
    "archived_offers",
    TABLES,
    Column("hash", String(64), primary_key=True),
    Column("content", Text, nullable=False),
)
META = Table(
    "archive_meta", TABLES, Column("name", String(20), primary_key=True), Column("value", Text, nullable=False)
)


def connected(url: str) -> Engine:
    """Connections that never wait long, and commit to the disk."""
    try:
        address = make_url(url)
        if address.drivername in {"postgresql", "postgres"}:
            address = address.set(drivername="postgresql+psycopg")
        if address.get_backend_name() == "sqlite":
            return _sqlite(address.database or "")
        return create_engine(
            address,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=TIMEOUT_S,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "connect_timeout": TIMEOUT_S,
                "tcp_user_timeout": TIMEOUT_S * 1000,
                "application_name": "consent-engine",
                "options": f"-c statement_timeout={TIMEOUT_S}s -c lock_timeout={TIMEOUT_S}s"
                " -c synchronous_commit=on -c timezone=UTC",
            },
        )
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"CONSENT_ARCHIVE_URL needs {error.name}: pip install 'consent-engine[postgresql]'"
        ) from None
    except (SQLAlchemyError, TypeError):
        raise SettingsError("CONSENT_ARCHIVE_URL is not an address of SQLite or PostgreSQL") from None


def _sqlite(path: str) -> Engine:
    made = create_engine(
        f"sqlite:///{path}",
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=TIMEOUT_S,
        hide_parameters=True,
        connect_args={"timeout": TIMEOUT_S},
    )

    @event.listens_for(made, "do_connect")
    def ours_alone(*_: object) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # it holds numbers: nobody else reads it

    @event.listens_for(made, "connect")
    def durable(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own connection
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", f"busy_timeout={TIMEOUT_S * 1000}"):
            connection.execute(f"PRAGMA {pragma}")

    return made
