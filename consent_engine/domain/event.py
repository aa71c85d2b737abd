"""Events: what happened to an order, in a public part and a person part, chained by hashes.

The chain hashes the public part, which names the salted hash of the person part: deleting person parts
(numbers, texts, raw messages) later leaves every chain, proof and count valid.
"""

import hashlib
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from consent_engine.domain.compact import canonical, compact, parsed
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import Trigger

HASH_LENGTH = 43
"""Of a SHA-256 in base64url without padding."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
Detail = Mapping[str, str | int | list[str]]


class Event(Struct, frozen=True):
    """Something that happened to an order.

    op: the identity of the change, so that a repeat is recognised · ref: an id outside · by: who ·
    detail: facts for the record, never a number or a text · person: those
    """

    trigger: Trigger
    at: Millis
    op: str
    ref: str = ""
    by: str = ""
    detail: Detail = field(default_factory=dict)
    person: Mapping[str, str] | None = None
    person_hash: str = ""


def storable(text: str) -> str:
    """A text that can be stored and hashed: half a character (a long SMS cut in the middle) becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def digest(text: str) -> str:
    """SHA-256 of a text, base64url without padding: 43 characters."""
    hashed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return b2a_base64(hashed, newline=False).translate(_URL_SAFE)[:HASH_LENGTH].decode()


def link(head: str, public: str) -> str:
    """The chain's head after `public` was appended to a chain that ended in `head`."""
    return digest(f"{head}\n{public}")


def salted(person: Mapping[str, Any], salt: str) -> str:
    """The person part as kept. Its salt keeps its hash from telling a number that can be guessed."""
    told = {**person, "salt": salt}
    return canonical(told) if "metadata" in told else compact(told)


def seal(event: Event, salt: str) -> tuple[str, str]:
    """The public and the person part of an event, as kept (person part '' when there is none)."""
    person = salted(event.person, salt) if event.person else ""
    public = [event.trigger, event.at, event.op, event.ref, event.by, event.detail, digest(person) if person else ""]
    return compact(public), person


def unseal(public: str, person: str) -> Event:
    """The event that `seal` kept."""
    trigger, at, op, ref, by, detail, person_hash = parsed(public)
    known = parsed(person) if person else None
    return Event(Trigger(trigger), at, op, ref, by, detail, known, person_hash)


def chain(head: str, publics: Iterable[str]) -> str:
    """The head after all of `publics`."""
    for public in publics:
        head = link(head, public)
    return head
