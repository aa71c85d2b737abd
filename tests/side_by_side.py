"""Tests side by side: collected once, and run by forks of the process that has collected them, a file at a time.

Workers that start from nothing each import and collect everything again: a tenth of what a run costs. The slowest files
begin first, since all other workers await the end of one that is begun last. `-p tests.side_by_side --forks 3`
"""

import atexit
import gc
import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import PurePath
from typing import Any

import pytest

LONGEST = (
    "tests/containers/test_started.py",
    "tests/acceptance/test_browser.py",
    "tests/crashes/test_crash_points.py",
    "tests/integration/ops/test_cli_troubles.py",
    "tests/security/test_schemathesis.py",
    "tests/acceptance/test_watching.py",
    "tests/integration/ops/test_cli_serve.py",
    "tests/acceptance/test_install.py",
    "tests/acceptance/test_browser_access.py",
    "tests/integration/store/test_faults.py",
    "tests/model/test_every_state.py",
    "tests/integration/http/test_orders.py",
    "tests/acceptance/test_kannel.py",
    "tests/archive/test_archive_stories.py",
    "tests/durability/test_backup.py",
    "tests/durability/test_failovers.py",
    "tests/test_contract_rows.py",
    "tests/security/test_redis_users.py",
    "tests/integration/rq/test_processes.py",
    "tests/integration/store/test_embedded_server.py",
    "tests/acceptance/test_chaos.py",
    "tests/archive/test_archive_databases.py",
    "tests/integration/ops/test_runbook.py",
    "tests/acceptance/test_browser_review.py",
    "tests/acceptance/test_kannel_smpp.py",
    "tests/acceptance/test_bare.py",
    "tests/acceptance/test_road.py",
    "tests/cluster/test_road.py",
    "tests/durability/test_sentinel.py",
    "tests/archive/test_races_and_damages.py",
    "tests/integration/ops/test_traces.py",
    "tests/cluster/test_failover.py",
    "tests/acceptance/test_overload.py",
)
"""From three minutes to twenty seconds, as one worker of three needs them. A file that is not named comes later."""
ONE_INSTALLATION = frozenset(
    f"tests/acceptance/test_browser{part}.py" for part in ("", "_desk", "_held", "_points", "_violations")
)
"""Files that a worker runs one after the other: they share what took long to start."""
_RANK = {name: rank for rank, name in enumerate(LONGEST)}
_NUMBER = 2
"""Bytes of a number in the pipe that all workers take from."""


def together(item: pytest.Item) -> str:
    """Return the name of what a worker runs in one piece: a test's file, or that of its installation."""
    file = PurePath(item.location[0]).as_posix()
    return "tests/acceptance/test_browser.py" if file in ONE_INSTALLATION else file


def rank(item: pytest.Item) -> int:
    """Return the place of a test's piece in the order to begin them."""
    return _RANK.get(together(item), len(LONGEST))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forks", type=int, default=0, metavar="N", help="run files of tests in so many processes")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without collecting garbage: all that is made now stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Have forks run the tests, and report what they say as if it had happened here."""
    config = session.config
    if not config.option.forks or config.option.collectonly or session.testsfailed:
        return None
    pieces = [[*some] for _, some in groupby(session.items, together)]
    reads, writes = os.pipe()
    os.write(writes, b"".join(n.to_bytes(_NUMBER) for n in range(len(pieces))))
    os.close(writes)
    config._tmp_path_factory.getbasetemp()  # noqa: SLF001 - each worker has a folder of its own in it
    workers = [_Worker(n, session, pieces, reads) for n in range(min(config.option.forks, len(pieces)))]
    said = {worker.said: worker for worker in workers}
    while said:
        for each in wait([*said]):
            try:
                said[each].hears(each.recv())
            except EOFError:
                said.pop(each).ended()
        if session.shouldfail or session.shouldstop:
            while os.read(reads, 1 << 16):  # whatever nobody has begun
                pass
    os.close(reads)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    return True


class _Worker:
    """A fork that runs tests, as the process that has collected them sees it."""

    def __init__(self, n: int, session: pytest.Session, pieces: Sequence[list[pytest.Item]], reads: int) -> None:
        self._config = session.config
        self._runs: tuple[str, Any] | None = None
        self.said, says = Pipe(duplex=False)
        self._pid = os.fork()
        if not self._pid:
            self.said.close()
            _live(n, session, pieces, reads, says)
        says.close()

    def hears(self, message: tuple[str, Any, Any]) -> None:
        """Do what the worker's pytest did: a test began, ended, or has a report."""
        what, of, more = message
        hook = self._config.hook
        if what == "report":
            report = hook.pytest_report_from_serializable(config=self._config, data=of)
            hook.pytest_runtest_logreport(report=report)
        else:
            getattr(hook, what)(nodeid=of, location=more)
            self._runs = (of, more) if what == "pytest_runtest_logstart" else None

    def ended(self) -> None:
        """Report the test in which the worker died, if it did."""
        self.said.close()
        _, status = os.waitpid(self._pid, 0)
        if status:
            name, location = self._runs or ("between two tests", ("", 0, ""))
            why = f"its process ended with {os.waitstatus_to_exitcode(status)}: tests after it did not run"
            self._config.hook.pytest_runtest_logreport(
                report=pytest.TestReport(name, location, {}, "failed", why, "call")
            )


def _live(n: int, session: pytest.Session, pieces: Sequence[list[pytest.Item]], reads: int, says: Connection) -> None:
    """Be a worker: take one piece after the other, until there is none; undo all that was set up; end."""
    atexit._clear()  # noqa: SLF001 - the other process does what it has registered
    status = 1
    try:
        config = session.config
        config.pluginmanager.unregister(name="terminalreporter")
        capture = config.pluginmanager.getplugin("capturemanager")
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture()
        factory = config._tmp_path_factory  # noqa: SLF001 - as above
        factory._basetemp = factory.mktemp(f"fork-{n}", numbered=False)  # noqa: SLF001
        config.pluginmanager.register(_Saying(config, says))
        item = next(taken := _taken(pieces, reads), None)
        while item is not None:
            following = next(taken, None)  # known before it is run: what both need stays set up
            config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            item = following
        status = 0
    except BaseException:  # noqa: BLE001 - the other process reads the status
        traceback.print_exc()
    finally:
        with suppress(Exception):  # it is set up still where the run was interrupted
            session._setupstate.teardown_exact(None)  # noqa: SLF001
        atexit._run_exitfuncs()  # noqa: SLF001 - os._exit does not
        os._exit(status)


def _taken(pieces: Sequence[list[pytest.Item]], reads: int) -> Iterator[pytest.Item]:
    while number := os.read(reads, _NUMBER):
        yield from pieces[int.from_bytes(number)]


class _Saying:
    """The plugin of a worker: it tells the other process what its pytest does."""

    def __init__(self, config: pytest.Config, says: Connection) -> None:
        self._config, self._says = config, says

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        self._says.send(("pytest_runtest_logstart", nodeid, location))

    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        self._says.send(("pytest_runtest_logfinish", nodeid, location))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._says.send(("report", data, None))
