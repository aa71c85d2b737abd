"""Erasing a person: the number and the words are nowhere any more, what bars it bars still, and every proof holds."""

import json
from pathlib import Path

import pytest
from sqlalchemy import update

from consent_engine.adapters.log_folder import LogFolder
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.adapters.sql.tables import ERASURES, ORDERS
from consent_engine.api.schemas.forms import read as form
from consent_engine.domain.admission.call_request import StartCall
from consent_engine.domain.admission.order_request import PlaceOrder
from consent_engine.domain.admission.report_request import DecideReport, MakeReport, ReportDecision, ReportMade
from consent_engine.domain.effects import Lane
from consent_engine.domain.line.line import line_id
from consent_engine.domain.msisdn import Msisdn
from consent_engine.domain.sms import Delivery
from consent_engine.engine import audit
from consent_engine.engine.erasing import StillOpen
from consent_engine.engine.evidence import encoded
from consent_engine.engine.publishing import Keys, Publisher
from consent_engine.engine.receive import RefusalAsked
from consent_engine.engine.scribe import as_of_now
from consent_engine.errors import BrokenRecord
from consent_engine.ports import Owner
from consent_engine.ports.archive import BackupMade
from consent_engine.verify import verify
from tests.archive.erased import DIGITS, GROUND, erase, over, redis_of, settled, sql_of
from tests.conftest import NUMBER
from tests.evidence import LOG, lived
from tests.integration.calls.desk import Desk, instant
from tests.memory import a_store
from tests.written_out import empty_at

OTHER = "+8613800138001"
WORDS = "谢谢"


@pytest.fixture
def desk(tmp_path):
    archive = SqlArchive(empty_at(tmp_path))
    made = Desk(a_store(), archive)
    yield made
    made.runner.close()
    archive.close()


@pytest.fixture
def anywhere(archive):
    """A desk with each kind of database."""
    made = Desk(a_store(), archive)
    yield made
    made.runner.close()


def reported(desk):
    told = {
        "msisdn": NUMBER, "carrier": "mobile", "caller_number": "10085", "called_at": instant(desk.clock() - 60_000),
        "what": "推销", "channel": "hotline",
    }  # fmt: skip
    return desk.engine.reports.record(ReportMade("agent", form(MakeReport, told))).report


def files_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_number_and_the_words_are_nowhere_any_more(anywhere, tmp_path):
    desk = anywhere
    order = lived(desk)
    other = desk.settled(msisdn=OTHER)
    desk.say("乱七八糟", "+8613800138000")
    over(desk)
    as_of_now(desk.engine.store)
    before = redis_of(desk) + sql_of(desk)
    assert DIGITS in before
    assert WORDS in before
    done = erase(desk)
    assert {kind: n for kind, n in done.erased.items() if n} == {Owner.ORDER: 1, Owner.CALL: 1, Owner.ENDING: 1}
    after = {"redis": redis_of(desk), "sql": sql_of(desk), "files": files_of(tmp_path).decode("utf-8", "replace")}
    for where, text in after.items():
        assert [each for each in (DIGITS, NUMBER, WORDS, "每月一百九十九元") if each in text] == [], where
    assert desk.engine.show(order.id).person.msisdn == ""
    assert desk.engine.show(other.id).person.msisdn == OTHER
    assert desk.client.keys("ce:key:*") == [] or order.id[4:] not in str(desk.client.keys("ce:key:*"))
    again = erase(desk)
    assert not any(again.erased.values())


def test_no_hash_that_stays_can_be_tried_with_every_number(desk):
    """Of the public part every field but the number is known: a plain hash over them would give the number away."""
    told = {
        "msisdn": NUMBER, "plan": "5g-smart-199", "agent": "A1024", "call_id": "0" * 28,
        "agreed_at": instant(desk.clock()),
    }  # fmt: skip
    called = {
        "from": "10085", "to": NUMBER, "carrier": "mobile", "agent": "A1024", "started_at": instant(desk.clock()),
    }  # fmt: skip
    for made in (PlaceOrder.read(told), form(StartCall, called)):
        assert made.fingerprint("one secret") == made.fingerprint("one secret") != made.fingerprint("another")


@pytest.mark.parametrize("published", [False, True])
def test_evidence_verifies_before_and_after_and_the_audit_finds_nothing(desk, tmp_path, published):
    order = lived(desk)
    over(desk)
    as_of_now(desk.engine.store)
    if published:
        press = Publisher(desk.engine.store.log.public, Keys([LOG]), LogFolder(tmp_path / "log"))
        press.publish(desk.clock())
    before = json.loads(encoded(desk.engine.evidence.file(order.id, "auditor-1")))
    erase(desk)
    after = json.loads(encoded(desk.engine.evidence.file(order.id, "auditor-1")))
    for file in (before, after):
        verify(file)
    assert before["account"]["heads"] == after["account"]["heads"]
    assert before["account"]["number"] == NUMBER
    assert after["account"]["number"] is None
    assert after["account"]["activated"]["head"] == before["account"]["activated"]["head"]
    assert NUMBER[3:] not in json.dumps(after)
    if published:
        assert before["log"] == after["log"]
    assert audit.newest(desk.engine.store, 0, 1_000)[1] == []


