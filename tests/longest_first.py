"""The slowest test files, in the order to begin them: of one that is begun last, all other workers await the end.

pytest-xdist would begin with the files of most tests (`--no-loadscope-reorder` forbids it), and those that take minutes
have few. A file that is not named comes after these, where it would have come.
"""

from pathlib import PurePath

import pytest
from xdist.scheduler import LoadFileScheduling

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
"""From three minutes to twenty seconds, as one worker of three needs them."""
_RANK = {name: rank for rank, name in enumerate(LONGEST)}


ONE_INSTALLATION = tuple(
    f"tests/acceptance/test_browser{part}.py" for part in ("", "_desk", "_held", "_points", "_violations")
)
"""Files that a worker runs one after the other: they share what took long to start."""


class TogetherScheduling(LoadFileScheduling):
    """Hand each worker a file at a time, and those that share an installation as if they were one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return ONE_INSTALLATION[0] if file in ONE_INSTALLATION else file


def rank(item: pytest.Item) -> int:
    """Return the place of a test's file in this order."""
    return _RANK.get(PurePath(item.location[0]).as_posix(), len(LONGEST))
