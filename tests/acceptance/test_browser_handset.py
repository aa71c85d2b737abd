"""The handset of `consent serve` in a real browser: the question is read and answered by keyboard."""

import pytest

from tests.integration.api_door import NUMBER
from tests.integration.serve_house import place


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_the_question_is_answered_by_keyboard(serving, consent, browser, page, width, scheme):
    key = consent("keys", "add", "desk", "--role", "agent").stdout.split()[-1]
    place(serving, key)
    context = browser.new_context(viewport={"width": width, "height": 700}, color_scheme=scheme)
    tab, complaints = context.new_page(), []
    tab.on("console", lambda said: complaints.append(said.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(page)
    tab.wait_for_selector("#messages li")
    assert "5G智享套餐" in tab.inner_text("#messages")
    assert NUMBER in tab.inner_text("#numbers")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    tab.focus("#text")
    tab.keyboard.type("是")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#messages li >> nth=2")  # the notification
    assert tab.locator("#messages li.own").inner_text().startswith("是")
    assert tab.input_value("#text") == ""
    assert complaints == []
    context.close()
