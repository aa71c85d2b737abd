"""The records of one cell of Redis: every change of one is a script, here is packed and unpacked (`codec`)."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from consent_engine.adapters.redis.client import Calls, Wire
from consent_engine.adapters.redis.codec import Offers, record_of
from consent_engine.adapters.redis.commits import MOST, Commits
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.of_cell import Clock, OfCell, readable
from consent_engine.domain.decide.decision import Put
from consent_engine.domain.effects import WAKE_LINE, Millis
from consent_engine.domain.line.line import STRANGER_MS, Line
from consent_engine.domain.line.restriction import is_lasting
from consent_engine.domain.order.unlikely_yes import Beat, Newest
from consent_engine.domain.seal import Leaf, Seal
from consent_engine.errors import StoreUnavailable
from consent_engine.ports import (
    OWNERS,
    Change,
    Commit,
    CommitResult,
    LiftResult,
    Owner,
    Records,
    Snapshot,
    Wanted,
)

MOST_RACES = 20
LOOK_BACK = 100
"""Among how many of the newest entries of a stream a repeat is looked for."""


class RedisRecords(OfCell, Records):
    """The Records of one cell."""

    def __init__(self, wire: Wire, cell: Cell, offers: Offers, clock: Clock, seal: Seal | None) -> None:
        super().__init__(wire, cell, clock, seal)
        self._offers = offers

    def names(self, owner: Owner, pieces: int | None = None) -> Iterator[list[str]]:
        prefix = self._cell.record(owner, "")
        for keys in islice(self._wire.scanned(("SCAN",), "MATCH", f"{prefix}*"), pieces):
            yield [key.removeprefix(prefix) for key in keys]

    def part(self, record: str) -> int:
        return 0

    def look(self, wanted: Wanted, *, prove: bool = False) -> Snapshot:
        keys = [self._cell.record(OWNERS[kind], name) for kind, names in wanted.items() for name in names]
        # A write after the look: WAITAOF covers the writes of its own connection, and all that came before these.
        written = (("HINCRBY", self._cell.journaled, "proofs", 1),) * prove
        time, *kept = self._wire.ask(("TIME",), *(("HGETALL", key) for key in keys), *written, prove=prove)
        now, unread, unreadable = self._clock.instant(time), iter(kept), set[str]()

        def read(kind: type, names: Sequence[str]) -> dict[str, Any]:
            owner, offers, seal = OWNERS[kind], self._offers, self._seal
            rows = {name: fields for name in names if (fields := next(unread)) or kind is Line}
            return readable(rows, lambda name, fields: record_of(owner, name, fields, now, offers, seal), unreadable)

        return Snapshot(now, {kind: read(kind, names) for kind, names in wanted.items()}, unreadable)

    def commit(self, commits: Sequence[Commit], *, prove: bool = False) -> list[CommitResult]:
        answers = self._answered(commits, prove=prove)
        if unknown := [n for n, word in enumerate(answers) if word == "offer"]:
            # The server lacks the offer (another one, or one that lost its last moments): send it again.
            self._offers.clear()
            again = dict(zip(unknown, self.commit([commits[n] for n in unknown], prove=prove), strict=True))
        else:
            again = {}
        return [again.get(n) or CommitResult(word) for n, word in enumerate(answers)]

    def _answered(self, commits: Sequence[Commit], *, prove: bool) -> list[str]:
        """Return the script's answer to each commit; many are saved by one script."""
        calls, said = Calls(gathered=True), list[tuple[str, str]]()
        for n in range(0, len(commits), MOST):
            together = Commits(self._cell, self._seal, self._offers)
            for commit in commits[n : n + MOST]:
                together.add(commit)
            calls.script("commit", *together.asked(self._clock.now()))
            said += together.offers
        answers = self._wire.send(calls, prove=prove, repeat=True)
        self._offers.update((name, content) for name, content in said if content)
        return [word for group in answers for word in group]

    def newest_yeses(self, beats: Sequence[Beat]) -> list[Newest]:
        asked = [("HGET", self._cell.cadence(self._cell.days.of(beat.at)), beat.among) for beat in beats]
        each = list(dict.fromkeys(asked))
        found = {ask: Newest(kept or "") for ask, kept in zip(each, self._wire.ask(*each), strict=True)}
        return [found[ask] for ask in asked]

    def glance(self, orders: Sequence[str]) -> list[tuple[int, str]]:
        found = self._wire.ask(*(("HMGET", self._cell.order(order_id), "v", "line") for order_id in orders))
        return [(int(v or 0), line or "") for v, line in found]

    def lift(self, line: str, carrier: str, act_at: Millis, kept: str, at: Millis) -> LiftResult:
        """Lift it as the port says. Raises StoreUnavailable, also where too many others write to this line."""
        entries = (Leaf.of_lifting(line, carrier, at).entry,) if is_lasting(carrier) else ()
        for _ in range(MOST_RACES):
            if kept in self.lifted(LOOK_BACK):  # a repeat
                self.look({Line: [line]}, prove=True)
                return LiftResult.OK
            record = self.look({Line: [line]}).of(Line).get(line)
            if record is None:
                return LiftResult.DAMAGED
            if (stands := record.named(carrier)) is None:
                return LiftResult.NONE
            if stands.newest > act_at:
                return LiftResult.NEWER
            put = () if WAKE_LINE in record.effects else (Put(WAKE_LINE, act_at + STRANGER_MS),)
            change = Change.of(record, {f"r:{carrier}": ""}, put)
            [saved] = self.commit([Commit("", (change,), entries=entries, lifted=kept)], prove=True)
            if saved is CommitResult.OK:
                return LiftResult.OK
        raise StoreUnavailable("too many others write to this line: the same request again is safe")

    def lifted(self, most: int) -> list[str]:
        [rows] = self._wire.ask(("XREVRANGE", self._cell.lifted, "+", "-", "COUNT", most))
        return [fields["m"] for _, fields in rows]
