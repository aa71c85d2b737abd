"""The log beside the records: read once, in its order, and then compared with each record's chain.

Of each entry it checks that its number follows the one before and its hash is its own. What is compared with the
records is kept: number and head of each leaf, and the refusals that stand. The rules by which a record differs from its
leaves are the doctor's, as all rules of records are; `newest` looks at the log's end alone, when an engine starts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate

from msgspec import Struct

from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.event import link
from consent_engine.domain.seal import LIFTED, Chained, Leaf
from consent_engine.engine.audit_refusals import Refusals
from consent_engine.engine.recall import Lookup
from consent_engine.errors import BrokenRecord
from consent_engine.ports import KINDS, OWNERS, Owner, Recorded, Snapshot, Store

PIECE = 500
CELLS_APART_MS = 60_000
"""A record that is no longer than this after the log's first entry is not missed there: a log that was begun anew may
have another cell's first entry before it.
"""
Between = tuple[Millis, Millis]
EVER: Between = (0, 2**62)
"""All of the log."""


class Replay:
    """What the log says of a period. entries: how many it has · end: the number behind the last entry that was read ·
    wrong: its own defects · began: when its first entry came; records without one whose last event is not newer need
    none · early: how many leaves of a record are so old that its class may have been deleted

    leaves: number and head of each leaf of a record, with blanks between, in the log's order: there are as many as
    there were events. Of a line, which is deleted with its number when nothing is left of it and begins anew with the
    number's next event, only those since it last began.
    """

    def __init__(self, kept_since: Millis = 0, between: Between = EVER) -> None:
        self.between = between
        self.began: Millis | None = None
        self.entries = self.end = 0
        self.wrong: dict[str, str] = {}
        self.refusals = Refusals()
        self.leaves: dict[Owner, dict[str, str]] = {owner: {} for owner in Owner}
        self.early: dict[str, int] = {}
        self._kept_since = kept_since

    def read_on(self, store: Store, tell: Callable[[int], None] = lambda _: None) -> None:
        """Read the log from where this ended. tell: receives how many more entries were read, now and then

        Raises StoreUnavailable and ArchiveUnavailable; NotOurArchive for another installation's log: it would find
        nothing wrong there, or everything.
        """
        if (log := store.log) is None:
            return
        store.bound_archive()
        self.end = max(self.end, log.begins(self.between[0]))
        while rows := log.entries(self.end, PIECE):
            self.note(self.decoded(rows))
            tell(len(rows))
        with suppress(BrokenRecord):
            self.began = next((Leaf.decode(entry).at for _, entry, _ in log.entries(0, 1)), None)
        self.wrong |= cut(store)

    def decoded(self, rows: Iterable[tuple[int, str, str]]) -> Iterator[Leaf]:
        """Yield the leaves in the next entries, and note the defects of these."""
        for n, entry, hashed in rows:
            if n != self.end:
                self.wrong |= _gap(self.end, n)
            self.end = n + 1
            try:
                leaf = Leaf.decode(entry)
            except BrokenRecord as error:
                self.wrong[f"entry {n}"] = str(error)
                continue
            if digest(entry) != hashed:
                self.wrong[f"entry {n}"] = "written anew in the log: its hash is another one's"
            yield leaf

    def note(self, leaves: Iterable[Leaf]) -> None:
        """Take the next leaves. Of those after the period the liftings count: what they lifted is not missing."""
        for leaf in leaves:
            inside = self.has(leaf.at)
            self.entries += inside
            if leaf.of is Chained.REFUSAL:
                if inside or leaf.seq == LIFTED:
                    self.refusals.note(leaf)
            elif inside:
                of, is_line = self.leaves[Owner(leaf.of)], leaf.of is Chained.LINE
                had = "" if is_line and not leaf.seq else of.get(leaf.record, "")
                of[leaf.record] = f"{had}{leaf.seq} {leaf.head} "
                if leaf.at < self._kept_since and not is_line:
                    self.early[leaf.record] = self.early.get(leaf.record, 0) + 1

    def has(self, at: Millis) -> bool:
        """Whether an instant is in the period."""
        return self.between[0] <= at < self.between[1]

    def of(self, owner: Owner, record: str) -> list[tuple[int, str]]:
        """Return number and head of the leaves of a record."""
        words = self.leaves[owner].get(record, "").split()
        return list(zip(map(int, words[::2]), words[1::2], strict=True))

    @property
    def records(self) -> int:
        """How many records it has, and lines with refusals."""
        return sum(map(len, self.leaves.values())) + len({line for line, _ in self.refusals.standing})


def _gap(first: int, end: int) -> dict[str, str]:
    return {f"entries {first} to {end - 1}": "dropped from the log"}


def cut(store: Store) -> dict[str, str]:
    """Return the missing end of the log, or its count of entries that cannot be right, and what is wrong with it.

    Raises ArchiveUnavailable.
    """
    try:
        end, size = store.log.ends() if store.log is not None else (0, 0)
    except BrokenRecord as error:
        return {"log": str(error)}
    return _gap(end, size) if size > end else {}


# -- the records beside it ---------------------------------------------------------------------------------------------


class Logged(Struct, frozen=True):
    """A record beside the log and SQL. What is said of it is a sentence; '' where nothing is wrong.

    record: None where it is gone or cannot be read · leaves: number and head of its leaves, in the log's order · early:
    how many of them may have gone with its class · sealed: its last event is in the log, on its way there, or need not
    be · unread: the store or SQL has it, it cannot be read, and the log has nothing of it · unlisted: SQL should have a
    row of it, and has none · columns: those of its row that say otherwise than it
    """

    name: str
    record: Recorded | Line | None
    leaves: Sequence[tuple[int, str]]
    early: int
    sealed: bool
    unread: bool
    unlisted: bool
    columns: Sequence[str]

    @property
    def key(self) -> tuple[type, str, int]:
        """By which two looks are of the same: it may have changed in between, and what is wrong with both is wrong."""
        return Logged, self.name, 0

    @property
    def dropped(self) -> str:
        """The events that the log has and it lacks. A line without events went with its number."""
        newest, record = max((seq for seq, _ in self.leaves), default=-1), self.record
        if record is None:
            gone = self.early < len(self.leaves)
            return f"dropped, or cannot be read: the log has its event {newest}" if gone else ""
        if newest < len(record.publics) or (isinstance(record, Line) and not record.publics):
            return ""
        noun = "line" if isinstance(record, Line) else "record"
        return f"dropped: the log has event {newest}, the {noun} says {len(record.publics) - 1}"

    @property
    def rewritten(self) -> str:
        """The newest event up to which its chain is not the log's."""
        heads = list(accumulate(self.record.publics, link, initial=""))[1:] if self.record else []
        differs = [seq for seq, head in self.leaves if seq < len(heads) and heads[seq] != head]
        return f"written anew: up to event {max(differs)} it is not what the log has" if differs else ""

    @property
    def unsealed(self) -> str:
        """Its events that the log lacks."""
        if self.sealed or self.rewritten:
            return ""
        after = f"what came after event {self.leaves[-1][0]}" if self.leaves else "none of its events is there"
        return f"not in the log: {after}"

    @property
    def misfiled(self) -> str:
        """The columns of its row that say otherwise than it."""
        return f"its row in the archive was changed: {', '.join(self.columns)}" if self.columns else ""


