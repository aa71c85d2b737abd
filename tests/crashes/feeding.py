"""A process that posts events to a feed until there are no more, or it is killed: `python -m tests.crashes.feeding
FOLDER`.
"""

import asyncio
import sys
from datetime import timedelta
from typing import Any, cast

from consent_engine.adapters.outbound import event_poster
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.queries import SqlQueries
from consent_engine.domain.seal import Seal
from consent_engine.engine.feeding import Feeding, Sender
from tests.archive.crm import SECRET, SOURCE

MOST = 1_000
NOW = 1_764_000_000_000


class Turns:
    """The only process that runs: it has each turn."""

    def now(self) -> int:
        return NOW

    def claim_turn(self, *_: Any) -> bool:
        return True


async def post(folder: str) -> None:
    """Post until there is no more."""
    archive = SqlArchive(f"sqlite:///{folder}/archive.sqlite3")
    archive.seal = Seal(SECRET)
    sender = Sender(event_poster(timedelta(seconds=60)), SECRET, SOURCE, "one")
    feeding = Feeding(SqlLog(archive), SqlQueries(archive).evidence, cast("Any", Turns()), sender)
    for _ in range(MOST):
        if not await feeding.look():
            break
    archive.close()


if __name__ == "__main__":
    asyncio.run(post(sys.argv[1]))
