"""Replies that may be a refusal, in a real browser: read and decided by keyboard; nothing moves under the pointer."""

import pytest

from tests.acceptance.tab import Tab
from tests.waiting import until

COMPLAINT = "我要投诉你们"


@pytest.fixture
def tab(browser, home):
    tabs: list[Tab] = []

    def opened(role, **more):
        tabs.append(Tab(browser, home, role, **more))
        tabs[-1].sign_in("/ops")
        return tabs[-1]

    yield opened
    for each in tabs:
        each.close()


def say(home, number, text):
    assert home.say(number, text, f"mo-{number}")[1] == {"accepted": 1, "rejected": []}


def callable_(home, number):
    asked = {"msisdn": f"138{number:08d}", "carrier": "mobile"}
    return home.ask("POST", "/v1/callable", asked)[1].get("reason", "yes")


def row(ops, text):
    return ops.page.locator("#held > li", has_text=text)


def test_held_replies_are_read_and_decided_by_keyboard(home, tab):
    order = home.place(9001)[1]["id"]
    until("asked", lambda: home.state(order) == "awaiting_reply")
    ops = tab("ops")
    ops.page.wait_for_selector("#lanes tr")
    assert ops.page.locator("#held-card").is_hidden(), "nothing is held"
    say(home, 9001, "这个套餐拒绝的话要钱吗，上次13800009001打来没说")
    for number in (9002, 9003):
        say(home, number, COMPLAINT)
    row(ops, COMPLAINT).filter(has_text="2 条").wait_for()  # without a reload; one of the two may be shown first
    assert "****" in row(ops, "要钱").inner_text()
    assert "13800009001" not in ops.page.content()

    ops.press("#held > li:nth-child(2) .yes")
    assert "2" in ops.page.wait_for_selector("#held > li.over .said").inner_text()  # for eight seconds
    until("both are refusals", lambda: [callable_(home, n) for n in (9002, 9003)] == ["refused"] * 2)
    assert "已定为拒绝" in ops.page.locator("#announce").text_content()  # for screen readers
    assert ops.page.locator("#held > li:first-child").evaluate("row => row === document.activeElement")

    ops.press("#held > li:first-child .no")
    assert ops.page.locator("#held input:focus").count() == 1
    ops.page.keyboard.press("Escape")
    assert ops.page.locator("#held > li:first-child form").is_hidden()
    ops.page.keyboard.press("Enter")
    ops.page.keyboard.type("询问资费")
    ops.page.keyboard.press("Enter")
    until("the order goes on", lambda: callable_(home, 9001) == "yes")
    until("it is asked with its code", lambda: "resumed" in [each["trigger"] for each in home.show(order)["timeline"]])
    ops.page.wait_for_selector("#held-card", state="hidden")
    assert ops.complaints == []
    assert not [url for url in ops.asked if "1380000900" in url]


def test_nothing_moves_under_the_pointer_and_what_others_decided_says_so(home, tab):
    say(home, 9101, "骗子，我要报警")
    say(home, 9102, COMPLAINT)
    ops = tab("ops", language="en-GB")
    ops.page.wait_for_selector("#held > li >> nth=1")
    second = row(ops, COMPLAINT)
    second.hover()
    before = second.bounding_box()
    first = home.ask("GET", "/v1/refusals?state=held", role="ops")[1]["held"][1]
    home.ask("POST", "/v1/refusals/held", {"ids": [first["id"]], "refusal": True}, role="ops")
    ops.page.wait_for_selector("#held > li.over .said:has-text('Decided meanwhile')")
    assert second.bounding_box()["y"] >= before["y"]
    assert ops.page.locator("#held > li.over .yes").is_hidden()
    ops.page.mouse.move(0, 0)
    ops.page.wait_for_selector("#held > li.over", state="detached")
    second.locator(".yes").click()
    ops.page.wait_for_selector("#held > li.over .said:has-text('1')")
    ops.page.mouse.move(0, 0)
    ops.page.wait_for_selector("#held-card", state="hidden")
    assert (callable_(home, 9101), callable_(home, 9102)) == ("refused", "refused")
    assert ops.complaints == []


def test_it_fits_a_small_screen_and_who_may_not_decide_has_no_button(home, tab):
    say(home, 9201, COMPLAINT * 40)
    for role, language in (("ops", "zh-CN"), ("auditor", "en-GB")):
        small = tab(role, width=360, language=language)
        small.page.wait_for_selector("#held > li")
        assert small.page.evaluate("() => document.documentElement.scrollWidth") <= 360
        assert (small.page.locator("#held button").count() > 0) == (role == "ops")
        assert small.complaints == []
    [held] = home.ask("GET", "/v1/refusals?state=held", role="ops")[1]["held"]
    assert home.ask("POST", "/v1/refusals/held", {"ids": [held["id"]], "refusal": True}, role="ops")[0] == 200
