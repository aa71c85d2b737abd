"""How fast settled orders move to the archive, and Redis' memory then: `python -m benchmarks.growth.archive [N]`.

A real server (`everysec`), N orders (10,000) through the whole road beside 1,000 live ones, then their timers: once
into SQLite, once into PostgreSQL. A minute or two.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import cast

from sqlalchemy import text

from benchmarks import postgres
from consent_engine.adapters.redis.client import connect
from consent_engine.adapters.redis.embedded.server import RunningServer, connect_or_start
from consent_engine.adapters.sql.archive import MOST_COUNTED, SqlArchive
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.effects import Lane, lane_of
from consent_engine.domain.msisdn import Msisdn, parse
from consent_engine.domain.sms import Delivery, DeliveryReport, Reply
from consent_engine.engine.place import Placed
from consent_engine.engine.scribe import write_out
from consent_engine.ports import Only, Owner
from tests.archive.house import LONG, Town

PIECE = 500
LIVE = 1_000


def main(count: int) -> None:
    """Measure each archive, and print the table."""
    print(f"{count} settled orders, {LIVE} live ones; Redis used_memory in bytes")
    print("archive        empty      live  and settled     after  after/live  archived/s   lookups/s  bytes an order")
    for name in ("sqlite", "postgresql"):
        with ExitStack() as stack:
            print(told(name, stack.enter_context(a_town(name)), count))


@contextmanager
def a_town(name: str) -> Iterator[Town]:
    """Make a town on servers of its own."""
    folder = Path(tempfile.mkdtemp(prefix="archive-"))
    try:
        with ExitStack() as stack:
            if name == "sqlite":
                url = f"sqlite:///{folder}/archive.sqlite3"
            else:
                url = stack.enter_context(postgres.server()).url
            running = cast("RunningServer", stack.enter_context(connect_or_start(folder / "data", "everysec")))
            archive = SqlArchive(url)
            stack.callback(archive.close)
            yield Town(connect(running.url), archive)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def told(name: str, town: Town, count: int) -> str:
    """Measure one archive; return its row."""
    numbers = [parse(f"139{n:08}") for n in range(count)]
    empty = used(town)
    place(town, [parse(f"138{n:08}") for n in range(LIVE)], "live")
    town.run(Lane.SMS)
    write_out(town.engine.store, "benchmark")
    before, keys, in_sql = used(town), set(town.client.keys()), sized(town)
    settle(town, numbers)
    grown = used(town)
    # Only settled orders are due: the live ones wait (their timers are set further ahead here than they would be).
    for order in present(town, count + LIVE):
        shown = town.live([order])[order]
        for effect in () if shown.state.settled else shown.effects:
            town.client.zadd(f"ce:{{0}}:due:{lane_of(effect)}", {f"o:{order}:{effect}": town.clock.now + 10**9})
    town.clock.forward(hours=LONG)
    began = perf_counter()
    town.runner.run(drained(town))
    seconds = perf_counter() - began
    check(town.archive.check() == min(count + LIVE, MOST_COUNTED))
    write_out(town.engine.store, "benchmark")
    check(set(town.client.keys()) <= keys)  # calls of live orders may have left, too
    after = used(town)
    on_disk = (sized(town) - in_sql) / count
    ids = town.engine.store.queries.places(Owner.ORDER, Only.ALL, None, min(count, 2_000))
    began = perf_counter()
    for _, placed in ids:
        check(town.engine.show(placed).state.settled)
    looked = len(ids) / (perf_counter() - began)
    return (
        f"{name:10} {empty:>9} {before:>9} {grown:>12} {after:>9} {after / before:>11.2f} "
        f"{count / seconds:>11.0f} {looked:>11.0f} {on_disk:>13.0f}"
    )


def check(held: bool) -> None:  # noqa: FBT001
    """Exit if the condition does not hold: the run would be worth nothing."""
    if not held:
        raise SystemExit("the archive does not hold what it must")


def sized(town: Town) -> int:
    """Return the bytes of all tables with their indexes: orders, calls, numbers, the log; not of replaced rows."""
    engine = town.archive._engine  # noqa: SLF001 - nothing else needs it
    asked = {
        "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        "postgresql": "SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables",
    }
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET statement_timeout = 0"))  # the engine's own bound is for a request
        connection.execute(text("VACUUM FULL" if engine.dialect.name == "postgresql" else "VACUUM"))
        return int(connection.execute(text(asked[engine.dialect.name])).scalar_one())


async def drained(town: Town) -> None:
    """Perform slices, as a worker does, until no timer is due."""
    while (await town.engine.performer.perform(Lane.TIMER, 0.5)).left or town.due()[Lane.TIMER]:
        pass


def used(town: Town) -> int:
    """Return the memory of Redis' data, as it reports it."""
    town.client.execute_command("MEMORY", "PURGE")
    return int(town.client.info("memory")["used_memory"])


def place(town: Town, numbers: list[Msisdn], name: str) -> None:
    """Place many orders."""
    for first in range(0, len(numbers), PIECE):
        piece = numbers[first : first + PIECE]
        wanted = [Placing("desk", f"{name}-{n}", town.request(number)) for n, number in enumerate(piece, first)]
        check(all(isinstance(each, Placed) and each.created for each in town.engine.place_many(wanted)))


def present(town: Town, most: int) -> list[str]:
    """Return the newest orders in the store."""
    write_out(town.engine.store, "benchmark")
    return [order for _, order in town.engine.store.queries.places(Owner.ORDER, Only.PRESENT, None, most)]


def settle(town: Town, numbers: list[Msisdn]) -> None:
    """Take many orders to their end: asked, answered, activated, notified, reported."""
    place(town, numbers, "settled")
    for first in range(0, len(numbers), 5_000):
        piece = numbers[first : first + 5_000]
        town.run(Lane.SMS)
        replies = [Reply("test", f"mo-{number}", number, "10085", "是") for number in piece]
        for at in range(0, len(replies), PIECE):
            town.engine.receive(replies[at : at + PIECE])
        for _ in range(3):
            town.run()
    ids = present(town, len(numbers))
    reports = [DeliveryReport("test", f"{order}.notification.1", "", Delivery.DELIVERED) for order in ids]
    for at in range(0, len(reports), PIECE):
        town.engine.receive(reports[at : at + PIECE])
    town.run()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
