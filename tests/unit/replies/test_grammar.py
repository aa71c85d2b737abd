"""The grammar: how a text is folded, what makes it no yes, what is held and what is not, and that no text is slow."""

import unicodedata
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.grammar import (
    EDITION,
    Keyword,
    Reason,
    counted,
    folded,
    patterns,
    plain,
    read,
    usable_code,
    words,
)
from tests.unit.replies.corpus import labelled
from tests.unit.replies.oracle import says

CORPUS = [text for _, text in labelled()]
TEXTS = st.sampled_from(CORPUS)
ALL = [chr(point) for part in ((0, 0x20000), (0x2F800, 0x2FA20), (0xE0000, 0xE01F0)) for point in range(*part)]
REFUSES = {Keyword.STOP, Keyword.NO, Keyword.HOLD, Keyword.WITHDRAW}
LATIN_WIDE = {ord(c): ord(c) + 0xFEE0 for c in map(chr, range(0x21, 0x7F))}
TRADITIONAL = {
    simple: complex_ for complex_, simple in words.TRADITIONAL.items() if chr(simple) in "确认办开订谢请帮绝销"
}

quick = settings(max_examples=300)


def meaning(text, **more):
    found = read(text, **more)
    return found.keyword, found.code


# -- the words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", [Keyword.YES, Keyword.NO, Keyword.STOP, Keyword.HELP])
def test_every_word_means_what_its_table_says_in_every_spelling(keyword):
    for word in getattr(words, keyword):
        for text in (word, word.upper(), f" {word}。", f"{word}，谢谢", f"您好，{word}！", word.translate(LATIN_WIDE)):
            assert read(text).keyword is keyword, text
        assert read(word.translate(TRADITIONAL)).keyword is keyword
        assert read(word).edition == EDITION


@pytest.mark.parametrize("keyword", [Keyword.YES, Keyword.NO, Keyword.STOP, Keyword.HELP])
def test_every_word_may_carry_a_code(keyword):
    for word in getattr(words, keyword):
        for text in (word + "234", f"{word} 234", f"{word} - 234。", f"{word}：234", f"234，{word}", f"（{word}#234）"):
            expected = Keyword.WITHDRAW if word in words.WITHDRAW else keyword
            assert meaning(text) == (expected, "234"), text


def test_no_word_stands_in_two_tables():
    tables = (words.YES, words.NO, words.STOP, words.HELP)
    every = [word for table in (*tables, *words.YES_OF.values()) for word in table]
    assert sorted(set(every)) == sorted(every)
    assert all(plain(word) == (word, True) for word in every)


def test_a_word_that_is_yes_to_one_carrier_is_read_as_strictly_and_to_nobody_else():
    own = ("好办", "td")
    assert [meaning(text, yes=own) for text in ("好办", "好办234", "好办。")] == [
        (Keyword.YES, ""), (Keyword.YES, "234"), (Keyword.YES, "")
    ]  # fmt: skip
    assert [read(text, yes=own).keyword for text in ("好办?", "好办吧", "不好办", "td")] == [
        Keyword.UNKNOWN, Keyword.UNKNOWN, Keyword.UNKNOWN, Keyword.STOP
    ]  # fmt: skip
    assert read("好办").keyword is Keyword.UNKNOWN
    assert set(words.YES_OF) <= set(CARRIERS)
    assert all(read(word, yes=own).keyword is Keyword.YES for own in words.YES_OF.values() for word in own)


def in_big5(character):
    try:
        return bool(character.encode("big5"))
    except UnicodeEncodeError:
        return False


def test_every_character_of_the_words_that_only_simplified_writing_has_is_read_in_traditional_writing_too():
    written = Path(words.__file__).read_text("utf-8") + Path(patterns.__file__).read_text("utf-8")
    only_simplified = {c for c in written if "\u4e00" <= c <= "\u9fff" and not in_big5(c)}
    folded_ones = {chr(each) for pair in words.TRADITIONAL.items() for each in pair}
    assert only_simplified - folded_ones == {*"冋嘞"}, "these two have no other form"
    for text in (
        "我放棄",
        "作罷",
        "不須",
        "唔該取消",
        "取消囉唔該",
        "唔要喇",
        "我冇同意",
        "一點兒都不感興趣",
        "絲毫沒有興趣",
    ):
        assert read(text).keyword is Keyword.NO, text
    for text in ("滾邊去", "退釘", "唔該退訂"):
        assert read(text).keyword is Keyword.STOP, text


