"""The ports to the archive, which keeps settled orders for as long as required, and to the data that belong to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.order.order import Order
from consent_engine.ports.calls import CallArchive
from consent_engine.ports.records import Owner


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


class PlansKept(NamedTuple):
    """The plans as the store keeps them: fields by code. mark: changes whenever one does · secret: the check value of
    the installation's secret
    """

    mark: str
    secret: str
    plans: Mapping[str, Mapping[str, str]]


class RecordArchive(Protocol):
    """The archive of finished reports and endings, kept whole. Every method raises ArchiveUnavailable."""

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

    def let_go(self, owner: Owner, heads: Mapping[str, tuple[int, str]]) -> set[str]:
        """Mark as gone the records of a kind that are here exactly as the store has them; return their ids.

        heads: the version and the head of each in the store
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
    """The records of the store as they are kept, whole; and whose data these are."""

    def whole(self, owner: Owner, records: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the complete records of a kind as stored, field by field; of an order with its `offer`."""

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
