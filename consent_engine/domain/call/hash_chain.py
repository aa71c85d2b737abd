"""Records with a chain of hashes of their own: calls, endings and reports.

The public part is the chain: the doc first, then each event. Everything that changes is read from the events.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, Self, TypeVar, cast

from msgspec import Struct
from msgspec.structs import asdict, replace

from consent_engine.domain.canonical_json import Reader, Rows, compact
from consent_engine.domain.effects import Millis, Pending, read_effects
from consent_engine.domain.hashing import digest
from consent_engine.domain.order.event import chain, publics_of, salted
from consent_engine.errors import BrokenRecord


class Doc(Protocol):
    """The first link of a record: the facts when it was made; written once, public. person: the person part's hash"""

    @property
    def id(self) -> str: ...
    @property
    def person(self) -> str: ...


class PersonPart(Struct, frozen=True):
    """The person part of a record: numbers and words of people, erased in time."""

    def encode(self, salt: str) -> str:
        """The part as kept, with its salt."""
        return salted(asdict(self), salt)


class RecordEvent(Struct, frozen=True, array_like=True):
    """An event of a record: when it was recorded, and its op, the same for equal changes."""

    at: Millis
    op: str


class AuthoredEvent(RecordEvent, frozen=True):
    """An event with its author: the name of a key, or `engine`, or `bss`."""

    by: str


D = TypeVar("D", bound=Doc)
P = TypeVar("P", bound=PersonPart)
E = TypeVar("E", bound=RecordEvent)


class Form(NamedTuple):
    """The storage form of one kind of record. name: with its article · erased: stands for an erased person part"""

    name: str
    doc: Rows[Any]
    person: Reader[Any]
    erased: PersonPart
    event: Reader[Any]
    state: type[StrEnum]


class ChainedRecord(Struct, Generic[D, P, E], frozen=True, dict=True):  # a dict: for cached properties
    """A record as it stands at one version."""

    doc: D
    person: P
    line: str
    version: int
    head: str
    events: tuple[E, ...]
    effects: Mapping[str, Pending]
    publics: tuple[str, ...]
    """the links of the chain as kept: the doc, then each event"""
    person_text: str = ""
    """its person part as kept"""

    form: ClassVar[Form]

    @property
    def id(self) -> str:
        """The id: the slot of the record's number (4 hex digits), then a hash."""
        return self.doc.id

    @property
    def state(self) -> StrEnum:
        raise NotImplementedError

    def knows(self, op: str) -> bool:
        """Whether this change was made already."""
        return any(each.op == op for each in self.events)

    def with_events(self, *events: E) -> tuple[Self, dict[str, str]]:
        """The record after these events, and the fields they are kept in."""
        publics = [compact(event) for event in events]
        fields = {f"e{n}": public for n, public in enumerate(publics, len(self.publics))}
        after = replace(
            self, events=(*self.events, *events), publics=(*self.publics, *publics), head=chain(self.head, publics)
        )
        return after, fields

    @classmethod
    def begun(cls, doc: D, person: P, line: str, salt: str, *events: E) -> tuple[Self, dict[str, str]]:
        """A new record, and the fields that are written once. events: those from before it was made known"""
        person_text = person.encode(salt)
        doc = replace(cast(Any, doc), person=digest(person_text))
        publics = (cls.form.doc.encode(doc), *map(compact, events))
        record = cls(doc, person, line, 0, chain("", publics), events, {}, publics, person_text)
        fields = {"doc": publics[0], "who": person_text, "line": line}
        return record, fields | {f"e{n}": public for n, public in enumerate(publics) if n}

    @classmethod
    def decode(cls, fields: Mapping[str, str]) -> Self:
        """A record from its fields. Raises BrokenRecord."""
        form = cls.form
        try:
            publics, person_text = publics_of(fields), fields.get("who")
            doc = cast(D, form.doc.decode(publics[0]))
            record = cls(
                doc=doc,
                person=cast(P, form.person(person_text) if person_text is not None else form.erased),
                line=fields["line"],
                version=int(fields["v"]),
                head=fields["head"],
                events=tuple(form.event(each) for each in publics[1:]),
                effects=read_effects(fields),
                publics=tuple(publics),
                person_text=person_text or "",
                **cls.beside(doc, fields),
            )
            state = form.state(fields["state"])
        except (KeyError, ValueError, TypeError) as error:
            raise BrokenRecord(f"{form.name}'s record cannot be read: {type(error).__name__}") from error
        others = person_text is not None and digest(person_text) != record.doc.person
        if others or state is not record.state or chain("", publics) != record.head:
            raise BrokenRecord(f"{form.name} whose history does not give its record: somebody changed it")
        return record

    @classmethod
    def beside(cls, doc: D, fields: Mapping[str, str]) -> dict[str, Any]:
        """Further attributes that one kind of record reads from its fields."""
        return {}