def beside(store: Store, log: Replay, owner: Owner, names: Sequence[str], found: Snapshot) -> list[Logged]:
    """Return records beside the log, which was read before: so no record is behind it. found: as the store has them

    Raises ArchiveUnavailable where SQL must be asked and cannot be.
    """
    kind, archive = KINDS.get(owner), store.archive if log.began is not None else None
    there: Mapping[str, Recorded | Line]
    there = Lookup(store).completed(kind, names, found) if kind else found.of(Line)
    columns = archive.misfiled(kind, names) if kind and archive else {}
    lacking = {*names}.difference(columns) if kind and archive else set()
    known = found.unreadable | {*columns}
    lasts = {name: Leaf.of_record(each) for name, each in there.items() if each.publics}
    ahead = {name: last.entry for name, last in lasts.items() if _is_ahead(log, last, lacking)}
    # First: an entry that leaves the journal meanwhile is in the log.
    waiting = store.journal.among({*ahead.values()}) if ahead else set()
    logged = store.log.among({*ahead.values()} - waiting) if ahead and store.log is not None else set()
    sealed = {name for name, entry in ahead.items() if entry in waiting | logged}
    return [
        Logged(
            name=name, record=there.get(name), early=log.early.get(name, 0), columns=columns.get(name, ()),
            # A line that is further in the log by now began anew, or got more events, since that was read.
            leaves=() if kind is None and name in sealed else log.of(owner, name),
            sealed=name not in ahead or name in sealed,
            unread=name in known and name not in there and name not in log.leaves[owner],
            unlisted=name in lacking and name in sealed and ahead[name] not in waiting,
        )
        for name in names
    ]  # fmt: skip


def _is_ahead(log: Replay, last: Leaf, lacking: set[str]) -> bool:
    """Whether the last event of a record should be in the log, and was not found there; or SQL lacks its row."""
    leaves = log.of(Owner(last.of), last.record)
    if last.record in lacking:
        return log.has(last.at)
    if not leaves:
        return log.began is not None and log.began + CELLS_APART_MS < last.at < log.between[1]
    found = (last.seq, last.head) in leaves if last.of is Chained.LINE else last.seq <= leaves[-1][0]
    return last.at < log.between[1] and not found


def newest(store: Store, kept_since: Millis, most: int = PIECE) -> tuple[Replay, list[str]]:
    """Compare the newest entries of the log: data older than their log lack these first. Return them, with their own
    defects, which say nothing of the data; and the records that lack what they say, or have another history, and lines
    that lack a refusal.

    Raises StoreUnavailable and ArchiveUnavailable.
    """
    log, rows = Replay(kept_since), store.log.newest(most) if store.log is not None else []
    log.end = rows[0][0] if rows else 0
    # Lines are left to the whole log: one that began anew seems to be another one.
    log.note(leaf for leaf in log.decoded(rows) if leaf.of is not Chained.LINE)
    lost = [line for line, _ in log.refusals.missing(store)]
    for kind, owner in OWNERS.items():
        names = list(log.leaves[owner])
        for _ in range(2):  # one that came back from SQL between two reads is in neither
            looked = beside(store, log, owner, names, store.records.look({kind: names})) if names else []
            names = [each.name for each in looked if each.dropped or each.rewritten]
        lost += names
    return log, lost
