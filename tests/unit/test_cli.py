"""The command line: the meaning of a reply, errors in one line, tables for people and lines for programs."""

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from threading import Event

import pytest
import yaml
from typer.main import get_command

import consent_engine
from consent_engine import cli
from consent_engine.cli import commands as own
from consent_engine.cli import tables
from consent_engine.domain.carriers import CARRIERS
from consent_engine.domain.sms import segments as segments_of
from consent_engine.domain.texts.sheet import of_carrier, of_plan
from consent_engine.errors import OrderNotFound, SettingsError
from consent_engine.process import set_up_logs
from tests.plans import in_fields
from tests.plans import sample as tariffs
from tests.waiting import HANGS_S


def consent(*arguments, **more):
    command = [sys.executable, "-m", "consent_engine", *arguments]
    return subprocess.run(command, capture_output=True, timeout=HANGS_S, check=False, **more)


def test_read_tells_keyword_and_code_a_line_a_text(capsys):
    assert cli.run(["read", "是", "不要", "td", "help", "234 同意", "234", "好", ""]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "YES\t-", "NO\t-", "STOP\t-", "HELP\t-", "YES\t234", "UNKNOWN\t234", "UNKNOWN\t-", "UNKNOWN\t-",
    ]  # fmt: skip


def commands(group=None):
    """Yield every command below a group, with the words that call it."""
    for name, each in (group or get_command(own.app())).commands.items():
        yield from (
            ((f"{name} {more}", found) for more, found in commands(each))
            if hasattr(each, "commands")
            else [(name, each)]
        )


def test_whatever_takes_a_carrier_names_those_that_there_are():
    helps = {name: p.help for name, each in commands() for p in each.params if "--carrier" in p.opts}
    assert {"permits", "refuse", "callable", "reports"} <= helps.keys()
    assert {name: text for name, text in helps.items() if ", ".join(CARRIERS) not in (text or "")} == {}


def test_whatever_is_to_be_replaced_stands_in_capitals_as_in_the_docs():
    asked = {(name, p.metavar) for name, each in commands() for p in each.params if p.param_type_name == "argument"}
    assert {(name, shown) for name, shown in asked if not shown or shown == shown.lower()} == {
        ("pause", "lane|gateway|spool"),
        ("resume", "lane|gateway|spool"),
    }


def test_a_text_may_begin_with_a_dash(capsys):
    assert cli.run(["read", "-不-", "--unknown"]) == 0
    assert capsys.readouterr().out.splitlines() == ["NO\t-", "UNKNOWN\t-"]


def test_without_arguments_read_takes_lines_of_which_an_empty_one_is_a_text_too():
    done = consent("read", input="是\n\nＹ\r\n".encode() + b"\xff\xfe\n" + "不同意".encode())
    assert done.stdout.decode().splitlines() == ["YES\t-", "UNKNOWN\t-", "YES\t-", "UNKNOWN\t-", "NO\t-"]
    assert (done.returncode, done.stderr) == (0, b"")
    assert consent("read", input=b"").stdout == b""


def test_read_loads_neither_redis_nor_starlette():
    code = "import sys; from consent_engine import cli; cli.run(['read', 'y']); sys.stderr.write(repr([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANGS_S, check=True)
    assert not {"'redis'", "'starlette'", "'rq'", "'aiohttp'", "'transitions'"} & set(
        done.stderr.strip("[]\n").split(", ")
    )


def test_a_reader_that_has_seen_enough_gets_no_complaint():
    with subprocess.Popen([sys.executable, "-m", "consent_engine", "read"], stdin=-1, stdout=-1, stderr=-1) as reading:
        reading.stdin.write("是\n".encode() * 20_000)
        reading.stdin.flush()
        assert reading.stdout.readline().decode() == "YES\t-\n"
        reading.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            reading.stdin.write("是\n".encode() * 200_000)
            reading.stdin.close()
        assert reading.stderr.read() == b""
        assert reading.wait(HANGS_S) == 1


