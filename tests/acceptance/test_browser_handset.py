"""The handset of `consent serve` in a real browser: the question is read and answered by keyboard."""

import re
from types import SimpleNamespace

import pytest

from tests.acceptance.axe import grave
from tests.acceptance.tab import Tab, fill, goto, hang_up
from tests.integration.api_door import NUMBER
from tests.integration.serve_house import place

STEPS = {
    "zh-CN": ["确认短信已交给网关", "已送达手机", "用户回复同意", "业务已开通", "开通通知已交给网关"],
    "en-GB": ["handed over", "On the handset", "said yes", "Service activated", "Notification"],
}
END = {"zh-CN": "已通知，完成", "en-GB": "done"}


@pytest.fixture
def opened(browser, page):
    """Open the handset; at the end no page has complained."""
    contexts, complaints = [], []

    def one(language, width, scheme):
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": 700}, color_scheme=scheme, locale=language,
                timezone_id="Asia/Shanghai",
            )
        )  # fmt: skip
        tab = contexts[-1].new_page()
        tab.on("console", lambda said: complaints.append(said.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        goto(tab, page)
        tab.wait_for_selector("#messages li")
        return tab

    yield one
    for each in contexts:
        each.close()
    assert complaints == []


def test_a_newcomer_is_led_from_the_desk_to_the_own_yes_and_sees_why_one_in_the_call_counts_for_little(
    serving, consent, browser
):
    home = SimpleNamespace(api=f"http://127.0.0.1:{serving.port}", keys={})
    home.keys["desk"] = consent("keys", "add", "desk", "--role", "agent").stdout.split()[-1]
    desk = Tab(browser, home, "desk")
    desk.sign_in("/desk")
    fill(desk, 138000)
    desk.page.keyboard.press("Enter")
    with desk.page.expect_popup() as opened:
        desk.page.locator("#watching a", has_text="模拟手机").click()
    phone = opened.value
    phone.wait_for_selector("#messages li")
    phone.locator("#waits", has_text="通话中回复的“是”不算数").wait_for()
    phone.locator("#quick button", has_text=re.compile("^是$")).click()
    coded = phone.locator("#quick button", has_text=re.compile(r"^是\d{3}$"))
    coded.wait_for()
    desk.page.locator("#say-next", has_text="加编号").wait_for()
    assert "通话尚未结束" in desk.page.locator("#timeline [data-trigger=replied_suspect]").inner_text()
    hang_up(desk, "rec-own")
    phone.wait_for_selector("#waits", state="hidden")
    coded.click()
    phone.locator("#lives .state.done").wait_for()
    assert phone.locator("#quick button").all_inner_texts() == ["TD"], "nothing else is asked"
    assert desk.complaints == []
    desk.close()


def test_the_question_is_answered_by_keyboard_and_the_orders_life_is_seen_beside_it(serving, consent, opened):
    place(serving, consent("keys", "add", "desk", "--role", "agent").stdout.split()[-1])
    tab = opened("zh-CN", 1280, "light")
    assert "5G智享套餐" in tab.inner_text("#messages")
    assert NUMBER in tab.inner_text("#numbers")
    assert tab.evaluate("document.documentElement.scrollWidth") == 1280
    tab.focus("#text")
    tab.keyboard.type("是")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#messages li >> nth=2")  # the notification
    assert tab.locator("#messages li.own").inner_text().startswith("是")
    assert tab.input_value("#text") == ""
    for language, width, shown in (("zh-CN", 1280, tab), ("en-GB", 320, opened("en-GB", 320, "dark"))):
        shown.locator("#lives .state.done", has_text=END[language]).wait_for()
        told = shown.locator("#lives .steps").inner_text()
        assert [step for step in STEPS[language] if step not in told] == []
        assert shown.locator("#lives a").get_attribute("href").startswith(f"http://127.0.0.1:{serving.port}/orders/")
        assert shown.evaluate("document.documentElement.scrollWidth") == width
        assert (language == "zh-CN") == bool(re.search("[一-鿿]", shown.inner_text("header h1")))
        assert grave(shown) == []
