"""The messages of a line's inbox. Each is kept as a JSON object whose `kind` says which one it is.

What is kept is never written anew: a field that came later is one that an older message lacks, so it may be UNSET.
`tests/unit/test_inbox.py` holds the bytes.
"""

from typing import cast

from msgspec import UNSET, Struct, UnsetType, field

from consent_engine.domain.canonical_json import Reader, compact
from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar import Keyword, Read, Reason, read
from consent_engine.domain.sms import Delivery


class UnreadReply(Struct, frozen=True, tag_field="kind", tag="reply"):
    """An SMS from the subscriber.

    id: the gateway's · sender, to: the numbers · written_at: the latest instant it can have been written ·
    carriers: which ones it may be meant for, blank-separated · sub: the digits after our own number ·
    keyword, code, reason, marketing_free (1 or 0), edition: how the door read it; an older door left that to the
    reader · came: when it came, where the store's clock had gone back and another instant orders it
    """

    gateway: str
    id: str
    sender: str = field(name="from")
    to: str
    text: str
    written_at: Millis | None
    carriers: str
    sub: str
    keyword: Keyword | UnsetType = UNSET
    code: str | UnsetType = UNSET
    reason: Reason | UnsetType | None = UNSET
    marketing_free: int | UnsetType = UNSET
    edition: int | UnsetType = UNSET
    came: Millis | UnsetType = UNSET

    @property
    def scope(self) -> list[str]:
        """The carriers it may be meant for."""
        return self.carriers.split()

    @property
    def was_read(self) -> bool:
        """Whether the door read it, and put in force what it restricts."""
        return self.keyword is not UNSET

    def meaning(self) -> Read:
        """What the door read in it; an older door left that to its reader."""
        if self.keyword is UNSET:
            return read(self.text)
        return Read(
            self.keyword, self.code or "", self.reason or None, bool(self.marketing_free), self.edition or 0
        )  # fmt: skip


class UnreadReport(Struct, frozen=True, tag_field="kind", tag="report"):
    """A delivery report on one of our SMS.

    owner: id of the order or line that sent it · effect: which SMS of that · id: the gateway's, '' where it names
    none · segment: the one it is about, of `segments` · at: by the gateway's clock · alone: there, and true, where a
    report on one segment says nothing of the others
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
    """Never again. door: how it came · by: who wrote it down · reason: of a suspicion that was decided · plan, until:
    there where it is about one plan, or for a time.
    """

    carriers: str
    door: str
    by: str
    reason: str | UnsetType = UNSET
    plan: str | UnsetType = UNSET
    until: Millis | UnsetType = UNSET

    @property
    def limited(self) -> bool:
        """Whether it is about one plan, or for a time."""
        return not (self.plan is UNSET and self.until is UNSET)

    @property
    def scope(self) -> list[str]:
        """The carriers that it is said to."""
        return self.carriers.split()


class UnreadRegistration(Struct, frozen=True, tag_field="kind", tag="registered"):
    """The number is marketing-free: in force since it came; nothing that is open is touched. by: who wrote it down."""

    carriers: str
    door: str
    by: str

    @property
    def scope(self) -> list[str]:
        """The carriers that may not call."""
        return self.carriers.split()


class UnreadClearance(Struct, frozen=True, tag_field="kind", tag="resumed"):
    """What might have been a refusal was none. by: who decided that · reason: why."""

    carriers: str
    by: str
    door: str
    reason: str

    @property
    def scope(self) -> list[str]:
        """The carriers it was said to."""
        return self.carriers.split()


Message = UnreadReply | UnreadReport | UnreadRefusal | UnreadRegistration | UnreadClearance

read_message = Reader[Message](cast("type[Message]", Message))
"""Reads a message as kept. Raises ValueError when that is none."""


def kept_message(message: Message) -> str:
    return compact(message)
