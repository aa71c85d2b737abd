"""Lines: the record of a number, ids that carry its slot, and codes that tell its orders apart."""

import json

import pytest

from consent_engine.domain.effects import Pending
from consent_engine.domain.line.line import REMEMBER_MESSAGES_MS, Entry, Line, free_code, keyed, line_id, order_id
from consent_engine.domain.msisdn import parse, slot
from consent_engine.errors import BrokenRecord

NUMBER = parse("13800138000")
NOW = 1_764_000_000_000


def entry(code="234", until=0, order="o1"):
    return Entry(order, "mobile", "plan", code, "", until)


def test_ids_begin_with_the_numbers_slot_and_tell_nothing_else_of_it():
    line, order = line_id("secret", NUMBER), order_id("secret", NUMBER, "desk", "key")
    assert line[:4] == order[:4] == f"{slot(NUMBER):04x}"
    assert NUMBER[3:] not in line + order
    assert line != line_id("another secret", NUMBER)


def test_the_same_request_is_one_order_and_any_other_is_another():
    ids = {
        order_id("secret", number, api_key, key)
        for number in (NUMBER, parse("13900139000"))
        for api_key in ("desk", "desk2")
        for key in ("k", "k2")
    }
    assert len(ids) == 8
    assert order_id("secret", NUMBER, "desk", "k") in ids


def test_parts_of_a_keyed_hash_cannot_be_moved_between_fields():
    assert keyed("s", "order", "a", "bc") != keyed("s", "order", "ab", "c")
    assert keyed("s", "order", "a") != keyed("s", "key", "a")


def test_a_settled_order_is_remembered_until_its_time_and_an_open_one_always():
    assert entry(until=NOW).remembered(NOW)
    assert not entry(until=NOW).remembered(NOW + 1)
    assert entry().remembered(NOW + 10**12)


def test_a_code_is_three_digits_that_no_remembered_order_has():
    taken = [entry(code=str(code), order=str(code)) for code in range(200, 999)]
    assert free_code(taken, NOW, "0") == "999"
    for seed in ("0", "ffffffff", "12345678"):
        code = free_code([], NOW, seed)
        assert len(code) == 3
        assert code[0] in "23456789"


def test_a_code_stands_in_no_text_that_is_open_and_is_no_hotlines():
    texts = ("199元/月，含流量300GB", "热线10086，方案编号24BJ201202")
    codes = {free_code([], NOW, f"{seed:x}", texts) for seed in range(800)}
    assert not codes & {"201", "202", "300", "400", "800", "911", "012"}
    assert len(codes) > 780


def test_a_code_is_no_figure_of_the_catalogue_while_there_is_another():
    figures = frozenset(str(n) for n in range(300, 1000))
    assert {free_code([], NOW, f"{seed:x}", (), figures) for seed in range(800)} <= set(map(str, range(200, 300)))
    taken = [entry(str(n), order=f"o{n}") for n in range(200, 300)]
    assert free_code(taken, NOW, "0", (), figures) == "300", "better one of these than none"


def test_a_code_is_used_again_only_when_its_order_is_forgotten():
    seed = "0"
    first = free_code([], NOW, seed)
    settled = entry(code=first, until=NOW)
    assert free_code([settled], NOW, seed) != first
    assert free_code([settled], NOW + 1, seed) == first


def test_when_every_code_is_taken_that_is_said_and_not_doubled():
    taken = [entry(code=str(code), order=str(code)) for code in range(200, 1000)]
    with pytest.raises(BrokenRecord):
        free_code(taken, NOW, "0")


def test_a_line_reads_back_what_was_kept():
    about = Pending(about=("mobile", "234 流量/月包", "345 B"))
    fields = {
        "v": "7",
        "msisdn": NUMBER,
        "o:o1": entry().encode(),
        "r:mobile": json.dumps([NOW, "sms", "mo-1"]),
        "f:sms.clarification.3": about.encode(),
        "m:old": str(NOW - REMEMBER_MESSAGES_MS - 1),
        "m:new": str(NOW - REMEMBER_MESSAGES_MS),
        "seen": str(NOW),
    }
    line = Line.decode("l1", fields, NOW)
    assert (line.version, line.msisdn, line.entries, line.aged) == (7, NUMBER, (entry(),), ("m:old",))
    assert line.effects == {"sms.clarification.3": about}
    refusal = line.refusal("mobile")
    assert (refusal.since, refusal.door, refusal.ref) == (NOW, "sms", "mo-1")
    assert line.refusal("telecom") is None


def test_a_refusal_of_every_carrier_forbids_each():
    line = Line.decode("l1", {"r:*": json.dumps([NOW, "voice", "A1"])}, NOW)
    assert line.refusal("mobile") == line.refusal("unicom") is not None


def test_an_unknown_number_is_a_line_of_version_zero():
    assert Line.decode("l1", {}, NOW) == Line("l1", 0, "", (), (), {})


@pytest.mark.parametrize(
    "fields",
    [{"v": "x"}, {"o:o1": "[]"}, {"o:o1": "{"}, {"r:mobile": "3"}, {"f:read": "garbage"}, {"m:k": "x"}],
)
def test_a_line_nobody_can_read_is_said_to_be_broken(fields):
    with pytest.raises(BrokenRecord):
        Line.decode("l1", fields, NOW)