def test_a_code_of_a_hotline_is_none():
    for code in ("400", "800", "911", "199", "034", "23", "2345", "٢٣٤", "²³⁴"):
        assert meaning(f"是{code}") == (Keyword.UNKNOWN, ""), code
        assert meaning(code) == (Keyword.UNKNOWN, "")


def test_a_code_can_be_used_unless_it_stands_in_a_text_that_is_open():
    assert usable_code("234", ())
    assert usable_code("234", ("199元档", "热线10086"))
    assert not usable_code("199", ())
    assert not usable_code("300", ("含流量300GB",))
    assert not usable_code("372", ("是", "方案编号24BJ137210"))
    assert [code for code in ("400", "800", "911", "2345", "23", "abc", "") if usable_code(code, ())] == []


# -- a yes is strict --------------------------------------------------------------------------------------------------


@quick
@given(
    st.lists(st.sampled_from(CORPUS + list(".。!,、;~?？…()“”[]👍🙂 \u200b\u0336\u202e234")), max_size=4).map("".join)
)
def test_a_yes_is_what_the_rules_say_and_nothing_else(text):
    found = read(text)
    expected = says(text)
    if expected is not None and expected[0] == "YES":
        assert (found.keyword, found.code) == expected
    else:
        assert found.keyword is not Keyword.YES
    if expected is not None and expected[0] == "":
        assert (found.keyword, found.code) == (Keyword.UNKNOWN, expected[1])
    elif found.keyword is Keyword.UNKNOWN:
        assert found.code == ""


@quick
@given(st.text(st.characters(), max_size=12), st.sampled_from(words.YES))
def test_whatever_surrounds_a_yes_the_rules_decide(noise, word):
    for text in (noise + word, word + noise, word[:1] + noise + word[1:]):
        expected = says(text)
        assert (read(text).keyword is Keyword.YES) == (expected is not None and expected[0] == "YES"), ascii(text)


SPOILS = [
    "?",
    "？",
    "﹖",
    "❓",
    "❔",
    "..",
    "。。",
    "…",
    "⋯",
    "\u0336",
    "\u20e0",
    "\u202e",
    "\u2066",
    "\u200f",
    "\u061c",
]


@quick
@given(
    TEXTS,
    st.sampled_from([*SPOILS, "\U000e003f", "🤔", "🙂", "❌", "吗", "不", "🛑"]),
    st.integers(0, 20),
    st.booleans(),
)
def test_no_mark_makes_a_yes_of_anything_and_every_one_unmakes_it(text, mark, at, end):
    spoiled = text + mark if end else text[:at] + mark + text[at:]
    assert read(spoiled).keyword is not Keyword.YES
    if mark not in {"..", "。。", "不"}:
        assert read(spoiled).keyword is not Keyword.UNKNOWN or read(spoiled).code == "", (
            "a bare code may answer with a yes"
        )


def test_every_mark_that_cannot_be_seen_or_turns_a_sign_round_is_no_yes():
    odd = [c for c in ALL if unicodedata.category(c) in ("Mn", "Me") and c not in "\ufe0e\ufe0f"]
    assert len(odd) > 1_500
    assert [c for c in odd if read(f"是{c}").keyword is Keyword.YES or read(f"2{c}34").code] == []


def test_only_y_itself_is_y():
    assert {c for c in ALL if read(c).keyword is Keyword.YES} == {"y", "Y", "ｙ", "Ｙ", "是"}


# -- a refusal is liberal ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", "😡🙄！!。.~ \n\u200b", ids=ascii)
def test_a_refusal_stays_one_whatever_sign_is_put_to_it(sign):
    refusals = [text for label, text in labelled() if label.split("/")[0] in REFUSES]
    spoiled = [each for text in refusals for each in (text + sign, sign + text, text + sign * 3)]
    assert [each for each in spoiled if read(each).keyword not in REFUSES] == []


@pytest.mark.parametrize("text", ["你好😡不要", "不要😡别打了", "不要🙄谢谢", "否234😡谢谢😡"])
def test_a_sign_between_a_refusal_and_a_courtesy_or_another_refusal_parts_them(text):
    assert read(text).keyword in REFUSES


@pytest.mark.parametrize("mark", ["", "。", " ", "！！！！！", "😡😡😡😡😡"], ids=ascii)
def test_a_refusal_is_one_however_often_it_is_repeated_and_a_yes_is_not(mark):
    for keyword, table in ((Keyword.STOP, words.STOP), (Keyword.NO, words.NO)):
        repeated = {word: read((word + mark) * 80).keyword for word in table}
        assert {word: found for word, found in repeated.items() if found is not keyword} == {}
        assert [word for word in table if read(word + (mark or "!") * 200).keyword is not keyword] == []
    for word in words.YES:
        long = (word + (mark.strip() or "!") * 200, f"{word} " * 80, f"{word}{mark}" * 80)
        assert {read(text).keyword for text in long} == {Keyword.UNKNOWN}
    assert meaning("234" * 80) == meaning("234" + "!" * 200) == (Keyword.UNKNOWN, "")


