"""Violations of a call: each is found where it is, and nowhere else."""

import pytest

from consent_engine.domain.call.permit import PermitResult
from consent_engine.domain.call.violation import DECIDED, Known, Violation, found
from consent_engine.domain.line.restriction import Kind, Restriction

AT = 1_764_000_000_000
GOOD = Known(at=AT, carrier="mobile", official=True)


def standing(kind, since=AT - 1, carrier="mobile", plan=""):
    return (Restriction(kind, carrier, plan, since, "sms", ""),)


def known(**more):
    return Known(**{"at": AT, "carrier": "mobile", "official": True, **more})


WRONG = {
    Violation.NO_PERMIT: known(required=True),
    Violation.EXPIRED_PERMIT: known(permit=PermitResult.EXPIRED),
    Violation.WRONG_PERMIT: known(permit=PermitResult.WRONG_NUMBER),
    Violation.UNOFFICIAL_NUMBER: known(official=False),
    Violation.REFUSED_NUMBER: known(standing=standing(Kind.REFUSED)),
    Violation.SUSPECTED: known(standing=standing(Kind.SUSPECTED)),
    Violation.MARKETING_FREE: known(standing=standing(Kind.MARKETING_FREE)),
    Violation.COOL_OFF: known(standing=standing(Kind.COOL_OFF, plan="p"), plan="p"),
    Violation.QUIET_HOURS: known(quiet=True),
    Violation.TOO_OFTEN: known(line_shows={Violation.TOO_OFTEN}),
    Violation.NUMBER_CHANGED: known(line_shows={Violation.NUMBER_CHANGED}),
    Violation.NO_RECORDING: known(recorded=False),
    Violation.UNREPORTED: known(reported=False),
}


@pytest.mark.parametrize("violation", Violation)
def test_each_violation_is_found_alone(violation):
    assert found(WRONG[violation]) == (violation,)


def test_a_call_that_is_as_it_should_be_has_none():
    assert found(GOOD) == found(known(permit=PermitResult.VALID, required=True)) == ()
    assert {*DECIDED} == {*Violation}


@pytest.mark.parametrize("word", sorted(set(PermitResult) - {PermitResult.VALID, PermitResult.EXPIRED}))
def test_a_permit_that_does_not_fit_is_wrong(word):
    assert found(known(permit=word)) == (Violation.WRONG_PERMIT,)


def test_a_permit_answers_for_what_it_was_asked_about_and_never_for_a_refusal():
    permitted = {"permit": PermitResult.VALID, "quiet": True}
    for kind in (Kind.MARKETING_FREE, Kind.COOL_OFF):
        assert found(known(**permitted, standing=standing(kind))) == ()
    assert found(known(**permitted, standing=standing(Kind.REFUSED))) == (Violation.REFUSED_NUMBER,)
    assert found(known(**permitted, standing=standing(Kind.SUSPECTED))) == (Violation.SUSPECTED,)


def test_what_stands_since_the_call_began_or_for_others_was_not_wrong():
    assert found(known(standing=standing(Kind.REFUSED, since=AT + 1))) == ()
    assert found(known(standing=standing(Kind.REFUSED, carrier="telecom"))) == ()
    assert found(known(standing=standing(Kind.COOL_OFF, plan="p"))) == ()
    assert found(known(standing=standing(Kind.COOL_OFF, plan="p"), plan="other")) == ()
