"""The channels by which a subscriber may speak: the contract's list holds wherever a channel is named."""

from datetime import UTC, datetime

import pytest

from consent_engine.domain.roles import Role

NUMBER = "13800138000"


@pytest.mark.parametrize("channel", ["voice", "sms", "web", "app", "hotline", "counter", "report", "import", "other"])
def test_a_refusal_is_heard_and_lifted_by_whichever_channel_the_contract_names(door, channel):
    said = {"msisdn": NUMBER, "carrier": "mobile", "channel": channel}
    assert door.call("POST", "/v1/refusals", Role.AGENT, said).status_code == 201
    assert door.call("POST", "/v1/callable", Role.AGENT, {"msisdn": NUMBER}).json()["reason"] == "refused"

    act = {"channel": channel, "ref": "form-9", "at": datetime.now(UTC).isoformat()}
    lifted = {"msisdn": NUMBER, "carrier": "mobile", "evidence": act}
    assert door.call("POST", "/v1/refusals/lift", Role.ADMIN, lifted).status_code == 200

    row = f"msisdn,carrier,channel\n{NUMBER},mobile,{channel}\n".encode()
    typed = {"Content-Type": "text/csv"}
    told = door.call("POST", "/v1/refusals/import", Role.OPS, content=row, headers=typed)
    assert told.json()["accepted"] == 1


@pytest.mark.parametrize("written", ["013800138000", "tel:13800138000", "(138) 0013-8000"])
@pytest.mark.parametrize(("path", "reason"), [("refusals", "refused"), ("registrations", "marketing_free")])
def test_a_number_that_is_not_to_be_called_is_taken_as_exchanges_write_it(door, written, path, reason):
    assert door.call("POST", f"/v1/{path}", Role.AGENT, {"msisdn": written, "channel": "hotline"}).status_code == 201
    assert door.call("POST", "/v1/callable", Role.AGENT, {"msisdn": NUMBER}).json()["reason"] == reason
