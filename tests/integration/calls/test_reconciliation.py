"""Calls dialled against calls reported: CDR files as exchanges write them, compared with what desks made known."""

import io
from contextlib import closing

import pytest

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.domain.call.cdr import Column
from consent_engine.domain.csv_file import FileRefused, columns_of
from consent_engine.domain.days import CHINA
from consent_engine.engine.reconciliation import CdrForm
from consent_engine.ports import CallFilter
from consent_engine.ports.queries import ANY
from tests.conftest import NUMBER, OTHER
from tests.integration.calls.desk import Desk
from tests.memory import a_store
from tests.written_out import empty_at

DIGEST = "d" * 64
AGO = 3_600_000
HEAD = "caller,number,start"


@pytest.fixture
def desk(tmp_path):
    with closing(SqlArchive(empty_at(tmp_path))) as archive:
        made = Desk(a_store(), archive)
        yield made
        made.runner.close()


def row(at, number=NUMBER, caller="10085"):
    return f"{caller},{number},{CHINA.instant(at)}"


def compared(desk, rows, form=None, head=HEAD):
    """Return the calls never reported, those never dialled, and the lines refused."""
    text = io.StringIO("\n".join([head, *rows, ""]), newline="")
    with desk.engine.reconciler.compared(text, form or CdrForm()) as found:
        return (
            [(each.line, each.msisdn) for each in found.unreported()],
            [call for _, call in found.doubted()], [tuple(each) for each in found.refused()],
        )  # fmt: skip


def recorded(desk, rows, **more):
    text = io.StringIO("\n".join([HEAD, *rows, ""]), newline="")
    with desk.engine.reconciler.compared(text, CdrForm()) as found:
        desk.engine.reconciler.record(found, "cli:ops", DIGEST, **more)


def refused(desk, rows, form=None, head=HEAD):
    with pytest.raises(FileRefused) as error:
        compared(desk, rows, form, head)
    return str(error.value)


def wrong(desk):
    """The calls with a violation, as lists have them."""
    return desk.engine.store.queries.calls.page(CallFilter(violation=ANY), None, 100).rows


def test_a_call_is_the_one_that_was_dialled_where_number_line_and_instant_fit(desk):
    call = desk.start(ago=AGO)
    at = call.began.started_at
    assert compared(desk, [row(at + 119_000)]) == ([], [], [])
    assert compared(desk, [row(at + 121_000)]) == ([(2, NUMBER)], [], [])
    assert compared(desk, [row(at), row(at, OTHER)]) == ([(3, OTHER)], [], [])
    assert compared(desk, [row(at - 200_000), row(at + 200_000)]) == ([(2, NUMBER), (3, NUMBER)], [call.id], [])
    assert compared(desk, [row(at + 1_000)], CdrForm(within=500)) == ([(2, NUMBER)], [], [])


def test_a_call_reported_under_the_official_number_and_dialled_from_another_is_not_the_same(desk):
    call = desk.start(ago=AGO)
    at = call.began.started_at
    hidden = [row(at, OTHER), row(at, caller="02166668888"), row(at + 1, OTHER)]
    found, doubted, _ = compared(desk, hidden, CdrForm(within=1_000))
    assert (found, doubted) == ([(2, OTHER), (3, NUMBER), (4, OTHER)], [call.id])
    shown = desk.start(OTHER, ago=AGO, **{"from": "02166668888"})
    assert compared(desk, [row(at, OTHER, "02166668888"), row(at)]) == ([], [], []), shown.id


def test_two_calls_to_a_number_need_two_reports_and_each_report_counts_once(desk):
    first = desk.start(ago=AGO).began.started_at
    assert compared(desk, [row(first), row(first + 30_000)]) == ([(3, NUMBER)], [], [])
    desk.start(ago=AGO - 30_000)
    assert compared(desk, [row(first + 30_000), row(first)]) == ([], [], [])
    assert compared(desk, [row(first), row(first), row(first + 30_000)])[2] == [(3, "is the call of line 2 again")]
    with pytest.raises(FileRefused, match="not one of these calls"):
        recorded(desk, [row(first, OTHER), row(first, OTHER)])


def test_what_was_dialled_and_never_reported_is_a_call_with_a_violation_once(desk):
    at = desk.start(ago=AGO).began.started_at
    rows = [row(at), row(at, OTHER), row(at + 1_000, "13800138077", "4008123123")]
    assert wrong(desk) == ()
    for _ in range(2):
        desk.clock.forward(seconds=60)
        recorded(desk, rows)
        found = {call.person.msisdn: [*call.violations] for call in wrong(desk)}
        assert found == {OTHER: ["unreported"], "+8613800138077": ["unofficial_number", "unreported"]}
    assert {(call.began.placed_by, call.began.agent) for call in wrong(desk)} == {("cli:reconcile", "unknown")}
    assert compared(desk, rows) == ([], [], [])
    first, second = desk.engine.store.queries.calls.reconciled(at, at)
    assert (second.calls, second.unreported, second.by, second.since) == (3, 2, "cli:ops", at)
    assert (first.unreported, desk.engine.store.queries.calls.reconciled(at + 2_000, at + 3_000)) == (0, [])