COMMANDS = [
    ["demo"], ["serve"], ["api"], ["keys"], ["keys", "add"], ["keys", "list"], ["keys", "revoke"], ["plans"],
    ["plans", "check"], ["plans", "load"], ["plans", "list"], ["plans", "show"], ["plans", "withdraw"],
    ["plans", "proposed"], ["plans", "approve"],
    ["show"], ["stuck"], ["retry"],
    ["refuse"], ["callable"],
    ["permits"], ["void"], ["held"], ["read"], ["gateway"], ["gateway", "check"],
    ["reviews"], ["reviews", "waiting"], ["reviews", "let-go"],
]  # fmt: skip


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_every_command_has_help(command, capsys):
    assert cli.run([*command, "--help"]) == 0
    assert f"Usage: {' '.join(['consent', *command])}" in capsys.readouterr().out


def test_every_text_of_a_plan_is_shown_with_its_segments_before_anything_is_loaded(tmp_path, capsys):
    sample = Path(consent_engine.__file__).parent / "sample_plans.yaml"
    assert cli.run(["plans", "check", str(sample), "--sheet", str(tmp_path / "sheet.md")]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    told = {(code, name, language): (segments, text) for code, name, language, segments, _, text in rows}
    of_plans = {(each.code, text.name, text.language) for each in tariffs() for text in of_plan(each, 86_400_000)}
    of_carriers = {(carrier, text.name, text.language) for carrier in CARRIERS for text in of_carrier(carrier)}
    assert of_plans | of_carriers <= set(told)
    assert {name for _, name, _ in set(told) - of_plans - of_carriers} == {"which_one"}
    segments, text = told["5g-smart-199", "confirmation", "zh"]
    assert int(segments) == segments_of(text.replace(" / ", "\n")) == 5
    assert "199元/月" in text
    segments, text = told["5g-smart-199", "confirmation", "en"]
    assert int(segments) == segments_of(text.replace(" / ", "\n")) == 5
    assert "reply Y888" in text
    written = (tmp_path / "sheet.md").read_text("utf-8")
    assert all(text in written.replace("\n", " / ") for _, text in told.values())
    assert "## 5g-smart-199: confirmation, en (5 segments of at most 6)" in written
    assert "## mobile: report_received, zh (2 segments of at most 3)" in written
    assert "## unicom: code, en (2 segments of at most 3)" in written
    assert "## telecom: which_one, zh" in written


def test_the_check_looks_at_pages_where_it_is_told_to(tmp_path, capsys):
    file = tmp_path / "plans.yaml"
    away = [{"channel": "web_hall", "url": "https://hall.example/p"}, {"channel": "app", "url": "/tariffs"}]
    file.write_text(yaml.safe_dump([in_fields("p", published=away)], allow_unicode=True), "utf-8")
    assert cli.run(["plans", "check", str(file)]) == 0
    assert "page " not in capsys.readouterr().out
    assert cli.run(["plans", "check", str(file), "--fetch"]) == 1
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\tpage " in line]
    assert rows == [
        ["p", "page web_hall", "-", "-", "-", "https://hall.example/p: host not allowed"],
        ["p", "page app", "-", "-", "-", "/tariffs: shows the plan"],
    ]


def test_a_text_that_is_too_long_ends_the_check_with_1(tmp_path, capsys):
    file = tmp_path / "plans.yaml"
    file.write_text(
        yaml.safe_dump([in_fields("long", restrictions=["限" * 120], english=None)], allow_unicode=True), "utf-8"
    )
    assert cli.run(["plans", "check", str(file)]) == 1
    said = capsys.readouterr()
    assert "long\tconfirmation\tzh\t7\t6\t" in said.out
    assert "long: its confirmation (zh) takes 7 segments, 6 are the most: the plan is not loaded\n" in said.err


def test_a_plan_in_sentences_is_not_loaded_and_the_check_says_what_to_do(tmp_path, capsys):
    file = tmp_path / "plans.yaml"
    file.write_text("- {code: older, carrier: mobile, name: 旧, price: 9 元/月, scenario: a, validity: b}\n", "utf-8")
    assert cli.run(["plans", "check", str(file)]) == 1
    assert "plan older: price: says price and validity in sentences: say them as fields" in capsys.readouterr().err


def test_the_version_is_the_one_that_metrics_tell(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"version\t{consent_engine.__version__}\n"


def test_without_a_command_there_is_help(capsys):
    assert cli.run([]) == 0
    assert "Usage: consent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "consent: No such command 'nonsense': see `consent --help`"),
        (["keys"], "consent: Missing command: see `consent keys --help`"),
        (["show"], "consent: Missing argument 'ORDER': see `consent show --help`"),
        (["keys", "add", "x"], "consent: Missing option '--role': see `consent keys add --help`"),
        (["serve", "--port", "0"], "consent: Invalid value for '--port': must be greater than or equal to 1: see"),
        (
            ["pause", "foo", "sms", "--reason", "x"],
            "consent: Invalid value for 'lane|gateway|spool': 'foo' is not one of",
        ),
        (
            ["keys", "add", "x", "--role", "king"],
            "consent: Invalid value for --role: one of agent, reviewer, supervisor, ops",
        ),
        (["held", "--refusal"], "consent: Invalid value for WHICH: name replies to decide: see `consent held --help`"),
        (["held", "a", "--no-refusal"], "consent: Invalid value for --reason: say why the reply is no refusal: see"),
        (
            ["held", "a", "--no-refusal", "--reason", "13800138000"],
            "consent: Invalid value for --reason: must have 1 to",
        ),
        (["held", "a", "--reason", "fine"], "consent: Invalid value for --reason: needs --refusal or --no-refusal"),
        (["permits", "13800138000"], "consent: Invalid value for --carrier: must be given, unless --plan is: see"),
        (["permits", "--carrier", "x", "13800138000"], "consent: Invalid value for --carrier: one of mobile"),
        (["permits", "--check", "p", "--plan", "x"], "consent: Invalid value for --check: takes one MSISDN at most"),
        (
            ["audit", "--since", "2025-02-01T00:00:00+08:00", "--until", "2025-01-01T00:00:00+08:00"],
            "consent: Invalid value for --until: must be after --since",
        ),
        (["callable", "13800138000", "--carrier", "x"], "consent: Invalid value for --carrier: one of mobile"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(arguments, said, capsys):
    assert cli.run(arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith(said)
    assert told.err.count("\n") == 1
    assert told.out == ""


def valued():
    """Yield each command with each of its options that is no flag."""
    for name, each in commands():
        yield from (
            pytest.param(name.split(), option.opts[0], id=f"{name} {option.opts[0]}")
            for option in each.params
            if option.param_type_name == "option" and not getattr(option, "is_flag", False)
        )


@pytest.mark.parametrize(("command", "option"), list(valued()))
def test_no_option_answers_in_the_words_of_a_library(command, option, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CONSENT_DATA_DIR", str(tmp_path / "nobody" / "x"))
    (tmp_path / "nobody").touch()  # no data can be made: nothing is done by those that take any text
    assert cli.run([*command, option, "?"]) != 0
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "Input should" not in told
    assert "Value error" not in told
    assert "defect" not in told


@pytest.mark.parametrize("sheet", ["/dev/full", "/"])
def test_a_sheet_that_cannot_be_written_is_named_by_its_option(sheet, capsys):
    sample = Path(consent_engine.__file__).parent / "sample_plans.yaml"
    assert cli.run(["plans", "check", str(sample), "--sheet", sheet]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"consent: Invalid value for --sheet: {sheet}: ")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(("name", "said"), [("PERMIT_LASTS", "1d"), ("KEEP_SERVICE", "153d")])
def test_a_span_is_told_as_it_is_written(name, said, monkeypatch, capsys):
    monkeypatch.setenv(f"CONSENT_{name}", "2d")
    assert cli.run(["stuck"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"consent: CONSENT_{name} must be ")
    assert told.endswith(f" {said}\n")


def test_a_wrong_plan_is_told_in_our_words(tmp_path, capsys):
    file = tmp_path / "plans.yaml"
    file.write_text(yaml.safe_dump([in_fields("p", name=7, filing=["x"], nonsense=1)], allow_unicode=True), "utf-8")
    assert cli.run(["plans", "check", str(file)]) == 1
    told = capsys.readouterr().err
    assert "name: must be a valid string" in told
    assert "should" not in told


def test_a_wrong_number_is_not_repeated(capsys):
    assert cli.run(["refuse", "1380013800x"]) == 1
    assert capsys.readouterr().err == "consent: msisdn: must be a Chinese mobile number\n"


def test_a_file_that_is_not_there_is_named(capsys):
    assert cli.run(["plans", "load", "/no/such.yaml"]) == 1
    assert capsys.readouterr().err == "consent: /no/such.yaml: No such file or directory\n"


def test_a_wrong_setting_is_named(capsys, monkeypatch):
    monkeypatch.setenv("CONSENT_LEASE", "soon")
    assert cli.run(["stuck"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("consent: CONSENT_LEASE ")
    assert told.count("\n") == 1


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OrderNotFound("no such order"), 1, "consent: no such order: `consent stuck` and the API show ids\n"),
        (SettingsError("CONSENT_X is\n wrong"), 1, "consent: CONSENT_X is wrong\n"),
        (KeyboardInterrupt(), 130, "consent: interrupted\n"),
        (SystemExit(143), 143, "consent: interrupted\n"),
        (SystemExit(1), 1, ""),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(error, status, said, capsys):
    assert cli.run(["stuck"], lambda **_: raising(error)()) == status
    assert capsys.readouterr().err == said


def test_a_reader_that_left_is_told_nothing():
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "consent_engine", "read", "是"]
    left = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, timeout=HANGS_S, check=False)
    os.close(theirs)
    assert (left.returncode, left.stderr) == (1, b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_its_caller_closed_is_no_defect(closed):
    command = f'"{sys.executable}" -m consent_engine read 是 {closed}'
    ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=HANGS_S, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout == (b"" if ">&-" in closed.split() else b"YES\t-\n")


@pytest.mark.parametrize("at_once", ["", "1"])
@pytest.mark.parametrize(("end", "status"), [("> /dev/full", 1), ("2> /dev/full", 0), ("> /dev/full 2>&1", 1)])
def test_a_disk_that_is_full_is_a_status_and_no_complaint_of_python(end, status, at_once):
    command = f'"{sys.executable}" -m consent_engine read 是 {end}'
    ran = subprocess.run(
        ["/bin/sh", "-c", command], env=os.environ | {"PYTHONUNBUFFERED": at_once}, capture_output=True,
        timeout=HANGS_S, check=False,
    )  # fmt: skip
    assert ran.returncode == status
    said = f"consent: {'the' if at_once else 'done, but its'} output cannot be written: No space left on device\n"
    assert ran.stderr.decode() == (said if end == "> /dev/full" else "")


def test_more_output_than_fits_is_one_line():
    with subprocess.Popen(
        ["/bin/sh", "-c", f'"{sys.executable}" -m consent_engine read > /dev/full'], stdin=-1, stderr=-1
    ) as reading:
        _, said = reading.communicate("是\n".encode() * 20_000, HANGS_S)
    assert reading.returncode == 1
    assert said == b"consent: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_interrupts_a_command_gets_one_line(number):
    with subprocess.Popen([sys.executable, "-m", "consent_engine", "read"], stdin=-1, stdout=-1, stderr=-1) as reading:
        reading.stdin.write("是\n".encode() * 20_000)
        reading.stdin.flush()
        assert reading.stdout.readline().decode() == "YES\t-\n"
        reading.send_signal(number)
        _, said = reading.communicate(timeout=HANGS_S)
        assert (reading.returncode, said) == (128 + number, b"consent: interrupted\n")


def test_whoever_interrupts_a_command_that_is_still_being_loaded_gets_one_line(tmp_path):
    """A module that takes its time while it is imported stands for a slow disk."""
    (tmp_path / "typer.py").write_text("import signal\nprint('loading', flush=True)\nsignal.pause()\n")
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-m", "consent_engine", "read", "是"]
    with subprocess.Popen(command, env=environ, stdout=-1, stderr=-1, text=True) as loading:
        assert loading.stdout.readline() == "loading\n"
        loading.send_signal(signal.SIGINT)
        _, said = loading.communicate(timeout=HANGS_S)
    assert (loading.returncode, said) in {(130, "consent: interrupted\n"), (-signal.SIGINT, "consent: interrupted\n")}


def test_with_no_input_there_is_nothing_to_read():
    ran = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m consent_engine read <&-'],
        capture_output=True,
        timeout=HANGS_S,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


def test_a_terminal_that_lacks_a_character_shows_its_number():
    sample = Path(consent_engine.__file__).parent / "sample_plans.yaml"
    ran = consent("plans", "check", str(sample), env=os.environ | {"PYTHONIOENCODING": "latin-1"})
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"\\u5957" in ran.stdout


def test_an_argument_that_is_not_text_is_a_wrong_command_line(capsys):
    assert cli.run(["show", "\udcff"], lambda **_: "\udcff".encode()) == 2
    assert capsys.readouterr().err == "consent: an argument is not text in UTF-8: type it again\n"


def test_a_defect_is_one_line_without_what_it_was_about(capsys):
    assert cli.run(["stuck"], lambda **_: raising(KeyError("+8613800138000"))()) == 1
    told = capsys.readouterr().err
    assert told.startswith("consent: a defect of Consent Engine: KeyError at test_cli.py:")
    assert told.count("\n") == 1
    assert "138" not in told.replace(told.split(":")[4], "")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_wait_is_announced_when_it_is_long_and_not_when_it_is_short():
    said = Event()

    class Heard(io.StringIO):
        def write(self, text):
            super().write(text)
            said.set()
            return len(text)

    with redirect_stderr(heard := Heard()):
        with tables.announced("waiting", 0.01):
            assert said.wait(HANGS_S)
        with tables.announced("never said", HANGS_S):
            pass
    assert heard.getvalue() == "waiting\n"


def test_a_table_is_columns_on_a_terminal_and_tabs_elsewhere(capsys):
    rows = [("5g-smart-199", "智享套餐", 1), ("x", "y", 20)]
    tables.table(("plan", "name", "n"), rows)
    assert capsys.readouterr().out == "5g-smart-199\t智享套餐\t1\nx\ty\t20\n"
    with redirect_stdout(Terminal()) as terminal:
        tables.table(("plan", "name", "n"), rows)
    shown = "plan          name      n\n5g-smart-199  智享套餐  1\nx             y         20\n"
    assert terminal.getvalue() == shown


def test_nothing_to_show_is_said_on_a_terminal_and_nothing_elsewhere(capsys):
    tables.table(("a",), [], "nothing is stuck")
    assert capsys.readouterr().out == ""
    with redirect_stdout(Terminal()) as terminal:
        tables.table(("a",), [], "nothing is stuck")
    assert terminal.getvalue() == "nothing is stuck\n"


def test_a_cell_moves_no_cursor_and_splits_no_column(capsys):
    tables.line("a\tb\x1b[2J\n", "c")
    assert capsys.readouterr().out == "a b [2J \tc\n"


@pytest.fixture
def logged():
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    set_up_logs("worker 7", stream)
    yield stream
    root.handlers[:], root.level, logging.raiseExceptions = before
    logging.captureWarnings(capture=False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to +8613800138000", "to ***"),
        ("to 8613800138000 and 13900139000", "to *** and ***"),
        ("to 0086 138-0013-8000.", "to ***."),
        ("tel:13800138000", "tel:***"),
        ("order 0ce7138001380001380013aa settled", "order 0ce7138001380001380013aa settled"),
        ("at 1764000000000", "at 1764000000000"),
        ("redis://user:pass@host:6379/0", "redis://***@host:6379/0"),
        ("key ce_abcdefghijklmnop", "key ***"),
        ("POST /v1/gateways/kannel/s3cret-path/inbound", "POST /v1/gateways/***/inbound"),
        ("POST /v1/gateways/http_json/inbound", "POST /v1/gateways/http_json/inbound"),
        ("one\ntwo", "one | two"),
    ],
)
def test_a_log_line_has_no_person_no_secret_and_one_line(logged, text, shown):
    logging.getLogger("consent_engine.test").info("%s", text)
    assert logged.getvalue().endswith(f" INFO worker 7: {shown}\n")


def test_of_an_exception_a_log_has_kind_and_place_only(logged):
    try:
        raising(KeyError("+8613800138000 是"))()
    except KeyError:
        logging.getLogger("consent_engine.test").exception("it failed")
    line = logged.getvalue()
    assert "it failed [KeyError at test_cli.py:" in line
    assert "是" not in line
    assert line.count("\n") == 1


def test_third_parties_are_heard_from_warnings_on(logged):
    for name in ("rq.worker", "rq.queue", "uvicorn.error", "aiohttp.access"):
        logging.getLogger(name).info("hello")
        logging.getLogger(name).warning("beware of %s", name)
    assert logged.getvalue().count("\n") == 4
