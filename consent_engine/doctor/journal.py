"""Whether what was sealed is in the log."""

from collections.abc import Iterator

from consent_engine.doctor.findings import Finding, bad, good
from consent_engine.domain.effects import Millis
from consent_engine.ports import Journal, Log

LATE_MS = 60_000
"""An entry that waits longer than this says that nobody seals: a sealer looks every second."""


def journal(kept: Journal, log: Log, now: Millis) -> Iterator[Finding]:
    """How far the journal is sealed. Raises StoreUnavailable and ArchiveUnavailable."""
    waiting = kept.waiting()
    late = (now - waiting.oldest) // 1000
    if waiting.count and now - waiting.oldest > LATE_MS:
        yield bad(
            f"{waiting.count:,} entries of the journal are not in the log, the oldest for {late:,} s: nothing is lost",
            "is a worker at work, and does the archive answer? Each worker process seals",
        )
        return
    yield good(f"the journal is sealed: {log.size():,} entries in the log, {waiting.count:,} on their way")
