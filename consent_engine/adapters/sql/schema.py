"""The archive's schema versions: one step for each number, taken whole by the first process that opens the archive."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import Connection, select, text, update

from consent_engine.adapters.sql.tables import MAKING, META, SCHEMA
from consent_engine.errors import ArchiveUnavailable


class Step(NamedTuple):
    """The step from one schema to the next. to: the next number · change: makes it in the transaction that it gets,
    which must be short: a large table may get a new nullable column, and is never rewritten
    """

    to: str
    change: Callable[[Connection], None]


class Schema(NamedTuple):
    """The schema of a release. number: the schema it works with · steps: from each earlier number that it reads"""

    number: str
    steps: Mapping[str, Step] = MappingProxyType({})

    def grown(self, connection: Connection) -> str:
        """Take the missing steps in this transaction and return the number reached. A second process waits for the
        first. Raises ArchiveUnavailable for a schema from which no step leads here, as one of a later release.
        """
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": MAKING})
        named = META.c.name == "schema"
        # Written first: on SQLite it takes the lock, and opens the transaction in which tables may be changed.
        connection.execute(update(META).where(named).values(value=META.c.value))
        before = at = str(connection.execute(select(META.c.value).where(named)).scalar_one())
        while at != self.number:
            if at not in self.steps:
                raise ArchiveUnavailable(f"the archive has schema {before}, this release knows {self.number}")
            self.steps[at].change(connection)
            at = self.steps[at].to
            connection.execute(update(META).where(named).values(value=at))
        return at


NOW = Schema(SCHEMA)
"""The schema of this release. A change of it needs a higher SCHEMA (`adapters/sql/tables.py`), and a step from the
number before.
"""
