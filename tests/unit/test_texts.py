"""Texts for subscribers: complete, signed, in Chinese, free of links, and answered by words the grammar knows."""

import hashlib
import json
import re

import pytest

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import OF_ORDERS, Purpose
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.texts.editions import DATED, EDITIONS, LANGUAGES, OF_SENTENCES
from consent_engine.domain.texts.render import (
    Subject,
    registered,
    stopped,
    which_one,
)
from consent_engine.domain.texts.render import confirmation as confirmation_in
from consent_engine.domain.texts.render import write as write_in
from consent_engine.domain.texts.segments import segments
from consent_engine.errors import BrokenRecord

DAY = 86_400_000
PLAN = Plan.decode(
    {
        "code": "p",
        "carrier": "unicom",
        "name": "畅享套餐",
        "price": "199 元/月",
        "scenario": "大陆上网",
        "validity": "24 个月",
        "restrictions": "违约金",
        "unsubscribe": "发送 QX 到 10010",
    }
)
SAYS = PLAN.says
SUBJECT = Subject("unicom", PLAN.name, SAYS.price, SAYS.unsubscribe, "234")
OTHERS = [purpose for purpose in OF_ORDERS if purpose is not Purpose.CONFIRMATION]

# A released edition is never edited: to change words, add an edition and its fingerprint.
FINGERPRINTS = {
    1: "148af8ce0f011ab56ed19eca80c430ba1df6cdfe2cc1b40f9b75d7e68d82d989",
    2: "363315729a014c8e429cf180b160de7d019e618e4f0b2cae4f4e34e069381e3e",
    3: "36fe4b43754564c63bbf6ae2aacd14ac642ea313fee5a9507791842b009aaa14",
    4: "9ea4910cc39694773091692ee373fbb78f1c8fb4289bbc3e74939bcb890df70b",
    5: "2e1055de09c1d1b72d8e261dd248007e74218b8a1fefaa444e4645b35b72cf5a",
    6: "2a9488f29a41662719044765b39ab1eb3161accef1649f8c2c9f978291d2bbd0",
    7: "babae18a486113217d8e4417dd690c7d96813db2efaea303fae9ac15bd4bdc41",
    8: "347e2d075ccd71b88cc26daaed37ea4239f11a63fcd9161349b73548510f4ee0",
    9: "1826677496fd088e33ad196293c70c502973e7d7600a013321d141c4585a5a43",
    10: "15b6bb20b9b41088e6d3e432c04f82a2787929195660c2cfc4ec42e09697d67c",
    11: "be9e645c50977b3d90879dbd051dfb94b7d023764a83bc6e8d346b3dee65198a",
    12: "6467a8665e1f960439b4b4ca94bd05ad1f576396f2ff966a4b52bef751897a32",
}


def confirmation(plan, code, window, edition=OF_SENTENCES):
    return confirmation_in(plan, code, window, edition)


def write(purpose, subject, edition=OF_SENTENCES, **more):
    return write_in(purpose, subject, edition=edition, **more)


def subject(**changes):
    facts = {field: getattr(SUBJECT, field) for field in ("carrier", "plan", "price", "unsubscribe", "code")}
    return Subject(**{**facts, **changes})


def every_text():
    yield confirmation(PLAN, None, DAY)
    yield confirmation(PLAN, "234", DAY)
    for purpose in OTHERS:
        for needs_code in (False, True):
            yield write(purpose, SUBJECT, needs_code=needs_code, active_from="2025-08-01")
            yield write(purpose, subject(still_active=True), needs_code=needs_code)
    for carrier in ("unicom", None):
        yield which_one(carrier, ["234 甲套餐", "345 乙套餐"])
        yield stopped(carrier)


def asked_for(text):
    """Return the meanings of the answers that a text asks for."""
    return {(read(quoted).keyword, read(quoted).code) for quoted in re.findall("“([^”]*)”", text)}


def test_the_confirmation_tells_everything():
    text = confirmation(PLAN, "234", DAY)
    for part in (
        *("中国联通", PLAN.name, SAYS.price, SAYS.scenario, SAYS.validity, SAYS.restrictions, SAYS.unsubscribe),
        *("“是234”", "24小时", "回复免费", "其他内容或不回复，均不办理", "10010", "任何人都不会向您索要验证码"),
    ):
        assert part in text


def test_without_a_code_a_bare_word_is_asked_for():
    text = confirmation(PLAN, None, DAY)
    assert "“是”" in text
    assert asked_for(text) == {(Keyword.YES, ""), (Keyword.NO, "")}


def test_what_a_text_asks_to_answer_is_what_the_grammar_reads():
    coded = {(Keyword.YES, "234"), (Keyword.NO, "234")}
    assert asked_for(confirmation(PLAN, "234", DAY)) == coded
    for purpose in (Purpose.REMINDER, Purpose.CLARIFICATION):
        assert asked_for(write(purpose, SUBJECT, needs_code=True)) == coded
        assert asked_for(write(purpose, SUBJECT)) == {(Keyword.YES, ""), (Keyword.NO, "")}
    assert asked_for(write(Purpose.HELP, SUBJECT, needs_code=True)) == {*coded, (Keyword.STOP, "")}
    assert asked_for(write(Purpose.DECLINED, SUBJECT)) == {(Keyword.STOP, "")}
    assert (Keyword.YES, "234") in asked_for(which_one("unicom", ["234 甲套餐"]))


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
    assert f"请在{words}内回复" in confirmation(PLAN, None, window_ms)


