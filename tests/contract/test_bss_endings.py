"""Every BSS deactivates what it activated: requests on the wire, the meaning of each answer, questions after doubt."""

import asyncio
from datetime import timedelta

import pytest

from consent_engine.adapters.bss import simulated, templated
from consent_engine.domain import hashing
from consent_engine.domain.effects import Accepted, Rejected, Restored, Settlement, Unavailable, Uncertain, Untaken
from consent_engine.ports import Deactivation
from tests.contract import KEPT_SECRET, MSISDN, NOW_S, PATIENT, Far, answers, bounded, discreet, misread

DEACTIVATION = Deactivation(
    "0ce7end", "0ce7order", "act-1", MSISDN, "5g-smart-199", "withdrawn", NOW_S * 1000 + 7, free_exit=True
)
RAW = {"URL": "http://127.0.0.1:1", "SECRET": KEPT_SECRET, "CAN_ASK": "true"}
OFF = {"deactivation_id": "off-1", "stops_at": "2025-09-01T00:00:00+08:00"}


def talk(behaviour, *verbs, seconds=PATIENT, **raw):
    """Return the outcome of each verb, and the far side with the requests it received."""

    async def conversation():
        async with bounded(seconds), Far(behaviour) as far:
            system = templated.build(
                "http", RAW | {"URL": f"{far.url}/v2/"} | raw, timedelta(seconds=seconds), lambda: NOW_S
            )
            outcomes = [
                await (system.ask_ending("0ce7end") if verb == "ask" else system.deactivate(DEACTIVATION))
                for verb in verbs
            ]
            return outcomes, far

    outcomes, far = asyncio.run(conversation())
    discreet(repr(outcomes))
    return outcomes if len(verbs) > 1 else outcomes[0], far


def test_a_deactivation_goes_out_as_the_contract_says_the_same_at_every_attempt():
    (_, outcome), far = talk(answers(201, OFF), "end", "end")
    request, again = far.requests
    assert outcome == Accepted("off-1", "2025-09-01T00:00:00+08:00")
    assert (request.method, request.target) == ("POST", "/v2/deactivations")
    assert request.fields == {
        "ending_id": "0ce7end", "order_id": "0ce7order", "activation_id": "act-1", "msisdn": MSISDN,
        "plan": "5g-smart-199", "cause": "withdrawn", "asked_at": "2025-08-01T02:00:00.007+00:00",
        "free_exit": True,
    }  # fmt: skip
    assert request.headers["idempotency-key"] == again.headers["idempotency-key"] == "0ce7end"
    assert request.body == again.body
    hashing.check(KEPT_SECRET, request.headers["x-consent-signature"], request.body, NOW_S * 1000)


@pytest.mark.parametrize(("said", "outcome"), [
    ({"activation_id": "act-1", "active_from": "2025-08-01"}, Accepted("act-1", "")),
    ({"deactivation_id": "off-1", "active_until": "2025-09-01"}, Accepted("off-1", "2025-09-01")),
    ({"deactivation_id": 7, "stops_at": MSISDN}, Accepted("7", "")),
    ({}, Uncertain("bss_odd:200")),
])  # fmt: skip
def test_done_is_done_as_for_an_activation(said, outcome):
    assert talk(answers(200, said), "end")[0] == outcome


@pytest.mark.parametrize(("status", "said", "outcome"), [
    (422, {"code": "not_active", "reason": MSISDN}, Rejected("not_active")),
    (422, {}, Uncertain("bss_odd:422")),
    (409, {}, Uncertain("in_progress:")),
    (404, {}, Unavailable("bss:404")),
    (429, {}, Unavailable("bss:429")),
    (503, {}, Uncertain("bss:503")),
])  # fmt: skip
def test_any_other_answer_means_what_it_means_for_an_activation(status, said, outcome):
    assert talk(answers(status, said), "end")[0] == outcome


@pytest.mark.parametrize(("said", "settled"), [
    ({"fee": "320.00", "refund": {"amount": "35.00", "by": "2025-12-31"}, "restored": True},
     Settlement("320.00", "35.00", "2025-12-31", Restored.YES)),
    ({"fee": 0, "restored": False}, Settlement("0", restored=Restored.NO)),
    ({"refund": {"amount": 12.5}}, Settlement(refund="12.5")),
    ({"refund": {"amount": "1", "by": "soon"}}, Settlement(refund="1")),
    ({"fee": "free", "refund": [1], "restored": "yes"}, Settlement()),
    ({"fee": -1, "refund": {"by": "2025-12-31"}}, Settlement()),
    ({"fee": True, "refund": {"amount": MSISDN, "by": MSISDN}}, Settlement()),
])  # fmt: skip
def test_what_it_says_of_money_is_taken_as_said_and_what_is_no_amount_as_not_said(said, settled):
    assert talk(answers(200, OFF | said), "end")[0].settled == settled
    assert talk(answers(200, OFF | said), "ask")[0].settled == settled


def test_what_may_have_been_taken_is_in_doubt():
    assert misread(lambda behaviour, seconds: talk(behaviour, "end", seconds=seconds), Uncertain) == {}


@pytest.mark.parametrize(("status", "said", "outcome"), [
    (200, OFF, Accepted("off-1", "2025-09-01T00:00:00+08:00")),
    (404, {"code": "unknown"}, Untaken("asked:bss_unknown:")),
    (404, {}, None),
    (500, {}, Uncertain("asked:bss:500")),
])  # fmt: skip
def test_asked_what_became_of_it(status, said, outcome):
    found, far = talk(answers(status, said), "ask")
    assert (found, far.requests[0].method, far.requests[0].target) == (outcome, "GET", "/v2/deactivations/0ce7end")


def test_one_that_cannot_be_asked_is_not():
    found, far = talk(answers(200, OFF), "ask", CAN_ASK="false")
    assert (found, far.requests) == (None, [])


def test_the_simulated_one_says_the_same_twice():
    bss = simulated.build("simulated", {}, timedelta(seconds=1))

    async def twice():
        return await bss.deactivate(DEACTIVATION), await bss.deactivate(DEACTIVATION), await bss.ask_ending("0ce7end")

    first, again, asked = asyncio.run(twice())
    assert isinstance(first, Accepted)
    assert (first, asked) == (again, None)
    assert first.settled == Settlement(fee="0.00"), "no early fee is due"
