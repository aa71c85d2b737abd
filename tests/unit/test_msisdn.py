"""A number is read in people's usual spellings, found in texts, shown masked or hidden, and placed in its slot."""

import uuid
from hashlib import sha256
from itertools import product
from time import thread_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent_engine.domain.msisdn import Msisdn, contains_number, hidden, mask, of_sender, parse, slot
from consent_engine.errors import Malformed


def crc16_bit_by_bit(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


@pytest.mark.parametrize(
    "text",
    [
        "+8613800138000",
        "13800138000",
        "8613800138000",
        "008613800138000",
        " 138 0013 8000\n",
        "138-0013-8000",
        "+86 138-0013\u20118000",
        "+86\u00a0138\u30000013\u00a08000",
        "１３８００１３８０００",
        "＋８６１３８００１３８０００",
    ],
)
def test_the_ways_people_write_a_number_are_one_number(text):
    assert parse(text) == Msisdn("+8613800138000")
    assert isinstance(parse(text), Msisdn)


SENT_FROM = [
    "13800138000",
    "+86 138-0013\u20118000",
    "013800138000",
    "0138-0013-8000",
    "+86013800138000",
    "+86 (0) 138 0013 8000",
    "tel:+8613800138000",
    "TEL:+86-138-0013-8000",
    "tel:13800138000;phone-context=+86",
    "(+86)13800138000",
    "(86) 138 0013 8000",
    "[0086]138-0013-8000",
    "(138) 0013-8000",
    "\uff080138\uff090013 8000",
    "(+8613800138000)",
    "138.0013.8000",
    "\u202a+86 138 0013 8000\u202c",
]
NO_SENDER = [
    "+13800138000",
    "+1 380 013 8000",
    "1 (380) 213-8000",
    "1 (380)0138000",
    "(1)3800138000",
    "+013800138000",
    "+008613800138000",
    "00138001380001",
    "0013800138000",
    "+4413800138000",
    "tel:13800138000;phone-context=+1",
    "tel:13800138000;ext=7",
    "01080001380",
    "0108001380000",
    "13800138000,13900139000",
    "13800138000 1",
    "13800138000-",
    "((138)00138000",
    "138)0013(8000",
    "10086",
    "8610138001380",
    "1380013800O",
    "tel:",
    "",
]


@pytest.mark.parametrize("text", SENT_FROM)
def test_the_sender_of_an_sms_is_read_in_every_spelling_that_can_be_no_other_number(text):
    assert of_sender(text) == Msisdn("+8613800138000")


@pytest.mark.parametrize("text", NO_SENDER)
def test_a_sender_that_may_be_another_number_is_refused_and_never_repeated(text):
    with pytest.raises(Malformed) as caught:
        of_sender(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("second", "3456789")
def test_every_range_of_mobile_numbers_is_read(second):
    assert parse(f"1{second}900138000") == f"+861{second}900138000"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10086",
        "12800138000",
        "1380013800",
        "138001380000",
        "+13800138000",
        "0013800138000",
        "+008613800138000",
        "861013800138000",
        "+4413800138000",
        "00138001380",
        "13800138000-",
        "-13800138000",
        "1380013800O",
        "١٣٨٠٠١٣٨٠٠٠",
        "13800138000 13800138000",
        "13800138000\x00",
        "138\ud8000138000",
        "138" + " " * 100 + "00138000",
        "1" * 1_000_000,
        "\ufdfa" * 1_000_000,
    ],
)
def test_anything_else_is_malformed_and_never_repeated(text):
    with pytest.raises(Malformed) as caught:
        parse(text)
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("msisdn", "invalid_msisdn")
    assert str(caught.value) == "msisdn: must be a Chinese mobile number"


def test_what_was_parsed_parses_to_itself():
    assert parse(parse("13912345678")) == "+8613912345678"


def test_a_mask_keeps_the_range_and_the_last_four():
    assert mask(parse("13800138000")) == "+86138****8000"


@pytest.mark.parametrize("text", ["", "13800138000", "+86138****8000", "+8613800138000\n", "+441234567890", "secret"])
def test_a_mask_shows_nothing_of_what_is_no_number(text):
    assert mask(text) == "****"


