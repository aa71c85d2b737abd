"""Commits as the script `commit` takes them: its keys, and one packed argument; many in one go."""

from collections.abc import Sequence
from hashlib import sha1
from itertools import chain

from msgspec import Struct

from consent_engine.adapters.redis.codec import Offers, packed
from consent_engine.adapters.redis.keys import Cell, due_set
from consent_engine.domain.at_rest import Cipher
from consent_engine.domain.carriers import Carrier
from consent_engine.domain.decide.decision import PARKED, Drop
from consent_engine.domain.effects import READ, WAKE_ASIDE, Lane, Millis, lane_of
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import Restriction, is_lasting
from consent_engine.domain.order.order import Order
from consent_engine.domain.order.unlikely_yes import Laid
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.domain.seal import Leaf, Seal, cipher_of, mark_of
from consent_engine.ports import Change, Commit, How, Owner

UNMATCHED = 1
"""The number of the stream of unmatched messages among the script's keys."""
LISTS = {of: number for number, of in enumerate(Cell().due, 2)}
"""The number of a due-set among them."""
MOST = 128
"""How many commits a script saves: some milliseconds in which no one else is answered."""


class PackedRecord(Struct, omit_defaults=True):
    """A record of a commit. `commit.lua` says what each field means, here and below."""

    key: int
    how: str
    read: int | None = None
    ask: list[str] = []
    care: str = ""
    set: list[str] = []
    off: list[str] = []
    seen: Millis = 0


class PackedCommit(Struct, omit_defaults=True):
    op: str = ""
    guard: Millis | None = None
    limit: Millis | None = None
    offer: int = 0
    records: list[PackedRecord] = []
    holder: tuple[int, str] | None = None
    inbox: int = 0
    reads: int = 0
    consume: str = ""
    member: str = ""
    release: bool = False
    beside: tuple[int, str, str, str] | None = None
    put: list[int | str] = []
    gone: list[int | str] = []
    streams: list[int | str] = []
    sealed: list[str] = []


class PackedCommits(Struct, omit_defaults=True):
    """All commits of one script."""

    commits: list[PackedCommit] = []
    now: Millis | None = None
    offers: list[tuple[str, str]] = []
    absent: list[int] = []


class Commits:
    """The keys and the argument of one script, commit by commit. offers: those that are believed to be in the store"""

    def __init__(self, cell: Cell, seal: Seal | None, offers: Offers) -> None:
        self._cell = cell
        self._seal = seal
        self._cipher = cipher_of(seal)
        self._offers = offers
        self._keys: dict[str, int] = {key: n for n, key in enumerate(cell.of_commits, 1)}
        self._needed: dict[tuple[str, str], int] = {}
        self._all = PackedCommits()

    @property
    def offers(self) -> list[tuple[str, str]]:
        """The offers that the commits need, each with its content, '' where that is believed to be stored."""
        return list(self._needed)

    def asked(self, now: Millis | None) -> tuple[list[str], list[bytes]]:
        """The keys and the argument of the script, for all of them. now: None for the server's own"""
        self._all.now, self._all.offers = now, self.offers
        return list(self._keys), [packed(self._all)]

    def add(self, commit: Commit) -> None:
        """Add one. Raises ValueError for a commit without the record whose effect is held."""
        made, held = PackedCommit(commit.op, commit.guard, commit.until), commit.held
        bare: list[Change] = []  # written without a leaf
        for place, change in enumerate(commit.records, 1):
            is_holder = held is not None and change.id == held.record
            if held and is_holder:
                made.holder = place, held.lease
            made.records.append(self._record(change, held.effect if held and is_holder else "", made))
            if (sealed := change.sealed) is not None:
                made.sealed.append(Leaf.of_record(sealed).entry)
            elif change.how is not How.LOOK:
                bare.append(change)
        if held and made.holder is None:
            raise ValueError("a commit without the record whose effect is held")
        self._read_inbox(commit, made)
        made.sealed += commit.entries
        made.sealed += _marks(bare, sealed=bool(made.sealed))
        if commit.laid is not None:
            made.beside = self._beside(commit.laid)
        made.streams = [each for entry in commit.unmatched for each in (UNMATCHED, self._cipher.closed_entry(entry))]
        if commit.lifted:
            made.streams += self._number(self._cell.lifted), commit.lifted
        self._all.commits.append(made)

    def _read_inbox(self, commit: Commit, made: PackedCommit) -> None:
        """Name the inbox in which a message is consumed, or none may be unread."""
        lines = {n: change for n, change in enumerate(commit.records, 1) if change.owner is Owner.LINE}
        made.reads = next((n for n, change in lines.items() if change.consume), min(lines, default=0))
        if made.reads and (reader := lines[made.reads]).consume:
            made.consume, made.release, made.member = reader.consume, reader.release, f"l:{reader.id}:{READ}"
        elif commit.guard is None:
            return
        about = lines[min(lines)].id if lines else getattr(commit.records[0].record, "line", "")
        made.inbox = self._number(self._cell.inbox(about))

    def _number(self, key: str) -> int:
        """Return the number of a key of the script; one that is named for the first time gets the next."""
        return self._keys.setdefault(key, len(self._keys) + 1)

    def _beside(self, laid: Laid) -> tuple[int, str, str, str]:
        """Return a yes that is laid beside others."""
        key = self._number(self._cell.cadence(self._cell.days.of(laid.beat.at)))
        read = sha1(laid.read.encode(), usedforsecurity=False).hexdigest() if laid.read else "-"
        return key, read, laid.kept, laid.beat.among

    def _record(self, change: Change, held: str, to: PackedCommit) -> PackedRecord:
        """Return a record; the lists that its effects are in come to its commit. held: its effect that is held"""
        how, fields = _how(change), self._written(change)
        made = PackedRecord(self._number(self._cell.record(change.owner, change.id)), how, change.read)
        if change.read == 0:
            self._all.absent.append(made.key)
        if held:
            made.ask.append(f"f:{held}")
        made.set = list(chain.from_iterable(fields.items()))
        if not all(made.set):
            made.set = [part for field in fields.items() if field[1] for part in field]
            made.off = [name for name, value in fields.items() if not value]
        _effects(change, made, to, self._cipher)
        if how == "n" and isinstance(change.record, Order):
            to.offer = self._needed.setdefault(self._offers.needed(change.record), len(self._needed) + 1)
        if change.owner is Owner.LINE:
            made.seen = int(change.fields.get("seen", 0))
            to.sealed += _refusals(change)
        return made

    def _written(self, change: Change) -> dict[str, str]:
        """Return the fields of a change as they are written: a new link of the chain with the state and head that it
        leads to, and its seal.
        """
        record, line = change.sealed, change.id if change.owner is Owner.LINE else _line_of(change)
        kept = self._cipher.closed(line, change.fields)
        kept.pop("seen", None)
        if record is None:
            return kept
        if not isinstance(record, Line):
            kept |= {"state": record.state, "head": record.head}
        if self._seal:
            kept[SEAL] = self._seal.of(record)
        return kept


