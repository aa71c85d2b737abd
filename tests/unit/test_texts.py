"""Texts for subscribers: true, complete, signed, wholly in one language, and answered by words the grammar knows."""

import re
from collections import Counter

import pytest
from msgspec.structs import astuple, replace

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import OF_ORDERS, UNSETTLED, Purpose, Restored, Settlement
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.lifecycle import State
from consent_engine.domain.offer.plan import Ends, FirstMonth, RemindedBy, Starts
from consent_engine.domain.sms import segments
from consent_engine.domain.texts.confirmation_fields import elements, fee_after_free_period, leaving
from consent_engine.domain.texts.render import (
    Subject,
    confirmation,
    ended,
    registered,
    stopped,
    which_one,
    withdraw_ask,
    write,
)
from consent_engine.domain.texts.sheet import MOST_OF_OTHERS, of_carrier, of_plan, which_ones
from consent_engine.domain.texts.words import WORDS, Because
from tests.plans import plan, sample

DAY = 86_400_000
AT = 1_754_100_000_000
"""2 August 2025, 10:00 in China."""
PLAN = plan("p", english=None)
SUBJECT = Subject("mobile", PLAN.tariff, "234", call_at=AT, reply_at=AT, receipt="7K3M9Q2P")
OTHERS = [purpose for purpose in OF_ORDERS if purpose is not Purpose.CONFIRMATION]
CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
BROKEN = re.compile(
    "[，；。：、]{2}|[，；：、][）”】\n]|[（“【][，；。：、]|（）|“”|[，；]$"
    "|\\(\\)|[,;:.] ?[,;:.](?!\\d)|  | [,.;:)]|\\( |None|Undefined|[{}%]|\\bCNY (?!\\d)|https?:|www\\."
)
RICH = {
    "price": {"monthly": 199, "promotion": {"price": 129, "months": 6}},
    "speed_cap": {"above": 60, "unit": "GB", "limit": "3Mbps"},
    "renewal": {"automatic": True, "notice_days": 5, "months": 1, "reminded_by": "bss"},
}  # fmt: skip
BARE = {
    "filing": None, "seller": None, "overage": [], "includes": [], "first_month": None, "offered_to": None,
    "price": {"once": 20}, "term": {"days": 30, "starts": "at_once"}, "renewal": {"automatic": False},
    "english": {"name": "Pack", "scenario": "data"}, "unsubscribe": {"to": "10086", "takes_effect": "term_end"},
}  # fmt: skip


def write_zh(purpose, subject=SUBJECT, **more):
    return write(purpose, subject, language="zh", **more)


def every_text():
    """Every text of the sample plans and of the barest and richest one, in every language, for every carrier."""
    plans = [
        *sample(),
        plan("rich", **RICH),
        *(plan(f"bare-{carrier}", carrier=carrier, **BARE) for carrier in CARRIERS),
    ]
    for each in plans:
        for shown in of_plan(each, DAY, 7 * DAY):
            yield each.carrier.value, shown
    for carrier in CARRIERS:
        own = [each for each in plans if each.carrier == carrier]
        for shown in (*of_carrier(carrier), *which_ones(own)):
            yield carrier, shown


def asked_for(text):
    """Return the meanings of the answers that a text asks for."""
    return {(read(quoted).keyword, read(quoted).code) for quoted in re.findall("“([^”]*)”", text)}


def test_every_text_of_every_carrier_is_whole_signed_and_in_one_language():
    wrong = []
    for carrier, shown in every_text():
        profile, text = CARRIERS[carrier], shown.text
        begins, ends = f"【{profile.name}】", f"营销来电只用{profile.outbound}，勿向任何人透露验证码。"
        if shown.language == "en":
            begins = f"{profile.english}: "
            ends = f"We make sales calls from {profile.outbound} only. Never tell anyone a verification code."
            wrong += [(shown, "Chinese in it")] if CHINESE.search(text) else []
        wrong += [(shown, "no end")] if not text.endswith(ends) else []
        wrong += [(shown, "no beginning")] if not text.startswith(begins) else []
        wrong += [(shown, "no hotline")] if profile.hotline not in text else []
        wrong += [(shown, found[0])] if (found := BROKEN.search(text)) else []
        wrong += [(shown, "too long")] if shown.segments > shown.most else []
    assert wrong == []


