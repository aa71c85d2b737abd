"""The walk over stored records: the newest and those that are due, or all; in pieces, with their numbers reported.

Each piece is looked at twice: what both looks find of a record that did not change in between is noted, and mended by a
commit that names the version it saw. So records that were read one after the other, while others write, are no finding.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from consent_engine.adapters.redis.inspection import Kind, RedisSurvey
from consent_engine.doctor import refusals
from consent_engine.doctor.findings import Finding, good, named
from consent_engine.doctor.rules import RULES, Found, FoundCall, FoundEnding, FoundLine, FoundOrder, broken_by
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.effects import Lane, Millis, lane_of
from consent_engine.domain.line.line import Line, request_key
from consent_engine.domain.line.restriction import LASTING
from consent_engine.domain.offer.versions import Listed, Version
from consent_engine.domain.order.order import Order
from consent_engine.engine.audit import EVER, Audited, Damage, Plans, audit, note_events
from consent_engine.engine.audit_refusals import note_lifted, note_standing
from consent_engine.engine.recall import pieces
from consent_engine.engine.revoking import awaits_revocation
from consent_engine.ports import By, Change, Commit, CommitResult, Owner, Recorded, Store, by_kind
from consent_engine.ports.queries import NOTHING, CallQueries, OrderQueries, Position

PIECE = 200
SAMPLE = 1_000
TELL_EVERY, TELL_ENTRIES = 5_000, 100_000
"""The numbers of orders, and of the log's entries, after which progress is reported."""
SOME_PIECES = 20
RESERVED_MS = 3_600_000
"""No request lasts this long: an older reservation without an order is of a process that died."""
REVOKING_MS = 60_000
"""How long a revocation may be at work, before an order that it has not reached is one that it never will."""
MOST = 10_000_000
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
class Walk:
    """A walk, piece by piece. `found`: names of records by rule · `mended`: the records put right."""

    store: Store
    survey: RedisSurvey
    lease_ms: int
    wanted: Wanted = Wanted(all=True)
    plans: Plans = dict
    tell: Callable[[str], None] = lambda _: None
    found: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
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
    by_log: Audited = field(default_factory=Audited)
    """what the log says, where it was replayed"""

    # -- which records ---------------------------------------------------------------------------------------------

    def everything(self) -> None:
        """Look at all that is wanted."""
        sql = self.store.queries
        self._all_of(Owner.ORDER, sql.orders if sql is not NOTHING else None)
        if self.lost:  # one that has left for good meanwhile is present no more
            left = self.store.archive.versions(self.lost) if self.store.archive is not None else {}
            self.found["gone"] += [each for each in self.lost if each not in left]
        if self.wanted.all:
            for ids in chain(self.store.records.names(Owner.LINE), self.survey.names(Kind.INBOX)):
                self.lines |= dict.fromkeys(ids)
        self._all_of(Owner.CALL, sql.calls if sql is not NOTHING else None)
        for page in self._listed(sql.endings.open, PIECE) if sql is not NOTHING else ():
            self.look(Owner.ENDING, page)
        self._due()
        for piece in pieces(list(self.lines), PIECE):
            self.look(Owner.LINE, piece)
        if self.wanted.all:
            size = self.store.log.size() if self.store.log is not None else 0
            self._log()
            self._refusals()
            if self.store.log is not None:
                self._unlogged(size)

    def _log(self) -> None:
        """Replay the log, and note all that is not as it says."""
        far = 0

        def tell(read: Audited) -> None:
            nonlocal far
            if read.entries // TELL_ENTRIES > far:
                far = read.entries // TELL_ENTRIES
                self.tell(f"looked at {read.entries:,} entries of the log")

        liftings = chain.from_iterable(self.survey.lifted())
        self.by_log = audit(self.store, self.kept_since, EVER, tell, self.plans, liftings)
        faults = self.by_log.faults
        unsealed = [fault.of for fault in faults if fault.damage is Damage.UNSEALED] if self.wanted.mend else []
        noted = set().union(*(note_events(self.store, some) for some in pieces(unsealed, PIECE)))
        self._note("unsealed", sorted(noted), noted=True)
        for fault in faults:
            if not (fault.damage is Damage.UNSEALED and fault.of in noted):
                self.found[fault.damage].append(fault.of)

    def _refusals(self) -> None:
        """Note lines whose refusal is gone and was not lifted; or put it back, if this mends and it can be."""
        store, log = self.store, self.by_log
        lost = {*refusals.off_their_lines(store), *refusals.named(log.lost, self.plans)}
        lost |= {*refusals.not_lifted(store, self.survey, self.refused, log.refusals)}
        back = sorted(each for each in lost if each[1]) if self.wanted.mend else []
        for some in pieces(back, PIECE):
            store.inbox.receive([refusals.put_back(*each) for each in some])
            self.mended += [f"{line} refusal" for line, _ in some]
        self.found["unrefused"] = [line for line, _ in sorted(lost.difference(back))]

    def _unlogged(self, size: int) -> None:
        """Note refusals and liftings that the log lacks; or have them noted there, if this mends. size: how many
        entries the log had before it was replayed
        """
        store, known, mends = self.store, self.by_log.refusals, self.wanted.mend
        for acts in pieces(known.lifted, PIECE):
            lacking = refusals.unlifted(store, acts)
            noted = mends and lacking and note_lifted(store, lacking)
            self._note("unlifted", [leaf.record for _, leaf in lacking], noted=bool(noted))
        for some in pieces(refusals.unlogged(store, self.lasting, size, known), PIECE):
            noted = mends and note_standing(store, some)
            self._note("unlogged", [line for line, _ in some], noted=bool(noted))

    def _note(self, rule: str, lines: Sequence[str], *, noted: bool) -> None:
        """Note lines of which the log lacks something, or had it noted there."""
        if noted:
            self.mended += [f"{line} log entry" for line in lines]
        else:
            self.found[rule] += lines

    def _all_of(self, owner: Owner, sql: OrderQueries | CallQueries | None) -> None:
        """Look at the records that SQL has as present, newest first; then at all others that Redis has; or at some, up
        to the sample, where the scribe is behind or SQL cannot be asked.
        """
        wanted, seen = self.wanted, set[str]()
        for page in self._listed(sql.present, wanted.piece) if sql else ():
            self.present.update(page)
            seen.update(page)
            self.look(owner, page)
        if not wanted.all and sql and not self.store.journal.waiting().count:
            return
        for ids in self.store.records.names(owner, None if wanted.all else SOME_PIECES):
            if not wanted.all and len(seen) >= wanted.sample:
                return
            for piece in pieces([each for each in dict.fromkeys(ids) if each not in seen], PIECE):
                seen.update(piece)
                self.look(owner, piece)

    def _listed(
        self, page: Callable[[Position | None, int], list[Position]], piece: int
    ) -> Iterator[list[str]]:  # fmt: skip
        before, left = None, MOST if self.wanted.all else self.wanted.sample
        while left > 0 and (rows := page(before, min(piece, left))):
            yield [record for _, record in rows]
            before, left = rows[-1], left - len(rows)

    # -- a piece of them -------------------------------------------------------------------------------------------

    def look(self, owner: Owner, ids: Sequence[str]) -> None:
        """Look at some records of a kind."""
        there = {found.record.id: found for found in self._read(owner, ids)}
        self._absent(owner, [each for each in ids if each not in there])
        self._counted(owner, there)
        broken = {
            record: (found.record.version, rules) for record, found in there.items() if (rules := broken_by(found))
        }
        for found in self._read(owner, list(broken)) if broken else ():
            record = found.record.id
            version, rules = broken[record]
            if found.record.version == version and (both := [rule for rule in broken_by(found) if rule in rules]):
                if self.wanted.mend:
                    self._mend(found)
                    both = [rule for now in self._read(owner, [record]) for rule in broken_by(now) if rule in both]
                for rule in both:
                    self.found[rule].append(found.name)

    def _absent(self, owner: Owner, ids: Sequence[str]) -> None:
        """Note records that cannot be read, or that SQL has as present and Redis has not."""
        if owner is Owner.ORDER:
            versions = dict(zip(ids, self.store.records.versions(ids), strict=True))
            self.found["unreadable"] += [each for each in ids if versions[each]]
            self.lost += [each for each in ids if not versions[each] and each in self.present]
        elif owner is not Owner.CALL:  # whether its order finds it is a rule of orders
            self.found["unreadable"] += ids

    def _counted(self, owner: Owner, there: Mapping[str, Found]) -> None:
        """Count records, and keep what others are compared with."""
        before, self.looked[owner] = self.looked[owner], self.looked[owner] + len(there)
        for found in there.values():
            if isinstance(found, FoundOrder):
                order = found.record
                self.lines[order.line] = None
                if at := order.refused_at:
                    whom = order.line, order.doc.carrier
                    self.refused[whom] = max(at, self.refused.get(whom, 0))
            elif isinstance(found, FoundLine):
                standing = [each for each in found.record.restrictions if each.kind in LASTING and not each.until]
                self.lasting.update((found.record.id, each.name) for each in standing)
        if owner is Owner.ORDER and before // self.wanted.tell_every < self.looked[owner] // self.wanted.tell_every:
            self.tell(f"looked at {self.looked[owner]:,} orders")

    def _read(self, owner: Owner, ids: Sequence[str]) -> Sequence[Found]:
        """Read records, and all that their rules compare them with, behind them: those that can be read."""
        read: Mapping[Owner, Callable[[Sequence[str]], Sequence[Found]]] = {
            Owner.ORDER: self._orders, Owner.LINE: self._lines, Owner.CALL: self._calls, Owner.ENDING: self._endings,
        }  # fmt: skip
        return read[owner](ids)

    def _orders(self, ids: Sequence[str]) -> Sequence[Found]:
        look, archive = self.store.records.look, self.store.archive
        found = look({Order: ids})
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
        listed = {code: Listed.of(_known_by(versions, until), now) for code, versions in self.plans().items()}
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

    def _lines(self, ids: Sequence[str]) -> Sequence[Found]:
        records = self.store.records
        found = records.look({Line: ids})
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

    def _calls(self, ids: Sequence[str]) -> Sequence[Found]:
        archive, found = self.store.archive, self.store.records.look({Call: ids})
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

    def _endings(self, ids: Sequence[str]) -> Sequence[Found]:
        found = self.store.records.look({Ending: ids})
        dues = self._dues(Owner.ENDING, found.of(Ending))
        return [FoundEnding(record=each, now=found.now, dues=dues[name]) for name, each in found.of(Ending).items()]

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
                self.found["member"].append(member[:80])
                continue
            read.append((member, Owner(match[1]), match[2], match[3]))
            if match[1] == Owner.LINE:
                self.lines[match[2]] = None
        idle = [(lane, member) for member, *_ in self._idle(self._idle(read))]
        standing = self.survey.dues(idle)
        self.found["idle"] += [member for (_, member), due in zip(idle, standing, strict=True) if due is not None]

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
    walk = Walk(store, survey, lease_ms, wanted, plans, tell, kept_since=kept_since)
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
