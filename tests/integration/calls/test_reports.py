"""Reports of calls: taken as refusals, compared with the records of the call, answered, rewarded once."""

from datetime import UTC, datetime

import pytest

from consent_engine.api.schemas.forms import read
from consent_engine.doctor.records import audit
from consent_engine.doctor.work import reports as findings
from consent_engine.domain.admission.report_request import DecideReport, ReportDecision
from consent_engine.domain.call.call import Call, ReportDecided, ReportMismatch, ReportNotFound, RewardNotDue
from consent_engine.domain.call.report import RewardTerms
from consent_engine.domain.days import Calendar
from consent_engine.domain.effects import Lane, Rejected
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.line.line import MOST_NAMED, ReportedCall
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.scribe import write_out
from consent_engine.errors import Malformed
from consent_engine.ports import ReportFilter
from tests.archive.house import LONG
from tests.conftest import NUMBER, OTHER
from tests.integration.calls.desk import instant
from tests.integration.calls.reporting import book, decide, made, report, seems

HOUR = 3_600_000
DAY = 24 * HOUR


def test_a_report_is_a_refusal_too_and_ends_what_is_open(desk):
    order = desk.place()
    report(desk)
    assert not desk.engine.dial(NUMBER, "mobile").callable
    assert desk.engine.dial(NUMBER, "telecom").callable
    desk.run()
    assert desk.state(order) == "cancelled"


def test_the_same_call_reported_again_is_the_same_report(desk):
    first, again = desk.engine.reports.record(made(desk)), desk.engine.reports.record(made(desk, what="once more"))
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.report.id, again.report.head) == (first.report.id, first.report.head)
    assert desk.engine.reports.record(made(desk, ago=DAY)).report.id != first.report.id


def test_a_call_of_a_refused_number_was_forbidden(desk):
    desk.say("TD")
    desk.run()
    call = desk.start()
    desk.clock.forward(hours=1)
    told = report(desk, ago=HOUR + 5 * 60_000)
    assert seems(told) == ("ours_forbidden", ["refused_number"])
    assert told.received.call == call.id


def test_a_call_with_nothing_against_it_was_allowed_and_its_own_report_does_not_change_that(desk):
    call = desk.end(desk.start())
    told = report(desk)
    assert seems(told) == ("ours_allowed", ["nothing_against_it"])
    assert told.received.call == call.id


def test_a_call_that_is_in_the_archive_is_found_too(desk):
    call = desk.end(desk.start())
    at = desk.clock()
    desk.clock.forward(hours=2 * LONG)
    desk.run(Lane.TIMER)
    assert not desk.engine.records.look({Call: [call.id]}).of(Call)
    told = report(desk, ago=desk.clock() - at)
    assert (told.received.proposed, told.received.call) == ("ours_allowed", call.id)


@pytest.mark.parametrize(("more", "found", "reasons"), [
    ({}, "ours_unrecorded", ["no_call_known"]),
    ({"caller_number": "13912345678"}, "not_ours", ["not_our_number"]),
    ({"caller_number": "4008110085"}, "not_ours", ["not_our_number", "looks_like_ours"]),
    ({"caller_number": "10001"}, "not_ours", ["not_our_number", "of_another_carrier"]),
    ({"caller_number": "02161000000", "what": "说是中国移动的，推销流量"}, "channel", ["not_our_number", "names_us"]),
    ({"caller_number": "02161000000", "what": "推销5G智享套餐199元档"}, "channel", ["not_our_number", "names_a_plan"]),
])  # fmt: skip
def test_without_a_call_of_ours_the_number_and_the_words_say_what_it_seems_to_be(desk, more, found, reasons):
    assert seems(report(desk, **more)) == (found, reasons)


def test_a_call_from_another_number_that_we_made_known_is_ours(desk):
    desk.start(**{"from": "13912345678"})
    assert seems(report(desk, caller_number="139 1234 5678")) == ("ours_forbidden", ["unofficial_number"])


