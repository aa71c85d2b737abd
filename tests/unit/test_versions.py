"""Every version that a plan ever had: which was in force at an instant, and whether it was on sale then."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from consent_engine.domain.offer.versions import (
    AGAIN_MS,
    PATIENCE_MS,
    Listed,
    PageSeen,
    Sale,
    Version,
    VersionState,
    attested,
    dated,
)
from tests.plans import plan, priced, undated

P = undated(plan())
NEVER = None


def version(number, known_at, sale=Sale.ON_SALE, *, since=None, price="199.00"):
    at = None if since is None else datetime.fromtimestamp(since / 1000, UTC)
    of = replace(priced(P, price), version=number, published=tuple(replace(p, since=at) for p in P.published))
    return dated(Version(of, sale, known_at))


def listed(*versions, now=10_000_000):
    return Listed.of(versions, now)


BACK = (version(1, 1_000), version(2, 2_000, Sale.WITHDRAWN), version(3, 3_000))


@pytest.mark.parametrize(("instant", "sold"), [
    (999, NEVER), (1_000, 1), (1_999, 1), (2_000, NEVER), (2_999, NEVER), (3_000, 3), (9_999_999, 3),
])  # fmt: skip
def test_withdrawn_and_back_was_on_sale_before_and_after_and_not_between(instant, sold):
    found = listed(*BACK).on_sale_at(instant)
    assert (found.version if found else NEVER) == sold


def test_each_version_says_from_when_until_when_it_was_public():
    kept = listed(*BACK)
    assert [kept.span(n) for n in (1, 2, 3)] == [(1_000, 2_000), (2_000, 3_000), (3_000, None)]
    assert [kept.standing(n) for n in (1, 2, 3)] == [
        VersionState.SUPERSEDED,
        VersionState.WITHDRAWN,
        VersionState.ON_SALE,
    ]


def test_a_version_is_in_force_no_sooner_than_it_was_known_whatever_it_says():
    said_before = version(2, 5_000, since=1_000, price="99.00")
    kept = listed(version(1, 1_000), said_before)
    assert kept.on_sale_at(4_999).version == 1
    assert kept.on_sale_at(5_000).version == 2


def test_a_version_that_waits_is_in_force_from_the_instant_that_it_names():
    versions = (version(1, 1_000), version(2, 2_000, since=8_000, price="99.00"))
    early, late = listed(*versions, now=7_999), listed(*versions, now=8_000)
    assert (early.plan.version, early.standing(1), early.standing(2)) == (1, VersionState.ON_SALE, VersionState.WAITING)
    assert (late.plan.version, late.standing(1), late.standing(2)) == (2, VersionState.SUPERSEDED, VersionState.ON_SALE)
    assert [kept.was_public(2) for kept in (early, late)] == [False, True]


def test_a_plan_whose_first_version_waits_is_not_on_sale_yet():
    waits = version(1, 1_000, since=8_000)
    kept = listed(waits, now=2_000)
    assert (kept.standing(1), kept.on_sale_at(2_000), kept.was_public(1)) == (VersionState.WAITING, None, False)


def test_a_version_that_was_replaced_while_it_waited_never_was_public():
    kept = listed(version(1, 1_000), version(2, 2_000, since=8_000), version(3, 3_000, Sale.WITHDRAWN), now=9_000)
    assert (kept.span(2), kept.was_public(2), kept.standing(2)) == (None, False, VersionState.SUPERSEDED)
    assert kept.on_sale_at(8_500) is None
    assert kept.span(1) == (1_000, 3_000)


def test_what_was_kept_before_instants_were_noted_counts_from_the_instant_that_it_says():
    kept = listed(version(1, 0, since=1_000), version(2, 0, since=6_000))
    assert (kept.on_sale_at(999), kept.on_sale_at(5_999).version, kept.on_sale_at(6_000).version) == (None, 1, 2)


def test_a_version_is_public_from_when_both_channels_showed_it_until_nobody_looked_any_more():
    seen = {0: PageSeen(1, 2_000, 9_000, 9_000), 1: PageSeen(1, 3_000, 8_000, 8_000)}
    shown, last = replace(version(1, 1_000), seen=seen), 8_000 + PATIENCE_MS + AGAIN_MS
    assert [shown.public_at(at) for at in (2_999, 3_000, last, last + 1)] == [False, True, True, False]
    assert not replace(shown, seen=seen | {1: replace(seen[1], public=0)}).public_at(3_000)
    vouched = replace(shown, seen={n: attested(4_000, "admin", "an app has no address") for n in seen})
    assert [vouched.public_at(at) for at in (3_999, 4_000, last + 1)] == [False, True, True]
