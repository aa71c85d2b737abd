"""/desk as an agent has it all day: few keys, nothing typed twice, a refusal at two keys, what to say next."""

import pytest

from consent_engine.api.web.words import words
from tests.acceptance.house import house
from tests.acceptance.tab import Tab, fill

KEYS_AN_ORDER = 8
KEYS_WITH_A_SOFTPHONE = 4


@pytest.fixture(scope="module")
def home(tmp_path_factory, browser):
    with house(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.fixture
def desk(browser, home):
    tab = Tab(browser, home, "agent")
    tab.sign_in("/desk")
    yield tab
    assert tab.complaints == []
    tab.close()


class Keys:
    """A keyboard that counts, but for what is typed into the number and the recording."""

    def __init__(self, desk):
        self.board, self.count = desk.page.keyboard, 0

    def press(self, key):
        self.board.press(key)
        self.count += 1


def callable_(home, number):
    asked = {"msisdn": f"138{number:08d}", "carrier": "mobile"}
    return home.ask("POST", "/v1/callable", asked)[1].get("reason", "yes")


def typed(desk):
    fields = ("carrier", "msisdn", "plan", "agent", "recording", "started", "agreed")
    return {field: desk.page.locator(f"#{field}").input_value() for field in fields}


def test_an_order_takes_few_keys_beside_its_number_and_its_recording(desk):
    desk.page.evaluate("() => localStorage.setItem('agent', 'A1024')")
    keys = Keys(desk)
    desk.page.keyboard.type("13800007301")
    keys.press("Enter")
    desk.page.wait_for_selector("#plan:focus")
    keys.press("ArrowDown")
    keys.press("F9")
    desk.page.wait_for_selector("#recording:focus")
    desk.page.keyboard.type("rec-keys")
    keys.press("Enter")
    desk.page.wait_for_selector("#facts dd")
    assert keys.count <= KEYS_AN_ORDER
    desk.page.wait_for_selector('#timeline [data-trigger="confirmation_accepted"]')
    assert desk.page.locator("#say-next").inner_text() == words("zh")["say.awaiting_reply"]
    assert "尾号 7301" in desk.page.locator("#mine-list").inner_text()


def test_a_softphone_opens_the_desk_with_the_call_filled_in(home, desk):
    desk.page.evaluate("() => localStorage.setItem('agent', 'A1024')")
    started = desk.page.evaluate("() => new Date(Date.now() - 60000).toISOString()")
    facts = f"msisdn=13800007302&call=rec-phone&started={started}&agent=A2048&carrier=mobile"
    desk.page.goto(f"{home.api}/desk#{facts}")
    desk.page.wait_for_selector("#plan:focus")
    assert "7302" not in desk.page.url, "no number stays in an address"
    keys = Keys(desk)
    keys.press("ArrowDown")
    keys.press("F9")
    desk.page.wait_for_selector("#place:focus")
    keys.press("Enter")
    order = home.show(desk.page.wait_for_selector("#facts dd").inner_text())
    assert keys.count <= KEYS_WITH_A_SOFTPHONE
    assert (order["timeline"][0]["ref"], order["timeline"][0]["detail"]["agent"]) == ("rec-phone", "A2048")
    assert not [url for url in desk.asked if "7302" in url.partition("#")[0]]


def test_nothing_typed_is_lost_by_a_reload_or_the_other_language(desk):
    fill(desk, 7303)
    before = typed(desk)
    assert all(before.values())
    desk.page.reload()
    desk.page.wait_for_selector("#script p")
    assert typed(desk) == before
    desk.page.locator("a[hreflang=en]").click()
    desk.page.wait_for_selector("html[lang=en] #script p")
    assert typed(desk) == before
    desk.page.locator("#place").click()
    desk.page.wait_for_selector("#facts dd")
    assert "draft" not in desk.page.evaluate("() => Object.keys(sessionStorage)")


def test_a_spoken_refusal_takes_two_keys_before_there_is_an_order(home, desk):
    fill(desk, 7304)
    desk.page.keyboard.press("F8")
    desk.page.wait_for_selector("#refuse-do:focus")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#refused:not(:empty)")
    assert callable_(home, 7304) == "refused"
    assert desk.page.locator("#msisdn:focus").input_value() == ""


def test_a_spoken_refusal_takes_two_keys_while_an_order_waits_and_cancels_it(home, desk):
    fill(desk, 7305)
    desk.press("#place")
    order = desk.page.wait_for_selector("#facts dd").inner_text()
    desk.page.wait_for_selector('#timeline [data-trigger="confirmation_accepted"]')
    desk.page.keyboard.press("F8")
    desk.page.wait_for_selector("#refuse-do:focus")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#state.failed")
    assert callable_(home, 7305) == "refused"
    assert home.state(order) in {"declined", "cancelled"}


@pytest.mark.parametrize(
    ("number", "told"), [("", "请输入"), ("1380000730", "少了 1 位"), ("+86 138000073055", "多了 1 位")]
)
def test_a_number_that_is_none_is_told_as_a_person_would_say_it(desk, number, told):
    desk.page.keyboard.type(number)
    desk.page.keyboard.press("Enter")
    assert told in desk.page.wait_for_selector("#msisdn-wrong").inner_text()
    desk.page.keyboard.press("F8")
    desk.page.locator("#refuse-do").click()
    assert told in desk.page.wait_for_selector("#refused-number-wrong").inner_text()
    desk.complaints.clear()  # a browser names every answer of 4xx
