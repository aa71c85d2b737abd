"""How far a gateway's clock is off: the smallest difference in these minutes and the ones before."""

from consent_engine.domain.clocks import PERIOD_MS, Clocks, Heard, Lag, lately
from consent_engine.domain.msisdn import parse
from consent_engine.domain.sms import Reply

NUMBER = parse("13800138000")
NOW = 1_764_000_000_000 // PERIOD_MS * PERIOD_MS


def said(stamp, gateway="g"):
    written = None if stamp is None else stamp + 6_000
    return Reply(gateway, "m", NUMBER, "10085", "嗯", written, stamp=stamp)


def test_only_a_smaller_difference_is_new_and_a_reply_without_a_stamp_says_nothing():
    clocks = Clocks()
    first = clocks.heard([(said(NOW), NOW + 9_000), (said(NOW), NOW + 7_000), (said(None), NOW)])
    assert first == [Heard("g", NOW // PERIOD_MS, Lag(7_000, 6_000))]
    assert clocks.heard([(said(NOW), NOW + 8_000)]) == []
    later = NOW + PERIOD_MS
    assert clocks.heard([(said(later), later + 8_000)]) == [Heard("g", later // PERIOD_MS, Lag(8_000, 6_000))]


def test_what_is_told_is_of_this_period_and_the_one_before():
    period = NOW // PERIOD_MS
    kept = {
        ("g", period - 2): Lag(1, 9),
        ("g", period - 1): Lag(3, 9),
        ("g", period): Lag(5, 9),
        ("h", period - 2): Lag(2, 9),
    }
    assert lately(kept, NOW) == {"g": Lag(3, 9)}
    assert lately(kept, NOW + 2 * PERIOD_MS) == {}


def test_behind_by_more_than_is_allowed_voids_and_ahead_is_told_beyond_two_seconds():
    assert [Lag(behind, 6_000).voids for behind in (6_000, 6_001)] == [False, True]
    assert [Lag(behind, 6_000).ahead for behind in (-2_000, -2_001)] == [False, True]
