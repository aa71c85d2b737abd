"""Orders, refusals and plans over HTTP, as the contract describes them: the checks, the roles, the answers."""

import asyncio
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from consent_engine.api.schemas.views import OrderView
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.restriction import Kind
from consent_engine.domain.msisdn import Msisdn
from consent_engine.engine.api_keys import Role
from consent_engine.engine.receive import RefusalAsked
from tests.integration.api_door import NUMBER, OTHER, is_problem, order, reply
from tests.integration.http.routes import BODIES, LIFTED, ROUTES, YES, ask, called, reported
from tests.plans import known_since_ever

ANSWER = ["id", "state", "stage", "version", "head", "msisdn", "carrier", "plan", "confirmation", "reply_by",
          "created_at", "timeline"]  # fmt: skip
NOBODY = "0" * 28


# -- place ------------------------------------------------------------------------------------------------------------


def test_an_order_is_answered_as_the_contract_says(door):
    answer = door.place()
    assert answer.status_code == 201
    said = answer.json()
    assert list(said) == ANSWER
    OrderView.model_validate(said)
    assert (said["state"], said["stage"], said["msisdn"], said["carrier"]) == (
        "agreed",
        "call_agreed",
        NUMBER,
        "mobile",
    )
    assert list(said["plan"]) == ["code", "version", "hash"]
    assert list(said["confirmation"]) == ["text", "segments", "sender", "code"]
    assert said["confirmation"]["sender"] == "10085"
    assert said["reply_by"] is None
    assert datetime.fromisoformat(said["created_at"]).utcoffset() == timedelta(hours=8)
    assert answer.headers["location"] == f"/v1/orders/{said['id']}"
    assert door.engine.show(said["id"]).doc.placed_by == "the-agent"


def test_the_same_key_and_body_again_is_the_same_order(door):
    first, second = door.place(), door.place(order(msisdn="008613800138000"))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert door.orders() == 1


@pytest.mark.parametrize("change", [{"agent": "B2"}, {"msisdn": OTHER}, {"call": {"recording_id": "rec-2"}}])
def test_the_same_key_for_another_request_is_a_conflict(door, change):
    door.place()
    is_problem(door.place(order(**change)), 409, "idempotency_conflict")
    assert door.orders() == 1


def test_the_same_key_of_another_desk_is_another_order(door):
    first, second = door.place(), door.place(order(msisdn=OTHER), role="other")
    assert second.status_code == 201
    assert first.json()["id"] != second.json()["id"]


def test_a_refusal_at_the_door_reserves_nothing(door):
    is_problem(door.place(order(plan="no-such-plan")), 422, "plan_unknown")
    assert door.place().status_code == 201


def test_many_at_once_are_each_their_own_order(door):
    async def all_of_them():
        calls = [
            door.request(
                "POST", "/v1/orders", Role.AGENT, order(msisdn=f"+86138{n:08d}"), headers={"Idempotency-Key": f"k{n}"}
            )
            for n in [*range(60), 0]
        ]
        return await asyncio.gather(*calls)

    answers = door.runner.run(all_of_them())
    assert sorted(a.status_code for a in answers) == [200, *[201] * 60]
    assert {a.json()["msisdn"] for a in answers} == {f"+86138{n:08d}" for n in range(60)}


# -- the door, in the contract's order --------------------------------------------------------------------------------

SOON = (datetime.now().astimezone() + timedelta(hours=1)).isoformat()
FORM = {
    "number": (order(msisdn="12345"), "invalid_msisdn", "msisdn"),
    "no number": ({k: v for k, v in order().items() if k != "msisdn"}, "invalid_msisdn", "msisdn"),
    "no recording": (order(call={"recording_id": " "}), "recording_missing", "call.recording_id"),
    "agreed in the future": (order(call={"agreed_at": SOON}), "call_time_invalid", "call.agreed_at"),
    "began days before": (
        order(call={"started_at": "2020-01-01T00:00:00Z"}),
        "call_time_invalid",
        "call.started_at",
    ),
    "no offset": (order(call={"agreed_at": "2025-08-01T10:04:31"}), "call_time_invalid", "call.agreed_at"),
    "agreed before the call": (
        order(call={"started_at": "2025-08-02T10:00:00+08:00"}),
        "call_time_invalid",
        "call.started_at",
    ),
    "no agent": (order(agent=""), "malformed", "agent"),
    "another field": (order(colour="red"), "malformed", "colour"),
    "not an object": ([order()], "malformed", "body"),
}


@pytest.mark.parametrize("name", FORM)
def test_a_form_error_names_its_field(door, name):
    body, code, field = FORM[name]
    said = is_problem(door.place(body), 422, code)
    assert [error["field"] for error in said["errors"]] == [field]
    assert all(list(error) == ["field", "code", "message"] for error in said["errors"])


