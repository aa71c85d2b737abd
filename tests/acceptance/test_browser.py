"""The pages in a real browser: an order placed by keyboard and watched live to its end; stuck effects, retried."""

import logging
import re
import time

import pytest

from consent_engine.domain.hitch import Hitch, in_words
from tests.acceptance.tab import Tab, fill, hang_up
from tests.waiting import until

log = logging.getLogger(__name__)
"""How long after the API a step may show on the page: about a second, with room for a busy machine. The limit of the
median of several steps: the machine may hold one of them up.
"""
FOUND_WITHIN_S, LOOKS = 0.5, 4
"""The limit of the fastest of a few attempts, for the same reason."""
FIFTY = 50
STEPS = ["confirmation_accepted", "said_yes", "service_activated", "notification_accepted"]


@pytest.fixture
def tab(browser, home):
    tabs: list[Tab] = []

    def opened(role, path, **more):
        tabs.append(Tab(browser, home, role, **more))
        tabs[-1].sign_in(path)
        return tabs[-1]

    yield opened
    for each in tabs:
        each.close()


def test_an_order_is_placed_by_keyboard_alone_and_seen_live_to_notified(home, tab):
    desk = tab("agent", "/desk")
    fill(desk, 7001)
    script = desk.page.locator("#script").inner_text()
    for told in (
        "10085",
        "资费标准：",
        "包含内容：",
        "期限：",
        "提前解约：",
        "适用范围：",
        "与现有套餐：",
        "退订方式：",
        "10086",
        "验证码",
    ):
        assert told in script
    desk.press("#place")
    order = desk.page.wait_for_selector("#facts dd").inner_text()
    delays = {}

    def seen(trigger):
        """Wait until the page has the step, and note how long after the API it came."""
        until(trigger, lambda: trigger in [each["trigger"] for each in home.show(order)["timeline"]])
        began = time.monotonic()
        desk.page.wait_for_selector(f'#timeline [data-trigger="{trigger}"]')
        delays[trigger] = round(time.monotonic() - began, 2)

    seen("confirmation_accepted")
    hang_up(desk, "rec-7001")
    assert home.show(order)["confirmation"]["text"] in desk.page.locator("#sms").inner_text()
    assert home.say(7001, "是", "mo-7001")[0] == 200
    for trigger in STEPS[1:]:
        seen(trigger)
    desk.page.wait_for_selector("#state.done")
    assert "是" in desk.page.locator("#sms .theirs").inner_text()
    assert desk.page.locator("#road .reached").count() == 5
    assert "已通知" in desk.page.locator("#announce").text_content()  # for screen readers
    log.info("seconds after the API: %s", delays)  # pytest --log-cli-level=INFO
    assert desk.complaints == []
    assert not [url for url in desk.asked if not url.startswith(home.api) or "00007001" in url.removeprefix(home.api)]


def test_a_double_click_places_one_order_and_a_reload_shows_it_again(home, tab):
    desk = tab("agent", "/desk")
    fill(desk, 7002)
    with desk.page.expect_response("**/v1/orders") as answered:
        desk.page.locator("#place").dblclick()
    assert answered.value.status == 201
    order = desk.page.wait_for_selector("#facts dd").inner_text()
    desk.page.reload()
    assert desk.page.wait_for_selector("#facts dd").inner_text() == order
    assert len([url for url in desk.asked if url.endswith("/v1/orders")]) == 1


def test_an_answer_that_was_lost_is_asked_for_again_by_a_reload_and_is_one_order(home, tab):
    desk = tab("agent", "/desk")
    fill(desk, 7003)
    lost: list[int] = []

    def lose(route):
        lost.append(route.fetch().status)
        route.abort()

    desk.page.route("**/v1/orders", lose)
    desk.press("#place")
    desk.page.wait_for_selector("#wrong strong")
    assert lost == [201]
    desk.page.unroute("**/v1/orders")
    with desk.page.expect_response("**/v1/orders") as answered:
        desk.page.reload()
    assert answered.value.status == 200  # the same order
    desk.page.wait_for_selector("#facts dd")
    assert "placing" not in desk.page.evaluate("() => Object.keys(sessionStorage)")


def test_who_refused_must_not_be_called(home, tab):
    refused = {"msisdn": "13800007004", "carrier": "mobile", "channel": "voice"}
    assert home.ask("POST", "/v1/refusals", refused)[0] == 201
    desk = tab("agent", "/desk", language="en-GB")
    desk.type("#msisdn", "13800007004")
    desk.page.keyboard.press("Enter")
    assert "Do not call" in desk.page.wait_for_selector("#dial-said .bad").inner_text()
    assert desk.page.locator("#plan").is_disabled()
    assert desk.page.locator("#place").is_disabled()


