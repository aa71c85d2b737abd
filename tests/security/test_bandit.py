"""bandit finds nothing in our code except the findings listed here with a reason, and no entry here is unused."""

import json
import subprocess
import sys
from pathlib import Path

from tests.waiting import HANGS_S

ROOT = Path(__file__).parents[2]
OUR_COMMANDS = "starts programs by a list we wrote, never by a shell; nothing of a request is in it"
NO_SECRET = "draws jitter or deals scripts: nobody gains by guessing it. Secrets come from `secrets`"
NO_DTD = (
    "a builder that refuses a DTD, and with it every entity, reads answers; the body that an operator wrote is parsed"
)
ALLOWED = {
    ("B405", "consent_engine/adapters/templates.py"): NO_DTD,
    ("B314", "consent_engine/adapters/templates.py"): NO_DTD,
    (
        "B107",
        "consent_engine/adapters/outbound.py",
    ): "an empty secret means that nothing is signed (Kannel), not a password",
    ("B310", "consent_engine/cli/demo.py"): "asks the engine it started itself, at an address it made",
    ("B608", "consent_engine/adapters/sql/bulk.py"): "names of our own tables and columns; values are bound",
    ("B608", "consent_engine/engine/reconciliation.py"): "counts tables of its own, which it names itself",
    ("B105", "consent_engine/engine/evidence.py"): "a time-stamp's token that is not there",
    ("B701", "consent_engine/domain/texts/render.py"): "an SMS is not HTML; plans are values, never templates",
    ("B404", "consent_engine/adapters/redis/embedded/binary.py"): OUR_COMMANDS,
    ("B603", "consent_engine/adapters/redis/embedded/binary.py"): OUR_COMMANDS,
    ("B404", "consent_engine/adapters/redis/embedded/server.py"): OUR_COMMANDS,
    ("B603", "consent_engine/adapters/redis/embedded/server.py"): OUR_COMMANDS,
    ("B108", "consent_engine/adapters/redis/embedded/server.py"): "mkdtemp makes a folder in it that only we may enter",
    ("B404", "consent_engine/cli/demo.py"): OUR_COMMANDS,
    ("B603", "consent_engine/cli/demo.py"): OUR_COMMANDS,
    ("B404", "consent_engine/cli/supervisor.py"): OUR_COMMANDS,
    ("B603", "consent_engine/cli/supervisor.py"): OUR_COMMANDS,
    ("B105", "consent_engine/verify.py"): "the words for a time-stamp that is missing",
    ("B311", "consent_engine/api/http/middleware.py"): "names requests in logs: nobody gains by guessing one",
    ("B311", "consent_engine/engine/leave.py"): NO_SECRET,
    ("B311", "consent_engine/engine/perform.py"): NO_SECRET,
    ("B311", "workers/ticking.py"): NO_SECRET,
    ("B311", "consent_engine/simulator/subscribers.py"): NO_SECRET,
    ("B311", "consent_engine/cli/supervisor.py"): NO_SECRET,
    ("B311", "workers/clock.py"): NO_SECRET,
    ("B311", "workers/worker.py"): NO_SECRET,
}
"""Findings that are accepted, by bandit's rule and the file."""


def looked(*paths):
    command = [sys.executable, "-m", "bandit", "--quiet", "--format", "json", "--recursive", *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, check=False)
    said = json.loads(done.stdout)
    assert said["errors"] == []
    return said


def test_bandit_finds_nothing_new_and_nothing_is_allowed_in_vain():
    said = looked("consent_engine", "workers")
    assert said["metrics"]["_totals"]["loc"] > 5_000
    assert said["metrics"]["_totals"]["nosec"] == 0, "reasons stand in one table, not in comments"
    found = {(each["test_id"], each["filename"]): each for each in said["results"]}
    for where in set(found) - set(ALLOWED):
        each = found[where]
        raise AssertionError(f"{each['filename']}:{each['line_number']}: {each['test_id']} {each['issue_text']}")
    assert set(ALLOWED) == set(found)


def test_bandit_finds_what_it_is_for(tmp_path):
    (tmp_path / "bad.py").write_text("import pickle\n\n\ndef read(raw):\n    return pickle.loads(raw) or eval(raw)\n")
    assert {"B301", "B307", "B403"} <= {each["test_id"] for each in looked(tmp_path)["results"]}
