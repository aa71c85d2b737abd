"""Texts for reporters: short enough, with nothing that a person could be asked for."""

import re

import pytest

from consent_engine.domain.sms import segments
from consent_engine.domain.texts.render import REPORT_NAMES, named, of_report, read_name
from consent_engine.domain.texts.sheet import EXAMPLES
from consent_engine.domain.texts.words import ALLOWED, FORBIDDEN, PAID, SPOOFED, WORDS
from consent_engine.domain.texts.words import RECEIVED as CAME
from consent_engine.errors import BrokenRecord

IN_FULL = [(language, key) for language, texts in EXAMPLES.items() for key in texts]
ENDS = {
    "zh": ("【中国移动】", "热线10086。营销来电只用10085，勿向任何人透露验证码。"),
    "en": ("China Mobile: ", "We make sales calls from 10085 only. Never tell anyone a verification code."),
}


@pytest.mark.parametrize(("language", "key"), IN_FULL)
def test_a_reporter_reads_few_segments_and_all_that_was_to_be_said(language, key):
    told = EXAMPLES[language][key]
    text = of_report("mobile", [named(key, language), *told])
    assert segments(text) <= (3 if key in {ALLOWED, FORBIDDEN} else 2)
    assert all(value in text for value in told)
    begins, ends = ENDS[language]
    assert text.startswith(begins)
    assert text.endswith(ends)


def test_the_name_of_a_text_keeps_its_language_and_one_of_before_is_chinese():
    assert read_name(named(PAID, "en")) == (PAID, "en")
    assert read_name(named(PAID, "zh")) == read_name(PAID) == (PAID, "zh")


def test_both_languages_say_the_same_of_a_report():
    for key, names in REPORT_NAMES.items():
        for words in WORDS.values():
            said = set(re.findall(r"{{ (\w+) }}", words[key]))
            assert said - {"brand", "hotline", "official"} == set(names), key


def test_what_may_be_a_faked_number_is_admitted_as_no_call_of_ours():
    text = of_report("mobile", (SPOOFED, *EXAMPLES["zh"][SPOOFED]))
    assert "12月31日10:00来电显示10085，我公司无此通话记录，疑似改号。线索已转12321，并已登记不再向您营销。" in text
    assert not re.search("属我公司|违规|奖励", text)
    assert "was ours" not in of_report("mobile", (named(SPOOFED, "en"), *EXAMPLES["en"][SPOOFED]))


@pytest.mark.parametrize("about", [(), ("nothing",), (CAME, "7K3M9Q2P")])
def test_an_answer_that_lacks_a_word_is_not_written(about):
    with pytest.raises(BrokenRecord):
        of_report("mobile", about)