def test_what_is_wrong_is_told_at_its_field_and_has_the_focus(home, tab):
    desk = tab("agent", "/desk", language="en-GB")
    desk.type("#msisdn", "12345")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#msisdn[aria-invalid=true]:focus")
    assert "6 missing" in desk.page.locator("#msisdn-wrong").inner_text()
    desk.page.keyboard.press("ControlOrMeta+a")
    fill(desk, 7005)
    desk.page.locator("#agreed").evaluate("(field) => { field.value = ''; }")  # as before the subscriber agreed
    desk.press("#place")
    desk.page.wait_for_selector("#agreed[aria-invalid=true]:focus")
    assert "Subscriber agreed" in desk.page.locator("#wrong").inner_text()
    desk.page.keyboard.press("F2")
    desk.page.wait_for_selector("#recording:focus")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#recording[aria-invalid=true]:focus")
    assert "recording" in desk.page.locator("#recording-wrong").inner_text()
    assert "recording-wrong" in desk.page.locator("#recording").get_attribute("aria-describedby")


def test_an_order_is_sent_again_as_often_as_may_be_and_cancelled(home, tab):
    desk = tab("agent", "/desk")
    fill(desk, 7006)
    desk.press("#place")
    order = desk.page.wait_for_selector("#facts dd").inner_text()
    hang_up(desk, "rec-7006")
    desk.page.wait_for_selector("#timeline [data-trigger=delivered]")
    for n in range(1, 4):
        desk.page.locator("#resend:enabled").click()
        # Its report was read, too: nobody is asked again over a message that is unread.
        desk.page.wait_for_selector(f"#timeline [data-trigger=delivered] >> nth={n}")
    desk.page.wait_for_selector("#resend:disabled")
    assert "3" in desk.page.locator("#resends").inner_text()
    desk.type("#reason", "用户改变主意")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#state.off")
    assert home.state(order) == "cancelled"


def test_a_resend_that_counted_once_with_the_last_says_so(home, tab):
    desk = tab("agent", "/desk")
    fill(desk, 7009)
    desk.press("#place")
    order = desk.page.wait_for_selector("#facts dd").inner_text()
    desk.page.wait_for_selector("#timeline [data-trigger=delivered]")
    # The answer while the last one is on its way: the order as it was.
    desk.page.route("**/resend", lambda asked: asked.fulfill(json=home.show(order)))
    desk.page.locator("#resend:enabled").click()
    desk.page.wait_for_selector("#acted:has-text('不再计')")
    desk.page.unroute("**/resend")
    desk.page.locator("#resend:enabled").click()
    desk.page.wait_for_selector("#acted:has-text('已要求重发')")


def test_the_pages_fit_a_small_screen(tab):
    for role, path, language in (("agent", "/desk", "zh-CN"), ("ops", "/ops", "en-GB"), ("admin", "/", "en-GB")):
        small = tab(role, path, width=360, language=language)
        small.page.wait_for_selector("main h1", state="attached")
        assert small.page.evaluate("() => document.documentElement.scrollWidth") <= 360
        assert small.complaints == []


def test_signing_out_leaves_nothing_behind(tab):
    desk = tab("agent", "/desk")
    fill(desk, 7008)
    desk.press("#place")
    desk.page.wait_for_selector("#facts dd")
    desk.page.locator("#sign-out button").click()
    desk.page.wait_for_selector("#key")
    assert desk.page.evaluate("() => sessionStorage.length") == 0
    assert [cookie for cookie in desk.context.cookies() if "consent" in cookie["name"]] == []


def test_ops_see_what_is_stuck_why_and_retry_it(home, tab):
    home.stuck.add(7101)
    order = home.place(7101)[1]["id"]
    until("asked", lambda: home.state(order) == "awaiting_reply")
    ops = tab("ops", "/ops", language="en-GB")
    home.say(7101, "是", "mo-7101")
    ops.page.wait_for_selector("#stuck tr")  # without a reload
    assert "500" in ops.page.locator("#stuck .why").inner_text()
    ops.page.locator("#stuck a").click()
    ops.page.wait_for_selector("#timeline [data-trigger=parked]")
    assert ops.page.url.endswith(f"/orders/{order}")
    assert "13800007101" not in ops.page.content()
    ops.page.go_back()
    ops.page.wait_for_selector("#stuck button")
    home.stuck.clear()
    ops.page.locator("#stuck button").focus()
    ops.page.keyboard.press("Enter")
    ops.page.wait_for_selector("#nothing-stuck", state="visible")
    until("told", lambda: home.state(order) == "notified")
    assert home.state(order) == "notified"
    assert ops.complaints == []


def test_a_reason_reads_on_a_page_as_it_does_at_the_terminal(home, tab):
    places = {hitch: len(set(re.findall(r"{\d}", hitch.said[0]))) for hitch in Hitch}
    each = [hitch.of(*range(1, most + 1)) for hitch, most in places.items()]
    within = [hitch.of(*range(1, most), Hitch.PART.of(2, 3, "e:1")) for hitch, most in places.items() if most]
    said = [*each, *within, "E:1", "no_answer", "no_answer: we know", "part:1", "credit too low", ""]
    for n, language in enumerate(("zh-CN", "en-GB")):
        ops = tab("ops", "/ops", language=language)
        assert ops.run("common.js", "({ why }, said) => said.map(why)", said) == [in_words(text, n) for text in said]


