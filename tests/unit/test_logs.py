"""A line of a log: one line whatever was said, without secrets, but with words that only look like one."""

import json
import logging

import pytest

from consent_engine.api.http.middleware import QUIET_S, Outages
from consent_engine.config.yaml_files import plans_from
from consent_engine.domain.effects import Lane
from consent_engine.engine.log_on_change import LogOnChange
from consent_engine.errors import place_of
from consent_engine.process import OneLine, OneObject, redacted

KEY = "ce_3f9c2a7b51d04e68"


def line(message, *args, at=0.25, form=OneLine, **about):
    record = logging.LogRecord("test", logging.INFO, "test.py", 1, message, args, None)
    record.created, record.msecs = at, at % 1 * 1000
    record.about = about
    return form("worker-1").format(record)


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


def test_what_a_line_is_about_follows_as_far_as_its_words_are_silent():
    said = line("GET %s %d", "/v1/orders", 200, route="/v1/orders", status=200, request="abc", key="desk-bj")
    assert said.endswith("GET /v1/orders 200 request=abc key=desk-bj")
    assert line("told", key="x\ny").endswith("told key=x | y")


def test_as_json_a_line_is_one_object_with_a_field_for_each():
    said = line("GET %s", "/v1/orders", form=OneObject, request="abc", status=200)
    assert "\n" not in said
    assert json.loads(said) == {
        "at": "1970-01-01T00:00:00.250Z", "level": "INFO", "process": "worker-1", "message": "GET /v1/orders",
        "request": "abc", "status": 200,
    }  # fmt: skip
    assert json.loads(line("a\nb of 13800138000", form=OneObject, key=KEY)) | {"at": ""} == {
        "at": "", "level": "INFO", "process": "worker-1", "message": "a | b of ***", "key": "***",
    }  # fmt: skip


@pytest.mark.parametrize("form", [OneLine, OneObject])
def test_a_record_of_several_things_is_the_lines_that_each_alone_would_be(form):
    said, each = [f"order {n}: of 13800138000" for n in range(3)], [{"order": str(n), "key": KEY} for n in range(3)]
    record = logging.LogRecord("test", logging.INFO, "test.py", 1, "%s", ("\n".join(said),), None)
    record.created, record.msecs, record.each = 0.25, 250.0, each
    alone = [line(words, form=form, **about) for words, about in zip(said, each, strict=True)]
    assert form("worker-1").format(record).split("\n") == alone


def test_many_events_that_are_saved_together_are_a_line_each(world, caplog):
    caplog.set_level(logging.INFO)
    orders = {world.place(msisdn=f"+861390000{n:04}").id for n in range(20)}
    world.run(Lane.SMS)
    told = [words for record in caplog.records if hasattr(record, "each") for words in record.getMessage().split("\n")]
    assert sorted(told) == sorted(f"order {order}: confirmation_accepted, now awaiting_reply" for order in orders)


def test_trouble_that_lasts_is_a_line_when_it_begins_and_one_when_it_is_over(caplog):
    trouble = LogOnChange(logging.getLogger("test"), "outcomes cannot be recorded now")
    trouble.over()
    for _ in range(300):
        trouble.met(OSError("the store is away"))
    trouble.over()
    trouble.over()
    told = [(each.levelname, each.getMessage()) for each in caplog.records]
    assert told == [
        ("ERROR", "outcomes cannot be recorded now: the store is away; said again when it is over"),
        ("WARNING", "outcomes cannot be recorded now: over after 0 s, met 300 times"),
    ]


def test_an_outage_is_a_line_when_it_begins_and_one_when_nobody_met_it_for_a_while(caplog):
    caplog.set_level(logging.DEBUG)
    now = [100.0]
    outages = Outages(logging.getLogger("test"), lambda: now[0])

    def levels(*answers, cause="store_unavailable"):
        return [logging.getLevelName(outages.level(status, cause)) for status in answers]

    assert levels(200, 503, 503) == ["INFO", "WARNING", "DEBUG"]
    now[0] += 10
    assert levels(503, 500, 200, 503) == ["DEBUG", "ERROR", "INFO", "DEBUG"], "some are answered before others are"
    assert levels(503, 503, cause="archive_unavailable") == ["WARNING", "DEBUG"], "another cause is told"
    assert not caplog.records
    now[0] += QUIET_S
    assert levels(200, 200, 503) == ["INFO", "INFO", "WARNING"]
    assert [each.getMessage() for each in caplog.records] == [
        "503 store_unavailable: none for 15 s, after 4 of them within 10 s",
        "503 archive_unavailable: none for 15 s, after 2 of them within 0 s",
    ]


def test_of_a_defect_the_place_is_a_line_of_ours_and_its_words_are_not_told(tmp_path):
    with pytest.raises(FileNotFoundError) as met:
        plans_from(tmp_path / "none.yaml")
    assert place_of(met.value).startswith("FileNotFoundError at yaml_files.py:")
    assert place_of(KeyError("13800138000")) == "KeyError"
