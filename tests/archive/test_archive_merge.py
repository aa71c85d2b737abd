"""`consent archive merge`: another archive was adopted, the first one came back, and what the other took comes too."""

import pytest
from sqlalchemy import select, text

from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.merge_archive import ArchiveMerge
from consent_engine.adapters.sql.tables import LOG, ORDERS, UNHEARD
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.holder import LineEvent
from consent_engine.domain.msisdn import parse
from consent_engine.engine.audit import audit
from consent_engine.engine.line_events import LineEventAsked
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.sealing import seal
from consent_engine.errors import SettingsError
from consent_engine.ports import LiftResult
from tests.archive.house import SEAL, SHORT
from tests.conftest import NUMBER, OTHER

EVER = (0, 2**62)
THIRD, FOURTH, FIFTH = (parse(f"1390013900{n}") for n in (2, 3, 4))


def wrong(town):
    return audit(town.engine.store, 0, EVER).wrong


def sealed(town):
    return seal(town.engine.store, "one")


def adopts(town, archive):
    """These data belong to another archive from here on, and every process was started anew."""
    archive.seal, town.archive = SEAL, archive
    town.engine = town.another()
    town.engine.archive.adopt()


def refused(town, number, **more):
    town.engine.refuse(RefusalAsked(number, "mobile", "A1", "call", **more))
    town.run(Lane.INBOUND)


@pytest.fixture
def apart(small, tmp_path):
    """A town that had another archive for a while: one order settled before, two in that time, and one of them left."""
    small.first, small.other = small.archive, SqlArchive(f"sqlite:///{tmp_path}/other.sqlite3", SHORT)
    small.before = small.settled()
    small.open = small.place(msisdn=FOURTH)
    sealed(small)
    adopts(small, small.other)
    small.left = small.settled(msisdn=OTHER)
    sealed(small)
    small.move()
    assert small.left.id not in small.live([small.left.id])
    small.stays = small.settled(msisdn=THIRD)
    sealed(small)
    yield small
    small.other.close()


def merged(town):
    return ArchiveMerge(town.other, town.first).run()


def test_what_the_other_archive_took_is_named_for_ever_until_it_is_merged(apart):
    adopts(apart, apart.first)
    sealed(apart)
    named = {record for record, _ in wrong(apart)}
    assert {apart.stays.id, apart.stays.doc.call_id, apart.open.id} <= named
    assert apart.left.id not in apart.engine.store.archive.orders([apart.left.id])
    found = merged(apart)
    assert found.entries > 6
    assert found.other == ()
    assert wrong(apart) == []
    assert apart.engine.show(apart.left.id).head == apart.left.head
    assert apart.engine.show(apart.before.id).head == apart.before.head
    assert apart.left.doc.call_id in {call for call, _ in apart.first.calls.unheard(None, 9)}
    apart.move()
    sealed(apart)
    assert wrong(apart) == []
    assert merged(apart).entries == 0, "typed twice it changes nothing"
    assert wrong(apart) == []


def test_a_record_that_was_changed_on_the_way_is_named_and_one_of_another_history_is_not_taken(apart):
    adopts(apart, apart.first)
    with apart.other.asking() as connection:
        connection.execute(text("UPDATE archived_orders SET agent = 'B1'"))
    merged(apart)
    assert (apart.left.id, "its row in the archive was changed: agent") in wrong(apart)
    with apart.other.asking() as connection:
        connection.execute(text("UPDATE archived_orders SET doc_hash = 'x'"))
    assert apart.left.id in merged(apart).other


def test_a_merge_that_dies_at_any_point_goes_on_when_it_is_typed_again(apart):
    adopts(apart, apart.first)
    sealed(apart)
    steps, counted = 0, []

    class Dies(Exception):
        pass

    def tell(_):
        counted.append(1)
        if len(counted) == steps:
            raise Dies

    while True:
        steps, counted = steps + 1, []
        try:
            ArchiveMerge(apart.other, apart.first, tell).run()
            break
        except Dies:
            pass
    assert steps >= 3
    assert wrong(apart) == []


def test_an_erased_person_stays_erased_and_the_queue_has_each_unheard_call_once(apart):
    with apart.other.asking() as connection:
        connection.execute(text("UPDATE archived_orders SET person = NULL"))
    adopts(apart, apart.first)
    merged(apart)
    merged(apart)
    with apart.first.asking() as connection:
        assert connection.execute(select(ORDERS.c.person).where(ORDERS.c.id == apart.left.id)).scalars().all() == [None]
        assert apart.left.doc.call_id in connection.execute(select(UNHEARD.c.id)).scalars().all()
    assert wrong(apart) == []


