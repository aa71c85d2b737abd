"""A reviewer's day in a real browser, by keyboard alone: recordings are played, and ten calls get their verdict."""

import re

import pytest

from tests.acceptance.house import house
from tests.acceptance.outsiders import Sounds, running
from tests.acceptance.tab import Tab
from tests.waiting import until

CALLS = 10
OF_ONE_CALL = re.compile("/(v1/reviews|review/calls)/[0-9a-f]+$")
"""A verdict, and the look at the next call: a key that is pressed meanwhile decides nothing."""


@pytest.fixture
def home(tmp_path, browser):
    with running(Sounds) as url, house(tmp_path, CONSENT_RECORDING_URL=f"{url}/{{ref}}.wav") as made:
        for name in ("reviewer-a", "reviewer-b"):
            made.add_key(name, name, "reviewer")
        yield made


def comes(page, ref):
    """Wait for the call of this recording. The focus says that the verdict before is done."""
    there = "ref => document.activeElement.id === 'heard' && document.getElementById('facts').textContent.includes(ref)"
    page.wait_for_function(there, arg=ref)


def hears(page):
    """Play a part of the recording: nothing passes unheard."""
    page.keyboard.press("Space")
    heard = "() => { const { played } = document.getElementById('player'); return played.length && played.end(0) > 0; }"
    page.wait_for_function(heard)


def looks_again(home, browser):
    """Uphold the failed verdict as another reviewer; return that reviewer's tab."""
    other = Tab(browser, home, "reviewer-b", language="en-GB")
    other.sign_in("/review")
    other.page.wait_for_selector("#queue-told")
    other.page.keyboard.press("c")
    other.page.wait_for_selector("#second:visible")
    assert "reviewer-a failed it: the price was not told" in other.page.locator("#first-said").inner_text()
    assert "Uphold (cancels what is open)" in other.page.locator("#uphold").inner_text()
    other.page.keyboard.press("u")
    other.page.wait_for_selector("#given:visible")
    with other.page.expect_response("**/second"):
        other.page.keyboard.press("c")  # what was given is sent before anything else is looked at
    assert other.complaints == []
    other.close()
    return other


def tells_how_much_was_heard(home):
    [first, *_] = home.ask("GET", "/v1/reviews?verdict=passed&limit=200&wait=true", role="admin")[1]["calls"]
    assert first["reviews"][0]["heard"] > 0
    unheard = home.ask("POST", f"/v1/reviews/{first['id']}", {"verdict": "pass"}, role="reviewer-a")
    assert unheard[1]["errors"][0]["code"] == "not_heard"


def passes_seven_and_takes_one_back(page, keys):
    """Pass what is heard, while a key pressed again before a verdict is given is no verdict on the next call."""
    page.route(OF_ONE_CALL, lambda route: (keys.press("p"), route.continue_()))
    for n in range(1, CALLS - 2):
        keys.press("p")
        comes(page, f"rec-{7000 + n}")
        hears(page)
    page.unroute(OF_ONE_CALL)
    keys.press("p")
    comes(page, "rec-7008")
    keys.press("z")
    comes(page, "rec-7007")  # a slip is taken back: nothing of it was sent
    assert page.locator("#given").is_hidden()


def test_ten_reviews_by_keyboard_and_one_is_looked_at_again(home, browser):
    orders = [home.place(7000 + n)[1]["id"] for n in range(CALLS)]
    until("asked", lambda: {home.state(each) for each in orders} == {"awaiting_reply"})
    tab = Tab(browser, home, "reviewer-a")
    tab.sign_in("/review")
    page, keys = tab.page, tab.page.keyboard
    page.wait_for_selector("#queue li >> nth=9")
    page.wait_for_selector("#sold li")
    assert "rec-7000" in page.locator("#facts").inner_text(), "the oldest first"
    assert "+86138****7000" in page.locator("#facts").inner_text()
    assert "13800007000" not in page.content()
    assert "5G" in page.locator(".asked").inner_text()
    keys.press("Space")
    page.wait_for_function("() => document.getElementById('player').currentTime > 0")
    keys.press("ArrowRight")
    page.wait_for_function("() => document.getElementById('player').currentTime > 4")
    assert [url for url in tab.asked if url.endswith("/rec-7000.wav")]
    page.locator("#heard").focus()
    comes(page, "rec-7000")
    keys.press("s")
    assert "1.25" in page.locator("#speed").inner_text()
    passes_seven_and_takes_one_back(page, keys)
    keys.down("p")
    comes(page, "rec-7008")
    keys.down("p")  # as a key that is held down says it again: it decides nothing
    keys.up("p")
    keys.press("p")
    assert "先播放" in page.locator("#wrong").inner_text()
    hears(page)
    keys.press("f")
    page.wait_for_selector("#reasons input:focus")
    keys.press("Escape")
    page.wait_for_selector("#fail:focus")
    keys.press("p")
    comes(page, "rec-7009")
    keys.press("f")
    page.wait_for_selector("#reasons input:focus")
    for key in ("1", "4", "Enter"):
        keys.press(key)
    page.wait_for_selector("#why", state="hidden")
    keys.press("c")  # while the page looks for the next call; SQL does not have the verdict yet
    page.wait_for_selector("#same:visible")
    page.wait_for_selector("#coverage svg.covered[aria-label$='10 条已听，0 条未听']")
    assert home.ask("GET", "/v1/reviews", role="admin")[1]["calls"] == [], "all were heard"
    assert page.locator("#uphold").is_hidden()
    assert "同一位" in page.locator("#same").inner_text()
    tab.close()
    other = looks_again(home, browser)
    until("cancelled", lambda: home.state(orders[-1]) == "cancelled")
    tells_how_much_was_heard(home)
    assert [each for each in tab.complaints if "403" not in each] == []
    assert not [url for url in (*tab.asked, *other.asked) if "1380000" in url]