def test_a_slot_is_counted_as_redis_cluster_counts():
    assert slot("123456789") == 0x31C3
    for number in ("13800138000", "19999999999", "15012345678"):
        assert slot(parse(number)) == crc16_bit_by_bit(b"86" + number.encode()) % 16384


def test_slots_spread():
    slots = {slot(f"+86138{n:08}") for n in range(20_000)}
    assert len(slots) > 8_000
    assert all(0 <= each < 16384 for each in slots)


# -- numbers in texts -------------------------------------------------------------------------------------------------

SPELLINGS = [
    "13809940002", "138-0994-0002", "138 0994 0002", "138.0994.0002", "138_0994_0002", "138/0994/0002", "138·0994·0002",
    "138-09940002", "1380994-0002", "1380 9940 002", "138 099 40002", "13 80 99 40 00 2", "1 3 8 0 9 9 4 0 0 0 2",
    "1-3-8-0-9-9-4-0-0-0-2", "13-8099-40002", "(138)0994-0002", "138 - 0994 - 0002", "138—0994—0002", "138−0994−0002",
    "8613809940002", "+8613809940002", "008613809940002", "013809940002", "+86 138 0994 0002", "0086-138-0994-0002",
    "86138 0994 0002", "(+86)138-0994-0002", "+86(0)13809940002",
    "１３８０９９４０００２", "＋８６　１３８－０９９４－０００２", "١٣٨٠٩٩٤٠٠٠٢", "①③⑧⓪⑨⑨④⓪⓪⓪②",
    "一三八〇九九四零零零二", "幺三八零九九四零零零二", "壹叁捌零玖玖肆零零零贰", "一三八-零九九四-零零零二",
    "138+0994+0002", "138*0994*0002", "138#0994#0002", "138\\0994\\0002",
    "138,0994,0002", "138, 0994, 0002", "138，0994，0002", "+86138,0994,0002", "１３８，０９９４，０００２",
    "138\u200b0994\u200b0002", "138\u00ad0994\u00ad0002", "138\u00a00994\u30000002", "1\ufe0f\u20e33809940002",
]  # fmt: skip
WORDS = [("", ""), ("请回电 ", " ，谢谢"), ("call ", " back"), ('{"of":"', '"}'), ("请回电", "，谢谢")]
NAMES = [("rec-", ""), ("", ".wav"), ("rec_", ".wav"), ("tel", "x"), ("20250801100431_", "_1024.wav")]
ALONE_ONLY = "13-8099-40002"
"""In a name such pieces are those of a campaign and a desk."""
NONE = [
    "rec-20250801-000123", "rec-20250801-143022-12345", "rec-20250801-150-00001234", "2025-08-01T15:04:31.123+08:00",
    "2025-08-15 14:30:22",
    "2025-08-15-14-30-22-123", "20250815143022", "1754013871", "1754013871123", "1754013871.1", "1754013871.12345",
    "550e8400-e29b-41d4-a716-138001380004", "0ce713800138000138001380", "0ce713800138000a1b2c",
    "sha256:a13800138000b1c2d3e4f5",
    "192.168.100.10", "172.16.100.100", "1.4.2-20250801", "150.43112308", "rec-150001-10024", "ext150-20250801-0001",
    "recordings/150/2025/08/15/x.wav", "130,1500,2000", "10085", "010-12345678", "400-810-8000", "12800138000",
    "139,1599,1999", "139, 1280, 1288", "139,1234,5678,9012", "25,139,1234,5678", "139,1234,5678.50", "1.139,1234,5678",
    "139,1234", "139,123,4567",
    "130、1500、2000", "138001380000", "1380013800", "2013800138000", "24BJ100123", "是的，我同意", "", "A1024", "BJ-3",
    "三八一二",
]  # fmt: skip


def test_a_number_is_found_in_every_usual_spelling_and_hidden_alone():
    for text, (before, after) in product(SPELLINGS, WORDS + NAMES):
        whole = f"{before}{text}{after}"
        shown = hidden(whole)
        if (before, after) in NAMES and text == ALONE_ONLY:
            assert shown == whole
            continue
        assert contains_number(whole), whole
        assert shown.startswith(before), whole
        assert shown.endswith(after), whole
        assert "*" in shown, whole
        assert set(shown[len(before) : len(shown) - len(after)]) <= set("*()+086\ufe0f\u20e3"), whole
        assert not contains_number(shown), whole


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_number_is_left_as_it_is(text):
    assert not contains_number(text)
    assert hidden(text) == text
    assert hidden(f"of {text}, and") == f"of {text}, and"


