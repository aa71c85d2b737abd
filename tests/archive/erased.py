"""A person who is erased, and where what is known of her would stand."""

from consent_engine.adapters.sql.tables import TABLES
from consent_engine.domain.msisdn import Msisdn
from tests.at_rest import opened_in
from tests.conftest import NUMBER
from tests.integration.calls.reviewing import review

DIGITS = NUMBER[3:]
GROUND = "the subscriber asked for it"


def erase(desk, number=NUMBER):
    return desk.engine.eraser.erase(Msisdn(number), GROUND, "admin-1")


def over(desk):
    """Let all that is under way end: timers, messages, SMS."""
    for _ in range(3):
        desk.clock.forward(hours=1)
        desk.run()


def settled(desk, answer="是", msisdn=NUMBER):
    """An order that is done, and whose call was reviewed."""
    order = desk.settled(answer, msisdn)
    review(desk, desk.engine.calls.show(order.doc.call_id), "r-1", passed=True)
    over(desk)
    return order


def redis_of(desk):
    """All that the store holds, as one text, with what is closed in it opened."""
    found = []
    for key in desk.client.scan_iter():
        kind = desk.client.type(key)
        kept = {
            "hash": desk.client.hgetall, "list": lambda k: desk.client.lrange(k, 0, -1), "string": desk.client.get,
            "zset": lambda k: desk.client.zrange(k, 0, -1), "set": desk.client.smembers, "stream": desk.client.xrange,
        }[kind](key)  # fmt: skip
        found.append(f"{key} {kept}")
    return with_opened("\n".join(found))


def sql_of(desk):
    with desk.archive.asking() as connection:
        rows = [row for table in TABLES.sorted_tables for row in connection.execute(table.select())]
    return with_opened("\n".join(repr(tuple(row)) for row in rows))


def with_opened(text):
    return "\n".join((text, *opened_in(text)))