def test_the_sheet_has_every_text_in_every_language_that_has_words_for_it():
    shown = {(carrier, each.language, each.name.partition(",")[0]) for carrier, each in every_text()}
    lines = {"stopped": "opted_out", "held_no_order": "held", "helped": "help", "withdrawn": "ended",
             "review_failed": "ended", "asked_again": "ended"}  # fmt: skip
    for language, words in WORDS.items():
        names = {lines.get(key, str(key)) for key in words}
        assert {name for _, spoken, name in shown if spoken == language} >= names
    cases = Counter(each.name for _, each in every_text())
    assert {f"late, cancelled, {each.value}" for each in Because} <= set(cases)


def test_no_text_takes_more_segments_than_people_read():
    assert MOST_OF_OTHERS == 3
    longest = max((shown for _, shown in every_text()), key=lambda shown: shown.segments)
    assert (longest.name, longest.segments) == ("confirmation", 6)


def test_a_text_says_that_the_time_is_over_only_where_it_is():
    """Each end of a request is said as it was: to a yes that comes late, and to a call for help."""
    told = {state: write_zh(Purpose.LATE, replace(SUBJECT, state=state)) for state in State}
    over = {State.AWAITING_REPLY, State.EXPIRED}
    assert {state for state in State if state in over and "确认时限已过" not in told[state]} == set()
    assert {state for state in State if state.settled and state not in over and "确认时限已过" in told[state]} <= {
        State.NOTIFIED, State.UNNOTIFIED,
    }  # fmt: skip
    assert "您此前已回复不办理“5G" in told[State.DECLINED]
    assert "确认短信未能送达" in told[State.UNDELIVERABLE]
    assert "未能办理成功" in told[State.ACTIVATION_FAILED]
    for because, words in {
        Because.REVOKED: "该业务已停办", Because.REVIEW: "通话复查未通过", Because.NO_RECORDING: "通话未按规定录音",
    }.items():  # fmt: skip
        cancelled = replace(SUBJECT, state=State.CANCELLED, because=because)
        assert f"的办理申请已取消（{words}），本次回复不影响办理结果：该业务未办理，不收费。" in write_zh(
            Purpose.LATE, cancelled
        )
        assert f"的办理申请已取消（{words}），未办理、不收费" in write_zh(Purpose.CANCELLED, cancelled)
        helped = write_zh(Purpose.HELP, cancelled)
        assert f"已取消（{words}），未开通，不收费。" in helped
        assert "回复“是" not in helped


@pytest.mark.parametrize(("since", "said"), [
    ("2025-08-02T09:59:59+08:00", "已于8月2日09:59生效"), ("2025-08-02T10:01:00+08:00", "将于8月2日10:01生效"),
    ("2025-09-01", "将于9月1日0时生效"), ("", "已按您的回复办理"), ("次月", "已按您的回复办理"),
])  # fmt: skip
def test_help_says_active_since_of_a_past_instant_alone(since, said):
    text = write_zh(Purpose.HELP, replace(SUBJECT, state=State.NOTIFIED), active_from=since, at=AT)
    assert f"（199元/月，在网24个月）{said}。退订：" in text
    subject = replace(SUBJECT, state=State.NOTIFIED, tariff=plan().tariff)
    english = write(Purpose.HELP, subject, active_from=since, at=AT, language="en")
    assert ("became active on" in english, "will be active from" in english) == ("已于" in said, "将于" in said)


def test_help_while_the_activation_is_under_way_does_not_say_that_it_is_done():
    assert "正在按您的回复办理" in write_zh(Purpose.HELP, replace(SUBJECT, state=State.CONFIRMED), at=AT)


