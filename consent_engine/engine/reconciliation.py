"""Calls dialled against calls reported: a CDR file of the exchange, compared with what desks made known.

A call that was dialled and that no desk reported is recorded as a call with a violation; one that was reported and
never dialled is a doubt, which is named. The files are compared on disk, in a database that goes with the process: a
million calls need no more memory than a thousand.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.admission.call_request import CallStart, StartCall
from consent_engine.domain.call.cdr import Column, Dialled, official_of, read_cdr
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.csv_file import FileRefused, RefusedLine, columns_of
from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import Millis
from consent_engine.domain.forms import OLDEST_MS, SKEW_MS
from consent_engine.domain.line.line import line_id
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.call_book import CallBook
from consent_engine.engine.catalogue import Catalogue
from consent_engine.engine.round_trips import or_raised
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import Store
from consent_engine.ports.queries import Reconciliation

BY = "cli:reconcile"
"""Who makes a call known that a CDR file shows; no API key has a name with a colon."""
AGENT = "unknown"
"""The agent of such a call: a CDR file names none."""
WITHIN_MS = 120_000
"""How far the beginnings of a call by the exchange's clock and by a desk's may lie apart."""
MOST_CALLS = 10_000_000
AT_ONCE, A_BATCH = 200, 10_000
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16384;
CREATE TABLE dialled (n INTEGER PRIMARY KEY, msisdn TEXT, caller TEXT, at INT, line TEXT);
CREATE TABLE reported (line TEXT, official INT, at INT, call TEXT);
CREATE TABLE refused (n INTEGER PRIMARY KEY, why TEXT);
CREATE TABLE unreported (n INTEGER PRIMARY KEY);
CREATE TABLE doubted (at INT, call TEXT);
"""


class CdrForm(NamedTuple):
    """How a CDR file is read. named: its names of the columns · carrier: whose calls they are; None: the one whose
    official number they came from · within: how far two clocks may lie apart
    """

    named: Mapping[Column, str] = MappingProxyType(columns_of(None, Column))
    carrier: str | None = None
    within: Millis = WITHIN_MS


