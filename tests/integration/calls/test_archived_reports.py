"""Answered reports move to the archive, and read the same in the store and in the archive."""

import threading

import pytest

from consent_engine.doctor.records import audit
from consent_engine.domain.call.call import ReportDecided, ReportNotFound, RewardNotDue
from consent_engine.domain.call.report import ReportDoor, ReportState, RewardTerms
from consent_engine.domain.effects import WAKE_ARCHIVE, WAKE_PERSON, Lane
from consent_engine.engine.scribe import write_out
from consent_engine.errors import ArchiveUnavailable
from consent_engine.ports import ReportFilter
from tests.archive.house import broken
from tests.conftest import OTHER
from tests.integration.calls.reporting import book, decide, made, report
from tests.waiting import HANGS_S
from workers.clock import Clock

TERMS = {"mobile": RewardTerms("20.00")}
DAY = 24 * 3_600_000


def moved(desk, hours=49):
    """Let all reports that are over leave; return how many did."""
    before = len(desk.client.keys("ce:*:report:*"))
    desk.clock.forward(hours=hours)
    for _ in range(2):  # what another timer wrote to meanwhile is put off a minute
        desk.run(Lane.TIMER)
        desk.clock.forward(seconds=61)
    return before - len(desk.client.keys("ce:*:report:*"))


def keys_of(desk, told):
    dues = desk.client.zrange(desk.cell.due[Lane.TIMER], 0, -1)
    return [*desk.client.keys(f"ce:*report:{told.id}"), *(each for each in dues if told.id in each)]


def test_an_answered_report_is_found_and_listed_in_the_archive_and_nothing_of_it_is_left(desk):
    answered, waits = report(desk), report(desk, to=OTHER)
    decided = decide(desk, answered, "ours_unrecorded")
    assert moved(desk, 1) == 0
    assert moved(desk) == 1
    assert keys_of(desk, answered) == []
    found, _ = desk.engine.reports.show(answered.id)
    assert (found.head, found.events, found.person) == (decided.head, decided.events, answered.person)
    listed = desk.engine.reports.page(ReportFilter()).reports
    assert {each.id for each in listed} == {answered.id, waits.id}
    [row] = desk.engine.reports.page(ReportFilter(state=ReportState.DECIDED, door=ReportDoor.HOTLINE)).reports
    assert row.id == answered.id
    assert desk.engine.reports.page(ReportFilter(state=ReportState.DECIDED, door=ReportDoor.APP)).reports == ()
    assert moved(desk) == 0


def test_an_archived_report_is_the_same_one_and_decided_no_second_time(desk):
    first = made(desk)
    told = desk.engine.reports.record(first).report
    decided = decide(desk, told, "ours_unrecorded")
    moved(desk)
    again = desk.engine.reports.record(first)
    assert (again.is_new, again.report.head) == (False, decided.head)
    assert decide(desk, told, "ours_unrecorded").head == decided.head
    with pytest.raises(ReportDecided):
        decide(desk, told, "ours_allowed")
    with pytest.raises(RewardNotDue):
        decide(desk, told, "ours_unrecorded", "granted")
    assert keys_of(desk, told) == []


def test_one_whose_reward_is_not_over_stays_until_it_is(desk):
    ours = book(desk, TERMS)
    told = report(desk, of=ours)
    decide(desk, told, "ours_unrecorded", of=ours)
    assert moved(desk) == 0
    decide(desk, told, "ours_unrecorded", "granted", of=ours)
    assert moved(desk) == 0
    decide(desk, told, "ours_unrecorded", "paid", of=ours)
    assert moved(desk) == 1
    assert desk.engine.reports.show(told.id)[0].reward == "paid"


def test_while_the_archive_is_away_nothing_leaves_or_is_listed_and_an_open_report_is_at_hand(desk):
    old = report(desk)
    decide(desk, old, "ours_unrecorded")
    moved(desk)
    waits, answered = report(desk, to=OTHER), report(desk, ago=1, to=OTHER)
    decide(desk, answered, "ours_unrecorded")
    with broken(desk.archive):
        assert moved(desk) == 0
        assert len(keys_of(desk, answered)) == 3
        with pytest.raises(ArchiveUnavailable):
            desk.engine.reports.page(ReportFilter(state=ReportState.OPEN))
        assert desk.engine.reports.show(waits.id)[0].id == waits.id
        with pytest.raises(ArchiveUnavailable):
            desk.engine.reports.show(old.id)
    assert moved(desk) == 1


