"""Benchmarks that CI does not run: each can still be started, though code that it imports may have moved."""

import importlib
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.ports import free_port
from tests.waiting import HANGS_S

ROOT = Path(__file__).parents[1]
OURS = ("benchmarks", "consent_engine", "tests", "workers")
PROGRAMS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "benchmarks").rglob("*.py")
    if path.parent.name != "peers"  # each in an environment of its own
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_benchmark_finds_what_it_takes_from_others(name):
    """A package that this machine lacks is no fault of a benchmark, which names it when it is started."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] in OURS:
            raise


SIZES = {
    "benchmarks.engine.rates": "--orders 300 --runs 1 --ms 0",
    "benchmarks.growth.archive": "300",
    "benchmarks.growth.cluster": "--orders 300 --single --cells 8",
    "benchmarks.operations.sizes": "--seconds 2 --orders 60",
}
"""The programs that make the sizes of the operators' page, and a small run of each."""


def test_the_operators_page_names_the_programs_that_make_its_sizes():
    growth = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("## Growth")[2]
    assert set(re.findall(r"python -m (benchmarks[a-z._]+)", growth)) == set(SIZES)
    [sizes] = re.findall(r"^\| Part \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", growth, re.M)
    assert [row for row in sizes.splitlines() if "`python -m benchmarks" not in row] == [], "no command makes it"


@pytest.mark.parametrize("program", SIZES)
def test_a_size_of_the_operators_page_can_be_made(program):
    command = [sys.executable, "-m", program, *SIZES[program].split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_port_that_was_given_is_given_to_no_other_process_before_its_server_listens():
    with socket.socket(type=socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", free_port()))
