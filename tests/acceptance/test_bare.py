"""A newcomer's machine, with servers and tools hidden: `.ci/run` runs both commands of the README on one."""

import os
import subprocess
from pathlib import Path

from tests.waiting import HANGS_S

ROOT = Path(__file__).parents[2]
NOTHING_TO_HIDE_WITH = 125


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
