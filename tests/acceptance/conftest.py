"""The fixtures that acceptance tests share."""

import pytest
from playwright.sync_api import sync_playwright

from tests import needs
from tests.acceptance.house import ONCE, house
from tests.acceptance.outsiders import bss, running
from tests.integration.serve_house import consent, environ, page, serving

__all__ = ["consent", "environ", "page", "serving"]


@pytest.fixture(scope="module")
def browser():
    chromium = needs.chromium()
    with sync_playwright() as playing:
        started = playing.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """Run one installation for the tests of the pages: each has numbers and recordings of its own, and leaves nothing
    held, stuck or paused. `home.stuck`: the last four digits of numbers that the BSS does not activate now.
    """
    needs.chromium()
    stuck: set[int] = set()
    with running(bss(stuck)) as url, house(tmp_path_factory.mktemp("pages"), CONSENT_BSS_HTTP__URL=url, **ONCE) as made:
        made.stuck = stuck
        yield made
