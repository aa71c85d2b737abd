"""Many rows written directly through the driver: SQLAlchemy's own path costs as much for each row as SQLite does."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.dml import Insert


class Statement(NamedTuple):
    """A compiled statement. places: its parameters, in the order of a driver that names none; None: it names them"""

    text: str
    places: tuple[str, ...] | None


def statement(made: Insert, dialect: Dialect) -> Statement:
    """Compile a statement that writes one row."""
    compiled = made.compile(dialect=dialect)
    return Statement(str(compiled), tuple(compiled.positiontup) if compiled.positiontup else None)


def bulk(connection: Connection, how: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, each with a value for every parameter of the statement."""
    if not rows:
        return
    if how.places is None:
        connection.exec_driver_sql(how.text, [dict(row) for row in rows])
    else:
        connection.exec_driver_sql(how.text, [tuple(row[name] for name in how.places) for row in rows])