def test_ops_do_all_of_one_cause_again_with_one_click_that_says_how_many(home, tab):
    home.stuck.update(range(7110, 7110 + FIFTY))
    orders = [home.place(7110 + n)[1]["id"] for n in range(FIFTY)]
    until("asked", lambda: all(home.state(each) == "awaiting_reply" for each in reversed(orders)))
    ops = tab("ops", "/ops", language="en-GB")
    for n in range(FIFTY):
        home.say(7110 + n, "是", f"mo-{7110 + n}")
    again = ops.page.locator("#causes button", has_text=f"Retry these {FIFTY}")
    again.wait_for()
    assert "500" in ops.page.locator("#causes .why").inner_text()
    home.stuck.clear()
    before, began = len(ops.asked), time.monotonic()
    again.dblclick()  # once is enough, and the second does nothing
    told = f"{FIFTY} retried, 0 no longer stuck, 0 cannot be read, 0 left"
    ops.page.locator("#announce", has_text=told).wait_for()
    took = time.monotonic() - began
    ops.page.wait_for_selector("#causes-region", state="hidden")
    gone = time.monotonic() - began
    log.info("%d stuck: 1 click, done after %.0f ms, off the page after %.0f ms", FIFTY, 1e3 * took, 1e3 * gone)
    assert [url for url in ops.asked[before:] if "retry" in url] == [f"{home.api}/v1/stuck/retry"]
    until("told", lambda: all(home.state(each) == "notified" for each in reversed(orders)))
    retried = [[each["trigger"] for each in home.show(order)["timeline"]].count("retried") for order in orders]
    assert retried == [1] * FIFTY
    assert ops.complaints == []


def found_after(ops, order):
    """Seconds from Enter to an order that is looked for by six characters; then the browser is back on /ops."""
    ops.page.wait_for_selector("#found tr")
    ops.page.keyboard.press("/")
    ops.page.wait_for_selector("#wanted:focus")
    ops.page.locator("#wanted").fill(order[-6:])
    began = time.monotonic()
    ops.page.keyboard.press("Enter")
    ops.page.wait_for_url(f"**/orders/{order}", wait_until="commit")
    took = time.monotonic() - began
    ops.page.wait_for_load_state()  # going back needs a loaded page
    ops.page.go_back()
    return took


def test_ops_find_an_order_by_number_and_the_board_leaves_the_focus_alone(home, tab):
    order = home.place(7201)[1]["id"]
    ops = tab("ops", "/ops", language="en-GB")
    ops.page.wait_for_selector("#found tr")
    before = ops.page.locator("#fresh").inner_text()
    ops.page.keyboard.press("/")
    ops.page.wait_for_selector("#wanted:focus")
    ops.page.keyboard.type("13800007201")
    ops.page.locator("#fresh", has_not_text=before).wait_for()
    assert ops.page.locator("#wanted:focus").input_value() == "13800007201"
    ops.page.keyboard.press("Enter")
    ops.page.wait_for_url(f"**/orders/{order}")
    assert "+86138****7201" in ops.page.locator("main").inner_text()
    assert "13800007201" not in ops.page.locator("main").inner_text()
    ops.page.go_back()
    took = [found_after(ops, order) for _ in range(LOOKS)]
    assert min(took) < FOUND_WITHIN_S, took
    ops.page.locator("#by-state").select_option("unnotified")  # no test of this file gives an order up
    ops.page.wait_for_selector("#no-found:visible")
    assert ops.page.url.endswith("/ops?state=unnotified")
    ops.page.go_back()
    ops.page.wait_for_selector("#found tr")
    assert ops.page.locator("#by-state").input_value() == ""
    assert not [url for url in ops.asked if "13800007201" in url]


def test_rqs_dashboard_works_without_the_internet(home, tab):
    for role in ("ops", "auditor"):
        jobs = tab(role, "/rq/")
        jobs.page.wait_for_selector("td:has-text('sms')")
        jobs.goto(f"{home.api}/rq/0/view/jobs/sms/finished/8/asc/1")
        jobs.page.wait_for_selector("text=/sms: [0-9]+ due/")
        shown = jobs.page.locator(".btn-outline-danger:visible, .btn-outline-success:visible").count()
        assert (shown > 0) == (role == "ops")
        jobs.goto(f"{home.api}/rq/0/view/workers")
        jobs.page.wait_for_selector("tbody tr td")
        assert jobs.complaints == []
        assert not [url for url in jobs.asked if not url.startswith((home.api, "data:"))]