@pytest.mark.parametrize("ends", list(Ends))
def test_whoever_asks_to_end_it_is_told_of_the_fee_only_where_it_ends_before_the_term(ends):
    says = PLAN.tariff
    of = replace(says, unsubscribe=replace(says.unsubscribe, takes_effect=ends))
    told = leaving(of, "zh")
    assert ("合约期满失效" in told) == (ends is Ends.TERM_END)
    assert ("提前解约违约金40元×剩余月数，最高960元" in told) == (ends is not Ends.TERM_END)
    assert ("无违约金" in told) == (ends is Ends.TERM_END)
    assert told in withdraw_ask(("mobile", "zh", "372", "套餐", told, "refused"))
    free = leaving(of, "zh", AT)
    assert "前免违约金，其后" in free
    helped = write_zh(Purpose.HELP, replace(SUBJECT, tariff=of, state=State.NOTIFIED))
    assert ("违约金40元" in helped) == (ends is not Ends.TERM_END)


def test_every_fee_is_told_with_its_maximum_in_every_language():
    says = plan().tariff
    told = {purpose: [confirmation(plan(), None, DAY, "zh"), confirmation(plan(), None, DAY, "en")] for purpose in "Q"}
    told["N"] = [write(Purpose.NOTIFICATION, replace(SUBJECT, tariff=says), language=each) for each in ("zh", "en")]
    told["W"] = [leaving(says, each) for each in ("zh", "en")]
    for chinese, english in told.values():
        assert "最高960元" in chinese
        assert "max CNY 960" in english


def test_a_fee_for_ending_it_is_told_before_it_is_ended():
    says = PLAN.tariff
    of = replace(says, unsubscribe=replace(says.unsubscribe, fee=says.overage[0].price))
    assert leaving(of, "zh").endswith("，另收3元")
    assert "退订：发QXTC至10086，另收3元，次月1日失效。" in confirmation(
        PLAN.saying(unsubscribe=of.unsubscribe), None, DAY, "zh", AT
    )


def test_only_a_refusal_is_confirmed_as_one():
    about = ("mobile", "zh", "372", "套餐", "立即失效，无违约金")
    assert "拒绝营销已登记" in withdraw_ask((*about, "refused"))
    assert "拒绝" not in withdraw_ask((*about, ""))
    english = ("mobile", "en", "372", "Plan", "ends at once; no early exit fee")
    assert "sales calls and SMS are stopped" in withdraw_ask((*english, "refused"))
    assert "stopped" not in withdraw_ask((*english, ""))


ANSWERS = {
    Settlement(): "费用由10086确认",
    Settlement("0.00"): "不收取费用",
    Settlement("320.00"): "收取费用320元",
    Settlement("0.00", "35.50", "2025-12-31"): "不收取费用，退款35.5元，于12月31日24时前退回",
    Settlement("", "35.00", "2025-12-31T00:00:00+08:00"): "费用由10086确认，退款35元，于12月31日0时前退回",
    Settlement("0.00", "0.00", "", Restored.NO): "不收取费用，无退款，未恢复您原有套餐",
    Settlement("", "", "", Restored.YES): "费用由10086确认，已恢复您原有套餐",
}  # fmt: skip


@pytest.mark.parametrize(("cause", "after"), [("withdrawn", "凭证号7K3M9Q2P。"), ("review_failed", "无需您操作。")])
@pytest.mark.parametrize(("settled", "said"), ANSWERS.items(), ids=ANSWERS.values())
def test_the_notice_of_an_ending_says_what_the_bss_answered_and_nothing_else(cause, after, settled, said):
    about = ("mobile", "zh", cause, "套餐", "2025-12-01T00:00:00+08:00", "7K3M9Q2P", *astuple(settled))
    text = ended(about)
    assert f"，12月1日0时起失效，{said}。{after}" in text
    silent = ended(("mobile", "zh", cause, "套餐", "", "7K3M9Q2P", *astuple(UNSETTLED)))
    assert f"，失效时间由10086确认，费用由10086确认。{after}" in silent
    assert not re.search("退款|不收|违约金|恢复", silent)