class Compared:
    """A CDR file that was compared. calls: it has · since, until: from the first of them to the last"""

    def __init__(self, kept: sqlite3.Connection, carrier: str, calls: int, since: Millis, until: Millis) -> None:
        self._kept = kept
        self.carrier = carrier
        self.calls = calls
        self.since = since
        self.until = until

    def count(self, table: str) -> int:
        """Return how many calls or lines are `unreported`, `doubted` or `refused`."""
        return int(self._kept.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - a table of this file

    def refused(self) -> Iterator[RefusedLine]:
        """Yield the lines that cannot be read, in their order."""
        yield from (RefusedLine(*row) for row in self._kept.execute("SELECT n, why FROM refused ORDER BY n"))

    def unreported(self) -> Iterator[Dialled]:
        """Yield the calls that were dialled and that no desk reported, in the order of the file."""
        rows = "SELECT n, msisdn, caller, at FROM unreported JOIN dialled USING (n) ORDER BY n"
        yield from (Dialled(n, Msisdn(msisdn), *rest) for n, msisdn, *rest in self._kept.execute(rows))

    def doubted(self) -> Iterator[tuple[Millis, str]]:
        """Yield the calls that were reported and never dialled, by their beginning."""
        yield from self._kept.execute("SELECT at, call FROM doubted ORDER BY at, call")


class Reconciler:
    """Compares CDR files with the calls of one store."""

    def __init__(
        self, store: Store, calls: CallBook, catalogue: Catalogue, terms: Terms, secret: str, now: Callable[[], Millis]
    ) -> None:
        self._store = store
        self._calls = calls
        self._catalogue = catalogue
        self._terms = terms
        self._secret = secret
        self._now = now

    @contextmanager
    def compared(self, lines: Iterable[str], form: CdrForm) -> Iterator[Compared]:
        """Compare a CDR file with the calls reported until now; nothing is recorded.

        Raises FileRefused for what is no CDR file of a carrier whose plans are sold here, ArchiveUnavailable, and
        StoreUnavailable.
        """
        # A database without a name is a file that is deleted when it is opened: nobody finds numbers in it later.
        with closing(sqlite3.connect("", isolation_level=None)) as kept:
            try:
                kept.executescript(_TABLES)
                carrier = self._keep(kept, lines, form)
                since, until = kept.execute("SELECT min(at), max(at) FROM dialled").fetchone()
                reported = as_of_now(self._store).calls.reported(carrier, since - form.within, until + form.within)
                _insert(kept, "INSERT INTO reported VALUES (?, ?, ?, ?)", reported)
                _compare(kept, CARRIERS[carrier].outbound, (since, until), form.within)
                [calls] = kept.execute("SELECT count(*) FROM dialled").fetchone()
            except sqlite3.Error as error:
                raise FileRefused(f"the file cannot be compared on disk: {error}: see TMPDIR") from None
            yield Compared(kept, carrier, calls, since, until)

    def record(self, found: Compared, by: str, digest: str, *, anyway: bool = False) -> None:
        """Record the calls that no desk reported, each with its violations, and that the file was compared. The same
        again records none of them twice. by: who asks · digest: SHA-256 of the file · anyway: though none of its calls
        was reported

        Raises FileRefused where none was: a wrong column or clock would make a violation of every call. Raises
        ArchiveUnavailable and StoreUnavailable: then the same again goes on.
        """
        archive = self._store.bound_archive()
        if archive is None:
            raise ArchiveUnavailable("there is no archive")
        if found.count("unreported") == found.calls and not anyway:
            raise FileRefused(
                "not one of these calls was reported: are the file, its columns and its clock right? --dry-run lists "
                "them, --anyway records them as violations all the same"
            )
        rows = found.unreported()
        while some := list(islice(rows, AT_ONCE)):
            for each in self._calls.record_many([_start(call, found.carrier) for call in some]):
                or_raised(each)
        figures = (found.count("unreported"), found.count("doubted"), found.count("refused"))
        span = found.since, found.until
        archive.note(Reconciliation(self._now(), digest, by, found.carrier, *span, found.calls, *figures))

    def _keep(self, kept: sqlite3.Connection, lines: Iterable[str], form: CdrForm) -> str:
        """Keep the calls of a file; return their carrier. Raises FileRefused."""
        now, carrier, calls = self._now(), form.carrier, 0
        span = max(now - OLDEST_MS, self._terms.reporting.keep.records_before(now)), now + SKEW_MS
        rows = read_cdr(lines, form.named, self._terms.reporting.days, span)
        while some := list(islice(rows, A_BATCH)):
            dialled = [each for each in some if isinstance(each, Dialled)]
            carrier = _one_carrier(dialled, carrier)
            calls += len(dialled)
            if calls > MOST_CALLS:
                raise FileRefused(f"the file has more than {MOST_CALLS:,} calls: cut it by days")
            _insert(
                kept,
                "INSERT INTO dialled VALUES (?, ?, ?, ?, ?)",
                ((*each, line_id(self._secret, each.msisdn)) for each in dialled),
            )
            _insert(kept, "INSERT INTO refused VALUES (?, ?)", (each for each in some if isinstance(each, RefusedLine)))
        if not calls:
            why = kept.execute("SELECT n, why FROM refused ORDER BY n LIMIT 1").fetchone()
            raise FileRefused(f"no line is a call; line {why[0]}: {why[1]}" if why else "the file has no call")
        if carrier is None:
            raise FileRefused("no call came from an official number: name the carrier with --carrier")
        if carrier not in {listed.plan.carrier for listed in self._catalogue.fresh().values()}:
            raise FileRefused(f"this is a CDR file of {carrier}, of which nothing is sold here")
        return carrier


def _one_carrier(dialled: Iterable[Dialled], carrier: str | None) -> str | None:
    """Return the carrier of these calls; None where none came from an official number. Raises FileRefused for two."""
    for each in dialled:
        if (of := official_of(each.caller)) is not None:
            carrier = carrier or of
            if of != carrier:
                raise FileRefused(
                    f"line {each.line} came from {each.caller}, the number of {of}: the file is of another carrier "
                    f"than {carrier}, or of several: compare that of each carrier by itself"
                )
    return carrier


def _start(call: Dialled, carrier: str) -> CallStart:
    form = StartCall.model_validate({
        "from": call.caller, "to": call.msisdn, "carrier": carrier, "agent": AGENT,
        "started_at": CHINA.instant(call.at),
    })  # fmt: skip
    return CallStart(BY, f"{call.msisdn} {call.caller} {call.at}", form, reported=False)


def _insert(kept: sqlite3.Connection, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    kept.execute("BEGIN")
    kept.executemany(statement, rows)
    kept.execute("COMMIT")


def _compare(kept: sqlite3.Connection, outbound: str, span: tuple[Millis, Millis], within: Millis) -> None:
    """Write down which calls were not reported, which are to be doubted, and which lines say a call again.

    Both sides are sorted by number, by whether the call came from the official number, and by instant; of each number
    the earliest calls that lie close enough are the same. A call that is reported from another number than it came
    from is not the same.
    """
    dialled = kept.execute(
        "SELECT line, caller = ? AS official, at, n, caller FROM dialled ORDER BY line, official, at, caller, n",
        [outbound],
    )
    reported = kept.execute("SELECT line, official, at, call FROM reported ORDER BY line, official, at, call")
    kept.execute("BEGIN")
    call: Any = next(dialled, None)
    told: Any = next(reported, None)
    while call is not None or told is not None:
        if call is not None and told is not None and call[:2] == told[:2] and abs(call[2] - told[2]) <= within:
            call, told = _after(kept, dialled, call), next(reported, None)
        elif told is None or (call is not None and call[:3] < told[:3]):
            kept.execute("INSERT INTO unreported VALUES (?)", [call[3]])
            call = _after(kept, dialled, call)
        else:
            if span[0] <= told[2] <= span[1]:
                kept.execute("INSERT INTO doubted VALUES (?, ?)", told[2:])
            told = next(reported, None)
    kept.execute("COMMIT")


def _after(kept: sqlite3.Connection, dialled: Iterator[tuple[Any, ...]], call: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a row
    """Return the next call of a file; a line that says one again is refused."""
    *one, n, caller = call
    for row in dialled:
        *other, again, by = row
        if (other, by) != (one, caller):
            return row
        kept.execute("INSERT INTO refused VALUES (?, ?)", [again, f"is the call of line {n} again"])
        kept.execute("DELETE FROM dialled WHERE n = ?", [again])
    return None