def test_a_refusal_in_another_encoding_is_one_between_its_control_characters_and_a_yes_is_not():
    for word in ("TD", "STOP", "N"):
        for encoding in ("utf-16-be", "utf-16-le"):
            assert read(word.encode(encoding).decode()).keyword is read(word).keyword
    controls = [c for c in ALL if unicodedata.category(c) == "Cc" and c not in "\t\n\v\f\r\x85"]
    assert len(controls) == 59
    for c in controls:
        assert read(f"我要投{c}诉").keyword is Keyword.HOLD
        assert {read(text).keyword for text in (f"Y{c}", f"{c}是", f"同{c}意")} == {Keyword.UNKNOWN}
        assert read(f"2{c}34").code == ""


@pytest.mark.parametrize("sign", ["?", "？", "❓"])
def test_a_stop_that_asks_is_held_and_a_no_that_asks_is_nothing(sign):
    for word in words.STOP:
        found = read(word + sign)
        assert (found.keyword, found.reason) == (Keyword.HOLD, Reason.REFUSING), word
    assert read("不要" + sign).keyword is Keyword.UNKNOWN
    assert read("怎么退订" + sign).keyword is Keyword.HELP


@pytest.mark.parametrize("figure", ["0", "1", "3", "7", "77", "17", "300"])
def test_a_figure_among_courtesies_is_no_word_whatever_letters_it_might_stand_for(figure):
    around = {*words.BEFORE_STOP, *words.AFTER_STOP}
    texts = [
        each for word in around for each in (f"{figure} {word}", f"{figure}{word}", f"{word} {figure}", word + figure)
    ]
    assert {text: read(text).keyword for text in texts if read(text).keyword in REFUSES} == {}


def test_a_refusal_that_ends_in_a_digit_for_a_letter_carries_a_code_as_any_other_does():
    letters = [(chr(digit), chr(letter)) for table in words.LETTERS for digit, letter in table.items()]
    spelt = {each[:-1] + digit for each in (*words.NO, *words.STOP) for digit, letter in letters if each[-1] == letter}
    alone = {text: read(text).keyword for text in spelt if read(text).keyword in {Keyword.NO, Keyword.STOP}}
    assert {text: meaning(f"{text} 234") for text in alone} == {text: (word, "234") for text, word in alone.items()}
    assert {"n0", "cance1", "remove m3"} <= alone.keys()


def test_marketing_free_is_registered_by_its_words_only():
    assert [text for text in ("免营销", "我要免营销。", "免營銷") if not read(text).marketing_free] == []
    assert [word for word in words.STOP if read(word).marketing_free] == list(words.MARKETING_FREE)


def test_two_refusals_are_a_refusal_and_a_yes_with_one_is_nothing():
    assert read("不用，不需要").keyword is Keyword.NO
    assert read("不要，别再打了").keyword is Keyword.STOP
    assert read("不，是").keyword is Keyword.UNKNOWN


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        *((text, Keyword.NO) for text in (
            "算了不办了", "不用了算了", "否不办", "没兴趣不要", "不了不需要", "取消了不办", "不要了取消吧",
            "N不办", "no不要", "否N",
            "算了不办了234", "算了吧不要了谢谢", "算了算了不办了", "不用了，算了不办了", "算了不辦了",
        )),
        *((text, Keyword.STOP) for text in (
            "算了别打了", "不用了别再打了", "不要了退订", "否td", "td否", "没兴趣了别打了",
        )),
    ],
)  # fmt: skip
def test_two_refusals_with_nothing_between_them_are_a_refusal(text, keyword):
    """Words that are written without a mark were no refusal, though each of them is one."""
    assert read(text).keyword is keyword


@pytest.mark.parametrize(
    "text",
    [
        "不要取消", "不是不办", "不能不办", "不是不同意", "算了办吧", "算了同意", "算了是", "否是", "n年", "不要了要",
    ],
)  # fmt: skip
def test_a_word_that_takes_a_refusal_back_makes_none_of_it(text):
    assert read(text).keyword is Keyword.UNKNOWN


