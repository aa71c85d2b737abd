"""Many waiting orders in little time: the records of one that was placed and asked, copied under other numbers.

A copy is whole: a number of its own, ids, salt, reservation, line, timer, place in the list and the funnel, a hash
chain that goes on from its own doc, as if it had been placed (`restart.missing` finds nothing wrong with it), and its
call, with the same. It shares one thing with the original: the offer, kept once. Copying is ten times as fast as
placing and asking.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.engine import rates as bench
from benchmarks.growth import restart
from benchmarks.states import funnel
from consent_engine.adapters.redis.client import Calls, Wire, connect
from consent_engine.adapters.redis.codec import Offers, whole
from consent_engine.adapters.redis.keys import Cell
from consent_engine.config.settings import Settings
from consent_engine.domain.call.call import RECORDING, Call, recorded_call_id, recording_key
from consent_engine.domain.canonical_json import compact
from consent_engine.domain.days import DAY_MS
from consent_engine.domain.effects import WAKE_ARCHIVE, WAKE_REMINDER, WAKE_WINDOW, Lane
from consent_engine.domain.hashing import digest
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.line import keyed, line_id, order_id
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.order.event import chain
from consent_engine.domain.order.order import Order
from consent_engine.domain.seal import FIELD as SEAL
from consent_engine.domain.seal import Seal
from consent_engine.domain.sms import Reply
from consent_engine.engine.engine import Engine
from consent_engine.ports import Owner
from consent_engine.wiring import Installation, installation

BATCH = 500
TELL_S = 5.0
DESK = "desk"
FIRST_COPY, ORIGINALS = 100_000_000, 99_000_000
"""Subscribers' numbers, counted from the first: of those that wait, and of the originals they are copies of."""
SETTLE_S = 300.0
"""How long a filled server may take to write its file anew before anything is measured."""
CHECKED = 10
_RECORDING = 7
"""The place of the recording in a call's end as kept."""


@dataclass(frozen=True, slots=True)
class Original:
    """The order that is copied: its records as they stand."""

    fields: dict[str, str]
    line: dict[str, str]
    reservation: str
    doc: list[Any]
    event: list[Any]
    timer: str
    due: int
    id: str
    call: dict[str, str]
    call_due: int

    @property
    def call_id(self) -> str:
        """The id of its call."""
        return str(self.doc[-1])

    @property
    def reply_by(self) -> int:
        """The instant at which its window closes."""
        return int(self.fields["reply_by"])


