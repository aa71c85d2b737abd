"""Wrong calls, on /ops in a real browser: in words, with masked numbers, in both languages and on a phone."""

from datetime import UTC, datetime

import pytest

from tests.acceptance.house import house
from tests.acceptance.tab import Tab


@pytest.fixture
def home(tmp_path, browser):
    with house(tmp_path) as made:
        yield made


@pytest.mark.parametrize(("language", "width", "words"), [
    ("zh-CN", 1280, "非官方外呼号码"), ("en-GB", 360, "not from the official number"),
])  # fmt: skip
def test_ops_see_the_calls_that_were_wrong(home, browser, language, width, words):
    at = datetime.now(UTC).isoformat()
    told = {"caller_number": "10086", "recording_id": "rec-1", "started_at": at, "agreed_at": at}
    assert home.place(8001, call=told)[0] == 422
    ops = Tab(browser, home, "ops", language=language, width=width)
    ops.sign_in("/ops")
    ops.page.wait_for_selector("#violations tr")  # without a reload
    [row] = ops.page.locator("#violations tr").all()
    cells = row.locator("td").all_inner_texts()
    assert (cells[1], cells[2], cells[3], cells[5]) == (f"{words} 10086", "+86138****8001", "A1024", "1")
    for empty in ("#violations-wrong", "#no-violations", "#more-violations"):
        assert ops.page.locator(empty).is_hidden()
    assert ops.page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert not [url for url in ops.asked if "13800008001" in url]
    assert ops.complaints == []
    ops.close()


def test_where_nothing_was_wrong_the_page_says_so(home, browser):
    ops = Tab(browser, home, "ops")
    ops.sign_in("/ops")
    ops.page.wait_for_selector("#no-violations", state="visible")
    assert ops.page.locator("#violations-region").is_hidden()
    ops.close()
