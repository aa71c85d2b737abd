"""The door of this room has the pages in it."""

import pytest

from tests.integration.page_door import PageDoor


@pytest.fixture
def door(running):
    made = PageDoor(*running)
    yield made
    made.close()