def test_the_audit_finds_an_archived_report_as_the_log_has_it(desk):
    told = report(desk)
    decide(desk, told, "ours_unrecorded")
    write_out(desk.engine.store, "one")
    moved(desk)
    assert audit(desk.engine.store, 0, (0, 2**62)).wrong == []
    with desk.archive.asking() as connection:
        connection.exec_driver_sql("DELETE FROM matters")
    assert {record for record, _ in audit(desk.engine.store, 0, (0, 2**62)).wrong} == {told.id}


def test_in_the_archive_its_person_goes_after_five_months_and_all_of_it_after_three_years(desk):
    told = report(desk)
    decide(desk, told, "ours_unrecorded")
    moved(desk)
    desk.archive.expire(desk.clock() + 150 * DAY, 10)
    assert desk.engine.reports.show(told.id)[0].person.msisdn
    assert desk.archive.expire(desk.clock() + 154 * DAY, 10).persons == 1
    found = desk.engine.reports.show(told.id)[0]
    assert (found.person.msisdn, found.found) == ("", "ours_unrecorded")
    assert desk.archive.expire(desk.clock() + 1100 * DAY, 10).records == 1
    with pytest.raises(ReportNotFound):
        desk.engine.reports.show(told.id)


def test_a_report_that_is_in_sql_alone_loses_its_person_though_nothing_else_ever_moves(desk):
    told = report(desk)
    decide(desk, told, "ours_unrecorded")
    moved(desk)
    desk.clock.forward(hours=24 * 154)
    ticks(desk, lambda: desk.engine.reports.show(told.id)[0].person_text == "")


def ticks(desk, until):
    """Let a worker's clock tick until something is so."""
    done, tick = threading.Event(), desk.engine.registry.announce

    def announced(*told):
        tick(*told)
        if until():
            done.set()

    desk.engine.registry.announce = announced
    clock = Clock(lambda: desk.engine, "w", (), 1.0, tick_s=0.01)
    clock.start()
    try:
        assert done.wait(HANGS_S)
    finally:
        clock.stop()
        clock.join(HANGS_S)


def test_a_promised_reward_keeps_a_report_at_hand_and_its_person_no_longer_than_others(desk):
    ours = book(desk, TERMS)
    told = report(desk, of=ours)
    promised = decide(desk, told, "ours_unrecorded", "granted", of=ours)
    moved(desk, 24 * 152)
    assert desk.engine.reports.show(told.id)[0].person.msisdn
    assert moved(desk) == 0
    found, _ = desk.engine.reports.show(told.id)
    assert (found.person.msisdn, found.person.caller, found.head) == ("", "", promised.head)
    write_out(desk.engine.store, "one")
    assert people_in_sql(desk) == [None], "SQL has no more of a person than Redis"
    assert decide(desk, told, "ours_unrecorded", "paid", of=ours).reward == "paid"
    assert moved(desk) == 1


def people_in_sql(desk):
    with desk.archive.asking() as connection:
        return list(connection.exec_driver_sql("SELECT person FROM matters").scalars())


def test_a_reward_that_is_never_paid_does_not_keep_a_report_for_ever(desk):
    ours = book(desk, TERMS)
    told = report(desk, of=ours)
    decide(desk, told, "ours_unrecorded", "granted", of=ours)
    assert moved(desk, 24 * 154) == 0
    assert moved(desk, 24 * 942) == 1
    assert keys_of(desk, told) == []
    assert desk.archive.expire(desk.clock(), 10).records == 1
    with pytest.raises(ReportNotFound):
        desk.engine.reports.show(told.id)


def test_an_undecided_report_has_no_timer_and_keeps_its_person_until_its_reporter_has_an_answer(desk):
    waits = report(desk)
    assert moved(desk, 24 * 1100) == 0
    assert desk.engine.reports.show(waits.id)[0].person.msisdn
    decide(desk, waits, "ours_unrecorded")
    assert {f"r:{waits.id}:{effect}" for effect in (WAKE_ARCHIVE, WAKE_PERSON)} < set(keys_of(desk, waits))
    assert moved(desk) == 1