def test_a_call_to_another_number_or_hours_away_is_not_the_reported_one(desk):
    desk.start(OTHER)
    desk.start(ago=2 * HOUR)
    assert seems(report(desk)) == ("ours_unrecorded", ["no_call_known"])


def test_a_report_of_tomorrow_and_one_of_years_ago_store_no_report_and_are_a_refusal_all_the_same(desk):
    impossible = (
        {"ago": -2 * 60_000},
        {"ago": 4 * 366 * DAY},
        {"channel": "12321", "reported_at": "0001-01-01T00:00:00Z"},
    )
    for n, wrong in enumerate(impossible):
        to = f"+861380000000{n}"
        with pytest.raises(Malformed) as raised:
            report(desk, to=to, **wrong)
        assert raised.value.refusals_kept == 1
        assert not desk.engine.dial(to, "mobile").callable
    assert not desk.names("report")


def test_our_own_doors_have_fifteen_days_and_12321_fifteen_working_days(desk):
    def due(at):
        return datetime.fromtimestamp((at + 8 * HOUR) / 1000, UTC).isoformat(timespec="seconds")[:19]

    # Today is Tuesday 2025-11-25 in China. Due is the 15th working day, after a holiday and a Saturday that is worked.
    calendar = Calendar(off={"2025-12-01": "a holiday"}, worked=frozenset({"2025-12-06"}))
    reports = book(desk, calendar=calendar)
    assert due(report(desk, of=reports).received.answer_by) == "2025-12-10T23:59:59"
    centre = report(desk, of=reports, to=OTHER, channel="12321", reported_at=instant(desk.clock() - DAY))
    assert due(centre.received.answer_by) == "2025-12-16T23:59:59"
    assert due(centre.received.forward_by) == "2025-11-27T23:59:59"
    assert due(decide(desk, centre, "ours_unrecorded", of=reports).decided.tell_by) == "2025-11-28T23:59:59"


def test_the_reporter_is_told_that_it_came_and_what_it_was(desk):
    told = report(desk, caller_number="02161000000", what="中国移动套餐")
    desk.run(Lane.SMS)
    decide(desk, told, "channel", forwarded="公安机关")
    desk.run(Lane.SMS)
    first, second = desk.texts("report")
    assert first.startswith(
        f"【中国移动】您11月25日0时举报的营销来电已受理，编号{told.number}。我公司将于12月10日24时前核查"
    )
    assert second.startswith(f"【中国移动】举报{told.number}已核查：02161000000不是我公司外呼号码")
    assert "线索已转公安机关处理" in second


def test_a_decision_is_final_and_the_same_again_changes_nothing(desk):
    told = report(desk)
    first = decide(desk, told, "ours_unrecorded")
    again = decide(desk, told, "ours_unrecorded")
    assert (first.version, again.version, again.head) == (2, 2, first.head)
    with pytest.raises(ReportDecided):
        decide(desk, told, "ours_allowed")
    with pytest.raises(ReportNotFound):
        desk.engine.reports.decide(
            ReportDecision("0ce7" + "0" * 24, "ops-1", read(DecideReport, {"class": "not_ours"}))
        )


def test_our_own_number_was_not_somebody_elses(desk):
    with pytest.raises(ReportMismatch):
        decide(desk, report(desk), "not_ours")


def test_a_person_may_find_that_our_number_was_faked_which_admits_and_rewards_nothing(desk):
    reports = book(desk, {"mobile": RewardTerms("20.00")})
    told = report(desk, of=reports)
    assert (told.found, told.reward) == ("ours_unrecorded", "eligible")
    desk.run(Lane.SMS)
    decided = decide(desk, told, "ours_spoofed", of=reports)
    assert (decided.found, decided.reward) == ("ours_spoofed", "none")
    desk.run(Lane.SMS)
    text = desk.texts("report")[-1]
    assert "来电显示10085，我公司无此通话记录，疑似改号。线索已转12321，并已登记不再向您营销。" in text
    assert not {word for word in ("属我公司", "违规", "奖励") if word in text}


