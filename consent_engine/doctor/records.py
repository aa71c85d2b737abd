"""The walk over stored records: the newest and those that are due, or all; in pieces, with their numbers reported.

Each piece is looked at twice: what both looks find of a record that did not change in between is noted, and mended by a
commit that names the version it saw. So records that were read one after the other, while others write, are no finding.

Where all is wanted the records are read beside the log, too: each must have the chain that the log has, and no event
that is neither there nor on its way there; and its row in SQL must agree with it: lists, searches, retention and the
reservations of recordings go by columns, which no seal covers. Refusals and registrations that the log has must stand,
or be lifted. The catalogue must have each plan as it was sold: an order's first link covers the hash of its plan, and
the log covers that link. An audit is this walk beside the log alone.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import chain, islice

from consent_engine.adapters.redis.inspection import Kind, RedisSurvey
from consent_engine.doctor import refusals
from consent_engine.doctor.compared import Compared, Plans
from consent_engine.doctor.findings import Finding, good, named
from consent_engine.doctor.rules import RULES, Found, FoundOrder, broken_by
from consent_engine.domain.call.call import Call
from consent_engine.domain.effects import Lane, Millis, lane_of
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import LASTING
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import Leaf
from consent_engine.engine.audit import EVER, Between, Logged, Replay, beside
from consent_engine.engine.audit_refusals import note_lifted, note_standing, noted
from consent_engine.engine.recall import pieces
from consent_engine.ports import (
    KINDS,
    OWNERS,
    Change,
    Commit,
    CommitResult,
    Owner,
    ReportFilter,
    Snapshot,
    Store,
    by_kind,
)
from consent_engine.ports.queries import NOTHING, Only, Position

PIECE = 200
SAMPLE = 1_000
TELL_EVERY, TELL_ENTRIES = 5_000, 100_000
"""The numbers of orders, and of the log's entries, after which progress is reported."""
_NOUNS: Mapping[str, str] = {Owner.ORDER: "orders", "entries": "entries of the log"}
SOME_PIECES = 20
RESERVED_MS = 3_600_000
"""No request lasts this long: an older reservation without an order is of a process that died."""
MENDED = "put back what was missing of"
"""The beginning of the finding about mended records."""
UNREFUSED = "a refusal is gone: the log has no lifting of it"
_MEMBER = re.compile(r"([olcer]):([^:]+):((?:sms|wake)\..+|activate|deactivate|read)")
_KIND = {owner: kind for kind, owner in OWNERS.items()}
_Places = Callable[[Position | None, int], list[Position]]


