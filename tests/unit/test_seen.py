"""What was seen of the pages where a plan is published: what admits orders, and for how long."""

import pytest

from consent_engine.domain.offer.versions import (
    AGAIN_MS,
    MENDED_MS,
    OURS,
    PATIENCE_MS,
    Found,
    PageSeen,
    after,
    attested,
    unchecked,
)

NOW = 1_764_000_000_000
GOOD = PageSeen(1, NOW - 500_000, NOW - 120_000, NOW - 120_000, "f" * 64)
THERE, LIES, AWAY = Found("", "a" * 64), Found("lacks:hash", "b" * 64), Found("no_answer:", surely=False)


def test_a_page_that_shows_the_plan_counts_since_it_first_did():
    first = after(unchecked(NOW - 1_000), THERE, NOW)
    assert first == PageSeen(1, NOW, NOW, NOW, "a" * 64)
    assert after(GOOD, THERE, NOW) == PageSeen(1, GOOD.since, NOW, NOW, "a" * 64)
    assert (first.covers(NOW), first.covers(NOW - 1)) == (True, False)


def test_an_instant_for_which_nobody_looked_any_more_is_not_covered():
    last = NOW + PATIENCE_MS + AGAIN_MS
    first = after(unchecked(NOW), THERE, NOW)
    assert (first.covers(last), first.covers(last + 1)) == (True, False)
    assert OURS.covers(last + 1), "nobody need look at our own page"
    assert attested(NOW, "admin-1", "looked at it").covers(last + 1)


def test_a_page_that_says_something_else_does_not_count_at_once():
    lied = after(GOOD, LIES, NOW)
    assert (lied.public, lied.since, lied.failing, lied.why, lied.hash) == (0, NOW, NOW, "lacks:hash", "b" * 64)
    assert not lied.covers(NOW)
    mended = after(lied, THERE, NOW + 20_000)
    assert (mended.public, mended.since, mended.why, mended.failing) == (1, NOW + 20_000, "", 0)


def test_a_page_that_cannot_be_reached_counts_for_half_an_hour():
    away = after(GOOD, AWAY, NOW)
    assert (away.public, away.since, away.failing, away.hash) == (1, GOOD.since, NOW, GOOD.hash)
    last = after(away, AWAY, GOOD.good + PATIENCE_MS)
    assert (last.public, last.failing) == (1, NOW)
    over = after(last, AWAY, GOOD.good + PATIENCE_MS + 1)
    assert (over.public, over.since, over.failing) == (0, GOOD.good + PATIENCE_MS + 1, NOW)
    assert after(over, AWAY, over.since + 1).public == 0


def test_what_was_never_seen_does_not_count_while_it_cannot_be_reached():
    assert after(unchecked(NOW), AWAY, NOW + 1).public == 0


@pytest.mark.parametrize(("seen", "due"), [
    (unchecked(NOW), 0), (GOOD, GOOD.at + AGAIN_MS), (after(GOOD, LIES, NOW), NOW + MENDED_MS),
    (after(GOOD, AWAY, NOW), NOW + MENDED_MS),
])  # fmt: skip
def test_what_fails_is_looked_at_sooner(seen, due):
    assert seen.due == due


def test_it_is_kept_as_a_row_and_read_again():
    for each in (OURS, GOOD, unchecked(NOW), attested(NOW, "an-admin", "saw it")):
        assert PageSeen.decode(each.encode()) == each
    assert PageSeen.decode("[1,0]") == OURS