@pytest.mark.parametrize("text", ["取消不了", "否则不办", "是不同意", "不免费不要"])
def test_a_refusal_that_another_word_leaves_standing_is_in_doubt(text):
    assert read(text).reason is Reason.DOUBTFUL


@pytest.mark.parametrize(
    "text",
    [
        "千万别办", "千万不要开通", "坚决不", "永远不", "绝对不", "从没同意", "我从没同意办理", "确认关闭", "撤销办理",
        "撤回订单", "要取消", "想取消", "帮取消", "我不想", "我不愿意", "家人不让办", "我老婆不让开通", "不赞成",
        "停办",
    ],
)  # fmt: skip
def test_what_a_person_says_firmly_or_briefly_is_a_refusal(text):
    assert read(text).keyword is Keyword.NO


# -- the end of a service ---------------------------------------------------------------------------------------------


def test_a_plans_own_word_ends_a_service():
    for text in ("QXTC", "qxtc。", "ＱＸＴＣ", "QXTC，谢谢"):
        assert read(text, words=("QXTC", "TDYW")).keyword is Keyword.WITHDRAW
        assert read(text).keyword is Keyword.UNKNOWN
    assert meaning("qx101", words=("QX101",)) == (Keyword.WITHDRAW, "")
    assert read("QXTC?", words=("QXTC",)).keyword is Keyword.UNKNOWN


@pytest.mark.parametrize("word", ["TD", "退订", "Y", "是", "N", "H", "234", "不要"])
def test_a_plans_word_that_means_something_else_ends_nothing(word):
    assert read(word, words=(word,)) == read(word)


def test_a_bare_unsubscribe_never_ends_a_service():
    assert read("退订").keyword is Keyword.STOP
    assert meaning("退订234") == (Keyword.WITHDRAW, "234")
    assert meaning("\u202e退订234") == (Keyword.STOP, "234")
    assert read("退订234?").keyword is Keyword.HOLD


# -- what is held -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["unsubscribe me from your list", "no more sales calls to this number!", "I'd like to unsubscribe: it bores me"],
)
def test_a_few_english_words_that_stand_in_our_text_too_are_no_quotation(text):
    ours = (
        "[China Mobile] your refusal is recorded. No more sales calls or sales SMS from us.",
        "Restrictions: none. To unsubscribe: send QXTC to 10086. Reply Y to confirm.",
    )
    assert read(text, sent=ours).keyword is Keyword.HOLD
    assert read(ours[0] + " what is this", sent=ours).keyword is Keyword.UNKNOWN


def test_what_is_quoted_out_of_our_own_text_is_not_held():
    ours = "【中国移动】您申请的套餐须经您确认。未接此来电或拒绝营销来电，回复TD。回复免费。"
    quoted = "未接此来电或拒绝营销来电，回复TD 这是啥"
    assert read(quoted).keyword is Keyword.HOLD
    assert read(quoted, sent=("别的", ours)).keyword is Keyword.UNKNOWN
    assert read(quoted + " 我拒绝一切", sent=(ours,)).keyword is Keyword.HOLD
    assert read("拒绝营销", sent=(ours,)).keyword is Keyword.HOLD, "seven characters are no quotation"
    assert read("退订", sent=("退订" * 9,)).keyword is Keyword.STOP, "only before HOLD"


def test_a_refusal_in_brackets_is_no_sender():
    assert read("【退订】别再打了").keyword is Keyword.HOLD
    assert read("【中国移动】拒绝营销来电，回复TD。").keyword is Keyword.UNKNOWN


def test_the_reason_that_matters_most_is_given():
    assert read("打错了，再打报警").reason is Reason.DISPUTED
    assert read("打错了，不要再打我手机了行不行").reason is Reason.WRONG_PERSON


def test_what_is_long_can_be_held_and_is_no_word():
    assert read("不需要" * 40 + "这么便宜的套餐吗").keyword is Keyword.UNKNOWN
    assert read("我" * 1_000 + "要投诉").keyword is Keyword.HOLD


# -- folding ----------------------------------------------------------------------------------------------------------


@quick
@given(st.text(st.characters(), max_size=40) | TEXTS)
def test_folding_again_changes_nothing(text):
    assert folded(folded(text)) == folded(text)
    assert plain(plain(text)[0])[0] == plain(text)[0]


def test_the_same_words_are_grouped_and_others_are_not():
    assert folded("別再打了！！！") == folded("别再打了") == folded(" 别再打了。 ") == folded("别再\u200b打了")
    assert len({folded(text) for text in ("打错了", "打错了吧", "打错了?", "不", "")}) == 5


