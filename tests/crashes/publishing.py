"""A process that publishes a log until it is killed: `python -m tests.crashes.publishing FOLDER KEY`.

Each line that it prints is a checkpoint that it signed, before anything of it is kept.
"""

import sys
from pathlib import Path

from consent_engine.adapters.log_folder import LogFolder
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.domain.log.checkpoint import PrivateKey
from consent_engine.domain.seal import Chained, Leaf
from consent_engine.engine.publishing import EVERY_MS, Keys, Publisher

MOST = 10_000


class Told:
    """A key that says what it signs."""

    def __init__(self, inner: PrivateKey) -> None:
        self._inner = inner
        self.key = inner.key

    def sign(self, message: bytes) -> bytes:
        sys.stdout.write(f"{message.decode().replace(chr(10), ' ')}\n")
        sys.stdout.flush()
        return self._inner.sign(message)


def publish(folder: Path, key: str) -> None:
    """Bring entries, and publish them, again and again."""
    archive = SqlArchive(f"sqlite:///{folder}/archive.sqlite3")
    log = SqlLog(archive)
    publisher = Publisher(log.public, Keys([Told(PrivateKey.decode(key))]), LogFolder(folder / "log"))
    for _ in range(MOST):
        size = log.ends()[1]
        with log.writing() as to:
            to.append([Leaf(Chained.ORDER, f"{n:028x}", 0, 1, "h" * 43).entry for n in range(size, size + 97)])
        newest = log.public.newest()
        publisher.publish(newest.at + EVERY_MS if newest else EVERY_MS)


if __name__ == "__main__":
    publish(Path(sys.argv[1]), sys.argv[2])
