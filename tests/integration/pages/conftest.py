"""The door of these tests: the application with its pages."""

import pytest

from tests.integration.page_door import PageDoor


@pytest.fixture
def door(running):
    made = PageDoor(*running)
    yield made
    made.close()
