"""A reply means what the contract's table says, to the whole of the text; everything else is UNKNOWN.

The oracle is written from the contract alone, another way than the code: it peels ends off instead of matching.
"""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_engine.domain.keywords import Keyword, read

TABLE = {
    "YES": "是 是的 同意 我同意 确认 我确认 同意办理 确认办理 同意开通 确认开通 y yes",
    "NO": "否 不 不是 不同意 我不同意 不确认 不办 不办理 不开通 不要 不要办理 不需要 取消 n no",
    "STOP": "td t 退订 拒收 stop unsubscribe",
    "HELP": "帮助 help h",
}
MEANING = {word: keyword for keyword, words in TABLE.items() for word in words.split()}
COURTESIES = ["谢谢", "谢谢你", "谢谢您", "请", "您好", "你好", "please", "thanks", "thank you"]
TRADITIONAL = {"确": "確", "认": "認", "办": "辦", "开": "開", "订": "訂", "谢": "謝", "请": "請", "帮": "幫"}
SIMPLIFIED = {traditional: simplified for simplified, traditional in TRADITIONAL.items()}
CODES = ["234", "999", "200"]

# Where Unicode has letters, marks and what NFKC folds into them; the rest is rare ideographs and nothing.
ALL = [chr(point) for part in ((0, 0x20000), (0x2F800, 0x2FA20), (0xE0000, 0xE01F0)) for point in range(*part)]


def traditional(text):
    return "".join(TRADITIONAL.get(c, c) for c in text)


def full_width(text):
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def is_gap(character):
    return unicodedata.category(character)[0] in "ZPS" or character in "\t\n\v\f\r\x85"


def asks(text):
    names = (unicodedata.name(c, "") for c in text)
    return "?" in unicodedata.normalize("NFKC", text) or any(
        "QUESTION MARK" in n or "INTERROBANG" in n or n == "REPLACEMENT CHARACTER" for n in names
    )


def stripped(text):
    while text and is_gap(text[0]):
        text = text[1:]
    while text and is_gap(text[-1]):
        text = text[:-1]
    return text


def rests(text):
    """All that can be left when courtesies are taken off the ends, or not."""
    found, todo = set(), [stripped(text)]
    while todo:
        rest = todo.pop()
        if rest in found:
            continue
        found.add(rest)
        for courtesy in COURTESIES:
            if rest.startswith(courtesy):
                todo.append(stripped(rest[len(courtesy) :]))
            if rest.endswith(courtesy):
                todo.append(stripped(rest[: -len(courtesy)]))
    return found


def is_code(text):
    return len(text) == 3 and text[0] in "23456789" and all(c in "0123456789" for c in text)


def answer_in(rest):
    if rest in MEANING:
        return MEANING[rest], None
    if is_code(rest):
        return "UNKNOWN", rest
    if is_code(rest[-3:]) and stripped(rest[:-3]) in MEANING and rest.startswith(stripped(rest[:-3])):
        return MEANING[stripped(rest[:-3])], rest[-3:]
    if is_code(rest[:3]) and stripped(rest[3:]) in MEANING and rest.endswith(stripped(rest[3:])):
        return MEANING[stripped(rest[3:])], rest[:3]
    return None


def oracle(text):
    if asks(text):
        return "UNKNOWN", None
    kept = [c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in ("Cf", "Mn", "Me")]
    folded = "".join(SIMPLIFIED.get(c, c) for c in "".join(kept).casefold())
    answers = {answer_in(rest) for rest in rests(folded)} - {None}
    assert len(answers) <= 1, "the grammar itself is ambiguous"
    return answers.pop() if answers else ("UNKNOWN", None)


PIECES = st.sampled_from(
    [
        *MEANING,
        *map(traditional, MEANING),
        *map(str.upper, MEANING),
        *map(full_width, ["yes", "NO", "td", "234", "2"]),
        *COURTESIES,
        *map(traditional, COURTESIES),
        *CODES,
        *("1", "0", "12", "123", "2345", "好", "可以", "行", "嗯", "ok", "办理", "开通", "的", "我", "你", "the", "у"),
        *(" ", "\u3000", "\n", ",", "。", "！", "、", "+", "👍", "😀", "【", "】", "”", "-", "$", "~"),
        *("?", "？", "؟", "\u037e", "吗", "\u200b", "\ufe0f", "\u20e3", "\u202e", "\u0301", "\ud83d", "\x00", "²³⁴"),
    ]
)


@pytest.mark.parametrize(("word", "keyword"), MEANING.items())
def test_every_word_of_the_table_means_what_it_says(word, keyword):
    for text in (word, traditional(word), word.upper(), full_width(word), f" {word}。", f"您好，{word}！谢谢"):
        assert read(text) == (keyword, None)
    for code in CODES:
        for text in (word + code, f"{word} {code}", code + word, f"【{code}】，{word}。", f"{code} - {word} thanks"):
            assert read(text) == (keyword, code)
    for question in "?？⁇؟":
        for text in (question + word, word + question, f"{word}{question}234"):
            assert read(text) == (Keyword.UNKNOWN, None)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "。", "👍", "\u200b", "1", "0", "好", "好的", "可以", "行", "嗯", "ok", "OK", "办理", "开通"),
        *("y n", "是否", "是不是", "是吗", "不 同意", "不。同意", "是 不", "同意 取消", "y stop", "yes yes", "是是"),
        *("yes if it is free", "如果免费我同意", "我不", "不好", "不谢", "y e s", "是 的", "start", "谢谢", "请"),
        *("\u0443", "\u0423", "\u03a5", "\u04af", "y\u0435s", "ñ", "ý", "1️⃣", "①"),
        *("是234 345", "是 2345", "是1234", "是123", "是034", "是 23", "是 2 3 4", "是2,34", "234 是 234"),
        *("是234号", "td 退订", "STOP 12345", "是٢٣٤", "是\x00", "是\ud800", "\udfff", "是\ue000", "退订吗"),
        *("234 345", "2345", "123", "23", "234号", "234?", "234 好", "是 谢谢 234", "yes thank-you", "thank you"),
    ],
)
def test_everything_else_is_unknown(text):
    assert read(text) == (Keyword.UNKNOWN, None)


