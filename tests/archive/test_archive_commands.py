"""The archive as operators see it: `consent audit`, `consent doctor`, and a metric."""

import json

import pytest

from consent_engine.adapters.log_folder import LogFolder
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.api.service.prometheus import of_archive
from consent_engine.backup.back_up import copy_online
from consent_engine.config.settings import Settings
from consent_engine.domain.admission.order_request import Placing
from consent_engine.domain.order.order import Order
from consent_engine.engine.publishing import Publisher, grow
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import write_out
from consent_engine.errors import LogForked
from consent_engine.wiring import log_keys
from tests.archive.house import SHORT, Town, broken, gone, kept_of
from tests.at_rest import SEAL
from tests.conftest import NUMBER, OTHER
from tests.memory import a_store


def test_an_audit_says_what_it_looked_at_and_ends_with_what_is_wrong(real, consent):
    order = real.settled()
    entries = write_out(real.engine.store, "one")
    told = f"{entries} entries of 2 records looked at, 0 of them past retention"
    status, out, _ = consent("audit")
    assert (status, out.split("\n")[0]) == (0, f"log\t{told}; 0 wrong")
    assert consent("audit", "--since", "2100-01-01")[0] != 0
    assert consent("audit", "--since", "2100-01-01T00:00:00+08:00")[1].startswith("log\t0 entries")
    real.client.delete(real.cell.order(order.id))
    status, out, _ = consent("audit", "--json")
    assert status == 1
    assert {row["record"] for row in json.loads(out)} == {order.id, "log", "checkpoint"}


@pytest.mark.parametrize("words", [("audit",), ("calls",), ("violations",)])
def test_an_archive_of_others_is_named_and_never_found_sound(real, consent, tmp_path, monkeypatch, words):
    """Its log is no witness for these data: it has none of their entries, or all of another installation's."""
    theirs = SqlArchive(f"sqlite:///{tmp_path}/theirs.sqlite3")
    theirs.claim("another-installation")
    theirs.close()
    monkeypatch.setenv("CONSENT_ARCHIVE_URL", f"sqlite:///{tmp_path}/theirs.sqlite3")
    status, out, err = consent(*words)
    assert (status, out) == (1, "")
    assert "this archive belongs to another installation (another-installation)" in err
    assert err.count("\n") == 1


def test_while_sql_is_away_a_list_is_no_empty_one(consent, monkeypatch, real, redis_server, tmp_path):
    real.place()
    (tmp_path / "blocked").write_text("a file, and no folder")
    monkeypatch.setenv("CONSENT_ARCHIVE_URL", f"sqlite:///{tmp_path}/blocked/archive.sqlite3")
    for command in ("calls", "violations", "void", "held", "reports"):
        status, out, err = consent(command)
        assert (command, status, out, err.count("\n")) == (command, 1, "", 1), err
        assert "the archive" in err


def test_an_archive_that_is_away_is_one_trouble_and_what_waits_for_it_is_counted(real, consent, tmp_path):
    """It was called a trouble of Redis too: PING."""
    real.settled()
    write_out(real.engine.store, "one")
    real.engine.place(Placing("desk", "now", real.request(OTHER)))
    (tmp_path / "archive.sqlite3").rename(tmp_path / "away.sqlite3")
    _, out, _ = consent("doctor")
    rows = [line.split("\t") for line in out.splitlines()]
    told = {what.partition(":")[0]: do for level, what, do in rows if level == "bad"}
    gone = next(what for what in told if what.startswith("the archive"))
    assert gone == "the archive's file is not there"
    [waiting] = [what for what in told if "are not in SQL yet" in what]
    assert waiting.startswith("2 entries of the journal")
    assert not [do for do in told.values() if "PING" in do]


def test_with_another_secret_the_doctor_judges_no_record_and_mends_none(real, consent, monkeypatch):
    """Each record would be one that somebody changed, and the advice to restore a backup."""
    real.engine.registry.check("test-secret", strict=False, cells=1)
    real.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "desk"))
    real.settled(msisdn=OTHER)
    write_out(real.engine.store, "one")
    before = kept_of(real.client)
    monkeypatch.setenv("CONSENT_SECRET", "another secret")
    status, out, err = consent("doctor", "--all", "--mend")
    assert (status, err) == (1, "")
    wrong = [line.split("\t")[1] for line in out.splitlines() if line.startswith("bad")]
    assert [each for each in wrong if "simulated" not in each] == [
        "CONSENT_SECRET is not the one these data were written with: set that one"
    ]
    assert "looked at" not in out
    assert kept_of(real.client) == before


