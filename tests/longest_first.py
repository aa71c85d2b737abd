"""The slowest test files, in the order to begin them: of one that is begun last, all other workers await the end.

pytest-xdist would begin with the files of most tests (`--no-loadscope-reorder` forbids it), and those that take minutes
have few. A file that is not named comes after these, where it would have come.
"""

from pathlib import PurePath

import pytest

LONGEST = (
    "tests/crashes/test_crash_points.py",
    "tests/containers/test_started.py",
    "tests/security/test_schemathesis.py",
    "tests/archive/test_archive_stories.py",
    "tests/acceptance/test_install.py",
    "tests/integration/ops/test_cli_serve.py",
    "tests/integration/ops/test_cli_troubles.py",
    "tests/model/test_every_state.py",
    "tests/integration/promises/test_random_histories.py",
    "tests/acceptance/test_watching.py",
    "tests/acceptance/test_browser.py",
    "tests/acceptance/test_browser_held.py",
    "tests/acceptance/test_browser_access.py",
    "tests/acceptance/test_road.py",
    "tests/acceptance/test_browser_violations.py",
    "tests/acceptance/test_chaos.py",
    "tests/test_contract_rows.py",
    "tests/durability/test_failovers.py",
    "tests/acceptance/test_upgrade.py",
    "tests/acceptance/test_browser_points.py",
    "tests/durability/test_sentinel.py",
    "tests/security/test_persons.py",
    "tests/cluster/test_growing.py",
    "tests/acceptance/test_browser_desk.py",
    "tests/unit/test_field_texts.py",
    "tests/cluster/test_standing_still.py",
    "tests/integration/calls/test_inspector.py",
    "tests/acceptance/test_browser_review.py",
    "tests/acceptance/test_bare.py",
    "tests/integration/ops/test_cli_troubles.py",
    "tests/integration/ops/test_traces.py",
    "tests/integration/calls/test_reports_http.py",
    "tests/acceptance/test_overload.py",
    "tests/durability/test_not_now.py",
    "tests/cluster/test_failover.py",
    "tests/acceptance/test_kannel.py",
    "tests/cluster/test_road.py",
    "tests/test_mutations.py",
)
"""From four minutes to ten seconds."""
_RANK = {name: rank for rank, name in enumerate(LONGEST)}


def rank(item: pytest.Item) -> int:
    """Return the place of a test's file in this order."""
    return _RANK.get(PurePath(item.location[0]).as_posix(), len(LONGEST))