@quick
@given(st.text(st.characters(), max_size=200))
def test_no_text_raises(text):
    assert read(text, sent=(text,), words=(text,)).edition == EDITION


def test_a_withdrawal_counts_as_a_stop_until_it_can_be_more():
    assert {each: counted(each) for each in Keyword if counted(each) is not each} == {
        Keyword.WITHDRAW: Keyword.STOP,
    }


@pytest.mark.parametrize(
    "text",
    [
        *("是" * 1_000_000, "\ufdfa" * 1_000_000, "y" + "\u0301\u0316" * 500_000, "是" + " " * 1_000_000, "(" * 64),
        *(
            "不要" * 32,
            "不要" * 40,
            "别再" * 5_000,
            "没人" * 5_000,
            "don't " * 2_000,
            "never a b " * 1_000,
            "谢谢" * 500,
        ),
        *(
            "请你们麻烦" * 12,
            "先都并现在真的" * 9 + "不",
            "再给我要想用" * 10,
            "【" * 10_000,
            "怎么退订" * 16,
            "别给我再老总" * 800,
        ),
        *("未接此来电或拒绝营销" * 1_000, "喜欢“" * 3_000, ",.。!" * 2_500 + "退订", "?" * 9_000 + "退订"),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_nothing_runs_away(text):
    ours = "【中国移动】" + "您在来电中申请，未接此来电或拒绝营销来电，回复TD。" * 10
    began = process_time()
    found = read(text, sent=(ours,) * 4, words=("QXTC",))
    assert process_time() - began < 0.5
    assert found.keyword is not Keyword.YES


def test_the_filters_in_front_hold_nothing_back():
    for _, pattern in patterns.HELD:
        for text in CORPUS:
            assert not pattern.search(plain(text)[0]) or patterns.MAY_BE_HELD.search(plain(text)[0]), text
    for word in (*words.NO, *words.STOP):
        assert patterns.MAY_REFUSE.search(word.replace(" ", "")), word


def test_what_stands_behind_so_many_blanks_that_it_is_not_read_is_not_consented_to():
    assert read("是" + " " * 20_000 + "不同意").keyword is Keyword.UNKNOWN


# -- doubt ------------------------------------------------------------------------------------------------------------


def test_a_long_text_is_in_doubt_where_its_first_clause_negates():
    told = "昨天那位女士打来的时候我正在外面开会，只听了个大概，麻烦把资费再发我看看再说吧谢谢"
    assert read(f"我老公不同意，{told}").is_doubtful
    assert read(f"你好，我老公不同意，{told}").is_doubtful, "a greeting says nothing"
    assert read(f"{told}，我老公不同意").keyword is Keyword.UNKNOWN
    words_ = "thank you so much for the call yesterday it was really very kind of you"
    assert read(f"withdraw my consent, {words_}").is_doubtful
    assert read(f"{words_} withdraw my consent").keyword is Keyword.UNKNOWN


def test_a_yes_beside_a_no_is_neither_and_a_question_refuses_only_where_it_asks_for_an_end():
    assert {read(text).keyword for text in ("是，否", "yes no", "不，我同意")} == {Keyword.UNKNOWN}
    assert {read(text).keyword for text in ("不收费吗", "不换卡吧", "要不要钱", "不办会怎么样")} == {Keyword.UNKNOWN}
    assert [text for text in ("可以不办吗", "不办行不行", "can you cancel it") if not read(text).is_doubtful] == []


def test_doubt_is_not_read_in_what_a_machine_wrote_nor_in_our_own_words():
    ours = "【中国移动】其他内容或不回复均不办理。不愿再接营销来电，回复TD。"
    assert read("不回复均不办理 什么意思").keyword is Keyword.UNKNOWN
    assert read("其他内容或不回复均不办理").is_doubtful
    assert read("其他内容或不回复均不办理", sent=(ours,)).keyword is Keyword.UNKNOWN
    for text in ("自动回复：我不需要", "Re: cancel it", "【顺丰】不同意签收请回电", "Liked “不办理”"):
        assert read(text).keyword is Keyword.UNKNOWN, text


@pytest.mark.parametrize(
    "stem", ["不想", "别给我", "没说过", "把我号", "不要不", "no not ", "bu xiang ", "不能不", "的话"]
)
def test_doubt_takes_no_longer_for_any_short_text(stem):
    texts = [(stem * 40)[:40], stem * 12, (stem * 40)[:39] + "？", f"{stem * 500}，{stem * 500}"]
    began = process_time()
    for text in texts:
        read(text)
    assert process_time() - began < 0.5
