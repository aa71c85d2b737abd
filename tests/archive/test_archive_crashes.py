"""Archiving dies at any point, is done by several at once, finds no archive: nothing is lost, nothing else stops."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import WAKE_ARCHIVE, Lane
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.order import Order
from consent_engine.domain.sms import Delivery
from consent_engine.engine.scribe import write_out
from consent_engine.errors import ArchiveUnavailable, IdempotencyConflict, StoreUnavailable
from consent_engine.ports import CallFilter
from consent_engine.ports.queries import OrderFilter
from tests.archive.house import LONG, SHORT, Town, broken, gone
from tests.at_rest import SEAL, entry_in_clear
from tests.conftest import NUMBER
from tests.waiting import HANGS_S

SOME = [parse(f"1380013{n:04}") for n in range(8)]
DUE = "ce:{0}:due:timer"


def run(town, engine):
    """Perform a slice of timers, until the process dies."""

    async def slice_():
        await engine.performer.perform(Lane.TIMER, 5)

    town.runner.run(slice_())


def test_several_archive_at_once_and_every_order_moves_once(archive, real):
    town = Town(real.client, archive)
    orders = [town.settled(msisdn=parse(f"1370013{n:04}")) for n in range(60)]
    town.clock.forward(hours=LONG)
    done, failed = [], []

    def work():
        mine = SqlArchive(str(archive._engine.url), SHORT)  # noqa: SLF001 - as another process would have
        mine.seal = SEAL
        other = Town.__new__(Town)
        other.__dict__.update(town.__dict__ | {"archive": mine})
        engine = other.another()
        try:
            with asyncio.Runner() as runner:
                tally = runner.run(engine.performer.perform(Lane.TIMER, 5))
            done.append(tally.counts["archived"])
        except BaseException as error:  # noqa: BLE001 - reported by the main thread
            failed.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGS_S)
    town.run(Lane.TIMER)
    assert not failed
    assert sum(done) == 2 * 60, "each with its call"
    assert archive.check() == 60
    everywhere_ids = {order.id for order in town.engine.orders(OrderFilter(), "", 100).orders}
    assert everywhere_ids == {order.id for order in orders}
    town.runner.close()


def test_while_the_archive_is_down_everything_else_goes_on_and_then_they_move(small):
    orders = [small.settled(msisdn=number) for number in SOME[:3]]
    small.clock.forward(hours=LONG)
    with broken(small.archive):
        small.run(Lane.TIMER)
        assert len(small.live([order.id for order in orders])) == 3
        dues = [small.client.zscore(DUE, f"o:{order.id}:{WAKE_ARCHIVE}") for order in orders]
        assert all(small.clock.now < due < small.clock.now + 1_200_000 for due in dues), "later, within a bound"
        fresh = small.engine.place(Placing("desk", "now", today(small))).order
        small.run(Lane.SMS)
        small.say("是", SOME[6])
        small.run()
        assert small.state(fresh) == "notified"
        with pytest.raises(ArchiveUnavailable):
            small.engine.orders(OrderFilter(), "", 1)
        with pytest.raises(ArchiveUnavailable):
            small.engine.show("0ce7" + "0" * 24)
        with pytest.raises(ArchiveUnavailable):
            small.engine.orders_of(SOME[0])
    small.clock.forward(hours=1)
    small.run(Lane.TIMER)
    assert not small.live([order.id for order in orders])


def test_a_call_is_shown_while_sql_is_away_and_no_list_or_sum_of_calls_is(small):
    call = small.engine.place(Placing("desk", "mine", today(small))).order.doc.call_id
    book, day = small.engine.calls, CHINA.of(small.clock())
    with broken(small.archive):
        assert book.show(call).id == call
        for ask in (
            lambda: book.page(CallFilter()), lambda: book.to_review(Verdict.PENDING), lambda: book.sums(day),
            lambda: book.coverage([day], "agent"), lambda: small.engine.inspector.drawn(0, small.clock(), "seed", 1),
        ):  # fmt: skip
            with pytest.raises(ArchiveUnavailable):
                ask()
    assert [each.id for each in book.page(CallFilter()).calls] == [call]


def test_a_call_of_long_ago_is_not_taken_while_the_archive_cannot_say_whether_it_was_asked(small):
    order = small.archived(key="mine")
    again = Placing("desk", "mine", small.request())
    with broken(small.archive):
        with pytest.raises(ArchiveUnavailable):
            small.engine.place(again)
        [told, fresh] = small.engine.place_many([again, Placing("desk", "new", today(small))])
        assert isinstance(told, StoreUnavailable)
        assert fresh.created, "a call of today cannot be there"
    assert small.engine.place(again).order.id == order.id


def today(town):
    at = datetime.fromtimestamp(town.clock.now / 1000, UTC).isoformat()
    return town.request(SOME[6], started_at=at, agreed_at=at)


def test_another_order_under_an_archived_id_is_never_written_over_it(small):
    old = small.archived(key="mine", answer="不同意")
    with broken(small.archive):  # the key is used again, for another call, while the archive cannot be asked
        wanted = today(small).model_copy(update={"msisdn": NUMBER, "plan": "data-pack-10gb"})
        new = small.engine.place(Placing("desk", "mine", wanted)).order
    assert new.id == old.id
    assert new.doc != old.doc
    small.run()
    small.say("是")
    small.run()
    assert small.engine.show(new.id).version > old.version
    small.move()
    assert [stuck.effect for stuck in small.engine.stuck()] == [WAKE_ARCHIVE], "a person is told"
    assert gone(small.archive, Order, old.id)[old.id].doc == old.doc
    assert small.engine.show(old.id).doc == new.doc, "what is in the store counts"
    with pytest.raises(IdempotencyConflict):
        small.engine.place(Placing("desk", "mine", small.request()))


def test_a_report_during_an_outage_is_kept_and_the_gateway_is_answered(small):
    order = small.archived()
    with broken(small.archive):
        assert small.report(order, Delivery.DELIVERED, "notification.1")
        small.run()
    [(_, kept)] = small.client.xrange("ce:{0}:unmatched")
    assert order.id in entry_in_clear(kept["m"])


def test_an_archive_that_failed_is_left_alone_for_a_while_so_nobody_waits(small):
    small.archive.check()
    with broken(small.archive):
        with pytest.raises(ArchiveUnavailable):
            small.archive.versions(["x"])
        with pytest.raises(ArchiveUnavailable, match="a moment ago"):
            small.archive.versions(["x"])


def test_another_archive_than_the_one_the_orders_are_in_is_not_used(small, tmp_path):
    order = small.archived()
    other = SqlArchive(f"sqlite:///{tmp_path}/other.sqlite3", SHORT)
    other.check()
    town = Town.__new__(Town)
    town.__dict__.update(small.__dict__ | {"archive": other})
    engine = town.another()
    with pytest.raises(ArchiveUnavailable, match="another archive"):
        engine.show(order.id)
    second = small.settled(msisdn=SOME[1])
    small.clock.forward(hours=LONG)
    run(small, engine)
    assert small.live([second.id])
    assert other.check() == 0
    other.close()


def test_one_order_the_archive_cannot_write_does_not_keep_the_others(small):
    orders = [small.settled(msisdn=number) for number in SOME[:3]]
    small.clock.forward(hours=LONG)
    write = small.archive._write  # noqa: SLF001

    def poisoned(connection, rows, standing):
        if any(row["id"] == orders[1].id for row in rows):
            raise ValueError("a row that cannot be written")
        return write(connection, rows, standing)

    small.archive._write = poisoned  # noqa: SLF001 - a database does this, no caller can
    small.run(Lane.TIMER)
    assert list(small.live([order.id for order in orders])) == [orders[1].id]
    [stuck] = small.engine.stuck()
    assert stuck.id == orders[1].id
    small.archive._write = write  # noqa: SLF001
    small.engine.retry(orders[1].id, "ops")
    small.run(Lane.TIMER)
    assert not small.live([order.id for order in orders])
    assert small.triggers(orders[1])[-1] == "retried"


def test_the_archives_file_is_its_owners_alone(small, tmp_path):
    small.archived()
    assert {path.stat().st_mode & 0o077 for path in tmp_path.glob("archive.sqlite3*")} == {0}


def test_redis_memory_returns_to_that_of_the_live_orders(real):
    live = [real.place(parse(f"1360013{n:04}")) for n in range(50)]
    real.run(Lane.SMS)

    def used():
        names = real.client.keys("ce:*")
        return sum(real.client.memory_usage(name, samples=0) for name in names if "funnel" not in name)

    before = used()
    for n in range(300):
        real.place(parse(f"1390013{n:04}"))
    real.run(Lane.SMS)
    for n in range(300):
        real.say("是", parse(f"1390013{n:04}"))
    real.run()
    grown = used()
    assert grown > 4 * before
    real.move()  # these go; the first fifty expire
    assert real.archive.check() == 300
    assert len(real.live([order.id for order in live])) == 50
    write_out(real.engine.store, "one")
    assert used() < 1.6 * before, "the fifty have longer histories, and a set that was large keeps its index"
    real.move()
    assert real.archive.check() == 350
    assert real.client.keys("ce:*order:*") == real.client.keys("ce:*line:*") == []
    assert used() < before / 4
