"""Every gateway: the requests on the wire, and the meaning of each answer and each failure."""

import asyncio
from datetime import timedelta

import pytest

from consent_engine.adapters.gateways import registry as gateways
from consent_engine.adapters.gateways import templated as http_json
from consent_engine.adapters.gateways.shared_settings import rate
from consent_engine.adapters.outbound import LONGEST_AFTER, Client
from consent_engine.domain import hashing
from consent_engine.domain.effects import Accepted, Purpose, Rejected, Throttled, Unavailable, Uncertain
from consent_engine.errors import SettingsError
from consent_engine.ports import Sms
from tests.contract import (
    KEPT_SECRET,
    MSISDN,
    NOW_S,
    NUMBER,
    PATIENT,
    TEXT,
    Far,
    answers,
    bounded,
    discreet,
    says,
)

SMS = Sms("11-abc.confirmation.1", "10085", MSISDN, TEXT, Purpose.CONFIRMATION)
RAW = {"URL": "http://127.0.0.1:1", "SECRET": KEPT_SECRET}


def gateway_at(url, seconds=PATIENT, name="http_json"):
    return http_json.build(name, RAW | {"URL": url}, timedelta(seconds=seconds), lambda: NOW_S)


def send(behaviour, seconds=PATIENT, times=1):
    """Send `times` times; return the outcomes, and the far side with the requests it received."""

    async def conversation():
        async with bounded(seconds), Far(behaviour) as far:
            gateway = gateway_at(f"{far.url}/sms?box=7", seconds)
            outcomes = [await gateway.send(SMS) for _ in range(times)]
            return outcomes, far

    outcomes, far = asyncio.run(conversation(), debug=True)
    discreet(repr(outcomes))
    return outcomes if times > 1 else outcomes[0], far


# Sending ----------------------------------------------------------------------------------------------------------


def test_an_sms_goes_out_as_the_contract_says():
    outcome, far = send(answers(202, {"message_id": "m-1"}))
    (request,) = far.requests
    assert outcome == Accepted("m-1")
    assert (request.method, request.target) == ("POST", "/sms?box=7")
    assert request.fields == {"ref": SMS.ref, "from": "10085", "to": MSISDN, "text": TEXT, "purpose": "confirmation"}
    assert request.headers["idempotency-key"] == SMS.ref
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-consent-signature"].startswith(f"t={NOW_S},v1=")
    hashing.check(KEPT_SECRET, request.headers["x-consent-signature"], request.body, NOW_S * 1000)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_taken(status):
    assert send(answers(status, {"message_id": "m-1"}))[0] == Accepted("m-1")


@pytest.mark.parametrize(("id", "ref"), [(17, "17"), (0, "0"), (2**70, str(2**70))])
def test_an_id_may_be_a_number(id, ref):  # noqa: A002 - the contract's word
    assert send(answers(202, {"message_id": id}))[0] == Accepted(ref)


@pytest.mark.parametrize("id", [True, 1.5, None, [], {}, 10**41, "", " ", "\u3000", -1, "-1"])
def test_what_is_no_id_is_none(id):  # noqa: A002 - the contract's word
    assert send(answers(202, {"message_id": id}))[0] == Uncertain("gateway_odd:202")


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        ({"message_ids": ["m-1", "m-2", 3]}, ("m-1", "m-2", "3")),
        ({"message_id": "m-1", "message_ids": ["m-1", "m-2"]}, ("m-1", "m-2")),
        ({"message_ids": ["m-1"]}, ()),
        ({"message_id": "m-1", "message_ids": []}, ()),
        ({"message_id": "m-1", "message_ids": ["m-2", ""]}, ()),
        ({"message_id": "m-1", "message_ids": "m-2"}, ()),
        ({"message_ids": [f"m-{n}" for n in range(1, 33)]}, tuple(f"m-{n}" for n in range(1, 33))),
    ],
)
def test_every_part_may_have_an_id_of_its_own(answer, parts):
    assert send(answers(202, answer))[0] == Accepted("m-1", parts=parts)


@pytest.mark.parametrize(
    "ids", [["m-1", "m-1"], ["m-1", None], [["m-1"]], {"m-1": "m-2"}, [f"m-{n}" for n in range(33)], [True], []]
)
def test_a_list_that_is_none_of_ids_leaves_a_doubt(ids):
    assert send(answers(202, {"message_ids": ids}))[0] == Uncertain("gateway_odd:202")


def test_the_id_of_a_part_that_is_made_of_the_number_is_kept_as_its_hash():
    outcome, _ = send(answers(202, {"message_ids": [f"{NUMBER}-1", f"{NUMBER}-2"]}))
    assert all(part.startswith("sha256:") for part in outcome.parts)
    assert len(set(outcome.parts)) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_account_is_no_refused_sms(status):
    outcome, _ = send(answers(status, {"error": TEXT}, Retry_After="3"))
    assert outcome == Unavailable(f"gateway:{status}", 3_000, refusing=True)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_rejected_for_good(status):
    assert send(answers(status, {"error": TEXT}))[0] == Rejected(f"gateway:{status}")


@pytest.mark.parametrize(("status", "meant"), [(429, Throttled), (503, Unavailable)])
@pytest.mark.parametrize(
    ("header", "after"),
    {
        "7": 7_000,
        "9" * 4000: LONGEST_AFTER,
        "Fri, 01 Aug 2025 01:00:00 GMT": 0,
        "Fri, 01 Aug 2025 02:00:05 GMT": 5_000,
        "Fri, 01 Aug 2031 02:00:00 GMT": LONGEST_AFTER,
        **dict.fromkeys(["soon", "-3", "²", ""], 0),
    }.items(),
)
def test_told_to_come_again(status, meant, header, after):
    outcome, _ = send(says(f"HTTP/1.1 {status} No\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n".encode()))
    assert outcome == meant(f"gateway:{status}", after)


