"""The fixtures that acceptance tests share. Who opens no page waits for no import of Playwright."""

import pytest

from tests import needs
from tests.acceptance.house import ONCE, house
from tests.acceptance.outsiders import bss, running
from tests.integration.serve_house import consent, environ, page, serving

__all__ = ["consent", "environ", "page", "serving"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call):
    """Tell what every open page shows where a test fails: a wait that is over says only what it missed."""
    report = yield
    if call.when == "call" and report.failed:
        from tests.acceptance.tab import Tab  # noqa: PLC0415 - see above

        report.sections += [(f"the page of {each.role}", each.shows()) for each in Tab.opened]
    return report


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - see above

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