def test_nearly_every_number_that_is_parted_by_commas_is_found():
    drawn = [int(sha256(b"%d" % n).hexdigest(), 16) for n in range(10_000)]
    tails = [f"{n % 10_000:04},{n // 10_000 % 10_000:04}" for n in drawn]
    missed = [tail for tail in tails if not contains_number(f"call 139,{tail} back")]
    assert len(missed) < 0.02 * len(tails)


def test_two_numbers_and_what_is_left_between_them_are_hidden():
    assert hidden("13800138000,13900139000") == "****,****"
    assert hidden("+8613800138000 or 138-0013-8000 at noon") == "**** or **** at noon"
    assert hidden("3-13800138000-138-00138000") == "3-****-****"


def test_ids_made_by_chance_are_no_numbers():
    for n in range(20_000):
        made = sha256(b"%d" % n).hexdigest()
        for digits in (24, 28, 32, 40, 64):
            assert not contains_number(f"{made[:digits]}.confirmation.1")
        assert not contains_number(str(uuid.UUID(made[:32])))


@pytest.mark.parametrize(
    "text",
    ["13" * 5_000, "1 " * 5_000, "1-3 " * 3_000, "1" + " " * 10_000, "13800138000 " * 500, "f" * 9_000 + "13800138000",
     "0123456789abcdef" * 600, "13 8" * 2_500, "１３ " * 3_000, "a1" * 5_000],
    ids=range(10),
)  # fmt: skip
def test_a_text_that_is_meant_to_take_long_does_not(text):
    begun = thread_time()  # of this thread alone, whatever others take
    hidden(text)
    assert thread_time() - begun < 1


NUMBERS = st.from_regex("1[3-9][0-9]{9}", fullmatch=True)
BETWEEN = st.text(" \t-\u2010\u2014\u2212\u00a0\u3000", max_size=2)
WIDE = {ord(digit): 0xFF10 + int(digit) for digit in "0123456789"}


@given(NUMBERS, st.sampled_from(["", "86", "+86", "0086"]), st.lists(BETWEEN, min_size=10, max_size=10), st.booleans())
@example("13809940002", "", ["", "", "-", "", "", "", "-", "", "", ""], False)  # noqa: FBT003 - hypothesis'
def test_whatever_is_read_as_a_number_is_found_and_hidden(number, before, between, wide):
    text = before + number[0] + "".join(map(str.__add__, between, number[1:]))
    text = text.translate(WIDE) if wide else text
    if len(text) > 40:
        return
    assert parse(text) == f"+86{number}"
    assert contains_number(text)
    assert hidden(text) == "****"
    assert hidden(f"“{text}”") == "“****”"


@given(st.text(st.one_of(st.sampled_from("0138694+-., _/()a是１三"), st.characters()), max_size=60))
def test_what_is_hidden_is_what_is_found_and_nothing_of_it_is_left(text):
    shown = hidden(text)
    assert (shown != text) == contains_number(text)
    assert not contains_number(shown)
    assert hidden(shown) == shown


@pytest.mark.parametrize(("text", "why"), [
    ("010-62345678", "landline"), ("+861062345678", "landline"), ("0755 8234 5678", "landline"),
    ("02162345678", "landline"),
    ("1064812345678", "13 digits"), ("1440012345678", "13 digits"), ("+86 1410012345678", "13 digits"),
])  # fmt: skip
def test_a_landline_and_the_number_of_a_thing_are_named_as_what_they_are(text, why):
    with pytest.raises(Malformed) as refused:
        parse(text)
    [error] = refused.value.errors
    assert (error.field, error.code, why in error.message) == ("msisdn", "invalid_msisdn", True)
    assert text[-4:] not in error.message


@pytest.mark.parametrize("text", ["12345", "138001380000", "+8512345678", ""])
def test_what_is_no_number_at_all_is_not_guessed_at(text):
    with pytest.raises(Malformed) as refused:
        parse(text)
    assert refused.value.errors[0].message == "must be a Chinese mobile number"
