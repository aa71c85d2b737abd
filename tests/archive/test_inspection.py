"""An inspector's commands: calls dialled against calls reported, and the signed file of a period."""

import copy
import json
from contextlib import closing
from random import Random

import pytest
from sqlalchemy import event

from consent_engine.adapters.log_folder import LogFolder
from consent_engine.adapters.sql.archive import SqlArchive
from consent_engine.domain.days import CHINA, DAY_MS, later
from consent_engine.domain.log.checkpoint import Note
from consent_engine.engine.evidence import Hands
from consent_engine.engine.inspection import Asked, InspectionFiles
from consent_engine.engine.publishing import Keys, Publisher
from consent_engine.engine.reconciliation import CdrForm
from consent_engine.engine.scribe import as_of_now
from consent_engine.ports import Only, Owner
from consent_engine.verify import Broken, NotEvidence, content_of, findings, verify
from tests.conftest import NUMBER, OTHER
from tests.evidence import LOG, broken, hand, places
from tests.integration.calls.desk import Desk
from tests.integration.calls.reviewing import review
from tests.memory import a_store
from tests.written_out import empty_at


def test_reconcile_shows_first_and_records_then_and_its_status_says_whether_all_was_reported(real, consent, tmp_path):
    call = real.engine.calls.show(real.settled().doc.call_id)
    at, file = call.began.started_at, tmp_path / "cdr.csv"
    rows = ["caller,number,start", f"10085,13800138000,{CHINA.instant(at)}", f"10085,13900139000,{CHINA.instant(at)}"]
    file.write_text("\n".join([*rows[:2], ""]))
    status, out, _ = consent("reconcile", str(file))
    assert (status, out.split("\n")[4:-1]) == (0, ["calls\t1", "unreported\t0", "doubted\t0", "refused\t0"])
    file.write_text("\n".join([*rows, "10085,,", ""]))
    for more in (["--dry-run"], []):
        status, out, err = consent("reconcile", str(file), *more)
        assert (status, "nothing was recorded" in err) == (1, bool(more))
        refused, unreported, *summary = out.split("\n")
        assert refused.startswith("refused\tline 4\tnumber: must be a Chinese mobile number")
        assert unreported == f"unreported\tline 3\t{CHINA.instant(at, 'seconds')}\t10085\t+86139****9000"
        assert summary[1] == "carrier\tmobile"
        assert summary[-5:-1] == ["calls\t2", "unreported\t1", "doubted\t0", "refused\t1"]
        listed = json.loads(consent("violations", "unreported", "--json")[1])
        assert [each["violations"] for each in listed] == ([] if more else ["unreported"])
    assert "line 2 came from 10085, the number of" in consent("reconcile", str(file), "--carrier", "telecom")[2]


def test_reconcile_refuses_what_it_cannot_compare_in_one_line(real, consent, tmp_path):
    file = tmp_path / "cdr.csv"
    file.write_text("a,b\n1,2\n")
    for words, told in {
        (str(tmp_path / "none.csv"),): "none.csv: No such file or directory",
        (
            str(file),
        ): "no column caller, number, start in the first line, which has 2: name them as they are there, or by number",
        (
            str(file),
            "--columns",
            "number",
        ): "--columns: must be like caller=...,number=...,start=...; each by its name in the file",
        (str(file), "--within", "2h"): "--within: must be at least 1ms",
    }.items():
        status, out, err = consent("reconcile", *words)
        assert (status != 0, out, told in err, err.count("\n")) == (True, "", True, 1), err


# -- the signed file ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with closing(SqlArchive(empty_at(tmp_path_factory.mktemp("inspected")))) as archive:
        made = Desk(a_store(), archive)
        yield made
        made.runner.close()


def inspected(desk, seed="2025-Q4", sample=3, hands=None, span=None):
    """Return the inspection file of a span, or of the day."""
    now, engine = desk.clock(), desk.engine
    since, until = span or (now - DAY_MS, now)
    signs = hands or Hands([LOG])
    files = InspectionFiles(engine.store, engine.inspector, engine.terms, engine.registry.now, lambda: signs)
    return files.file(Asked(since, until, seed, sample), "cli:ops")


@pytest.fixture(scope="module")
def file(desk, tmp_path_factory):
    """A day with all that an inspector looks for, published and signed."""
    sold = desk.settled()
    desk.settled(msisdn=OTHER, answer="不要")
    calls = [desk.end(desk.start(f"+861390013900{n}"), "other") for n in range(4)]
    review(desk, calls[0], "r-1")
    desk.start("+8613900139009", **{"from": "02166668888"})
    at = desk.clock()
    desk.clock.forward(seconds=600)
    rows = ["caller,number,start", *(f"10085,+8613900139{n:03},{CHINA.instant(at)}" for n in (0, 77))]
    with desk.engine.reconciler.compared(rows, CdrForm()) as found:
        desk.engine.reconciler.record(found, "cli:ops", "d" * 64)
    as_of_now(desk.engine.store)
    Publisher(desk.engine.store.log.public, Keys([LOG]), LogFolder(tmp_path_factory.mktemp("log"))).publish(
        desk.clock()
    )
    assert desk.engine.show(sold.id).state.settled
    return inspected(desk)


def link_of(file, trust=()):
    """Return the name of the link that is broken; "" for none."""
    try:
        verify(file, trust)
    except Broken as error:
        return error.link
    except NotEvidence:
        return "format"
    return ""


