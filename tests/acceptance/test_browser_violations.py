"""Wrong calls, on /ops in a real browser: in words, with masked numbers, in both languages and on a phone."""

from datetime import UTC, datetime

import pytest

from tests.acceptance.tab import Tab


@pytest.mark.parametrize(("number", "language", "width", "words"), [
    (8001, "zh-CN", 1280, "非官方外呼号码"), (8002, "en-GB", 360, "not from the official number"),
])  # fmt: skip
def test_ops_see_the_calls_that_were_wrong(home, browser, number, language, width, words):
    at = datetime.now(UTC).isoformat()
    told = {"caller_number": "10086", "recording_id": f"rec-{number}", "started_at": at, "agreed_at": at}
    assert home.place(number, call=told)[0] == 422
    ops = Tab(browser, home, "ops", language=language, width=width)
    ops.sign_in("/ops")
    row = ops.page.locator("#violations tr", has_text=f"****{number}")
    row.wait_for()  # without a reload
    cells = row.locator("td").all_inner_texts()
    assert (cells[1], cells[2], cells[3], cells[5]) == (f"{words} 10086", f"+86138****{number}", "A1024", "1")
    for empty in ("#violations-wrong", "#no-violations", "#more-violations"):
        assert ops.page.locator(empty).is_hidden()
    assert ops.page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert not [url for url in ops.asked if "1380000800" in url]
    assert ops.complaints == []
    ops.close()


def test_where_nothing_was_wrong_the_page_says_so(home, browser):
    ops = Tab(browser, home, "ops")
    ops.page.route(
        "**/v1/calls?violation=true*", lambda route: route.fulfill(json={"calls": [], "cursor": "", "as_of": None})
    )
    ops.sign_in("/ops")
    ops.page.wait_for_selector("#no-violations", state="visible")
    assert ops.page.locator("#violations-region").is_hidden()
    ops.close()