def test_form_errors_come_all_at_once(door):
    said = is_problem(door.place(order(msisdn="1", plan="", call={"recording_id": ""})), 422, "malformed")
    assert {error["field"] for error in said["errors"]} == {"msisdn", "plan", "call.recording_id"}


@pytest.mark.parametrize("key", [None, "", "two words", "x" * 129, "schlüssel".encode()])
def test_without_a_sound_idempotency_key_nothing_else_is_looked_at(door, key):
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = door.call("POST", "/v1/orders", Role.AGENT, content=b"{", headers=headers)
    is_problem(answer, 400, "idempotency_key_missing")


def test_two_idempotency_keys_are_none(door):
    headers = [("Authorization", f"Bearer {door.keys[Role.AGENT]}"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    is_problem(door.send("POST", "/v1/orders", headers, b"{}"), 400, "idempotency_key_missing")


def publish(door, **changes):
    plan = door.engine.plan("data-pack-10gb").plan
    known_since_ever(door.engine, replace(plan, **changes))


def test_the_form_is_looked_at_before_the_key(door):
    door.place()
    is_problem(door.place(order(msisdn="1")), 422, "invalid_msisdn")


def test_the_key_is_looked_at_before_the_rules(door):
    door.place()
    is_problem(door.place(order(plan="no-such-plan")), 409, "idempotency_conflict")


def test_an_unofficial_number_is_told_the_official_one(door):
    said = is_problem(door.place(order(call={"caller_number": "10010"})), 422, "unofficial_number")
    assert said["official"] == "10085"


def test_an_order_in_english_needs_a_plan_that_has_words_in_it(door):
    english = {"language": "en", "plan": "fibre-duo-129", "call": {"caller_number": "10001"}}
    is_problem(door.place(order(**english)), 422, "language_unavailable")
    said = door.place(order(language="en"), "key-2").json()["confirmation"]
    assert said["text"].startswith(
        "China Mobile: in a call from 10085 on 1 Aug 10:00 you showed interest in 5G Smart 199."
    )


def test_a_plan_that_is_not_public_cannot_be_sold(door):
    publish(door, published=())
    door.call("POST", "/v1/refusals", Role.AGENT, {"msisdn": NUMBER, "channel": "voice"})
    is_problem(door.place(order(plan="data-pack-10gb")), 409, "plan_not_public")


def test_who_refused_is_not_sold_to(door):
    door.place(key="before")
    refused = door.call("POST", "/v1/refusals", Role.OPS, {"msisdn": NUMBER, "carrier": "mobile", "channel": "voice"})
    said = is_problem(door.place(), 409, "do_not_call")  # also before duplicate_order
    assert said["since"] == refused.json()["since"]


def test_a_duplicate_names_the_other_order(door):
    first = door.place().json()
    said = is_problem(door.place(key="key-2"), 409, "duplicate_order")
    assert said["order"] == first["id"]


# -- who may do what --------------------------------------------------------------------------------------------------


def there_is_something_to_do(door, route):
    """Make an order, a call or a report that the route can act on; return its id."""
    placed = door.place().json()["id"]
    for kind in (Kind.REFUSED, Kind.MARKETING_FREE):
        door.engine.refuse(RefusalAsked(Msisdn(LIFTED), "*", "web", "me", kind=kind))
    if route[1].endswith("/stream") and not door.engine.show(placed).state.settled:
        door.bounded(linger_s=0)
        door.engine.cancel(placed, "me", "so that its stream ends")
    if "{report}" in route[1]:
        return reported(door)
    return called(door) if "{call}" in route[1] else placed


def test_a_role_may_what_the_contract_says(door):
    for route, may in ROUTES.items():
        for role in may | YES:
            answer = ask(door, route, role, there_is_something_to_do(door, route))
            allowed = answer.status_code not in {401, 403, 404} or "ending_not_found" in answer.text
            assert allowed, (route, role, answer.text)


def test_a_role_may_nothing_else(door):
    named = {route: there_is_something_to_do(door, route) for route in ROUTES}
    before = door.kept()
    for route, may in ROUTES.items():
        for role in set(Role) - may - YES:
            is_problem(ask(door, route, role, named[route]), 403, "forbidden")
        assert door.kept() == before, route


def test_nobody_may_anything_without_a_key(door):
    placed = door.place().json()["id"]
    before = door.kept()
    for method, path in ROUTES:
        address = path.format(id=placed, call=placed, report=placed, code="x")
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {door.keys[Role.ADMIN]}"}):
            answer = door.call(method, address, None, BODIES.get(path), headers=headers)
            is_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer", path
        assert door.kept() == before, path


def test_an_agent_has_nothing_to_do_with_anothers_order(door):
    placed = door.place().json()["id"]
    door.engine.cancel(placed, "me", "so that its stream would end")
    before = door.kept()
    for route in ROUTES:
        if "{id}" in route[1]:
            code, status = ("forbidden", 403) if Role.AGENT not in ROUTES[route] else ("order_not_found", 404)
            is_problem(ask(door, route, "other", placed), status, code)
            assert door.kept() == before, route


def test_an_id_that_is_none_is_not_found(door):
    for order_id in (NOBODY, "x", "0" * 27, "0" * 29, NOBODY.upper().replace("0", "A"), "%2e%2e", "{id}"):
        for act in ("", "/stream", "/cancel", "/resend", "/retry"):
            method, body = ("GET", None) if act in {"", "/stream"} else ("POST", {"reason": "no"})
            is_problem(door.call(method, f"/v1/orders/{order_id}{act}", Role.ADMIN, body), 404, "order_not_found")


def test_the_store_is_not_asked_for_what_can_be_no_id(door):
    asked = []

    def engines():
        engine = door.installation.engine()
        engine.show = asked.append
        return engine

    door.serve(engines)
    for order_id in ("x", "0" * 29, "0" * 27 + "x"):
        is_problem(door.call("GET", f"/v1/orders/{order_id}", Role.ADMIN), 404, "order_not_found")
    assert asked == []


def test_full_numbers_and_replies_are_for_those_who_may_see_them(door):
    placed = door.place_past_the_check(f"{NUMBER[1:]}-0001.wav")
    door.work(Lane.SMS)
    door.post("inbound", reply("要不要钱"))
    door.work(Lane.INBOUND)
    said = door.call("GET", f"/v1/orders/{placed}", Role.AGENT).json()
    assert said["msisdn"] == NUMBER
    assert [entry["reply"]["text"] for entry in said["timeline"] if "reply" in entry] == ["要不要钱"]
    for role in (Role.OPS, Role.AUDITOR, Role.ADMIN):
        answer = door.call("GET", f"/v1/orders/{placed}", role)
        assert answer.json()["msisdn"] == "+86138****8000"
        assert NUMBER[3:] not in answer.text
        assert "要不要钱" not in answer.text
        assert answer.json()["timeline"][0]["ref"] == "****-0001.wav"


def test_the_timeline_tells_the_road(door):
    placed = door.place().json()["id"]
    door.work(Lane.SMS)
    door.post("inbound", reply("是"))
    door.work(Lane.INBOUND, Lane.ACTIVATION, Lane.SMS)
    said = door.call("GET", f"/v1/orders/{placed}", Role.AGENT).json()
    assert (said["state"], said["stage"]) == ("notified", "notification_sent")
    stages = [entry["stage"] for entry in said["timeline"] if "stage" in entry]
    assert stages == ["call_agreed", "confirmation_sent", "reply_received", "service_activated", "notification_sent"]
    assert all(set(entry) >= {"at", "trigger", "by", "ref", "detail"} for entry in said["timeline"])
    instants = [said["reply_by"], *(entry["at"] for entry in said["timeline"])]
    assert all(datetime.fromisoformat(at).utcoffset() == timedelta(hours=8) for at in instants)
    detail = {entry["trigger"]: entry["detail"] for entry in said["timeline"]}
    assert detail["said_yes"]["received_at"].endswith("+08:00")
    asked = detail["confirmation_accepted"]
    assert asked["last"] == asked["started"], "of one attempt, too, though the record says it once"
    assert datetime.fromisoformat(asked["last"]).utcoffset() == timedelta(hours=8)


# -- cancel, retry ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.AGENT, Role.OPS])
def test_an_order_is_cancelled_once(door, role):
    placed = door.place().json()["id"]
    answer = door.call("POST", f"/v1/orders/{placed}/cancel", role, {"reason": "changed his mind"})
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    entry = answer.json()["timeline"][-1]
    assert (entry["by"], entry["detail"]) == (f"the-{role}", {"reason": "changed his mind"})
    again = door.call("POST", f"/v1/orders/{placed}/cancel", role, {"reason": "again"})
    assert is_problem(again, 409, "too_late")["state"] == "cancelled"


def test_what_is_not_activated_has_no_notification_to_give_up(door):
    placed = door.place().json()["id"]
    answer = door.call("POST", f"/v1/orders/{placed}/give_up", Role.OPS, {"reason": "out of service"})
    assert is_problem(answer, 409, "not_activated")["state"] == "agreed"
    missing = door.call("POST", f"/v1/orders/{placed}/give_up", Role.OPS, {})
    assert [error["field"] for error in is_problem(missing, 422, "malformed")["errors"]] == ["reason"]


@pytest.mark.parametrize("reason", [None, "", " ", "x" * 201, 7, "a\nb"])
def test_a_reason_is_short(door, reason):
    placed = door.place().json()["id"]
    answer = door.call("POST", f"/v1/orders/{placed}/cancel", Role.AGENT, {} if reason is None else {"reason": reason})
    said = is_problem(answer, 422, "malformed")
    assert [error["field"] for error in said["errors"]] == ["reason"]
    assert door.engine.show(placed).state == "agreed"


@pytest.mark.parametrize("body", [None, b"{}", b"whatever"])
def test_without_anything_parked_there_is_nothing_to_retry(door, body):
    placed = door.place().json()["id"]
    more = {} if body is None else {"content": body}
    is_problem(door.call("POST", f"/v1/orders/{placed}/retry", Role.OPS, **more), 409, "nothing_parked")


# -- callable, refusals, plans ----------------------------------------------------------------------------------------


def refuse(door, role=Role.AGENT, **changes):
    body = {"msisdn": "13800138000", "carrier": "mobile", "channel": "voice", **changes}
    return door.call("POST", "/v1/refusals", role, {k: v for k, v in body.items() if v is not None})


def test_never_again_is_said_once_and_stands(door):
    placed = door.place().json()["id"]
    first, second = refuse(door, agent="A1024", call="rec-9"), refuse(door, Role.OPS)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert first.json()["carrier"] == "mobile"
    door.work(Lane.INBOUND)
    cancelled = door.engine.show(placed)
    assert cancelled.state == "cancelled"
    [refusal] = door.engine.line(cancelled.person.msisdn).restrictions
    assert (refusal.carrier, refusal.door, refusal.ref) == ("mobile", "voice", "rec-9")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"msisdn": "1"}, "msisdn"),
        ({"carrier": "*"}, "carrier"),
    ],
)
def test_a_refusal_that_cannot_be_read_is_none(door, change, field):
    before = door.kept()
    said = refuse(door, **change).json()
    assert [error["field"] for error in said["errors"]] == [field]
    assert door.kept() == before


