"""`consent import`: lists of do-not-call and of marketing-free numbers, as other systems write them, of any size."""

import hashlib
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from consent_engine.api.routes.refusals import BATCH, stored
from consent_engine.api.web.audit import look
from consent_engine.cli.imports import Column
from consent_engine.domain.csv_file import LONGEST_LINE, FileRefused, columns_of, lines_in, rows_in
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.roles import Role
from consent_engine.engine.engine import Engine
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import StoreUnavailable
from consent_engine.ports.registry import Import
from tests.integration.api_door import FULL_SECRET, NUMBER
from tests.integration.page_door import PageDoor
from tests.typed import typed
from tests.waiting import HANGS_S, until

MARK = "\ufeff"
LIST = f"""{MARK}手机号,姓名,运营商,ref
13800138000,张三,mobile,list-7
138,李四,,
013800138001,13900139000,,
"+86 138-0013-8002",王五,unicom,
13800138003,赵六,,13900139000
13800138000,张三,mobile,list-7
13800138004,only three
""".replace("\n", "\r\n")
NAMED = ("--columns", "msisdn=手机号,carrier=运营商")


@pytest.fixture
def door(running):
    with closing(PageDoor(*running)) as made:
        yield made


@pytest.fixture
def told(door):
    return {"CONSENT_DATA_DIR": str(door.settings.data_dir), "CONSENT_SECRET": FULL_SECRET, "PATH": os.environ["PATH"]}


@pytest.fixture
def imported(told, tmp_path):
    def run(content, *arguments, kind="refusals"):
        file = tmp_path / "list.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return typed("import", kind, str(file), *arguments, environ=told)

    return run


def reasons(door, *numbers, carrier="mobile"):
    asked = [{"msisdn": each, "carrier": carrier} for each in numbers]
    return [each.get("reason") for each in door.call("POST", "/v1/callable", Role.OPS, asked).json()]


def test_wrong_lines_are_named_with_their_column_and_all_that_say_whom_not_to_call_are_in_force(door, imported):
    tried = imported(LIST, *NAMED, "--dry-run")
    named = [each.split("\t")[1:] for each in tried.stdout.splitlines() if each.startswith("refused\tline")]
    assert named == [
        ["line 3", "手机号: must be a Chinese mobile number"],
        ["line 6", "ref: must not contain a telephone number"],
        ["line 8", "has 2 columns, which are too few"],
    ]
    assert (tried.returncode, "nothing was recorded" in tried.stderr) == (1, True)
    five = [f"1380013800{n}" for n in range(5)]
    assert reasons(door, *five) == [None] * 5
    digest = hashlib.sha256(LIST.encode()).hexdigest()
    for new in (4, 0):
        done = imported(LIST, *NAMED, "--carrier", "mobile", "--json")
        counts = {"file": digest, "kind": "refusals", "lines": 5, "refused": 3, "new": new, "already": 5 - new}
        assert json.loads(done.stdout.splitlines()[-1]) == counts, done.stderr
        assert done.returncode == 1
        assert not [each for each in ("138001380", "139001390", "0013-8") if each in done.stdout + done.stderr]
    assert reasons(door, *five) == ["refused", "refused", None, "refused", None]
    assert reasons(door, five[2], carrier="unicom") == ["refused"]
    found = [door.engine.line(Msisdn(f"+86{each}")).restrictions[0] for each in five[:2]]
    assert [(each.door, each.ref) for each in found] == [("import", "list-7"), ("import", f"file {digest[:32]}")]


def test_an_import_is_an_act_for_an_audit_with_its_file_and_its_counts(door, imported):
    content = f"msisdn\n{NUMBER}\n138\n"
    assert imported(content, kind="registrations").returncode == 1
    sent = door.call("POST", "/v1/refusals/import", Role.OPS, content=b"msisdn,carrier,channel\n",
                     headers={"Content-Type": "text/csv"})  # fmt: skip
    assert sent.status_code == 200
    assert reasons(door, NUMBER) == ["marketing_free"]
    auditor = door.sign_in(Role.AUDITOR)
    digest = hashlib.sha256(content.encode()).hexdigest()
    acts = [(each.act, each.what, each.file) for each in look(door.engine)]
    assert [(act, what, file.digest, file.lines, file.refused, file.new) for act, what, file in acts[2:]] == [
        ("imported", "marketing_free", digest, 1, 1, 1),
        ("importing", "marketing_free", digest, 1, 1, None),
    ]
    assert [(act, what, file.lines) for act, what, file in acts[:2]] == [
        ("imported", "refused", 0),
        ("importing", "refused", 0),
    ]
    told = {
        "zh": ("免营销登记 · 1 行", "未受理 1 行，新增 1 个号码"),
        "en": ("marketing-free · lines: 1", "refused: 1, new: 1"),
    }
    for language, words in told.items():
        page = auditor.get(f"/audit?lang={language}").text
        assert [each for each in (*words, digest) if each not in page] == []
    assert NUMBER[3:] not in page