def test_a_post_is_not_repeated_when_its_connection_dies_and_each_has_its_own():
    seen = []

    async def answers_once(request, wire):
        seen.append(request)
        await (answers(202, {"message_id": "m-1"}) if len(seen) == 1 else says(b""))(request, wire)

    (one, two), far = send(answers_once, times=2)
    assert (one, type(two)) == (Accepted("m-1"), Uncertain)
    assert [request.connection for request in far.requests] == [1, 2]


def test_cookies_and_proxies_of_the_environment_are_left_alone(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    outcomes, far = send(answers(202, {"message_id": "m-1"}, Set_Cookie="a=b"), times=2)
    assert outcomes == [Accepted("m-1")] * 2
    assert "cookie" not in far.requests[1].headers


def test_a_client_outlives_its_event_loop():
    client = Client(timedelta(seconds=PATIENT))

    async def conversation():
        async with Far(answers(200, {}, Connection="close")) as far:
            return (await client.post(far.url, {}, "key")).status

    assert [asyncio.run(conversation()) for _ in range(2)] == [200, 200]


def test_an_id_made_of_the_number_is_kept_as_its_hash():
    outcome, _ = send(answers(202, {"message_id": f"{NUMBER}-17"}))
    assert outcome.ref.startswith("sha256:")
    assert outcome == send(answers(202, {"message_id": f"{NUMBER}-17"}))[0]


def test_the_simulated_gateway_takes_everything_and_a_ref_is_one_message():
    gateway = gateways.build("simulated", lambda _prefix: {"SECRET": KEPT_SECRET}, timedelta(seconds=1))
    one, again = asyncio.run(gateway.send(SMS)), asyncio.run(gateway.send(SMS))
    assert isinstance(one, Accepted)
    assert one == again
    discreet(repr(one))


def test_the_simulated_gateway_hands_over_to_the_handset_that_it_is_told_of():
    async def through(url):
        gateway = gateways.build("simulated", lambda _prefix: RAW | {"URL": url}, timedelta(seconds=1))
        return await gateway.send(SMS)

    assert asyncio.run(through(RAW["URL"])) == Unavailable("no_connection:ConnectionRefusedError")


# Settings ---------------------------------------------------------------------------------------------------------


def built(spec, raw):
    return gateways.build(spec, {"HTTP_JSON": RAW, "HTTP_JSON_SOUTH": raw}.__getitem__, timedelta(seconds=1))


def test_a_second_one_of_a_kind_has_its_own_name_and_settings():
    assert built("http_json", RAW).name == "http_json"
    south = built("http_json:south", RAW | {"SUB_NUMBERS": "true"})
    assert (south.name, south.sub_numbers) == ("http_json:south", True)


@pytest.mark.parametrize("kind", ["http_json", "simulated", "kannel"])
def test_every_gateway_says_how_many_segments_it_carries(kind):
    more = {"USERNAME": "u", "PASSWORD": "p", "CALLBACK_URL": "http://127.0.0.1:8080"}
    url = {} if kind == "simulated" else {"URL": RAW["URL"]}

    def carried(**said):
        raw = {"SECRET": "a-secret-between-us", **url, **(more if kind == "kannel" else {}), **said}
        return gateways.build(kind, lambda _: raw, timedelta(seconds=1)).segments

    assert (carried(), carried(SEGMENTS=""), carried(SEGMENTS="4")) == (255, 255, 4)
    for wrong in ("0", "256", "four", "-1", "4.0", "²", "9" * 5_000):
        with pytest.raises(SettingsError, match="SEGMENTS must be a whole number from 1 to 255"):
            carried(SEGMENTS=wrong)


def test_a_rate_is_a_whole_number_above_nothing():
    prefix = "CONSENT_KANNEL_BOX__"
    assert [rate(prefix, {"RATE": said} if said else {}) for said in ("", " ", "1", "100", "10000")] == [
        0, 0, 1, 100, 10_000,
    ]  # fmt: skip
    for wrong in ("0", "-1", "+1", "0.5", "1e3", "10001", "ten", "²", "9" * 5_000):
        with pytest.raises(SettingsError, match=r"^CONSENT_KANNEL_BOX__RATE must be a whole number from 1 to 10000$"):
            rate(prefix, {"RATE": wrong})


@pytest.mark.parametrize("spec", ["", "cmpp", "http_json:", "http_json:A", "HTTP_JSON", "http_json:a:b", ":"])
def test_a_wrong_name_stops_the_start(spec):
    with pytest.raises(SettingsError, match="http_json, kannel, simulated"):
        built(spec, RAW)


@pytest.mark.parametrize(
    ("key", "values"),
    {
        "URL": ["", "ftp://a", "/sms", "sms", "http://", "http://a:99999"],
        "SECRET": ["", " "],
        "SKEW": ["-1s", "long", "5", "0s", "11m"],
        "SUB_NUMBERS": ["maybe"],
    }.items(),
)
def test_a_wrong_setting_stops_the_start_by_its_name(key, values):
    for value in values:
        with pytest.raises(SettingsError, match=f"^CONSENT_HTTP_JSON_SOUTH__{key} "):
            built("http_json:south", RAW | {key: value})