@pytest.mark.parametrize("text", ["234", " 234。", "２３４", "2️⃣3️⃣4️⃣", "234 please", "谢谢，234", "²³⁴", "\u202e234"])
def test_a_bare_code_is_unknown_with_that_code(text):
    assert read(text) == (Keyword.UNKNOWN, "234")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("YES 234 thanks", ("YES", "234")),
        ("Ｙ。", ("YES", None)),
        ("“是234”", ("YES", "234")),
        ("是👍🏽", ("YES", None)),
        ("是\r\n", ("YES", None)),
        ("\ufeff是\u200b的\u202c", ("YES", None)),
        ("2️⃣3️⃣4️⃣是", ("YES", "234")),
        ("請，我確認辦理", ("UNKNOWN", None)),
        ("請，確認辦理，謝謝您", ("YES", None)),
        ("您好你好请是谢谢thanks thank  you", ("YES", None)),
        ("谢谢你好是", ("YES", None)),
        ("不\u200b同\u00ad意", ("NO", None)),
        ("不，谢谢", ("NO", None)),
        ("不同意234", ("NO", "234")),
        ("no, thank\u3000you!!!", ("NO", None)),
        ("退訂。", ("STOP", None)),
        ("T 234", ("STOP", "234")),
        ("是+234", ("YES", "234")),
        ("是=$^☎234", ("YES", "234")),
        ("幫助", ("HELP", None)),
    ],
)
def test_folding_and_courtesies_leave_the_meaning(text, meaning):
    assert read(text) == meaning


@given(st.lists(PIECES, max_size=8).map("".join))
def test_replies_made_of_likely_pieces_mean_what_the_contract_says(text):
    assert read(text) == oracle(text)


@given(st.text(max_size=30))
def test_no_text_raises_and_any_means_what_the_contract_says(text):
    assert read(text) == oracle(text)


# What strikes out, crosses, forbids or shakes its head: ours beyond the contract, see the decisions.
OVERLAYS = "\u0335\u0336\u0337\u0338\u20d2\u20d3\u20e0\u20e5\u20e6\u20ea\u20eb"
SIGNS = "¬×≠≢╳☒⛔✕✖✗✘❌❎⨯🆖👎🗙🙅🚫🛇"
TURNS_ROUND = set(OVERLAYS + SIGNS)


@given(st.text(st.characters(), max_size=12), st.sampled_from(sorted(MEANING)))
def test_whatever_surrounds_a_word_it_means_what_the_contract_says(noise, word):
    for text in (noise + word, word + noise, word[:1] + noise + word[1:]):
        expected = oracle(text)
        if expected[0] == "YES" and set(text) & TURNS_ROUND:
            expected = (Keyword.UNKNOWN, None)
        assert read(text) == expected


INVISIBLE = st.text(st.sampled_from("\u200b\u200d\u2060\ufeff\u00ad\u202e\u2066\ufe0f\u20e3"), max_size=3)


@given(st.sampled_from(sorted(MEANING)), st.lists(INVISIBLE, min_size=12, max_size=12))
def test_what_cannot_be_seen_changes_nothing(word, invisible):
    hidden = "".join(character + invisible[i] for i, character in enumerate(word))
    assert read(invisible[-1] + hidden) == (MEANING[word], None)


def test_every_question_mark_of_unicode_makes_it_no_answer():
    marks = [character for character in ALL if asks(character)]
    assert len(marks) > 20
    assert [mark for mark in marks if read("是" + mark) != (Keyword.UNKNOWN, None)] == []


def test_only_y_itself_folds_to_a_yes():
    yes = {character for character in ALL if read(character)[0] is Keyword.YES}
    assert {unicodedata.normalize("NFKC", each).casefold().strip("()") for each in yes} == {"y", "是"}


@pytest.mark.parametrize(
    "text",
    [
        "是" * 1_000_000,
        "\ufdfa" * 1_000_000,
        "\ufdfa" * 999,
        "y" + "\u0301\u0316" * 1_000_000,
        "谢谢你好" * 16,
        "thank you " * 6 + "z",
        "谢谢" * 500,
        "是" + " " * 1_000_000,
        "是" + "." * 500 + "234",
        "是" + "\u203c" * 600,
        "\U000e003f" * 999,
    ],
)
def test_a_text_that_nobody_writes_by_hand_is_unknown(text):
    assert read(text) == (Keyword.UNKNOWN, None)


def test_many_exclamation_marks_are_still_a_yes():
    assert read("是" + "！" * 500) == (Keyword.YES, None)


@pytest.mark.parametrize("sign", ["❌", "✗", "👎", "🚫", "⛔", "\u20e0", "\u0338", "\u0336", "×", "≠"])
def test_a_sign_that_turns_a_yes_round_leaves_no_yes_and_keeps_every_refusal(sign):
    for text in (f"是{sign}", f"{sign}是", f"同意{sign}234"):
        assert read(text)[0] is Keyword.UNKNOWN
    assert read(f"退订{sign}")[0] is Keyword.STOP
    assert read(f"{sign}不同意")[0] is Keyword.NO
