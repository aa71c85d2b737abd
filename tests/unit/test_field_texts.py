"""Texts made of a plan's fields: they contain everything that must be told, in both languages, in few segments."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consent_engine.api.routes.tariffs import own_page
from consent_engine.domain.admission.admit import MOST, too_long
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import OF_ORDERS, Purpose
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.offer.offer import Policy
from consent_engine.domain.offer.plan_form import plan_from
from consent_engine.domain.sms import Encoding, encoding, segments
from consent_engine.domain.texts.confirmation_fields import elements
from consent_engine.domain.texts.page import lacking
from consent_engine.domain.texts.page import read as read_page
from consent_engine.domain.texts.render import Subject, confirmation, dated, write
from consent_engine.domain.texts.words import WORDS
from tests.plans import in_fields, plan

DOCS = Path(__file__).parents[2] / "docs" / "plans.md"
CALL_AT = 1_754_013_600_000  # 1 August, 10:00 in China
YES_AT = CALL_AT + 20 * 60_000
DAY = Policy().reply_window
BOTH = ("confirmation", "notification")

# The elements that the contract requires, the slots that tell them, and the texts that contain them.
ELEMENTS = {
    "caller, its number, time of the call": (("brand", "official", "call_at"), BOTH[:1]),
    "service": (("name",), BOTH),
    "filing number": (("filing",), BOTH[:1]),
    "seller, where it is not the carrier": (("seller",), BOTH[:1]),
    "price, promotion, the price after it": (("price",), BOTH),
    "first month, unless it begins on the 1st": (("first_month",), BOTH[:1]),
    "allowances": (("includes",), BOTH),
    "overage, speed cap": (("overage",), BOTH[:1]),
    "term": (("term",), BOTH),
    "start": (("start",), BOTH[:1]),
    "start, where the BSS did not say it": (("start_short",), BOTH[1:]),
    "early fee with its maximum": (("early_fee",), BOTH[:1]),
    "early fee's maximum": (("early_fee_short",), BOTH[1:]),
    "automatic renewal: for how long, at which price, its notice where the BSS reminds": (("renewal",), BOTH[:1]),
    "automatic renewal, for how long": (("renewal_short",), BOTH[1:]),
    "scenario": (("scenario",), BOTH),
    "eligibility, restrictions": (("restrictions",), BOTH),
    "the replaced plan": (("replaces",), BOTH[:1]),
    "the answers, the reply window": (("yes", "no", "window"), BOTH[:1]),
    "the way out": (("unsubscribe",), BOTH),
    "the end of the service after that": (("unsub_effect",), BOTH[:1]),
    "receipt's number, which leads to `/receipt`": (("receipt",), BOTH[1:]),
    "hotline, the official number": (("hotline", "official"), BOTH),
}
ALWAYS = {
    "zh": ("勿向任何人透露验证码", "营销来电只用"),
    "en": ("Never tell anyone a verification code", "We make sales calls from"),
}
ASKING = {
    "zh": (
        "其他内容或不回复均不办理",
        "回复免费",
        "未经您回复不办理",
        "同意本短信全部内容",
        "未接此来电或拒绝营销来电，回复TD",
    ),
    "en": (
        "any other reply or none means no",
        "Replies are free",
        "Nothing is done without your reply",
        "To accept all of this SMS",
        "No such call, or no more sales",
    ),
}

amounts = st.integers(0, 99_999).map(lambda cents: f"{cents // 100}.{cents % 100:02}")
chinese = st.text("套餐流量畅享智家庭校园安心", min_size=2, max_size=14)
english_words = st.text("abcdefgh", min_size=2, max_size=10)


@st.composite
def plans(draw):
    """Draw a plan as JSON, of any kind that exists."""
    units = st.sampled_from(["GB", "分钟", "条"])
    whats = st.sampled_from(["国内流量", "语音", "短信"])
    monthly = draw(st.booleans())
    price = {"monthly": draw(amounts)} if monthly else {draw(st.sampled_from(["once", "daily"])): draw(amounts)}
    if monthly and draw(st.booleans()):
        price["promotion"] = {"price": draw(amounts), "months": draw(st.integers(1, 24))}
    month_fee = draw(st.integers(1, 200))
    fee = {"per_remaining_month": month_fee, "at_most": month_fee * draw(st.integers(1, 24))}
    term = {
        draw(st.sampled_from(["months", "days"])): draw(st.integers(1, 60)),
        "starts": draw(st.sampled_from(["at_once", "next_day", "next_month", "installation"])),
        "early_fee": draw(st.sampled_from([None, fee])),
    }
    renewal = draw(st.sampled_from([{"automatic": False}, {"automatic": True, "notice_days": 5}]))
    if "promotion" in price and not renewal["automatic"]:
        least = price["promotion"]["months"]
        term = {"months": draw(st.integers(least, 60)), "starts": term["starts"], "early_fee": term["early_fee"]}
    restrictions = draw(st.lists(chinese, max_size=3))
    told = in_fields(
        carrier=draw(st.sampled_from(sorted(CARRIERS))),
        name=draw(chinese),
        filing=draw(st.sampled_from([None, "24BJ100123"])),
        seller=None,
        offered_to=None,
        price=price,
        term=term,
        overage=[{"what": draw(whats), "price": draw(amounts), "per": draw(units)}] * draw(st.integers(0, 2)),
        speed_cap=draw(st.sampled_from([None, {"above": "60", "unit": "GB", "limit": "3Mbps"}])),
        renewal=renewal,
        includes=draw(
            st.lists(st.fixed_dictionaries({"what": whats, "amount": amounts, "unit": units}), max_size=3)
        ),
        first_month=draw(st.sampled_from(["full", "daily", "half"])) if monthly else None,
        scenario=draw(st.text("中国大陆手机上网与语音通话", min_size=4, max_size=60)),
        restrictions=restrictions,
        replaces=draw(st.sampled_from(["current", "added"])),
        unsubscribe={
            "word": draw(st.sampled_from([None, "QXTC"])), "to": "10086", "takes_effect": "next_month",
            "fee": draw(st.sampled_from([None, "5.00"])),
        },
        english=None,
    )  # fmt: skip
    if draw(st.booleans()):
        told["english"] = {
            "name": draw(english_words), "scenario": draw(st.text("abcdefgh ", min_size=4, max_size=60)) + "x",
            "restrictions": [draw(english_words) for _ in restrictions],
            "terms": {"国内流量": "data", "语音": "calls", "短信": "texts"},
        }  # fmt: skip
    return told


def subject_of(of):
    return Subject(of.carrier.value, of.tariff, "372", call_at=CALL_AT, reply_at=YES_AT, receipt="7K3M9Q2P")


def texts_of(of, language):
    return {
        "confirmation": confirmation(of, "372", DAY, language, CALL_AT),
        "notification": write(Purpose.NOTIFICATION, subject_of(of), language=language),
    }


@given(plans())
def test_each_thing_that_must_be_told_is_told_or_the_plan_is_refused_with_what_is_too_long(told):
    of = plan_from(told)
    refused = {error.field for error in too_long(of, DAY, 255)}
    for language in ("zh", "en") if "english" in told else ("zh",):
        said, texts = elements(of.carrier.value, of.tariff, language), texts_of(of, language)
        for slots, where in ELEMENTS.values():
            for slot in set(slots) & set(type(said).__struct_fields__):
                assert all(getattr(said, slot) in texts[purpose] for purpose in where), (slot, texts)
        for purpose, text in texts.items():
            assert all(words in text for words in ALWAYS[language])
            assert "http" not in text
            assert segments(text) <= MOST[Purpose(purpose)] or purpose in refused
        assert all(words in texts["confirmation"] for words in ASKING[language])


def test_english_that_is_too_long_is_refused_though_the_chinese_is_not():
    of = plan(english=in_fields()["english"] | {"scenario": "sold abroad only " * 17})
    assert [(error.field, " in en," in error.message) for error in too_long(of, DAY, 255)] == [
        ("confirmation", True),
        ("notification", True),
    ]


@given(plans())
def test_our_own_page_shows_each_plan_and_no_other(told):
    of = plan_from(told)
    html = own_page(of, "zh").encode()
    assert lacking(of, read_page("text/html", html)) == ()
    assert lacking(of.saying(scenario=f"{of.tariff.scenario}以外"), read_page("text/html", html))[0] == "hash"


def test_the_english_question_is_of_english_alone_and_of_the_gsm_alphabet():
    for each in (text for purpose in OF_ORDERS for text in [english(purpose)]):
        assert each.isascii()
        assert encoding(each) is Encoding.GSM7
    assert segments(english(Purpose.CONFIRMATION)) == 5
    assert "\nIncl. 60 GB data, 1000 min calls; extra data CNY 3/GB; starts next day." in english(Purpose.CONFIRMATION)


def english(purpose):
    of = plan()
    if purpose is Purpose.CONFIRMATION:
        return confirmation(of, "372", DAY, "en", CALL_AT)
    return write(purpose, subject_of(of), language="en")


def test_a_rich_plan_says_all_of_it_in_six_segments():
    of = plan(
        price={"monthly": 199, "promotion": {"price": 129, "months": 6}},
        overage=[{"what": "流量", "price": 3, "per": "GB"}, {"what": "语音", "price": 0.15, "per": "分钟"}],
        speed_cap={"above": 60, "unit": "GB", "limit": "3Mbps"},
        restrictions=["与达量限速业务互斥"],
        english=None,
    )
    text = confirmation(of, "372", DAY, "zh", CALL_AT)
    assert "前6个月129元/月，之后199元/月；" in text
    assert "；超出流量3元/GB、语音0.15元/分钟；超60GB限速3Mbps；次日生效。" in text
    assert "限北京号码，与达量限速业务互斥。替换现有套餐。" in text
    assert segments(text) == 6


def test_one_text_serves_many_orders_and_names_the_call_of_each():
    of = plan(name="{call_at}")
    shared = confirmation(of, None, DAY, "zh")
    assert dated(shared, "zh", CALL_AT) == confirmation(of, None, DAY, "zh", CALL_AT)
    assert "“{call_at}”" in dated(shared, "zh", CALL_AT)


@pytest.mark.parametrize(("language", "yes", "no"), [("zh", "是372", "否372"), ("en", "Y372", "N372")])
def test_what_a_text_asks_to_answer_is_what_the_grammar_reads(language, yes, no):
    of = plan()
    for purpose in (Purpose.REMINDER, Purpose.CLARIFICATION, Purpose.HELP):
        text = write(purpose, subject_of(of), needs_code=True, language=language)
        assert yes in text
        assert no in text
        assert "TD" in text
    assert (read(yes).keyword, read(yes).code) == (Keyword.YES, "372")
    assert (read(no).keyword, read(no).code) == (Keyword.NO, "372")
    assert read("TD").keyword is Keyword.STOP


def test_the_table_of_elements_stands_in_the_docs_as_the_words_are():
    """docs/plans.md has the table of what the question and the notification say."""
    assert table() in DOCS.read_text("utf-8")


def table():
    rows = ["| Content | Chinese | English |", "|---|---|---|"]
    for what, (slots, _) in ELEMENTS.items():
        cells = []
        for words in WORDS.values():
            said = [
                letter for letter, purpose in (("Q", Purpose.CONFIRMATION), ("N", Purpose.NOTIFICATION))
                if all(re.search(r"\{[{%][^}]*\b" + slot + r"\b", words[purpose]) for slot in slots)
            ]  # fmt: skip
            cells.append(", ".join(said) or "-")
        rows.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def test_every_notification_tells_its_own_numbers_and_instants_though_the_rest_is_written_once():
    shown = subject_of(plan_from(in_fields()))

    def told(receipt: str, yes_at: int) -> str:
        return write(Purpose.NOTIFICATION, replace(shown, receipt=receipt, reply_at=yes_at), language="zh")

    first, second, later = told("7K3M9Q2P", YES_AT), told("0AAAAAA0", YES_AT), told("0AAAAAA0", YES_AT + 60_000)
    assert "7K3M9Q2P" in first
    assert second == first.replace("7K3M9Q2P", "0AAAAAA0")
    assert later != second
