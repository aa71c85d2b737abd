"""Events of an order, each in a public part and a person part, chained by hashes.

The chain hashes the public part, which names the salted hash of the person part: deleting person parts (numbers, texts,
raw messages) later leaves every chain, proof and count valid.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

from msgspec import Struct, defstruct

from consent_engine.domain.canonical_json import Reader, canonical, compact, parsed
from consent_engine.domain.effects import Millis
from consent_engine.domain.hashing import digest
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.order.details import KINDS, Detail


class Event(Struct, frozen=True):
    """Something that happened to an order.

    op: the identity of the change, so that a repeat is recognised · ref: an id given outside · by: its author · detail:
    facts for the record, never a number or a text · person: the numbers and texts
    """

    trigger: Trigger
    at: Millis
    op: str
    ref: str
    by: str
    detail: Detail
    person: Mapping[str, str] | None = None
    person_hash: str = ""

    @classmethod
    def of(
        cls, detail: Detail, at: Millis, op: str, ref: str = "", by: str = "", person: Mapping[str, str] | None = None
    ) -> "Event":
        """Build the event of a `detail`, with the detail's trigger."""
        return cls(detail.trigger, at, op, ref, by, detail, person)

    def as_json(self) -> dict[str, Any]:
        """Return the detail as the history gives it in JSON."""
        return dict(parsed(compact(self.detail)))


def _public(trigger: Trigger, detail: type[Detail]) -> type[Struct]:
    """Return the type of an event's public part as kept: an array that begins with its trigger."""
    texts = [(name, str) for name in ("op", "ref", "by")]
    row = [("at", Millis), *texts, ("detail", detail), ("person_hash", str)]
    return defstruct("Public", row, array_like=True, frozen=True, tag=trigger.value)


_PUBLIC: Reader[Any] = Reader(reduce(or_, (_public(*each) for each in KINDS.items())))
_PERSON = Reader(dict[str, str])


def storable(text: str) -> str:
    """Return a text that can be stored and hashed: half a character (a long SMS cut in the middle) becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def publics_of(fields: Mapping[str, str]) -> list[str]:
    """Return the links of a record's chain as kept: the doc, then each event. Raises KeyError where there is no doc."""
    publics = [fields["doc"]]
    while (public := fields.get(f"e{len(publics)}")) is not None:
        publics.append(public)
    return publics


def link(head: str, public: str) -> str:
    """Return the chain's head after `public` was appended to a chain that ended in `head`."""
    return digest(f"{head}\n{public}")


def salted(person: Mapping[str, Any], salt: str) -> str:
    """Return the person part as kept. Its salt keeps its hash from revealing a number that can be guessed."""
    content = {**person, "salt": salt}
    return canonical(content) if "metadata" in content else compact(content)


def named(person: str, hashed: str) -> str:
    """Return a person part as kept. Raises ValueError where its hash is not the one that the history names."""
    if digest(person) != hashed:
        raise ValueError("a person part that the history does not name")
    return person


def seal(event: Event, salt: str) -> tuple[str, str]:
    """Return the public and the person part of an event, as kept (person part '' when there is none)."""
    person = salted(event.person, salt) if event.person else ""
    hashed = digest(person) if person else event.person_hash
    return compact((event.trigger, event.at, event.op, event.ref, event.by, event.detail, hashed)), person


def unseal(public: str, person: str | None) -> Event:
    """Read the event that `seal` wrote. Raises ValueError, also for a person part that the public part does not name.

    person: None where there is none, or it was erased
    """
    read = _PUBLIC(public)
    known = None if person is None else _PERSON(named(person, read.person_hash))
    return Event(read.detail.trigger, read.at, read.op, read.ref, read.by, read.detail, known, read.person_hash)


def chain(head: str, publics: Iterable[str]) -> str:
    """Return the chain's head after all of `publics`."""
    for public in publics:
        head = link(head, public)
    return head
