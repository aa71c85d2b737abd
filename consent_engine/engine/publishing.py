"""Publishing the log: its tree grows with it, and every 10 s or 10,000 entries a checkpoint is signed.

Entries are numbered by the scribe; here their hashes go into tiles, a checkpoint over all of them is signed and kept,
and the tiles and the checkpoint are written as files. Each step makes the same of the same entries, and looks first how
far the one before came: whatever dies in between, and however many do it at once, nobody is shown two histories. What
was signed is never signed otherwise: before each signature the tree must begin with every checkpoint that is known, in
SQL and in the folder; an older copy of SQL does not.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from consent_engine.domain.days import DAY_MS
from consent_engine.domain.effects import Millis
from consent_engine.domain.log.checkpoint import Checkpoint, Key, Note, NotSigned, Signer, followed, rotation
from consent_engine.domain.log.merkle import (
    CUT,
    ENTRIES,
    HASH_BYTES,
    WIDTH,
    Place,
    bundle,
    changed,
    consistency,
    grown,
    inclusion,
    leaf_hash,
    nodes,
    root,
)
from consent_engine.domain.seal import newest_of
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.errors import LogForked
from consent_engine.ports import Log
from consent_engine.ports.public_log import Folder, PublicLog, Signed

logger = logging.getLogger(__name__)
EVERY_MS, EVERY = 10_000, 10_000
"""A checkpoint is due after so long, or so many entries."""
PIECE = 100 * WIDTH
"""How many entries go into tiles in one transaction."""
MOST_PIECES = 400
"""Ten million entries a round: of a log that was never published the rest follows in the next one."""
HOUR_MS = 3_600_000
"""Of checkpoints that are older than a day one an hour is kept."""


class Keys(NamedTuple):
    """The keys of the log, the present one first. Those that went before sign beside it as long as they are named."""

    signers: Sequence[Signer]

    @property
    def name(self) -> str:
        return self.signers[0].key.name

    @property
    def known(self) -> list[Key]:
        return [each.key for each in self.signers]


class Publisher:
    """Publishes one log. keys: those it is signed with · folder: where its files are"""

    def __init__(self, log: PublicLog, keys: Keys, folder: Folder) -> None:
        self._log = log
        self._keys = keys
        self._folder = folder
        self._ours = False
        self._trouble = LogOnChange(logger, "the log is signed, and its folder cannot be written now")

    def publish(self, now: Millis) -> Signed | None:
        """Bring the tiles up to the log's end, and sign a checkpoint where one is due; return it.

        Raises LogForked where the log is not what was signed before, BrokenRecord where entries are gone, OSError where
        the key cannot be asked, and ArchiveUnavailable. A folder that cannot be written is logged: SQL has the same.
        """
        try:
            return self._published(now)
        except LookupError as error:
            raise LogForked(f"{error}: nothing more is signed; see consent audit") from None

    def _published(self, now: Millis) -> Signed | None:
        if not self._ours:
            self._introduce()
        size, newest, kept = grow(self._log), self._log.newest(), self._kept()
        due = bool(size) and (newest is None or is_due(newest, size, now))
        if due or not self._ours:
            known = [self._signed(each) for each in (newest.note if newest else None, kept) if each is not None]
            if (fault := forked(self._log, size, known)) is not None:
                raise LogForked(f"{fault}: nothing more is signed")
            self._ours = True
        if due:
            newest = self._sign(Checkpoint(self._keys.name, size, root(size, nodes(self._log.tile))), now, newest)
        if newest is not None and str(newest.note) != str(kept):
            self._write(newest)
        return newest if due else None

    def _kept(self) -> Note | None:
        try:
            return self._folder.kept()
        except OSError as error:
            self._trouble.met(error)
            return None

    def _write(self, newest: Signed) -> None:
        try:
            self._folder.write(newest.note, partial(files, self._log, size=newest.checkpoint.size))
        except OSError as error:
            self._trouble.met(error)
        else:
            self._trouble.over()

    def _introduce(self) -> None:
        """Check that this key may sign the log, and keep the notes of keys that follow each other."""
        name = self._log.named(self._keys.name)
        if name != self._keys.name:
            raise LogForked(f"the log is signed as {name}, and CONSENT_LOG_KEY is a key of {self._keys.name}")
        rotations = self._log.rotations()
        for new, old in pairwise(self._keys.signers):
            if new.key not in followed([old.key], rotations):
                self._log.rotate(rotation(old, new))

    def _sign(self, checkpoint: Checkpoint, now: Millis, before: Signed | None) -> Signed:
        if before is None or now // HOUR_MS != before.at // HOUR_MS:
            self._log.thin(now - DAY_MS, HOUR_MS)
        signed = Signed(checkpoint, now, Note(str(checkpoint)).signed_by(*self._keys.signers))
        self._log.keep(signed)
        return signed

    def _signed(self, note: Note) -> Checkpoint:
        """Return the checkpoint in a note that our keys signed. Raises LogForked for one that they did not."""
        try:
            if note.signers(self._keys.known):
                return Checkpoint.decode(note.text)
        except NotSigned as error:
            raise LogForked(f"a checkpoint that was kept was changed: {error}") from None
        strangers = ", ".join(dict.fromkeys(note.strangers(self._keys.known)))
        raise LogForked(f"another key than CONSENT_LOG_KEY signed the log before ({strangers}): bring it back")


def grow(log: PublicLog) -> int:
    """Put entries that are new into the tiles, piece by piece; return how many the tiles cover then."""
    size = log.size()
    for _ in range(MOST_PIECES):
        if not log.entries(size, 1):
            break
        with log.publishing() as to:
            size = to.size()
            leaves = [leaf_hash(each) for each in to.entries(size, PIECE)]
            to.grow(grown(size, leaves, to.tile), size + len(leaves))
            size += len(leaves)
        if len(leaves) < PIECE:
            break
    return size


def is_due(newest: Signed, size: int, now: Millis) -> bool:
    """Whether a log of this size needs another checkpoint."""
    more = size - newest.checkpoint.size
    return more < 0 or more >= EVERY or (more > 0 and now - newest.at >= EVERY_MS)


def unsigned_ms(log: Log, newest: Signed | None, now: Millis) -> Millis:
    """Return for how long the oldest entry that no checkpoint covers has waited for one; 0 where none does. Raises
    ArchiveUnavailable.
    """
    waits = log.entries(newest.checkpoint.size if newest else 0, 1)
    came = newest_of(entry for _, entry, _ in waits)
    return max(0, now - max(came, newest.at if newest else 0)) if waits else 0


def unwitnessed_ms(log: PublicLog, needed: int, now: Millis) -> Millis:
    """Return for how long the oldest checkpoint after the last one that so many witnesses signed has waited for them; 0
    where none does. Raises ArchiveUnavailable.
    """
    last = log.newest(needed)
    waits = log.checkpoints(last.checkpoint.size if last else 0, 1)
    return max(0, now - waits[0].at) if waits else 0


class LogSeen(NamedTuple):
    """How late the log is published. refused: how often a witness refused a checkpoint that may show two histories"""

    unsigned: Millis
    unwitnessed: Millis
    refused: int


def seen(log: Log, needed: int, now: Millis) -> LogSeen:
    """Return how late a log is published. needed: how many witnesses must sign. Raises ArchiveUnavailable, and
    BrokenRecord for what cannot be read.
    """
    late = unwitnessed_ms(log.public, needed, now) if needed else 0
    return LogSeen(unsigned_ms(log, log.public.newest(), now), late, len(log.public.misgivings()))


def forked(log: PublicLog, size: int, known: Iterable[Checkpoint]) -> str | None:
    """Return how the tiles, which cover `size` entries, differ from checkpoints that were signed of them; None where
    they begin with each.
    """
    node = nodes(log.tile)
    for checkpoint in known:
        if checkpoint.size > size:
            has = f"the log has {size:,} entries, and {checkpoint.size:,} were signed"
            return f"{has}: entries were dropped, or SQL is an older copy"
        try:
            same = root(checkpoint.size, node) == checkpoint.root
        except LookupError:
            return "a tile of the log is gone or was cut"
        if not same:
            first = f"the first {checkpoint.size:,} entries are not those that were signed"
            return f"{first}: the log was changed, or SQL went on from an older copy"
    return None


# -- what is served ----------------------------------------------------------------------------------------------------


def content(log: PublicLog, place: Place) -> bytes:
    """Return a tile, or a bundle of entries, as it is served. Raises LookupError for one that is not there yet."""
    if place.level != ENTRIES:
        hashes = log.tile(place.level, place.number)[: place.width * HASH_BYTES]
        if len(hashes) == place.width * HASH_BYTES:
            return hashes
    else:
        first = place.number * WIDTH
        entries = log.entries(first, place.width) if first + place.width <= log.size() else []
        if len(entries) == place.width:
            return bundle(entries)
    raise LookupError("the log has no such tile yet")


def files(log: PublicLog, since: int, size: int) -> Iterator[tuple[Place, bytes]]:
    """Yield the tiles and bundles that a log of this size has, and one of `since` entries had not. Raises LookupError
    where one is gone.
    """
    first, entries = 0, list[bytes]()
    for place in changed(since, size):
        if place.level != ENTRIES:
            yield place, content(log, place)
            continue
        at = place.number * WIDTH - first
        if at + place.width > len(entries):  # many at a time: each query costs as much as some hundred entries
            first, at = first + at, 0
            entries = log.entries(first, min(PIECE, size - first))
        if len(entries) < at + place.width:
            raise LookupError(CUT)
        yield place, bundle(entries[at : at + place.width])


class Proof(NamedTuple):
    """That an entry is in the log. number: of the entry · hashes: from its sibling up · signed: the checkpoint to whose
    root they lead
    """

    number: int
    hashes: Sequence[bytes]
    signed: Signed


def proof(log: PublicLog, number: int, signed: Signed) -> Proof:
    """Return the proof that an entry is in the log of a checkpoint. Raises LookupError where that does not cover it, or
    a tile is gone.
    """
    if not 0 <= number < signed.checkpoint.size:
        raise LookupError("this checkpoint does not cover the entry")
    return Proof(number, inclusion(number, signed.checkpoint.size, nodes(log.tile)), signed)


def growth(log: PublicLog, old: int, new: int) -> list[bytes]:
    """Return the proof that the log of `new` entries begins with that of `old` ones. Raises LookupError."""
    return consistency(old, new, nodes(log.tile))
