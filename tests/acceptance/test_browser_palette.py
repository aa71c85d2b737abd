"""The palette in a real browser: the pages that an account may open and the keys of this one, on every page."""

from tests.acceptance.tab import Tab

OPEN = "#palette[open]"


def pages(tab):
    shown = tab.page.locator("#pages li:visible a")
    return [shown.nth(n).get_attribute("href") for n in range(shown.count())]


def focused(tab):
    return tab.page.evaluate("document.activeElement.getAttribute('href') ?? document.activeElement.id")


def test_a_page_is_opened_by_its_name_from_any_page_and_the_keys_of_this_one_stand_there(home, browser):
    desk = Tab(browser, home, "agent")
    desk.sign_in("/desk")
    desk.page.wait_for_selector("#msisdn:focus")
    desk.page.keyboard.press("?")
    assert desk.page.locator("#msisdn").input_value() == "?", "in a field it is a letter"
    desk.page.locator("#msisdn").fill("")
    desk.page.keyboard.press("Control+k")
    desk.page.wait_for_selector(f"{OPEN} #go-to:focus")
    assert pages(desk) == ["/desk", "/help", "/tariffs", "/docs"]
    assert "F8" in desk.page.locator("#palette .keys").inner_text()
    desk.page.keyboard.press("F8")
    assert not desk.page.locator("#refusal").is_visible(), "no key of the page does anything below the palette"
    desk.page.keyboard.press("ArrowDown")
    assert focused(desk) == "/desk"
    desk.page.keyboard.press("ArrowUp")
    desk.page.keyboard.type("没有的")
    desk.page.keyboard.press("Enter")  # an agent may look for no order: nothing is asked
    assert pages(desk) == []
    assert desk.page.locator("#no-page").inner_text() != ""
    desk.page.keyboard.press("Escape")
    desk.page.wait_for_selector("#msisdn:focus")
    desk.page.keyboard.press("Control+k")
    desk.page.keyboard.type("HELP")
    assert pages(desk) == ["/help"]
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_url("**/help")
    desk.page.keyboard.press("?")
    desk.page.wait_for_selector(f"{OPEN} #go-to:focus")
    assert "F8" not in desk.page.locator("#palette .keys").inner_text()
    assert desk.complaints == []
    desk.close()


def test_single_keys_are_switched_off_in_the_palette_and_do_nothing_to_the_page_below_it(home, browser):
    reviewer = Tab(browser, home, "reviewer")
    reviewer.sign_in("/review")
    queue = reviewer.page.locator("[data-verdict=contested]")
    reviewer.page.locator("[data-verdict=pending][aria-pressed=true]").wait_for()
    reviewer.page.locator("h1").click()
    reviewer.page.keyboard.press("?")
    reviewer.page.wait_for_selector(f"{OPEN} #go-to:focus")
    reviewer.page.keyboard.press("ArrowDown")
    reviewer.page.keyboard.press("c")
    assert queue.get_attribute("aria-pressed") == "false"
    reviewer.page.locator("#keys-on").uncheck()
    reviewer.page.keyboard.press("Escape")
    reviewer.page.locator("h1").click()
    for key in ("?", "c"):
        reviewer.page.keyboard.press(key)
    assert (reviewer.page.locator(OPEN).count(), queue.get_attribute("aria-pressed")) == (0, "false")
    reviewer.page.locator("#show-palette").click()
    reviewer.page.locator("#keys-on").check()
    reviewer.page.locator("#palette form[method=dialog] button").click()
    reviewer.page.keyboard.press("c")
    reviewer.page.locator("[data-verdict=contested][aria-pressed=true]").wait_for()
    assert reviewer.complaints == []
    reviewer.close()
