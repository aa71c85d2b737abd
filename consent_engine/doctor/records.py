"""The walk over stored records: the newest and those that are due, or all; in pieces, with their numbers reported.

Each piece is looked at twice: what both looks find of a record that did not change in between is noted, and mended by a
commit that names the version it saw. So records that were read one after the other, while others write, are no finding.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import chain, islice

from consent_engine.adapters.redis.inspection import Kind, RedisSurvey
from consent_engine.doctor import refusals
from consent_engine.doctor.audit import KIND, MOST, UNREFUSED, Audit, Places, Plans, listed
from consent_engine.doctor.findings import Finding, good, named
from consent_engine.doctor.rules import RULES, Found, FoundCall, FoundEnding, FoundLine, FoundOrder, broken_by
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Lane, Millis, lane_of
from consent_engine.domain.line.line import Line, request_key
from consent_engine.domain.line.restriction import LASTING
from consent_engine.domain.offer.versions import Listed, Version
from consent_engine.domain.order.order import Order
from consent_engine.engine.audit import Logged, note_events, replayed
from consent_engine.engine.audit_refusals import note_lifted, note_standing
from consent_engine.engine.recall import pieces
from consent_engine.engine.revoking import awaits_revocation
from consent_engine.ports import By, Change, Commit, CommitResult, Owner, Recorded, Snapshot, Store, by_kind
from consent_engine.ports.queries import NOTHING

PIECE = 200
SAMPLE = 1_000
TELL_EVERY, TELL_ENTRIES = 5_000, 100_000
"""The numbers of orders, and of the log's entries, after which progress is reported."""
SOME_PIECES = 20
RESERVED_MS = 3_600_000
"""No request lasts this long: an older reservation without an order is of a process that died."""
REVOKING_MS = 60_000
"""How long a revocation may be at work, before an order that it has not reached is one that it never will."""
MENDED = "put back what was missing of"
"""The beginning of the finding about mended records."""
_MEMBER = re.compile(r"([olcer]):([^:]+):((?:sms|wake)\..+|activate|deactivate|read)")


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
class Walk(Audit):
    """A walk over the records and the due-sets; over the log, too, where all is wanted. `mended`: records put right"""

    survey: RedisSurvey
    lease_ms: int
    wanted: Wanted = Wanted(all=True)
    _: KW_ONLY
    tell: Callable[[str], None] = lambda _: None
    mended: list[str] = field(default_factory=list)
    looked: Counter[Owner | str] = field(default_factory=Counter)
    lines: dict[str, None] = field(default_factory=dict)
    """lines named by orders, by due-set entries and by inboxes"""
    refused: dict[tuple[str, str], Millis] = field(default_factory=dict)
    """line and carrier -> the latest refusal in the orders looked at; the line's own may be newer"""
    lasting: set[tuple[str, str]] = field(default_factory=set)
    """line and name of the refusals and registrations, without an end, on the lines looked at"""
    present: set[str] = field(default_factory=set)
    """ids of the records that SQL has as present in Redis"""
    lost: list[str] = field(default_factory=list)
    """those of them, orders, without a record"""
    kept_since: Millis = 0
    """what ended before may have been deleted by its class"""

    # -- which records ---------------------------------------------------------------------------------------------

    def everything(self) -> None:
        """Look at all that is wanted."""
        store, whole = self.store, self.wanted.all
        sql = store.queries if store.queries is not NOTHING else None
        size = store.log.size() if whole and store.log is not None else 0
        if whole:
            self._replay()
        self._all_of(Owner.ORDER, sql.orders.present if sql else None)
        if self.lost:  # one that has left for good meanwhile is present no more
            left = store.archive.versions(self.lost) if store.archive is not None else {}
            self.note("gone", [each for each in self.lost if each not in left])
        self._all_of(Owner.CALL, sql.calls.present if sql else None)
        self._all_of(Owner.ENDING, sql.endings.open if sql else None)
        self._all_of(Owner.REPORT, None)
        self._due()
        for ids in chain(store.records.names(Owner.LINE), self.survey.names(Kind.INBOX)) if whole else ():
            self.lines |= dict.fromkeys(ids)
        for piece in chain(self.logged(Owner.LINE), pieces(list(self.lines), PIECE)):
            self.look(Owner.LINE, piece)
        if whole:
            self.resold()
            self._refusals()
            if store.log is not None:
                self._unlogged(size)

    def _replay(self) -> None:
        """Read the log, and note its own damages."""
        far = 0

        def tell(entries: int) -> None:
            nonlocal far
            if entries // TELL_ENTRIES > far:
                far = entries // TELL_ENTRIES
                self.tell(f"looked at {entries:,} entries of the log")

        self.log = replayed(self.store, self.kept_since, tell=tell)
        self.found["log"] |= dict(self.log.wrong)

    def _refusals(self) -> None:
        """Note lines whose refusal is gone and was not lifted; or put it back, if this mends and it can be."""
        store, gone = self.store, self.refusals(chain.from_iterable(self.survey.lifted()))
        lost = {*refusals.off_their_lines(store), *refusals.named(gone, self.plans or dict)}
        lost |= {*refusals.not_lifted(store, self.survey, self.refused, self.log.refusals)}
        back = sorted(each for each in lost if each[1]) if self.wanted.mend else []
        for some in pieces(back, PIECE):
            store.inbox.receive([refusals.put_back(*each) for each in some])
            self.mended += [f"{line} refusal" for line, _ in some]
        self.found["unrefused"] = {line: UNREFUSED for line, _ in sorted(lost.difference(back))}

    def _unlogged(self, size: int) -> None:
        """Note refusals and liftings that the log lacks; or have them noted there, if this mends. size: how many
        entries the log had before it was replayed
        """
        store, known, mends = self.store, self.log.refusals, self.wanted.mend
        for acts in pieces(known.lifted, PIECE):
            lacking = refusals.unlifted(store, acts)
            noted = mends and lacking and note_lifted(store, lacking)
            self._lacking("unlifted", [leaf.record for _, leaf in lacking], noted=bool(noted))
        for some in pieces(refusals.unlogged(store, self.lasting, size, known), PIECE):
            noted = mends and note_standing(store, some)
            self._lacking("unlogged", [line for line, _ in some], noted=bool(noted))

    def _lacking(self, rule: str, lines: Sequence[str], *, noted: bool) -> None:
        """Note lines of which the log lacks something, or had it noted there."""
        if noted:
            self.mended += [f"{line} log entry" for line in lines]
        else:
            self.note(rule, lines)

    def _all_of(self, owner: Owner, sql: Places | None) -> None:
        """Look at the records that SQL has as present, newest first; then at those that the log has; then at all others
        that Redis has, or at some, up to the sample, where the scribe is behind or SQL cannot be asked.
        """
        wanted, seen, size = self.wanted, set[str](), MOST if self.wanted.all else self.wanted.sample
        for page in listed(sql, wanted.piece, size) if sql else ():
            self.present.update(page)
            self._new(owner, page, seen)
        for names in self.logged(owner):
            self._new(owner, names, seen)
        if not wanted.all and sql and not self.store.journal.waiting().count:
            return
        for names in self.store.records.names(owner, None if wanted.all else SOME_PIECES):
            if len(seen) >= size:
                return
            self._new(owner, names, seen)

    def _new(self, owner: Owner, names: Iterable[str], seen: set[str]) -> None:
        """Look at those that were not looked at yet."""
        for piece in pieces([each for each in dict.fromkeys(names) if each not in seen], PIECE):
            seen.update(piece)
            self.look(owner, piece)

    # -- a piece of them -------------------------------------------------------------------------------------------

    def confirmed(self, owner: Owner, each: Found | Logged, rules: Mapping[str, str]) -> None:
        if self.wanted.mend:
            if isinstance(each, Found):
                self._mend(each)
            elif "unsealed" in rules and note_events(self.store, [each.name]):
                self.mended.append(f"{each.name} log entry")
            name = each.key[1]
            again = self.read(owner, [name], self.store.records.look({KIND[owner]: [name]}))
            now = [rule for one in again for rule in broken_by(one)]
            rules = {rule: said for rule, said in rules.items() if rule in now}
        super().confirmed(owner, each, rules)

    def seen(self, owner: Owner, names: Sequence[str], found: Snapshot, first: Sequence[Found | Logged]) -> None:
        """Note records that cannot be read, or that SQL has as present and Redis has not; count the others, and keep
        what others are compared with.
        """
        super().seen(owner, names, found, first)
        there = found.of(KIND[owner])
        self.note("unreadable", found.unreadable)
        if owner is Owner.ORDER:
            lacking = (each for each in names if each not in there and each not in found.unreadable)
            self.lost += [each for each in lacking if each in self.present]
        before, self.looked[owner] = self.looked[owner], self.looked[owner] + len(there)
        for record in there.values():
            if isinstance(record, Order):
                self.lines[record.line] = None
                if at := record.refused_at:
                    whom = record.line, record.doc.carrier
                    self.refused[whom] = max(at, self.refused.get(whom, 0))
            elif isinstance(record, Line):
                standing = [each for each in record.restrictions if each.kind in LASTING and not each.until]
                self.lasting.update((record.id, each.name) for each in standing)
        if owner is Owner.ORDER and before // self.wanted.tell_every < self.looked[owner] // self.wanted.tell_every:
            self.tell(f"looked at {self.looked[owner]:,} orders")

    def read(self, owner: Owner, names: Sequence[str], found: Snapshot) -> Sequence[Found | Logged]:
        """Read also all that the rules compare the records with, behind them."""
        read: Mapping[Owner, Callable[[Snapshot], Sequence[Found]]] = {
            Owner.ORDER: self._orders, Owner.LINE: self._lines, Owner.CALL: self._calls, Owner.ENDING: self._endings,
            Owner.REPORT: self._reports,
        }  # fmt: skip
        return [*read[owner](found), *(super().read(owner, names, found) if self.wanted.all else ())]

    def _orders(self, found: Snapshot) -> Sequence[Found]:
        look, archive = self.store.records.look, self.store.archive
        now, orders = found.now, found.of(Order)
        lines = look({Line: list({order.line: None for order in orders.values()})}).of(Line)
        named = list({order.doc.call_id: None for order in orders.values()})
        calls = dict(look({Call: named}).of(Call))
        # A call was written to the archive before it left the store.
        if archive is not None and (absent := [call for call in named if call not in calls]):
            calls |= {call: each.record for call, [each] in archive.recall(Call, absent).items() if each.record}
        others = self._reserved_elsewhere((request_key(order), order) for order in orders)
        there = look({Order: list(others.values())}).of(Order)
        keys = [request_key(order) for order in others]
        twice = archive.recall(Order, keys, By.KEY) if archive is not None and others else {}
        until = now - REVOKING_MS
        listed = {code: Listed.of(_known_by(versions, until), now) for code, versions in (self.plans or dict)().items()}
        dues = self._dues(Owner.ORDER, orders)
        return [
            FoundOrder(
                record=order, now=now, dues=dues[name],
                line=lines.get(order.line), call=calls.get(order.doc.call_id),
                other=name in others and (
                    others[name] in there or any(each.id != name for each in twice.get(request_key(name), ()))
                ),
                taken_back=awaits_revocation(order, listed),
            )
            for name, order in orders.items()
        ]  # fmt: skip

    def _lines(self, found: Snapshot) -> Sequence[Found]:
        records = self.store.records
        now, lines = found.now, found.of(Line)
        named = [entry.order for line in lines.values() for entry in line.entries]
        orders = records.look({Order: named}).of(Order)
        lost = {each for each, version in zip(named, records.versions(named), strict=True) if not version}
        unread = dict(zip(lines, self.survey.unread(list(lines)), strict=True))
        dues = self._dues(Owner.LINE, lines)
        return [
            FoundLine(
                record=line, now=now, dues=dues[name], unread=unread[name],
                orders={each.order: orders[each.order] for each in line.entries if each.order in orders},
                lost=[each.order for each in line.entries if each.order in lost],
            )
            for name, line in lines.items()
        ]  # fmt: skip

    def _calls(self, found: Snapshot) -> Sequence[Found]:
        archive = self.store.archive
        held = [(key, call.id) for call in found.of(Call).values() for key in call.recording_keys]
        others = self._reserved_elsewhere(held)
        keys = [key for key, call in held if call in others]
        there = [*self.store.records.look({Call: list(others.values())}).of(Call).values()]
        kept = archive.recall(Call, keys, By.KEY) if archive is not None and keys else {}
        there += [each.record for some in kept.values() for each in some if each.record]
        dues = self._dues(Owner.CALL, found.of(Call))
        return [
            FoundCall(
                record=call, now=found.now, dues=dues[name],
                other=name in others and any(
                    each.id != name and not {*each.recording_keys}.isdisjoint(call.recording_keys) for each in there
                ),
            )
            for name, call in found.of(Call).items()
        ]  # fmt: skip

    def _endings(self, found: Snapshot) -> Sequence[Found]:
        dues = self._dues(Owner.ENDING, found.of(Ending))
        return [FoundEnding(record=each, now=found.now, dues=dues[name]) for name, each in found.of(Ending).items()]

    def _reports(self, found: Snapshot) -> Sequence[Found]:
        dues = self._dues(Owner.REPORT, found.of(Report))
        return [Found(record=each, now=found.now, dues=dues[name]) for name, each in found.of(Report).items()]

    def _dues(self, owner: Owner, records: Mapping[str, Recorded | Line]) -> Mapping[str, Mapping[str, float | None]]:
        """Return when the effects of these records are due."""
        wanted = [(name, effect) for name, each in records.items() for effect in each.effects]
        dues = self.survey.dues([(lane_of(effect), f"{owner}:{name}:{effect}") for name, effect in wanted])
        found: dict[str, dict[str, float | None]] = {name: {} for name in records}
        for (name, effect), due in zip(wanted, dues, strict=True):
            found[name][effect] = due
        return found

    def _reserved_elsewhere(self, held: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return those records whose key is not reserved for them, each with the record that it is reserved for ('':
        none). A record that is alone has its keys: only another one that took them stands in a reservation instead.
        """
        rows = list(held)
        reserved = self.survey.reservations([key for key, _ in rows])
        return {record: stands for (_, record), (stands, _) in zip(rows, reserved, strict=True) if stands != record}

    # -- due-sets, mends -------------------------------------------------------------------------------------------

    def _due(self) -> None:
        for lane in Lane:
            for members in self.survey.waiting(lane, None if self.wanted.all else self.wanted.sample):
                for piece in pieces(members, PIECE):
                    self._members(lane, piece)

    def _members(self, lane: Lane, members: Sequence[str]) -> None:
        """Check entries of a due-set: note those that no record wants."""
        self.looked["due"] += len(members)
        read: list[tuple[str, Owner, str, str]] = []
        for member in members:
            match = _MEMBER.fullmatch(member)
            if match is None or lane_of(match[3]) is not lane:
                self.note("member", [member[:80]])
                continue
            read.append((member, Owner(match[1]), match[2], match[3]))
            if match[1] == Owner.LINE:
                self.lines[match[2]] = None
        idle = [(lane, member) for member, *_ in self._idle(self._idle(read))]
        standing = self.survey.dues(idle)
        self.note("idle", [member for (_, member), due in zip(idle, standing, strict=True) if due is not None])

    def _idle(self, read: Sequence[tuple[str, Owner, str, str]]) -> list[tuple[str, Owner, str, str]]:
        records = self.store.records.look(by_kind((whose, record) for _, whose, record, _ in read)).all
        return [row for row in read if row[2] not in records or row[3] not in records[row[2]].effects]

    def _mend(self, found: Found) -> None:
        """Put back the missing parts of a record. A change is refused if the record is no longer as it was read."""
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
    walk = Walk(store, survey, lease_ms, wanted, plans=plans, tell=tell, kept_since=kept_since)
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


def _reservations(store: Store, survey: RedisSurvey, limit: int | None) -> Finding:
    """Find keys whose request died between reserving and placing: harmless, the same request again takes them over."""
    looked, idle, now = 0, [], store.records.look({}).now
    for keys in islice(survey.names(Kind.RESERVATION), limit):
        kept = [(order, at) for order, at in survey.reservations(keys) if order]
        looked += len(kept)
        there = store.records.versions([order for order, _ in kept])
        gone = [order for (order, at), v in zip(kept, there, strict=True) if not v and now - at > RESERVED_MS]
        known: set[str] = {*store.records.look({Call: gone}).of(Call)}
        if store.archive is not None:
            known |= {*store.archive.versions(gone), *store.archive.recall(Call, gone)}
        idle += [record for record in gone if record not in known]
    died = f": of requests that died before they placed an order; the same request again takes them over: {named(idle)}"
    return good(f"looked at {looked:,} reservations, {len(idle)} without an order or a call{died if idle else ''}")


def _known_by(versions: Sequence[Version], instant: Millis) -> tuple[Version, ...]:
    return tuple(each for each in versions if each.known_at <= instant) or tuple(versions[:1])
