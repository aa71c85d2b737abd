"""A newcomer's machine: no server, no tool, a blank in the folder's name. `.ci/run` runs both commands on one."""

import os
import subprocess
import sys
from pathlib import Path

from tests import needs
from tests.waiting import HANGS_S

ROOT = Path(__file__).parents[2]
NOTHING_TO_HIDE_WITH = 125


def test_the_demo_needs_no_program_on_the_path_and_a_folder_may_have_a_blank(tmp_path):
    needs.wheel_server()
    folder = tmp_path / "a folder"
    folder.mkdir()
    environ = {"PATH": str(folder), "TMPDIR": str(folder), "PYTHONPATH": str(ROOT), "LANG": "C"}
    done = subprocess.run(
        [sys.executable, "-m", "consent_engine", "demo", "--orders", "10"],
        env=environ, cwd=folder, capture_output=True, text=True, timeout=HANGS_S, check=False, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 10 orders ended as their subscribers' scripts say" in done.stdout
    assert list(folder.iterdir()) == [], "it leaves nothing behind"


def test_what_is_hidden_for_a_command_is_there_afterwards():
    def seen(*before):
        told = [*before, "bash", "-c", "type -P openssl git curl"]
        return subprocess.run(told, capture_output=True, text=True, timeout=HANGS_S, check=False)

    at_first, hidden = seen(), seen(ROOT / ".ci" / "bare")
    if hidden.returncode == NOTHING_TO_HIDE_WITH:
        assert hidden.stderr.startswith("bare: "), "it says why"
        assert os.geteuid() != 0 or "namespace" in hidden.stderr or "overlay" in hidden.stderr
    else:
        assert hidden.stdout == ""
    assert seen().stdout == at_first.stdout
