"""The ports to the archive, which keeps settled orders for as long as required, and to moving records there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order.order import Order
from consent_engine.ports.calls import CallArchive
from consent_engine.ports.records import Held, Owner


@dataclass(frozen=True, slots=True)
class Expired:
    """How much was deleted: person parts of any record, whole orders, whole calls, whole reports and endings."""

    persons: int = 0
    orders: int = 0
    calls: int = 0
    records: int = 0

    def __add__(self, other: "Expired") -> "Expired":
        """Return the sum of both."""
        return Expired(
            self.persons + other.persons, self.orders + other.orders, self.calls + other.calls,
            self.records + other.records,
        )  # fmt: skip

    def __bool__(self) -> bool:
        """Whether anything was deleted."""
        return bool(self.persons or self.orders or self.calls or self.records)


@dataclass(frozen=True, slots=True)
class Retiring:
    """An order that the archive has in this version. held: its effect WAKE_ARCHIVE"""

    held: Held
    line: str
    version: int

    @property
    def order(self) -> str:
        return self.held.record


class PlansKept(NamedTuple):
    """The plans as the store keeps them: fields by code. mark: changes whenever one does · secret: the check value of
    the installation's secret
    """

    mark: str
    secret: str
    plans: Mapping[str, Mapping[str, str]]


class RetireResult(StrEnum):
    """The result of deleting a record that the archive has from the store."""

    OK = "ok"
    GONE = "gone"
    STALE = "stale"
    LOST = "lost"
    UNREAD = "unread"
    YOUNG = "young"


class Aged(StrEnum):
    """The result of trying to delete a line without recent activity."""

    OK = "ok"
    STAYS = "stays"
    YOUNG = "young"
    LOST = "lost"


class RecordArchive(Protocol):
    """The archive of finished reports and endings, kept whole. Every method raises ArchiveUnavailable."""

    def keep(self, owner: Owner, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        """Keep records of a kind as the store has them, in one transaction. Return the ids of those safely archived."""

    def reports(self, ids: Sequence[str], *, whole: bool = False) -> dict[str, Report]:
        """Return those of these reports that are archived and can be read. whole: raises BrokenRecord for one that
        cannot, which a caller must not take for one that does not exist
        """

    def endings(self, ids: Sequence[str], *, whole: bool = False) -> dict[str, Ending]:
        """Return those of these endings that are archived, as `reports` does."""

    def misfiled(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """As `Archive.misfiled`, for reports and endings."""


class Archive(Protocol):
    """The archive of settled orders, kept whole, so that history, chain and proof can be read from it alone.

    Safe in several threads and processes at once. Every method raises ArchiveUnavailable when the archive cannot be
    reached in a bounded time; for a while after that it does so at once.
    """

    calls: CallArchive
    """calls that are over"""
    records: RecordArchive
    """reports that are answered, and endings that are over"""
    must_stand: bool
    """whether the data name an archive: then a missing one is not created"""

    def id(self) -> str:
        """Return the archive's own id, made when it was created: two archives never share one."""

    def claim(self, installation: str) -> str:
        """Return the installation that owns this archive: `installation` from now on, if it had no owner."""

    def keep(self, records: Mapping[str, Mapping[str, str]]) -> set[str]:
        """Keep orders, as `Retirement.whole` gives them, in one transaction; a repeat changes nothing.

        Return the ids that are now safely archived. An order that cannot be taken is missing from them: another order
        has its id, or its record cannot be written.
        """

    def orders(self, ids: Sequence[str]) -> dict[str, Order]:
        """Return those of these orders that are archived."""

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the versions of those of these orders that are archived."""

    def recall(self, keys: Sequence[str]) -> list[Order]:
        """Return the orders made under these request keys. Raises BrokenRecord for one that cannot be read."""

    def placed(self, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """List archived orders, newest first. before: the last row of the page before"""

    def of_line(self, line: str, before: tuple[Millis, str] | None, limit: int) -> list[tuple[str, Millis]]:
        """List the archived orders of one number as `placed` does."""

    def states(self, since: Millis, until: Millis) -> dict[State, int]:
        """Return how many orders placed from `since` on and before `until` ended in each state."""

    def misfiled(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """Return those of these orders whose row has columns that differ from the record in it, with their names. One
        that cannot be read is not among them.
        """

    def expire(self, now: Millis, most: int) -> Expired:
        """Delete the records past retention, at most `most` records of each kind; repeat until nothing is deleted."""


class Retirement(Protocol):
    """The removal from the store of records that the archive has, and of lines that hold nothing any more."""

    def whole(self, orders: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the complete records of orders as stored: field by field, and `offer`."""

    def retire(self, orders: Sequence[Retiring], idle_before: Millis) -> list[tuple[RetireResult, Millis]]:
        """Delete orders that the archive has, each whole or not at all. YOUNG comes with the line's newest instant."""

    def age(self, lines: Sequence[Held], now: Millis) -> list[Aged]:
        """Delete each line that holds nothing any more. lines: by their effect WAKE_LINE"""

    def whole_records(self, owner: Owner, records: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the complete records of calls, reports or endings, as stored."""

    def retire_records(self, owner: Owner, records: Sequence[tuple[Held, int]]) -> list[RetireResult]:
        """Delete calls, endings or reports that the archive has, each whole or not at all. records: by their effect
        WAKE_ARCHIVE, or an ending's WAKE_EXPIRED, with the version in the archive
        """

    def installation(self, *, make: bool = True) -> str:
        """Return the name of these data, made durably when it is first asked for.

        Without `make` the answer is "" where they have none.
        """

    def archive_bound(self) -> str:
        """Return the id of the archive these data belong to; "" when they belong to none yet."""

    def bind_archive(self, archive: str) -> str:
        """Bind these data, durably, to an archive if they have none, each cell for itself; return its id."""

    def plans(self, archive: str, known: str) -> PlansKept | None:
        """Return the plans with all their versions; None where their mark is `known`. Raises NotOurArchive where these
        data are not bound to this archive.
        """

    def put_plans(self, plans: Mapping[str, Mapping[str, str]]) -> None:
        """Keep the versions that `plans` gave, durably; a version that is there stays."""

    def emptied(self, archive: str) -> list[int]:
        """Return the cells that are not bound to this archive: they lost their data since."""

    def fill(self, cell: int, archive: str) -> None:
        """Bind a cell that has its data again, durably."""

    def name(self, installation: str, archive: str) -> None:
        """Give data that are whole again, durably, the name that they had, and bind them to their archive."""
