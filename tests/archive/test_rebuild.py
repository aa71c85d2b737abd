"""An emptied Redis is filled from SQL: what was acknowledged and written out goes on, and nothing is called blindly."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis.stateful import rule, run_state_machine_as_test
from sqlalchemy import update

from consent_engine import cli
from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.redis.inspection import RedisSurvey
from consent_engine.adapters.redis.keys import Cell, due_set
from consent_engine.adapters.redis.sharded_store import sharded_store
from consent_engine.adapters.redis.store import redis_store
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.tables import ORDERS
from consent_engine.adapters.sql.whole import SqlWhole
from consent_engine.cli.tables import instant
from consent_engine.config.settings import Settings
from consent_engine.doctor import Level, records
from consent_engine.doctor.records import Wanted
from consent_engine.doctor.rules import RULES
from consent_engine.domain.decide.put_again import put_again
from consent_engine.domain.effects import ACTIVATE, WITHOUT_CALLS, Accepted, Lane, Uncertain, lane_of
from consent_engine.domain.lifecycle import State
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.msisdn import parse
from consent_engine.domain.order.order import Order
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.rebuild import rebuild
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out
from consent_engine.errors import IdempotencyConflict, NotOurArchive
from consent_engine.ports import LiftResult
from consent_engine.ports.registry import WorkerReport
from consent_engine.wiring import installation
from tests import needs
from tests.archive.house import SEAL, SHORT, emptied
from tests.archive.refusals import of_refusals
from tests.conftest import NUMBER, OTHER
from tests.integration.promises.machine import Promises, stories
from tests.integration.rq_house import ROOT
from tests.memory import a_store
from tests.waiting import HANGS_S
from tests.written_out import empty_at

THIRD, FOURTH = parse("13900139001"), parse("13800138004")


def written_out(town):
    write_out(town.engine.store, "one")


def rebuilt(town, store=None):
    archive = town.archive
    store = store or town.another().store
    found = rebuild(store, SqlWhole(archive), archive.owner(), archive.id(), [].append)
    assert found.broken == []
    return found


def lost_and_rebuilt(town):
    written_out(town)
    town.client.flushall()
    rebuilt(town)
    town.engine = town.another()


def troubles(town):
    survey = RedisSurvey(Wire(town.client, proves=False, replicas=0))
    catalogue = town.engine.registry.catalogue
    found = records.records(town.engine.store, survey, 60_000, Wanted(all=True), [].append, catalogue)
    return [each.what for each in found if each.level is not Level.GOOD]


def to_the_end(town):
    """Let the doubts pass, and all that is due."""
    for _ in range(4):
        town.run()
        town.clock.forward(hours=1)
    town.run()


def test_a_refusal_with_an_end_has_one_after_a_rebuild_too(town):
    """It was noted in the log as one without, was missed once it was over, and was put back for ever."""
    town.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "A1024", until=town.clock.now + 3_600_000))
    lost_and_rebuilt(town)
    town.clock.forward(hours=2)
    written_out(town)
    assert (of_refusals(town), troubles(town)) == ([], [])
    assert town.engine.dial(NUMBER, "mobile").callable


def test_every_order_goes_on_from_where_it_was_and_nothing_is_activated_twice(town):
    asked, unasked, confirmed, done = (town.place(each) for each in (NUMBER, OTHER, THIRD, FOURTH))
    town.run(Lane.SMS)
    assert town.say("是", THIRD)
    town.run(Lane.INBOUND)
    assert town.say("是", FOURTH)
    town.run()
    orders = [each.id for each in (asked, unasked, confirmed, done)]
    before = town.live(orders)
    lost_and_rebuilt(town)
    after = town.live(orders)
    assert {n: (o.head, o.state, o.events) for n, o in after.items()} == {
        n: (o.head, o.state, o.events) for n, o in before.items()
    }
    assert all(after[n].version > before[n].version + 100 for n in before)
    assert troubles(town) == []
    for number in (NUMBER, OTHER):
        assert town.say("是", number)
    to_the_end(town)
    assert {town.engine.show(order).state for order in orders} == {State.NOTIFIED}
    assert sorted(each.order_id for each in town.bss.asked) == sorted(orders)
    assert troubles(town) == []


def test_a_call_outside_that_may_have_been_begun_is_never_made_blindly(small):
    order = small.place()
    sent = len(small.gateway.sent)
    lost_and_rebuilt(small)
    small.run()
    assert len(small.gateway.sent) == sent, "it is in doubt"
    small.clock.forward(hours=1)
    small.run()
    assert [each.ref for each in small.gateway.sent[sent:]] == [f"{order.id}.confirmation.1"]
    assert small.say("是")
    small.run(Lane.INBOUND)
    small.bss.answers += [Uncertain("timeout")]
    lost_and_rebuilt(small)
    small.bss.known = {}
    to_the_end(small)
    assert len({each.order_id for each in small.bss.asked}) == 1


def confirmed(town):
    """Return an order whose activation waits."""
    order = town.place()
    town.run(Lane.SMS)
    assert town.say("是")
    town.run(Lane.INBOUND)
    assert ACTIVATE in town.engine.show(order.id).effects
    return order


@pytest.mark.parametrize("doubtful", [False, True])
@pytest.mark.parametrize(
    "happens",
    [
        lambda town: town.say("TD"),
        lambda town: town.say("否"),
        lambda town: town.engine.refuse(RefusalAsked(NUMBER, "mobile", "ops", "cli:me")),
        lambda town: town.engine.line_event(LineEventAsked(NUMBER, LineEvent.ASSIGNED, town.clock.now, "ops", "")),
    ],
    ids=["STOP", "no", "refusal", "another holder"],
)  # fmt: skip
def test_an_activation_that_the_bss_knows_nothing_of_passes_the_gate_like_a_new_one(small, happens, doubtful):
    small.bss.can_ask = True
    order = confirmed(small)
    lost_and_rebuilt(small)
    if doubtful:
        small.run(Lane.ACTIVATION)
        assert small.engine.show(order.id).effects[ACTIVATE].in_doubt
    happens(small)
    to_the_end(small)
    assert (small.bss.asked, small.engine.show(order.id).state.settled) == ([], True)


def test_an_activation_that_was_begun_before_a_refusal_is_asked_about(small):
    """SQL had the order from before its activation was leased, as a lease is no new version of it."""
    order = confirmed(small)
    written_out(small)
    assert len(small.engine.store.lanes.lease(Lane.ACTIVATION, 1)) == 1
    small.bss.knows[order.id] = Accepted("act-1", "2025-11-25")
    small.engine.refuse(RefusalAsked(NUMBER, "mobile", "ops", "cli:me"))
    lost_and_rebuilt(small)
    to_the_end(small)
    assert (small.bss.asked, small.engine.show(order.id).state) == ([], State.NOTIFIED)


def test_an_activation_that_a_refusal_barred_stays_barred(small):
    order = confirmed(small)
    small.engine.refuse(RefusalAsked(NUMBER, "mobile", "ops", "cli:me"))
    lost_and_rebuilt(small)
    assert not small.engine.dial(NUMBER, "mobile").callable, "before anything is dialled"
    to_the_end(small)
    assert small.bss.asked == []
    assert small.engine.show(order.id).state is State.CANCELLED


def test_unread_messages_plans_and_the_same_request_are_there_again(small):
    order = small.place(key="one")
    small.run(Lane.SMS)
    plans = small.engine.registry.catalogue()
    assert small.say("否")
    written_out(small)
    small.client.flushall()
    small.engine = small.another()
    found = rebuilt(small)
    assert found.counts["plans"] == len(plans) > 0
    assert small.engine.registry.catalogue() == plans
    assert small.place(key="one").id == order.id
    with pytest.raises(IdempotencyConflict):
        small.place(OTHER, key="one")
    small.run(Lane.INBOUND)
    assert small.engine.show(order.id).state is State.DECLINED


def test_what_was_taken_since_the_loss_is_kept_beside_what_comes_back(small):
    order = small.place()
    small.run(Lane.SMS)
    small.engine.refuse(RefusalAsked(OTHER, "telecom", "ops", "cli:me"))
    small.engine.refuse(RefusalAsked(THIRD, "mobile", "ops", "cli:me", until=small.clock.now + 3_600_000))
    written_out(small)
    small.client.flushall()
    assert small.say("TD"), "an engine that has not noticed takes it"
    small.engine.refuse(RefusalAsked(OTHER, "mobile", "ops", "cli:me"))
    small.engine.refuse(RefusalAsked(THIRD, "mobile", "ops", "cli:me"))
    rebuilt(small)
    small.engine = small.another()
    assert not small.engine.dial(NUMBER, "mobile").callable
    assert [small.engine.dial(OTHER, each).callable for each in ("mobile", "telecom", "unicom")] == [False, False, True]
    to_the_end(small)
    assert small.engine.show(order.id).state is State.DECLINED
    assert not small.engine.dial(THIRD, "mobile").callable, "hours later"
    assert troubles(small) == []


def test_who_lifted_a_refusal_may_be_called_after_a_rebuild_too(small):
    small.place()
    small.run(Lane.SMS)
    assert small.say("TD")
    small.run()
    small.clock.forward(seconds=1)
    assert small.engine.lift(NUMBER, "mobile", "admin", "form 1", small.clock.now + 60_000) is LiftResult.OK
    lost_and_rebuilt(small)
    survey = RedisSurvey(Wire(small.client, proves=False, replicas=0))
    wanted = Wanted(all=True, mend=True)
    list(records.records(small.engine.store, survey, 60_000, wanted, [].append, small.engine.registry.catalogue))
    assert small.engine.dial(NUMBER, "mobile").callable


def test_an_emptied_redis_is_never_written_out_and_no_engine_starts_on_it(small):
    small.engine.refuse(RefusalAsked(NUMBER, "mobile", "ops", "cli:me"))
    written_out(small)
    small.client.flushall()
    small.engine.refuse(RefusalAsked(NUMBER, "telecom", "ops", "cli:me"))
    with pytest.raises(NotOurArchive, match="consent rebuild"):
        written_out(small)
    with pytest.raises(NotOurArchive):
        small.another().store.bound_archive()
    rebuilt(small)
    written_out(small)
    assert [small.another().dial(NUMBER, each).callable for each in ("mobile", "telecom")] == [False, False]


def test_an_order_that_left_for_the_archive_as_the_data_were_lost_is_named_by_no_line(small):
    left, stays = small.settled(), small.place(OTHER)
    written_out(small)
    small.move()
    small.client.flushall()
    rebuilt(small)
    small.engine = small.another()
    assert set(small.live([left.id, stays.id])) == {stays.id}
    assert small.engine.show(left.id).head == left.head
    assert troubles(small) == []


def test_a_message_that_is_read_between_two_looks_of_the_scribe_is_in_no_gap(small):
    order = small.place()
    small.run(Lane.SMS)
    written_out(small)
    assert small.say("否")
    store = small.another().store
    look = store.journal.read

    def read(*asked):
        found = look(*asked)
        small.run(Lane.INBOUND)
        return found

    store.journal.read = read
    write_out(store, "one", 1)
    small.client.flushall()
    rebuilt(small)
    small.engine = small.another()
    small.run()
    assert small.engine.show(order.id).state is State.DECLINED
    assert small.client.llen(small.cell.inbox(order.line)) == 0
    assert troubles(small) == []


class Died(Exception):
    """The process that rebuilds has died."""


def dying(store, at):
    """A store whose process dies at its nth write."""
    count = [0]

    def mortal(step):
        def stepped(*args, **more):
            count[0] += 1
            if count[0] == at:
                raise Died
            return step(*args, **more)

        return stepped

    for part, names in {
        store.records: ("commit",), store.inbox: ("put_back",), store.reservations: ("claim",),
        store.retirement: ("restore", "fill"),
    }.items():  # fmt: skip
        for name in names:
            setattr(part, name, mortal(getattr(part, name)))
    return store


def test_wherever_it_dies_no_engine_starts_and_the_same_again_goes_on(small):
    small.place()
    small.run(Lane.SMS)
    assert small.say("是")
    settled = small.settled(msisdn=OTHER)
    written_out(small)
    for at in range(1, 100):
        small.client.flushall()
        try:
            rebuilt(small, dying(small.another().store, at))
        except Died:
            with pytest.raises(NotOurArchive):
                small.another().store.bound_archive()
            rebuilt(small)
            small.engine = small.another()
            assert troubles(small) == []
            assert small.client.llen(small.cell.inbox(settled.line)) == 0
            continue
        break
    assert at > 6


def cells_of(client, clock, many):
    """A store of so many cells in one Redis."""
    wire = Wire(client, proves=False, replicas=0)
    cells = [Cell(n, alone=False) for n in range(many)]
    return sharded_store([redis_store(wire, lease_ms=60_000, clock=clock, cell=cell, seal=SEAL) for cell in cells])


def test_another_number_of_cells_has_all_of_it_and_one_that_lost_its_data_alone_is_filled(small, caplog):
    numbers = [parse(f"138001380{n:02}") for n in range(12)]
    orders = [small.place(each).id for each in numbers]
    small.run(Lane.SMS)
    written_out(small)
    small.client.flushall()
    store = replace(cells_of(small.client, small.clock, 4), archive=small.archive, log=SqlLog(small.archive))
    assert rebuilt(small, store).filled == [0, 1, 2, 3]
    there = store.records.look({Order: orders}).of(Order)
    assert set(there) == set(orders)
    lost = next(part for part in map(store.records.part, orders) if part)
    write_out(store, "one")
    for key in small.client.keys(f"ce:{{{lost}}}:*"):
        if not key.endswith(":meta"):
            small.client.delete(key)
    line = next(each.line for each in there.values() if store.records.part(each.line) == lost)
    small.client.rpush(f"ce:{{{lost}}}:journal", f"= l {line}")
    write_out(store, "one")
    assert any(line in piece for piece in SqlWhole(small.archive).lines()), "SQL keeps what it has"
    assert f"the data of cells {lost} are not bound to their archive" in caplog.text
    versions = dict(zip(orders, store.records.glance(orders), strict=True))
    assert rebuilt(small, cells_of(small.client, small.clock, 4)).filled == [lost]
    for order, (version, line) in zip(orders, store.records.glance(orders), strict=True):
        assert (version, line) == versions[order] or store.records.part(order) == lost
        assert version


def test_a_record_that_somebody_changed_in_sql_is_named_and_does_not_come_back(small):
    order, other = small.place(), small.place(OTHER)
    written_out(small)
    with small.archive.asking() as connection:
        changed = connection.execute(ORDERS.select().where(ORDERS.c.id == order.id)).one().record.replace("A1024", "B")
        connection.execute(update(ORDERS).where(ORDERS.c.id == order.id).values(record=changed))
    small.client.flushall()
    archive = small.archive
    found = rebuild(small.another().store, SqlWhole(archive), archive.owner(), archive.id(), [].append)
    assert found.broken == [order.id]
    assert set(small.live([order.id, other.id])) == {other.id}


class Losses(Promises):
    """The machine of promises, in a world that loses its Redis now and then, and has it rebuilt from SQL. Its workers
    know no archive: all records are at hand for the checks.
    """

    def __init__(self, client, archive):
        super().__init__(client)
        self.archive = emptied(archive)
        self.archive.seal = SEAL

    @property
    def store(self):
        """A store with SQL beside it, as the scribe has it."""
        return replace(self.world.another().store, archive=self.archive, log=SqlLog(self.archive))

    @rule()
    def redis_loses_its_data(self):
        self.timers_are_due_as_before()
        write_out(self.store, "one")
        unmatched = self.world.client.dump("ce:{0}:unmatched")
        self.world.client.flushall()
        if unmatched:
            self.world.client.restore("ce:{0}:unmatched", 0, unmatched)
        whole = SqlWhole(self.archive)
        found = rebuild(self.store, whole, self.archive.owner(), self.archive.id(), [].append)
        assert found.broken == []
        self.crash()
        assert troubles(self.world) == []
        self.done["rebuilt"] += 1

    def timers_are_due_as_before(self):
        """A timer that acts when it is due is put again for the instant for which it stood."""
        town = self.world
        for order in town.engine.store.records.look({Order: list(self.model.orders)}).of(Order).values():
            for put in put_again(order, 0, 0):
                key = town.cell.due[due_set(put.effect, order.doc.carrier)]
                due = town.client.zscore(key, f"o:{order.id}:{put.effect}")
                if lane_of(put.effect) in WITHOUT_CALLS and put.due > 0 and not order.effects[put.effect].leased_at:
                    assert put.due == due or town.clock() >= due, put


def test_every_promise_holds_in_any_history_whenever_the_data_are_lost_and_rebuilt(tmp_path):
    client, done = a_store(), Counter()
    with closing(SqlArchive(empty_at(tmp_path), SHORT)) as archive:

        def story():
            client.flushall()
            made = Losses(client, archive)
            made.done = done
            return made

        run_state_machine_as_test(story, settings=stories(6))
    assert done["rebuilt"] > 2


# -- the command -------------------------------------------------------------------------------------------------------


def lost(town):
    """A town whose Redis lost its data, and an order of it."""
    town.engine.registry.check("test-secret", strict=False, cells=1)
    order = town.place()
    town.run(Lane.SMS)
    town.engine.refuse(RefusalAsked(OTHER, "mobile", "ops", "cli:me"))
    written_out(town)
    town.client.flushall()
    return order


def test_the_command_says_what_is_there_again_and_until_when_and_checks_it(real, consent):
    order = lost(real)
    status, out, err = consent("rebuild")
    assert status == 0, err
    told = dict(line.split("\t") for line in out.splitlines())
    assert (told["orders"], told["calls"], told["numbers"], told["restrictions"]) == ("1", "1", "2", "1")
    assert told["known until"] == instant(real.clock.now)
    assert "MAY BE GONE" in err
    assert [rule.what for rule in RULES.values() if rule.what in err] == []
    assert real.another().show(order.id).state is State.AWAITING_REPLY
    status, _, err = consent("rebuild")
    assert (status, err) == (1, "consent: nothing is to be rebuilt: Redis has its data\n")
    real.client.hdel(real.cell.journaled, "of")
    assert "Redis lost them; stop APIs and workers: consent rebuild" in consent("doctor")[1]


def test_nothing_is_written_where_it_is_not_the_emptied_redis_of_this_database(real, consent, monkeypatch, tmp_path):
    lost(real)
    empty = f"sqlite:///{tmp_path}/empty.sqlite3"
    with closing(SqlArchive(empty)) as other:
        other.check()

    def refused(said, **named):
        with monkeypatch.context() as patched:
            for name, value in named.items():
                patched.setenv(f"CONSENT_{name}", value)
            status, _, err = consent("rebuild")
        assert status == 1
        assert err.count("\n") == 1
        assert said in err

    refused("nothing was ever written out to this database", ARCHIVE_URL=empty)
    refused("CONSENT_SECRET is not the one", SECRET="another-secret")
    real.client.hset("ce:meta", "archive", "0" * 32)
    refused("another installation's database")
    real.client.delete("ce:meta")
    real.engine.registry.announce("alive", WorkerReport())
    real.client.hset("ce:workers", "alive", f"{real.client.time()[0]}000|sms")
    refused("stop APIs and workers")
    assert real.client.keys("ce:*:order:*") == []


def callable_now():
    typed = [sys.executable, "-m", "consent_engine", "callable", "13800138000"]
    return subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, check=False)


def test_a_data_folder_whose_redis_files_are_gone_is_rebuilt_and_starts(tmp_path, monkeypatch, capsys):
    needs.server()
    for name, value in {"DATA_DIR": tmp_path / "data", "SECRET": "test-secret", "DURABILITY": "everysec"}.items():
        monkeypatch.setenv(f"CONSENT_{name}", str(value))
    settings = Settings.load(dict(os.environ), None)
    with installation(settings) as found:
        write_out(found.store(), "one")
    assert cli.run(["refuse", "13800138000"]) == 0
    with installation(settings) as found:
        write_out(found.store(), "one")
    shutil.rmtree(tmp_path / "data" / "appendonlydir")
    capsys.readouterr()
    assert "the data that were in this folder are gone: consent rebuild" in callable_now().stderr
    assert cli.run(["rebuild"]) == 0
    assert "numbers\t1\n" in capsys.readouterr().out
    assert "not callable\trefused" in callable_now().stdout
