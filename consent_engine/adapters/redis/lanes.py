"""The lanes of one cell of Redis: due-sets by instant, and leases."""

import logging
from collections.abc import Collection, Mapping, Sequence
from math import isinf

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.codec import MOST_UNREAD, Offers, leased_of, parked_of, raw, scored, stuck_of
from consent_engine.adapters.redis.inspection import disk_free
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.of_cell import Clock, OfCell
from consent_engine.domain.effects import LEAVES, WITHOUT_CALLS, Lane, Millis, lane_of
from consent_engine.domain.hitch import Hitch
from consent_engine.domain.line.restriction import BARRING
from consent_engine.domain.seal import Seal
from consent_engine.errors import BrokenRecord
from consent_engine.ports import LaneDepth, Lanes, Leases, Owner, Route, ServerMemory, Stuck, Work, kind_of
from consent_engine.ports.lanes import ASKED, LONGEST_PROBE_MS, NONE, PROBE_MS

log = logging.getLogger(__name__)
_HEAD = ("now", "wait", "rate")
"""What the lease script answers before what is leased."""
AWAY = "away "
"""Before the name of a gateway's bucket while it is away."""
BROUGHT = 500
"""How many effects one script looks at to bring them forward: a few milliseconds."""


class RedisLanes(OfCell, Lanes):
    """The Lanes of one cell."""

    def __init__(self, wire: Wire, cell: Cell, offers: Offers, clock: Clock, seal: Seal | None, lease_ms: int) -> None:
        super().__init__(wire, cell, clock, seal)
        self._offers = offers
        self._lease_ms = lease_ms
        self._too_many: set[str] = set()

    def too_many(self, gateway: str) -> None:
        self._too_many.add(gateway)

    def lease_each(self, wanted: Mapping[Work, int], away: Mapping[Work, Millis] = NONE) -> Leases:
        calls, asked = Calls(), [work for work, n in wanted.items() if n > 0]
        for work in asked:
            self._lease(calls, work, wanted[work], away.get(work, 0))
        # Proven before the BSS is called: a refusal after a failover must still see that an activation was started.
        # A failed proof does not cost the other lanes their leases: these would be in doubt though nothing was called.
        proven = Lane.ACTIVATION in asked
        calls.alone = asked.index(Lane.ACTIVATION) if proven and len(asked) > 1 else None
        answers = self._wire.send(calls, prove=proven)
        self._too_many -= {work.gateway for work in asked if isinstance(work, Route) and work not in away}
        broken, leased = Calls(), Leases(wanted)
        for work, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Exception):
                if not any(len(each) > len(_HEAD) for each in answers if not isinstance(each, Exception)):
                    raise answer
                log.error("%s: cannot be leased now: %s", kind_of(work), type(answer).__name__)
                continue
            now, wait, _, *rows = answer
            if wait:
                leased.waits[work] = int(wait)
            for row in rows:
                try:
                    leased[work].append(leased_of(self._offers, int(now), row, seal=self._seal))
                except BrokenRecord as error:  # an unreadable record must not stop its lane: to the stuck list
                    log.error("%s: %s", row[0].split(":")[1], error)
                    self._park(broken, work, row[0], row[1])
        self._wire.send(broken)
        return leased

    def _lease(self, calls: Calls, work: Work, n: int, away: Millis = 0) -> None:
        keys, limits = self._cell.dues(work), tuple[str | int, ...]()
        together = "" if work not in WITHOUT_CALLS else f" {' '.join(LEAVES)} "
        bounds = (n, self._lease_ms, self._cell.prefix, MOST_UNREAD, " ".join(BARRING), together)
        if isinstance(work, Route):
            keys = [*keys, self._cell.rates]
            # While it is away it has another bucket: the first probe goes at once, and a rate that was learnt stays.
            every = min(max(PROBE_MS, away // 4), LONGEST_PROBE_MS) if all(work.spared) else PROBE_MS
            probed = f"{AWAY}{work.gateway}", f"{1000 / every / self._cell.share:f}", 0
            limits = (
                probed
                if away
                else (work.gateway, work.rate // self._cell.share, int(n > 0 and work.gateway in self._too_many))
            )
            share = self._cell.share
            others = " ".join(f'"{of}"{rate // share}' for of, rate in work.others.items())
            limits = *limits, share, others, *(int(away > 0 and each) for each in work.spared)
        calls.script("lease", keys, [self._clock.argument(), *bounds, *limits])

    def rates(self, routes: Collection[Route]) -> dict[Route, int]:
        calls, asked = Calls(), list(routes)
        for route in asked:
            self._lease(calls, route, 0)
        share, answers = self._cell.share, zip(asked, self._wire.send(calls), strict=True)
        rates = [(of, of.rate if int(now) == of.rate // share else int(now) * share) for of, (_, _, now, *_) in answers]
        return {route: rate for route, rate in rates if rate}

    def _park(self, calls: Calls, work: Work, member: str, kept: str) -> None:
        """Put an effect on the stuck list, so that `retry` finds it when its record can be read again."""
        owner, record, effect = member.split(":", 2)
        key = self._cell.record(Owner(owner), record)
        parked = parked_of(kept, Hitch.UNREADABLE.of())
        calls.script("swap", [key, *self._cell.dues(work)], [f"f:{effect}", raw(kept), parked, member])

    def postpone(self, effect: str, dues: Mapping[str, Millis], owner: Owner = Owner.ORDER) -> None:
        rows = [part for record, due in dues.items() for part in (due, f"{owner}:{record}:{effect}")]
        if rows:
            self._wire.ask(*(("ZADD", key, "XX", *rows) for key in self._cell.dues(lane_of(effect))))

    def bring_forward(self, work: Work, due: Millis, until: Millis, *, doubtful: str = "", over: Millis = 0) -> int:
        moved = 0
        for key in self._cell.dues(work):
            looked, passed = BROUGHT, 0  # passed: effects that stay where they were
            while looked == BROUGHT:
                calls = Calls()
                arguments = [due, until, doubtful, self._cell.prefix, passed, BROUGHT, over]
                calls.script("bring_forward", [key], [str(each) for each in arguments])
                looked, some = self._wire.send(calls, repeat=True)[0]
                moved, passed = moved + some, passed + looked - some
        return moved

    def dues(self, owner: Owner, record: str, effects: Sequence[str]) -> list[Millis | None]:
        asked = [(n, key) for n, effect in enumerate(effects) for key in self._cell.dues(lane_of(effect))]
        scores = self._wire.ask(*(("ZSCORE", key, f"{owner}:{record}:{effects[n]}") for n, key in asked))
        dues: list[Millis | None] = [None] * len(effects)
        for (n, _), score in zip(asked, scores, strict=True):
            if score is not None and not isinf(float(score)):
                dues[n] = int(float(score))
        return dues

    def depths_of_all(self) -> dict[str, LaneDepth]:
        now = self._clock.instant(self._wire.ask(("TIME",))[0])
        calls = Calls()
        for key in self._cell.due.values():
            calls.plain("ZCOUNT", key, "-inf", now)
            calls.plain("ZRANGE", key, 0, 0, "WITHSCORES")
            calls.plain("ZCOUNT", key, "+inf", "+inf")
            calls.plain("ZCARD", key)
        answers = iter(self._wire.send(calls, repeat=True))
        depths = {}
        for part, (due, oldest, parked, waiting) in zip(self._cell.due, zip(*[answers] * 4, strict=True), strict=True):
            late = max(0, now - scored(oldest)[0][1]) if due else 0
            depths[part] = LaneDepth(due, late, parked, waiting)
        return depths

    def next(self, lane: Lane, limit: int) -> list[Stuck]:
        soonest = ("-inf", "(+inf", "BYSCORE", "LIMIT", 0, limit, "WITHSCORES")
        answers = self._wire.ask(*(("ZRANGE", key, *soonest) for key in self._cell.dues(lane)))
        found = sorted((due, member) for answer in answers for member, due in scored(answer))
        return [stuck_of(member) for _, member in found[:limit]]

    def stuck(self, limit: int) -> list[Stuck]:
        parked = ("+inf", "+inf", "BYSCORE", "LIMIT", 0, limit)
        answers = self._wire.ask(*(("ZRANGE", key, *parked) for key in self._cell.due.values()))
        return [stuck_of(member) for answer in answers for member in answer][:limit]

    def rooms(self) -> dict[str, ServerMemory]:
        [info] = self._wire.ask(ASKED)
        return {"orders": ServerMemory.of(info, disk_free(info))}
