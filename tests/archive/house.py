"""A town with an archive: the engine over a real store, settled orders in SQL, and a clock that moves when told to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Event
from types import SimpleNamespace

from sqlalchemy import delete, update

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.registry import RedisRegistry
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.connections import connected
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.tables import META, SIZE, TABLES, TILED
from consent_engine.domain.admission.admit import Terms
from consent_engine.domain.effects import Lane
from consent_engine.domain.order.order import Order, Retention
from consent_engine.domain.seal import Seal, is_mark, sound
from consent_engine.engine.engine import Engine
from consent_engine.engine.slice import Pace
from consent_engine.ports import Outside
from consent_engine.ports.queries import OrderFilter
from tests.conftest import NUMBER, SENDERS, World
from tests.waiting import HANGS_S
from tests.written_out import listed

LONG = 80
"""Hours after which no reply can mean an order any more (window 24 h, and 48 h)."""


SEAL = Seal("test-secret")


class Town(World):
    """A world whose settled orders leave for the archive."""

    def __init__(self, client, archive, **more):
        self.archive = archive
        if archive is not None:
            archive.seal = SEAL
        super().__init__(client, **more)

    def another(self, store=None):
        """Make another engine on the same store and archive. store: between the engine and Redis."""
        wire = Wire(self.client, proves=False, replicas=0)
        inner = store or redis_store(wire, lease_ms=60_000, clock=self.clock, cell=self.cell, seal=SEAL)
        log = SqlLog(self.archive) if self.archive is not None else None
        return Engine(
            listed(replace(inner, archive=self.archive, log=log), self.client, [self.cell], SEAL),
            RedisRegistry(wire, clock=self.clock, prefix=Cell().shared),
            self.queue,
            Outside({"test": self.gateway}, dict.fromkeys(SENDERS, ("test",)), SENDERS, self.bss),
            Terms(self.policy, SENDERS, frozenset(), call_age=self.call_age, permits_required=self.permits_required),
            "test-secret",
            Pace(watch=lambda: self.clock() / 1000, rest=self.rest),
        )

    def settled(self, answer="是", msisdn=NUMBER, **more):
        """An order that was asked, answered and done."""
        order = self.place(msisdn, **more)
        self.run(Lane.SMS)
        assert self.say(answer, msisdn)
        self.run()
        shown = self.engine.show(order.id)
        assert shown.state.settled
        return shown

    def archived(self, **more):
        """An order that has left the store."""
        order = self.settled(**more)
        self.move()
        assert order.id not in self.live([order.id])
        return order

    def live(self, ids):
        return self.engine.store.records.look({Order: ids}).of(Order)

    def move(self, hours=LONG):
        """Let time pass, and run the timers."""
        self.clock.forward(hours=hours)
        self.run(Lane.TIMER)

    def names(self, kind=""):
        return sorted(self.client.keys(f"ce:*{kind}*"))


def gone(archive, kind, *names):
    """The records of a kind that the store has let go, as SQL has them, by id."""
    return {name: each.record for name, [each] in archive.recall(kind, names).items() if each.record}


class Died(BaseException):
    """The process is gone."""


def left_of(desk, name):
    """Whatever the store keeps under the name of a record: keys, and members of due-sets."""
    dues = [each for key in desk.cell.due.values() for each in desk.client.zrange(key, 0, -1)]
    return [each for each in (*desk.client.keys("ce:*"), *dues) if name in each]


@contextmanager
def broken(archive: SqlArchive) -> Iterator[None]:
    """Make the archive's database unreachable inside the block: its address leads nowhere."""
    engine = archive._engine  # noqa: SLF001 - a fault that no caller can cause
    archive._engine = connected("sqlite:////dev/null/nowhere/archive.sqlite3")  # noqa: SLF001
    try:
        yield
    finally:
        archive._engine.dispose()  # noqa: SLF001
        archive._engine = engine  # noqa: SLF001
        archive.check()


@contextmanager
def hanging(archive: SqlArchive) -> Iterator[None]:
    """Make the archive's database take connections, and answer nothing, until the block ends."""
    engine, thawed = archive._engine, Event()  # noqa: SLF001 - as above

    def begin():
        thawed.wait(HANGS_S)
        raise OSError

    archive._engine = SimpleNamespace(begin=begin)  # noqa: SLF001
    try:
        yield
    finally:
        archive._engine = engine  # noqa: SLF001
        thawed.set()
        archive.check()


def everywhere(town, orders):
    """Assert that each order is found, whole, once in every list."""
    for order in orders:
        shown = town.engine.show(order.id)
        assert (shown.head, shown.events, shown.person) == (order.head, order.events, order.person)
        assert sound(shown)
    listed = [order.id for order in town.engine.orders(OrderFilter(), "", 100).orders]
    assert sorted(listed) == sorted(order.id for order in orders)


def emptied(archive: SqlArchive) -> SqlArchive:
    """The archive, emptied, and owned by no installation; its id stays."""
    archive.check()
    owned = META.c.name.in_(["installation", "log_newest", "log_marks", "log_name", "log_rotations"])
    with archive._engine.begin() as connection:  # noqa: SLF001
        for table in TABLES.sorted_tables:
            connection.execute(delete(table).where(owned) if table is META else delete(table))
        connection.execute(update(META).where(META.c.name.in_([SIZE, TILED])).values(value="0"))
    return archive


def kept_of(client):
    """Everything that a Redis holds, except what only views read."""
    kinds = {name: client.type(name) for name in client.scan_iter()}
    readers = {"hash": client.hgetall, "zset": lambda n: client.zrange(n, 0, -1, withscores=True), "string": client.get}
    return {name: (kind, readers[kind](name)) for name, kind in kinds.items() if kind in readers}


def restored(client, kept):
    """Restore a backup onto an empty server."""
    client.flushdb()
    for name, (kind, what) in kept.items():
        if kind == "hash":
            client.hset(name, mapping=what)
        elif kind == "zset":
            client.zadd(name, dict(what))
        else:
            client.set(name, what)


DAY = 24 * 3_600_000
SHORT = Retention(service=20 * DAY, no_service=10 * DAY, records=30 * DAY)


class LogThrough:
    """A log whose scribe hands its entries to `through`, with the log's own append."""

    def __init__(self, log, through):
        self.log = log
        self.through = through

    @contextmanager
    def writing(self):
        with self.log.writing() as to:
            yield WritingThrough(to, self.through)


class WritingThrough:
    def __init__(self, to, through):
        self.records, self.lines, self.plans = to.records, to.lines, to.plans
        self.append = partial(through, to.append)


def append(log, entries):
    """Bring entries to a log by themselves."""
    with log.writing() as to:
        return to.append(entries)


def standing(town):
    """The leaves that wait, without the marks beside them."""
    return [entry for entry in town.client.lrange(town.cell.journal, 0, -1) if not is_mark(entry)]
