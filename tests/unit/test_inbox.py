"""Messages in an inbox are kept as JSON objects: every kind is read as it was written."""

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from consent_engine.domain.grammar import Keyword, Reason
from consent_engine.domain.inbox import (
    Gathered,
    UnreadClearance,
    UnreadRefusal,
    UnreadRegistration,
    UnreadReply,
    UnreadReport,
    decode_message,
    encode_message,
)
from consent_engine.domain.sms import Delivery

REPLY = UnreadReply(
    gateway="kannel", id="mo-1", sender="+8613800138000", to="1008512", text="是 123", written_at=None,
    carriers="mobile telecom", sub="12", keyword=Keyword.YES, code="123", reason=None, marketing_free=0, edition=2,
    posted='{"text":"是 123"}',
)  # fmt: skip
REPORT = UnreadReport("order-1", "sms.confirmation.1", "kannel", "m-1", Delivery.FAILED, 1, 2, "x", None)
MESSAGES = [
    REPLY, REPORT, UnreadRefusal("mobile", "voice", "desk"), UnreadRefusal("*", "import", "ops", plan="p", until=7),
    UnreadRefusal("*", "sms", "ops", reason="disputed"), UnreadRegistration("*", "hotline", "desk"),
    UnreadClearance("mobile", "ops", "web", "a neighbour"),
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES)
def test_each_message_is_read_as_it_was_written(message):
    kept = encode_message(message)
    assert (decode_message(kept), encode_message(decode_message(kept))) == (message, kept)


def test_a_reply_means_what_the_door_read_in_it():
    held = decode_message(encode_message(replace(REPLY, keyword=Keyword.HOLD, reason=Reason.REFUSING)))
    assert isinstance(held, UnreadReply)
    assert (held.meaning().keyword, held.meaning().reason, held.came) == (Keyword.HOLD, Reason.REFUSING, UNSET)


@pytest.mark.parametrize(
    "kept", ["", "{", "[]", "{}", '{"kind":"telegram"}', '{"kind":"reply","from":"+8613800138000"}']
)
def test_what_is_no_message_is_not_taken_for_one(kept):
    with pytest.raises(ValueError, match=r"."):
        decode_message(kept)


def test_half_a_character_is_kept_and_read():
    report = decode_message(encode_message(REPORT).replace('"x"', '"\\ud83d"'))
    assert decode_message(encode_message(report)) == report


def test_a_report_that_speaks_of_one_segment_alone_is_kept_as_that():
    kept = encode_message(REPORT)
    alone = decode_message(kept[:-1] + ',"alone":true}')
    assert isinstance(alone, UnreadReport)
    assert (alone.alone, encode_message(alone)) == (True, kept[:-1] + ',"alone":true}')


PARTS = (
    '[1764000000000,2,"kannel","10085",'
    '[[1,"k1","mo-1","不要给我",1764000005000,0,"[1]"],[2,"k2","mo-2","打",null,1,""]],0,0]'
)


def test_parts_that_wait_are_kept_in_the_same_bytes_and_whether_they_refused_behind_them():
    parts = Gathered.decode(PARTS)
    assert (parts.encode(), parts.whole, parts.knows("k2"), [piece.n for piece in parts.withheld]) == (
        f"{PARTS[:-1]},0]",
        True,
        True,
        [1],
    )
    assert Gathered.decode(PARTS.replace(',""', "").replace(',"[1]"', "")).pieces[0].posted == "", "as once written"


def test_half_a_character_at_the_end_of_a_part_is_kept_and_read():
    parts = Gathered.decode(PARTS.replace("打", "\\ud83d"))
    assert parts.encode().isascii()
    assert Gathered.decode(parts.encode()) == parts
    assert parts.pieces[1].text == "\ud83d"


@pytest.mark.parametrize(
    "kept", ["", "{", "{}", "[]", "[1]", '[1,2,"g","t",[[]],0,0]', '["1",2,"g","t",[],0,0]', "null"]
)
def test_what_are_no_parts_are_not_taken_for_some(kept):
    with pytest.raises(ValueError, match=r"."):
        Gathered.decode(kept)
