"""The fixtures that acceptance tests share."""

import pytest
from playwright.sync_api import sync_playwright

from tests import needs
from tests.integration.serve_house import consent, environ, page, serving

__all__ = ["consent", "environ", "page", "serving"]


@pytest.fixture(scope="module")
def browser():
    chromium = needs.chromium()
    with sync_playwright() as running:
        started = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()
