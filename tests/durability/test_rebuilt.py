"""A Redis that is killed under load and loses its files is filled from SQL: nothing is lost that was written out."""

import asyncio
import shutil
import threading
from contextlib import closing
from dataclasses import replace
from functools import partial

from benchmarks.promises.load import SECRET, Load
from benchmarks.promises.rules import Notes
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.backup.put_back import fill
from consent_engine.config.settings import Settings
from consent_engine.doctor import Level, Wanted, examine
from consent_engine.doctor.rules import RULES
from consent_engine.domain.effects import Lane
from consent_engine.domain.seal import Seal
from tests.durability.servers import server
from tests.waiting import until
from workers.ticking import Scribe

ORDERS, MORE = 40, 15
A_DAY_MS = 24 * 3_600_000


def written_out(load):
    """What was acknowledged by now, once the scribe has written all of it out."""
    notes = load.notes
    before = Notes(dict(notes.orders), dict(notes.refused), dict(notes.stops))
    engine = load.engine()
    now = engine.registry.now()
    journal = engine.store.journal
    until("all of that time is in SQL", lambda: journal.waiting().as_of > now)
    return before


def to_the_end(load, orders):
    """Do all that is due a day and three later: every window is over then."""

    async def works(engine):
        for _ in range(6):
            for lane in Lane:
                await engine.performer.perform(lane, 5)
            await engine.performer.land(5)

    for days in (0, 1, 3):
        asyncio.run(works(load.engine(ahead_ms=days * A_DAY_MS)))
    engine = load.engine()
    return {order: engine.show(order) for order in orders}


def test_a_redis_that_is_killed_under_load_and_loses_its_files_is_rebuilt_and_every_order_settles(tmp_path):
    with (
        server(tmp_path / "redis", "appendfsync always") as redis,
        closing(SqlArchive(f"sqlite:///{tmp_path}/archive.sqlite3")) as archive,
    ):
        archive.seal = Seal(SECRET)
        load = Load(redis.url, 0)
        load.engine().registry.check(SECRET, strict=True, cells=1)
        load.begin()
        scribe = Scribe(lambda: replace(load.engine().store, archive=archive, log=SqlLog(archive)), "one", tick_s=0.05)
        scribe.start()
        until("orders are taken", lambda: len(load.notes.orders) > ORDERS and load.notes.stops)
        before = written_out(load)
        more = len(load.notes.orders)
        until("and more", lambda: len(load.notes.orders) > more + MORE)
        redis.kill()
        load.close()
        scribe.stop()
        scribe.join()
        shutil.rmtree(redis.folder / "appendonlydir")
        redis.start()

        named = {
            "REDIS_URL": redis.url, "SECRET": SECRET, "GATEWAY": "simulated", "BSS": "simulated",
            "ARCHIVE_URL": f"sqlite:///{tmp_path}/archive.sqlite3", "DATA_DIR": str(tmp_path / "data"),
        }  # fmt: skip
        settings = Settings.load({f"CONSENT_{name}": value for name, value in named.items()}, None)
        done = fill(settings, lambda _: None)
        assert done.broken == []
        found = examine(settings, Wanted(all=True, stopped=True), lambda _: None)
        of_records = [rule.what for rule in RULES.values()]
        wrong = [each.what for each in found if each.level is Level.BAD]
        assert [each for each in wrong if any(what in each for what in of_records) or "log" in each] == []

        load.stop = threading.Event()  # desks, subscribers and workers go on
        known = len(load.notes.orders)
        load.start([partial(load._worker, load.engine())])  # noqa: SLF001
        until("orders are taken again", lambda: len(load.notes.orders) > known + MORE)
        load.close()
        shown = to_the_end(load, before.orders)
        assert {order: each.state for order, each in shown.items() if not each.state.settled} == {}
        before.called = {order: at for order, at in load.notes.called.items() if order in before.orders}
        assert before.broken(load.engine()) == {}
