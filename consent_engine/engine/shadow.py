"""A shadow against the present system: a file of what that did with each sale, compared with what stands here.

Each line of the file is a sale by telephone. It is found here by number, plan and instant; a side that has none of
it did nothing. Both are compared on disk, in a database that goes with the process: a million lines need no more memory
than a thousand.
"""

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.call.cdr import instant_of
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.csv_file import FileRefused, RefusedLine, rows_in
from consent_engine.domain.effects import Millis
from consent_engine.domain.lifecycle import Trigger
from consent_engine.domain.line.line import line_id
from consent_engine.domain.line.restriction import EVERY_CARRIER, Kind
from consent_engine.domain.msisdn import of_sender
from consent_engine.domain.order.order import Order
from consent_engine.engine.catalogue import Catalogue
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import Malformed
from consent_engine.ports import Registry, Store
from consent_engine.ports.queries import OrderFilter, Position, Queries, RestrictionQueries, StandingRestriction
from consent_engine.ports.registry import Reveal


class Column(StrEnum):
    """What a file may say of a sale, and the names of its columns, where no others are given."""

    MSISDN = "msisdn"
    AT = "at"
    """When the subscriber agreed in the call."""
    CARRIER = "carrier"
    PLAN = "plan"
    ASKED = "asked"
    ANSWER = "answer"
    ACTIVATED = "activated"
    NOTIFIED = "notified"


MAY_LACK = frozenset(Column) - {Column.MSISDN, Column.AT}
DEEDS = (Column.ASKED, Column.ANSWER, Column.ACTIVATED, Column.NOTIFIED)
"""What is compared, beside whether the number might be called at all."""
CALLED = "called"
WITHIN_MS = 120_000
"""How far the instants of one sale may lie apart."""
DID, DID_NOT = "yes", "no"
NOTHING = "none"
"""No answer came."""
A_PAGE, A_BATCH = 500, 10_000
_DID = {
    **dict.fromkeys(("yes", "y", "true", "1", "是", "已", "成功"), DID),
    **dict.fromkeys(("", "no", "n", "false", "0", "-", "否", "未", "失败"), DID_NOT),
}
_ANSWER = {
    **dict.fromkeys(("yes", "y", "true", "1", "是", "同意", "确认"), "yes"),
    **dict.fromkeys(("no", "n", "false", "0", "否", "不同意", "拒绝"), "no"),
    **dict.fromkeys(("stop", "td", "退订"), "stop"),
    **dict.fromkeys(("other", "其他", "无效"), "other"),
    **dict.fromkeys(("", "none", "-", "无", "未回复"), NOTHING),
}
_DECIDED = {Trigger.SAID_YES: "yes", Trigger.SAID_NO: "no", Trigger.OPTED_OUT: "stop"}
_NOTED = {
    Trigger.SUSPECTED: "held",
    Trigger.REPLIED_SUSPECT: "suspect",
    Trigger.REPLIED_BARRED: "barred",
    Trigger.REPLIED_BEFORE: "before",
    Trigger.REPLIED_EARLY: "early",
    Trigger.REPLIED_LATE: "late",
    Trigger.UNCLEAR: "other",
    Trigger.ASKED_HELP: "other",
}
"""How an answer was read, by the events that say so: one that decides goes before all that are noted."""
_BARRING = (Kind.REFUSED, Kind.SUSPECTED, Kind.MARKETING_FREE, Kind.COOL_OFF, Kind.NUMBER_CHANGED, Kind.MINOR)
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16384;
CREATE TABLE theirs (n INTEGER PRIMARY KEY, line TEXT, plan TEXT, at INT, msisdn TEXT, carrier TEXT,
                     asked TEXT, answer TEXT, activated TEXT, notified TEXT);
CREATE TABLE ours (line TEXT, plan TEXT, at INT, msisdn TEXT, asked TEXT, answer TEXT, activated TEXT, notified TEXT,
                   name TEXT, state TEXT);