def test_the_notice_of_an_ending_in_english():
    told = ("mobile", "en", "withdrawn", "5G Smart 199", "2025-12-01T00:00:00+08:00", "7K3M9Q2P")
    assert ended((*told, *astuple(Settlement("320.00", "35.00", "2025-12-31", Restored.YES)))) == (
        "China Mobile: as you asked, 5G Smart 199 is ended: it stops on 1 Dec 00:00; fee CNY 320; CNY 35 to be "
        "refunded by 31 Dec; your former plan is restored. Receipt 7K3M9Q2P. If this was not you, call 10086 at once. "
        "Hotline 10086. We make sales calls from 10085 only. Never tell anyone a verification code."
    )


def test_what_was_hidden_is_said_in_the_question_a_full_first_month_the_end_and_the_renewal():
    text = confirmation(PLAN, None, DAY, "zh", AT)
    assert "；首月按整月收费；" in text
    assert "退订：发QXTC至10086，次月1日失效。" in text
    assert "；到期按199元/月自动续订24个月。" in text
    assert "提醒" not in text, "nobody confirmed that anybody reminds"
    english = confirmation(plan(), None, DAY, "en", AT)
    assert "; first month in full;" in english
    assert "send QXTC to 10086, ends on the 1st of next month." in english
    assert "; renews for 24 months at CNY 199/month." in english


@pytest.mark.parametrize(("changes", "said"), [
    ({"renewal": {"automatic": True, "notice_days": 5, "reminded_by": "bss"}}, "自动续订24个月，提前5天提醒"),
    ({"renewal": {"automatic": True, "notice_days": 5, "months": 1}}, "到期按199元/月自动续订1个月"),
    ({"price": {"monthly": 199, "promotion": {"price": 99, "months": 6}}}, "到期按199元/月自动续订24个月"),
    ({"price": {"once": 25}, "first_month": None, "term": {"days": 30, "starts": "at_once"}}, "到期按25元自动续订30天"),
    ({"renewal": {"automatic": False}}, "到期不自动续订"),
])  # fmt: skip
def test_a_renewal_says_for_how_long_and_at_which_price_and_a_reminder_only_where_it_was_confirmed(changes, said):
    assert f"{said}。" in confirmation(plan(**changes), None, DAY, "zh", AT)


def test_the_first_month_is_said_wherever_it_can_begin_in_the_middle_of_one():
    for starts in Starts:
        for first, said in {
            FirstMonth.FULL: "首月按整月收费",
            FirstMonth.DAILY: "首月按天折算",
            FirstMonth.HALF: "首月减半计费",
        }.items():
            says = replace(PLAN.tariff, first_month=first, term=replace(PLAN.tariff.term, starts=starts))
            whole = starts is Starts.NEXT_MONTH and first is FirstMonth.FULL
            assert elements("mobile", says, "zh").first_month == ("" if whole else said)


def test_the_question_leads_with_what_matters_and_how_to_answer_stands_on_a_line_of_its_own():
    text = confirmation(plan(english=None, offered_to=None), None, DAY, "zh", 1_754_013_600_000)
    assert text == (
        "【中国移动】8月1日10:00您在10085来电中有意办理“5G智享套餐199元档”，未经您回复不办理。199元/月；首月按整月收费；在网24个月，"
        "提前解约违约金40元×剩余月数，最高960元；到期按199元/月自动续订24个月。\n"
        "同意本短信全部内容，请在收到后24小时内回复“是”；回复“否”、其他内容或不回复均不办理。"
        "未接此来电或拒绝营销来电，回复TD。回复免费。\n"
        "含国内流量60GB、语音1000分钟；超出流量3元/GB；次日生效。适用：中国大陆（不含港澳台）手机上网与语音。替换现有套餐。"
        "退订：发QXTC至10086，次月1日失效。方案编号24BJ100123，北京公司。热线10086。营销来电只用10085，勿向任何人透露验证码。"
    )
    assert segments(text) == 5
    places = [
        text.index(part) for part in ("未经您回复不办理", "199元/月", "在网24个月", "违约金", "\n同意", "方案编号")
    ]
    assert places == sorted(places)


