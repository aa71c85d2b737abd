"""Benchmarks that CI does not run: each can still be started, though code that it imports may have moved."""

import importlib
import socket
from pathlib import Path

import pytest

from benchmarks.ports import free_port

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


def test_a_port_that_was_given_is_given_to_no_other_process_before_its_server_listens():
    with socket.socket(type=socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", free_port()))