def test_a_refusal_that_was_lifted_after_the_time_between_is_not_missed_nor_put_back(apart):
    """Its beginning is merged behind its lifting: read in the log's order it would stand."""
    refused(apart, FIFTH)
    sealed(apart)
    adopts(apart, apart.first)
    apart.clock.forward(hours=1)
    assert apart.engine.lift(FIFTH, "mobile", "ops", "form-9", apart.clock.now) is LiftResult.OK
    refused(apart, NUMBER)
    sealed(apart)
    merged(apart)
    assert wrong(apart) == []
    apart.client.hdel(apart.cell.line(apart.engine.line(NUMBER).id), "r:mobile")
    assert [what for _, what in wrong(apart)] == ["a refusal is gone: the log has no lifting of it"]


def happens(apart, event):
    """Something happens to the fifth number, a second later."""
    apart.clock.forward(seconds=1)
    apart.engine.line_event(LineEventAsked(FIFTH, LineEvent(event), apart.clock.now, "ops"))


def test_a_number_that_went_on_after_the_time_between_is_compared_with_its_newest_entries(apart):
    happens(apart, "released")
    sealed(apart)
    adopts(apart, apart.first)
    happens(apart, "assigned")
    happens(apart, "suspended")
    sealed(apart)
    merged(apart)
    assert wrong(apart) == []
    apart.client.hdel(apart.cell.line(apart.engine.line(FIFTH).id), "e2")
    assert len(wrong(apart)) == 1


def test_a_line_that_began_anew_after_the_time_between_is_not_compared_with_its_earlier_life(apart):
    happens(apart, "released")
    sealed(apart)
    adopts(apart, apart.first)
    apart.run(Lane.TIMER)
    apart.clock.forward(hours=24 * 31)
    apart.run(Lane.TIMER)
    happens(apart, "assigned")
    sealed(apart)
    merged(apart)
    assert audit(apart.engine.store, apart.clock.now - 1_000, EVER).wrong == [], "the others are past retention"


def test_the_archive_in_use_and_another_installations_are_not_merged(apart):
    with pytest.raises(SettingsError, match="is the archive in use"):
        ArchiveMerge(apart.other, apart.other).run()
    with apart.other.asking() as connection:
        connection.execute(text("UPDATE archive_meta SET value = 'x' WHERE name = 'installation'"))
    with pytest.raises(SettingsError, match="belongs to another installation \\(x\\): it is not merged"):
        merged(apart)
    with apart.first.asking() as connection:
        assert connection.execute(select(LOG.c.n)).scalars().all() == list(range(8))


def test_the_command_merges_and_says_how_much(real, consent, tmp_path, monkeypatch):
    real.settled()
    sealed(real)
    monkeypatch.setenv("CONSENT_ARCHIVE_URL", f"sqlite:///{tmp_path}/other.sqlite3")
    assert consent("archive", "--adopt")[0] == 0
    adopts(real, SqlArchive(f"sqlite:///{tmp_path}/other.sqlite3", SHORT))
    real.clock.forward(hours=1)
    real.settled(msisdn=OTHER)
    sealed(real)
    real.archive.close()
    monkeypatch.setenv("CONSENT_ARCHIVE_URL", f"sqlite:///{tmp_path}/archive.sqlite3")
    assert consent("archive", "--adopt")[0] == 0
    status, _, err = consent("audit")
    assert status == 1
    assert "consent archive merge --from" in err
    other = f"sqlite:///{tmp_path}/other.sqlite3"
    assert consent("archive", "merge", "--from", other)[:2] == (0, "records merged\t0\nentries of the log merged\t6\n")
    assert consent("audit")[0] == 0
    status, _, err = consent("archive", "merge", "--from", f"sqlite:///{tmp_path}/archive.sqlite3")
    assert (status, err) == (1, "consent: --from is the archive in use: name the other one\n")
    status, _, err = consent("archive", "merge", "--from", f"sqlite:///{tmp_path}/no.sqlite3")
    assert (status, err.count("\n")) == (1, 1)
    assert not (tmp_path / "no.sqlite3").exists()
