"""The port to inboxes, and the messages that are put into one."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from consent_engine.domain.effects import Millis


class Posted(Struct, frozen=True):
    """A message for a line's inbox.

    makes: names of the restrictions it makes, with their door and ref, and for a suspicion reason and words ·
    once: not stored when these restrictions are in force already · barring: names of the restrictions that void a
    consent in it · decides: name of the suspicion that it decides · decided: the newest act the decision considered ·
    lifting: the record to keep of the decision when it is no refusal · repeated: the reason under which its first
    repeat is kept as unmatched, '' if it is not kept · same_for: for how long after a message (ms) another one with
    its key is its repeat; None: for ever · until: when the restrictions that it makes end; 0: never
    """

    line: str
    msisdn: str
    key: str
    body: str
    makes: Sequence[str] = ()
    door: str = ""
    ref: str = ""
    once: bool = False
    reason: str = ""
    words: str = ""
    barring: Sequence[str] = ()
    decides: str = ""
    decided: Millis = 0
    lifting: str = ""
    repeated: str = ""
    same_for: Millis | None = None
    until: Millis = 0


class Stored(Struct, frozen=True):
    """Whether a message is new, and when it (first) reached us. gone: the suspicion it decides has changed or ended."""

    is_new: bool
    at: Millis
    gone: bool = False


class Inbox(Protocol):
    """The lines' unread messages, read in the order they came, and the unmatched messages, which belong to no order."""

    def receive(self, messages: Sequence[Posted], *, prove: bool = True) -> list[Stored]:
        """Put messages into their lines' inboxes, each once. A message that makes a restriction not in force is stored
        even where its key came before, unless its `same_for` is None.
        """

    def put_back(self, unread: Mapping[str, Sequence[str]]) -> None:
        """Put unread messages, as the store had them, into the inboxes of their lines, before those that came since;
        one that is there stays where it is.
        """

    def unmatched(self, entries: Sequence[str], *, prove: bool = True) -> None:
        """Keep unmatched messages as evidence."""

    def trim(self) -> int:
        """Delete unmatched messages and evidence of liftings and permits past their retention, and the oldest of more
        than a million. Returns how many were deleted."""
