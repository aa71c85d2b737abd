"""Lists, search, resend, and refusals in bulk, over HTTP."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from consent_engine.api.schemas.lists import OrderList, RefusalList
from consent_engine.domain.effects import Lane
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.api_keys import Role
from consent_engine.engine.receive import RefusalAsked
from consent_engine.errors import StoreUnavailable
from tests.integration.api_door import NUMBER, OTHER, is_problem, logged, order, reply

MASKED = "+86138****8000"


def place(door, n, role=Role.AGENT, **changes):
    placed = door.place(order(msisdn=f"+86138{n:08d}", **changes), f"key-{n}", role)
    assert placed.status_code == 201, placed.text
    return placed.json()["id"]


def listed(door, query="", role=Role.OPS):
    answer = door.call("GET", f"/v1/orders{query}", role)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(said):
    return [each["id"] for each in said["orders"]]


# -- lists of orders --------------------------------------------------------------------------------------------------


def test_orders_are_listed_newest_first_page_by_page(door):
    placed = [place(door, n) for n in range(7)]
    found, cursor = [], ""
    for _ in range(10):
        said = listed(door, f"?limit=3&cursor={cursor}")
        OrderList.model_validate(said)
        found += ids(said)
        cursor = said["cursor"]
        if not cursor:
            break
    assert sorted(found) == sorted(placed)
    instants = [each["created_at"] for each in listed(door)["orders"]]
    assert instants == sorted(instants, reverse=True)
    assert ids(listed(door)) == found


DAYS = "?from=2025-08-01&to=2025-08-31"
LISTS = {
    "/v1/orders": "", "/v1/calls": "", "/v1/reviews": "", "/v1/reviews/coverage": DAYS, "/v1/reviews/pressure": DAYS,
    "/v1/reviews/waiting": "", "/v1/refusals": "", "/v1/reports": "", "/v1/undeliverable": "",
}  # fmt: skip
"""Each list and sum that is read in SQL, and what its query needs."""


def test_every_list_says_as_of_when_it_is_and_may_wait_for_what_was_answered_before(door):
    document = door.call("GET", "/openapi.json").json()
    kept = {f"#/components/schemas/{name}" for name, each in document["components"]["schemas"].items()
            if "as_of" in each.get("properties", {})}  # fmt: skip
    told = {path for path, each in document["paths"].items() if "get" in each and kept & refs(each["get"])}
    assert told == LISTS.keys()
    asked = [f"{path}{query}{'&' if query else '?'}" for path, query in LISTS.items()] + ["/v1/refusals?state=held&"]
    door.place(order(), "first")
    for each in asked:
        assert door.call("GET", f"{each}wait=false", Role.ADMIN).json()["as_of"] is None, "no scribe has looked yet"
    for n, each in enumerate(asked):
        placed = door.place(order(msisdn=f"+86138{n:08d}"), f"key-{n}").json()["created_at"]
        assert door.call("GET", f"{each}wait=true", Role.ADMIN).json()["as_of"] > placed, each


def refs(told):
    """Return all that a part of the document refers to."""
    if isinstance(told, dict):
        return {told.get("$ref")} | {ref for each in told.values() for ref in refs(each)}
    return {ref for each in told for ref in refs(each)} if isinstance(told, list) else set()


def test_a_list_that_waits_in_vain_says_as_of_when_it_is(door):
    """The reader of the cell died a moment ago: nobody else brings anything to SQL for ten seconds."""
    door.place(order(), "first")
    assert listed(door, "?wait=true")["as_of"]
    placed = door.place(order(msisdn=OTHER), "second").json()["created_at"]
    assert door.engine.store.journal.read(9, "dead", door.archive.id())
    assert listed(door, "?wait=true")["as_of"] <= placed


def test_filters_are_together(door):
    one = place(door, 1, agent="B7")
    two = place(door, 2, agent="B7", plan="data-pack-10gb")
    three = place(door, 3)
    door.engine.cancel(two, "me", "no")
    assert ids(listed(door, "?agent=B7")) == [two, one]
    assert ids(listed(door, "?state=cancelled")) == [two]
    assert ids(listed(door, "?plan=5g-smart-199&state=agreed")) == [three, one]
    assert ids(listed(door, "?agent=B7&state=cancelled&plan=5g-smart-199")) == []
    assert ids(listed(door, "?agent=nobody")) == []


def test_orders_whose_yes_led_to_nothing_are_a_list(door):
    one = place(door, 1)
    assert ids(listed(door, "?void_yes=false")) == [one]
    assert ids(listed(door, "?void_yes=true&state=expired")) == []
    is_problem(door.call("GET", "/v1/orders?void_yes=perhaps", Role.OPS), 422, "malformed")


def test_since_is_an_instant_whichever_way_it_is_written(door):
    placed = place(door, 1)
    at = datetime.fromisoformat(listed(door)["orders"][0]["created_at"])
    assert ids(listed(door, "?since=2025-08-01T00:00:00%2B08:00")) == [placed]
    assert ids(listed(door, "?since=2025-08-01T00:00:00+08:00")) == [placed]  # curl sends a plus unescaped
    assert ids(listed(door, f"?since={at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z")) == [placed]
    later = at + timedelta(milliseconds=1)
    assert ids(listed(door, f"?since={later.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z")) == []
    assert ids(listed(door, "?since=0001-01-01T00:00:00Z")) == [placed]


WRONG = {
    "?limit=0": ["limit"],
    "?limit=501": ["limit"],
    "?limit=many": ["limit"],
    "?state=happy": ["state"],
    "?agent=": ["agent"],
    "?since=yesterday": ["since"],
    "?since=2025-08-01T10:00:00": ["since"],
    "?since=2025-08-01": ["since"],
    "?cursor=13800138000": ["cursor"],
    "?cursor=x-y": ["cursor"],
    "?msisdn=13800138000": ["msisdn"],
    "?state=agreed&state=expired": ["state"],
    "?13800138000=1&13800138000=2": ["query"],
    "?limit=-1&state=x": ["limit", "state"],
}


@pytest.mark.parametrize("query", WRONG)
def test_a_parameter_that_is_wrong_is_named_and_not_repeated(door, query, caplog):
    caplog.set_level("DEBUG")
    answer = door.call("GET", f"/v1/orders{query}", Role.OPS)
    said = is_problem(answer, 422, "malformed")
    assert [error["field"] for error in said["errors"]] == WRONG[query]
    assert "13800138000" not in answer.text + logged(caplog)
    assert "yesterday" not in answer.text


def test_numbers_and_words_in_lists_are_for_those_who_may_see_them(door):
    door.place_past_the_check(f"{NUMBER[1:]}-1.wav")
    door.work(Lane.SMS)
    door.post("inbound", reply("要不要钱"))
    door.work(Lane.INBOUND)
    for role in (Role.OPS, Role.AUDITOR, Role.ADMIN):
        [said] = listed(door, role=role)["orders"]
        assert said == door.call("GET", f"/v1/orders/{said['id']}", role).json()
    for answer in (
        *(door.call("GET", "/v1/orders", role) for role in (Role.OPS, Role.AUDITOR, Role.ADMIN)),
        door.call("POST", "/v1/orders/search", Role.OPS, {"msisdn": NUMBER}),
    ):
        assert answer.json()["orders"][0]["msisdn"] == MASKED
        assert NUMBER[3:] not in answer.text
        assert "要不要钱" not in answer.text


# -- search -----------------------------------------------------------------------------------------------------------


def test_a_number_finds_its_orders_newest_first(door):
    first = place(door, 5)
    second = door.place(order(msisdn="+8613800000005", plan="data-pack-10gb"), "another").json()["id"]
    place(door, 6)
    said = door.call("POST", "/v1/orders/search", Role.AUDITOR, {"msisdn": "138-0000-0005"}).json()
    assert ids(said) == [second, first]
    assert said["cursor"] == ""
    none = door.call("POST", "/v1/orders/search", Role.OPS, {"msisdn": OTHER}).json()
    assert none == {"orders": [], "cursor": "", "as_of": None}


def test_a_search_gives_a_bounded_page_and_a_cursor_that_goes_on(door):
    placed = []
    for n in range(5):
        placed.append(door.place(key=f"key-{n}").json()["id"])
        door.engine.cancel(placed[-1], "ops", "no")
    found, body = [], {"msisdn": NUMBER, "limit": 2}
    for _ in range(3):
        said = door.call("POST", "/v1/orders/search", Role.OPS, body).json()
        OrderList.model_validate(said)
        assert len(said["orders"]) <= 2
        found += ids(said)
        body["cursor"] = said["cursor"]
    assert found == placed[::-1]
    assert body["cursor"] == ""
    for wrong in ({"limit": 0}, {"limit": 501}, {"limit": "2"}, {"cursor": "x"}, {"cursor": 7}):
        is_problem(door.call("POST", "/v1/orders/search", Role.OPS, {"msisdn": NUMBER} | wrong), 422, "malformed")


@pytest.mark.parametrize("body", [{}, {"msisdn": "1"}, {"msisdn": NUMBER, "carrier": "mobile"}, [], "x"])
def test_a_search_that_cannot_be_read_is_none(door, body):
    answer = door.call("POST", "/v1/orders/search", Role.OPS, body)
    assert answer.status_code == 422
    assert NUMBER not in answer.text


# -- resend -----------------------------------------------------------------------------------------------------------


def test_the_question_is_asked_again_and_not_too_often(door):
    placed = place(door, 1)
    is_problem(door.call("POST", f"/v1/orders/{placed}/resend", Role.AGENT), 409, "not_waiting")
    door.work(Lane.SMS)
    reply_by = door.call("GET", f"/v1/orders/{placed}", Role.AGENT).json()["reply_by"]
    for role in (Role.AGENT, Role.OPS, Role.AGENT):
        answer = door.call("POST", f"/v1/orders/{placed}/resend", role)
        assert answer.status_code == 200, answer.text
        entry = answer.json()["timeline"][-1]
        assert (entry["trigger"], entry["by"]) == ("asked_again", f"the-{role}")
        assert answer.json()["reply_by"] == reply_by
        door.work(Lane.SMS)
    is_problem(door.call("POST", f"/v1/orders/{placed}/resend", Role.AGENT), 429, "too_many_resends")
    door.engine.cancel(placed, "me", "no")
    is_problem(door.call("POST", f"/v1/orders/{placed}/resend", Role.OPS), 409, "not_waiting")


# -- refusals: list, import, lift -------------------------------------------------------------------------------------


def load(door, text, role=Role.OPS, **headers):
    content = text if isinstance(text, bytes) else text.encode()
    return door.call(
        "POST", "/v1/refusals/import", role, content=content, headers={"Content-Type": "text/csv"} | headers
    )


def rows(numbers, carrier="mobile"):
    return "msisdn,carrier,channel,ref\n" + "".join(f"138{n:08d},{carrier},voice,rec-{n}\n" for n in numbers)


def test_refusals_are_listed_newest_first_page_by_page(door):
    for n in range(5):
        door.call(
            "POST", "/v1/refusals", Role.OPS, {"msisdn": f"+86138{n:08d}", "carrier": "mobile", "channel": "voice"}
        )
    of_before = f"{OTHER[1:]}-7.wav"  # as a release took it that did not look for numbers in it
    door.engine.refuse(RefusalAsked(Msisdn(OTHER), "*", "report", "me", of_before))
    found, cursor = [], ""
    for _ in range(10):
        said = door.call("GET", f"/v1/refusals?limit=2&cursor={cursor}", Role.OPS).json()
        RefusalList.model_validate(said)
        found += said["refusals"]
        cursor = said["cursor"]
        assert re.fullmatch(r"[A-Za-z0-9*~-]*", cursor)  # needs no encoding in an address
        if not cursor:
            break
    assert len(found) == 6
    assert [each["since"] for each in found] == sorted((each["since"] for each in found), reverse=True)
    [shown] = [each for each in found if each["channel"] == "report"]  # the newest, or one of the same millisecond
    assert shown == {
        "msisdn": "+86139****9000", "kind": "refused", "carrier": None, "since": found[0]["since"], "channel": "report",
        "ref": "****-7.wav", "plan": None, "until": None,
    }  # fmt: skip
    assert shown in door.call("GET", "/v1/refusals", Role.ADMIN).json()["refusals"]
    is_problem(door.call("GET", "/v1/refusals?limit=0&of=13800138000", Role.OPS), 422, "malformed")


def refuse(door, **changes):
    return door.call("POST", "/v1/refusals", Role.AGENT, {"msisdn": NUMBER, "channel": "voice", **changes})


def test_one_plan_is_refused_until_it_is_lifted_and_the_door_says_so(door):
    first = refuse(door, plan="5g-smart-199")
    assert first.status_code == 201
    assert {"carrier": "mobile", "plan": "5g-smart-199"}.items() <= first.json().items()
    assert refuse(door, plan="5g-smart-199").status_code == 200
    is_problem(door.place(), 409, "do_not_call")
    dials = [{"msisdn": NUMBER, "plan": plan} for plan in ("5g-smart-199", "data-pack-10gb")]
    told = door.call("POST", "/v1/callable", Role.AGENT, dials).json()
    assert [each["callable"] for each in told] == [False, True]
    assert lift(door, plan="5g-smart-199", carrier=None).status_code == 200
    assert door.place().status_code == 201


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"plan": "nothing-we-sell"}, "plan_unknown"),
        ({"plan": "5g-smart-199", "carrier": "telecom"}, "not_the_plans"),
        ({"until": "2020-01-01T00:00:00Z"}, "in_the_past"),
    ],
)
def test_a_refusal_that_says_nothing_possible_is_not_taken(door, changes, code):
    assert [each["code"] for each in is_problem(refuse(door, **changes), 422, "malformed")["errors"]] == [code]
    assert door.call("POST", "/v1/callable", Role.AGENT, {"msisdn": NUMBER}).json()["callable"]


def test_all_that_bars_a_number_is_found_by_it(door):
    asked = {"msisdn": NUMBER}
    assert door.call("POST", "/v1/refusals/search", Role.OPS, asked).json() == {"refusals": []}
    until = (datetime.now(UTC) + timedelta(days=90)).isoformat(timespec="seconds")
    assert refuse(door, carrier="telecom", until=until, call="rec-9").status_code == 201
    door.post("inbound", reply("我要投诉"))
    masked = door.call("POST", "/v1/refusals/search", Role.OPS, asked).json()["refusals"]
    assert {(each["kind"], each["carrier"], each["msisdn"]) for each in masked} == {
        ("suspected", "mobile", "+86138****8000"), ("refused", "telecom", "+86138****8000"),
    }  # fmt: skip
    [limited] = [each for each in masked if each["kind"] == "refused"]
    assert datetime.fromisoformat(limited["until"]) == datetime.fromisoformat(until)
    same = door.call("POST", "/v1/refusals/search", Role.AUDITOR, asked).json()["refusals"]
    assert same == masked
    assert "投诉" not in str(same), "words are read where they are decided"


def registered(door, path="", role=Role.OPS, **more):
    return door.call("POST", f"/v1/registrations{path}", role, **more)


def test_a_number_is_registered_as_marketing_free_and_lifted_on_its_subscribers_own_act(door):
    body = {"msisdn": NUMBER, "kind": "marketing_free", "channel": "hotline"}
    first, second = registered(door, json=body), registered(door, role=Role.AGENT, json=body)
    assert (first.status_code, second.status_code, first.json()) == (201, 200, second.json())
    assert is_problem(door.place(), 409, "do_not_call")["reason"] == "marketing_free"
    evidence = {"channel": "counter", "ref": "form-9", "at": datetime.now(UTC).isoformat()}
    told = {"msisdn": NUMBER, "evidence": evidence}
    is_problem(registered(door, "/lift", Role.ADMIN, json=told | {"carrier": "mobile"}), 404, "registration_not_found")
    before = {"evidence": evidence | {"at": "2020-01-01T00:00:00Z"}}
    is_problem(registered(door, "/lift", Role.ADMIN, json=told | before), 422, "malformed")
    assert registered(door, "/lift", Role.ADMIN, json=told).json() == {"carrier": None, "lifted": True}
    assert door.place().status_code == 201


def test_the_lines_of_a_national_list_that_are_wrong_are_named_and_the_rest_is_in(door):
    lines = ["msisdn,carrier,channel,ref", f"{NUMBER},,import,list-7", "138,,import,", f"{OTHER},mobile,import,"]
    file = "\n".join([*lines, f"{OTHER},nobody,,"])
    for accepted in (2, 0):
        said = registered(door, "/import", content=file.encode(), headers={"Content-Type": "text/csv"}).json()
        assert (said["accepted"], said["already"]) == (accepted, 2 - accepted)
        assert [each.partition(":")[0] for each in said["rejected"]] == ["line 3", "line 5"]
        assert NUMBER[3:] not in str(said)
        assert "nobody" not in str(said)
    dials = [{"msisdn": NUMBER}, {"msisdn": OTHER, "carrier": "mobile"}, {"msisdn": OTHER, "carrier": "telecom"}]
    told = door.call("POST", "/v1/callable", Role.OPS, dials).json()
    assert [each.get("reason") for each in told] == ["marketing_free", "marketing_free", None]


def test_a_file_of_refusals_is_stored_once_however_often_it_is_sent(door):
    open_order = place(door, 3)
    first, second = load(door, rows(range(5))), load(door, rows(range(7)))
    assert first.json() == {"accepted": 5, "already": 0, "rejected": []}
    assert second.json() == {"accepted": 2, "already": 5, "rejected": []}
    dial = {"msisdn": "+8613800000003", "carrier": "mobile"}
    assert door.call("POST", "/v1/callable", Role.AGENT, dial).json()["callable"] is False
    door.work(Lane.INBOUND)
    cancelled = door.engine.show(open_order)
    assert cancelled.state == "cancelled"
    assert "the-ops/import" in [event.by for event in cancelled.events]
    [refusal] = door.engine.line(Msisdn("+8613800000003")).restrictions
    assert (refusal.door, refusal.ref) == ("voice", "rec-3")


def test_a_file_is_read_as_programs_write_it(door):
    text = '\ufeffChannel, MSISDN ,carrier\r\nweb,"138-0000-0001",\r\n\r\nvoice,+8613800000002,unicom\r\n'
    assert load(door, text, **{"Content-Type": "text/csv; charset=UTF-8; header=present"}).json()["accepted"] == 2
    assert load(door, "msisdn,carrier,channel").json() == {"accepted": 0, "already": 0, "rejected": []}
    standing = door.call("GET", "/v1/refusals", Role.ADMIN).json()["refusals"]
    assert {(each["msisdn"], each["carrier"]) for each in standing} == {
        ("+86138****0001", None), ("+86138****0002", "unicom"),
    }  # fmt: skip


def test_wrong_lines_of_a_file_of_refusals_are_named_and_all_that_say_whom_not_to_call_are_in(door):
    wrong = ["999,,web", "1,x,fax", "13800000004,web", "13800000005,,web,ref,more", "13800000006,,web,a\x07",
             "13800000007,,web,13900000000"]  # fmt: skip
    file = "\n".join(["msisdn,carrier,channel,ref", "13800000001,,web,", *wrong, "13800000002,mobile,voice,r"])
    file += "\n13800000003,mobile,fax and letter,r\n13800000008,nobody,web,r"
    for accepted in (5, 0):
        answer = load(door, file)
        said = answer.json()
        assert (answer.status_code, said["accepted"], said["already"]) == (200, accepted, 5 - accepted)
        assert [each.partition(":")[0] for each in said["rejected"]] == [f"line {n}" for n in (*range(3, 9), 10, 11)]
        assert "1380000000" not in answer.text
        assert "13900000000" not in answer.text
    dials = [{"msisdn": f"1380000000{n}", "carrier": "mobile"} for n in range(1, 9)]
    told = door.call("POST", "/v1/callable", Role.OPS, dials).json()
    assert [n for n, each in enumerate(told, 1) if not each["callable"]] == [1, 2, 3, 6, 7]


FILES = {
    "no header": ("13800000001,,web\n", ["1"]),
    "another column": ("msisdn,carrier,channel,name\n", ["1"]),
    "a column twice": ("msisdn,carrier,channel,ref,ref\n", ["1"]),
    "nothing": ("", ["1"]),
    "not UTF-8": ("msisdn,carrier,channel\n13800000001,,电话\n".encode("gbk"), ["body"]),
    "not CSV": ('msisdn,carrier,channel\n"13800000001"x,,web\n', ["body"]),
    "an open quote": ('msisdn,carrier,channel\n"13800000001', ["body"]),
}


@pytest.mark.parametrize("name", FILES)
def test_of_a_file_that_cannot_be_read_no_row_is_taken(door, name):
    text, fields = FILES[name]
    before = door.kept()
    answer = load(door, text)
    assert [error["field"] for error in is_problem(answer, 422, "malformed")["errors"]] == fields
    assert "13800000001" not in answer.text
    assert door.kept() == before


@pytest.mark.parametrize(
    "wrong", [{"channel": "pigeon"}, {"agent": "13900139000"}, {"call": ""}, {"note": "x"}, {"channel": None}]
)
def test_a_refusal_is_kept_where_it_is_clear_who_refuses_what_and_the_answer_says_what_is_wrong(door, wrong):
    body = {"msisdn": NUMBER, "carrier": "mobile", "channel": "voice", **wrong}
    for _ in range(2):
        said = door.call("POST", "/v1/refusals", Role.AGENT, body)
        assert (said.status_code, said.json()["refusals_kept"]) == (422, 1)
    dials = [{"msisdn": NUMBER, "carrier": "mobile"}, {"msisdn": NUMBER, "carrier": "telecom"}]
    told = door.call("POST", "/v1/callable", Role.OPS, dials).json()
    assert [each["callable"] for each in told] == [False, True]


@pytest.mark.parametrize("wrong", [{"channel": "pigeon"}, {"note": "x"}, {"channel": None}])
def test_a_registration_is_kept_where_it_is_clear_whose_it_is_and_the_answer_says_what_is_wrong(door, wrong):
    body = {"msisdn": NUMBER, "carrier": "mobile", "channel": "voice", **wrong}
    for _ in range(2):
        said = door.call("POST", "/v1/registrations", Role.AGENT, body)
        assert (said.status_code, said.json()["refusals_kept"]) == (422, 1)
    dials = [{"msisdn": NUMBER, "carrier": "mobile"}, {"msisdn": NUMBER, "carrier": "telecom"}]
    told = door.call("POST", "/v1/callable", Role.OPS, dials).json()
    assert [each.get("reason") for each in told] == ["marketing_free", None]


@pytest.mark.parametrize("wrong", [{"msisdn": "1"}, {"carrier": "x"}, {"kind": "vip"}])
def test_nobody_is_registered_by_a_request_that_does_not_say_who_and_as_what(door, wrong):
    before = door.kept()
    said = door.call("POST", "/v1/registrations", Role.AGENT, {"msisdn": NUMBER, "channel": "voice", **wrong})
    assert (said.status_code, said.json().get("refusals_kept")) == (422, None)
    assert door.kept() == before


@pytest.mark.parametrize("wrong", [{"msisdn": "1"}, {"carrier": "x"}, {"plan": "-"}, {"until": "soon"}])
def test_nothing_is_refused_by_a_request_that_does_not_say_who_refuses_what(door, wrong):
    before = door.kept()
    said = door.call("POST", "/v1/refusals", Role.AGENT, {"msisdn": NUMBER, "channel": "voice", **wrong})
    assert (said.status_code, said.json().get("refusals_kept")) == (422, None)
    assert door.kept() == before


def test_a_file_is_bounded(door):
    before = door.kept()
    is_problem(load(door, rows(range(10_001))), 422, "malformed")
    is_problem(load(door, b"x" * (2 * 1024 * 1024 + 1)), 413, "too_large")
    is_problem(load(door, rows([1]), **{"Content-Type": "application/json"}), 415, "unsupported_media_type")
    is_problem(load(door, rows([1]), **{"Content-Encoding": "gzip"}), 415, "unsupported_media_type")
    assert door.kept() == before


def test_ten_thousand_rows_are_stored_in_batches(door):
    assert load(door, rows(range(10_000))).json() == {"accepted": 10_000, "already": 0, "rejected": []}


def test_what_was_cut_short_is_finished_by_the_same_file_again(door):
    batches = []

    def engines():
        engine = door.installation.engine()
        receive = engine.receive

        def away_once(messages):
            batches.append(len(messages))
            if len(batches) == 2:
                raise StoreUnavailable("gone")
            return receive(messages)

        engine.receive = away_once
        return engine

    door.serve(engines)
    is_problem(load(door, rows(range(1_100))), 503, "store_unavailable")
    assert load(door, rows(range(1_100))).json() == {"accepted": 600, "already": 500, "rejected": []}
    assert batches == [500, 500, 500, 500, 100]


def lift(door, role=Role.ADMIN, **changes):
    evidence = {"channel": "counter", "ref": "form-9", "at": datetime.now(UTC).isoformat()} | changes.pop(
        "evidence", {}
    )
    body = {"msisdn": NUMBER, "carrier": "mobile", "evidence": evidence, **changes}
    return door.call("POST", "/v1/refusals/lift", role, {k: v for k, v in body.items() if v is not None})


@pytest.mark.parametrize("damaged", ["", "{", "null", "7", "[]", '["x"]', '{"a":1}', '[null,"voice","1"]'])
def test_a_damaged_refusal_is_not_lifted_and_the_answer_names_the_command_that_writes_it_anew(door, damaged):
    door.call("POST", "/v1/refusals", Role.OPS, {"msisdn": NUMBER, "carrier": "mobile", "channel": "voice"})
    [line] = door.redis.keys("ce:{0}:line:*")
    door.redis.hset(line, "r:mobile", damaged)
    answer = lift(door)
    is_problem(answer, 409, "refusal_damaged")
    assert "consent doctor --all --mend" in answer.json()["detail"]
    assert door.redis.hget(line, "r:mobile") == damaged
    assert not door.redis.exists("ce:{0}:lifted")


def test_a_refusal_is_lifted_once_on_the_subscribers_own_act(door):
    is_problem(lift(door), 404, "refusal_not_found")
    door.call("POST", "/v1/refusals", Role.OPS, {"msisdn": NUMBER, "carrier": "mobile", "channel": "voice"})
    is_problem(lift(door, carrier=None), 404, "refusal_not_found")
    answer = lift(door)
    assert (answer.status_code, answer.json()) == (200, {"carrier": "mobile", "lifted": True})
    is_problem(lift(door), 404, "refusal_not_found")
    assert door.call("POST", "/v1/callable", Role.AGENT, {"msisdn": NUMBER}).json() == {"callable": True}
    [(_, kept)] = door.redis.xrange("ce:{0}:lifted")
    assert "form-9" in kept["m"]
    assert "the-admin" in kept["m"]
    assert NUMBER not in kept["m"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"evidence": {"at": "2099-01-01T00:00:00Z"}}, "evidence.at"),
        ({"evidence": {"at": "2025-01-01T00:00:00Z"}}, "evidence.at"),  # before the refusal, so it cannot lift it
        ({"evidence": {"at": "today"}}, "evidence.at"),
        ({"evidence": {"ref": " "}}, "evidence.ref"),
        ({"evidence": {"channel": "guess"}}, "evidence.channel"),
        ({"evidence": {"colour": "red"}}, "evidence.colour"),
        ({"msisdn": "1"}, "msisdn"),
        ({"carrier": "*"}, "carrier"),
    ],
)
def test_without_sound_evidence_nothing_is_lifted(door, changes, field):
    door.call("POST", "/v1/refusals", Role.OPS, {"msisdn": NUMBER, "carrier": "mobile", "channel": "voice"})
    before = door.kept()
    said = lift(door, **changes).json()
    assert (said["status"], [error["field"] for error in said["errors"]]) == (422, [field])
    assert door.kept() == before
