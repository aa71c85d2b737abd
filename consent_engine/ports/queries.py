"""The ports to the queries in SQL: lists, searches and sums of all records, as of the scribe's last beat.

Every method raises ArchiveUnavailable as the Archive does. Records in SQL are some moments old: nothing is decided by
them alone, and an act on one reads it in the store first.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Generic, NamedTuple, NoReturn, Protocol, TypeVar, cast

from msgspec import Struct

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report, ReportClass, ReportDoor, ReportState, Reward
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.call.sales_figures import Counted, Sold
from consent_engine.domain.call.violation import Violation
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.restriction import Kind, Restriction
from consent_engine.domain.order.order import Order
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports.records import Owner


class OpenReports(Struct, frozen=True):
    """The number of open reports that came by a door and have a proposed class, and how many of them are overdue."""

    door: ReportDoor
    proposed: ReportClass
    open: int
    overdue: int


class ReportFilter(Struct, frozen=True):
    """The reports to list; None admits all. overdue_at: overdue then"""

    state: ReportState | None = None
    door: ReportDoor | None = None
    found: ReportClass | None = None
    carrier: str | None = None
    overdue_at: Millis | None = None
    reward: Reward | None = None

    def fits(self, report: Report) -> bool:
        """Whether a report belongs in the list."""
        received = report.received
        pairs = (
            (self.state, report.state), (self.door, received.door), (self.found, report.found),
            (self.carrier, received.carrier), (self.reward, report.reward),
        )  # fmt: skip
        late = self.overdue_at is None or report.is_overdue(self.overdue_at)
        return late and all(wanted is None or wanted == found for wanted, found in pairs)


T = TypeVar("T")
L = TypeVar("L", Order, Ending)
Position = tuple[Millis, str]
"""A place in a list: a row's instant and id. A page begins behind the last row of the page before."""


class Only(Enum):
    """The records to name the places of."""

    ALL = auto()
    PRESENT = auto()
    """those that the store has; of endings those that are not over"""
    ACTIVATED = auto()
    """orders whose service was activated"""


class Tally(Struct, frozen=True):
    """How many of one kind there are (restrictions, endings, calls to review). oldest: since when; 0: there are none"""

    count: int = 0
    oldest: Millis = 0


class Paged(NamedTuple, Generic[T]):
    """A page of a list. last: its last row, where there may be more behind it; None at the end"""

    rows: tuple[T, ...]
    last: Position | None


class OrderFilter(Struct, frozen=True):
    """The orders to list; a field of None admits all. since: placed at or after · void_yes: whether a yes was in vain ·
    line: of one number · until: placed at or before
    """

    state: State | None = None
    agent: str | None = None
    plan: str | None = None
    carrier: str | None = None
    since: Millis | None = None
    void_yes: bool | None = None
    line: str | None = None
    until: Millis | None = None


class OrderQueries(Protocol):
    """Lists and sums of orders."""

    def page(self, wanted: OrderFilter, before: Position | None, limit: int) -> Paged[Order]:
        """Return orders, newest first. One that cannot be read is left out, and logged."""

    def with_tail(self, tail: str, most: int) -> list[str]:
        """Return orders whose ids end in `tail`, newest first, of the newest MOST_SEARCHED."""

    def funnel(self, since: Millis, until: Millis) -> dict[State, int]:
        """Return how many orders placed from `since` to `until`, both included, are in each state."""

    def sold(
        self, since: Millis, until: Millis, placed_by: str | None = None
    ) -> Mapping[tuple[str, str], Mapping[Sold, int]]:
        """Return the outcomes of the orders placed in a period, by plan and agent; services switched on in it that were
        taken back soon are among them, unless it is asked for the orders of one key.
        """

    def held(self, placed_by: str | None = None) -> Mapping[str, int]:
        """Return how many numbers with open orders wait until a person has read their reply, by agent. placed_by: only
        of orders placed with the key of this name
        """

    def ended_soon(self, since: Millis, until: Millis) -> int:
        """Return how many of the services switched on in a period were taken back within a week."""


class CallFilter(Struct, frozen=True):
    """The calls to list; a field of None admits all. since, until: began at or after, and before · violation: only
    calls with this violation; ANY: with any · verdict: only recorded calls with this verdict
    """

    agent: str | None = None
    carrier: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    violation: Violation | str | None = None
    verdict: Verdict | None = None


ANY = "true"
"""The value of a violation filter that admits every violation."""


class ReportedCall(NamedTuple):
    """A call, to be compared with one that an exchange dialled. line: of its number · official: 1 where it came from
    its carrier's own number
    """

    line: str
    official: int
    at: Millis
    call: str


class Reconciliation(NamedTuple):
    """A CDR file was compared with the calls reported. digest: SHA-256 of the file · since, until: its first call and
    its last · calls: it had · unreported, doubted: calls dialled and never reported, and the other way round · refused:
    lines that could not be read
    """

    at: Millis
    digest: str
    by: str
    carrier: str
    since: Millis
    until: Millis
    calls: int
    unreported: int
    doubted: int
    refused: int


