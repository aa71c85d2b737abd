"""What reporters read: short enough, with nothing that a person could be asked for."""

import re

import pytest

from consent_engine.domain.texts.render import of_report
from consent_engine.domain.texts.report_words import ALLOWED, CHINESE, CODE, ENGLISH, FORBIDDEN, NAMES, NOT_OURS, PAID
from consent_engine.domain.texts.report_words import RECEIVED as CAME
from consent_engine.domain.texts.segments import segments
from consent_engine.errors import BrokenRecord

TEXTS = {
    CAME: ("7K3M9Q2P", "8月1日16:00", "8月16日"),
    FORBIDDEN: ("7K3M9Q2P", "8月1日10:00", "10085", "本次举报奖励20.00元，到账后另行短信告知"),
    ALLOWED: ("7K3M9Q2P", "8月1日10:00", "10085", "拨打时您的号码未登记拒绝营销"),
    NOT_OURS: ("7K3M9Q2P", "02161000000", "12321"),
    PAID: ("7K3M9Q2P", "20.00元"),
    CODE: ("482913", "5"),
}


@pytest.mark.parametrize("key", TEXTS)
def test_a_reporter_reads_two_segments_at_most_and_all_that_was_to_be_said(key):
    text = of_report("mobile", [key, *TEXTS[key]])
    assert segments(text) <= 3 if key in {ALLOWED, FORBIDDEN} else segments(text) <= 2
    assert all(value in text for value in TEXTS[key])
    assert text.startswith("【中国移动】")
    assert text.endswith("热线10086。营销来电只用10085，勿向任何人透露验证码。")


def test_both_languages_say_the_same_of_a_report():
    for key, names in NAMES.items():
        for words in (CHINESE, ENGLISH):
            said = set(re.findall(r"{{ (\w+) }}", words[key]))
            assert said - {"brand", "hotline", "official"} == set(names), key


@pytest.mark.parametrize("about", [(), ("nothing",), (CAME, "7K3M9Q2P")])
def test_an_answer_that_lacks_a_word_is_not_written(about):
    with pytest.raises(BrokenRecord):
        of_report("mobile", about)
