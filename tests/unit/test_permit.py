"""Permits: what denies a number, which reason is named, and a token that nobody else can make, move or read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_engine.domain.call.permit import (
    SKEW_MS,
    Denied,
    Dial,
    Dialling,
    PermitResult,
    Tokens,
    read,
    verify,
)
from consent_engine.domain.line.line import line_id
from consent_engine.domain.line.restriction import EVERY_CARRIER, OF_ACTIVATIONS, Kind, Restriction
from consent_engine.domain.msisdn import contains_number, parse, slot
from consent_engine.domain.offer.offer import Policy

SECRET = "a secret of this installation"
NUMBER, ANOTHER = parse("13800138000"), parse("13900139000")
LINE, OTHER_LINE = line_id(SECRET, NUMBER), line_id(SECRET, ANOTHER)
NOW = 1_764_000_000_000  # midnight in Shanghai
HOUR = 3_600_000
LASTS = HOUR // 4
NIGHT = Policy(quiet_from=13 * 60, quiet_to=60)  # 21:00-09:00 in Shanghai
ALWAYS = Policy()
REQUEST = "00112233445566ff"


def restriction(kind, carrier="mobile", plan="", since=NOW - 1, until=0):
    return Restriction(kind, carrier, plan, since, "voice", "", until=until)


def asked(carrier="mobile", plan=None, now=NOW, policy=ALWAYS):
    return Dialling.at(now, carrier, plan, policy, LASTS)


def token(carrier="mobile", plan=None, line=LINE, secret=SECRET):
    return Tokens(secret, REQUEST, asked(carrier, plan)).of(line)


def word(given, carrier="mobile", plan=None, at=NOW, line=LINE, secret=SECRET):
    return verify(secret, given, line, carrier, plan, at).word


def test_a_number_on_which_nothing_stands_may_be_dialled():
    assert asked().dial([]) == Dial(callable=True)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in OF_ACTIVATIONS])
def test_every_kind_of_restriction_denies_and_is_named(kind):
    assert asked().dial([restriction(kind)]) == Dial(callable=False, since=NOW - 1, reason=Denied(kind.value))


def test_what_stands_against_another_carrier_or_plan_or_is_over_denies_nothing():
    standing = [
        restriction(Kind.REFUSED, "telecom"),
        restriction(Kind.COOL_OFF, plan="other"),
        restriction(Kind.REFUSED, until=NOW),
    ]
    assert asked(plan="5g").dial(standing).callable
    assert not asked(None).dial(standing).callable, "asked for no carrier, what stands against any counts"
    assert not asked(plan="other").dial(standing).callable
    assert not asked().dial([restriction(Kind.REFUSED, EVERY_CARRIER)]).callable


def test_the_gravest_reason_is_named_then_the_oldest():
    standing = [
        restriction(Kind.COOL_OFF, since=1),
        restriction(Kind.REFUSED, since=3),
        restriction(Kind.REFUSED, EVERY_CARRIER, since=2),
        restriction(Kind.SUSPECTED, since=1),
    ]
    assert asked().dial(standing) == Dial(callable=False, since=2, reason=Denied.REFUSED)


def test_nobody_is_dialled_in_quiet_hours_and_what_stands_on_the_number_is_named_before_them():
    assert asked(policy=NIGHT).dial([]) == Dial(callable=False, since=NOW - 3 * HOUR, reason=Denied.QUIET_HOURS)
    assert asked(policy=NIGHT).dial([restriction(Kind.REFUSED)]).reason is Denied.REFUSED
    assert asked(policy=NIGHT, now=NOW + 9 * HOUR).dial([]).callable
    assert asked(policy=NIGHT, now=NOW + 9 * HOUR - 1).dial([]).reason is Denied.QUIET_HOURS


def test_a_number_that_was_called_as_often_as_may_be_is_denied_after_all_other_reasons():
    often = Dialling.at(NOW + 12 * HOUR, "mobile", None, NIGHT, LASTS, most=2)
    calls = [NOW + HOUR, NOW + 2 * HOUR, NOW + 3 * HOUR]
    assert often.dial([], calls[:1]).callable
    denied = Dial(callable=False, since=NOW + 2 * HOUR, reason=Denied.TOO_OFTEN)
    assert (often.dial([], calls[:2]), often.dial([], calls)) == (denied, denied), "since the call that was the last"
    assert often.dial([restriction(Kind.REFUSED)], calls).reason is Denied.REFUSED
    assert Dialling.at(NOW, "mobile", None, NIGHT, LASTS, most=2).dial([], calls).reason is Denied.QUIET_HOURS


def test_a_permit_never_reaches_into_quiet_hours():
    evening = NOW + 21 * HOUR
    assert asked(policy=NIGHT, now=evening - 60_000).until == evening
    assert asked(policy=NIGHT, now=evening - HOUR).until == evening - HOUR + LASTS
    assert asked(policy=Policy(quiet_from=60, quiet_to=60)).until == NOW + LASTS, "hours of no length are none"


def test_quiet_hours_are_told_alike_from_both_ends():
    for minute in range(0, 24 * 60, 7):
        at = NOW + minute * 60_000 + 1
        since, until, after = NIGHT.quiet_since(at), NIGHT.quiet_until(at), NIGHT.quiet_after(at)
        assert (since == 0) == (until == 0), minute
        assert not since or since <= at < until == since + 12 * HOUR, minute
        assert at < after <= at + 24 * HOUR, minute
        assert NIGHT.quiet_since(after) == after, minute
        assert NIGHT.quiet_since(after - 1) in {0, after - 24 * HOUR}, minute


def test_a_token_permits_the_call_that_it_was_given_for():
    given = token(plan="5g")
    checked = verify(SECRET, given, LINE, "mobile", "5g", NOW)
    assert checked.word is PermitResult.VALID
    permit = checked.permit
    assert (permit.request, permit.carrier, permit.since, permit.until) == (REQUEST, "mobile", NOW, NOW + LASTS)


def test_a_token_is_short_needs_no_encoding_and_has_no_number_in_it():
    for plan in (None, "5g"):
        given = token(plan=plan)
        assert len(given) == 80
        assert given.replace("-", "").replace("_", "").isalnum()
        assert not contains_number(given)
        assert LINE[4:] == read(SECRET, given).number, "without the slot, which is part of the number"
        assert f"{slot(NUMBER):04x}" not in read(SECRET, given).number


@pytest.mark.parametrize(
    ("expected", "about"),
    [
        (PermitResult.WRONG_NUMBER, {"line": OTHER_LINE}),
        (PermitResult.WRONG_CARRIER, {"carrier": "telecom"}),
        (PermitResult.WRONG_PLAN, {"plan": "other"}),
        (PermitResult.VALID, {"plan": None}),
        (PermitResult.VALID, {"at": NOW + LASTS}),
        (PermitResult.EXPIRED, {"at": NOW + LASTS + 1}),
        (PermitResult.VALID, {"at": NOW - SKEW_MS}),
        (PermitResult.EARLY, {"at": NOW - SKEW_MS - 1}),
        (PermitResult.NOT_OURS, {"secret": "another"}),
    ],
)
def test_a_token_for_anything_else_says_what_is_wrong(expected, about):
    assert word(token(plan="5g"), **about) is expected


def test_a_token_without_a_plan_fits_every_plan():
    assert word(token(), plan="5g") is PermitResult.VALID


@pytest.mark.parametrize("text", ["", "A" * 80, "A" * 79, "é" * 80, "=" * 80, token() + "A", token()[:-1] + "="])
def test_what_is_no_token_is_none_of_ours(text):
    assert word(text) is PermitResult.NOT_OURS


@given(st.integers(0, 79), st.sampled_from("ABCyz019-_"))
def test_a_token_that_was_changed_anywhere_is_none_of_ours(place, character):
    given = token(plan="5g")
    changed = given[:place] + character + given[place + 1 :]
    assert word(changed, plan="5g") is (PermitResult.VALID if changed == given else PermitResult.NOT_OURS)


def test_a_token_made_by_the_first_program_that_made_them_is_still_read():
    first = "AQEAESIzRFVm_9clswpsw9DgFB9M2wz7Q0xOG44YAAABmraX6AAADbug5IcR75KYyjxW8TavMXNpcEVe"
    assert word(first, plan="5g") is PermitResult.VALID
    assert token(plan="5g") == first
