"""Refusals in the log: each that begins to stand, and each lifting; so those that data lack are named and put back."""

import json

import pytest
from sqlalchemy import delete

from consent_engine.adapters.sql.tables import LOG
from consent_engine.doctor import Level, journal
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.restriction import Kind, Restriction, name_of
from consent_engine.domain.seal import LIFTED, STANDS, head_of
from consent_engine.engine.audit_refusals import note_standing
from consent_engine.ports import LiftResult
from tests.archive.refusals import (
    behind_our_back,
    by_voice,
    doctor,
    of_refusals,
    sealed,
    told_unlogged,
    unrefused,
    wrong,
)
from tests.conftest import NUMBER

PLAN = "5g-smart-199"


def by_sms(town):
    town.say("TD")


def registered(town):
    by_voice(town, kind=Kind.MARKETING_FREE)


def of_a_plan(town):
    by_voice(town, plan=PLAN)


def of_all(town):
    by_voice(town, carrier="*")


def decided(town):
    town.place()
    town.run()
    town.say("我想一下别打了吧")
    town.run(Lane.INBOUND)
    [held] = town.engine.held()[0]
    town.clock.forward(seconds=1)
    assert town.engine.decide_held([held.id], refusal=True, by="ops", reason="").decided == 1


WAYS = {
    by_sms: "mobile", by_voice: "mobile", of_all: "*", decided: "mobile",
    registered: name_of(Kind.MARKETING_FREE, "mobile"), of_a_plan: name_of(Kind.REFUSED, "mobile", PLAN),
}  # fmt: skip
ways = pytest.mark.parametrize(("way", "name"), WAYS.items(), ids=[way.__name__ for way in WAYS])


@ways
def test_a_refusal_is_in_the_log_when_it_begins_to_stand_and_when_it_is_lifted(small, way, name):
    way(small)
    assert of_refusals(small) == [(STANDS, head_of(name))]
    small.clock.forward(hours=1)
    way(small) if way is not decided else by_sms(small)
    assert len(of_refusals(small)) == 1, "a repeated one is standing already"
    small.clock.forward(hours=1)
    assert small.engine.lift(NUMBER, name, "admin", "form", small.clock.now) is LiftResult.OK
    assert small.engine.lift(NUMBER, name, "admin", "form", small.clock.now) is LiftResult.OK, "the same again"
    assert of_refusals(small) == [(STANDS, head_of(name)), (LIFTED, head_of(name))]
    small.clock.forward(hours=1)
    by_voice(small)
    assert of_refusals(small)[2:] == [(STANDS, head_of("mobile"))]
    assert wrong(small) == []


@ways
def test_a_refusal_that_the_data_lack_is_named_and_put_back(small, way, name):
    way(small)
    small.run()
    sealed(small)
    assert (wrong(small), unrefused(small)) == ([], [])
    line = behind_our_back(small, name)
    assert wrong(small) == [(line, "a refusal is gone: the log has no lifting of it")]
    [told] = [each for each in journal.newest(small.engine.store, 0) if each.level is Level.BAD]
    assert told.what.startswith("1 of the records sealed last are missing")
    assert "consent doctor --all --mend" in told.do
    [found] = unrefused(small)
    assert line in found.what
    assert doctor(small, mend=True) == [], "what is put back is no fault any more"
    assert not small.engine.dial(NUMBER, "mobile", PLAN).callable
    stands = small.engine.line(NUMBER).named(name)
    assert isinstance(stands, Restriction)
    assert (wrong(small), unrefused(small)) == ([], [])
    small.run()
    assert doctor(small) == []


def test_a_file_that_lost_nothing_but_a_refusal_is_older_than_its_archive(small):
    order = small.place()
    small.run(Lane.SMS)
    sealed(small)
    was = {key: small.client.dump(key) for key in small.names()}
    small.clock.forward(seconds=1)
    small.say("TD")
    sealed(small)
    small.client.flushall()
    for key, kept in was.items():
        small.client.restore(key, 0, kept)
    assert [each.level for each in journal.newest(small.engine.store, 0)] == [Level.BAD]
    doctor(small, mend=True)
    small.run()
    assert (small.state(order), wrong(small)) == ("cancelled", [])
    assert not small.engine.dial(NUMBER, "mobile").callable


def test_a_refusal_that_came_again_after_it_was_lifted_is_missed(small):
    by_voice(small)
    small.clock.forward(seconds=1)
    assert small.engine.lift(NUMBER, "mobile", "admin", "form", small.clock.now) is LiftResult.OK
    sealed(small)
    assert (wrong(small), unrefused(small)) == ([], [])
    small.clock.forward(seconds=1)
    by_voice(small)
    sealed(small)
    line = behind_our_back(small, "mobile")
    assert wrong(small) == [(line, "a refusal is gone: the log has no lifting of it")]


