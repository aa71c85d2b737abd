"""For any bytes the parsers answer as they declare, in bounded time, and nothing is a yes by accident.

`make search DEEP=<n>` makes n times as many. With atheris installed, `python -m tests.security.fuzz` is guided by
coverage.
"""

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent_engine.domain.grammar import read
from tests.security import targets
from tests.tiers import DEEP
from tests.waiting import HANGS_S

EXAMPLES = 100 * max(1, DEEP)
TOKENS = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800",
    b"\\u0000", b"1e999", b"NaN", b"-0", b"null", b"9" * 400, b"[" * 2_000, b'{"a":' * 500, "是".encode(),
    "不".encode(), "？".encode(), b"?", b" ", b"\r\n", "\u200b".encode(), "\u20e0".encode(), b"charset=utf-16be",
    b"+86", b"13800138000", b'"text":"Y",', b"234",
]  # fmt: skip


@st.composite
def spoiled(draw, seeds):
    """A usual input, cut, doubled and spoiled in a few places."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        until = draw(st.integers(at, min(len(data), at + 8)))
        put = draw(st.sampled_from([b"", *TOKENS]) | st.binary(max_size=3))
        data = data[:at] + put + data[until:]
    return data


@pytest.mark.parametrize("name", targets.TARGETS)
def test_no_bytes_break_a_promise(name):
    target, seeds = targets.TARGETS[name]

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(data=spoiled(seeds) | st.binary(max_size=300))
    def attacked(data):
        target(data)

    attacked()


@pytest.mark.parametrize("name", targets.TARGETS)
def test_what_is_usual_is_read(name):
    target, seeds = targets.TARGETS[name]
    for seed in seeds:
        target(seed)


def test_a_target_fails_when_something_else_were_a_yes():
    with pytest.raises(AssertionError):
        targets.check_keyword("好的", lambda text: read("是" if "好" in text else text))


def test_the_command_says_so_when_there_is_no_atheris():
    command = [sys.executable, "-m", "tests.security.fuzz", "keywords", "--runs", "200"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=False)
    assert done.returncode == 0, done.stderr
    assert "no atheris here" in done.stdout or "200" in done.stderr + done.stdout