NO_LIST = {
    "empty": (b"", "the file has no line"),
    "no line of names": (b"13800138000,\xe5\xbc\xa0\n", "no column msisdn in the first line, which has 2: name"),
    "no line of names, and a person first": ("张三,13800138000\n".encode(), "in the first line, which has 2: name"),
    "GBK": ("msisdn,姓名\n13800138000,张三\n".encode("gbk"), "not UTF-8 .* iconv -f GB18030"),
    "GBK behind a good line": (
        b"msisdn\n13800138000\n" + "13800138001,张三\n".encode("gbk"), "not UTF-8 .* iconv -f GB18030",
    ),
    "UTF-16": ("msisdn\n13800138000\n".encode("utf-16"), "not UTF-8"),
    "cut in a character": ("msisdn,姓名\n13800138000,张".encode()[:-1], "not UTF-8"),
    "an open quote": (b'msisdn,name\n13800138000,"x\n13800138001,y\n', "is not CSV"),
    "a line of 1 MB": (b"msisdn\n13800138000\n" + b"1" * 1_000_000, "line 3 has more than 65,536 characters"),
    "a column twice": (b"msisdn,msisdn\n13800138000,1\n", "has the column msisdn twice"),
    "a column that is named and missing": (b"msisdn\n13800138000\n", "no column 运营商"),
}  # fmt: skip


def test_a_file_that_is_no_list_is_refused_as_a_whole_in_words_that_have_no_number(door, imported):
    wrong, before = {}, door.kept()
    for name, (content, said) in NO_LIST.items():
        columns = ("--columns", "carrier=运营商") if "named and missing" in name else ()
        done = imported(content, *columns)
        [line] = done.stderr.splitlines()
        if (
            not re.search(said, line)
            or done.returncode != 1
            or re.search("1380013|张三", done.stdout + line)
            or done.stdout
        ):
            wrong[name] = done
    assert not wrong
    assert door.kept() == before


def test_a_file_without_a_line_of_names_has_its_columns_by_number_and_may_be_cut(door, imported):
    done = imported("x,13800138000\ny,13800138001\nz,1380013", "--columns", "msisdn=2")
    assert done.stdout.splitlines()[0] == "refused\tline 3\t2: must be a Chinese mobile number"
    assert "the last line has no end" in done.stderr
    assert reasons(door, "13800138000", "13800138001") == ["refused"] * 2
    assert imported("msisdn\n").stdout.splitlines()[-1] == "already\t0"


def test_an_import_killed_in_the_middle_goes_on_and_no_number_counts_twice(door, told, imported, tmp_path):
    of, file = 20_000, tmp_path / "list.csv"
    numbers = [f"+8613800{n:06}" for n in range(of)]
    content = "\n".join(["msisdn", *numbers, ""])
    file.write_text(content)
    command = [sys.executable, "-m", "consent_engine", "import", "refusals", str(file)]
    with subprocess.Popen(command, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until("some are in force", lambda: reasons(door, numbers[1000]) == ["refused"])
        process.send_signal(signal.SIGKILL)
        process.wait(HANGS_S)
    in_force = sum(reason is not None for reason in _all_of(door.engine, numbers))
    assert 1000 < in_force < of
    again = imported(content)
    counts = dict(each.split("\t") for each in again.stdout.splitlines())
    assert (int(counts["already"]), int(counts["new"])) == (in_force, of - in_force)
    assert None not in _all_of(door.engine, numbers)
    began, ended = [each.new for each in door.engine.registry.imports.newest(9)][1:], counts["new"]
    assert (began, int(ended)) == ([None, None], door.engine.registry.imports.newest(1)[0].new)


def _all_of(engine: Engine, numbers):
    return [each.reason for each in engine.dialler.dial([(Msisdn(number), None, None) for number in numbers])]


class Away:
    """An engine whose store goes away behind some batches."""

    def __init__(self, engine, batches):
        self.registry, self._engine, self._left = engine.registry, engine, batches

    def receive(self, messages):
        if not self._left:
            raise StoreUnavailable("gone")
        self._left -= 1
        return self._engine.receive(messages)


def test_what_was_stored_before_the_store_went_away_is_in_force_and_said_and_the_same_again_goes_on(door):
    numbers, said = [f"+8613800{n:06}" for n in range(3 * BATCH)], []
    asked = [RefusalAsked(Msisdn(number), "*", "import", "me") for number in numbers]
    act = Import(1, "me", Kind.REFUSED, "d" * 64, len(asked), 0)
    with pytest.raises(StoreUnavailable):
        stored(Away(door.engine, 2), asked, act, said.append)
    assert said == [BATCH, 2 * BATCH]
    assert _all_of(door.engine, numbers) == ["refused"] * 2 * BATCH + [None] * BATCH
    assert door.engine.registry.imports.newest(9) == [act], "it began, and is not done"
    assert stored(door.engine, asked, act) == BATCH
    assert [each.new for each in door.engine.registry.imports.newest(9)] == [BATCH, None]


class Endless(io.StringIO):
    """A file without an end. lines: it has; then one that never ends."""

    def __init__(self, lines):
        super().__init__()
        self.lines = iter(lines)

    def readline(self, size=-1, /):
        assert 0 < size <= LONGEST_LINE + 1, "asked for a line of any length"
        return next(self.lines, "1" * size)


def test_a_file_of_any_size_is_read_line_by_line_and_no_line_of_any_length_is_kept():
    named = columns_of(None, Column)
    rows = rows_in(lines_in(Endless(itertools.chain(["msisdn\n"], itertools.repeat("1\n")))), named, tuple(Column)[1:])
    assert [found[1] for found in itertools.islice(rows, 3)] == [{Column.MSISDN: "1"}] * 3
    with pytest.raises(FileRefused, match="line 2 has more than"):
        list(rows_in(lines_in(Endless(["msisdn\n"])), named, tuple(Column)[1:]))
