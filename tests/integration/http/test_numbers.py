"""Telephone numbers in other fields: not accepted, since those fields outlive an erasure; and not shown."""

import os
import subprocess
import sys

import pytest

from consent_engine.domain.effects import Lane
from consent_engine.engine.api_keys import Role
from consent_engine.errors import Malformed
from tests.integration.api_door import FULL_SECRET, NUMBER, is_problem, order, reply
from tests.waiting import HANGS_S

SPELLINGS = ["138-0994-0002", "rec 138 0994 0002", "１３８０９９４０００２.wav", "0086 138.0994.0002", "+8613809940002"]
NAMES = ["rec-20250801-000123", "550e8400-e29b-41d4-a716-138001380004", "1754013871.1", "2025-08-01T15:04:31.123+08:00"]


def lifting(ref):
    at = "2025-08-01T10:00:00+08:00"
    return {"body": {"msisdn": NUMBER, "carrier": "mobile", "evidence": {"channel": "web", "ref": ref, "at": at}}}


PLACE, CANCEL = ("POST", "/v1/orders"), ("POST", "/v1/orders/{id}/cancel")
LIFT = ("POST", "/v1/refusals/lift")
FIELDS = {
    "call.recording_id": (PLACE, lambda text: {"body": order(call={"recording_id": text})}),
    "agent": (PLACE, lambda text: {"body": order(agent=text)}),
    "metadata, a value": (PLACE, lambda text: {"body": order(metadata={"desk": "BJ-3", "of": {"note": [text]}})}),
    "metadata, a name": (PLACE, lambda text: {"body": order(metadata={"of": {text: 1}})}),
    "reason": (CANCEL, lambda text: {"body": {"reason": text}}),
    "evidence.ref": (LIFT, lifting),
}


def asked(door, name, text, placed=""):
    """Return the answer to a request with this text in this field."""
    (method, path), made = FIELDS[name]
    more = made(text)
    headers = {"Idempotency-Key": "key-1"} | more.pop("headers", {})
    return door.call(method, path.format(id=placed), Role.ADMIN, headers=headers, **more)


@pytest.mark.parametrize("name", FIELDS)
def test_a_number_in_a_field_that_is_not_one_is_not_taken(door, name):
    placed = door.place(key="key-0").json()["id"]
    before = door.kept()
    for text in SPELLINGS:
        answer = asked(door, name, text, placed)
        [error] = is_problem(answer, 422, "contains_number")["errors"]
        assert error["code"] == "contains_number"
        assert error["field"] == name.partition(",")[0]
        assert text not in answer.text
    assert door.kept() == before


@pytest.mark.parametrize("name", FIELDS)
def test_what_only_looks_like_a_number_is_taken(door, name):
    for text in NAMES:
        assert "contains_number" not in asked(door, name, text, "0" * 28).text


@pytest.mark.parametrize("number", [13809940002, 8613809940002, 13809940002.0])
def test_a_number_in_metadata_may_be_no_text_and_is_not_taken(door, number):
    is_problem(door.place(order(metadata={"of": number})), 422, "contains_number")
    assert door.place(order(metadata={"seconds": 271.5, "bytes": 1754013871123, "ok": True, "of": None})).is_success


def test_all_that_is_wrong_is_told_at_once(door):
    body = order(msisdn="1", agent="138-0994-0002", call={"recording_id": "13809940002"})
    said = is_problem(door.place(body), 422, "malformed")
    assert {(each["field"], each["code"]) for each in said["errors"]} == {
        ("msisdn", "invalid_msisdn"), ("agent", "contains_number"), ("call.recording_id", "contains_number"),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["13809940002", "138-0994-0002", "desk-13809940002"])
def test_a_key_is_not_named_by_a_number(door, name):
    with pytest.raises(Malformed, match="telephone number"):
        door.engine.keys.add(name, Role.AGENT)


@pytest.mark.parametrize("text", SPELLINGS[::2])
def test_a_number_that_the_door_did_not_see_is_shown_to_no_staff(door, text):
    placed = door.place_past_the_check(text)
    door.work(Lane.SMS)
    door.post("inbound", reply("要不要钱"))
    door.work(Lane.INBOUND)
    door.engine.cancel(placed, "desk", f"call {text} back")
    for answer in (
        door.call("GET", f"/v1/orders/{placed}", Role.OPS),
        door.call("GET", "/v1/orders", Role.OPS),
        door.call("POST", "/v1/orders/search", Role.OPS, {"msisdn": NUMBER}),
    ):
        assert answer.json().get("orders", [answer.json()])[0]["timeline"][0]["ref"].count("****") == 1
        assert text not in answer.text
    assert text not in door.call("GET", f"/v1/orders/{placed}", Role.AUDITOR).text
    assert text in door.call("POST", f"/v1/orders/{placed}/reveal", Role.AUDITOR, {"reason": "asked for"}).text


def test_neither_is_it_at_a_terminal(door):
    placed = door.place_past_the_check("rec 138-0994-0002")
    door.engine.cancel(placed, "desk", "call 138-0994-0002 back")
    told = {
        "CONSENT_DATA_DIR": str(door.settings.data_dir),
        "CONSENT_SECRET": FULL_SECRET,
        "PATH": os.environ["PATH"],
    }
    command = [sys.executable, "-m", "consent_engine", "show", placed]
    shown = subprocess.run(command, env=told, capture_output=True, text=True, timeout=HANGS_S, check=True).stdout
    assert "call **** back" in shown
    assert "0994-0002" not in shown
