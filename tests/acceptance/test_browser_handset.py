"""The handset of `consent serve` in a real browser: the question is read and answered by keyboard."""

import re

import pytest

from tests.acceptance.axe import grave
from tests.integration.api_door import NUMBER
from tests.integration.serve_house import place

STEPS = {
    "zh-CN": ["确认短信已交给网关", "已送达手机", "用户回复同意", "业务已开通", "开通通知已交给网关"],
    "en-GB": ["handed over", "On the handset", "said yes", "Service activated", "Notification"],
}
END = {"zh-CN": "已通知，完成", "en-GB": "done"}


@pytest.mark.parametrize(("language", "width"), [("zh-CN", 1280), ("en-GB", 320)])
def test_the_question_is_answered_by_keyboard_and_the_orders_life_is_seen_beside_it(
    serving, consent, browser, page, language, width
):
    scheme = "light" if width > 320 else "dark"
    key = consent("keys", "add", "desk", "--role", "agent").stdout.split()[-1]
    place(serving, key)
    context = browser.new_context(
        viewport={"width": width, "height": 700}, color_scheme=scheme, locale=language, timezone_id="Asia/Shanghai"
    )
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
    tab.locator("#lives .state.done", has_text=END[language]).wait_for()
    told = tab.locator("#lives .steps").inner_text()
    assert [step for step in STEPS[language] if step not in told] == []
    assert tab.locator("#lives a").get_attribute("href").startswith(f"http://127.0.0.1:{serving.port}/orders/")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert (language == "zh-CN") == bool(re.search("[一-鿿]", tab.inner_text("header h1")))
    assert grave(tab) == []
    assert tab.locator("#messages li.own").inner_text().startswith("是")
    assert tab.input_value("#text") == ""
    assert complaints == []
    context.close()
