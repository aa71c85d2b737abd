"""Seals: a keyed hash over the chain of a record (order, line, call, ending or report), checked on reading.

The chain's head is a plain hash, so that anyone with the chain can check it; but an intruder who writes into the
store could make another. The seal beside it is keyed with the installation's secret. A record whose seal does not fit
is broken: it is parked and raises an alarm, and is never acted on.
"""

import hmac
import re
from binascii import b2a_base64
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, Protocol, TypeVar, cast

from msgspec import Struct

from consent_engine.domain.at_rest import OWN, Cipher
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import HASH_LENGTH, mac
from consent_engine.domain.lifecycle import State, advance
from consent_engine.domain.line.line import Line, keyed, line_id
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.event import chain, link
from consent_engine.domain.order.order import Order
from consent_engine.errors import BrokenRecord, IllegalTransition

FIELD = "mac"
"""The field of a record that holds its seal."""
_LENGTH = 22
"""Characters of 16 bytes in base64 without padding."""
_NOUNS: Mapping[type, str] = {Order: "order", Line: "line", Call: "call", Ending: "ending", Report: "report"}
"""The nouns that the keys of each kind are derived from: changing one breaks every stored seal of its kind."""
K = TypeVar("K", bound=Order | Line | Call | Ending | Report)
LINES_KNOWN = 4_096
"""How many numbers' line ids a process caches: a number is read several times while its order is under way."""


class Seal:
    """Makes and checks seals, under one secret. cipher: encrypts persons, for both stores, under the keys `persons`"""

    def __init__(self, secret: str, persons: str = OWN) -> None:
        self.cipher = Cipher(secret, persons)
        self.line_of = lru_cache(maxsize=LINES_KNOWN)(partial(line_id, secret))
        self._keys = {kind: mac(secret.encode(), f"{noun} record".encode()) for kind, noun in _NOUNS.items()}
        self._receipt_of = partial(keyed, secret, "receipt")

    def of(self, record: Order | Line | Call | Ending | Report) -> str:
        """The seal of a record as it stands: one keyed hash of its id, line, state, head and public links; a line is
        its own, and has no state. HMAC-SHA-256 under a key of its kind, cut to 16 bytes, in base64.
        """
        own = (record.id,) if isinstance(record, Line) else (record.id, record.line, record.state)
        content = "\n".join((*own, record.head, *record.publics)).encode("utf-8", "surrogatepass")
        return b2a_base64(mac(self._keys[type(record)], content), newline=False)[:_LENGTH].decode()

    def receipt(self, number: str, digits: str) -> str:
        """The name under which a record is found by the number of its receipt and the last digits of its subscriber's:
        without both nobody finds it, and without the secret nobody learns the digits from it.
        """
        return self._receipt_of(number, digits)

    def check(self, record: K, kept: str | None) -> K:
        """Return the record if its seal fits, and its line is that of its number; raises BrokenRecord, also for one
        without a seal. Only a line may lack it, while it has no history.
        """
        noun, seal = _NOUNS[type(record)], (kept or "").encode("utf-8", "surrogatepass")
        bare = isinstance(record, Line) and not record.publics and not kept
        if not bare and not hmac.compare_digest(seal, self.of(record).encode()):
            raise BrokenRecord(f"the {noun}'s record does not match its seal: somebody changed it")
        line, number = (record.id, record.msisdn) if isinstance(record, Line) else (record.line, record.person.msisdn)
        if number and line != self.line_of(Msisdn(number)):
            raise BrokenRecord(f"the {noun}'s record has another number than its line: somebody changed it")
        return record


PLAIN = Cipher()


def cipher_of(seal: Seal | None) -> Cipher:
    """Return what encrypts the persons of records under a seal; without one they stay as they are."""
    return seal.cipher if seal is not None else PLAIN


def opened(kind: type[K], fields: Mapping[str, str], seal: Seal | None) -> K:
    """Return the record of a kind, but a line's, from its fields as kept. seal: None, it is not checked. Raises
    BrokenRecord, also where its seal does not fit.
    """
    record: K = cast(Any, kind).decode(cipher_of(seal).opened(fields.get("line", ""), fields))
    return seal.check(record, fields.get(FIELD)) if seal is not None else record


def sound(order: Order) -> bool:
    """Whether an order's history gives its state and the head of its chain."""
    state = State.AGREED
    try:
        for event in order.events:
            state = advance(state, event.trigger)
    except IllegalTransition:
        return False
    return state is order.state and chain("", order.publics) == order.head


class Chained(StrEnum):
    """The kind of record a chain belongs to: a leaf's first letter. Only ever appended to: leaves are kept for ever."""

    ORDER = "o"
    LINE = "l"
    CALL = "c"
    ENDING = "e"
    REPORT = "r"
    REFUSAL = "n"


class _Dated(Protocol):
    """An event, by its instant alone."""

    @property
    def at(self) -> Millis: ...


def newest_link(record: Order | Line | Call | Ending | Report) -> str:
    """Return the field that holds the newest link of a record's chain: `e<n>`; a line's first event is `e0`, any other
    record begins with its `doc`.
    """
    newest = len(record.publics) - 1
    return f"e{newest}" if newest or isinstance(record, Line) else "doc"


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
    def of_record(cls, record: Order | Line | Call | Ending | Report) -> "Leaf":
        """The leaf of a record as it stands; a line has at least one event."""
        kind, begun, events = cls._begun(record)
        return cls(kind, record.id, len(record.publics) - 1, events[-1].at if events else begun, record.head)

    @classmethod
    def all_of(cls, record: Order | Call | Ending | Report) -> list["Leaf"]:
        """The leaves that a record may have had, one for each link: a commit of several events made only the last."""
        (kind, begun, events), head, found = cls._begun(record), "", list[Leaf]()
        for seq, public in enumerate(record.publics):
            head = link(head, public)
            found.append(cls(kind, record.id, seq, events[seq - 1].at if seq else begun, head))
        return found

    @staticmethod
    def _begun(record: Order | Line | Call | Ending | Report) -> tuple[Chained, Millis, Sequence[_Dated]]:
        match record:
            case Order():
                return Chained.ORDER, record.doc.placed_at, record.events
            case Line():
                return Chained.LINE, 0, record.history
            case Call():
                return Chained.CALL, record.began.registered_at, record.events
            case Ending():
                return Chained.ENDING, record.doc.asked_at, record.events
            case Report():
                return Chained.REPORT, record.received.received_at, record.events

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


def mark_of(kind: StrEnum, record: str) -> str:
    """Return the journal's mark for a change of a record that no leaf names. kind: a letter of `Chained`"""
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
    if kind not in tuple(Chained) or not (record.isascii() and record.isalnum()):
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
