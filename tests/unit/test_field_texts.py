"""Texts made of a plan's fields: they contain everything that must be told, in both languages, in few segments."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consent_engine.api.routes.tariff_versions import own_page
from consent_engine.domain.admission.lengths import MOST, too_long
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.effects import OF_ORDERS, Purpose
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.offer.plan_form import plan_from
from consent_engine.domain.offer.policy import Policy
from consent_engine.domain.texts.confirmation_fields import elements, price_of, unsubscribe_of
from consent_engine.domain.texts.editions import EDITIONS, LANGUAGES
from consent_engine.domain.texts.page import lacking
from consent_engine.domain.texts.page import read as read_page
from consent_engine.domain.texts.released_words import CHINESE, ENGLISH
from consent_engine.domain.texts.render import Subject, confirmation, dated, edition_of, write
from consent_engine.domain.texts.segments import Encoding, encoding, segments
from tests.plans import in_fields, plan

DOCS = Path(__file__).parents[2] / "docs" / "plans.md"
CALL_AT = 1_754_013_600_000  # 1 August, 10:00 in China
YES_AT = CALL_AT + 20 * 60_000
DAY = Policy().reply_window
BOTH = ("confirmation", "notification")

# The elements that the contract requires, the slots that tell them, and the texts that contain them.
ELEMENTS = {
    "who called, from which number, when": (("brand", "official", "call_at"), BOTH[:1]),
    "service": (("name",), BOTH),
    "filing number": (("filing",), BOTH[:1]),
    "seller, where it is not the carrier": (("seller",), BOTH[:1]),
    "price, promotion, the price after it": (("price",), BOTH),
    "first month, where it is not charged in full": (("first_month",), BOTH[:1]),
    "what it includes": (("includes",), BOTH),
    "overage, speed cap": (("overage",), BOTH[:1]),
    "term": (("term",), BOTH),
    "start": (("start",), BOTH),
    "early fee with its maximum": (("early_fee",), BOTH[:1]),
    "early fee's maximum": (("early_fee_short",), BOTH[1:]),
    "automatic renewal and its notice": (("renewal",), BOTH[:1]),
    "automatic renewal": (("renewal_short",), BOTH[1:]),
    "scenario": (("scenario",), BOTH),
    "who may have it, restrictions": (("restrictions",), BOTH),
    "what it replaces": (("replaces",), BOTH[:1]),
    "how to answer, for how long": (("yes", "no", "window"), BOTH[:1]),
    "how to unsubscribe": (("unsubscribe",), BOTH),
    "receipt's number": (("receipt",), BOTH[1:]),
    "hotline, the official number": (("hotline", "official"), BOTH),
}
ALWAYS = {
    "zh": ("勿向任何人透露验证码", "营销来电只用"),
    "en": ("Never tell anyone a verification code", "We make sales calls from"),
}
ASKING = {
    "zh": ("其他内容或不回复均不办理", "回复免费", "同意以上全部内容", "未接此来电或拒绝营销来电，回复TD"),
    "en": (
        "any other reply or none means no",
        "Replies are free",
        "To accept all this",
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
    return Subject(
        of.carrier.value, of.name, price_of(of), unsubscribe_of(of), "372", tariff=of.tariff, call_at=CALL_AT,
        reply_at=YES_AT, receipt="7K3M9Q2P",
    )  # fmt: skip


def texts_of(of, language):
    edition = edition_of(of, language)
    return {
        "confirmation": confirmation(of, "372", DAY, edition, CALL_AT),
        "notification": write(Purpose.NOTIFICATION, subject_of(of), edition=edition),
    }


@settings(max_examples=500)
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


@settings(max_examples=500)
@given(plans())
def test_our_own_page_shows_each_plan_and_no_other(told):
    of = plan_from(told)
    html = own_page(of, "zh").encode()
    assert lacking(of, read_page("text/html", html)) == ()
    assert lacking(of.saying(scenario=f"{of.tariff.scenario}以外"), read_page("text/html", html))[0] == "hash"


def test_the_words_are_those_that_were_agreed():
    of = plan(offered_to=None, english=in_fields()["english"] | {"offered_to": None})
    assert confirmation(of, None, DAY, 5, CALL_AT) == (
        "【中国移动】8月1日10:00您在10085来电中申请“5G智享套餐199元档”（方案编号24BJ100123，北京公司），须经您短信确认方可办理。"
        "199元/月，含国内流量60GB、语音1000分钟；超出流量3元/GB。次日生效，在网24个月，提前解约违约金40元×剩余月数，最高960元；"
        "到期自动续订，提前5天提醒。适用：中国大陆（不含港澳台）手机上网与语音。将替换您现有套餐。"
        "同意以上全部内容，请在收到后24小时内回复“是”；回复“否”、其他内容或不回复均不办理。"
        "未接此来电或拒绝营销来电，回复TD。回复免费。退订：发送QXTC至10086。热线10086。营销来电只用10085，勿向任何人透露验证码。"
    )
    assert segments(confirmation(of, None, DAY, 5, CALL_AT)) == 5
    assert write(Purpose.NOTIFICATION, subject_of(of), active_from="2025-08-02T00:00:00+08:00", edition=5) == (
        "【中国移动】“5G智享套餐199元档”已按您8月1日10:20的回复办理成功，8月2日00:00生效。199元/月，含国内流量60GB、语音1000分钟；"
        "在网24个月，提前解约付违约金最高960元；到期自动续订。适用：中国大陆（不含港澳台）手机上网与语音。"
        "退订：发送QXTC至10086。凭证号7K3M9Q2P。热线10086。营销来电只用10085，勿向任何人透露验证码。"
    )


def test_the_english_question_is_of_english_alone_and_of_the_gsm_alphabet():
    for each in (text for purpose in OF_ORDERS for text in [english(purpose)]):
        assert each.isascii()
        assert encoding(each) is Encoding.GSM7
    assert segments(english(Purpose.CONFIRMATION)) == 5
    assert "CNY 199/month, incl. 60 GB data, 1000 min calls; extra data CNY 3/GB." in english(Purpose.CONFIRMATION)


def english(purpose):
    of = plan()
    if purpose is Purpose.CONFIRMATION:
        return confirmation(of, "372", DAY, LANGUAGES["en"], CALL_AT)
    return write(purpose, subject_of(of), edition=LANGUAGES["en"])


def test_a_rich_plan_says_all_of_it_in_six_segments():
    of = plan(
        price={"monthly": 199, "promotion": {"price": 129, "months": 6}},
        overage=[{"what": "流量", "price": 3, "per": "GB"}, {"what": "语音", "price": 0.15, "per": "分钟"}],
        speed_cap={"above": 60, "unit": "GB", "limit": "3Mbps"},
        restrictions=["与达量限速业务互斥"],
        english=None,
    )
    text = confirmation(of, "372", DAY, 5, CALL_AT)
    assert "前6个月129元/月，之后199元/月，含" in text
    assert "；超出流量3元/GB、语音0.15元/分钟；超60GB限速3Mbps。" in text
    assert "限北京号码，与达量限速业务互斥。将替换您现有套餐。" in text
    assert segments(text) == 6


def test_one_text_serves_many_orders_and_names_the_call_of_each():
    of = plan(name="{call_at}")
    shared = confirmation(of, None, DAY, 5)
    assert dated(shared, 5, CALL_AT) == confirmation(of, None, DAY, 5, CALL_AT)
    assert "“{call_at}”" in dated(shared, 5, CALL_AT)
    assert dated("{call_at}", 3, CALL_AT) == "{call_at}"


@pytest.mark.parametrize(("language", "yes", "no"), [("zh", "是372", "否372"), ("en", "Y372", "N372")])
def test_what_a_text_asks_to_answer_is_what_the_grammar_reads(language, yes, no):
    of = plan()
    for purpose in (Purpose.REMINDER, Purpose.CLARIFICATION, Purpose.HELP):
        text = write(purpose, subject_of(of), needs_code=True, edition=edition_of(of, language))
        assert yes in text
        assert no in text
        assert "TD" in text
    assert (read(yes).keyword, read(yes).code) == (Keyword.YES, "372")
    assert (read(no).keyword, read(no).code) == (Keyword.NO, "372")
    assert read("TD").keyword is Keyword.STOP


def test_every_text_names_the_official_number_and_warns_of_codes():
    for words, told in ((CHINESE, ALWAYS["zh"]), (ENGLISH, ALWAYS["en"])):
        for text in words.values():
            assert all(each in text for each in told)


def test_a_plan_without_english_has_no_edition_in_it():
    with pytest.raises(ValueError, match="no words"):
        edition_of(plan(english=None), "en")


def test_the_table_of_elements_stands_in_the_docs_as_the_editions_are():
    """docs/plans.md has the table of what each edition's question and notification say."""
    assert table() in DOCS.read_text("utf-8")