def test_an_inspector_finds_the_sample_the_gaps_and_who_was_never_asked_in_one_file(desk, file):
    assert (link_of(file), link_of(file, [str(LOG.key)])) == ("", "")
    assert [*dict(findings(file))] == [
        "period", "sample", "coverage", "violations", "complaints", "exposure", "CDR files compared",
    ]  # fmt: skip
    told = dict(findings(file))
    assert told["sample"] == "3 of 8 calls, drawn by the seed 2025-Q4"
    assert told["coverage"] == "1 of 6 recordings heard, 0 failed"
    assert told["violations"] == "2 calls"
    assert told["exposure"] == "1 of 1 activated orders; 1 lack a review of the call"
    assert told["CDR files compared"].startswith("1: 1 calls never reported, ")
    assert {tuple(each["violations"]) for each in file["violations"]} == {("unofficial_number",), ("unreported",)}
    assert all(each["leaf"] for each in file["drawn"])
    text = json.dumps(file, ensure_ascii=False)
    assert not [each for each in (NUMBER[3:], OTHER[3:], "1390013900") if each in text]


def test_the_same_seed_draws_the_same_calls_and_another_draws_others(desk, file):
    def drawn(seed):
        return [each["links"][0]["public"] for each in inspected(desk, seed)["drawn"]]

    assert drawn("2025-Q4") == [each["links"][0]["public"] for each in file["drawn"]]
    assert {tuple(drawn(f"seed {n}")) for n in range(4)} != {tuple(drawn("2025-Q4"))}
    every = inspected(desk, sample=100)
    assert (len(every["drawn"]), link_of(every)) == (8, "")


def test_both_ends_of_a_period_belong_to_it(desk, file):
    at = desk.engine.store.queries.places(Owner.CALL, Only.ALL, None, 1)[0][0]
    assert inspected(desk, span=(at, at))["calls"] > 0
    assert inspected(desk, span=(at + 1, at + 1))["calls"] == 0


def test_what_began_before_a_period_is_not_looked_through_for_it(desk, file):
    now, steps = desk.clock(), []

    @event.listens_for(desk.archive._engine, "before_cursor_execute")  # noqa: SLF001
    def noted(connection, cursor, statement, parameters, *_):
        if "ORDER BY orders.placed_at DESC" in statement or "ORDER BY calls.started_at DESC" in statement:
            steps.extend(row[-1] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    assert inspected(desk, span=(now - DAY_MS, now))["activated"] == 1
    event.remove(desk.archive._engine, "before_cursor_execute", noted)  # noqa: SLF001
    assert (len(steps), [each for each in steps if ">?" not in each]) == (3, [])


def test_a_call_that_was_swapped_or_left_out_of_the_sample_is_named_whoever_signs_it_again(file):
    others = []
    for change in (
        lambda made: made["drawn"].reverse(),
        lambda made: made["drawn"].pop(),
        lambda made: made.update(seed="another seed"),
        lambda made: made.update(since=made["until"]),
        lambda made: made["violations"].clear(),
        lambda made: made.update(calls=7),
        lambda made: made["drawn"][0]["links"].clear(),
        lambda made: made["drawn"][0]["leaf"].update(number=0),
        lambda made: made.update(activated=0),
        lambda made: made.update(rest=[1, 0]),
        lambda made: made["drawn"][0]["links"][0].update(person="{}"),
    ):
        made = copy.deepcopy(file)
        change(made)
        others.append(link_of(made | {"signature": str(sign(made))}))
    assert others == [
        "drawn.1", "drawn", "drawn.2", "drawn.0", "violations", "figures", "drawn.0", "drawn.0.leaf", "exposure",
        "violations", "drawn.0",
    ]  # fmt: skip


def sign(made):
    return Note(content_of(made)).signed_by(LOG)


def test_no_change_of_a_signed_file_goes_unseen(file):
    roll = Random(7)  # noqa: S311 - which ones, no secret
    every = [each for each in places(file) if each[0] != "signature"]
    for at in roll.sample(every, min(150, len(every))):
        made = broken(file, at, roll)
        assert made == file or link_of(made, [str(LOG.key)]), at


def test_a_file_that_nobody_trusted_signed_is_not_believed(desk, file):
    assert link_of(file, [str(hand("stranger.example").key)]) == "checkpoint"
    assert link_of(inspected(desk, hands=Hands()), [str(LOG.key)]) == "signature"
    assert link_of(inspected(desk, hands=Hands())) == ""
    assert link_of(inspected(desk, hands=Hands([hand("stranger.example")])), [str(LOG.key)]) == "signature"


def test_another_format_is_none(file):
    with pytest.raises(NotEvidence, match="consent-inspection/1"):
        verify(file | {"inspection": "consent-inspection/2"})
    with pytest.raises(Broken):
        verify({"inspection": "consent-inspection/1"})


def test_inspect_writes_a_file_that_verify_finds_sound(real, consent, tmp_path):
    real.settled()
    day = later(CHINA.of(real.clock()), -1)
    status, out, _ = consent("inspect", "--from", day, "--until", day, "--seed", "秋", "--sample", "1")
    (tmp_path / "file.json").write_text(out)
    assert (status, consent("verify", str(tmp_path / "file.json"))[1].split("\n")[:3]) == (0, [
        "sound\tinspection", f"period\t{day}T00:00:00.000+08:00 to {day}T23:59:59.999+08:00",
        "sample\t1 of 1 calls, drawn by the seed 秋",
    ])  # fmt: skip
    assert (
        "--until: must not be before --from"
        in consent("inspect", "--from", day, "--until", "2025-01-01", "--seed", "x")[2]
    )
    assert "--from: must be a day, like" in consent("inspect", "--from", "today", "--until", day, "--seed", "x")[2]
