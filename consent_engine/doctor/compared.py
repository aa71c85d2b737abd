"""Records as they are read for the rules, with all that these compare them with."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.doctor.rules import Found, FoundCall, FoundEnding, FoundLine, FoundOrder
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Ending
from consent_engine.domain.call.report import Report
from consent_engine.domain.effects import Millis, lane_of
from consent_engine.domain.line.line import Line, request_key
from consent_engine.domain.offer.versions import Listed, Version
from consent_engine.domain.order.order import Order
from consent_engine.engine.revoking import awaits_revocation
from consent_engine.ports import By, Owner, R, Recorded, Snapshot, Store

REVOKING_MS = 60_000
"""How long a revocation may be at work, before an order that it has not reached is one that it never will."""
Plans = Callable[[], Mapping[str, tuple[Version, ...]]]
"""Returns the versions of every plan in the catalogue."""


class Compared(NamedTuple):
    """The reader of records that are in the store. plans: the catalogue"""

    store: Store
    survey: RedisSurvey
    plans: Plans

    def read(self, owner: Owner, found: Snapshot) -> Sequence[Found]:
        """Return the records of a kind with what their rules compare them with, read behind them. found: they, as the
        store has them
        """
        read: Mapping[Owner, Callable[[Snapshot], Sequence[Found]]] = {
            Owner.ORDER: self._orders, Owner.LINE: self._lines, Owner.CALL: self._calls, Owner.ENDING: self._endings,
            Owner.REPORT: self._reports,
        }  # fmt: skip
        return read[owner](found)

    def _orders(self, found: Snapshot) -> Sequence[Found]:
        look, archive = self.store.records.look, self.store.archive
        now, orders = found.now, found.of(Order)
        lines = look({Line: list({order.line: None for order in orders.values()})}).of(Line)
        named = list({order.doc.call_id: None for order in orders.values()})
        calls = dict(look({Call: named}).of(Call))
        # A call was written to the archive before it left the store.
        if archive is not None and (absent := [call for call in named if call not in calls]):
            calls |= {call: each.record for call, [each] in archive.recall(Call, absent).items() if each.record}
        twice = self._sharing(Order, orders, lambda order: (request_key(order.id),))
        until = now - REVOKING_MS
        listed = {code: Listed.of(_known_by(versions, until), now) for code, versions in self.plans().items()}
        dues = self._dues(Owner.ORDER, orders)
        return [
            FoundOrder(
                record=order, now=now, dues=dues[name],
                line=lines.get(order.line), call=calls.get(order.doc.call_id),
                other=name in twice, taken_back=awaits_revocation(order, listed),
            )
            for name, order in orders.items()
        ]  # fmt: skip

    def _lines(self, found: Snapshot) -> Sequence[Found]:
        records = self.store.records
        now, lines = found.now, found.of(Line)
        named = [entry.order for line in lines.values() for entry in line.entries]
        orders = records.look({Order: named}).of(Order)
        lost = {each for each, (version, _) in zip(named, records.glance(named), strict=True) if not version}
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
        calls, dues = found.of(Call), self._dues(Owner.CALL, found.of(Call))
        twice = self._sharing(Call, calls, lambda call: call.recording_keys)
        return [
            FoundCall(record=call, now=found.now, dues=dues[name], other=name in twice) for name, call in calls.items()
        ]

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

    def _sharing(self, kind: type[R], records: Mapping[str, R], keys: Callable[[R], Sequence[str]]) -> set[str]:
        """Return those of these records one of whose keys is another's, too. One that is alone has its keys reserved:
        only another one that took them stands in a reservation instead. keys: of a record
        """
        held = [(key, name) for name, record in records.items() for key in keys(record)]
        reserved = zip(held, self.survey.reservations([key for key, _ in held]), strict=True)
        others = {name: stands for (_, name), (stands, _) in reserved if stands != name}
        there = [*self.store.records.look({kind: list(others.values())}).of(kind).values()]
        if self.store.archive is not None and others:
            kept = self.store.archive.recall(kind, [key for key, name in held if name in others], By.KEY)
            there += [each.record for some in kept.values() for each in some if each.record]
        has = {(key, each.id) for each in there for key in keys(each)}
        return {
            name for name in others
            if any(key in keys(records[name]) and each != name for key, each in has)
        }  # fmt: skip


def _known_by(versions: Sequence[Version], instant: Millis) -> tuple[Version, ...]:
    return tuple(each for each in versions if each.known_at <= instant) or tuple(versions[:1])
