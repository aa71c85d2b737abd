"""The ports to the archive, where settled orders go and are read for as long as they must be kept, and to leaving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order.order import Order
from consent_engine.ports.calls import CallArchive
from consent_engine.ports.records import Owner


@dataclass(frozen=True, slots=True)
class Expired:
    """What was deleted: person parts of any record, whole orders, whole calls, whole reports and endings."""

    persons: int = 0
    orders: int = 0
    calls: int = 0
    records: int = 0

    def __add__(self, other: "Expired") -> "Expired":
        """Both together."""
        return Expired(
            self.persons + other.persons, self.orders + other.orders, self.calls + other.calls,
            self.records + other.records,
        )  # fmt: skip

    def __bool__(self) -> bool:
        """Whether anything was."""
        return bool(self.persons or self.orders or self.calls or self.records)


@dataclass(frozen=True, slots=True)
class Retiring:
    """An order that the archive has in this version, and whose effect WAKE_ARCHIVE is held by this token."""

    order: str
    line: str
    version: int
    token: int


class Left(StrEnum):
    """What became of letting an order go."""

    OK = "ok"
    GONE = "gone"
    STALE = "stale"
    LOST = "lost"
    UNREAD = "unread"
    YOUNG = "young"


class Aged(StrEnum):
    """What became of a line that nobody has written on for long."""

    OK = "ok"
    STAYS = "stays"
    YOUNG = "young"
    LOST = "lost"


class RecordArchive(Protocol):
    """Keeps reports and endings that are over, whole. Every method raises ArchiveUnavailable, as the Archive's do."""

    def keep(self, owner: Owner, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        """Keep records of a kind as the store has them, in one transaction; the ids of those that are safely there."""

    def reports(self, ids: Sequence[str]) -> dict[str, Report]:
        """Those reports that are there."""

    def endings(self, ids: Sequence[str]) -> dict[str, Ending]:
        """Those endings that are there."""

    def listed(self, owner: Owner, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """Records of a kind with the instants they came at, newest first, from where a page ended."""


class Archive(Protocol):
    """Keeps settled orders, whole, so that history, chain and proof hold from it alone.

    Safe in several threads and processes at once. Every method raises ArchiveUnavailable when the archive cannot be
    reached in a bounded time; after that it says so at once for a while, and nobody waits.
    """

    calls: CallArchive
    """calls that are over"""
    records: RecordArchive
    """reports that are answered, and endings that are over"""
    must_stand: bool
    """data name one of here as theirs: where none stands, none is made"""

    def id(self) -> str:
        """The archive's own name, made with it: two archives never share one."""

    def claim(self, installation: str, *, known: bool, instead_of: str = "") -> str:
        """Whose archive this is, by the name of an installation; this one's from now on, if it was nobody's.

        What keeps or deletes orders here is refused from then on where the archive has become another's.
        known: that installation's data name this archive as theirs. One that is nobody's and has orders all the same
        (an earlier release told nobody) is given to such only: else the answer is "". instead_of: take it over from
        this installation, which is gone.
        """

    def keep(self, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        """Keep orders, as `Retirement.whole` gives them, in one transaction; a repeat changes nothing.

        The ids that are now safely there. Missing are those it cannot take: another order stands under that id, or
        the record cannot be written.
        """

    def orders(self, ids: Sequence[str]) -> dict[str, Order]:
        """Those that are there."""

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        """Their versions."""

    def recall(self, keys: Sequence[str]) -> list[Order]:
        """The orders made under these request keys."""

    def placed(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """As `Lists.placed`, of archived orders."""

    def of_line(self, line: str, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """As `placed`, of one number."""

    def states(self, since: Millis, until: Millis) -> dict[State, int]:
        """How the orders ended that were placed from `since` on and before `until`, in counts."""

    def expire(self, now: Millis, most: int) -> Expired:
        """Delete what must not be kept any longer, of `most` orders of each kind; again, until nothing was."""


class Retirement(Protocol):
    """How the store lets go what need not stay: orders that the archive has, lines on which nothing stands."""

    def whole(self, orders: Sequence[str]) -> dict[str, dict[str, str]]:
        """The records of orders as they are kept, whole: field by field, and `offer`."""

    def retire(self, orders: Sequence[Retiring], idle_before: Millis) -> list[tuple[Left, Millis]]:
        """Let orders go that the archive has, each whole or not at all. A line's newest instant comes with YOUNG."""

    def age(self, lines: Sequence[tuple[str, int]], now: Millis) -> list[Aged]:
        """Let lines go, whose effects WAKE_LINE are held by these tokens, each if nothing stands on it."""

    def whole_records(self, owner: Owner, records: Sequence[str]) -> dict[str, dict[str, str]]:
        """The records of calls, reports or endings, as they are kept, whole."""

    def retire_records(self, owner: Owner, records: Sequence[tuple[str, int, int]]) -> list[Left]:
        """Let calls, or endings, go that the archive has in this version, each whole or not at all; whose effect
        WAKE_ARCHIVE, of an ending WAKE_EXPIRED, is held by this token.
        """

    def retire_reports(self, reports: Sequence[tuple[str, int]]) -> list[Left]:
        """Let reports go that the archive has in this version."""

    def installation(self, *, make: bool = True) -> str:
        """The name of these data, made when it is first asked for, durably; a move takes it along.

        Without `make` the answer is "" where they have none.
        """

    def archive_bound(self) -> str:
        """The id of the archive these data belong to; "" when they belong to none yet."""

    def bind_archive(self, archive: str, *, anew: bool = False) -> str:
        """The id of the archive these data belong to; this one, when they belonged to none. anew: this one, durably."""