def test_a_reminder_is_confirmed_by_somebody_by_name():
    assert [each.value for each in RemindedBy] == ["bss"]


def test_what_a_text_asks_to_answer_is_what_the_grammar_reads():
    coded = {(Keyword.YES, "234"), (Keyword.NO, "234")}
    named = {(Keyword.UNKNOWN, "")}  # the plan's name stands in quotes, too
    assert asked_for(confirmation(PLAN, "234", DAY, "zh")) == coded | named
    for purpose in (Purpose.REMINDER, Purpose.CLARIFICATION, Purpose.HELP):
        assert asked_for(write_zh(purpose, needs_code=True)) == coded | named
        assert asked_for(write_zh(purpose)) == {(Keyword.YES, ""), (Keyword.NO, "")} | named
    assert (Keyword.YES, "234") in asked_for(which_one("unicom", "zh", ["234 甲套餐"]))
    asks = withdraw_ask(("mobile", "zh", "372", "套餐", "", ""))
    assert read(re.search("退订[0-9]+", asks)[0]).keyword is Keyword.WITHDRAW
    assert read("QUIT372").keyword is Keyword.WITHDRAW
    assert read("TD").keyword is Keyword.STOP


@pytest.mark.parametrize(
    ("window_ms", "words"),
    [
        (DAY, "24小时"),
        (2 * DAY, "48小时"),
        (3 * DAY, "3天"),
        (DAY * 3 + 3_600_000, "73小时"),
        (90_000, "90秒"),
        (90_000 * 60, "90分钟"),
        (7_200_000, "2小时"),
        (1_999, "1秒"),
    ],
)
def test_the_window_is_told_exactly_and_never_longer_than_it_is(window_ms, words):
    assert f"请在收到后{words}内回复" in confirmation(PLAN, None, window_ms, "zh")


def test_an_unknown_carrier_signs_neutrally():
    for carrier in (None, "tietong"):
        assert which_one(carrier, "zh", ["234 甲"]).startswith("【订购确认】")
        assert stopped(carrier, "zh", "7QK2M9RT").startswith("【订购确认】")
        assert stopped(carrier, "en", "7QK2M9RT").startswith("Order confirmation: ")
        assert not BROKEN.search(registered(carrier, "zh", "7QK2M9RT"))


def test_the_question_which_one_lists_what_can_be_meant():
    text = which_one("unicom", "zh", ["234 甲套餐", "345 乙套餐"])
    assert "均未办理。234：甲套餐；345：乙套餐。" in text
    assert "2项业务待确认" in text
    assert "234: Plan A; 345: Plan B" in which_one("unicom", "en", ["234 Plan A", "345 Plan B"])


def test_a_plan_is_never_a_template():
    evil = "{{ 7 * 7 }}{% for x in y %}{# #}<b>&"
    of = PLAN.saying(name=evil, scenario=evil)
    assert confirmation(of, None, DAY, "zh").count(evil) == 2
    for purpose in (Purpose.REMINDER, Purpose.HELP):
        assert evil in write_zh(purpose, replace(SUBJECT, tariff=of.tariff))
    assert "{name}" in write_zh(Purpose.LATE, replace(SUBJECT, tariff=PLAN.saying(name="{name}").tariff))
    assert evil in which_one("unicom", "zh", ["234 " + evil])


