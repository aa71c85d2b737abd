"""A new key for persons while the engine works: all is encrypted anew, whoever dies or comes between; none is lost."""

from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import select

from consent_engine.adapters.redis.client import Wire
from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.tables import CALLS, ORDERS
from consent_engine.adapters.sql.whole import SqlWhole
from consent_engine.domain.effects import Lane
from consent_engine.domain.seal import Seal
from consent_engine.engine.rekeying import rekey
from consent_engine.engine.scribe import as_of_now, write_out
from consent_engine.ports import Owner
from tests.archive.house import Died
from tests.archive.kinds import KINDS, leave, made
from tests.archive.rekeyed import FORMER, MARK, NEW, under_former, use
from tests.cluster.celled import Celled, Registry, lived_in
from tests.conftest import NUMBER, OTHER
from tests.integration.calls.desk import Desk
from tests.memory import a_store


@pytest.fixture
def desk(archive):
    made = Desk(a_store(), archive)
    yield made
    made.runner.close()


@pytest.mark.parametrize("is_gone", [False, True], ids=["in the store", "in SQL alone"])
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_record_is_encrypted_anew_and_is_the_same(desk, name, is_gone):
    kind = KINDS[name]
    record = made(desk, kind)
    if is_gone:
        leave(desk, kind)
        write_out(desk.engine.store, "one")
    before = kind.shown(desk, record)
    under = bool({*under_former(desk)} - {desk.cell.unmatched})
    assert under or (is_gone and kind.owner is Owner.LINE), "which SQL has no more"
    use(desk, f"{NEW} {FORMER}")
    done, left = rekey(desk.engine.store, desk.engine.registry)
    assert (done > 0, left) == (under, 0)
    assert set(under_former(desk)) <= {desk.cell.unmatched}
    assert rekey(desk.engine.store, desk.engine.registry) == (0, 0)
    use(desk, NEW)
    assert kind.shown(desk, record) == before


def test_words_that_are_held_stay_whole_where_a_script_put_some_under_either_key_together(desk):
    desk.place()
    desk.run(Lane.SMS)
    desk.say("我要投诉你们", message_id="m-1")
    desk.run()
    use(desk, f"{NEW} {FORMER}")
    desk.say("骗子，我要报警", message_id="m-2")
    words = [each.words for each in desk.engine.line(NUMBER).restrictions]
    assert words == ["我要投诉你们\n骗子，我要报警"]
    desk.run()
    assert rekey(desk.engine.store, desk.engine.registry)[1] == 0
    use(desk, NEW)
    assert [each.words for each in desk.engine.line(NUMBER).restrictions] == words


def test_an_unread_message_is_named_until_it_is_read_and_is_read_under_its_own_key(desk):
    order = desk.place()
    desk.run(Lane.SMS)
    assert desk.say("是")
    use(desk, f"{NEW} {FORMER}")
    assert rekey(desk.engine.store, desk.engine.registry)[1] == 1
    desk.run()
    assert desk.state(order) == "notified"
    assert rekey(desk.engine.store, desk.engine.registry)[1] == 0
    assert not under_former(desk)


class Through:
    """A part of a store, with a method of its own."""

    def __init__(self, inner, **own):
        self._inner = inner
        vars(self).update(own)

    def __getattr__(self, name):
        return getattr(self._inner, name)


def test_a_decision_that_comes_between_is_not_overwritten_and_its_record_is_encrypted_with_the_next_look(desk):
    order = desk.place()
    use(desk, f"{NEW} {FORMER}")
    store, other, races = desk.engine.store, desk.another(), iter([order.id])
    as_of_now(store)
    retirement = store.retirement

    def whole(owner, records):
        found = retirement.whole(owner, records)
        if order.id in found and (name := next(races, None)):
            other.cancel(name, "desk", "wrong plan")
        return found

    store.retirement = Through(retirement, whole=whole)
    rekey(store, desk.engine.registry)
    assert desk.state(order) == "cancelled"
    assert not under_former(desk)


@pytest.mark.parametrize("dies_at", range(1, 6))
def test_a_run_that_died_is_the_same_again(desk, dies_at):
    for n in range(6):
        desk.end(desk.start(f"1390013{n:04}"))
    leave(desk, KINDS["call"])
    for n in range(6):
        desk.end(desk.start(f"1380013{n:04}"))
    use(desk, f"{NEW} {FORMER}")
    steps = iter(range(dies_at))

    def mortal(step):
        def stepped(*args, **more):
            found = step(*args, **more)
            if next(steps, None) is None:
                raise Died
            return found

        return stepped

    store = desk.engine.store
    records, archive = store.records, store.archive
    store.records = Through(records, commit=mortal(records.commit))
    store.archive = Through(archive, rekey=mortal(archive.rekey))
    with suppress(Died):
        rekey(store, desk.engine.registry)
    store.records, store.archive = records, archive
    assert rekey(store, desk.engine.registry)[1] == 0
    assert not under_former(desk)


def test_a_person_who_is_erased_meanwhile_stays_erased(desk):
    desk.archived()
    use(desk, f"{NEW} {FORMER}")

    def erased(line, fields):
        with desk.archive.asking() as connection:
            for table in (ORDERS, CALLS):
                connection.execute(table.update().values(person=None))
        return outdated(line, fields)

    cipher = desk.archive.seal.cipher
    outdated, cipher.outdated = cipher.outdated, erased
    assert desk.archive.rekey()[0] == 0
    with desk.archive.asking() as connection:
        assert [connection.execute(select(table.c.person)).all() for table in (ORDERS, CALLS)] == [[(None,)]] * 2