def test_only_a_call_that_showed_our_number_and_that_nobody_made_was_faked(desk):
    with pytest.raises(ReportMismatch, match="another number was shown"):
        decide(desk, report(desk, caller_number="02161000000"), "ours_spoofed")
    call = desk.start()
    desk.end(call)
    with pytest.raises(ReportMismatch, match="a call of ours is recorded"):
        decide(desk, report(desk, ago=0), "ours_spoofed")


def test_a_reward_is_the_carriers_own_and_granted_once_a_call(desk):
    told = report(desk)
    assert (told.reward, told.received.why) == ("none", "not_offered")
    with pytest.raises(RewardNotDue):
        decide(desk, told, "ours_unrecorded", "granted")
    reports = book(desk, {"mobile": RewardTerms("20.00")})
    first = report(desk, of=reports, to=OTHER)
    assert first.reward == "eligible"
    with pytest.raises(RewardNotDue):
        decide(desk, first, "ours_unrecorded", "paid", of=reports)
    assert decide(desk, first, "ours_unrecorded", "granted", of=reports).decided.amount == "20.00"
    same = report(desk, ago=10 * 60_000, of=reports, to=OTHER)  # the same call, remembered with another time
    assert (same.reward, same.received.why) == ("none", "once_a_call")
    paid = decide(desk, first, "ours_unrecorded", "paid", of=reports)
    assert (paid.reward, paid.events[-1].amount) == ("paid", "20.00")
    desk.run(Lane.SMS)
    assert [f"举报{first.number}的奖励20元已到账" in text for text in desk.texts("reward")] == [True]
    with pytest.raises(RewardNotDue):
        decide(desk, first, "ours_unrecorded", "none", of=reports)


def test_a_number_is_rewarded_so_often_a_month(desk):
    reports = book(desk, {"mobile": RewardTerms("20.00", 2)})
    for n in range(2):
        decide(desk, report(desk, ago=n * HOUR, of=reports), "ours_unrecorded", "granted", of=reports)
    third = report(desk, ago=5 * HOUR, of=reports)
    assert third.received.why == "capped"
    desk.clock.forward(hours=24 * 10)  # in December
    assert report(desk, ago=DAY, of=reports).reward == "eligible"


def test_a_reward_that_is_taken_back_counts_neither_for_the_month_nor_for_its_call(desk):
    reports = book(desk, {"mobile": RewardTerms("20.00", 1)})
    at = desk.clock()
    first = report(desk, of=reports)
    decide(desk, first, "ours_unrecorded", "granted", of=reports)
    assert report(desk, ago=5 * HOUR, of=reports).received.why == "capped"
    decide(desk, first, "ours_unrecorded", "none", of=reports)
    again = report(desk, ago=desk.clock() - at + 10 * 60_000, of=reports)  # the same call, remembered with another time
    assert again.reward == "eligible"
    granted = decide(desk, again, "ours_unrecorded", "granted", of=reports)
    assert decide(desk, granted, "ours_unrecorded", "paid", of=reports).reward == "paid"
    assert report(desk, ago=6 * HOUR, of=reports).received.why == "capped", "what was paid counts"


@pytest.mark.parametrize("since", [{"mobile": RewardTerms("20.00")}, {}])
def test_what_was_promised_to_the_reporter_is_paid_whatever_the_setting_says_since(desk, since):
    told = report(desk, of=(before := book(desk, {"mobile": RewardTerms("50.00")})))
    decide(desk, told, "ours_unrecorded", "granted", of=before)
    paid = decide(desk, told, "ours_unrecorded", "paid", of=book(desk, since))
    desk.run(Lane.SMS)
    assert ("50元" in desk.texts("report")[-1], paid.events[-1].amount) == (True, "50.00")
    assert [f"举报{told.number}的奖励50元已到账" in text for text in desk.texts("reward")] == [True]


def test_a_reward_that_is_taken_back_names_no_amount(desk):
    told = report(desk, of=(reports := book(desk, {"mobile": RewardTerms("50.00")})))
    decide(desk, told, "ours_unrecorded", "granted", of=reports)
    assert decide(desk, told, "ours_unrecorded", "none", of=reports).events[-1].amount == ""


