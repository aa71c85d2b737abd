"""The receipt that reaches its subscriber: its number stands in the SMS, and opens one record with four more digits."""

import json
import re
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from consent_engine.api.service import brakes
from consent_engine.domain.days import CHINA
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.restriction import Kind, name_of, receipt_of
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.receipt import LASTS_MS, ReceiptNotFound, TooManyLooks
from consent_engine.engine.receive import RefusalAsked
from tests.conftest import FakeGateway
from tests.integration.api_door import NUMBER, is_problem, order, reply

LAST = NUMBER[-4:]
ENGLISH = {"Accept-Language": "en"}


def post(door, number, digits=LAST, site="same-origin", **more):
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": site, **more.pop("headers", {})}
    form = urlencode({"number": number, "last_four": digits, **more}).encode()
    return door.call("POST", "/receipt", None, content=form, headers=sent)


def get(door, number, digits=LAST):
    return door.call("POST", "/v1/receipts", None, {"number": number, "last_four": digits})


@pytest.fixture
def gateway(door):
    """A gateway that keeps all SMS that are handed over, in the place of the simulated one."""
    named = door.engine.outside.gateways
    named["simulated"] = FakeGateway("simulated", webhooks=named["simulated"].webhooks)
    return named["simulated"]


@pytest.fixture
def answered(door):
    """Answer the open order with words; return it as it is then."""

    def say(text):
        made = door.place(order()).json()["id"]
        door.work(Lane.SMS)
        door.post("inbound", reply(text))
        door.work(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
        return door.engine.show(made)

    return say


def test_a_receipt_of_an_order_says_what_happened_and_nothing_of_the_person(door, answered):
    done = answered("是。谢谢")
    page = post(door, done.receipt.lower())
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert "<script" not in page.text
    for said in (
        "5G智享套餐199元档",
        "您回复同意",
        "业务已开通",
        "已通知，完成",
        "*******8000",
        "/tariffs/5g-smart-199/1",
        "199元/月",
    ):
        assert said in page.text, said
    got = get(door, done.receipt)
    record = got.json()
    states = [each["event_state"] for each in record["events"] if each["event_state"]]
    assert states == ["dpv:ConsentUnknown", "dpv:ConsentRequested", "dpv:ConsentGiven"]
    assert record["record"] == {
        "schema_version": "ISO/IEC TS 27560:2023", "record_id": done.head, "pii_principal_id": "*******8000",
    }  # fmt: skip
    assert record["pii_processing"]["purposes"][0]["lawful_basis"] == "dpv:Consent"
    for text in (page.text, got.text):
        assert not any(each in text for each in (NUMBER, NUMBER[3:], "谢谢", done.id, done.line))
    file = post(door, done.receipt, **{"as": "json"})
    assert file.headers["content-disposition"] == f'attachment; filename="receipt-{done.receipt}.json"'
    assert json.loads(file.content)["events"] == record["events"]


@pytest.mark.parametrize(("text", "state"), [("否", "dpv:ConsentRefused"), ("TD", "dpv:ConsentRefused")])
def test_who_says_no_is_given_a_number_that_leads_to_it(door, answered, gateway, text, state):
    order = answered(text)
    [number] = [found[1] for sms in gateway.sent if (found := re.search("凭证号([0-9A-Z]{8})", sms.text))]
    assert number == order.receipt
    record = get(door, number).json()
    assert (record["state"], record["events"][-2]["event_state"]) == ("order.declined", state)


def test_a_refusal_without_an_order_has_one_as_long_as_it_stands(door, gateway):
    door.post("inbound", reply("TD"))
    door.work(Lane.INBOUND, Lane.SMS)
    [number] = [found[1] for sms in gateway.sent if (found := re.search("凭证号([0-9A-Z]{8})", sms.text))]
    line = door.engine.line(Msisdn(NUMBER))
    assert number == receipt_of(line.id, name_of(Kind.REFUSED, "mobile"))
    assert get(door, number).json()["state"] == "refusal.refused"
    assert "拒绝来电" in post(door, number).text


def test_a_complaint_shows_how_far_it_is(door):
    called = CHINA.instant(door.engine.registry.now() - 3_600_000)
    told = {"msisdn": NUMBER, "carrier": "mobile", "caller_number": "10085", "called_at": called, "what": "推销"}
    row = door.call("POST", "/v1/reports", "ops", {**told, "channel": "hotline"}).json()
    number = row["number"]
    first = post(door, number, headers=ENGLISH)
    assert "Being looked into" in first.text
    assert "推销" not in first.text
    decided = {"class": "ours_unrecorded", "note": "internal", "reward": "none"}
    assert door.call("POST", f"/v1/reports/{row['id']}/decide", "ops", decided).status_code == 200
    record = get(door, number).json()
    assert record["state"] == "report.decided"
    assert record["events"][-1]["facts"] == {"class": "ours_unrecorded", "reward": "none"}
    assert "our call, without a record" in post(door, number, headers=ENGLISH).text


def test_a_withdrawal_stands_in_the_receipt_of_its_order(door, answered):
    done = answered("是")
    asked = {"cause": "withdrawn", "channel": "hotline", "reason": "too dear"}
    assert door.call("POST", f"/v1/orders/{done.id}/end", "ops", asked).status_code in {200, 201, 202}
    door.work(Lane.ACTIVATION, Lane.SMS)
    record = get(door, done.receipt).json()
    assert record["state"] == "ending.ended"
    assert [each["event_state"] for each in record["events"]][-2:] == ["dpv:ConsentWithdrawn", ""]
    assert "too dear" not in post(door, done.receipt).text


def test_whatever_is_wrong_is_answered_alike_and_a_number_is_in_no_address(door, answered):
    done = answered("是")
    for number, digits in ((done.receipt, "8001"), ("00000000", LAST)):
        is_problem(get(door, number, digits), 404, "receipt_not_found")
        assert post(door, number, digits).status_code == 404
    assert door.call("GET", f"/receipt?number={done.receipt}&last_four={LAST}").text.count(done.receipt) == 0
    is_problem(get(door, "nothing", LAST), 422, "malformed")
    assert post(door, "nothing").status_code == 422
    assert post(door, done.receipt, site="cross-site").status_code == 403


def test_a_receipt_lasts_for_24_months_though_the_person_part_goes_sooner(door, answered):
    done, archive = answered("否"), door.engine.store.archive
    assert get(door, done.receipt).status_code == 200
    receipts, now = door.engine.receipts, door.engine.registry.now()
    with archive.asking() as connection:
        connection.exec_driver_sql("UPDATE orders SET person = NULL")
    receipts._now = lambda: now + LASTS_MS - 60_000  # noqa: SLF001 - a clock by hand
    assert receipts.find(done.receipt, LAST).state == "order.declined"
    receipts._now = lambda: now + LASTS_MS + 60_000  # noqa: SLF001
    with pytest.raises(ReceiptNotFound):
        receipts.find(done.receipt, LAST)


def test_nobody_finds_a_receipt_by_trying(door, answered):
    done, clock = answered("是"), [0.0]
    looks = door.app.state.receipts = brakes.LooksForReceipts(lambda: clock[0])

    def look(number, digits, address):
        request = SimpleNamespace(client=SimpleNamespace(host=address), app=door.app)
        return door.runner.run(looks.find(request, number, digits))

    for n in range(brakes.MOST_LOOKS):
        with pytest.raises(ReceiptNotFound):
            look(done.receipt, f"{n:04}", f"192.0.{n}.1")
    with pytest.raises(TooManyLooks):
        look(done.receipt, LAST, "198.51.100.1")
    for n in range(brakes.MOST_CODES):
        with pytest.raises(ReceiptNotFound):
            look(f"AAAA{n:04}", LAST, "203.0.113.1")
    with pytest.raises(TooManyLooks):
        look("BBBB0000", LAST, "203.0.113.1")
    clock[0] += brakes.LOOKS_S
    assert look(done.receipt, LAST, "203.0.113.1").state == "order.notified"


def coded(door):
    line = door.engine.line(Msisdn(NUMBER))
    return door.engine.outside.code_of(line.id, line.code.seed)


def test_with_a_code_sent_to_the_number_all_of_its_records_are_shown(door, answered, gateway):
    done = answered("是")
    door.place(order(plan="data-pack-10gb", call={"recording_id": "rec-other"}), key="key-2")
    door.engine.refuse(RefusalAsked(Msisdn(NUMBER), "unicom", "ops", "ops-1"))
    alone = post(door, done.receipt)
    assert alone.text.count("<article") == 1
    asked = post(door, done.receipt, **{"as": "code"})
    assert (asked.status_code, "<article" in asked.text) == (200, False)
    door.work(Lane.SMS)
    assert coded(door) in gateway.sent[-1].text
    ticket = re.search('name="ticket" value="([^"]*)"', asked.text)[1]
    wrong = post(door, done.receipt, **{"as": "all", "code": "000000", "ticket": ticket})
    assert (wrong.status_code, "<article" in wrong.text, 'name="code"' in wrong.text) == (422, False, True)
    whole = post(door, done.receipt, **{"as": "all", "code": coded(door), "ticket": ticket})
    assert whole.status_code == 200
    assert whole.text.count("<article") == 3
    assert "中国联通" in whole.text
    assert NUMBER[3:] not in whole.text


def test_all_records_over_http_need_the_code_and_go_to_no_later_holder(door, answered):
    done = answered("是")
    found = {"number": done.receipt, "last_four": LAST}
    ticket = door.call("POST", "/v1/receipts/code", None, found).json()["ticket"]
    refused = door.call("POST", "/v1/receipts/all", None, found | {"code": "000000", "ticket": ticket})
    is_problem(refused, 422, "code_wrong")
    got = door.call("POST", "/v1/receipts/all", None, found | {"code": coded(door), "ticket": ticket})
    assert [each["receipt_id"] for each in got.json()] == [done.receipt]
    now = CHINA.instant(door.engine.registry.now())
    event = {"msisdn": NUMBER, "event": "assigned", "at": now}
    assert door.call("POST", "/v1/lines/events", "ops", event).status_code in {200, 201}
    is_problem(door.call("POST", "/v1/receipts/code", None, found), 404, "receipt_not_found")
    assert door.engine.receipts.of_number(Msisdn(NUMBER)) == []
    assert get(door, done.receipt).status_code == 200, "the first holder has the SMS, and this one record"