def test_what_cannot_be_read_is_counted_and_keeps_no_other_from_the_new_key(desk):
    first, second = desk.settled(), desk.settled(msisdn=OTHER)
    desk.move()
    kept = ORDERS.c
    with desk.archive.asking() as connection:
        [person] = connection.execute(select(kept.person).where(kept.id == first.id)).scalars()
        changed = person.replace(MARK, f"{MARK}AAAA")
        connection.execute(ORDERS.update().where(kept.id == first.id).values(person=changed))
    use(desk, f"{NEW} {FORMER}")
    assert rekey(desk.engine.store, desk.engine.registry)[1] == 1
    use(desk, NEW)
    assert desk.engine.show(second.id).person == second.person


def test_in_every_cell_all_is_encrypted_anew_but_what_is_not_read_yet_and_what_answered_nothing(archive):
    world = Celled(a_store(), 2, archive=archive)
    world.seal = archive.seal = Seal("test-secret", FORMER)
    world.engine = world.another()
    lived_in(world)
    world.seal = archive.seal = Seal("test-secret", f"{NEW} {FORMER}")
    world.engine = world.another()
    store = replace(world.engine.store, log=SqlLog(archive))
    done, left = rekey(store, world.engine.registry)
    unread = {*world.client.keys("ce:*inbox:*")}
    assert (done > 20, left) == (True, len(unread))
    assert {*under_former(world)} - {"lines"} <= {*unread, *(cell.unmatched for cell in world.names)}
    world.run(Lane.INBOUND)
    assert rekey(store, world.engine.registry)[1] == 0
    world.runner.close()


def test_a_key_that_is_lost_is_named_with_its_setting_in_one_line(real, consent, monkeypatch):
    real.place()
    assert consent("stuck")[0] == 0
    monkeypatch.setenv("CONSENT_PERSON_KEYS", NEW)
    status, out, err = consent("stuck")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert f"CONSENT_PERSON_KEYS lacks the key {MARK[1:]}" in err
    assert "CONSENT_PERSON_KEYS lacks the key" in consent("doctor")[1]
    monkeypatch.setenv("CONSENT_PERSON_KEYS", f"{NEW} {FORMER}")
    assert consent("rekey")[0] == 1
    monkeypatch.setenv("CONSENT_PERSON_KEYS", NEW)
    assert "CONSENT_PERSON_KEYS lacks the key" in consent("stuck")[2], "what was just read may come back under it"
    monkeypatch.setenv("CONSENT_PERSON_KEYS", f"{NEW} {FORMER}")
    assert consent("rekey")[0] == 0
    monkeypatch.setenv("CONSENT_PERSON_KEYS", NEW)
    assert consent("stuck")[0] == 0
    monkeypatch.setenv("CONSENT_PERSON_KEYS", FORMER)
    assert "CONSENT_PERSON_KEYS lacks the key" in consent("stuck")[2]


def test_a_key_stays_named_while_something_is_under_it(real, consent, monkeypatch):
    order = real.place()
    real.run(Lane.SMS)
    assert real.say("是")
    assert consent("stuck")[0] == 0
    monkeypatch.setenv("CONSENT_PERSON_KEYS", f"{NEW} {FORMER}")
    status, out, err = consent("rekey")
    assert (status, "under a former key\t1" in out, "type it again" in err) == (1, True, True)
    monkeypatch.setenv("CONSENT_PERSON_KEYS", NEW)
    assert "CONSENT_PERSON_KEYS lacks the key" in consent("stuck")[2]
    monkeypatch.setenv("CONSENT_PERSON_KEYS", f"{NEW} {FORMER}")
    use(real, f"{NEW} {FORMER}")
    real.run()
    assert consent("rekey")[0] == 0
    monkeypatch.setenv("CONSENT_PERSON_KEYS", NEW)
    assert real.state(order) == "notified"
    assert order.id in consent("show", order.id)[1]


def test_a_scribe_that_runs_brings_the_names_of_new_keys_to_sql(small):
    registry = Registry(Wire(small.client, proves=False, replicas=0))
    registry.check("test-secret", strict=False, cells=1)
    for names in (["former"], ["new", "former"]):
        registry.name_keys(names)
        write_out(small.engine.store, "one")
    assert SqlWhole(small.archive).plans().secret.split()[1:] == ["former", "new"]


def test_a_rebuild_knows_under_which_keys_persons_are(real, consent, monkeypatch):
    order = real.place()
    for keys in (FORMER, f"{NEW} {FORMER}"):
        monkeypatch.setenv("CONSENT_PERSON_KEYS", keys)
        assert consent("stuck")[0] == 0
    real.client.flushall()
    lacks = f"CONSENT_PERSON_KEYS lacks the key {MARK[1:]}, under which persons stand here: add it"
    monkeypatch.setenv("CONSENT_PERSON_KEYS", NEW)
    assert consent("rebuild") == (1, "", f"consent: {lacks}\n")
    assert real.client.keys() == []
    monkeypatch.setenv("CONSENT_PERSON_KEYS", f"{NEW} {FORMER}")
    assert consent("rebuild")[0] == 0
    monkeypatch.setenv("CONSENT_PERSON_KEYS", NEW)
    assert lacks in consent("stuck")[2]
    monkeypatch.setenv("CONSENT_PERSON_KEYS", f"{NEW} {FORMER}")
    for expected in (1, 0):
        status, *told = consent("rekey")
        assert status == expected, told
    monkeypatch.setenv("CONSENT_PERSON_KEYS", NEW)
    assert order.id in consent("show", order.id)[1]
