"""The audit of the log against what was published of it, and against checkpoints that were kept elsewhere.

Anyone who can write to Redis and to the archive can shorten the log together with its count, its marks, its records and
its tiles: nothing that is kept there shows it. A checkpoint shows it if it is kept where the same person cannot write:
in the log's folder, with a witness, or in the hands of whoever ran an audit.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from consent_engine.domain.log.checkpoint import Checkpoint, Key, Note, NotSigned
from consent_engine.domain.log.merkle import HASH_BYTES, WIDTH, Tree, leaf_hash, published
from consent_engine.ports import Log
from consent_engine.ports.public_log import PublicLog

PIECE = 5_000
LOOK = 256
"""How many entries behind one that differs are looked at, to say what happened to it."""
GONE = b"gone"
"""In the place of a published hash that should be there."""
Wrong = tuple[str, str]
"""The name of entries or of a checkpoint, and what is wrong with it."""


class Head(NamedTuple):
    """How many entries a log had, and the hash that covers them."""

    size: int
    root: bytes

    def __str__(self) -> str:
        """Return the text that `read` reads: short, as people copy it."""
        return f"{self.size}.{urlsafe_b64encode(self.root).decode().rstrip('=')}"

    @classmethod
    def read(cls, text: str) -> "Head":
        """Read a checkpoint as an audit ended with it. Raises ValueError.

        >>> Head.read(f"12.{'A' * 43}").size
        12
        """
        found = re.fullmatch(r"(0|[1-9][0-9]{0,14})\.([A-Za-z0-9_-]{43})", text, re.ASCII)
        if found is None:
            raise ValueError("not a checkpoint")
        return cls(int(found[1]), urlsafe_b64decode(f"{found[2]}="))


def compared(log: Log, known: Head | None = None, signed: Iterable[Checkpoint] = ()) -> tuple[Head, list[Wrong]]:
    """Return the log's present checkpoint, and how the log differs from what is known of it: from its own tiles, which
    were made as entries came, and from checkpoints of earlier times.

    known: a checkpoint that was kept elsewhere · signed: those that the log and its witnesses signed. Raises
    ArchiveUnavailable, and BrokenRecord for what cannot be read.
    """
    replay = _Replay(log.public, [*signed, *([Checkpoint("", *known)] if known else [])])
    read = 0
    while rows := log.entries(read, PIECE):
        read = rows[-1][0] + 1
        replay.note([(n, leaf_hash(published(entry))) for n, entry, _ in rows])
    return Head(replay.tree.size, replay.tree.root), list(replay.ended())


class _Replay:
    """The tree of the entries as they are, beside the tiles as they were made."""

    def __init__(self, public: PublicLog, signed: Sequence[Checkpoint]) -> None:
        self.tree = Tree()
        self._public = public
        self._signed = sorted(signed, key=lambda each: each.size)
        self._wrong = list[Wrong]()
        self._tiled = public.size()
        self._was: tuple[int, bytes] = -1, b""
        self._faults = 0
        self._reached()

    def note(self, leaves: Sequence[tuple[int, bytes]]) -> None:
        """Take the next entries' numbers and hashes."""
        for at, (_, leaf) in enumerate(leaves):
            was = self._tile(self.tree.size)
            if was not in {b"", leaf}:
                self._differs([each for _, each in leaves[at : at + LOOK]])
            self.tree.add(leaf)
            self._reached()

    def ended(self) -> Iterator[Wrong]:
        """Yield what is wrong once all entries are read."""
        self._reached()
        size = self.tree.size
        yield from self._wrong
        if self._faults > 1:
            yield "log", f"{self._faults:,} entries in all are not those that were published"
        if size < self._tiled:
            yield f"entries {size} to {self._tiled - 1}", "dropped: they were published"
        for each in self._signed:
            yield _name(each), f"shortened: it has {size:,} entries, and had {each.size:,} at this checkpoint"

    def _differs(self, leaves: Sequence[bytes]) -> None:
        """Name the first entry that is not the published one by what happened to it."""
        self._faults += 1
        if self._faults > 1:
            return
        number = self.tree.size
        was = [self._tile(n) for n in range(number, number + len(leaves))]
        if was[0] == GONE:
            found = "its tile is gone, or was cut"
        elif leaves[:1] == was[1:2]:
            found = "dropped: what follows it moved up"
        elif was[0] in leaves:
            found = "reordered: it stands later now"
        else:
            found = "written anew: another one was published"
        self._wrong.append((f"entry {number}", found))

    def _reached(self) -> None:
        """Compare the tree with the checkpoints of its size."""
        while self._signed and self._signed[0].size == self.tree.size:
            each = self._signed.pop(0)
            if each.root != self.tree.root:
                found = f"written anew: its first {each.size:,} entries are not those of this checkpoint"
                self._wrong.append((_name(each), found))

    def _tile(self, number: int) -> bytes:
        """Return the published hash of an entry; none where it is not published yet."""
        if number >= self._tiled:
            return b""
        at, within = divmod(number, WIDTH)
        if self._was[0] != at:
            try:
                self._was = at, self._public.tile(0, at)
            except LookupError:
                self._was = at, b""
        return self._was[1][within * HASH_BYTES : (within + 1) * HASH_BYTES] or GONE


def _name(checkpoint: Checkpoint) -> str:
    return f"checkpoint of {checkpoint.size:,}" if checkpoint.origin else "log"


def signed_before(public: PublicLog, kept: Note | None, keys: Sequence[Key]) -> tuple[list[Checkpoint], list[Wrong]]:
    """Return the checkpoints that are kept, of SQL and of the folder (`kept`), and those that were changed. keys: the
    log's; a note that none of them signed counts as one of a former key. Raises ArchiveUnavailable, and BrokenRecord
    for one that cannot be read.
    """
    found, wrong, after = list[Checkpoint](), list[Wrong](), 0
    notes = [kept] if kept is not None else []
    while some := public.checkpoints(after, PIECE):
        after = some[-1].checkpoint.size
        notes += [each.note for each in some]
    for note in notes:
        checkpoint = Checkpoint.decode(note.text)
        try:
            note.signers(keys)
            found.append(checkpoint)
        except NotSigned as error:
            wrong.append((_name(checkpoint), f"changed: {error}"))
    return found, wrong