def test_a_trace_that_is_passed_on_to_blanks_is_passed_on_to_the_centre(desk):
    """The page shows the SMS before it goes out, with 12321 where the field is empty or blank."""
    decided = decide(desk, report(desk, caller_number="13912345678"), "not_ours", forwarded="  ")
    desk.run(Lane.SMS)
    assert (decided.decided.forwarded, "线索已转12321处理" in desk.texts("report")[-1]) == ("", True)


def test_what_was_rewarded_is_remembered_however_many_reports_follow_and_when_the_number_falls_silent(desk):
    reports = book(desk, {"mobile": RewardTerms("20.00")})
    first = report(desk, of=reports)
    at = desk.clock()
    decide(desk, first, "ours_unrecorded", "granted", of=reports)
    for n in range(MOST_NAMED + 2):
        row = ReportedCall(f"0ce7{n:024x}", desk.clock() + n + 1, at - DAY, "mobile")
        desk.client.hset(f"ce:{{0}}:line:{first.line}", row.field, row.encode())
    assert report(desk, ago=desk.clock() - at + 1, of=reports).received.why == "once_a_call"
    desk.engine.lift(NUMBER, "mobile", "ops-1", "asked in the shop", desk.clock())
    for _ in range(3):
        desk.clock.forward(hours=24 * 40)
        desk.run()
    assert report(desk, ago=desk.clock() - at + 2, of=reports).received.why == "once_a_call"


def test_what_was_rewarded_is_remembered_when_the_last_order_of_its_number_leaves(desk):
    order, reports = desk.settled(), book(desk, {"mobile": RewardTerms("20.00")})
    desk.clock.forward(hours=24)
    at, first = desk.clock(), report(desk, of=reports)
    decide(desk, first, "ours_unrecorded", "granted", of=reports)
    desk.engine.lift(NUMBER, "mobile", "ops-1", "asked in the shop", desk.clock())
    for _ in range(3):
        desk.clock.forward(hours=LONG)
        desk.run()
    assert not desk.live([order.id])
    assert report(desk, ago=desk.clock() - at + 2, of=reports).received.why == "once_a_call"