def _paged(page: _Places, piece: int, between: Between = EVER) -> Iterator[list[str]]:
    """Yield the names of a list that came in a period, newest first, a page at a time."""
    before: Position = (between[1], "")
    while before[0] >= between[0] and (rows := page(before, piece)):
        yield [record for at, record in rows if at >= between[0]]
        before = rows[-1]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much to check: `all` is everything. mend: put back parts surely missing · stopped: workers are, on purpose:
    whether they are heard from, and what waits for them, is not looked at

    piece: orders at a time · tell_every: the number of orders after which progress is reported
    """

    all: bool = False
    mend: bool = False
    stopped: bool = False
    sample: int = SAMPLE
    piece: int = PIECE
    tell_every: int = TELL_EVERY


@dataclass
class Walk:
    """A walk over the records. survey: of what workers go by, dues and reservations; None: an audit, beside the log
    alone · plans: the catalogue, which must have each plan as it was sold; None leaves it out · log: what was read of
    it, it is read on

    found: by rule, the names that break it, and how · mended: the records put right · expired: how many entries are of
    records deleted by retention
    """

    store: Store
    survey: RedisSurvey | None
    lease_ms: Millis = 0
    wanted: Wanted = Wanted(all=True)
    _: KW_ONLY
    plans: Plans | None = None
    log: Replay = field(default_factory=Replay)
    tell: Callable[[str], None] = lambda _: None
    found: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    mended: list[str] = field(default_factory=list)
    expired: int = 0
    looked: Counter[Owner | str] = field(default_factory=Counter)
    lines: dict[str, None] = field(default_factory=dict)
    """lines named by orders, by due-set entries and by inboxes"""
    refused: dict[tuple[str, str], Millis] = field(default_factory=dict)
    """line and carrier -> the latest refusal in the orders looked at; the line's own may be newer"""
    lasting: set[tuple[str, str]] = field(default_factory=set)
    """line and name of the refusals and registrations, without an end, on the lines looked at"""
    sold: dict[tuple[str, int, str], str] = field(default_factory=dict)
    """the plans that orders were placed under, each with one of these orders"""
    present: set[str] = field(default_factory=set)
    """ids of the records that SQL has as present in Redis"""
    lost: list[str] = field(default_factory=list)
    """those of them, orders, without a record"""

    @property
    def wrong(self) -> list[tuple[str, str]]:
        """What is named, and how it differs."""
        return [row for rows in self.found.values() for row in rows.items()]

    # -- which records ---------------------------------------------------------------------------------------------

    def everything(self) -> None:
        """Look at all that is wanted."""
        store, survey, whole = self.store, self.survey, self.wanted.all
        if whole:
            self.log.read_on(store, lambda more: self._count("entries", more, TELL_ENTRIES))
            self.found["log"] |= self.log.wrong
        for owner in KINDS:
            self._all_of(owner)
        if self.lost:  # one that has left for good meanwhile is present no more
            left = store.archive.versions(self.lost) if store.archive is not None else {}
            self._note("gone", [each for each in self.lost if each not in left])
        if survey:
            self._due(survey)
        self._lines()
        if whole:
            self._resold()
            self._refusals()

    def _lines(self) -> None:
        """Look at the lines that the log has, and at those that were named, or, where all is wanted, have anything."""
        known, survey = self.log.leaves[Owner.LINE], self.survey
        if survey and self.wanted.all:
            for ids in chain(self.store.records.names(Owner.LINE), survey.names(Kind.INBOX)):
                self.lines |= dict.fromkeys(ids)
        for piece in pieces([*known, *(each for each in self.lines if each not in known)], PIECE):
            self.look(Owner.LINE, piece)

    def _count(self, of: Owner | str, more: int, tell: int = 0) -> None:
        """Count what was looked at. tell: after how many of these progress is reported; 0: it is not"""
        before, self.looked[of] = self.looked[of], self.looked[of] + more
        if tell and before // tell < self.looked[of] // tell:
            self.tell(f"looked at {self.looked[of]:,} {_NOUNS[of]}")

    def _all_of(self, owner: Owner) -> None:
        """Look at the records of a kind, or at the first of them, up to the sample."""
        seen, most = set[str](), sys.maxsize if self.wanted.all else self.wanted.sample
        for names in self._names(owner):
            fresh = [each for each in dict.fromkeys(names) if each not in seen][: most - len(seen)]
            for piece in pieces(fresh, PIECE):
                seen.update(piece)
                self.look(owner, piece)
            if len(seen) == most:
                return

    def _names(self, owner: Owner) -> Iterator[Sequence[str]]:
        """Yield the records that SQL has as present, newest first; then those of the period that it lists, and those
        that the log has; then those of Redis, or some, where the scribe is behind or SQL cannot be asked. An audit
        needs only those of Redis that no list names.
        """
        store, log, whole, ask = self.store, self.log, self.wanted.all, self.store.queries
        listed: _Places | None = None if ask is NOTHING or owner is Owner.LINE else (
            partial(ask.reports.page, ReportFilter()) if owner is Owner.REPORT else partial(ask.places, owner, Only.ALL)
        )  # fmt: skip
        if listed and owner is not Owner.REPORT and self.survey:
            for page in _paged(partial(ask.places, owner, Only.PRESENT), self.wanted.piece):
                self.present.update(page)
                yield page
            if not whole and not store.journal.waiting().count:
                return
        if listed and log.began is not None:
            yield from _paged(listed, PIECE, log.between)
        yield from pieces(list(log.leaves[owner]), PIECE)
        for names in store.records.names(owner, None if whole else SOME_PIECES):
            has = set() if self.survey or store.archive is None else store.archive.known(KINDS[owner], names)
            yield [each for each in names if each not in has]

    # -- a piece of them -------------------------------------------------------------------------------------------

    def look(self, owner: Owner, names: Sequence[str]) -> None:
        """Look at some records of a kind."""
        first, found = self._read(owner, names)
        self._seen(owner, names, found)
        for each in first:
            self._keep(each)
        broken = {each.key: rules for each in first if (rules := broken_by(each))}
        both = list[tuple[Found | Logged, dict[str, str]]]()
        for each in self._again(owner, broken):
            before = broken.get(each.key, ())
            if rules := {rule: said for rule, said in broken_by(each).items() if rule in before}:
                both.append((each, rules))
        if both and self.wanted.mend:
            self._mend(both)
            left = {(each.name, rule) for each in self._again(owner, broken) for rule in broken_by(each)}
            both = [(each, {rule: rules[rule] for rule in rules if (each.name, rule) in left}) for each, rules in both]
        for each, rules in both:
            for rule, said in rules.items():
                self.found[rule][each.name] = said

    def _read(self, owner: Owner, names: Sequence[str]) -> tuple[list[Found | Logged], Snapshot]:
        """Return records with all that the rules compare them with, read behind them; and the records alone."""
        found = self.store.records.look({_KIND[owner]: names})
        compared = Compared(self.store, self.survey, self.plans or dict).read(owner, found) if self.survey else ()
        logged = beside(self.store, self.log, owner, names, found) if self.wanted.all else ()
        return [*compared, *logged], found

    def _again(self, owner: Owner, keys: Iterable[tuple[type, str, int]]) -> Sequence[Found | Logged]:
        names = list(dict.fromkeys(name for _, name, _ in keys))
        return self._read(owner, names)[0] if names else ()

    def _seen(self, owner: Owner, names: Sequence[str], found: Snapshot) -> None:
        """Count records; note those that cannot be read, or that SQL has as present and Redis has not."""
        there = found.all
        self._count(owner, len(there), self.wanted.tell_every if owner is Owner.ORDER else 0)
        self._note("unreadable", found.unreadable if self.survey else ())
        if owner is Owner.ORDER:
            absent = (each for each in names if not (each in there or each in found.unreadable))
            self.lost += [each for each in absent if each in self.present]

    def _keep(self, each: Found | Logged) -> None:
        """Keep what others are compared with."""
        record = each.record
        if isinstance(each, Logged):
            if isinstance(record, Order):
                offer = record.doc.offer
                self.sold.setdefault((offer.plan, offer.plan_version, offer.plan_hash), each.name)
            self.expired += each.early if record is None else 0
        elif isinstance(record, Order):
            self.lines[record.line] = None
            if at := record.refused_at:
                whom = record.line, record.doc.carrier
                self.refused[whom] = max(at, self.refused.get(whom, 0))
        elif isinstance(record, Line):
            standing = [each for each in record.restrictions if each.kind in LASTING and not each.until]
            self.lasting.update((record.id, each.name) for each in standing)

    def _note(self, rule: str, names: Iterable[str]) -> None:
        """Note what breaks a rule that the walk itself sees."""
        self.found[rule] |= dict.fromkeys(names, "")

    # -- what is no record -----------------------------------------------------------------------------------------

    def _resold(self) -> None:
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

    def _refusals(self) -> None:
        """Note lines whose refusal is gone and was not lifted; or put it back, if this mends and it can be."""
        store, survey, known = self.store, self.survey, self.log.refusals
        gone = known.missing(store, chain.from_iterable(survey.lifted()) if survey else None)
        lost = {*refusals.named(gone, self.plans or dict)}
        if survey:
            lost |= {*refusals.off_their_lines(store), *refusals.not_lifted(store, survey, self.refused, known)}
        back = sorted(each for each in lost if each[1]) if self.wanted.mend else []
        for some in pieces(back, PIECE):
            store.inbox.receive([refusals.put_back(*each) for each in some])
            self.mended += [f"{line} refusal" for line, _ in some]
        self.found["unrefused"] = {line: UNREFUSED for line, _ in sorted(lost.difference(back))}
        if survey and store.log is not None:
            self._unlogged()

    def _unlogged(self) -> None:
        """Note refusals and liftings that the log lacks; or have them noted there, if this mends."""
        store, mends = self.store, self.wanted.mend
        for acts in pieces(self.log.refusals.lifted, PIECE):
            lacking = refusals.unlifted(store, acts)
            done = mends and lacking and note_lifted(store, lacking)
            self._lacking("unlifted", [leaf.record for _, leaf in lacking], done=bool(done))
        for some in pieces(refusals.unlogged(store, self.lasting, self.log), PIECE):
            self._lacking("unlogged", [line for line, _ in some], done=bool(mends and note_standing(store, some)))

    def _lacking(self, rule: str, lines: Sequence[str], *, done: bool) -> None:
        """Note lines of which the log lacks something, or had it noted there."""
        if done:
            self.mended += [f"{line} log entry" for line in lines]
        else:
            self._note(rule, lines)

    # -- due-sets, mends -------------------------------------------------------------------------------------------

    def _due(self, survey: RedisSurvey) -> None:
        for lane in Lane:
            for members in survey.waiting(lane, None if self.wanted.all else self.wanted.sample):
                for piece in pieces(members, PIECE):
                    self._members(survey, lane, piece)

    def _members(self, survey: RedisSurvey, lane: Lane, members: Sequence[str]) -> None:
        """Check entries of a due-set: note those that no record wants."""
        self._count("due", len(members))
        read: list[tuple[str, Owner, str, str]] = []
        for member in members:
            match = _MEMBER.fullmatch(member)
            if match is None or lane_of(match[3]) is not lane:
                self._note("member", [member[:80]])
                continue
            read.append((member, Owner(match[1]), match[2], match[3]))
            if match[1] == Owner.LINE:
                self.lines[match[2]] = None
        idle = [(lane, member) for member, *_ in self._idle(self._idle(read))]
        standing = survey.dues(idle)
        self._note("idle", [member for (_, member), due in zip(idle, standing, strict=True) if due is not None])

    def _idle(self, read: Sequence[tuple[str, Owner, str, str]]) -> list[tuple[str, Owner, str, str]]:
        records = self.store.records.look(by_kind((whose, record) for _, whose, record, _ in read)).all
        return [row for row in read if row[2] not in records or row[3] not in records[row[2]].effects]

    def _mend(self, some: Iterable[tuple[Found | Logged, Mapping[str, str]]]) -> None:
        """Put back the missing parts of records, and have the log learn of the newest event, and with it of the whole
        chain, of those that it lacks. A change is refused if the record is no longer as it was read.
        """
        logged = [each.record for each, rules in some if isinstance(each, Logged) and "unsealed" in rules]
        lacking = [(record, Leaf.of_record(record)) for record in logged if record is not None]
        self.mended += [f"{name} log entry" for name in noted(self.store, lacking)]
        for found in (each for each, _ in some if isinstance(each, Found)):
            if (change := found.change(self.lease_ms)) is not None:
                self._save(change, *(f"{found.name} {put.effect}" for put in change.put))
            if isinstance(found, FoundOrder) and (bar := found.bar) and found.line:
                barred = Change.of(found.line, {f"r:{bar.name}": bar.encode()})
                self._save(barred, f"{found.name} {bar.kind}")

    def _save(self, change: Change, *mended: str) -> None:
        [saved] = self.store.records.commit([Commit("", (change,))], prove=True)
        if saved is CommitResult.OK:
            self.mended += mended