def table():
    editions = [n for n in sorted(EDITIONS) if Purpose.CONFIRMATION in EDITIONS[n]]  # other editions only add texts
    rows = ["| What is told | " + " | ".join(f"edition {n}" for n in editions) + " |"]
    rows.append("|---|" + "---|" * len(editions))
    for what, (slots, _) in ELEMENTS.items():
        cells = []
        for n in editions:
            said = [
                letter for letter, purpose in (("Q", Purpose.CONFIRMATION), ("N", Purpose.NOTIFICATION))
                if all(re.search(r"\{[{%][^}]*\b" + slot + r"\b", EDITIONS[n][purpose]) for slot in slots)
            ]  # fmt: skip
            cells.append(", ".join(said) or "-")
        rows.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def test_every_notification_tells_its_own_numbers_and_instants_though_the_rest_is_written_once():
    shown = subject_of(plan_from(in_fields()))

    def told(receipt: str, yes_at: int) -> str:
        return write(Purpose.NOTIFICATION, replace(shown, receipt=receipt, reply_at=yes_at), edition=LANGUAGES["zh"])

    first, second, later = told("7K3M9Q2P", YES_AT), told("0AAAAAA0", YES_AT), told("0AAAAAA0", YES_AT + 60_000)
    assert "7K3M9Q2P" in first
    assert second == first.replace("7K3M9Q2P", "0AAAAAA0")
    assert later != second
