"""Call: one telephone call, with or without an order. What was known when it began, and everything since.

As with an order, whatever changes is read from the events, and what is public is a chain of hashes: the doc first,
then each event. The numbers are the person part.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property, reduce
from operator import or_
from types import NoneType
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from consent_engine.domain.call.call_events import Abandoned, CallOutcome, Ended, OrderRefused, Recording
from consent_engine.domain.call.review import CommandHeard, NotAwaited, Reviewed, SecondLook, Verdict, verdict_of
from consent_engine.domain.call.transcript import SAID, Transcribed
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.canonical_json import Reader, Rows, compact
from consent_engine.domain.effects import Millis, Pending, read_effects
from consent_engine.domain.hashing import digest
from consent_engine.domain.line.line import keyed
from consent_engine.domain.msisdn import Msisdn, slot
from consent_engine.domain.order.event import chain, publics_of, salted
from consent_engine.domain.order.retention import Evidence
from consent_engine.errors import BrokenRecord

ABANDONED_AFTER_MS = 4 * 3_600_000
"""A call that nobody ends is abandoned so long after it was made known."""
RECORDING = "rec"
"""The field of a call's record that holds what its recording is reserved under."""
MOST_REFUSALS = 20
"""Refused orders that one call keeps."""


class CallState(StrEnum):
    """Where a call stands."""

    UP = "up"
    ENDED = "ended"
    ABANDONED = "abandoned"
    """Nobody said how it ended."""


CallEvent = Ended | Abandoned | OrderRefused | Reviewed | SecondLook | CommandHeard | Transcribed | NotAwaited
_KINDS: tuple[type[CallEvent], ...] = (
    Ended, Abandoned, OrderRefused, Reviewed, SecondLook, CommandHeard, Transcribed, NotAwaited,
)  # fmt: skip
_EVENT: Reader[CallEvent] = Reader(cast("type[CallEvent]", reduce(or_, cast("tuple[Any, ...]", _KINDS))))


class Began(Struct, frozen=True, array_like=True):
    """What was known of a call when it was made known; written once, public: it names no person.

    registered_at: by the store's clock · placed_by: name of the API key · request: what makes two requests the same ·
    person: the hash of the person part · official: 1 where it came from the carrier's own number · permit: the token,
    where it is one of this installation · violations: what its beginning shows · ordered: 1 where the body of an order
    told of it, which names no end
    """

    id: str
    registered_at: Millis
    placed_by: str
    agent: str
    request: str
    person: str
    carrier: str
    official: int
    script: str
    permit: str
    started_at: Millis
    violations: tuple[Violation, ...]
    ordered: int = 0


_BEGAN = Rows(Began, least=12)
_STATES = {NoneType: CallState.UP, Ended: CallState.ENDED, Abandoned: CallState.ABANDONED}


class CallPerson(Struct, frozen=True):
    """The person part: the number called, and the number it was called from, which may be a person's own."""

    msisdn: str
    caller: str

    def kept(self, salt: str) -> str:
        """As kept."""
        return salted({"msisdn": self.msisdn, "caller": self.caller}, salt)


_PERSON = Reader(CallPerson)
_ERASED = CallPerson("", "")