def test_a_call_to_a_number_that_had_refused_is_that_violation_too(desk):
    desk.say("TD")
    desk.run()
    desk.clock.forward(hours=2)
    at = desk.start(OTHER, ago=AGO).began.started_at
    recorded(desk, [row(at, OTHER), row(at + 1_000)])
    assert [*wrong(desk)[0].violations] == ["refused_number", "unreported"]


def test_a_file_of_which_no_call_was_reported_is_recorded_only_when_somebody_insists(desk):
    at = desk.clock() - 60_000
    with pytest.raises(FileRefused, match=r"not one of these calls was reported: .* --dry-run lists them"):
        recorded(desk, [row(at)])
    assert wrong(desk) == ()
    recorded(desk, [row(at)], anyway=True)
    assert [*wrong(desk)[0].violations] == ["unreported"]


def test_a_file_of_another_carrier_is_an_error_and_nothing_of_it_is_compared(desk):
    at = desk.start(ago=AGO).began.started_at
    other = refused(desk, [row(at), row(at, OTHER, "10001")])
    assert other.startswith("line 3 came from 10001, the number of telecom: the file is of another carrier than mobile")
    assert "line 2 came from 10085" in refused(desk, [row(at)], CdrForm(carrier="telecom"))
    assert "name the carrier with --carrier" in refused(desk, [row(at, caller="02166668888")])
    assert compared(desk, [row(at, caller="02166668888")], CdrForm(carrier="mobile"))[0] == [(2, NUMBER)]


@pytest.mark.parametrize("caller", ["１００８５", "+86 10085", "0086-10085", "tel:+8610085"])
def test_the_carriers_own_number_is_known_however_an_exchange_writes_it(desk, caller):
    at = desk.start(ago=AGO).began.started_at
    assert compared(desk, [row(at, caller=caller)]) == ([], [], [])


def test_columns_are_named_or_numbered_and_a_missing_one_is_named_with_those_that_are_there(desk):
    at = desk.start(ago=AGO).began.started_at
    line = f"x,13800138000,{CHINA.at(at):%Y%m%d%H%M%S},+8610085"
    named = CdrForm(columns_of("number=被叫号码,start=开始时间,caller=主叫号码", Column))
    assert compared(desk, [line], named, "话单,被叫号码,开始时间,主叫号码") == ([], [], [])
    assert compared(desk, [], CdrForm(columns_of("caller=4,number=2,start=3", Column)), line) == ([], [], [])
    said = refused(desk, [line], named, "id,called,began,calling")
    assert said.startswith("no column 主叫号码, 被叫号码, 开始时间 in the first line, which has 4: name")
    for text in ("", "number", "number=", "from=x", "number=a,,start=b"):
        with pytest.raises(ValueError, match=r"must be like caller=.*,number=.*,start="):
            columns_of(text, Column)
    assert set(columns_of("start=t", Column)) == set(Column)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("10085,13800138000", "has 2 columns, which are too few"),
        ("10085,01066668888,2025-11-25 08:00:00", "number: must be a Chinese mobile number: a landline gets no SMS"),
        ("10085,13800138000,2025-11-25", "start: must be an instant like 2025-08-01 10:00:00"),
        ("10085,13800138000,25.11.2025 08:00:00", "start: must be an instant"),
        ("10085,13800138000,99999999999999", "start: must be an instant"),
        ("10085,13800138000,2125-11-25 08:00:00", "start: is in the future"),
        ("10085,13800138000,2015-11-25 08:00:00", "start: is older than the records kept here"),
        ("-,13800138000,2025-11-25 08:00:00", "caller: must be a number"),
        ("10085,,", "number: must be a Chinese mobile number"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_call_is_refused_with_the_reason_and_the_others_count(desk, line, why):
    at = desk.start(ago=AGO).began.started_at
    [(number, said)] = compared(desk, [row(at), line, row(at, OTHER)])[2]
    assert (number, said[: len(why)]) == (3, why)
    assert "13800138000" not in said


@pytest.mark.parametrize(
    ("rows", "head", "why"),
    [
        ([], "", "the file has no line"),
        ([], HEAD, "the file has no call"),
        (["10085,x,y"], HEAD, "no line is a call; line 2: number: must be a Chinese mobile number"),
        (['10085,"138', "00138000,2025-11-25 08:00:00"], HEAD, "is not CSV: "),
        (["\x00"], HEAD, "no line is a call; line 2: has 1 columns"),
    ],
)
def test_a_file_that_is_none_is_one_error_that_names_the_place(desk, rows, head, why):
    assert why in refused(desk, rows, head=head)


def test_an_empty_file_and_one_in_another_encoding_are_said_to_be_so(desk, tmp_path):
    with pytest.raises(FileRefused, match="the file has no line"):
        desk.engine.reconciler.compared([], CdrForm()).__enter__()
    path = tmp_path / "cdr.csv"
    path.write_bytes(f"{HEAD}\n".encode() + "主叫".encode("gb18030"))
    with path.open(encoding="utf-8") as text, pytest.raises(FileRefused, match=r"not UTF-8 .*iconv -f GB18030"):
        desk.engine.reconciler.compared(text, CdrForm()).__enter__()


def test_a_call_that_left_for_the_archive_is_known_as_before(desk):
    at = desk.end(desk.start(ago=AGO), "other").began.started_at
    desk.move()
    assert not desk.names("call:")
    assert compared(desk, [row(at)]) == ([], [], [])