@pytest.mark.parametrize(("sold", "days"), [(True, 8), (True, 40), (False, 40)])
def test_whoever_has_the_number_next_is_told_nothing_when_its_line_has_fallen_silent_either(desk, sold, days):
    if sold:
        desk.settled()
    desk.clock.forward(hours=24)
    told = report(desk)
    desk.run()
    desk.clock.forward(hours=1)
    desk.engine.line_event(LineEventAsked(NUMBER, LineEvent.ASSIGNED, desk.clock(), "ops"))
    desk.engine.lift(NUMBER, "mobile", "ops-1", "the new holder asked in the shop", desk.clock())
    for _ in range(days // 4):
        desk.clock.forward(hours=4 * 24)
        desk.run()
    decide(desk, told, "ours_unrecorded")
    desk.run()
    assert len(desk.texts("report")) == 1


def test_whoever_has_the_number_next_is_told_nothing_of_a_report(desk):
    told = report(desk)
    desk.run(Lane.SMS)
    desk.clock.forward(hours=1)
    desk.engine.line_event(LineEventAsked(NUMBER, LineEvent.ASSIGNED, desk.clock(), "ops"))
    decide(desk, told, "ours_unrecorded")
    desk.run()
    assert len(desk.texts("report")) == 1


def test_a_reporter_is_told_though_nothing_stands_on_the_number_any_more(desk):
    told = report(desk)
    desk.run()
    desk.client.delete(f"ce:{{0}}:line:{told.line}")
    decide(desk, told, "ours_unrecorded")
    desk.run()
    assert [told.number in text for text in desk.texts("report")] == [True, True]


def test_a_file_may_name_one_number_often(desk):
    done = desk.engine.reports.record_many([made(desk, ago=n) for n in range(25)])
    assert [each.is_new for each in done] == [True] * 25
    assert [each.report.received.called_at for each in done] == [desk.clock() - n for n in range(25)]


def test_what_was_no_breach_is_not_rewarded(desk):
    reports = book(desk, {"mobile": RewardTerms("20.00")})
    desk.start()
    told = report(desk, of=reports)
    assert told.received.why == "class"
    with pytest.raises(RewardNotDue):
        decide(desk, told, "ours_allowed", "granted", of=reports)
    assert decide(desk, told, "ours_allowed", of=reports).reward == "none"


def test_reports_are_listed_newest_first_and_counted_until_they_are_decided(desk):
    told = []
    for n in range(3):
        told.append(report(desk, ago=n * HOUR))
        desk.clock.forward(seconds=1)
    page = desk.engine.reports.page(ReportFilter(), limit=2)
    assert [each.id for each in page.reports] == [told[2].id, told[1].id]
    assert [each.id for each in desk.engine.reports.page(ReportFilter(), page.cursor, 2).reports] == [told[0].id]
    decide(desk, told[0], "ours_unrecorded")
    assert [each.id for each in desk.engine.reports.page(ReportFilter(state="decided")).reports] == [told[0].id]

    def counts():
        return {(each.door, each.proposed): (each.open, each.overdue) for each in desk.engine.reports.waiting()}

    assert counts()["hotline", "ours_unrecorded"] == (2, 0)
    desk.clock.forward(hours=24 * 17)
    assert counts()["hotline", "ours_unrecorded"] == (2, 2)


def test_a_report_that_somebody_changed_is_not_believed(desk):
    told = report(desk)
    desk.client.hset(f"ce:{{0}}:report:{told.id}", "doc", told.publics[0].replace("hotline-1", "hotline-2"))
    with pytest.raises(ReportNotFound):
        desk.engine.reports.show(told.id)


def test_every_report_and_decision_is_a_leaf_of_the_journal(desk):
    told = report(desk)
    after = decide(desk, told, "ours_unrecorded")
    entries = [each for each in desk.client.lrange("ce:{0}:journal", 0, -1) if each.startswith("r ")]
    assert [entry.split()[-1] for entry in entries] == [told.head, after.head]


def test_the_audit_finds_every_report_as_the_log_has_it_and_names_one_that_is_gone(desk):
    told = report(desk)
    decide(desk, told, "ours_unrecorded")
    open_one = report(desk, to=OTHER)
    write_out(desk.engine.store, "one")
    ever = (0, 2**62)
    assert audit(desk.engine.store, 0, ever).wrong == []
    desk.client.delete(f"ce:{{0}}:report:{open_one.id}")
    [(gone, said)] = audit(desk.engine.store, 0, ever).wrong
    assert (gone, "the log has its event" in said) == (open_one.id, True)


def test_what_the_gateway_refuses_to_tell_a_reporter_waits_for_a_person_whose_retry_is_believed(desk):
    told = report(desk)
    desk.run()
    desk.gateway.answers = [Rejected("number not in service")]
    decide(desk, told, "ours_unrecorded")
    desk.run()
    [stuck] = desk.engine.stuck()
    assert (stuck.effect.split(".")[1], stuck.why) == ("report", "number not in service")
    written = desk.engine.reports.around(told.id).written
    assert [(each.waits, each.stuck) for each in written] == [(False, False), (True, True)]
    desk.gateway.answers = [Rejected("number not in service")]
    desk.engine.retry_other(stuck.id, "ops-1")
    desk.run()
    assert desk.engine.stuck() == []


def test_a_reward_that_was_promised_and_is_not_paid_is_named_after_a_while(desk):
    terms = {"mobile": RewardTerms("20.00")}
    ours = book(desk, terms)
    told = report(desk, of=ours)
    decide(desk, told, "ours_unrecorded", "granted", of=ours)

    def said():
        found = [each.what for each in findings(desk.engine.store, ours.terms, desk.clock())]
        return [each for each in found if "promised" in each]

    desk.clock.forward(hours=14 * 24)
    assert said() == []
    desk.clock.forward(hours=24)
    assert said() == ["1 rewards for reports of calls were promised and are not paid, the oldest for 15 days"]
    decide(desk, told, "ours_unrecorded", "paid", of=ours)
    assert said() == []
