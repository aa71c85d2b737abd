"""What the public log costs: CPU and bytes an entry, and how long a proof takes. `benchmarks/growth/public_log.py`.

    python -m benchmarks.growth.public_log [ENTRIES]

Entries are written to a SQLite archive as the scribe writes them, then published: tiles, a checkpoint, files.
"""

import sys
import tempfile
from pathlib import Path
from random import Random
from time import process_time

from consent_engine.adapters.log_folder import LogFolder
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.domain.log.checkpoint import PrivateKey
from consent_engine.domain.log.merkle import included, leaf_hash
from consent_engine.domain.seal import Chained, Leaf
from consent_engine.engine.publishing import Keys, Publisher, grow, growth, proof

PIECE, PROOFS = 4_000, 200
AT, HEAD = 1_764_000_000_000, "h" * 43


def entries(first: int, count: int) -> list[str]:
    """Return entries like those of orders."""
    return [Leaf(Chained.ORDER, f"{n // 8:028x}", n % 8, AT + n, HEAD).entry for n in range(first, first + count)]


def spent(first: float) -> float:
    """CPU seconds since an instant of this process."""
    return process_time() - first


def measure(folder: Path, count: int) -> list[tuple[str, str]]:
    """Fill, publish and prove; return what it cost, line by line."""
    archive = SqlArchive(f"sqlite:///{folder}/archive.sqlite3")
    log, files = SqlLog(archive), LogFolder(folder / "log")
    written = grown = 0.0
    for first in range(0, count, PIECE):
        some, begun = entries(first, min(PIECE, count - first)), process_time()
        with log.writing() as to:
            to.append(some)
        written += spent(begun)
        begun = process_time()
        grow(log.public)
        grown += spent(begun)
    with archive.asking() as connection:
        tiles = connection.exec_driver_sql("SELECT sum(length(hashes)), count(*) FROM log_tiles").one()
    begun = process_time()
    Publisher(log.public, Keys([PrivateKey.made("bench.example/log")]), files).publish(AT)
    [signed] = log.public.checkpoints(0, 1)
    filed, drawn, slowest, begun_all = spent(begun), Random(1), 0.0, process_time()  # noqa: S311 - a sample
    for _ in range(PROOFS):
        number, begun = drawn.randrange(count), process_time()
        shown = proof(log.public, number, signed)
        slowest = max(slowest, spent(begun))
        [leaf] = log.public.entries(number, 1)
        if not included(leaf_hash(leaf), number, count, shown.hashes, signed.checkpoint.root):
            sys.exit("a proof does not hold")
    mean, begun = spent(begun_all) / PROOFS, process_time()
    growth(log.public, count // 3, count)
    on_disk = sum(each.stat().st_size for each in files.path.rglob("*") if each.is_file())
    archive.close()
    return [
        ("entries", f"{count:,}"),
        ("numbered by the scribe", f"{written / count * 1e6:.1f} us of CPU an entry"),
        ("tiles", f"{grown / count * 1e6:.1f} us of CPU an entry"),
        ("files and the checkpoint", f"{filed / count * 1e6:.1f} us of CPU an entry"),
        ("tiles in SQL", f"{tiles[0] / count:.1f} bytes an entry"),
        ("files", f"{on_disk / count:.1f} bytes an entry"),
        (
            "a proof of inclusion",
            f"{len(shown.hashes)} hashes, {mean * 1e3:.2f} ms of CPU, {slowest * 1e3:.2f} at most",
        ),
        ("a proof of growth", f"{spent(begun) * 1e3:.2f} ms of CPU"),
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for what, cost in measure(Path(made), int(sys.argv[1]) if len(sys.argv) > 1 else 200_000):
            sys.stdout.write(f"{what}: {cost}\n")
