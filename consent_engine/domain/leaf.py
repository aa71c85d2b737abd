"""Leaves: the log's entries, one for each commit that extends a chain. A leaf holds no number, no text and no name.

The journal has marks beside them: a mark names a record that changed while no chain grew.

A refusal, and a registration as marketing-free, has a leaf when it begins to stand (number 0) and when it is lifted
(number 1): its record is the line, its head the hash of its name.

A leaf names the last event of a chain and the chain's head after it. The head covers every event before it, so each
event is covered by the first leaf of its record whose number is not smaller; a commit of several events has one leaf.
What the log publishes of an entry is its hash (`domain/log`): outsiders see that nothing changed, and not what it is.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import HASH_LENGTH
from consent_engine.domain.line.line import Line
from consent_engine.domain.order.event import chain
from consent_engine.domain.order.order import Order
from consent_engine.errors import BrokenRecord


class Chained(StrEnum):
    """The kind of record a chain belongs to: a leaf's first letter. Only ever appended to: leaves are kept for ever."""

    ORDER = "o"
    LINE = "l"
    CALL = "c"
    ENDING = "e"
    REPORT = "r"
    REFUSAL = "n"


STANDS, LIFTED = 0, 1
"""The numbers of a refusal's leaves."""


class Leaf(Struct, frozen=True):
    """A chain as it stood after one commit.

    record: the id of the chain's record; of a line a keyed hash, as everywhere · seq: number of its last link, from 0:
    the doc, or a line's first event · at: that event's instant · head: the chain's hash after it
    """

    of: Chained
    record: str
    seq: int
    at: Millis
    head: str

    @property
    def entry(self) -> str:
        """The leaf as the journal and the log store it: the bytes that are hashed, all of them ASCII."""
        return f"{self.of} {self.record} {self.seq} {self.at} {self.head}"

    @classmethod
    def of_record(cls, record: Order | Call | Ending | Report) -> "Leaf":
        """The leaf of a record as it stands."""
        match record:
            case Order():
                kind, begun = Chained.ORDER, record.doc.placed_at
            case Call():
                kind, begun = Chained.CALL, record.began.registered_at
            case Ending():
                kind, begun = Chained.ENDING, record.doc.asked_at
            case Report():
                kind, begun = Chained.REPORT, record.received.received_at
        at = record.events[-1].at if record.events else begun
        return cls(kind, record.id, len(record.events), at, record.head)

    @classmethod
    def of_line(cls, line: Line) -> "Leaf":
        """The leaf of a line as it stands; the line has at least one event."""
        return cls(Chained.LINE, line.id, len(line.publics) - 1, line.history[-1].at, line.head)

    @classmethod
    def of_refusal(cls, line: str, name: str, at: Millis) -> "Leaf":
        """The leaf of a restriction of a line that began to stand, without an end."""
        return cls(Chained.REFUSAL, line, STANDS, at, head_of(name))

    @classmethod
    def of_lifting(cls, line: str, name: str, at: Millis) -> "Leaf":
        """The leaf of a lifting of such a restriction. at: that in its record, from which it follows"""
        return cls(Chained.REFUSAL, line, LIFTED, at, head_of(name))

    @classmethod
    def decode(cls, entry: str) -> "Leaf":
        """Read the leaf in an entry. Raises BrokenRecord."""
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise BrokenRecord("an entry of the log cannot be read")
        kind, record, seq, at, head = found.groups()
        return cls(Chained(kind), record, int(seq), int(at), head)


_MARK = "="


def mark_of(kind: Chained, record: str) -> str:
    """Return the journal's mark for a change of a record that no leaf names."""
    return f"{_MARK} {kind} {record}"


def is_mark(entry: str) -> bool:
    """Whether an entry of the journal is a mark: no leaf, which the log would number."""
    return entry.startswith(_MARK)


def changed_by(entry: str) -> tuple[Chained, str] | None:
    """Return the record that an entry of the journal names; None where it cannot be read. A restriction's is its line.

    >>> changed_by("= o 0ce7"), changed_by("n 0ce7 0 1 h"), changed_by("?")
    ((<Chained.ORDER: 'o'>, '0ce7'), (<Chained.LINE: 'l'>, '0ce7'), None)
    """
    kind, _, rest = entry.removeprefix(f"{_MARK} ").partition(" ")
    record = rest.partition(" ")[0]
    if kind not in Chained or not (record.isascii() and record.isalnum()):
        return None
    return Chained.LINE if kind == Chained.REFUSAL else Chained(kind), record


@lru_cache(maxsize=1024)
def head_of(name: str) -> str:
    """Return the head in the leaves of a restriction with this name."""
    return chain("", (name,))


def entry_at(line: str, name: str) -> str:
    """Return the entry of a restriction that begins to stand with `%s` for its instant, which the store sets."""
    return f"{Chained.REFUSAL} {line} {STANDS} %s {head_of(name)}"


_ENTRY = re.compile(
    rf"([{''.join(Chained)}]) ([!-~]{{1,64}}) (0|[1-9][0-9]{{0,8}}) ([0-9]{{1,15}}) ([A-Za-z0-9_-]{{{HASH_LENGTH}}})"
)
_INSTANT = re.compile(
    rf"^[{''.join(Chained)}] [!-~]{{1,64}} (?:0|[1-9][0-9]{{0,8}}) ([0-9]{{1,15}}) [A-Za-z0-9_-]{{{HASH_LENGTH}}}$",
    re.MULTILINE,
)


def newest_of(entries: Iterable[str]) -> Millis:
    """The newest instant in entries of the log, each without a line break; 0 where none can be read."""
    return max(map(int, _INSTANT.findall("\n".join(entries))), default=0)


LONGEST_ENTRY = 1_000
"""The most characters kept of an invalid entry; a valid one has about 90."""


def entry_kept(entry: str) -> str:
    """Return an entry of a journal as the log stores it: unchanged, or, where it can be no leaf because a person
    damaged the journal, in printable ASCII: readers of the log report it, and the entries after it are still sealed.

    >>> entry_kept("o 1 0 1 h"), entry_kept("单"), entry_kept("\\udcff")  # the last: bytes that were no text
    ('o 1 0 1 h', "? '\\\\u5355'", "? '\\\\udcff'")
    """
    fit = entry.isascii() and entry.isprintable() and len(entry) <= LONGEST_ENTRY
    return entry if fit else f"? {entry[:LONGEST_ENTRY]!a}"
