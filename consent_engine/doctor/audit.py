"""The audit: a walk over the records beside the log. Those that were dropped or rewritten are named, and entries.

It goes through the records that the log has, then those that SQL lists, then those that the store alone has. Each must
have the chain that the log has, and no event that is neither there nor on its way there; and its row in SQL agrees with
it: lists, searches, retention and the reservations of recordings go by columns, which no seal covers. Refusals and
registrations that the log has must stand, or be lifted. The catalogue must have each plan as it was sold: an order's
first link covers the hash of its plan, and the log covers that link.

Each piece is looked at twice, and what both looks find is noted: so records that were read one after the other, while
others write, are no finding.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import chain

from consent_engine.doctor.rules import Found, broken_by
from consent_engine.domain.effects import Millis
from consent_engine.domain.line.line import Line
from consent_engine.domain.offer.versions import Version
from consent_engine.domain.order.order import Order
from consent_engine.engine.audit import EVER, PIECE, Between, Logged, Replay, Wrong, beside, replayed
from consent_engine.engine.recall import pieces
from consent_engine.ports import KINDS, OWNERS, Owner, Recorded, ReportFilter, Snapshot, Store
from consent_engine.ports.queries import Position

MOST = 10_000_000
UNREFUSED = "a refusal is gone: the log has no lifting of it"
Plans = Callable[[], Mapping[str, tuple[Version, ...]]]
"""Returns the versions of every plan in the catalogue."""
Places = Callable[[Position | None, int], list[Position]]
KIND: Mapping[Owner, type[Recorded | Line]] = {owner: kind for kind, owner in OWNERS.items()}


def listed(page: Places, piece: int, most: int = MOST, between: Between = EVER) -> Iterator[list[str]]:
    """Yield the names of a list that came in a period, newest first, a page at a time, up to `most`."""
    before: Position = (between[1], "")
    while most > 0 and before[0] >= between[0] and (rows := page(before, min(piece, most))):
        yield [record for at, record in rows if at >= between[0]]
        before, most = rows[-1], most - len(rows)


@dataclass
class Audit:
    """A walk, piece by piece. log: as it was read before · plans: the catalogue, which must have each plan as it was
    sold; None leaves it out

    found: by rule, the names that break it, and how · expired: how many entries are of records deleted by retention
    """

    store: Store
    _: KW_ONLY
    log: Replay = field(default_factory=Replay)
    plans: Plans | None = None
    found: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    expired: int = 0
    sold: dict[tuple[str, int, str], str] = field(default_factory=dict)
    """the plans that orders were placed under, each with one of these orders"""

    @property
    def wrong(self) -> list[Wrong]:
        """What is named, and how it differs."""
        return [row for rows in self.found.values() for row in rows.items()]

    def everything(self) -> None:
        """Look at every record."""
        for owner in Owner:
            for names in chain(self.logged(owner), self.stored(owner)):
                self.look(owner, names)

    def logged(self, owner: Owner) -> Iterator[Sequence[str]]:
        """Yield the records of a kind that the log has, and the others that SQL lists."""
        known, ask = self.log.leaves[owner], self.store.queries
        yield from pieces(list(known), PIECE)
        lists: Mapping[Owner, Callable[[], Places]] = {
            Owner.ORDER: lambda: ask.orders.listed, Owner.CALL: lambda: ask.calls.listed,
            Owner.ENDING: lambda: ask.endings.listed, Owner.REPORT: lambda: partial(ask.reports.page, ReportFilter()),
        }  # fmt: skip
        if self.log.began is not None and owner in lists:
            for names in listed(lists[owner](), PIECE, between=self.log.between):
                yield [name for name in names if name not in known]

    def stored(self, owner: Owner) -> Iterator[Sequence[str]]:
        """Yield the records of a kind that the store has and SQL lacks: no list names them."""
        archive = self.store.archive
        if self.log.began is not None and archive is not None and owner in KINDS:
            for names in self.store.records.names(owner):
                yield list({*names} - archive.known(KINDS[owner], names))

    # -- a piece of them -------------------------------------------------------------------------------------------

    def look(self, owner: Owner, names: Sequence[str]) -> None:
        """Look at some records of a kind."""
        if not names:
            return
        kind = KIND[owner]
        found = self.store.records.look({kind: names})
        first = self.read(owner, names, found)
        self.seen(owner, names, found, first)
        broken = {each.key: rules for each in first if (rules := broken_by(each))}
        again = list(dict.fromkeys(name for _, name, _ in broken))
        for each in self.read(owner, again, self.store.records.look({kind: again})) if again else ():
            before = broken.get(each.key, {})
            if both := {rule: said for rule, said in broken_by(each).items() if rule in before}:
                self.confirmed(owner, each, both)

    def read(self, owner: Owner, names: Sequence[str], found: Snapshot) -> Sequence[Found | Logged]:
        """Read all that the rules of records are asked about. found: the records as the store has them"""
        return beside(self.store, self.log, owner, names, found)

    def seen(self, _owner: Owner, _names: Sequence[str], _found: Snapshot, first: Sequence[Found | Logged]) -> None:
        """Keep what others are compared with."""
        for each in first:
            if isinstance(each, Logged) and isinstance(each.record, Order):
                offer = each.record.doc.offer
                self.sold.setdefault((offer.plan, offer.plan_version, offer.plan_hash), each.name)
            elif isinstance(each, Logged) and each.record is None:
                self.expired += each.early

    def confirmed(self, _owner: Owner, each: Found | Logged, rules: Mapping[str, str]) -> None:
        """Note what is wrong with a record at both looks."""
        for rule, said in rules.items():
            self.found[rule][each.name] = said

    def note(self, rule: str, names: Iterable[str]) -> None:
        """Note what breaks a rule that the walk itself sees."""
        self.found[rule] |= dict.fromkeys(names, "")

    # -- what is no record -----------------------------------------------------------------------------------------

    def resold(self) -> None:
        """Note the plans that do not stand as they were sold. A version that nobody bought yet, the instants from which
        a tariff is public, and who approved it, are in no order: nothing here would show that they changed.
        """
        if self.plans is None or self.log.began is None:
            return
        try:
            hashes = {(code, each.number): each.plan.hash for code, all_of in self.plans().items() for each in all_of}
        except (KeyError, TypeError, ValueError):
            self.found["resold"]["plans"] = "cannot be read: a record of the catalogue was changed or damaged"
            return
        for (code, number, hashed), order in self.sold.items():
            stands = hashes.get((code, number))
            if stands is None:
                said = f"version {number} is gone: order {order} was placed under it"
            elif stands != hashed:
                said = f"version {number} is not as it was sold: order {order} has another hash of it"
            else:
                continue
            self.found["resold"][f"plan {code}"] = said

    def refusals(self, liftings: Iterable[str] | None) -> Sequence[tuple[str, str]]:
        """Note and return line and head of the refusals that the log has, and that are gone."""
        lost = self.log.refusals.missing(self.store, liftings)
        self.found["unrefused"] |= {line: UNREFUSED for line, _ in lost}
        return lost


def audit(
    store: Store, kept_since: Millis, between: Between, tell: Callable[[int], None] = lambda _: None,
    plans: Plans | None = None, liftings: Iterable[str] | None = None,
) -> Audit:  # fmt: skip
    """Check every log entry of a period, and every record that came in it. Reads only. tell: receives the number of
    entries read so far, now and then · plans: the catalogue, which must have each plan as the period's orders were sold
    it; None leaves it out · liftings: the records of all that are known; None: the newest are looked at

    kept_since: what ended before may have been deleted by its class. Raises StoreUnavailable and ArchiveUnavailable;
    NotOurArchive for another installation's log.
    """
    log = replayed(store, kept_since, between, tell)
    walk = Audit(store, log=log, plans=plans)
    walk.found["log"] |= dict(log.wrong)
    walk.everything()
    walk.resold()
    walk.refusals(liftings)
    return walk