class Call(Struct, frozen=True, dict=True):  # a dict: what is cached
    """A call as it stands at one version."""

    began: Began
    person: CallPerson
    line: str
    version: int
    head: str
    events: tuple[CallEvent, ...]
    effects: Mapping[str, Pending]
    publics: tuple[str, ...]
    """the links of the chain as kept: the doc, then each event"""
    recording_key: str = ""
    """what its recording is reserved under"""
    said: str = ""
    """the words of its transcript as kept, of its person part"""
    who: str = ""
    """its person part as kept"""

    @property
    def id(self) -> str:
        """The call's id: the slot of its number (4 hex digits), then a hash."""
        return self.began.id

    @property
    def carrier(self) -> str:
        """Who called."""
        return self.began.carrier

    @property
    def end(self) -> Ended | None:
        """How it ended; None while it is up, or abandoned."""
        over = self._over
        return over if isinstance(over, Ended) else None

    @property
    def state(self) -> CallState:
        """Where it stands, as its events say."""
        return _STATES[type(self._over)]

    @property
    def over_at(self) -> Millis:
        """When its end reached the store (ms); 0 while it is up."""
        return self._over.at if self._over else 0

    @cached_property
    def _over(self) -> Ended | Abandoned | None:
        """The event that ended it."""
        for each in self.events:
            if isinstance(each, (Ended, Abandoned)):
                return each
        return None

    @property
    def recording(self) -> Recording | None:
        """Its recording, once it has ended with one."""
        end = self.end
        return end.recording if end else None

    @cached_property
    def violations(self) -> tuple[Violation, ...]:
        """All that was wrong with it, in the order of the list."""
        end = self.end
        shown = end.violations if end else ()
        known = {*self.began.violations, *shown}
        if not known:  # as nearly all
            return ()
        return tuple(each for each in Violation if each in known)

    @cached_property
    def verdict(self) -> Verdict | None:
        """How its review stands; None where there is nothing to hear."""
        return verdict_of(self.events) if self.recording else None

    @property
    def evidence(self) -> Evidence:
        """What it is evidence of: an agreement, or only that a number was called."""
        return Evidence.SERVICE if self.end and self.end.outcome is CallOutcome.AGREED else Evidence.NO_SERVICE

    def holds(self, at: Millis) -> bool:
        """Whether an instant lies within the call, as far as its end is known."""
        began, end = self.began, self.end
        return at >= began.started_at and (bool(began.ordered) or end is None or at <= end.ended_at)

    def knows(self, op: str) -> bool:
        """Whether this change was made already."""
        return any(each.op == op for each in self.events)

    def with_events(self, *events: CallEvent) -> tuple["Call", dict[str, str]]:
        """The call after these events, and the fields they are kept in."""
        publics = [compact(event) for event in events]
        fields = {f"e{n}": public for n, public in enumerate(publics, len(self.publics))}
        after = replace(
            self, events=(*self.events, *events), publics=(*self.publics, *publics), head=chain(self.head, publics)
        )
        return after, fields

    def brought_back(self) -> dict[str, str]:
        """All that is written when it comes back from the archive, which it leaves as it is: one version above that."""
        fields = {f"e{n}": public for n, public in enumerate(self.publics) if n}
        parts = {"who": self.who, RECORDING: self.recording_key, SAID: self.said}
        kept = {name: part for name, part in parts.items() if part}
        return {"v": str(self.version + 1), "doc": self.publics[0], "line": self.line, **fields, **kept}

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> "Call":
        """A call from the fields of its record. Raises BrokenRecord."""
        try:
            publics = publics_of(fields)
            began, who = _BEGAN.read(publics[0]), fields.get("who")
            call = cls(
                began=began,
                person=_PERSON(who) if who is not None else _ERASED,
                line=fields["line"],
                version=int(fields["v"]),
                head=fields["head"],
                events=tuple(_EVENT(each) for each in publics[1:]),
                effects=read_effects(fields),
                publics=tuple(publics),
                recording_key=fields.get(RECORDING, ""),
                said=fields.get(SAID, ""),
                who=who or "",
            )
            state = CallState(fields["state"])
        except (KeyError, ValueError, TypeError) as error:
            raise BrokenRecord(f"a call's record cannot be read: {type(error).__name__}") from error
        others = who is not None and digest(who) != began.person
        if others or state is not call.state or chain("", publics) != call.head:
            raise BrokenRecord("a call whose history does not give its record: somebody changed it")
        return call


def begun(
    began: Began, person: CallPerson, line: str, salt: str, *events: CallEvent
) -> tuple[Call, dict[str, str]]:  # fmt: skip
    """A new call, and the fields that are written once. events: what happened in it before it was made known."""
    who = person.kept(salt)
    began = replace(began, person=digest(who))
    publics = (_BEGAN.write(began), *map(compact, events))
    call = Call(began, person, line, 0, chain("", publics), events, {}, publics, who=who)
    fields = {"doc": publics[0], "who": who, "line": line}
    return call, fields | {f"e{n}": public for n, public in enumerate(publics) if n}


def call_id(secret: str, msisdn: Msisdn, api_key: str, idempotency_key: str) -> str:
    """The id of a call reported by itself: one request is one call."""
    return f"{slot(msisdn):04x}{keyed(secret, 'call', api_key, idempotency_key)}"


def recording_key(secret: str, ref: str) -> str:
    """What a recording is reserved under."""
    return keyed(secret, "recording", ref)


def recorded_call_id(msisdn: Msisdn, key: str) -> str:
    """The id of a call reported in an order's body, by what its recording is reserved under: one recording of one
    number is one call.
    """
    return f"{slot(msisdn):04x}{key}"
