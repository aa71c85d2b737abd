"""Erasing a person over HTTP, on a server with an append-only file: for admins, with a report of what stays."""

import pytest

from consent_engine.domain.effects import Lane
from consent_engine.domain.seal import Seal
from consent_engine.engine.scribe import as_of_now
from tests.at_rest import opened_in
from tests.integration.api_door import NUMBER, is_problem, logged, order, reply

DIGITS = NUMBER[3:].encode()
ASKED = {"msisdn": NUMBER, "ground": "the subscriber asked for it"}


def erase(door, role="admin", **more):
    return door.call("POST", "/v1/erasures", role, {**ASKED, **more})


def files_with_it(door):
    """The files of the installation, Redis' append-only files and SQL's, in which the number stands."""
    paths = [path for path in door.settings.data_dir.rglob("*") if path.is_file()]
    texts = {path.name: path.read_bytes().decode("latin-1") for path in paths}
    seal = Seal(door.settings.secret.get_secret_value())
    number = DIGITS.decode()
    return sorted(name for name, text in texts.items() if number in text or number in str([*opened_in(text, seal)]))


@pytest.fixture
def declined(door):
    made = door.place(order()).json()["id"]
    door.work(Lane.SMS)
    door.post("inbound", reply("否"))
    door.work(Lane.INBOUND, Lane.SMS)
    return door.engine.show(made)


def test_an_erased_number_stands_in_no_file_and_no_log(door, declined, caplog):
    as_of_now(door.engine.store)
    before = files_with_it(door)
    assert any(name.endswith(".aof") for name in before)
    assert any("sqlite3" in name for name in before)
    report = erase(door).json()
    assert report["erased"] == {"orders": 1, "calls": 1, "endings": 0, "reports": 0}
    assert (report["by"], report["file"], report["backups"]) == ("the-admin", "", [])
    assert report["stays"]["log"]
    assert files_with_it(door) == []
    assert NUMBER[3:] not in logged(caplog)
    shown = door.call("GET", f"/v1/orders/{declined.id}", "auditor").json()
    assert (shown["state"], shown["msisdn"]) == ("declined", "****")
    is_problem(
        door.call("POST", "/v1/receipts", None, {"number": declined.receipt, "last_four": "8000"}),
        404,
        "receipt_not_found",
    )
    assert (
        door.call(
            "POST", "/v1/callable", "ops", {"msisdn": NUMBER, "carrier": "mobile", "plan": "5g-smart-199"}
        ).json()["reason"]
        == "cool_off"
    )


def test_an_open_order_is_named_and_stays_as_it_is(door):
    made = door.place(order()).json()["id"]
    refused = is_problem(erase(door), 409, "still_open")
    assert refused["open"] == "an order"
    assert NUMBER[3:] not in str(refused)
    assert door.call("GET", f"/v1/orders/{made}", "agent").json()["msisdn"] == NUMBER


def test_a_ground_is_needed_and_names_no_number(door):
    for ground in ("", f"call {NUMBER} back"):
        assert erase(door, ground=ground).status_code == 422
    for role in ("ops", "auditor", "agent", "reviewer"):
        is_problem(erase(door, role), 403, "forbidden")
