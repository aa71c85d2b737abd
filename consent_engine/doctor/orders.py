"""Checks of each record by itself and against its neighbours; troubles are noted by name, some of them mended."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.decide.decision import PARKED, Put
from consent_engine.domain.decide.wanted_effects import excess, missing, missing_of
from consent_engine.domain.effects import READ, WAKE_UNDECIDED, Lane, Millis, Pending, lane_of
from consent_engine.domain.line.entries import Entry
from consent_engine.domain.line.line import Line
from consent_engine.domain.line.restriction import LASTING
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import sound
from consent_engine.ports import Change, Commit, CommitResult, LineChange, OrderChange, Owner, Store
from consent_engine.ports.survey import Survey

PIECE = 200
DAY_MS = 86_400_000
T = TypeVar("T")
OF_LINES = {READ: "unread", WAKE_UNDECIDED: "undecided"}
"""The trouble under which a line that lacks the effect is noted."""
_MEMBER = re.compile(r"([olcer]):([^:]+):((?:sms|wake)\..+|activate|deactivate|read)")


@dataclass
class Looker:
    """The check of records, piece by piece. `found`: records by trouble · `mended`: what was put right.

    mend: put back what is surely missing, each by a commit that names the version it saw: a record changed since then
    is left alone.
    """

    store: Store
    survey: Survey
    lease_ms: int
    mend: bool = False
    found: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    mended: list[str] = field(default_factory=list)
    looked: Counter[str] = field(default_factory=Counter)
    lines: dict[str, None] = field(default_factory=dict)
    """lines named by orders and by due-set entries"""
    refused: dict[tuple[str, str], Millis] = field(default_factory=dict)
    """line and carrier -> the latest refusal in the orders looked at; the line's own may be newer"""
    lasting: set[tuple[str, str]] = field(default_factory=set)
    """line and name of the refusals and registrations, without an end, on the lines looked at"""
    present: set[str] = field(default_factory=set)
    """ids of orders that SQL has as present in Redis"""
    lost: list[str] = field(default_factory=list)
    """those of them without a record"""
    seen: set[str] = field(default_factory=set)
    """ids of the orders looked at"""

    # -- orders ----------------------------------------------------------------------------------------------------

    def orders(self, ids: Sequence[str]) -> Mapping[str, Order]:
        """Check some orders; return those that exist."""
        now, orders, _ = self.store.records.live(ids)
        self.seen.update(ids)
        self._told_if_absent([order_id for order_id in ids if order_id not in orders])
        _, _, lines = self.store.records.live(lines=list(dict.fromkeys(order.line for order in orders.values())))
        wrong: dict[str, list[str]] = {}
        for order in orders.values():
            self.looked["orders"] += 1
            self.lines[order.line] = None
            if at := order.refused_at:
                whom = order.line, order.doc.carrier
                self.refused[whom] = max(at, self.refused.get(whom, 0))
            if not sound(order):
                self.found["history"].append(order.id)
            told = [*_troubles(order), *_entry(order, lines.get(order.line))]
            if told:
                wrong[order.id] = told
        self._told_if_still(orders, wrong)
        self._undue(now, [(Owner.ORDER, order.id, order.effects) for order in orders.values()], orders, {})
        return orders

    def _told_if_absent(self, ids: Sequence[str]) -> None:
        """Note ids that cannot be read, or whose record SQL has as present, and Redis has not."""
        for order_id, version in zip(ids, self.store.records.versions(ids), strict=True):
            if version:
                self.found["unreadable"].append(order_id)
            elif order_id in self.present:
                self.lost.append(order_id)

    def _told_if_still(self, orders: Mapping[str, Order], wrong: Mapping[str, Sequence[str]]) -> None:
        """Note troubles of orders that did not change since: an order and its line were read one after the other."""
        ids = list(wrong)
        for order_id, version in zip(ids, self.store.records.versions(ids), strict=True):
            if version != orders[order_id].version:
                continue
            for trouble in wrong[order_id]:
                self.found[trouble].append(order_id)
            if self.mend and "endless" in wrong[order_id]:
                self._put_back(orders[order_id], None, *(want.back for want in missing(orders[order_id]) if want.back))

    # -- lines -----------------------------------------------------------------------------------------------------

    def lines_of(self, ids: Sequence[str]) -> None:
        """Check some lines."""
        now, _, lines = self.store.records.live(lines=ids)
        self.found["unreadable"] += [line_id for line_id in ids if line_id not in lines]
        self._dangling(lines)
        self.looked["lines"] += len(lines)
        self.lasting |= {
            (line.id, each.name)
            for line in lines.values() for each in line.restrictions if each.kind in LASTING and not each.until
        }  # fmt: skip
        again = self.store.records.live(lines=[line.id for line, _ in self._lacking(list(lines.values()), now)])[2]
        for line, puts in self._lacking(list(again.values()), now):
            for put in puts:
                self.found[OF_LINES[put.effect]].append(line.id)
            if self.mend:
                self._put_back(None, line, *puts)
        self._undue(now, [(Owner.LINE, line.id, line.effects) for line in lines.values()], {}, lines)

    def _dangling(self, lines: Mapping[str, Line]) -> None:
        """Note entries without their order. Both are removed at once, so an entry still there has lost its order."""
        entries = _entries(lines)
        orders = self.store.records.live([order_id for _, order_id in entries])[1]
        self.found["misnamed"] += [line for line, order in entries if order in orders and orders[order].line != line]
        there = self.store.records.versions([order_id for _, order_id in entries])
        lost = [entry for entry, version in zip(entries, there, strict=True) if not version]
        stand = _entries(self.store.records.live(lines=[line for line, _ in lost])[2]) if lost else []
        self.found["dangling"] += [line for line, order_id in lost if (line, order_id) in stand]

    def _lacking(self, lines: Sequence[Line], now: Millis) -> list[tuple[Line, list[Put]]]:
        """Return lines that lack an effect of their own, each with the effects to put back."""
        unread = self.survey.unread([line.id for line in lines])
        found = [(line, missing_of(line, n, now)) for line, n in zip(lines, unread, strict=True)]
        return [(line, puts) for line, puts in found if puts]

    def inboxes(self, ids: Iterable[str]) -> None:
        self.lines |= dict.fromkeys(ids)

    # -- effects and due-sets --------------------------------------------------------------------------------------

    def _undue(
        self, now: Millis, records: Iterable[tuple[Owner, str, Mapping[str, Pending]]],
        orders: Mapping[str, Order], lines: Mapping[str, Line],
    ) -> None:  # fmt: skip
        """Note effects that stand in no due-set: no worker would ever carry them out."""
        wanted = [
            (owner, rid, effect, pending) for owner, rid, effects in records for effect, pending in effects.items()
        ]
        dues = self.survey.dues([(lane_of(effect), f"{owner}:{rid}:{effect}") for owner, rid, effect, _ in wanted])
        self.looked["effects"] += len(wanted)
        missing = []
        for each, due in zip(wanted, dues, strict=True):
            if due is None:
                missing.append(each)
            elif due != float("inf") and each[0] is Owner.ORDER and due > now + _longest(orders[each[1]]):
                self.found["far"].append(each[1])
        puts: dict[str, list[Put]] = {}
        for _, rid, effect, pending in self._unmoved(missing, orders, lines):
            self.found["undue"].append(rid)
            # A leased effect is due when its lease is over, as if it had stood in the due-set all the time.
            due = PARKED if pending.parked else now + (self.lease_ms if pending.leased_at else 0)
            puts.setdefault(rid, []).append(Put(effect, due, pending))
        for rid, back in puts.items() if self.mend else ():
            self._put_back(orders.get(rid), lines.get(rid), *back)

    def _unmoved(
        self, missing: Sequence[tuple[Owner, str, str, Pending]], orders: Mapping[str, Order], lines: Mapping[str, Line]
    ) -> list[tuple[Owner, str, str, Pending]]:
        """Return those whose record has not changed since: an effect that ended meanwhile is not missing."""
        if not missing:
            return []
        ids = list(dict.fromkeys(rid for _, rid, _, _ in missing))
        ours, theirs = [i for i in ids if i in orders], [i for i in ids if i in lines]
        _, now_orders, now_lines = self.store.records.live(ours, theirs)
        before: Mapping[str, Order | Line] = {**orders, **lines}
        after: Mapping[str, Order | Line] = {**now_orders, **now_lines}
        return [each for each in missing if each[1] in after and after[each[1]].version == before[each[1]].version]

    def members(self, lane: Lane, members: Sequence[str]) -> None:
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
        idle = self._idle(self._idle(read))
        standing = self.survey.dues([(lane, member) for member, *_ in idle])
        self.found["idle"] += [row[0] for row, due in zip(idle, standing, strict=True) if due is not None]

    def _idle(self, read: Sequence[tuple[str, Owner, str, str]]) -> list[tuple[str, Owner, str, str]]:
        ids = {owner: list(dict.fromkeys(rid for _, whose, rid, _ in read if whose is owner)) for owner in Owner}
        found = self.store.records.look(
            ids[Owner.ORDER], ids[Owner.LINE], ids[Owner.CALL], ids[Owner.ENDING], ids[Owner.REPORT]
        )
        records: Mapping[str, Order | Line | Call | Ending | Report] = {
            **found.orders, **found.lines, **found.calls, **found.endings, **found.reports
        }  # fmt: skip
        return [row for row in read if row[2] not in records or row[3] not in records[row[2]].effects]

    # -- mends -----------------------------------------------------------------------------------------------------

    def _put_back(self, order: Order | None, line: Line | None, *puts: Put) -> None:
        """Commit dues only; nothing else of the record changes."""
        if order is not None:
            change: Change = OrderChange(order, order.version, order.state, {}, puts)
        elif line is not None:
            change = LineChange(line.id, line.version, put=puts)
        else:
            return
        self.save(change, *(f"{change.id} {put.effect}" for put in puts))

    def save(self, change: Change, *mended: str) -> None:
        """Commit a change, which is refused if the record is no longer as it was read. mended: what it puts right"""
        [saved] = self.store.records.commit([Commit("", (change,))], prove=True)
        if saved.word is CommitResult.OK:
            self.mended += mended