CREATE TABLE barred (line TEXT, carrier TEXT, plan TEXT, since INT, until INT, kind TEXT);
CREATE TABLE refused (n INTEGER PRIMARY KEY, why TEXT);
CREATE TABLE differences (what TEXT, n INT, at INT, msisdn TEXT, plan TEXT, theirs TEXT, ours TEXT, because TEXT);
"""


class Difference(NamedTuple):
    """What the present system did, and this one would not have done, or the other way round.

    line: of the file; 0: it has no such sale · because: the restriction, or the order and its state; "" where there is
    no order
    """

    what: str
    line: int
    at: Millis
    msisdn: str
    plan: str
    theirs: str
    ours: str
    because: str


class Count(NamedTuple):
    """How many sales were compared in one respect. other: both read an answer, and not the same"""

    what: str
    compared: int
    same: int
    only_theirs: int
    only_ours: int
    other: int


class Comparison:
    """A file that was compared. orders: that stand here for its time · open: how many of them are not settled yet"""

    def __init__(self, kept: sqlite3.Connection, counts: list[Count], orders: int, still_open: int) -> None:
        self._kept = kept
        self.counts = counts
        self.orders = orders
        self.open = still_open

    def refused(self) -> Iterator[RefusedLine]:
        """Yield the lines that cannot be read, in their order."""
        yield from (RefusedLine(*row) for row in self._kept.execute("SELECT n, why FROM refused ORDER BY n"))

    def differences(self) -> Iterator[Difference]:
        """Yield every difference, by what it is about, then by instant."""
        rows = "SELECT * FROM differences ORDER BY instr(?, what), at, n"
        yield from (Difference(*row) for row in self._kept.execute(rows, [" ".join((CALLED, *DEEDS))]))


class Shadow:
    """Compares files of a present system with what this one has."""

    def __init__(
        self, store: Store, registry: Registry, catalogue: Catalogue, terms: Terms, secret: str
    ) -> None:  # fmt: skip
        self._store = store
        self._registry = registry
        self._catalogue = catalogue
        self._terms = terms
        self._secret = secret

    @contextmanager
    def compared(
        self, lines: Iterable[str], named: Mapping[Column, str], within: Millis = WITHIN_MS
    ) -> Iterator[Comparison]:
        """Compare a file of sales with the orders placed until now; nothing is recorded.

        Raises FileRefused for what is no such file, ArchiveUnavailable, and StoreUnavailable.
        """
        # A database without a name is a file that is deleted when it is opened: nobody finds numbers in it later.
        with closing(sqlite3.connect("", isolation_level=None)) as kept:
            try:
                kept.executescript(_TABLES)
                there = self._keep_theirs(kept, lines, named)
                since, until, sales = kept.execute("SELECT min(at), max(at), count(*) FROM theirs").fetchone()
                if not sales:
                    why = kept.execute("SELECT n, why FROM refused ORDER BY n LIMIT 1").fetchone()
                    raise FileRefused(f"no line is a sale; line {why[0]}: {why[1]}" if why else "the file has no sale")
                queries = as_of_now(self._store)
                orders = self._orders(queries, since - within, until + within)
                still_open = _keep_ours(kept, orders, by_plan=Column.PLAN in there)
                _insert(kept, "INSERT INTO barred VALUES (?, ?, ?, ?, ?, ?)", _bars(queries.restrictions))
                kept.execute("CREATE INDEX barred_line ON barred (line)")
                counts = _Merge(kept, there, (since, until), within).counts()
                [many] = kept.execute("SELECT count(*) FROM ours").fetchone()
            except sqlite3.Error as error:
                raise FileRefused(f"the file cannot be compared on disk: {error}: see TMPDIR") from None
            yield Comparison(kept, counts, many, still_open)

    def standing(self, kind: Kind, by: str, reason: str) -> Iterator[tuple[str, str]]:
        """Yield the number and the carrier ("" for all) of each restriction of a kind that stands: for the import into
        another installation. Recorded as one reveal before the first is shown. One of a single plan is given as one of
        its carrier: whoever refuses is never called about it.
        """
        queries, now = as_of_now(self._store).restrictions, self._registry.now()
        size, name = queries.tally(kind).count, f"reveal:{uuid.uuid4().hex[:12]}"
        self._registry.reveals.note(Reveal(now, f"restrictions={kind}", by, "cli", reason, name, size))
        seen: tuple[str, str] | None = None
        for each in _standing(queries, kind):
            row = each.msisdn, each.restriction.carrier.replace(EVERY_CARRIER, "")
            if row != seen and not each.restriction.is_over(now):
                yield row
            seen = row

    def _keep_theirs(
        self, kept: sqlite3.Connection, lines: Iterable[str], named: Mapping[Column, str]
    ) -> frozenset[Column]:
        """Keep the sales of a file; return the columns that it has. Raises FileRefused."""
        now, there = self._registry.now(), frozenset[Column]()
        sold = {code: each.plan.carrier for code, each in self._catalogue.fresh().items()}
        rows = rows_in(lines, named, MAY_LACK)
        while some := list(islice(rows, A_BATCH)):
            read = [each if isinstance(each, RefusedLine) else self._read(*each, sold, now) for each in some]
            there = there or next((frozenset(each[1]) for each in some if not isinstance(each, RefusedLine)), there)
            _insert(
                kept,
                "INSERT INTO theirs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (each for each in read if not isinstance(each, RefusedLine)),
            )
            _insert(kept, "INSERT INTO refused VALUES (?, ?)", (each for each in read if isinstance(each, RefusedLine)))
        return there

    def _read(
        self, n: int, row: Mapping[Column, str], sold: Mapping[str, str], now: Millis
    ) -> tuple[Any, ...] | RefusedLine:
        plan, carrier = row.get(Column.PLAN, ""), row.get(Column.CARRIER, "")
        try:
            msisdn, at = of_sender(row[Column.MSISDN]), instant_of(row[Column.AT], self._terms.reporting.days)
        except Malformed as error:
            return RefusedLine(n, f"msisdn: {error.errors[0].message}")
        except (ValueError, OverflowError):
            return RefusedLine(n, "at: must be an instant like 2025-08-01 10:00:00 or 2025-08-01T10:00:00+08:00")
        if not plan and Column.PLAN in row:
            return RefusedLine(n, "plan: must not be empty")
        if carrier and carrier not in CARRIERS:
            return RefusedLine(n, f"carrier: must be one of {', '.join(CARRIERS)}")
        if at > now:
            return RefusedLine(n, "at: is in the future")
        deeds = {each: self._deed(each, row[each]) for each in DEEDS if each in row}
        if wrong := [each for each, said in deeds.items() if not said]:
            known = _ANSWER if wrong[0] is Column.ANSWER else _DID
            return RefusedLine(n, f"{wrong[0]}: must be one of {', '.join(filter(None, known))}, or empty")
        said = (deeds.get(each, "") for each in DEEDS)
        return n, line_id(self._secret, msisdn), plan, at, msisdn, carrier or sold.get(plan, ""), *said

    def _deed(self, column: Column, said: str) -> str:
        """Return what a cell says; "" where that is nothing known. An instant says that it was done."""
        folded = said.casefold()
        if column is Column.ANSWER:
            return _ANSWER.get(folded, "")
        if (known := _DID.get(folded)) is not None:
            return known
        try:
            instant_of(said, self._terms.reporting.days)
        except (ValueError, OverflowError):
            return ""
        return DID

    def _orders(self, queries: Queries, since: Millis, until: Millis) -> Iterator[Order]:
        """Yield the orders whose subscribers agreed in a period."""
        wanted = OrderFilter(since=since, until=until + self._terms.call_age)
        before: Position | None = None
        while True:
            page = queries.orders.page(wanted, before, A_PAGE)
            yield from (each for each in page.rows if since <= each.doc.call.agreed_at <= until)
            if page.last is None:
                return
            before = page.last


def _keep_ours(kept: sqlite3.Connection, orders: Iterator[Order], *, by_plan: bool) -> int:
    """Keep what was done with orders; return how many are not settled yet."""
    still_open = 0

    def rows() -> Iterator[tuple[Any, ...]]:
        nonlocal still_open
        for each in orders:
            still_open += not each.state.settled
            done = (Trigger.CONFIRMATION_ACCEPTED, Trigger.SERVICE_ACTIVATED, Trigger.NOTIFICATION_ACCEPTED)
            asked, activated, notified = (DID if each.last(trigger) else DID_NOT for trigger in done)
            plan = each.doc.plan if by_plan else ""
            yield (
                each.line, plan, each.doc.call.agreed_at, each.person.msisdn, asked, answer_of(each), activated,
                notified, each.id, each.state.value,
            )  # fmt: skip

    _insert(kept, "INSERT INTO ours VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows())
    return still_open


def answer_of(order: Order) -> str:
    """Return how the answer to an order was read: as what it decided, else as the newest reply was noted."""
    read = [event.trigger for event in order.events]
    decided = [_DECIDED[each] for each in read if each in _DECIDED]
    noted = [_NOTED[each] for each in read if each in _NOTED]
    return (decided or noted or [NOTHING])[-1]


def _standing(queries: RestrictionQueries, kind: Kind) -> Iterator[StandingRestriction]:
    before: Position | None = None
    while True:
        page = queries.page(kind, before, A_PAGE)
        yield from page.rows
        if page.last is None:
            return
        before = page.last


def _bars(queries: RestrictionQueries) -> Iterator[tuple[Any, ...]]:
    """Yield what stands against calls."""
    for kind in _BARRING:
        for each in _standing(queries, kind):
            bar = each.restriction
            if not bar.is_doubtful:
                yield each.line, bar.carrier, bar.plan, bar.since, bar.until, kind.value


def _insert(kept: sqlite3.Connection, insert: str, rows: Iterable[tuple[Any, ...]]) -> None:
    kept.execute("BEGIN")
    kept.executemany(insert, rows)
    kept.execute("COMMIT")


class _Merge:
    """Walks both sides in one order: by number, by plan where the file has it, and by instant. Of each the earliest
    that lie close enough are the same sale.
    """

    def __init__(
        self, kept: sqlite3.Connection, there: frozenset[Column], span: tuple[Millis, Millis], within: Millis
    ) -> None:  # fmt: skip
        self._kept = kept
        self._deeds = [each for each in DEEDS if each in there]
        self._span = span
        self._within = within
        self._found: dict[str, list[int]] = {str(each): [0, 0, 0, 0, 0] for each in (CALLED, *self._deeds)}

    def counts(self) -> list[Count]:
        """Write down every difference; return how many there are, by what they are about."""
        kept, write = self._kept, self._kept.execute
        theirs = kept.execute(
            "SELECT line, plan, at, n, msisdn, carrier, asked, answer, activated, notified FROM theirs "
            "ORDER BY line, plan, at, n"
        )
        ours = kept.execute(
            "SELECT line, plan, at, msisdn, asked, answer, activated, notified, name, state FROM ours "
            "ORDER BY line, plan, at, name"
        )
        write("BEGIN")
        sale: Any = next(theirs, None)
        order: Any = next(ours, None)
        while sale is not None or order is not None:
            if sale and order and sale[:2] == order[:2] and abs(sale[2] - order[2]) <= self._within:
                self._same(sale, order)
                sale, order = self._after(theirs, sale), next(ours, None)
            elif order is None or (sale is not None and sale[:3] < order[:3]):
                self._same(sale, None)
                sale = self._after(theirs, sale)
            else:
                if self._span[0] <= order[2] <= self._span[1]:
                    self._same(None, order)
                order = next(ours, None)
        write("COMMIT")
        return [Count(what, *found) for what, found in self._found.items()]

    def _after(self, theirs: Iterator[tuple[Any, ...]], sale: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a row
        """Return the next sale of the file; a line that says one again is refused."""
        for row in theirs:
            if row[:3] != sale[:3]:
                return row
            self._kept.execute("INSERT INTO refused VALUES (?, ?)", [row[3], f"is the sale of line {sale[3]} again"])
        return None

    def _same(self, sale: tuple[Any, ...] | None, order: tuple[Any, ...] | None) -> None:
        """Compare the two sides of one sale, one of which may have done nothing."""
        if sale:
            self._may_be_called(sale)
        nothing = (DID_NOT, NOTHING, DID_NOT, DID_NOT)
        did = dict(zip(DEEDS, sale[6:] if sale else nothing, strict=True))
        would = dict(zip(DEEDS, order[4:8] if order else nothing, strict=True))
        because = f"{order[8]} {order[9]}" if order else ""
        for each in self._deeds:
            self._note(each, sale, order, (did[each], would[each], because))

    def _may_be_called(self, sale: tuple[Any, ...]) -> None:
        line, plan, at, _, _, carrier, *_ = sale
        found = self._kept.execute(
            "SELECT kind FROM barred WHERE line = ? AND since <= ? AND (until = 0 OR until > ?) "
            "AND (carrier = '*' OR ? = '' OR carrier = ?) AND (plan = '' OR plan = ?) ORDER BY since LIMIT 1",
            [line, at, at, carrier, carrier, plan],
        ).fetchone()
        self._note(CALLED, sale, None, (DID, DID_NOT if found else DID, found[0] if found else ""))

    def _note(
        self, what: str, sale: tuple[Any, ...] | None, order: tuple[Any, ...] | None, said: tuple[str, str, str]
    ) -> None:  # fmt: skip
        theirs, ours, because = said
        count = self._found[str(what)]
        count[0] += 1
        if theirs == ours:
            count[1] += 1
            return
        nothing = {DID_NOT, NOTHING} if what != Column.ANSWER else {NOTHING}
        count[3 if theirs in nothing else 2 if ours in nothing else 4] += 1
        n, row = (
            (sale[3], (sale[2], sale[4], sale[1])) if sale else (0, (order[2], order[3], order[1]) if order else ())
        )
        values = [str(what), n, *row, theirs, ours, because]
        self._kept.execute("INSERT INTO differences VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