def flat(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return names and values in one list."""
    return [each for pair in pairs for each in pair]


def original(engine: Engine, found: Installation, n: int) -> Original:
    """Place and ask the n-th subscriber; nothing else may work on this store meanwhile."""
    before = restart.asked(engine)
    [placed] = engine.place_many(bench.requests(n, 1))
    if isinstance(placed, Exception):
        raise placed
    asyncio.run(restart.ask(engine, before + 1))
    client: Any = connect(found.redis_url)
    cell, order = Cell(), placed.order
    fields = dict(client.hgetall(cell.order(order.id)))
    [timer] = [name for name in fields if name.startswith("f:")]
    key = keyed(found.secret, "key", DESK, f"key-{n}")
    call = order.doc.call_id
    made = Original(
        fields, dict(client.hgetall(cell.line(order.line))), str(client.get(cell.reservation(key))),
        json.loads(fields["doc"]), json.loads(fields["e1"]), timer.removeprefix("f:"),
        int(client.zscore(cell.due[Lane.TIMER], f"o:{order.id}:{timer.removeprefix('f:')}")), order.id,
        dict(Seal(found.secret).cipher.opened(order.line, client.hgetall(cell.record(Owner.CALL, call)))),
        int(client.zscore(cell.due[Lane.TIMER], f"c:{call}:{WAKE_ARCHIVE}")),
    )  # fmt: skip
    client.close()
    engine.cancel(order.id, DESK, "copied")  # it must not count as waiting
    of_order = {"v", "state", "head", "mac", "doc", "who", "line", "e1", "reply_by", timer}
    of_call = {"v", "state", "head", "mac", "doc", "who", "line", "e1", RECORDING, f"f:{WAKE_ARCHIVE}"}
    known = set(fields) == of_order and set(made.call) == of_call
    if not known or timer not in {f"f:{WAKE_REMINDER}", f"f:{WAKE_WINDOW}"}:
        sys.exit("an order that waits looks different than this program knows: it would copy half of it")
    return made


class Copies:
    """The maker of copies of one original, all placed a day before it: today's funnel counts today's orders alone."""

    def __init__(self, found: Installation, of: Original) -> None:
        self._secret, self._of, self._cell = found.secret, of, Cell()
        self._client = connect(found.redis_url)
        self._wire = Wire(self._client, proves=False, replicas=0)
        self._offers, self._seal = Offers(self._wire, self._cell), Seal(found.secret)

    def make(self, first: int, count: int, due: int | None = None, span: int = 0) -> dict[str, str]:
        """Make copies for so many subscribers, and print the progress; return id -> head as it was when placed.

        due, span: their windows close from that instant on, evenly over so many milliseconds; else as the original's
        """
        made: dict[str, str] = {}
        told_at = time.monotonic()
        placed_at = self._of.doc[1][1] - DAY_MS
        for start in range(0, count, BATCH):
            numbers = range(start, min(count, start + BATCH))
            calls, timers = Calls(), list[int | str]()
            for n in numbers:
                reply_by = self._of.reply_by if due is None else due + span * n // count
                order, call, head = self._copy(calls, first + n, placed_at, reply_by)
                made[order] = head
                timers += [self._of.due + reply_by - self._of.reply_by, f"o:{order}:{self._of.timer}"]
                timers += [self._of.call_due, f"c:{call}:{WAKE_ARCHIVE}"]
            calls.plain("ZADD", self._cell.due[Lane.TIMER], *timers)
            self._wire.send(calls)
            if time.monotonic() - told_at > TELL_S:
                told_at = time.monotonic()
                print(f"  {len(made):,} of {count:,} copies", file=sys.stderr, flush=True)
        return made

    def _copy(self, calls: Calls, n: int, placed_at: int, reply_by: int) -> tuple[str, str, str]:
        """Have the copy for a subscriber among the commands; return the ids of order and call, and the order's head."""
        of, cell = self._of, self._cell
        msisdn = Msisdn(f"+86{bench.FIRST_NUMBER + n}")
        order, line = order_id(self._secret, msisdn, DESK, f"key-{n}"), line_id(self._secret, msisdn)
        who = compact({"msisdn": msisdn, "salt": digest(msisdn)[:32]})
        call = self._call(calls, n, msisdn, line, placed_at)
        offer, (_, _, by, agent, request, _), spoken, *rest, _ = of.doc
        spoken = [spoken[0], f"rec-{n}", *spoken[2:]]
        # The fingerprint is of no real request, but as long.
        request = keyed(self._secret, "request", msisdn).ljust(len(request), "0")
        doc = compact([offer, [order, placed_at, by, agent, request, digest(who)], spoken, *rest, call])
        trigger, at, op, ref, by, detail, person = of.event
        asked_at = at - DAY_MS
        e1 = compact([trigger, asked_at, op, ref, by, {**detail, "window": reply_by - asked_at}, person])
        own = {"doc": doc, "who": who, "line": line, "e1": e1, "reply_by": str(reply_by)}
        fields = of.fields | own | {"head": chain("", [doc, e1])}
        fields[SEAL] = self._seal.of(Order.decode(whole(dict(fields), self._offers)))
        named = ((name.replace(of.id, order).replace(of.call_id, call), value) for name, value in of.line.items())
        entry = dict(named) | {"msisdn": msisdn}
        key, closed = cell.reservation(keyed(self._secret, "key", DESK, f"key-{n}")), self._seal.cipher.closed
        calls.plain("HSET", cell.order(order), *flat(closed(line, fields).items()))
        calls.plain("HSET", cell.line(line), *flat(closed(line, entry).items()))
        calls.plain("SET", key, "|".join([request, order, *of.reservation.split("|")[2:]]))
        return order, call, chain("", [doc])

    def _call(self, calls: Calls, n: int, msisdn: Msisdn, line: str, at: int) -> str:
        """Have the call of a copy among the commands; return its id."""
        was, ref = self._of.call, f"rec-{n}"
        key = recording_key(self._secret, ref)
        call = recorded_call_id(msisdn, key)
        who = compact({**json.loads(was["who"]), "msisdn": msisdn})
        _, _, by, agent, request, _, *rest = json.loads(was["doc"])
        doc = compact([call, at, by, agent, request, digest(who), *rest])
        ended = json.loads(was["e1"])
        ended[_RECORDING] = [ref, *ended[_RECORDING][1:]]
        e1 = compact(ended)
        fields = was | {"doc": doc, "who": who, "line": line, "e1": e1, "head": chain("", [doc, e1])}
        fields[SEAL] = self._seal.of(Call.decode(fields))
        kept = self._seal.cipher.closed(line, fields)
        calls.plain("HSET", self._cell.record(Owner.CALL, call), *flat(kept.items()))
        calls.plain("SET", self._cell.reservation(key), "|".join(["", call, *self._of.reservation.split("|")[2:]]))
        return call

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


# A server full of them ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Site:
    """One server with so many orders waiting, and its figures."""

    size: int
    folder: Path
    environ: dict[str, str]
    settings: Settings
    found: Installation
    engine: Engine
    stack: ExitStack
    next: int = 0
    rates: list[float] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)


