"""A line of a log: one line whatever was said, without secrets, and with the words that only look like one."""

import logging

import pytest

from consent_engine.process.logs import OneLine, redacted

KEY = "ce_3f9c2a7b51d04e68"


def line(message, *args, at=0.25):
    record = logging.LogRecord("test", logging.INFO, "test.py", 1, message, args, None)
    record.created, record.msecs = at, at % 1 * 1000
    return OneLine("worker-1").format(record)


def test_a_line_is_instant_level_process_and_message():
    assert (
        line("order %s: %s", "0ce7a1", "said_yes") == "1970-01-01T00:00:00.250Z INFO worker-1: order 0ce7a1: said_yes"
    )
    assert line("later", at=61.5) == "1970-01-01T00:01:01.500Z INFO worker-1: later"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_whatever_ends_a_line_ends_none(end):
    assert line(f"first{end}second{end}").endswith("worker-1: first | second")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"key {KEY}", "key ***"),
        (f"'{KEY}'", "'***'"),
        (KEY, "***"),
        (f"key={KEY}, redis://me:{KEY}@host/0", "key=***, redis://***@host/0"),
        ("redis://:pw@host/0 and redis://me:pw@other", "redis://***@host/0 and redis://***@other"),
        ("POST /gateways/kannel/3f9c2a/receipts?x", "POST /gateways/***/receipts?x"),
        ("of +86 138-0013-8000", "of ***"),
    ],
)
def test_a_secret_is_hidden_wherever_it_stands(said, left):
    assert redacted(said) == left


@pytest.mark.parametrize(
    "said", ["order 0ce7a1: service_activated", "once_upon_a_time", "http://host/path", "/gateways/http/inbound"]
)
def test_what_only_looks_like_a_secret_is_left(said):
    assert redacted(said) == said
