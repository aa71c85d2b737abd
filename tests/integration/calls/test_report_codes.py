"""Reports by the public: a number is proven by the code that was sent to it, and by nothing else."""

import json
import re

import pytest

from consent_engine.api.service.brakes import Brake
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.proof_code import CodeAsked, CodesUsedUp, CodeWrong, TooManyCodes
from consent_engine.domain.msisdn import Msisdn
from tests.conftest import NUMBER, OTHER
from tests.integration.api_door import is_problem
from tests.integration.calls.desk import instant
from tests.integration.calls.reporting import book

PATH = "/v1/reports"


def send(desk, to=NUMBER):
    desk.engine.reports.send_code(CodeAsked(Msisdn(to), "mobile"))
    desk.run(Lane.SMS)
    return re.search(r"验证码(\d{6})", desk.texts("code")[-1])[1]


def prove(desk, code, of=NUMBER):
    desk.engine.reports.prove(Msisdn(of), code)


def test_the_code_that_was_sent_proves_its_number_for_a_while(desk):
    code = send(desk)
    assert desk.gateway.sent[-1].to == NUMBER
    prove(desk, code)
    prove(desk, code)  # repeated when the report was lost on its way
    desk.clock.forward(seconds=601)
    with pytest.raises(CodeWrong):
        prove(desk, code)


def test_no_code_stands_in_the_store_and_none_proves_another_number(desk):
    desk.engine.reports.send_code(CodeAsked(Msisdn(NUMBER), "mobile"))
    kept = "".join(str(desk.client.hgetall(name)) for name in desk.names("line"))
    desk.run(Lane.SMS)
    code = re.search(r"验证码(\d{6})", desk.texts("code")[-1])[1]
    assert code not in kept
    send(desk, OTHER)
    with pytest.raises(CodeWrong):
        prove(desk, code, OTHER)
    with pytest.raises(CodeWrong):
        prove(desk, code, "+8613700137000")


def test_a_code_is_tried_five_times_and_then_even_the_right_one_is_wrong(desk):
    code = send(desk)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(5):
        with pytest.raises(CodeWrong):
            prove(desk, wrong)
    with pytest.raises(CodeWrong):
        prove(desk, code)


def test_a_number_gets_one_code_a_minute_and_five_a_day(desk):
    for n in range(5):
        if n:
            with pytest.raises(TooManyCodes):
                send(desk)
        desk.clock.forward(seconds=61)
        send(desk)
    desk.clock.forward(seconds=61)
    with pytest.raises(TooManyCodes):
        send(desk)
    desk.clock.forward(hours=24)
    send(desk)
    assert len(desk.texts("code")) == 6


def test_a_network_has_some_of_a_numbers_codes_a_day_and_leaves_its_holder_the_others(desk):
    for n in range(9):
        desk.clock.forward(seconds=61)
        if n < 3:
            ask(desk, "10.0.0.0/24")
        else:
            with pytest.raises(CodesUsedUp):
                ask(desk, "10.0.0.0/24")
    ticket, code = ask(desk, "192.0.2.0/24")
    desk.engine.reports.prove(Msisdn(NUMBER), code, ticket)
    desk.clock.forward(seconds=61)
    ask(desk, "192.0.2.0/24")
    desk.clock.forward(seconds=61)
    with pytest.raises(CodesUsedUp):
        ask(desk, "192.0.2.0/24")
    kept = str(desk.client.hgetall(desk.names("line")[0]))
    assert "10.0.0" not in kept
    desk.clock.forward(hours=24)
    ask(desk, "10.0.0.0/24")


def test_an_address_asks_for_so_many_codes_and_another_one_is_not_kept_waiting():
    now = [0.0]
    brake = Brake(2, 60, lambda: now[0])
    brake.count("a")
    brake.count("a")
    with pytest.raises(TooManyCodes):
        brake.count("a")
    brake.count("b")
    now[0] = 61
    brake.count("a")


def ask(desk, network="", of=None):
    """Ask for a code from a network; return the ticket, and the code that the number gets."""
    ticket = (of or desk.engine.reports).send_code(CodeAsked(Msisdn(NUMBER), "mobile", network=network))
    desk.run(Lane.SMS)
    return ticket, re.search(r"验证码(\d{6})", desk.texts("code")[-1])[1]


def test_nobody_uses_up_the_tries_of_who_asked_for_the_code(desk):
    ticket, code = ask(desk)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(6):
        with pytest.raises(CodeWrong):
            prove(desk, wrong)
    with pytest.raises(CodeWrong):
        prove(desk, code)
    for _ in range(4):
        with pytest.raises(CodeWrong):
            desk.engine.reports.prove(Msisdn(NUMBER), wrong, ticket)
    desk.engine.reports.prove(Msisdn(NUMBER), code, ticket)
    with pytest.raises(CodeWrong):
        desk.engine.reports.prove(Msisdn(NUMBER), code, ticket)


