"""/desk as an agent has it all day: a teleprompter with few keys. Nothing is typed twice, nothing is lost, a refusal is
two keys away, and each state has its sentence to say."""

import pytest

from consent_engine.api.web.words import words
from tests.acceptance.tab import Tab, begin, fill, hang_up, read_aloud
from tests.waiting import until

KEYS_AN_ORDER = 8
KEYS_WITH_A_SOFTPHONE = 4


@pytest.fixture
def desk(browser, home):
    tab = Tab(browser, home, "agent")
    tab.sign_in("/desk")
    yield tab
    assert tab.complaints == []
    tab.close()


class Keys:
    """A keyboard that counts its keys, except the number, the recording, and Space (a line that was read)."""

    def __init__(self, desk):
        self.board, self.count = desk.page.keyboard, 0

    def press(self, key):
        self.board.press(key)
        self.count += 1


def callable_(home, number):
    asked = {"msisdn": f"138{number:08d}", "carrier": "mobile"}
    return home.ask("POST", "/v1/callable", asked)[1].get("reason", "yes")


def call_of(home, order):
    return home.ask("GET", f"/v1/calls/{home.show(order)['timeline'][0]['detail']['call']}")[1]


def typed(desk):
    fields = ("carrier", "msisdn", "plan", "agent", "recording", "started", "agreed")
    return {field: desk.page.locator(f"#{field}").input_value() for field in fields}


def read_so_far(desk):
    return desk.page.locator("#script time").all_inner_texts()


def test_an_order_takes_few_keys_and_its_call_keeps_what_was_read_and_when(home, desk):
    desk.page.evaluate("() => localStorage.setItem('agent', 'A1024')")
    keys = Keys(desk)
    desk.page.keyboard.type("13800007301")
    keys.press("Enter")
    desk.page.wait_for_selector("#begin:focus")
    assert "许可至" in desk.page.locator("#dial-said").inner_text()
    keys.press("Enter")
    desk.page.wait_for_selector("#plan:focus")
    keys.press("ArrowDown")
    desk.page.wait_for_selector("#script li.now")
    desk.page.keyboard.press("F9")
    assert "没有宣读" in desk.page.wait_for_selector("#wrong strong").inner_text(), "nobody agrees to what was not read"
    read = desk.page.locator("#script li").evaluate_all("all => all.map((each) => each.dataset.key)")
    read_aloud(desk)
    keys.press("F9")
    desk.page.wait_for_selector("#place:focus")
    keys.press("Enter")
    order = desk.page.wait_for_selector("#facts dd").inner_text()
    desk.page.wait_for_selector('#timeline [data-trigger="confirmation_accepted"]')
    assert desk.page.locator("#say-next").inner_text() == words("zh")["say.hang_up"]
    keys.press("F2")
    desk.page.wait_for_selector("#recording:focus")
    desk.page.keyboard.type("rec-keys")
    keys.press("Enter")
    desk.page.wait_for_selector("#call-said.good:not(:empty)")
    assert keys.count <= KEYS_AN_ORDER
    assert desk.page.locator("#say-next").inner_text() == words("zh")["say.awaiting_reply"]
    assert "尾号 7301" in desk.page.locator("#mine-list").inner_text()
    call = call_of(home, order)
    assert (call["outcome"], call["recording"]["ref"], call["permit"], call["violations"]) == (
        "agreed",
        "rec-keys",
        True,
        [],
    )
    assert [each["id"] for each in call["disclosures"]] == read
    assert {"price", "term", "early_fee", "scenario", "unsubscribe"} < set(read)
    instants = [call["started_at"], *(each["at"] for each in call["disclosures"]), call["ended_at"]]
    assert instants == sorted(instants)