class CallQueries(Protocol):
    """Lists and sums of calls, whether the store still has them or let them go."""

    def reported(self, carrier: str, since: Millis, until: Millis) -> Iterator[ReportedCall]:
        """Yield the calls of a carrier that began in a period, both ends included, read piece by piece."""

    def reconciled(self, since: Millis, until: Millis) -> list[Reconciliation]:
        """Return the CDR files compared that have calls of a period, the newest comparison first."""

    def page(self, wanted: CallFilter, before: Position | None, limit: int) -> Paged[Call]:
        """Return calls, newest first. One that cannot be read is left out, and logged."""

    def to_review(self, verdict: Verdict, after: Position | None, limit: int) -> Paged[Call]:
        """Return pending or contested calls, those that have been over for longest first; as `page`."""

    def waiting(self) -> Mapping[Verdict, Tally]:
        """Return how many calls are pending and how many contested, and since when the oldest of each has been over."""

    def counted(
        self, since: Millis, until: Millis, *, by_agent: bool = False, placed_by: str | None = None
    ) -> Sequence[Counted]:
        """Return how many calls that began from `since` to `until`, both included, stand alike. placed_by: only those
        made known with the key of this name
        """

    def failed(self, since: Millis, until: Millis, placed_by: str | None = None) -> Mapping[str, int]:
        """Return how many calls failed their review for good in a period, whenever they began, by agent. placed_by: as
        of `counted`
        """


MOST_SEARCHED = 200_000
"""The largest number of orders that a search by the end of an id looks at."""


class StandingRestriction(Struct, frozen=True):
    """A restriction as it stood on its line. version: the line's, then"""

    line: str
    version: int
    msisdn: str
    restriction: Restriction


class RestrictionQueries(Protocol):
    """Lists of restrictions. Of suspicions, those that are undecided alone."""

    def page(self, kind: Kind, before: Position | None, limit: int) -> Paged[StandingRestriction]:
        """Return restrictions of a kind, newest first. One that cannot be read is left out, and logged."""

    def tally(self, kind: Kind) -> Tally:
        """Return how many restrictions of a kind stand, and since when the oldest."""


class Received(NamedTuple):
    """Reports that stand alike. what: their class, which is proposed while they are open"""

    carrier: str
    what: str
    state: str
    reports: int
    overdue: int


class ReportQueries(Protocol):
    """Lists and counts of reports of calls."""

    def page(self, wanted: ReportFilter, before: Position | None, limit: int) -> list[Position]:
        """Return the places of reports, newest first."""

    def received(self, since: Millis, until: Millis, now: Millis) -> list[Received]:
        """Count the reports that came in a period, by carrier, class and state."""

    def due(self, limit: int) -> list[str]:
        """Return undecided reports, the next due first."""

    def waiting(self, now: Millis) -> list[OpenReports]:
        """Count the undecided reports by door and proposed class, where there are any."""


class OrderKept(Struct, frozen=True):
    """All that SQL has of one order. fields: by id, those that each record is kept in, an order's with its offer ·
    plan: the fields of its plan; None where the catalogue has it no more · leaves: by id, the entries of its chain that
    the log has, each with its number
    """

    order: Order
    call: Call | None
    ending: Ending | None
    fields: Mapping[str, Mapping[str, str]]
    plan: Mapping[str, str] | None
    leaves: Mapping[str, Sequence[tuple[int, str]]]


Receipted = OrderKept | Report | StandingRestriction
"""A record that its subscriber has a receipt of."""


class EvidenceQueries(Protocol):
    """What evidence of orders, and receipts, are made from."""

    def of(self, orders: Sequence[str]) -> Mapping[str, OrderKept | None]:
        """Return all of these orders that SQL has; None for one of which a record is damaged."""

    def receipted(self, name: str, since: Millis) -> Receipted | None:
        """Return the record that is found by its receipt under this name (`Seal.receipt`), where it began from `since`;
        a restriction as long as it stands. Raises BrokenRecord where it is damaged.
        """

    def logged(self, kind: type[L], names: Sequence[str]) -> Mapping[str, tuple[L, Sequence[tuple[int, str]]]]:
        """Return records by id, each with the entries of its chain that the log has, numbered. One that is damaged is
        left out, and logged.
        """

    def leaves(self, calls: Sequence[Call]) -> Mapping[str, Sequence[tuple[int, str]]]:
        """Return, by id, the entries of the chains of calls that the log has, each with its number."""


class Queries(Protocol):
    """All queries: places of records of any kind, and the others by the kind of record that they are about."""

    orders: OrderQueries
    restrictions: RestrictionQueries
    reports: ReportQueries
    calls: CallQueries
    evidence: EvidenceQueries

    def places(
        self, of: Owner, only: Only, before: Position | None, limit: int, plan: str | None = None, since: Millis = 0
    ) -> list[Position]:
        """Return the places of all orders, calls or endings, or of those that are asked for, newest first. plan: of
        orders, only those for it · since: the instant of the oldest
        """

    def open_endings(self) -> Tally:
        """Return how many endings are not over, and when the oldest of them was asked for."""


class _Unasked:
    """The Queries of a store without SQL: each raises ArchiveUnavailable."""

    def _raised(self) -> NoReturn:
        raise ArchiveUnavailable("there is no archive to ask")

    places = orders = restrictions = open_endings = reports = calls = evidence = property(_raised)


NOTHING = cast(Queries, _Unasked())