def test_data_whose_archive_is_lost_take_another_only_without_their_mark(real, consent, tmp_path, monkeypatch):
    order = real.archived()
    monkeypatch.setenv("CONSENT_ARCHIVE_URL", f"sqlite:///{tmp_path}/new.sqlite3")
    assert "the archive's file is not there" in consent("show", order.id)[2]
    assert "restore it from its database's own backup" in consent("doctor")[1]
    assert not (tmp_path / "new.sqlite3").exists(), "looking for it made another one"
    assert consent("backup", str(tmp_path / "kept"))[0] == 1, "an empty archive must not pass for theirs"
    real.client.hdel("ce:meta", "archive")  # as the runbook types it
    assert "no such order" in consent("show", order.id)[2]
    assert "the archive answers: 0 orders" in consent("doctor")[1]


def test_a_copy_holds_what_is_not_in_the_file_yet(small, tmp_path):
    order = small.archived()
    assert (tmp_path / "archive.sqlite3-wal").stat().st_size
    copy_online(tmp_path / "archive.sqlite3", tmp_path / "copy.sqlite3", lambda _: None)
    assert not (tmp_path / "copy.sqlite3-wal").exists()
    copy = SqlArchive(f"sqlite:///{tmp_path}/copy.sqlite3")
    copy.seal = SEAL
    assert copy.id() == small.archive.id()
    assert gone(copy, Order, order.id)[order.id].head == order.head
    copy.close()


def test_a_metric_says_whether_the_archive_can_be_asked(small):
    def up():
        [family] = of_archive(small.engine)
        return family.samples[0].value

    assert up() == 1
    with broken(small.archive):
        assert up() == 0
    assert up() == 1
    small.client.hset("ce:meta", "archive", "another")
    small.engine = small.another()
    assert up() == 0


def test_no_refusal_is_put_in_force_from_the_log_of_another_archive(real, consent, tmp_path, monkeypatch):
    real.engine.refuse(RefusalAsked(NUMBER, "mobile", "voice", "desk"))
    real.settled(msisdn=OTHER)
    write_out(real.engine.store, "one")
    theirs = SqlArchive(f"sqlite:///{tmp_path}/theirs.sqlite3", SHORT)
    elsewhere = Town(a_store(), theirs)
    elsewhere.engine.refuse(RefusalAsked(OTHER, "mobile", "voice", "desk"))
    write_out(elsewhere.engine.store, "one")
    elsewhere.runner.close()
    monkeypatch.setenv("CONSENT_ARCHIVE_URL", f"sqlite:///{tmp_path}/theirs.sqlite3")
    status, out, _ = consent("doctor", "--all", "--mend")
    assert status == 1
    assert "this archive is not the one that these data belong to" in out
    assert [line for line in out.splitlines() if "refusal" in line or "sealed last" in line] == []
    assert real.engine.dial(OTHER, "mobile").callable
    theirs.close()


def test_an_old_backup_of_sql_that_was_restored_is_a_fork_in_doctor_and_audit_then_and_after_it_grew(
    real, consent, tmp_path
):
    settings, store, file = Settings.load(), real.engine.store, tmp_path / "archive.sqlite3"
    press = Publisher(
        store.log.public, log_keys(settings, store.log.public, real.archive.id()), LogFolder(settings.log_folder)
    )

    def published(msisdn):
        real.settled(msisdn=msisdn)
        write_out(store, "one")
        real.clock.forward(seconds=60)
        return press.publish(real.clock())

    published(NUMBER)
    copy_online(file, tmp_path / "backup", lambda _: None)
    size = published(OTHER).checkpoint.size
    assert "entries are signed" in consent("doctor")[1]
    real.archive.close()
    for each in tmp_path.glob("archive.sqlite3*"):
        each.unlink()
    (tmp_path / "backup").rename(file)
    named = {
        "audit": f"entries, and had {size} at this checkpoint",
        "doctor": f"and {size} were signed: entries were dropped, or SQL is an older copy",
    }
    assert [(word, consent(word)) for word, fork in named.items() if not says(consent(word), fork)] == []
    for n in range(3):
        real.settled(msisdn=f"+861380013900{n}")
    write_out(store, "one")
    assert grow(store.log.public) > size
    named = {
        "audit": f"written anew: its first {size} entries are not those of this checkpoint",
        "doctor": f"the first {size} entries are not those that were signed: the log was changed, or SQL went on from",
    }
    assert [(word, consent(word)) for word, fork in named.items() if not says(consent(word), fork)] == []
    with pytest.raises(LogForked):
        press.publish(real.clock())


def says(told, fork):
    """Whether a command ended with status 1 and named the fork."""
    status, out, _ = told
    return status == 1 and fork in out
