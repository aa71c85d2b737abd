"""Keys for persons, and where something stands under a former one."""

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.sql.tables import TABLES
from consent_engine.domain.at_rest import Cipher
from consent_engine.domain.seal import Seal

FORMER, NEW = "secret", "a-new-key-of-forty-characters-or-so-0001"
MARK = f"~{Cipher('test-secret', FORMER).names[0]}"


def use(desk, keys):
    """Have the engine work with these keys, as all processes do once they were started again."""
    seal = desk.archive.seal = Seal("test-secret", keys)
    wire = Wire(desk.client, proves=False, replicas=0)
    desk.engine = desk.another(redis_store(wire, lease_ms=60_000, clock=desk.clock, cell=desk.cell, seal=seal))


def under_former(desk):
    """Return all keys of Redis, and all rows of SQL, in which something stands under the former key."""
    read = {
        "hash": desk.client.hgetall, "string": desk.client.get, "list": lambda k: desk.client.lrange(k, 0, -1),
        "zset": lambda k: desk.client.zrange(k, 0, -1), "set": desk.client.smembers, "stream": desk.client.xrange,
    }  # fmt: skip
    with desk.archive.asking() as connection:
        rows = [(table.name, row) for table in TABLES.sorted_tables for row in connection.execute(table.select())]
    kept = [(key, read[desk.client.type(key)](key)) for key in desk.client.scan_iter()]
    return sorted({name for name, content in (*kept, *rows) if MARK in str(content)})
