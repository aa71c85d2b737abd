"""A policy as an offer keeps it, and the details of a suspect yes: an older row is read, and written unchanged."""

import pytest

from consent_engine.domain.canonical_json import compact
from consent_engine.domain.offer.policy import Policy, Suspects
from consent_engine.domain.order.unlikely_yes import Seen, Unlikely

OLD = (86400000, 7200000, 2000, 600000, 5, 600000, 1, 43200000, 3, -1, -1)


@pytest.mark.parametrize("later", [(), (0, 1, 60), (0, 1, 60, 1), (0, 1, 60, 1, 5), (0, 1, 60, 0, 0, 604800000)])
def test_what_was_kept_is_written_again_number_by_number(later):
    assert Policy.thaw((*OLD, *later)).frozen() == (*OLD, *later)


def test_an_order_of_before_looks_for_no_rhythm_and_grants_no_cooling_off():
    before = Policy.thaw((*OLD, 0, int(Suspects.CODE), 60, 1))
    assert (before.cadence, before.free_exit) == (0, 0)


def test_what_was_seen_is_kept_as_it_was():
    assert compact(Seen(Unlikely.TOO_FAST, 24, 5583, 2)) == '{"rule":"too_fast","measured":24,"least":5583,"edition":2}'
    told = '{"rule":"cadence","measured":20000,"edition":2,"others":5}'
    assert compact(Seen(Unlikely.CADENCE, 20_000, edition=2, others=5)) == told
