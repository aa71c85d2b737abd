"""An inspector's commands: calls dialled against calls reported."""

import json

from consent_engine.domain.days import CHINA


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
        (str(file),): "no column caller, number, start in the first line, which has a, b: name them with --columns",
        (str(file), "--columns", "number"): "--columns: must be like number=called",
        (str(file), "--within", "2h"): "--within: must be at least 1ms",
    }.items():
        status, out, err = consent("reconcile", *words)
        assert (status != 0, out, told in err, err.count("\n")) == (True, "", True, 1), err
