"""Fixtures for the tests of calls: a desk on which calls are made known, and end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consent_engine.adapters.sql.archive import SqlArchive
from tests.integration.calls.desk import Desk
from tests.integration.conftest import Door, running
from tests.memory import a_store
from tests.written_out import empty_at

__all__ = ["Door", "running"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Make a desk over an empty store; settled records move to a file."""
    archive = SqlArchive(empty_at(tmp_path))
    made = Desk(a_store(), archive)
    yield made
    made.runner.close()
    archive.close()


@pytest.fixture
def called() -> dict[str, Any]:
    """Return the body of a valid call, without its start."""
    return {"from": "10085", "to": "+8613800138000", "carrier": "mobile", "agent": "A1024", "script": "5g-2025-07"}