def test_a_lifting_is_known_by_the_log_alone(small):
    by_voice(small)
    small.clock.forward(seconds=1)
    assert small.engine.lift(NUMBER, "mobile", "admin", "form", small.clock.now) is LiftResult.OK
    small.client.delete(small.cell.lifted)  # its evidence is past its retention, or behind ten thousand others
    sealed(small)
    assert (wrong(small), unrefused(small)) == ([], [])


def test_one_that_a_release_without_such_entries_lifted_is_not_missed(small):
    by_voice(small)
    sealed(small)
    line = behind_our_back(small, "mobile")
    kept = {"line": line, "carrier": "mobile", "by": "admin", "evidence": "form", "at": small.clock.now + 5}
    small.client.xadd(small.cell.lifted, {"m": json.dumps(kept)})
    assert (wrong(small), unrefused(small)) == ([], [])


def test_a_refusal_with_an_end_has_no_entry_and_has_one_once_it_has_none(small):
    by_voice(small, until=small.clock.now + 3_600_000)
    assert of_refusals(small) == []
    by_voice(small)
    assert of_refusals(small) == [(STANDS, head_of("mobile"))]
    small.clock.forward(hours=2)
    assert wrong(small) == []
    assert not small.engine.dial(NUMBER, "mobile").callable


def forgotten(town):
    """Make the log one that never had an entry of a refusal, as after an upgrade, or with another archive."""
    sealed(town)
    with town.archive.asking() as connection:
        connection.execute(delete(LOG).where(LOG.c.entry.startswith("n ")))


@ways
def test_a_refusal_that_the_log_never_had_is_told_and_noted_there_and_then_missed_when_it_is_lost(small, way, name):
    way(small)
    small.run()
    assert told_unlogged(small) == [], "its entry is on its way"
    forgotten(small)
    [found] = told_unlogged(small)
    line = small.engine.line(NUMBER).id
    assert (found.level, line in found.what) == (Level.WARN, True)
    assert told_unlogged(small, mend=True) == [], "it is noted by now"
    sealed(small)
    assert (told_unlogged(small), unrefused(small)) == ([], [])
    behind_our_back(small, name)
    assert len(unrefused(small)) == 1


def test_a_refusal_that_a_backup_brought_back_after_its_lifting_is_noted_again(small):
    by_voice(small)
    small.engine.store.bound_archive()
    was = {key: small.client.dump(key) for key in small.names()}
    small.clock.forward(hours=1)
    assert small.engine.lift(NUMBER, "mobile", "admin", "form", small.clock.now) is LiftResult.OK
    sealed(small)
    small.client.flushall()
    for key, kept in was.items():
        small.client.restore(key, 0, kept)
    by_sms(small)
    sealed(small)
    assert told_unlogged(small, mend=True) == [], "it is noted by now"
    assert of_refusals(small) == [(STANDS, head_of("mobile")), (LIFTED, head_of("mobile")), (STANDS, head_of("mobile"))]


def test_nothing_is_noted_of_what_has_an_end_or_stands_no_more(small):
    by_voice(small, until=small.clock.now + 3_600_000)
    line = small.engine.line(NUMBER).id
    assert told_unlogged(small) == []
    assert note_standing(small.engine.store, [(line, "mobile"), (line, "telecom"), ("0000" + "a" * 24, "mobile")]) == 0
    assert of_refusals(small) == []


def test_one_of_a_plan_that_is_unknown_by_now_is_named_and_not_put_back(small):
    of_a_plan(small)
    sealed(small)
    line = behind_our_back(small, name_of(Kind.REFUSED, "mobile", PLAN))
    small.say("你好")
    sealed(small)  # what is gone from the line is gone from SQL, too, once the line changed
    small.client.srem("ce:plans", PLAN)
    doctor(small, mend=True)
    [found] = unrefused(small)
    assert line in found.what
    assert small.engine.line(NUMBER).restrictions == ()


def test_a_registration_that_was_put_back_ends_no_order(small):
    order = small.place()
    small.run()
    registered(small)
    small.run()
    sealed(small)
    behind_our_back(small, name_of(Kind.MARKETING_FREE, "mobile"))
    doctor(small, mend=True)
    small.run()
    assert small.state(order) == "awaiting_reply"
    assert not small.engine.dial(NUMBER, "mobile").callable


def test_a_refusal_of_one_plan_that_was_put_back_ends_no_order_for_another(small):
    order = small.place(plan="data-pack-10gb")
    small.run()
    of_a_plan(small)
    small.run()
    sealed(small)
    behind_our_back(small, name_of(Kind.REFUSED, "mobile", PLAN))
    doctor(small, mend=True)
    small.run()
    assert small.state(order) == "awaiting_reply"
    assert not small.engine.dial(NUMBER, "mobile", PLAN).callable
