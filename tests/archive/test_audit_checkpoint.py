"""`consent audit --checkpoint`: a log that was shortened with everything that goes by it is shown by what was kept."""

import pytest
from sqlalchemy import text

from consent_engine.doctor.records import audit
from consent_engine.domain.msisdn import parse
from consent_engine.engine.audit_checkpoint import Head, compared
from consent_engine.engine.scribe import write_out
from tests.conftest import OTHER

EVER = (0, 2**62)
THIRD, FOURTH = parse("13900139003"), parse("13900139004")


def log_of(town, *statements):
    with town.archive.asking() as connection:
        for each in statements:
            connection.execute(text(each))


def sealed(town):
    write_out(town.engine.store, "one")
    return town.engine.store.log


@pytest.mark.parametrize(
    "typed", ["", "12", "12.", "012." + "A" * 43, "-1." + "A" * 43, "1." + "A" * 44, "１." + "A" * 43]
)
def test_what_is_no_checkpoint_is_not_read_as_one(typed):
    with pytest.raises(ValueError, match="checkpoint"):
        Head.read(typed)


def test_a_log_that_was_shortened_with_its_count_and_its_records_is_shown_by_a_checkpoint_kept_elsewhere(small):
    small.settled()
    log = sealed(small)
    size, was = log.ends()[1], {key: small.client.dump(key) for key in small.names()}
    small.settled(msisdn=OTHER)
    known, _ = compared(sealed(small))
    assert compared(log, known) == (known, [])
    log_of(small, f"DELETE FROM log WHERE n >= {size}", f"UPDATE archive_meta SET value = '{size}' WHERE name = 'log'")  # noqa: S608 - our own
    log_of(small, *(f"DELETE FROM {each}" for each in ("orders", "calls", "lines", "restrictions")))  # noqa: S608 - our own
    small.client.flushall()
    for key, kept in was.items():
        small.client.restore(key, 0, kept)
    assert audit(small.engine.store, 0, EVER).wrong == [], "the limit: nothing that is kept here shows it"
    told = f"shortened: it has {size:,} entries, and had {known.size:,} at this checkpoint"
    assert compared(log, known)[1] == [("log", told)]
    small.settled(msisdn=THIRD)
    small.settled(msisdn=FOURTH)
    assert sealed(small).ends()[1] >= known.size, "grown past it again"
    told = f"written anew: its first {known.size} entries are not those of this checkpoint"
    assert compared(log, known)[1] == [("log", told)]


def test_a_log_that_goes_on_is_as_its_earlier_checkpoints_say(small):
    kept = [compared(small.engine.store.log)[0]]
    for n in range(3):
        small.settled(msisdn=parse(f"1390013900{n}"))
        kept.append(compared(sealed(small))[0])
    assert [each.size for each in kept] == sorted({each.size for each in kept})
    assert [compared(small.engine.store.log, each)[1] for each in kept] == [[]] * 4


def test_the_command_ends_with_a_checkpoint_and_takes_an_earlier_one(real, consent):
    real.settled()
    sealed(real)
    status, out, _ = consent("audit")
    assert status == 0
    known = out.partition("checkpoint\t")[2].split("\n")[0]
    assert Head.read(known).size == 6
    assert consent("audit", "--checkpoint", known)[0] == 0
    log_of(real, "DELETE FROM log WHERE n = 5", "UPDATE archive_meta SET value = '5' WHERE name = 'log'")
    status, out, _ = consent("audit", "--checkpoint", known, "--since", "2099-01-01T00:00:00+08:00")
    assert status == 1
    assert "log\tshortened: it has 5 entries, and had 6 at this checkpoint" in out
    assert "checkpoint\t" not in consent("audit", "--since", "2099-01-01T00:00:00+08:00")[1]
    status, _, err = consent("audit", "--checkpoint", "7")
    assert status == 2
    assert "what an earlier audit ended with" in err
