"""msgspec writes and reads the same as the standard library."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from consent_engine.domain.canonical_json import Rows, canonical, compact, parsed
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import Msisdn

TEXT = st.text(st.characters(exclude_categories=[]))  # lone surrogates, too
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


class First(Struct, frozen=True):
    """A kind of row as its first release wrote it, under a name of its own."""

    name: str
    at: int
    words: tuple[str, ...] = ()


class Later(Struct, frozen=True):
    """The same kind, after two fields were added."""

    name: str
    at: int
    words: tuple[str, ...] = ()
    by: str = ""
    n: int = 7


FIRST, LATER = (Rows(kind, least=2, named=1) for kind in (First, Later))


@given(st.integers(0, 2**53), st.lists(TEXT).map(tuple))
def test_a_row_that_lacks_later_fields_is_read_and_written_as_it_was(at, words):
    written = FIRST.encode(First("n", at, words))
    assert written == compact([at, words])
    assert LATER.decode(written, "n") == Later("n", at, words)
    assert LATER.encode(Later("n", at, words)) == written


def test_a_later_field_is_written_where_it_or_one_behind_it_says_something():
    assert LATER.encode(Later("n", 1, (), "ops")) == '[1,[],"ops"]'
    assert LATER.encode(Later("n", 1, (), "", 8)) == '[1,[],"",8]'
    assert LATER.decode('[1,[],"",8]', "n") == Later("n", 1, (), "", 8)


def test_a_row_of_a_later_program_is_read_as_far_as_it_is_known():
    assert FIRST.decode('[1,[],"ops",8]', "n") == First("n", 1)


@pytest.mark.parametrize("broken", ["", "[1", "[]", '["1",[]]', "[1,[1]]", "{}", "[" * 9_999])
def test_what_is_no_such_row_is_refused(broken):
    with pytest.raises(ValueError, match=r".+"):
        FIRST.decode(broken, "n")