def site(folder: Path, size: int, durability: str, outer: ExitStack) -> Site:
    """Make a server with `size` orders waiting; it is closed with `outer` at the latest."""
    environ = {
        "CONSENT_READING_SPEED": "1000000",
        "CONSENT_DATA_DIR": str(folder / "data"),
        "CONSENT_DURABILITY": durability,
    }
    environ["CONSENT_IN_FLIGHT"] = str(bench.IN_FLIGHT)
    environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    settings, stack = Settings.load(environ, env_file=None), outer.enter_context(ExitStack())
    found = stack.enter_context(installation(settings, own=True))
    made = Site(size, folder, environ, settings, found, found.engine(), stack)
    copies = Copies(found, original(made.engine, found, ORIGINALS))
    client: Any = connect(found.redis_url)
    empty, began = client.info("memory")["used_memory"], time.monotonic()
    heads = copies.make(FIRST_COPY, size)
    made.told["filled_s"] = round(time.monotonic() - began, 2)
    copies.close()
    memory = client.info("memory")
    made.told |= {"bytes": round((memory["used_memory"] - empty) / size), "rss_mb": memory["used_memory_rss"] >> 20}
    client.close()
    rewritten(found)
    if len(heads) != size:
        sys.exit("two copies have one id")
    made.heads = heads
    return made


def rewritten(found: Installation) -> None:
    """Have the server write its file anew, and wait: the next time is when the file has doubled. In production that is
    spread over the days it takes to fill it; while it lasts, an order costs the server twice as much.
    """
    client: Any = connect(found.redis_url)
    deadline, asked = time.monotonic() + SETTLE_S, False
    while time.monotonic() < deadline:
        if not client.info("persistence")["aof_rewrite_in_progress"]:
            if asked:
                break
            asked = bool(client.bgrewriteaof())
        time.sleep(0.5)
    client.close()


def sound(made: Site) -> None:
    """Exit unless copies are like orders that were placed: complete, and able to go on."""
    [own] = made.engine.orders_of(Msisdn(f"+86{bench.FIRST_NUMBER + ORIGINALS}")).orders
    heads = made.heads | {own.id: chain("", own.publics[:1])}
    # The original was cancelled: it alone may have nothing due.
    wrong = [line for line in restart.missing(made.found.redis_url, heads, 1) if line != "1 orders have nothing due"]
    if wrong:
        sys.exit("\n".join(["the copies are not sound:", *wrong]))
    with bench.workers(made.found, 1):
        numbers = [Msisdn(f"+86{bench.FIRST_NUMBER + FIRST_COPY + n}") for n in range(CHECKED)]
        carrier = made.settings.senders()["mobile"]
        made.engine.receive([Reply("simulated", f"check-{each}", each, carrier, "是") for each in numbers])
        restart.until(lambda: funnel(made.engine, 1).get(State.NOTIFIED, 0) == CHECKED, "copies go on")
    print(f"copies are sound: {made.size} whole, {CHECKED} of them answered and notified", flush=True)
