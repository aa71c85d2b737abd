"""The door that the tests of the API go through: a server a module, an API of its own on it a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.api_door import Door, server


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[str, Path]]:
    with server() as found:
        yield found


@pytest.fixture
def door(running: tuple[str, Path]) -> Iterator[Door]:
    made = Door(*running)
    yield made
    made.close()