def test_a_refusal_bars_the_erased_number_still(desk):
    desk.settled("TD")
    desk.engine.refuse(RefusalAsked(Msisdn(NUMBER), "*", "ops", "admin-1"))
    over(desk)
    erase(desk)
    assert DIGITS not in redis_of(desk) + sql_of(desk)
    assert not desk.engine.dial(Msisdn(NUMBER), "mobile").callable
    assert not desk.engine.dial(Msisdn(NUMBER), "unicom").callable
    line = desk.engine.line(Msisdn(NUMBER))
    assert (line.msisdn, line.entries) == ("", ())
    assert {each.name for each in line.restrictions} >= {"mobile", "*"}


def test_a_line_on_which_nothing_stands_is_gone(desk):
    settled(desk)
    erase(desk)
    assert desk.client.keys(f"ce:*{line_id('test-secret', Msisdn(NUMBER))}*") == []


@pytest.mark.parametrize(("begin", "said"), [
    (lambda desk: desk.place(), "an order"),
    (lambda desk: desk.start(), "a call"),
    (Desk.settled, "the review of a call"),
    (reported, "a report"),
    (lambda desk: desk.say("我要投诉你们骚扰"), "a reply that a person must read"),
])  # fmt: skip
def test_what_is_open_is_named_and_nothing_is_erased(desk, begin, said):
    begin(desk)
    desk.run(Lane.INBOUND)
    before = desk.client.keys("ce:{0}:line:*")
    with pytest.raises(StillOpen, match=said) as refused:
        erase(desk)
    assert said in refused.value.facts["open"]
    assert NUMBER not in str(refused.value)
    assert desk.client.keys("ce:{0}:line:*") == before
    with desk.archive.asking() as connection:
        assert connection.execute(ERASURES.select()).all() == []


def test_a_decided_report_is_erased_and_its_receipt_with_it(desk):
    report = reported(desk)
    desk.run()
    desk.engine.reports.decide(
        ReportDecision(report.id, "ops-1", form(DecideReport, {"class": "ours_unrecorded", "reward": "none"}))
    )
    over(desk)
    as_of_now(desk.engine.store)
    assert desk.engine.receipts.find(report.number, NUMBER[-4:]).state == "report.decided"
    assert erase(desk).erased[Owner.REPORT] == 1
    assert DIGITS not in redis_of(desk) + sql_of(desk)
    with pytest.raises(Exception, match="no receipt"):
        desk.engine.receipts.find(report.number, NUMBER[-4:])


def test_the_backups_that_still_have_the_person_are_named_and_so_is_what_stays(desk):
    desk.archive.note(BackupMade(1_700_000_000_000, "db-1:/backups/1"))
    desk.archive.note(BackupMade(1_800_000_000_000, "db-1:/backups/2"))
    done = erase(desk)
    assert [each.place for each in done.backups] == ["db-1:/backups/2", "db-1:/backups/1"]
    assert set(done.stays) == {"refusals", "records", "log", "evidence", "outside", "replicas"}
    with desk.archive.asking() as connection:
        [kept] = connection.execute(ERASURES.select()).all()
    assert (kept.by, kept.ground, DIGITS in repr(kept)) == ("admin-1", GROUND, False)


def test_an_order_that_neither_store_can_read_is_not_said_to_be_erased(desk):
    order = settled(desk)
    as_of_now(desk.engine.store)
    with desk.archive.asking() as connection:
        connection.execute(update(ORDERS).where(ORDERS.c.id == order.id).values(record="{}"))
        connection.commit()
    assert desk.client.hset(desk.cell.order(order.id), "v", "no number") == 0
    with pytest.raises(BrokenRecord, match="a record of this number cannot be read"):
        erase(desk)


def test_a_repeat_after_an_erasure_that_was_interrupted_ends_it(desk, monkeypatch):
    lived(desk)
    over(desk)

    def away(_erasure):
        raise InterruptedError

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(desk.archive, "erase", away)
        with pytest.raises(InterruptedError):
            erase(desk)
    assert erase(desk).erased[Owner.ORDER] == 1
    assert DIGITS not in redis_of(desk) + sql_of(desk)


def test_what_came_back_from_sql_while_its_person_is_erased_is_erased_too(desk, monkeypatch):
    order, erase_in_sql = settled(desk), desk.archive.erase

    def overtaken(erasure):
        meanwhile.undo()
        desk.engine.reveals.reveal(desk.engine.show(order.id), "admin-1", "admin", "asked")
        as_of_now(desk.engine.store)
        return erase_in_sql(erasure)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(desk.archive, "erase", overtaken)
        assert erase(desk).erased[Owner.ORDER] == 1
    assert DIGITS not in redis_of(desk) + sql_of(desk)


def test_who_is_called_again_after_the_erasure_is_a_person_again(desk):
    settled(desk)
    erase(desk)
    call = desk.start()
    assert desk.engine.calls.show(call.id).person.msisdn == desk.engine.line(Msisdn(NUMBER)).msisdn == NUMBER


def test_what_comes_late_for_an_erased_person_makes_nobody_fail_and_brings_no_number_back_of_its_own(desk):
    order = settled(desk)
    erase(desk)
    desk.report(order, Delivery.DELIVERED, segments=2, segment=1)
    desk.run()
    assert DIGITS not in redis_of(desk) + sql_of(desk)
    assert desk.engine.reveals.reveal(desk.engine.show(order.id), "admin-1", "admin", "asked").person.msisdn == ""
    desk.clock.forward(hours=1)
    desk.run()
    as_of_now(desk.engine.store)
    assert DIGITS not in redis_of(desk) + sql_of(desk)
    desk.say("是")
    desk.run()
    assert desk.engine.show(order.id).state is order.state
