"""Calls, reports and endings of an older backup, beside an archive that was not lost: nothing there is written over."""

import pytest
from sqlalchemy import update

from consent_engine.adapters.sql.tables import RECORDS
from consent_engine.domain.call.call import Call
from consent_engine.domain.call.ending import Cause, Ending, Why
from consent_engine.domain.call.report import Report
from consent_engine.domain.call.review import Verdict
from consent_engine.domain.effects import WAKE_ARCHIVE, Lane
from consent_engine.engine.stuck import Retried
from consent_engine.errors import BrokenRecord, NothingParked
from consent_engine.ports import Owner
from tests.archive.house import LONG, gone, kept_of, restored
from tests.conftest import OTHER
from tests.integration.calls.reporting import decide, report
from tests.integration.calls.reviewing import review

SECOND_NUMBER = "+8613800138077"


def moved(desk):
    """Let everything that is over leave for the archive."""
    for _ in range(3):
        desk.clock.forward(hours=LONG)
        desk.run(Lane.TIMER)


def lived(desk):
    """A call that ended, its report, and the ending of an order, as a backup has them; and how to read their chains."""
    call, told = desk.end(desk.start()), report(desk)
    order = desk.settled(msisdn=OTHER)
    ending = desk.engine.endings.ask(order, Why(Cause.WITHDRAWN, "hotline", "desk")).ending
    desk.run(Lane.INBOUND)

    def histories():
        archive = desk.archive
        found = gone(archive, Call, call.id) | gone(archive, Report, told.id) | gone(archive, Ending, ending.id)
        assert len(found) == 3
        return {name: each.publics for name, each in found.items()}

    return call, told, kept_of(desk.client), histories


def goes_on(desk, call, told, by="r-1", found="ours_unrecorded"):
    review(desk, call, by, passed=by == "r-1")
    decide(desk, told, found)
    desk.run()


def test_what_a_backup_knows_less_of_leaves_the_store_and_all_that_the_archive_knows_stays(desk):
    call, told, backup, histories = lived(desk)
    goes_on(desk, call, told)
    moved(desk)
    was = histories()
    restored(desk.client, backup)
    moved(desk)
    assert histories() == was
    assert not desk.client.exists(f"ce:{{0}}:call:{call.id}")
    assert call.id not in {each.id for each in desk.engine.calls.to_review(Verdict.PENDING).calls}, "it was heard"
    assert not desk.engine.stuck()


def test_a_history_that_goes_another_way_never_replaces_what_the_archive_holds(desk):
    """The chain's head was handed out, and stands in the log."""
    call, told, backup, histories = lived(desk)
    goes_on(desk, call, told)
    moved(desk)
    was = histories()
    restored(desk.client, backup)
    desk.clock.forward(hours=1)
    goes_on(desk, call, told, "r-2", "ours_allowed")
    review(desk, call, "r-3", second=True)
    moved(desk)
    assert histories() == was


def diverged(desk):
    """A call, a report and an ending that took another course after a restore; the report's record."""
    call, told, backup, _ = lived(desk)
    goes_on(desk, call, told)
    moved(desk)
    restored(desk.client, backup)
    desk.clock.forward(hours=1)
    goes_on(desk, call, told, "r-2", "ours_allowed")
    review(desk, call, "r-3", second=True)
    moved(desk)
    return call, told, next(iter(desk.bss.ended))


def test_whatever_the_archive_does_not_take_stands_on_the_stuck_list_and_each_is_tried_again_by_its_name(desk, caplog):
    call, told, ended = diverged(desk)
    stuck = {each.owner: each for each in desk.engine.stuck()}
    assert {(owner, each.named, each.effect) for owner, each in stuck.items()} == {
        (Owner.CALL, call.id, WAKE_ARCHIVE),
        (Owner.ENDING, ended.order_id, WAKE_ARCHIVE),
        (Owner.REPORT, told.id, WAKE_ARCHIVE),
    }
    assert all(each.why == "not_archived:" for each in stuck.values())
    caplog.clear()
    moved(desk)
    assert "does not take it" not in caplog.text, "it is said once"
    with desk.archive.asking() as connection:
        connection.exec_driver_sql("DELETE FROM matters")
        connection.exec_driver_sql("DELETE FROM calls")
    desk.engine.retry_other(call.id, "ops-1")
    desk.engine.retry_other(told.id, "ops-1")
    desk.engine.retry(ended.order_id, "ops-1")
    moved(desk)
    assert not desk.engine.stuck()
    assert desk.client.keys("ce:*end:*") == desk.client.keys("ce:*report:*") == desk.client.keys("ce:*call:*") == []
    with pytest.raises(NothingParked):
        desk.engine.retry_other(told.id, "ops-1")


def test_what_is_stuck_for_the_archive_is_tried_again_with_all_of_its_cause(desk):
    diverged(desk)
    found = desk.engine.stuck()
    assert desk.engine.retry_many(found, "ops-1") == Retried(3)
    assert not desk.engine.stuck()
    moved(desk)
    assert {each.owner for each in desk.engine.stuck()} == {Owner.CALL, Owner.ENDING, Owner.REPORT}


def test_a_report_that_the_archive_does_not_take_holds_up_no_other_and_loses_its_person_all_the_same(desk):
    _, told, _ = diverged(desk)
    other = report(desk, to=SECOND_NUMBER)
    decide(desk, other, "ours_allowed")
    moved(desk)
    assert [each.id for each in desk.engine.stuck() if each.owner is Owner.REPORT] == [told.id]
    assert other.id in gone(desk.archive, Report, other.id)
    assert desk.engine.records.look({Report: [told.id]}).of(Report)[told.id].person.msisdn
    desk.clock.forward(hours=24 * 154)
    desk.run(Lane.TIMER)
    assert [each.id for each in desk.engine.stuck() if each.owner is Owner.REPORT] == [told.id]
    assert desk.engine.records.look({Report: [told.id]}).of(Report)[told.id].person.msisdn == ""


def test_what_is_archived_and_cannot_be_read_is_not_done_once_more(desk):
    call, told, _, histories = lived(desk)
    goes_on(desk, call, told)
    moved(desk)
    order = next(iter(desk.bss.ended)).order_id
    order = desk.engine.show(order)
    assert len(histories()) == 3
    with desk.archive._engine.begin() as connection:  # noqa: SLF001 - as somebody who writes into the database
        connection.execute(update(RECORDS).values(record="{}"))
    sent = len(desk.gateway.sent)
    with pytest.raises(BrokenRecord):
        desk.engine.endings.ask(order, Why(Cause.WITHDRAWN, "hotline", "desk"))
    with pytest.raises(BrokenRecord):
        report(desk, ago=desk.clock() - told.received.called_at)
    desk.run()
    assert (len(desk.bss.ended), len(desk.gateway.sent)) == (1, sent)