def test_in_a_call_the_desk_shows_what_is_next_and_knows_what_key_and_plan_say(home, browser):
    first = home.place(7309)[1]["id"]
    made = home.command("keys", "add", "zhang", "--role", "agent", "--agent", "A7001")
    home.keys["zhang"] = made.stdout.split()[-1]
    desk = Tab(browser, home, "zhang")
    desk.sign_in("/desk")

    def is_primary(wanted):
        shown = desk.page.locator("button.main:visible")
        shown.and_(desk.page.locator(wanted)).wait_for()
        assert shown.count() == 1

    is_primary("#check")
    desk.page.keyboard.type("13800007309")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#begin:focus")
    assert "已有未完成的订单：5G" in desk.page.locator("#dial-said").inner_text(), "said before anybody is called"
    assert first not in desk.page.content(), "another agent's"
    is_primary("#begin")
    assert desk.page.locator("#agent[readonly]").input_value() == "A7001"
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#plan:focus")
    assert desk.page.locator("#dial").is_hidden(), "what is finished folds"
    assert "中国移动" in desk.page.locator("#call-now").inner_text()
    desk.page.locator("#plan").select_option("data-pack-10gb")
    is_primary("#stamp")
    desk.page.keyboard.press("F9")
    assert "没有宣读" in desk.page.locator("#wrong").inner_text()
    desk.page.locator("#script").focus()
    read_aloud(desk)
    assert desk.page.locator("#wrong").inner_text() == "", "its cause is gone"
    is_primary("#now-agreed")
    desk.page.keyboard.press("F9")
    is_primary("#place")
    desk.page.keyboard.press("Enter")
    desk.page.locator("#facts dd", has_text="流量").wait_for()
    is_primary("#end-call")
    hang_up(desk, "rec-7309-b")
    is_primary("#next")
    assert desk.complaints == []
    desk.close()


def test_a_softphone_opens_the_desk_in_the_call_and_ends_it(home, desk):
    started = desk.page.evaluate("() => new Date(Date.now() - 60000).toISOString()")
    facts = f"msisdn=13800007302&call=rec-phone&started={started}&agent=A2048&carrier=mobile&plan=data-pack-10gb"
    desk.goto(f"{home.api}/desk#{facts}")
    desk.page.wait_for_selector("#script li.now")
    assert "00007302" not in desk.page.url.removeprefix(home.api), "no number stays in an address"
    read_aloud(desk)
    keys = Keys(desk)
    keys.press("F9")
    desk.page.wait_for_selector("#place:focus")
    keys.press("Enter")
    order = desk.page.wait_for_selector("#facts dd").inner_text()
    over = desk.page.evaluate("() => new Date().toISOString()")
    desk.goto(f"{home.api}/desk#ended={over}&call=rec-phone&sha256={'9f' * 32}")
    desk.page.wait_for_selector("#call-said.good:not(:empty)")
    call = call_of(home, order)
    assert keys.count <= KEYS_WITH_A_SOFTPHONE
    assert (call["recording"]["ref"], call["recording"]["sha256"], call["agent"]) == ("rec-phone", "9f" * 32, "A2048")
    assert call["recording"]["seconds"] >= 60
    assert not [url for url in desk.asked if "00007302" in url.removeprefix(home.api).partition("#")[0]]


def test_nothing_typed_or_read_is_lost_by_a_reload_or_the_other_language(desk):
    fill(desk, 7303)
    desk.page.keyboard.press("F2")
    desk.page.wait_for_selector("#recording:focus")
    desk.page.keyboard.type("rec-7303")
    desk.page.keyboard.press("Escape")
    before, stamped = typed(desk), read_so_far(desk)
    assert all(before.values())
    assert all(stamped)
    desk.page.reload()
    desk.page.wait_for_selector("#script li.read")
    assert (typed(desk), len(read_so_far(desk))) == (before, len(stamped))
    desk.page.locator("a[hreflang=en]").click()
    desk.page.wait_for_selector("html[lang=en] #script li.read")
    assert typed(desk) == before
    assert [each.removeprefix("read at ") for each in read_so_far(desk)] == [
        each.removesuffix(" 已读") for each in stamped
    ]
    desk.page.locator("#place").click()
    desk.page.wait_for_selector("#facts dd")
    desk.page.keyboard.press("F2")
    desk.page.wait_for_selector("#end-do:focus")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#call-said.good:not(:empty)")
    desk.page.locator("#next").click()
    assert not {"draft", "call"} & set(desk.page.evaluate("() => Object.keys(sessionStorage)"))


def test_a_spoken_refusal_takes_two_keys_before_there_is_an_order(home, desk):
    fill(desk, 7304)
    desk.page.keyboard.press("F8")
    desk.page.wait_for_selector("#refuse-do:focus")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#refused:not(:empty)")
    assert callable_(home, 7304) == "refused"
    assert desk.page.wait_for_selector("#outcome:visible").input_value() == "refused"
    desk.page.keyboard.type("rec-7304")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#call-said.good:not(:empty)")
    assert desk.page.locator("#msisdn:focus").input_value() == ""