def records(
    store: Store, survey: RedisSurvey, lease_ms: int, wanted: Wanted, tell: Callable[[str], None], plans: Plans = dict,
    kept_since: Millis = 0,
) -> Iterator[Finding]:  # fmt: skip
    """Check the records and yield the findings. store: without its archive and log when these cannot be asked · tell:
    reports progress · plans: returns all that were published · kept_since: what ended before may have been deleted
    """
    walk = Walk(store, survey, lease_ms, wanted, plans=plans, log=Replay(kept_since), tell=tell)
    walk.everything()
    looked = walk.looked
    if walk.mended:
        yield good(f"{MENDED} {named(walk.mended)}")
    for name, rule in RULES.items():
        if walk.found[name]:
            yield Finding(rule.level, f"{rule.what}: {named(walk.found[name])}", rule.do)
    rest = "" if wanted.all or looked[Owner.ORDER] < wanted.sample else "; --all looks at everything"
    sound = "" if any(walk.found.values()) else ": all of it holds together"
    seen = f"{looked[Owner.ORDER]:,} orders, {looked[Owner.LINE]:,} lines, {looked['due']:,} due-set entries"
    yield good(f"looked at {seen}{rest}{sound}")
    yield _reservations(store, survey, None if wanted.all else SOME_PIECES)


