"""Every page as somebody meets it who listens, who enlarges, who reads in the dark: axe finds nothing serious, nothing
scrolls sideways, also at 200 % and with letters twice as large; nothing to press in a table is smaller than 24 px.

axe.min.js is axe-core 4.12.1 of npm, unchanged, under the Mozilla Public License 2.0; it is in the tests alone.
"""

from pathlib import Path

import pytest

from tests.acceptance.house import house, until
from tests.acceptance.tab import Tab

AXE = (Path(__file__).parent / "axe.min.js").read_text("utf-8")
GRAVE = (
    "async () => (await axe.run(document)).violations.filter((each) => ['serious', 'critical'].includes(each.impact))"
)
TOLD = "(each) => `${each.impact} ${each.id}: ${each.nodes.map((node) => node.html).slice(0, 3).join(' ')}`"
NARROW = 320
PAGES = (
    "/", "/desk", "/ops", "/review", "/reports", "/audit", "/help", "/orders/{order}", "/report", "/tariffs",
    "/tariffs/5g-smart-199/1", "/docs", "/rq/", "/rq/0/view/jobs", "/rq/0/view/workers", "/nothing/here",
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory, browser):
    with house(tmp_path_factory.mktemp("access")) as made:
        made.order = made.place(9101)[1]["id"]
        until("asked", lambda: made.state(made.order) == "awaiting_reply")
        yield made


SMALL = """() => [...document.querySelectorAll("td a, td button, th a, th button, td input")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 24).map((each) => each.outerHTML)"""
"""Targets in tables under 24 px."""


def width_of(page):
    return page.evaluate("() => document.documentElement.scrollWidth")


def enlarged(page, width):
    """How wide a page is at 200 %, where half as many px fit, and with letters twice as large."""
    page.set_viewport_size({"width": width // 2, "height": 400})
    zoomed = width_of(page)
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    return zoomed, width_of(page)


def grave(page):
    page.evaluate(AXE)
    return page.evaluate(f"async () => (await ({GRAVE})()).map({TOLD})")


@pytest.mark.parametrize(
    ("language", "width", "scheme"), [("zh-CN", 1280, "light"), ("en-GB", 320, "dark")], ids=["zh", "en"]
)
def test_axe_finds_nothing_serious_on_any_page_and_nothing_scrolls_sideways(home, browser, language, width, scheme):
    tab = Tab(browser, home, "admin", width=width, language=language)
    tab.page.emulate_media(color_scheme=scheme)
    tab.page.goto(home.api)
    found = {"sign-in": grave(tab.page)}
    tab.sign_in("/")
    wide, small, large = {}, {}, {}
    for path in PAGES:
        tab.page.goto(home.api + path.format(order=home.order))
        tab.page.wait_for_selector("h1, table", state="attached")
        found[path] = grave(tab.page)
        wide[path], small[path] = width_of(tab.page), tab.page.evaluate(SMALL)
        large[path] = enlarged(tab.page, width) if width > NARROW else (0, 0)
    tab.close()
    assert {path: each for path, each in found.items() if each} == {}
    own = [path for path in PAGES if not path.startswith("/rq")]
    assert {path: wide[path] for path in own if wide[path] > width} == {}
    assert {path: small[path] for path in own if small[path]} == {}
    assert {path: large[path] for path in own if large[path][0] > width // 2 or large[path][1] > width} == {}