def test_a_code_that_somebody_else_had_replaced_is_good_for_who_asked_for_it_and_for_nobody_else(desk):
    ticket, code = ask(desk)
    desk.clock.forward(seconds=61)
    others, newer = ask(desk)
    wrong = next(f"{n:06d}" for n in range(9) if f"{n:06d}" not in {code, newer})
    for _ in range(6):
        with pytest.raises(CodeWrong):
            desk.engine.reports.prove(Msisdn(NUMBER), wrong, others)
    with pytest.raises(CodeWrong):
        prove(desk, code)
    for good in (code, newer):  # both came by SMS: nobody can tell which code belongs to which request
        desk.engine.reports.prove(Msisdn(NUMBER), good, ticket)
    desk.clock.forward(seconds=541)
    with pytest.raises(CodeWrong):
        desk.engine.reports.prove(Msisdn(NUMBER), code, ticket)
    desk.engine.reports.prove(Msisdn(NUMBER), newer, ticket)


def test_a_ticket_is_of_one_number_and_nothing_kept_tells_it(desk):
    ticket, _ = ask(desk)
    assert ticket not in "".join(str(desk.client.hgetall(name)) for name in desk.names("line"))
    desk.engine.reports.send_code(CodeAsked(Msisdn(OTHER), "mobile"))
    line = desk.engine.line(Msisdn(OTHER))
    assert line.code.asked_with("test-secret", line.id, ticket) == ""


def test_some_networks_use_up_half_of_an_hours_codes_and_everybody_else_has_the_other_half(desk):
    hour, numbers = book(desk, codes_an_hour=100), (Msisdn(f"+86137001{n:05d}") for n in range(1_000))

    def sent(network, most):
        done = 0
        for _ in range(most):
            try:
                hour.send_code(CodeAsked(next(numbers), "mobile", network=network))
                done += 1
            except CodesUsedUp:
                pass
        return done

    assert [sent(f"10.0.{n}.0/24", 20) for n in range(7)] == [10, 10, 10, 10, 10, 3, 3]
    assert sent("192.0.2.0/24", 1) == 1
    assert [sent(f"172.16.{n}.0/24", 1) for n in range(43)] == [1] * 43
    assert sent("198.51.100.0/24", 1) == 0  # the shares of all networks are used up
    for n in range(100):
        sent(f"of many {n}", 1)
    assert desk.client.hlen(desk.client.keys("ce:codes:*")[0]) < 60


def test_requests_of_one_network_that_come_together_have_no_more_codes_than_one_after_another(desk):
    """This holds whatever other requests do between any two looks at the store."""
    hour, numbers = book(desk, codes_an_hour=100), (Msisdn(f"+86137001{n:05d}") for n in range(1_000))
    registry, sent = desk.engine.registry, []
    looked = registry.now

    def one():
        to = next(numbers)
        try:
            hour.send_code(CodeAsked(to, "mobile", network="10.0.0.0/24"))
        except CodesUsedUp:
            return
        sent.append(to)

    def meanwhile():
        registry.now = looked
        for _ in range(4):
            one()
        registry.now = meanwhile
        return looked()

    registry.now = meanwhile
    for _ in range(3):
        one()
    assert len(sent) == 10


def test_the_addresses_of_one_ipv4_network_have_a_number_of_codes_together():
    brake, sent = Brake(), 0
    for n in range(200):
        try:
            brake.count(f"192.0.2.{n}")
            sent += 1
        except CodesUsedUp:
            pass
    assert sent == 40
    brake.count("192.0.3.1")


def test_the_ticket_comes_with_the_answer_and_its_tries_are_nobody_elses(door):
    sent = door.call("POST", f"{PATH}/code", None, {"msisdn": NUMBER, "carrier": "mobile"}).json()
    body, right = asked(door), coded(door)
    for _ in range(6):
        is_problem(door.call("POST", PATH, None, body | {"code": f"{(int(right) + 1) % 10**6:06d}"}), 422, "code_wrong")
    is_problem(door.call("POST", PATH, None, body | {"code": right}), 422, "code_wrong")
    assert door.call("POST", PATH, None, body | {"code": right, "ticket": sent["ticket"]}).status_code == 201


def asked(door, **more):
    return {
        "msisdn": NUMBER, "carrier": "mobile", "caller_number": "10085",
        "called_at": instant(door.engine.registry.now() - 60_000), **more,
    }  # fmt: skip


def test_no_code_is_sent_whose_time_is_over_or_that_another_has_replaced(desk):
    for _ in range(2):  # no worker runs
        desk.engine.reports.send_code(CodeAsked(Msisdn(NUMBER), "mobile"))
        desk.clock.forward(seconds=61)
    desk.run(Lane.SMS)
    assert len(desk.texts("code")) == 1
    assert desk.gateway.sent[-1].valid_for == 600_000
    prove(desk, re.search(r"验证码(\d{6})", desk.texts("code")[0])[1])
    desk.engine.reports.send_code(CodeAsked(Msisdn(NUMBER), "mobile"))
    desk.clock.forward(seconds=601)
    desk.run(Lane.SMS)
    assert len(desk.texts("code")) == 1


