"""Messages in an inbox outlive the release that put them there: every kind, as older releases kept it.

`inbox.json` was written by the programs of those commits, and is never regenerated.
"""

import json
from pathlib import Path

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from consent_engine.domain.grammar import EDITION, Keyword, Reason
from consent_engine.domain.inbox import UnreadReply, UnreadReport, decode_message, encode_message
from consent_engine.domain.inbox.reply_parts import Gathered

KEPT = json.loads((Path(__file__).parent / "inbox.json").read_text())
DECIDED = "a suspicion that was a refusal"
"""Kept then with its fields in another order."""


@pytest.mark.parametrize("name", [name for name in KEPT["bc69350"] if name != DECIDED])
def test_each_message_is_kept_in_the_same_bytes(name):
    kept = KEPT["bc69350"][name]
    assert encode_message(decode_message(kept)) == kept


@pytest.mark.parametrize("name", KEPT["7de6331"])
def test_a_message_of_the_time_before_doors_read_replies_is_kept_in_the_same_bytes(name):
    kept = KEPT["7de6331"][name]
    assert encode_message(decode_message(kept)) == kept


def test_a_decided_suspicion_is_read_as_it_was_kept():
    kept = json.loads(KEPT["bc69350"][DECIDED])
    assert json.loads(encode_message(decode_message(json.dumps(kept)))) == kept


@pytest.mark.parametrize(
    ("name", "keyword", "reason"),
    [
        ("a yes with its code, stamped", Keyword.YES, None),
        ("a STOP", Keyword.STOP, None),
        ("words that may be a refusal", Keyword.HOLD, Reason.REFUSING),
    ],
)
def test_what_no_door_read_means_what_its_reader_finds(name, keyword, reason):
    then, now = (decode_message(KEPT[commit][name]) for commit in ("7de6331", "bc69350"))
    assert isinstance(then, UnreadReply)
    assert isinstance(now, UnreadReply)
    assert (then.was_read, now.was_read) == (False, True)
    assert then.meaning() == replace(now.meaning(), edition=EDITION), "by the words of today"
    assert (then.meaning().keyword, then.meaning().reason, then.keyword) == (keyword, reason, UNSET)


@pytest.mark.parametrize(
    "kept", ["", "{", "[]", "{}", '{"kind":"telegram"}', '{"kind":"reply","from":"+8613800138000"}']
)
def test_what_is_no_message_is_not_taken_for_one(kept):
    with pytest.raises(ValueError, match=r"."):
        decode_message(kept)


def test_half_a_character_is_kept_and_read():
    report = decode_message(KEPT["bc69350"]["a report: failed"].replace('"x"', '"\\ud83d"'))
    assert decode_message(encode_message(report)) == report


def test_a_report_that_speaks_of_one_segment_alone_is_kept_as_that():
    kept = KEPT["bc69350"]["a report: delivered"]
    alone = decode_message(kept[:-1] + ',"alone":true}')
    assert isinstance(alone, UnreadReport)
    assert (alone.alone, encode_message(alone)) == (True, kept[:-1] + ',"alone":true}')


PARTS = (
    '[1764000000000,2,"kannel","10085",[[1,"k1","mo-1","不要给我",1764000005000,0],[2,"k2","mo-2","打",null,1]],0,0]'
)


def test_parts_that_wait_are_kept_in_the_same_bytes_and_whether_they_refused_behind_them():
    parts = Gathered.decode(PARTS)
    assert (parts.encode(), parts.whole, parts.knows("k2"), [piece.n for piece in parts.untold]) == (
        f"{PARTS[:-1]},0]",
        True,
        True,
        [1],
    )


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
