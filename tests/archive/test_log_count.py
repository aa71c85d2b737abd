"""The count of the log's entries in `archive_meta`: one that is wrong stops the sealing in one line, loses nothing, and
is counted anew when a person says so.
"""

import pytest
from sqlalchemy import insert, text

from consent_engine.adapters.sql.log import SqlLog
from consent_engine.adapters.sql.tables import META
from consent_engine.config.settings import Settings
from consent_engine.doctor import Level, journal
from consent_engine.doctor.records import audit
from consent_engine.engine.audit import newest
from consent_engine.engine.scribe import write_out
from consent_engine.errors import BrokenRecord
from consent_engine.wiring import installation
from tests.archive.house import SEAL, append, standing
from tests.conftest import NUMBER, OTHER

EVER = (0, 2**62)
WRONG = ["", "x", "-5", "１２", "1e3", " 6", "3.0", None, "0", "3", "9" * 30]
"""None: the row is gone. There are six entries."""


def counted(town, value):
    with town.archive.asking() as connection:
        connection.execute(text("DELETE FROM archive_meta WHERE name = 'log'"))
        if value is not None:
            connection.execute(insert(META).values(name="log", value=value))


def told(town, *, mend=False):
    return list(journal.sealed(town.engine.store, 0, mend=mend))


def bad(findings):
    return [(each.what, each.do) for each in findings if each.level is Level.BAD]


@pytest.fixture
def six(small):
    """A log of six entries, and a journal of six more."""
    small.settled()
    assert write_out(small.engine.store, "one") == 6
    small.settled(msisdn=OTHER)
    small.engine.store.archive.seal = SEAL
    return small


@pytest.mark.parametrize("value", WRONG)
def test_a_count_that_cannot_be_is_named_seals_nothing_and_is_counted_anew_by_a_mend(six, value):
    counted(six, value)
    store, waits = six.engine.store, standing(six)
    [(named, what)] = audit(store, 0, EVER).wrong
    assert (named, what.split(", and")[0]) == ("log", f"its count of entries (archive_meta, log) says {value!r:.20}")
    assert newest(store, 0)[1] == [], "the data themselves are compared all the same"
    for log in (store.log, SqlLog(six.archive)):
        with pytest.raises(BrokenRecord, match="consent doctor --mend"):
            append(log, waits)
    with pytest.raises(BrokenRecord, match="6 are there"):
        write_out(store, "one")
    assert standing(six) == waits
    assert bad(told(six)) == [(f"the log: {what}", "consent doctor --mend")]
    assert bad(told(six, mend=True)) == []
    assert write_out(store, "one") == len(waits)
    assert audit(store, 0, EVER).wrong == []
    assert bad(told(six)) == []


def test_a_log_whose_end_is_gone_is_named_by_each_look_and_goes_on_behind_the_gap(six):
    counted(six, "99")
    store = six.engine.store
    gap = [("entries 6 to 98", "dropped from the log")]
    assert audit(store, 0, EVER).wrong == gap
    [(what, _)] = bad(told(six, mend=True))
    assert what == "the last 93 entries of the log are gone from the archive"
    assert newest(store, 0)[1] == [], "what is there is compared"
    assert newest(store, 0)[0].entries == 6
    assert write_out(store, "one") == 6
    assert audit(store, 0, EVER).wrong == gap, "what is sealed behind it hides nothing"


def test_a_log_that_grows_while_it_is_read_lacks_nothing(six):
    """Its entries were read before its count, and what was sealed in between seemed to be dropped."""
    there = six.engine.store.log.entries

    class Grows(SqlLog):
        def entries(self, first, most):
            rows = there(first, most)
            if not rows:
                write_out(six.engine.store, "one")
            return rows

    six.engine.store.log.entries = Grows(six.archive).entries
    try:
        assert audit(six.engine.store, 0, EVER).wrong == []
    finally:
        del six.engine.store.log.entries


def test_a_start_a_doctor_and_an_audit_each_say_in_one_line_that_the_count_cannot_be(real, consent, caplog):
    for row in (NUMBER, OTHER):
        real.settled(msisdn=row)
        write_out(real.engine.store, "one")
    counted(real, "x")
    with installation(Settings.load()):
        [told] = [each.message for each in caplog.records if each.message.startswith("the archive: ")]
    assert told.startswith("the archive: log: its count of entries (archive_meta, log) says 'x', and 12 are there")
    status, out, _ = consent("audit")
    assert status == 1
    assert "log\tits count of entries (archive_meta, log) says 'x', and 12 are there" in out
    assert "log\t12 entries of 4 records looked at, 0 of them past retention; 1 wrong" in out
    status, out, _ = consent("doctor")
    assert status == 1
    assert "bad\tthe log: its count of entries (archive_meta, log) says 'x'" in out
    told = consent("doctor", "--mend")[1]
    assert "ok\tthe log's entries are counted anew: 12" in told
    assert "ok\tthe journal is sealed: 12 entries in the log, 0 on their way" in told
    assert "counted anew" not in consent("doctor", "--mend")[1]
    assert consent("audit")[0] == 0
    counted(real, "14")
    caplog.clear()
    with installation(Settings.load()):
        assert "the archive: entries 12 to 13: dropped from the log: run `consent doctor`" in caplog.text