def test_who_declines_a_plan_is_not_offered_it_again_and_the_call_says_so(home, desk):
    begin(desk, 7306)
    desk.page.keyboard.press("ArrowDown")
    plan = desk.page.locator("#plan").input_value()
    hang_up(desk, "rec-7306")
    assert "用户谢绝该套餐" in desk.page.locator("#call-said").inner_text()
    asked = {"carrier": "mobile", "plan": plan, "msisdns": ["13800007306"]}
    assert home.ask("POST", "/v1/permits", asked)[1]["permits"][0]["denied"] == "cool_off"


def test_a_call_that_was_wrong_says_so_at_once_and_sells_nothing(home, desk):
    desk.type("#msisdn", "13800007307")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#call-step:enabled")
    if not desk.page.locator("#agent").input_value():
        desk.type("#agent", "A1024")
    refused = {"msisdn": "13800007307", "carrier": "mobile", "channel": "sms"}
    assert home.ask("POST", "/v1/refusals", refused)[0] == 201  # between the permit and the call
    desk.press("#begin")
    desk.page.wait_for_selector("#end-call:focus")
    assert "用户已拒绝来电" in desk.page.locator("#call-wrong").inner_text()
    assert desk.page.locator("#plan").is_disabled()


def test_a_spoken_refusal_takes_two_keys_while_an_order_waits_and_cancels_it(home, desk):
    fill(desk, 7305)
    desk.press("#place")
    order = desk.page.wait_for_selector("#facts dd").inner_text()
    desk.page.wait_for_selector('#timeline [data-trigger="confirmation_accepted"]')
    desk.page.keyboard.press("F8")
    desk.page.wait_for_selector("#refuse-do:focus")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#state.off")
    assert callable_(home, 7305) == "refused"
    assert home.state(order) in {"declined", "cancelled"}


def test_another_window_lists_the_orders_of_today(home, browser, desk):
    order = home.place(7308)[1]["id"]
    other = Tab(browser, home, "agent")
    other.sign_in("/desk")
    mine = "() => fetch('/desk/mine').then((answer) => answer.text())"  # looked up once a second
    until("the order is listed", lambda: order in other.page.evaluate(mine))
    other.page.reload()
    other.page.wait_for_selector(f"#mine-list button[title='{order}']")
    assert "尾号 7308" in other.page.locator("#mine-list").inner_text()
    other.close()


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
    desk.complaints.clear()  # a browser logs every answer of 4xx


def test_its_instants_are_by_the_clock_of_the_business_wherever_the_browser_is(browser, home):
    tab = Tab(browser, home, "agent", zone="America/New_York")
    tab.sign_in("/desk")
    tab.run("fields.js", "({ setInstant }) => setInstant('agreed', new Date('2025-08-01T02:04:31.250Z'))")
    assert tab.page.locator("#agreed").input_value() == "2025-08-01 10:04:31"
    tab.page.locator("#msisdn").press("1")
    tab.page.reload()
    tab.page.wait_for_function("() => document.getElementById('agreed').value")
    said = tab.run("fields.js", "({ heldIn }) => heldIn('agreed')")
    assert said == "2025-08-01T02:04:31.250Z", "as exact as it was stamped, also after a reload"
    assert "Asia/Shanghai" in tab.page.locator("label[for=agreed]").inner_text()
    assert tab.complaints == []
    tab.close()


def test_an_answer_that_took_long_does_not_set_the_desks_clock_back(desk):
    shifted = """async ({ call, now }, took) => {
      const [clock, ask] = [Date.now, window.fetch];
      let at = clock();
      const said = new Date(took < 0 ? at + took : at).toUTCString();
      Date.now = () => at;
      window.fetch = async () => { at += Math.max(took, 0); return new Response("{}", { headers: { Date: said } }); };
      await call("GET", "/healthz");
      const off = now().getTime() - at;
      [Date.now, window.fetch] = [clock, ask];
      return off;
    }"""
    assert desk.run("common.js", shifted, 8_000) == 0
    assert desk.run("common.js", shifted, -8_000) <= -8_000, "a clock that is ahead of the server's is corrected"
    assert desk.run("common.js", shifted, 0) == 0, (
        "one answer whose date was old sets it wrong until the next, not for ever"
    )
