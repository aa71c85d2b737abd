"""Operations on the journal: its waiting entries are brought to the log."""

import os
from dataclasses import replace

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.domain.hashing import digest
from consent_engine.engine.engine import Engine
from consent_engine.engine.scribe import write_out
from tests.crashes.calls import begins, ends
from tests.crashes.dying import Told
from tests.crashes.operation import ONE, Operation
from tests.crashes.town import LEASE_MS, Life, Town

PIECE = 2
"""The number of entries moved at a time: small enough that there are several pieces."""


class Seals(Operation):
    """Wherever the process dies that brings the journal to the log, each entry is in one of them, in the end logged."""

    name, least = "journal: sealed", 20
    ends = {"notified": 1}  # noqa: RUF012 - as in Operation
    says = "是"
    most_times = 1

    def before(self, town: Town) -> None:
        self.path = town.server.folder / "log.sqlite3"
        town.asked()
        self.call = town.engine.calls.record(begins(town)).call
        town.clock.forward(seconds=60)
        town.engine.calls.record(ends(town, self.call.id, "other"))

    def act(self, engine: Engine, told: Told) -> None:
        for path in self.path.parent.glob("log.sqlite3*"):
            path.unlink()  # left by another life
        log = SqlLog(SqlArchive(f"sqlite:///{self.path}"))
        self._seal(engine, log, f"scribe-{os.getpid()}")
        told(logged=log.ends()[1])

    def _seal(self, engine: Engine, log: SqlLog, reader: str) -> int:
        return write_out(replace(engine.store, archive=log.archive, log=log), reader, most=PIECE)

    def logged(self) -> list[str]:
        if not self.path.exists():
            return []
        log = SqlLog(SqlArchive(f"sqlite:///{self.path}"))
        rows = log.entries(0, 1_000)
        assert [n for n, _, _ in rows] == list(range(log.ends()[1])), "the log is not dense"
        assert [leaf for _, _, leaf in rows] == [digest(entry) for _, entry, _ in rows]
        return [entry for _, entry, _ in rows]

    def again(self, town: Town, life: Life) -> None:
        town.clock.forward(LEASE_MS)  # the process that died had leased the cell for some seconds
        was = town.journaled()
        self._seal(town.engine, SqlLog(SqlArchive(f"sqlite:///{self.path}")), "another")
        assert town.client.llen(town.cell.journal) == 0, "it waits for ever"
        assert town.journaled() == was, "an entry was lost, or came twice"
        assert {self.call.id, *(order.id for order in town.shown())} <= {leaf.record for leaf in was}
        assert town.engine.line(ONE).calls
