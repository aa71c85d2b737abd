"""A number is read in the ways people write it, shown masked, and placed in its slot."""

import pytest

from consent_engine.domain.msisdn import Msisdn, mask, parse, slot
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
        "02138001380",
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
