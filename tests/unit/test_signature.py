"""A signature proves who sent a body and when; nothing else passes, and no refusal says why."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_engine.domain.hashing import HEADER, check, sign
from consent_engine.errors import Unauthenticated

SECRET = "s3cret"
BODY = b'{"ref":"x"}'
AT = 1_754_013_600
NOW = AT * 1000
GOOD = sign(SECRET, BODY, AT)


def fits(header, *, secret=SECRET, body=BODY, now_ms=NOW, tolerance_s=300):
    try:
        check(secret, header, body, now_ms, tolerance_s)
    except Unauthenticated as error:
        return _constant(error)
    return True


def _constant(error):
    assert str(error) == "the signature does not fit"
    return False


def test_the_header_is_what_the_contract_says():
    digest = hmac.new(SECRET.encode(), f"{AT}.".encode() + BODY, hashlib.sha256).hexdigest()
    assert HEADER == "X-Consent-Signature"
    assert f"t={AT},v1={digest}" == GOOD


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.binary(), st.integers(0, 10**10))
def test_what_is_signed_is_accepted(secret, body, at):
    assert fits(sign(secret, body, at), secret=secret, body=body, now_ms=at * 1000)


@given(st.binary())
def test_another_body_is_refused(body):
    assert fits(GOOD, body=body) is (body == BODY)


@given(st.text())
def test_another_header_is_refused(header):
    assert not fits(header)


@given(at=st.integers(0, len(GOOD) - 1), character=st.characters())
def test_a_header_with_one_character_changed_is_refused(at, character):
    changed = GOOD[:at] + character + GOOD[at + 1 :]
    same = changed.startswith("t=") and ",v1=" in changed and changed.isascii() and changed.lower() == GOOD
    assert fits(changed) is same


def test_hex_may_be_upper_case():
    assert fits(f"t={AT},v1={GOOD[-64:].upper()}")


@pytest.mark.parametrize(("offset_ms", "good"), [(0, True), (300_000, True), (300_001, False)])
def test_the_tolerance_holds_both_ways(offset_ms, good):
    assert fits(GOOD, now_ms=NOW + offset_ms) is good
    assert fits(GOOD, now_ms=NOW - offset_ms) is good
    assert fits(GOOD, now_ms=NOW + 5_000, tolerance_s=4) is False


def test_the_instant_is_signed_too():
    assert not fits(GOOD.replace(str(AT), str(AT + 1)))
    assert not fits(GOOD.replace(f"t={AT}", f"t=0{AT}"))


def test_another_secret_is_refused_and_no_secret_fits_nothing():
    assert not fits(sign("other", BODY, AT))
    assert not fits(sign("", BODY, AT), secret="")


V1 = GOOD[-64:]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "t=,v1=",
        f"t={AT}",
        f"v1={V1}",
        f"v1={V1},t={AT}",
        f"{GOOD},v1={V1}",
        f"t={AT},{GOOD}",
        f"{GOOD},t={AT}",
        f"{GOOD}\n",
        f" {GOOD}",
        f"t=-{AT},v1={V1}",
        f"t=+{AT},v1={V1}",
        f"t={AT}.0,v1={V1}",
        f"t={'9' * 5000},v1={V1}",
        f"t={AT},v1={V1[:-2]}",
        f"t={AT},v0={V1}",
        GOOD.replace("1", "１"),
        GOOD.replace(str(AT), "١٧٥٤٠١٣٦٠٠"),
        GOOD * 100_000,
        "\ud800",
    ],
)
def test_a_malformed_header_is_refused(header):
    assert not fits(header)