def test_a_network_from_which_addresses_can_be_chosen_is_one_address():
    brake = Brake()
    for n in range(10):
        brake.count(f"2001:db8:0:1::{n:x}")
    with pytest.raises(TooManyCodes):
        brake.count("2001:db8:0:1:ffff:ffff:ffff:ffff")
    brake.count("2001:db8:0:2::1")
    for _ in range(10):
        brake.count("192.0.2.1")
    with pytest.raises(TooManyCodes):
        brake.count("::ffff:192.0.2.1")


def test_whoever_has_many_networks_asks_for_as_many_codes_as_four_households_and_others_are_not_kept_waiting():
    now = [0.0]
    brake = Brake(clock=lambda: now[0])
    sent = 0
    for n in range(200):
        try:
            brake.count(f"2001:db8:0:{n:x}::1")
            sent += 1
        except CodesUsedUp:
            pass
    assert sent == 40
    for other in ("2001:db8:1::1", "192.0.2.1"):
        brake.count(other)
    now[0] = 600
    brake.count("2001:db8:0:ff::1")


def coded(door):
    """Return the code that was sent to a line, as its handset shows it."""
    line = door.engine.line(Msisdn(NUMBER))
    return door.engine.outside.code_of(line.id, line.code.seed)


def test_a_subscriber_reports_with_the_code_and_without_a_key_and_reads_no_more_than_a_receipt(door):
    sent = door.call("POST", f"{PATH}/code", None, {"msisdn": NUMBER, "carrier": "mobile"})
    assert (sent.status_code, sent.json()["minutes"]) == (202, 10)
    is_problem(door.call("POST", f"{PATH}/code", None, {"msisdn": NUMBER, "carrier": "mobile"}), 429, "too_many_codes")
    body = asked(door)
    is_problem(door.call("POST", PATH, None, body), 401, "unauthenticated")
    is_problem(door.call("POST", PATH, None, body | {"code": "000000"}), 422, "code_wrong")
    assert not door.redis.keys("ce:*report:*")
    said = door.call("POST", PATH, None, body | {"code": coded(door)})
    assert said.status_code == 201
    assert set(said.json()) == {"number", "state", "received_at", "answer_by"}
    assert door.call("POST", PATH, None, body | {"code": coded(door)}).status_code == 200
    [row] = door.call("GET", PATH, "auditor").json()["reports"]
    assert (row["channel"], row["by"], row["number"]) == ("web", "public", said.json()["number"])


def test_what_is_no_code_or_no_number_is_named(door):
    said = is_problem(door.call("POST", PATH, None, asked(door, code="12345")), 422, "malformed")
    assert [each["field"] for each in said["errors"]] == ["code"]
    wrong = door.call("POST", f"{PATH}/code", None, {"msisdn": "12345", "carrier": "mobile"})
    is_problem(wrong, 422, "invalid_msisdn")


def test_all_numbers_together_are_sent_so_many_codes_an_hour_and_a_number_of_its_own_uses_up_none(desk):
    few = book(desk, codes_an_hour=2)
    few.send_code(CodeAsked(Msisdn(NUMBER), "mobile"))
    for _ in range(5):
        with pytest.raises(TooManyCodes):
            few.send_code(CodeAsked(Msisdn(NUMBER), "mobile"))
    few.send_code(CodeAsked(Msisdn(OTHER), "mobile"))
    with pytest.raises(CodesUsedUp):
        few.send_code(CodeAsked(Msisdn("+8613700137000"), "mobile"))
    assert (few.codes(), len(desk.client.keys("ce:codes:*"))) == (3, 1)
    desk.clock.forward(hours=1)
    few.send_code(CodeAsked(Msisdn("+8613700137000"), "mobile"))
    assert few.codes() == 1


def test_a_number_whose_codes_others_used_up_reports_by_the_hotline(door):
    for _ in range(3):  # as many as one network may ask for
        door.call("POST", f"{PATH}/code", None, {"msisdn": NUMBER, "carrier": "mobile"})
        [name] = door.redis.keys("ce:{0}:line:*")
        seed, at, *more = json.loads(door.redis.hget(name, "code"))
        door.redis.hset(name, "code", json.dumps([seed, at - 61_000, *more], separators=(",", ":")))
    is_problem(door.call("POST", f"{PATH}/code", None, {"msisdn": NUMBER, "carrier": "mobile"}), 429, "codes_used_up")
    assert door.call("POST", PATH, "agent", asked(door)).status_code == 201
    page = door.call("GET", "/metrics", "ops").text
    assert "consent_report_codes_hour 3.0" in page
    assert "consent_report_codes_most 1000.0" in page
