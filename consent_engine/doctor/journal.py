"""Checks of the journal and the log: entries reach it, it is published, and the records sealed last are here."""

from collections.abc import Iterator, Sequence
from shlex import quote

from consent_engine.doctor.findings import Finding, bad, good, warn
from consent_engine.domain.effects import Millis
from consent_engine.domain.hitch import in_words
from consent_engine.domain.log.checkpoint import Checkpoint, Key, NotSigned, Witness, quorum
from consent_engine.engine import audit
from consent_engine.engine.feeding import behind
from consent_engine.engine.publishing import forked, unsigned_ms, unwitnessed_ms
from consent_engine.engine.witnessing import said_of
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Journal, Log, Store
from consent_engine.ports.journal import Waiting
from consent_engine.ports.public_log import Folder, PublicLog

LATE_MS = 60_000
"""An entry that waits longer shows that no worker writes it out: a scribe looks every second."""


def sealed(store: Store, kept_since: Millis, *, mend: bool = False) -> Iterator[Finding]:
    """Check the journal and the newest records against the log. Of one that is away or another one, which the check of
    the archive reports, only how many entries wait for it. mend: count the log's entries anew where their count cannot
    be right. Raises StoreUnavailable and ArchiveUnavailable.
    """
    if (log := store.log) is None:
        yield from _behind(store.journal.waiting())
        return
    if mend and (anew := log.recount()) is not None:
        yield good(f"the log's entries are counted anew: {anew:,}")
    yield from journal(store.journal, log)
    yield from newest(store, kept_since)


def journal(kept: Journal, log: Log) -> Iterator[Finding]:
    """Check how far the journal is sealed. Raises StoreUnavailable and ArchiveUnavailable."""
    waiting = kept.waiting()
    late = list(_behind(waiting))
    yield from late
    try:
        end, size = log.ends()
    except BrokenRecord as error:
        yield bad(f"the log: {error}", "consent doctor --mend")
        return
    if size > end:
        yield bad(
            f"the last {size - end:,} entries of the log are gone from the archive",
            "consent audit; keep the data, and restore the archive from its newest backup: docs/operations.md",
        )
    elif not late:
        lag = f" for {waiting.lag_s:.1f} s" if waiting.lag_s > 0 else ""
        yield good(f"the journal is sealed: {size:,} entries in the log, {waiting.count:,} on their way{lag}")


def _behind(waiting: Waiting) -> Iterator[Finding]:
    """Find entries that wait too long."""
    if (lag := waiting.lag_s) > LATE_MS / 1000:
        yield bad(
            f"{waiting.count:,} entries of the journal are not in SQL yet, the oldest for {lag:,.0f} s: "
            "nothing is lost, and lists are as of then",
            "is a worker running, and does the archive answer? Every worker process seals entries",
        )


def public(
    log: Log, folder: Folder, keys: Sequence[Key], witnesses: Sequence[Witness], now: Millis
) -> Iterator[Finding]:
    """Check what is published of a log: that it is the one that was signed, in SQL and in the folder; that it is signed
    in time, by our key and by witnesses; and that none of these ever refused. Raises ArchiveUnavailable.
    """
    try:
        kept, newest = folder.kept(), log.public.newest()
        notes = [each for each in (newest.note if newest else None, kept) if each is not None]
        known = [Checkpoint.decode(note.text) for note in notes]
        strangers = [name for note in notes if not note.signers(keys) for name in note.strangers(keys)]
        fault = forked(log.public, log.public.size(), known)
    except (BrokenRecord, NotSigned, OSError) as error:
        yield bad(f"the public log: {error}", "consent audit names what was changed; keep the data, and report it")
        return
    if fault is not None:
        yield bad(
            f"the public log: {fault}: nothing more is signed",
            "consent audit; restore SQL from its newest backup. Is that the newest: consent log anew",
        )
    elif strangers:
        yield bad(
            f"the public log: another key than ours signed it ({', '.join(dict.fromkeys(strangers))})",
            "set CONSENT_LOG_KEY to the log's key, or bring log.key back; is it lost: consent log anew",
        )
    if (late := unsigned_ms(log, newest, now)) > LATE_MS:
        yield bad(
            f"the public log: entries are in no checkpoint, the oldest for {late // 1000:,} s",
            "is a worker running? Its log says why it does not publish",
        )
    elif newest is not None and not (fault or strangers):
        yield good(f"the public log {newest.checkpoint.origin}: {newest.checkpoint.size:,} entries are signed")
    yield from _unwitnessed(log.public, witnesses, now)


def _unwitnessed(log: PublicLog, witnesses: Sequence[Witness], now: Millis) -> Iterator[Finding]:
    """Find witnesses that are late, and what any of them ever refused."""
    for each in log.misgivings():
        yield bad(
            f"the public log: {said_of(each)}",
            "consent audit; the refused checkpoint is kept (log_misgivings in SQL). Was an older copy of SQL restored: "
            "consent log anew",
        )
    if not witnesses:
        return
    needed = quorum(witnesses)
    if (late := unwitnessed_ms(log, needed, now)) > LATE_MS:
        yield warn(
            f"the public log: for {late // 1000:,} s not {needed} of {len(witnesses)} witnesses sign it",
            "a worker's log names the witness that is late, and why; no order waits for it",
        )
    elif (last := log.newest(needed)) is not None:
        of = f"{last.cosigned} of {len(witnesses)} witnesses"
        yield good(f"the public log: {of} signed {last.checkpoint.size:,} entries")


def feeds(log: Log, now: Millis) -> Iterator[Finding]:
    """Check how far each feed is behind. Raises ArchiveUnavailable, and BrokenRecord for one that cannot be read."""
    for feed, waiting, oldest in behind(log, now):
        name, rest = quote(feed.name), f"{waiting:,} entries wait in the log, the oldest for {oldest // 1000:,} s"
        why = in_words(feed.paused or feed.why)
        if feed.paused:
            yield warn(f"feed {feed.name} is paused ({why}): {rest}", f"consent feeds resume {name}")
        elif feed.failures:
            yield warn(
                f"feed {feed.name} stands at entry {feed.cursor}, {feed.failures} posts failed, {why}: {rest}",
                f"is {feed.address} up? It goes on by itself; to leave out what it never takes: consent feeds replay "
                f"{name} --from {feed.cursor + 1}",
            )
        elif oldest > LATE_MS:
            yield warn(f"feed {feed.name} is late: {rest}", "is a worker running? Its log says why it posts nothing")
        else:
            yield good(f"feed {feed.name} gets events: it is at entry {feed.cursor:,} of the log")


def newest(store: Store, kept_since: Millis) -> Iterator[Finding]:
    """Check that the newest sealed records are here: after a failover, a restore, or damage to files some may
    be missing, and nothing else shows it. Raises StoreUnavailable and ArchiveUnavailable.
    """
    log, lacking = audit.newest(store, kept_since)
    if log.wrong:
        yield bad(
            f"{len(log.wrong):,} of the newest entries of the log cannot be read: the journal or the log was changed",
            "consent audit names them, and records that lack an entry; keep the data, and report it",
        )
    if lacking:
        yield bad(
            f"{len({*lacking}):,} of the records sealed last are missing or changed: these data are older than "
            "their archive, and subscribers who refused last may be called again",
            "stop APIs and workers; consent doctor --all --mend puts refusals back; if consent audit names other "
            "records, restore Redis from its newest backup: docs/operations.md",
        )
    elif log.entries:
        yield good(f"the newest {log.entries:,} entries of the log are here")
