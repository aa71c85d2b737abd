"""Fixtures for tests of the whole engine: one server per module, one API on it per test, and `consent serve`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.api_door import Door, running
from tests.integration.serve_house import consent, environ, page, serving

__all__ = ["consent", "environ", "page", "running", "serving"]


@pytest.fixture
def door(running: tuple[str, Path]) -> Iterator[Door]:
    made = Door(*running)
    yield made
    made.close()
