"""/board as a supervisor has it open all day, and an agent's own day on /desk: live, narrow, in both languages."""

import pytest

from tests.acceptance.axe import grave
from tests.acceptance.tab import Tab
from tests.waiting import until


def cells(page):
    """The figures of the first agent, by the words of their columns."""
    row = page.locator("#agents tr").first
    return {each.get_attribute("data-label"): each.text_content() for each in row.locator("td").all()}


def test_a_supervisor_watches_the_day_of_each_agent_as_it_happens(home, browser):
    order = home.place(8801)[1]["id"]
    until("asked", lambda: home.state(order) == "awaiting_reply")
    tab = Tab(browser, home, "supervisor", language="en-GB")
    tab.sign_in("/board")
    page = tab.page
    page.wait_for_function("() => document.querySelector('#agents tr')?.textContent.includes('A1024')")
    assert cells(page)["Orders"] != "0"
    confirmed = int(cells(page)["Confirmed"])
    home.say(8801, "是", "mo-8801")
    page.wait_for_function(
        "n => Number(document.querySelector('#agents td[data-label=Confirmed]').textContent) > n", arg=confirmed
    )
    assert "as of" in page.locator(".as-of").inner_text()
    assert "13800008801" not in page.content()
    assert page.locator("nav a").count() == 2, "the board and its help"
    page.locator("#region").focus()
    assert grave(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert grave(page) == []
    assert tab.complaints == []
    tab.close()


@pytest.mark.parametrize("width", [1280, 360])
def test_an_agent_sees_what_came_of_their_day(home, browser, width):
    home.place(8810 + width)
    tab = Tab(browser, home, "agent", language="zh-CN")
    tab.page.set_viewport_size({"width": width, "height": 740})
    tab.sign_in("/desk")
    page = tab.page
    page.wait_for_selector("#day dd")
    shown = dict(
        zip(page.locator("#day dt").all_text_contents(), page.locator("#day dd").all_text_contents(), strict=True)
    )
    assert int(shown["订单"]) > 0
    assert set(shown) == {"通话", "使用许可", "订单", "已确认", "拒绝来电", "回复待核实", "质检不通过"}
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert grave(page) == []
    assert tab.complaints == []
    tab.close()
