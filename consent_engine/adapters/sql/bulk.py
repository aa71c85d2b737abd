"""Many rows written in one go: by one statement in PostgreSQL, by the driver's own loop in SQLite. A statement for each
row costs several times as much, in SQLAlchemy, in PostgreSQL's driver, and in the server.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, case, text
from sqlalchemy.dialects import postgresql, sqlite

from consent_engine.domain.canonical_json import compact


def bulk(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, anew: bool = False) -> None:
    """Write rows, each with a value for every column; what else goes with one is passed over. anew: in place of a row
    with the same key, but for a person part that was erased, which stays erased; else every row is a new one
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        names = [column.name for column in table.columns]
        written = compact([dict(zip(names, map(row.__getitem__, names), strict=True)) for row in rows])
        connection.execute(_of_json(table, anew), {"rows": written})
        return
    written, places = _one_row(table, anew)
    connection.exec_driver_sql(written, [tuple(map(row.__getitem__, places)) for row in rows])


FROZEN = frozenset({
    "id", "kind", "request_key", "line", "agent", "placed_by", "plan", "carrier", "placed_at", "started_at",
    "activated_at", "listed_at", "offer", "receipt",
})  # fmt: skip
"""Columns that follow from a record's first link, or are its key: they never change, and are not written anew. SQLite
would take them out of each of their indexes and put them back; and a receipt that was erased would come back.
"""


@lru_cache(32)
def _of_json(table: Table, anew: bool) -> Any:  # noqa: ANN401, FBT001 - the dialect's own Insert
    """Return PostgreSQL's statement for rows in one text of JSON."""
    names = [column.name for column in table.columns]
    found = text(
        f"SELECT {', '.join(names)} FROM json_populate_recordset(NULL::{table.name}, CAST(:rows AS json))"  # noqa: S608
    )
    made = postgresql.insert(table).from_select(names, found.columns(*table.columns))
    return _anew(made, table) if anew else made


@lru_cache(32)
def _one_row(table: Table, anew: bool) -> tuple[str, list[str]]:  # noqa: FBT001
    """Return SQLite's statement for a row, and its parameters in their order."""
    made = sqlite.insert(table)
    compiled = (_anew(made, table) if anew else made).compile(dialect=sqlite.dialect())
    return str(compiled), list(compiled.positiontup or ())


def _anew(made: Any, table: Table) -> Any:  # noqa: ANN401
    new, old = made.excluded, table.c
    values = {column.name: new[column.name] for column in table.columns if column.name not in FROZEN}
    if old.person.nullable:
        values["person"] = case((old.person.is_(None), None), else_=new.person)
    return made.on_conflict_do_update(index_elements=[*table.primary_key], set_=values)