def test_a_plan_cannot_forge_lines_or_turn_the_writing():
    of = PLAN.saying(name="甲\r\n 乙\u2028丙\u202e丁\x00\n")
    text = confirmation(of, None, DAY, "zh")
    assert "“甲 乙 丙 丁”" in text
    assert text.count("\n") == 2, "our own"


def test_blanks_that_are_no_controls_stay():
    assert "甲  乙\u3000丙" in confirmation(PLAN.saying(name="甲  乙\u3000丙"), None, DAY, "zh")


@pytest.mark.parametrize(
    ("active_from", "shown"),
    [
        ("2025-08-01T02:00:00Z", "8月1日10:00"),
        ("2025-08-01T10:00:00+08:00", "8月1日10:00"),
        ("2025-09-01", "9月1日0时"),
        ("次月 1 日\n", "次月 1 日"),
        ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
        ("0001-01-01T00:00:00+23:00", "0001-01-01T00:00:00+23:00"),
        ("x" * 5000, "x" * 40),
        ("", "次日"),
        ("see https://evil.example", "次日"),
        ("WWW.evil.example", "次日"),
    ],
)
def test_the_notification_tells_when_the_service_begins_and_how_to_end_it(active_from, shown):
    text = write_zh(Purpose.NOTIFICATION, active_from=active_from)
    assert f"办理成功，{shown}生效。" in text
    assert "退订：发QXTC至10086。" in text


def test_chinese_that_the_bss_answered_stands_in_no_english_text():
    told = write(Purpose.NOTIFICATION, replace(SUBJECT, tariff=plan().tariff), active_from="次月1日", language="en")
    assert "starting next day" in told
    assert not CHINESE.search(told)


def test_a_stop_after_activation_is_told_how_to_end_the_service():
    text = write_zh(Purpose.OPTED_OUT, replace(SUBJECT, state=State.NOTIFIED))
    assert "仍有效，退订：发QXTC至10086。" in text
    assert "“5G智享套餐199元档”不办理，不收费" in write_zh(Purpose.OPTED_OUT)


def test_a_text_asks_for_a_code_only_where_it_is_needed():
    for purpose in OTHERS:
        assert "234" not in write_zh(purpose)


@pytest.mark.parametrize(("language", "units"), [("zh", 109), ("en", 263)])
def test_whoever_registers_as_marketing_free_reads_since_when_and_where_to_report_a_call(language, units):
    text = registered("mobile", language, "7QK2M9RT")
    assert (len(text), segments(text)) == (units, 2)
    assert text.count("10086") == 2


def test_the_question_has_its_own_door():
    with pytest.raises(ValueError, match="confirmation"):
        write_zh(Purpose.CONFIRMATION)


def test_a_plan_without_english_is_asked_in_no_english():
    with pytest.raises(ValueError, match="no words"):
        confirmation(PLAN, None, DAY, "en")


def test_the_cooling_off_period_is_told_in_both_languages():
    week = 7 * DAY
    assert fee_after_free_period("early exit fee max CNY 960", week, "en") == (
        "no early exit fee for 7 days from activation, then early exit fee max CNY 960"
    )
    assert leaving(plan().tariff, "en", 29_400_000 * 60_000) == (
        "ends on the 1st of next month; no early exit fee until 25 Nov 00:00, then early exit fee CNY 40 x "
        "months left, max CNY 960"
    )
    assert "；11月25日0时前" not in leaving(PLAN.tariff, "zh", 29_400_000 * 60_000)
    assert "，11月25日0时前免违约金，其后提前解约违约金40元×剩余月数，最高960元" in leaving(
        PLAN.tariff, "zh", 29_400_000 * 60_000
    )


def test_a_notification_speaks_of_no_further_confirmation():
    pack = next(each for each in sample() if each.tariff.term.starts is Starts.AT_ONCE)
    assert "；确认后立即生效。" in confirmation(pack, None, DAY, "zh")
    assert "办理成功，立即生效。" in write_zh(Purpose.NOTIFICATION, replace(SUBJECT, tariff=pack.tariff))