def test_callable_says_who_may_be_dialled_by_whom(door):
    since = refuse(door).json()["since"]
    no = {"callable": False, "reason": "refused", "since": since}
    yes = {"callable": True}
    asked = [({"msisdn": NUMBER, "carrier": "mobile"}, no), ({"msisdn": NUMBER, "carrier": "unicom"}, yes),
             ({"msisdn": "138-0013-8000"}, no), ({"msisdn": OTHER}, yes)]  # fmt: skip
    for body, answer in asked:
        assert door.call("POST", "/v1/callable", Role.AGENT, body).json() == answer
    answers = door.call("POST", "/v1/callable", Role.OPS, [body for body, _ in asked])
    assert answers.json() == [answer for _, answer in asked]
    assert door.call("POST", "/v1/callable", Role.OPS, []).json() == []


def test_a_list_of_numbers_is_bounded_and_its_errors_are_numbered(door):
    ok = {"msisdn": OTHER, "carrier": "telecom"}
    assert len(door.call("POST", "/v1/callable", Role.OPS, [ok] * 1000).json()) == 1000
    is_problem(door.call("POST", "/v1/callable", Role.OPS, [ok] * 1001), 422, "malformed")
    said = is_problem(door.call("POST", "/v1/callable", Role.OPS, [ok, {"msisdn": "1"}, ok, 7]), 422, "malformed")
    assert [error["field"] for error in said["errors"]] == ["1.msisdn", "3"]