def audit(
    store: Store, kept_since: Millis, between: Between = EVER, tell: Callable[[str], None] = lambda _: None,
    plans: Plans | None = None,
) -> Walk:  # fmt: skip
    """Check every log entry of a period, and every record that came in it. Reads only. tell: reports progress · plans:
    the catalogue, which must have each plan as the period's orders were sold it; None leaves it out

    kept_since: what ended before may have been deleted by its class. Raises StoreUnavailable and ArchiveUnavailable;
    NotOurArchive for another installation's log.
    """
    walk = Walk(store, None, plans=plans, log=Replay(kept_since, between), tell=tell)
    walk.everything()
    return walk


def _reservations(store: Store, survey: RedisSurvey, limit: int | None) -> Finding:
    """Find keys whose request died between reserving and placing: harmless, the same request again takes them over."""
    looked, idle, now = 0, [], store.records.look({}).now
    for keys in islice(survey.names(Kind.RESERVATION), limit):
        kept = [(order, at) for order, at in survey.reservations(keys) if order]
        looked += len(kept)
        there = store.records.glance([order for order, _ in kept])
        gone = [order for (order, at), (v, _) in zip(kept, there, strict=True) if not v and now - at > RESERVED_MS]
        known: set[str] = {*store.records.look({Call: gone}).of(Call)}
        if store.archive is not None:
            known |= {*store.archive.versions(gone), *store.archive.recall(Call, gone)}
        idle += [record for record in gone if record not in known]
    died = f": of requests that died before they placed an order; the same request again takes them over: {named(idle)}"
    return good(f"looked at {looked:,} reservations, {len(idle)} without an order or a call{died if idle else ''}")
