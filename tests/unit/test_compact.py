"""What msgspec writes and reads is what the standard library writes and reads: records of before stay readable."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_engine.domain.canonical_json import canonical, compact, parsed
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import Msisdn

TEXT = st.text(st.characters(exclude_categories=[]))  # half a character, too
KEPT = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)
SENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@given(KEPT)
def test_it_writes_the_same_bytes_as_the_standard_library(value):
    assert compact(value) == canonical(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(SENT)
def test_it_reads_what_anybody_wrote(value):
    for written in (canonical(value), json.dumps(value), json.dumps(value, indent=1)):
        read = parsed(written)
        assert read == json.loads(written) == value
        assert json.dumps(read) == json.dumps(value), "types, too: 1 is not 1.0"


def test_enumerations_and_kinds_of_text_are_texts():
    assert (
        compact([Lane.SMS, Msisdn("+8613800138000"), (1, 2), {Lane.SMS: 1}])
        == '["sms","+8613800138000",[1,2],{"sms":1}]'
    )


def test_what_is_no_json_is_refused():
    with pytest.raises(TypeError, match="object is not kept"):
        compact([object()])
    for broken in ("", "[1", "{1:2}", "nul", "[1]]"):
        with pytest.raises(json.JSONDecodeError):
            parsed(broken)


def test_what_only_the_standard_library_reads_is_read():
    assert repr(parsed("[NaN,-Infinity]")) == "[nan, -inf]"
    assert parsed('"\\ud83d"') == "\ud83d"
