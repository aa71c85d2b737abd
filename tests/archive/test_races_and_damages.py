"""Bounded runs of `benchmarks/promises/archive_races.py` and `damages.py`: acknowledgements stand, or their
damage is reported."""

from contextlib import closing

import pytest
from sqlalchemy import text

from benchmarks.promises import archive_races, damages
from consent_engine.adapters.sql.archive import SqlArchive
from tests import needs


@pytest.fixture(scope="module")
def place():
    needs.server()
    with archive_races.on_sqlite() as made:
        yield made


def test_what_was_told_stands_while_orders_leave_and_their_requests_are_repeated(place):
    one = archive_races.run(place(), lambda _: None, races_s=0.7)
    assert one.broken == {}
    assert one.left > 0
    assert one.repeats > 0
    assert one.said.content, one.said.bad
    print(one)  # noqa: T201 - the figures are the purpose


def test_the_rules_see_what_is_lost_in_the_archive_and_the_doctor_does_too(place):
    here = place()
    here.redis.do("FLUSHALL")
    with closing(here.archive(SqlArchive)) as archive:
        load = archive_races.raced(here, archive, archive, lambda: None, races_s=0.7)
        assert load.notes.broken(load.engine()) == {}
        assert here.doctor().content
        with archive.asking() as connection:
            gone = connection.execute(text("DELETE FROM orders WHERE gone")).rowcount
        assert load.notes.broken(load.engine())["orders lost"] == gone > 0
        assert not here.doctor().content


@pytest.mark.parametrize("damage", ["zeros at the end of the file", "its last half is gone", "the manifest is empty"])
def test_whatever_happens_to_the_files_they_start_whole_or_not_at_all_or_the_doctor_says_so(tmp_path, damage):
    needs.server()
    seen = damages.run(damage, tmp_path / "data", works_s=0.7, first=True)
    assert seen.agrees, seen.said
    assert seen.started == ("manifest" not in damage)
    assert ("older than their archive" in seen.said) == ("half" in damage)
