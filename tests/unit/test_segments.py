"""A text takes as many segments as the standard says, and no character is cut in half."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_engine.domain.sms import Encoding, encoding, segments, split

GSM_BASIC = st.sampled_from("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./09:;<=>?¡AZÄÖÑÜ§¿azäöñüà")
GSM_ESCAPED = st.sampled_from("\f^{}\\[~]|€")


def packed(widths: list[int], alone: int, each: int) -> int:
    """Count the same by filling real boxes."""
    if sum(widths) <= alone:
        return 1
    boxes: list[list[int]] = [[]]
    for width in widths:
        if sum(boxes[-1]) + width > each:
            boxes.append([])
        boxes[-1].append(width)
    return len(boxes)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("是" * 70, 1),
        ("是" * 71, 2),
        ("是" * 134, 2),
        ("是" * 135, 3),
        ("是" + "a" * 69, 1),
        ("是" + "a" * 70, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_the_edges_are_where_the_standard_puts_them(text, count):
    assert segments(text) == count


@given(st.text(GSM_BASIC | GSM_ESCAPED, max_size=500) | st.text(max_size=300))
def test_a_text_is_split_into_as_many_segments_as_it_takes_and_nothing_is_lost(text):
    parts = split(text)
    assert ("".join(parts), len(parts)) == (text, segments(text))
    if len(parts) > 1:
        room = 153 if encoding(text) is Encoding.GSM7 else 67
        assert all(0 < len(part) <= room for part in parts)
        assert all(segments(part) == 1 for part in parts)


def test_an_escape_is_never_parted_from_its_character():
    # 153 units a segment leave one unit empty when every character takes two: 76 a segment, not 76.5.
    assert segments("€" * 152) == 2
    assert segments("€" * 153) == 3
    assert segments("a" * 152 + "€" + "a" * 152) == 3


def test_a_surrogate_pair_is_never_parted():
    assert segments("😀" * 66) == 2
    assert segments("😀" * 67) == 3
    assert segments("是" * 66 + "😀" + "是" * 66) == 3


def test_one_character_outside_the_alphabet_costs_the_whole_text():
    assert encoding("a" * 100) is Encoding.GSM7
    assert encoding("a" * 100 + "ç") is Encoding.UCS2
    assert encoding("`") is Encoding.UCS2
    assert encoding("Ç@\n€") is Encoding.GSM7


@given(st.lists(st.one_of(GSM_BASIC, GSM_ESCAPED), max_size=700))
def test_a_gsm7_text_fills_boxes_of_160_or_153(characters):
    text = "".join(characters)
    assert encoding(text) is Encoding.GSM7
    assert segments(text) == packed([2 if c in "\f^{}\\[~]|€" else 1 for c in text], 160, 153)


@given(st.lists(st.sampled_from("是a€\ud7ff\udfff\uffff\U00010000😀"), min_size=30, max_size=300))
def test_any_other_text_fills_boxes_of_70_or_67(characters):
    text = "是" + "".join(characters)
    widths = [len(c.encode("utf-16-le", "surrogatepass")) // 2 for c in text]
    assert encoding(text) is Encoding.UCS2
    assert segments(text) == packed(widths, 70, 67)


def test_a_lone_surrogate_is_one_unit():
    assert segments("\ud800" * 70) == 1
