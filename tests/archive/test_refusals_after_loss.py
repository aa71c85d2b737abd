"""Refusals after a loss: a clock that went back, one with an end since, a backup's own journal, damage beside them."""

import pytest

from consent_engine.doctor import Level
from consent_engine.doctor.records import UNREFUSED, audit
from consent_engine.doctor.rules import RULES
from consent_engine.domain.effects import Lane
from consent_engine.domain.seal import LIFTED, STANDS, Leaf, head_of
from consent_engine.engine.audit import newest
from consent_engine.engine.audit_refusals import Lifting, note_lifted
from consent_engine.ports import Change, Commit, CommitResult, LiftResult
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

AN_HOUR = 3_600_000


def lift(town):
    assert town.engine.lift(NUMBER, "mobile", "admin", f"form of {town.clock.now}", town.clock.now + 60_000) is OK


OK = LiftResult.OK


def backup(town):
    town.engine.store.bound_archive()
    return {key: town.client.dump(key) for key in town.names()}


def restored(town, was):
    town.client.flushall()
    for key, kept in was.items():
        town.client.restore(key, 0, kept)


def test_a_later_refusal_with_an_end_hides_no_loss_of_one_without(small):
    by_voice(small)
    sealed(small)
    line = behind_our_back(small, "mobile")
    by_voice(small, until=small.clock.now + AN_HOUR)
    assert wrong(small) == [(line, UNREFUSED)]
    doctor(small, mend=True)
    small.clock.forward(hours=2)
    assert not small.engine.dial(NUMBER, "mobile").callable
    assert (wrong(small), unrefused(small)) == ([], [])


def test_a_lifting_is_in_the_log_also_where_what_it_lifted_had_an_end(small):
    by_voice(small)
    sealed(small)
    behind_our_back(small, "mobile")
    by_voice(small, until=small.clock.now + AN_HOUR)
    small.clock.forward(seconds=1)
    lift(small)
    small.client.delete(small.cell.lifted)  # years later
    assert of_refusals(small) == [(STANDS, head_of("mobile")), (LIFTED, head_of("mobile"))]
    doctor(small, mend=True)
    assert small.engine.dial(NUMBER, "mobile").callable


@pytest.mark.parametrize("seconds", [0, -5])
def test_a_refusal_that_came_again_is_missed_whatever_the_clock_did_since_the_lifting(small, seconds):
    by_voice(small)
    small.clock.forward(seconds=10)
    lift(small)
    small.clock.forward(seconds=seconds)
    by_voice(small)
    sealed(small)
    line = behind_our_back(small, "mobile")
    assert wrong(small) == [(line, UNREFUSED)]
    doctor(small, mend=True)
    assert not small.engine.dial(NUMBER, "mobile").callable


def test_one_that_was_lifted_after_the_clock_went_back_is_not_missed_while_nobody_seals(small):
    by_voice(small)
    sealed(small)
    small.clock.forward(seconds=-5)
    lift(small)
    doctor(small, mend=True)
    assert newest(small.engine.store, 0)[1] == []
    assert small.engine.dial(NUMBER, "mobile").callable, "who wants to be called again is not barred for ever"


def test_what_a_backup_brought_back_is_noted_though_the_backups_journal_still_has_its_beginning(small):
    by_voice(small)
    was = backup(small)
    sealed(small)
    small.clock.forward(hours=1)
    lift(small)
    sealed(small)
    restored(small, was)
    assert told_unlogged(small, mend=True) == [], "it is noted by now"
    assert of_refusals(small) == [(STANDS, head_of("mobile")), (LIFTED, head_of("mobile")), (STANDS, head_of("mobile"))]


def test_a_lifting_in_a_backups_journal_hides_no_refusal_that_came_after_it(small):
    by_voice(small)
    sealed(small)
    small.clock.forward(hours=1)
    lift(small)
    was = backup(small)
    small.clock.forward(hours=1)
    by_voice(small)
    sealed(small)
    restored(small, was)
    line = small.engine.line(NUMBER).id
    assert newest(small.engine.store, 0, most=1)[1] == [line]
    doctor(small, mend=True)
    assert not small.engine.dial(NUMBER, "mobile").callable


