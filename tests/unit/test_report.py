"""How reports are kept: stores contain these bytes, and every later release reads them."""

from msgspec.structs import replace

from consent_engine.domain.call.report import (
    Decided,
    Report,
    ReportClass,
    ReportDoor,
    ReportPerson,
    ReportReceived,
    Reward,
    Rewarded,
    begun,
)
from consent_engine.domain.line.line import Line, ReportedCall
from consent_engine.domain.line.proof_code import ProofCode, Replaced
from consent_engine.domain.seal import Leaf

ID, LINE = "0ce7" + "1" * 24, "0ce7" + "a" * 24
RECEIVED = ReportReceived(
    ID, 1_764_000_000_000, "hotline", ReportDoor.CENTRE, "", "mobile", 1, 1_763_990_000_000, "12321-7",
    ReportClass.OURS_FORBIDDEN, ("refused_number",), "0ce7" + "c" * 24, 1_766_000_000_000, 1_764_300_000_000,
    Reward.ELIGIBLE,
)  # fmt: skip
DECIDED = Decided(
    1_764_100_000_000, "op-1", "ops", ReportClass.OURS_FORBIDDEN, Reward.GRANTED, "20.00", "seen", "", 1_764_400_000_000
)
PAID = Rewarded(1_764_200_000_000, "op-2", "ops", Reward.PAID, "20.00")
GOLDEN = {
    "doc": '["0ce7111111111111111111111111",1764000000000,'
    '"hotline","12321","4Skj-GeDIgC4OGFMl3QEGAtxEbCthfOwZYEgMtprTxc"'
    ',"mobile",1,1763990000000,"12321-7","ours_forbidden",["refused_number"],"0ce7cccccccccccccccccc'
    'cccccc",1766000000000,1764300000000,"eligible"]',
    "who": '{"msisdn":"+8613800138000","caller":"10085","what":"推销","salt":"5a17"}',
    "line": "0ce7aaaaaaaaaaaaaaaaaaaaaaaa",
    "e1": '["decided",1764100000000,"op-1","ops","ours_forbidden","granted","20.00","seen","",1764400000000]',
    "e2": '["rewarded",1764200000000,"op-2","ops","paid","20.00"]',
}


def kept():
    report, fields = begun(RECEIVED, ReportPerson("+8613800138000", "10085", "推销"), LINE, "5a17")
    for event in (DECIDED, PAID):
        report, more = report.with_events(event)
        fields |= more
    return report, fields


def test_a_report_is_kept_in_these_bytes_and_read_from_them():
    report, fields = kept()
    assert fields == GOLDEN
    read = Report.decode({**GOLDEN, "v": "3", "head": report.head, "state": "decided"})
    assert (read.received, read.events, read.person) == (report.received, (DECIDED, PAID), report.person)
    assert (read.reward, read.found, read.number) == (Reward.PAID, ReportClass.OURS_FORBIDDEN, report.number)
    assert replace(read, version=0) == report
    assert Leaf.decode(Leaf.of_record(read).entry) == Leaf.of_record(read)


def test_a_report_whose_person_part_is_gone_is_the_same_report():
    report, fields = kept()
    del fields["who"]
    read = Report.decode({**fields, "v": "3", "head": report.head, "state": "decided"})
    assert (read.head, read.person.msisdn) == (report.head, "")


def test_what_a_line_keeps_of_reports_is_read_from_these_bytes():
    fields = {"v": "1", "msisdn": "+8613800138000", f"q:{ID}": '[1764000000000,1763990000000,"mobile"]',
              f"q:{ID[:-1]}2": '[1764000000001,1763990000000,"mobile","0ce7",1764100000000]',
              "code": '["0011223344556677",1764000000000,1,1763990000000,2]'}  # fmt: skip
    line = Line.decode(LINE, fields, 1_764_000_000_002)
    first, second = ReportedCall(ID, 1_764_000_000_000, 1_763_990_000_000, "mobile"), line.reported[0]
    assert line.reported == (second, first)
    assert (second.call, second.granted_at) == ("0ce7", 1_764_100_000_000)
    assert line.code == ProofCode("0011223344556677", 1_764_000_000_000, 1, 1_763_990_000_000, 2)
    assert [each.encode() for each in (first, second)] == [fields[f"q:{ID}"], fields[f"q:{ID[:-1]}2"]]
    assert line.code.encode() == fields["code"]


def test_what_a_line_keeps_of_codes_that_were_replaced_is_read_from_these_bytes():
    kept = '["0011223344556677",1764000000000,1,1763990000000,2,3,[["7766554433221100",1763999900000,4]]]'
    code = ProofCode.decode(kept)
    assert (code.own, code.before) == (3, (Replaced("7766554433221100", 1_763_999_900_000, 4),))
    assert code.encode() == kept