def newest(
    page: Callable[[tuple[Millis, str] | None, int], Sequence[tuple[str, Millis]]], limit: int, piece: int = PIECE
) -> Iterator[Sequence[tuple[str, Millis]]]:
    """Yield at most `limit` rows of a list, newest first, in pages. page: returns the rows before a given one."""
    before, left = None, limit
    while left > 0 and (rows := page(before, min(piece, left))):
        yield rows
        last, at = rows[-1]
        before, left = (at, last), left - len(rows)


def pieces(ids: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (ids[n : n + size] for n in range(0, len(ids), size))


def _troubles(order: Order) -> Iterator[str]:
    """Yield the troubles of an order's effects."""
    if excess(order):
        yield "excess"
    lacks = missing(order)
    if order.state.settled and lacks:
        yield "unarchived"
    elif any(want.back is None for want in lacks):
        yield "stalled"
    if not order.state.settled and any(want.back for want in lacks):
        yield "endless"


def _entries(lines: Mapping[str, Line]) -> list[tuple[str, str]]:
    """Return the line and the order of every entry."""
    return [(line.id, entry.order) for line in lines.values() for entry in line.entries]


def _entry(order: Order, line: Line | None) -> Iterator[str]:
    """Replies are matched with the line's entries: an open order missing there would never see its answer."""
    if line is not None and any(entry.order == order.id and entry != Entry.of(order) for entry in line.entries):
        yield "misnamed"
    if line is not None and not order.state.settled and all(entry.order != order.id for entry in line.entries):
        yield "unheard"


def _longest(order: Order) -> Millis:
    """Return the longest time from now after which something of an order may be due."""
    policy = order.doc.policy
    return policy.reply_window + policy.confirm_within + policy.retry_max + policy.uncertain_hold + 2 * DAY_MS
