"""How /ops finds orders: a light list by filters, and by number, by id or by an id's last characters."""

import httpx
import pytest

from consent_engine.domain.days import CHINA, GREENWICH
from consent_engine.domain.lifecycle import State
from consent_engine.engine.api_keys import Role
from tests.integration.api_door import NUMBER, live, order

LISTED_BYTES = 300


@pytest.fixture
def placed(door):
    """Place three orders; return their ids, the oldest first."""
    plans = ("5g-smart-199", "5g-smart-199", "data-pack-10gb")
    return [
        door.place(order(msisdn=f"+8613800138{n:03d}", plan=plan, agent=f"B{n}"), f"k-{n}").json()["id"]
        for n, plan in enumerate(plans)
    ]


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["orders"]]


def test_a_listed_order_takes_less_than_300_bytes_and_its_number_is_masked(door, placed):
    answer = door.sign_in(Role.OPS).get("/ops/orders")
    assert ids(answer) == placed[::-1]
    assert len(answer.content) < LISTED_BYTES * len(placed)
    assert "+86138****8002" in answer.text
    assert "13800138002" not in answer.text
    assert door.sign_in(Role.AUDITOR).get("/ops/orders").content == answer.content


def test_filters_stand_in_the_address_and_are_together(door, placed):
    ops = door.sign_in(Role.OPS)
    door.engine.cancel(placed[0], "me", "no")
    asked = {
        "state=cancelled": placed[:1], "plan=data-pack-10gb": placed[2:], "agent=B1": placed[1:2],
        "carrier=mobile&plan=5g-smart-199": placed[1::-1], "carrier=unicom": [], "since=2000-01-01": placed[::-1],
        "since=2999-01-01": [],
    }  # fmt: skip
    assert {query: ids(ops.get(f"/ops/orders?{query}")) for query in asked} == asked
    for wrong in ("since=today", "since=2025-13-01", "state=lost", "colour=red"):
        assert ops.get(f"/ops/orders?{wrong}").status_code == 422


@pytest.mark.parametrize("agent", ["=1+1", "＝1+1", "＠1", "﹣1"])
def test_what_is_listed_is_had_as_a_file_whole_masked_and_without_formulas(door, placed, agent):
    body = order(msisdn="+8613800138999", agent=agent, plan="data-pack-10gb")
    last = door.place(body, "k-9").json()["id"]
    ops = door.sign_in(Role.OPS)
    answer = ops.get("/ops/orders.csv?plan=data-pack-10gb")
    assert answer.headers["content-disposition"] == 'attachment; filename="orders.csv"'
    head, *rows = answer.text.removeprefix("\ufeff").split("\r\n")
    assert head == "订单,下单时间,状态,号码,运营商,套餐,坐席"
    assert [row.split(",")[0] for row in rows[:-1]] == [last, placed[2]]
    assert rows[0].split(",")[2:] == ["通话中同意", "86138****8999", "中国移动", "data-pack-10gb", f"'{agent}"]
    day = CHINA.of(door.engine.registry.now())
    assert len(ops.get(f"/ops/orders.csv?since={day}&until={day}").text.splitlines()) == 1 + len(placed) + 1
    assert len(ops.get("/ops/orders.csv?until=2001-01-01").text.splitlines()) == 1
    assert ops.get("/ops/orders.csv?colour=red").status_code == 422
    assert door.sign_in(Role.AGENT).get("/ops/orders.csv").status_code == 403


def test_a_file_ends_with_the_key_of_its_reader_and_does_not_look_whole(door, placed):
    door.bounded(known_s=0)
    read = []

    def engines():
        engine = door.installation.engine()
        orders = engine.orders

        def one_and_no_key(wanted, cursor, _):
            page = orders(wanted, cursor, 1)
            read.append(page.orders[0].id)
            door.engine.keys.revoke("the-ops") if len(read) == 2 else None
            return page

        engine.orders = one_and_no_key
        return engine

    door.serve(engines)
    ops = door.sign_in(Role.OPS)
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in ops.cookies.items())}
    with live(door.app) as url, pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        httpx.get(f"{url}/ops/orders.csv", headers=headers)
    assert read == placed[:0:-1]
    assert not door.app.state.front.defects


@pytest.mark.parametrize("shown", [str, lambda told: told[-6:], lambda told: told[-9:].upper()])
def test_an_order_is_found_by_its_id_and_by_the_end_of_it(door, placed, shown):
    assert ids(door.sign_in(Role.OPS).post("/ops/find", {"wanted": shown(placed[1])})) == [placed[1]]


def test_an_order_is_found_by_its_number_in_a_body_alone(door, placed):
    ops = door.sign_in(Role.OPS)
    for wanted in ("13800138001", " +86 138-0013-8001 "):
        assert ids(ops.post("/ops/find", {"wanted": wanted})) == [placed[1]]
    assert ids(ops.post("/ops/find", {"wanted": "13900139000"})) == []
    for nothing in ("0" * 28, "0ff0ff"):
        assert ids(ops.post("/ops/find", {"wanted": nothing})) == []
    for neither in ("abc", "13800", "where is my order"):
        assert ops.post("/ops/find", {"wanted": neither}).status_code == 422


@pytest.mark.parametrize("role", [Role.AGENT, Role.REVIEWER])
def test_who_may_not_open_the_page_finds_nothing(door, role):
    visitor = door.sign_in(role)
    assert visitor.get("/ops/orders").status_code == 403
    assert visitor.post("/ops/find", {"wanted": NUMBER}).status_code == 403


@pytest.mark.parametrize(("hour", "minute", "is_today"), [(0, 30, True), (8, 1, True), (23, 59, True), (24, 1, False)])
def test_a_day_is_the_businesss_own(world, hour, minute, is_today):
    """An order placed at half past midnight in China belongs to that day there, whatever day it is in London."""
    midnight = CHINA.begins("2025-11-27")
    world.clock.now = midnight + (hour * 60 + minute) * 60_000
    world.place()
    world.run()
    funnel = world.engine.store.queries.orders.funnel
    there = {State.AWAITING_REPLY: 1} if is_today else {}
    assert funnel(CHINA.begins("2025-11-27"), CHINA.ends("2025-11-27")) == there
    london = "2025-11-26" if hour < 8 else "2025-11-27"
    assert funnel(GREENWICH.begins(london), GREENWICH.ends(london)) == {State.AWAITING_REPLY: 1}
