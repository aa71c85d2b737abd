"""/review: for reviewers only; it may play recordings from the one place that is set, and masks every number."""

import pytest

from consent_engine.config.settings import Settings
from consent_engine.config.urls import recording_url
from consent_engine.engine.api_keys import Role
from consent_engine.errors import SettingsError
from tests.integration.api_door import NUMBER, is_problem, order
from tests.integration.page_door import MAY

WHERE = "https://recordings.example.com:8443/{ref}.mp3?by=consent"


def placed(door, n=1):
    headers = {"Idempotency-Key": f"reviewed-{n}"}
    assert door.call("POST", "/v1/orders", Role.AGENT, order(), headers=headers).status_code == 201
    return door.call("GET", "/v1/reviews", Role.REVIEWER).json()["calls"][0]["id"]


def test_only_the_page_of_reviews_may_load_sound_and_only_from_the_host_that_is_set(door):
    visitor = door.sign_in(Role.REVIEWER)
    assert "media-src" not in visitor.get("/review").headers["content-security-policy"]
    door.app.state.recording_url = WHERE
    policy = visitor.get("/review").headers["content-security-policy"]
    assert policy.endswith("; media-src https://recordings.example.com:8443")
    assert "default-src 'none'" in policy
    assert "media-src" not in visitor.get("/").headers["content-security-policy"]


@pytest.mark.parametrize("role", list(Role))
def test_what_was_told_and_sent_is_shown_to_reviewers_without_a_number(door, role):
    door.app.state.recording_url = WHERE
    call = placed(door)
    answer = door.sign_in(role).get(f"/review/calls/{call}")
    if role not in MAY["/review"]:
        is_problem(answer, 403, "forbidden")
        return
    shown = answer.json()
    [sold] = shown["sold"]
    assert shown["recording"].startswith("https://recordings.example.com:8443/rec-")
    assert sold["reads"]["zh"]["price"] in sold["text"]
    assert sold["reads"]["zh"].keys() > {"price", "term", "unsubscribe"}
    assert (sold["plan"], sold["state"], shown["own"]) == ("5g-smart-199", "agreed", False)
    assert NUMBER[3:] not in answer.text
    assert is_problem(door.sign_in(role).get(f"/review/calls/{'0' * 28}"), 404, "call_not_found")


@pytest.mark.parametrize(
    "address",
    [
        "recordings/{ref}", "https://example.com/all.mp3", "https://{ref}.example.com/", "ftp://example.com/{ref}",
        "https://u:p@example.com/{ref}", "https://example.com/{ref}#x", "https://example.com/{id}/{ref}",
        "https://example.com;script-src *.x/{ref}",
    ],
)  # fmt: skip
def test_an_address_of_recordings_that_cannot_be_one_stops_the_start(address):
    with pytest.raises(ValueError, match="must"):
        recording_url(address)
    with pytest.raises(SettingsError, match="CONSENT_RECORDING_URL"):
        Settings.load({"CONSENT_RECORDING_URL": address}, env_file=None)


@pytest.mark.parametrize(
    ("ref", "at"), [("..", ""), (".", ""), ("../all", "..%2Fall"), ("a?b=c#d", "a%3Fb%3Dc%23d"), ("..a", "..a")]
)
def test_no_name_of_a_recording_leads_to_another_file(door, ref, at):
    door.app.state.recording_url = "https://recordings.example.com/kept/{ref}/audio"
    assert door.place(order(call={"recording_id": ref})).status_code == 201
    [call] = door.call("GET", "/v1/reviews", Role.REVIEWER).json()["calls"]
    shown = door.sign_in(Role.REVIEWER).get(f"/review/calls/{call['id']}").json()
    assert shown["recording"] == (at and f"https://recordings.example.com/kept/{at}/audio")


def test_the_order_names_its_own_agent_beside_the_agent_of_the_call(door):
    call = {
        "from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1024", "started_at": "2025-08-01T10:00:00+08:00",
    }  # fmt: skip
    began = door.call("POST", "/v1/calls", Role.AGENT, call, headers={"Idempotency-Key": "c-1"}).json()["id"]
    body = {"msisdn": NUMBER, "plan": "5g-smart-199", "call_id": began, "agreed_at": "2025-08-01T10:04:31+08:00"}
    assert door.place(body | {"agent": "A2048"}).status_code == 201
    shown = door.sign_in(Role.REVIEWER).get(f"/review/calls/{began}").json()
    assert (shown["call"]["agent"], [each["agent"] for each in shown["sold"]]) == ("A1024", ["A2048"])
