"""An order's page in a real browser: whole and true, whatever record a part of its story is kept in."""

from datetime import UTC, datetime, timedelta

from consent_engine.api.web.words import words
from tests.acceptance.tab import Tab
from tests.waiting import until

TAKEN_BACK = {"cause": "withdrawn", "channel": "hotline", "reason": "资费没有说清"}


def called(recording):
    began = datetime.now(UTC) - timedelta(minutes=4)
    agreed = began + timedelta(minutes=3)
    instants = {"started_at": began.isoformat(), "agreed_at": agreed.isoformat()}
    return {"caller_number": "10085", "recording_id": recording, **instants}


def test_the_page_of_an_order_tells_of_its_call_its_review_and_its_ending_and_what_bars_it(home, browser):
    order = home.place(9501)[1]["id"]
    other = home.place(9501, plan="data-pack-10gb", call=called("rec-9501-b"))[1]["id"]
    until("asked", lambda: {home.state(order), home.state(other)} == {"awaiting_reply"})
    home.say(9501, "是", "mo-9501-a")
    desk = Tab(browser, home, "agent")
    desk.sign_in("/desk")
    desk.run("fields.js", "({ kept }, id) => kept.write('watching', id)", order)
    desk.page.reload()
    desk.page.locator("#say-next", has_text="不止一项").wait_for()
    desk.page.locator("#sms .ours", has_text="您有2项业务待确认").wait_for()
    home.say(9501, f"是{home.show(order)['confirmation']['code']}", "mo-9501-b")
    until("notified", lambda: home.state(order) == "notified")
    home.say(9501, "我要投诉你们", "mo-9501-c")
    ops = Tab(browser, home, "ops")
    ops.sign_in(f"/orders/{other}")
    ops.page.locator("#marks", has_text="待人工核实").wait_for()
    assert "未核实即视为拒绝" in ops.page.locator("#waiting").inner_text()

    calls = home.ask("GET", "/v1/calls?agent=A1024&limit=200&wait=true", role="ops")[1]["calls"]
    [call] = [each["id"] for each in calls if (each["recording"] or {}).get("ref") == "rec-9501"]
    home.ask("POST", f"/v1/reviews/{call}", {"verdict": "pass", "note": "听清了"}, role="reviewer")
    home.ask("POST", f"/v1/orders/{order}/end", TAKEN_BACK, role="ops")
    ops.goto(f"{home.api}/orders/{order}")
    ops.page.locator("#marks", has_text="已停用").wait_for()
    assert "done" not in ops.page.locator("#state").get_attribute("class"), "green says that all is well"
    assert "业务停用" in ops.page.locator("#road").inner_text()
    for trigger in ("call_began", "ended", "reviewed", "said_yes", "asked_to_end", "switched_off", "told"):
        ops.page.locator(f"#timeline [data-trigger={trigger}]").wait_for()
    assert "听清了" in ops.page.locator("#timeline [data-trigger=reviewed]").inner_text()
    ops.page.locator("#sms .ours", has_text="退订或撤销通知").wait_for()
    assert words("zh")["wake.archive"] not in ops.page.locator("#waiting").inner_text(), "that is nobody's next step"
    [held] = until("it is listed", lambda: home.ask("GET", "/v1/refusals?state=held", role="ops")[1]["held"])
    home.ask("POST", "/v1/refusals/held", {"ids": [held["id"]], "refusal": True}, role="ops")
    assert ops.complaints == desk.complaints == []
    desk.close()
    ops.close()