def test_a_refusal_to_all_carriers_is_one_of_each(door):
    assert refuse(door, carrier=None).json()["carrier"] is None
    for carrier in ("mobile", "telecom", "unicom"):
        asked = {"msisdn": NUMBER, "carrier": carrier}
        assert door.call("POST", "/v1/callable", Role.AGENT, asked).json()["callable"] is False


def test_plans_are_shown_as_they_are_sold(door):
    listed = door.call("GET", "/v1/plans", Role.REVIEWER).json()["items"]
    assert len(listed) == 6
    one = door.call("GET", "/v1/plans/5g-smart-199", Role.AGENT).json()
    assert one in listed
    assert set(one) >= {"code", "carrier", "name", "price", "term", "renewal", "scenario", "unsubscribe", "published",
                        "version", "hash", "sale", "reads"}  # fmt: skip
    assert (one["version"], one["sale"], one["price"]["monthly"]) == (1, "on_sale", "199.00")
    assert one["reads"]["en"]["price"] == "CNY 199/month"
    assert one["published"][0]["since"] == "2025-08-01T00:00:00+08:00"
    assert door.place().json()["plan"] == {"code": one["code"], "version": one["version"], "hash": one["hash"]}
    is_problem(door.call("GET", "/v1/plans/nothing", Role.AGENT), 404, "plan_not_found")
