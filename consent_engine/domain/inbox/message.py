"""The messages of a line's inbox. Each is kept as a JSON object whose `kind` names its type.

A field that says nothing of most messages is UNSET there, and not written. `tests/unit/test_inbox.py` holds the bytes.
"""

from typing import cast

from msgspec import UNSET, Struct, UnsetType, field

from consent_engine.domain.canonical_json import Reader, compact
from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar import Keyword, Read, Reason
from consent_engine.domain.sms import Delivery


class UnreadReply(Struct, frozen=True, tag_field="kind", tag="reply"):
    """An SMS from the subscriber.

    id: the gateway's · sender, to: the numbers · written_at: the latest instant it can have been written · carriers:
    those it may be meant for, blank-separated · sub: the digits after our own number · keyword, code, reason,
    marketing_free (1 or 0), edition: how the door read it · came: when it came,
    where the store's clock had gone back and `at` orders it by another instant
    """

    gateway: str
    id: str
    sender: str = field(name="from")
    to: str
    text: str
    written_at: Millis | None
    carriers: str
    sub: str
    keyword: Keyword
    code: str
    reason: Reason | None
    marketing_free: int
    edition: int
    came: Millis | UnsetType = UNSET

    @property
    def scope(self) -> list[str]:
        """The carriers that the reply may be meant for."""
        return self.carriers.split()

    def meaning(self) -> Read:
        """Return the door's reading of the text."""
        return Read(self.keyword, self.code, self.reason, bool(self.marketing_free), self.edition)


class UnreadReport(Struct, frozen=True, tag_field="kind", tag="report"):
    """A delivery report on one of our SMS.

    owner: id of the order or line that sent it · effect: the SMS, by its effect there · id: the gateway's, '' where it
    names none · segment: the one it is about, of `segments` · at: by the gateway's clock · alone: set, and true, where
    a report on one segment says nothing of the others
    """

    owner: str
    effect: str
    gateway: str
    id: str
    status: Delivery
    segment: int
    segments: int
    error: str
    at: Millis | None
    alone: bool | UnsetType = UNSET


class UnreadRefusal(Struct, frozen=True, tag_field="kind", tag="refusal"):
    """A refusal of further calls. door: how it came · by: its author · reason: for a suspicion that was decided · plan,
    until: set where it is about one plan, or for a time · order: set where it is about that order alone.
    """

    carriers: str
    door: str
    by: str
    reason: str | UnsetType = UNSET
    plan: str | UnsetType = UNSET
    until: Millis | UnsetType = UNSET
    order: str | UnsetType = UNSET

    @property
    def limited(self) -> bool:
        """Whether it is about one plan or order, or for a time."""
        return not (self.plan is UNSET and self.until is UNSET and self.order is UNSET)

    @property
    def scope(self) -> list[str]:
        """The carriers that are refused."""
        return self.carriers.split()


class UnreadRegistration(Struct, frozen=True, tag_field="kind", tag="registered"):
    """A registration as marketing-free, in force since it came; open orders are not touched. by: its author."""

    carriers: str
    door: str
    by: str

    @property
    def scope(self) -> list[str]:
        """The carriers that may not call."""
        return self.carriers.split()


class UnreadClearance(Struct, frozen=True, tag_field="kind", tag="resumed"):
    """A decision that a suspected refusal was none. by: the person who decided · reason: why · order: set where the
    suspicion was of that order alone.
    """

    carriers: str
    by: str
    door: str
    reason: str
    order: str | UnsetType = UNSET

    @property
    def scope(self) -> list[str]:
        """The carriers whose suspicion was cleared."""
        return self.carriers.split()


Message = UnreadReply | UnreadReport | UnreadRefusal | UnreadRegistration | UnreadClearance

decode_message = Reader[Message](cast("type[Message]", Message))
"""Reads a message as kept. Raises ValueError when it is none."""


def encode_message(message: Message) -> str:
    return compact(message)