def _line_of(change: Change) -> str:
    """Return the line of a record, which its person parts are bound to; "" for one that is read anew with its line."""
    return str(change.fields.get("line") or getattr(change.record, "line", ""))


def _how(change: Change) -> str:
    """Return how the script is to touch a record."""
    if change.how is not How.WRITE:
        return "l" if change.how is How.LOOK else "d"
    return "a" if change.owner is Owner.LINE else "n" if change.read == 0 else "e"


def _effects(change: Change, made: PackedRecord, to: PackedCommit, cipher: Cipher) -> None:
    """Have a record's effects put and dropped, and listed in their lanes."""
    put, drop = change.put, change.drop
    if not (put or drop):
        return
    begins, again = f"{change.owner}:{change.id}:", [each.effect for each in put]
    carrier = change.record.doc.carrier if isinstance(change.record, Order) else ""
    for effect, kind in drop:
        made.off.append(f"f:{effect}")
        if kind is not Drop.ANYWAY:
            made.ask.append(f"f:{effect}")
            made.care += str(int(kind))
        if effect not in again:
            # A line's SMS says in its row whose it is, and that is gone: no other due-set has it.
            lists = [due_set(effect, carrier)] if carrier or lane_of(effect) is not Lane.SMS else list(Carrier)
            to.gone += [part for each in lists for part in (LISTS[each], begins + effect)]
    for each in put:
        name, kept = f"f:{each.effect}", each.pending.encode()
        made.set += name, cipher.closed(change.id, {name: kept})[name] if each.effect == WAKE_ASIDE else kept
        of = LISTS[due_set(each.effect, carrier or next(iter(each.pending.about), ""))]
        to.put += of, "+inf" if each.due == PARKED else each.due, begins + each.effect


def _refusals(change: Change) -> list[str]:
    """Return the journal's entries for restrictions that begin to stand, without an end: of a message from before the
    door read, or put back by a rebuild.
    """
    named = {name[2:]: kept for name, kept in change.fields.items() if kept and name[:2] == "r:"}
    found = [Restriction.decode(name, kept) for name, kept in named.items() if is_lasting(name)]
    return [Leaf.of_refusal(change.id, each.name, each.since).entry for each in found if not each.until]


def _marks(bare: Sequence[Change], *, sealed: bool) -> list[str]:
    """Return the journal's marks for records that a commit changes without a leaf. sealed: the commit has a leaf, which
    stands for the line, too.
    """
    return [
        mark_of(each.owner, each.id)
        for each in bare
        if not (each.owner is Owner.LINE and sealed)
        and not (each.how is How.LEAVE and each.owner is not Owner.LINE)  # SQL has it
    ]
