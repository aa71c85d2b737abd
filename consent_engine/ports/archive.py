"""The ports to the archive, which keeps settled orders for as long as required, and to the data that belong to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NamedTuple, Protocol

from consent_engine.domain.effects import Millis
from consent_engine.domain.seal import Seal
from consent_engine.ports.queries import Reconciliation
from consent_engine.ports.records import Owner, R, Recorded


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
    """The plans as the store keeps them: fields by code. mark: changes whenever one does, or the check value · secret:
    the check value of the installation's secret, and of the keys of persons
    """

    mark: str
    secret: str
    plans: Mapping[str, Mapping[str, str]]


class By(StrEnum):
    """The names under which records are asked for. KEY: the key that their request, or their recording, was reserved
    under
    """

    ID = "id"
    KEY = "key"
    LINE = "line"


class Kept(NamedTuple, Generic[R]):
    """A record as SQL has it, and its fields as the store had them, pending effects included. record: None where it
    cannot be read
    """

    id: str
    record: R | None
    fields: Mapping[str, str]


class Erasure(NamedTuple):
    """The erasure of a person, as it is kept. line: a keyed hash of the number · ground: never with a number in it"""

    at: Millis
    line: str
    by: str
    ground: str


class BackupMade(NamedTuple):
    """A backup that was made here: the instant of its data, and the folder, with the host it is on."""

    at: Millis
    place: str


class Named(NamedTuple):
    """Whose data these are; "" where they have no name, or belong to no archive yet."""

    installation: str
    archive: str


MOST_OF_A_LINE = 5_000
"""Most records of a kind that are read of one number."""


class Archive(Protocol):
    """All records, whole: what the store let go is read here alone, with its history, chain and proof.

    Safe in several threads and processes at once. Every method raises ArchiveUnavailable when the archive cannot be
    reached in a bounded time; for a while after that it does so at once.
    """

    must_stand: bool
    """whether the data name an archive: then a missing one is not created"""
    seal: Seal | None
    """checks its records against tampering, and encrypts persons; None: neither"""

    def id(self) -> str:
        """Return the archive's own id, made when it was created: two archives never share one."""

    def owner(self) -> str:
        """Return the installation that the archive belongs to; '' for none."""

    def claim(self, installation: str) -> str:
        """Return the installation that owns this archive: `installation` from now on, if it had no owner."""

    def let_go(self, owner: Owner, heads: Mapping[str, tuple[int, str]]) -> set[str]:
        """Mark as gone the records of a kind that are here exactly as the store has them; return their ids.

        heads: the version and the head of each in the store
        """

    def recall(self, kind: type[R], names: Sequence[str], by: By = By.ID) -> dict[str, list[Kept[R]]]:
        """Return the records of a kind that are here under each of these names: by id only those that the store let
        go, for any other is the store's to have; by line at most MOST_OF_A_LINE and one more, newest first.
        """

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the versions of those of these orders that are archived."""

    def known(self, kind: type[Recorded], ids: Sequence[str]) -> set[str]:
        """Return those of these records that are here, wherever else they are."""

    def misfiled(self, kind: type[Recorded], ids: Sequence[str]) -> dict[str, list[str]]:
        """Return those of these records that are here, each with the names of the columns of its row that differ from
        the record in it; none where that cannot be read.
        """

    def erase(self, erasure: Erasure) -> Mapping[Owner, int]:
        """Delete the person parts and receipts of all records of a line that the store let go, so that no copy is left
        in the database's files where that is SQLite's, and keep that it was done. Return how many had one, by kind.

        Raises ArchiveUnavailable.
        """

    def rekey(self) -> tuple[int, int]:
        """Encrypt the persons of all records that the store let go under the newest key, in pieces. Return how many had
        something under a former one; and how many records and numbers, of all that are here, still have. Raises
        ArchiveUnavailable: the same again goes on.
        """

    def note(self, act: Reconciliation | BackupMade) -> None:
        """Keep that a CDR file was compared, or a backup was made."""

    def backups(self) -> list[BackupMade]:
        """Return the backups that were made, newest first."""

    def last_backup(self) -> Millis:
        """Return the instant of the newest backup; without one, that of the first order; 0 without any."""

    def expire(self, now: Millis, most: int) -> Expired:
        """Delete the records past retention, at most `most` records of each kind; repeat until nothing is deleted."""


class Retirement(Protocol):
    """The records of the store as they are kept, whole; and whose data these are."""

    def whole(self, owner: Owner, records: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the complete records of a kind as stored, field by field; of an order with its `offer`."""

    def named(self, *, make: bool = False) -> Named:
        """Return the name of these data and the id of their archive. make: a name, durably, where they have none"""

    def bind_archive(self, archive: str) -> str:
        """Bind these data, durably, to an archive if they have none, each cell for itself; return its id."""

    def plans(self, archive: str, known: str) -> PlansKept | None:
        """Return the plans with all their versions; None where their mark is `known`. Raises NotOurArchive where these
        data are not bound to this archive.
        """

    def restore(self, plans: Mapping[str, Mapping[str, str]], installation: str, archive: str) -> None:
        """Give data that are whole again, durably, the versions of plans that `plans` gave, of which one that is there
        stays; then the name that they had, and bind them to their archive.
        """

    def emptied(self, archive: str) -> list[int]:
        """Return the cells that are not bound to this archive: they lost their data since."""

    def fill(self, cell: int, archive: str) -> None:
        """Bind a cell that has its data again, durably."""

    def rewrite(self, record: str) -> str:
        """Have the server that keeps a record write its append-only file anew, without what was deleted; return why it
        did not, "" where it did, or keeps none.
        """
