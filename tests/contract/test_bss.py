"""Every BSS: the requests on the wire, the meaning of each answer, and the questions allowed after doubt."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from consent_engine.adapters.bss import registry as bss
from consent_engine.adapters.bss import templated
from consent_engine.domain import hashing
from consent_engine.domain.effects import Accepted, Rejected, Unavailable, Uncertain, Untaken
from consent_engine.errors import SettingsError
from consent_engine.ports import Activation
from consent_engine.ports.outside import MAY_GO
from tests.contract import KEPT_SECRET, MSISDN, NOW_S, NUMBER, PATIENT, TEXT, Far, answers, bounded, discreet, misread

ACTIVATION = Activation("11-abc", MSISDN, "5g-smart-199", 3, "p" * 64, NOW_S * 1000 + 7, "h" * 64)
RAW = {"URL": "http://127.0.0.1:1", "SECRET": KEPT_SECRET, "CAN_ASK": "true"}
ACTIVE = {"activation_id": "a-1", "active_from": "2025-08-01T10:00:00+08:00"}


def talk(behaviour, *verbs, seconds=PATIENT, url="", **raw):
    """Return the outcome of each verb, and the far side with the requests it received."""

    async def conversation():
        async with bounded(seconds), Far(behaviour) as far:
            settings = RAW | {"URL": f"{url or far.url}/v2/"} | raw
            system = templated.build("http", settings, timedelta(seconds=seconds), lambda: NOW_S)
            outcomes = [
                await (system.ask("11-abc") if verb == "ask" else system.activate(ACTIVATION)) for verb in verbs
            ]
            return outcomes, far

    outcomes, far = asyncio.run(conversation(), debug=True)
    discreet(repr(outcomes))
    return outcomes if len(verbs) > 1 else outcomes[0], far


# Activating -------------------------------------------------------------------------------------------------------


def test_an_activation_goes_out_as_the_contract_says():
    outcome, far = talk(answers(201, ACTIVE), "activate")
    (request,) = far.requests
    assert outcome == Accepted("a-1", "2025-08-01T10:00:00+08:00")
    assert (request.method, request.target) == ("POST", "/v2/activations")
    assert request.fields == {
        "order_id": "11-abc",
        "msisdn": MSISDN,
        "plan": "5g-smart-199",
        "plan_version": 3,
        "plan_hash": "p" * 64,
        "confirmed_at": "2025-08-01T02:00:00.007+00:00",
        "head": "h" * 64,
    }
    assert request.headers["idempotency-key"] == "11-abc"
    assert request.headers["content-type"] == "application/json"
    hashing.check(KEPT_SECRET, request.headers["x-consent-signature"], request.body, NOW_S * 1000)


@pytest.mark.parametrize("wanted", [True, False])
def test_an_activation_asks_whether_it_may_go_when_its_connection_stands_and_a_question_does_not(wanted):
    asked = []
    token = MAY_GO.set(lambda: asked.append(1) or wanted)
    try:
        (known, outcome), far = talk(answers(201, ACTIVE), "ask", "activate")
    finally:
        MAY_GO.reset(token)
    assert len(asked) == 1
    assert isinstance(known, Accepted)
    assert [request.method for request in far.requests] == (["GET", "POST"] if wanted else ["GET"])
    assert isinstance(outcome, Accepted if wanted else Unavailable), "surely not taken: no doubt"


def test_the_key_and_the_body_are_the_same_at_every_attempt():
    _, far = talk(answers(500), "activate", "activate")
    one, two = far.requests
    assert (one.headers["idempotency-key"], one.body) == (two.headers["idempotency-key"], two.body)


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    ("since", "note"),
    [("2025-08-01", "2025-08-01"), (None, ""), (MSISDN, ""), (NUMBER, ""), (TEXT, ""), (7, "")],
)
def test_done(status, since, note):
    assert talk(answers(status, ACTIVE | {"active_from": since}), "activate")[0] == Accepted("a-1", note)


@pytest.mark.parametrize(
    ("said", "kept"),
    {
        "no_credit": "no_credit",
        "Not eligible: E-1042": "Not eligible: E-1042",
        **dict.fromkeys([TEXT, f"no-{NUMBER}", "138 0013 8000", "c" * 65], "unnamed"),
    }.items(),
)
def test_refused_for_good_by_a_code(said, kept):
    assert talk(answers(422, {"code": said, "reason": f"{MSISDN} {TEXT}"}), "activate")[0] == Rejected(kept)


@pytest.mark.parametrize(
    "said", [b"", TEXT.encode(), b"{}", b'{"code":7}', b'{"code":""}', b'{"code":" "}', b'{"detail":"x"}']
)
def test_a_422_without_a_code_is_no_refusal(said):
    assert talk(answers(422, said), "activate")[0] == Uncertain("bss_odd:422")


def test_a_key_in_progress_is_neither_a_refusal_nor_surely_not_taken():
    assert talk(answers(409, {"code": "busy"}), "activate")[0] == Uncertain("in_progress:")


@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_turned_away_is_surely_not_taken(status):
    outcome, _ = talk(answers(status, {"code": "no"}, Retry_After="3"), "activate")
    assert outcome == Unavailable(f"bss:{status}", 3_000, refusing=status in {401, 403})


@pytest.mark.parametrize("status", [202, 302, 400, 410, 500, 502, 503, 504])
def test_any_other_answer_is_doubt(status):
    assert talk(answers(status, ACTIVE | {"code": "x"}), "activate")[0] == Uncertain(f"bss:{status}")


def test_whatever_may_have_been_taken_is_in_doubt():
    assert misread(lambda behaviour, seconds: talk(behaviour, "activate", seconds=seconds), Uncertain) == {}


@pytest.mark.parametrize(("verb", "kind"), [("activate", Unavailable), ("ask", Uncertain)])
def test_whatever_cannot_have_been_sent_is_no_news(unreached, verb, kind):
    server, make = unreached

    async def conversation():
        async with server as far:
            url, seconds = await make(far)
            system = templated.build("http", RAW | {"URL": url}, timedelta(seconds=seconds), lambda: NOW_S)
            async with bounded(seconds):
                return await (system.ask("11-abc") if verb == "ask" else system.activate(ACTIVATION))

    outcome = asyncio.run(conversation(), debug=True)
    assert isinstance(outcome, kind)
    assert server.requests == []
    discreet(repr(outcome))


def test_an_activation_never_hears_what_was_said_to_another():
    _, far = talk(answers(200, ACTIVE), "activate", "ask", "activate")
    assert [request.connection for request in far.requests] == [1, 2, 3]


def test_an_id_may_be_a_number():
    outcome, _ = talk(answers(200, ACTIVE | {"activation_id": 4711}), "activate")
    assert outcome.ref == "4711"


@pytest.mark.parametrize("wrong", [-1, "-1", " ", "", None, False])
def test_an_error_in_the_place_of_an_id_is_no_activation(wrong):
    outcome, _ = talk(answers(200, {"activation_id": wrong, "code": "E1", "reason": "no such plan"}), "activate")
    assert outcome == Uncertain("bss_odd:200")


def test_an_id_made_of_the_number_is_kept_as_its_hash():
    outcome, _ = talk(answers(200, {"activation_id": f"act-86{NUMBER}"}), "activate")
    assert outcome.ref.startswith("sha256:")


# Asking -----------------------------------------------------------------------------------------------------------


def test_a_question_is_a_signed_get():
    outcome, far = talk(answers(200, ACTIVE), "ask")
    (request,) = far.requests
    assert outcome == Accepted("a-1", "2025-08-01T10:00:00+08:00")
    assert (request.method, request.target, request.body) == ("GET", "/v2/activations/11-abc", b"")
    hashing.check(KEPT_SECRET, request.headers["x-consent-signature"], b"", NOW_S * 1000)


def test_a_bss_that_was_asked_and_knows_nothing_differs_from_one_that_cannot_be_asked():
    asked, far = talk(answers(404, {"code": "unknown", "reason": "no such order"}), "ask")
    assert (asked, len(far.requests)) == (Untaken("asked:bss_unknown:"), 1)
    never, far = talk(answers(200, ACTIVE), "ask", CAN_ASK="false")
    assert (never, len(far.requests)) == (None, 0)
    assert [templated.build("http", RAW | {"CAN_ASK": can}, timedelta(1)).can_ask for can in ("true", "", "false")] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "said",
    [b"", b"<html><h1>404 Not Found</h1></html>", b'{"message":"no Route matched with those values"}',
     b'{"status":404,"error":"Not Found","path":"/activations"}', b'{"code":404}', b'[{"code":"unknown"}]'],
)  # fmt: skip
def test_a_404_without_a_code_is_a_proxys_and_the_doubt_stays(said):
    assert talk(answers(404, said), "ask")[0] is None


@pytest.mark.parametrize("status", [401, 403])
def test_asking_under_a_refused_account_is_neither_news_nor_a_doubt_more(status):
    outcome, _ = talk(answers(status, {"code": "no"}), "ask")
    assert outcome == Unavailable(f"asked:bss:{status}", refusing=True)


@pytest.mark.parametrize("status", [202, 307, 400, 409, 422, 429, 500, 503])
def test_any_other_news_leaves_the_doubt(status):
    outcome, _ = talk(answers(status, ACTIVE | {"code": "refused"}), "ask")
    assert outcome == Uncertain(f"asked:bss:{status}")


def test_trouble_while_asking_leaves_the_doubt():
    assert misread(lambda behaviour, seconds: talk(behaviour, "ask", seconds=seconds), Uncertain) == {}


# The simulated one, and settings ----------------------------------------------------------------------------------


def test_the_simulated_bss_activates_once_an_order():
    system = bss.build("simulated", lambda _prefix: {}, timedelta(seconds=1))
    one, again, other = (asyncio.run(system.activate(replace(ACTIVATION, order_id=order))) for order in ("a", "a", "b"))
    assert one == again
    assert one.ref != other.ref
    assert asyncio.run(system.ask("a")) is None
    discreet(repr(one))


def test_another_one_of_a_kind_has_its_own_name_and_settings():
    asked = []
    system = bss.build("http:north", lambda prefix: asked.append(prefix) or RAW, timedelta(seconds=1))
    assert (system.name, asked) == ("http:north", ["BSS_HTTP_NORTH"])


@pytest.mark.parametrize("spec", ["", "https", "http:", "HTTP", "http:a:b"])
def test_a_wrong_name_stops_the_start(spec):
    with pytest.raises(SettingsError, match="http, simulated"):
        bss.build(spec, lambda _prefix: RAW, timedelta(seconds=1))


@pytest.mark.parametrize(
    ("key", "values"), {"URL": ["", "bss", "http://a/?b=c"], "SECRET": [""], "CAN_ASK": ["yes"]}.items()
)
def test_a_wrong_setting_stops_the_start_by_its_name(key, values):
    for value in values:
        with pytest.raises(SettingsError, match=f"^CONSENT_BSS_HTTP__{key} "):
            bss.build("http", lambda _prefix, value=value: RAW | {key: value}, timedelta(seconds=1))