def test_the_audit_of_a_period_knows_of_the_liftings_after_it(small):
    by_voice(small)
    small.clock.forward(hours=1)
    until = small.clock.now
    small.clock.forward(hours=1)
    lift(small)
    small.client.delete(small.cell.lifted)
    sealed(small)
    found = audit(small.engine.store, 0, (0, until))
    assert (found.log.entries, found.wrong) == (1, [])


@pytest.mark.parametrize("damaged", ["garbage", "{}", '["a"]', '[1,"voice"]'])
def test_a_damaged_refusal_keeps_no_other_from_being_put_back(small, damaged):
    by_voice(small, carrier="telecom")
    by_voice(small)
    small.run(Lane.INBOUND)
    sealed(small)
    line = behind_our_back(small, "mobile")
    small.client.hset(small.cell.line(line), "r:telecom", damaged)
    doctor(small, mend=True)
    assert small.engine.refusals().rows
    assert not small.engine.dial(NUMBER, "mobile").callable
    assert not small.engine.dial(NUMBER, "telecom").callable
    assert small.engine.lift(NUMBER, "telecom", "ops", "form-9", small.clock.now + 1_000) is LiftResult.OK


def test_what_reads_a_refusal_as_over_does_not_delete_it_once_it_is_for_ever(small):
    by_voice(small, until=small.clock.now + 1_000)
    small.run(Lane.INBOUND)
    small.clock.forward(hours=96)
    line = small.engine.line(NUMBER)
    assert "r:mobile" in line.aged
    small.clock.forward(hours=-96)  # the server's clock is set right meanwhile
    by_voice(small)
    tidied = Change.of(line, dict.fromkeys(line.aged, ""))
    [saved] = small.engine.store.records.commit([Commit("", (tidied,))])
    assert saved is CommitResult.STALE
    small.clock.forward(hours=1)
    assert not small.engine.dial(NUMBER, "mobile").callable


def of_an_older_archive(town):
    """Lift a refusal whose lifting the log lacks, as an older copy of the archive does."""
    by_voice(town)
    sealed(town)
    town.clock.forward(hours=1)
    lift(town)
    town.client.delete(town.cell.journal)


def told_unlifted(town, *, mend=False):
    return [each for each in doctor(town, mend=mend) if each.what.startswith(RULES["unlifted"].what)]


def test_a_lifting_that_the_log_lacks_is_noted_there_before_its_record_is_too_old_to_be_told(small):
    of_an_older_archive(small)
    assert [each.level for each in told_unlifted(small)] == [Level.WARN]
    assert told_unlifted(small, mend=True) == [], "it is noted by now"
    assert of_refusals(small) == [(STANDS, head_of("mobile")), (LIFTED, head_of("mobile"))]
    small.client.delete(small.cell.lifted)  # years later
    assert doctor(small, mend=True) == []
    assert small.engine.dial(NUMBER, "mobile").callable


def test_a_lifting_that_is_on_its_way_to_the_log_is_not_noted_again(small):
    by_voice(small)
    sealed(small)
    small.clock.forward(hours=1)
    lift(small)
    assert (told_unlifted(small), told_unlifted(small, mend=True)) == ([], [])
    assert of_refusals(small) == [(STANDS, head_of("mobile")), (LIFTED, head_of("mobile"))]


@pytest.mark.parametrize(("until", "noted"), [(0, 0), (AN_HOUR, 1)])
def test_no_lifting_is_noted_of_what_came_again_meanwhile(small, until, noted):
    of_an_older_archive(small)
    line = small.engine.line(NUMBER).id
    by_voice(small, until=until and small.clock.now + until)
    small.client.delete(small.cell.journal)
    assert note_lifted(small.engine.store, [Lifting("mobile", Leaf.of_lifting(line, "mobile", 5))]) == noted
    assert small.client.llen(small.cell.journal) == noted
