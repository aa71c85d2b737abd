"""Every page with a screen reader, enlarged and in dark colours: axe finds nothing serious, nothing scrolls sideways,
also at 200 % and with letters twice as large; no target in a table is smaller than 24 px. The text of a Chinese page
is Chinese, except for names.

Of all combinations (two languages, two schemes, three widths) these tests take the two that differ most. The
dialogs, the errors and all combinations: `python -m benchmarks.http.axe`.
"""

import pytest

from tests.acceptance.axe import PAGES, arrived, grave
from tests.acceptance.chinese import not_chinese
from tests.acceptance.lived_in import lived_in
from tests.acceptance.tab import Tab

NARROW = 320


@pytest.fixture(scope="module")
def home(tmp_path_factory, browser):
    with lived_in(tmp_path_factory.mktemp("access")) as made:
        yield made


SMALL = """() => [...document.querySelectorAll("td a, td button, th a, th button, td input")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 24).map((each) => each.outerHTML)"""
"""Targets in tables under 24 px."""


def width_of(page):
    return page.evaluate("() => document.documentElement.scrollWidth")


def enlarged(page, width):
    """The width of a page at 200 %, where half as many px fit, and with letters twice as large."""
    page.set_viewport_size({"width": width // 2, "height": 400})
    zoomed = width_of(page)
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    return zoomed, width_of(page)


@pytest.mark.parametrize(
    ("language", "width", "scheme"), [("zh-CN", 1280, "light"), ("en-GB", 320, "dark")], ids=["zh", "en"]
)
def test_axe_finds_nothing_serious_on_any_page_and_nothing_scrolls_sideways(home, browser, language, width, scheme):
    tab = Tab(browser, home, "admin", width=width, language=language)
    tab.page.emulate_media(color_scheme=scheme)
    tab.goto(home.api)
    found = {"sign-in": grave(tab.page)}
    tab.sign_in("/")
    wide, small, large, mixed = {}, {}, {}, {}
    for path in PAGES:
        tab.goto(home.api + path.format(order=home.order))
        arrived(tab.page, path)
        found[path] = grave(tab.page)
        mixed[path] = not_chinese(tab.page) if language == "zh-CN" else []
        wide[path], small[path] = width_of(tab.page), tab.page.evaluate(SMALL)
        large[path] = enlarged(tab.page, width) if width > NARROW else (0, 0)
    tab.close()
    assert {path: each for path, each in found.items() if each} == {}
    assert {path: each for path, each in mixed.items() if each} == {}
    own = [path for path in PAGES if not path.startswith("/rq")]
    assert {path: wide[path] for path in own if wide[path] > width} == {}
    assert {path: small[path] for path in own if small[path]} == {}
    assert {path: large[path] for path in own if large[path][0] > width // 2 or large[path][1] > width} == {}
