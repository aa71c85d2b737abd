"""The store in one cell of Redis (7.2 or later, Valkey too), put together from its parts. Its keys: `keys`."""

from collections.abc import Callable

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.clock import Clock
from consent_engine.adapters.redis.codec import Offers
from consent_engine.adapters.redis.inbox import RedisInbox
from consent_engine.adapters.redis.journal import RedisJournal
from consent_engine.adapters.redis.keys import Cell
from consent_engine.adapters.redis.lanes import RedisLanes
from consent_engine.adapters.redis.permits import RedisPermits
from consent_engine.adapters.redis.records import RedisRecords
from consent_engine.adapters.redis.reservations import RedisReservations
from consent_engine.adapters.redis.retirement import RedisRetirement
from consent_engine.domain.effects import Millis
from consent_engine.domain.order.retention import Retention
from consent_engine.domain.seal import Seal
from consent_engine.ports import Store

KEPT = Retention()


def redis_store(
    wire: Wire, *, lease_ms: int, clock: Callable[[], Millis] | None = None, cell: Cell | None = None,
    seal: Seal | None = None, keep: Retention = KEPT,
) -> Store:  # fmt: skip
    """Make the Store of one cell. clock: gives the instant in tests; else the server's own clock does · keep: how long
    unmatched messages, the evidence of a lifted restriction and answers to requests for permits are kept
    """
    cell, time = cell or Cell(), Clock(clock)
    offers = Offers(wire, cell)
    return Store(
        records=RedisRecords(wire, cell, offers, time, seal),
        lanes=RedisLanes(wire, cell, offers, time, seal, lease_ms),
        inbox=RedisInbox(wire, cell, time, keep),
        reservations=RedisReservations(wire, cell, time),
        retirement=RedisRetirement(wire, cell, offers),
        permits=RedisPermits(wire, cell, time, seal),
        journal=RedisJournal(wire, cell, time),
    )