def test_every_text_is_signed_and_has_no_link():
    for text in every_text():
        assert text.startswith(("【中国联通】", "【订购确认】"))
        assert not re.search(r"://|www\.|\.(com|cn)|None|[{}%]", text)
        assert "\n" not in text


@pytest.mark.parametrize("carrier", sorted(CARRIERS))
def test_every_carrier_signs_with_its_name_and_hotline(carrier):
    for purpose in OTHERS:
        text = write(purpose, subject(carrier=carrier))
        assert text.startswith(f"【{CARRIERS[carrier].name}】")
        assert CARRIERS[carrier].hotline in text
    assert stopped(carrier).startswith(f"【{CARRIERS[carrier].name}】")
    assert CARRIERS[carrier].hotline in which_one(carrier, ["234 甲"])


def test_an_unknown_carrier_signs_neutrally():
    for carrier in (None, "tietong"):
        assert which_one(carrier, ["234 甲"]).startswith("【订购确认】")
        assert stopped(carrier).startswith("【订购确认】")


def test_the_question_which_one_lists_what_can_be_meant():
    text = which_one("unicom", ["234 甲套餐", "345 乙套餐"])
    assert "234 甲套餐；345 乙套餐" in text
    assert "2项业务待确认" in text
    assert which_one("unicom", [])


def test_a_plan_is_never_a_template():
    evil = "{{ 7 * 7 }}{% for x in y %}{# #}<b>&"
    plan = PLAN.saying(name=evil, price=evil)
    assert confirmation(plan, None, DAY).count(evil) == 2
    for purpose in (Purpose.REMINDER, Purpose.HELP):
        assert evil in write(purpose, subject(plan=evil))
    assert evil in which_one("unicom", ["234 " + evil])


def test_a_plan_cannot_forge_lines_or_turn_the_writing():
    plan = PLAN.saying(name="甲\r\n 乙\u2028丙\u202e丁\x00\n")
    assert "「甲 乙 丙 丁」" in confirmation(plan, None, DAY)


def test_blanks_that_are_no_controls_stay():
    assert "甲  乙\u3000丙" in confirmation(PLAN.saying(name="甲  乙\u3000丙"), None, DAY)


@pytest.mark.parametrize(
    ("active_from", "shown"),
    [
        ("2025-08-01T02:00:00Z", "生效时间：2025-08-01 10:00。"),
        ("2025-08-01T10:00:00+08:00", "生效时间：2025-08-01 10:00。"),
        ("2025-09-01", "生效时间：2025-09-01 00:00。"),
        ("次月 1 日\n", "生效时间：次月 1 日。"),
        ("{{ 7 * 7 }}", "生效时间：{{ 7 * 7 }}。"),
        ("0001-01-01T00:00:00+23:00", "生效时间：0001-01-01T00:00:00+23:00。"),
        ("x" * 5000, f"生效时间：{'x' * 40}。"),
        ("", "已开通。"),
        ("see https://evil.example", "已开通。"),
        ("WWW.evil.example", "已开通。"),
    ],
)
def test_the_notification_tells_when_the_service_begins_and_how_to_end_it(active_from, shown):
    text = write(Purpose.NOTIFICATION, SUBJECT, active_from=active_from)
    assert shown in text
    assert SAYS.unsubscribe in text
    assert SAYS.price in text


def test_a_stop_or_a_late_reply_after_activation_is_told_how_to_end_the_service():
    for purpose in (Purpose.OPTED_OUT, Purpose.LATE):
        text = write(purpose, subject(still_active=True))
        assert "有效" in text
        assert SAYS.unsubscribe in text
        assert not re.search("不(会)?办理", text)
        assert "有效" not in write(purpose, SUBJECT)
        assert re.search("不(会)?办理", write(purpose, SUBJECT))


def test_a_text_asks_for_a_code_only_where_it_is_needed():
    for purpose in OTHERS:
        assert "234" not in write(purpose, SUBJECT)


def test_a_released_edition_is_never_edited():
    found = {
        number: hashlib.sha256(json.dumps(dict(words), sort_keys=True).encode()).hexdigest()
        for number, words in EDITIONS.items()
    }
    assert found == FINGERPRINTS
    assert set(LANGUAGES.values()) <= set(EDITIONS)
    assert OF_SENTENCES in EDITIONS


def test_every_edition_has_words_for_every_purpose():
    for edition in set(EDITIONS) - DATED:
        for purpose in OTHERS:
            assert write(purpose, SUBJECT, edition=edition)


@pytest.mark.parametrize(("language", "units"), [("zh", 97), ("en", 242)])
def test_whoever_registers_as_marketing_free_reads_since_when_and_where_to_report_a_call(language, units):
    text = registered("mobile", language)
    assert (len(text), segments(text)) == (units, 2)
    assert text.count("10086") == 2
    for carrier in CARRIERS:
        assert CARRIERS[carrier].outbound in registered(carrier, language)


def test_an_edition_that_is_not_known_here_is_a_broken_record():
    with pytest.raises(BrokenRecord):
        write(Purpose.HELP, SUBJECT, edition=99)


def test_the_question_has_its_own_door():
    with pytest.raises(ValueError, match="confirmation"):
        write(Purpose.CONFIRMATION, SUBJECT)


def test_the_english_question_says_all_that_the_chinese_one_says():
    text = confirmation(PLAN, "234", DAY, 4)
    told = (PLAN.name, SAYS.price, SAYS.scenario, SAYS.validity, SAYS.restrictions, SAYS.unsubscribe)
    for part in (*told, "China", "Y234", "N234", "24 hours", "free", "Hotline", "verification code"):
        assert part in text
